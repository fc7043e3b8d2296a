use super::*;

fn mode(fourcc: &[u8; 4], width: u32, height: u32, rates: &[u32]) -> Mode {
    let intervals = rates.iter().map(|&rate| (10, rate)).collect(); // tenths of frames a second
    Mode { fourcc: FourCc::new(fourcc), size: Size::new(width, height), intervals: Intervals::Each(intervals) }
}

fn chosen(modes: &[Mode], wish: Wish) -> String {
    choose(modes, &Wish { short_side: wish.short_side.max(480), ..wish })
        .map_or("none".into(), |(selected, _)| selected.to_string())
}

/// As `v4l2-ctl --list-formats-ext` has them of a Logitech C920.
fn c920() -> Vec<Mode> {
    let fast = &[300, 240, 200, 150, 100, 75, 50];
    let mut modes = vec![
        mode(b"YUYV", 640, 480, fast),
        mode(b"YUYV", 160, 90, fast),
        mode(b"YUYV", 320, 240, fast),
        mode(b"YUYV", 1280, 720, &[100, 75, 50]),
        mode(b"YUYV", 1920, 1080, &[50]),
        mode(b"H264", 1920, 1080, fast),
    ];
    modes.extend([(640, 480), (320, 240), (1280, 720), (1920, 1080)].map(|(w, h)| mode(b"MJPG", w, h, fast)));
    modes
}

/// A cheap one for 720p, whose only raw mode that is large enough is slow.
fn cheap_720p() -> Vec<Mode> {
    vec![
        mode(b"MJPG", 1280, 720, &[300]),
        mode(b"MJPG", 320, 240, &[300]),
        mode(b"YUYV", 1280, 720, &[75]),
        mode(b"YUYV", 320, 240, &[300]),
    ]
}

#[test]
fn a_raw_mode_that_is_large_and_fast_enough_wins() {
    assert_eq!(chosen(&c920(), Wish::default()), "YUYV 640×480 at 30 fps");
}

#[test]
fn jpegs_at_30_beat_raw_pictures_at_7_5_and_the_log_says_both() {
    let (selected, second) = choose(&cheap_720p(), &Wish { short_side: 480, ..Wish::default() }).unwrap();
    assert_eq!(selected.to_string(), "MJPG 1280×720 at 30 fps");
    assert_eq!(second.unwrap().to_string(), "YUYV 1280×720 at 7.5 fps");
}

#[test]
fn a_larger_side_is_met_at_the_rate_that_the_decoder_keeps_up_with() {
    let wish = Wish { short_side: 720, ..Wish::default() };
    assert_eq!(chosen(&c920(), wish), "MJPG 1280×720 at 30 fps");
    let wish = Wish { short_side: 1080, ..Wish::default() };
    assert_eq!(chosen(&c920(), wish), "MJPG 1920×1080 at 30 fps"); // 15 of them decoded: more than 5
}

#[test]
fn jpegs_that_take_longer_to_decode_than_raw_ones_to_arrive_lose() {
    let modes = [mode(b"MJPG", 3840, 2160, &[300]), mode(b"YUYV", 3840, 2160, &[100])];
    assert_eq!(chosen(&modes, Wish::default()), "YUYV 3840×2160 at 10 fps");
}

#[test]
fn more_than_30_frames_a_second_are_not_asked_for() {
    let modes = [mode(b"YUYV", 640, 480, &[1200, 900, 600, 300, 150])];
    assert_eq!(chosen(&modes, Wish::default()), "YUYV 640×480 at 30 fps");
    let only_fast = [mode(b"YUYV", 640, 480, &[1200, 900, 600])];
    assert_eq!(chosen(&only_fast, Wish::default()), "YUYV 640×480 at 60 fps");
    let range = Mode { intervals: Intervals::Between((1, 120), (1, 1)), ..modes[0].clone() };
    assert_eq!(chosen(&[range], Wish::default()), "YUYV 640×480 at 30 fps");
}

#[test]
fn the_largest_is_taken_where_none_is_large_enough() {
    let modes = [mode(b"YUYV", 160, 120, &[300]), mode(b"YUYV", 352, 288, &[300]), mode(b"YUYV", 320, 240, &[300])];
    assert_eq!(chosen(&modes, Wish::default()), "YUYV 352×288 at 30 fps");
}

#[test]
fn colours_win_over_grey_and_grey_over_nothing() {
    let modes = [mode(b"GREY", 640, 480, &[300]), mode(b"MJPG", 640, 480, &[300])];
    assert_eq!(chosen(&modes, Wish::default()), "MJPG 640×480 at 30 fps");
    assert_eq!(chosen(&modes[..1], Wish::default()), "GREY 640×480 at 30 fps");
}

#[test]
fn what_the_user_asks_for_is_taken_or_nothing() {
    let wish = |fourcc: Option<&[u8; 4]>, width, height, fps| Wish {
        fourcc: fourcc.map(FourCc::new),
        width,
        height,
        fps,
        short_side: 480,
    };
    assert_eq!(chosen(&c920(), wish(Some(b"MJPG"), None, None, None)), "MJPG 640×480 at 30 fps");
    assert_eq!(chosen(&c920(), wish(None, Some(1920), Some(1080), None)), "MJPG 1920×1080 at 30 fps");
    assert_eq!(chosen(&c920(), wish(Some(b"YUYV"), Some(1920), None, None)), "YUYV 1920×1080 at 5 fps");
    assert_eq!(chosen(&c920(), wish(None, None, None, Some(10.0))), "YUYV 640×480 at 10 fps");
    assert_eq!(chosen(&c920(), wish(None, Some(800), Some(600), None)), "none");
    assert_eq!(chosen(&c920(), wish(Some(b"H264"), None, None, None)), "none");
}

#[test]
fn a_driver_that_tells_no_rates_is_taken_as_it_is() {
    let modes = [Mode { intervals: Intervals::Untold, ..mode(b"NV12", 640, 480, &[]) }];
    assert_eq!(chosen(&modes, Wish::default()), "NV12 640×480");
}

#[test]
fn modes_are_told_a_line_for_formats_with_the_same_sizes() {
    let lines = in_words(&cheap_720p());
    assert_eq!(lines, ["MJPG: 1280×720 at 30 fps; 320×240 at 30 fps", "YUYV: 1280×720 at 7.5 fps; 320×240 at 30 fps"]);
    let twins = [mode(b"YUYV", 64, 48, &[300, 50]), mode(b"NV12", 64, 48, &[300, 50]), mode(b"H264", 64, 48, &[300])];
    assert_eq!(in_words(&twins), ["YUYV, NV12: 64×48 at 5 to 30 fps", "formats that cannot be read: H264"]);
}
