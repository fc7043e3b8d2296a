//! ONNX Runtime as it is found, or not: each way in which its library can be wrong is named with what to do, and the real one gives
//! the CPU engine's scores.
//!
//! Wrong libraries are made by the C compiler that building this program needs anyway. The real one is at PHICAM_ONNXRUNTIME;
//! continuous integration sets it.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::{Ended, Program};
use common::{best, scores};

/// Makes a shared library of `source` in the program's folder, with these arguments besides.
fn library(program: &Program, name: &str, source: &str, arguments: &[&str]) -> PathBuf {
    program.write("made.c", source);
    let path = program.path(name);
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&path).arg(program.path("made.c")).args(arguments);
    let done = compiler.current_dir(program.path("")).output().expect("cc, which building this program needs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    path
}

/// A library that says that it is ONNX Runtime of this version, and has the interface or not.
fn claiming(program: &Program, version: &str) -> PathBuf {
    let source = format!(
        "static const void *api(unsigned version) {{ (void)version; return 0; }}\n\
         static const char *version(void) {{ return \"{version}\"; }}\n\
         struct {{ const void *(*api)(unsigned); const char *(*version)(void); }} base = {{ api, version }};\n\
         const void *OrtGetApiBase(void) {{ return &base; }}\n"
    );
    library(program, "libonnxruntime.so", &source, &[])
}

fn with(program: &Program, library: &Path, arguments: &str) -> Ended {
    program.command(arguments.split_whitespace()).env("ORT_DYLIB_PATH", library).output().unwrap().into()
}

#[test]
fn each_way_in_which_the_library_can_be_wrong_is_named_with_what_to_do() {
    let program = Program::new();
    let refused = |library: &Path, said: &[&str]| {
        with(&program, library, "bench --engine onnxruntime --model lite0@96").with(5).saying(said);
    };
    refused(
        &program.path("gone.so"),
        &["gone.so of ORT_DYLIB_PATH cannot be read", "No such file", "take the setting out"],
    );
    refused(&program.path(""), &["it is no file"]);
    program.write("page.so", "<html>404</html>");
    refused(&program.path("page.so"), &["page.so is no shared library", "onnxruntime/capi"]);

    let whole = std::fs::read(library(&program, "whole.so", "int nothing;", &[])).unwrap();
    refused(&program.path("whole.so"), &["whole.so is another library", "OrtGetApiBase"]);
    program.write("cut.so", &whole[..whole.len() / 2]);
    refused(&program.path("cut.so"), &["cut.so is cut short", "install the package again"]);
    let mut foreign = whole.clone();
    foreign[18] ^= 62 ^ 183; // x86_64 and aarch64
    program.write("foreign.so", foreign);
    let other = if cfg!(target_arch = "x86_64") { "is for aarch64" } else { "is for x86_64" };
    refused(&program.path("foreign.so"), &[other, std::env::consts::ARCH, "install the package for this one"]);

    refused(&claiming(&program, "1.11.0"), &["is ONNX Runtime 1.11.0", "1.17 is the oldest", "JetPack 4"]);
    refused(&claiming(&program, "1.19.2"), &["is ONNX Runtime 1.19.2", "lacks interface 17", "another build"]);
    library(&program, "libneeded.so", "int needed(void) { return 1; }", &[]);
    let needing =
        library(&program, "needing.so", "int needed(void); int it(void) { return needed(); }", &["-L.", "-lneeded"]);
    std::fs::remove_file(program.path("libneeded.so")).unwrap();
    refused(&needing, &["cannot be opened", "libneeded.so", "install what it names"]);

    let open = library(&program, "open.so", "int nothing;", &[]);
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    refused(&open, &["can be changed by any user", "chmod o-w"]);
}

#[test]
fn without_any_library_the_processor_answers_and_an_engine_that_needs_it_says_where_it_was_looked_for() {
    let program = Program::new();
    let run = |arguments: &str| -> Ended {
        let mut command = program.command(arguments.split_whitespace());
        command.env_remove("ORT_DYLIB_PATH").env("HOME", program.path("")).output().unwrap().into()
    };
    let said = run("bench --engine cuda --model lite0@96");
    if said.stderr.contains("cannot be used") {
        return eprintln!("SKIPPED: this machine has ONNX Runtime among its system's libraries");
    }
    said.with(5).saying(&["no libonnxruntime.so was found", "/opt/onnxruntime", "phicam doctor", "ORT_DYLIB_PATH"]);
    let json = run("bench --model lite0@96 --frames 2 --json").with(0).json();
    assert_eq!(json[0]["engine"], "tract");
}

#[test]
fn a_library_that_crashes_is_left_out_of_the_pick_announced_and_the_processor_answers() {
    let program = Program::new();
    let crashing = "#include <stdlib.h>\n__attribute__((constructor)) static void at_once(void) { abort(); }\n";
    let library = library(&program, "libonnxruntime.so", crashing, &[]);
    program.write("libonnxruntime_providers_cuda.so", "");
    let ended = with(&program, &library, "pick --flops 100M --json").with(0);
    assert_eq!(ended.json()[0]["engine"], "tract");
    ended.saying(&["offers cuda", "going on without cuda", "signal 6", "another build"]);
}

#[test]
fn numbers_that_an_engine_does_not_have_are_refused() {
    let program = Program::new();
    program.run("bench --engine tract --precision f16").with(1).saying(&["tract cannot run in f16", "f32"]);
    program.run("bench --engine tenosrt").with(2).saying(&["tenosrt", "did you mean `tensorrt`?"]);
}

/// The real library. Where none is named the tests below say so and do nothing; PHICAM_ONNXRUNTIME=required makes that an error.
fn real() -> Option<PathBuf> {
    match std::env::var_os("PHICAM_ONNXRUNTIME").filter(|value| !value.is_empty()) {
        Some(path) => Some(PathBuf::from(path).canonicalize().expect("PHICAM_ONNXRUNTIME names the library's file")),
        None => {
            eprintln!("SKIPPED: PHICAM_ONNXRUNTIME names no libonnxruntime.so");
            None
        }
    }
}

#[test]
fn the_real_library_gives_the_cpu_engines_scores_for_every_choice_and_photograph() {
    let Some(library) = real() else { return };
    let program = Program::new();
    let photographs = common::photographs();
    let mut most: f32 = 0.0;
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
            let of = |engine: &str| {
                scores(&program.path(&format!("{engine}-{}", variant.name)).join(name.file_name().unwrap()))
            };
            let (ours, theirs) = (of("tract"), of("onnxruntime"));
            let apart = phicam_engine::output_check::difference(&theirs, &ours);
            assert!(apart < 1e-3, "{}, {}: {apart}", variant.name, photograph.display());
            assert_eq!(top(&ours), top(&theirs), "{}, {}", variant.name, photograph.display());
            most = most.max(apart);
        }
    }
    println!("largest difference: {most:.1e} of the range");
}

/// The five best classes. Where two are as good as equal their order says nothing.
fn top(scores: &[f32]) -> Vec<usize> {
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
fn an_engine_that_the_real_library_was_built_without_is_an_error_and_never_the_processor_in_silence() {
    let Some(library) = real() else { return };
    let program = Program::new();
    for engine in ["cuda", "tensorrt"] {
        let arguments = format!("classify --engine {engine} --model lite0@96 {}", common::sample("dog.jpg").display());
        let ended = with(&program, &library, &arguments).with(5);
        assert_eq!(ended.stdout, "");
        ended.saying(&[engine, "cannot be used", "not enabled in this build", "phicam doctor"]);
    }
}

#[test]
fn a_build_that_only_seems_to_have_a_gpu_is_left_out_of_the_pick_announced() {
    let Some(library) = real() else { return };
    let program = Program::new();
    let copy = program.path("libonnxruntime.so.1");
    std::fs::copy(library, &copy).unwrap();
    for part in ["cuda", "tensorrt"] {
        program.write(&format!("libonnxruntime_providers_{part}.so"), "");
    }
    let ended = with(&program, &copy, "pick --flops 130M --json").with(0);
    assert_eq!(ended.json()[0]["engine"], "tract");
    let tried = |engine: &str| ended.stderr.matches(&format!("going on without {engine}")).count();
    assert_eq!((tried("cuda"), tried("tensorrt")), (1, 1), "once each: {}", ended.stderr);
    with(&program, &copy, "prepare --model lite0@96").with(4);
    program.run("prepare").with(1).saying(&["nothing to prepare", "phicam doctor"]);
}

#[test]
fn a_line_by_the_real_library_alone_begins_on_a_machine_that_was_never_measured() {
    let Some(library) = real() else { return };
    let program = Program::new();
    let line = "run --camera pattern:64x48@60 --display none --engine onnxruntime --flops 130M --frames 40 --json";
    let ran = with(&program, &library, line).with(0);
    assert!(ran.json().iter().all(|answer| answer["engine"] == "onnxruntime"), "{}", ran.stderr);
}

#[test]
fn what_is_told_of_the_real_library_names_its_file_and_version() {
    let Some(library) = real() else { return };
    let program = Program::new();
    let ended = with(&program, &library, "bench --engine onnxruntime --model lite0@96 --frames 3 --json -v").with(0);
    let detail = ended.json()[0]["engine_description"].as_str().unwrap().to_string();
    assert!(detail.contains("ONNX Runtime 1.") && detail.contains(&*library.to_string_lossy()), "{detail}");
    ended.saying(&["agrees with the CPU engine"]);
}
