//! Arguments that name a model, its engine, precision and threads.

use clap::Args;

use super::ModelsFolder;
use phicam_engine::{EngineKind, Precision};
use phicam_platform::config_file::did_you_mean;

/// Model and execution config, as far as the user names them.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// Variant (lite0@192) or network at any resolution (lite0, EfficientNet-Lite0); `bench` also takes an ONNX file
    /// [default: the largest that fits]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Inference engine: tract (cpu); tensorrt, cuda or onnxruntime if ONNX Runtime is installed
    /// [default: the fastest one whose scores agree with the CPU engine]
    #[arg(long, value_name = "NAME", value_parser = parse_engine)]
    pub engine: Option<EngineChoice>,
    /// Numeric precision: f32, f16 (fp16, half) or int8 [default: the engine's]
    #[arg(long, value_name = "P", value_parser = parse_precision)]
    pub precision: Option<Precision>,
    /// Threads of one inference [default: all cores, or half of them if that is faster]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub folder: ModelsFolder,
}

/// Value of `--engine`; `auto` is the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineChoice {
    Auto,
    Engine(EngineKind),
}

impl ModelArgs {
    /// Returns the named engine, `None` for `auto`.
    pub fn named_engine(&self) -> Option<EngineKind> {
        match self.engine {
            Some(EngineChoice::Engine(name)) => Some(name),
            Some(EngineChoice::Auto) | None => None,
        }
    }
}

fn parse_engine(text: &str) -> Result<EngineChoice, String> {
    let names = || EngineKind::ALL.into_iter().map(EngineKind::as_str).chain(["auto"]);
    let engine = match text.to_ascii_lowercase().as_str() {
        "auto" => return Ok(EngineChoice::Auto),
        "cpu" => Some(EngineKind::Tract),
        "trt" => Some(EngineKind::TensorRt),
        "ort" | "onnx" => Some(EngineKind::OnnxRuntime),
        "gpu" | "nvidia" => {
            return Err(format!(
                "it is `{text}`, which two engines use: type --engine tensorrt or --engine cuda, or --engine auto for \
                 the fastest"
            ));
        }
        lower => EngineKind::ALL.into_iter().find(|name| name.as_str() == lower),
    };
    engine.map(EngineChoice::Engine).ok_or_else(|| {
        let known = names().collect::<Vec<_>>().join(", ");
        format!("it is `{text}`, expected {known}{}", did_you_mean(text, names()))
    })
}

fn parse_precision(text: &str) -> Result<Precision, String> {
    match text.to_ascii_lowercase().as_str() {
        "f32" | "fp32" | "float32" | "float" | "single" | "full" => Ok(Precision::F32),
        "f16" | "fp16" | "float16" | "half" => Ok(Precision::F16),
        "int8" | "i8" | "8bit" | "8-bit" | "quantized" | "quantised" => Ok(Precision::Int8),
        "bf16" | "bfloat16" => Err(format!("it is `{text}`, which no engine has; type --precision f16")),
        _ => Err(format!("it is `{text}`, expected f32, f16 or int8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_is_known_by_its_natural_names() {
        for (text, engine) in [
            ("cuda", EngineKind::Cuda),
            ("CUDA", EngineKind::Cuda),
            ("TensorRT", EngineKind::TensorRt),
            ("trt", EngineKind::TensorRt),
            ("cpu", EngineKind::Tract),
            ("ort", EngineKind::OnnxRuntime),
        ] {
            assert_eq!(parse_engine(text), Ok(EngineChoice::Engine(engine)), "{text}");
        }
        assert_eq!(parse_engine("auto"), Ok(EngineChoice::Auto));
        assert!(parse_engine("gpu").unwrap_err().contains("type --engine tensorrt or --engine cuda"));
    }

    #[test]
    fn unknown_engine_is_refused_with_a_hint() {
        let refused = parse_engine("tensort").unwrap_err();
        assert!(refused.contains("tract, onnxruntime, auto"), "{refused}");
        assert!(refused.contains("`tensorrt`"), "{refused}");
    }

    #[test]
    fn precision_is_known_by_its_natural_names() {
        for (text, precision) in [
            ("f16", Precision::F16),
            ("fp16", Precision::F16),
            ("FP16", Precision::F16),
            ("half", Precision::F16),
            ("float32", Precision::F32),
            ("int8", Precision::Int8),
            ("INT8", Precision::Int8),
        ] {
            assert_eq!(parse_precision(text), Ok(precision), "{text}");
        }
        assert!(parse_precision("bf16").unwrap_err().contains("type --precision f16"));
        assert!(parse_precision("double").unwrap_err().contains("f32, f16 or int8"));
    }
}
