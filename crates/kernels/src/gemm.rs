//! Matrix products for 1×1 convolutions of rows of pixels.
//!
//! Panels run one after another, so that a panel's weights stay in the L1 cache while all pixels pass.

use std::ops::Range;

use crate::activation::Activation;
use crate::gemm::microkernel::{MAX_KERNEL_ROWS, Tile};
use crate::isa::Kernels;
use crate::packing::PackedConvolution;
use crate::row_ops::Rows;

#[allow(unsafe_code)]
pub(crate) mod microkernel;

/// Inputs summed in one pass over the pixels: a panel's weights for more inputs leave no room for pixels in the L1
/// cache.
///
/// Derived: at 512 inputs a NEON panel of 8 channels takes 16 KiB, half of a 32 KiB cache.
const MAX_INPUT_BLOCK: usize = 512;

/// Input, output and residual of a 1×1 convolution over rows of pixels. Strides count values.
#[derive(Clone, Copy)]
pub struct GemmOperands {
    pub rows: usize,
    pub columns: usize,
    pub input: *const f32,
    pub input_row_stride: usize,
    pub input_pixel_stride: usize,
    /// First pixel's value for the first channel of the panels.
    pub output: *mut f32,
    pub output_row_stride: usize,
    pub output_pixel_stride: usize,
    /// Values added after the activation, in the output's layout, or null.
    pub residual: *const f32,
}

/// Computes the channels of `panels` with `weights`, which have the layout and size of `packed.weights`.
///
/// # Safety
/// The pointers of `operands` are valid for its sizes and strides, and `weights` for as many values as the packed ones.
/// No other thread accesses the output meanwhile.
pub unsafe fn convolve(
    kernels: &Kernels,
    packed: &PackedConvolution,
    weights: *const f32,
    panels: Range<usize>,
    operands: &GemmOperands,
) {
    let Some(first) = packed.panels.get(panels.start) else { return };
    for panel in &packed.panels[panels] {
        let width = panel.registers * kernels.lanes;
        let channel = panel.channel - first.channel;
        let mut done = 0;
        while done < packed.inputs {
            let length = next_input_block(packed.inputs - done);
            let is_last = done + length == packed.inputs;
            let weights = weights.wrapping_add(panel.weights_offset + done * width);
            let mut input = operands.input.wrapping_add(done);
            let mut output = operands.output.wrapping_add(channel);
            let mut residual = if is_last { operands.residual } else { std::ptr::null() };
            let mut tile = Tile {
                input: [input; MAX_KERNEL_ROWS],
                kernel_rows: 1,
                row_length: length,
                input_pixel_stride: operands.input_pixel_stride,
                weights,
                bias: packed.bias.ptr_at(panel.channel),
                output,
                output_pixel_stride: operands.output_pixel_stride,
                residual,
                residual_pixel_stride: operands.output_pixel_stride,
                relu6: is_last && packed.activation == Activation::Relu6,
                accumulate: done > 0,
            };
            let tile_widths = split_evenly(operands.columns, kernels.max_tile_pixels(panel.registers));
            for _ in 0..operands.rows {
                (tile.input[0], tile.output) = (input, output);
                if !residual.is_null() {
                    tile.residual = residual.wrapping_add(channel);
                    residual = residual.wrapping_add(operands.output_row_stride);
                }
                for pixels in tile_widths.clone() {
                    // SAFETY: the tile lies within the operands and the weights, which the caller ensures.
                    unsafe { kernels.tile(pixels, panel.registers, &tile) };
                    tile.input[0] = tile.input[0].wrapping_add(pixels * operands.input_pixel_stride);
                    tile.output = tile.output.wrapping_add(pixels * operands.output_pixel_stride);
                    if !tile.residual.is_null() {
                        tile.residual = tile.residual.wrapping_add(pixels * operands.output_pixel_stride);
                    }
                }
                if is_last && packed.activation.needs_separate_pass() {
                    let rows = Rows {
                        values: output,
                        rows: operands.columns,
                        channels: width,
                        row_stride: operands.output_pixel_stride,
                    };
                    // SAFETY: the row was filled just now, and the caller ensures sole access to it.
                    unsafe { kernels.activate(&rows, packed.activation) };
                }
                (input, output) =
                    (input.wrapping_add(operands.input_row_stride), output.wrapping_add(operands.output_row_stride));
            }
            done += length;
        }
    }
}

/// Computes the channels of `panels` for a single pixel and stores the first of them at `output`.
///
/// # Safety
/// `input` has `packed.inputs` values, and `output` has room for the channels of the panels. No other thread accesses
/// the output meanwhile.
pub unsafe fn convolve_pixel(
    kernels: &Kernels,
    packed: &PackedConvolution,
    panels: Range<usize>,
    input: *const f32,
    output: *mut f32,
) {
    let Some(first) = packed.panels.get(panels.start) else { return };
    for panel in &packed.panels[panels] {
        let output = output.wrapping_add(panel.channel - first.channel);
        let weights = packed.weights.ptr_at(panel.weights_offset);
        let bias = packed.bias.ptr_at(panel.channel);
        let channels = panel.registers * kernels.lanes;
        // SAFETY: weights and bias are the panel's; the caller ensures input and output.
        unsafe {
            kernels.single_pixel(panel.registers, (input, packed.inputs), weights, bias, output);
            if packed.activation != Activation::None {
                kernels.activate(&Rows { values: output, rows: 1, channels, row_stride: channels }, packed.activation);
            }
        }
    }
}

/// Returns the size of the next block of `left` inputs: nearly equal blocks of at most [`MAX_INPUT_BLOCK`], whole
/// groups.
fn next_input_block(left: usize) -> usize {
    let parts = left.div_ceil(MAX_INPUT_BLOCK);
    left.div_ceil(parts).next_multiple_of(crate::simd::GROUP).min(left)
}

/// Splits `length` into as few parts of at most `max` as possible, whose sizes differ by at most 1.
pub fn split_evenly(length: usize, max: usize) -> impl Iterator<Item = usize> + Clone {
    let parts = length.div_ceil(max);
    let size = length / parts.max(1);
    let larger = length % parts.max(1);
    (0..parts).map(move |part| size + usize::from(part < larger))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_evenly_gives_few_parts_of_similar_size() {
        assert_eq!(split_evenly(10, 9).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(split_evenly(56, 9).collect::<Vec<_>>(), [8; 7]);
        assert_eq!(split_evenly(0, 9).count(), 0);
        for length in 1..200 {
            let parts: Vec<usize> = split_evenly(length, 7).collect();
            assert_eq!(parts.iter().sum::<usize>(), length);
            assert!(parts.iter().all(|&part| (1..=7).contains(&part)), "{parts:?}");
        }
    }

    #[test]
    fn input_blocks_are_of_similar_size_and_whole_groups() {
        assert_eq!(
            [next_input_block(1152), next_input_block(512), next_input_block(3), next_input_block(513)],
            [384, 512, 3, 260]
        );
    }
}
