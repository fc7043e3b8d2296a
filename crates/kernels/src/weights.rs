//! A convolution's weights as they lie in a model's file: in single or half precision, in any order of axes.

use std::ops::Range;
use std::sync::Arc;

use crate::f16::widen;

/// How many bytes a weight has, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    Single,
    Half,
}

/// See the module. A copy shares the bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Little-endian; nothing where only the lengths are known, and all are zero.
    bytes: Option<Arc<Vec<u8>>>,
    precision: Precision,
    lengths: [usize; 3],
    strides: [usize; 3],
    /// What each output's weights are multiplied by; nothing for 1.
    factors: Vec<f32>,
}

/// Inputs whose weights are put in order for all outputs before the next: they stay in the nearest cache meanwhile.
const TOGETHER: usize = 64;

impl Weights {
    /// Weights of taps × inputs × outputs (`lengths`), each axis with the distance of its neighbours in values (`strides`).
    /// Nothing where the bytes are too few.
    pub fn new(bytes: Arc<Vec<u8>>, precision: Precision, lengths: [usize; 3], strides: [usize; 3]) -> Option<Weights> {
        let width = if precision == Precision::Half { 2 } else { 4 };
        let along = |(length, stride): (&usize, &usize)| length.checked_sub(1)?.checked_mul(*stride);
        let mut last = 0usize;
        for far in lengths.iter().zip(&strides).map(along) {
            last = last.checked_add(far?)?;
        }
        let fits = last < bytes.len() / width;
        fits.then_some(Weights { bytes: Some(bytes), precision, lengths, strides, factors: Vec::new() })
    }

    /// Weights of taps × inputs × outputs, one after another.
    ///
    /// Panics where they are too few.
    pub fn of(values: &[f32], lengths: [usize; 3]) -> Weights {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let strides = [lengths[1] * lengths[2], lengths[2], 1];
        Weights::new(Arc::new(bytes), Precision::Single, lengths, strides).expect("as many weights as the lengths say")
    }

    /// As many, all zero.
    pub(crate) fn blank(lengths: [usize; 3]) -> Weights {
        Weights { bytes: None, precision: Precision::Single, lengths, strides: [0; 3], factors: Vec::new() }
    }

    /// Taps, inputs of each output, outputs.
    pub fn lengths(&self) -> [usize; 3] {
        self.lengths
    }

    /// The weight at a place in taps × inputs × outputs.
    pub fn at(&self, place: usize) -> f32 {
        let [_, inputs, outputs] = self.lengths;
        let (tap, input, output) = (place / outputs / inputs, place / outputs % inputs, place % outputs);
        let from = tap * self.strides[0] + input * self.strides[1] + output * self.strides[2];
        let value = self.bytes.as_ref().map_or(0.0, |bytes| match self.precision {
            Precision::Single => f32::from_le_bytes(bytes.as_chunks().0[from]),
            Precision::Half => widen(u16::from_le_bytes(bytes.as_chunks().0[from])),
        });
        value * self.factors.get(output).copied().unwrap_or(1.0)
    }

    /// Multiplies the weights of each output by a number of its own.
    pub fn multiply(&mut self, factors: &[f32]) {
        if self.factors.is_empty() {
            self.factors = vec![1.0; self.lengths[2]];
        }
        self.factors.iter_mut().zip(factors).for_each(|(all, factor)| *all *= factor);
    }

    /// Puts the weights of some outputs into `packed`, where there are zeros: those of each input together, `width` values
    /// from those of the next.
    pub(crate) fn put(&self, outputs: Range<usize>, width: usize, packed: &mut [f32]) {
        let Some(bytes) = &self.bytes else { return };
        match self.precision {
            Precision::Single => self.put_as(bytes.as_chunks().0, f32::from_le_bytes, outputs, width, packed),
            Precision::Half => {
                let value = |pair| widen(u16::from_le_bytes(pair));
                self.put_as(bytes.as_chunks().0, value, outputs, width, packed);
            }
        }
    }

    fn put_as<const BYTES: usize>(
        &self,
        values: &[[u8; BYTES]],
        value: impl Fn([u8; BYTES]) -> f32,
        outputs: Range<usize>,
        width: usize,
        packed: &mut [f32],
    ) {
        let ([taps, inputs, _], [by_tap, by_input, by_output]) = (self.lengths, self.strides);
        let blocks = (0..taps).flat_map(|tap| (0..inputs).step_by(TOGETHER).map(move |first| (tap, first)));
        let mut together = [0.0; TOGETHER];
        for (tap, first) in blocks {
            let count = TOGETHER.min(inputs - first);
            let packed = &mut packed[(tap * inputs + first) * width..];
            for (place, output) in outputs.clone().enumerate() {
                let from = &values[tap * by_tap + first * by_input + output * by_output..];
                let factor = self.factors.get(output).copied().unwrap_or(1.0);
                // Neighbours first, many at a time; then each to its place.
                let together = &mut together[..count];
                if by_input == 1 {
                    let pairs = together.iter_mut().zip(&from[..count]);
                    pairs.for_each(|(wide, bytes)| *wide = value(*bytes) * factor);
                } else {
                    let pairs = together.iter_mut().zip(from.iter().step_by(by_input.max(1)));
                    pairs.for_each(|(wide, bytes)| *wide = value(*bytes) * factor);
                }
                for (row, wide) in packed.chunks_mut(width).zip(together) {
                    row[place] = *wide;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 taps × 3 inputs × 4 outputs, numbered; as they are, or with the outputs first and the taps last, as ONNX has them.
    fn both(precision: Precision) -> [Weights; 2] {
        let numbered = |place: usize| match precision {
            Precision::Single => (place as f32).to_le_bytes().to_vec(),
            Precision::Half => crate::f16::narrow(place as f32).unwrap().to_le_bytes().to_vec(),
        };
        let plain = (0..24).flat_map(numbered).collect();
        let (outputs, inputs, taps) = (0..4usize, 0..3, 0..2);
        let turned = outputs.flat_map(|output| {
            let taps = taps.clone();
            inputs.clone().flat_map(move |input| taps.clone().map(move |tap| (tap * 3 + input) * 4 + output))
        });
        let turned = turned.flat_map(numbered).collect();
        let made = |bytes, strides| Weights::new(Arc::new(bytes), precision, [2, 3, 4], strides).unwrap();
        [made(plain, [12, 4, 1]), made(turned, [1, 2, 6])]
    }

    #[test]
    fn weights_are_the_same_in_whichever_order_and_precision_they_lie() {
        for weights in [Precision::Single, Precision::Half].into_iter().flat_map(both) {
            assert!((0..24).all(|place| weights.at(place) == place as f32), "{weights:?}");
            let mut packed = [0.0; 6 * 4];
            weights.put(1..4, 4, &mut packed);
            let expected: Vec<f32> =
                (0..24).map(|place| if place % 4 == 3 { 0.0 } else { (place + 1) as f32 }).collect();
            assert_eq!(packed[..], expected[..], "{weights:?}");
        }
    }

    #[test]
    fn each_output_is_multiplied_by_its_own_number() {
        for mut weights in both(Precision::Half) {
            weights.multiply(&[1.0, 2.0, 3.0, 4.0]);
            weights.multiply(&[0.5; 4]);
            assert_eq!(weights.at(23), 23.0 * 2.0);
            assert_eq!(weights.at(4), 4.0 * 0.5);
        }
    }

    #[test]
    fn too_few_bytes_are_no_weights() {
        let made = |bytes: usize, lengths, strides| {
            Weights::new(Arc::new(vec![0; bytes]), Precision::Half, lengths, strides).is_some()
        };
        assert!(made(48, [2, 3, 4], [12, 4, 1]));
        assert!(!made(47, [2, 3, 4], [12, 4, 1]));
        assert!(!made(48, [0, 3, 4], [12, 4, 1]));
        assert!(!made(48, [usize::MAX, 3, 4], [usize::MAX, 4, 1]));
    }
}
