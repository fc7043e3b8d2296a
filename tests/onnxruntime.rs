//! ONNX Runtime: each defect of its library has an error with a remedy, and the real library gives the CPU engine's
//! scores.
//!
//! Defective libraries are built with the C compiler, which building this program needs anyway. PHICAM_ONNXRUNTIME
//! names the real library; continuous integration sets it.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::{Ended, Program};
use common::{best, scores};

/// Builds a shared library from C `source` in the program's folder, with additional compiler `arguments`.
fn build_library(program: &Program, name: &str, source: &str, arguments: &[&str]) -> PathBuf {
    program.write("source.c", source);
    let path = program.path(name);
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&path).arg(program.path("source.c")).args(arguments);
    let output = compiler.current_dir(program.path("")).output().expect("cc, which building this program needs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

/// Builds a library that reports `version` of ONNX Runtime and has no API.
fn library_without_api(program: &Program, version: &str) -> PathBuf {
    let source = format!(
        "static const void *api(unsigned version) {{ (void)version; return 0; }}\n\
         static const char *version(void) {{ return \"{version}\"; }}\n\
         struct {{ const void *(*api)(unsigned); const char *(*version)(void); }} base = {{ api, version }};\n\
         const void *OrtGetApiBase(void) {{ return &base; }}\n"
    );
    build_library(program, "libonnxruntime.so", &source, &[])
}

/// Runs the program with `library` as ONNX Runtime.
fn run_with(program: &Program, library: &Path, arguments: &str) -> Ended {
    program.command(arguments.split_whitespace()).env("ORT_DYLIB_PATH", library).output().unwrap().into()
}

#[test]
fn each_library_defect_has_an_error_with_remedy() {
    let program = Program::new();
    let assert_refused = |library: &Path, messages: &[&str]| {
        run_with(&program, library, "bench --engine onnxruntime --model lite0@96").with(5).saying(messages);
    };
    assert_refused(
        &program.path("gone.so"),
        &["cannot read", "gone.so, named by ORT_DYLIB_PATH", "No such file", "remove the setting"],
    );
    assert_refused(&program.path(""), &["not a regular file"]);
    program.write("page.so", "<html>404</html>");
    assert_refused(&program.path("page.so"), &["page.so is not a 64-bit shared library", "onnxruntime/capi"]);

    let whole = std::fs::read(build_library(&program, "whole.so", "int nothing;", &[])).unwrap();
    assert_refused(&program.path("whole.so"), &["whole.so is another library", "OrtGetApiBase"]);
    program.write("cut.so", &whole[..whole.len() / 2]);
    assert_refused(&program.path("cut.so"), &["cut.so is truncated", "install the package again"]);
    let mut foreign = whole.clone();
    foreign[18] ^= 62 ^ 183; // x86_64 and aarch64
    program.write("foreign.so", foreign);
    let other = if cfg!(target_arch = "x86_64") { "is for aarch64" } else { "is for x86_64" };
    assert_refused(
        &program.path("foreign.so"),
        &[other, std::env::consts::ARCH, "install the package for this machine"],
    );

    assert_refused(
        &library_without_api(&program, "1.11.0"),
        &["is ONNX Runtime 1.11.0", "needs 1.17 or later", "JetPack 4"],
    );
    assert_refused(
        &library_without_api(&program, "1.19.2"),
        &["is ONNX Runtime 1.19.2", "without API version 17", "another build"],
    );
    build_library(&program, "libneeded.so", "int needed(void) { return 1; }", &[]);
    let source = "int needed(void); int caller(void) { return needed(); }";
    let dependent = build_library(&program, "dependent.so", source, &["-L.", "-lneeded"]);
    std::fs::remove_file(program.path("libneeded.so")).unwrap();
    assert_refused(&dependent, &["cannot load", "libneeded.so", "install the missing library"]);

    let writable = build_library(&program, "writable.so", "int nothing;", &[]);
    std::fs::set_permissions(&writable, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    assert_refused(&writable, &["is writable by every user", "chmod o-w"]);
}

#[test]
fn missing_library_error_lists_the_searched_folders() {
    let program = Program::new();
    let run = |arguments: &str| -> Ended {
        let mut command = program.command(arguments.split_whitespace());
        command.env_remove("ORT_DYLIB_PATH").env("HOME", program.path("")).output().unwrap().into()
    };
    let ended = run("bench --engine cuda --model lite0@96");
    if ended.stderr.contains("cannot be used") {
        return eprintln!("SKIPPED: ONNX Runtime is installed on this machine");
    }
    ended.with(5).saying(&["no libonnxruntime.so in", "/opt/onnxruntime", "phicam doctor", "ORT_DYLIB_PATH"]);
    let json = run("bench --model lite0@96 --frames 2 --json").with(0).json();
    assert_eq!(json[0]["engine"], "tract");
}

#[test]
fn crashing_library_is_excluded_from_the_pick() {
    let program = Program::new();
    let crashing = "#include <stdlib.h>\n__attribute__((constructor)) static void on_load(void) { abort(); }\n";
    let library = build_library(&program, "libonnxruntime.so", crashing, &[]);
    program.write("libonnxruntime_providers_cuda.so", "");
    let ended = run_with(&program, &library, "pick --flops 100M --json -v").with(0);
    assert_eq!(ended.json()[0]["engine"], "tract");
    ended.saying(&["offers cuda", "not using cuda", "signal 6", "another build"]);
}

#[test]
fn unsupported_precision_is_refused() {
    let program = Program::new();
    program.run("bench --engine tract --precision f16").with(1).saying(&["tract cannot run in f16", "f32"]);
    program.run("bench --engine tenosrt").with(2).saying(&["tenosrt", "did you mean `tensorrt`?"]);
}

/// Returns the real library; prints a message and returns `None` if PHICAM_ONNXRUNTIME is not set: the test is then
/// skipped.
///
/// PHICAM_ONNXRUNTIME=required makes a missing library an error.
fn real_library() -> Option<PathBuf> {
    match std::env::var_os("PHICAM_ONNXRUNTIME").filter(|value| !value.is_empty()) {
        Some(path) => Some(PathBuf::from(path).canonicalize().expect("PHICAM_ONNXRUNTIME names the library's file")),
        None => {
            eprintln!("SKIPPED: PHICAM_ONNXRUNTIME names no libonnxruntime.so");
            None
        }
    }
}

#[test]
fn real_library_gives_the_cpu_engines_scores() {
    let Some(library) = real_library() else { return };
    let program = Program::new();
    let photographs = common::photographs();
    let mut largest: f32 = 0.0;
    for variant in common::catalog().variants {
        for engine in ["tract", "onnxruntime"] {
            let folder = format!("{engine}-{}", variant.name);
            let mut command =
                program.command(["classify", "--engine", engine, "--model", &variant.name, "--dump", &folder]);
            let ended: Ended = command.args(&photographs).env("ORT_DYLIB_PATH", &library).output().unwrap().into();
            ended.with(0);
        }
        for photograph in &photographs {
            let name = photograph.with_extension("f32");
            let scores_of = |engine: &str| {
                scores(&program.path(&format!("{engine}-{}", variant.name)).join(name.file_name().unwrap()))
            };
            let (ours, theirs) = (scores_of("tract"), scores_of("onnxruntime"));
            let difference = phicam_engine::output_check::difference(&theirs, &ours);
            // The tolerance of the output check for f32, 0.1 % of the range.
            assert!(difference < 1e-3, "{}, {}: {difference}", variant.name, photograph.display());
            assert_eq!(top_five(&ours), top_five(&theirs), "{}, {}", variant.name, photograph.display());
            largest = largest.max(difference);
        }
    }
    println!("largest difference: {largest:.1e} of the range");
}

/// Returns the five best classes, sorted by number, because nearly equal scores may change places.
fn top_five(scores: &[f32]) -> Vec<usize> {
    let mut left = scores.to_vec();
    let mut classes: Vec<usize> = (0..5)
        .map(|_| {
            let class = best(&left);
            left[class] = f32::NEG_INFINITY;
            class
        })
        .collect();
    classes.sort_unstable();
    classes
}

#[test]
fn engine_missing_in_the_build_is_an_error() {
    let Some(library) = real_library() else { return };
    let program = Program::new();
    for engine in ["cuda", "tensorrt"] {
        let arguments = format!("classify --engine {engine} --model lite0@96 {}", common::sample("dog.jpg").display());
        let ended = run_with(&program, &library, &arguments).with(5);
        assert_eq!(ended.stdout, "");
        ended.saying(&[engine, "cannot be used", "not enabled in this build", "phicam doctor"]);
    }
}

#[test]
fn unusable_gpu_engine_is_excluded_from_the_pick() {
    let Some(library) = real_library() else { return };
    let program = Program::new();
    let copy = program.path("libonnxruntime.so.1");
    std::fs::copy(library, &copy).unwrap();
    for part in ["cuda", "tensorrt"] {
        program.write(&format!("libonnxruntime_providers_{part}.so"), "");
    }
    let ended = run_with(&program, &copy, "pick --flops 130M --json").with(0);
    assert_eq!(ended.json()[0]["engine"], "tract");
    let warnings = |engine: &str| ended.stderr.matches(&format!("not using {engine}")).count();
    assert_eq!((warnings("cuda"), warnings("tensorrt")), (1, 1), "{}", ended.stderr);
    run_with(&program, &copy, "build-engines --model lite0@96").with(4);
    program.run("build-engines").with(1).saying(&["no engine to build", "phicam doctor"]);
}

#[test]
fn unmeasured_machine_runs_with_the_real_library() {
    let Some(library) = real_library() else { return };
    let program = Program::new();
    let arguments = "run --camera pattern:64x48@60 --display none --engine onnxruntime --flops 130M --frames 40 --json";
    let ran = run_with(&program, &library, arguments).with(0);
    assert!(ran.json().iter().all(|answer| answer["engine"] == "onnxruntime"), "{}", ran.stderr);
}

#[test]
fn engine_description_names_library_and_version() {
    let Some(library) = real_library() else { return };
    let program = Program::new();
    let ended =
        run_with(&program, &library, "bench --engine onnxruntime --model lite0@96 --frames 3 --json -v").with(0);
    let description = ended.json()[0]["engine_description"].as_str().unwrap().to_string();
    assert!(description.contains("ONNX Runtime 1."), "{description}");
    assert!(description.contains(&*library.to_string_lossy()), "{description}");
    ended.saying(&["agrees with the CPU engine"]);
}
