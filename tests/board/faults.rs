//! The fault injection of the virtual board has the documented effects.

use std::process::Command;

use super::common::board::proxy::Proxy;
use super::common::board::{Board, LIMIT, camera, finish};

/// Returns a grey picture of 64 × 48 in YUYV.
fn grey(level: u8) -> Vec<u8> {
    camera::frame(&image::RgbImage::from_pixel(64, 48, image::Rgb([level; 3])), "YUYV")
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn cameras_vanish_stall_and_return_renamed() {
    let board = Board::boot();
    board.unload_camera();
    assert_ne!(board.try_ssh("ls /dev/video*").code, Some(0), "a camera is left");
    board.load_camera(3);
    let player = board.play("/dev/video3", "YUYV", (64, 48), 30, &[grey(80), grey(160)]);
    let count =
        || board.try_ssh("timeout 5 v4l2-ctl -d /dev/video3 --stream-mmap --stream-count=5 --stream-to=/tmp/five").code;
    assert_eq!(count(), Some(0));
    player.pause();
    assert_ne!(count(), Some(0), "frames come from a camera that hangs");
    player.go_on();
    assert_eq!(count(), Some(0));
    assert!(player.end() > 5);

    let device = board.load_vivid("node_types=0x1 num_inputs=1 input_types=0");
    board.ssh(&format!("(v4l2-ctl -d {device} --stream-mmap; echo over > /tmp/over) > /dev/null 2>&1 & sleep 1"));
    assert_ne!(board.try_ssh("cat /tmp/over").code, Some(0), "the capture ended by itself");
    board.unplug_vivid();
    board.until("end of the capture", || (board.try_ssh("cat /tmp/over").code == Some(0)).then_some(()));
    assert_ne!(board.try_ssh(&format!("ls {device}")).code, Some(0), "{device} is left");
    board.plug_vivid();
    board.wait_for_owner(&device);
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn open_screen_vanishes_and_returns() {
    let board = Board::boot();
    board.ssh("sleep 1000 < /dev/dri/card0 > /dev/null 2>&1 &");
    let name = board.unbind_display();
    assert_ne!(board.try_ssh("ls /dev/fb0").code, Some(0), "a frame buffer is left");
    assert_eq!(board.bind_display(&name), "/dev/dri/card1");
    board.wait_for_owner("/dev/fb0");
    board.ssh("printf '\\033[?25l' > /dev/tty1; head -c 1536000 /dev/zero | tr '\\0' 'A' > /dev/fb0");
    board.until("grey screen", || board.screendump().pixels.iter().all(|&level| level == b'A').then_some(()));
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn disk_fills_and_clock_jumps() {
    let board = Board::boot();
    board.fill_disk(100);
    let copy = "dd if=/dev/zero of=/opt/large bs=1k count=400";
    assert!(board.try_ssh(copy).stderr.contains("No space left"), "400 KiB found space");
    board.ssh("rm /opt/large");
    board.free_disk();
    board.ssh(copy);
    let year = || board.ssh("date +%Y").trim().parse::<i64>().unwrap();
    let before = year();
    board.jump_clock(20);
    assert!((before + 20..=before + 21).contains(&year()));
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn connection_is_cut_midway() {
    let board = Board::boot();
    let proxy = Proxy::to(board.port());
    let copy = |bytes: &[u8]| {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(board.ssh_config(proxy.port())).args(["board", "cat > /tmp/copy"]);
        finish(ssh, bytes, LIMIT).expect("ssh ends").code
    };
    let size = || board.ssh("stat -c %s /tmp/copy").trim().parse::<u64>().unwrap();
    let bytes = vec![7; 1 << 20];
    assert_eq!((copy(&bytes), size()), (Some(0), 1 << 20));
    proxy.cut_after(1 << 19);
    assert_ne!(copy(&bytes), Some(0));
    assert!(proxy.is_cut());
    assert!((1..1 << 19).contains(&size()), "{} bytes came through", size());
    assert_ne!(copy(&bytes), Some(0), "a cut line lets new connections through");
    proxy.mend();
    assert_eq!((copy(&bytes), size()), (Some(0), 1 << 20));
}
