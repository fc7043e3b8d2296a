//! How ONNX Runtime is asked for TensorRT, CUDA or the processor, and what its refusals mean.

use std::path::Path;

use ort::ep::{ArbitrarilyConfigurableExecutionProvider, CUDA, ExecutionProviderDispatch, TensorRT};

use phicam_engine::{EngineKind, ExecutionConfig, Precision};

/// From this version on CUDA can be told not to round to TF32 (19 bits), which moves scores by some thousandths.
const TELLS_TF32: u32 = 18;
/// Memory for what TensorRT tries out while it builds, of what the board shares between its processors.
const WORKSPACE_BYTES: usize = 512 << 20;

/// What a way needs of the library, in the order of preference; nothing for the processor. Each is an error where it cannot be
/// had. TensorRT takes a quantised model only where it may calculate in integers.
pub fn providers(
    config: ExecutionConfig,
    quantised: bool,
    library_minor: u32,
    prepared: Option<&Path>,
) -> Vec<ExecutionProviderDispatch> {
    let cuda = || {
        let cuda = CUDA::default().with_device_id(0);
        let cuda = if library_minor >= TELLS_TF32 { cuda.with_arbitrary_config("use_tf32", "0") } else { cuda };
        cuda.build().error_on_failure()
    };
    match config.engine {
        EngineKind::TensorRt => {
            let half = config.precision != Precision::F32;
            let mut tensorrt = TensorRT::default()
                .with_device_id(0)
                .with_max_workspace_size(WORKSPACE_BYTES)
                .with_fp16(half)
                .with_int8(quantised);
            if let Some(folder) = prepared.map(|folder| folder.display().to_string()) {
                tensorrt = tensorrt.with_engine_cache(true).with_engine_cache_path(&folder);
                tensorrt = tensorrt.with_timing_cache(true).with_timing_cache_path(&folder);
            }
            // What TensorRT does not take, CUDA does.
            vec![tensorrt.build().error_on_failure(), cuda()]
        }
        EngineKind::Cuda => vec![cuda()],
        EngineKind::Tract | EngineKind::OnnxRuntime => Vec::new(),
    }
}

/// ONNX Runtime's own words without where in its source they come from: `… [ONNXRuntimeError] : 1 : FAIL : words.`; of what CUDA
/// refused, `file:line Parse … "device_id": CUDA failure 35: words ; GPU=0 ; hostname=… ; expr=…;`, that alone.
pub fn plain(message: &str) -> String {
    let words = message.rsplit_once("[ONNXRuntimeError] : ").map_or(message, |(_, rest)| {
        rest.splitn(3, " : ").nth(2).unwrap_or(rest) // behind the number and the name of the code
    });
    let refused = [" CUDA failure ", " CUDNN failure ", " CUBLAS failure "].iter().find_map(|what| words.find(what));
    let words = refused.map_or(words, |start| words[start..].split(" ; ").next().unwrap_or(words));
    words.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_string()
}

/// What to do about ONNX Runtime's own words for why an engine cannot be had.
pub fn remedy(message: &str) -> &'static str {
    let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
    if says(&["not enabled in this build", "not compiled", "is not supported in this build"]) {
        "this build of ONNX Runtime lacks it: install one made for this board, `phicam doctor` says how"
    } else if says(&["cannot open shared object file", "Failed to load library", "LoadLibrary failed"]) {
        "a library that it needs is not installed: CUDA, cuDNN and TensorRT come with JetPack \
         (sudo apt install nvidia-jetpack)"
    } else if says(&["no CUDA-capable device", "CUDA driver version", "cudaErrorNoDevice", "CUDA failure 100"]) {
        "no GPU can be used: is the user in the group video, and does the driver fit this CUDA?"
    } else if says(&["NoKernelImageForDevice", "no kernel image", "CUDA failure 209"]) {
        "this build was made for other GPUs: install one made for this board, `phicam doctor` says how"
    } else if says(&["deserialize", "engine from cache"]) {
        "what was prepared fits no more: `phicam prepare --fresh` builds it anew"
    } else if says(&["out of memory", "OutOfMemory", "CUDA failure 2:", "ALLOC_FAILED"]) {
        "the GPU's memory is full: end other programs, or choose a smaller model"
    } else if says(&["fallback to CPU", "assigned to the default CPU"]) {
        "parts of this model would run on the processor: run it there, with --engine tract"
    } else {
        "--engine tract runs it on the processor"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensorrt_has_cuda_behind_it_and_the_processor_needs_nothing() {
        let names = |engine| {
            let config = ExecutionConfig { engine, precision: Precision::F32, threads: 1 };
            providers(config, false, 17, None).iter().map(|provider| provider.name()).collect::<Vec<_>>()
        };
        assert_eq!(names(EngineKind::TensorRt), ["TensorrtExecutionProvider", "CUDAExecutionProvider"]);
        assert_eq!(names(EngineKind::Cuda), ["CUDAExecutionProvider"]);
        assert!(names(EngineKind::OnnxRuntime).is_empty());
    }

    #[test]
    fn what_the_library_says_is_told_without_its_source_and_line() {
        let said = "/a/provider_bridge_ort.cc:1844 onnxruntime::Get() [ONNXRuntimeError] : 1 : FAIL : Failed to load\n x: y.\n";
        assert_eq!(plain(said), "Failed to load x: y");
        let cuda = "utils.h:153 Parse Failed to parse provider option \"device_id\": CUDA failure 35: CUDA driver version is \
                    insufficient for CUDA runtime version ; GPU=32513 ; hostname=vm ; file=/a/info.cc ; line=108 ; expr=count;";
        assert_eq!(plain(cuda), "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version");
        assert_eq!(plain("It is not enabled in this build."), "It is not enabled in this build");
        assert_eq!(plain("[ONNXRuntimeError] : odd"), "odd");
    }

    #[test]
    fn what_the_library_says_is_answered_with_what_to_do() {
        for (said, expected) in [
            ("CUDA execution provider is not enabled in this build.", "lacks it"),
            ("Failed to load library … libcublasLt.so.12: cannot open shared object file", "not installed"),
            ("CUDA failure 100: no CUDA-capable device is detected", "no GPU"),
            ("CUDA failure 209: no kernel image is available", "other GPUs"),
            ("TensorRT EP could not deserialize engine from cache", "prepare --fresh"),
            ("fallback to CPU EP has been explicitly disabled by the user", "--engine tract"),
            ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED", "memory is full"),
            ("something new", "--engine tract"),
        ] {
            assert!(remedy(said).contains(expected), "{said}: {}", remedy(said));
        }
    }
}
