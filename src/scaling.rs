//! Compound scaling: one number φ for a network's depth, width and resolution.
//!
//! Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019:
//! depth d = α^φ, width w = β^φ, resolution r = γ^φ with α·β²·γ² ≈ 2, so that work grows as about 2^φ.

/// Depth multiplies by this for each step of φ.
pub const ALPHA: f64 = 1.2;
/// Width (channels) multiplies by this for each step of φ.
pub const BETA: f64 = 1.1;
/// Resolution (pixels along a side) multiplies by this for each step of φ.
pub const GAMMA: f64 = 1.15;
/// The side that B0 and Lite0 were designed for, in pixels.
pub const BASE_SIDE: u32 = 224;
/// Multiply-accumulates of Lite0 at [`BASE_SIDE`], in millions: the φ = 0 of the shipped family.
pub const BASE_MILLION_MACS: f64 = 385.19;
/// Target work T of the architecture search's objective, in million multiply-accumulates (MnasNet, equation 2).
pub const TARGET_MILLION_MACS: f64 = 400.0;
/// Exponent of work in that objective.
pub const WORK_EXPONENT: f64 = -0.07;

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

/// What one step of φ multiplies the work by: α·β²·γ² = 1.920 (the paper's "≈ 2").
pub fn work_per_step() -> f64 {
    ALPHA * BETA.powi(2) * GAMMA.powi(2)
}

/// φ of a network that costs `work` times the base network.
pub fn phi_of_work(work: f64) -> f64 {
    work.ln() / work_per_step().ln()
}

/// φ of a network of the shipped family that needs `million_macs` million multiply-accumulates.
pub fn phi_of_macs(million_macs: f64) -> f64 {
    phi_of_work(million_macs / BASE_MILLION_MACS)
}

/// ACC(m) × [FLOPS(m)/T]^w, the objective that B0 was found by (higher is better), in percent.
pub fn objective(top1_percent: f64, million_macs: f64) -> f64 {
    top1_percent * (million_macs / TARGET_MILLION_MACS).powf(WORK_EXPONENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_of_phi_multiplies_the_work_by_1_92() {
        assert!((work_per_step() - 1.9203).abs() < 1e-4);
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
        assert_eq!(objective(77.0, 400.0), 77.0);
        assert!((objective(77.0, 800.0) - 77.0 * 2f64.powf(-0.07)).abs() < 1e-12);
    }
}
