//! Vectors of four f32 values in NEON, which every 64-bit ARM CPU has.

use std::arch::aarch64::*;

use super::{GROUP, Vector};

/// NEON register.
#[derive(Clone, Copy)]
pub struct Neon(float32x4_t);

// Every method relies on its caller for the instruction set and for valid pointers, as `Vector` requires.
impl Vector for Neon {
    const LANES: usize = 4;
    // A register: one load gives four values, and the multiplying instruction picks a lane.
    type Group = float32x4_t;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Neon {
        // SAFETY: the caller ensures NEON and 4 readable values.
        Neon(unsafe { vld1q_f32(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller ensures NEON and 4 writable values.
        unsafe { vst1q_f32(to, self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Neon {
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe { vdupq_n_f32(value) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Neon) -> Neon {
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn subtract(self, other: Neon) -> Neon {
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe { vsubq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply(self, other: Neon) -> Neon {
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe { vmulq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn minimum(self, other: Neon) -> Neon {
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe { vminq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn maximum(self, other: Neon) -> Neon {
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe { vmaxq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn multiply_add(self, a: Neon, b: Neon) -> Neon {
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe { vfmaq_f32(self.0, a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn group(from: *const f32, count: usize) -> float32x4_t {
        // SAFETY: the caller ensures NEON and `count` readable values.
        unsafe {
            match count {
                GROUP => vld1q_f32(from),
                1 => vld1q_dup_f32(from),
                2 => vcombine_f32(vld1_f32(from), vdup_n_f32(0.0)),
                _ => vcombine_f32(vld1_f32(from), vld1_dup_f32(from.add(2))),
            }
        }
    }
    #[inline(always)]
    unsafe fn multiply_add_lane<const I: usize>(self, a: Neon, group: float32x4_t) -> Neon {
        // The intrinsic takes its lane as a literal.
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe {
            match I {
                0 => vfmaq_laneq_f32::<0>(self.0, a.0, group),
                1 => vfmaq_laneq_f32::<1>(self.0, a.0, group),
                2 => vfmaq_laneq_f32::<2>(self.0, a.0, group),
                _ => vfmaq_laneq_f32::<3>(self.0, a.0, group),
            }
        })
    }
    #[inline(always)]
    unsafe fn shift_to_exponent(self) -> Neon {
        // SAFETY: the caller ensures NEON; only registers are used.
        Neon(unsafe { vreinterpretq_f32_s32(vshlq_n_s32::<23>(vreinterpretq_s32_f32(self.0))) })
    }
    #[inline(always)]
    unsafe fn divide(self, divisor: Neon) -> Neon {
        // `fdiv` takes tens of cycles on Cortex-A cores; this is 8 bits of the reciprocal and one Newton–Raphson step.
        // SAFETY: the caller ensures NEON; only registers are used.
        unsafe {
            let prediction = vrecpeq_f32(divisor.0);
            let correction = vrecpsq_f32(divisor.0, prediction);
            Neon(vmulq_f32(vmulq_f32(self.0, prediction), correction))
        }
    }
}
