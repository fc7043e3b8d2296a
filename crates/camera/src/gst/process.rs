//! gst-launch-1.0 as a child process: started so that its pictures come through a pipe, ended so that nothing is left.

use std::ffi::OsStr;
use std::io::{self, PipeReader};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use log::{debug, warn};
use rustix::process::{Pid, Signal, kill_process};

use super::error::GstError;

/// The program that is run, looked for in PATH.
pub const PROGRAM: &str = "gst-launch-1.0";
/// As much as a user may ask for: a picture passes with few changes from one process to the other.
const PIPE_BYTES: usize = 1 << 20;
/// So long a pipeline may take to end by itself when asked to, so that Argus lets go of its sensor.
const ASKED: Duration = Duration::from_secs(2);
/// So long the kernel may take to end a process that is killed.
const KILLED: Duration = Duration::from_secs(1);
/// How often is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);
/// The longest that [`Running::end`] takes.
pub const LONGEST_END: Duration = ASKED.saturating_add(KILLED);

/// A pipeline that runs, and what can be read from it; nothing of that waits.
pub struct Running {
    child: Child,
    /// The pictures' bytes.
    pub pictures: PipeReader,
    /// Of `-v`: formats, counts.
    pub messages: Option<ChildStdout>,
    pub errors: Option<ChildStderr>,
    asked: Option<Instant>,
}

impl Running {
    /// Starts the program with `arguments`, without a shell.
    ///
    /// The pictures go through its standard input, which gst-launch-1.0 does not read: standard output and error are
    /// taken by what it says, and no other descriptor can be handed to a child without unsafe code. It gets a process
    /// group of its own, so that Ctrl-C in a terminal ends this program alone, which then ends it in order.
    pub fn start(arguments: &[impl AsRef<OsStr>], pipeline: &str) -> Result<Running, GstError> {
        let failed = |cause| GstError::Start { cause };
        let (pictures, written) = io::pipe().map_err(failed)?;
        if let Err(error) = rustix::pipe::fcntl_setpipe_size(&written, PIPE_BYTES) {
            debug!("the pipe for pictures stays small: {error}"); // a user's pipes may be at their limit: slower, not wrong
        }
        let mut command = Command::new(PROGRAM);
        command.args(arguments).stdin(written).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Its messages are read, and told to people who may have to look for them.
        command.env("LC_ALL", "C.UTF-8").env_remove("LANGUAGE").env("GST_DEBUG_NO_COLOR", "1").process_group(0);
        let started = command.spawn();
        drop(command); // it holds an end of the pipe, which would never close
        let mut child = started.map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => GstError::Missing { pipeline: pipeline.into() },
            _ => GstError::Start { cause },
        })?;
        let (messages, errors) = (child.stdout.take(), child.stderr.take());
        let running = Running { child, pictures, messages, errors, asked: None };
        let waits_never = || {
            rustix::io::ioctl_fionbio(&running.pictures, true)?;
            running.messages.as_ref().map_or(Ok(()), |messages| rustix::io::ioctl_fionbio(messages.as_fd(), true))?;
            running.errors.as_ref().map_or(Ok(()), |errors| rustix::io::ioctl_fionbio(errors.as_fd(), true))
        };
        match waits_never() {
            Ok(()) => Ok(running),
            Err(cause) => {
                let cause = io::Error::from(cause);
                drop(running);
                Err(failed(cause))
            }
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end, as Ctrl-C would; one that was stopped goes on for that.
    pub fn ask_to_end(&mut self) {
        if self.asked.is_none() {
            self.asked = Some(Instant::now());
            self.signal(Signal::INT);
            self.signal(Signal::CONT);
        }
    }

    /// Waits until it has ended, calling `meanwhile` now and then; kills it when it takes too long.
    pub fn end(&mut self, mut meanwhile: impl FnMut(&mut Running)) -> Option<ExitStatus> {
        self.ask_to_end();
        let asked = self.asked.unwrap_or_else(Instant::now);
        let mut killed = false;
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if asked.elapsed() > LONGEST_END {
                return None;
            }
            if !killed && asked.elapsed() > ASKED {
                warn!("gst-launch-1.0 (process {}) does not end, it is killed", self.pid());
                self.signal(Signal::KILL);
                killed = true;
            }
            meanwhile(self);
            std::thread::sleep(LOOK);
        }
    }

    /// Its number is its own until it is waited for, which only this value does.
    fn signal(&self, signal: Signal) {
        let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) else { return };
        if let Err(error) = kill_process(pid, signal) {
            debug!("signal {signal:?} to process {}: {error}", self.pid());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() && self.end(|_| ()).is_none() {
            warn!("gst-launch-1.0 (process {}) cannot be killed, a driver holds it; restart the board", self.pid());
        }
    }
}
