//! Each command as a user types it: its output and its exit code.

mod common;

use std::io::Write;
use std::process::Stdio;

use common::program::{Ended, Program, names};
use common::sample;
use serde_json::Value;

#[test]
fn classify_keeps_the_order_of_files() {
    let program = Program::new();
    program.take("dog.jpg", "b.jpg");
    program.take("panda.jpg", "a.jpg");
    let ended = program.run("classify --model lite0@224 --top-k 2 b.jpg a.jpg").with(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:?}");
    assert!(lines[0].starts_with("b.jpg                 German shepherd "), "{ended:?}");
    assert!(lines[0].ends_with(" %"), "{ended:?}");
    assert!(lines[1].starts_with("a.jpg                 giant panda "), "{ended:?}");
    assert_eq!(ended.stderr, "", "with a model named there is nothing to say");
}

#[test]
fn classify_continues_after_a_bad_file() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    program.take("panda.jpg", "panda.jpg");
    program.write("notes.jpg", "no picture");
    let ended = program.run("classify --json --model lite0@224 --top-k 3 dog.jpg notes.jpg gone.jpg panda.jpg").with(4);
    let ended = ended.saying(&["notes.jpg", "gone.jpg", "2 of 4 pictures could not be classified"]);
    let answers = ended.json();
    let files: Vec<&str> = answers.iter().map(|answer| answer["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["dog.jpg", "notes.jpg", "gone.jpg", "panda.jpg"]);
    for bad in &answers[1..3] {
        assert_eq!(names(bad), ["error", "file"]);
    }
    assert!(answers[2]["error"].as_str().unwrap().matches("No such file").count() == 1, "{}", answers[2]);
    assert_eq!(names(&answers[0]), ["file", "model", "predictions"]);
    assert_eq!(answers[0]["model"], "lite0@224");
    let predictions = answers[0]["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 3);
    assert_eq!(names(&predictions[0]), ["index", "label", "probability"]);
    assert_eq!(
        (&predictions[0]["index"], &predictions[0]["label"]),
        (&Value::from(235), &Value::from("German shepherd"))
    );
    let probabilities: Vec<f64> =
        predictions.iter().map(|prediction| prediction["probability"].as_f64().unwrap()).collect();
    assert!(probabilities.is_sorted_by(|a, b| a >= b), "{probabilities:?}");
    assert!(probabilities[0] <= 1.0, "{probabilities:?}");
}

#[test]
fn classify_reads_standard_input() {
    let program = Program::new();
    let mut command = program.command(["classify", "--model", "lite0@224", "--top", "1", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&std::fs::read(sample("dog.jpg")).unwrap()).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap()).with(0);
    assert!(ended.stdout.starts_with("-                     German shepherd "), "{ended:?}");
}

#[test]
fn classify_dumps_input_and_scores() {
    let program = Program::new();
    program.take("dog.jpg", "my.dog.jpg");
    program.take("panda.jpg", "my.panda.jpg");
    program.run("classify --model lite0@96 --dump seen/deep my.dog.jpg my.panda.jpg").with(0);
    assert_eq!(common::png(&program.path("seen/deep/my.dog.png")).0, phicam_frame::Size::new(96, 96));
    let scores = common::scores(&program.path("seen/deep/my.dog.f32"));
    assert_eq!((scores.len(), common::best(&scores)), (1000, 235));
    assert_ne!(common::best(&common::scores(&program.path("seen/deep/my.panda.f32"))), 235);
}

#[test]
fn pick_caches_its_measurements() {
    let program = Program::new();
    const PICK: &str = "pick --json --model lite0 --frame-ms 60000";
    let first = program.run(PICK).with(0).saying(&["measuring lite0@96", "measuring lite0@256"]);
    let picked = &first.json()[0];
    assert_eq!((&picked["variant"], &picked["limit"]), (&Value::from("lite0@256"), &Value::from("catalog")));
    // Six sides: with all cores and, if there are at least two, with half of them.
    assert_eq!(picked["candidates"].as_array().unwrap().len(), 6 * phicam_platform::system::cores().min(2));
    assert!(picked["reason"].as_str().unwrap().contains("budget 60000 ms a frame"), "{picked}");
    assert!(program.path("state/measurements.json").is_file());

    let second = program.run(PICK).with(0);
    assert!(!second.stderr.contains("measuring"), "{}", second.stderr);
    assert_eq!(second.json()[0], *picked, "what is remembered is what was measured");

    let too_slow = program.run("pick --model lite0@96 --frame-ms 0.01").with(3);
    assert!(!too_slow.stderr.contains("measuring"), "{}", too_slow.stderr);
    let too_slow = too_slow.saying(&["0.01 ms a frame", "lite0@96", "needs", "ms a frame at p95", "MiB", "--frame-ms"]);
    assert_eq!(too_slow.stdout, "");

    program.run("pick --json --model lite0@96 --remeasure").saying(&["measuring lite0@96"]);
}

#[test]
fn macs_limit_alone_decides_without_a_latency_limit() {
    let ended = Program::new().run("pick --json --flops 300M --model lite0 --frame-ms 60000").with(0);
    let picked = &ended.json()[0];
    assert_eq!((&picked["variant"], &picked["limit"]), (&Value::from("lite0@192"), &Value::from("work")), "{ended:?}");
}

#[test]
fn pick_explains_every_variant() {
    let ended = Program::new().run("pick --model lite0@96 --frame-ms 60000").with(0);
    for word in ["lite0@96", "← picked", "lite0@96 is the limit", "board "] {
        assert!(ended.stdout.contains(word), "{ended:?}");
    }
}

#[test]
fn bench_names_every_stage() {
    let ended = Program::new().run("bench --json --model lite0@96 --frames 3 --threads 1").with(0);
    let found = &ended.json()[0];
    let expected = [
        "engine",
        "engine_description",
        "first_ms",
        "frames",
        "infer_ms",
        "load_ms",
        "model",
        "peak_rss_mib",
        "phi",
        "precision",
        "preempted_frames",
        "stages_ms",
        "threads",
        "total_ms",
    ];
    assert_eq!(names(found), expected);
    assert_eq!(names(&found["infer_ms"]), ["min", "p50", "p95", "p99"]);
    assert_eq!((&found["model"], &found["frames"], &found["threads"]), (&"lite0@96".into(), &3.into(), &1.into()));
    assert!(found["peak_rss_mib"].as_f64().unwrap() > 10.0, "{found}");
    assert!(found["infer_ms"]["min"].as_f64().unwrap() > 0.0, "{found}");
    let table = Program::new().run("bench --model lite0@96 --frames 1").with(0).stdout;
    assert!(
        ["kernels, nothing left to tract", "p50 ms", "preprocess", "infer", "total", "MiB"]
            .iter()
            .all(|word| table.contains(word)),
        "{table}"
    );
}

#[test]
fn models_are_listed_and_verified() {
    let program = Program::new();
    let listed = program.run("models list --json").with(0).json();
    assert_eq!(listed.len(), common::catalog().variants.len());
    let expected = [
        "file",
        "licence",
        "million_macs",
        "million_parameters",
        "phi",
        "sha256",
        "side",
        "source",
        "top1_percent",
        "top1_source",
        "variant",
    ];
    assert!(listed.iter().all(|variant| names(variant) == expected), "{listed:?}");
    let verified = program.run("models verify").with(0).stdout;
    for variant in listed {
        let name = variant["variant"].as_str().unwrap();
        assert!(verified.lines().any(|line| line.starts_with(name) && line.ends_with(" good")), "{name}: {verified}");
        assert!(program.path(variant["file"].as_str().unwrap()).is_file(), "{variant}");
    }
}

#[test]
fn doctor_finds_models_samples_and_state_folder() {
    let program = Program::new();
    let findings = program.run("doctor --json").json();
    for finding in &findings {
        assert!(["what", "state", "value"].iter().all(|field| finding[field].is_string()), "{finding}");
        let has_remedy = finding["remedy"].is_string();
        // What is unknown has a remedy only if there is something to do.
        if finding["state"] != "unknown" {
            assert_eq!(finding["state"] != "good", has_remedy, "{finding}");
        }
    }
    for what in ["models", "samples", "state"] {
        let found = findings.iter().find(|finding| finding["what"] == what);
        assert_eq!(found.unwrap_or_else(|| panic!("{what}"))["state"], "good");
    }
    let text = program.run("doctor").stdout;
    assert!(findings.iter().all(|finding| text.contains(finding["what"].as_str().unwrap())), "{text}");
}

#[test]
fn doctor_names_faults_and_remedies() {
    let program = Program::new();
    program.take_models();
    program.replace_model("imagenet/lite1.onnx", "no network");
    let ended = program.run("doctor --models models").with(4);
    assert!(ended.stdout.contains("WRONG"), "{ended:?}");
    assert!(ended.stdout.contains("lite1@240"), "{ended:?}");
    assert!(ended.stdout.contains("10 of 11 variants"), "{ended:?}");
}

#[test]
fn every_shell_has_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let script = Program::new().run(&format!("completions {shell}")).with(0).stdout;
        assert!(script.contains("phicam"), "{shell}");
        assert!(script.contains("classify"), "{shell}");
    }
}

#[test]
fn help_lists_every_command() {
    let help = Program::new().run("--help").with(0).stdout;
    for command in ["run", "classify", "pick", "bench", "scale", "models", "doctor", "completions"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}: {help}");
    }
    let version = Program::new().run("--version").with(0).stdout;
    assert_eq!(version.trim(), concat!("phicam ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn unwritable_standard_output_is_an_error() {
    let program = Program::new();
    for arguments in ["models list", "completions bash", "bench --json --model lite0@96 --frames 1"] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let ended = Ended::from(program.command(arguments.split_whitespace()).stdout(full).output().unwrap()).with(1);
        ended.saying(&["standard output cannot be written: No space left"]);
    }
}

#[test]
fn closed_pipe_ends_the_program_quietly() {
    let program = Program::new();
    let run = "run --camera pattern --display terminal --model lite0@96 --frames 300";
    for arguments in ["models list", "models list --json", "completions zsh", "--help", run] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = program.command(arguments.split_whitespace());
        let ended = Ended::from(command.stdout(writer).output().unwrap()).with(0);
        assert!(!ended.stderr.contains("roken pipe"), "{arguments}: {ended:?}");
    }
}
