//! ONNX files: inspection, streaming, rewriting.

pub mod inspect;
pub mod stream_reader;
pub mod strip_softmax;
