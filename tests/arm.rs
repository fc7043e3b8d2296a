//! The program for 64-bit ARM, run by qemu's user mode: it gives the scores that this machine's gives. `just test-arm`
//! builds what these tests need; without it they are not run.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::program::Program;
use common::{apart, best, root, scores};

/// What `just build aarch64` makes, or another that PHICAM_ARM names.
fn program() -> PathBuf {
    let built = root().join("target/aarch64-unknown-linux-gnu/dist/phicam");
    std::env::var_os("PHICAM_ARM").map_or(built, PathBuf::from)
}

fn arm(arguments: &[&str], state: &Path) -> Output {
    let mut command = Command::new(root().join("board/cross/run.sh"));
    command.arg(program()).args(arguments);
    command.env("PHICAM_STATE", state).env("PHICAM_MODELS", root().join("models"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
#[ignore = "needs the program for ARM and qemu: just test-arm"]
fn the_program_for_arm_gives_the_same_scores() {
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
fn the_program_for_arm_looks_at_its_machine_and_loads_every_model() {
    let here = Program::new();
    let said = String::from_utf8(arm(&["models", "verify"], &here.path("state")).stdout).unwrap();
    assert_eq!(said.lines().filter(|line| line.ends_with("good")).count(), common::catalog().choices.len(), "{said}");
}
