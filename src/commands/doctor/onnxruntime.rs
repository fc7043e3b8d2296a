//! What `phicam doctor` says of ONNX Runtime and a GPU: what is found, whether it works, what to install on this board.

use std::process::{Command, Stdio};

use super::{Finding, State, bad, good};
use crate::profiler::child_bench::error_from_stderr;
use phicam_engine::EngineKind;
use phicam_engine_onnxruntime::LibraryError;
use phicam_engine_onnxruntime::{LIBRARY_VARIABLE, find_library, gpu_engines_in};
use phicam_platform::system::JetPack;

/// The folder where a package is installed for this program alone; [`find_library`] looks there first.
const FOLDER: &str = "/opt/onnxruntime";
/// A third party's builds of ONNX Runtime for Jetsons, on PyPI; NVIDIA's own have no index that pip knows.
const PACKAGE: &str = "onnxruntime-gpu-extended";

pub fn onnxruntime(jetpack: Option<&JetPack>) -> Vec<Finding> {
    let l4t = jetpack.map(release);
    let library = match find_library() {
        Ok(library) => library,
        Err(LibraryError::Missing { .. }) => return none(l4t),
        Err(error) => {
            return vec![bad("onnxruntime", State::Missing, error.to_string(), "the CPU engine runs without it")];
        }
    };
    let gpu = gpu_engines_in(&library);
    let mut findings = vec![tried(&library.display().to_string(), EngineKind::OnnxRuntime)];
    if findings[0].state == State::Good {
        // TensorRT would build for minutes here; CUDA is what it stands on.
        findings.extend(gpu.contains(&EngineKind::Cuda).then(|| tried("the GPU", EngineKind::Cuda)));
        if gpu.contains(&EngineKind::TensorRt) {
            findings.push(good("tensorrt", "offered; `phicam prepare` builds what it needs, ahead of time".into()));
        }
        if gpu.is_empty() && l4t.is_some() {
            let value = "this build of ONNX Runtime is for the processor only".into();
            findings.push(bad("gpu", State::Missing, value, remedy(l4t)));
        }
    }
    findings
}

/// The major and minor number of Jetson Linux: 36 and 4 of `36.4.3`.
fn release(jetpack: &JetPack) -> (u32, u32) {
    let mut numbers = jetpack.l4t.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Where there is none: only on a Jetson is something missed.
fn none(l4t: Option<(u32, u32)>) -> Vec<Finding> {
    match l4t {
        None => vec![good("onnxruntime", "none; the CPU engine needs none".into())],
        Some((..=34, _)) => {
            let value = "none for JetPack 4: it has Python 3.6 and CUDA 10, builds end at 1.11, 1.17 is needed";
            vec![good("onnxruntime", format!("{value}; this board runs on its processor"))]
        }
        Some(_) => {
            let value = "none, so this Jetson's GPU is not used".into();
            vec![bad("onnxruntime", State::Missing, value, remedy(l4t))]
        }
    }
}

/// The one command that installs the package for this JetPack, or where to get one.
fn remedy(l4t: Option<(u32, u32)>) -> String {
    match package(l4t) {
        Some(version) => format!("sudo python3 -m pip install --no-deps --target {FOLDER} {PACKAGE}=={version}"),
        None => format!(
            "no package is known for this JetPack: build ONNX Runtime with --use_tensorrt, and name libonnxruntime.so \
             with {LIBRARY_VARIABLE} or in the board file"
        ),
    }
}

/// Which version of [`PACKAGE`] is built for which release of Jetson Linux (its major and minor number).
pub fn package(l4t: Option<(u32, u32)>) -> Option<&'static str> {
    match l4t {
        Some((35, _)) => Some("1.18.1.11.8"),    // JetPack 5: CUDA 11.4
        Some((36, ..=3)) => Some("1.22.2.12.8"), // JetPack 6.0: CUDA 12.2
        Some((36, _)) => Some("1.23.2.12.9"),    // JetPack 6.1 and 6.2: CUDA 12.6
        _ => None,
    }
}

/// Runs the smallest model by that engine, in a process of its own: a wrong library ends the process that opens it.
fn tried(what: &str, engine: EngineKind) -> Finding {
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
        Err(error) => return bad(name, State::Missing, format!("{what} was not tried: {error}"), "try it again"),
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let cause = match (error_from_stderr(&said), output.status.code()) {
            (Some(words), Some(_)) => words.into(),
            (words, _) => format!("{}: {}", output.status, words.unwrap_or("it said nothing")),
        };
        return bad(name, State::Missing, cause, "the CPU engine runs without it");
    }
    let detail = serde_json::from_slice::<serde_json::Value>(&output.stdout).ok();
    let detail = detail.and_then(|found| Some(found.get("engine_description")?.as_str()?.to_string()));
    good(name, format!("agrees with the CPU engine: {}", detail.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_jetpack_is_told_the_package_that_was_built_for_it_or_that_there_is_none() {
        assert!(remedy(Some((35, 4))).contains("1.18.1.11.8"));
        assert!(remedy(Some((36, 3))).contains("1.22.2.12.8"));
        assert!(remedy(Some((36, 4))).contains("1.23.2.12.9"));
        assert!(remedy(Some((38, 2))).contains("build ONNX Runtime"));
        assert!(none(Some((32, 7)))[0].value.contains("JetPack 4"));
        assert_eq!(release(&JetPack { major: Some(6), l4t: "36.4.3".into() }), (36, 4));
        assert!(none(None)[0].value.contains("needs none"));
    }
}
