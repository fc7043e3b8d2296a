//! Cameras by GStreamer pipeline: Argus on a Jetson, libcamera on a Raspberry Pi, network cameras and others.
//!
//! gst-launch-1.0 runs as a child process and sends frames through a pipe. Phicam therefore starts on boards without
//! GStreamer, is built without its headers, and survives a crash of Argus.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use log::{debug, info, warn};

use super::{Camera, CameraCounts, CameraError, Next};
use phicam_frame::PixelFormat;
use phicam_frame::mailbox::TakeResult;
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
pub use probe::{Presence, probe};
pub use settings::{CsiSettings, Settings, Source, Title};

use frame_reader::{Ending, FrameReader, Shared};
use output_parser::{CAPS_NAME, COUNTER_NAME, ErrorLog, FORMATS};
use process::PipelineProcess;

/// A camera has stalled if it delivers nothing for 2 s or for ten frame intervals, whichever is longer (estimates).
const MIN_STALL: Duration = Duration::from_secs(2);
const STALL_FRAMES: u32 = 10;
/// Time for the first frame, an estimate: GStreamer scans its plugins once, and Argus and networks take seconds.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(30);
/// Time that opening waits for a frame, an estimate: long enough to report an invalid pipeline as an error of opening.
const OPEN_LIMIT: Duration = Duration::from_secs(3);
/// Characters of the camera's name.
const NAME_CHARS: usize = 64;

/// Camera that reads frames from a GStreamer pipeline in a child process.
pub struct Gst {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    process_id: u32,
    /// Pipeline with its passwords masked.
    pipeline: String,
    /// Short name for logs and the screen.
    name: String,
    reopen_settings: super::Settings,
    /// Whether the source can end: a film can, a sensor cannot.
    can_finish: bool,
    /// Time since the last frame, over several calls.
    waited: Duration,
    has_first_frame: bool,
}

impl Gst {
    /// Starts a user's pipeline.
    pub fn open(settings: &Settings) -> Result<Gst, CameraError> {
        if let Some(Title::Film(film)) = settings.title.as_ref().filter(|_| !settings.is_reopening)
            && !film.is_file()
        {
            return Err(CameraError::NoFilm { path: film.clone() });
        }
        let masked = match &settings.title {
            Some(title) => title.to_string(),
            None => format!("gst {}", settings::mask_secrets(&settings.pipeline)),
        };
        let mut name: String = masked.chars().take(NAME_CHARS).collect();
        if masked.chars().count() > NAME_CHARS {
            name.push('…');
        }
        let reopen_settings = super::Settings::Gst(Box::new(Settings { is_reopening: true, ..settings.clone() }));
        let opened = Gst::start(Start {
            pipeline: settings.pipeline.clone(),
            name,
            reopen_settings,
            can_finish: true,
            is_reopening: settings.is_reopening,
        });
        match (&settings.title, opened) {
            (Some(Title::Film(film)), Err(CameraError::Gst(error))) => Err(film_error(film, error).into()),
            (_, opened) => opened,
        }
    }

    /// Starts the pipeline for a sensor on the CSI connector.
    pub fn open_csi(settings: &CsiSettings) -> Result<Gst, CameraError> {
        let maker = system::maker(&system::device_tree_compatible());
        let pipeline = csi::pipeline(settings, maker, Path::new("/"))?;
        let element = pipeline.split(' ').next().unwrap_or_default();
        let name = format!("csi:{} ({element})", settings.sensor);
        let reopen_settings = super::Settings::Csi(Box::new(CsiSettings { is_reopening: true, ..settings.clone() }));
        Gst::start(Start { pipeline, name, reopen_settings, can_finish: false, is_reopening: settings.is_reopening })
    }

    fn start(start: Start) -> Result<Gst, CameraError> {
        let Start { pipeline, name, reopen_settings, can_finish, is_reopening } = start;
        let arguments = launch_arguments(&pipeline);
        let pipeline = settings::mask_secrets(&pipeline);
        debug!("{name}: {} {}", process::PROGRAM, quote_for_shell(&launch_arguments(&pipeline)));
        let process = PipelineProcess::start(&arguments, &pipeline)?;
        let process_id = process.id();
        let shared = Arc::new(Shared::default());
        let reader = FrameReader::new(process, shared.clone());
        let thread = std::thread::Builder::new().name("gst".into()).spawn(|| reader.run());
        let camera = Gst {
            shared,
            thread: Some(thread.map_err(|cause| GstError::Start { cause })?),
            process_id,
            pipeline,
            name,
            reopen_settings,
            can_finish,
            waited: Duration::ZERO,
            has_first_frame: false,
        };
        if !is_reopening {
            camera.wait_for_start()?;
        }
        Ok(camera)
    }

    /// Waits up to [`OPEN_LIMIT`] for the first frame; fails if the pipeline ends before it.
    fn wait_for_start(&self) -> Result<(), CameraError> {
        let started = Instant::now();
        while self.shared.format().is_none() || self.shared.received.load(Ordering::Relaxed) == 0 {
            if let Some(ending) = self.shared.ending() {
                return self.on_ending(ending).map(drop);
            }
            if started.elapsed() > OPEN_LIMIT {
                info!("{}: no frame yet; waiting for it", self.name);
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Returns the id of the process that runs the pipeline.
    pub fn process_id(&self) -> u32 {
        self.process_id
    }

    /// Converts the end of the pipeline to the end of the source or to an error.
    fn on_ending(&self, ending: Ending) -> Result<Next, CameraError> {
        match ending {
            Ending::ProcessEnded { status, log } => self.on_process_end(status, &log),
            Ending::FormatChanged { format } => {
                Err(CameraError::Changed { camera: self.describe(), now: format.to_string() })
            }
            Ending::PaddedRows { bytes, format } => {
                let other_format = if format.layout.format == PixelFormat::Yu12 { "NV12" } else { "I420" };
                let pipeline = self.pipeline.clone();
                let expected = format.frame_bytes;
                Err(GstError::Padded { pipeline, bytes, expected, format: format.to_string(), other_format }.into())
            }
        }
    }

    fn on_process_end(&self, status: Option<ExitStatus>, log: &ErrorLog) -> Result<Next, CameraError> {
        let has_frames = self.shared.received.load(Ordering::Relaxed) > 0;
        let succeeded = status.is_some_and(|status| status.success());
        let status = status.map_or_else(|| "still running".into(), |status| status.to_string());
        // gst-launch-1.0 exits with 0 after errors of Argus, so its log decides too. A sensor never ends.
        if has_frames && succeeded && self.can_finish && !log.has_error() {
            return Ok(Next::Finished);
        }
        let output = log.to_string();
        if has_frames {
            return Err(CameraError::Gone { camera: self.describe(), cause: format!("{status}: {output}") });
        }
        let pipeline = self.pipeline.clone();
        let error = if log.is_erroneous_pipeline() {
            let remedy = error::pipeline_remedy(&output);
            GstError::Pipeline { pipeline, output, remedy }
        } else {
            GstError::NoPicture { pipeline, status, output }
        };
        Err(error.into())
    }

    fn stall_limit(&self) -> Duration {
        if !self.has_first_frame {
            return FIRST_FRAME_LIMIT;
        }
        let interval = self.shared.format().and_then(|format| format.interval).unwrap_or_default();
        MIN_STALL.max(interval * STALL_FRAMES)
    }
}

/// Returns the error of a film in the words of its file, not of its pipeline.
fn film_error(film: &Path, error: GstError) -> GstError {
    let film = film.to_path_buf();
    match error {
        GstError::Missing { .. } => GstError::Film { film, cause: "gst-launch-1.0 is not installed".into() },
        GstError::Pipeline { output, .. } | GstError::NoPicture { output, .. } => {
            GstError::Film { film, cause: format!("GStreamer says: {output}") }
        }
        other => other,
    }
}

/// Parameters of [`Gst::start`].
struct Start {
    pipeline: String,
    name: String,
    reopen_settings: super::Settings,
    can_finish: bool,
    /// Whether the camera was open before: then opening does not wait for a frame.
    is_reopening: bool,
}

/// Returns the arguments of gst-launch-1.0: the user's pipeline with four elements appended.
///
/// `videoconvert` and the caps filter convert to a readable format. `identity` reports each frame with its bytes. The
/// leaky queue of one keeps the newest frame for a slow reader. `fdsink` writes into the pipe.
fn launch_arguments(pipeline: &str) -> Vec<String> {
    let formats = FORMATS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",");
    let end = format!(
        "! videoconvert ! capsfilter name={CAPS_NAME} caps=video/x-raw,format={{{formats}}} \
         ! identity name={COUNTER_NAME} silent=false \
         ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 \
         ! fdsink fd=0 sync=false"
    );
    let words = settings::split_words(pipeline).into_iter().chain(end.split(' ')).map(String::from);
    std::iter::once("-v".into()).chain(words).collect()
}

/// Quotes arguments so that they can be pasted into a shell.
fn quote_for_shell(arguments: &[String]) -> String {
    let is_plain = |word: &str| word.chars().all(|letter| letter.is_alphanumeric() || "-_=/:.,@+".contains(letter));
    let quote =
        |word: &String| if is_plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

impl Camera for Gst {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        let started = Instant::now();
        match self.shared.newest.take(limit) {
            TakeResult::Newest(frame) => {
                self.waited = Duration::ZERO;
                self.has_first_frame = true;
                Ok(Next::Frame(frame))
            }
            TakeResult::Closed => match self.shared.ending() {
                Some(ending) => self.on_ending(ending),
                None => Err(CameraError::Gone { camera: self.describe(), cause: "its reader thread ended".into() }),
            },
            TakeResult::TimedOut => {
                self.waited += started.elapsed();
                if self.waited <= self.stall_limit() {
                    return Ok(Next::Nothing);
                }
                Err(CameraError::Stalled { camera: self.describe(), ms: self.waited.as_millis() as u64 })
            }
        }
    }

    fn describe(&self) -> String {
        match self.shared.format() {
            Some(format) => format!("{}, {format}", self.name),
            None => format!("{}, starting", self.name),
        }
    }

    fn counts(&self) -> CameraCounts {
        CameraCounts {
            dropped_by_driver: self.shared.dropped(),
            skipped: self.shared.newest.replaced(),
            copied: 0,
            bad: self.shared.incomplete.load(Ordering::Relaxed),
        }
    }

    fn reopen_settings(&self) -> Option<super::Settings> {
        Some(self.reopen_settings.clone())
    }
}

impl Drop for Gst {
    /// Ends the pipeline and releases the sensor; logs a warning if the process does not end in time.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return };
        let started = Instant::now();
        while !thread.is_finished() {
            if started.elapsed() > process::END_LIMIT + Duration::from_secs(1) {
                return warn!("{}: process {} has not ended; its end will be logged", self.name, self.process_id);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(thread.join()); // a panic of the thread is already on standard error
    }
}
