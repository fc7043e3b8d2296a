//! Loops over rows of channels: channel means, squeeze-excite scaling and activations.

use crate::activation::Activation;
use crate::simd::Vector;
use crate::unroll::unroll;

/// `rows` rows of `channels` values; the starts of neighbouring rows are `row_stride` values apart.
#[derive(Clone, Copy)]
pub struct Rows {
    pub values: *mut f32,
    pub rows: usize,
    /// A multiple of the lanes.
    pub channels: usize,
    pub row_stride: usize,
}

/// Stores `factor` times the sum of each channel in `result`.
///
/// # Safety
/// The rows are readable, `result` has room for `rows.channels` values, and the CPU has the instruction set. No other
/// thread writes to either meanwhile.
#[inline(always)]
pub unsafe fn scaled_sums<V: Vector>(rows: &Rows, factor: f32, result: *mut f32) {
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        let mut channel = 0;
        while channel < rows.channels {
            let mut sum = V::splat(0.0);
            for row in 0..rows.rows {
                sum = sum.add(V::load(rows.values.add(row * rows.row_stride + channel)));
            }
            sum.multiply(V::splat(factor)).store(result.add(channel));
            channel += V::LANES;
        }
    }
}

/// Multiplies each row by `gate`, in place.
///
/// # Safety
/// The rows are writable, `gate` has `rows.channels` values, and the CPU has the instruction set. No other thread
/// accesses the rows meanwhile.
#[inline(always)]
pub unsafe fn scale_channels<V: Vector>(rows: &Rows, gate: *const f32) {
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        let mut channel = 0;
        let width = 4 * V::LANES;
        while channel + width <= rows.channels {
            scale_channel_columns::<V, 4>(rows, channel, gate);
            channel += width;
        }
        while channel < rows.channels {
            scale_channel_columns::<V, 1>(rows, channel, gate);
            channel += V::LANES;
        }
    }
}

#[inline(always)]
unsafe fn scale_channel_columns<V: Vector, const N: usize>(rows: &Rows, channel: usize, gate: *const f32) {
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        let mut factors = [V::splat(0.0); N];
        unroll!(N, |column| { factors[column] = V::load(gate.add(channel + column * V::LANES)) });
        let mut values = rows.values.add(channel);
        for _ in 0..rows.rows {
            unroll!(N, |column| {
                let value = values.add(column * V::LANES);
                V::load(value).multiply(factors[column]).store(value);
            });
            values = values.wrapping_add(rows.row_stride);
        }
    }
}

/// Stores each row of `weights` times its value of `gate` in `scaled`, which has the layout of `weights`.
///
/// # Safety
/// The rows are readable, `scaled` has room for all of them, and `gate` has a value for each row. The CPU has the
/// instruction set, and no other thread accesses `scaled` meanwhile.
#[inline(always)]
pub unsafe fn scale_weight_rows<V: Vector>(weights: &Rows, gate: *const f32, scaled: *mut f32) {
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        let mut channel = 0;
        let width = 2 * V::LANES;
        while channel + width <= weights.channels {
            scale_weight_columns::<V, 2>(weights, channel, gate, scaled);
            channel += width;
        }
        while channel < weights.channels {
            scale_weight_columns::<V, 1>(weights, channel, gate, scaled);
            channel += V::LANES;
        }
    }
}

#[inline(always)]
unsafe fn scale_weight_columns<V: Vector, const N: usize>(
    weights: &Rows,
    channel: usize,
    gate: *const f32,
    scaled: *mut f32,
) {
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        for row in 0..weights.rows {
            let (factor, start) = (V::splat(*gate.add(row)), row * weights.row_stride + channel);
            unroll!(N, |column| {
                let index = start + column * V::LANES;
                V::load(weights.values.add(index)).multiply(factor).store(scaled.add(index));
            });
        }
    }
}

/// Applies `activation` to each value, in place.
///
/// # Safety
/// The rows are writable, and the CPU has the instruction set. No other thread accesses the rows meanwhile.
#[inline(always)]
pub unsafe fn activate<V: Vector>(rows: &Rows, activation: Activation) {
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
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
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        for row in 0..rows.rows {
            let values = rows.values.add(row * rows.row_stride);
            let mut channel = 0;
            while channel < rows.channels {
                V::load(values.add(channel)).relu6().store(values.add(channel));
                channel += V::LANES;
            }
        }
    }
}

/// Applies the sigmoid, or with `SILU` multiplies each value by its sigmoid.
#[inline(always)]
unsafe fn sigmoid<V: Vector, const SILU: bool>(rows: &Rows) {
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        // Four rows × two registers: independent results hide latency, which in-order cores cannot hide themselves.
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
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        let values = rows.values.add(row * rows.row_stride);
        let pairs = rows.channels / (2 * V::LANES);
        for pair in 0..pairs {
            sigmoid_registers::<V, SILU, ROWS, 2>(values.add(pair * 2 * V::LANES), rows.row_stride);
        }
        if !rows.channels.is_multiple_of(2 * V::LANES) {
            sigmoid_registers::<V, SILU, ROWS, 1>(values.add(pairs * 2 * V::LANES), rows.row_stride);
        }
    }
}

#[inline(always)]
unsafe fn sigmoid_registers<V: Vector, const SILU: bool, const ROWS: usize, const REGISTERS: usize>(
    values: *mut f32,
    row_stride: usize,
) {
    // SAFETY: the caller ensures valid rows, the instruction set and sole access to what is written.
    unsafe {
        let mut results = [[V::splat(0.0); REGISTERS]; ROWS];
        unroll!(ROWS, |row| {
            unroll!(REGISTERS, |column| {
                results[row][column] = V::load(values.add(row * row_stride + column * V::LANES));
            })
        });
        unroll!(ROWS, |row| {
            unroll!(REGISTERS, |column| {
                let value = results[row][column];
                results[row][column] = if SILU { value.silu() } else { value.sigmoid() };
            })
        });
        unroll!(ROWS, |row| {
            unroll!(REGISTERS, |column| {
                results[row][column].store(values.add(row * row_stride + column * V::LANES))
            })
        });
    }
}
