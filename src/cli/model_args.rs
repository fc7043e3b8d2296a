//! Which model runs, on what, and in which numbers.

use clap::Args;

use super::ModelsFolder;
use phicam_engine::{EngineKind, Precision};
use phicam_platform::config_file::did_you_mean;

/// What runs.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// lite0@192 for that very variant, lite0 for that network at any side; `bench` also times an ONNX FILE that was not
    /// added [default: the largest that fits]
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// What runs the model: tract on the processor; tensorrt, cuda or onnxruntime, where ONNX Runtime is installed
    /// [default: the fastest that is there and gives the right scores]
    #[arg(long, value_name = "NAME", value_parser = parse_engine)]
    pub engine: Option<Wanted>,
    /// Numbers to calculate in: f32, f16, int8 [default: the engine's usual]
    #[arg(long, value_name = "P", value_parser = parse_precision)]
    pub precision: Option<Precision>,
    /// Threads that one picture may use [default: all cores, or half of them where that is quicker]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    #[command(flatten)]
    pub folder: ModelsFolder,
}

/// What `--engine` says; `auto` is the same as nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Auto,
    Engine(EngineKind),
}

impl ModelArgs {
    /// The engine that is named, if one is.
    pub fn named_engine(&self) -> Option<EngineKind> {
        match self.engine {
            Some(Wanted::Engine(name)) => Some(name),
            Some(Wanted::Auto) | None => None,
        }
    }
}

fn parse_engine(text: &str) -> Result<Wanted, String> {
    let names = || EngineKind::ALL.into_iter().map(EngineKind::as_str).chain(["auto"]);
    match (text, EngineKind::ALL.into_iter().find(|name| name.as_str() == text)) {
        ("auto", _) => Ok(Wanted::Auto),
        (_, Some(name)) => Ok(Wanted::Engine(name)),
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
    fn an_engine_of_another_name_is_answered_with_those_there_are() {
        assert_eq!(parse_engine("cuda"), Ok(Wanted::Engine(EngineKind::Cuda)));
        assert_eq!(parse_engine("auto"), Ok(Wanted::Auto));
        let refused = parse_engine("tensort").unwrap_err();
        assert!(refused.contains("tract, onnxruntime, auto") && refused.contains("`tensorrt`"), "{refused}");
        assert!(parse_precision("fp16").unwrap_err().contains("f32, f16 or int8"));
    }
}
