//! Words that people use: the program understands each one, or answers with the line to type.

mod common;

use common::program::{Ended, Program};

/// Runs the program without ONNX Runtime and without GStreamer, as on a fresh board.
fn run_bare(program: &Program, arguments: &str) -> Ended {
    let mut command = program.command(arguments.split_whitespace());
    command.env("HOME", program.path("")).env("PATH", program.path("bin")).output().unwrap().into()
}

#[test]
fn natural_words_are_understood_or_answered() {
    let program = Program::new();
    program.take("dog.jpg", "photos/dog.jpg");
    program.write("birds.mp4", "no film");
    const RUN: &str = "run --display none --model lite0@96 --frames 1 --camera";
    const SHOW: &str = "run --camera pattern --model lite0@96 --frames 1 --display";
    const CLASSIFY: &str = "classify photos/dog.jpg";
    // Without the device the exit code is 1 and the error names it; 2 would be a word that is not understood.
    for (arguments, code, said) in [
        (format!("{RUN} /dev/video99"), 1, "/dev/video99: no such device"),
        (format!("{RUN} 99"), 1, "/dev/video99: no such device"),
        (format!("{RUN} rtsp://localhost:1/live"), 1, "sudo apt-get install gstreamer1.0-tools"),
        (format!("{RUN} photos"), 0, "camera files, 1 picture"),
        (format!("{RUN} photos/dog.jpg"), 0, "camera files, 1 picture"),
        (format!("{RUN} birds.mp4"), 1, "gstreamer1.0-libav`, or convert it to pictures: `mkdir -p films/birds"),
        (format!("{SHOW} /dev/fb99"), 1, "/dev/fb99 does not exist"),
        (format!("{SHOW} /dev/dri/card99"), 1, "/dev/dri/card99 does not exist"),
        (format!("{SHOW} text"), 0, "display text\n"),
        (format!("{SHOW} out.png"), 0, "display png:out.png"),
        (format!("{SHOW} png:out.png@big"), 2, "size is `big`, expected WIDTHxHEIGHT in pixels, such as 640x480"),
        (format!("{CLASSIFY} --model Lite0@96"), 0, ""),
        (format!("{CLASSIFY} --model EfficientNet-Lite0@96"), 0, ""),
        (format!("{CLASSIFY} --model b0"), 1, "`phicam models add FILE --name b0`"),
        (format!("{CLASSIFY} --model lite0@96 --precision fp16"), 1, "type --precision f32"),
        (format!("{CLASSIFY} --model lite0@96 --precision int8"), 1, "type --precision f32"),
        (format!("{CLASSIFY} --model lite0@96 --engine CPU"), 0, ""),
        ("photos/dog.jpg --model lite0@96".into(), 0, ""),
        ("photos --model lite0@96".into(), 0, ""),
        ("classify photos --model lite0@96".into(), 0, ""),
        ("run --unsure-below 50".into(), 2, "expected 0 to 1; for 50 % type 0.5"),
        ("run --fps -1".into(), 2, "it is `-1`, expected 0.001 to 1000 frames per second, such as 15"),
        ("run --memory 10".into(), 2, "it is `10`, expected 32 to 1048576 MiB, such as 256"),
    ] {
        let ended = run_bare(&program, &arguments);
        assert_eq!(ended.code, Some(code), "{arguments}: {ended:?}");
        assert!(ended.stderr.contains(said), "{arguments}: `{said}` is missing in: {}", ended.stderr);
    }
}

#[test]
fn words_that_depend_on_hardware_are_no_usage_errors() {
    let program = Program::new();
    program.take("dog.jpg", "photos/dog.jpg");
    // Whether they succeed depends on the cameras and screens of this machine.
    for arguments in
        ["capture usb", "capture webcam", "capture auto", "run --display hdmi --camera photos", "usb --frames 1"]
    {
        let ended = run_bare(&program, arguments);
        assert_ne!(ended.code, Some(2), "{arguments}: {ended:?}");
    }
}

#[test]
fn folder_in_place_of_a_command_classifies_its_pictures() {
    let program = Program::new();
    program.take("panda.jpg", "photos/a.jpg");
    program.take("dog.jpg", "photos/b.jpg");
    program.write("photos/notes.txt", "no picture");
    for arguments in ["photos --model lite0@224 --top-k 1", "classify photos --model lite0@224 --top-k 1"] {
        let ended = program.run(arguments).with(0);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{ended:?}");
        assert!(lines[0].starts_with("photos/a.jpg          giant panda "), "{ended:?}");
        assert!(lines[1].starts_with("photos/b.jpg          German shepherd "), "{ended:?}");
    }
    program.run("photos/gone.jpg --model lite0@96").with(4).saying(&["photos/gone.jpg", "No such file"]);
}

#[test]
fn text_display_prints_a_line_for_each_picture() {
    let program = Program::new();
    program.take("dog.jpg", "photos/dog.jpg");
    let ended = program.run("run --camera photos --display text --model lite0@224").with(0);
    assert!(ended.stdout.lines().any(|line| line.contains("German shepherd")), "{ended:?}");
    program.run("run --camera photos --display text --json").with(1).saying(&["--json", "--display text"]);
}

#[test]
fn missing_library_of_a_named_engine_is_said_once() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    let camera = "run --camera pattern --display none --frames 1 --engine cuda";
    for arguments in [camera, "classify dog.jpg --engine cuda", "pick --engine cuda", "bench --engine cuda"] {
        let ended = run_bare(&program, arguments);
        if ended.code != Some(5) || !ended.stderr.contains("ONNX Runtime not found") {
            return eprintln!("SKIPPED: ONNX Runtime is installed on this machine: {ended:?}");
        }
        assert_eq!(ended.stderr.lines().count(), 1, "{arguments}: {}", ended.stderr);
    }
}

#[test]
fn cause_of_many_failures_is_said_once() {
    let program = Program::new();
    program.take_models();
    program.replace_model("imagenet/lite0.onnx", "no network");
    for start in ["the first start", "a later start"] {
        let ended = program.run("pick --models models --model lite0 --threads 1").with(1);
        let warnings: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("warn: ")).collect();
        assert_eq!(warnings.len(), 1, "{start}: {}", ended.stderr);
        assert!(warnings[0].contains("lite0.onnx: SHA-256 is"), "{start}: {}", warnings[0]);
    }
}

#[test]
fn run_says_camera_display_and_model_in_a_line_each() {
    let program = Program::new();
    let arguments = "run --camera pattern --display text --frames 1 --model lite0@96";
    let lines = program.run(arguments).with(0).stderr;
    let starts: Vec<&str> = lines.lines().map(|line| line.split_whitespace().nth(1).unwrap_or_default()).collect();
    assert_eq!(starts, ["camera", "display", "model"], "{lines}");
    let more = program.run(&format!("{arguments} -v")).with(0);
    more.saying(&["debug: board generic"]);
}

#[test]
fn film_plays_through_gstreamer() {
    if !common::gstreamer::has_gstreamer("film_plays_through_gstreamer") {
        return;
    }
    let program = Program::new();
    let film = program.path("my birds.ogv").display().to_string();
    let elements = ["videotestsrc", "num-buffers=8", "!", "theoraenc", "!", "oggmux", "!", "filesink"];
    let mut encoder = std::process::Command::new("gst-launch-1.0");
    let encoded = encoder.args(elements).arg(format!("location={film}")).output().unwrap();
    assert!(encoded.status.success(), "{encoded:?}");
    let arguments = ["run", "--camera", "my birds.ogv", "--display", "none", "--model", "lite0@96", "--json"];
    let ended = Ended::from(program.command(arguments).output().unwrap()).with(0);
    assert!((1..=8).contains(&ended.json().len()), "{ended:?}");
    ended.saying(&["camera film my birds.ogv, 320×240"]);
    program.write("broken.mp4", "no film");
    let broken = program.run("run --camera broken.mp4 --display none --model lite0@96").with(1);
    broken.saying(&["cannot play broken.mp4: GStreamer says: ", "gstreamer1.0-libav", "ffmpeg -i broken.mp4"]);
}
