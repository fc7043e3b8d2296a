//! Tensors as views of the file: bounds checks of their elements, and conversion to f32.

use std::ops::Range;

use super::byte_reader::{Span, to_u64, to_usize};
use super::dtype::Dtype;
use super::error::{WeightsError, clip};
use super::limits::{MAX_DIMENSIONS, MAX_NAME_BYTES, MAX_TENSORS};

/// Tensors of a file, with their shapes and strides in one shared list.
#[derive(Default)]
pub(super) struct Table {
    pub tensors: Vec<Tensor>,
    pub dims: Vec<usize>,
}

/// View of the file's bytes. Its shape and then its strides (in elements) are stored in a list that all tensors share.
#[derive(Clone, Copy)]
pub(super) struct Tensor {
    pub name: Span,
    pub dtype: Dtype,
    pub rank: u8,
    /// Index of its shape in the shared list.
    pub dims: u32,
    /// Offset of its first element in the file.
    pub first: usize,
}

impl Tensor {
    pub fn shape<'a>(&self, dims: &'a [usize]) -> &'a [usize] {
        let (start, rank) = (to_usize(self.dims), usize::from(self.rank));
        dims.get(start..start.saturating_add(rank)).unwrap_or_default()
    }

    pub fn strides<'a>(&self, dims: &'a [usize]) -> &'a [usize] {
        let (start, rank) = (to_usize(self.dims).saturating_add(self.rank.into()), usize::from(self.rank));
        dims.get(start..start.saturating_add(rank)).unwrap_or_default()
    }

    /// Returns the elements in row-major order as f32, or `None` if they are not f16, bf16, f32 or f64.
    pub fn floats(&self, bytes: &[u8], dims: &[usize]) -> Option<Vec<f32>> {
        let view = View { bytes, first: self.first, shape: self.shape(dims), strides: self.strides(dims) };
        match self.dtype {
            Dtype::F32 => Some(view.read(f32::from_le_bytes)),
            Dtype::F16 => Some(view.read(|bytes| half::f16::from_le_bytes(bytes).to_f32())),
            Dtype::BF16 => Some(view.read(|bytes| half::bf16::from_le_bytes(bytes).to_f32())),
            // Rounded: networks run in f32, whatever type they were trained in.
            Dtype::F64 => Some(view.read(|bytes| f64::from_le_bytes(bytes) as f32)),
            _ => None,
        }
    }
}

struct View<'a> {
    bytes: &'a [u8],
    first: usize,
    shape: &'a [usize],
    strides: &'a [usize],
}

impl View<'_> {
    fn read<const N: usize>(&self, to_float: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let count = self.shape.iter().product();
        if self.strides_are_row_major() {
            let stored = self.bytes.get(self.first..).unwrap_or_default();
            return stored.as_chunks::<N>().0.iter().take(count).map(|&element| to_float(element)).collect();
        }
        let mut floats = Vec::with_capacity(count);
        let (Some((&last, outer)), Some((&stride, strides))) = (self.shape.split_last(), self.strides.split_last())
        else {
            return floats;
        };
        let mut index = [0; MAX_DIMENSIONS];
        for _ in 0..count.checked_div(last).unwrap_or(0) {
            let steps: usize = index.iter().zip(strides).map(|(i, stride)| i * stride).sum();
            let row = (0..last).map(|i| self.first + (steps + i * stride) * N);
            floats.extend(
                row.filter_map(|start| self.bytes.get(start..)?.first_chunk::<N>()).map(|&bytes| to_float(bytes)),
            );
            for (i, &length) in index.iter_mut().zip(outer).rev() {
                *i += 1;
                if *i < length {
                    break;
                }
                *i = 0;
            }
        }
        floats
    }

    fn strides_are_row_major(&self) -> bool {
        contiguous_strides(self.shape)
            .zip(self.strides.iter().rev())
            .all(|((length, step), &stride)| length < 2 || stride == step)
    }
}

/// Returns the lengths from last to first, each with its stride in a contiguous row-major tensor.
fn contiguous_strides(shape: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    shape.iter().rev().scan(1, |step: &mut usize, &length| {
        let stride = *step;
        *step = step.saturating_mul(length);
        Some((length, stride))
    })
}

/// Returns the strides of a contiguous row-major tensor of `shape`.
pub(super) fn row_major_strides(shape: &[usize]) -> [usize; MAX_DIMENSIONS] {
    let mut strides = [0; MAX_DIMENSIONS];
    let reversed = strides.iter_mut().take(shape.len()).rev();
    reversed.zip(contiguous_strides(shape)).for_each(|(slot, (_, stride))| *slot = stride);
    strides
}

/// Returns the file offset of a view's first element, or an error if any element lies outside `storage`.
pub(super) fn locate(
    name: &[u8],
    dtype: Dtype,
    (shape, strides): (&[usize], &[usize]),
    offset: usize,
    storage: Range<usize>,
) -> Result<usize, WeightsError> {
    let size = dtype.size();
    let stored = storage.len() / size;
    let count = element_count(name, shape)?;
    if count > stored {
        return Err(WeightsError::Expanded { name: clip(name), elements: to_u64(count), stored: to_u64(stored) });
    }
    let outside = |last| WeightsError::OutsideStorage { name: clip(name), last, elements: to_u64(stored) };
    let steps = shape.iter().zip(strides).try_fold(offset, |last, (&length, &stride)| {
        length.saturating_sub(1).checked_mul(stride).and_then(|steps| last.checked_add(steps))
    });
    match steps {
        _ if count == 0 && offset <= stored => {}
        Some(last) if last < stored => {}
        Some(last) => return Err(outside(to_u64(last))),
        None => return Err(outside(u64::MAX)),
    }
    offset.checked_mul(size).and_then(|bytes| storage.start.checked_add(bytes)).ok_or(outside(u64::MAX))
}

/// Returns the number of elements of a shape, or an error if it overflows.
pub(super) fn element_count(name: &[u8], shape: &[usize]) -> Result<usize, WeightsError> {
    // Zero lengths are skipped, so that they cannot hide an overflow of the others.
    let product = shape.iter().filter(|&&length| length > 0).try_fold(1, |all: usize, &length| all.checked_mul(length));
    match product {
        None => Err(WeightsError::TooManyElements { name: clip(name) }),
        Some(_) if shape.contains(&0) => Ok(0),
        Some(product) => Ok(product),
    }
}

/// Returns an error if `count` exceeds [`MAX_TENSORS`].
pub(super) fn check_count(count: u64) -> Result<(), WeightsError> {
    if count > MAX_TENSORS {
        return Err(WeightsError::TooMany { items: "tensors", count, limit: MAX_TENSORS });
    }
    Ok(())
}

/// Returns the number of dimensions, or an error if it exceeds [`MAX_DIMENSIONS`].
pub(super) fn rank(dimensions: usize) -> Result<u8, WeightsError> {
    match u8::try_from(dimensions) {
        Ok(rank) if dimensions <= MAX_DIMENSIONS => Ok(rank),
        _ => {
            let (count, limit) = (to_u64(dimensions), to_u64(MAX_DIMENSIONS));
            Err(WeightsError::TooMany { items: "dimensions in one tensor", count, limit })
        }
    }
}

/// Returns an error if a name is empty, too long, not UTF-8, or contains control characters.
pub(super) fn check_name(name: &[u8]) -> Result<(), WeightsError> {
    let reason = match std::str::from_utf8(name) {
        _ if name.len() > MAX_NAME_BYTES => "is longer than 512 bytes, the limit",
        _ if name.is_empty() => "is empty",
        Err(_) => "is not UTF-8",
        Ok(text) if text.contains(char::is_control) => "contains control characters",
        Ok(_) => return Ok(()),
    };
    Err(WeightsError::InvalidName { start: clip(name), reason })
}
