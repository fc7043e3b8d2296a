//! The program with a GStreamer camera: its messages, and that no process is left behind.

mod common;

use std::process::{Child, Command};

use common::gstreamer::{has_gstreamer, has_process, processes, send_signal, wait_for_processes};
use common::program::{Ended, Program};
use phicam_camera::gst::Settings;
use phicam_camera::{Camera, Gst, Next};
use rustix::process::Signal;

fn run(program: &Program, pipeline: &str) -> Command {
    let camera = format!("gst:{pipeline}");
    program.command(["run", "--camera", &camera, "--display", "none", "--model", "lite0@96", "--json", "-v"])
}

/// Returns the number of open descriptors of this process.
fn count_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn run_classifies_pipeline_frames_and_logs_the_pipeline() {
    if !has_gstreamer("run_classifies_pipeline_frames_and_logs_the_pipeline") {
        return;
    }
    let program = Program::new();
    let mut command = run(&program, "videotestsrc is-live=true ! video/x-raw,width=320,height=240");
    let ended = Ended::from(command.args(["--frames", "3"]).output().unwrap()).with(0);
    assert_eq!(ended.json().len(), 3, "{ended:?}");
    ended.saying(&["gst-launch-1.0 -v videotestsrc is-live=true '!'", "camera gst videotestsrc", "320×240"]);
}

#[test]
fn missing_gst_launch_error_names_the_package() {
    let program = Program::new();
    let mut command = run(&program, "videotestsrc");
    let ended = Ended::from(command.env("PATH", program.path("empty")).output().unwrap()).with(1);
    ended.saying(&["gst-launch-1.0 is not installed", "sudo apt-get install gstreamer1.0-tools"]);
}

#[test]
fn film_ends_the_program_and_a_typo_is_an_error() {
    if !has_gstreamer("film_ends_the_program_and_a_typo_is_an_error") {
        return;
    }
    let program = Program::new();
    let mut film = run(&program, "videotestsrc num-buffers=4");
    let ended = Ended::from(film.args(["--frames", "50"]).output().unwrap()).with(0);
    assert!((1..=4).contains(&ended.json().len()), "the film was repeated: {ended:?}");
    let typo = Ended::from(run(&program, "vidoetestsrc").output().unwrap()).with(1);
    typo.saying(&["no element \"vidoetestsrc\""]);
}

/// Starts the program and waits for its GStreamer process, whose command line contains `mark`.
fn start_program(program: &Program, mark: &str) -> Child {
    let child = run(program, &format!("videotestsrc is-live=true name={mark}")).spawn().unwrap();
    wait_for_processes(mark, 1);
    child
}

#[test]
fn no_process_is_left_after_ctrl_c_or_kill() {
    if !has_gstreamer("no_process_is_left_after_ctrl_c_or_kill") {
        return;
    }
    for (mark, signal) in [("phicam-test-int", Signal::INT), ("phicam-test-kill", Signal::KILL)] {
        let program = Program::new();
        let child = start_program(&program, mark);
        send_signal(child.id(), signal);
        let ended = child.wait_with_output().unwrap();
        if signal == Signal::INT {
            assert!(processes(mark).is_empty(), "the pipeline outlives the program");
            assert!(ended.status.success(), "{ended:?}");
        }
        wait_for_processes(mark, 0);
    }
}

#[test]
fn closed_camera_leaves_no_descriptor() {
    if !has_gstreamer("closed_camera_leaves_no_descriptor") {
        return;
    }
    let settings = Settings::parse("videotestsrc is-live=true").unwrap();
    let open_and_count = || {
        let mut camera = Gst::open(&settings).unwrap();
        while !matches!(camera.next_frame(std::time::Duration::from_secs(60)).unwrap(), Next::Frame(_)) {}
        count_descriptors()
    };
    // Other tests of this file hold a few descriptors: only a leak of one or more per camera exceeds the limit.
    let before = count_descriptors();
    let open = open_and_count();
    for _ in 0..40 {
        open_and_count();
    }
    let after = count_descriptors();
    assert!(open > before, "{before} before, {open} while open");
    assert!(after < before + 40, "{before} before, {after} after");
}

/// Runs the program with a stub of gst-launch-1.0, because Argus exists on a Jetson only.
///
/// The stub prints the format of 64 × 48 grey frames, then runs `script`.
fn run_with_stub(program: &Program, frames: &str, script: &str) -> Ended {
    let caps = "video/x-raw, format=(string)GRAY8, width=(int)64, height=(int)48, framerate=(fraction)30/1";
    let format_line = format!("/GstPipeline:pipeline0/GstCapsFilter:phicam.GstPad:src: caps = {caps}");
    program.write("bin/gst-launch-1.0", format!("#!/bin/sh\necho '{format_line}'\n{script}\n"));
    let stub = program.path("bin/gst-launch-1.0");
    std::fs::set_permissions(&stub, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let camera = ["run", "--camera", "csi:0?source=argus", "--display", "none", "--model", "lite0@96", "--json"];
    let mut command = program.command(camera.iter().chain(&["--frames", frames]));
    let path = format!("{}:/usr/bin:/bin", program.path("bin").display());
    command.env("PATH", path).output().unwrap().into()
}

#[test]
fn argus_failure_with_exit_status_0_is_restarted() {
    let program = Program::new();
    let fails = "head -c 3072 /dev/zero >&0; sleep 0.2; head -c 1000 /dev/zero >&0
                 echo 'Error generated. gstnvarguscamerasrc.cpp, execute:557 No cameras available'";
    let ended = run_with_stub(&program, "3", fails).with(0);
    assert_eq!(ended.json().len(), 3, "{ended:?}");
    let gone = "csi:0 (nvarguscamerasrc), 64×48 GREY at 30 fps is gone: exit status: 0: Error generated";
    // Each run has one whole frame, and then one that is too short. A busy machine may replace frames before they are
    // classified, so that it takes more than three runs.
    let counts = ended.stderr.lines().find(|line| line.contains(" bad")).unwrap_or_default();
    let bad = counts.split_once(" bad").and_then(|(before, _)| before.rsplit(' ').next()?.parse::<u32>().ok());
    assert!(bad.is_some_and(|bad| bad >= 2), "{ended:?}");
    ended.saying(&[gone, "No cameras available"]);
}

#[test]
fn sensor_without_frames_is_an_error_at_start() {
    let program = Program::new();
    let ended =
        run_with_stub(&program, "1", "echo '(Argus) Error FileOperationFailed: Connecting to nvargus-daemon failed'");
    ended.with(1).saying(&[
        "delivered no frame",
        "exit status: 0",
        "Connecting to nvargus-daemon failed",
        "test it alone",
    ]);
}

#[test]
fn process_that_ignores_sigint_is_killed() {
    let program = Program::new();
    let stays = "trap '' INT; echo $$ > pid; head -c 3072 /dev/zero >&0; while :; do sleep 0.1; done";
    let ended = run_with_stub(&program, "1", stays).with(0);
    ended.saying(&["ignored SIGINT, sending SIGKILL"]);
    let pid = std::fs::read_to_string(program.path("pid")).unwrap().trim().parse().unwrap();
    assert!(!has_process(pid), "the process outlives the program");
}
