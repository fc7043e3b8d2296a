//! A restart reads what an earlier start has packed; what is wrong with that is said, and costs nobody an answer.

mod common;
use common::program::{Ended, Program};
use common::{catalog, root};
use phicam_engine;
use phicam_engine::ExecutionConfig;

/// What `classify` says of one photograph.
fn command(program: &Program) -> std::process::Command {
    let photograph = root().join("samples/dog.jpg").to_string_lossy().into_owned();
    program.command(["classify", "--model", "lite0@96", "--json", "-v", &photograph])
}

fn classified(program: &Program) -> Ended {
    Ended::from(command(program).output().unwrap()).with(0)
}

fn predictions(ended: &Ended) -> serde_json::Value {
    ended.json()[0]["predictions"].clone()
}

/// The only file of packed weights.
fn packed(program: &Program) -> std::path::PathBuf {
    let files: Vec<_> = std::fs::read_dir(program.path("state/packed")).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap().unwrap().path()
}

const READ: &str = "packed by an earlier start";

#[test]
fn a_restart_takes_packed_weights_and_a_damaged_file_is_said_and_mended() {
    let program = Program::new();
    let first = classified(&program);
    assert!(!first.stderr.contains(READ), "{first:?}");
    let second = classified(&program).saying(&[READ]);
    assert_eq!(predictions(&second), predictions(&first));
    let path = packed(&program);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let third = classified(&program).saying(&["warn", "is damaged (its checksum is another): packing anew"]);
    assert_eq!(predictions(&third), predictions(&first));
    assert_eq!(predictions(&classified(&program).saying(&[READ])), predictions(&first));
    let measured = program.run("bench --model lite0@96 --json --frames 1").with(0);
    assert!(measured.json()[0]["load_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn two_processes_that_start_at_once_leave_one_whole_file() {
    let program = Program::new();
    let started = [(); 3].map(|()| command(&program).spawn().unwrap());
    let ended = started.map(|child| Ended::from(child.wait_with_output().unwrap()).with(0));
    ended.iter().for_each(|other| assert_eq!(predictions(other), predictions(&ended[0])));
    packed(&program);
    assert_eq!(predictions(&classified(&program).saying(&[READ])), predictions(&ended[0]));
}

#[test]
fn measuring_packs_nothing_to_keep_unless_it_is_asked_to() {
    let program = Program::new();
    program.run("bench --model lite0@96 --json --frames 1").with(0);
    assert!(!program.path("state/packed").exists());
    program.run("bench --model lite0@96 --json --frames 1 --packed -v").with(0);
    program.run("bench --model lite0@96 --json --frames 1 --packed -v").with(0).saying(&[READ]);
}

#[test]
fn a_state_folder_that_cannot_be_written_is_said_once_and_the_answer_is_there() {
    let program = Program::new();
    program.write("a-file", "");
    let mut command = command(&program);
    let ended = Ended::from(command.env("PHICAM_STATE", program.path("a-file")).output().unwrap()).with(0);
    assert_eq!(ended.stderr.matches("packed anew at every start").count(), 1, "{}", ended.stderr);
    assert_eq!(predictions(&ended), predictions(&classified(&program)));
}

#[test]
fn loading_takes_little_memory_beside_the_weights() {
    let (catalog, state) = (catalog(), tempfile::tempdir().unwrap());
    let variant = catalog.variant("lite0@224").unwrap();
    let weights = variant.network.million_parameters * 4e6;
    let open = || {
        let mut engine = phicam::engines::open(variant, ExecutionConfig::tract(1), Some(state.path())).unwrap();
        engine.infer().unwrap();
        assert_eq!(engine.classes(), 1000);
    };
    for what in ["from the model", "from what was packed"] {
        let memory = allocation_counter::measure(open);
        let beside = memory.bytes_max as f64 - weights;
        assert!(beside < 8e6, "{what}: {:.1} MB beside {:.1} MB of weights", beside / 1e6, weights / 1e6);
    }
}
