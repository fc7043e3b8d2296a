//! Compound scaling: one number φ for a network's depth, width and resolution.
//!
//! Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019:
//! depth d = α^φ, width w = β^φ, resolution r = γ^φ with α·β²·γ² ≈ 2, so that work grows as about 2^φ.

/// φ in words: `φ 1.03`, or `φ unknown` outside the family.
#[derive(Clone, Copy, Debug)]
pub struct Phi(pub Option<f64>);

impl std::fmt::Display for Phi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(phi) => write!(f, "φ {phi:.2}"),
            None => f.write_str("φ unknown"),
        }
    }
}

/// What one step of φ multiplies depth, width and resolution by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// Of depth.
    pub alpha: f64,
    /// Of width (channels).
    pub beta: f64,
    /// Of resolution (pixels along a side).
    pub gamma: f64,
}

/// The side that B0 and Lite0 were designed for, in pixels.
pub const BASE_SIDE: u32 = 224;
/// Multiply-accumulates of Lite0 at [`BASE_SIDE`], in millions: the φ = 0 of the shipped family.
pub const BASE_MILLION_MACS: f64 = 385.19;
/// Target work T of the architecture search's objective, in million multiply-accumulates (MnasNet, equation 2).
pub const TARGET_MILLION_MACS: f64 = 400.0;
/// Exponent of work in that objective.
pub const WORK_EXPONENT: f64 = -0.07;

/// The constraint of the search: α·β²·γ² ≈ 2, so that a step of φ doubles the work.
pub const WORK_PER_STEP: f64 = 2.0;

impl Coefficients {
    /// What the paper's grid search found for B0 (section 3.3).
    pub const PAPER: Coefficients = Coefficients { alpha: 1.2, beta: 1.1, gamma: 1.15 };

    /// What one step of φ multiplies the work by, α·β²·γ²: 1.920 with the paper's.
    pub fn work_per_step(&self) -> f64 {
        self.alpha * self.beta.powi(2) * self.gamma.powi(2)
    }

    /// d = α^φ, w = β^φ, r = γ^φ; the side to the nearest multiple of 8 pixels, as convolutions like it.
    pub fn scale(&self, phi: f64) -> Scale {
        let side = f64::from(BASE_SIDE) * self.gamma.powf(phi);
        let side = ((side / 8.0).round() * 8.0).clamp(8.0, 65_536.0) as u32;
        Scale { depth: self.alpha.powf(phi), width: self.beta.powf(phi), side }
    }

    /// Every combination from 1 upwards in steps of 0.05 whose α·β²·γ² is within 5 % of [`WORK_PER_STEP`].
    pub fn grid() -> Vec<Coefficients> {
        let twentieths = |n: u32| f64::from(n) / 20.0;
        let (low, high) = (0.95 * WORK_PER_STEP - 1e-9, 1.05 * WORK_PER_STEP + 1e-9);
        let mut found = Vec::new();
        for (a, b, c) in (20..=42).flat_map(|a| (20..=29).flat_map(move |b| (20..=29).map(move |c| (a, b, c)))) {
            let coefficients = Coefficients { alpha: twentieths(a), beta: twentieths(b), gamma: twentieths(c) };
            if (low..=high).contains(&coefficients.work_per_step()) {
                found.push(coefficients);
            }
        }
        found
    }
}

/// How far a network is scaled from the base network (B0 or Lite0 at 224 pixels).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Layers, as a multiple of the base network's.
    pub depth: f64,
    /// Channels, as a multiple of the base network's.
    pub width: f64,
    /// Input side in pixels.
    pub side: u32,
}

impl Scale {
    /// Work relative to the base network: FLOPS ∝ d·w²·r².
    pub fn work(&self) -> f64 {
        let resolution = f64::from(self.side) / f64::from(BASE_SIDE);
        self.depth * self.width.powi(2) * resolution.powi(2)
    }

    /// The φ whose compound scaling costs the same work; negative below the base network.
    pub fn phi(&self) -> f64 {
        phi_of_work(self.work())
    }
}

/// φ of a network that costs `work` times the base network.
pub fn phi_of_work(work: f64) -> f64 {
    work.ln() / Coefficients::PAPER.work_per_step().ln()
}

/// φ of a network of the shipped family that needs `million_macs` million multiply-accumulates.
pub fn phi_of_macs(million_macs: f64) -> f64 {
    phi_of_work(million_macs / BASE_MILLION_MACS)
}

/// ACC(m) × [FLOPS(m)/T]^w, the objective that B0 was found by (higher is better), in percent.
pub fn objective(top1_percent: f64, million_macs: f64, target_million_macs: f64) -> f64 {
    top1_percent * (million_macs / target_million_macs).powf(WORK_EXPONENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_of_phi_multiplies_the_work_by_1_92() {
        assert!((Coefficients::PAPER.work_per_step() - 1.9203).abs() < 1e-4);
    }

    #[test]
    fn work_grows_as_depth_times_width_squared_times_resolution_squared() {
        let scale = Scale { depth: 1.3, width: 1.2, side: 448 };
        assert!((scale.work() - 1.3 * 1.44 * 4.0).abs() < 1e-12);
        let scaled = Coefficients::PAPER.scale(8.0 / 1.15f64.log2()); // a side that needs no rounding to speak of
        assert!((scaled.phi() - 8.0 / 1.15f64.log2()).abs() < 0.01, "{scaled:?}");
    }

    #[test]
    fn a_bare_phi_rounds_the_side_to_a_multiple_of_8() {
        let sides = [-2.0, -1.0, 0.0, 1.0, 2.0, 7.0].map(|phi| Coefficients::PAPER.scale(phi).side);
        assert_eq!(sides, [168, 192, 224, 256, 296, 592]);
        assert!((Coefficients::PAPER.scale(-1.0).depth - 1.0 / 1.2).abs() < 1e-12);
    }

    #[test]
    fn the_grid_holds_the_papers_coefficients_and_keeps_the_constraint() {
        let grid = Coefficients::grid();
        let near = |c: &&Coefficients| (c.alpha - 1.2).abs() + (c.beta - 1.1).abs() + (c.gamma - 1.15).abs() < 1e-9;
        assert_eq!(grid.iter().filter(near).count(), 1);
        assert!(grid.iter().all(|c| (c.work_per_step() - 2.0).abs() <= 0.1 + 1e-9));
        let tuples = grid.iter().map(|c| [c.alpha, c.beta, c.gamma].map(|x| (x * 20.0).round() as u32));
        assert!(tuples.clone().any(|t| t == [38, 20, 20]) && tuples.clone().any(|t| t == [20, 28, 20]), "the corners");
    }

    #[test]
    fn the_released_networks_sit_where_their_rounded_coefficients_put_them() {
        let released = [
            (1.0, 1.0, 224, 0.0),
            (1.0, 1.1, 240, 0.36),
            (1.1, 1.2, 260, 1.03),
            (1.2, 1.4, 300, 1.97),
            (1.4, 1.8, 380, 3.55),
            (1.6, 2.2, 456, 4.83),
            (1.8, 2.6, 528, 5.90),
            (2.0, 3.1, 600, 6.88),
        ];
        for (width, depth, side, phi) in released {
            let found = Scale { depth, width, side }.phi();
            assert!((found - phi).abs() < 0.01, "{side} px: φ {found:.3}, expected {phi}");
        }
    }

    #[test]
    fn a_side_below_the_base_has_a_negative_phi() {
        let phi = Scale { depth: 1.0, width: 1.0, side: 192 }.phi();
        assert!((phi + 0.47).abs() < 0.01, "{phi}");
    }

    #[test]
    fn the_objective_rewards_accuracy_and_discounts_work() {
        assert_eq!(objective(77.0, 400.0, TARGET_MILLION_MACS), 77.0);
        assert!((objective(77.0, 800.0, TARGET_MILLION_MACS) - 77.0 * 2f64.powf(-0.07)).abs() < 1e-12);
    }
}
