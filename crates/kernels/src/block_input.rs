//! Where the rows come from that a depthwise convolution reads.

use std::ops::Range;

use crate::activation::Activation;
use crate::gemm::microkernel::{MOST_RUNS, Tile};
use crate::gemm::{Area, convolve, evenly};
use crate::isa::Kernels;
use crate::layers::{Convolution, Order, Shape};
use crate::packing::Packed;
use crate::row_ops::Rows;

/// See the module.
pub enum Source {
    /// The block's input as it is.
    Same,
    /// A 1×1 convolution of it.
    Pointwise(Packed),
    /// A convolution of the picture.
    Stem(Stem),
}

/// A convolution of all pixels around.
pub struct Stem {
    pub packed: Packed,
    pub kernel: usize,
    pub stride: usize,
    pub before: [usize; 2],
    pub picture: Shape,
    pub order: Order,
}

/// Rows to be made.
pub struct Wanted {
    /// Of what the source gives.
    pub rows: Range<usize>,
    pub columns: usize,
    /// The first wanted row's first pixel.
    pub output: *mut f32,
    /// From row to row and from pixel to pixel, in values.
    pub output_row: usize,
    pub output_step: usize,
}

impl Stem {
    pub fn new(convolution: &Convolution, picture: Shape, order: Order, kernels: &Kernels) -> Stem {
        let Convolution { kernel, stride, before, .. } = *convolution;
        Stem { packed: Packed::new(convolution, kernels), kernel, stride, before, picture, order }
    }

    /// Values of a line: one row of the picture between zeros, pixel by pixel.
    fn line(&self) -> usize {
        (self.picture.width + self.before[1] + self.kernel) * self.picture.channels
    }

    /// Values that a thread needs for the lines of one row.
    pub fn scratch(&self) -> usize {
        self.kernel * self.line()
    }

    /// Makes the wanted rows of `picture`, with `scratch` for the lines.
    ///
    /// # Safety
    /// The picture and the scratch have their sizes, and the wanted rows are valid and nobody else's.
    pub unsafe fn make(&self, kernels: &Kernels, picture: *const f32, scratch: *mut f32, wanted: &Wanted) {
        let (kernel, length) = (self.kernel, self.line());
        // SAFETY, here and below: within the scratch, which has a line for each row of the kernel.
        let line = |row: usize| unsafe { scratch.add(row % kernel * length) };
        let mut read = wanted.rows.start * self.stride;
        for (count, row) in wanted.rows.clone().enumerate() {
            // Rows are counted from the first that is all zeros.
            let top = row * self.stride;
            for row in read.max(top)..top + kernel {
                unsafe { self.read(picture, row, line(row)) };
            }
            read = top + kernel;
            let mut input = [line(top).cast_const(); MOST_RUNS];
            for (tap, input) in input.iter_mut().enumerate().take(kernel) {
                *input = line(top + tap);
            }
            unsafe { self.make_row(kernels, &input, wanted.output.add(count * wanted.output_row), wanted) };
        }
    }

    unsafe fn make_row(&self, kernels: &Kernels, lines: &[*const f32; MOST_RUNS], output: *mut f32, wanted: &Wanted) {
        let Stem { packed, kernel, stride, .. } = self;
        let (length, step) = (kernel * self.picture.channels, stride * self.picture.channels);
        for panel in &packed.panels {
            let mut column = 0;
            for pixels in evenly(wanted.columns, kernels.most_pixels(panel.registers)) {
                // SAFETY: the lines are long enough for the last pixel's taps, the rest by the caller's promise.
                unsafe {
                    let tile = Tile {
                        input: lines.map(|line| line.add(column * step)),
                        runs: *kernel,
                        length,
                        input_step: step,
                        weights: packed.weights.at(panel.weights),
                        bias: packed.bias.at(panel.channel),
                        output: output.add(column * wanted.output_step + panel.channel),
                        output_step: wanted.output_step,
                        residual: std::ptr::null(),
                        residual_step: 0,
                        relu6: packed.activation == Activation::Relu6,
                        goes_on: false,
                    };
                    kernels.tile(pixels, panel.registers, &tile);
                }
                column += pixels;
            }
        }
        if packed.activation.needs_all_registers() {
            let (rows, channels, step) = (wanted.columns, packed.outputs, wanted.output_step);
            // SAFETY: the row that was just filled.
            unsafe { kernels.activate(&Rows { values: output, rows, channels, step }, packed.activation) };
        }
    }

    /// Puts a row of the picture, counted from the first row of zeros before it, into a line.
    unsafe fn read(&self, picture: *const f32, row: usize, line: *mut f32) {
        let Shape { height, width, channels } = self.picture;
        // SAFETY: a line's length; the rest is within the picture, as checked.
        let line = unsafe { std::slice::from_raw_parts_mut(line, self.line()) };
        let Some(row) = row.checked_sub(self.before[0]).filter(|&row| row < height) else { return line.fill(0.0) };
        let (before, rest) = line.split_at_mut(self.before[1] * channels);
        let (pixels, after) = rest.split_at_mut(width * channels);
        before.fill(0.0);
        after.fill(0.0);
        // SAFETY: a row of the picture.
        let values = |from: usize, length: usize| unsafe { std::slice::from_raw_parts(picture.add(from), length) };
        let plane = |channel: usize| values((channel * height + row) * width, width);
        match (self.order, channels) {
            (Order::Interleaved, _) => pixels.copy_from_slice(values(row * width * channels, width * channels)),
            // Written so that the compiler takes some pixels at a time.
            (Order::Planar, 3) => {
                let (red, green, blue) = (plane(0), plane(1), plane(2));
                for (pixel, ((&red, &green), &blue)) in
                    pixels.as_chunks_mut().0.iter_mut().zip(red.iter().zip(green).zip(blue))
                {
                    *pixel = [red, green, blue];
                }
            }
            (Order::Planar, _) => {
                for channel in 0..channels {
                    let places = pixels[channel..].iter_mut().step_by(channels);
                    places.zip(plane(channel)).for_each(|(place, value)| *place = *value);
                }
            }
        }
    }
}

impl Source {
    /// Makes the wanted rows, for the channels of `panels`, from a block's `input` of `shape`, kept `step` values a pixel.
    /// For [`Source::Same`] `panels` are channels.
    ///
    /// # Safety
    /// The input, the scratch and the wanted rows are valid for what the numbers say; nobody else writes to the rows.
    pub unsafe fn make(
        &self,
        kernels: &Kernels,
        (input, step): (*const f32, usize),
        panels: Range<usize>,
        scratch: *mut f32,
        wanted: &Wanted,
    ) {
        // SAFETY: by the caller's promise.
        unsafe {
            match self {
                Source::Stem(stem) => stem.make(kernels, input, scratch, wanted),
                Source::Pointwise(packed) => {
                    let area = Area {
                        rows: wanted.rows.len(),
                        columns: wanted.columns,
                        input: input.add(wanted.rows.start * wanted.columns * step),
                        input_row: wanted.columns * step,
                        input_step: step,
                        output: wanted.output,
                        output_row: wanted.output_row,
                        output_step: wanted.output_step,
                        residual: std::ptr::null(),
                    };
                    convolve(kernels, packed, packed.weights.at(0), panels, &area);
                }
                Source::Same => {
                    for (count, row) in wanted.rows.clone().enumerate() {
                        for column in 0..wanted.columns {
                            let from = input.add((row * wanted.columns + column) * step + panels.start);
                            let to = wanted.output.add(count * wanted.output_row + column * wanted.output_step);
                            std::ptr::copy_nonoverlapping(from, to, panels.len());
                        }
                    }
                }
            }
        }
    }
}
