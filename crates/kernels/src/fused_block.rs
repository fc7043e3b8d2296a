//! A block as it runs: rows are made, filtered channel by channel, and projected, while they are in the caches.

use std::ops::Range;

use crate::aligned_buffer::Memory;
use crate::block_input::{Source, Wanted};
use crate::depthwise::{MOST_ROWS, Strip};
use crate::gemm::{Area, convolve, convolve_one, evenly};
use crate::isa::Kernels;
use crate::layers::Shape;
use crate::packing::{Depthwise, Gate, Packed};
use crate::row_ops::Rows;
use crate::tiling::Plan;

/// See the module.
pub struct Unit {
    pub source: Source,
    /// What the source gives.
    pub expanded: Shape,
    pub depthwise: Depthwise,
    /// What the depthwise convolution gives.
    pub filtered: Shape,
    pub gate: Option<Gate>,
    pub project: Packed,
    /// Whether the block's input is added.
    pub residual: bool,
    /// Values of a pixel of the block's input; its output has as many as `project` has.
    pub input_step: usize,
    pub plan: Plan,
}

/// Where a unit's values are.
pub struct Places<'a> {
    pub input: *const f32,
    pub output: *mut f32,
    /// All of what the depthwise convolution gives, where the plan is not direct.
    pub filtered: &'a Memory,
    /// For each output row the sums of its channels, where there is a gate.
    pub sums: &'a Memory,
    /// Means, squeezed, gate; one after another.
    pub gate: &'a Memory,
    /// The projection's weights times the gate.
    pub gated: &'a Memory,
    /// One a thread.
    pub scratch: &'a [Memory],
}

// SAFETY: the pieces of a unit write to places of their own, see `Unit::filter` and `Unit::project`.
unsafe impl Sync for Places<'_> {}

impl Unit {
    /// The channels of a chunk, whole registers.
    fn channels(&self, chunk: &Range<usize>) -> Range<usize> {
        match &self.source {
            Source::Same => chunk.clone(),
            Source::Pointwise(packed) | Source::Stem(crate::block_input::Stem { packed, .. }) => {
                let begin = |panel: usize| packed.panels.get(panel).map_or(packed.outputs, |panel| panel.channel);
                begin(chunk.start)..begin(chunk.end)
            }
        }
    }

    /// Pixels of a row that is kept, with the zeros around it.
    pub fn padded_width(&self) -> usize {
        let Depthwise { kernel, stride, before, .. } = self.depthwise;
        (before[1] + self.expanded.width).max((self.filtered.width - 1) * stride + kernel)
    }

    /// Values that a thread needs: kept rows and a row of zeros, a filtered row, the stem's lines.
    pub fn scratch(&self) -> [usize; 3] {
        let widest = self.plan.chunks.iter().map(|chunk| self.channels(chunk).len()).max().unwrap_or(0);
        let kept = (self.plan.ring + 1) * self.padded_width() * widest;
        let row = if self.plan.direct { self.filtered.width * self.depthwise.channels } else { 0 };
        let lines = if let Source::Stem(stem) = &self.source { stem.scratch() } else { 0 };
        [kept, row, lines].map(|values| values.next_multiple_of(16))
    }

    /// How many pieces [`Unit::filter`] has.
    pub fn filter_pieces(&self) -> usize {
        self.plan.pieces.len() * self.plan.chunks.len()
    }

    /// Makes and filters the rows and channels of one piece, and projects them where the plan is direct.
    ///
    /// # Safety
    /// The places are valid and no other piece of the same number runs.
    pub unsafe fn filter(&self, kernels: &Kernels, places: &Places, thread: usize, piece: usize) {
        let rows = self.plan.pieces[piece / self.plan.chunks.len()].clone();
        let chunk = self.plan.chunks[piece % self.plan.chunks.len()].clone();
        let channels = self.channels(&chunk);
        let Depthwise { kernel, stride, before, .. } = self.depthwise;
        let (width, padded, step) = (self.expanded.width, self.padded_width(), channels.len());
        let (row_length, ring) = (padded * step, self.plan.ring);
        let [kept, filtered_row, _] = self.scratch();
        let scratch = &places.scratch[thread];
        let (ring_of_rows, direct_row) = (scratch.at(0), scratch.at(kept));
        let lines = scratch.at(kept + filtered_row);
        let all_channels = self.depthwise.channels;
        // SAFETY: all within the scratch, the filtered values and the sums, whose sizes come from the same numbers.
        unsafe {
            let zeros = ring_of_rows.add(ring * row_length);
            zeros.write_bytes(0, row_length);
            for slot in 0..ring {
                let row = ring_of_rows.add(slot * row_length);
                row.write_bytes(0, before[1] * step);
                row.add((before[1] + width) * step).write_bytes(0, (padded - before[1] - width) * step);
            }
            // Rows of the source that were made are below this.
            let mut made = (rows.start * stride).saturating_sub(before[0]);
            for row in rows.clone() {
                let needed = (row * stride + kernel).saturating_sub(before[0]);
                // As many more as there is room for, but none that this piece does not need.
                let last = ((rows.end - 1) * stride + kernel).saturating_sub(before[0]);
                let first = (row * stride).saturating_sub(before[0]);
                let until = if made < needed { (first + ring).min(last).min(self.expanded.height) } else { made };
                while made < until {
                    let slot = made % ring;
                    let end = until.min(made + ring - slot);
                    let wanted = Wanted {
                        rows: made..end,
                        columns: width,
                        output: ring_of_rows.add(slot * row_length + before[1] * step),
                        output_row: row_length,
                        output_step: step,
                    };
                    self.source.make(kernels, (places.input, self.input_step), chunk.clone(), lines, &wanted);
                    made = end;
                }
                let mut input = [zeros.cast_const(); MOST_ROWS];
                for (tap, input) in input.iter_mut().enumerate().take(kernel) {
                    let from = (row * stride + tap).checked_sub(before[0]);
                    if let Some(from) = from.filter(|&from| from < self.expanded.height) {
                        *input = ring_of_rows.add(from % ring * row_length);
                    }
                }
                let output = match self.plan.direct {
                    true => direct_row,
                    false => places.filtered.at(row * self.filtered.width * all_channels),
                };
                let sums = match self.gate {
                    Some(_) => places.sums.at(row * all_channels + channels.start),
                    None => std::ptr::null_mut(),
                };
                self.filter_row(kernels, &input, &channels, output.add(channels.start), sums);
                if self.plan.direct {
                    let pixels = row * self.filtered.width..(row + 1) * self.filtered.width;
                    self.project_pixels(kernels, places, direct_row, self.project.weights.at(0), pixels);
                }
            }
        }
    }

    unsafe fn filter_row(
        &self,
        kernels: &Kernels,
        rows: &[*const f32; MOST_ROWS],
        channels: &Range<usize>,
        output: *mut f32,
        sums: *mut f32,
    ) {
        let depthwise = &self.depthwise;
        let step = channels.len();
        // SAFETY: by the promise of `filter`.
        unsafe {
            if !sums.is_null() {
                sums.write_bytes(0, step);
            }
            let mut column = 0;
            for pixels in evenly(self.filtered.width, kernels.most_strip()) {
                let strip = Strip {
                    input: rows.map(|row| row.wrapping_add(column * depthwise.stride * step)),
                    input_step: step,
                    channels: step,
                    weights: depthwise.weights.at(channels.start),
                    weights_step: depthwise.channels,
                    bias: depthwise.bias.at(channels.start),
                    output: output.add(column * depthwise.channels),
                    output_step: depthwise.channels,
                    sums,
                    activation: depthwise.activation,
                };
                kernels.strip(depthwise.kernel, depthwise.stride, pixels, &strip);
                column += pixels;
            }
        }
    }

    /// Projects `pixels` from `input` on, where the first of them is.
    unsafe fn project_pixels(
        &self,
        kernels: &Kernels,
        places: &Places,
        input: *const f32,
        weights: *const f32,
        pixels: Range<usize>,
    ) {
        let step = self.project.outputs;
        // SAFETY: by the promise of those who call it; input and output of a block with a residual have the same step.
        unsafe {
            let place = pixels.start * step;
            let area = Area {
                rows: 1,
                columns: pixels.len(),
                input,
                input_row: 0,
                input_step: self.depthwise.channels,
                output: places.output.add(place),
                output_row: 0,
                output_step: step,
                residual: if self.residual { places.input.add(place) } else { std::ptr::null() },
            };
            convolve(kernels, &self.project, weights, 0..self.project.panels.len(), &area);
        }
    }

    /// Works out the gate from the sums; gives the projection's weights, times the gate where those are fewer than the
    /// values: else the values are still to be multiplied.
    ///
    /// # Safety
    /// The places are valid and nobody else is at them.
    pub unsafe fn open_gate(&self, kernels: &Kernels, places: &Places, gate: &Gate) {
        let Shape { height, width, .. } = self.filtered;
        let channels = self.depthwise.channels;
        // SAFETY: all within the places, whose sizes come from the same numbers.
        unsafe {
            let (means, squeezed) = (places.gate.at(0), places.gate.at(channels));
            let opened = places.gate.at(channels + gate.squeeze.outputs);
            let rows = Rows { values: places.sums.at(0), rows: height, channels, step: channels };
            kernels.sums(&rows, 1.0 / (height * width) as f32, means);
            for (packed, input, output) in [(&gate.squeeze, means, squeezed), (&gate.excite, squeezed, opened)] {
                convolve_one(kernels, packed, 0..packed.panels.len(), input, output);
            }
            if self.gates_weights() {
                for panel in &self.project.panels {
                    let width = panel.registers * kernels.lanes;
                    let weights = self.project.weights.at(panel.weights);
                    let rows = Rows { values: weights, rows: self.project.inputs, channels: width, step: width };
                    kernels.gate_weights(&rows, opened, places.gated.at(panel.weights));
                }
            }
        }
    }

    /// Whether the gate is multiplied into the weights, which are fewer than the values.
    pub fn gates_weights(&self) -> bool {
        self.project.outputs <= self.filtered.height * self.filtered.width
    }

    /// How many pieces [`Unit::project`] has, for so many threads; none where rows are projected at once.
    pub fn project_pieces(&self, threads: usize) -> usize {
        let pixels = self.filtered.height * self.filtered.width;
        match (self.plan.direct, threads) {
            (true, _) => 0,
            (false, 1) => 1,
            // Small enough that the last one is not waited for long, large enough for full tiles.
            (false, _) => (threads * 3).min(pixels.div_ceil(28)).max(threads).min(pixels),
        }
    }

    /// Projects the pixels of one of `pieces` pieces.
    ///
    /// # Safety
    /// The places are valid and no other piece of the same number runs.
    pub unsafe fn project(&self, kernels: &Kernels, places: &Places, (piece, pieces): (usize, usize)) {
        let all = self.filtered.height * self.filtered.width;
        let pixels = all * piece / pieces..all * (piece + 1) / pieces;
        let channels = self.depthwise.channels;
        let input = places.filtered.at(pixels.start * channels);
        // SAFETY: only this piece's pixels are written to.
        unsafe {
            let weights = match &self.gate {
                Some(_) if self.gates_weights() => places.gated.at(0),
                Some(gate) => {
                    let opened = places.gate.at(channels + gate.squeeze.outputs);
                    let rows = Rows { values: input, rows: pixels.len(), channels, step: channels };
                    kernels.multiply(&rows, opened);
                    self.project.weights.at(0)
                }
                None => self.project.weights.at(0),
            };
            self.project_pixels(kernels, places, input, weights, pixels);
        }
    }
}
