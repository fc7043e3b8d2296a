//! Which ways there are on this machine to run a variant.

use std::path::Path;

use log::{info, warn};

use phicam_engine::{Engine, EngineError, EngineKind, ExecutionConfig, Precision};
use phicam_engine_cpu::Tract;
use phicam_engine_onnxruntime::{LibraryError, OnnxRuntime, find, offered};
use phicam_model::catalog::Variant;
use phicam_model::labels::Labels;
use phicam_pipeline::classify::{self, Classifier, LoadError};
use phicam_platform::paths;

/// The ways that are wanted. `engine`: that one; without it all that this machine seems to have, of which the CPU engine is the
/// first and always there. Whether an engine works is known only once it ran.
pub fn configs(
    engine: Option<EngineKind>,
    precision: Option<Precision>,
    threads: Threads,
) -> Result<Vec<ExecutionConfig>, EngineError> {
    let Some(engine) = engine else {
        let names = [vec![EngineKind::Tract], gpu_engines()].concat();
        let suits = |name: &EngineKind| precision.is_none_or(|precision| precisions(*name).contains(&precision));
        let configs: Vec<ExecutionConfig> =
            names.into_iter().filter(suits).flat_map(|name| of(name, precision, threads)).collect();
        return match (configs.is_empty(), precision) {
            (true, Some(precision)) => Err(refused(EngineKind::Tract, precision)),
            _ => Ok(configs),
        };
    };
    match precision {
        Some(precision) if !precisions(engine).contains(&precision) => Err(refused(engine, precision)),
        _ => Ok(of(engine, precision, threads)),
    }
}

/// How many threads one picture may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// So many, as somebody said.
    Just(usize),
    /// So many or half of that: half is quicker where the other cores are slower ones, or other programs have them.
    UpTo(usize),
}

impl Threads {
    /// The most first.
    fn counts(self) -> Vec<usize> {
        match self {
            Threads::UpTo(most @ 2..) => vec![most, most / 2],
            Threads::Just(count) | Threads::UpTo(count) => vec![count],
        }
    }
}

/// The ways of one engine, the usual one first. What runs on a GPU has one: its threads only feed it.
fn of(engine: EngineKind, precision: Option<Precision>, threads: Threads) -> Vec<ExecutionConfig> {
    let counts = threads.counts();
    let counts = if matches!(engine, EngineKind::TensorRt | EngineKind::Cuda) { &counts[..1] } else { &counts };
    counts.iter().map(|count| config(engine, precision, *count)).collect()
}

fn config(engine: EngineKind, precision: Option<Precision>, threads: usize) -> ExecutionConfig {
    ExecutionConfig { engine, precision: precision.unwrap_or(precisions(engine)[0]), threads }
}

/// The numbers that an engine can calculate in, its usual ones first.
fn precisions(engine: EngineKind) -> &'static [Precision] {
    match engine {
        EngineKind::TensorRt => &[Precision::F16, Precision::F32, Precision::Int8],
        EngineKind::Cuda | EngineKind::OnnxRuntime => &[Precision::F32, Precision::Int8],
        EngineKind::Tract => &[Precision::F32],
    }
}

fn refused(engine: EngineKind, precision: Precision) -> EngineError {
    let known = precisions(engine).iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
    EngineError::Precision { engine, precision, known }
}

/// The engines for a GPU that ONNX Runtime seems to have; what is wrong with its library is announced.
fn gpu_engines() -> Vec<EngineKind> {
    match find() {
        Ok(library) => {
            let names = offered(&library);
            let in_words = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and ");
            if !names.is_empty() {
                info!("{} offers {in_words}", library.display());
            }
            names
        }
        Err(LibraryError::Missing { .. }) => Vec::new(), // as on most boards
        Err(error) => {
            warn!("going on without ONNX Runtime: {error}");
            Vec::new()
        }
    }
}

/// Loads `variant` from its file, whose hash is checked, to run the `config` that is asked for. Below the folder `state`, where there
/// is one, what takes time to prepare is kept: the next start reads that.
pub fn open(variant: &Variant, config: ExecutionConfig, state: Option<&Path>) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match config.engine {
        EngineKind::Tract => Box::new(Tract::open(variant, state, config.threads)?),
        EngineKind::OnnxRuntime | EngineKind::Cuda | EngineKind::TensorRt => {
            Box::new(OnnxRuntime::open(variant, config, state)?)
        }
    })
}

/// What times of this engine depend on beside the way itself, in words: the environment, or the library that is found.
pub fn setting(engine: EngineKind) -> String {
    match engine {
        EngineKind::Tract => phicam_engine_cpu::setting(),
        EngineKind::OnnxRuntime | EngineKind::Cuda | EngineKind::TensorRt => phicam_engine_onnxruntime::setting(),
    }
}

/// Loads `variant` from the bytes of a file that nobody vouches for.
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
    // What TensorRT built is kept always: it took minutes. Not in a temporary folder: what lies there may be anybody's.
    let keeps = settings.keeps_packed || settings.config.engine != EngineKind::Tract;
    let state = keeps.then(paths::persistent_state_dir).flatten();
    let engine = open(variant, settings.config, state.as_deref())?;
    let labels = Labels::parse(&network.read_labels()?, &network.labels)?;
    let labels = labels.for_classes(engine.classes(), &network.name, &network.labels)?;
    Ok(Classifier::with_engine(variant, labels, engine, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_named_is_the_only_one_with_its_usual_numbers() {
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
    fn the_processor_is_tried_with_half_of_its_threads_as_well_unless_somebody_named_a_number() {
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
    fn numbers_that_an_engine_does_not_have_are_refused_with_those_it_has() {
        let refused = configs(Some(EngineKind::Tract), Some(Precision::F16), Threads::Just(1)).unwrap_err().to_string();
        assert!(refused.contains("f16") && refused.contains("tract") && refused.contains("f32"), "{refused}");
    }
}
