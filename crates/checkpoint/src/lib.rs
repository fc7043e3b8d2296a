//! Readers of safetensors and PyTorch checkpoints that do not trust the file.
//!
//! A checkpoint comes from outside and may be hostile. The readers run no code and decompress nothing. They understand
//! only the parts of a format that a state dict needs, and refuse all others by name. Every size in the file is checked
//! against the file's length before memory is allocated for it. The file is read once; a tensor is a view of its bytes.

mod byte_reader;
mod dtype;
mod error;
mod limits;
mod memory_limit;
mod pickle;
mod safetensors;
mod state_dict;
mod tensor;
#[cfg(test)]
mod tests;
mod torch_legacy;
mod torch_zip;
mod zip;

pub use error::WeightsError;
pub use limits::{
    MAX_DEPTH, MAX_DIMENSIONS, MAX_ENTRIES, MAX_FILE_BYTES, MAX_GLOBAL_BYTES, MAX_HEADER_BYTES, MAX_MARKS, MAX_MEMO,
    MAX_NAME_BYTES, MAX_OPCODES, MAX_STACK, MAX_TENSORS, table_bytes,
};

use byte_reader::to_u64;
use error::clip;
use state_dict::SelectedTensors;
use tensor::Tensor;

/// Named tensors of a checkpoint, as views of the file's bytes.
pub struct Weights {
    bytes: Vec<u8>,
    file: String,
    format: &'static str,
    nested_key: Option<&'static str>,
    /// Sorted by name.
    tensors: Vec<Tensor>,
    /// Shapes and strides of all tensors.
    dims: Vec<usize>,
}

impl Weights {
    /// Parses a safetensors or torch.save file; the format is detected from the content. Errors name the file `file`.
    ///
    /// Returns an error if the file is damaged, exceeds a limit, or contains anything that no state dict needs.
    pub fn parse(bytes: Vec<u8>, file: &str) -> Result<Weights, WeightsError> {
        let mut weights =
            Weights { bytes, file: file.into(), format: "", nested_key: None, tensors: vec![], dims: vec![] };
        match weights.read() {
            Ok(()) => Ok(weights),
            Err(cause) => Err(cause.in_file(file)),
        }
    }

    fn read(&mut self) -> Result<(), WeightsError> {
        let bytes = self.bytes.as_slice();
        let length = to_u64(bytes.len());
        if length > MAX_FILE_BYTES {
            return Err(WeightsError::TooLarge { bytes: length });
        }
        let (format, SelectedTensors { nested_key, table }) = if zip::has_signature(bytes) {
            ("torch (zip)", torch_zip::read(bytes)?)
        } else if safetensors::has_signature(bytes) {
            ("safetensors", SelectedTensors { nested_key: None, table: safetensors::read(bytes)? })
        } else if torch_legacy::has_signature(bytes) {
            ("torch (legacy)", torch_legacy::read(bytes)?)
        } else {
            return Err(WeightsError::UnknownFormat { start: bytes.iter().copied().take(8).collect() });
        };
        if table.tensors.is_empty() {
            return Err(WeightsError::NoTensors);
        }
        self.format = format;
        self.nested_key = nested_key;
        self.tensors = table.tensors;
        self.dims = table.dims;
        self.strip_common_prefix();
        self.sort_by_name()
    }

    /// Strips the prefix `module.`, which `torch.nn.DataParallel` adds to every name.
    fn strip_common_prefix(&mut self) {
        const PREFIX: &[u8] = b"module.";
        let has_prefix = |tensor: &Tensor| {
            let name = tensor.name.bytes(&self.bytes);
            name.starts_with(PREFIX) && name.len() > PREFIX.len()
        };
        if self.tensors.iter().all(has_prefix) {
            self.tensors.iter_mut().for_each(|tensor| tensor.name = tensor.name.skip(7));
        }
    }

    fn sort_by_name(&mut self) -> Result<(), WeightsError> {
        let bytes = self.bytes.as_slice();
        self.tensors.sort_unstable_by_key(|tensor| tensor.name.bytes(bytes));
        for pair in self.tensors.windows(2) {
            if let [a, b] = pair
                && a.name.bytes(bytes) == b.name.bytes(bytes)
            {
                return Err(WeightsError::DuplicateName { name: clip(a.name.bytes(bytes)) });
            }
        }
        Ok(())
    }

    /// Returns the file format: `safetensors`, `torch (zip)` or `torch (legacy)`.
    pub fn format(&self) -> &'static str {
        self.format
    }

    /// Returns the checkpoint entry that holds the state dict, or `None` if the file itself is the state dict.
    pub fn nested_key(&self) -> Option<&str> {
        self.nested_key
    }

    /// Returns the tensor names in sorted order, without the prefix `module.` if all of them have it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|tensor| tensor.name.text(&self.bytes))
    }

    /// Returns the shape of a tensor: empty for a scalar, `None` if there is no such tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.find(name).map(|tensor| tensor.shape(&self.dims))
    }

    /// Returns the elements of a tensor as f32 in row-major order, whatever its strides; f64 is rounded.
    ///
    /// Returns an error if there is no such tensor, or if its type is not f16, bf16, f32 or f64.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let missing = || WeightsError::NoSuchTensor { name: clip(name.as_bytes()) }.in_file(&self.file);
        let tensor = self.find(name).ok_or_else(missing)?;
        tensor.floats(&self.bytes, &self.dims).ok_or_else(|| {
            let (name, dtype) = (clip(name.as_bytes()), tensor.dtype.name());
            WeightsError::NotFloats { name, dtype }.in_file(&self.file)
        })
    }

    fn find(&self, name: &str) -> Option<&Tensor> {
        let index = self.tensors.binary_search_by_key(&name.as_bytes(), |tensor| tensor.name.bytes(&self.bytes));
        index.ok().and_then(|index| self.tensors.get(index))
    }
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} tensors, {}", self.file, self.tensors.len(), self.format)
    }
}
