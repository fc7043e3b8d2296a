//! Weights of a convolution as they lie in a model file: f32 or f16, with any order of the axes.

use std::ops::Range;
use std::sync::Arc;

use crate::f16::f16_to_f32;

/// Number format of stored weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightFormat {
    F32,
    F16,
}

/// Weights of a convolution: a view of a file's bytes with the axes taps, inputs and outputs. Clones share the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Little-endian values; `None` if all weights are zero and take no memory.
    bytes: Option<Arc<Vec<u8>>>,
    format: WeightFormat,
    dims: [usize; 3],
    strides: [usize; 3],
    /// Factor of each output's weights; empty if all are 1.
    factors: Vec<f32>,
}

/// Inputs packed for all outputs before the next ones, so that they stay in the L1 cache: 64 rows of up to 48 channels
/// are 12 KiB.
const INPUT_CHUNK: usize = 64;

impl Weights {
    /// Creates a view of `bytes` with `dims` of taps × inputs × outputs, whose axes have `strides` in values.
    ///
    /// Returns `None` if the bytes are too few or a dimension is 0.
    pub fn new(bytes: Arc<Vec<u8>>, format: WeightFormat, dims: [usize; 3], strides: [usize; 3]) -> Option<Weights> {
        let value_bytes = if format == WeightFormat::F16 { 2 } else { 4 };
        let last_on_axis = |(dim, stride): (&usize, &usize)| dim.checked_sub(1)?.checked_mul(*stride);
        let mut last = 0usize;
        for offset in dims.iter().zip(&strides).map(last_on_axis) {
            last = last.checked_add(offset?)?;
        }
        let fits = last < bytes.len() / value_bytes;
        fits.then_some(Weights { bytes: Some(bytes), format, dims, strides, factors: Vec::new() })
    }

    /// Copies `values` in the order taps × inputs × outputs. Panics if there are fewer than `dims` require.
    pub fn from_f32(values: &[f32], dims: [usize; 3]) -> Weights {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let strides = [dims[1] * dims[2], dims[2], 1];
        Weights::new(Arc::new(bytes), WeightFormat::F32, dims, strides).expect("`values` has as many weights as `dims`")
    }

    /// Creates weights that are all zero and take no memory.
    pub(crate) fn zeros(dims: [usize; 3]) -> Weights {
        Weights { bytes: None, format: WeightFormat::F32, dims, strides: [0; 3], factors: Vec::new() }
    }

    /// Returns taps, inputs of each output, and outputs.
    pub fn dims(&self) -> [usize; 3] {
        self.dims
    }

    /// Returns the weight at `index` in the order taps × inputs × outputs.
    pub fn value(&self, index: usize) -> f32 {
        let [_, inputs, outputs] = self.dims;
        let (tap, input, output) = (index / outputs / inputs, index / outputs % inputs, index % outputs);
        let stored = tap * self.strides[0] + input * self.strides[1] + output * self.strides[2];
        let value = self.bytes.as_ref().map_or(0.0, |bytes| match self.format {
            WeightFormat::F32 => f32::from_le_bytes(bytes.as_chunks().0[stored]),
            WeightFormat::F16 => f16_to_f32(u16::from_le_bytes(bytes.as_chunks().0[stored])),
        });
        value * self.factors.get(output).copied().unwrap_or(1.0)
    }

    /// Multiplies the weights of each output by that output's factor.
    pub fn scale_outputs(&mut self, factors: &[f32]) {
        if self.factors.is_empty() {
            self.factors = vec![1.0; self.dims[2]];
        }
        self.factors.iter_mut().zip(factors).for_each(|(product, factor)| *product *= factor);
    }

    /// Writes the weights of `outputs` to `packed`, which must be zero: one row of `width` values for each tap and
    /// input.
    pub(crate) fn pack(&self, outputs: Range<usize>, width: usize, packed: &mut [f32]) {
        let Some(bytes) = &self.bytes else { return };
        match self.format {
            WeightFormat::F32 => self.pack_as(bytes.as_chunks().0, f32::from_le_bytes, outputs, width, packed),
            WeightFormat::F16 => {
                let to_f32 = |bytes| f16_to_f32(u16::from_le_bytes(bytes));
                self.pack_as(bytes.as_chunks().0, to_f32, outputs, width, packed);
            }
        }
    }

    fn pack_as<const BYTES: usize>(
        &self,
        values: &[[u8; BYTES]],
        to_f32: impl Fn([u8; BYTES]) -> f32,
        outputs: Range<usize>,
        width: usize,
        packed: &mut [f32],
    ) {
        let [taps, inputs, _] = self.dims;
        let [tap_stride, input_stride, output_stride] = self.strides;
        let chunks = (0..taps).flat_map(|tap| (0..inputs).step_by(INPUT_CHUNK).map(move |first| (tap, first)));
        let mut converted = [0.0; INPUT_CHUNK];
        for (tap, first) in chunks {
            let count = INPUT_CHUNK.min(inputs - first);
            let packed = &mut packed[(tap * inputs + first) * width..];
            for (column, output) in outputs.clone().enumerate() {
                let stored = &values[tap * tap_stride + first * input_stride + output * output_stride..];
                let factor = self.factors.get(output).copied().unwrap_or(1.0);
                // Two passes: the conversion of neighbours is vectorised, the scattered writes are not.
                let converted = &mut converted[..count];
                if input_stride == 1 {
                    let pairs = converted.iter_mut().zip(&stored[..count]);
                    pairs.for_each(|(weight, bytes)| *weight = to_f32(*bytes) * factor);
                } else {
                    let pairs = converted.iter_mut().zip(stored.iter().step_by(input_stride.max(1)));
                    pairs.for_each(|(weight, bytes)| *weight = to_f32(*bytes) * factor);
                }
                for (row, weight) in packed.chunks_mut(width).zip(converted) {
                    row[column] = *weight;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns 2 taps × 3 inputs × 4 outputs with their indices as values: in that order, and in ONNX's order with the
    /// outputs first and the taps last.
    fn both_axis_orders(format: WeightFormat) -> [Weights; 2] {
        let index_bytes = |index: usize| match format {
            WeightFormat::F32 => (index as f32).to_le_bytes().to_vec(),
            WeightFormat::F16 => crate::f16::f32_to_f16_exact(index as f32).unwrap().to_le_bytes().to_vec(),
        };
        let taps_first = (0..24).flat_map(index_bytes).collect();
        let (outputs, inputs, taps) = (0..4usize, 0..3, 0..2);
        let outputs_first = outputs.flat_map(|output| {
            let taps = taps.clone();
            inputs.clone().flat_map(move |input| taps.clone().map(move |tap| (tap * 3 + input) * 4 + output))
        });
        let outputs_first = outputs_first.flat_map(index_bytes).collect();
        let weights = |bytes, strides| Weights::new(Arc::new(bytes), format, [2, 3, 4], strides).unwrap();
        [weights(taps_first, [12, 4, 1]), weights(outputs_first, [1, 2, 6])]
    }

    #[test]
    fn weights_are_equal_for_any_axis_order_and_format() {
        for weights in [WeightFormat::F32, WeightFormat::F16].into_iter().flat_map(both_axis_orders) {
            for index in 0..24 {
                assert_eq!(weights.value(index), index as f32, "{weights:?}");
            }
            let mut packed = [0.0; 6 * 4];
            weights.pack(1..4, 4, &mut packed);
            let expected: Vec<f32> =
                (0..24).map(|index| if index % 4 == 3 { 0.0 } else { (index + 1) as f32 }).collect();
            assert_eq!(packed[..], expected[..], "{weights:?}");
        }
    }

    #[test]
    fn output_factors_multiply() {
        for mut weights in both_axis_orders(WeightFormat::F16) {
            weights.scale_outputs(&[1.0, 2.0, 3.0, 4.0]);
            weights.scale_outputs(&[0.5; 4]);
            assert_eq!(weights.value(23), 23.0 * 2.0);
            assert_eq!(weights.value(4), 4.0 * 0.5);
        }
    }

    #[test]
    fn weights_with_too_few_bytes_are_refused() {
        let is_accepted = |bytes: usize, dims, strides| {
            Weights::new(Arc::new(vec![0; bytes]), WeightFormat::F16, dims, strides).is_some()
        };
        assert!(is_accepted(48, [2, 3, 4], [12, 4, 1]));
        assert!(!is_accepted(47, [2, 3, 4], [12, 4, 1]));
        assert!(!is_accepted(48, [0, 3, 4], [12, 4, 1]));
        assert!(!is_accepted(48, [usize::MAX, 3, 4], [usize::MAX, 4, 1]));
    }
}
