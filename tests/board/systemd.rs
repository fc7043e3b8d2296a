//! The service on a system with systemd and udev, such as Debian, Raspberry Pi OS and JetPack.

use super::common::board::Board;
use super::pipeline::{CAMERA, board_file, deploy, health, photograph, shows};

#[test]
#[ignore = "boots the virtual board: just test-systemd"]
fn hardened_service_opens_camera_and_screen_only() {
    let board = Board::boot_systemd();
    let player = board.play("/dev/video0", "YUYV", (CAMERA.width, CAMERA.height), 15, &[photograph("dog.jpg").0]);
    deploy(&board, &board_file("model = 'lite0@96'"));
    shows(&board, "dog.jpg", "lite0@96");
    let said = health(&board);
    assert_eq!(said["healthy"], true, "{said}");
    let show = |property: &str| board.ssh(&format!("systemctl show phicam --value -p {property}")).trim().to_string();
    assert_eq!((show("User").as_str(), show("ActiveState").as_str()), ("phicam", "active"));
    for group in ["video", "render"] {
        assert!(show("SupplementaryGroups").contains(group), "{}", show("SupplementaryGroups"));
    }
    assert!(show("DeviceAllow").contains("char-video4linux rw"), "{}", show("DeviceAllow"));
    assert_eq!((show("NoNewPrivileges").as_str(), show("ProtectSystem").as_str()), ("yes", "strict"));
    let status = board.ssh(&format!("cat /proc/{}/status", said["pid"]));
    let line =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_string();
    assert_ne!(line("Uid:").split_whitespace().next(), Some("0"), "{status}");
    assert_eq!(line("NoNewPrivs:"), "1");
    // Even root cannot open a device outside DeviceAllow, here the disk: this kernel enforces the rule.
    let disk = "systemd-run --quiet --wait --pipe -p DevicePolicy=closed -p 'DeviceAllow=char-video4linux rw' head -c1 /dev/vda";
    assert_ne!(board.try_ssh(disk).code, Some(0), "DeviceAllow has no effect on this kernel: the test proves nothing");
    // systemd restarts the service after a kill and starts it at boot.
    board.ssh(&format!("kill -9 {}", said["pid"]));
    board.until("process after a kill", || {
        let now = health(&board);
        (now["healthy"] == true && now["pid"] != said["pid"]).then_some(())
    });
    assert_eq!(board.ssh("systemctl is-enabled phicam").trim(), "enabled");
    shows(&board, "dog.jpg", "lite0@96");
    player.end();
}
