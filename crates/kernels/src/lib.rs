//! EfficientNet's convolutions for one picture at a time on a CPU: a network's steps in, scores out.
//!
//! [`layers::Step`]s, as a graph has them, become a [`Program`]: weights packed for an instruction set, each block cut so
//! that its values stay in the caches. The loops are written once, over one small trait for vectors.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
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
pub use serialize::StoredError;
pub use tiling::Machine;
pub use weights::{Precision, Weights};
