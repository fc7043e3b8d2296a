//! Reads the header of a safetensors file: a length, JSON that places each tensor in the data, the data.
//!
//! The safetensors crate takes 15 to 25 times a header's size to read it, and the last of two tensors of one name: the
//! tests and the fuzzer hold this reader against it instead.

use super::byte_reader::{Cursor, Span, to_u64};
use super::dtype::Dtype;
use super::error::{WeightsError, clip};
use super::limits::*;
use super::memory_limit::Budget;
use super::safetensors::header::Header;
use super::tensor;
use super::tensor::{Table, Tensor};

pub(crate) mod header;

/// Whether it begins as a safetensors file does. Its length is not looked at, so that a wrong one is refused by name.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

pub(super) fn read(bytes: &[u8]) -> Result<Table, WeightsError> {
    let mut cursor = Cursor::new(bytes, 0..bytes.len());
    let length = cursor.u64("the length of the header")?;
    if length > MAX_HEADER_BYTES {
        return Err(WeightsError::HeaderTooLong { bytes: length });
    }
    let span = cursor.span(length, "the header")?;
    let mut reader = Reader {
        bytes,
        table: Table::default(),
        places: Vec::new(),
        has_metadata: false,
        budget: Budget::of_file(bytes.len()),
    };
    let mut header = Header::new(bytes, span);
    header.items((b'{', b'}'), "the opening brace of the header", |header| reader.entry(header))?;
    header.end()?;
    reader.place(cursor.at())
}

/// Where a tensor is in the data, as its entry says.
struct Place {
    tensor: Tensor,
    begin: usize,
    end: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    table: Table,
    places: Vec<Place>,
    has_metadata: bool,
    budget: Budget,
}

impl Reader<'_> {
    fn entry(&mut self, header: &mut Header) -> Result<(), WeightsError> {
        let name = header.key()?;
        if name.of(self.bytes) == b"__metadata__" {
            if std::mem::replace(&mut self.has_metadata, true) {
                return Err(WeightsError::Header { at: name.range().start, expected: "no second __metadata__" });
            }
            return header.items((b'{', b'}'), "the opening brace of the metadata", |header| {
                header.string(true)?;
                header.expect(b':', "a colon")?;
                header.string(true).map(drop)
            });
        }
        tensor::check_count(to_u64(self.places.len()) + 1)?;
        tensor::check_name(name.of(self.bytes))?;
        let place = self.tensor(name, header)?;
        self.budget.push(&mut self.places, place)
    }

    /// `{"dtype": "F32", "shape": [8, 3], "data_offsets": [0, 96]}`, its three entries in any order.
    fn tensor(&mut self, name: Span, header: &mut Header) -> Result<Place, WeightsError> {
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        header.items((b'{', b'}'), "the opening brace of a tensor", |header| {
            let key = header.key()?;
            let twice = match key.of(self.bytes) {
                b"dtype" => dtype.replace(self.dtype(header)?).is_some(),
                b"shape" => shape.replace(numbers::<MAX_DIMENSIONS>(header)?).is_some(),
                b"data_offsets" => offsets.replace(numbers::<2>(header)?).is_some(),
                _ => true,
            };
            let expected = "dtype, shape or data_offsets, each once";
            if twice { Err(WeightsError::Header { at: key.range().start, expected }) } else { Ok(()) }
        })?;
        let (Some(dtype), Some((shape, rank)), Some(([begin, end], 2))) = (dtype, shape, offsets) else {
            let expected = "a tensor with its dtype, its shape and both of its data_offsets";
            return Err(WeightsError::Header { at: name.range().start, expected });
        };
        let dims = u32::try_from(self.table.dims.len()).map_err(|_| self.budget.spent())?;
        let shape = shape.get(..usize::from(rank)).unwrap_or_default();
        let strides = tensor::row_major_strides(shape);
        for &number in shape.iter().chain(strides.iter().take(shape.len())) {
            self.budget.push(&mut self.table.dims, number)?;
        }
        Ok(Place { tensor: Tensor { name, dtype, rank, dims, first: 0 }, begin, end })
    }

    fn dtype(&self, header: &mut Header) -> Result<Dtype, WeightsError> {
        let name = header.string(false)?.of(self.bytes);
        Dtype::of_safetensors(name).ok_or_else(|| WeightsError::UnknownType { dtype: clip(name) })
    }

    /// Makes sure that the tensors fill the data from its start, after the header, to its end, without gap or overlap.
    fn place(mut self, start: usize) -> Result<Table, WeightsError> {
        self.places.sort_unstable_by_key(|place| (place.begin, place.end));
        let mut expected = 0;
        for Place { mut tensor, begin, end } in self.places {
            let name = tensor.name.of(self.bytes);
            if begin != expected || end < begin {
                let (begin, expected) = (to_u64(begin), to_u64(expected));
                return Err(WeightsError::Misplaced { name: clip(name), begin, expected });
            }
            let (shape, strides) = (tensor.shape(&self.table.dims), tensor.strides(&self.table.dims));
            let needed = tensor::count(name, shape)?.checked_mul(tensor.dtype.size());
            if needed != Some(end - begin) {
                let (bytes, needed) = (to_u64(end - begin), needed.map_or(u64::MAX, to_u64));
                return Err(WeightsError::WrongSize { name: clip(name), bytes, needed });
            }
            let left = self.bytes.len().saturating_sub(start);
            if end > left {
                let (needed, left) = (to_u64(end), to_u64(left));
                return Err(WeightsError::Truncated { part: "the data", needed, left });
            }
            let storage = start.saturating_add(begin)..start.saturating_add(end);
            tensor.first = tensor::place(name, tensor.dtype, (shape, strides), 0, storage)?;
            self.budget.push(&mut self.table.tensors, tensor)?;
            expected = end;
        }
        match self.bytes.len().saturating_sub(start.saturating_add(expected)) {
            0 => Ok(self.table),
            bytes => Err(WeightsError::LeftOver { bytes: to_u64(bytes), after: "the last tensor" }),
        }
    }
}

/// At most `N` whole numbers in brackets, and how many they are.
fn numbers<const N: usize>(header: &mut Header) -> Result<([usize; N], u8), WeightsError> {
    let (mut numbers, mut count) = ([0; N], 0_u8);
    header.items((b'[', b']'), "the opening bracket of a list of numbers", |header| {
        let number = header.number()?;
        let Some(place) = numbers.get_mut(usize::from(count)) else {
            return Err(WeightsError::TooMany {
                of: "numbers in a shape or data_offsets",
                count: to_u64(N) + 1,
                limit: to_u64(N),
            });
        };
        *place = number;
        count += 1;
        Ok(())
    })?;
    Ok((numbers, count))
}
