//! Models as data: catalog and labels, the EfficientNet family, checkpoint import, and ONNX files.
//!
//! The crate runs no network and knows no engine, camera or display.

pub mod catalog;
pub mod efficientnet;
pub mod import;
pub mod labels;
pub mod onnx;
pub mod published_accuracy;
