//! Vector operations that the kernels need of an instruction set, and the activations built from them.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod portable;

/// Consecutive values of a pixel that a microkernel reads at a time: one NEON register.
pub const GROUP: usize = 4;

/// Coefficients a, b of 2^f ≈ (f² + b·f + a) / (f² − b·f + a) for f in −0.5 … 0.5.
///
/// Minimax of the relative error, 4.6e-7, by the Nelder–Mead method. A polynomial of third degree takes as many
/// instructions and has an error of 7.5e-5.
const EXP2_COEFFICIENTS: [f32; 2] = [25.039_106, 8.677_839];
/// Beyond ±80 a sigmoid is 1, or at most e^−80 ≈ 2e-35, in f32.
const SIGMOID_LIMIT: f32 = 80.0;
/// 1.5 · 2^23: adding it rounds an f32 to an integer in its last bits. The added 127 is the bias of an f32 exponent.
const ROUND_WITH_BIAS: f32 = 12_582_912.0 + 127.0;

/// A register of f32 values.
///
/// # Safety
/// Callers ensure that the CPU has the instruction set and that pointers are valid for the values read or written:
/// [`Vector::LANES`], or the stated count. Pointers need no alignment beyond that of f32.
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
    /// Returns self + a · b.
    unsafe fn multiply_add(self, a: Self, b: Self) -> Self;
    /// Reads the first `count` values of a group, 1 … [`GROUP`].
    unsafe fn group(from: *const f32, count: usize) -> Self::Group;
    /// Returns self + a · group\[I\].
    unsafe fn multiply_add_lane<const I: usize>(self, a: Self, group: Self::Group) -> Self;
    /// Shifts each lane's bits up by 23, so that an integer in the last bits becomes an f32 exponent.
    unsafe fn shift_to_exponent(self) -> Self;
    /// Returns self / divisor with a relative error below 2e-5, for divisors of 20 … 2^121.
    unsafe fn divide(self, divisor: Self) -> Self;

    /// Returns min(max(self, 0), 6).
    #[inline(always)]
    unsafe fn relu6(self) -> Self {
        // SAFETY: the caller ensures the instruction set; only registers are used.
        unsafe { self.maximum(Self::splat(0.0)).minimum(Self::splat(6.0)) }
    }

    /// Returns self / (1 + e^−self) with a relative error below 2e-5.
    #[inline(always)]
    unsafe fn silu(self) -> Self {
        // SAFETY: the caller ensures the instruction set; only registers are used.
        unsafe { self.times_sigmoid(self) }
    }

    /// Returns 1 / (1 + e^−self) with a relative error below 2e-5.
    #[inline(always)]
    unsafe fn sigmoid(self) -> Self {
        // SAFETY: the caller ensures the instruction set; only registers are used.
        unsafe { self.times_sigmoid(Self::splat(1.0)) }
    }

    /// Returns numerator / (1 + e^−self).
    #[inline(always)]
    unsafe fn times_sigmoid(self, numerator: Self) -> Self {
        // e^−self = 2^n · 2^f for an integer n and f in −0.5 … 0.5.
        // SAFETY: the caller ensures the instruction set; only registers are used.
        unsafe {
            let clamped = self.maximum(Self::splat(-SIGMOID_LIMIT)).minimum(Self::splat(SIGMOID_LIMIT));
            let minus_log2_e = Self::splat(-std::f32::consts::LOG2_E);
            let biased_n = Self::splat(ROUND_WITH_BIAS).multiply_add(clamped, minus_log2_e);
            let f = Self::splat(ROUND_WITH_BIAS).subtract(biased_n).multiply_add(clamped, minus_log2_e);
            let [a, b] = EXP2_COEFFICIENTS;
            let even = Self::splat(a).multiply_add(f, f);
            let below = even.multiply_add(f, Self::splat(-b));
            let above = even.multiply_add(f, Self::splat(b));
            // numerator / (1 + 2^n · above / below)
            numerator.multiply(below).divide(below.multiply_add(above, biased_n.shift_to_exponent()))
        }
    }
}
