//! Cameras that GStreamer reads, with the real GStreamer: pictures are right, the newest counts, and nothing is left.

mod common;

use std::time::Duration;

use common::gstreamer::{is_here, is_there, processes, signal, wait_for};
use phicam_camera;
use phicam_camera::gst::{GstError, Settings};
use phicam_camera::reconnect::{Event, ReconnectingCamera, ReopenPolicy};
use phicam_camera::{Camera, CameraError, Gst, Next};
use phicam_frame::Frame;
use phicam_frame::color_convert::Pixels;
use rustix::process::Signal;

/// Long enough for any machine: a test that hangs fails.
const HANGS: Duration = Duration::from_secs(60);

fn open(pipeline: &str) -> Gst {
    Gst::open(&Settings::parse(pipeline).unwrap()).unwrap_or_else(|error| panic!("{pipeline}: {error}"))
}

fn refused(pipeline: &str) -> CameraError {
    match Gst::open(&Settings::parse(pipeline).unwrap()) {
        Ok(camera) => panic!("{pipeline} is open: {}", camera.describe()),
        Err(error) => error,
    }
}

fn next(camera: &mut Gst) -> Frame {
    match camera.next_frame(HANGS) {
        Ok(Next::Frame(frame)) => frame,
        other => panic!("{}: {other:?}", camera.describe()),
    }
}

/// What comes after all frames, which are not many.
#[track_caller]
fn end(camera: &mut Gst) -> (u64, Result<Next, CameraError>) {
    let mut frames = 0;
    while frames < 1000 {
        match camera.next_frame(HANGS) {
            Ok(Next::Frame(_)) => frames += 1,
            end => return (frames, end),
        }
    }
    panic!("{}: it goes on and on", camera.describe())
}

/// The bars of the pattern smpte100, from left to right, each over the whole height.
const BARS: [[u8; 3]; 7] =
    [[255, 255, 255], [255, 255, 0], [0, 255, 255], [0, 255, 0], [255, 0, 255], [255, 0, 0], [0, 0, 255]];

#[test]
fn every_format_and_size_has_its_colours_in_their_places() {
    if !is_here("every_format_and_size_has_its_colours_in_their_places") {
        return;
    }
    for format in ["NV12", "I420", "YUY2", "UYVY", "NV21", "RGB", "BGR", "xRGB", "P010_10LE"] {
        // Rows of 70 and 71 pixels are padded in one plane or the other; 720 rows have another matrix.
        for (width, height) in [(70, 34), (71, 35), (640, 480), (1280, 720)] {
            let made = format!("videotestsrc pattern=smpte100 num-buffers=9 ! video/x-raw,format={format}");
            let mut camera = open(&format!("{made},width={width},height={height}"));
            let frame = next(&mut camera);
            let what = format!("{format}, {}", camera.describe());
            assert_eq!((frame.size().width, frame.size().height), (width, height), "{what}");
            let mut pixels = Vec::new();
            Pixels::default().all(&frame, &mut pixels).unwrap();
            for row in pixels.chunks_exact(width as usize) {
                for (bar, expected) in BARS.iter().enumerate() {
                    let found = row[(2 * bar + 1) * width as usize / 14];
                    let apart = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
                    assert!(apart <= 4, "{what}: bar {bar} is {found:?}, expected {expected:?}");
                }
            }
        }
    }
}

#[test]
fn a_slow_reader_gets_the_newest_frame_and_the_others_are_counted() {
    if !is_here("a_slow_reader_gets_the_newest_frame_and_the_others_are_counted") {
        return;
    }
    let mut camera = open("videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=200/1");
    let mut sequences = vec![next(&mut camera).sequence];
    for _ in 0..4 {
        let before = camera.counts().skipped;
        let mut looks = (0..6000).map(|_| std::thread::sleep(Duration::from_millis(10)));
        let come = looks.any(|()| camera.counts().skipped >= before + 3);
        assert!(come, "no frames come while nobody reads: {:?}", camera.counts());
        sequences.push(next(&mut camera).sequence);
    }
    assert!(sequences.windows(2).all(|pair| pair[1] > pair[0] + 3), "older ones were handed on: {sequences:?}");
    // What came while nobody read was replaced; what comes just now may be on top of that.
    let (last, given) = (sequences[4], sequences.len() as u64);
    assert!(camera.counts().skipped >= last + 1 - given, "{:?} at frame {last}", camera.counts());
}

#[test]
fn frames_that_are_held_stay_as_they_are_while_others_come() {
    if !is_here("frames_that_are_held_stay_as_they_are_while_others_come") {
        return;
    }
    let mut camera = open("videotestsrc pattern=ball is-live=true ! video/x-raw,width=64,height=48,framerate=100/1");
    let held = next(&mut camera);
    let before = held.part(0).to_vec();
    let others: Vec<Frame> = (0..5).map(|_| next(&mut camera)).collect();
    drop(camera);
    assert!(held.part(0) == before, "its buffer was written to");
    assert!(others.iter().any(|other| other.part(0) != before), "the ball moves");
}

#[test]
fn a_pipeline_that_ends_well_is_finished_and_one_with_an_error_is_lost() {
    if !is_here("a_pipeline_that_ends_well_is_finished_and_one_with_an_error_is_lost") {
        return;
    }
    let (frames, ended) = end(&mut open("videotestsrc num-buffers=5"));
    assert!(frames > 0 && matches!(ended, Ok(Next::Finished)), "{frames} frames, then {ended:?}");
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.raw");
    std::fs::write(&film, [128; 3 * 32 * 16 * 3 / 2]).unwrap();
    let reads = format!("filesrc location={} ! rawvideoparse format=nv12 width=32 height=16", film.display());
    let (frames, ended) = end(&mut open(&reads));
    assert!(frames > 0 && matches!(ended, Ok(Next::Finished)), "{frames} frames, then {ended:?}");
    let (_, ended) = end(&mut open("videotestsrc is-live=true ! identity error-after=8"));
    let error = ended.unwrap_err();
    assert!(matches!(error, CameraError::Gone { .. }) && error.is_lost(), "{error:?}");
    assert!(error.to_string().contains("Failed after iterations as requested"), "{error}");
}

#[test]
fn what_a_pipeline_cannot_do_is_said_at_once_with_what_to_do() {
    if !is_here("what_a_pipeline_cannot_do_is_said_at_once_with_what_to_do") {
        return;
    }
    for (pipeline, said) in [
        ("vidoetestsrc", &["no element \"vidoetestsrc\"", "check how vidoetestsrc is written"][..]),
        ("nvarguscamerasrc sensor-id=0", &["no element \"nvarguscamerasrc\"", "apt-get install nvidia-l4t-gstreamer"]),
        ("videotestsrc !", &["does not understand", "without a sink"]),
        ("videotestsrc nonsense=3", &["nonsense"]),
        ("videotestsrc ! fakesink", &["does not understand `videotestsrc ! fakesink`"]),
    ] {
        let error = refused(pipeline);
        assert!(matches!(error, CameraError::Gst(GstError::Pipeline { .. })) && !error.is_lost(), "{error:?}");
        said.iter().for_each(|said| assert!(error.to_string().contains(said), "`{said}` is missing in: {error}"));
    }
    let error = refused("filesrc location=/nowhere ! rawvideoparse");
    assert!(matches!(error, CameraError::Gst(GstError::NoPicture { .. })) && error.is_lost(), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("exit status: ") && said.contains("No such file \"/nowhere\""), "{said}");
}

#[test]
fn buffers_that_are_no_pictures_are_refused_rather_than_shown() {
    if !is_here("buffers_that_are_no_pictures_are_refused_rather_than_shown") {
        return;
    }
    let caps = "video/x-raw,format=NV12,width=64,height=32,framerate=30/1";
    let padded = format!("fakesrc is-live=true do-timestamp=true sizetype=fixed sizemax=4096 filltype=zero ! {caps}");
    let error = match Gst::open(&Settings::parse(&padded).unwrap()) {
        Err(error) => error,
        Ok(mut camera) => end(&mut camera).1.unwrap_err(),
    };
    let said = error.to_string();
    assert!(said.contains("have 4096 bytes, 3072 are a picture of 64×32 NV12"), "{said}");
    assert!(said.contains("! videoconvert ! video/x-raw,format=I420"), "{said}");
}

#[test]
fn another_size_midway_ends_the_camera_which_is_then_opened_again() {
    if !is_here("another_size_midway_ends_the_camera_which_is_then_opened_again") {
        return;
    }
    let first = "videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=64,height=32,framerate=60/1 ! c.";
    let second = "videotestsrc is-live=true ! video/x-raw,width=32,height=16,framerate=60/1 ! c. concat name=c";
    let mut camera = open(&format!("{first} {second}"));
    let (frames, ended) = end(&mut camera);
    let error = ended.unwrap_err();
    assert!(frames > 0 && error.is_lost(), "{frames} frames, {error:?}");
    assert!(matches!(&error, CameraError::Changed { now, .. } if now.starts_with("32×16")), "{error}");
}

#[test]
fn a_process_that_is_killed_is_lost_and_comes_back_and_nothing_is_left() {
    if !is_here("a_process_that_is_killed_is_lost_and_comes_back_and_nothing_is_left") {
        return;
    }
    let mark = "phicam-test-killed";
    let settings: phicam_camera::Settings = format!("gst:videotestsrc is-live=true name={mark}").parse().unwrap();
    let open = |settings: &phicam_camera::Settings| {
        phicam_camera::open(settings, || Err("no samples")).map_err(|error| error.to_string())
    };
    let first = open(&settings).unwrap();
    let mut watch = ReconnectingCamera::over(first, Some(ReopenPolicy { settings, open: Box::new(open) }));
    let mut said = Vec::new();
    let mut pids = Vec::new();
    while said.len() < 10 {
        match watch.next(Duration::from_millis(100)) {
            Event::Next(Next::Frame(_)) if said.last().is_none_or(|last| last != "frame") => {
                said.push("frame".into());
                if pids.len() < 3 {
                    let pid = wait_for(mark, 1)[0];
                    signal(pid, Signal::KILL);
                    pids.push(pid);
                }
            }
            Event::Next(Next::Frame(_) | Next::Nothing) => {}
            Event::Lost(why) => said.push(format!("lost: {why}")),
            Event::Back(name) => said.push(format!("back: {name}")),
            other => panic!("{other:?}"),
        }
    }
    for round in said.chunks_exact(3) {
        assert!(round[0] == "frame" && round[1].contains("signal: 9 (SIGKILL)"), "{said:#?}");
        assert!(round[2].starts_with("back: gst videotestsrc"), "{said:#?}");
    }
    assert_eq!(said.len(), 10, "three losses, each told, each over: {said:#?}");
    assert!(pids.iter().all(|&pid| !is_there(pid)), "a zombie is left of {pids:?}");
    let last = wait_for(mark, 1)[0];
    drop(watch);
    assert!(!is_there(last) && processes(mark).is_empty());
}

#[test]
fn a_process_that_is_stopped_has_stalled_and_is_ended() {
    if !is_here("a_process_that_is_stopped_has_stalled_and_is_ended") {
        return;
    }
    let mut camera = open("videotestsrc is-live=true");
    next(&mut camera);
    let pid = camera.process();
    signal(pid, Signal::STOP);
    let mut ends = (0..600).map(|_| camera.next_frame(Duration::from_millis(100)));
    let ended = ends.find(|next| !matches!(next, Ok(Next::Frame(_) | Next::Nothing)));
    let error = ended.expect("it was stopped a minute ago").unwrap_err();
    assert!(matches!(error, CameraError::Stalled { .. }) && error.is_lost(), "{error:?}");
    drop(camera);
    assert!(!is_there(pid), "it goes on after its camera");
}

#[test]
fn no_process_and_no_thread_is_left_after_many_cameras() {
    if !is_here("no_process_and_no_thread_is_left_after_many_cameras") {
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
            camera.process()
        })
        .collect();
    assert!(pids.iter().all(|&pid| !is_there(pid)), "{pids:?}");
    assert!(processes(mark).is_empty());
    // Other tests of this file have a few at the same time.
    assert!(threads() < 24, "a camera's thread ends with it");
}
