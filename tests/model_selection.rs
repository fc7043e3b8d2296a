//! Model selection: measurements, the plot and soak test of a pick, and a pipeline that picks again at run time.

mod common;

use common::program::Program;

#[test]
fn profile_fits_a_latency_model_to_three_sizes() {
    let program = Program::new();
    let json = program.run("profile --json").with(0).json().remove(0);
    let config = &json["configs"][0];
    // With all cores and, if there are at least two, with half of them.
    let configs = json["configs"].as_array().unwrap();
    assert!(configs.len() == phicam_platform::system::cores().min(2), "{json}");
    assert!(configs.iter().all(|config| config["engine"] == "tract"), "{json}");
    let variants = config["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 3);
    let work = |place: usize| variants[place]["million_macs"].as_f64().unwrap();
    assert!(work(0) < 100.0);
    assert!(work(2) > 1000.0);
    assert!(work(0) < work(1));
    assert!(work(1) < work(2));
    // The compute cost is MACs, activations or both: whichever predicts latency better.
    let each = |work: &str| config["latency_model"][format!("ms_per_million_{work}")].as_f64().unwrap();
    assert!(each("macs") + each("activations") > 0.0, "{config}");
    let again = program.run("profile").with(0);
    assert!(!again.stderr.contains("measuring"), "it is remembered: {}", again.stderr);
    assert!(again.stdout.contains("for each 1000 M MACs"), "{}", again.stdout);
    assert!(again.stdout.contains("lite2@320"), "{}", again.stdout);
}

#[test]
fn pick_is_plotted_and_soak_tested() {
    let program = Program::new();
    let said = program.run("pick --flops 130M --frame-ms 1000 --explain pick.png --soak 0.5").with(0);
    said.saying(&["lite0@128 holds"]);
    let (size, pixels) = common::png(&program.path("pick.png"));
    assert_eq!((size.width, size.height), (1600, 1000));
    assert!(
        pixels.chunks(3).filter(|pixel| pixel[0] > pixel[1].saturating_add(100)).count() > 500,
        "no line for the budget"
    );
    program.run("pick --flops 130M --explain pick.svg").with(0);
    let svg = std::fs::read_to_string(program.path("pick.svg")).unwrap();
    assert!(svg.contains("lite0@128 is the most accurate variant that fits"));
    program.run("pick --explain nowhere/pick.png --flops 130M").with(1).saying(&["nowhere/pick.png cannot be written"]);
}

#[test]
fn cpu_percent_limits_threads() {
    let program = Program::new();
    let json = program.run("pick --flops 100M --cpu-percent 1 --json").with(0).json().remove(0);
    assert_eq!(json["threads"], 1);
    program.run("pick --cpu-percent 50 --threads 2").with(2).saying(&["--cpu-percent", "--threads"]);
    program.run("pick --cpu-percent 0").with(2);
}

#[test]
fn failed_soak_test_steps_down() {
    let program = Program::new();
    // A single thread count, and `--all`: other load on this machine then cannot influence which variants are measured.
    program.run("profile --all --threads 1").with(0);
    // Cached latencies of 1/40 imitate a machine that has become 40 times slower.
    let path = program.path("state/measurements.json");
    let mut memory: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let mut real_ms = 0.0;
    for entry in memory.as_object_mut().unwrap().values_mut() {
        if entry["model"] == "lite0@96" {
            real_ms = entry["total_ms"]["p50"].as_f64().unwrap();
        }
        for percentile in entry["total_ms"].as_object_mut().unwrap().values_mut() {
            *percentile = (percentile.as_f64().unwrap() / 40.0).into();
        }
        entry["requested_frames"] = 1000.into();
    }
    std::fs::write(&path, memory.to_string()).unwrap();
    let budget_ms = real_ms * 2.0;
    let camera = "run --camera pattern:64x48@60 --display none --threads 1";
    let arguments = format!("{camera} --json --frame-ms {budget_ms} --frames 400");
    let ended = program.run(&arguments).with(0).saying(&["down to", "× the usual"]);
    let answers = ended.json();
    let macs = |answer: &serde_json::Value| {
        let name = answer["model"].as_str().unwrap();
        common::catalog().variant(name).unwrap().million_macs
    };
    let (first, last) = (&answers[0], &answers[answers.len() - 1]);
    assert!(macs(last) < macs(first), "{} → {}", first["model"], last["model"]);
    assert_eq!(answers.len(), 400, "none is lost at a switch");
}

#[test]
fn noisy_measurements_are_redone_after_reboot() {
    let program = Program::new();
    program.run("pick --threads 1 --flops 130M --frame-ms 1000").with(0);
    let path = program.path("state/measurements.json");
    let change = |of: &str, to: serde_json::Value| {
        let mut memory: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        memory.as_object_mut().unwrap().values_mut().for_each(|entry| entry[of] = to.clone());
        std::fs::write(&path, memory.to_string()).unwrap();
    };
    const RUN: &str =
        "run --camera pattern:64x48@60 --display none --threads 1 --flops 130M --frame-ms 1000 --frames 120";
    change("preempted_frames", 1000.into());
    let same_start = program.run(RUN).with(0);
    assert!(!same_start.stderr.contains("measuring lite0"), "{}", same_start.stderr);
    change("boot", "another".into());
    let next_start = program.run(RUN).with(0).saying(&["measuring lite0@128"]);
    assert!(!next_start.stderr.contains("classifies until this machine is measured"), "{}", next_start.stderr);
    // The program does not repeat noisy measurements that the pick does not need.
    let mut memory: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for entry in memory.as_object_mut().unwrap().values_mut().filter(|entry| entry["model"] == "lite0@96") {
        (entry["preempted_frames"], entry["boot"]) = (1000.into(), "another".into());
    }
    std::fs::write(&path, memory.to_string()).unwrap();
    let later = program.run(RUN).with(0);
    assert!(!later.stderr.contains("measuring lite0"), "{}", later.stderr);
}

#[test]
fn noisy_misfit_is_rechecked_after_reboot() {
    let program = Program::new();
    const LIMITS: &str = "--threads 1 --flops 130M --frame-ms 1000";
    program.run(&format!("pick {LIMITS}")).with(0);
    let path = program.path("state/measurements.json");
    let mut memory: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for entry in memory.as_object_mut().unwrap().values_mut() {
        entry["total_ms"] = serde_json::json!({"min": 5e3, "p50": 5e3, "p95": 5e3, "p99": 5e3});
        (entry["preempted_frames"], entry["requested_frames"]) = (1000.into(), 1000.into());
        entry["boot"] = "another".into();
    }
    std::fs::write(&path, memory.to_string()).unwrap();
    let line = format!("run --camera pattern:64x48@60 --display none {LIMITS} --frames 60");
    program.run(&line).with(0).saying(&["measuring lite0@128", "classifies until this machine is measured"]);
}

#[test]
fn previous_pick_survives_5_percent_drift_only() {
    let program = Program::new();
    let picked = |words: &str| {
        let said = program.run("pick --threads 1 --flops 130M --frame-ms 1000").with(0).stdout;
        assert!(said.contains(words), "`{words}` is missing in: {said}");
    };
    picked("→ lite0@128");
    let path = program.path("state/measurements.json");
    let read = || -> serde_json::Value { serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap() };
    let set_p95 = |mut memory: serde_json::Value, p95_ms: f64| {
        let entries = memory.as_object_mut().unwrap().values_mut();
        for entry in entries.filter(|entry| entry["model"] == "lite0@128") {
            entry["total_ms"]["p95"] = p95_ms.into();
            entry["requested_frames"] = 1000.into();
        }
        std::fs::write(&path, memory.to_string()).unwrap();
    };
    set_p95(read(), 925.0); // with 10 % headroom: 1017.5 of 1000 ms
    picked("that leaves 8.1 % for the pipeline, but hysteresis keeps the previous pick");
    picked("→ lite0@128");
    let mut unasked = read();
    unasked.as_object_mut().unwrap().retain(|_, entry| entry["picked"].is_null());
    let asked = read();
    set_p95(unasked, 925.0);
    picked("→ lite0@96");
    set_p95(asked, 960.0); // with 10 % headroom, more than 5 % over the limit
    picked("→ lite0@96");
}

#[test]
fn pinned_variant_is_never_switched() {
    let program = Program::new();
    let ended = program
        .run("run --camera pattern:64x48@60 --display none --json --frame-ms 0.1 --model lite0@96 --frames 150")
        .with(0);
    assert!(ended.json().iter().all(|answer| answer["model"] == "lite0@96"));
    assert!(!ended.stderr.contains("down to"), "{}", ended.stderr);
}
