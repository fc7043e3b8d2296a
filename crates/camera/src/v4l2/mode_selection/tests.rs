use super::*;

fn mode(fourcc: &[u8; 4], width: u32, height: u32, rates: &[u32]) -> Mode {
    let intervals = rates.iter().map(|&rate| (10, rate)).collect(); // tenths of frames a second
    Mode { fourcc: FourCc::new(fourcc), size: Size::new(width, height), intervals: Intervals::Discrete(intervals) }
}

fn selected(modes: &[Mode], request: ModeRequest) -> String {
    select(modes, &ModeRequest { short_side: request.short_side.max(480), ..request })
        .map_or("none".into(), |(mode, _)| mode.to_string())
}

/// Modes of a Logitech C920, as `v4l2-ctl --list-formats-ext` lists them.
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

/// Modes of a cheap 720p webcam; its only raw mode with 480 lines or more is slow.
fn cheap_720p() -> Vec<Mode> {
    vec![
        mode(b"MJPG", 1280, 720, &[300]),
        mode(b"MJPG", 320, 240, &[300]),
        mode(b"YUYV", 1280, 720, &[75]),
        mode(b"YUYV", 320, 240, &[300]),
    ]
}

#[test]
fn raw_mode_wins_if_large_and_fast_enough() {
    assert_eq!(selected(&c920(), ModeRequest::default()), "YUYV 640×480 at 30 fps");
}

#[test]
fn jpeg_at_30_fps_beats_raw_at_7_5_fps() {
    let request = ModeRequest { short_side: 480, ..ModeRequest::default() };
    let (best, runner_up) = select(&cheap_720p(), &request).unwrap();
    assert_eq!(best.to_string(), "MJPG 1280×720 at 30 fps");
    assert_eq!(runner_up.unwrap().to_string(), "YUYV 1280×720 at 7.5 fps");
}

#[test]
fn larger_side_is_selected_by_decoded_rate() {
    let request = ModeRequest { short_side: 720, ..ModeRequest::default() };
    assert_eq!(selected(&c920(), request), "MJPG 1280×720 at 30 fps");
    let request = ModeRequest { short_side: 1080, ..ModeRequest::default() };
    assert_eq!(selected(&c920(), request), "MJPG 1920×1080 at 30 fps"); // 18 fps after decoding, and raw has 5
}

#[test]
fn slowly_decoded_jpeg_loses_to_raw() {
    let modes = [mode(b"MJPG", 3840, 2160, &[300]), mode(b"YUYV", 3840, 2160, &[100])];
    assert_eq!(selected(&modes, ModeRequest::default()), "YUYV 3840×2160 at 10 fps");
}

#[test]
fn rates_above_30_fps_are_not_requested() {
    let modes = [mode(b"YUYV", 640, 480, &[1200, 900, 600, 300, 150])];
    assert_eq!(selected(&modes, ModeRequest::default()), "YUYV 640×480 at 30 fps");
    let only_fast = [mode(b"YUYV", 640, 480, &[1200, 900, 600])];
    assert_eq!(selected(&only_fast, ModeRequest::default()), "YUYV 640×480 at 60 fps");
    let range = Mode { intervals: Intervals::Range((1, 120), (1, 1)), ..modes[0].clone() };
    assert_eq!(selected(&[range], ModeRequest::default()), "YUYV 640×480 at 30 fps");
}

#[test]
fn largest_mode_wins_if_all_are_too_small() {
    let modes = [mode(b"YUYV", 160, 120, &[300]), mode(b"YUYV", 352, 288, &[300]), mode(b"YUYV", 320, 240, &[300])];
    assert_eq!(selected(&modes, ModeRequest::default()), "YUYV 352×288 at 30 fps");
}

#[test]
fn grey_mode_is_the_last_resort() {
    let modes = [mode(b"GREY", 640, 480, &[300]), mode(b"MJPG", 640, 480, &[300])];
    assert_eq!(selected(&modes, ModeRequest::default()), "MJPG 640×480 at 30 fps");
    assert_eq!(selected(&modes[..1], ModeRequest::default()), "GREY 640×480 at 30 fps");
}

#[test]
fn explicit_request_is_met_or_no_mode_is_selected() {
    let request = |fourcc: Option<&[u8; 4]>, width, height, fps| ModeRequest {
        fourcc: fourcc.map(FourCc::new),
        width,
        height,
        fps,
        short_side: 480,
    };
    assert_eq!(selected(&c920(), request(Some(b"MJPG"), None, None, None)), "MJPG 640×480 at 30 fps");
    assert_eq!(selected(&c920(), request(None, Some(1920), Some(1080), None)), "MJPG 1920×1080 at 30 fps");
    assert_eq!(selected(&c920(), request(Some(b"YUYV"), Some(1920), None, None)), "YUYV 1920×1080 at 5 fps");
    assert_eq!(selected(&c920(), request(None, None, None, Some(10.0))), "YUYV 640×480 at 10 fps");
    assert_eq!(selected(&c920(), request(None, Some(800), Some(600), None)), "none");
    assert_eq!(selected(&c920(), request(Some(b"H264"), None, None, None)), "none");
}

#[test]
fn mode_without_rates_can_be_selected() {
    let modes = [Mode { intervals: Intervals::Unknown, ..mode(b"NV12", 640, 480, &[]) }];
    assert_eq!(selected(&modes, ModeRequest::default()), "NV12 640×480");
}

#[test]
fn formats_with_equal_sizes_share_a_line() {
    let lines = mode_lines(&cheap_720p());
    assert_eq!(lines, ["MJPG: 1280×720 at 30 fps; 320×240 at 30 fps", "YUYV: 1280×720 at 7.5 fps; 320×240 at 30 fps"]);
    let twins = [mode(b"YUYV", 64, 48, &[300, 50]), mode(b"NV12", 64, 48, &[300, 50]), mode(b"H264", 64, 48, &[300])];
    assert_eq!(mode_lines(&twins), ["YUYV, NV12: 64×48 at 5 to 30 fps", "formats that cannot be read: H264"]);
}
