//! Execution config: backend, precision and thread count.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Software that runs a network. The order of the variants is the order of trial while their speeds are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// TensorRT on an NVIDIA GPU, through ONNX Runtime.
    TensorRt,
    /// CUDA on an NVIDIA GPU, through ONNX Runtime.
    Cuda,
    /// The CPU, with tract's graph and the kernels of `phicam-kernels`. Always available.
    Tract,
    /// The CPU, through ONNX Runtime.
    OnnxRuntime,
}

/// Number format of the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    F32,
    /// Half precision, in those layers for which the engine's builder selects it.
    F16,
    /// Eight-bit integers, as the quantised file specifies.
    Int8,
}

/// Backend, precision and thread count of one inference. JSON flattens its fields into the enclosing object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ExecutionConfig {
    pub engine: EngineKind,
    pub precision: Precision,
    /// CPU threads of one inference.
    pub threads: usize,
}

impl ExecutionConfig {
    /// Returns the config of the CPU engine, which is always available, with `threads` threads.
    pub fn tract(threads: usize) -> ExecutionConfig {
        ExecutionConfig { engine: EngineKind::Tract, precision: Precision::F32, threads }
    }
}

impl EngineKind {
    pub const ALL: [EngineKind; 4] =
        [EngineKind::TensorRt, EngineKind::Cuda, EngineKind::Tract, EngineKind::OnnxRuntime];

    /// Returns the name used by `--engine`, logs and JSON.
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
    /// Returns the name used by `--precision`, logs and JSON.
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
    fn config_has_equal_names_in_text_and_json() {
        let config = ExecutionConfig { engine: EngineKind::TensorRt, precision: Precision::F16, threads: 1 };
        assert_eq!(config.to_string(), "tensorrt f16, 1 thread");
        assert_eq!(serde_json::to_string(&config).unwrap(), r#"{"engine":"tensorrt","precision":"f16","threads":1}"#);
        assert_eq!(ExecutionConfig::tract(2).to_string(), "tract f32, 2 threads");
    }
}
