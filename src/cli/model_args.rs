//! Arguments that name a model, its engine, precision and threads.

use clap::Args;

use super::ModelsFolder;
use phicam_engine::{EngineKind, Precision};
use phicam_platform::config_file::did_you_mean;

/// Model and execution config, as far as the user names them.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// Variant (lite0@192) or network at any resolution (lite0); `bench` also takes an ONNX file
    /// [default: the largest that fits]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Inference engine: tract (CPU); tensorrt, cuda or onnxruntime if ONNX Runtime is installed
    /// [default: the fastest one whose scores agree with the CPU engine]
    #[arg(long, value_name = "NAME", value_parser = parse_engine)]
    pub engine: Option<EngineChoice>,
    /// Numeric precision: f32, f16 or int8 [default: the engine's]
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
    match (text, EngineKind::ALL.into_iter().find(|name| name.as_str() == text)) {
        ("auto", _) => Ok(EngineChoice::Auto),
        (_, Some(name)) => Ok(EngineChoice::Engine(name)),
        (_, None) => {
            let known = names().collect::<Vec<_>>().join(", ");
            Err(format!("it is `{text}`, expected {known}{}", did_you_mean(text, names())))
        }
    }
}

fn parse_precision(text: &str) -> Result<Precision, String> {
    let known = [Precision::F32, Precision::F16, Precision::Int8];
    known.into_iter().find(|known| known.as_str() == text).ok_or(format!("it is `{text}`, expected f32, f16 or int8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_engine_is_refused_with_a_hint() {
        assert_eq!(parse_engine("cuda"), Ok(EngineChoice::Engine(EngineKind::Cuda)));
        assert_eq!(parse_engine("auto"), Ok(EngineChoice::Auto));
        let refused = parse_engine("tensort").unwrap_err();
        assert!(refused.contains("tract, onnxruntime, auto"), "{refused}");
        assert!(refused.contains("`tensorrt`"), "{refused}");
        assert!(parse_precision("fp16").unwrap_err().contains("f32, f16 or int8"));
    }
}
