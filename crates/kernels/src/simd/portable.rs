//! Vectors of four f32 values in plain Rust, for CPUs without SIMD kernels and for Miri.

use super::{GROUP, Vector};

/// Array of lanes.
#[derive(Clone, Copy)]
pub struct Portable([f32; 4]);

impl Portable {
    #[inline(always)]
    fn map(self, op: impl Fn(f32) -> f32) -> Portable {
        Portable(self.0.map(op))
    }

    #[inline(always)]
    fn zip(self, other: Portable, op: impl Fn(f32, f32) -> f32) -> Portable {
        Portable(std::array::from_fn(|lane| op(self.0[lane], other.0[lane])))
    }
}

impl Vector for Portable {
    const LANES: usize = 4;
    type Group = [f32; GROUP];

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Portable {
        // SAFETY: the caller ensures 4 readable values; the array has the alignment of f32.
        Portable(unsafe { from.cast::<[f32; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller ensures 4 writable values; the array has the alignment of f32.
        unsafe { to.cast::<[f32; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Portable {
        Portable([value; 4])
    }
    #[inline(always)]
    unsafe fn add(self, other: Portable) -> Portable {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn subtract(self, other: Portable) -> Portable {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn multiply(self, other: Portable) -> Portable {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn minimum(self, other: Portable) -> Portable {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn maximum(self, other: Portable) -> Portable {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn multiply_add(self, a: Portable, b: Portable) -> Portable {
        // Not f32::mul_add: without an FMA instruction it is a library call.
        Portable(std::array::from_fn(|lane| self.0[lane] + a.0[lane] * b.0[lane]))
    }
    #[inline(always)]
    unsafe fn group(from: *const f32, count: usize) -> [f32; GROUP] {
        // SAFETY: the caller ensures `count` readable values, and only those are read.
        std::array::from_fn(|index| if index < count { unsafe { from.add(index).read() } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn multiply_add_lane<const I: usize>(self, a: Portable, group: [f32; GROUP]) -> Portable {
        self.zip(a, |sum, a| sum + a * group[I])
    }
    #[inline(always)]
    unsafe fn shift_to_exponent(self) -> Portable {
        self.map(|value| f32::from_bits(value.to_bits() << 23))
    }
    #[inline(always)]
    unsafe fn divide(self, divisor: Portable) -> Portable {
        self.zip(divisor, |a, b| a / b)
    }
}
