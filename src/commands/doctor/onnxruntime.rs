//! Checks of ONNX Runtime and the GPU engines, with the package to install on a Jetson.

use std::process::{Command, Stdio};

use super::{Finding, State};
use crate::profiler::child_bench::error_from_stderr;
use phicam_engine::EngineKind;
use phicam_engine_onnxruntime::LibraryError;
use phicam_engine_onnxruntime::{LIBRARY_VARIABLE, find_library, gpu_engines_in};
use phicam_platform::system::JetPack;

/// Folder for a package that only this program uses; [`find_library`] looks there first.
const FOLDER: &str = "/opt/onnxruntime";
/// A third party's builds of ONNX Runtime for Jetsons, on PyPI: NVIDIA's own are in no index that pip knows.
const PACKAGE: &str = "onnxruntime-gpu-extended";

/// Checks the library and each engine that it offers.
pub fn check_onnxruntime(jetpack: Option<&JetPack>) -> Vec<Finding> {
    let l4t = jetpack.map(l4t_version);
    let library = match find_library() {
        Ok(library) => library,
        Err(LibraryError::Missing { .. }) => return vec![without_library(l4t)],
        Err(error) => {
            return vec![Finding::missing("onnxruntime", error.to_string(), "the CPU engine runs without it")];
        }
    };
    let gpu_engines = gpu_engines_in(&library);
    let mut findings = vec![check_engine(&library.display().to_string(), EngineKind::OnnxRuntime)];
    if findings[0].state == State::Good {
        // CUDA alone is tried: TensorRT needs it as well, and would build its engine for minutes.
        findings.extend(gpu_engines.contains(&EngineKind::Cuda).then(|| check_engine("the GPU", EngineKind::Cuda)));
        if gpu_engines.contains(&EngineKind::TensorRt) {
            findings.push(Finding::unknown(
                "tensorrt",
                "offered, not tried: building an engine takes minutes".into(),
                Some("build its engines ahead of time with `phicam build-engines`"),
            ));
        }
        if gpu_engines.is_empty() && l4t.is_some() {
            let value = "this build of ONNX Runtime supports the CPU only".into();
            findings.push(Finding::missing("gpu", value, remedy(l4t)));
        }
    }
    findings
}

/// Returns the major and minor version of Jetson Linux: 36 and 4 of `36.4.3`.
fn l4t_version(jetpack: &JetPack) -> (u32, u32) {
    let mut numbers = jetpack.l4t.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Returns the finding without a library, which only a Jetson's GPU needs.
fn without_library(l4t: Option<(u32, u32)>) -> Finding {
    match l4t {
        None => Finding::good("onnxruntime", "not installed; the CPU engine does not need it".into()),
        Some((..=34, _)) => {
            let value = "unavailable for JetPack 4, whose Python 3.6 and CUDA 10 end at 1.11, while Phicam needs 1.17";
            Finding::good("onnxruntime", format!("{value}; this board uses its CPU"))
        }
        Some(_) => {
            let value = "not installed, so this Jetson's GPU is unused".into();
            Finding::missing("onnxruntime", value, remedy(l4t))
        }
    }
}

/// Returns the command that installs the package for this JetPack, or advice if there is none.
fn remedy(l4t: Option<(u32, u32)>) -> String {
    match package_version(l4t) {
        Some(version) => format!("sudo python3 -m pip install --no-deps --target {FOLDER} {PACKAGE}=={version}"),
        None => format!(
            "build ONNX Runtime with --use_tensorrt, as no package is known for this JetPack, and name its \
             libonnxruntime.so with {LIBRARY_VARIABLE} or in the board file"
        ),
    }
}

/// Returns the version of [`PACKAGE`] for a version of Jetson Linux, or `None` if there is none.
pub fn package_version(l4t: Option<(u32, u32)>) -> Option<&'static str> {
    match l4t {
        Some((35, _)) => Some("1.18.1.11.8"),    // JetPack 5: CUDA 11.4
        Some((36, ..=3)) => Some("1.22.2.12.8"), // JetPack 6.0: CUDA 12.2
        Some((36, _)) => Some("1.23.2.12.9"),    // JetPack 6.1 and 6.2: CUDA 12.6
        _ => None,
    }
}

/// Runs the smallest model with `engine`, in a child process, because a wrong library ends the process that opens it.
fn check_engine(component: &str, engine: EngineKind) -> Finding {
    let name = engine.as_str();
    let program = std::env::current_exe();
    let output = program.and_then(|program| {
        Command::new(program)
            .args(["bench", "--json", "--frames", "1", "--model", "lite0@96", "--engine", name])
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .output()
    });
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            let value = format!("cannot try {component}: {error}");
            return Finding::unknown(name, value, Some("run `phicam doctor` again"));
        }
    };
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let cause = match (error_from_stderr(&stderr), output.status.code()) {
            (Some(message), Some(_)) => message.into(),
            (message, _) => format!("{}: {}", output.status, message.unwrap_or("no message on standard error")),
        };
        return Finding::missing(name, cause, "the CPU engine runs without it");
    }
    let measurement = serde_json::from_slice::<serde_json::Value>(&output.stdout).ok();
    let description = measurement.and_then(|object| Some(object.get("engine_description")?.as_str()?.to_string()));
    Finding::good(name, format!("agrees with the CPU engine: {}", description.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_jetpack_gets_its_package() {
        assert!(remedy(Some((35, 4))).contains("1.18.1.11.8"));
        assert!(remedy(Some((36, 3))).contains("1.22.2.12.8"));
        assert!(remedy(Some((36, 4))).contains("1.23.2.12.9"));
        assert!(remedy(Some((38, 2))).contains("build ONNX Runtime"));
        assert!(without_library(Some((32, 7))).value.contains("JetPack 4"));
        assert_eq!(l4t_version(&JetPack { major: Some(6), l4t: "36.4.3".into() }), (36, 4));
        assert!(without_library(None).value.contains("does not need it"));
    }
}
