//! Vectors of eight f32 values in AVX2 with FMA.

use std::arch::x86_64::*;

use super::Vector;

/// AVX2 register.
#[derive(Clone, Copy)]
pub struct Avx2(__m256);

// Every method relies on its caller for the instruction set and for valid pointers, as `Vector` requires.
impl Vector for Avx2 {
    const LANES: usize = 8;
    // A pointer: broadcasting a value at its use costs one load and nothing else.
    type Group = *const f32;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA and 8 readable values.
        Avx2(unsafe { _mm256_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller ensures AVX2 and FMA and 8 writable values.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        Avx2(unsafe { _mm256_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Avx2) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        Avx2(unsafe { _mm256_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn subtract(self, other: Avx2) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        Avx2(unsafe { _mm256_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, other: Avx2) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        Avx2(unsafe { _mm256_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn minimum(self, other: Avx2) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        Avx2(unsafe { _mm256_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn maximum(self, other: Avx2) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        Avx2(unsafe { _mm256_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply_add(self, a: Avx2, b: Avx2) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        Avx2(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
    }
    #[inline(always)]
    unsafe fn group(from: *const f32, _count: usize) -> *const f32 {
        from
    }
    #[inline(always)]
    unsafe fn multiply_add_lane<const I: usize>(self, a: Avx2, group: *const f32) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; value `I` of the group is readable.
        Avx2(unsafe { _mm256_fmadd_ps(a.0, _mm256_broadcast_ss(&*group.add(I)), self.0) })
    }
    #[inline(always)]
    unsafe fn shift_to_exponent(self) -> Avx2 {
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        Avx2(unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(self.0))) })
    }
    #[inline(always)]
    unsafe fn divide(self, divisor: Avx2) -> Avx2 {
        // 12 bits of the reciprocal, refined by one Newton–Raphson step.
        // SAFETY: the caller ensures AVX2 and FMA; only registers are used.
        unsafe {
            let prediction = _mm256_rcp_ps(divisor.0);
            let correction = _mm256_fnmadd_ps(divisor.0, prediction, _mm256_set1_ps(2.0));
            Avx2(_mm256_mul_ps(_mm256_mul_ps(self.0, prediction), correction))
        }
    }
}
