//! The inner loops of each instruction set, and which of them this CPU has.

use crate::activation::Activation;
use crate::depthwise;
use crate::depthwise::Strip;
use crate::gemm::microkernel;
use crate::gemm::microkernel::Tile;
use crate::row_ops;
use crate::row_ops::Rows;
use crate::simd::Vector;

type TileLoop = unsafe fn(&Tile);
type SingleLoop = unsafe fn(*const f32, usize, *const f32, *const f32, *mut f32);
type StripLoop = unsafe fn(&Strip);

/// The loops of one instruction set.
pub struct Kernels {
    pub name: &'static str,
    /// Values in a register; channels are kept in multiples of it.
    pub lanes: usize,
    /// By registers of channels − 1, then by pixels − 1.
    tiles: &'static [&'static [TileLoop]],
    /// By registers of channels − 1.
    singles: &'static [SingleLoop],
    /// By pixels − 1, for kernels 3 and 5 wide, with stride 1 and 2.
    strips: [[&'static [StripLoop]; 2]; 2],
    sums: unsafe fn(&Rows, f32, *mut f32),
    multiply: unsafe fn(&Rows, *const f32),
    gate_weights: unsafe fn(&Rows, *const f32, *mut f32),
    activate: unsafe fn(&Rows, Activation),
    is_there: fn() -> bool,
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Whether there are loops for a depthwise convolution of this kernel and stride.
pub(crate) fn has_depthwise(kernel: usize, stride: usize) -> bool {
    matches!(kernel, 3 | 5) && matches!(stride, 1 | 2)
}

impl Kernels {
    /// The quickest that this CPU has.
    pub fn best() -> &'static Kernels {
        Kernels::all().next().unwrap_or(&PORTABLE)
    }

    /// All that this CPU has, the quickest first.
    pub fn all() -> impl Iterator<Item = &'static Kernels> {
        KNOWN.iter().copied().filter(|kernels| (kernels.is_there)())
    }

    /// By name, where this CPU has them.
    pub fn named(name: &str) -> Option<&'static Kernels> {
        Kernels::all().find(|kernels| kernels.name == name)
    }

    /// The most registers of channels in a tile.
    pub(crate) fn most_registers(&self) -> usize {
        self.tiles.len()
    }

    /// The most pixels in a tile of so many registers of channels.
    pub(crate) fn most_pixels(&self, registers: usize) -> usize {
        self.tiles[registers - 1].len()
    }

    /// The most pixels in a strip.
    pub(crate) fn most_strip(&self) -> usize {
        self.strips[0][0].len()
    }

    /// Fills a tile of `pixels` pixels by `registers` registers of channels.
    ///
    /// # Safety
    /// As [`microkernel::tile`]'s, but for the CPU.
    pub(crate) unsafe fn tile(&self, pixels: usize, registers: usize, tile: &Tile) {
        // SAFETY: by the caller's promise; only kernels that the CPU has are given out.
        unsafe { self.tiles[registers - 1][pixels - 1](tile) }
    }

    /// Fills `registers` registers of channels of a pixel that is alone: input, how many, weights, bias, output.
    ///
    /// # Safety
    /// As [`microkernel::single`]'s, but for the CPU.
    pub(crate) unsafe fn single(
        &self,
        registers: usize,
        (input, inputs): (*const f32, usize),
        weights: *const f32,
        bias: *const f32,
        output: *mut f32,
    ) {
        // SAFETY: as above.
        unsafe { self.singles[registers - 1](input, inputs, weights, bias, output) }
    }

    /// Fills a strip of `pixels` pixels.
    ///
    /// # Safety
    /// As [`depthwise::strip`]'s, but for the CPU. Panics where [`has_depthwise`] says no.
    pub(crate) unsafe fn strip(&self, kernel: usize, stride: usize, pixels: usize, strip: &Strip) {
        // SAFETY: as above.
        unsafe { self.strips[(kernel - 3) / 2][stride - 1][pixels - 1](strip) }
    }

    /// See [`row_ops::sums`].
    ///
    /// # Safety
    /// As there, but for the CPU.
    pub(crate) unsafe fn sums(&self, rows: &Rows, factor: f32, sums: *mut f32) {
        // SAFETY: as above.
        unsafe { (self.sums)(rows, factor, sums) }
    }

    /// See [`row_ops::multiply`].
    ///
    /// # Safety
    /// As there, but for the CPU.
    pub(crate) unsafe fn multiply(&self, rows: &Rows, gate: *const f32) {
        // SAFETY: as above.
        unsafe { (self.multiply)(rows, gate) }
    }

    /// See [`row_ops::gate_weights`].
    ///
    /// # Safety
    /// As there, but for the CPU.
    pub(crate) unsafe fn gate_weights(&self, weights: &Rows, gate: *const f32, gated: *mut f32) {
        // SAFETY: as above.
        unsafe { (self.gate_weights)(weights, gate, gated) }
    }

    /// See [`row_ops::activate`].
    ///
    /// # Safety
    /// As there, but for the CPU.
    pub(crate) unsafe fn activate(&self, rows: &Rows, activation: Activation) {
        // SAFETY: as above.
        unsafe { (self.activate)(rows, activation) }
    }
}

/// One function a shape of tile: the loops are written once, and compiled for each instruction set here.
macro_rules! instruction_set {
    ($table:ident, $name:literal, $vector:ty, $($feature:literal)?, $is_there:expr,
     tiles { $($registers:literal: [$($pixels:literal)*])* }, strips [$($strip:literal)*]) => {
        static $table: Kernels = {
            $(#[target_feature(enable = $feature)])?
            unsafe fn tile<const MR: usize, const NR: usize>(tile: &Tile) {
                // SAFETY: the caller's promise is the same.
                unsafe { microkernel::tile::<$vector, MR, NR>(tile) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn single<const NR: usize>(i: *const f32, n: usize, w: *const f32, b: *const f32, o: *mut f32) {
                // SAFETY: as above.
                unsafe { microkernel::single::<$vector, NR>(i, n, w, b, o) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn strip<const K: usize, const S: usize, const T: usize>(strip: &Strip) {
                // SAFETY: as above.
                unsafe { depthwise::strip::<$vector, K, S, T>(strip) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn sums(rows: &Rows, factor: f32, sums: *mut f32) {
                // SAFETY: as above.
                unsafe { row_ops::sums::<$vector>(rows, factor, sums) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn multiply(rows: &Rows, gate: *const f32) {
                // SAFETY: as above.
                unsafe { row_ops::multiply::<$vector>(rows, gate) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn gate_weights(weights: &Rows, gate: *const f32, gated: *mut f32) {
                // SAFETY: as above.
                unsafe { row_ops::gate_weights::<$vector>(weights, gate, gated) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn activate(rows: &Rows, activation: Activation) {
                // SAFETY: as above.
                unsafe { row_ops::activate::<$vector>(rows, activation) }
            }
            Kernels {
                name: $name,
                lanes: <$vector>::LANES,
                tiles: &[$(&[$(tile::<$pixels, $registers>),*]),*],
                singles: &[$(single::<$registers>),*],
                strips: [
                    [&[$(strip::<3, 1, $strip>),*], &[$(strip::<3, 2, $strip>),*]],
                    [&[$(strip::<5, 1, $strip>),*], &[$(strip::<5, 2, $strip>),*]],
                ],
                sums,
                multiply,
                gate_weights,
                activate,
                is_there: $is_there,
            }
        };
    };
}

// So many registers for sums that the weights and one input fit beside them.
#[cfg(target_arch = "x86_64")]
instruction_set!(AVX512, "avx512", crate::simd::avx512::Avx512, "avx512f", || is_x86_feature_detected!("avx512f"),
    tiles {
        1: [1 2 3 4 5 6 7 8 9 10 11 12 13 14]
        2: [1 2 3 4 5 6 7 8 9 10 11 12 13 14]
        3: [1 2 3 4 5 6 7 8 9]
    }, strips [1 2 3 4 5 6 7]);
#[cfg(target_arch = "x86_64")]
instruction_set!(AVX2, "avx2", crate::simd::avx2::Avx2, "avx2,fma",
    || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
    tiles {
        1: [1 2 3 4 5 6 7 8 9 10 11 12]
        2: [1 2 3 4 5 6]
    }, strips [1 2 3 4 5 6 7]);
#[cfg(target_arch = "aarch64")]
instruction_set!(NEON, "neon", crate::simd::neon::Neon, "neon", || true,
    tiles {
        1: [1 2 3 4 5 6 7 8 9 10 11 12]
        2: [1 2 3 4 5 6 7 8]
    }, strips [1 2 3 4 5 6 7]);
instruction_set!(PORTABLE, "portable", crate::simd::portable::Portable, , || true,
    tiles {
        1: [1 2 3 4]
        2: [1 2 3 4]
    }, strips [1 2 3 4]);

static KNOWN: &[&Kernels] = &[
    #[cfg(target_arch = "x86_64")]
    &AVX512,
    #[cfg(target_arch = "x86_64")]
    &AVX2,
    #[cfg(target_arch = "aarch64")]
    &NEON,
    &PORTABLE,
];
