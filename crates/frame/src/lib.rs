//! Frames: sizes, pixel formats, buffers, decoding, conversion.

pub mod canvas;
pub mod color_convert;
pub mod decode;
mod frame;
pub mod mailbox;
mod pixel_format;
mod pool;
mod rect;

pub use frame::*;
pub use pixel_format::{Coding, Matrix, PixelFormat, Range};
pub use pool::{Buffer, FramePool};
pub use rect::Rect;
