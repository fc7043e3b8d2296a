//! What can be wrong with a weights file, each kind with the value, the limit and what to do.

use super::limits::*;

/// A weights file that was refused, or a tensor that it cannot give.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// Any of the other kinds, with the file it was found in.
    #[error("{what}: {trouble}")]
    InFile { what: String, trouble: Box<WeightsError> },
    #[error("holds {bytes} bytes, the limit is {MAX_FILE_BYTES}; save only the state dict of the network")]
    TooLarge { bytes: u64 },
    #[error(
        "is neither a safetensors file nor one of torch.save (it begins with {start:02x?}); save it as safetensors"
    )]
    UnknownForm { start: Vec<u8> },
    #[error("is cut short: {part} needs {needed} bytes, {left} are left; copy it again")]
    Truncated { part: &'static str, needed: u64, left: u64 },
    #[error("has {bytes} bytes left over after {after}; copy it again, or save it as safetensors")]
    LeftOver { bytes: u64, after: &'static str },
    #[error("claims a header of {bytes} bytes, the limit is {MAX_HEADER_BYTES}; save it again without its metadata")]
    HeaderTooLong { bytes: u64 },
    #[error("has a malformed header: byte {at} should be {expected}; save it again with the safetensors library")]
    Header { at: usize, expected: &'static str },
    #[error("holds {count} {of}, the limit is {limit}; save only the state dict of the network, as safetensors")]
    TooMany { of: &'static str, count: u64, limit: u64 },
    #[error("describes more than its size allows: its tables would need over {limit} bytes; save it as safetensors")]
    TablesTooLarge { limit: u64 },
    #[error("has a tensor or storage named {start:?}, which {why}; rename it")]
    BadName { start: String, why: &'static str },
    #[error("names the tensor {name:?} twice; save it again with every name once")]
    NameTwice { name: String },
    #[error("has a tensor of the unknown type {dtype:?}; convert it to float32 and save it as safetensors")]
    UnknownType { dtype: String },
    #[error("claims for {name:?} a shape of more elements than can be counted; it is damaged, copy it again")]
    TooManyElements { name: String },
    #[error("gives {name:?} {bytes} bytes, its shape and type need {needed}; it is damaged, copy it again")]
    WrongSize { name: String, bytes: u64, needed: u64 },
    #[error(
        "places {name:?} at byte {begin} of the data, expected {expected}: tensors overlap or leave a gap; save it again with the safetensors library"
    )]
    Misplaced { name: String, begin: u64, expected: u64 },
    #[error("gives {part} as {value}, which must not be negative; it is damaged, copy it again")]
    Negative { part: &'static str, value: i64 },
    #[error("lets {name:?} reach element {last} of a storage of {elements}; it is damaged, copy it again")]
    OutsideStorage { name: String, last: u64, elements: u64 },
    #[error(
        "lets {name:?} have {elements} elements out of a storage of {stored}; save a copy of it (`tensor.clone()`)"
    )]
    Expanded { name: String, elements: u64, stored: u64 },
    #[error(
        "asks at byte {at} for the Python object {name:?}, which no state dict needs; nothing was run. Save the state dict alone, as safetensors"
    )]
    Forbidden { name: String, at: usize },
    #[error(
        "has at byte {at} the pickle instruction {code:#04x} ({name}), which no state dict needs; nothing was run. Save it as safetensors"
    )]
    Opcode { name: &'static str, code: u8, at: usize },
    #[error("has a pickle that goes wrong before byte {at}: {why}; save it as safetensors")]
    Pickle { at: usize, why: &'static str },
    #[error("has bytes in big-endian order, only little-endian is read; save it as safetensors")]
    BigEndian,
    #[error("has a storage {key:?} that {why}; it is damaged, copy it again or save it as safetensors")]
    Storage { key: String, why: &'static str },
    #[error("has a storage {key:?} of {bytes} bytes, its tensors expect {expected}; it is damaged, copy it again")]
    StorageSize { key: String, bytes: u64, expected: u64 },
    #[error("is a zip whose {why}; copy it again, or save it as safetensors")]
    Zip { why: &'static str },
    #[error("has a zip entry {name:?} that {why}; save it with torch.save, or as safetensors")]
    ZipEntry { name: String, why: &'static str },
    #[error(
        "has a compressed zip entry {name:?} (method {method}), only stored ones are read; save it with torch.save, or as safetensors"
    )]
    Compressed { name: String, method: u16 },
    #[error("holds no tensors by name, neither itself nor under {}; save the state dict alone", super::state_dict::NESTED.join(", "))]
    NoTensors,
    #[error("has no tensor {name:?}")]
    NoSuchTensor { name: String },
    #[error("holds {name:?} as {dtype}, which is no floating-point type that weights come in (F64, F32, F16, BF16)")]
    NotFloats { name: String, dtype: &'static str },
}

impl WeightsError {
    /// The kind of trouble, without the file it was found in.
    pub fn kind(&self) -> &WeightsError {
        match self {
            WeightsError::InFile { trouble, .. } => trouble.kind(),
            kind => kind,
        }
    }

    pub(super) fn in_file(self, what: &str) -> WeightsError {
        WeightsError::InFile { what: what.into(), trouble: Box::new(self) }
    }
}

/// The start of what a file says, for a message: whoever wrote it must not be able to flood a screen.
pub(super) fn clip(bytes: &[u8]) -> String {
    const MAX: usize = 60;
    let start = String::from_utf8_lossy(bytes.get(..MAX).unwrap_or(bytes));
    let more = if bytes.len() > MAX { "…" } else { "" };
    format!("{start}{more}")
}
