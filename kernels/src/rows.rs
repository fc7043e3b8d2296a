//! Loops over rows of channels: means, and what a gate does to values and to weights.

use crate::vector::Vector;

/// `rows` rows of `channels` values, `step` values apart.
#[derive(Clone, Copy)]
pub struct Rows {
    pub values: *mut f32,
    pub rows: usize,
    /// Whole registers.
    pub channels: usize,
    pub step: usize,
}

/// Puts `factor` times the sum of each channel into `means`.
///
/// # Safety
/// The pointers are valid for what the numbers say, and the CPU has the instructions.
#[inline(always)]
pub unsafe fn sums<V: Vector>(rows: &Rows, factor: f32, means: *mut f32) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut channel = 0;
        while channel < rows.channels {
            let mut sum = V::splat(0.0);
            for row in 0..rows.rows {
                sum = sum.add(V::load(rows.values.add(row * rows.step + channel)));
            }
            sum.multiply(V::splat(factor)).store(means.add(channel));
            channel += V::LANES;
        }
    }
}

/// Multiplies each row by `gate`.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
pub unsafe fn multiply<V: Vector>(rows: &Rows, gate: *const f32) {
    // SAFETY: by the caller's promise.
    unsafe {
        for row in 0..rows.rows {
            let values = rows.values.add(row * rows.step);
            let mut channel = 0;
            while channel < rows.channels {
                V::load(values.add(channel)).multiply(V::load(gate.add(channel))).store(values.add(channel));
                channel += V::LANES;
            }
        }
    }
}

/// Puts the weights of each input times its value of `gate` into `gated`.
///
/// # Safety
/// As for [`sums`]; `weights` has a row for each input.
#[inline(always)]
pub unsafe fn gate_weights<V: Vector>(weights: &Rows, gate: *const f32, gated: *mut f32) {
    // SAFETY: by the caller's promise.
    unsafe {
        for row in 0..weights.rows {
            let factor = V::splat(*gate.add(row));
            let mut channel = 0;
            while channel < weights.channels {
                let place = row * weights.step + channel;
                V::load(weights.values.add(place)).multiply(factor).store(gated.add(place));
                channel += V::LANES;
            }
        }
    }
}
