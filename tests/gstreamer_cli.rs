//! The program with a camera that GStreamer reads: what it says, and that nothing of it stays behind.

mod common;

use std::process::{Child, Command};

use common::gstreamer::{is_here, is_there, processes, signal, wait_for};
use common::program::{Ended, Program};
use phicam_camera::gst::Settings;
use phicam_camera::{Camera, Gst, Next};
use rustix::process::Signal;

fn run(program: &Program, pipeline: &str) -> Command {
    let camera = format!("gst:{pipeline}");
    program.command(["run", "--camera", &camera, "--display", "none", "--model", "lite0@96", "--json", "-v"])
}

/// Descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn it_answers_what_a_pipeline_gives_and_says_which_pipeline_that_was() {
    if !is_here("it_answers_what_a_pipeline_gives_and_says_which_pipeline_that_was") {
        return;
    }
    let program = Program::new();
    let mut command = run(&program, "videotestsrc is-live=true ! video/x-raw,width=320,height=240");
    let ended = Ended::from(command.args(["--frames", "3"]).output().unwrap()).with(0);
    assert_eq!(ended.json().len(), 3, "{ended:?}");
    ended.saying(&["gst-launch-1.0 -v videotestsrc is-live=true '!'", "camera gst videotestsrc", "320×240"]);
}

#[test]
fn without_gst_launch_the_package_is_named() {
    let program = Program::new();
    let mut command = run(&program, "videotestsrc");
    let ended = Ended::from(command.env("PATH", program.path("empty")).output().unwrap()).with(1);
    ended.saying(&["there is no gst-launch-1.0", "sudo apt-get install gstreamer1.0-tools"]);
}

#[test]
fn a_film_ends_the_program_and_a_typo_is_an_error() {
    if !is_here("a_film_ends_the_program_and_a_typo_is_an_error") {
        return;
    }
    let program = Program::new();
    let mut film = run(&program, "videotestsrc num-buffers=4");
    let ended = Ended::from(film.args(["--frames", "50"]).output().unwrap()).with(0);
    assert!((1..=4).contains(&ended.json().len()), "it is not played again: {ended:?}");
    let typo = Ended::from(run(&program, "vidoetestsrc").output().unwrap()).with(1);
    typo.saying(&["no element \"vidoetestsrc\""]);
}

/// A program that answers, and has a process of GStreamer whose command line has `mark`.
fn started(program: &Program, mark: &str) -> Child {
    let child = run(program, &format!("videotestsrc is-live=true name={mark}")).spawn().unwrap();
    wait_for(mark, 1);
    child
}

#[test]
fn nothing_is_left_after_ctrl_c_nor_after_a_kill() {
    if !is_here("nothing_is_left_after_ctrl_c_nor_after_a_kill") {
        return;
    }
    for (mark, with) in [("phicam-test-int", Signal::INT), ("phicam-test-kill", Signal::KILL)] {
        let program = Program::new();
        let child = started(&program, mark);
        signal(child.id(), with);
        let ended = child.wait_with_output().unwrap();
        if with == Signal::INT {
            assert!(processes(mark).is_empty(), "it ends its pipeline before itself");
            assert!(ended.status.success(), "{ended:?}");
        }
        wait_for(mark, 0);
    }
}

#[test]
fn a_pipeline_takes_no_descriptor_with_it() {
    if !is_here("a_pipeline_takes_no_descriptor_with_it") {
        return;
    }
    let settings = Settings::parse("videotestsrc is-live=true").unwrap();
    let once = || {
        let mut camera = Gst::open(&settings).unwrap();
        while !matches!(camera.next_frame(std::time::Duration::from_secs(60)).unwrap(), Next::Frame(_)) {}
        descriptors()
    };
    // Other tests of this file hold a few at times: a leak of several for each camera stands out.
    let (before, open) = (descriptors(), once());
    for _ in 0..40 {
        once();
    }
    let after = descriptors();
    assert!(open > before && after < before + 40, "{before} before, {open} while open, {after} after");
}

/// The program on a Jetson whose gst-launch-1.0 is `script`: Argus cannot be had elsewhere. `script` begins with what the
/// real one says of a picture of 64 × 48.
fn on_jetson(program: &Program, frames: &str, script: &str) -> Ended {
    let caps = "video/x-raw, format=(string)GRAY8, width=(int)64, height=(int)48, framerate=(fraction)30/1";
    let said = format!("/GstPipeline:pipeline0/GstCapsFilter:phicam.GstPad:src: caps = {caps}");
    program.write("bin/gst-launch-1.0", format!("#!/bin/sh\necho '{said}'\n{script}\n"));
    let stub = program.path("bin/gst-launch-1.0");
    std::fs::set_permissions(&stub, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let camera = ["run", "--camera", "csi:0?source=argus", "--display", "none", "--model", "lite0@96", "--json"];
    let mut command = program.command(camera.iter().chain(&["--frames", frames]));
    let path = format!("{}:/usr/bin:/bin", program.path("bin").display());
    command.env("PATH", path).output().unwrap().into()
}

#[test]
fn argus_that_fails_with_exit_code_0_is_lost_and_started_again() {
    let program = Program::new();
    let fails = "head -c 3072 /dev/zero >&0; sleep 0.2; head -c 1000 /dev/zero >&0
                 echo 'Error generated. gstnvarguscamerasrc.cpp, execute:557 No cameras available'";
    let ended = on_jetson(&program, "3", fails).with(0);
    assert_eq!(ended.json().len(), 3, "{ended:?}");
    let gone = "csi:0 (nvarguscamerasrc), 64×48 GREY at 30 fps is gone: exit status: 0: Error generated";
    ended.saying(&[gone, "No cameras available", " 2 bad"]);
}

#[test]
fn a_sensor_without_pictures_is_an_error_at_the_start() {
    let program = Program::new();
    let ended =
        on_jetson(&program, "1", "echo '(Argus) Error FileOperationFailed: Connecting to nvargus-daemon failed'");
    ended.with(1).saying(&[
        "gives no picture",
        "exit status: 0",
        "Connecting to nvargus-daemon failed",
        "try it alone",
    ]);
}

#[test]
fn a_process_that_does_not_end_when_asked_is_killed() {
    let program = Program::new();
    let stays = "trap '' INT; echo $$ > pid; head -c 3072 /dev/zero >&0; while :; do sleep 0.1; done";
    let ended = on_jetson(&program, "1", stays).with(0);
    ended.saying(&["does not end, it is killed"]);
    let pid = std::fs::read_to_string(program.path("pid")).unwrap().trim().parse().unwrap();
    assert!(!is_there(pid), "it goes on after the program");
}
