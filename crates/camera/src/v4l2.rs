//! Cameras with a V4L2 driver: USB cameras, HDMI receivers and v4l2loopback.

use std::path::Path;
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::{Camera, CameraCounts, CameraError, Next};

mod buffer_queue;
mod controls;
mod devices;
mod error;
mod fourcc;
mod frame_layout;
mod identity;
mod ioctl;
mod mode_enumeration;
mod mode_selection;
mod settings;
pub use controls::ControlError;
pub use devices::{NodeInfo, list};
pub use error::{CallError, V4l2Error};
pub use identity::Identity;
pub use settings::Settings;

use buffer_queue::BufferQueue;
use devices::Kind;
use ioctl::{Capabilities, Format, Node};
use mode_selection::SelectedMode;

/// A camera has stalled if it delivers nothing for 2 s or for ten frame intervals, whichever is longer (estimates).
const MIN_STALL: Duration = Duration::from_secs(2);
const STALL_FRAMES: u32 = 10;
/// Time for the first frame before `v4l2:auto` tries the next camera, an estimate.
const FIRST_FRAME_LIMIT: Duration = Duration::from_secs(3);
/// Pause before dequeueing after poll reported an error without data, so that a persistent error does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// Camera that reads frames from a V4L2 device.
pub struct V4l2 {
    queue: BufferQueue,
    settings: Settings,
    identity: Identity,
    format: Format,
    selected: SelectedMode,
    card: String,
    /// Time since the last frame, over several calls.
    waited: Duration,
    stall_limit: Duration,
}

impl V4l2 {
    /// Opens the camera that `settings.identity` identifies; without an identity, the device that they name.
    pub fn open(settings: &Settings) -> Result<V4l2, CameraError> {
        if let Some(identity) = &settings.identity {
            let path =
                identity.find_node().ok_or_else(|| V4l2Error::NotReconnected { camera: identity.to_string() })?;
            return Ok(V4l2::start(&path, settings)?);
        }
        if settings.is_auto() { V4l2::open_first(settings) } else { Ok(V4l2::start(&settings.node_path(), settings)?) }
    }

    /// Opens the first node that delivers a frame.
    fn open_first(settings: &Settings) -> Result<V4l2, CameraError> {
        let mut failures = Vec::new();
        for path in devices::paths() {
            let failure = match V4l2::start(&path, settings) {
                Ok(mut camera) => match camera.wait_for_first_frame() {
                    Ok(true) => return Ok(camera),
                    Ok(false) => {
                        format!("{} delivered no frame within {} s", path.display(), FIRST_FRAME_LIMIT.as_secs())
                    }
                    Err(error) => error.to_string(),
                },
                // A wrong control is an error of the settings, not of this camera.
                Err(error @ V4l2Error::Control(_)) => return Err(error.into()),
                // A Raspberry Pi has more than ten nodes of codecs and scalers.
                Err(error @ V4l2Error::NotCamera { .. }) => {
                    debug!("skipping a node: {error}");
                    continue;
                }
                Err(V4l2Error::RawSensor { path, .. }) => {
                    format!("{} delivers unprocessed sensor data, which csi:0 reads", path.display())
                }
                Err(error) => error.to_string(),
            };
            debug!("skipping a camera: {failure}");
            failures.push(failure);
        }
        let attempts =
            if failures.is_empty() { ": none is connected".into() } else { format!(": {}", failures.join("; ")) };
        Err(V4l2Error::NoCamera { attempts }.into())
    }

    /// Returns whether a frame arrived within [`FIRST_FRAME_LIMIT`].
    fn wait_for_first_frame(&mut self) -> Result<bool, CameraError> {
        let started = Instant::now();
        while let Some(left) = FIRST_FRAME_LIMIT.checked_sub(started.elapsed()) {
            if let Next::Frame(_) = self.next_frame(left)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn start(path: &Path, settings: &Settings) -> Result<V4l2, V4l2Error> {
        // Links by id are resolved to the node itself, for messages and to find all its links.
        let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let (node, capabilities, kind) = devices::open(path).map_err(|cause| devices::diagnose(path, cause))?;
        let Capabilities { card, driver, .. } = capabilities.clone();
        match kind {
            Kind::Camera { .. } => {}
            Kind::RawSensor => return Err(V4l2Error::RawSensor { path: path.clone(), card, driver }),
            Kind::Other(kind) => return Err(V4l2Error::NotCamera { path: path.clone(), kind: kind.into() }),
        }
        let (format, selected) = negotiate(&node, settings)?;
        controls::apply(&node, &settings.controls)?;
        let readable = format.fourcc.readable().ok_or_else(|| unreadable_error(&node, &format, settings))?;
        let (layout, needed_bytes) = frame_layout::frame_layout(&format, readable);
        let interval = selected.interval.map_or(Duration::ZERO, |(numerator, denominator)| {
            Duration::from_secs_f64(f64::from(numerator) / f64::from(denominator.max(1)))
        });
        let identity = Identity::read(path, &capabilities);
        let queue = BufferQueue::start(node, layout, needed_bytes, driver == devices::LOOPBACK)?;
        let stall_limit = MIN_STALL.max(interval * STALL_FRAMES);
        let settings = settings.clone();
        Ok(V4l2 { queue, settings, identity, format, selected, card, waited: Duration::ZERO, stall_limit })
    }

    fn path(&self) -> &Path {
        &self.queue.node().path
    }

    fn gone(&self, cause: impl std::fmt::Display) -> CameraError {
        CameraError::Gone { camera: self.describe(), cause: cause.to_string() }
    }

    /// Fails if the driver's format has changed since the stream was started.
    fn check_format(&self) -> Result<(), CameraError> {
        match self.queue.node().format() {
            Ok(current) if current != self.format => {
                let now = format!("{} {}", current.fourcc, current.size);
                Err(CameraError::Changed { camera: self.describe(), now })
            }
            _ => Ok(()),
        }
    }

    /// Waits up to `limit` for a buffer; returns whether dequeueing is worth an attempt.
    fn wait_for_buffer(&self, limit: Duration) -> Result<bool, CameraError> {
        let node = self.queue.node();
        let mut polled = [PollFd::from_borrowed_fd(node.fd(), PollFlags::IN | PollFlags::PRI)];
        let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        match poll(&mut polled, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(cause) => return Err(self.gone(cause)),
        }
        let events = polled[0].revents();
        if events.contains(PollFlags::PRI) && node.take_source_change() {
            return Err(CameraError::Changed { camera: self.describe(), now: "another source".into() });
        }
        if events.intersects(PollFlags::HUP | PollFlags::NVAL) {
            return Err(self.gone("poll reported POLLHUP or POLLNVAL"));
        }
        if events.contains(PollFlags::ERR) && !events.contains(PollFlags::IN) {
            // VIDIOC_DQBUF reports the cause. If it reports none, the error passes or ends as a stall.
            std::thread::sleep(ERROR_PAUSE.min(limit));
            return Ok(true);
        }
        Ok(events.contains(PollFlags::IN))
    }
}

/// Selects a mode and requests it; returns the format and the mode that the driver accepted.
fn negotiate(node: &Node, settings: &Settings) -> Result<(Format, SelectedMode), V4l2Error> {
    let path = node.path.display();
    let request = settings.mode_request();
    let modes = mode_enumeration::modes(node, &request);
    let Some((mut selected, runner_up)) = mode_selection::select(&modes, &request) else {
        let requested = match (&settings.format, settings.width, settings.height) {
            (None, None, None) => "in a readable format".into(),
            (format, width, height) => {
                let side = |side: Option<u32>| side.map_or("any".into(), |side| side.to_string());
                format!("{} of {}×{}", format.as_deref().unwrap_or("in a readable format"), side(width), side(height))
            }
        };
        return Err(V4l2Error::NoMode { path: node.path.clone(), requested, offers: describe_offers(&modes) });
    };
    match runner_up {
        Some(runner_up) => debug!("{path}: selected {selected} over {runner_up}"),
        None => debug!("{path}: selected {selected}, its only format"),
    }
    // A matching format is not set again: the strides that another program requested stay.
    let matches =
        |current: &Format| current.progressive && (current.fourcc, current.size) == (selected.fourcc, selected.size);
    let format = match node.format() {
        Ok(current) if matches(&current) => current,
        _ => node.set_format(selected.fourcc, selected.size).map_err(|cause| devices::diagnose(&node.path, cause))?,
    };
    if !format.progressive {
        debug!("{path}: frames are interlaced, so moving objects show combing");
    }
    if format.fourcc.readable().is_none() {
        return Err(unreadable_error(node, &format, settings));
    }
    if (format.fourcc, format.size) != (selected.fourcc, selected.size) {
        info!(
            "{path}: VIDIOC_S_FMT selected {} {} instead of {} {}",
            format.fourcc, format.size, selected.fourcc, selected.size
        );
    }
    (selected.fourcc, selected.size) = (format.fourcc, format.size);
    if let Some(requested) = selected.interval {
        match node.set_interval(requested) {
            Ok(Some(accepted)) => selected.interval = Some(accepted),
            Ok(None) => debug!("{path}: the frame rate cannot be set"),
            Err(error) => warn!("{path}: cannot set the frame rate: {error}; continuing with the driver's rate"),
        }
    }
    Ok((format, selected))
}

fn describe_offers(modes: &[mode_selection::Mode]) -> String {
    if modes.is_empty() { "no mode".into() } else { mode_selection::mode_lines(modes).join(" | ") }
}

fn unreadable_error(node: &Node, format: &Format, settings: &Settings) -> V4l2Error {
    V4l2Error::Unreadable {
        path: node.path.clone(),
        selected: format!("{} {}", format.fourcc, format.size),
        offers: describe_offers(&mode_enumeration::modes(node, &settings.mode_request())),
    }
}

impl Camera for V4l2 {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        let started = Instant::now();
        loop {
            let ready = self.wait_for_buffer(limit.saturating_sub(started.elapsed()))?;
            let bad = self.queue.counts.bad;
            if ready && let Some(frame) = self.queue.take_newest().map_err(|cause| self.gone(cause))? {
                self.waited = Duration::ZERO;
                return Ok(Next::Frame(frame));
            }
            if self.queue.counts.bad > bad {
                self.check_format()?;
            }
            let waited = self.waited + started.elapsed();
            if waited > self.stall_limit {
                self.check_format()?;
                return Err(CameraError::Stalled { camera: self.describe(), ms: waited.as_millis() as u64 });
            }
            if started.elapsed() >= limit {
                self.waited = waited;
                return Ok(Next::Nothing);
            }
        }
    }

    fn describe(&self) -> String {
        format!("v4l2 {} ({}), {}", self.path().display(), self.card, self.selected)
    }

    fn counts(&self) -> CameraCounts {
        self.queue.counts
    }

    fn reopen_settings(&self) -> Option<super::Settings> {
        let identity = Some(self.identity.clone());
        Some(super::Settings::V4l2(Box::new(Settings { identity, ..self.settings.clone() })))
    }
}
