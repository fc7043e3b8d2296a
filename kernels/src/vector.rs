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

/// 2^f for f in −0.5 … 0.5 as a polynomial, lowest power first: minimax of the relative error, 2.6e-6 (Remez).
const POWER_OF_TWO: [f32; 5] = [0.999_999_3, 0.693_121_8, 0.240_247_45, 0.055_917_86, 0.009_570_102];

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
    unsafe fn multiply(self, other: Self) -> Self;
    unsafe fn minimum(self, other: Self) -> Self;
    unsafe fn maximum(self, other: Self) -> Self;
    /// self + a · b
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self;
    /// Reads the first `count` of a group, 1 … [`GROUP`].
    unsafe fn group(from: *const f32, count: usize) -> Self::Group;
    /// self + a · (value `I` of the group)
    unsafe fn multiply_add_value<const I: usize>(self, a: Self, group: Self::Group) -> Self;
    /// The nearest whole number, as a vector and in the form that [`Vector::scale`] takes.
    unsafe fn round(self) -> (Self, Self::Whole);
    /// What [`Vector::round`] gives for [`Vector::scale`].
    type Whole: Copy;
    /// self · 2^whole, for self in 0.7 … 1.5 and whole in −120 … 120
    unsafe fn scale(self, whole: Self::Whole) -> Self;
    /// self / divisor, for a divisor of 1 … 2^121, with a relative error below 2e-5.
    unsafe fn divide(self, divisor: Self) -> Self;

    /// numerator / (1 + e^−self)
    #[inline(always)]
    unsafe fn times_sigmoid(self, numerator: Self) -> Self {
        // SAFETY: only registers, by the caller's promise about the CPU.
        unsafe {
            let limit = 120.0;
            let power = self.multiply(Self::splat(-std::f32::consts::LOG2_E));
            let power = power.maximum(Self::splat(-limit)).minimum(Self::splat(limit));
            let (rounded, whole) = power.round();
            let rest = power.multiply_add(rounded, Self::splat(-1.0));
            let [c0, c1, c2, c3, c4] = POWER_OF_TWO;
            let value = Self::splat(c3).multiply_add(Self::splat(c4), rest);
            let value = Self::splat(c2).multiply_add(value, rest);
            let value = Self::splat(c1).multiply_add(value, rest);
            let value = Self::splat(c0).multiply_add(value, rest);
            numerator.divide(value.scale(whole).add(Self::splat(1.0)))
        }
    }
}
