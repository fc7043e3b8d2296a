//! Fused inverted-bottleneck block: expand, depthwise, squeeze-excite and project as one loop over rows in the caches.

use std::ops::Range;

use crate::aligned_buffer::AlignedBuffer;
use crate::block_input::{RowRequest, RowSource, Stem};
use crate::depthwise::{MAX_DEPTHWISE_KERNEL, Strip};
use crate::gemm::{GemmOperands, convolve, convolve_pixel, split_evenly};
use crate::isa::Kernels;
use crate::layers::Shape;
use crate::packing::{PackedConvolution, PackedDepthwise, PackedSqueezeExcite};
use crate::row_ops::Rows;
use crate::tiling::Tiling;

/// Inverted-bottleneck block with packed weights and a tiling.
pub struct FusedBlock {
    pub source: RowSource,
    /// Shape of the source's output.
    pub expanded_shape: Shape,
    pub depthwise: PackedDepthwise,
    /// Shape of the depthwise convolution's output.
    pub depthwise_shape: Shape,
    pub gate: Option<PackedSqueezeExcite>,
    pub project: PackedConvolution,
    /// Whether the block's input is added to its output.
    pub residual: bool,
    /// Values from one pixel of the block's input to the next. The output's pixel stride is `project.outputs`.
    pub input_pixel_stride: usize,
    pub tiling: Tiling,
}

/// Buffers of one run of a block.
pub struct BlockBuffers<'a> {
    pub input: *const f32,
    pub output: *mut f32,
    /// Output of the depthwise convolution, unless the tiling projects each row at once.
    pub depthwise_out: &'a AlignedBuffer,
    /// Sums of the channels for each output row, if the block has a gate.
    pub sums: &'a AlignedBuffer,
    /// Channel means, squeezed values and gate, one after another.
    pub gate: &'a AlignedBuffer,
    /// The projection's weights times the gate.
    pub scaled_weights: &'a AlignedBuffer,
    /// One buffer a thread.
    pub scratch: &'a [AlignedBuffer],
}

// SAFETY: pieces of a block write to disjoint positions, see `FusedBlock::run_depthwise` and `FusedBlock::project`.
unsafe impl Sync for BlockBuffers<'_> {}

/// Pixels of a projection piece: two full tiles of the widest kind, AVX-512's 14 pixels.
const MIN_PROJECTION_PIXELS: usize = 28;
/// Projection pieces for each thread, an estimate: enough that the slowest thread does not delay the others for long.
const PROJECTION_PIECES_PER_THREAD: usize = 3;

impl FusedBlock {
    /// Returns the channels of a panel range, a multiple of the lanes.
    fn channels(&self, panels: &Range<usize>) -> Range<usize> {
        match &self.source {
            RowSource::Identity => panels.clone(),
            RowSource::Pointwise(packed) | RowSource::Stem(Stem { packed, .. }) => {
                let start = |panel: usize| packed.panels.get(panel).map_or(packed.outputs, |panel| panel.channel);
                start(panels.start)..start(panels.end)
            }
        }
    }

    /// Returns the pixels of a row in the ring buffer, including the zeros at both ends.
    pub fn padded_width(&self) -> usize {
        let PackedDepthwise { kernel, stride, pad_before, .. } = self.depthwise;
        (pad_before[1] + self.expanded_shape.width).max((self.depthwise_shape.width - 1) * stride + kernel)
    }

    /// Returns the scratch values of a thread: ring buffer with a row of zeros, depthwise row, and stem lines.
    pub fn scratch_values(&self) -> [usize; 3] {
        let channels = self.tiling.panel_ranges.iter().map(|panels| self.channels(panels).len());
        let max_channels = channels.max().unwrap_or(0);
        let ring = (self.tiling.ring_rows + 1) * self.padded_width() * max_channels;
        let row = if self.tiling.project_by_row { self.depthwise_shape.width * self.depthwise.channels } else { 0 };
        let lines = if let RowSource::Stem(stem) = &self.source { stem.scratch_values() } else { 0 };
        [ring, row, lines].map(|values| values.next_multiple_of(16)) // 16 f32 values are a cache line
    }

    /// Returns the number of pieces of [`FusedBlock::run_depthwise`].
    pub fn depthwise_pieces(&self) -> usize {
        self.tiling.row_ranges.len() * self.tiling.panel_ranges.len()
    }

    /// Computes the source and the depthwise convolution for the rows and channels of `piece`. Projects each row at
    /// once if the tiling says so.
    ///
    /// # Safety
    /// The buffers have the sizes that this block requires. No other thread runs the same piece or uses the number
    /// `thread`.
    pub unsafe fn run_depthwise(&self, kernels: &Kernels, buffers: &BlockBuffers, thread: usize, piece: usize) {
        let rows = self.tiling.row_ranges[piece / self.tiling.panel_ranges.len()].clone();
        let panels = self.tiling.panel_ranges[piece % self.tiling.panel_ranges.len()].clone();
        let channels = self.channels(&panels);
        let PackedDepthwise { kernel, stride, pad_before, .. } = self.depthwise;
        let (width, padded_width) = (self.expanded_shape.width, self.padded_width());
        let pixel_stride = channels.len();
        let row_stride = padded_width * pixel_stride;
        let ring_rows = self.tiling.ring_rows;
        let [ring_values, row_values, _] = self.scratch_values();
        let scratch = &buffers.scratch[thread];
        let ring = scratch.ptr_at(0);
        let depthwise_row = scratch.ptr_at(ring_values);
        let lines = scratch.ptr_at(ring_values + row_values);
        let all_channels = self.depthwise.channels;
        // SAFETY: all pointers stay within the scratch, the depthwise output and the sums, whose sizes come from the
        // same numbers; the caller ensures that no other thread has this piece or this scratch.
        unsafe {
            let zeros = ring.add(ring_rows * row_stride);
            zeros.write_bytes(0, row_stride);
            for slot in 0..ring_rows {
                let row = ring.add(slot * row_stride);
                row.write_bytes(0, pad_before[1] * pixel_stride);
                let right = pad_before[1] + width;
                row.add(right * pixel_stride).write_bytes(0, (padded_width - right) * pixel_stride);
            }
            // Source rows below this one were computed.
            let mut next_row = (rows.start * stride).saturating_sub(pad_before[0]);
            for row in rows.clone() {
                let needed = (row * stride + kernel).saturating_sub(pad_before[0]);
                // Fills the ring, but computes no row that this piece does not need.
                let last = ((rows.end - 1) * stride + kernel).saturating_sub(pad_before[0]);
                let first = (row * stride).saturating_sub(pad_before[0]);
                let end_row = if next_row < needed {
                    (first + ring_rows).min(last).min(self.expanded_shape.height)
                } else {
                    next_row
                };
                while next_row < end_row {
                    let slot = next_row % ring_rows;
                    let end = end_row.min(next_row + ring_rows - slot);
                    let request = RowRequest {
                        rows: next_row..end,
                        columns: width,
                        output: ring.add(slot * row_stride + pad_before[1] * pixel_stride),
                        output_row_stride: row_stride,
                        output_pixel_stride: pixel_stride,
                    };
                    let input = (buffers.input, self.input_pixel_stride);
                    self.source.compute_rows(kernels, input, panels.clone(), lines, &request);
                    next_row = end;
                }
                let mut input = [zeros.cast_const(); MAX_DEPTHWISE_KERNEL];
                for (tap, input) in input.iter_mut().enumerate().take(kernel) {
                    let source_row = (row * stride + tap).checked_sub(pad_before[0]);
                    if let Some(source_row) = source_row.filter(|&row| row < self.expanded_shape.height) {
                        *input = ring.add(source_row % ring_rows * row_stride);
                    }
                }
                let output = if self.tiling.project_by_row {
                    depthwise_row
                } else {
                    buffers.depthwise_out.ptr_at(row * self.depthwise_shape.width * all_channels)
                };
                let sums = if self.gate.is_some() {
                    buffers.sums.ptr_at(row * all_channels + channels.start)
                } else {
                    std::ptr::null_mut()
                };
                self.run_depthwise_row(kernels, &input, &channels, output.add(channels.start), sums);
                if self.tiling.project_by_row {
                    let pixels = row * self.depthwise_shape.width..(row + 1) * self.depthwise_shape.width;
                    self.project_pixels(kernels, buffers, depthwise_row, self.project.weights.ptr_at(0), pixels);
                }
            }
        }
    }

    /// Computes one row of the depthwise convolution, and its channel sums unless `sums` is null.
    ///
    /// # Safety
    /// `rows` are padded source rows for each row of the kernel. `output` has room for a row and `sums` for `channels`,
    /// and no other thread accesses them meanwhile.
    unsafe fn run_depthwise_row(
        &self,
        kernels: &Kernels,
        rows: &[*const f32; MAX_DEPTHWISE_KERNEL],
        channels: &Range<usize>,
        output: *mut f32,
        sums: *mut f32,
    ) {
        let depthwise = &self.depthwise;
        let pixel_stride = channels.len();
        // SAFETY: the caller ensures the source rows, the output and the sums.
        unsafe {
            if !sums.is_null() {
                sums.write_bytes(0, pixel_stride);
            }
            let mut column = 0;
            for pixels in split_evenly(self.depthwise_shape.width, kernels.max_strip_pixels()) {
                let strip = Strip {
                    input: rows.map(|row| row.wrapping_add(column * depthwise.stride * pixel_stride)),
                    input_pixel_stride: pixel_stride,
                    channels: pixel_stride,
                    weights: depthwise.weights.ptr_at(channels.start),
                    weights_tap_stride: depthwise.channels,
                    bias: depthwise.bias.ptr_at(channels.start),
                    output: output.add(column * depthwise.channels),
                    output_pixel_stride: depthwise.channels,
                    sums,
                    activation: depthwise.activation,
                };
                kernels.strip(depthwise.kernel, depthwise.stride, pixels, &strip);
                column += pixels;
            }
        }
    }

    /// Projects `pixels`, the first of which is at `input`, with `weights` in the packed order.
    ///
    /// # Safety
    /// `input` and `weights` are readable, the buffers have the sizes that this block requires, and no other thread
    /// projects these pixels.
    unsafe fn project_pixels(
        &self,
        kernels: &Kernels,
        buffers: &BlockBuffers,
        input: *const f32,
        weights: *const f32,
        pixels: Range<usize>,
    ) {
        let pixel_stride = self.project.outputs;
        // SAFETY: the caller ensures the buffers. With a residual, input and output have equal pixel strides.
        unsafe {
            let offset = pixels.start * pixel_stride;
            let operands = GemmOperands {
                rows: 1,
                columns: pixels.len(),
                input,
                input_row_stride: 0,
                input_pixel_stride: self.depthwise.channels,
                output: buffers.output.add(offset),
                output_row_stride: 0,
                output_pixel_stride: pixel_stride,
                residual: if self.residual { buffers.input.add(offset) } else { std::ptr::null() },
            };
            convolve(kernels, &self.project, weights, 0..self.project.panels.len(), &operands);
        }
    }

    /// Computes the gate from the channel sums. If [`FusedBlock::scales_weights`], also multiplies the projection's
    /// weights by it.
    ///
    /// # Safety
    /// The buffers have the sizes that this block requires, and no other thread accesses them meanwhile.
    pub unsafe fn compute_se_gate(&self, kernels: &Kernels, buffers: &BlockBuffers, gate: &PackedSqueezeExcite) {
        let Shape { height, width, .. } = self.depthwise_shape;
        let channels = self.depthwise.channels;
        // SAFETY: all pointers stay within the buffers, whose sizes come from the same numbers.
        unsafe {
            let means = buffers.gate.ptr_at(0);
            let squeezed = buffers.gate.ptr_at(channels);
            let gate_values = buffers.gate.ptr_at(channels + gate.squeeze.outputs);
            let rows = Rows { values: buffers.sums.ptr_at(0), rows: height, channels, row_stride: channels };
            kernels.scaled_sums(&rows, 1.0 / (height * width) as f32, means);
            for (packed, input, output) in [(&gate.squeeze, means, squeezed), (&gate.excite, squeezed, gate_values)] {
                convolve_pixel(kernels, packed, 0..packed.panels.len(), input, output);
            }
            if self.scales_weights() {
                for panel in &self.project.panels {
                    let width = panel.registers * kernels.lanes;
                    let weights = self.project.weights.ptr_at(panel.weights_offset);
                    let rows = Rows { values: weights, rows: self.project.inputs, channels: width, row_stride: width };
                    let scaled = buffers.scaled_weights.ptr_at(panel.weights_offset);
                    kernels.scale_weight_rows(&rows, gate_values, scaled);
                }
            }
        }
    }

    /// Returns whether the gate multiplies the projection's weights because they are fewer than the depthwise values.
    pub fn scales_weights(&self) -> bool {
        self.project.outputs <= self.depthwise_shape.height * self.depthwise_shape.width
    }

    /// Returns the number of pieces of [`FusedBlock::project`] for `threads` threads; 0 if the tiling projects by row.
    pub fn project_pieces(&self, threads: usize) -> usize {
        let pixels = self.depthwise_shape.height * self.depthwise_shape.width;
        match (self.tiling.project_by_row, threads) {
            (true, _) => 0,
            (false, 1) => 1,
            (false, _) => {
                let pieces = (threads * PROJECTION_PIECES_PER_THREAD).min(pixels.div_ceil(MIN_PROJECTION_PIXELS));
                pieces.max(threads).min(pixels)
            }
        }
    }

    /// Projects the pixels of piece `piece` of `pieces`.
    ///
    /// # Safety
    /// The buffers have the sizes that this block requires, their depthwise output and gate are complete, and no other
    /// thread runs the same piece.
    pub unsafe fn project(&self, kernels: &Kernels, buffers: &BlockBuffers, piece: usize, pieces: usize) {
        let all_pixels = self.depthwise_shape.height * self.depthwise_shape.width;
        let pixels = all_pixels * piece / pieces..all_pixels * (piece + 1) / pieces;
        let channels = self.depthwise.channels;
        let input = buffers.depthwise_out.ptr_at(pixels.start * channels);
        // SAFETY: only the pixels of this piece are written.
        unsafe {
            let weights = match &self.gate {
                Some(_) if self.scales_weights() => buffers.scaled_weights.ptr_at(0),
                Some(gate) => {
                    let gate_values = buffers.gate.ptr_at(channels + gate.squeeze.outputs);
                    let rows = Rows { values: input, rows: pixels.len(), channels, row_stride: channels };
                    kernels.scale_channels(&rows, gate_values);
                    self.project.weights.ptr_at(0)
                }
                None => self.project.weights.ptr_at(0),
            };
            self.project_pixels(kernels, buffers, input, weights, pixels);
        }
    }
}
