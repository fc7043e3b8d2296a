//! Reads whole pictures out of a pipeline's pipe on a thread of its own, so that the newest is always at hand.

use std::io::Read;
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::trace;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::output_parser::{Lines, Message, RawFrame, Said, is_error, parse};
use super::process::Running;
use phicam_frame::mailbox::Mailbox;
use phicam_frame::{Buffer, Frame, FrameInfo, FramePool};

/// The longest wait before it is looked whether to stop, and whether the process is still there.
const LOOK: Duration = Duration::from_millis(50);
/// Pictures that are on their way between the counter and here: in the queue, and in the pipe.
const UNDER_WAY: u64 = 2;
/// Bytes of messages that are read at once.
const CHUNK: usize = 4096;
/// Chunks after which pictures have their turn again.
const MOST_CHUNKS: usize = 64;

/// Why no more pictures come.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The process ended.
    Process { status: Option<ExitStatus>, said: Said },
    /// A picture has more or fewer bytes than its format needs.
    Padded { bytes: usize, picture: RawFrame },
    /// The format changed.
    Changed { now: RawFrame },
}

/// What the thread and the camera share.
#[derive(Default)]
pub struct Shared {
    pub newest: Mailbox<Frame>,
    pub stop: AtomicBool,
    state: Mutex<State>,
    /// Pictures that the pipeline made, came here whole, came in part.
    made: AtomicU64,
    pub whole: AtomicU64,
    pub cut: AtomicU64,
}

#[derive(Default)]
struct State {
    picture: Option<RawFrame>,
    ending: Option<Ending>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // each field is whole at any moment
    }

    pub fn picture(&self) -> Option<RawFrame> {
        self.state().picture
    }

    pub fn ending(&self) -> Option<Ending> {
        self.state().ending.clone()
    }

    /// Pictures that the pipeline itself dropped for newer ones; up to two fewer while they are under way.
    pub fn dropped(&self) -> u64 {
        let arrived = self.whole.load(Ordering::Relaxed) + self.cut.load(Ordering::Relaxed);
        self.made.load(Ordering::Relaxed).saturating_sub(arrived + UNDER_WAY)
    }
}

/// See the module.
pub struct Reader {
    running: Running,
    shared: Arc<Shared>,
    pool: FramePool,
    /// The picture that is being read, and how many of its bytes are there.
    filling: Option<(Buffer, usize)>,
    picture: Option<RawFrame>,
    messages: Lines,
    errors: Lines,
    said: Said,
    sequence: u64,
}

impl Reader {
    pub fn new(running: Running, shared: Arc<Shared>) -> Reader {
        let (pool, messages, errors, said) = Default::default();
        Reader { running, shared, pool, filling: None, picture: None, messages, errors, said, sequence: 0 }
    }

    /// Reads until the process has ended, its pictures make no sense any more, or it is told to stop; then sees to the
    /// process's end.
    pub fn run(mut self) {
        let early = self.read();
        self.running.ask_to_end();
        let shared = self.shared.clone();
        let (messages, errors, said) = (&mut self.messages, &mut self.errors, &mut self.said);
        // What it writes is taken meanwhile: it may hang in writing.
        let mut bin = [0; CHUNK];
        let status = self.running.end(|running| {
            while matches!(running.pictures.read(&mut bin), Ok(1..)) {}
            listen(running, messages, errors, said, |_| ());
        });
        listen(&mut self.running, messages, errors, said, |_| ());
        messages.finish(|line| hear(line, said));
        errors.finish(|line| said.keep(line));
        shared.cut.fetch_add(u64::from(matches!(self.filling, Some((_, 1..)))), Ordering::Relaxed);
        let ending = early.unwrap_or(Ending::Process { status, said: self.said.clone() });
        shared.state().ending = Some(ending);
        shared.newest.close();
    }

    /// Gives why it cannot go on, where the process is not the reason.
    fn read(&mut self) -> Option<Ending> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            let was_known = self.picture.is_some();
            let readable = self.wait();
            // Before the pictures: what they are is said before the first of them.
            let mut ending = None;
            let (shared, picture) = (&self.shared, &mut self.picture);
            let Reader { running, messages, errors, said, .. } = self;
            listen(running, messages, errors, said, |message| match message {
                Message::RawFrame(now) => match *picture {
                    Some(before) if before.layout != now.layout => ending = Some(Ending::Changed { now }),
                    _ => {
                        *picture = Some(now);
                        shared.state().picture = Some(now);
                    }
                },
                Message::Made(bytes) => {
                    shared.made.fetch_add(1, Ordering::Relaxed);
                    if let Some(picture) = picture.filter(|picture| picture.bytes != bytes) {
                        ending = ending.take().or(Some(Ending::Padded { bytes, picture }));
                    }
                }
            });
            if ending.is_some() {
                return ending;
            }
            if let Some(picture) = self.picture.filter(|_| readable) {
                match self.fill(picture) {
                    Filled::Whole => self.hand_on(picture),
                    Filled::Nothing => {}
                    Filled::Closed => return None,
                }
            }
            // Somebody else may hold the pipe open. A short film is over before its format was read: its pictures count.
            if !readable && was_known == self.picture.is_some() && self.running.ended().is_some() {
                return None;
            }
        }
        None
    }

    /// Waits until something can be read; whether that is a picture's bytes.
    fn wait(&self) -> bool {
        let Running { pictures, messages, errors, .. } = &self.running;
        let listened = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        // A place that has nothing to be read is asked for no event. Before the format is known pictures stay in the pipe.
        let nothing = || PollFd::from_borrowed_fd(pictures.as_fd(), PollFlags::empty());
        let mut polled = [
            if self.picture.is_some() { listened(pictures.as_fd()) } else { nothing() },
            messages.as_ref().map_or_else(nothing, |messages| listened(messages.as_fd())),
            errors.as_ref().map_or_else(nothing, |errors| listened(errors.as_fd())),
        ];
        let timeout = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
        match poll(&mut polled, Some(&timeout)) {
            // A closed pipe is told of even where nothing is asked: not so often that it takes a core.
            Ok(1..) if self.picture.is_none() && polled[0].revents().contains(PollFlags::HUP) => {
                std::thread::sleep(LOOK);
                false
            }
            Ok(1..) => polled[0].revents().intersects(PollFlags::IN | PollFlags::HUP),
            _ => false,
        }
    }

    /// Reads what is there of the picture that is being read.
    fn fill(&mut self, picture: RawFrame) -> Filled {
        let (buffer, filled) = self.filling.get_or_insert_with(|| (self.pool.take(), 0));
        let bytes = buffer.bytes();
        bytes.resize(picture.bytes, 0);
        loop {
            match self.running.pictures.read(&mut bytes[*filled..]) {
                Ok(0) => return Filled::Closed,
                Ok(count) => *filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Filled::Nothing,
                Err(_) => return Filled::Closed,
            }
            if *filled == bytes.len() {
                return Filled::Whole;
            }
        }
    }

    fn hand_on(&mut self, picture: RawFrame) {
        let Some((buffer, _)) = self.filling.take() else { return };
        let sequence = self.sequence;
        self.sequence += 1;
        // The pipeline's own times are not in the pipe: it counts from when the picture was whole here.
        let info = FrameInfo { size: picture.layout.size, sequence, captured: Instant::now(), source: None, scene: 0 };
        self.shared.newest.put(self.pool.give(buffer, picture.layout, info));
        self.shared.whole.fetch_add(1, Ordering::Relaxed);
        trace!("read {sequence}");
    }
}

enum Filled {
    Whole,
    /// Nothing more for now.
    Nothing,
    Closed,
}

/// Takes what the process says.
fn listen(
    running: &mut Running,
    messages: &mut Lines,
    errors: &mut Lines,
    said: &mut Said,
    mut take: impl FnMut(Message),
) {
    let open = drain(running.messages.as_mut(), messages, |line| match parse(line) {
        Some(message) => take(message),
        None => hear(line, said),
    });
    running.messages = running.messages.take().filter(|_| open);
    let open = drain(running.errors.as_mut(), errors, |line| said.keep(line));
    running.errors = running.errors.take().filter(|_| open);
}

/// NVIDIA's elements say on standard output what goes wrong.
fn hear(line: &str, said: &mut Said) {
    if !line.starts_with('/') && is_error(line) {
        said.keep(line);
    }
}

/// Reads what is there; false once the other side has closed.
fn drain(from: Option<&mut impl Read>, lines: &mut Lines, mut take: impl FnMut(&str)) -> bool {
    let Some(from) = from else { return false };
    let mut bytes = [0; CHUNK];
    for _ in 0..MOST_CHUNKS {
        match from.read(&mut bytes) {
            Ok(0) => return false,
            Ok(count) => lines.feed(&bytes[..count], &mut take),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }
    true
}
