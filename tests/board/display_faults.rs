//! Faults of screens: the correct picture returns without help.

use super::common::board::Board;
use super::common::board::camera::photograph;
use super::display::{show, show_camera};
use super::planes::is_on_the_planes;
use super::program::install;

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn screen_is_reopened_after_driver_reload() {
    let board = Board::boot();
    install(&board);
    for kind in ["drm", "fb"] {
        let showing = show(&board, "root", kind, "", (800, 480));
        showing.is_on_the_screen();
        let said = |words: &str| showing.log().matches(words).count();
        for _ in 0..3 {
            let losses = said("is lost");
            let name = board.unbind_display();
            board.until("word of the loss", || (said("is lost") > losses).then_some(()));
            // The program closes the lost device, so its number is free again.
            board.bind_display(&name);
            board.until("word of its return", || (said("reconnected") == said("is lost")).then_some(()));
            showing.is_on_the_screen();
            assert!(showing.runs(), "{}", showing.log());
        }
        showing.signal("TERM");
    }
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn renumbered_card_is_found() {
    let board = Board::boot();
    install(&board);
    let showing = show(&board, "phicam", "drm", "device = '/dev/dri/card0'", (800, 480));
    board.ssh("sleep 1000 < /dev/dri/card0 > /dev/null 2>&1 &");
    let name = board.unbind_display();
    assert_eq!(board.bind_display(&name), "/dev/dri/card1");
    board.until("word of its return", || showing.log().contains("/dev/dri/card1), 800×480: reconnected").then_some(()));
    showing.is_on_the_screen();
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn killed_program_leaves_the_console_intact() {
    let board = Board::boot();
    install(&board);
    board.ssh("printf '\\033[2J\\033[Hthe console\\033[?25l' > /dev/tty1; sleep 2");
    let before = board.screendump();
    for kind in ["drm", "fb", "drm"] {
        let showing = show(&board, "root", kind, "", (800, 480));
        showing.is_on_the_screen();
        showing.signal("KILL");
    }
    let showing = show(&board, "root", "drm", "", (800, 480));
    showing.is_on_the_screen();
    showing.signal("TERM");
    board.until("console as it was", || (board.screendump().pixels == before.pixels).then_some(()));
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn refused_plane_moves_the_frame_into_the_picture() {
    let board = Board::boot();
    install(&board);
    let card = board.load_vkms("");
    // Narrow pictures: a plane shows a still image only if it need not scale it. Every second one is drawn into the
    // buffer that is taken away.
    for name in ["dog.jpg", "koala.jpg"] {
        let mut file = std::io::Cursor::new(Vec::new());
        photograph(name, 320, 480).write_to(&mut file, image::ImageFormat::Png).unwrap();
        board.put(&file.into_inner(), &format!("/tmp/pictures/{name}.png"));
    }
    let camera = "kind = 'files'\npath = '/tmp/pictures'\npicture_ms = 10000\nrepeat = true";
    let display = format!("kind = 'drm'\ndevice = '{card}'\nmode = '848x480'");
    let showing = show_camera(&board, "root", camera, &display, (848, 480));
    board.until("frame on a plane", || board.overlays(&card).pop());
    is_on_the_planes(&board, &card, &showing);
    let frame = || image::imageops::crop_imm(&showing.png().unwrap(), 270, 0, 300, 200).to_image();
    let before = frame();
    board.ssh(&format!("planes {card} remove {}", showing.process()));
    board.until("word of it", || showing.log().contains("overlay plane disabled").then_some(()));
    let refused = board.until("refused frame in the file", || Some(frame()).filter(|frame| *frame != before));
    is_on_the_planes(&board, &card, &showing);
    assert!(frame() == refused, "the frame came back with the next picture only");
    assert!(board.overlays(&card).is_empty(), "{}", showing.log());
    assert!(showing.runs(), "{}", showing.log());
    assert!(!showing.log().contains("is lost"), "{}", showing.log());
    showing.signal("TERM");
    // A new start of the program uses the plane again.
    let showing = show_camera(&board, "root", camera, &display, (848, 480));
    board.until("frame on a plane", || board.overlays(&card).pop());
    is_on_the_planes(&board, &card, &showing);
    showing.signal("TERM");
}
