//! Reader of safetensors files: the header's length, a JSON header that locates each tensor, the data.
//!
//! The safetensors crate is only the reference in tests and fuzzing. It takes 15 to 25 times a header's size in memory,
//! and accepts the last of two tensors with one name.

use super::byte_reader::{Cursor, Span, to_u64};
use super::dtype::Dtype;
use super::error::{WeightsError, clip};
use super::limits::*;
use super::memory_limit::MemoryBudget;
use super::safetensors::header::Header;
use super::tensor;
use super::tensor::{Table, Tensor};

pub(crate) mod header;

/// Returns whether byte 8 opens a JSON object. The length before it is checked later, so that a wrong one has its own
/// error.
pub(super) fn has_signature(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{')
}

/// Reads the tensors of a safetensors file.
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
        entries: Vec::new(),
        has_metadata: false,
        budget: MemoryBudget::for_file(bytes.len()),
    };
    let mut header = Header::new(bytes, span);
    header.items((b'{', b'}'), "the opening brace of the header", |header| reader.read_entry(header))?;
    header.end()?;
    reader.locate(cursor.position())
}

/// Header entry: a tensor, and its first and last offset in the data.
struct Entry {
    tensor: Tensor,
    begin: usize,
    end: usize,
}

struct Reader<'a> {
    bytes: &'a [u8],
    table: Table,
    entries: Vec<Entry>,
    has_metadata: bool,
    budget: MemoryBudget,
}

impl Reader<'_> {
    fn read_entry(&mut self, header: &mut Header) -> Result<(), WeightsError> {
        let name = header.key()?;
        if name.bytes(self.bytes) == b"__metadata__" {
            if std::mem::replace(&mut self.has_metadata, true) {
                return Err(WeightsError::Header { at: name.range().start, expected: "no second __metadata__" });
            }
            return header.items((b'{', b'}'), "the opening brace of the metadata", |header| {
                header.string(true)?;
                header.expect(b':', "a colon")?;
                header.string(true).map(drop)
            });
        }
        tensor::check_count(to_u64(self.entries.len()) + 1)?;
        tensor::check_name(name.bytes(self.bytes))?;
        let entry = self.read_tensor(name, header)?;
        self.budget.push(&mut self.entries, entry)
    }

    /// Reads `{"dtype": "F32", "shape": [8, 3], "data_offsets": [0, 96]}`, with its three keys in any order.
    fn read_tensor(&mut self, name: Span, header: &mut Header) -> Result<Entry, WeightsError> {
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        header.items((b'{', b'}'), "the opening brace of a tensor", |header| {
            let key = header.key()?;
            let is_unexpected = match key.bytes(self.bytes) {
                b"dtype" => dtype.replace(self.read_dtype(header)?).is_some(),
                b"shape" => shape.replace(read_numbers::<MAX_DIMENSIONS>(header)?).is_some(),
                b"data_offsets" => offsets.replace(read_numbers::<2>(header)?).is_some(),
                _ => true,
            };
            let expected = "dtype, shape or data_offsets, each once";
            if is_unexpected { Err(WeightsError::Header { at: key.range().start, expected }) } else { Ok(()) }
        })?;
        let (Some(dtype), Some((shape, rank)), Some(([begin, end], 2))) = (dtype, shape, offsets) else {
            let expected = "a tensor with its dtype, its shape and both of its data_offsets";
            return Err(WeightsError::Header { at: name.range().start, expected });
        };
        let dims = u32::try_from(self.table.dims.len()).map_err(|_| self.budget.exceeded())?;
        let shape = shape.get(..usize::from(rank)).unwrap_or_default();
        let strides = tensor::row_major_strides(shape);
        for &number in shape.iter().chain(strides.iter().take(shape.len())) {
            self.budget.push(&mut self.table.dims, number)?;
        }
        Ok(Entry { tensor: Tensor { name, dtype, rank, dims, first: 0 }, begin, end })
    }

    fn read_dtype(&self, header: &mut Header) -> Result<Dtype, WeightsError> {
        let name = header.string(false)?.bytes(self.bytes);
        Dtype::from_safetensors(name).ok_or_else(|| WeightsError::UnknownType { dtype: clip(name) })
    }

    /// Checks that the tensors fill the data, which begins at `start`, without gap or overlap.
    fn locate(mut self, start: usize) -> Result<Table, WeightsError> {
        self.entries.sort_unstable_by_key(|entry| (entry.begin, entry.end));
        let mut expected = 0;
        for Entry { mut tensor, begin, end } in self.entries {
            let name = tensor.name.bytes(self.bytes);
            if begin != expected || end < begin {
                let (begin, expected) = (to_u64(begin), to_u64(expected));
                return Err(WeightsError::Misplaced { name: clip(name), begin, expected });
            }
            let (shape, strides) = (tensor.shape(&self.table.dims), tensor.strides(&self.table.dims));
            let needed = tensor::element_count(name, shape)?.checked_mul(tensor.dtype.size());
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
            tensor.first = tensor::locate(name, tensor.dtype, (shape, strides), 0, storage)?;
            self.budget.push(&mut self.table.tensors, tensor)?;
            expected = end;
        }
        match self.bytes.len().saturating_sub(start.saturating_add(expected)) {
            0 => Ok(self.table),
            bytes => Err(WeightsError::TrailingBytes { bytes: to_u64(bytes), after: "the last tensor" }),
        }
    }
}

/// Reads a list of at most `N` integers. Returns the integers and their number.
fn read_numbers<const N: usize>(header: &mut Header) -> Result<([usize; N], u8), WeightsError> {
    let (mut numbers, mut count) = ([0; N], 0_u8);
    header.items((b'[', b']'), "the opening bracket of a list of numbers", |header| {
        let number = header.number()?;
        let Some(slot) = numbers.get_mut(usize::from(count)) else {
            return Err(WeightsError::TooMany {
                items: "numbers in a shape or data_offsets",
                count: to_u64(N) + 1,
                limit: to_u64(N),
            });
        };
        *slot = number;
        count += 1;
        Ok(())
    })?;
    Ok((numbers, count))
}
