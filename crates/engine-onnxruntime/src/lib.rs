//! ONNX Runtime, loaded at run time if installed: TensorRT and CUDA on NVIDIA GPUs, and its CPU engine for comparison.

use std::path::Path;

use log::warn;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use tract_onnx::pb::ModelProto;

mod cache_key;
mod crash_guard;
mod elf;
mod engine_cache;
mod error;
mod execution_provider;
mod library;
mod model_rewrite;
mod pinned_input;
mod version;
pub use engine_cache::{ENGINE_CACHE_FOLDER, expected_build_s};
pub use error::{LIBRARY_VARIABLE, LibraryError};
pub use library::{find_library, gpu_engines_in, set_library};

use crate::crash_guard::CrashGuard;
use crate::engine_cache::{CacheState, EngineCache};
use crate::execution_provider::{error_text, providers, remedy};
use crate::library::LoadedLibrary;
use crate::model_rewrite::RewrittenModel;
use crate::pinned_input::PinnedInput;
use phicam_engine::{Engine, EngineError, EngineKind, ExecutionConfig, Precision};
use phicam_model::catalog::Variant;
use phicam_model::onnx::stream_reader::decode;

/// Session of ONNX Runtime with the input and the scores of one inference.
///
/// Fields are dropped in this order: the input and the binding use memory of the session, so they come before it.
pub struct OnnxRuntime {
    model: String,
    config: ExecutionConfig,
    library: &'static LoadedLibrary,
    binding: IoBinding,
    input: PinnedInput,
    input_name: String,
    session: Session,
    scores: Vec<f32>,
}

impl OnnxRuntime {
    /// Opens `variant` in `config` and runs it once, because only an inference shows whether the engine works.
    ///
    /// TensorRT first builds its engine, which takes minutes, and caches it in the state folder `state`.
    pub fn open(variant: &Variant, config: ExecutionConfig, state: Option<&Path>) -> Result<OnnxRuntime, EngineError> {
        library::load_once()?; // fails before a large file is read
        let proto = variant.network.read_with(decode)?;
        OnnxRuntime::from_proto(variant, proto, config, state)
    }

    /// Opens the ONNX bytes `onnx` of an untrusted file as `variant` in `config`; without engine cache and crash guard.
    pub fn load(variant: &Variant, mut onnx: &[u8], config: ExecutionConfig) -> Result<OnnxRuntime, EngineError> {
        let length = onnx.len() as u64;
        OnnxRuntime::from_proto(variant, decode(&mut onnx, length), config, None)
    }

    fn from_proto(
        variant: &Variant,
        proto: std::io::Result<ModelProto>,
        config: ExecutionConfig,
        state: Option<&Path>,
    ) -> Result<OnnxRuntime, EngineError> {
        let library = library::load_once()?;
        let load_error = |cause: String| EngineError::Load { model: variant.name.clone(), cause };
        let proto = proto.map_err(|error| load_error(error.to_string()))?;
        let model = RewrittenModel::new(proto, variant.side, variant.input.layout).map_err(load_error)?;
        if config.precision == Precision::Int8 && !model.quantised {
            let cause = "the file is not quantised; use --precision f16 or f32, or add a file with QuantizeLinear";
            return Err(load_error(cause.into()));
        }
        if config.engine == EngineKind::OnnxRuntime {
            return OnnxRuntime::run_once(variant, config, library, &model, None);
        }
        let library_version = format!("{} {}", library.path.display(), library.version);
        let guard = state.map(|state| CrashGuard::arm(state, config.engine, &library_version)).transpose();
        let guard = guard.map_err(|cause| EngineError::Unusable {
            engine: config.engine,
            cause,
            remedy: "--engine tract uses the CPU instead",
        })?;
        let builds_engine =
            config.engine == EngineKind::TensorRt && gpu_engines_in(&library.path).contains(&EngineKind::TensorRt);
        let cache = state.filter(|_| builds_engine).and_then(|state| engine_cache(variant, config, library, state));
        let open = |folder: Option<&Path>| OnnxRuntime::run_once(variant, config, library, &model, folder);
        let opened = match &cache {
            Some(cache) => cache.open_or_build(&variant.name, || open(Some(cache.folder()))),
            None => open(None),
        };
        if let Some(guard) = guard {
            guard.disarm();
        }
        opened
    }

    /// Creates a session for `model` and runs it once; `cache_folder` is for TensorRT's files.
    fn run_once(
        variant: &Variant,
        config: ExecutionConfig,
        library: &'static LoadedLibrary,
        model: &RewrittenModel,
        cache_folder: Option<&Path>,
    ) -> Result<OnnxRuntime, EngineError> {
        let unusable = |error: ort::Error| {
            let cause = error_text(&error.to_string());
            let remedy = remedy(&cause);
            EngineError::Unusable { engine: config.engine, cause, remedy }
        };
        let session = session(config, library, model, cache_folder).map_err(unusable)?;
        let shape_error = |what, found: String, expected: &str| {
            Err(EngineError::Shape { model: variant.name.clone(), what, found, expected: expected.into() })
        };
        let [output] = session.outputs() else {
            return shape_error("has", format!("{} outputs", session.outputs().len()), "one");
        };
        let output = output.name().to_string();
        let side = variant.side as usize;
        let for_gpu = config.engine != EngineKind::OnnxRuntime;
        let input = PinnedInput::new(&session, &model.input, 3 * side * side, for_gpu).map_err(unusable)?;
        let mut binding = session.create_binding().map_err(unusable)?;
        binding.bind_input(&model.input, input.tensor()).map_err(unusable)?;
        let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput);
        binding.bind_output_to_device(output, &memory.map_err(unusable)?).map_err(unusable)?;
        let mut engine = OnnxRuntime {
            model: variant.name.clone(),
            config,
            library,
            binding,
            input,
            input_name: model.input.clone(),
            session,
            scores: Vec::new(),
        };
        engine.run().map_err(unusable)?;
        if engine.scores.is_empty() {
            return shape_error("gives", "no f32 scores".into(), "1 × classes, f32");
        }
        Ok(engine)
    }

    fn run(&mut self) -> ort::Result<()> {
        // The input is in CPU memory. Binding it again is what copies new values to the GPU.
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

/// Returns the engine cache of `variant`; logs a warning and returns `None` if its folder is not writable.
fn engine_cache(
    variant: &Variant,
    config: ExecutionConfig,
    library: &LoadedLibrary,
    state: &Path,
) -> Option<EngineCache> {
    let key = cache_key::key(variant, config, &library.path, Path::new("/"));
    match EngineCache::new(state, key) {
        Ok(cache) => Some(cache),
        Err(error) => {
            warn!(
                "cannot write {}: {error}; TensorRT builds its engines at every start, which takes minutes, unless \
                 PHICAM_STATE names a writable folder",
                state.join(ENGINE_CACHE_FOLDER).display()
            );
            None
        }
    }
}

/// Returns path, length and modification time of the library that would be loaded, for cache keys.
///
/// Returns the text of the error if there is no usable library.
pub fn cache_fingerprint() -> String {
    match find_library() {
        Ok(path) => {
            let fingerprint = std::fs::metadata(&path).map(|metadata| phicam_platform::paths::fingerprint(&metadata));
            format!("{}, {}", path.display(), fingerprint.unwrap_or_default())
        }
        Err(error) => error.to_string(),
    }
}

/// Returns whether `variant` opens without a build: its TensorRT engine is cached, or the engine is not TensorRT.
///
/// Does not load the library.
pub fn is_cached(variant: &Variant, config: ExecutionConfig, state: &Path) -> Result<bool, LibraryError> {
    if config.engine != EngineKind::TensorRt {
        return Ok(true);
    }
    let key = cache_key::key(variant, config, &find_library()?, Path::new("/"));
    let cache_state = EngineCache::new(state, key).and_then(|cache| cache.state());
    Ok(cache_state.is_ok_and(|cache_state| cache_state == CacheState::Complete))
}

fn session(
    config: ExecutionConfig,
    library: &LoadedLibrary,
    model: &RewrittenModel,
    cache_folder: Option<&Path>,
) -> ort::Result<Session> {
    let mut builder =
        Session::builder(&library.environment)?.with_intra_threads(config.threads)?.with_inter_threads(1)?;
    // Threads sleep between inferences instead of spinning.
    builder = builder.with_config_entry("session.force_spinning_stop", "1")?;
    if config.engine != EngineKind::OnnxRuntime {
        builder = builder.with_disable_cpu_fallback()?; // ONNX Runtime would run parts on the CPU without a message
    }
    builder =
        builder.with_execution_providers(providers(config, model.quantised, library.minor_version(), cache_folder))?;
    builder.commit_from_memory(&model.bytes)
}

impl Engine for OnnxRuntime {
    fn config(&self) -> ExecutionConfig {
        self.config
    }

    fn description(&self) -> String {
        let provider = match self.config.engine {
            EngineKind::TensorRt => "TensorRT through ONNX Runtime",
            EngineKind::Cuda => "CUDA through ONNX Runtime",
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
