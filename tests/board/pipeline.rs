//! End-to-end tests on the virtual board: `just deploy`, a camera that plays photographs, the label read off the
//! screen.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use phicam_engine::ExecutionConfig;
use phicam_frame::{Coding, Frame, FrameInfo, Layout, Matrix, PixelFormat, Plane, Range, Rect, Size};
use phicam_pipeline::classify::Settings;
use phicam_pipeline::display_state::{DisplayRenderer, Screen, Surface};
use phicam_pipeline::overlay::{ScreenClass, Text};
use phicam_pipeline::screen_words::Readings;

use super::common::board::{Board, camera};
use super::common::program::Ended;
use super::common::{catalog, root};
use super::program::program;

pub const CAMERA: Size = Size::new(640, 480);
pub const SCREEN: Size = Size::new(800, 480);

/// Returns the board file of these tests, with more `lines` before its tables.
pub fn board_file(lines: &str) -> String {
    format!(
        "summary = 'the virtual board'\n{lines}\n[camera]\nkind = 'v4l2'\n[[display]]\nkind = 'auto'\n\
         [budget]\nframe_ms = 600000\n"
    )
}

/// Copies the shipped models without the large networks, whose output check takes minutes here.
fn small_models(folder: &std::path::Path) {
    let mut file: toml::Table = std::fs::read_to_string(root().join("models/catalog.toml")).unwrap().parse().unwrap();
    let variants = file["variant"].as_array_mut().unwrap();
    variants.retain(|variant| ["lite0@96", "lite0@128"].contains(&variant["name"].as_str().unwrap()));
    file["network"].as_table_mut().unwrap().retain(|name, _| name == "lite0");
    std::fs::create_dir(folder.join("imagenet")).unwrap();
    std::fs::write(folder.join("catalog.toml"), file.to_string()).unwrap();
    for file in ["lite0.onnx", "labels.txt", "NOTICE", "LICENSE-Apache-2.0.txt"] {
        std::fs::copy(root().join("models/imagenet").join(file), folder.join("imagenet").join(file)).unwrap();
    }
}

/// Deploys like the recipe `just deploy root@board FILE`.
pub fn deploy(board: &Board, file: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    small_models(folder.path());
    let path = folder.path().join("virtual.toml");
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new(root().join("board/deploy/deploy.sh"));
    command.args(["deploy", "root@board"]).arg(&path).env("PHICAM_PROGRAM", program());
    command.env("PHICAM_MODELS", folder.path()).env("PHICAM_HEALTH_S", "240");
    command.env("PHICAM_SSH", format!("ssh -F {}", board.ssh_config(board.port()).display()));
    let ended = Ended::from(command.output().unwrap());
    eprintln!("{}", ended.stderr);
    ended.with(0)
}

/// Returns a photograph as the camera delivers it, and as a frame on this machine.
pub fn photograph(name: &str) -> (Vec<u8>, Frame) {
    let bytes = camera::frame(&camera::photograph(name, CAMERA.width, CAMERA.height), "YUYV");
    let stride = CAMERA.width as usize * 2;
    let planes = [Plane { stride, ..Plane::default() }, Plane::default(), Plane::default()];
    let coding = Coding { matrix: Matrix::Bt601, range: Range::Limited };
    let layout = Layout { size: CAMERA, format: PixelFormat::Yuyv, coding, planes };
    let info = FrameInfo { size: CAMERA, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
    (bytes.clone(), Frame::new(Arc::new(bytes), layout, info))
}

/// Returns the label of `variant` on this machine, and the screen that this machine draws.
fn expected(frame: &Frame, variant: &str) -> (String, image::RgbImage) {
    let settings = Settings {
        view: Default::default(),
        prediction: Default::default(),
        config: ExecutionConfig::tract(1),
        cache_packed_weights: false,
    };
    let mut classifier = phicam::engines::open_classifier(catalog().variant(variant).unwrap(), &settings).unwrap();
    let answer = classifier.classify(frame).unwrap();
    let label = answer.model.labels.label(answer.predictions.best()[0].class).to_string();
    let screen = Screen::default();
    screen.set_frame(frame.clone());
    screen.set_classification(answer);
    let seen = screen.wait(std::time::Duration::ZERO).unwrap();
    let mut rgb = Vec::new();
    let (mut renderer, surface) = (DisplayRenderer::default(), Surface::screen(SCREEN));
    renderer.compose(&seen, &Readings::default(), surface);
    renderer.draw(&seen, surface, phicam_display::FramePlacement::Canvas).canvas.to_rgb(&mut rgb);
    (label, image::RgbImage::from_raw(SCREEN.width, SCREEN.height, rgb).unwrap())
}

/// Waits until the board's screen shows this photograph and its label as this machine draws them.
#[track_caller]
pub fn shows(board: &Board, name: &str, variant: &str) {
    let (label, picture) = expected(&photograph(name).1, variant);
    // The picture above the label, and the label's name. The percentage may differ by one between two processors.
    let class = ScreenClass::new(SCREEN, false);
    let (name_width, pad) = (Text::default().width(&label, class.name_cap), class.pad);
    let above = Rect { left: 0, top: 0, width: SCREEN.width, height: SCREEN.height * 6 / 10 };
    let name =
        Rect { left: 0, top: SCREEN.height * 7 / 10, width: pad + name_width * 3 / 4, height: SCREEN.height / 6 };
    let mut last = String::new();
    board.until(&format!("label `{label}` on the screen"), || {
        let dump = board.screendump();
        let apart = |area: &phicam_frame::Rect| {
            let (columns, rows) = (area.left..area.left + area.width, area.top..area.top + area.height);
            let pixels = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
            let levels = |(x, y): (u32, u32)| {
                let (found, expected) = (dump.at(x as usize, y as usize), picture.get_pixel(x, y).0);
                (0..3).map(|channel| found[channel].abs_diff(expected[channel])).max().unwrap_or(0)
            };
            pixels.map(levels).max().unwrap_or(0)
        };
        let (frame, label) = (apart(&above), apart(&name));
        last = format!("the frame differs by up to {frame} levels, the label by {label}");
        (frame <= 2 && label <= 2).then_some(())
    });
}

/// Returns the output of `phicam health` on the board.
pub fn health(board: &Board) -> serde_json::Value {
    serde_json::from_str(&board.try_ssh("/opt/phicam/current/phicam health --json").text()).unwrap_or_default()
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn deployed_program_labels_the_camera_on_screen() {
    let board = Board::boot();
    let dog = board.play("/dev/video0", "YUYV", (CAMERA.width, CAMERA.height), 15, &[photograph("dog.jpg").0]);
    deploy(&board, &board_file("model = 'lite0@96'"));
    shows(&board, "dog.jpg", "lite0@96");
    let said = health(&board);
    assert_eq!((&said["healthy"], &said["model"]), (&true.into(), &"lite0@96".into()), "{said}");
    assert!(said["camera"].as_str().unwrap().contains("YUYV 640×480"), "{said}");
    // Another photograph, played by a new process.
    dog.end();
    let panda = board.play("/dev/video0", "YUYV", (CAMERA.width, CAMERA.height), 15, &[photograph("red_panda.jpg").0]);
    shows(&board, "red_panda.jpg", "lite0@96");
    let said = health(&board);
    assert!(said["faults"].as_array().unwrap().is_empty(), "{said}");
    let user = board.ssh(&format!("stat -c %U /proc/{}", said["pid"]));
    assert_eq!(user.trim(), "phicam");
    panda.end();
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn board_picks_the_largest_model_that_fits() {
    let board = Board::boot();
    let player = board.play("/dev/video0", "YUYV", (CAMERA.width, CAMERA.height), 15, &[photograph("koala.jpg").0]);
    deploy(&board, &board_file(""));
    board.until("larger model", || (health(&board)["model"] == "lite0@128").then_some(()));
    shows(&board, "koala.jpg", "lite0@128");
    player.end();
}
