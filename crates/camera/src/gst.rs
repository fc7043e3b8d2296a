//! A camera that a GStreamer pipeline reads: Argus on a Jetson, libcamera on a Raspberry Pi, network cameras, anything.
//!
//! gst-launch-1.0 is a process of its own, and its pictures come through a pipe. The program thus starts on boards
//! without GStreamer, is built without its headers, and goes on when Argus crashes.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::{Camera, CameraCounts, CameraError, Next};
use phicam_frame::PixelFormat;
use phicam_frame::mailbox::Taken;
use phicam_platform::system;

mod csi;
mod error;
mod frame_reader;
mod output_parser;
mod probe;
mod process;
mod settings;
#[cfg(test)]
mod tests;
pub use csi::sensors;
pub use error::GstError;
pub use probe::{Presence, presence};
pub use settings::{CsiSettings, Settings, Source};

use frame_reader::{Ending, Reader, Shared};
use output_parser::{CAPS_NAME, COUNTER_NAME, FORMATS, RawFrame, Said};
use process::Running;

/// A camera that gives nothing for so long, or for ten frames if that is longer, has stalled.
const STALL: Duration = Duration::from_secs(2);
const STALL_FRAMES: u32 = 10;
/// The first picture may take longer: GStreamer looks through all its plugins once, Argus and networks take seconds.
const FIRST_STALL: Duration = Duration::from_secs(30);
/// So long opening waits, so that a pipeline with a mistake is an error at once.
const OPENING: Duration = Duration::from_secs(3);
/// Letters of a pipeline in the camera's name.
const LETTERS: usize = 60;

/// See the module.
pub struct Gst {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    process: u32,
    /// Without passwords.
    pipeline: String,
    /// What people call it.
    name: String,
    /// How it is opened again.
    again: super::Settings,
    /// Whether it can come to an end: a film, and not a sensor.
    can_finish: bool,
    /// Waited for the next frame so far.
    waited: Duration,
    first_came: bool,
}

impl Gst {
    /// Starts a pipeline of the user's own.
    pub fn open(settings: &Settings) -> Result<Gst, CameraError> {
        let Settings { pipeline, again } = settings;
        let told = settings::told(pipeline);
        let mut name = format!("gst {}", told.chars().take(LETTERS).collect::<String>());
        if told.chars().count() > LETTERS {
            name.push('…');
        }
        let next = super::Settings::Gst(Box::new(Settings { again: true, ..settings.clone() }));
        Gst::start(pipeline.clone(), name, next, true, *again)
    }

    /// Starts the pipeline for a sensor on the CSI connector.
    pub fn open_csi(settings: &CsiSettings) -> Result<Gst, CameraError> {
        let maker = system::maker(&system::device_tree_compatible());
        let pipeline = csi::pipeline(settings, maker, Path::new("/"))?;
        let element = pipeline.split(' ').next().unwrap_or_default();
        let name = format!("csi:{} ({element})", settings.sensor);
        let next = super::Settings::Csi(Box::new(CsiSettings { again: true, ..settings.clone() }));
        Gst::start(pipeline, name, next, false, settings.again)
    }

    fn start(
        pipeline: String,
        name: String,
        again: super::Settings,
        can_finish: bool,
        was_open: bool,
    ) -> Result<Gst, CameraError> {
        let arguments = arguments(&pipeline);
        let pipeline = settings::told(&pipeline);
        debug!("{name}: {} {}", process::PROGRAM, in_a_shell(&self::arguments(&pipeline)));
        let running = Running::start(&arguments, &pipeline)?;
        let (shared, process) = (Arc::new(Shared::default()), running.pid());
        let reader = Reader::new(running, shared.clone());
        let thread = std::thread::Builder::new().name("gst".into()).spawn(|| reader.run());
        let thread = Some(thread.map_err(|cause| GstError::Start { cause })?);
        let (waited, first_came) = (Duration::ZERO, false);
        let camera = Gst { shared, thread, process, pipeline, name, again, can_finish, waited, first_came };
        if !was_open {
            camera.wait_for_start()?;
        }
        Ok(camera)
    }

    /// Waits for the format of the pictures, or for what is wrong, not for long.
    fn wait_for_start(&self) -> Result<(), CameraError> {
        let begun = Instant::now();
        while self.shared.picture().is_none() || self.shared.whole.load(Ordering::Relaxed) == 0 {
            if let Some(ending) = self.shared.ending() {
                return self.ended(ending).map(drop);
            }
            if begun.elapsed() > OPENING {
                info!("{}: no picture yet, going on and waiting for it", self.name);
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The process that runs the pipeline.
    pub fn process(&self) -> u32 {
        self.process
    }

    /// What the end of the pipeline means.
    fn ended(&self, ending: Ending) -> Result<Next, CameraError> {
        let pipeline = || self.pipeline.clone();
        match ending {
            Ending::Process { status, said } => self.process_ended(status, &said),
            Ending::Changed { now } => Err(CameraError::Changed { what: self.describe(), now: in_words(&now) }),
            Ending::Padded { bytes, picture } => {
                let other = if picture.layout.format == PixelFormat::Yu12 { "NV12" } else { "I420" };
                let (expected, picture) = (picture.bytes, in_words(&picture));
                Err(GstError::Padded { pipeline: pipeline(), bytes, expected, picture, other }.into())
            }
        }
    }

    fn process_ended(&self, status: Option<ExitStatus>, said: &Said) -> Result<Next, CameraError> {
        let any = self.shared.whole.load(Ordering::Relaxed) > 0;
        let well = status.is_some_and(|status| status.success());
        let how = status.map_or_else(|| "no end".into(), |status| status.to_string());
        // Argus's errors are an end like any other for gst-launch-1.0: what was said counts too, and a sensor has no end.
        if any && well && self.can_finish && !said.has_error() {
            return Ok(Next::Finished);
        }
        if any {
            return Err(CameraError::Gone { what: self.describe(), cause: format!("{how}: {}", said.in_words()) });
        }
        let (pipeline, said_words) = (self.pipeline.clone(), said.in_words());
        Err(match said.is_erroneous_pipeline() {
            true => {
                let remedy = error::remedy(&said_words);
                GstError::Pipeline { pipeline, said: said_words, remedy }
            }
            false => GstError::NoPicture { pipeline, how, said: said_words },
        }
        .into())
    }

    fn stall(&self) -> Duration {
        if !self.first_came {
            return FIRST_STALL;
        }
        let interval = self.shared.picture().and_then(|picture| picture.interval).unwrap_or_default();
        STALL.max(interval * STALL_FRAMES)
    }
}

/// What gst-launch-1.0 is told. Behind the user's pipeline: whatever format it has becomes one that can be read; each
/// picture is counted with its bytes; a slow reader gets the newest and not the next; and out into the pipe.
fn arguments(pipeline: &str) -> Vec<String> {
    let formats = FORMATS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    let end = format!(
        "! videoconvert ! capsfilter name={CAPS_NAME} caps=video/x-raw,format={{{formats}}} \
         ! identity name={COUNTER_NAME} silent=false \
         ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 \
         ! fdsink fd=0 sync=false"
    );
    let words = settings::words(pipeline).into_iter().chain(end.split(' ')).map(String::from);
    std::iter::once("-v".into()).chain(words).collect()
}

/// Arguments as they can be pasted into a shell.
fn in_a_shell(arguments: &[String]) -> String {
    let plain = |word: &str| word.chars().all(|letter| letter.is_alphanumeric() || "-_=/:.,@+".contains(letter));
    let quote = |word: &String| if plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn in_words(picture: &RawFrame) -> String {
    let RawFrame { layout, interval, .. } = picture;
    let rate = interval.map_or(String::new(), |interval| format!(" at {:.4} fps", 1.0 / interval.as_secs_f64()));
    let rate = rate.replace(".0000 fps", " fps");
    format!("{} {}{rate}", layout.size, layout.format)
}

impl Camera for Gst {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        let begun = Instant::now();
        match self.shared.newest.take(limit) {
            Taken::Newest(frame) => {
                self.waited = Duration::ZERO;
                self.first_came = true;
                Ok(Next::Frame(frame))
            }
            Taken::Closed => match self.shared.ending() {
                Some(ending) => self.ended(ending),
                None => Err(CameraError::Gone { what: self.describe(), cause: "its thread has ended".into() }),
            },
            Taken::Nothing => {
                self.waited += begun.elapsed();
                match self.waited > self.stall() {
                    true => Err(CameraError::Stalled { what: self.describe(), ms: self.waited.as_millis() as u64 }),
                    false => Ok(Next::Nothing),
                }
            }
        }
    }

    fn describe(&self) -> String {
        match self.shared.picture() {
            Some(picture) => format!("{}, {}", self.name, in_words(&picture)),
            None => format!("{}, starting", self.name),
        }
    }

    fn counts(&self) -> CameraCounts {
        CameraCounts {
            dropped_by_driver: self.shared.dropped(),
            skipped: self.shared.newest.replaced(),
            copied: 0,
            bad: self.shared.cut.load(Ordering::Relaxed),
        }
    }

    fn reopen(&self) -> Option<super::Settings> {
        Some(self.again.clone())
    }
}

impl Drop for Gst {
    /// Ends the pipeline: the sensor is free when this returns, or it is said that it is not.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        let begun = Instant::now();
        while !thread.is_finished() {
            if begun.elapsed() > process::LONGEST_END + Duration::from_secs(1) {
                return warn!("{}: process {} does not end; the log says when it does", self.name, self.process);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(thread.join()); // a panic of it was printed already
    }
}
