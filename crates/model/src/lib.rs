//! Networks: catalog, EfficientNet family, checkpoints, ONNX.

pub mod catalog;
pub mod efficientnet;
pub mod import;
pub mod labels;
pub mod onnx;
pub mod published_accuracy;
