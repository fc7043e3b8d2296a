//! Matrix-product microkernel of 1×1 convolutions and of the stem: a few pixels × a few channels, summed in registers.

use crate::simd::{GROUP, Vector};
use crate::unroll::unroll;

/// Largest number of kernel rows of a stem, an ample bound: EfficientNet's stems have 3.
pub const MAX_KERNEL_ROWS: usize = 7;

/// Operands of the microkernel: a few pixels of the input and a few channels of the output.
///
/// The inputs of an output pixel are `kernel_rows` rows of `row_length` consecutive values. A 1×1 convolution has one
/// row. Strides count values.
#[derive(Clone)]
pub struct Tile {
    /// Kernel rows of the first pixel's inputs.
    pub input: [*const f32; MAX_KERNEL_ROWS],
    pub kernel_rows: usize,
    pub row_length: usize,
    pub input_pixel_stride: usize,
    /// Packed weights: for each input value, the weights of the tile's channels.
    pub weights: *const f32,
    /// Bias of each channel; not read if `accumulate` is set.
    pub bias: *const f32,
    /// First channel of the first pixel.
    pub output: *mut f32,
    pub output_pixel_stride: usize,
    /// Values added after the activation, in the output's layout, or null.
    pub residual: *const f32,
    pub residual_pixel_stride: usize,
    /// Whether to apply ReLU6. Other activations run over whole rows: here they would need all registers.
    pub relu6: bool,
    /// Whether to add to the output, which holds the sums of earlier inputs.
    pub accumulate: bool,
}

/// Computes `MR` pixels × `NR` registers of channels.
///
/// # Safety
/// The tile's pointers are valid for its sizes and strides, the CPU has the instruction set, and no other thread
/// accesses the output meanwhile.
// No closures: a closure lacks the target feature, so its intrinsics would not be inlined.
#[inline(always)]
pub unsafe fn tile<V: Vector, const MR: usize, const NR: usize>(tile: &Tile) {
    // SAFETY: the caller ensures valid pointers, the instruction set and sole access to the output.
    unsafe {
        let lanes = V::LANES;
        let mut sums = [[V::splat(0.0); NR]; MR];
        if tile.accumulate {
            unroll!(MR, |row| {
                unroll!(NR, |column| {
                    sums[row][column] = V::load(tile.output.add(row * tile.output_pixel_stride + column * lanes));
                })
            });
        } else {
            unroll!(NR, |column| {
                let bias = V::load(tile.bias.add(column * lanes));
                unroll!(MR, |row| { sums[row][column] = bias })
            });
        }
        let mut weights = tile.weights;
        for kernel_row in 0..tile.kernel_rows {
            let mut input = tile.input[kernel_row];
            let mut groups = [V::group(input, 1); MR];
            for _ in 0..tile.row_length / GROUP {
                unroll!(MR, |row| { groups[row] = V::group(input.add(row * tile.input_pixel_stride), GROUP) });
                rank_one_update::<V, 0, MR, NR>(&mut sums, &groups, weights);
                rank_one_update::<V, 1, MR, NR>(&mut sums, &groups, weights.add(NR * lanes));
                rank_one_update::<V, 2, MR, NR>(&mut sums, &groups, weights.add(2 * NR * lanes));
                rank_one_update::<V, 3, MR, NR>(&mut sums, &groups, weights.add(3 * NR * lanes));
                weights = weights.add(GROUP * NR * lanes);
                input = input.add(GROUP);
            }
            for _ in 0..tile.row_length % GROUP {
                unroll!(MR, |row| { groups[row] = V::group(input.add(row * tile.input_pixel_stride), 1) });
                rank_one_update::<V, 0, MR, NR>(&mut sums, &groups, weights);
                weights = weights.add(NR * lanes);
                input = input.add(1);
            }
        }
        if tile.relu6 {
            unroll!(MR, |row| { unroll!(NR, |column| { sums[row][column] = sums[row][column].relu6() }) });
        }
        if !tile.residual.is_null() {
            unroll!(MR, |row| {
                unroll!(NR, |column| {
                    let residual = V::load(tile.residual.add(row * tile.residual_pixel_stride + column * lanes));
                    sums[row][column] = sums[row][column].add(residual);
                })
            });
        }
        unroll!(MR, |row| {
            unroll!(NR, |column| {
                sums[row][column].store(tile.output.add(row * tile.output_pixel_stride + column * lanes))
            })
        });
    }
}

/// Adds the outer product of one input value of each pixel and that input's weights (a rank-1 update).
#[inline(always)]
unsafe fn rank_one_update<V: Vector, const I: usize, const MR: usize, const NR: usize>(
    sums: &mut [[V; NR]; MR],
    groups: &[V::Group; MR],
    weights: *const f32,
) {
    // SAFETY: the caller ensures `NR` readable registers of weights and the instruction set.
    unsafe {
        let mut weight_row = [V::splat(0.0); NR];
        unroll!(NR, |column| { weight_row[column] = V::load(weights.add(column * V::LANES)) });
        unroll!(MR, |row| {
            unroll!(NR, |column| {
                sums[row][column] = sums[row][column].multiply_add_lane::<I>(weight_row[column], groups[row]);
            })
        });
    }
}

/// Computes `NR` registers of channels of a single pixel from `inputs` values.
///
/// Four partial sums hide the latency of the additions.
///
/// # Safety
/// The pointers are valid for `inputs` inputs, their packed weights and `NR` registers of bias and output. The CPU has
/// the instruction set, and no other thread accesses the output meanwhile.
#[inline(always)]
pub unsafe fn single_pixel<V: Vector, const NR: usize>(
    input: *const f32,
    inputs: usize,
    weights: *const f32,
    bias: *const f32,
    output: *mut f32,
) {
    // SAFETY: the caller ensures valid pointers, the instruction set and sole access to the output.
    unsafe {
        let row_width = NR * V::LANES;
        let mut partial_sums = [[[V::splat(0.0); NR]; 1]; GROUP];
        unroll!(NR, |column| { partial_sums[0][0][column] = V::load(bias.add(column * V::LANES)) });
        let (mut input, mut weights) = (input, weights);
        for _ in 0..inputs / GROUP {
            let group = [V::group(input, GROUP)];
            rank_one_update::<V, 0, 1, NR>(&mut partial_sums[0], &group, weights);
            rank_one_update::<V, 1, 1, NR>(&mut partial_sums[1], &group, weights.add(row_width));
            rank_one_update::<V, 2, 1, NR>(&mut partial_sums[2], &group, weights.add(2 * row_width));
            rank_one_update::<V, 3, 1, NR>(&mut partial_sums[3], &group, weights.add(3 * row_width));
            weights = weights.add(GROUP * row_width);
            input = input.add(GROUP);
        }
        for _ in 0..inputs % GROUP {
            rank_one_update::<V, 0, 1, NR>(&mut partial_sums[0], &[V::group(input, 1)], weights);
            weights = weights.add(row_width);
            input = input.add(1);
        }
        unroll!(NR, |column| {
            let first = partial_sums[0][0][column].add(partial_sums[1][0][column]);
            let second = partial_sums[2][0][column].add(partial_sums[3][0][column]);
            first.add(second).store(output.add(column * V::LANES));
        });
    }
}
