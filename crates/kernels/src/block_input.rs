//! Sources of the rows that a depthwise convolution reads: the block's input, its expansion or the stem.

use std::ops::Range;

use crate::activation::Activation;
use crate::gemm::microkernel::{MAX_KERNEL_ROWS, Tile};
use crate::gemm::{GemmOperands, convolve, split_evenly};
use crate::isa::Kernels;
use crate::layers::{Convolution, Layout, Shape};
use crate::packing::PackedConvolution;
use crate::row_ops::Rows;

/// Source of the rows that a block's depthwise convolution reads.
pub enum RowSource {
    /// The block's input.
    Identity,
    /// A 1×1 convolution (expansion) of the block's input.
    Pointwise(PackedConvolution),
    /// The stem, a convolution of the image.
    Stem(Stem),
}

/// First convolution of a network, which reads the image.
pub struct Stem {
    pub packed: PackedConvolution,
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above the first row and left of the first column.
    pub pad_before: [usize; 2],
    pub image: Shape,
    pub layout: Layout,
}

/// Rows of a source to compute, and their destination. Strides count values.
pub struct RowRequest {
    /// Rows of the source's output.
    pub rows: Range<usize>,
    pub columns: usize,
    /// Destination of the first pixel of the first row.
    pub output: *mut f32,
    pub output_row_stride: usize,
    pub output_pixel_stride: usize,
}

impl Stem {
    pub fn new(convolution: &Convolution, image: Shape, layout: Layout, kernels: &Kernels) -> Stem {
        let Convolution { kernel, stride, pad_before, .. } = *convolution;
        Stem { packed: PackedConvolution::new(convolution, kernels), kernel, stride, pad_before, image, layout }
    }

    /// Returns the values of a line: one image row in NHWC order between zeros.
    fn line_values(&self) -> usize {
        (self.image.width + self.pad_before[1] + self.kernel) * self.image.channels
    }

    /// Returns the scratch values of a thread: one line for each row of the kernel.
    pub fn scratch_values(&self) -> usize {
        self.kernel * self.line_values()
    }

    /// Computes the requested rows of the stem's output, with the lines in `scratch`.
    ///
    /// # Safety
    /// `image` has the values of the stem's image, and `scratch` has [`Stem::scratch_values`]. The requested rows are
    /// writable. No other thread accesses the scratch or these rows meanwhile.
    pub unsafe fn compute_rows(&self, kernels: &Kernels, image: *const f32, scratch: *mut f32, request: &RowRequest) {
        let kernel = self.kernel;
        let line_values = self.line_values();
        // SAFETY: the scratch has a line for each row of the kernel.
        let line = |row: usize| unsafe { scratch.add(row % kernel * line_values) };
        // Image rows are counted from the first row of padding.
        let mut next_row = request.rows.start * self.stride;
        for (index, output_row) in request.rows.clone().enumerate() {
            let top = output_row * self.stride;
            for row in next_row.max(top)..top + kernel {
                // SAFETY: the caller ensures the image, and `line` has room for a line.
                unsafe { self.fill_line(image, row, line(row)) };
            }
            next_row = top + kernel;
            let mut lines = [line(top).cast_const(); MAX_KERNEL_ROWS];
            for (tap, pointer) in lines.iter_mut().enumerate().take(kernel) {
                *pointer = line(top + tap);
            }
            // SAFETY: the lines of all kernel rows are filled, and the caller ensures the output rows.
            unsafe {
                self.compute_row(kernels, &lines, request.output.add(index * request.output_row_stride), request)
            };
        }
    }

    /// Computes one row of the stem's output from the lines of the kernel's rows.
    ///
    /// # Safety
    /// `lines` are filled for each row of the kernel, and `output` has room for a row of the request.
    unsafe fn compute_row(
        &self,
        kernels: &Kernels,
        lines: &[*const f32; MAX_KERNEL_ROWS],
        output: *mut f32,
        request: &RowRequest,
    ) {
        let Stem { packed, kernel, stride, .. } = self;
        let row_length = kernel * self.image.channels;
        let pixel_stride = stride * self.image.channels;
        for panel in &packed.panels {
            let mut column = 0;
            for pixels in split_evenly(request.columns, kernels.max_tile_pixels(panel.registers)) {
                // SAFETY: the lines reach to the last pixel's taps; the caller ensures the output.
                unsafe {
                    let tile = Tile {
                        input: lines.map(|line| line.add(column * pixel_stride)),
                        kernel_rows: *kernel,
                        row_length,
                        input_pixel_stride: pixel_stride,
                        weights: packed.weights.ptr_at(panel.weights_offset),
                        bias: packed.bias.ptr_at(panel.channel),
                        output: output.add(column * request.output_pixel_stride + panel.channel),
                        output_pixel_stride: request.output_pixel_stride,
                        residual: std::ptr::null(),
                        residual_pixel_stride: 0,
                        relu6: packed.activation == Activation::Relu6,
                        accumulate: false,
                    };
                    kernels.tile(pixels, panel.registers, &tile);
                }
                column += pixels;
            }
        }
        if packed.activation.needs_separate_pass() {
            let rows = Rows {
                values: output,
                rows: request.columns,
                channels: packed.outputs,
                row_stride: request.output_pixel_stride,
            };
            // SAFETY: the row was filled just now, and the caller ensures sole access to it.
            unsafe { kernels.activate(&rows, packed.activation) };
        }
    }

    /// Copies an image row to a line in NHWC order; `row` is counted from the first row of padding.
    ///
    /// # Safety
    /// `image` has the values of the stem's image, and `line` has room for a line. No other thread accesses the line
    /// meanwhile.
    unsafe fn fill_line(&self, image: *const f32, row: usize, line: *mut f32) {
        let Shape { height, width, channels } = self.image;
        // SAFETY: the caller ensures room for a line. Its values are initialised: scratch buffers start as zeros.
        let line = unsafe { std::slice::from_raw_parts_mut(line, self.line_values()) };
        let Some(row) = row.checked_sub(self.pad_before[0]).filter(|&row| row < height) else { return line.fill(0.0) };
        let (left, rest) = line.split_at_mut(self.pad_before[1] * channels);
        let (pixels, right) = rest.split_at_mut(width * channels);
        left.fill(0.0);
        right.fill(0.0);
        // SAFETY: both layouts below ask for a row or a plane's row within the image.
        let values = |start: usize, length: usize| unsafe { std::slice::from_raw_parts(image.add(start), length) };
        let plane_row = |channel: usize| values((channel * height + row) * width, width);
        match (self.layout, channels) {
            (Layout::Nhwc, _) => pixels.copy_from_slice(values(row * width * channels, width * channels)),
            // A case of its own, so that the compiler vectorises the interleaving of three planes.
            (Layout::Nchw, 3) => {
                let (red, green, blue) = (plane_row(0), plane_row(1), plane_row(2));
                for (pixel, ((&red, &green), &blue)) in
                    pixels.as_chunks_mut().0.iter_mut().zip(red.iter().zip(green).zip(blue))
                {
                    *pixel = [red, green, blue];
                }
            }
            (Layout::Nchw, _) => {
                for channel in 0..channels {
                    let targets = pixels[channel..].iter_mut().step_by(channels);
                    targets.zip(plane_row(channel)).for_each(|(target, value)| *target = *value);
                }
            }
        }
    }
}

impl RowSource {
    /// Computes the requested rows for the channels of `panels` from the block's `input`, whose pixels have
    /// `pixel_stride`. For [`RowSource::Identity`], `panels` is a range of channels.
    ///
    /// # Safety
    /// `input` has all values of the block's input, and `scratch` has those that [`Stem::scratch_values`] requires. The
    /// requested rows are writable. No other thread accesses the scratch or these rows meanwhile.
    pub unsafe fn compute_rows(
        &self,
        kernels: &Kernels,
        (input, pixel_stride): (*const f32, usize),
        panels: Range<usize>,
        scratch: *mut f32,
        request: &RowRequest,
    ) {
        // SAFETY: the caller ensures the input, the scratch and the requested rows.
        unsafe {
            match self {
                RowSource::Stem(stem) => stem.compute_rows(kernels, input, scratch, request),
                RowSource::Pointwise(packed) => {
                    let operands = GemmOperands {
                        rows: request.rows.len(),
                        columns: request.columns,
                        input: input.add(request.rows.start * request.columns * pixel_stride),
                        input_row_stride: request.columns * pixel_stride,
                        input_pixel_stride: pixel_stride,
                        output: request.output,
                        output_row_stride: request.output_row_stride,
                        output_pixel_stride: request.output_pixel_stride,
                        residual: std::ptr::null(),
                    };
                    convolve(kernels, packed, packed.weights.ptr_at(0), panels, &operands);
                }
                RowSource::Identity => {
                    for (index, row) in request.rows.clone().enumerate() {
                        for column in 0..request.columns {
                            let pixel = input.add((row * request.columns + column) * pixel_stride + panels.start);
                            let target = request
                                .output
                                .add(index * request.output_row_stride + column * request.output_pixel_stride);
                            std::ptr::copy_nonoverlapping(pixel, target, panels.len());
                        }
                    }
                }
            }
        }
    }
}
