//! Element types, and their names in safetensors and torch.

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    F8E5M2,
    F8E4M3,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

use Dtype::*;

/// An element type with its size and names.
struct TypeInfo {
    dtype: Dtype,
    bytes: usize,
    /// Name in safetensors, such as `F32`.
    safetensors: &'static str,
    /// Class of torch's storage, such as `FloatStorage`; empty if torch has none.
    storage: &'static str,
    /// Name in the module `torch`, such as `float32`.
    torch: &'static str,
}

const fn info(
    dtype: Dtype,
    bytes: usize,
    safetensors: &'static str,
    storage: &'static str,
    torch: &'static str,
) -> TypeInfo {
    TypeInfo { dtype, bytes, safetensors, storage, torch }
}

const TYPES: [TypeInfo; 15] = [
    info(F64, 8, "F64", "DoubleStorage", "float64"),
    info(F32, 4, "F32", "FloatStorage", "float32"),
    info(F16, 2, "F16", "HalfStorage", "float16"),
    info(BF16, 2, "BF16", "BFloat16Storage", "bfloat16"),
    info(F8E5M2, 1, "F8_E5M2", "", "float8_e5m2"),
    info(F8E4M3, 1, "F8_E4M3", "", "float8_e4m3fn"),
    info(I64, 8, "I64", "LongStorage", "int64"),
    info(I32, 4, "I32", "IntStorage", "int32"),
    info(I16, 2, "I16", "ShortStorage", "int16"),
    info(I8, 1, "I8", "CharStorage", "int8"),
    info(U64, 8, "U64", "", "uint64"),
    info(U32, 4, "U32", "", "uint32"),
    info(U16, 2, "U16", "", "uint16"),
    info(U8, 1, "U8", "ByteStorage", "uint8"),
    info(Bool, 1, "BOOL", "BoolStorage", "bool"),
];

impl Dtype {
    /// Returns the size of an element in bytes.
    pub fn size(self) -> usize {
        TYPES.iter().find(|info| info.dtype == self).map_or(1, |info| info.bytes)
    }

    /// Returns the name in safetensors.
    pub fn name(self) -> &'static str {
        TYPES.iter().find(|info| info.dtype == self).map_or("?", |info| info.safetensors)
    }

    pub fn from_safetensors(name: &[u8]) -> Option<Dtype> {
        TYPES.iter().find(|info| info.safetensors.as_bytes() == name).map(|info| info.dtype)
    }

    /// Returns the element type of a storage class such as `FloatStorage`.
    pub fn from_storage(name: &str) -> Option<Dtype> {
        TYPES.iter().find(|info| info.storage == name && !name.is_empty()).map(|info| info.dtype)
    }

    /// Returns the element type with a name such as `float32` in the module `torch`.
    pub fn from_torch(name: &str) -> Option<Dtype> {
        TYPES.iter().find(|info| info.torch == name).map(|info| info.dtype)
    }
}
