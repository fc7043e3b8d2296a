//! Help texts of the program and of each command, so that they change only on purpose.
//!
//! Accept a change with `INSTA_UPDATE=always cargo test --release --test help_snapshots`, and review the diff.

mod common;

use common::program::Program;

/// Returns the help of `phicam ARGUMENTS --help`, with lines of 100 columns.
fn help(arguments: &str) -> String {
    let program = Program::new();
    let mut command = program.command(arguments.split_whitespace().chain(["--help"]));
    let output = command.env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success(), "{arguments}");
    String::from_utf8(output.stdout).unwrap()
}

macro_rules! help_snapshots {
    ($($test:ident: $arguments:literal,)*) => {
        $(
            #[test]
            fn $test() {
                insta::assert_snapshot!(stringify!($test), help($arguments));
            }
        )*
    };
}

help_snapshots! {
    phicam: "",
    phicam_run: "run",
    phicam_classify: "classify",
    phicam_capture: "capture",
    phicam_pick: "pick",
    phicam_profile: "profile",
    phicam_build_engines: "build-engines",
    phicam_bench: "bench",
    phicam_scale: "scale",
    phicam_models: "models",
    phicam_models_list: "models list",
    phicam_models_verify: "models verify",
    phicam_models_add: "models add",
    phicam_models_remove: "models remove",
    phicam_models_evaluate: "models evaluate",
    phicam_doctor: "doctor",
    phicam_health: "health",
    phicam_completions: "completions",
}
