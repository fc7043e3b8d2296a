//! Microkernel of depthwise convolutions: a few pixels of one output row, one register of channels at a time.

use crate::activation::Activation;
use crate::simd::Vector;
use crate::unroll::unroll;

/// Largest kernel side: EfficientNet's depthwise kernels are 3 or 5 wide.
pub const MAX_DEPTHWISE_KERNEL: usize = 5;

/// Operands of the microkernel: a few neighbouring pixels of one output row. Strides count values.
#[derive(Clone)]
pub struct Strip {
    /// Pixel under the first tap in each row of the kernel.
    pub input: [*const f32; MAX_DEPTHWISE_KERNEL],
    pub input_pixel_stride: usize,
    /// Channels to compute, a multiple of the lanes.
    pub channels: usize,
    /// Weights of the first tap, one a channel.
    pub weights: *const f32,
    pub weights_tap_stride: usize,
    pub bias: *const f32,
    pub output: *mut f32,
    pub output_pixel_stride: usize,
    /// Sums of each channel to which the results are added, or null.
    pub sums: *mut f32,
    pub activation: Activation,
}

/// Computes `T` pixels with a kernel of `K` × `K` taps and stride `S`.
///
/// # Safety
/// The strip's pointers are valid for its sizes and strides, the CPU has the instruction set, and no other thread
/// accesses the output and the sums meanwhile.
#[inline(always)]
pub unsafe fn strip<V: Vector, const K: usize, const S: usize, const T: usize>(strip: &Strip) {
    // SAFETY: the caller ensures valid pointers, the instruction set and sole access to output and sums.
    unsafe {
        let mut channel = 0;
        while channel < strip.channels {
            let mut results = [V::load(strip.bias.add(channel)); T];
            for row in 0..K {
                let tap = strip.weights.add(row * K * strip.weights_tap_stride + channel);
                let mut weights = [V::splat(0.0); K];
                unroll!(K, |column| { weights[column] = V::load(tap.add(column * strip.weights_tap_stride)) });
                let input = strip.input[row].add(channel);
                unroll!((T - 1) * S + K, |input_pixel| {
                    let value = V::load(input.add(input_pixel * strip.input_pixel_stride));
                    unroll!(T, |pixel| {
                        if input_pixel >= pixel * S && input_pixel - pixel * S < K {
                            results[pixel] = results[pixel].multiply_add(value, weights[input_pixel - pixel * S]);
                        }
                    })
                });
            }
            let output = strip.output.add(channel);
            match strip.activation {
                Activation::None => {}
                Activation::Relu6 => unroll!(T, |pixel| { results[pixel] = results[pixel].relu6() }),
                Activation::Silu => unroll!(T, |pixel| { results[pixel] = results[pixel].silu() }),
                Activation::Sigmoid => unroll!(T, |pixel| { results[pixel] = results[pixel].sigmoid() }),
            }
            unroll!(T, |pixel| { results[pixel].store(output.add(pixel * strip.output_pixel_stride)) });
            if !strip.sums.is_null() {
                let mut sum = V::load(strip.sums.add(channel));
                unroll!(T, |pixel| { sum = sum.add(results[pixel]) });
                sum.store(strip.sums.add(channel));
            }
            channel += V::LANES;
        }
    }
}
