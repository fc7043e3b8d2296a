//! Compound scaling: one coefficient φ scales depth, width and resolution together.
//!
//! Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019:
//! depth d = α^φ, width w = β^φ, resolution r = γ^φ with α·β²·γ² ≈ 2, so that multiply-accumulates grow by about 2^φ.

/// φ for display: `φ 1.03`, or `φ unknown` outside the family.
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

/// Factors of depth, width and resolution for one step of φ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// Factor of depth (layers).
    pub alpha: f64,
    /// Factor of width (channels).
    pub beta: f64,
    /// Factor of resolution (pixels along a side).
    pub gamma: f64,
}

/// Input side of the base networks B0 and Lite0, in pixels.
pub const BASE_SIDE: u32 = 224;
/// Million multiply-accumulates of Lite0 at [`BASE_SIDE`] (φ = 0 of the shipped networks).
pub const BASE_MILLION_MACS: f64 = 385.19;
/// Target T of the architecture search, in million multiply-accumulates (MnasNet, equation 2).
pub const TARGET_MILLION_MACS: f64 = 400.0;
/// Exponent w of the search objective (MnasNet, equation 2, and Tan & Le, section 4).
pub const MACS_EXPONENT: f64 = -0.07;

/// Constraint of the coefficient search, α·β²·γ² ≈ 2: one step of φ doubles the multiply-accumulates.
pub const WORK_PER_STEP: f64 = 2.0;

impl Coefficients {
    /// Result of the paper's grid search for B0 (section 3.3).
    pub const PAPER: Coefficients = Coefficients { alpha: 1.2, beta: 1.1, gamma: 1.15 };

    /// Returns the factor of multiply-accumulates for one step of φ, α·β²·γ²: 1.920 with [`Coefficients::PAPER`].
    pub fn work_per_step(&self) -> f64 {
        self.alpha * self.beta.powi(2) * self.gamma.powi(2)
    }

    /// Returns the scale d = α^φ, w = β^φ, r = γ^φ, with the side rounded to a multiple of 8 pixels.
    pub fn scale(&self, phi: f64) -> Scale {
        let side = f64::from(BASE_SIDE) * self.gamma.powf(phi);
        let side = ((side / 8.0).round() * 8.0).clamp(8.0, 65_536.0) as u32;
        Scale { depth: self.alpha.powf(phi), width: self.beta.powf(phi), side }
    }

    /// Returns all combinations from 1 upwards in steps of 0.05 whose α·β²·γ² is within 5 % of [`WORK_PER_STEP`].
    pub fn grid() -> Vec<Coefficients> {
        let twentieths = |n: u32| f64::from(n) / 20.0;
        let (low, high) = (0.95 * WORK_PER_STEP - 1e-9, 1.05 * WORK_PER_STEP + 1e-9);
        let mut grid = Vec::new();
        for (a, b, c) in (20..=42).flat_map(|a| (20..=29).flat_map(move |b| (20..=29).map(move |c| (a, b, c)))) {
            let coefficients = Coefficients { alpha: twentieths(a), beta: twentieths(b), gamma: twentieths(c) };
            if (low..=high).contains(&coefficients.work_per_step()) {
                grid.push(coefficients);
            }
        }
        grid
    }
}

/// Multipliers and input side of a network, relative to the base network (B0 or Lite0 at 224 pixels).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Depth multiplier (layers).
    pub depth: f64,
    /// Width multiplier (channels).
    pub width: f64,
    /// Input side in pixels.
    pub side: u32,
}

impl Scale {
    /// Returns the multiply-accumulates relative to the base network, d·w²·r².
    pub fn work(&self) -> f64 {
        let resolution = f64::from(self.side) / f64::from(BASE_SIDE);
        self.depth * self.width.powi(2) * resolution.powi(2)
    }

    /// Returns the φ of equal multiply-accumulates; negative below the base network.
    pub fn phi(&self) -> f64 {
        phi_of_work(self.work())
    }
}

/// Returns φ for multiply-accumulates of `work` times those of the base network.
pub fn phi_of_work(work: f64) -> f64 {
    work.ln() / Coefficients::PAPER.work_per_step().ln()
}

/// Returns φ for a network of the shipped family with `million_macs`.
pub fn phi_of_macs(million_macs: f64) -> f64 {
    phi_of_work(million_macs / BASE_MILLION_MACS)
}

/// Returns ACC(m) × [FLOPS(m)/T]^w in percent, the objective of the search for B0 (higher is better).
pub fn objective(top1_percent: f64, million_macs: f64, target_million_macs: f64) -> f64 {
    top1_percent * (million_macs / target_million_macs).powf(MACS_EXPONENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phi_step_multiplies_macs_by_1_92() {
        assert!((Coefficients::PAPER.work_per_step() - 1.9203).abs() < 1e-4);
    }

    #[test]
    fn macs_grow_with_depth_width_squared_and_side_squared() {
        let scale = Scale { depth: 1.3, width: 1.2, side: 448 };
        assert!((scale.work() - 1.3 * 1.44 * 4.0).abs() < 1e-12);
        let scaled = Coefficients::PAPER.scale(8.0 / 1.15f64.log2()); // a side of almost exactly a multiple of 8
        assert!((scaled.phi() - 8.0 / 1.15f64.log2()).abs() < 0.01, "{scaled:?}");
    }

    #[test]
    fn phi_gives_a_side_that_is_a_multiple_of_8() {
        let sides = [-2.0, -1.0, 0.0, 1.0, 2.0, 7.0].map(|phi| Coefficients::PAPER.scale(phi).side);
        assert_eq!(sides, [168, 192, 224, 256, 296, 592]);
        assert!((Coefficients::PAPER.scale(-1.0).depth - 1.0 / 1.2).abs() < 1e-12);
    }

    #[test]
    fn grid_has_paper_coefficients_and_meets_constraint() {
        let grid = Coefficients::grid();
        let is_paper = |c: &&Coefficients| (c.alpha - 1.2).abs() + (c.beta - 1.1).abs() + (c.gamma - 1.15).abs() < 1e-9;
        assert_eq!(grid.iter().filter(is_paper).count(), 1);
        assert!(grid.iter().all(|c| (c.work_per_step() - 2.0).abs() <= 0.1 + 1e-9));
        let tuples = grid.iter().map(|c| [c.alpha, c.beta, c.gamma].map(|x| (x * 20.0).round() as u32));
        for corner in [[38, 20, 20], [20, 28, 20]] {
            assert!(tuples.clone().any(|tuple| tuple == corner), "{corner:?}");
        }
    }

    #[test]
    fn released_networks_have_expected_phi() {
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
            let computed = Scale { depth, width, side }.phi();
            assert!((computed - phi).abs() < 0.01, "{side} px: φ {computed:.3}, expected {phi}");
        }
    }

    #[test]
    fn side_below_the_base_has_negative_phi() {
        let phi = Scale { depth: 1.0, width: 1.0, side: 192 }.phi();
        assert!((phi + 0.47).abs() < 0.01, "{phi}");
    }

    #[test]
    fn objective_rewards_accuracy_and_penalises_macs() {
        assert_eq!(objective(77.0, 400.0, TARGET_MILLION_MACS), 77.0);
        assert!((objective(77.0, 800.0, TARGET_MILLION_MACS) - 77.0 * 2f64.powf(-0.07)).abs() < 1e-12);
    }
}
