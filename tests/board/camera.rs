//! Cameras on the virtual board with their real drivers: pixels, the newest frame, controls, faults.

use serde_json::Value;

use super::common::board::camera::{frame, photograph};
use super::common::board::{Board, Said};
use super::common::levels_apart;
use super::program::program;

const FORMATS: [&str; 8] = ["YUYV", "UYVY", "NV12", "NV21", "YU12", "RGB3", "BGR3", "GREY"];

fn board() -> Board {
    let board = Board::boot();
    board.send(&program(), "/opt/phicam/phicam");
    board
}

/// Runs a shell command as the unprivileged user, in a separate folder.
fn as_user(board: &Board, command: &str) -> Said {
    board.ssh_with(
        "mkdir -p /tmp/user && chown phicam /tmp/user && cd /tmp/user && su phicam -c \"$(cat)\"",
        command.as_bytes(),
    )
}

fn capture(board: &Board, arguments: &str) -> Said {
    as_user(board, &format!("/opt/phicam/phicam capture {arguments}"))
}

/// A captured picture: the JSON that describes it, the driver's bytes, the program's pixels.
struct Taken {
    metadata: Value,
    raw: Vec<u8>,
    rgb: Vec<u8>,
}

#[track_caller]
fn take(board: &Board, uri: &str) -> Taken {
    let said = capture(board, &format!("'{uri}' --skip 2 --raw"));
    assert_eq!(said.code, Some(0), "{uri}: {}", said.stderr);
    let metadata = serde_json::from_str(said.text().lines().last().unwrap()).unwrap();
    let png = board.fetch("/tmp/user/capture-0001.png");
    let rgb = image::load_from_memory(&png).unwrap().into_rgb8().into_raw();
    Taken { metadata, raw: board.fetch("/tmp/user/capture-0001.raw"), rgb }
}

/// Returns the pixels by the formula of the standards.
fn standard_pixels(metadata: &Value, raw: &[u8]) -> Vec<f64> {
    let number = |name: &str| metadata[name].as_u64().unwrap() as usize;
    let (width, height) = (number("width"), number("height"));
    let limited = metadata["range"] == "limited";
    let white = |level: f64| if limited { (level - 16.0) / 219.0 } else { level / 255.0 };
    let colour = |level: f64| (level - 128.0) / if limited { 224.0 } else { 255.0 };
    let (kr, kb) = match metadata["matrix"].as_str().unwrap() {
        "bt601" => (0.299, 0.114),
        "bt709" => (0.2126, 0.0722),
        "bt2020" => (0.2627, 0.0593),
        "smpte240m" => (0.212, 0.087),
        other => panic!("{other}"),
    };
    let at = |plane: usize, y: usize, x: usize| {
        let plane = &metadata["planes"][plane];
        let place = plane["offset"].as_u64().unwrap() + plane["stride"].as_u64().unwrap() * y as u64;
        f64::from(raw[place as usize + x])
    };
    let format = metadata["format"].as_str().unwrap();
    let pixel = |(x, y): (usize, usize)| {
        let pair = x / 2 * 4;
        let (luma, u, v) = match format {
            "RGB3" => return [0, 1, 2].map(|channel| white(at(0, y, 3 * x + channel))),
            "BGR3" => return [2, 1, 0].map(|channel| white(at(0, y, 3 * x + channel))),
            "GREY" => return [white(at(0, y, x)); 3],
            "YUYV" => (at(0, y, pair + x % 2 * 2), at(0, y, pair + 1), at(0, y, pair + 3)),
            "UYVY" => (at(0, y, pair + x % 2 * 2 + 1), at(0, y, pair), at(0, y, pair + 2)),
            "NV12" => (at(0, y, x), at(1, y / 2, x / 2 * 2), at(1, y / 2, x / 2 * 2 + 1)),
            "NV21" => (at(0, y, x), at(1, y / 2, x / 2 * 2 + 1), at(1, y / 2, x / 2 * 2)),
            "YU12" => (at(0, y, x), at(1, y / 2, x / 2), at(2, y / 2, x / 2)),
            other => panic!("{other}"),
        };
        let (luma, u, v) = (white(luma), colour(u), colour(v));
        let (red, blue) = (luma + 2.0 * (1.0 - kr) * v, luma + 2.0 * (1.0 - kb) * u);
        [red, (luma - kr * red - kb * blue) / (1.0 - kr - kb), blue]
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    places.flat_map(pixel).map(|share| (255.0 * share).clamp(0.0, 255.0)).collect()
}

/// Prints the difference between the program's pixels and the formula's; accepts 1 level on average and 4 at most.
#[track_caller]
fn compare(what: &str, taken: &Taken) {
    let expected = standard_pixels(&taken.metadata, &taken.raw);
    assert_eq!(expected.len(), taken.rgb.len(), "{what}");
    let apart = || taken.rgb.iter().zip(&expected).map(|(found, expected)| (f64::from(*found) - expected).abs());
    let (mean, most) = (apart().sum::<f64>() / expected.len() as f64, apart().fold(0.0, f64::max));
    let Taken { metadata, .. } = taken;
    println!(
        "{what}: mean {mean:.3}, largest {most:.2} levels; {} {} {}",
        metadata["planes"], metadata["matrix"], metadata["range"]
    );
    assert!(mean <= 1.0, "{what}: mean {mean:.3}, largest {most:.2}");
    assert!(most <= 4.0, "{what}: mean {mean:.3}, largest {most:.2}");
    let levels: std::collections::BTreeSet<u8> = taken.rgb.iter().copied().collect();
    assert!(levels.len() > 1, "{what}: only levels {levels:?}");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn played_pixel_formats_decode_by_the_standards() {
    let board = board();
    let picture = photograph("dog.jpg", 640, 480);
    // This version of v4l2loopback has no NV21; vivid has it.
    for fourcc in FORMATS.into_iter().filter(|fourcc| *fourcc != "NV21") {
        let given = frame(&picture, fourcc);
        let player = board.play("/dev/video0", fourcc, (640, 480), 15, std::slice::from_ref(&given));
        let taken = take(&board, "v4l2:/dev/video0");
        assert!(taken.raw == given, "{fourcc}: other bytes than were played");
        compare(&format!("v4l2loopback {fourcc}"), &taken);
        player.end();
    }
    // Odd sides, in formats without subsampled pixels.
    let odd = image::imageops::crop_imm(&picture, 3, 5, 333, 241).to_image();
    for (fourcc, given) in [("RGB3", odd.as_raw().clone()), ("GREY", odd.pixels().map(|pixel| pixel[1]).collect())] {
        let player = board.play("/dev/video0", fourcc, (333, 241), 15, &[given]);
        compare(&format!("v4l2loopback {fourcc} 333×241"), &take(&board, "v4l2:"));
        player.end();
    }
    let jpeg = frame(&picture, "MJPG");
    let player = board.play("/dev/video0", "MJPG", (640, 480), 15, std::slice::from_ref(&jpeg));
    let taken = take(&board, "v4l2:");
    let mut pixels = Vec::new();
    phicam_frame::decode::decode(&jpeg, &mut pixels).unwrap();
    assert!(taken.raw.starts_with(&jpeg), "other bytes than were played");
    // The decoder's ARM kernels round almost like its x86 kernels.
    let (most, mean) = levels_apart(&taken.rgb, &pixels);
    println!("v4l2loopback MJPG: mean {mean:.3}, largest {most} levels from this machine's decoding");
    assert!(most <= 4);
    assert!(mean <= 1.0);
    player.end();
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn vivid_pixel_formats_decode_by_the_standards() {
    let board = board();
    let device = board.load_vivid("multiplanar=1");
    let set = |controls: &str| board.ssh(&format!("v4l2-ctl -d {device} -c {controls}"));
    set("test_pattern=2"); // bars with many levels
    for fourcc in FORMATS.into_iter().chain(["YV12"]) {
        compare(&format!("vivid {fourcc}"), &take(&board, &format!("v4l2:{device}?format={fourcc}&size=640x360")));
    }
    // The driver's numbers for colour space, encoding and range, with the expected matrix and range.
    for (controls, matrix, range) in [
        ("colorspace=1", "bt709", "limited"), // Rec. 709, everything else default
        ("quantization=1", "bt601", "full"),
        ("y_cbcr_encoding=2", "bt709", "limited"),
        ("y_cbcr_encoding=2,quantization=1", "bt709", "full"),
        ("y_cbcr_encoding=6", "bt2020", "limited"),
        ("y_cbcr_encoding=8", "smpte240m", "limited"),
        ("y_cbcr_encoding=1,quantization=2", "bt601", "limited"),
    ] {
        set("colorspace=2,y_cbcr_encoding=0,quantization=0");
        set(controls);
        for fourcc in ["YUYV", "NV12"] {
            let taken = take(&board, &format!("v4l2:{device}?format={fourcc}&size=640x360"));
            assert_eq!(
                (taken.metadata["matrix"].as_str(), taken.metadata["range"].as_str()),
                (Some(matrix), Some(range)),
                "{controls}"
            );
            compare(&format!("vivid {fourcc} {controls}"), &taken);
        }
    }
    set("colorspace=2,y_cbcr_encoding=0,quantization=0");
    // Rows with padding at their end.
    for (fourcc, stride) in [("YUYV", 1408), ("NV12", 704), ("YU12", 704), ("RGB3", 2048), ("GREY", 704)] {
        let format = format!("width=640,height=360,pixelformat={fourcc},bytesperline={stride}");
        board.ssh(&format!("v4l2-ctl -d {device} --set-fmt-video {format}"));
        let taken = take(&board, &format!("v4l2:{device}?format={fourcc}&size=640x360"));
        assert_eq!(taken.metadata["planes"][0]["stride"], stride, "{fourcc}: {}", taken.metadata);
        compare(&format!("vivid {fourcc} with rows of {stride} bytes"), &taken);
    }
    // A driver with several planes for each buffer, and with data that start at an offset in a plane.
    board.ssh("rmmod vivid");
    let device = board.load_vivid("multiplanar=2");
    board.ssh(&format!("v4l2-ctl -d {device} -c test_pattern=2"));
    for fourcc in ["NM12", "NM21", "YM12", "YM21", "NV12", "YUYV", "RGB3"] {
        compare(
            &format!("vivid, parts apart, {fourcc}"),
            &take(&board, &format!("v4l2:{device}?format={fourcc}&size=640x360")),
        );
    }
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn slow_consumer_gets_the_newest_frame() {
    let board = board();
    let device = board.load_vivid("");
    // Five stops of one second each: meanwhile the driver fills every buffer, and then must stop as well.
    let command = format!(
        "RUST_LOG=phicam=trace /opt/phicam/phicam capture 'v4l2:{device}?size=640x360&fps=30' --frames 90 --json &
        for stop in 1 2 3 4 5; do usleep 300000; kill -STOP $!; sleep 1; kill -CONT $!; done; wait $!"
    );
    let said = as_user(&board, &command);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let numbers =
        |line: &str, word: &str| line.strip_prefix(&format!("trace: {word} ")).and_then(|n| n.parse::<u64>().ok());
    let (mut newest, mut taken) = (None, Vec::new());
    for line in said.stderr.lines() {
        newest = numbers(line, "dequeued").or(newest);
        if let Some(number) = numbers(line, "took") {
            assert_eq!(Some(number), newest, "an older frame was taken:\n{}", said.stderr);
            taken.push(number);
        }
    }
    let metadata: Vec<Value> = said.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequences: Vec<u64> = metadata.iter().map(|metadata| metadata["sequence"].as_u64().unwrap()).collect();
    assert_eq!(sequences, taken);
    let gaps: Vec<u64> = sequences.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!(
        "frames taken: {sequences:?}, ages in ms {:?}",
        metadata.iter().map(|metadata| metadata["age_ms"].as_f64().unwrap() as u64).collect::<Vec<_>>()
    );
    // Nor was a frame taken that waited in one of the six buffers during a stop.
    let long = gaps.iter().filter(|&&gap| gap > 10).count();
    assert!(long >= 3, "{long} of 5 stops led to a newer frame than those that waited: {sequences:?}");
    let last = metadata.last().unwrap();
    let count = |name: &str| last[name].as_u64().unwrap();
    let missed: u64 = gaps.iter().map(|gap| gap - 1).sum();
    // The counts include the frames before the first one taken.
    assert!(count("skipped") + count("dropped_by_driver") + count("bad") >= missed, "{last}: {missed} missed");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn controls_are_set_by_name_with_hints() {
    let board = board();
    let device = board.load_vivid("");
    let said = capture(&board, &format!("'v4l2:{device}?brightness=77&menu=Menu Item 4&boolean=false'"));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let kept = board.ssh(&format!("v4l2-ctl -d {device} -C brightness,menu,boolean"));
    for line in ["brightness: 77", "menu: 4 (Menu Item 4)", "boolean: 0"] {
        assert!(kept.contains(line), "{kept}");
    }
    for (uri, words) in [
        (format!("v4l2:{device}?brightnes=1"), "has no control `brightnes`; it has brightness, contrast"),
        (format!("v4l2:{device}?brightness=999"), "brightness is 999, the camera takes 0 to 255"),
        (format!("v4l2:{device}?menu=2"), "menu is 2, the camera takes 1 (\"Menu Item 1\"), 3"),
        (format!("v4l2:{device}?format=MJPG"), "has no mode MJPG of any×any; it offers YUYV"),
        (format!("v4l2:{device}?size=641x359"), "has no mode"),
        ("v4l2:/dev/video0".into(), "a v4l2loopback without a writer"),
        (
            "v4l2:/dev/video77".into(),
            "open failed on /dev/video77: no such device; plug the camera in, or name another (there is /dev/video0 (Virtual camera)",
        ),
    ] {
        let said = capture(&board, &format!("'{uri}'"));
        assert_eq!(said.code, Some(1));
        assert!(said.stderr.contains(words), "{uri}: {}", said.stderr);
    }
    let said = as_user(&board, "/opt/phicam/phicam doctor --json");
    let text = said.text();
    let camera = text.lines().find(|line| line.contains(&device)).unwrap_or_else(|| panic!("{text}"));
    assert!(camera.contains("\"good\""), "{camera}");
    assert!(camera.contains("driver vivid"), "{camera}");
    assert!(camera.contains("640×360"), "{camera}");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn lost_stalled_or_busy_camera_is_named() {
    let board = board();
    let endless = |uri: &str| {
        let options = "--every-ms 200 --frames 100000 --out /tmp/e > /tmp/e.log 2>&1";
        format!("/opt/phicam/phicam capture '{uri}' {options} & echo $!")
    };
    let ended = |process: &str| {
        board.until("end of the program", || {
            (board.try_ssh(&format!("[ -e /proc/{process} ]")).code == Some(1)).then_some(())
        });
        board.ssh("cat /tmp/e.log")
    };
    let running = || board.until("picture", || board.ssh("cat /tmp/e.log").contains("capture-0002").then_some(()));
    // Unplugged.
    let device = board.load_vivid("");
    let process = board.ssh(&endless(&format!("v4l2:{device}?size=320x180")));
    running();
    let said = capture(&board, &format!("v4l2:{device}"));
    assert!(said.stderr.contains("is in use by"), "{}", said.stderr);
    board.unplug_vivid();
    let log = ended(process.trim());
    assert!(log.contains("is gone"), "{log}");
    // Stalled.
    let picture = photograph("koala.jpg", 320, 240);
    let player = board.play("/dev/video0", "YUYV", (320, 240), 15, &[frame(&picture, "YUYV")]);
    let process = board.ssh(&endless("v4l2:/dev/video0"));
    running();
    player.pause();
    let log = ended(process.trim());
    assert!(log.contains("delivered no frame for"), "{log}");
    // No permission.
    board.ssh("chmod 600 /dev/video0 && chown root /dev/video0");
    let said = capture(&board, "v4l2:/dev/video0");
    assert!(said.stderr.contains("to the group video"), "{}", said.stderr);
    player.end();
}
