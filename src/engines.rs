//! Which ways there are on this machine to run a variant.

use std::path::Path;

use log::{info, warn};

use phicam_engine::{Engine, EngineError, Name, Precision, Way};
use phicam_engine_cpu::Tract;
use phicam_engine_onnxruntime::{LibraryError, OnnxRuntime, find, offered};
use phicam_model::catalog::Variant;
use phicam_model::labels::Labels;
use phicam_pipeline::classify::{self, Classifier, ReadyError};
use phicam_platform::paths;

/// The ways that are wanted. `engine`: that one; without it all that this machine seems to have, of which the CPU engine is the
/// first and always there. Whether an engine works is known only once it ran.
pub fn ways(engine: Option<Name>, precision: Option<Precision>, threads: Threads) -> Result<Vec<Way>, EngineError> {
    let Some(engine) = engine else {
        let names = [vec![Name::Tract], gpu_engines()].concat();
        let suits = |name: &Name| precision.is_none_or(|precision| precisions(*name).contains(&precision));
        let ways: Vec<Way> = names.into_iter().filter(suits).flat_map(|name| of(name, precision, threads)).collect();
        return match (ways.is_empty(), precision) {
            (true, Some(precision)) => Err(refused(Name::Tract, precision)),
            _ => Ok(ways),
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
fn of(engine: Name, precision: Option<Precision>, threads: Threads) -> Vec<Way> {
    let counts = threads.counts();
    let counts = if matches!(engine, Name::TensorRt | Name::Cuda) { &counts[..1] } else { &counts };
    counts.iter().map(|count| way(engine, precision, *count)).collect()
}

fn way(engine: Name, precision: Option<Precision>, threads: usize) -> Way {
    Way { engine, precision: precision.unwrap_or(precisions(engine)[0]), threads }
}

/// The numbers that an engine can calculate in, its usual ones first.
fn precisions(engine: Name) -> &'static [Precision] {
    match engine {
        Name::TensorRt => &[Precision::F16, Precision::F32, Precision::Int8],
        Name::Cuda | Name::OnnxRuntime => &[Precision::F32, Precision::Int8],
        Name::Tract => &[Precision::F32],
    }
}

fn refused(engine: Name, precision: Precision) -> EngineError {
    let known = precisions(engine).iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", ");
    EngineError::Precision { engine, precision, known }
}

/// The engines for a GPU that ONNX Runtime seems to have; what is wrong with its library is announced.
fn gpu_engines() -> Vec<Name> {
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

/// Loads `variant` from its file, whose hash is checked, to run the `way` that is asked for. Below the folder `state`, where there
/// is one, what takes time to prepare is kept: the next start reads that.
pub fn open(variant: &Variant, way: Way, state: Option<&Path>) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match way.engine {
        Name::Tract => Box::new(Tract::open(variant, state, way.threads)?),
        Name::OnnxRuntime | Name::Cuda | Name::TensorRt => Box::new(OnnxRuntime::open(variant, way, state)?),
    })
}

/// What times of this engine depend on beside the way itself, in words: the environment, or the library that is found.
pub fn setting(engine: Name) -> String {
    match engine {
        Name::Tract => phicam_engine_cpu::setting(),
        Name::OnnxRuntime | Name::Cuda | Name::TensorRt => phicam_engine_onnxruntime::setting(),
    }
}

/// Loads `variant` from the bytes of a file that nobody vouches for.
pub fn open_bytes(variant: &Variant, onnx: &[u8], way: Way) -> Result<Box<dyn Engine>, EngineError> {
    Ok(match way.engine {
        Name::Tract => Box::new(Tract::load(&variant.name, onnx, variant.side, variant.input.layout, way.threads)?),
        Name::OnnxRuntime | Name::Cuda | Name::TensorRt => Box::new(OnnxRuntime::load(variant, onnx, way)?),
    })
}

/// Opens an engine for `variant` and makes a classifier of it, after checking its files and that labels and classes agree.
pub fn open_classifier(variant: &Variant, settings: &classify::Settings) -> Result<Classifier, ReadyError> {
    let network = &variant.network;
    // What TensorRT built is kept always: it took minutes. Not in a temporary folder: what lies there may be anybody's.
    let keeps = settings.keeps_packed || settings.way.engine != Name::Tract;
    let state = keeps.then(paths::kept_state).flatten();
    let engine = open(variant, settings.way, state.as_deref())?;
    let labels = Labels::parse(&network.read_labels()?, &network.labels)?;
    let labels = labels.for_classes(engine.classes(), &network.name, &network.labels)?;
    Ok(Classifier::with_engine(variant, labels, engine, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_is_named_is_the_only_one_with_its_usual_numbers() {
        let one = |engine, precision| ways(Some(engine), precision, Threads::Just(3)).unwrap()[0];
        assert_eq!(one(Name::Tract, None), Way::tract(3));
        let expected = Way { engine: Name::TensorRt, precision: Precision::F16, threads: 3 };
        assert_eq!(one(Name::TensorRt, None), expected);
        assert_eq!(one(Name::TensorRt, Some(Precision::Int8)), Way { precision: Precision::Int8, ..expected });
    }

    #[test]
    fn the_processor_is_tried_with_half_of_its_threads_as_well_unless_somebody_named_a_number() {
        let of = |threads| ways(Some(Name::Tract), None, threads).unwrap();
        assert_eq!(of(Threads::UpTo(4)), [Way::tract(4), Way::tract(2)]);
        assert_eq!(of(Threads::UpTo(3)), [Way::tract(3), Way::tract(1)]);
        assert_eq!((of(Threads::UpTo(1)), of(Threads::Just(4))), (vec![Way::tract(1)], vec![Way::tract(4)]));
        let gpu = ways(Some(Name::TensorRt), None, Threads::UpTo(6)).unwrap();
        assert_eq!(gpu.iter().map(|way| way.threads).collect::<Vec<_>>(), [6]);
    }

    #[test]
    fn numbers_that_an_engine_does_not_have_are_refused_with_those_it_has() {
        let refused = ways(Some(Name::Tract), Some(Precision::F16), Threads::Just(1)).unwrap_err().to_string();
        assert!(refused.contains("f16") && refused.contains("tract") && refused.contains("f32"), "{refused}");
    }
}
