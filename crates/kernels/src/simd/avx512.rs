//! Vectors of sixteen f32 values in AVX-512.

use std::arch::x86_64::*;

use super::Vector;

/// AVX-512 register.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

// Every method relies on its caller for the instruction set and for valid pointers, as `Vector` requires.
impl Vector for Avx512 {
    const LANES: usize = 16;
    // A pointer: the multiplying instruction reads and broadcasts the value itself.
    type Group = *const f32;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F and 16 readable values.
        Avx512(unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller ensures AVX-512F and 16 writable values.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        Avx512(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Avx512) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        Avx512(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn subtract(self, other: Avx512) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        Avx512(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, other: Avx512) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        Avx512(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn minimum(self, other: Avx512) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        Avx512(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn maximum(self, other: Avx512) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        Avx512(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply_add(self, a: Avx512, b: Avx512) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        Avx512(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }
    #[inline(always)]
    unsafe fn group(from: *const f32, _count: usize) -> *const f32 {
        from
    }
    #[inline(always)]
    unsafe fn multiply_add_lane<const I: usize>(self, a: Avx512, group: *const f32) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; value `I` of the group is readable.
        Avx512(unsafe { _mm512_fmadd_ps(a.0, _mm512_set1_ps(*group.add(I)), self.0) })
    }
    #[inline(always)]
    unsafe fn shift_to_exponent(self) -> Avx512 {
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        Avx512(unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self.0))) })
    }
    #[inline(always)]
    unsafe fn divide(self, divisor: Avx512) -> Avx512 {
        // 14 bits of the reciprocal, refined by one Newton–Raphson step.
        // SAFETY: the caller ensures AVX-512F; only registers are used.
        unsafe {
            let prediction = _mm512_rcp14_ps(divisor.0);
            let correction = _mm512_fnmadd_ps(divisor.0, prediction, _mm512_set1_ps(2.0));
            Avx512(_mm512_mul_ps(_mm512_mul_ps(self.0, prediction), correction))
        }
    }
}
