//! 1×1 convolutions of an area: panel after panel, so that a panel's weights stay in the nearest cache while all pixels pass.

use std::ops::Range;

use crate::activation::Activation;
use crate::gemm::microkernel::{MOST_RUNS, Tile};
use crate::isa::Kernels;
use crate::packing::Packed;
use crate::row_ops::Rows;

#[allow(unsafe_code)]
pub(crate) mod microkernel;

/// So many inputs at a time: a panel's weights for more leave no room for pixels in the nearest cache.
const INPUTS_AT_A_TIME: usize = 512;

/// Some rows of pixels, where they come from and where they go. Steps are in values.
#[derive(Clone, Copy)]
pub struct Area {
    pub rows: usize,
    pub columns: usize,
    pub input: *const f32,
    pub input_row: usize,
    pub input_step: usize,
    /// Where the first of the panels' channels goes.
    pub output: *mut f32,
    pub output_row: usize,
    pub output_step: usize,
    /// What is added, laid out as the output is; null for nothing.
    pub residual: *const f32,
}

/// Convolves `area` for the channels of `panels`, with `weights` in the place of the packed ones.
///
/// # Safety
/// The area's pointers are valid for what its numbers say, `weights` for as much as the packed ones, and nobody else
/// writes to the output at the time.
pub unsafe fn convolve(kernels: &Kernels, packed: &Packed, weights: *const f32, panels: Range<usize>, area: &Area) {
    let Some(first) = packed.panels.get(panels.start) else { return };
    for panel in &packed.panels[panels] {
        let width = panel.registers * kernels.lanes;
        let channel = panel.channel - first.channel;
        let mut done = 0;
        while done < packed.inputs {
            let length = at_a_time(packed.inputs - done);
            let is_last = done + length == packed.inputs;
            let weights = weights.wrapping_add(panel.weights + done * width);
            let (mut input, mut output) = (area.input.wrapping_add(done), area.output.wrapping_add(channel));
            let mut residual = if is_last { area.residual } else { std::ptr::null() };
            let mut tile = Tile {
                input: [input; MOST_RUNS],
                runs: 1,
                length,
                input_step: area.input_step,
                weights,
                bias: packed.bias.at(panel.channel),
                output,
                output_step: area.output_step,
                residual,
                residual_step: area.output_step,
                relu6: is_last && packed.activation == Activation::Relu6,
                goes_on: done > 0,
            };
            let parts = evenly(area.columns, kernels.most_pixels(panel.registers));
            for _ in 0..area.rows {
                (tile.input[0], tile.output) = (input, output);
                if !residual.is_null() {
                    tile.residual = residual.wrapping_add(channel);
                    residual = residual.wrapping_add(area.output_row);
                }
                for pixels in parts.clone() {
                    // SAFETY: within the area and the packed weights, by the caller's promise.
                    unsafe { kernels.tile(pixels, panel.registers, &tile) };
                    tile.input[0] = tile.input[0].wrapping_add(pixels * area.input_step);
                    tile.output = tile.output.wrapping_add(pixels * area.output_step);
                    if !tile.residual.is_null() {
                        tile.residual = tile.residual.wrapping_add(pixels * area.output_step);
                    }
                }
                if is_last && packed.activation.needs_all_registers() {
                    let rows = Rows { values: output, rows: area.columns, channels: width, step: area.output_step };
                    // SAFETY: the row that was just filled.
                    unsafe { kernels.activate(&rows, packed.activation) };
                }
                (input, output) = (input.wrapping_add(area.input_row), output.wrapping_add(area.output_row));
            }
            done += length;
        }
    }
}

/// Convolves a pixel that is alone, for the channels of `panels`; the first of them goes to `output`.
///
/// # Safety
/// As for [`convolve`].
pub unsafe fn convolve_one(
    kernels: &Kernels,
    packed: &Packed,
    panels: Range<usize>,
    input: *const f32,
    output: *mut f32,
) {
    let Some(first) = packed.panels.get(panels.start) else { return };
    for panel in &packed.panels[panels] {
        let output = output.wrapping_add(panel.channel - first.channel);
        let (weights, bias) = (packed.weights.at(panel.weights), packed.bias.at(panel.channel));
        let channels = panel.registers * kernels.lanes;
        // SAFETY: the panel's weights and channels; the rest by the caller's promise.
        unsafe {
            kernels.single(panel.registers, (input, packed.inputs), weights, bias, output);
            if packed.activation != Activation::None {
                kernels.activate(&Rows { values: output, rows: 1, channels, step: channels }, packed.activation);
            }
        }
    }
}

/// Of `left` inputs those that are next: two halves rather than a large and a small part.
fn at_a_time(left: usize) -> usize {
    let parts = left.div_ceil(INPUTS_AT_A_TIME);
    left.div_ceil(parts).next_multiple_of(crate::simd::GROUP).min(left)
}

/// `length` in as few parts of at most `most` as can be, of nearly the same size.
pub fn evenly(length: usize, most: usize) -> impl Iterator<Item = usize> + Clone {
    let parts = length.div_ceil(most);
    let (size, larger) = (length / parts.max(1), length % parts.max(1));
    (0..parts).map(move |part| size + usize::from(part < larger))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_taken_in_parts_of_nearly_the_same_size() {
        assert_eq!(evenly(10, 9).collect::<Vec<_>>(), [5, 5]);
        assert_eq!(evenly(56, 9).collect::<Vec<_>>(), [8; 7]);
        assert_eq!(evenly(0, 9).count(), 0);
        for length in 1..200 {
            let parts: Vec<usize> = evenly(length, 7).collect();
            assert_eq!(parts.iter().sum::<usize>(), length);
            assert!(parts.iter().all(|&part| (1..=7).contains(&part)), "{parts:?}");
        }
        assert_eq!([at_a_time(1152), at_a_time(512), at_a_time(3), at_a_time(513)], [384, 512, 3, 260]);
    }
}
