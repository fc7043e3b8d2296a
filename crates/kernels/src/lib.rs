//! CPU kernels for EfficientNet: a network's steps become a [`Program`] that classifies one image at a time.
//!
//! [`layers::Step`]s describe the network. [`Program::new`] packs the weights for an instruction set and divides each
//! block so that its values stay in the caches. The loops are written once, generic over a small vector trait.

mod activation;
mod affinity;
#[allow(unsafe_code)]
mod aligned_buffer;
#[allow(unsafe_code)]
mod block_input;
#[allow(unsafe_code)]
mod depthwise;
mod f16;
#[allow(unsafe_code)]
mod fused_block;
#[allow(unsafe_code)]
mod gemm;
#[allow(unsafe_code)]
mod head;
#[allow(unsafe_code)]
mod isa;
pub mod layers;
mod packing;
#[allow(unsafe_code)]
mod program;
#[allow(unsafe_code)]
mod row_ops;
mod serialize;
#[allow(unsafe_code)]
mod simd;
#[allow(unsafe_code)]
mod thread_pool;
mod tiling;
mod unroll;
mod weights;

pub use activation::Activation;
pub use isa::Kernels;
pub use program::{Program, Settings, State};
pub use serialize::DeserializeError;
pub use tiling::TilingSettings;
pub use weights::{WeightFormat, Weights};
