//! Limits on the claims of a weights file, so that a hostile one costs little before it is refused.

/// Maximum file size in bytes: 2 GiB. EfficientNet-L2, the largest of the family, needs 1.8 GiB.
pub const MAX_FILE_BYTES: u64 = 2 << 30;
/// Maximum size of a safetensors header in bytes: 4 MiB. The header of EfficientNet-B7 has 0.15 MB.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;
/// Maximum number of named tensors. EfficientNet-B7 has 1,600 with its counters.
pub const MAX_TENSORS: u64 = 20_000;
/// Maximum length of a tensor or storage name in bytes (estimate; usual names have fewer than 100).
pub const MAX_NAME_BYTES: usize = 512;
/// Maximum number of dimensions of a tensor; convolution kernels have 4.
pub const MAX_DIMENSIONS: usize = 8;
/// Maximum number of zip entries: two for each of [`MAX_TENSORS`], and 10,000 to spare.
pub const MAX_ENTRIES: u64 = 50_000;
/// Maximum number of pickle instructions; a tensor takes about 40.
pub const MAX_OPCODES: u64 = 4_000_000;
/// Maximum depth of the pickle stack. torch writes dicts in batches of 1,000 pairs.
pub const MAX_STACK: u64 = 32_768;
/// Maximum number of open marks (collections under construction) in a pickle (estimate).
pub const MAX_MARKS: u64 = 64;
/// Maximum number of values in the pickle memo; a tensor takes about 8.
pub const MAX_MEMO: u64 = 300_000;
/// Maximum nesting depth of collections in a pickle (estimate; a checkpoint's state dict has 3).
pub const MAX_DEPTH: u8 = 8;
/// Maximum length in bytes of the module or the name of a Python object (estimate).
pub const MAX_GLOBAL_BYTES: usize = 256;

/// Checkpoint entries searched for a state dict, in this order.
pub(super) const STATE_DICT_KEYS: [&str; 5] =
    ["state_dict", "state_dict_ema", "model", "model_ema", "model_state_dict"];

/// Returns the memory limit in bytes for all tables built while a file of `bytes` is read: half its size and 2 MiB.
///
/// A growing table exists twice for a moment, once at half its new size. The file and its tables therefore stay below
/// twice the file and 4 MiB.
pub const fn table_bytes(bytes: u64) -> u64 {
    bytes / 2 + (2 << 20)
}
