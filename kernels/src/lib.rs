//! EfficientNet's convolutions for one picture at a time on a CPU: a network's steps in, scores out.
//!
//! [`network::Step`]s, as a graph has them, become a [`Program`]: weights packed for an instruction set, each block cut so
//! that its values stay in the caches. The loops are written once, over [`vector::Vector`].

mod activation;
mod convolve;
mod depthwise;
mod kernels;
mod memory;
pub mod network;
mod packed;
mod plan;
mod pointwise;
mod program;
mod rows;
mod source;
mod tail;
mod threads;
mod unit;
mod vector;

pub use activation::Activation;
pub use kernels::Kernels;
pub use plan::Machine;
pub use program::{Program, Settings, State};
