//! What comes after the blocks: the head with its mean and its classifier, or the values put in order.

use crate::aligned_buffer::Memory;
use crate::gemm::{Area, convolve, convolve_one};
use crate::isa::Kernels;
use crate::layers::{Head, Order, Shape};
use crate::packing::Packed;
use crate::row_ops::Rows;
use crate::thread_pool::Crew;

/// See the module.
pub enum Tail {
    Nothing,
    /// The values as they are, of a picture of this shape.
    Picture {
        shape: Shape,
        order: Order,
    },
    /// One more convolution, each channel's mean, and a score a class from these.
    Head {
        pixels: usize,
        input_step: usize,
        convolution: Packed,
        classifier: Option<Packed>,
    },
}

struct Shared<T>(T);

// SAFETY: pointers into memory that the pieces share by place.
unsafe impl<T> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    fn get(&self) -> T {
        self.0
    }
}

impl Tail {
    pub fn head(head: &Head, shape: Shape, kernels: &Kernels) -> Tail {
        Tail::Head {
            pixels: shape.height * shape.width,
            input_step: shape.channels.next_multiple_of(kernels.lanes),
            convolution: Packed::new(&head.convolution, kernels),
            classifier: head.classifier.as_ref().map(|classifier| Packed::new(classifier, kernels)),
        }
    }

    /// Values it needs in the activations, and a thread's.
    pub fn sizes(&self, kernels: &Kernels) -> (usize, usize) {
        match self {
            Tail::Nothing | Tail::Picture { .. } => (0, 0),
            Tail::Head { pixels, convolution, classifier, .. } => {
                let scores = classifier.as_ref().map_or(0, |classifier| classifier.outputs);
                (convolution.outputs + scores, pixels * kernels.most_registers() * kernels.lanes)
            }
        }
    }

    /// Puts what follows from `input`, the last block's output, into `output`; `values` are activations that are free.
    ///
    /// # Safety
    /// The pointers have the sizes that were asked for, and nobody else is at them.
    pub unsafe fn run(
        &self,
        kernels: &Kernels,
        crew: &mut Crew,
        input: *const f32,
        values: *mut f32,
        scratch: &[Memory],
        output: &mut [f32],
    ) {
        match self {
            Tail::Nothing => {}
            Tail::Picture { shape, order } => {
                let step = shape.channels.next_multiple_of(kernels.lanes);
                for pixel in 0..shape.height * shape.width {
                    for channel in 0..shape.channels {
                        let place = match order {
                            Order::Planar => channel * shape.height * shape.width + pixel,
                            Order::Interleaved => pixel * shape.channels + channel,
                        };
                        // SAFETY: within the activations.
                        output[place] = unsafe { input.add(pixel * step + channel).read() };
                    }
                }
            }
            Tail::Head { pixels, input_step, convolution, classifier } => {
                let (means, shared) = (values, Shared((input, values)));
                crew.run(convolution.panels.len(), |thread, piece| {
                    let (input, means) = shared.get();
                    let panel = convolution.panels[piece];
                    let (channels, filled) = (panel.registers * kernels.lanes, scratch[thread].at(0));
                    // SAFETY: the scratch has room for a panel of all pixels; the panel's means are this piece's only.
                    unsafe {
                        let area = area((*pixels, input, *input_step), (filled, channels));
                        convolve(kernels, convolution, convolution.weights.at(0), piece..piece + 1, &area);
                        let rows = Rows { values: filled, rows: *pixels, channels, step: channels };
                        kernels.sums(&rows, 1.0 / *pixels as f32, means.add(panel.channel));
                    }
                });
                let mut result = means;
                if let Some(classifier) = classifier {
                    // SAFETY: the activations have room for means and scores.
                    let scores = unsafe { means.add(convolution.outputs) };
                    let shared = Shared((means, scores));
                    crew.run(classifier.panels.len(), |_, piece| {
                        let (means, scores) = shared.get();
                        // SAFETY: the panel's scores are this piece's only.
                        unsafe {
                            let place = scores.add(classifier.panels[piece].channel);
                            convolve_one(kernels, classifier, piece..piece + 1, means, place);
                        }
                    });
                    result = scores;
                }
                // SAFETY: there are at least as many as real ones.
                output.copy_from_slice(unsafe { std::slice::from_raw_parts(result, output.len()) });
            }
        }
    }
}

fn area((columns, input, input_step): (usize, *const f32, usize), (output, output_step): (*mut f32, usize)) -> Area {
    let residual = std::ptr::null();
    Area { rows: 1, columns, input, input_row: 0, input_step, output, output_row: 0, output_step, residual }
}

/// Puts a picture into `memory`, pixel by pixel, channels in whole registers.
pub fn arrange(input: &[f32], shape: Shape, order: Order, memory: &mut Memory, lanes: usize) {
    let (pixels, step) = (shape.height * shape.width, shape.channels.next_multiple_of(lanes));
    let values = memory.values_mut();
    values[..pixels * step].fill(0.0);
    for (pixel, values) in values.chunks_exact_mut(step).take(pixels).enumerate() {
        for (channel, value) in values.iter_mut().take(shape.channels).enumerate() {
            *value = match order {
                Order::Planar => input[channel * pixels + pixel],
                Order::Interleaved => input[pixel * shape.channels + channel],
            };
        }
    }
}
