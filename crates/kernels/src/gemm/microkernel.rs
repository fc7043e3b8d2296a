//! The inner loop of 1×1 convolutions and of the stem: some pixels by some channels, in registers.

use crate::simd::{GROUP, Vector};
use crate::unroll::each;

/// A kernel's rows at most: the stem of these networks has three.
pub const MOST_RUNS: usize = 7;

/// A few pixels of the input, a few channels of the output. A pixel's inputs lie in `runs` runs of `length` values, one
/// run a row of the kernel; a 1×1 convolution has one run.
#[derive(Clone)]
pub struct Tile {
    /// Where the first pixel's runs are.
    pub input: [*const f32; MOST_RUNS],
    pub runs: usize,
    pub length: usize,
    /// From one pixel to the next, in values; also below.
    pub input_step: usize,
    /// As many values an input as the tile has channels, packed one after another.
    pub weights: *const f32,
    /// One a channel; not read where sums go on.
    pub bias: *const f32,
    /// The first pixel's first channel.
    pub output: *mut f32,
    pub output_step: usize,
    /// What is added to the result, laid out as the output is, or null.
    pub residual: *const f32,
    pub residual_step: usize,
    /// Whether sums are kept between 0 and 6. Other activations are for whole rows: here they would need all registers.
    pub relu6: bool,
    /// Whether the output holds the sums of the inputs before these.
    pub goes_on: bool,
}

/// Fills `MR` pixels × `NR` registers of channels.
///
/// # Safety
/// The tile's pointers are valid for what its numbers say, the CPU has the instructions, and nobody else writes to the
/// output at the time.
// No closures: each would be a function without the instruction set, and what it calls would stay a call.
#[inline(always)]
pub unsafe fn tile<V: Vector, const MR: usize, const NR: usize>(tile: &Tile) {
    // SAFETY: by the caller's promise.
    unsafe {
        let lanes = V::LANES;
        let mut sums = [[V::splat(0.0); NR]; MR];
        if tile.goes_on {
            each!(MR, |row| {
                each!(NR, |column| {
                    sums[row][column] = V::load(tile.output.add(row * tile.output_step + column * lanes));
                })
            });
        } else {
            each!(NR, |column| {
                let bias = V::load(tile.bias.add(column * lanes));
                each!(MR, |row| { sums[row][column] = bias })
            });
        }
        let mut weights = tile.weights;
        for run in 0..tile.runs {
            let mut input = tile.input[run];
            let mut groups = [V::group(input, 1); MR];
            for _ in 0..tile.length / GROUP {
                each!(MR, |row| { groups[row] = V::group(input.add(row * tile.input_step), GROUP) });
                step::<V, 0, MR, NR>(&mut sums, &groups, weights);
                step::<V, 1, MR, NR>(&mut sums, &groups, weights.add(NR * lanes));
                step::<V, 2, MR, NR>(&mut sums, &groups, weights.add(2 * NR * lanes));
                step::<V, 3, MR, NR>(&mut sums, &groups, weights.add(3 * NR * lanes));
                weights = weights.add(GROUP * NR * lanes);
                input = input.add(GROUP);
            }
            for _ in 0..tile.length % GROUP {
                each!(MR, |row| { groups[row] = V::group(input.add(row * tile.input_step), 1) });
                step::<V, 0, MR, NR>(&mut sums, &groups, weights);
                weights = weights.add(NR * lanes);
                input = input.add(1);
            }
        }
        if tile.relu6 {
            each!(MR, |row| { each!(NR, |column| { sums[row][column] = sums[row][column].relu6() }) });
        }
        if !tile.residual.is_null() {
            each!(MR, |row| {
                each!(NR, |column| {
                    let residual = V::load(tile.residual.add(row * tile.residual_step + column * lanes));
                    sums[row][column] = sums[row][column].add(residual);
                })
            });
        }
        each!(MR, |row| {
            each!(NR, |column| { sums[row][column].store(tile.output.add(row * tile.output_step + column * lanes)) })
        });
    }
}

/// One input of each pixel times its weights.
#[inline(always)]
unsafe fn step<V: Vector, const I: usize, const MR: usize, const NR: usize>(
    sums: &mut [[V; NR]; MR],
    groups: &[V::Group; MR],
    weights: *const f32,
) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut row_of_weights = [V::splat(0.0); NR];
        each!(NR, |column| { row_of_weights[column] = V::load(weights.add(column * V::LANES)) });
        each!(MR, |row| {
            each!(NR, |column| {
                sums[row][column] = sums[row][column].multiply_add_value::<I>(row_of_weights[column], groups[row]);
            })
        });
    }
}

/// Fills `NR` registers of channels of a pixel that is alone, from `inputs` values. Its inputs are added up in four parts:
/// one sum would wait for itself.
///
/// # Safety
/// As for [`tile`].
#[inline(always)]
pub unsafe fn single<V: Vector, const NR: usize>(
    input: *const f32,
    inputs: usize,
    weights: *const f32,
    bias: *const f32,
    output: *mut f32,
) {
    // SAFETY: by the caller's promise.
    unsafe {
        let row = NR * V::LANES;
        let mut parts = [[[V::splat(0.0); NR]; 1]; GROUP];
        each!(NR, |column| { parts[0][0][column] = V::load(bias.add(column * V::LANES)) });
        let (mut input, mut weights) = (input, weights);
        for _ in 0..inputs / GROUP {
            let group = [V::group(input, GROUP)];
            step::<V, 0, 1, NR>(&mut parts[0], &group, weights);
            step::<V, 1, 1, NR>(&mut parts[1], &group, weights.add(row));
            step::<V, 2, 1, NR>(&mut parts[2], &group, weights.add(2 * row));
            step::<V, 3, 1, NR>(&mut parts[3], &group, weights.add(3 * row));
            weights = weights.add(GROUP * row);
            input = input.add(GROUP);
        }
        for _ in 0..inputs % GROUP {
            step::<V, 0, 1, NR>(&mut parts[0], &[V::group(input, 1)], weights);
            weights = weights.add(row);
            input = input.add(1);
        }
        each!(NR, |column| {
            let (one, other) =
                (parts[0][0][column].add(parts[1][0][column]), parts[2][0][column].add(parts[3][0][column]));
            one.add(other).store(output.add(column * V::LANES));
        });
    }
}
