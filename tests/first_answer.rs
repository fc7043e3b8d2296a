//! The first answer on a machine that was not measured: arguments are checked first, one latency decides, the demo measures.

mod common;

use std::io::{BufRead, BufReader};

use common::program::{Ended, Program};
use serde_json::Value;

/// Board whose camera is the samples, twice as fast as the generic board's. It claims to be so slow that the quick pick is
/// another variant than the pick.
const DEMO_BOARD: &str = "summary = 'x'\n[expect]\nb0_f32_ms = { one_thread = 60000 }\nsource = 'y'\n\
                          [budget]\nframe_ms = 60000\n[camera]\nkind = 'files'\npicture_ms = 500\n\
                          [[display]]\nkind = 'png'\npath = 'screen.png'\n";

/// Returns whether anything was measured, or loaded and cached.
fn has_state(program: &Program) -> bool {
    ["measurements.json", "packed-weights"].iter().any(|name| program.path("state").join(name).exists())
}

#[test]
fn classify_times_one_variant_on_a_fresh_machine() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    let ended = program.run("classify --json --frame-ms 60000 dog.jpg").with(0);
    assert_eq!(ended.json()[0]["model"], "lite2@240", "the cheapest that ties with the largest");
    assert_eq!(ended.json()[0]["predictions"][0]["label"], "German shepherd");
    assert!(!program.path("state/measurements.json").exists());
    assert!(!ended.stderr.contains("measuring"), "{}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    ended.saying(&["using lite2@240", "a quick timing of lite0@192", "`phicam pick` measures"]);
}

#[test]
fn evaluate_times_one_variant_and_reports_progress() {
    let program = Program::new();
    program.take("koala.jpg", "photos/koala/1.jpg");
    program.take("red_panda.jpg", "photos/red_panda/1.jpg");
    let ended = program.run("models evaluate photos --json").with(0);
    assert_eq!(ended.json()[0]["pictures"], 2);
    assert!(!program.path("state/measurements.json").exists());
    ended.saying(&["a quick timing of lite0@192", "on 2 pictures in photos"]);
}

#[test]
fn wrong_arguments_are_named_before_anything_is_timed() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    program.take("dog.jpg", "photos/no such label/1.jpg");
    program.write("notes.txt", "a shopping list");
    for (arguments, code, said) in [
        ("classify gone.jpg", 4, "gone.jpg: cannot be read"),
        ("classify notes.txt", 4, "notes.txt: is not a JPEG, PNG or WebP picture"),
        ("classify photos", 1, "no picture in photos"),
        ("classify --model lite9 dog.jpg", 1, "no model `lite9`"),
        ("classify --dump notes.txt dog.jpg", 1, "notes.txt cannot be created"),
        ("models evaluate nowhere", 1, "nowhere cannot be read"),
        ("models evaluate photos", 1, "no label `no such label`"),
        ("pick --explain nowhere/pick.svg", 1, "nowhere/pick.svg cannot be written"),
        ("run --camera files:nowhere --display none", 1, "no picture at nowhere"),
        ("run --camera pattern --display png:/proc/x/y.png", 1, "/proc/x/y.png"),
    ] {
        let ended = program.run(arguments).with(code).saying(&[said]);
        assert!(!ended.stderr.contains("timing"), "{arguments}: {}", ended.stderr);
        assert!(!has_state(&program), "{arguments}");
    }
}

#[test]
fn missing_file_among_others_is_named_first() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    let ended = program.run("classify --json dog.jpg gone.jpg").with(4);
    let answers = ended.json();
    assert_eq!((&answers[0]["file"], &answers[1]["file"]), (&Value::from("dog.jpg"), &Value::from("gone.jpg")));
    assert!(answers[1]["error"].as_str().unwrap().contains("No such file"), "{ended:?}");
    let place = |words: &str| ended.stderr.find(words).unwrap_or_else(|| panic!("`{words}` is missing: {ended:?}"));
    assert!(place("gone.jpg") < place("a quick timing"), "{ended:?}");
    assert_eq!(ended.stderr.matches("gone.jpg").count(), 1, "{ended:?}");
}

#[test]
fn published_speed_of_the_board_needs_no_timing() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    // lite0@128 is expected at 1000 ms · (0.5 + 0.5 · 126.6 / 386) · 1.086 = 721 ms; with 10 % of headroom it needs 793 ms.
    let board = "summary = 'x'\n[budget]\nframe_ms = 800\n[expect]\nb0_f32_ms = { one_thread = 1000 }\nsource = 'y'\n";
    program.write("mine.toml", board);
    let ended = program.run("classify --json --board mine.toml dog.jpg").with(0);
    assert_eq!(ended.json()[0]["model"], "lite0@128");
    assert!(!ended.stderr.contains("timing"), "{}", ended.stderr);
    ended.saying(&["EfficientNet-B0 takes 1000 ms on this board (y)"]);
}

#[test]
fn remembered_pick_needs_no_timing() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    program.run("pick --flops 130M --frame-ms 60000").with(0);
    let ended = program.run("classify --json --flops 130M --frame-ms 60000 dog.jpg").with(0);
    assert_eq!(ended.json()[0]["model"], "lite0@128");
    assert!(!ended.stderr.contains("timing"), "{}", ended.stderr);
}

#[test]
fn measurements_decide_that_nothing_fits() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    let ended = program.run("classify --model lite0 --frame-ms 0.01 dog.jpg").with(3);
    assert_eq!(ended.stdout, "");
    ended.saying(&["measuring lite0@96", "no model fits the budget of 0.01 ms a frame"]);
}

#[test]
fn demo_ends_in_the_picked_network_with_right_answers() {
    let program = Program::new();
    program.write("mine.toml", DEMO_BOARD);
    let ended = program.run("run --board mine.toml --json").with(0);
    let memory: Value =
        serde_json::from_slice(&std::fs::read(program.path("state/measurements.json")).unwrap()).unwrap();
    let picked: Vec<&Value> = memory.as_object().unwrap().values().filter_map(|entry| entry.get("picked")).collect();
    assert_eq!(picked.len(), 1, "{memory}");

    let answers = ended.json();
    assert_ne!(&answers[0]["model"], picked[0], "the quick pick");
    let text = std::fs::read_to_string(common::root().join("samples/demo.toml")).unwrap();
    let demo: toml::Table = toml::from_str(&text).unwrap();
    let last: Vec<&str> = demo["last"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(answers.last().unwrap()["source"], *last.last().unwrap());
    // A busy machine may drop frames; the others come in their order.
    let tail: Vec<&Value> = answers.iter().rev().take_while(|answer| last.contains(&source(answer))).collect();
    assert!(!tail.is_empty(), "{ended:?}");
    for answer in tail {
        assert_eq!(&answer["model"], picked[0], "{answer}");
        assert_eq!(answer["predictions"][0]["label"], expected_label(source(answer)), "{answer}");
    }

    let again = program.run("run --board mine.toml --json --frames 2").with(0);
    assert_eq!(&again.json()[0]["model"], picked[0]);
    assert!(!again.stderr.contains("measuring"), "the next demo measures nothing: {}", again.stderr);
}

fn source(answer: &Value) -> &str {
    answer["source"].as_str().unwrap()
}

/// Returns the label of a sample that has one right class.
fn expected_label(file: &str) -> String {
    let text = std::fs::read_to_string(common::root().join("samples/expected.toml")).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    let photo = table["photo"].as_array().unwrap().iter().find(|photo| photo["file"].as_str() == Some(file));
    photo.unwrap_or_else(|| panic!("{file} is no sample"))["name"].as_str().unwrap().to_string()
}

#[test]
fn long_run_refines_its_coarse_measurements() {
    let program = Program::new();
    let run = "run --camera pattern:64x48@60 --display none --threads 1 --flops 80M --frame-ms 60000";
    let mut child = program.command(run.split_whitespace()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let is_sample = |line: &String| line.contains("measuring lite0@96");
    let coarse = lines.by_ref().find(is_sample);
    // The controller only logs after the search: a run that does not refine its measurements never logs a second sample.
    let full = lines.by_ref().find(|line| is_sample(line) || line.contains("in service"));
    // Every shell has a built-in `kill`; not every system has the program.
    std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    lines.for_each(drop);
    Ended::from(child.wait_with_output().unwrap()).with(0); // before the assertions: no process is left
    assert!(coarse.is_some_and(|line| line.contains(", 8 frames")));
    assert!(full.is_some_and(|line| line.contains(", 16 frames")));
}
