//! Execution providers (TensorRT, CUDA) of an ONNX Runtime session, and remedies for ONNX Runtime's errors.

use std::path::Path;

use ort::ep::{ArbitrarilyConfigurableExecutionProvider, CUDA, ExecutionProviderDispatch, TensorRT};

use phicam_engine::{EngineKind, ExecutionConfig, Precision};

/// First minor version with the CUDA option `use_tf32`. TF32 rounds to 19 bits, which moves scores by some thousandths.
const TF32_OPTION_MINOR_VERSION: u32 = 18;
/// Memory for TensorRT's tactics while it builds an engine; an estimate, small enough for boards whose GPU shares the
/// memory of the CPU.
const WORKSPACE_BYTES: usize = 512 << 20;

/// Returns the providers of `config` in the order of preference; none for the CPU. A missing provider is an error.
///
/// `cache_folder` enables TensorRT's engine cache and timing cache. TensorRT accepts a quantised model only in int8
/// mode.
pub fn providers(
    config: ExecutionConfig,
    quantised: bool,
    library_minor: u32,
    cache_folder: Option<&Path>,
) -> Vec<ExecutionProviderDispatch> {
    let cuda = || {
        let cuda = CUDA::default().with_device_id(0);
        let cuda =
            if library_minor >= TF32_OPTION_MINOR_VERSION { cuda.with_arbitrary_config("use_tf32", "0") } else { cuda };
        cuda.build().error_on_failure()
    };
    match config.engine {
        EngineKind::TensorRt => {
            let is_reduced = config.precision != Precision::F32;
            let mut tensorrt = TensorRT::default()
                .with_device_id(0)
                .with_max_workspace_size(WORKSPACE_BYTES)
                .with_fp16(is_reduced)
                .with_int8(quantised);
            if let Some(folder) = cache_folder.map(|folder| folder.display().to_string()) {
                tensorrt = tensorrt.with_engine_cache(true).with_engine_cache_path(&folder);
                tensorrt = tensorrt.with_timing_cache(true).with_timing_cache_path(&folder);
            }
            // CUDA runs the operators that TensorRT does not support.
            vec![tensorrt.build().error_on_failure(), cuda()]
        }
        EngineKind::Cuda => vec![cuda()],
        EngineKind::Tract | EngineKind::OnnxRuntime => Vec::new(),
    }
}

/// Returns the text of an ONNX Runtime error without its source location.
///
/// Formats: `… [ONNXRuntimeError] : 1 : FAIL : text.`, and for CUDA
/// `file:line Parse … "device_id": CUDA failure 35: text ; GPU=0 ; hostname=… ; expr=…;`.
pub fn error_text(message: &str) -> String {
    let text = message.rsplit_once("[ONNXRuntimeError] : ").map_or(message, |(_, rest)| {
        rest.splitn(3, " : ").nth(2).unwrap_or(rest) // after the number and the name of the code
    });
    let cuda_failure =
        [" CUDA failure ", " CUDNN failure ", " CUBLAS failure "].iter().find_map(|kind| text.find(kind));
    let text = cuda_failure.map_or(text, |start| text[start..].split(" ; ").next().unwrap_or(text));
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_string()
}

/// Returns the remedy for an error text of ONNX Runtime.
pub fn remedy(message: &str) -> &'static str {
    let contains_any = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if contains_any(&["not enabled in this build", "not compiled", "is not supported in this build"]) {
        "this build of ONNX Runtime lacks it: install a build for this board, `phicam doctor` says how"
    } else if contains_any(&["cannot open shared object file", "Failed to load library", "LoadLibrary failed"]) {
        "a library that it needs is not installed: CUDA, cuDNN and TensorRT come with JetPack \
         (sudo apt install nvidia-jetpack)"
    } else if contains_any(&["no CUDA-capable device", "CUDA driver version", "cudaErrorNoDevice", "CUDA failure 100"])
    {
        "no usable GPU: add the user to the group video, and install the driver for this CUDA version"
    } else if contains_any(&["NoKernelImageForDevice", "no kernel image", "CUDA failure 209"]) {
        "this build is for other GPUs: install a build for this board, `phicam doctor` says how"
    } else if contains_any(&["deserialize", "engine from cache"]) {
        "the cached engine is out of date: `phicam build-engines --remeasure` builds it again"
    } else if contains_any(&["out of memory", "OutOfMemory", "CUDA failure 2:", "ALLOC_FAILED"]) {
        "the GPU's memory is full: stop other programs, or choose a smaller model"
    } else if contains_any(&["fallback to CPU", "assigned to the default CPU"]) {
        "the GPU cannot run all operators of this model: use the CPU with --engine tract"
    } else {
        "--engine tract uses the CPU instead"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensorrt_falls_back_to_cuda_and_cpu_needs_no_provider() {
        let names = |engine| {
            let config = ExecutionConfig { engine, precision: Precision::F32, threads: 1 };
            providers(config, false, 17, None).iter().map(|provider| provider.name()).collect::<Vec<_>>()
        };
        assert_eq!(names(EngineKind::TensorRt), ["TensorrtExecutionProvider", "CUDAExecutionProvider"]);
        assert_eq!(names(EngineKind::Cuda), ["CUDAExecutionProvider"]);
        assert!(names(EngineKind::OnnxRuntime).is_empty());
    }

    #[test]
    fn error_text_drops_source_locations() {
        let message = "/a/provider_bridge_ort.cc:1844 onnxruntime::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load\n x: y.\n";
        assert_eq!(error_text(message), "Failed to load x: y");
        let cuda = "utils.h:153 Parse Failed to parse provider option \"device_id\": CUDA failure 35: CUDA driver version is \
                    insufficient for CUDA runtime version ; GPU=32513 ; hostname=vm ; file=/a/info.cc ; line=108 ; expr=count;";
        assert_eq!(error_text(cuda), "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version");
        assert_eq!(error_text("It is not enabled in this build."), "It is not enabled in this build");
        assert_eq!(error_text("[ONNXRuntimeError] : odd"), "odd");
    }

    #[test]
    fn errors_have_remedies() {
        for (message, expected) in [
            ("CUDA execution provider is not enabled in this build.", "lacks it"),
            ("Failed to load library … libcublasLt.so.12: cannot open shared object file", "not installed"),
            ("CUDA failure 100: no CUDA-capable device is detected", "no usable GPU"),
            ("CUDA failure 209: no kernel image is available", "other GPUs"),
            ("TensorRT EP could not deserialize engine from cache", "build-engines --remeasure"),
            ("fallback to CPU EP has been explicitly disabled by the user", "--engine tract"),
            ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED", "memory is full"),
            ("something new", "--engine tract"),
        ] {
            assert!(remedy(message).contains(expected), "{message}: {}", remedy(message));
        }
    }
}
