//! Faults of boards in the field, injected while a deployed program runs: the correct picture returns without help.

use super::common::board::{Board, camera};
use super::pipeline::{CAMERA, SCREEN, board_file, deploy, health, photograph, shows};

const MODEL: &str = "lite0@96";

/// Deploys the program and waits until the photograph `name` is on the screen.
fn start_deployed<'board>(board: &'board Board, name: &str) -> camera::Player<'board> {
    let player = play(board, "/dev/video0", name);
    deploy(board, &board_file(&format!("model = '{MODEL}'")));
    shows(board, name, MODEL);
    player
}

fn play<'board>(board: &'board Board, device: &str, name: &str) -> camera::Player<'board> {
    board.play(device, "YUYV", (CAMERA.width, CAMERA.height), 15, &[photograph(name).0])
}

/// Colours of the words of a fault, and of other words.
const FAULT: [u8; 3] = [0xff, 0x9a, 0x7a];
const INK: [u8; 3] = [0xf4, 0xf1, 0xea];

/// Waits until the program reports `fault`, in its health report and on the screen: a missing camera in its middle, any
/// other fault at its top.
#[track_caller]
fn wait_for_fault(board: &Board, fault: &str) {
    board.until(&format!("fault `{fault}` in the health"), || {
        health(board)["faults"].to_string().contains(fault).then_some(())
    });
    board.until("letters of the fault on the screen", || {
        let dump = board.screendump();
        let (rows, colour) = match fault {
            "no camera" => (SCREEN.height / 3..SCREEN.height * 2 / 3, INK),
            _ => (0..SCREEN.height / 8, FAULT),
        };
        let pixels = rows.flat_map(|y| (0..SCREEN.width).map(move |x| (x, y)));
        (pixels.filter(|&(x, y)| dump.at(x as usize, y as usize) == colour).count() > 20).then_some(())
    });
}

#[test]
#[ignore = "boots the virtual board: just test-board --faults"]
fn renumbered_camera_is_found() {
    let board = Board::boot();
    start_deployed(&board, "dog.jpg").end();
    wait_for_fault(&board, "no camera");
    board.unload_camera();
    board.load_camera(3);
    let player = play(&board, "/dev/video3", "red_panda.jpg");
    shows(&board, "red_panda.jpg", MODEL);
    let said = health(&board);
    assert!(said["camera"].as_str().unwrap().contains("/dev/video3"), "{said}");
    assert!(said["faults"].as_array().unwrap().is_empty(), "{said}");
    player.end();
}

#[test]
#[ignore = "boots the virtual board: just test-board --faults"]
fn stalled_camera_is_reported_and_resumes() {
    let board = Board::boot();
    let player = start_deployed(&board, "dog.jpg");
    player.pause();
    wait_for_fault(&board, "no camera");
    player.go_on();
    shows(&board, "dog.jpg", MODEL);
    player.end();
}

#[test]
#[ignore = "boots the virtual board: just test-board --faults"]
fn unplugged_camera_resumes_when_plugged_in() {
    let board = Board::boot();
    board.unload_camera();
    board.play_into_vivid("YUYV", &[photograph("dog.jpg").0], "");
    deploy(&board, &board_file(&format!("model = '{MODEL}'")));
    shows(&board, "dog.jpg", MODEL);
    board.unplug_vivid();
    wait_for_fault(&board, "no camera");
    board.plug_vivid();
    board.until("camera again", || {
        let said = health(&board);
        (said["camera"].is_string() && said["healthy"] == true).then_some(())
    });
}

#[test]
#[ignore = "boots the virtual board: just test-board --faults"]
fn survives_twenty_kills_and_clock_jumps() {
    let board = Board::boot();
    let player = start_deployed(&board, "dog.jpg");
    board.jump_clock(20);
    for _ in 0..20 {
        let before = health(&board)["pid"].as_u64();
        board.ssh(&format!("kill -9 {}", before.unwrap()));
        board.until("new process that answers", || {
            let said = health(&board);
            (said["healthy"] == true && said["pid"].as_u64() != before).then_some(())
        });
    }
    shows(&board, "dog.jpg", MODEL);
    board.jump_clock(-40);
    player.end();
    let player = play(&board, "/dev/video0", "red_panda.jpg");
    shows(&board, "red_panda.jpg", MODEL);
    player.end();
}

#[test]
#[ignore = "boots the virtual board: just test-board --faults"]
fn full_disk_is_shown_and_does_not_stop() {
    let board = Board::boot();
    let player = start_deployed(&board, "dog.jpg");
    board.fill_disk(100);
    wait_for_fault(&board, "disk full");
    assert_eq!(health(&board)["healthy"], true);
    board.free_disk();
    board.until("end of the fault", || health(&board)["faults"].as_array()?.is_empty().then_some(()));
    shows(&board, "dog.jpg", MODEL);
    player.end();
}
