//! The program for 64-bit ARM in QEMU's user mode: its scores equal those of this machine's program.
//!
//! `just test-arm` builds the requirements of these tests; other commands skip them.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::program::Program;
use common::{apart, best, root, scores};

/// Returns the program that `just build aarch64` builds, or the one that PHICAM_ARM names.
fn program() -> PathBuf {
    let built = root().join("target/aarch64-unknown-linux-gnu/dist/phicam");
    std::env::var_os("PHICAM_ARM").map_or(built, PathBuf::from)
}

fn arm(arguments: &[&str], state: &Path) -> Output {
    let output = arm_with(arguments, state, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs the ARM program with `library` as ONNX Runtime; accepts any exit status.
fn arm_with(arguments: &[&str], state: &Path, library: Option<&Path>) -> Output {
    let mut command = Command::new(root().join("board/cross/run.sh"));
    command.arg(program()).args(arguments);
    command.env("PHICAM_STATE", state).env("PHICAM_MODELS", root().join("models"));
    command.env_remove("ORT_DYLIB_PATH");
    command.envs(library.map(|library| ("ORT_DYLIB_PATH", library)));
    command.output().unwrap()
}

/// Returns ONNX Runtime's library, which `board/cross/setup.sh onnxruntime` downloads.
fn onnxruntime(folder: &str) -> PathBuf {
    root().join("target/cross").join(folder).join("onnxruntime/capi/libonnxruntime.so.1.23.2")
}

#[test]
#[ignore = "needs the program for ARM and qemu: just test-arm"]
fn arm_program_gives_equal_scores() {
    let here = Program::new();
    let photographs = ["dog.jpg", "koala.jpg", "red_panda.jpg"].map(|name| common::sample(name).display().to_string());
    let common = ["classify", "--model", "lite0@96", "--threads", "1", "--dump"];
    let (theirs, ours) = (here.path("arm"), here.path("host"));
    let arguments = |folder: &Path| -> Vec<String> {
        let folder = folder.display().to_string();
        common.iter().map(|word| word.to_string()).chain([folder]).chain(photographs.clone()).collect()
    };
    let words = arguments(&theirs);
    arm(&words.iter().map(String::as_str).collect::<Vec<_>>(), &here.path("state"));
    assert!(here.command(arguments(&ours)).status().unwrap().success());
    for name in ["dog", "koala", "red_panda"] {
        let of = |folder: &Path| scores(&folder.join(format!("{name}.f32")));
        let (theirs, ours) = (of(&theirs), of(&ours));
        assert_eq!(best(&theirs), best(&ours), "{name}");
        assert!(apart(&theirs, &ours) < 1e-3, "{name}: {}", apart(&theirs, &ours));
    }
}

#[test]
#[ignore = "needs the program for ARM and qemu: just test-arm"]
fn arm_program_runs_doctor_and_loads_every_model() {
    let here = Program::new();
    let said = String::from_utf8(arm(&["models", "verify"], &here.path("state")).stdout).unwrap();
    assert_eq!(said.lines().filter(|line| line.ends_with("good")).count(), common::catalog().variants.len(), "{said}");
}

#[test]
#[ignore = "needs the program for ARM and qemu: just test-arm"]
fn onnxruntime_for_arm_gives_the_cpu_engines_scores() {
    let here = Program::new();
    let (photograph, library) = (common::sample("dog.jpg").display().to_string(), onnxruntime("onnxruntime"));
    let of = |engine: &str| {
        let folder = here.path(engine);
        let dump = folder.display().to_string();
        let words =
            ["classify", "--engine", engine, "--model", "lite0@96", "--threads", "1", "--dump", &dump, &photograph];
        let output = arm_with(&words, &here.path("state"), Some(&library));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        scores(&folder.join("dog.f32"))
    };
    let (ours, theirs) = (of("tract"), of("onnxruntime"));
    assert_eq!(best(&ours), best(&theirs));
    assert!(apart(&ours, &theirs) < 1e-3, "{}", apart(&ours, &theirs));
}

#[test]
#[ignore = "needs the program for ARM and qemu: just test-arm"]
fn jetson_library_without_cuda_falls_back_to_cpu() {
    let here = Program::new();
    let library = onnxruntime("onnxruntime-gpu");
    let words = ["bench", "--engine", "cuda", "--model", "lite0@96", "--threads", "1", "--frames", "1"];
    let output = arm_with(&words, &here.path("state"), Some(&library));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{said}");
    for part in ["cuda cannot be used", "libcu", "nvidia-jetpack"] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
#[ignore = "needs the program for ARM and qemu: just test-arm"]
fn board_program_has_no_plots() {
    let here = Program::new();
    for arguments in [["scale", "--plot", "a.png"], ["pick", "--explain", "a.png"]] {
        let output = arm_with(&arguments, &here.path("state"), None);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(&format!("{}: this program was built without plots", arguments[1])), "{stderr}");
    }
}
