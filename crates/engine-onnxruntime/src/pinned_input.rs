//! Input memory of a session. For a GPU it is pinned, so that each input is copied only once.

#![allow(unsafe_code)]

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::value::Tensor;

/// Input tensor of a session: one image in f32.
pub struct PinnedInput {
    tensor: Tensor<f32>,
    /// Number of values.
    length: usize,
}

impl PinnedInput {
    /// Allocates `length` zeros for the input `name`; in pinned memory if `for_gpu`.
    ///
    /// Fails if the model's input shape has another number of values.
    pub fn new(session: &Session, name: &str, length: usize, for_gpu: bool) -> ort::Result<PinnedInput> {
        let input = session.inputs().iter().find(|input| input.name() == name);
        let shape = input.and_then(|input| input.dtype().tensor_shape());
        let shape: Vec<i64> = shape.map(|shape| shape.iter().copied().collect()).unwrap_or_default();
        if shape.iter().product::<i64>() != length as i64 {
            return Err(ort::Error::new(format!("input {name} has the shape {shape:?}, expected {length} values")));
        }
        let allocator = if for_gpu {
            let pinned =
                MemoryInfo::new(AllocationDevice::CUDA_PINNED, 0, AllocatorType::Device, MemoryType::CPUInput)?;
            Allocator::new(session, pinned)?
        } else {
            Allocator::default()
        };
        let mut tensor = Tensor::new(&allocator, shape)?;
        let start = tensor.data_ptr_mut().cast::<f32>();
        if start.is_null() || !start.is_aligned() {
            return Err(ort::Error::new(format!("no memory for {length} input values; stop other programs")));
        }
        // SAFETY: the allocation holds the product of the shape, `length`, in f32. The CPU may write it: it is CPU
        // memory or CUDA's pinned memory, which CPU and GPU can access. There is no other reference to it yet.
        unsafe { start.write_bytes(0, length) };
        Ok(PinnedInput { tensor, length })
    }

    pub fn tensor(&self) -> &Tensor<f32> {
        &self.tensor
    }

    /// Returns the values to fill.
    ///
    /// `ort` refuses access to pinned values, because ONNX Runtime reports pinned memory as the GPU's from 1.23 on.
    pub fn values(&mut self) -> &mut [f32] {
        let start = self.tensor.data_ptr_mut().cast::<f32>();
        // SAFETY: the allocation holds `length` values that `new` initialised, and the tensor owns it during the borrow
        // of `self`. A session reads it only during an inference, which excludes this borrow.
        unsafe { std::slice::from_raw_parts_mut(start, self.length) }
    }
}
