//! Frames: sizes, pixel formats, pooled buffers, JPEG decoding, colour conversion, canvas, mailbox and font.
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

/// Font file of the screen and the terminal: Noto Sans, regular (SIL Open Font License 1.1, in `assets/OFL-1.1.txt`).
pub static NOTO_SANS: &[u8] = include_bytes!("../assets/NotoSans-Regular.ttf");
