//! ONNX files: inspection, streaming reader, removal of the final softmax.

pub mod inspect;
pub mod stream_reader;
pub mod strip_softmax;
