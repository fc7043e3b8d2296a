//! Activation functions of convolutions.

/// Function applied to each output value of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x
    None,
    /// min(max(x, 0), 6)
    Relu6,
    /// x · sigmoid(x)
    Silu,
    /// 1 / (1 + e^−x)
    Sigmoid,
}

impl Activation {
    /// Returns the activation of `x`, computed with [`f32::exp`].
    ///
    /// The kernels approximate it with a relative error below 2e-5.
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Activation::None => x,
            Activation::Relu6 => x.clamp(0.0, 6.0),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }

    /// Returns whether the activation needs so many registers that it runs after a tile, over the finished row.
    pub(crate) fn needs_separate_pass(self) -> bool {
        matches!(self, Activation::Silu | Activation::Sigmoid)
    }
}
