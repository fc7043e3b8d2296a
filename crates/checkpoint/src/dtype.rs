//! The types that elements come in, by the names that safetensors and torch have for them.

/// The type of a tensor's elements.
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

/// Type, bytes, in safetensors, torch's storage (nothing where it has none), in torch.
const TYPES: [(Dtype, usize, &str, &str, &str); 15] = [
    (F64, 8, "F64", "DoubleStorage", "float64"),
    (F32, 4, "F32", "FloatStorage", "float32"),
    (F16, 2, "F16", "HalfStorage", "float16"),
    (BF16, 2, "BF16", "BFloat16Storage", "bfloat16"),
    (F8E5M2, 1, "F8_E5M2", "", "float8_e5m2"),
    (F8E4M3, 1, "F8_E4M3", "", "float8_e4m3fn"),
    (I64, 8, "I64", "LongStorage", "int64"),
    (I32, 4, "I32", "IntStorage", "int32"),
    (I16, 2, "I16", "ShortStorage", "int16"),
    (I8, 1, "I8", "CharStorage", "int8"),
    (U64, 8, "U64", "", "uint64"),
    (U32, 4, "U32", "", "uint32"),
    (U16, 2, "U16", "", "uint16"),
    (U8, 1, "U8", "ByteStorage", "uint8"),
    (Bool, 1, "BOOL", "BoolStorage", "bool"),
];

impl Dtype {
    pub fn size(self) -> usize {
        TYPES.iter().find(|row| row.0 == self).map_or(1, |row| row.1)
    }

    pub fn name(self) -> &'static str {
        TYPES.iter().find(|row| row.0 == self).map_or("?", |row| row.2)
    }

    pub fn of_safetensors(name: &[u8]) -> Option<Dtype> {
        TYPES.iter().find(|row| row.2.as_bytes() == name).map(|row| row.0)
    }

    /// The elements of a `torch.FloatStorage` and the like.
    pub fn of_storage(name: &str) -> Option<Dtype> {
        TYPES.iter().find(|row| row.3 == name && !name.is_empty()).map(|row| row.0)
    }

    /// The elements that torch calls so: `torch.float32` and the like.
    pub fn of_torch(name: &str) -> Option<Dtype> {
        TYPES.iter().find(|row| row.4 == name).map(|row| row.0)
    }
}
