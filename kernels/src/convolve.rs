//! 1×1 convolutions of an area: panel after panel, so that a panel's weights stay in the nearest cache while all pixels pass.

use std::ops::Range;

use crate::kernels::Kernels;
use crate::packed::Packed;
use crate::pointwise::{MOST_RUNS, Tile};

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
            let residual = if is_last { area.residual } else { std::ptr::null() };
            let activation = if is_last { packed.activation } else { crate::Activation::None };
            // SAFETY: within the packed weights, and below within the area, by the caller's promise.
            let weights = unsafe { weights.add(panel.weights + done * width) };
            for row in 0..area.rows {
                let mut column = 0;
                for pixels in evenly(area.columns, kernels.most_pixels(panel.registers)) {
                    unsafe {
                        let input = area.input.add(row * area.input_row + column * area.input_step + done);
                        let place = row * area.output_row + column * area.output_step + channel;
                        let tile = Tile {
                            input: [input; MOST_RUNS],
                            runs: 1,
                            length,
                            input_step: area.input_step,
                            weights,
                            bias: packed.bias.at(panel.channel),
                            output: area.output.add(place),
                            output_step: area.output_step,
                            residual: if residual.is_null() { residual } else { residual.add(place) },
                            residual_step: area.output_step,
                            activation,
                            goes_on: done > 0,
                        };
                        kernels.tile(pixels, panel.registers, &tile);
                    }
                    column += pixels;
                }
            }
            done += length;
        }
    }
}

/// Of `left` inputs those that are next: two halves rather than a large and a small part.
fn at_a_time(left: usize) -> usize {
    let parts = left.div_ceil(INPUTS_AT_A_TIME);
    left.div_ceil(parts).next_multiple_of(crate::vector::GROUP).min(left)
}

/// `length` in as few parts of at most `most` as can be, of nearly the same size.
pub fn evenly(length: usize, most: usize) -> impl Iterator<Item = usize> {
    let parts = length.div_ceil(most);
    (0..parts).map(move |part| length * (part + 1) / parts - length * part / parts)
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
