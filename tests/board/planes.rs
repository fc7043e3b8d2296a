//! The frame on an overlay plane: the composed picture of all planes equals the picture in the file.

use phicam_frame::Rect;
use phicam_frame::Size;
use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::overlay::{PicturePlacement, ScreenClass};

use super::common::board::Board;
use super::common::board::camera::{frame, photograph};
use super::common::{catalog, sample};
use super::display::{Showing, show, show_camera};
use super::program::install;

/// Side in pixels of the blocks whose mean levels are compared.
const BLOCK: u32 = 50;

/// Returns the area of a screen that shows a frame of `frame` pixels.
fn area(screen: (u32, u32), frame: (u32, u32)) -> Rect {
    let frame = Size::new(frame.0, frame.1);
    let catalog = catalog();
    let variant = catalog.variant("lite0@96").unwrap();
    let region = CropMode::Whole.area(frame, variant.input.crop, variant.side);
    let class = ScreenClass::new(Size::new(screen.0, screen.1), false);
    PicturePlacement::new(&class, frame, region).unwrap().shown
}

fn size_of_sample() -> (u32, u32) {
    image::image_dimensions(sample("dog.jpg")).unwrap()
}

/// Waits until the composed picture of the planes of `card` equals the file.
#[track_caller]
pub fn is_on_the_planes(board: &Board, card: &str, showing: &Showing) {
    showing.is_in(|| board.planes(card).1);
}

#[track_caller]
fn wait_for_no_overlay(board: &Board, card: &str) {
    board.until("card without overlays", || board.overlays(card).is_empty().then_some(()));
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn overlay_plane_is_freed_at_any_end() {
    let board = Board::boot();
    install(&board);
    let card = board.load_vkms("");
    let screen = (848, 480);
    // Narrow, so that it has no more pixels than a plane gets: a still image is not scaled.
    let picture = (320, 480);
    let mut file = std::io::Cursor::new(Vec::new());
    photograph("dog.jpg", picture.0, picture.1).write_to(&mut file, image::ImageFormat::Png).unwrap();
    board.put(&file.into_inner(), "/tmp/narrow.png");
    let Rect { left, top, width, height } = area(screen, picture);
    for (user, signal) in [("root", "TERM"), ("phicam", "KILL"), ("root", "KILL"), ("phicam", "TERM")] {
        let camera = "kind = 'files'\npath = '/tmp/narrow.png'\npicture_ms = 3600000";
        let display = format!("kind = 'drm'\ndevice = '{card}'\nmode = '848x480'");
        let showing = show_camera(&board, user, camera, &display, screen);
        is_on_the_planes(&board, &card, &showing);
        let (planes, _) = board.planes(&card);
        let [picture, frame] = &planes[..] else { panic!("two planes, and not {planes:?}: {}", showing.log()) };
        assert_eq!((picture.is_overlay, picture.size), (false, screen));
        assert_eq!((frame.is_overlay, frame.size, frame.over), (true, (width, height), (width, height)));
        assert_eq!(frame.at, (left, top));
        assert_eq!(showing.log().matches("the frame uses an overlay plane").count(), 1, "{}", showing.log());
        showing.signal(signal);
        wait_for_no_overlay(&board, &card);
    }
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn unscalable_plane_moves_the_frame_into_the_picture() {
    let board = Board::boot();
    install(&board);
    let card = board.load_vkms("");
    let screen = (1280, 720);
    let Rect { width, height, .. } = area(screen, size_of_sample());
    assert!(width * height > 640 * 360, "{width}×{height} would be shown as it is");
    let showing = show(&board, "phicam", "drm", &format!("device = '{card}'\nmode = '1280x720'"), screen);
    is_on_the_planes(&board, &card, &showing);
    assert_eq!(board.overlays(&card), [], "{}", showing.log());
    let (log, over) = (showing.log(), format!("over {width}×{height} ("));
    let said: Vec<&str> =
        log.lines().filter(|line| line.contains("the frame is drawn without an overlay plane")).collect();
    assert!(said.len() == 1, "{log}");
    assert!(said[0].starts_with("info: "), "{log}");
    assert!(said[0].contains("cannot scale"), "{log}");
    assert!(said[0].contains(&over), "{log}");
    showing.signal("TERM");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn overlay_plane_scales_a_small_frame() {
    let board = Board::boot();
    install(&board);
    let card = board.load_vkms("enable_scaling=1");
    let player = board.play("/dev/video0", "YUYV", (640, 480), 10, &[frame(&photograph("dog.jpg", 640, 480), "YUYV")]);
    let screen = (1920, 1080);
    let display = format!("kind = 'drm'\ndevice = '{card}'\nmode = '1920x1080'");
    let camera = "kind = 'v4l2'\ndevice = '/dev/video0'";
    let showing = show_camera(&board, "phicam", camera, &display, screen);
    let at = area(screen, (640, 480));
    let overlay = board.until("frame on a plane", || board.overlays(&card).pop());
    assert_eq!((overlay.over, overlay.at), ((at.width, at.height), (at.left, at.top)));
    let (width, height) = overlay.size;
    assert!(width * height <= 640 * 362, "{overlay:?} is drawn small");
    assert!((width * at.height).abs_diff(height * at.width) < 4 * at.width, "{overlay:?} has the shape of {at:?}");
    board.until("next frame in its other buffer", || {
        (board.overlays(&card).pop()?.buffer != overlay.buffer).then_some(())
    });
    // The frame is drawn small and enlarged by the plane, so its pixels differ from those of the file; the mean levels
    // of blocks agree.
    let mut apart = f64::MAX;
    board.until("frame like the file's", || {
        let (seen, file) = (board.planes(&card).1?, showing.png()?);
        let colours = |pixel: &dyn Fn(u32, u32) -> [u8; 3]| -> Vec<f64> {
            let of_block = |left: u32, top: u32, channel: usize| {
                let pixels = (top..top + BLOCK).flat_map(|y| (left..left + BLOCK).map(move |x| (x, y)));
                pixels.map(|(x, y)| f64::from(pixel(x, y)[channel])).sum::<f64>() / f64::from(BLOCK * BLOCK)
            };
            let (right, bottom) = (at.left + at.width - BLOCK, at.top + at.height - BLOCK);
            let blocks = (at.top..=bottom).step_by(BLOCK as usize);
            let blocks = blocks.flat_map(|top| (at.left..=right).step_by(BLOCK as usize).map(move |left| (left, top)));
            blocks.flat_map(|(left, top)| (0..3).map(move |channel| of_block(left, top, channel))).collect()
        };
        let mine = colours(&|x, y| seen.at(x as usize, y as usize));
        let its = colours(&|x, y| file.get_pixel(x, y).0);
        apart = mine.iter().zip(&its).map(|(mine, its)| (mine - its).abs()).sum::<f64>() / mine.len() as f64;
        (apart < 3.0).then_some(())
    });
    println!("the scaled frame is {apart:.2} levels from the one drawn large");
    showing.signal("TERM");
    wait_for_no_overlay(&board, &card);
    player.end();
}
