//! gst-launch-1.0 as a child process that sends frames through a pipe and never outlives its camera.

use std::ffi::OsStr;
use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use log::{debug, warn};
use rustix::process::{Pid, Signal, kill_process};

use super::error::GstError;

/// Program to run, found in PATH.
pub const PROGRAM: &str = "gst-launch-1.0";
/// Requested pipe capacity: Linux's default limit for users, so that a frame needs few context switches.
const PIPE_BYTES: usize = 1 << 20;
/// Time between SIGINT and SIGKILL, an estimate, in which Argus releases its sensor.
const INTERRUPT_LIMIT: Duration = Duration::from_secs(2);
/// Time for the kernel to end a killed process, an estimate.
const KILL_LIMIT: Duration = Duration::from_secs(1);
/// Interval between checks whether the process has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Longest time that [`PipelineProcess::end`] takes.
pub const END_LIMIT: Duration = INTERRUPT_LIMIT.saturating_add(KILL_LIMIT);

/// Running pipeline with its output pipes, all in non-blocking mode.
pub struct PipelineProcess {
    child: Child,
    /// Bytes of the frames.
    pub frames: PipeReader,
    /// Standard output: with `-v`, formats and frame sizes.
    pub stdout: Option<ChildStdout>,
    pub stderr: Option<ChildStderr>,
    interrupted_at: Option<Instant>,
}

impl PipelineProcess {
    /// Starts the program with `arguments`, without a shell.
    ///
    /// Frames go through its standard input, which gst-launch-1.0 does not read: standard output and error carry
    /// messages, and another descriptor cannot be passed without unsafe code. The child has its own process group, so
    /// Ctrl-C ends phicam alone, which then ends the child in order.
    pub fn start(arguments: &[impl AsRef<OsStr>], pipeline: &str) -> Result<PipelineProcess, GstError> {
        let failed = |cause| GstError::Start { cause };
        let (frames, frames_writer) = io::pipe().map_err(failed)?;
        if let Err(error) = rustix::pipe::fcntl_setpipe_size(&frames_writer, PIPE_BYTES) {
            // A user may have reached the limit for all pipes: frames are slower then, not wrong.
            debug!("F_SETPIPE_SZ failed, the frame pipe keeps its size: {error}");
        }
        let mut command = Command::new(PROGRAM);
        command.args(arguments).stdin(frames_writer).stdout(Stdio::piped()).stderr(Stdio::piped());
        // English messages: they are parsed, and people search for them.
        command.env("LC_ALL", "C.UTF-8").env_remove("LANGUAGE").env("GST_DEBUG_NO_COLOR", "1").process_group(0);
        let spawned = command.spawn();
        drop(command); // it holds the writing end: the pipe would never close
        let mut child = spawned.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => GstError::Missing { pipeline: pipeline.into() },
            _ => GstError::Start { cause },
        })?;
        let stdout = child.stdout.take();
        let stderr = child.stderr.take();
        let process = PipelineProcess { child, frames, stdout, stderr, interrupted_at: None };
        process.set_nonblocking().map_err(|cause| failed(cause.into()))?; // a failure drops and so ends the process
        Ok(process)
    }

    fn set_nonblocking(&self) -> rustix::io::Result<()> {
        rustix::io::ioctl_fionbio(&self.frames, true)?;
        self.stdout.as_ref().map_or(Ok(()), |stdout| rustix::io::ioctl_fionbio(stdout.as_fd(), true))?;
        self.stderr.as_ref().map_or(Ok(()), |stderr| rustix::io::ioctl_fionbio(stderr.as_fd(), true))
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the exit status; `None` while the process runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Sends SIGINT once, as Ctrl-C would, and SIGCONT in case the process is stopped.
    pub fn interrupt(&mut self) {
        if self.interrupted_at.is_none() {
            self.interrupted_at = Some(Instant::now());
            self.signal(Signal::INT);
            self.signal(Signal::CONT);
        }
    }

    /// Interrupts the process and waits for its end, with SIGKILL after [`INTERRUPT_LIMIT`].
    ///
    /// Calls `meanwhile` every 5 ms. Returns `None` if the process runs even after SIGKILL.
    pub fn end(&mut self, mut meanwhile: impl FnMut(&mut PipelineProcess)) -> Option<ExitStatus> {
        self.interrupt();
        let interrupted_at = self.interrupted_at.unwrap_or_else(Instant::now);
        let mut killed = false;
        loop {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            if interrupted_at.elapsed() > END_LIMIT {
                return None;
            }
            if !killed && interrupted_at.elapsed() > INTERRUPT_LIMIT {
                warn!("gst-launch-1.0 (process {}) ignored SIGINT, sending SIGKILL", self.id());
                self.signal(Signal::KILL);
                killed = true;
            }
            meanwhile(self);
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    // The id cannot be reused before the process is waited for, which only this value does.
    fn signal(&self, signal: Signal) {
        let Some(pid) = i32::try_from(self.id()).ok().and_then(Pid::from_raw) else { return };
        if let Err(error) = kill_process(pid, signal) {
            debug!("cannot send {signal:?} to process {}: {error}", self.id());
        }
    }
}

impl Drop for PipelineProcess {
    fn drop(&mut self) {
        if self.exit_status().is_none() && self.end(|_| ()).is_none() {
            warn!("gst-launch-1.0 (process {}) survives SIGKILL: a driver blocks it; restart the board", self.id());
        }
    }
}
