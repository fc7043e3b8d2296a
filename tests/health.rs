//! `phicam health` for a running pipeline, for a killed one, and for a foreign health file.

mod common;

use std::io::{BufRead, BufReader};
use std::process::Child;

use common::program::{Ended, Program};

/// Starts a pipeline and waits for its first classification.
fn start_pipeline(program: &Program, arguments: &str) -> Child {
    let mut child = program.command(arguments.split_whitespace()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains("lite0@96"), "{first}");
    child
}

/// Returns the output of `phicam health` with exit code `code`; repeats the command until then, because the health
/// report is written every second.
fn wait_for_health(program: &Program, child: &mut Child, code: i32) -> serde_json::Value {
    loop {
        let ended = program.run("health --json");
        if ended.code == Some(code) {
            return ended.json().remove(0);
        }
        assert!(child.try_wait().unwrap().is_none(), "the line ended, and health is {ended:?}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn health_tells_running_from_killed() {
    let program = Program::new();
    program.run("health").with(4);
    let mut child = start_pipeline(&program, "run --camera pattern:64x48 --display none --model lite0@96 --json");
    let health = wait_for_health(&program, &mut child, 0);
    assert_eq!((&health["healthy"], &health["model"]), (&true.into(), &"lite0@96".into()));
    let executable = std::fs::canonicalize(env!("CARGO_BIN_EXE_phicam")).unwrap();
    assert_eq!(health["executable"].as_str().unwrap(), executable.to_str().unwrap());
    assert_eq!(health["pid"], child.id());
    assert_eq!(health["camera"], "pattern, 64×48");
    child.kill().unwrap();
    child.wait().unwrap();
    let ended = program.run("health").with(4);
    assert!(ended.stdout.starts_with("UNHEALTHY"), "{ended:?}");
    assert!(ended.stdout.contains("is not running"), "{ended:?}");
}

#[test]
fn foreign_health_file_is_refused() {
    let program = Program::new();
    program.write("runtime/health.json", "{\"healthy\": true}");
    let ended: Ended = program.run("health --json").with(4);
    let why = ended.json()[0]["reasons"][0].as_str().unwrap().to_string();
    assert!(why.contains("runtime/health.json is not a health file of this version"), "{why}");
}
