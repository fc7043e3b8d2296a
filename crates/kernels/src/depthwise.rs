//! The inner loop of depthwise convolutions: a few pixels of a row, one register of channels after another.

use crate::activation::Activation;
use crate::simd::Vector;
use crate::unroll::each;

/// The largest kernel's side.
pub const MOST_ROWS: usize = 5;

/// A few neighbouring pixels of one output row.
#[derive(Clone)]
pub struct Strip {
    /// The first tap's pixel in each row of the kernel.
    pub input: [*const f32; MOST_ROWS],
    /// From one pixel to the next, in values; also below.
    pub input_step: usize,
    /// How many channels: whole registers.
    pub channels: usize,
    /// The first tap's weights; one after another for the channels.
    pub weights: *const f32,
    /// From one tap to the next.
    pub weights_step: usize,
    pub bias: *const f32,
    pub output: *mut f32,
    pub output_step: usize,
    /// Where the results of each channel are added up, or null.
    pub sums: *mut f32,
    pub activation: Activation,
}

/// Fills `T` pixels by a kernel of `K` × `K` taps that moves on by `S` pixels.
///
/// # Safety
/// The strip's pointers are valid for what its numbers say, the CPU has the instructions, and nobody else writes to the
/// output at the time.
#[inline(always)]
pub unsafe fn strip<V: Vector, const K: usize, const S: usize, const T: usize>(strip: &Strip) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut channel = 0;
        while channel < strip.channels {
            let mut results = [V::load(strip.bias.add(channel)); T];
            for row in 0..K {
                let tap = strip.weights.add(row * K * strip.weights_step + channel);
                let mut weights = [V::splat(0.0); K];
                each!(K, |column| { weights[column] = V::load(tap.add(column * strip.weights_step)) });
                let input = strip.input[row].add(channel);
                each!((T - 1) * S + K, |place| {
                    let value = V::load(input.add(place * strip.input_step));
                    each!(T, |pixel| {
                        if place >= pixel * S && place - pixel * S < K {
                            results[pixel] = results[pixel].multiply_add(value, weights[place - pixel * S]);
                        }
                    })
                });
            }
            let output = strip.output.add(channel);
            match strip.activation {
                Activation::None => {}
                Activation::Relu6 => each!(T, |pixel| { results[pixel] = results[pixel].relu6() }),
                Activation::Silu => each!(T, |pixel| { results[pixel] = results[pixel].silu() }),
                Activation::Sigmoid => each!(T, |pixel| { results[pixel] = results[pixel].sigmoid() }),
            }
            each!(T, |pixel| { results[pixel].store(output.add(pixel * strip.output_step)) });
            if !strip.sums.is_null() {
                let mut sum = V::load(strip.sums.add(channel));
                each!(T, |pixel| { sum = sum.add(results[pixel]) });
                sum.store(strip.sums.add(channel));
            }
            channel += V::LANES;
        }
    }
}
