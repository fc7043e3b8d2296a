//! What is done to each value that a convolution gives.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    None,
    /// x between 0 and 6
    Relu6,
    /// x · sigmoid(x)
    Silu,
    Sigmoid,
}

impl Activation {
    /// Of one value, exactly.
    pub fn of(self, x: f32) -> f32 {
        match self {
            Activation::None => x,
            Activation::Relu6 => x.clamp(0.0, 6.0),
            Activation::Silu => x / (1.0 + (-x).exp()),
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }

    /// Whether it is more than a step or two for each value.
    pub(crate) fn needs_all_registers(self) -> bool {
        matches!(self, Activation::Silu | Activation::Sigmoid)
    }
}
