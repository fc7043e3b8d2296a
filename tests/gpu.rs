//! A real GPU: TensorRT and CUDA give the CPU engine's scores, what was built is used again, and what is damaged is built anew.
//!
//! Where PHICAM_GPU names no engines (`cuda`, or `cuda tensorrt`) these tests say so and do nothing; ORT_DYLIB_PATH names the
//! library, and PHICAM_GPU_VARIANTS some of the variants (building TensorRT's engines for all takes an hour).

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::{Ended, Program};
use common::{best, photographs, scores};
use phicam_engine::output_check::{difference, tolerance};
use phicam_engine::{EngineKind, Precision};

/// The engines to be tried; a test that wants one of them alone names it.
fn engines(wanted: &[EngineKind]) -> Vec<EngineKind> {
    let named = std::env::var("PHICAM_GPU").unwrap_or_default();
    let named: Vec<&str> = named.split_whitespace().collect();
    let engines: Vec<EngineKind> = wanted.iter().copied().filter(|name| named.contains(&name.as_str())).collect();
    if engines.is_empty() {
        eprintln!("SKIPPED: PHICAM_GPU names none of {wanted:?}");
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

/// The program with the library that this process was told of.
fn command(program: &Program, arguments: &str) -> Command {
    let mut command = program.command(arguments.split_whitespace());
    command.env("ORT_DYLIB_PATH", std::env::var_os("ORT_DYLIB_PATH").expect("ORT_DYLIB_PATH names the library"));
    command
}

fn ended(program: &Program, arguments: &str) -> Ended {
    command(program, arguments).output().unwrap().into()
}

/// The scores of each photograph, in their order.
fn dumped(program: &Program, variant: &str, config: &str, photographs: &[PathBuf]) -> Vec<Vec<f32>> {
    let folder = program.path(&format!("{variant} {config}"));
    let mut classify = command(program, &format!("classify --model {variant} --engine {config}"));
    Ended::from(classify.arg("--dump").arg(&folder).args(photographs).output().unwrap()).with(0);
    let file = |photograph: &PathBuf| folder.join(photograph.with_extension("f32").file_name().unwrap());
    photographs.iter().map(|photograph| scores(&file(photograph))).collect()
}

#[test]
fn a_gpu_gives_the_cpu_engines_scores_for_every_choice_and_photograph() {
    let photographs = photographs();
    for engine in engines(&[EngineKind::TensorRt, EngineKind::Cuda]) {
        let program = Program::new();
        for precision in precisions(engine) {
            let (mut most, mut other_best): (f32, usize) = (0.0, 0);
            for variant in variants() {
                let ours = dumped(&program, &variant, "tract", &photographs);
                let theirs = dumped(&program, &variant, &format!("{engine} --precision {precision}"), &photographs);
                for ((ours, theirs), photograph) in ours.iter().zip(&theirs).zip(&photographs) {
                    let apart = difference(ours, theirs);
                    assert!(apart < tolerance(*precision), "{variant}, {}: {apart}", photograph.display());
                    most = most.max(apart);
                    other_best += usize::from(best(ours) != best(theirs));
                }
            }
            println!(
                "{engine} {precision}: at most {most:.1e} of the range apart; another best guess {other_best} times"
            );
            assert!(*precision != Precision::F32 || other_best == 0, "single precision changes no guess");
        }
    }
}

/// The largest file below `folder`.
fn largest(folder: &Path) -> PathBuf {
    let files = glob::glob(&folder.join("**/*").display().to_string()).unwrap().map(Result::unwrap);
    let bytes = |path: &PathBuf| std::fs::metadata(path).map_or(0, |there| there.len());
    files.filter(|path| path.is_file()).max_by_key(bytes).expect("something was kept")
}

#[test]
fn what_tensorrt_built_is_used_again_and_what_was_cut_short_is_built_anew_announced() {
    for _ in engines(&[EngineKind::TensorRt]) {
        let program = Program::new();
        let model = variants().remove(0);
        let dog = common::sample("dog.jpg").display().to_string();
        let classify = format!("classify --engine tensorrt --model {model} {dog}");
        let first = ended(&program, &classify).with(0).saying(&["TensorRT builds its engine"]);
        let again = ended(&program, &classify).with(0);
        assert!(!again.stderr.contains("builds its engine"), "{again:?}");
        assert_eq!(again.stdout, first.stdout);
        let engine = largest(&program.path("state/tensorrt"));
        let bytes = std::fs::read(&engine).unwrap();
        std::fs::write(&engine, &bytes[..bytes.len() / 2]).unwrap();
        let mended = ended(&program, &classify).with(0).saying(&["TensorRT builds its engine"]);
        assert_eq!(mended.stdout, first.stdout, "{}", engine.display());
    }
}

#[test]
fn the_processor_answers_while_tensorrt_builds_and_then_it_takes_over_without_a_gap() {
    for _ in engines(&[EngineKind::TensorRt]) {
        let program = Program::new();
        let model = variants().remove(0);
        let frames = std::env::var("PHICAM_GPU_FRAMES").unwrap_or_else(|_| "9000".into());
        let arguments = format!(
            "run --camera pattern:640x480@30 --display none --engine tensorrt --model {model} --frames {frames} --json -v"
        );
        let ran = ended(&program, &arguments).with(0);
        let answers = ran.json();
        let by = |engine: &str| answers.iter().filter(|answer| answer["engine"] == engine).count();
        println!("{} answers by the processor, {} by TensorRT", by("tract"), by("tensorrt"));
        assert!(by("tract") > 0 && by("tensorrt") > 0, "{}", ran.stderr);
    }
}
