//! Output stage behind the blocks: the head with channel means and classifier, or a copy of the feature map.

use crate::aligned_buffer::AlignedBuffer;
use crate::gemm::{GemmOperands, convolve, convolve_pixel};
use crate::isa::Kernels;
use crate::layers::{Head, Layout, Shape};
use crate::packing::PackedConvolution;
use crate::row_ops::Rows;
use crate::thread_pool::ActivePool;

/// Last stage of a program.
pub enum OutputStage {
    /// Copies the last block's output, of this shape, in this layout.
    FeatureMap { shape: Shape, layout: Layout },
    /// Runs a 1×1 convolution, the mean of each channel and the classifier.
    Head {
        pixels: usize,
        input_pixel_stride: usize,
        convolution: PackedConvolution,
        classifier: Option<PackedConvolution>,
    },
}

/// Buffers of one run of the output stage.
pub struct OutputBuffers<'a> {
    /// Output of the last block.
    pub input: *const f32,
    /// Free activation buffer, for the channel means and the scores.
    pub values: *mut f32,
    /// One buffer a thread.
    pub scratch: &'a [AlignedBuffer],
}

/// Pointers that the pieces of a job share.
struct SharedPointers<T>(T);

// SAFETY: the pieces write to disjoint positions behind the pointers.
unsafe impl<T> Sync for SharedPointers<T> {}

impl<T: Copy> SharedPointers<T> {
    // A method, so that a closure captures the wrapper and not its field.
    fn get(&self) -> T {
        self.0
    }
}

impl OutputStage {
    /// Packs `head` for an input of `shape`.
    pub fn from_head(head: &Head, shape: Shape, kernels: &Kernels) -> OutputStage {
        OutputStage::Head {
            pixels: shape.height * shape.width,
            input_pixel_stride: shape.channels.next_multiple_of(kernels.lanes),
            convolution: PackedConvolution::new(&head.convolution, kernels),
            classifier: head.classifier.as_ref().map(|classifier| PackedConvolution::new(classifier, kernels)),
        }
    }

    /// Returns the values that the stage needs in an activation buffer, and in the scratch of each thread.
    pub fn buffer_values(&self, kernels: &Kernels) -> (usize, usize) {
        match self {
            OutputStage::FeatureMap { .. } => (0, 0),
            OutputStage::Head { pixels, convolution, classifier, .. } => {
                let scores = classifier.as_ref().map_or(0, |classifier| classifier.outputs);
                (convolution.outputs + scores, pixels * kernels.max_registers() * kernels.lanes)
            }
        }
    }

    /// Computes `output` from the last block's output.
    ///
    /// # Safety
    /// `buffers.input` has the last block's output. The other buffers have [`OutputStage::buffer_values`], and no other
    /// thread accesses them meanwhile.
    pub unsafe fn run(&self, kernels: &Kernels, pool: &mut ActivePool, buffers: &OutputBuffers, output: &mut [f32]) {
        match self {
            OutputStage::FeatureMap { shape, layout } => {
                let pixel_stride = shape.channels.next_multiple_of(kernels.lanes);
                for pixel in 0..shape.height * shape.width {
                    for channel in 0..shape.channels {
                        let index = match layout {
                            Layout::Nchw => channel * shape.height * shape.width + pixel,
                            Layout::Nhwc => pixel * shape.channels + channel,
                        };
                        // SAFETY: the pixel and channel lie within the last block's output.
                        output[index] = unsafe { buffers.input.add(pixel * pixel_stride + channel).read() };
                    }
                }
            }
            OutputStage::Head { pixels, input_pixel_stride, convolution, classifier } => {
                let means = buffers.values;
                let scratch = buffers.scratch;
                let shared = SharedPointers((buffers.input, means));
                pool.run(convolution.panels.len(), |thread, piece| {
                    let (input, means) = shared.get();
                    let panel = convolution.panels[piece];
                    let channels = panel.registers * kernels.lanes;
                    let features = scratch[thread].ptr_at(0);
                    // SAFETY: the scratch has room for a panel of all pixels, and only this piece writes the panel's
                    // means.
                    unsafe {
                        let operands = GemmOperands {
                            rows: 1,
                            columns: *pixels,
                            input,
                            input_row_stride: 0,
                            input_pixel_stride: *input_pixel_stride,
                            output: features,
                            output_row_stride: 0,
                            output_pixel_stride: channels,
                            residual: std::ptr::null(),
                        };
                        convolve(kernels, convolution, convolution.weights.ptr_at(0), piece..piece + 1, &operands);
                        let rows = Rows { values: features, rows: *pixels, channels, row_stride: channels };
                        kernels.scaled_sums(&rows, 1.0 / *pixels as f32, means.add(panel.channel));
                    }
                });
                let mut result = means;
                if let Some(classifier) = classifier {
                    // SAFETY: the activation buffer has room for the means and the scores.
                    let scores = unsafe { means.add(convolution.outputs) };
                    let shared = SharedPointers((means, scores));
                    pool.run(classifier.panels.len(), |_, piece| {
                        let (means, scores) = shared.get();
                        // SAFETY: only this piece writes the panel's scores.
                        unsafe {
                            let panel_scores = scores.add(classifier.panels[piece].channel);
                            convolve_pixel(kernels, classifier, piece..piece + 1, means, panel_scores);
                        }
                    });
                    result = scores;
                }
                // SAFETY: the padded result has at least as many values as the output.
                output.copy_from_slice(unsafe { std::slice::from_raw_parts(result, output.len()) });
            }
        }
    }
}

/// Copies an image to `buffer` in NHWC order, with the channels of a pixel padded to a multiple of `lanes`.
pub fn copy_input(input: &[f32], shape: Shape, layout: Layout, buffer: &mut AlignedBuffer, lanes: usize) {
    let pixels = shape.height * shape.width;
    let pixel_stride = shape.channels.next_multiple_of(lanes);
    let values = buffer.values_mut();
    values[..pixels * pixel_stride].fill(0.0);
    for (pixel, values) in values.chunks_exact_mut(pixel_stride).take(pixels).enumerate() {
        for (channel, value) in values.iter_mut().take(shape.channels).enumerate() {
            *value = match layout {
                Layout::Nchw => input[channel * pixels + pixel],
                Layout::Nhwc => input[pixel * shape.channels + channel],
            };
        }
    }
}
