//! A restart reads the packed weights cache; a damaged or unwritable cache is logged and costs only time.

mod common;
use common::program::{Ended, Program};
use common::{catalog, root};
use phicam_engine::ExecutionConfig;

/// Returns the command that classifies one photograph.
fn command(program: &Program) -> std::process::Command {
    let photograph = root().join("samples/dog.jpg").to_string_lossy().into_owned();
    program.command(["classify", "--model", "lite0@96", "--json", "-v", &photograph])
}

fn classify(program: &Program) -> Ended {
    Ended::from(command(program).output().unwrap()).with(0)
}

fn predictions(ended: &Ended) -> serde_json::Value {
    ended.json()[0]["predictions"].clone()
}

/// Returns the only file of the packed weights cache.
fn cache_file(program: &Program) -> std::path::PathBuf {
    let files: Vec<_> = std::fs::read_dir(program.path("state/packed-weights")).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap().unwrap().path()
}

/// Log message of a start with cached weights.
const CACHE_HIT: &str = "from the packed weights cache";

#[test]
fn restart_reads_the_cache_and_repairs_a_damaged_file() {
    let program = Program::new();
    let first = classify(&program);
    assert!(!first.stderr.contains(CACHE_HIT), "{first:?}");
    let second = classify(&program).saying(&[CACHE_HIT]);
    assert_eq!(predictions(&second), predictions(&first));
    let path = cache_file(&program);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let third = classify(&program).saying(&["warn", "is damaged (wrong checksum): packing the weights again"]);
    assert_eq!(predictions(&third), predictions(&first));
    assert_eq!(predictions(&classify(&program).saying(&[CACHE_HIT])), predictions(&first));
    let measured = program.run("bench --model lite0@96 --json --frames 1").with(0);
    assert!(measured.json()[0]["load_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn former_cache_folder_is_renamed_and_used() {
    let program = Program::new();
    let first = classify(&program);
    let file = cache_file(&program);
    std::fs::rename(program.path("state/packed-weights"), program.path("state/packed")).unwrap();
    let second = classify(&program).saying(&[CACHE_HIT]);
    assert_eq!(predictions(&second), predictions(&first));
    assert_eq!(cache_file(&program), file);
    assert!(!program.path("state/packed").exists());
}

#[test]
fn concurrent_processes_leave_one_valid_cache_file() {
    let program = Program::new();
    let started = [(); 3].map(|()| command(&program).spawn().unwrap());
    let ended = started.map(|child| Ended::from(child.wait_with_output().unwrap()).with(0));
    ended.iter().for_each(|other| assert_eq!(predictions(other), predictions(&ended[0])));
    cache_file(&program);
    assert_eq!(predictions(&classify(&program).saying(&[CACHE_HIT])), predictions(&ended[0]));
}

#[test]
fn bench_writes_the_cache_only_with_packed_flag() {
    let program = Program::new();
    program.run("bench --model lite0@96 --json --frames 1").with(0);
    assert!(!program.path("state/packed-weights").exists());
    program.run("bench --model lite0@96 --json --frames 1 --packed -v").with(0);
    program.run("bench --model lite0@96 --json --frames 1 --packed -v").with(0).saying(&[CACHE_HIT]);
}

#[test]
fn unwritable_state_folder_is_logged_once() {
    let program = Program::new();
    program.write("a-file", "");
    let mut command = command(&program);
    let ended = Ended::from(command.env("PHICAM_STATE", program.path("a-file")).output().unwrap()).with(0);
    assert_eq!(ended.stderr.matches("weights are packed at every start").count(), 1, "{}", ended.stderr);
    assert_eq!(predictions(&ended), predictions(&classify(&program)));
}

#[test]
fn loading_needs_little_memory_beside_the_weights() {
    let (catalog, state) = (catalog(), tempfile::tempdir().unwrap());
    let variant = catalog.variant("lite0@224").unwrap();
    let weights = variant.network.million_parameters * 4e6;
    let open = || {
        let mut engine = phicam::engines::open(variant, ExecutionConfig::tract(1), Some(state.path())).unwrap();
        engine.infer().unwrap();
        assert_eq!(engine.classes(), 1000);
    };
    for source in ["from the model", "from the cache"] {
        let memory = allocation_counter::measure(open);
        let overhead = memory.bytes_max as f64 - weights;
        assert!(overhead < 8e6, "{source}: {:.1} MB beside {:.1} MB of weights", overhead / 1e6, weights / 1e6);
    }
}
