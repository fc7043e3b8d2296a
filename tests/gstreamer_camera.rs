//! GStreamer cameras with the real GStreamer: correct pixels, newest frame first, and no process left behind.

mod common;

use std::time::Duration;

use common::gstreamer::{has_gstreamer, has_process, processes, send_signal, wait_for_processes};
use phicam_camera::gst::{GstError, Settings};
use phicam_camera::reconnect::{Event, ReconnectingCamera, ReopenPolicy};
use phicam_camera::{Camera, CameraError, Gst, Next};
use phicam_frame::Frame;
use phicam_frame::color_convert::RgbConverter;
use rustix::process::Signal;

/// Limit that only keeps a failing test from hanging.
const HANG_LIMIT: Duration = Duration::from_secs(60);

fn open(pipeline: &str) -> Gst {
    Gst::open(&Settings::parse(pipeline).unwrap()).unwrap_or_else(|error| panic!("{pipeline}: {error}"))
}

fn open_error(pipeline: &str) -> CameraError {
    match Gst::open(&Settings::parse(pipeline).unwrap()) {
        Ok(camera) => panic!("{pipeline} is open: {}", camera.describe()),
        Err(error) => error,
    }
}

fn next(camera: &mut Gst) -> Frame {
    match camera.next_frame(HANG_LIMIT) {
        Ok(Next::Frame(frame)) => frame,
        other => panic!("{}: {other:?}", camera.describe()),
    }
}

/// Returns the number of frames until the end of the camera, with the last result.
#[track_caller]
fn read_to_end(camera: &mut Gst) -> (u64, Result<Next, CameraError>) {
    let mut frames = 0;
    while frames < 1000 {
        match camera.next_frame(HANG_LIMIT) {
            Ok(Next::Frame(_)) => frames += 1,
            end => return (frames, end),
        }
    }
    panic!("{}: no end after 1000 frames", camera.describe())
}

/// Colour bars of the pattern smpte100 from left to right, each over the whole height.
const BARS: [[u8; 3]; 7] =
    [[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0], [255, 0, 255], [255, 0, 0], [0, 0, 255]];

#[test]
fn every_format_and_size_has_correct_colours() {
    if !has_gstreamer("every_format_and_size_has_correct_colours") {
        return;
    }
    for format in ["NV12", "I420", "YUY2", "UYVY", "NV21", "RGB", "BGR", "xRGB", "P010_10LE"] {
        // Rows of 70 and 71 pixels have padding in one plane or the other; 720 rows use another matrix.
        for (width, height) in [(70, 34), (71, 35), (640, 480), (1280, 720)] {
            let source = format!("videotestsrc pattern=smpte100 num-buffers=9 ! video/x-raw,format={format}");
            let mut camera = open(&format!("{source},width={width},height={height}"));
            let frame = next(&mut camera);
            let case = format!("{format}, {}", camera.describe());
            assert_eq!((frame.size().width, frame.size().height), (width, height), "{case}");
            let mut pixels = Vec::new();
            RgbConverter::default().convert_frame(&frame, &mut pixels).unwrap();
            for row in pixels.chunks_exact(width as usize) {
                for (bar, expected) in BARS.iter().enumerate() {
                    let actual = row[(2 * bar + 1) * width as usize / 14];
                    let difference = actual.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                    assert!(difference <= 4, "{case}: bar {bar} is {actual:?}, expected {expected:?}");
                }
            }
        }
    }
}

#[test]
fn slow_reader_gets_the_newest_frame() {
    if !has_gstreamer("slow_reader_gets_the_newest_frame") {
        return;
    }
    let mut camera = open("videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=200/1");
    let mut sequences = vec![next(&mut camera).sequence];
    for _ in 0..4 {
        let before = camera.counts().skipped;
        let mut checks = (0..6000).map(|_| std::thread::sleep(Duration::from_millis(10)));
        let has_skipped = checks.any(|()| camera.counts().skipped >= before + 3);
        assert!(has_skipped, "no frames arrive without a reader: {:?}", camera.counts());
        sequences.push(next(&mut camera).sequence);
    }
    assert!(sequences.windows(2).all(|pair| pair[1] > pair[0] + 3), "older frames were delivered: {sequences:?}");
    // Every undelivered frame was replaced; a frame that arrives just now may add to the count.
    let last = sequences[4];
    let delivered = sequences.len() as u64;
    assert!(camera.counts().skipped >= last + 1 - delivered, "{:?} at frame {last}", camera.counts());
}

#[test]
fn held_frames_are_not_overwritten() {
    if !has_gstreamer("held_frames_are_not_overwritten") {
        return;
    }
    let mut camera = open("videotestsrc pattern=ball is-live=true ! video/x-raw,width=64,height=48,framerate=100/1");
    let held = next(&mut camera);
    let before = held.part(0).to_vec();
    let others: Vec<Frame> = (0..5).map(|_| next(&mut camera)).collect();
    drop(camera);
    assert!(held.part(0) == before, "the buffer was overwritten");
    assert!(others.iter().any(|other| other.part(0) != before), "the ball moves");
}

#[test]
fn pipeline_end_is_finished_or_lost_by_its_errors() {
    if !has_gstreamer("pipeline_end_is_finished_or_lost_by_its_errors") {
        return;
    }
    let (frames, ended) = read_to_end(&mut open("videotestsrc num-buffers=5"));
    assert!(frames > 0, "no frame, then {ended:?}");
    assert!(matches!(ended, Ok(Next::Finished)), "{frames} frames, then {ended:?}");
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.raw");
    std::fs::write(&film, [128; 3 * 32 * 16 * 3 / 2]).unwrap();
    let pipeline = format!("filesrc location={} ! rawvideoparse format=nv12 width=32 height=16", film.display());
    let (frames, ended) = read_to_end(&mut open(&pipeline));
    assert!(frames > 0, "no frame, then {ended:?}");
    assert!(matches!(ended, Ok(Next::Finished)), "{frames} frames, then {ended:?}");
    let (_, ended) = read_to_end(&mut open("videotestsrc is-live=true ! identity error-after=8"));
    let error = ended.unwrap_err();
    assert!(matches!(error, CameraError::Gone { .. }), "{error:?}");
    assert!(error.is_lost(), "{error:?}");
    assert!(error.to_string().contains("Failed after iterations as requested"), "{error}");
}

#[test]
fn invalid_pipeline_is_an_error_with_remedy() {
    if !has_gstreamer("invalid_pipeline_is_an_error_with_remedy") {
        return;
    }
    for (pipeline, words) in [
        ("vidoetestsrc", &["no element \"vidoetestsrc\"", "check the spelling of vidoetestsrc"][..]),
        ("nvarguscamerasrc sensor-id=0", &["no element \"nvarguscamerasrc\"", "apt-get install nvidia-l4t-gstreamer"]),
        ("videotestsrc !", &["GStreamer rejects", "without a sink"]),
        ("videotestsrc nonsense=3", &["nonsense"]),
        ("videotestsrc ! fakesink", &["GStreamer rejects `videotestsrc ! fakesink`"]),
    ] {
        let error = open_error(pipeline);
        assert!(matches!(error, CameraError::Gst(GstError::Pipeline { .. })), "{error:?}");
        assert!(!error.is_lost(), "{error:?}");
        words.iter().for_each(|word| assert!(error.to_string().contains(word), "`{word}` is missing in: {error}"));
    }
    let error = open_error("filesrc location=/nowhere ! rawvideoparse");
    assert!(matches!(error, CameraError::Gst(GstError::NoPicture { .. })), "{error:?}");
    assert!(error.is_lost(), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("exit status: "), "{message}");
    assert!(message.contains("No such file \"/nowhere\""), "{message}");
}

#[test]
fn buffers_of_unexpected_size_are_rejected() {
    if !has_gstreamer("buffers_of_unexpected_size_are_rejected") {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=64,height=32,framerate=30/1";
    let padded = format!("fakesrc is-live=true do-timestamp=true sizetype=fixed sizemax=4096 filltype=zero ! {caps}");
    let error = match Gst::open(&Settings::parse(&padded).unwrap()) {
        Err(error) => error,
        Ok(mut camera) => read_to_end(&mut camera).1.unwrap_err(),
    };
    let message = error.to_string();
    assert!(message.contains("buffers of 4096 bytes, but a frame of 64×32 NV12"), "{message}");
    assert!(message.contains("has 3072: its rows are padded"), "{message}");
    assert!(message.contains("! videoconvert ! video/x-raw,format=I420"), "{message}");
}

#[test]
fn size_change_ends_the_camera_as_lost() {
    if !has_gstreamer("size_change_ends_the_camera_as_lost") {
        return;
    }
    let first = "videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=64,height=32,framerate=60/1 ! c.";
    let second = "videotestsrc is-live=true ! video/x-raw,width=32,height=16,framerate=60/1 ! c. concat name=c";
    let mut camera = open(&format!("{first} {second}"));
    let (frames, ended) = read_to_end(&mut camera);
    let error = ended.unwrap_err();
    assert!(frames > 0, "{error:?}");
    assert!(error.is_lost(), "{error:?}");
    assert!(matches!(&error, CameraError::Changed { now, .. } if now.starts_with("32×16")), "{error}");
}

#[test]
fn killed_process_is_replaced_without_zombies() {
    if !has_gstreamer("killed_process_is_replaced_without_zombies") {
        return;
    }
    let mark = "phicam-test-killed";
    let settings: phicam_camera::Settings = format!("gst:videotestsrc is-live=true name={mark}").parse().unwrap();
    let open = |settings: &phicam_camera::Settings| {
        phicam_camera::open(settings, || Err("no samples")).map_err(|error| error.to_string())
    };
    let first = open(&settings).unwrap();
    let mut camera = ReconnectingCamera::new(first, Some(ReopenPolicy { settings, open: Box::new(open) }));
    let mut events = Vec::new();
    let mut pids = Vec::new();
    while events.len() < 10 {
        match camera.next(Duration::from_millis(100)) {
            Event::Next(Next::Frame(_)) if events.last().is_none_or(|last| last != "frame") => {
                events.push("frame".into());
                if pids.len() < 3 {
                    let pid = wait_for_processes(mark, 1)[0];
                    send_signal(pid, Signal::KILL);
                    pids.push(pid);
                }
            }
            Event::Next(Next::Frame(_) | Next::Nothing) => {}
            Event::Lost(reason) => events.push(format!("lost: {reason}")),
            Event::Reconnected(name) => events.push(format!("reconnected: {name}")),
            other => panic!("{other:?}"),
        }
    }
    for round in events.chunks_exact(3) {
        assert_eq!(round[0], "frame", "{events:#?}");
        assert!(round[1].contains("signal: 9 (SIGKILL)"), "{events:#?}");
        assert!(round[2].starts_with("reconnected: gst videotestsrc"), "{events:#?}");
    }
    assert_eq!(events.len(), 10, "expected three losses with reconnection: {events:#?}");
    assert!(pids.iter().all(|&pid| !has_process(pid)), "a process of {pids:?} is left");
    let last = wait_for_processes(mark, 1)[0];
    drop(camera);
    assert!(!has_process(last));
    assert!(processes(mark).is_empty());
}

#[test]
fn stopped_process_stalls_and_is_ended() {
    if !has_gstreamer("stopped_process_stalls_and_is_ended") {
        return;
    }
    let mut camera = open("videotestsrc is-live=true");
    next(&mut camera);
    let pid = camera.process_id();
    send_signal(pid, Signal::STOP);
    let mut results = (0..600).map(|_| camera.next_frame(Duration::from_millis(100)));
    let ended = results.find(|next| !matches!(next, Ok(Next::Frame(_) | Next::Nothing)));
    let error = ended.expect("a stall within a minute").unwrap_err();
    assert!(matches!(error, CameraError::Stalled { .. }), "{error:?}");
    assert!(error.is_lost(), "{error:?}");
    drop(camera);
    assert!(!has_process(pid), "the process outlives its camera");
}

#[test]
fn closed_cameras_leave_no_process_or_thread() {
    if !has_gstreamer("closed_cameras_leave_no_process_or_thread") {
        return;
    }
    let mark = "phicam-test-many";
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        tasks.filter(|task| std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "gst\n")).count()
    };
    let pids: Vec<u32> = (0..24)
        .map(|round| {
            let mut camera = open(&format!("videotestsrc is-live=true name={mark}"));
            if round % 2 == 0 {
                next(&mut camera);
            }
            camera.process_id()
        })
        .collect();
    assert!(pids.iter().all(|&pid| !has_process(pid)), "{pids:?}");
    assert!(processes(mark).is_empty());
    // Other tests of this file have a few reader threads at the same time.
    assert!(threads() < 24, "a reader thread outlives its camera");
}
