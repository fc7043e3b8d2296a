//! Reader thread of a pipeline: reads complete frames from the pipe, and puts the newest into a mailbox.
//!
//! A pipe has no frame boundaries. The format comes from the caps filter's message, the size of each frame from the
//! identity element's message. A different size or format ends the camera.

use std::io::Read;
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use log::trace;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::output_parser::{ErrorLog, LineSplitter, Message, RawFormat, is_error, parse};
use super::process::PipelineProcess;
use phicam_frame::mailbox::Mailbox;
use phicam_frame::{Buffer, Frame, FrameInfo, FramePool};

/// Interval between checks of the stop flag and of the process.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Frames between the identity element and this thread: one in the queue, one in the pipe.
const FRAMES_IN_TRANSIT: u64 = 2;
/// Bytes of one read of messages.
const CHUNK_BYTES: usize = 4096;
/// Chunks of messages in one turn, an estimate, so that messages do not delay frames.
const MAX_CHUNKS: usize = 64;

/// Reason why no more frames will come.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The process ended. Its status is `None` if it survived SIGKILL.
    ProcessEnded {
        status: Option<ExitStatus>,
        log: ErrorLog,
    },
    /// A frame has more or fewer bytes than its format needs (padded rows: libcamera before 0.5.1).
    PaddedRows {
        bytes: usize,
        format: RawFormat,
    },
    FormatChanged {
        format: RawFormat,
    },
}

/// State shared by the reader thread and the camera.
#[derive(Default)]
pub struct Shared {
    pub newest: Mailbox<Frame>,
    pub stop: AtomicBool,
    state: Mutex<State>,
    /// Frames that the pipeline produced, before its queue.
    produced: AtomicU64,
    /// Frames received completely.
    pub received: AtomicU64,
    /// Frames received in part.
    pub incomplete: AtomicU64,
}

#[derive(Default)]
struct State {
    format: Option<RawFormat>,
    ending: Option<Ending>,
}

impl Shared {
    pub fn format(&self) -> Option<RawFormat> {
        self.state.lock().format
    }

    pub fn ending(&self) -> Option<Ending> {
        self.state.lock().ending.clone()
    }

    /// Returns the number of frames that the pipeline's queue dropped; too low by up to two frames in transit.
    pub fn dropped(&self) -> u64 {
        let arrived = self.received.load(Ordering::Relaxed) + self.incomplete.load(Ordering::Relaxed);
        self.produced.load(Ordering::Relaxed).saturating_sub(arrived + FRAMES_IN_TRANSIT)
    }
}

/// Body of the reader thread.
pub struct FrameReader {
    process: PipelineProcess,
    shared: Arc<Shared>,
    pool: FramePool,
    /// Frame that is being read, with the number of bytes read.
    filling: Option<(Buffer, usize)>,
    format: Option<RawFormat>,
    messages: Messages,
    sequence: u64,
}

impl FrameReader {
    pub fn new(process: PipelineProcess, shared: Arc<Shared>) -> FrameReader {
        FrameReader {
            process,
            shared,
            pool: FramePool::default(),
            filling: None,
            format: None,
            messages: Messages::default(),
            sequence: 0,
        }
    }

    /// Reads until the process ends, its frames become unreadable, or the stop flag is set; then ends the process.
    pub fn run(mut self) {
        let early_ending = self.read_frames();
        self.process.interrupt();
        let messages = &mut self.messages;
        // Output is drained until the end, because the process may block on a full pipe.
        let mut discarded = [0; CHUNK_BYTES];
        let status = self.process.end(|process| {
            while matches!(process.frames.read(&mut discarded), Ok(1..)) {}
            messages.read(process, |_| ());
        });
        messages.read(&mut self.process, |_| ());
        messages.finish();
        let shared = self.shared;
        shared.incomplete.fetch_add(u64::from(matches!(self.filling, Some((_, 1..)))), Ordering::Relaxed);
        let ending = early_ending.unwrap_or(Ending::ProcessEnded { status, log: self.messages.log });
        shared.state.lock().ending = Some(ending);
        shared.newest.close();
    }

    /// Reads frames; returns the reason for stopping, or `None` if the process or the stop flag is the reason.
    fn read_frames(&mut self) -> Option<Ending> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            let had_format = self.format.is_some();
            let is_readable = self.wait_for_input();
            // Messages before frames: the format precedes the first frame.
            let mut ending = None;
            let FrameReader { process, messages, shared, format: current, .. } = self;
            messages.read(process, |message| match message {
                Message::Format(format) => match *current {
                    Some(previous) if previous.layout != format.layout => {
                        ending = Some(Ending::FormatChanged { format });
                    }
                    _ => {
                        *current = Some(format);
                        shared.state.lock().format = Some(format);
                    }
                },
                Message::Produced(bytes) => {
                    shared.produced.fetch_add(1, Ordering::Relaxed);
                    if let Some(format) = current.filter(|format| format.frame_bytes != bytes) {
                        ending = ending.take().or(Some(Ending::PaddedRows { bytes, format }));
                    }
                }
            });
            if ending.is_some() {
                return ending;
            }
            if let Some(format) = self.format.filter(|_| is_readable) {
                match self.read_frame(format) {
                    ReadResult::Complete => self.publish(format),
                    ReadResult::Incomplete => {}
                    ReadResult::Closed => return None,
                }
            }
            // The process is checked too, because another one may hold the pipe open. If the format has just arrived,
            // the frames of a short film are read even though the process has ended.
            if !is_readable && had_format == self.format.is_some() && self.process.exit_status().is_some() {
                return None;
            }
        }
        None
    }

    /// Waits until any pipe has input; returns whether the frame pipe has.
    fn wait_for_input(&self) -> bool {
        let PipelineProcess { frames, stdout, stderr, .. } = &self.process;
        let poll_input = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        // Placeholder without events, for closed pipes. Frames stay in their pipe until the format is known.
        let ignore = || PollFd::from_borrowed_fd(frames.as_fd(), PollFlags::empty());
        let mut polled = [
            if self.format.is_some() { poll_input(frames.as_fd()) } else { ignore() },
            stdout.as_ref().map_or_else(ignore, |stdout| poll_input(stdout.as_fd())),
            stderr.as_ref().map_or_else(ignore, |stderr| poll_input(stderr.as_fd())),
        ];
        let timeout = Timespec { tv_sec: 0, tv_nsec: POLL_INTERVAL.subsec_nanos().into() };
        match poll(&mut polled, Some(&timeout)) {
            // poll reports POLLHUP even without requested events; the pause keeps the loop from spinning.
            Ok(1..) if self.format.is_none() && polled[0].revents().contains(PollFlags::HUP) => {
                std::thread::sleep(POLL_INTERVAL);
                false
            }
            Ok(1..) => polled[0].revents().intersects(PollFlags::IN | PollFlags::HUP),
            _ => false,
        }
    }

    /// Reads the available bytes of the current frame.
    fn read_frame(&mut self, format: RawFormat) -> ReadResult {
        let (buffer, filled) = self.filling.get_or_insert_with(|| (self.pool.take(), 0));
        let bytes = buffer.bytes();
        bytes.resize(format.frame_bytes, 0);
        loop {
            match self.process.frames.read(&mut bytes[*filled..]) {
                Ok(0) => return ReadResult::Closed,
                Ok(count) => *filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return ReadResult::Incomplete,
                Err(_) => return ReadResult::Closed,
            }
            if *filled == bytes.len() {
                return ReadResult::Complete;
            }
        }
    }

    /// Puts the complete frame into the mailbox.
    fn publish(&mut self, format: RawFormat) {
        let Some((buffer, _)) = self.filling.take() else { return };
        let sequence = self.sequence;
        self.sequence += 1;
        // The pipe carries no timestamps: the capture time is the time of complete arrival.
        let info = FrameInfo { size: format.layout.size, sequence, captured: Instant::now(), source: None, scene: 0 };
        self.shared.newest.put(self.pool.lease(buffer, format.layout, info));
        self.shared.received.fetch_add(1, Ordering::Relaxed);
        trace!("read {sequence}");
    }
}

/// Result of [`FrameReader::read_frame`].
enum ReadResult {
    Complete,
    Incomplete,
    Closed,
}

/// Messages of the process on standard output and standard error.
#[derive(Default)]
struct Messages {
    stdout: LineSplitter,
    stderr: LineSplitter,
    log: ErrorLog,
}

impl Messages {
    /// Reads the available output; passes messages about frames to `take`, and logs errors.
    fn read(&mut self, process: &mut PipelineProcess, mut take: impl FnMut(Message)) {
        let Messages { stdout, stderr, log } = self;
        let is_open = read_available(process.stdout.as_mut(), stdout, |line| match parse(line) {
            Some(message) => take(message),
            None => log_stdout_error(line, log),
        });
        process.stdout = process.stdout.take().filter(|_| is_open);
        let is_open = read_available(process.stderr.as_mut(), stderr, |line| log.push(line));
        process.stderr = process.stderr.take().filter(|_| is_open);
    }

    /// Logs the last lines without a line feed.
    fn finish(&mut self) {
        let Messages { stdout, stderr, log } = self;
        stdout.finish(|line| log_stdout_error(line, log));
        stderr.finish(|line| log.push(line));
    }
}

/// Logs an error on standard output, where NVIDIA's elements print theirs.
fn log_stdout_error(line: &str, log: &mut ErrorLog) {
    if !line.starts_with('/') && is_error(line) {
        log.push(line);
    }
}

/// Reads the available bytes as lines; returns `false` when the other end is closed.
fn read_available(from: Option<&mut impl Read>, lines: &mut LineSplitter, mut take: impl FnMut(&str)) -> bool {
    let Some(from) = from else { return false };
    let mut bytes = [0; CHUNK_BYTES];
    for _ in 0..MAX_CHUNKS {
        match from.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => lines.feed(&bytes[..count], &mut take),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
    true
}
