//! Devices of the virtual board: they behave as the other tests assume.

use super::common::board::Board;
use super::common::board::camera::{frame, photograph};

/// Returns `count` consecutive frames that v4l2-ctl captures as the unprivileged user.
fn captured(board: &Board, device: &str, count: usize) -> Vec<u8> {
    let capture = format!("v4l2-ctl -d {device} --stream-mmap --stream-count={count} --stream-to=/tmp/captured");
    board.ssh(&format!("rm -f /tmp/captured; su phicam -c '{capture}'"));
    board.fetch("/tmp/captured")
}

/// Returns the number of complete frames, in playing order, at the end of the captured bytes.
fn count_in_order(captured: &[u8], frames: &[Vec<u8>]) -> usize {
    let (mut rest, mut count, mut next) = (captured, 0, None);
    while let Some(index) = (0..frames.len()).find(|&index| rest.ends_with(&frames[index])) {
        if next.is_some_and(|next| next != index) {
            break;
        }
        next = Some((index + frames.len() - 1) % frames.len());
        rest = &rest[..rest.len() - frames[index].len()];
        count += 1;
    }
    count
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn played_photograph_is_captured_exactly() {
    let board = Board::boot();
    let pictures = ["dog.jpg", "koala.jpg"].map(|name| photograph(name, 640, 480));
    for fourcc in ["YUYV", "NV12", "MJPG"] {
        let frames = pictures.each_ref().map(|picture| frame(picture, fourcc));
        let player = board.play("/dev/video0", fourcc, (640, 480), 15, &frames);
        let got = captured(&board, "/dev/video0", 5);
        // After a change of formats the first frame has the old frame's length: a JPEG, then remains of the buffer.
        let count = count_in_order(&got, &frames);
        assert!(count >= 4, "{fourcc}: the last {count} of 5 frames are as they were given");
        println!("{fourcc}: {} frames given", player.end());
    }
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn framebuffer_picture_is_on_the_screen_exactly() {
    let board = Board::boot();
    let picture = photograph("red_panda.jpg", 800, 480);
    let bytes: Vec<u8> = picture.pixels().flat_map(|pixel| [pixel[2], pixel[1], pixel[0], 0]).collect();
    board.put(&bytes, "/tmp/picture");
    // Without its cursor the terminal does not draw over the picture.
    board.ssh("printf '\\033[?25l' > /dev/tty1; su phicam -c 'cat /tmp/picture > /dev/fb0'");
    let mut apart = usize::MAX;
    board.until("picture of the frame buffer on the screen", || {
        let screen = board.screendump();
        assert_eq!((screen.width, screen.height), (800, 480));
        apart = screen.pixels.iter().zip(picture.as_raw()).filter(|(a, b)| a != b).count();
        (apart == 0).then_some(())
    });
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn vivid_opens_without_privileges() {
    let board = Board::boot();
    let device = board.load_vivid("node_types=0x1 num_inputs=1 input_types=0");
    board.ssh(&format!("v4l2-ctl -d {device} --set-fmt-video=width=640,height=480,pixelformat=NV12"));
    let bytes = captured(&board, &device, 2);
    assert_eq!(bytes.len(), 2 * 640 * 480 * 3 / 2);
    assert_ne!(bytes[..640 * 480], bytes[640 * 480 * 3 / 2..][..640 * 480], "its picture moves");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn vivid_photograph_is_captured_exactly() {
    let board = Board::boot();
    let photograph = frame(&photograph("dog.jpg", 640, 480), "YUYV");
    let device = board.play_into_vivid("YUYV", std::slice::from_ref(&photograph), "");
    for got in captured(&board, &device, 3).chunks(photograph.len()) {
        assert!(got == photograph, "a frame differs");
    }
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn two_boards_run_in_parallel() {
    let boards = [Board::boot(), Board::boot()];
    boards[0].put(b"here", "/opt/here");
    assert_eq!(boards[0].fetch("/opt/here"), b"here");
    assert_ne!(boards[1].try_ssh("cat /opt/here").code, Some(0), "both have one disk");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn failed_boot_reports_the_console() {
    let boot = || Board::boot_with(&["-append", "console=ttyAMA0 rdinit=/missing panic=-1"]);
    let Err(failure) = std::panic::catch_unwind(boot) else { panic!("it booted without its first process") };
    let message = failure.downcast_ref::<String>().unwrap();
    assert!(message.contains("QEMU ended"), "{message}");
    assert!(message.contains("Kernel panic"), "{message}");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn devices_open_for_the_service_user_only() {
    let board = Board::boot();
    board.unload_camera();
    board.load_camera(0);
    for device in ["/dev/video0", "/dev/dri/card0", "/dev/dri/renderD128", "/dev/fb0"] {
        board.ssh(&format!("su phicam -c ': <> {device}'"));
        let refused = board.try_ssh(&format!("su nobody -c ': <> {device}'"));
        assert!(refused.stderr.contains("Permission denied"), "{device}: {refused:?}");
    }
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn disk_survives_a_power_cut() {
    let mut board = Board::boot();
    board.put(b"kept", "/var/lib/phicam/kept");
    board.put(b"#!/bin/sh\necho $1 > /run/started\n", "/etc/init.d/S50test");
    board.ssh("chmod +x /etc/init.d/S50test; echo gone > /root/gone; sync");
    board.cut_power();
    assert_eq!(board.fetch("/var/lib/phicam/kept"), b"kept");
    assert_eq!(board.ssh("cat /run/started"), "start\n");
    assert_ne!(board.try_ssh("cat /root/gone").code, Some(0));
}
