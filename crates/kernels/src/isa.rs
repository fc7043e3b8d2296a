//! Microkernels compiled for each instruction set, and the selection of those that this CPU supports.

use crate::activation::Activation;
use crate::depthwise;
use crate::depthwise::Strip;
use crate::gemm::microkernel;
use crate::gemm::microkernel::Tile;
use crate::row_ops;
use crate::row_ops::Rows;
use crate::simd::Vector;

type TileFn = unsafe fn(&Tile);
type SinglePixelFn = unsafe fn(*const f32, usize, *const f32, *const f32, *mut f32);
type StripFn = unsafe fn(&Strip);

/// Table of the inner loops compiled for one instruction set.
pub struct Kernels {
    /// `avx512`, `avx2`, `neon` or `portable`.
    pub name: &'static str,
    /// f32 values in a register. Channel counts are rounded up to a multiple of it.
    pub lanes: usize,
    /// Indexed by registers of channels − 1, then by pixels − 1.
    tiles: &'static [&'static [TileFn]],
    /// Indexed by registers of channels − 1.
    single_pixels: &'static [SinglePixelFn],
    /// Indexed by kernel (3, 5), by stride − 1, then by pixels − 1.
    strips: [[&'static [StripFn]; 2]; 2],
    scaled_sums: unsafe fn(&Rows, f32, *mut f32),
    scale_channels: unsafe fn(&Rows, *const f32),
    scale_weight_rows: unsafe fn(&Rows, *const f32, *mut f32),
    activate: unsafe fn(&Rows, Activation),
    is_supported: fn() -> bool,
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Returns whether the depthwise microkernel exists for this kernel side and stride.
pub(crate) fn has_depthwise(kernel: usize, stride: usize) -> bool {
    matches!(kernel, 3 | 5) && matches!(stride, 1 | 2)
}

impl Kernels {
    /// Returns the fastest kernels that this CPU supports.
    pub fn best() -> &'static Kernels {
        Kernels::available().next().unwrap_or(&PORTABLE)
    }

    /// Returns all kernels that this CPU supports, the fastest first.
    pub fn available() -> impl Iterator<Item = &'static Kernels> {
        ALL_KERNELS.iter().copied().filter(|kernels| (kernels.is_supported)())
    }

    /// Returns the kernels called `name`, or `None` if this CPU does not support them.
    pub fn by_name(name: &str) -> Option<&'static Kernels> {
        Kernels::available().find(|kernels| kernels.name == name)
    }

    /// Returns the largest number of channel registers in a tile.
    pub(crate) fn max_registers(&self) -> usize {
        self.tiles.len()
    }

    /// Returns the largest number of pixels in a tile with `registers` registers of channels.
    pub(crate) fn max_tile_pixels(&self, registers: usize) -> usize {
        self.tiles[registers - 1].len()
    }

    /// Returns the largest number of pixels in a strip.
    pub(crate) fn max_strip_pixels(&self) -> usize {
        self.strips[0][0].len()
    }

    /// Computes a tile of `pixels` pixels × `registers` registers of channels.
    ///
    /// # Safety
    /// The requirements of [`microkernel::tile`], except for the instruction set: [`Kernels::available`] checks it.
    pub(crate) unsafe fn tile(&self, pixels: usize, registers: usize, tile: &Tile) {
        // SAFETY: the caller ensures the tile's pointers, and `available` the instruction set.
        unsafe { self.tiles[registers - 1][pixels - 1](tile) }
    }

    /// Computes `registers` registers of channels of a single pixel from `inputs` values.
    ///
    /// # Safety
    /// The requirements of [`microkernel::single_pixel`], except for the instruction set: [`Kernels::available`] checks
    /// it.
    pub(crate) unsafe fn single_pixel(
        &self,
        registers: usize,
        (input, inputs): (*const f32, usize),
        weights: *const f32,
        bias: *const f32,
        output: *mut f32,
    ) {
        // SAFETY: the caller ensures the pointers, and `available` the instruction set.
        unsafe { self.single_pixels[registers - 1](input, inputs, weights, bias, output) }
    }

    /// Computes a strip of `pixels` pixels. Panics unless [`has_depthwise`] supports the kernel and stride.
    ///
    /// # Safety
    /// The requirements of [`depthwise::strip`], except for the instruction set: [`Kernels::available`] checks it.
    pub(crate) unsafe fn strip(&self, kernel: usize, stride: usize, pixels: usize, strip: &Strip) {
        // SAFETY: the caller ensures the strip's pointers, and `available` the instruction set.
        unsafe { self.strips[(kernel - 3) / 2][stride - 1][pixels - 1](strip) }
    }

    /// Stores `factor` times the sum of each channel in `result`.
    ///
    /// # Safety
    /// The requirements of [`row_ops::scaled_sums`], except for the instruction set.
    pub(crate) unsafe fn scaled_sums(&self, rows: &Rows, factor: f32, result: *mut f32) {
        // SAFETY: the caller ensures the pointers, and `available` the instruction set.
        unsafe { (self.scaled_sums)(rows, factor, result) }
    }

    /// Multiplies each row by `gate`, in place.
    ///
    /// # Safety
    /// The requirements of [`row_ops::scale_channels`], except for the instruction set.
    pub(crate) unsafe fn scale_channels(&self, rows: &Rows, gate: *const f32) {
        // SAFETY: the caller ensures the pointers, and `available` the instruction set.
        unsafe { (self.scale_channels)(rows, gate) }
    }

    /// Stores each row of `weights` times its value of `gate` in `scaled`.
    ///
    /// # Safety
    /// The requirements of [`row_ops::scale_weight_rows`], except for the instruction set.
    pub(crate) unsafe fn scale_weight_rows(&self, weights: &Rows, gate: *const f32, scaled: *mut f32) {
        // SAFETY: the caller ensures the pointers, and `available` the instruction set.
        unsafe { (self.scale_weight_rows)(weights, gate, scaled) }
    }

    /// Applies `activation` to each value, in place.
    ///
    /// # Safety
    /// The requirements of [`row_ops::activate`], except for the instruction set.
    pub(crate) unsafe fn activate(&self, rows: &Rows, activation: Activation) {
        // SAFETY: the caller ensures the pointers, and `available` the instruction set.
        unsafe { (self.activate)(rows, activation) }
    }
}

/// Defines the table of one instruction set: compiles the generic loops with its target features, one function a tile
/// shape.
macro_rules! instruction_set {
    ($table:ident, $name:literal, $vector:ty, $($feature:literal)?, $is_supported:expr,
     tiles { $($registers:literal: [$($pixels:literal)*])* }, strips [$($strip:literal)*]) => {
        static $table: Kernels = {
            $(#[target_feature(enable = $feature)])?
            unsafe fn tile<const MR: usize, const NR: usize>(tile: &Tile) {
                // SAFETY: this function has the requirements of the generic loop, and its target features.
                unsafe { microkernel::tile::<$vector, MR, NR>(tile) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn single_pixel<const NR: usize>(
                input: *const f32,
                inputs: usize,
                weights: *const f32,
                bias: *const f32,
                output: *mut f32,
            ) {
                // SAFETY: this function has the requirements of the generic loop, and its target features.
                unsafe { microkernel::single_pixel::<$vector, NR>(input, inputs, weights, bias, output) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn strip<const K: usize, const S: usize, const T: usize>(strip: &Strip) {
                // SAFETY: this function has the requirements of the generic loop, and its target features.
                unsafe { depthwise::strip::<$vector, K, S, T>(strip) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn scaled_sums(rows: &Rows, factor: f32, result: *mut f32) {
                // SAFETY: this function has the requirements of the generic loop, and its target features.
                unsafe { row_ops::scaled_sums::<$vector>(rows, factor, result) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn scale_channels(rows: &Rows, gate: *const f32) {
                // SAFETY: this function has the requirements of the generic loop, and its target features.
                unsafe { row_ops::scale_channels::<$vector>(rows, gate) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn scale_weight_rows(weights: &Rows, gate: *const f32, scaled: *mut f32) {
                // SAFETY: this function has the requirements of the generic loop, and its target features.
                unsafe { row_ops::scale_weight_rows::<$vector>(weights, gate, scaled) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn activate(rows: &Rows, activation: Activation) {
                // SAFETY: this function has the requirements of the generic loop, and its target features.
                unsafe { row_ops::activate::<$vector>(rows, activation) }
            }
            Kernels {
                name: $name,
                lanes: <$vector>::LANES,
                tiles: &[$(&[$(tile::<$pixels, $registers>),*]),*],
                single_pixels: &[$(single_pixel::<$registers>),*],
                strips: [
                    [&[$(strip::<3, 1, $strip>),*], &[$(strip::<3, 2, $strip>),*]],
                    [&[$(strip::<5, 1, $strip>),*], &[$(strip::<5, 2, $strip>),*]],
                ],
                scaled_sums,
                scale_channels,
                scale_weight_rows,
                activate,
                is_supported: $is_supported,
            }
        };
    };
}

// Tile sizes: the sums, a row of weights and one input fit in the instruction set's registers together (32, 16, 32).
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

static ALL_KERNELS: &[&Kernels] = &[
    #[cfg(target_arch = "x86_64")]
    &AVX512,
    #[cfg(target_arch = "x86_64")]
    &AVX2,
    #[cfg(target_arch = "aarch64")]
    &NEON,
    &PORTABLE,
];
