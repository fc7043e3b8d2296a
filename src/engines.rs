//! Registry of inference engines: which ones this machine has, and opening one.

use std::path::Path;

use log::{debug, warn};

use phicam_engine::{Engine, EngineError, EngineKind, ExecutionConfig, Precision};
use phicam_engine_cpu::Tract;
use phicam_engine_onnxruntime::{LibraryError, OnnxRuntime, find_library, gpu_engines_in};
use phicam_model::catalog::Variant;
use phicam_model::labels::Labels;
use phicam_pipeline::classify::{self, Classifier, LoadError};
use phicam_platform::paths;

/// Returns the execution configs to consider: those of `engine`, or without it those of all engines that this machine seems to
/// have, the CPU engine first. Whether an engine works is known only after it has run.
pub fn configs(
    engine: Option<EngineKind>,
    precision: Option<Precision>,
    threads: Threads,
) -> Result<Vec<ExecutionConfig>, EngineError> {
    let Some(engine) = engine else {
        let names = [vec![EngineKind::Tract], gpu_engines()].concat();
        let has_precision =
            |name: &EngineKind| precision.is_none_or(|precision| precisions(*name).contains(&precision));
        let configs: Vec<ExecutionConfig> =
            names.into_iter().filter(has_precision).flat_map(|name| engine_configs(name, precision, threads)).collect();
        return match (configs.is_empty(), precision) {
            (true, Some(precision)) => Err(precision_error(EngineKind::Tract, precision)),
            _ => Ok(configs),
        };
    };
    match precision {
        Some(precision) if !precisions(engine).contains(&precision) => Err(precision_error(engine, precision)),
        _ => Ok(engine_configs(engine, precision, threads)),
    }
}

/// Threads of one inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// A number that the user named.
    Just(usize),
    /// A number, or half of it: half is faster if the other cores are little ones, or taken by other programs.
    UpTo(usize),
}

impl Threads {
    /// Returns the numbers to try, the largest first.
    fn counts(self) -> Vec<usize> {
        match self {
            Threads::UpTo(most @ 2..) => vec![most, most / 2],
            Threads::Just(count) | Threads::UpTo(count) => vec![count],
        }
    }
}

/// Returns the execution configs of one engine, the default first. GPU engines have one, because their threads only feed it.
fn engine_configs(engine: EngineKind, precision: Option<Precision>, threads: Threads) -> Vec<ExecutionConfig> {
    let counts = threads.counts();
    let counts = if matches!(engine, EngineKind::TensorRt | EngineKind::Cuda) { &counts[..1] } else { &counts };
    counts.iter().map(|count| default_config(engine, precision, *count)).collect()
}

fn default_config(engine: EngineKind, precision: Option<Precision>, threads: usize) -> ExecutionConfig {
    ExecutionConfig { engine, precision: precision.unwrap_or(precisions(engine)[0]), threads }
}

/// Returns the precisions of an engine, its default first.
fn precisions(engine: EngineKind) -> &'static [Precision] {
    match engine {
        EngineKind::TensorRt => &[Precision::F16, Precision::F32, Precision::Int8],
        EngineKind::Cuda | EngineKind::OnnxRuntime => &[Precision::F32, Precision::Int8],
        EngineKind::Tract => &[Precision::F32],
    }
}

fn precision_error(engine: EngineKind, precision: Precision) -> EngineError {
    let known = precisions(engine).iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
    let others = EngineKind::ALL.into_iter().filter(|other| precisions(*other).contains(&precision));
    let others = others.map(|other| format!("--engine {other}")).collect::<Vec<_>>().join(" or ");
    let default = precisions(engine)[0];
    let remedy =
        format!("type --precision {default}, or on a machine with ONNX Runtime {others} --precision {precision}");
    EngineError::Precision { engine, precision, known, remedy }
}

/// Returns an error if the engine that the user named needs ONNX Runtime, and its library cannot be used.
///
/// Checked once, before each candidate would fail for this one cause.
pub fn check_named(engine: Option<EngineKind>) -> Result<(), EngineError> {
    match engine {
        None | Some(EngineKind::Tract) => Ok(()),
        Some(EngineKind::OnnxRuntime | EngineKind::Cuda | EngineKind::TensorRt) => Ok(find_library().map(drop)?),
    }
}

/// Returns the GPU engines that ONNX Runtime offers. A faulty library is logged.
fn gpu_engines() -> Vec<EngineKind> {
    match find_library() {
        Ok(library) => {
            let names = gpu_engines_in(&library);
            let list = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and ");
            if !names.is_empty() {
                debug!("{} offers {list}", library.display());
            }
            names
        }
        Err(LibraryError::Missing { .. }) => Vec::new(), // as on most boards
        Err(error) => {
            warn!("not using ONNX Runtime: {error}");
            Vec::new()
        }
    }
}

/// Opens an engine for `variant` from its file, whose hash is checked. Packed weights and built engines are cached below the
/// folder `state` for the next start.
pub fn open(variant: &Variant, config: ExecutionConfig, state: Option<&Path>) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match config.engine {
        EngineKind::Tract => Box::new(Tract::open(variant, state, config.threads)?),
        EngineKind::OnnxRuntime | EngineKind::Cuda | EngineKind::TensorRt => {
            Box::new(OnnxRuntime::open(variant, config, state)?)
        }
    })
}

/// Returns the conditions that latencies of this engine depend on beside the execution config: environment, library.
pub fn cache_fingerprint(engine: EngineKind) -> String {
    match engine {
        EngineKind::Tract => phicam_engine_cpu::cache_fingerprint(),
        EngineKind::OnnxRuntime | EngineKind::Cuda | EngineKind::TensorRt => {
            phicam_engine_onnxruntime::cache_fingerprint()
        }
    }
}

/// Opens an engine for `variant` from the bytes of an untrusted file; nothing of it is cached.
pub fn open_bytes(variant: &Variant, onnx: &[u8], config: ExecutionConfig) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match config.engine {
        EngineKind::Tract => {
            Box::new(Tract::load(&variant.name, onnx, variant.side, variant.input.layout, config.threads)?)
        }
        EngineKind::OnnxRuntime | EngineKind::Cuda | EngineKind::TensorRt => {
            Box::new(OnnxRuntime::load(variant, onnx, config)?)
        }
    })
}

/// Opens an engine for `variant` and makes a classifier of it, after checking its files and that labels and classes agree.
pub fn open_classifier(variant: &Variant, settings: &classify::Settings) -> Result<Classifier, LoadError> {
    let network = &variant.network;
    // Built engines are always cached, because building takes minutes. Never in a temporary folder, whose files may be anybody's.
    let is_cached = settings.cache_packed_weights || settings.config.engine != EngineKind::Tract;
    let state = is_cached.then(paths::persistent_state_dir).flatten();
    let engine = open(variant, settings.config, state.as_deref())?;
    let labels = Labels::parse(&network.read_labels()?, &network.labels)?;
    let labels = labels.for_classes(engine.classes(), &network.name, &network.labels)?;
    Ok(Classifier::with_engine(variant, labels, engine, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_engine_is_the_only_one() {
        let one = |engine, precision| configs(Some(engine), precision, Threads::Just(3)).unwrap()[0];
        assert_eq!(one(EngineKind::Tract, None), ExecutionConfig::tract(3));
        let expected = ExecutionConfig { engine: EngineKind::TensorRt, precision: Precision::F16, threads: 3 };
        assert_eq!(one(EngineKind::TensorRt, None), expected);
        assert_eq!(
            one(EngineKind::TensorRt, Some(Precision::Int8)),
            ExecutionConfig { precision: Precision::Int8, ..expected }
        );
    }

    #[test]
    fn cpu_is_also_tried_with_half_its_threads() {
        let of = |threads| configs(Some(EngineKind::Tract), None, threads).unwrap();
        assert_eq!(of(Threads::UpTo(4)), [ExecutionConfig::tract(4), ExecutionConfig::tract(2)]);
        assert_eq!(of(Threads::UpTo(3)), [ExecutionConfig::tract(3), ExecutionConfig::tract(1)]);
        assert_eq!(
            (of(Threads::UpTo(1)), of(Threads::Just(4))),
            (vec![ExecutionConfig::tract(1)], vec![ExecutionConfig::tract(4)])
        );
        let gpu = configs(Some(EngineKind::TensorRt), None, Threads::UpTo(6)).unwrap();
        assert_eq!(gpu.iter().map(|config| config.threads).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn unknown_precision_is_refused_with_the_known_ones() {
        let refused = configs(Some(EngineKind::Tract), Some(Precision::F16), Threads::Just(1)).unwrap_err().to_string();
        for word in ["f16", "tract", "f32", "type --precision f32", "--engine tensorrt --precision f16"] {
            assert!(refused.contains(word), "{word} in {refused}");
        }
    }
}
