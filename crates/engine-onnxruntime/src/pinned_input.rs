//! A picture's memory as ONNX Runtime has it: pinned, where a GPU is to read it, so that it is copied once.

#![allow(unsafe_code)]

use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;
use ort::value::Tensor;

/// Input of a session: one picture in single precision.
pub struct PinnedInput {
    tensor: Tensor<f32>,
    /// How many there are.
    length: usize,
}

impl PinnedInput {
    /// Memory for the `length` values of the input `name`, all zero; for a GPU to read, or for the processor alone.
    pub fn new(session: &Session, name: &str, length: usize, for_gpu: bool) -> ort::Result<PinnedInput> {
        let input = session.inputs().iter().find(|input| input.name() == name);
        let shape = input.and_then(|input| input.dtype().tensor_shape());
        let shape: Vec<i64> = shape.map(|shape| shape.iter().copied().collect()).unwrap_or_default();
        if shape.iter().product::<i64>() != length as i64 {
            return Err(ort::Error::new(format!("its input has the shape {shape:?}, expected {length} values")));
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
            return Err(ort::Error::new(format!("it has no memory for {length} values: end other programs")));
        }
        // SAFETY: the allocator gave memory for the shape's product, which is `length`, of f32, and the processor may write it:
        // it is its own, or CUDA's pinned memory, which both reach. Nothing else has it yet.
        unsafe { start.write_bytes(0, length) };
        Ok(PinnedInput { tensor, length })
    }

    pub fn tensor(&self) -> &Tensor<f32> {
        &self.tensor
    }

    /// Its values. `ort` itself refuses to give them where they are pinned: from 1.23 on ONNX Runtime calls such memory the GPU's.
    pub fn values(&mut self) -> &mut [f32] {
        let start = self.tensor.data_ptr_mut().cast::<f32>();
        // SAFETY: as above, and all of it was written there; the tensor keeps it as long as the borrow of `self` lasts, and a
        // session reads it only while it runs, when nobody can hold this borrow.
        unsafe { std::slice::from_raw_parts_mut(start, self.length) }
    }
}
