//! Sixteen values in AVX-512.

use std::arch::x86_64::*;

use super::Vector;

/// Sixteen values.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

// SAFETY, for all blocks below: the caller promises AVX-512F, and valid pointers.
impl Vector for Avx512 {
    const LANES: usize = 16;
    // Each value is read where it multiplies, by the instruction that multiplies.
    type Group = *const f32;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Avx512 {
        Avx512(unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Avx512 {
        Avx512(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Avx512) -> Avx512 {
        Avx512(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn subtract(self, other: Avx512) -> Avx512 {
        Avx512(unsafe { _mm512_sub_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, other: Avx512) -> Avx512 {
        Avx512(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn minimum(self, other: Avx512) -> Avx512 {
        Avx512(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn maximum(self, other: Avx512) -> Avx512 {
        Avx512(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply_add(self, a: Avx512, b: Avx512) -> Avx512 {
        Avx512(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }
    #[inline(always)]
    unsafe fn group(from: *const f32, _count: usize) -> *const f32 {
        from
    }
    #[inline(always)]
    unsafe fn multiply_add_value<const I: usize>(self, a: Avx512, group: *const f32) -> Avx512 {
        Avx512(unsafe { _mm512_fmadd_ps(a.0, _mm512_set1_ps(*group.add(I)), self.0) })
    }
    #[inline(always)]
    unsafe fn shift_to_exponent(self) -> Avx512 {
        Avx512(unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(self.0))) })
    }
    #[inline(always)]
    unsafe fn divide(self, divisor: Avx512) -> Avx512 {
        // 14 bits of the reciprocal, and a step of Newton's.
        unsafe {
            let prediction = _mm512_rcp14_ps(divisor.0);
            let correction = _mm512_fnmadd_ps(divisor.0, prediction, _mm512_set1_ps(2.0));
            Avx512(_mm512_mul_ps(_mm512_mul_ps(self.0, prediction), correction))
        }
    }
}
