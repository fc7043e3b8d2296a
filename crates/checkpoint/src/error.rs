//! Errors of weights files: each names the cause, the limit and the remedy.

use super::limits::*;

/// A weights file or tensor that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Another error, with the name of its file.
    #[error("{file}: {cause}")]
    InFile { file: String, cause: Box<WeightsError> },
    #[error("file too large: {bytes} bytes exceed the limit of {MAX_FILE_BYTES}; save only the network's state dict")]
    TooLarge { bytes: u64 },
    #[error(
        "unknown file format: neither safetensors nor torch.save (first bytes {start:02x?}); save it as safetensors"
    )]
    UnknownFormat { start: Vec<u8> },
    #[error("file is truncated: {part} needs {needed} bytes, {left} are left; copy it again")]
    Truncated { part: &'static str, needed: u64, left: u64 },
    #[error("unexpected data: {bytes} bytes after {after}; copy the file again, or save it as safetensors")]
    TrailingBytes { bytes: u64, after: &'static str },
    #[error("header too long: {bytes} bytes exceed the limit of {MAX_HEADER_BYTES}; save it again without metadata")]
    HeaderTooLong { bytes: u64 },
    #[error("malformed header at byte {at}: expected {expected}; save it again with the safetensors library")]
    Header { at: usize, expected: &'static str },
    #[error("too many {items}: {count} exceed the limit of {limit}; save only the state dict, as safetensors")]
    TooMany { items: &'static str, count: u64, limit: u64 },
    #[error("too many parts for the file's size: tables would exceed {limit} bytes; save it as safetensors")]
    TablesTooLarge { limit: u64 },
    #[error("invalid tensor or storage name {start:?}: it {reason}; rename it")]
    InvalidName { start: String, reason: &'static str },
    #[error("duplicate tensor name {name:?}: names must be unique; save the file again")]
    DuplicateName { name: String },
    #[error("unknown element type {dtype:?}: weights are F64, F32, F16 or BF16; convert it to float32")]
    UnknownType { dtype: String },
    #[error("shape of {name:?} overflows: its elements cannot be counted; the file is damaged, copy it again")]
    TooManyElements { name: String },
    #[error(
        "size of {name:?} is wrong: {bytes} bytes in the file, {needed} by shape and type; \
         the file is damaged, copy it again"
    )]
    WrongSize { name: String, bytes: u64, needed: u64 },
    #[error(
        "position of {name:?} is wrong: byte {begin} of the data, expected {expected} (tensors overlap or \
         leave a gap); save it again with the safetensors library"
    )]
    Misplaced { name: String, begin: u64, expected: u64 },
    #[error("{part} is negative: {value}; the file is damaged, copy it again")]
    Negative { part: &'static str, value: i64 },
    #[error(
        "tensor {name:?} exceeds its storage: it reaches element {last} of {elements}; \
         the file is damaged, copy it again"
    )]
    OutsideStorage { name: String, last: u64, elements: u64 },
    #[error(
        "tensor {name:?} repeats its storage: {elements} elements in a storage of {stored}; \
         save a copy (`tensor.clone()`)"
    )]
    Expanded { name: String, elements: u64, stored: u64 },
    #[error(
        "forbidden Python object {name:?} at byte {at}: no state dict needs it, nothing was run; \
         save the state dict alone, as safetensors"
    )]
    Forbidden { name: String, at: usize },
    #[error(
        "forbidden pickle instruction {code:#04x} ({name}) at byte {at}: no state dict needs it, \
         nothing was run; save it as safetensors"
    )]
    Opcode { name: &'static str, code: u8, at: usize },
    #[error("malformed pickle before byte {at}: {reason}; save it as safetensors")]
    Pickle { at: usize, reason: &'static str },
    #[error("byte order is big-endian: only little-endian is supported; save it as safetensors")]
    BigEndian,
    #[error("storage {key:?} {reason}: the file is damaged; copy it again or save it as safetensors")]
    Storage { key: String, reason: &'static str },
    #[error(
        "storage {key:?} has the wrong size: {bytes} bytes, its tensors need {expected}; \
         the file is damaged, copy it again"
    )]
    StorageSize { key: String, bytes: u64, expected: u64 },
    #[error("malformed zip: {reason}; copy it again, or save it as safetensors")]
    Zip { reason: &'static str },
    #[error("zip entry {name:?} {reason}; save it with torch.save, or as safetensors")]
    ZipEntry { name: String, reason: &'static str },
    #[error(
        "zip entry {name:?} is compressed (method {method}): only stored entries are supported; \
         save it with torch.save, or as safetensors"
    )]
    Compressed { name: String, method: u16 },
    #[error("no named tensors: neither at the top level nor under {}; save the state dict alone", STATE_DICT_KEYS.join(", "))]
    NoTensors,
    #[error("no tensor is named {name:?}")]
    NoSuchTensor { name: String },
    #[error("tensor {name:?} has type {dtype}, not a floating-point type: weights are F64, F32, F16 or BF16")]
    NotFloats { name: String, dtype: &'static str },
}

impl WeightsError {
    /// Returns the error without the name of its file.
    pub fn kind(&self) -> &WeightsError {
        match self {
            WeightsError::InFile { cause, .. } => cause.kind(),
            kind => kind,
        }
    }

    pub(super) fn in_file(self, file: &str) -> WeightsError {
        WeightsError::InFile { file: file.into(), cause: Box::new(self) }
    }
}

/// Returns the first 60 bytes of a text from the file, so that a hostile file cannot flood a screen.
pub(super) fn clip(bytes: &[u8]) -> String {
    const MAX_BYTES: usize = 60; // estimate: shows a usual tensor name whole
    let start = String::from_utf8_lossy(bytes.get(..MAX_BYTES).unwrap_or(bytes));
    let ellipsis = if bytes.len() > MAX_BYTES { "…" } else { "" };
    format!("{start}{ellipsis}")
}
