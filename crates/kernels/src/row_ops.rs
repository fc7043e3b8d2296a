//! Loops over rows of channels: means, and what a gate does to values and to weights.

use crate::activation::Activation;
use crate::simd::Vector;
use crate::unroll::each;

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
        let (mut channel, many) = (0, 4 * V::LANES);
        while channel + many <= rows.channels {
            multiply_columns::<V, 4>(rows, channel, gate);
            channel += many;
        }
        while channel < rows.channels {
            multiply_columns::<V, 1>(rows, channel, gate);
            channel += V::LANES;
        }
    }
}

#[inline(always)]
unsafe fn multiply_columns<V: Vector, const N: usize>(rows: &Rows, channel: usize, gate: *const f32) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut factors = [V::splat(0.0); N];
        each!(N, |column| { factors[column] = V::load(gate.add(channel + column * V::LANES)) });
        let mut values = rows.values.add(channel);
        for _ in 0..rows.rows {
            each!(N, |column| {
                let place = values.add(column * V::LANES);
                V::load(place).multiply(factors[column]).store(place);
            });
            values = values.wrapping_add(rows.step);
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
        let (mut channel, many) = (0, 2 * V::LANES);
        while channel + many <= weights.channels {
            gate_columns::<V, 2>(weights, channel, gate, gated);
            channel += many;
        }
        while channel < weights.channels {
            gate_columns::<V, 1>(weights, channel, gate, gated);
            channel += V::LANES;
        }
    }
}

#[inline(always)]
unsafe fn gate_columns<V: Vector, const N: usize>(weights: &Rows, channel: usize, gate: *const f32, gated: *mut f32) {
    // SAFETY: by the caller's promise.
    unsafe {
        for row in 0..weights.rows {
            let (factor, place) = (V::splat(*gate.add(row)), row * weights.step + channel);
            each!(N, |column| {
                let place = place + column * V::LANES;
                V::load(weights.values.add(place)).multiply(factor).store(gated.add(place));
            });
        }
    }
}

/// Puts `activation` of each value in its place.
///
/// # Safety
/// As for [`sums`].
#[inline(always)]
pub unsafe fn activate<V: Vector>(rows: &Rows, activation: Activation) {
    // SAFETY: by the caller's promise.
    unsafe {
        match activation {
            Activation::None => {}
            Activation::Relu6 => relu6::<V>(rows),
            Activation::Silu => sigmoid::<V, true>(rows),
            Activation::Sigmoid => sigmoid::<V, false>(rows),
        }
    }
}

#[inline(always)]
unsafe fn relu6<V: Vector>(rows: &Rows) {
    // SAFETY: by the caller's promise.
    unsafe {
        for row in 0..rows.rows {
            let values = rows.values.add(row * rows.step);
            let mut channel = 0;
            while channel < rows.channels {
                V::load(values.add(channel)).relu6().store(values.add(channel));
                channel += V::LANES;
            }
        }
    }
}

/// Sigmoid, or with `SILU` the value times its sigmoid.
#[inline(always)]
unsafe fn sigmoid<V: Vector, const SILU: bool>(rows: &Rows) {
    // SAFETY: by the caller's promise.
    unsafe {
        // Four rows of two registers: one result waits for the other less, and cores that keep the order need that.
        let mut row = 0;
        while row + 4 <= rows.rows {
            sigmoid_rows::<V, SILU, 4>(row, rows);
            row += 4;
        }
        while row < rows.rows {
            sigmoid_rows::<V, SILU, 1>(row, rows);
            row += 1;
        }
    }
}

#[inline(always)]
unsafe fn sigmoid_rows<V: Vector, const SILU: bool, const ROWS: usize>(row: usize, rows: &Rows) {
    // SAFETY: by the caller's promise.
    unsafe {
        let values = rows.values.add(row * rows.step);
        let pairs = rows.channels / (2 * V::LANES);
        for pair in 0..pairs {
            sigmoid_of::<V, SILU, ROWS, 2>(values.add(pair * 2 * V::LANES), rows.step);
        }
        if !rows.channels.is_multiple_of(2 * V::LANES) {
            sigmoid_of::<V, SILU, ROWS, 1>(values.add(pairs * 2 * V::LANES), rows.step);
        }
    }
}

#[inline(always)]
unsafe fn sigmoid_of<V: Vector, const SILU: bool, const ROWS: usize, const REGISTERS: usize>(
    values: *mut f32,
    step: usize,
) {
    // SAFETY: by the caller's promise.
    unsafe {
        let mut results = [[V::splat(0.0); REGISTERS]; ROWS];
        each!(ROWS, |row| {
            each!(REGISTERS, |column| {
                results[row][column] = V::load(values.add(row * step + column * V::LANES));
            })
        });
        each!(ROWS, |row| {
            each!(REGISTERS, |column| {
                let value = results[row][column];
                results[row][column] = if SILU { value.silu() } else { value.sigmoid() };
            })
        });
        each!(ROWS, |row| {
            each!(REGISTERS, |column| { results[row][column].store(values.add(row * step + column * V::LANES)) })
        });
    }
}
