//! `phicam run`: its cameras, its output, its board files and its exit.

mod common;

use std::io::{BufRead, BufReader, Read};

use common::program::{Ended, Program, names};
use serde_json::Value;

#[test]
fn json_output_is_one_object_a_classification() {
    let ended = Program::new().run("run --camera pattern --frames 3 --json --model lite0@96 --display none").with(0);
    let answers = ended.json();
    assert_eq!(answers.len(), 3);
    let expected = [
        "age_ms",
        "dropped",
        "engine",
        "frame",
        "infer_ms",
        "model",
        "phi",
        "predictions",
        "source",
        "total_ms",
        "unsure",
    ];
    for answer in &answers {
        assert_eq!(names(answer), expected);
        assert_eq!((&answer["model"], &answer["source"]), (&Value::from("lite0@96"), &Value::Null));
        assert_eq!(answer["predictions"].as_array().unwrap().len(), 5);
        assert_eq!(names(&answer["predictions"][0]), ["index", "label", "probability"]);
        let ms = |field: &str| answer[field].as_f64().unwrap();
        assert!(ms("infer_ms") <= ms("total_ms"), "{answer}");
        assert!(ms("total_ms") <= ms("age_ms"), "{answer}");
    }
    let frames: Vec<u64> = answers.iter().map(|answer| answer["frame"].as_u64().unwrap()).collect();
    assert!(frames.is_sorted_by(|a, b| a < b), "{frames:?}");
    ended.saying(&["3 classified", "stage "]);
}

#[test]
fn folder_is_played_once_at_the_requested_size() {
    let program = Program::new();
    program.take("dog.jpg", "holiday/1.jpg");
    program.take("panda.jpg", "holiday/walk/1.jpg");
    program.take("panda.jpg", "holiday/walk/2.jpg");
    let ended = program.run("run --camera files:holiday --display png:out/see.png@320x240 --model lite0@96").with(0);
    assert_eq!(common::png(&program.path("out/see.png")).0, phicam_frame::Size::new(320, 240));
    assert!(ended.stdout.contains("3 frames: "), "{ended:?}");
    assert_eq!(std::fs::read_dir(program.path("out")).unwrap().count(), 1, "nothing is left beside the picture");
}

#[test]
fn truncated_picture_is_skipped_and_counted() {
    let program = Program::new();
    program.take("dog.jpg", "album/1.jpg");
    program.take("panda.jpg", "album/3.jpg");
    let whole = std::fs::read(program.path("album/1.jpg")).unwrap();
    program.write("album/2.jpg", &whole[..whole.len() / 2]);
    let ended = program.run("run --camera files:album --display terminal --model lite0@96").with(0);
    let ended = ended.saying(&["album/2.jpg is cut short"]);
    assert!(ended.stdout.contains("2 frames: "), "{ended:?}");
    assert!(ended.stdout.contains(", 1 unreadable"), "{ended:?}");
    let shown: Vec<&str> =
        ended.stdout.lines().filter_map(|line| line.split_once(".jpg  ")).map(|(name, _)| name).collect();
    assert_eq!(shown, ["1", "3"], "{ended:?}");
}

#[test]
fn fifo_among_pictures_does_not_block() {
    let program = Program::new();
    program.take("dog.jpg", "album/2.jpg");
    std::process::Command::new("mkfifo").arg(program.path("album/1.jpg")).status().unwrap();
    let ended = program.run("run --camera files:album --display none --model lite0@96").with(0);
    let ended = ended.saying(&["album/1.jpg is no regular file"]);
    assert!(ended.stdout.contains("1 classified"), "{ended:?}");
    assert!(ended.stdout.contains("1 unreadable"), "{ended:?}");
}

#[test]
fn quick_pick_classifies_until_measured() {
    let program = Program::new();
    program.take("dog.jpg", "album/1.jpg");
    let run = "run --camera files:album --display none --model lite0 --frame-ms 1000 --json";
    let ended = program.run(run).with(0).saying(&["classifies until this machine is measured", "a quick timing of"]);
    assert_ne!(ended.json()[0]["model"], "lite0@96", "not the smallest");

    program.run("pick --model lite0 --frame-ms 60000").with(0);
    let ended = program.run(&run.replace("1000", "60000")).with(0);
    assert!(!ended.stderr.contains("until this machine"), "{ended:?}");
    assert_eq!(ended.json()[0]["model"], "lite0@256", "what was measured decides from the first picture on");
}

#[test]
fn damaged_network_is_skipped_for_the_next() {
    let program = Program::new();
    program.take_models();
    program.replace_model("imagenet/lite0.onnx", "no network");
    program.take("dog.jpg", "album/1.jpg");
    let ended = program.run("run --models models --camera files:album --display none --frame-ms 60000 --json").with(0);
    assert_eq!(ended.json()[0]["model"], "lite2@240");
    ended.saying(&["skipping lite0@192", "models/imagenet/lite0.onnx", "lite2@240 (φ 0.78) classifies until"]);
}

#[test]
fn failing_display_is_logged_once_and_counted() {
    let program = Program::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let run = "run --camera pattern --frames 5 --model lite0@96 --display terminal";
    let ended = Ended::from(program.command(run.split_whitespace()).stdout(full).output().unwrap()).with(1);
    assert_eq!(ended.stderr.matches("display text failed").count(), 1, "{}", ended.stderr);
}

#[test]
fn display_of_the_board_file_may_be_missing() {
    let program = Program::new();
    program.write("mine.toml", "summary = 'x'\n[[display]]\nkind = 'png'\npath = '/proc/x/see.png'\n");
    let ended = program.run("run --board mine.toml --camera pattern --frames 1 --model lite0@96").with(0);
    ended.saying(&["starting without a display of board mine", "/proc/x/see.png"]);
}

#[test]
fn command_line_overrides_the_boards_model() {
    let program = Program::new();
    program.write("mine.toml", "summary = 'x'\nmodel = 'lite0@96'\n");
    let run = "run --board mine.toml --camera pattern --display none --frames 1 --json";
    assert_eq!(program.run(run).with(0).json()[0]["model"], "lite0@96");
    assert_eq!(program.run(&format!("{run} --model lite0@128")).with(0).json()[0]["model"], "lite0@128");
    program.write("mine.toml", "summary = 'x'\nmodel = 'lite9'\n");
    program.run(run).with(1).saying(&["no model `lite9`", "did you mean"]);
}

#[test]
fn ctrl_c_ends_with_a_summary() {
    let program = Program::new();
    let run = ["run", "--camera", "pattern", "--display", "none", "--model", "lite0@96", "--json"];
    let mut child = program.command(run).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    stdout.read_line(&mut first).unwrap();
    assert!(first.starts_with('{'), "{first}");
    // Every shell has a built-in `kill`; not every system has the program.
    std::process::Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap()).with(0).saying(&[" frames: ", " classified, "]);
    let answered = 1 + rest.lines().count();
    assert!(ended.stderr.contains(&format!(" {answered} classified")), "{ended:?}");
}
