//! ONNX Runtime, opened at run time where there is one: TensorRT and CUDA on a Jetson's GPU, and its own CPU engine to compare with.

use std::path::Path;

use log::warn;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use tract_onnx::pb::ModelProto;

mod cache_key;
mod crash_guard;
mod elf;
mod engine_cache;
mod execution_provider;
mod library;
mod model_rewrite;
mod pinned_input;
mod version;
pub use engine_cache::{FOLDER as PREPARED, Found, expected_s};
pub use library::{LibraryError, VARIABLE, find, offered, set_library};

use crate::crash_guard::Trial;
use crate::engine_cache::Prepared;
use crate::execution_provider::{plain, providers, remedy};
use crate::library::Loaded;
use crate::model_rewrite::Model;
use crate::pinned_input::PinnedInput;
use phicam_engine::{Engine, EngineError, EngineKind, ExecutionConfig, Precision};
use phicam_model::catalog::Variant;
use phicam_model::onnx::stream_reader::decode;

/// A session of ONNX Runtime with one picture's input and its scores.
///
/// Fields go in this order when it is dropped: what was taken from the session's memory before the session.
pub struct OnnxRuntime {
    model: String,
    config: ExecutionConfig,
    library: &'static Loaded,
    binding: IoBinding,
    input: PinnedInput,
    input_name: String,
    session: Session,
    scores: Vec<f32>,
}

impl OnnxRuntime {
    /// Loads `variant` for that `config`, and runs it once: only then is it known whether it can be run. TensorRT builds its engine
    /// for minutes first, and keeps it below `state`.
    pub fn open(variant: &Variant, config: ExecutionConfig, state: Option<&Path>) -> Result<OnnxRuntime, EngineError> {
        library::open()?; // before a large file is read
        let proto = variant.network.read_with(decode)?;
        OnnxRuntime::of_proto(variant, proto, config, state)
    }

    /// The same for the bytes of a file that nobody vouches for; nothing of it is kept.
    pub fn load(variant: &Variant, mut onnx: &[u8], config: ExecutionConfig) -> Result<OnnxRuntime, EngineError> {
        let length = onnx.len() as u64;
        OnnxRuntime::of_proto(variant, decode(&mut onnx, length), config, None)
    }

    fn of_proto(
        variant: &Variant,
        proto: std::io::Result<ModelProto>,
        config: ExecutionConfig,
        state: Option<&Path>,
    ) -> Result<OnnxRuntime, EngineError> {
        let library = library::open()?;
        let failed = |cause: String| EngineError::Load { model: variant.name.clone(), cause };
        let model = proto.map_err(|error| error.to_string());
        let model = model.and_then(|proto| Model::of(proto, variant.side, variant.input.layout)).map_err(failed)?;
        if config.precision == Precision::Int8 && !model.quantised {
            let cause = "its file is not quantised; --precision f16 or f32, or add a file with QuantizeLinear";
            return Err(failed(cause.into()));
        }
        if config.engine == EngineKind::OnnxRuntime {
            return OnnxRuntime::of(variant, config, library, &model, None);
        }
        let of_library = format!("{} {}", library.path.display(), library.version);
        let trial = state.map(|state| Trial::begin(state, config.engine, &of_library)).transpose();
        let trial = trial.map_err(|cause| EngineError::Unusable {
            engine: config.engine,
            cause,
            remedy: "--engine tract runs without it",
        })?;
        let builds = config.engine == EngineKind::TensorRt && offered(&library.path).contains(&EngineKind::TensorRt);
        let prepared = state.filter(|_| builds).and_then(|state| prepared(variant, config, library, state));
        let open = |folder: Option<&Path>| OnnxRuntime::of(variant, config, library, &model, folder);
        let opened = match &prepared {
            Some(prepared) => prepared.open_or_build(&variant.name, || open(Some(prepared.folder()))),
            None => open(None),
        };
        if let Some(trial) = trial {
            trial.came_back();
        }
        opened
    }

    fn of(
        variant: &Variant,
        config: ExecutionConfig,
        library: &'static Loaded,
        model: &Model,
        folder: Option<&Path>,
    ) -> Result<OnnxRuntime, EngineError> {
        let refused = |error: ort::Error| {
            let cause = plain(&error.to_string());
            let remedy = remedy(&cause);
            EngineError::Unusable { engine: config.engine, cause, remedy }
        };
        let session = session(config, library, model, folder).map_err(refused)?;
        let wrong = |what, found: String, expected: &str| {
            Err(EngineError::Shape { model: variant.name.clone(), what, found, expected: expected.into() })
        };
        let [output] = session.outputs() else {
            return wrong("has", format!("{} outputs", session.outputs().len()), "one");
        };
        let output = output.name().to_string();
        let side = variant.side as usize;
        let for_gpu = config.engine != EngineKind::OnnxRuntime;
        let input = PinnedInput::new(&session, &model.input, 3 * side * side, for_gpu).map_err(refused)?;
        let mut binding = session.create_binding().map_err(refused)?;
        binding.bind_input(&model.input, input.tensor()).map_err(refused)?;
        let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput);
        binding.bind_output_to_device(output, &memory.map_err(refused)?).map_err(refused)?;
        let (model_name, input_name) = (variant.name.clone(), model.input.clone());
        let scores = Vec::new();
        let mut engine =
            OnnxRuntime { model: model_name, config, library, session, binding, input_name, input, scores };
        engine.run().map_err(refused)?;
        match engine.scores.len() {
            0 => wrong("gives", "no scores of single precision".into(), "1 × classes, f32"),
            _ => Ok(engine),
        }
    }

    fn run(&mut self) -> ort::Result<()> {
        // What is bound lies in the processor's memory: binding it is what brings it to the GPU.
        if self.config.engine != EngineKind::OnnxRuntime {
            self.binding.bind_input(&*self.input_name, self.input.tensor())?;
        }
        let outputs = self.session.run_binding(&self.binding)?;
        let (shape, scores) = outputs[0].try_extract_tensor::<f32>()?;
        self.scores.clear();
        if shape.len() == 2 && shape[0] == 1 {
            self.scores.extend_from_slice(scores);
        }
        Ok(())
    }
}

/// What TensorRT built before, or will build, where it can be kept.
fn prepared(variant: &Variant, config: ExecutionConfig, library: &Loaded, state: &Path) -> Option<Prepared> {
    let key = cache_key::key(variant, config, &library.path, Path::new("/"));
    let prepared = Prepared::new(state, key);
    let untold = |error| {
        warn!(
            "{} cannot be written ({error}): TensorRT builds its engines anew at each start, for minutes; PHICAM_STATE \
             names a folder that can be written",
            state.join(PREPARED).display()
        );
    };
    prepared.map_err(untold).ok()
}

/// The library that would be opened, told from others at its place.
pub fn setting() -> String {
    let found = find().map_err(|error| error.to_string());
    found.map_or_else(
        |error| error,
        |path| {
            let there = std::fs::metadata(&path).map(|there| phicam_platform::paths::fingerprint(&there));
            format!("{}, {}", path.display(), there.unwrap_or_default())
        },
    )
}

/// Whether `variant` would be ready at once: TensorRT has built it before, or has nothing to build. The library is not opened.
pub fn is_prepared(variant: &Variant, config: ExecutionConfig, state: &Path) -> Result<bool, LibraryError> {
    if config.engine != EngineKind::TensorRt {
        return Ok(true);
    }
    let key = cache_key::key(variant, config, &find()?, Path::new("/"));
    Ok(Prepared::new(state, key).and_then(|prepared| prepared.judge()).is_ok_and(|found| found == Found::Whole))
}

fn session(config: ExecutionConfig, library: &Loaded, model: &Model, folder: Option<&Path>) -> ort::Result<Session> {
    let mut builder =
        Session::builder(&library.environment)?.with_intra_threads(config.threads)?.with_inter_threads(1)?;
    // Between pictures the processor rests.
    builder = builder.with_config_entry("session.force_spinning_stop", "1")?;
    if config.engine != EngineKind::OnnxRuntime {
        builder = builder.with_disable_cpu_fallback()?; // in silence parts would run there
    }
    builder = builder.with_execution_providers(providers(config, model.quantised, library.minor(), folder))?;
    builder.commit_from_memory(&model.bytes)
}

impl Engine for OnnxRuntime {
    fn config(&self) -> ExecutionConfig {
        self.config
    }

    fn detail(&self) -> String {
        let provider = match self.config.engine {
            EngineKind::TensorRt => "TensorRT by way of ONNX Runtime",
            EngineKind::Cuda => "CUDA by way of ONNX Runtime",
            EngineKind::Tract | EngineKind::OnnxRuntime => "ONNX Runtime",
        };
        format!("all by {provider} {}, {}", self.library.version, self.library.path.display())
    }

    fn classes(&self) -> usize {
        self.scores.len()
    }

    fn input(&mut self) -> &mut [f32] {
        self.input.values()
    }

    fn infer(&mut self) -> Result<&[f32], EngineError> {
        self.run().map_err(|error| EngineError::Run { model: self.model.clone(), cause: error.to_string() })?;
        Ok(&self.scores)
    }
}
