//! EfficientNet's convolutions for one picture at a time on a CPU: a network's steps in, scores out.
//!
//! [`network::Step`]s, as a graph has them, become a [`Program`]: weights packed for an instruction set, each block cut so
//! that its values stay in the caches. The loops are written once, over one small trait for vectors.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod activation;
mod apart;
#[allow(unsafe_code)]
mod convolve;
#[allow(unsafe_code)]
mod depthwise;
mod each;
mod half;
#[allow(unsafe_code)]
mod kernels;
#[allow(unsafe_code)]
mod memory;
pub mod network;
mod packed;
mod plan;
#[allow(unsafe_code)]
mod pointwise;
#[allow(unsafe_code)]
mod program;
#[allow(unsafe_code)]
mod rows;
#[allow(unsafe_code)]
mod source;
mod stored;
#[allow(unsafe_code)]
mod tail;
#[allow(unsafe_code)]
mod threads;
#[allow(unsafe_code)]
mod unit;
#[allow(unsafe_code)]
mod vector;
mod weights;

pub use activation::Activation;
pub use kernels::Kernels;
pub use plan::Machine;
pub use program::{Program, Settings, State};
pub use stored::StoredError;
pub use weights::{Precision, Weights};
