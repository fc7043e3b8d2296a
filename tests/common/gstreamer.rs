//! Availability of GStreamer for tests, and its processes.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::patience::Patience;
use rustix::process::{Pid, Signal, kill_process};

/// Returns whether GStreamer is installed; otherwise reports the test as skipped on the real standard error.
///
/// Panics instead if PHICAM_GST_TESTS=1 requires GStreamer.
pub fn has_gstreamer(test: &str) -> bool {
    let succeeds = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if succeeds("gst-launch-1.0", &["--version"]) && succeeds("gst-inspect-1.0", &["--exists", "videotestsrc"]) {
        return true;
    }
    let remedy = "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base";
    let is_required = std::env::var_os("PHICAM_GST_TESTS").is_some_and(|value| value == "1");
    assert!(!is_required, "PHICAM_GST_TESTS=1, but GStreamer is not installed: {remedy}");
    // One write: tests run in parallel.
    let line = format!("SKIPPED {test}: GStreamer is not installed ({remedy})\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    false
}

/// Returns the processes of gst-launch-1.0 whose command line contains `mark`, with zombies that still have one.
pub fn processes(mark: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let has_mark = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.starts_with("gst-launch-1.0\0") && line.contains(mark)
    };
    pids.filter(has_mark).collect()
}

/// Limit of a wait by [`Patience`], which only ends a hang.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits until exactly `count` processes have `mark`.
#[track_caller]
pub fn wait_for_processes(mark: &str, count: usize) -> Vec<u32> {
    let patience = Patience::start();
    loop {
        let found = processes(mark);
        if found.len() == count {
            return found;
        }
        assert!(!patience.is_over(LIMIT), "{mark}: {found:?}, expected {count} processes");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns whether a process with this id exists, including zombies.
pub fn has_process(pid: u32) -> bool {
    std::path::Path::new(&format!("/proc/{pid}")).exists()
}

pub fn send_signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid as i32).unwrap(), signal).unwrap();
}
