//! What the loops need of an instruction set: a vector of f32, and four values of a pixel that multiply it one by one.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod portable;

/// How many values of a pixel are taken at a time.
pub const GROUP: usize = 4;

/// 2^f = (f² + b·f + a) / (f² − b·f + a) for f in −0.5 … 0.5: minimax of the relative error, 4.6e-7 (Nelder and Mead's
/// method). As many instructions as a polynomial of third degree, whose error is 7.5e-5.
const POWER_OF_TWO: [f32; 2] = [25.039_106, 8.677_839];
/// Beyond this a sigmoid is 0 or 1 in f32, or as good as.
const SIGMOID_LIMIT: f32 = 80.0;
/// f32 of this size are whole numbers, and 127 more in their last bits is the exponent's bias.
const WHOLE: f32 = 12_582_912.0 + 127.0;

/// A register of f32.
///
/// # Safety
/// All methods may be called only where the CPU has the instruction set. Pointers must be valid for what is read or
/// written: [`Vector::LANES`] values, or as many as said. They need no alignment.
pub trait Vector: Copy {
    /// Values in a register.
    const LANES: usize;
    /// [`GROUP`] consecutive values, each of which can multiply a register.
    type Group: Copy;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn subtract(self, other: Self) -> Self;
    unsafe fn multiply(self, other: Self) -> Self;
    unsafe fn minimum(self, other: Self) -> Self;
    unsafe fn maximum(self, other: Self) -> Self;
    /// self + a · b
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self;
    /// Reads the first `count` of a group, 1 … [`GROUP`].
    unsafe fn group(from: *const f32, count: usize) -> Self::Group;
    /// self + a · (value `I` of the group)
    unsafe fn multiply_add_value<const I: usize>(self, a: Self, group: Self::Group) -> Self;
    /// The register's bits 23 places up, as f32: a whole number in the last bits becomes an exponent.
    unsafe fn shift_to_exponent(self) -> Self;
    /// self / divisor, for a divisor of 20 … 2^121, with a relative error below 2e-5.
    unsafe fn divide(self, divisor: Self) -> Self;

    /// self between 0 and 6
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        // SAFETY: only registers, by the caller's promise about the CPU; also below.
        unsafe { self.maximum(Self::splat(0.0)).minimum(Self::splat(6.0)) }
    }

    /// self / (1 + e^−self), with a relative error below 2e-5
    #[inline(always)]
    unsafe fn silu(self) -> Self {
        unsafe { self.times_sigmoid(self) }
    }

    /// 1 / (1 + e^−self), with the same
    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        unsafe { self.times_sigmoid(Self::splat(1.0)) }
    }

    /// numerator / (1 + e^−self)
    #[inline(always)]
    unsafe fn times_sigmoid(self, numerator: Self) -> Self {
        // e^−self = 2^n · 2^f for a whole n and f in −0.5 … 0.5.
        // SAFETY: only registers, by the caller's promise about the CPU.
        unsafe {
            let within = self.maximum(Self::splat(-SIGMOID_LIMIT)).minimum(Self::splat(SIGMOID_LIMIT));
            let base = Self::splat(-std::f32::consts::LOG2_E);
            let biased = Self::splat(WHOLE).multiply_add(within, base);
            let rest = Self::splat(WHOLE).subtract(biased).multiply_add(within, base);
            let [a, b] = POWER_OF_TWO;
            let even = Self::splat(a).multiply_add(rest, rest);
            let (below, above) = (even.multiply_add(rest, Self::splat(-b)), even.multiply_add(rest, Self::splat(b)));
            // numerator / (1 + 2^n · above / below)
            numerator.multiply(below).divide(below.multiply_add(above, biased.shift_to_exponent()))
        }
    }
}
