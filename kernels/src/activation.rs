//! What is done to each value that a convolution gives.

use crate::vector::Vector;

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

    /// Of a register, with a relative error below 2e-5.
    ///
    /// # Safety
    /// As [`Vector`]'s.
    #[inline(always)]
    pub(crate) unsafe fn of_vector<V: Vector>(self, x: V) -> V {
        // SAFETY: only registers, by the caller's promise about the CPU.
        unsafe {
            match self {
                Activation::None => x,
                Activation::Relu6 => x.maximum(V::splat(0.0)).minimum(V::splat(6.0)),
                Activation::Silu => x.times_sigmoid(x),
                Activation::Sigmoid => x.times_sigmoid(V::splat(1.0)),
            }
        }
    }
}
