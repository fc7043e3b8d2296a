//! What a weights file may claim at most, so that a hostile one costs little before it is refused.

/// A weights file may hold at most this many bytes: 2 GiB. EfficientNet-L2, the largest there is, needs 1.8.
pub const MAX_FILE_BYTES: u64 = 2 << 30;
/// The header of a safetensors file may hold at most this many bytes; that of EfficientNet-B7 holds 0.15 MB.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;
/// A file may name at most this many tensors; EfficientNet-B7 has 1,600 with its counters.
pub const MAX_TENSORS: u64 = 20_000;
/// The name of a tensor or of a storage may hold at most this many bytes.
pub const MAX_NAME_BYTES: usize = 512;
/// A tensor may have at most this many dimensions; kernels have 4.
pub const MAX_DIMENSIONS: usize = 8;
/// A zip may hold at most this many entries: two for each tensor and some to spare.
pub const MAX_ENTRIES: u64 = 50_000;
/// A pickle may hold at most this many instructions; a tensor takes about 40.
pub const MAX_OPCODES: u64 = 4_000_000;
/// A pickle may have at most this many values waiting; torch's come in batches of 1,000 pairs.
pub const MAX_STACK: u64 = 32_768;
/// A pickle may have at most this many collections open at once.
pub const MAX_MARKS: u64 = 64;
/// A pickle may put at most this many values aside to use them again; a tensor takes about 8.
pub const MAX_MEMO: u64 = 300_000;
/// Collections in a pickle may lie at most this deep in each other.
pub const MAX_DEPTH: u8 = 8;
/// The module or the name in a pickle's mention of a Python object may hold at most this many bytes.
pub const MAX_GLOBAL_BYTES: usize = 256;

/// What the tables made while reading a file of `bytes` may hold: half of it and 2 MiB.
///
/// A table that grows is for a moment there twice, with half of its new size, so that the file and its tables stay
/// below twice the file and 4 MiB.
pub const fn table_bytes(bytes: u64) -> u64 {
    bytes / 2 + (2 << 20)
}
