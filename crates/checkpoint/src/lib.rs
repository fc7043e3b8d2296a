//! Weights that others trained, out of safetensors and PyTorch files that may have been made to do harm.
//!
//! Nothing in such a file is run, unpacked or believed: only what a state dict needs is understood, every claim is held
//! against the file's size, and what else is there is refused by name. The file is read once; a tensor is a view of it.

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
pub use limits::*;

use byte_reader::to_u64;
use error::clip;
use tensor::Tensor;

/// The tensors of a file by name, as views of its bytes.
pub struct Weights {
    bytes: Vec<u8>,
    what: String,
    form: &'static str,
    taken: Option<&'static str>,
    /// In the order of their names.
    tensors: Vec<Tensor>,
    dims: Vec<usize>,
}

impl Weights {
    /// Reads what a .safetensors or .pth/.pt/.bin file holds, told apart by content; `what` names it in messages.
    pub fn parse(bytes: Vec<u8>, what: &str) -> Result<Weights, WeightsError> {
        let mut weights = Weights { bytes, what: what.into(), form: "", taken: None, tensors: vec![], dims: vec![] };
        match weights.read() {
            Ok(()) => Ok(weights),
            Err(trouble) => Err(trouble.in_file(what)),
        }
    }

    fn read(&mut self) -> Result<(), WeightsError> {
        let bytes = self.bytes.as_slice();
        let length = to_u64(bytes.len());
        if length > MAX_FILE_BYTES {
            return Err(WeightsError::TooLarge { bytes: length });
        }
        let (form, taken, table) = if zip::is(bytes) {
            let (taken, table) = torch_zip::read_zip(bytes)?;
            ("torch (zip)", taken, table)
        } else if safetensors::is(bytes) {
            ("safetensors", None, safetensors::read(bytes)?)
        } else if torch_legacy::is(bytes) {
            let (taken, table) = torch_legacy::read(bytes)?;
            ("torch (legacy)", taken, table)
        } else {
            return Err(WeightsError::UnknownForm { start: bytes.iter().copied().take(8).collect() });
        };
        if table.tensors.is_empty() {
            return Err(WeightsError::NoTensors);
        }
        (self.form, self.taken, self.tensors, self.dims) = (form, taken, table.tensors, table.dims);
        self.strip_common_prefix();
        self.sort_by_name()
    }

    /// `torch.nn.DataParallel` puts `module.` before every name.
    fn strip_common_prefix(&mut self) {
        const PREFIX: &[u8] = b"module.";
        let has = |tensor: &Tensor| {
            let name = tensor.name.of(&self.bytes);
            name.starts_with(PREFIX) && name.len() > PREFIX.len()
        };
        if self.tensors.iter().all(has) {
            self.tensors.iter_mut().for_each(|tensor| tensor.name = tensor.name.without(7));
        }
    }

    fn sort_by_name(&mut self) -> Result<(), WeightsError> {
        let bytes = self.bytes.as_slice();
        self.tensors.sort_unstable_by_key(|tensor| tensor.name.of(bytes));
        for pair in self.tensors.windows(2) {
            if let [a, b] = pair
                && a.name.of(bytes) == b.name.of(bytes)
            {
                return Err(WeightsError::NameTwice { name: clip(a.name.of(bytes)) });
            }
        }
        Ok(())
    }

    /// What the file is: `safetensors`, `torch (zip)` or `torch (legacy)`.
    pub fn form(&self) -> &'static str {
        self.form
    }

    /// The entry of a checkpoint that the tensors were taken from; nothing where the file is the state dict itself.
    pub fn taken(&self) -> Option<&str> {
        self.taken
    }

    /// The names of the tensors, sorted, without a `module.` that all of them have.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|tensor| tensor.name.text(&self.bytes))
    }

    /// The lengths of a tensor's dimensions; none for a scalar.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.find(name).map(|tensor| tensor.shape(&self.dims))
    }

    /// Row-major, contiguous, as f32; strides honoured; f16, bf16, f32 and f64 accepted.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, WeightsError> {
        let missing = || WeightsError::NoSuchTensor { name: clip(name.as_bytes()) }.in_file(&self.what);
        let tensor = self.find(name).ok_or_else(missing)?;
        tensor.floats(&self.bytes, &self.dims).ok_or_else(|| {
            let (name, dtype) = (clip(name.as_bytes()), tensor.dtype.name());
            WeightsError::NotFloats { name, dtype }.in_file(&self.what)
        })
    }

    fn find(&self, name: &str) -> Option<&Tensor> {
        let found = self.tensors.binary_search_by_key(&name.as_bytes(), |tensor| tensor.name.of(&self.bytes));
        found.ok().and_then(|index| self.tensors.get(index))
    }
}

impl std::fmt::Debug for Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} tensors, {}", self.what, self.tensors.len(), self.form)
    }
}
