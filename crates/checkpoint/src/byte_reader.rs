//! Byte ranges of a file, and a cursor whose errors name the part that was being read.

use std::ops::Range;

use super::error::WeightsError;
use super::limits::MAX_FILE_BYTES;

/// Byte range of the file: stands for a string or a slice without a copy. 32 bits suffice for [`MAX_FILE_BYTES`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    at: u32,
    len: u32,
}

impl Span {
    pub fn new(range: Range<usize>) -> Result<Span, WeightsError> {
        match (u32::try_from(range.start), u32::try_from(range.len())) {
            (Ok(at), Ok(len)) => Ok(Span { at, len }),
            _ => Err(WeightsError::TooLarge { bytes: MAX_FILE_BYTES + 1 }),
        }
    }

    pub fn range(self) -> Range<usize> {
        let (at, len) = (to_usize(self.at), to_usize(self.len));
        at..at.saturating_add(len)
    }

    /// Returns the bytes of the span in `file`.
    pub fn bytes(self, file: &[u8]) -> &[u8] {
        file.get(self.range()).unwrap_or_default()
    }

    /// Returns the span as text, or an empty text if it is not UTF-8.
    pub fn text(self, file: &[u8]) -> &str {
        std::str::from_utf8(self.bytes(file)).unwrap_or_default()
    }

    /// Returns the span without its first `count` bytes.
    pub fn skip(self, count: u32) -> Span {
        let count = count.min(self.len);
        Span { at: self.at.saturating_add(count), len: self.len.saturating_sub(count) }
    }
}

/// Converts a 32-bit index to `usize`, which has at least 32 bits on every supported target.
pub(super) fn to_usize(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// Cursor over a byte range of a file; reading past its end is an error.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8], range: Range<usize>) -> Cursor<'a> {
        let end = range.end.min(bytes.len());
        Cursor { bytes, at: range.start.min(end), end }
    }

    /// Returns the bytes of the whole file.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the offset of the next byte from the start of the file.
    pub fn position(&self) -> usize {
        self.at
    }

    pub fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Returns the next byte without consuming it.
    pub fn peek(&self) -> Option<u8> {
        self.rest().first().copied()
    }

    /// Returns the remaining bytes without consuming them.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..self.end).unwrap_or_default()
    }

    /// Consumes the next `count` bytes. `part` names them in the error.
    pub fn span(&mut self, count: u64, part: &'static str) -> Result<Span, WeightsError> {
        let left = self.left();
        match usize::try_from(count) {
            Ok(bytes) if bytes <= left => {
                let start = self.at;
                self.at = start.saturating_add(bytes);
                Span::new(start..self.at)
            }
            _ => Err(WeightsError::Truncated { part, needed: count, left: to_u64(left) }),
        }
    }

    pub fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], WeightsError> {
        match self.rest().first_chunk::<N>() {
            Some(chunk) => {
                self.at = self.at.saturating_add(N);
                Ok(*chunk)
            }
            None => Err(WeightsError::Truncated { part, needed: to_u64(N), left: to_u64(self.left()) }),
        }
    }

    pub fn u8(&mut self, part: &'static str) -> Result<u8, WeightsError> {
        self.array(part).map(u8::from_le_bytes)
    }

    pub fn u16(&mut self, part: &'static str) -> Result<u16, WeightsError> {
        self.array(part).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, part: &'static str) -> Result<u32, WeightsError> {
        self.array(part).map(u32::from_le_bytes)
    }

    pub fn u64(&mut self, part: &'static str) -> Result<u64, WeightsError> {
        self.array(part).map(u64::from_le_bytes)
    }
}

/// Converts a length to 64 bits; no supported target has a larger `usize`.
pub(super) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
