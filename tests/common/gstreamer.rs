//! GStreamer as the tests need it, and the processes that it runs as.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Whether GStreamer is here. Where it is not, that is said past the capture of output, and is a failure where
/// PHICAM_GST_TESTS=1 demands it.
pub fn is_here(test: &str) -> bool {
    let runs = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if runs("gst-launch-1.0", &["--version"]) && runs("gst-inspect-1.0", &["--exists", "videotestsrc"]) {
        return true;
    }
    let remedy = "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base";
    let demanded = std::env::var_os("PHICAM_GST_TESTS").is_some_and(|value| value == "1");
    assert!(!demanded, "PHICAM_GST_TESTS=1, but GStreamer is not here: {remedy}");
    let line = format!("SKIPPED {test}: GStreamer is not here ({remedy})\n"); // written at once: tests run beside each other
    let _ = std::io::stderr().write_all(line.as_bytes());
    false
}

/// Processes of gst-launch-1.0 whose command line has `mark`, zombies' too as long as they can be told.
pub fn processes(mark: &str) -> Vec<u32> {
    let numbers = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let runs = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.starts_with("gst-launch-1.0\0") && line.contains(mark)
    };
    numbers.filter(runs).collect()
}

/// Waits until exactly `count` processes have `mark`. The limit only keeps a failing test from hanging.
#[track_caller]
pub fn wait_for(mark: &str, count: usize) -> Vec<u32> {
    let begun = Instant::now();
    loop {
        let found = processes(mark);
        if found.len() == count {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{mark}: {found:?}, expected {count} processes");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether there is a process of that number, be it a zombie.
pub fn is_there(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

pub fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}
