//! Errors name the failure and the remedy, and nothing panics: the harness checks every run of the program for panics.

mod common;

use common::program::Program;

#[test]
fn impossible_values_are_refused_with_the_range() {
    let program = Program::new();
    for (arguments, said) in [
        ("run --camera foo:", &["foo:", "--camera", "expected usb, /dev/video0"][..]),
        ("run --camera fils:x", &["fils:x", "did you mean `files`?"]),
        ("run --camera pattern:0x480", &["0x480", "1 to 8192"]),
        ("run --camera pattern:640x480@fast", &["`fast`", "such as 60"]),
        ("run --camera pattern:640x480@0", &["fps is 0", "0.001 to 1000"]),
        ("run --camera gst:", &["has no pipeline", "videotestsrc is-live=true"]),
        ("run --camera gst:--help", &["begins with `--help`", "expected an element"]),
        ("run --camera gts:videotestsrc", &["gts:videotestsrc", "did you mean `gst`?"]),
        ("run --camera csi:front", &["sensor is `front`", "csi:0"]),
        ("run --camera csi:0?source=argos", &["source is `argos`", "did you mean `argus`?"]),
        ("run --camera v4l2:video0", &["device is `video0`", "/dev/videoN"]),
        ("run --display pgn:x", &["pgn:x", "--display", "did you mean `png`?"]),
        ("run --display png:x.png@320", &["320", "WIDTHxHEIGHT"]),
        ("run --display png:x.png@0x240", &["0x240", "1 to 8192"]),
        ("run --flops fast", &["fast", "such as 800M"]),
        ("run --frame-ms 0", &["`0`", "0.001 to 3600000 ms"]),
        ("run --frame-ms nan", &["`nan`", "0.001 to 3600000 ms"]),
        ("run --cpu-percent 400", &["`400`", "1 to 100 percent"]),
        ("run --max-celsius 1000", &["`1000`", "20 to 120 °C"]),
        ("run --fps 15 --frame-ms 66", &["--fps", "cannot be used with", "--frame-ms"]),
        ("run --memory -5", &["`-5`", "32 to 1048576 MiB"]),
        ("run --threads 0", &["--threads", "1..=256"]),
        ("run --top-k 0", &["--top-k", "1..=10"]),
        ("run --top-k 99", &["99", "1..=10"]),
        ("run --view left", &["left", "centre, whole, or region:"]),
        ("run --view region:0,0,2,1", &["region:0,0,2,1", "fractions of the frame (0 to 1)"]),
        ("run --min-confidence 2", &["`2`", "0 to 1"]),
        ("run --frames 0", &["--frames", "1.."]),
        ("run --engine tensort", &["tensort", "expected tensorrt, cuda, tract, onnxruntime, auto", "`tensorrt`"]),
        ("bench --frames many", &["many", "--frames"]),
        ("classify", &["<FILE|DIR>"]),
        ("clasify x.jpg", &["clasify", "'classify'"]),
        ("completions bsh", &["bsh", "bash"]),
        ("models lst", &["lst", "list"]),
    ] {
        let ended = program.run(arguments).with(2).saying(said);
        assert_eq!(ended.stdout, "", "{arguments}");
    }
}

#[test]
fn broken_pictures_are_named_with_the_cause() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    let jpeg = std::fs::read(program.path("dog.jpg")).unwrap();
    program.write("short.jpg", &jpeg[..jpeg.len() / 3]);
    program.write("huge.png", png_claiming(60_000));
    program.write("empty.jpg", "");
    program.write("text.jpg", "a shopping list");
    program.write("broken.webp", [b"RIFF\x40\0\0\0WEBPVP8L", &[0x5a; 60][..]].concat());
    for (file, reason) in [
        ("short.jpg", "is cut short"),
        ("huge.png", "claims 60000×60000 pixels, 3600 million, the limit is 24 million; make it smaller"),
        ("empty.jpg", "is empty"),
        ("text.jpg", "not a JPEG, PNG or WebP picture"),
        ("gone.jpg", "No such file"),
        ("broken.webp", "is damaged"),
        ("/dev/zero", "holds more than 64 MiB"),
    ] {
        let ended = program.run(&format!("classify --model lite0@96 {file}")).with(4).saying(&[file, reason]);
        assert_eq!(ended.stderr.matches(reason).count(), 1, "said once: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{file}");
    }
    let ended = program.run("classify --model lite0@96 --view region:0,0,0.0001,1 dog.jpg").with(4);
    ended.saying(&["dog.jpg", "selects 0×", "--view"]);
}

/// Returns a PNG of one pixel whose header claims `side` pixels in each direction.
fn png_claiming(side: u32) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(1, 1).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    let mut png = bytes.into_inner();
    let header: Vec<u8> = [&b"IHDR"[..], &side.to_be_bytes(), &side.to_be_bytes(), &png[24..29]].concat();
    let crc = !header.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    png.splice(12..33, [header, crc.to_be_bytes().to_vec()].concat());
    png
}

#[test]
fn one_pixel_pictures_are_classified() {
    let program = Program::new();
    for (name, width, height) in [("dot.png", 1, 1), ("wide.png", 5000, 1), ("tall.png", 1, 5000)] {
        image::RgbImage::new(width, height).save(program.path(name)).unwrap();
    }
    for view in ["centre", "whole"] {
        let said = program.run(&format!("classify --model lite0@96 --view {view} dot.png wide.png tall.png")).with(0);
        assert_eq!(said.stdout.lines().count(), 3, "{said:?}");
    }
}

#[test]
fn unusable_paths_are_named() {
    let program = Program::new();
    program.take("dog.jpg", "a/dog.jpg");
    program.take("dog.jpg", "b/dog.jpg");
    std::fs::create_dir(program.path("none")).unwrap();
    program.write("file", "");
    for (arguments, said) in [
        ("run --model lite0@96 --camera files:/nowhere", &["/nowhere", "name a folder"][..]),
        ("run --model lite0@96 --camera files:none", &["no picture at none", "name a folder"]),
        ("run --model lite0@96 --camera files:[", &["[", "pattern"]),
        ("run --model lite0@96 --camera pattern --display png:/proc/x/y.png", &["/proc/x/y.png", "--display png:FILE"]),
        ("run --model lite0@96 --camera pattern --display png:none", &["none", "directory"]),
        ("run --camera pattern --display terminal --json", &["--json", "--display terminal", "leave one of them out"]),
        ("classify --model lite0@96 --dump file a/dog.jpg", &["file", "cannot be created"]),
        ("classify --model lite0@96 --dump out a/dog.jpg b/dog.jpg", &["b/dog.jpg", "--dump", "another name"]),
        ("models list --models none", &["none", "catalog.toml", "--models DIR"]),
        ("classify --model lite0@96 none", &["no picture in none"]),
        ("pick --model lite0@97", &["lite0@97", "the catalog has lite0@96", "did you mean `lite0@96`?"]),
        ("pick --board rasberry-pi-4", &["rasberry-pi-4", ".toml", "did you mean `raspberry-pi-4`?"]),
        ("pick --board mine.toml", &["mine.toml", "No such file"]),
    ] {
        program.run(arguments).with(1).saying(said);
    }
}

#[test]
fn board_file_errors_name_the_line() {
    let program = Program::new();
    for (board, said) in [
        ("summary = 'x'\n[budget]\nframe_sm = 66", &["mine.toml:3: ", "`frame_sm`", "did you mean `frame_ms`?"][..]),
        ("summary = 'x'\n\nbudgt = 3", &["mine.toml:3: ", "did you mean `budget`?"]),
        ("summary = 'x'\n[budget]\nframe_ms = 'fast'", &["mine.toml:3: ", "\"fast\"", "expected f64"]),
        ("summary = 'x'\n[budget]\nframe_ms = -1", &["mine.toml: ", "frame_ms is -1", "more than 0"]),
        ("summary = 'x'\n[[display]]\nkind = 'pgn'", &["mine.toml:3: ", "`pgn`", "did you mean `png`?"]),
        ("summary = 'x'\n[camera]\nkind = 'pattern'\nfps = 1e-300", &["mine.toml: ", "fps is 0.000", "0.001 to 1000"]),
        ("summary = 'x'\n[camera]\nkind = 'files'\npicture_ms = 3600001", &["picture_ms is 3600001", "3600000"]),
        ("summary = 'x'\n[camera]\nkind = 'gst'\npipline = 'a'", &["mine.toml:2: ", "did you mean `pipeline`?"]),
        ("summary = 'x'\n[camera]\nkind = 'gst'\npipeline = ''", &["mine.toml: ", "has no pipeline"]),
        ("summary = 'x'\n[camera]\nkind = 'csi'\nsensor = 99", &["mine.toml: ", "sensor is 99, expected 0 to 15"]),
        ("summary = 'x'\nview = 'left'", &["mine.toml:2: ", "`left`", "centre, whole"]),
        ("budget = {}", &["mine.toml:1: ", "missing field `summary`"]),
        ("summary = ", &["mine.toml:1: "]),
    ] {
        program.write("mine.toml", board);
        program.run("run --board mine.toml --model lite0@96 --frames 1 --display none").with(1).saying(said);
    }
}

#[test]
fn inconsistent_catalog_entries_are_named() {
    for (old, new, said) in [
        ("[network.lite0]", "[network.lite0", &["catalog.toml:", "expected"][..]),
        ("phi = -1.72", "phi = -1.6", &["lite0@128", "phi is -1.6", "give -1.72"]),
        ("network = \"lite1\"", "network = \"lite9\"", &["lite1@240", "`lite9`", "did you mean `lite"]),
        ("name = \"lite0@128\"", "name = \"lite0@96\"", &["catalog.toml: `lite0@96` is listed twice"]),
        ("side = 128", "side = 8", &["lite0@128", "side is 8", "32 to 2048"]),
        ("million_macs = 126.6", "milion_macs = 126.6", &["catalog.toml:", "did you mean `million_macs`?"]),
        ("file = \"imagenet/lite0.onnx\"", "file = \"../lite0.onnx\"", &["lite0", "../lite0.onnx", "outside"]),
    ] {
        let program = Program::new();
        program.take_models();
        program.change_catalog(old, new);
        program.run("models list --models models").with(1).saying(said);
    }
}

#[test]
fn wrong_model_files_are_named_and_never_run() {
    let shipped = |name: &str| std::fs::read(common::root().join("models/imagenet").join(name)).unwrap();
    let labels = String::from_utf8(shipped("labels.txt")).unwrap();
    let one_less = labels.trim_end().rsplit_once('\n').unwrap().0.to_string() + "\n";
    let second_like_first = labels.replacen("\ngoldfish\n", "\ntench\n", 1);
    let mut flipped = shipped("lite0.onnx");
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let (labels_file, network) = ("imagenet/labels.txt", "imagenet/lite0.onnx");
    type Change<'a> = &'a dyn Fn(&Program);
    let changes: [(Change, &[&str]); 7] = [
        (&|p| p.replace_model(network, &flipped), &["models/imagenet/lite0.onnx: SHA-256 is", "fetch it again"]),
        (&|p| p.replace_model_and_hash(network, [7; 5000]), &["lite0@96 cannot be loaded", "models verify"]),
        (&|p| p.replace_model_and_hash(network, ""), &["lite0@96 cannot be loaded"]),
        (
            &|p| p.replace_model_and_hash(labels_file, &one_less),
            &["labels.txt: 999 labels for the 1000 classes of lite0"],
        ),
        (
            &|p| p.replace_model_and_hash(labels_file, &second_like_first),
            &["labels.txt:2: label `tench` is also on line 1"],
        ),
        (&|p| p.replace_model_and_hash(labels_file, [b"\xff\n", labels.as_bytes()].concat()), &["is not UTF-8"]),
        (&|p| std::fs::remove_file(p.path("models/imagenet/lite0.onnx")).unwrap(), &["lite0.onnx", "No such file"]),
    ];
    for (change, said) in changes {
        let program = Program::new();
        program.take_models();
        program.take("dog.jpg", "dog.jpg");
        change(&program);
        let ended = program.run("classify --models models --model lite0@96 dog.jpg").with(1).saying(said);
        assert_eq!(ended.stdout, "");
        // The child process that measures reports the same cause, and the error does not blame the budget.
        let ended = program.run("pick --models models --model lite0@96").with(1).saying(said);
        assert!(!ended.stderr.contains("--frame-ms"), "{}", ended.stderr);
    }
}

#[test]
fn verify_names_each_unusable_variant() {
    let program = Program::new();
    program.take_models();
    program.replace_model("imagenet/lite2.onnx", "no network");
    let lines = program.run("models verify --models models").with(4).stdout;
    for line in lines.lines() {
        assert_eq!(line.starts_with("lite2@"), line.contains("SHA-256 is"), "{line}");
        assert_eq!(line.starts_with("lite2@"), !line.ends_with(" good"), "{line}");
    }
}

#[test]
fn missing_state_folder_is_reported_and_survived() {
    let program = Program::new();
    program.write("a-file", "");
    for place in ["a-file", "/proc/phicam"] {
        let mut command = program.command(["pick", "--model", "lite0@96", "--frame-ms", "60000"]);
        let ended = common::program::Ended::from(command.env("PHICAM_STATE", place).output().unwrap()).with(0);
        assert!(ended.stdout.contains("← picked"), "{ended:?}");
        ended.saying(&[&format!("{place}/measurements.json cannot be written"), "PHICAM_STATE"]);
    }
}

#[test]
fn damaged_measurements_are_set_aside() {
    let program = Program::new();
    program.write("state/measurements.json", "{\"half");
    let ended = program.run("pick --model lite0@96 --frame-ms 60000").with(0);
    ended.saying(&["measurements.json cannot be parsed", "measurements.json.bad", "measuring lite0@96"]);
    assert_eq!(std::fs::read(program.path("state/measurements.json.bad")).unwrap(), b"{\"half");
    let again = program.run("pick --model lite0@96 --frame-ms 60000").with(0);
    assert!(!again.stderr.contains("measuring"), "{}", again.stderr);
}
