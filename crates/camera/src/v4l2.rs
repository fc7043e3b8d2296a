//! A camera with a V4L2 driver: USB cameras, HDMI receivers, v4l2loopback.

use std::path::{Path, PathBuf};
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
pub use devices::{Found, list};
pub use error::V4l2Error;
pub use identity::Identity;
pub use settings::Settings;

use buffer_queue::Queue;
use devices::Kind;
use ioctl::{Capabilities, Format, Node};
use mode_selection::SelectedMode;

/// A camera that gives nothing for so long, or for ten frames if that is longer, has stalled.
const STALL: Duration = Duration::from_secs(2);
const STALL_FRAMES: u32 = 10;
/// So long one of several cameras may take for its first picture before the next is tried.
const FIRST_PICTURE: Duration = Duration::from_secs(3);
/// A driver that reports an error without a cause is asked again after this.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// See the module.
pub struct V4l2 {
    queue: Queue,
    settings: Settings,
    identity: Identity,
    format: Format,
    selected: SelectedMode,
    card: String,
    /// Waited for the next frame so far.
    waited: Duration,
    stall: Duration,
}

impl V4l2 {
    /// Opens the camera that was open before, if `settings` know one, else the one they name.
    pub fn open(settings: &Settings) -> Result<V4l2, CameraError> {
        if let Some(identity) = &settings.identity {
            let path = identity.find().ok_or_else(|| V4l2Error::NotBack { camera: identity.to_string() })?;
            return Ok(V4l2::start(&path, settings)?);
        }
        if settings.is_auto() { V4l2::first(settings) } else { Ok(V4l2::start(&settings.node(), settings)?) }
    }

    /// The first node that really gives a picture.
    fn first(settings: &Settings) -> Result<V4l2, CameraError> {
        let mut found = Vec::new();
        for path in devices::paths() {
            let why = match V4l2::start(&path, settings) {
                Ok(mut camera) => match camera.first_picture() {
                    Ok(true) => return Ok(camera),
                    Ok(false) => format!("{} gives no picture within {} s", path.display(), FIRST_PICTURE.as_secs()),
                    Err(error) => error.to_string(),
                },
                // A control of this name is a question to the one camera that there is.
                Err(error @ V4l2Error::Control(_)) => return Err(error.into()),
                Err(error) => error.to_string(),
            };
            debug!("passed over: {why}");
            found.push(why);
        }
        let found =
            if found.is_empty() { ": there is no video node".into() } else { format!(": {}", found.join("; ")) };
        Err(V4l2Error::None { found }.into())
    }

    fn first_picture(&mut self) -> Result<bool, CameraError> {
        let begun = Instant::now();
        while let Some(left) = FIRST_PICTURE.checked_sub(begun.elapsed()) {
            if let Next::Frame(_) = self.next_frame(left)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn start(path: &Path, settings: &Settings) -> Result<V4l2, V4l2Error> {
        // Links by id become the node's own name, for messages and for finding its links.
        let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let (node, capabilities, kind) =
            devices::open(path).map_err(|cause| V4l2Error::of(path, "open as a camera", cause))?;
        let Capabilities { card, driver, .. } = capabilities.clone();
        match kind {
            Kind::Camera { .. } => {}
            Kind::RawSensor => return Err(V4l2Error::RawSensor { path: path.clone(), card, driver }),
            Kind::Other(what) => return Err(V4l2Error::NotCamera { path: path.clone(), what: what.into() }),
        }
        let (format, selected) = negotiate(&node, settings)?;
        controls::set(&node, &settings.controls)?;
        let known = format.fourcc.known().ok_or_else(|| unreadable(&node, &format, settings))?;
        let (layout, needed) = frame_layout::layout(&format, known);
        let interval = selected.interval.map_or(Duration::ZERO, |(numerator, denominator)| {
            Duration::from_secs_f64(f64::from(numerator) / f64::from(denominator.max(1)))
        });
        let identity = Identity::of(path, &capabilities);
        let queue = Queue::start(node, layout, needed, driver == devices::LOOPBACK)?;
        let stall = STALL.max(interval * STALL_FRAMES);
        let (settings, waited) = (settings.clone(), Duration::ZERO);
        let camera = V4l2 { queue, settings, identity, format, selected, card, waited, stall };
        Ok(camera)
    }

    fn path(&self) -> &Path {
        &self.queue.node().path
    }

    fn gone(&self, cause: impl std::fmt::Display) -> CameraError {
        CameraError::Gone { what: self.describe(), cause: cause.to_string() }
    }

    /// An error where the driver has another format by now than the frames are read by.
    fn check_format(&self) -> Result<(), CameraError> {
        match self.queue.node().format() {
            Ok(now) if now != self.format => {
                let now = format!("{} {}", now.fourcc, now.size);
                Err(CameraError::Changed { what: self.describe(), now })
            }
            _ => Ok(()),
        }
    }

    /// Waits up to `limit` until the driver has something; false where it has not.
    fn wait(&self, limit: Duration) -> Result<bool, CameraError> {
        let node = self.queue.node();
        let mut polled = [PollFd::from_borrowed_fd(node.fd(), PollFlags::IN | PollFlags::PRI)];
        let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        match poll(&mut polled, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
            Ok(_) => {}
            Err(cause) => return Err(self.gone(cause)),
        }
        let events = polled[0].revents();
        if events.contains(PollFlags::PRI) && node.source_changed() {
            return Err(CameraError::Changed { what: self.describe(), now: "another source".into() });
        }
        if events.intersects(PollFlags::HUP | PollFlags::NVAL) {
            return Err(self.gone("its driver has let go of it"));
        }
        if events.contains(PollFlags::ERR) && !events.contains(PollFlags::IN) {
            // Dequeuing tells what the error is. If it finds none, this will pass, or end as a stall.
            std::thread::sleep(ERROR_PAUSE.min(limit));
            return Ok(true);
        }
        Ok(events.contains(PollFlags::IN))
    }
}

/// Chooses a mode and asks the driver for it; gives the format and the interval that the driver made of it.
fn negotiate(node: &Node, settings: &Settings) -> Result<(Format, SelectedMode), V4l2Error> {
    let wish = settings.wish();
    let modes = mode_enumeration::modes(node, &wish);
    let Some((mut selected, second)) = mode_selection::choose(&modes, &wish) else {
        let wanted = match (&settings.format, settings.width, settings.height) {
            (None, None, None) => "that can be read".into(),
            (format, width, height) => {
                let side = |side: Option<u32>| side.map_or("any".into(), |side| side.to_string());
                format!("{} of {}×{}", format.as_deref().unwrap_or("that can be read"), side(width), side(height))
            }
        };
        return Err(V4l2Error::NoMode { path: node.path.clone(), wanted, offers: offers(&modes) });
    };
    match second {
        Some(second) => info!("{}: {selected} rather than {second}", node.path.display()),
        None => debug!("{}: {selected}, its only format", node.path.display()),
    }
    let call = |what| move |cause| V4l2Error::of(&node.path, what, cause);
    // What is set already stays, with the strides that whoever set it wanted.
    let wanted = |now: &Format| now.progressive && (now.fourcc, now.size) == (selected.fourcc, selected.size);
    let format = match node.format() {
        Ok(now) if wanted(&now) => now,
        _ => node.set_format(selected.fourcc, selected.size).map_err(call("take a format"))?,
    };
    if !format.progressive {
        debug!("{} gives every other row first: what moves has combs", node.path.display());
    }
    if format.fourcc.known().is_none() {
        return Err(unreadable(node, &format, settings));
    }
    if (format.fourcc, format.size) != (selected.fourcc, selected.size) {
        info!("{} made {} {} of it", node.path.display(), format.fourcc, format.size);
    }
    (selected.fourcc, selected.size) = (format.fourcc, format.size);
    if let Some(wanted) = selected.interval {
        match node.set_interval(wanted) {
            Ok(Some(kept)) => selected.interval = Some(kept),
            Ok(None) => debug!("{} has one frame rate only", node.path.display()),
            Err(error) => warn!("{} does not take a frame rate: {error}; going on with its own", node.path.display()),
        }
    }
    Ok((format, selected))
}

fn offers(modes: &[mode_selection::Mode]) -> String {
    if modes.is_empty() { "nothing".into() } else { mode_selection::in_words(modes).join(" | ") }
}

fn unreadable(node: &Node, format: &Format, settings: &Settings) -> V4l2Error {
    let path: PathBuf = node.path.clone();
    let got = format!("{} {}", format.fourcc, format.size);
    V4l2Error::Unreadable { path, got, offers: offers(&mode_enumeration::modes(node, &settings.wish())) }
}

impl Camera for V4l2 {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        let begun = Instant::now();
        loop {
            let ready = self.wait(limit.saturating_sub(begun.elapsed()))?;
            let bad = self.queue.counts.bad;
            if ready && let Some(frame) = self.queue.newest().map_err(|cause| self.gone(cause))? {
                self.waited = Duration::ZERO;
                return Ok(Next::Frame(frame));
            }
            if self.queue.counts.bad > bad {
                self.check_format()?;
            }
            let waiting = self.waited + begun.elapsed();
            if waiting > self.stall {
                self.check_format()?;
                return Err(CameraError::Stalled { what: self.describe(), ms: waiting.as_millis() as u64 });
            }
            if begun.elapsed() >= limit {
                self.waited = waiting;
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

    fn reopen(&self) -> Option<super::Settings> {
        let identity = Some(self.identity.clone());
        Some(super::Settings::V4l2(Box::new(Settings { identity, ..self.settings.clone() })))
    }
}
