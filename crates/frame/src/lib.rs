//! Frames: sizes, pixel formats, pooled buffers, JPEG decoding, colour conversion, canvas and mailbox.
//!
//! The crate performs no device I/O and knows neither cameras nor displays nor models.

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
