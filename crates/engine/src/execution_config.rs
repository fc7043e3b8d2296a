//! How a variant is run: by which engine, in which numbers, on how many threads.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What runs a model. Their order is that in which they are tried where nothing is known of their speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// TensorRT on a Jetson's GPU, by way of ONNX Runtime.
    TensorRt,
    /// CUDA on a Jetson's GPU, by way of ONNX Runtime.
    Cuda,
    /// The processor, by tract's graph and kernels of our own. Always there.
    Tract,
    /// The processor, by ONNX Runtime.
    OnnxRuntime,
}

/// The numbers that a network is calculated in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    F32,
    /// Half precision where the engine finds it good enough.
    F16,
    /// Eight-bit integers, as a quantised file says.
    Int8,
}

/// See the module. In JSON its fields stand among those of what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExecutionConfig {
    pub engine: EngineKind,
    pub precision: Precision,
    /// Threads that one picture may use.
    pub threads: usize,
}

impl ExecutionConfig {
    /// The CPU engine, which is always there, on `threads` threads.
    pub fn tract(threads: usize) -> ExecutionConfig {
        ExecutionConfig { engine: EngineKind::Tract, precision: Precision::F32, threads }
    }
}

impl EngineKind {
    /// All of them.
    pub const ALL: [EngineKind; 4] =
        [EngineKind::TensorRt, EngineKind::Cuda, EngineKind::Tract, EngineKind::OnnxRuntime];

    /// As `--engine`, the logs and JSON call it.
    pub fn as_str(self) -> &'static str {
        match self {
            EngineKind::TensorRt => "tensorrt",
            EngineKind::Cuda => "cuda",
            EngineKind::Tract => "tract",
            EngineKind::OnnxRuntime => "onnxruntime",
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Precision {
    /// As JSON calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `tract f32, 2 threads`
impl fmt::Display for ExecutionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExecutionConfig { engine, precision, threads } = self;
        let plural = if *threads == 1 { "" } else { "s" };
        write!(f, "{engine} {precision}, {threads} thread{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_is_named_alike_in_words_and_in_json() {
        let config = ExecutionConfig { engine: EngineKind::TensorRt, precision: Precision::F16, threads: 1 };
        assert_eq!(config.to_string(), "tensorrt f16, 1 thread");
        assert_eq!(serde_json::to_string(&config).unwrap(), r#"{"engine":"tensorrt","precision":"f16","threads":1}"#);
        assert_eq!(ExecutionConfig::tract(2).to_string(), "tract f32, 2 threads");
    }
}
