//! Tests on a real GPU: TensorRT and CUDA give the CPU engine's scores; TensorRT's engines are cached, and rebuilt if
//! damaged.
//!
//! PHICAM_GPU names the engines to test (`cuda`, or `cuda tensorrt`); without it the tests print a message and are
//! skipped. ORT_DYLIB_PATH names the library. PHICAM_GPU_VARIANTS selects variants: building TensorRT's engines for all
//! of them takes an hour.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::{Ended, Program};
use common::{best, photographs, scores};
use phicam_engine::output_check::{difference, tolerance};
use phicam_engine::{EngineKind, Precision};

/// Returns the engines of `candidates` that PHICAM_GPU names; prints a message if there are none.
fn engines(candidates: &[EngineKind]) -> Vec<EngineKind> {
    let named = std::env::var("PHICAM_GPU").unwrap_or_default();
    let named: Vec<&str> = named.split_whitespace().collect();
    let engines: Vec<EngineKind> = candidates.iter().copied().filter(|name| named.contains(&name.as_str())).collect();
    if engines.is_empty() {
        eprintln!("SKIPPED: PHICAM_GPU names none of {candidates:?}");
    }
    engines
}

fn variants() -> Vec<String> {
    match std::env::var("PHICAM_GPU_VARIANTS") {
        Ok(named) if !named.trim().is_empty() => named.split_whitespace().map(String::from).collect(),
        _ => common::catalog().variants.into_iter().map(|variant| variant.name).collect(),
    }
}

fn precisions(engine: EngineKind) -> &'static [Precision] {
    if engine == EngineKind::TensorRt { &[Precision::F16, Precision::F32] } else { &[Precision::F32] }
}

/// Returns a command of the program with ONNX Runtime's library from this process's environment.
fn command(program: &Program, arguments: &str) -> Command {
    let mut command = program.command(arguments.split_whitespace());
    command.env("ORT_DYLIB_PATH", std::env::var_os("ORT_DYLIB_PATH").expect("ORT_DYLIB_PATH names the library"));
    command
}

fn run(program: &Program, arguments: &str) -> Ended {
    command(program, arguments).output().unwrap().into()
}

/// Returns the scores of each photograph, in the order of `photographs`.
fn photograph_scores(program: &Program, variant: &str, config: &str, photographs: &[PathBuf]) -> Vec<Vec<f32>> {
    let folder = program.path(&format!("{variant} {config}"));
    let mut classify = command(program, &format!("classify --model {variant} --engine {config}"));
    Ended::from(classify.arg("--dump").arg(&folder).args(photographs).output().unwrap()).with(0);
    let file = |photograph: &PathBuf| folder.join(photograph.with_extension("f32").file_name().unwrap());
    photographs.iter().map(|photograph| scores(&file(photograph))).collect()
}

#[test]
fn gpu_gives_the_cpu_engines_scores() {
    let photographs = photographs();
    for engine in engines(&[EngineKind::TensorRt, EngineKind::Cuda]) {
        let program = Program::new();
        for precision in precisions(engine) {
            let mut largest: f32 = 0.0;
            let mut other_best: usize = 0;
            for variant in variants() {
                let ours = photograph_scores(&program, &variant, "tract", &photographs);
                let theirs =
                    photograph_scores(&program, &variant, &format!("{engine} --precision {precision}"), &photographs);
                for ((ours, theirs), photograph) in ours.iter().zip(&theirs).zip(&photographs) {
                    let difference = difference(ours, theirs);
                    assert!(difference < tolerance(*precision), "{variant}, {}: {difference}", photograph.display());
                    largest = largest.max(difference);
                    other_best += usize::from(best(ours) != best(theirs));
                }
            }
            println!(
                "{engine} {precision}: largest difference {largest:.1e} of the range; another best class {other_best} times"
            );
            assert!(*precision != Precision::F32 || other_best == 0, "f32 changed the best class {other_best} times");
        }
    }
}

/// Returns the largest file below `folder`.
fn largest(folder: &Path) -> PathBuf {
    let files = glob::glob(&folder.join("**/*").display().to_string()).unwrap().map(Result::unwrap);
    let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    files.filter(|path| path.is_file()).max_by_key(bytes).expect("the folder has files")
}

#[test]
fn tensorrt_engine_is_cached_and_rebuilt_if_truncated() {
    for _ in engines(&[EngineKind::TensorRt]) {
        let program = Program::new();
        let model = variants().remove(0);
        let dog = common::sample("dog.jpg").display().to_string();
        let classify = format!("classify --engine tensorrt --model {model} {dog}");
        let first = run(&program, &classify).with(0).saying(&["building the TensorRT engine"]);
        let again = run(&program, &classify).with(0);
        assert!(!again.stderr.contains("building the TensorRT engine"), "{again:?}");
        assert_eq!(again.stdout, first.stdout);
        let engine = largest(&program.path("state/tensorrt"));
        let bytes = std::fs::read(&engine).unwrap();
        std::fs::write(&engine, &bytes[..bytes.len() / 2]).unwrap();
        let rebuilt = run(&program, &classify).with(0).saying(&["building the TensorRT engine"]);
        assert_eq!(rebuilt.stdout, first.stdout, "{}", engine.display());
    }
}

#[test]
fn cpu_engine_answers_until_tensorrt_is_built() {
    for _ in engines(&[EngineKind::TensorRt]) {
        let program = Program::new();
        let model = variants().remove(0);
        let frames = std::env::var("PHICAM_GPU_FRAMES").unwrap_or_else(|_| "9000".into());
        let arguments = format!(
            "run --camera pattern:640x480@30 --display none --engine tensorrt --model {model} --frames {frames} --json -v"
        );
        let ran = run(&program, &arguments).with(0);
        let answers = ran.json();
        let count = |engine: &str| answers.iter().filter(|answer| answer["engine"] == engine).count();
        println!("{} answers by the CPU engine, {} by TensorRT", count("tract"), count("tensorrt"));
        assert!(count("tract") > 0, "{}", ran.stderr);
        assert!(count("tensorrt") > 0, "{}", ran.stderr);
    }
}
