//! Reconnection of a lost camera: attempts with backoff, first for the lost device, then for any that the settings
//! admit.

use std::time::{Duration, Instant};

use phicam_platform::backoff::Backoff;
use phicam_platform::log_once::LogOnce;

use crate::{Camera, CameraCounts, CameraError, Next, Settings};

/// Shortest wait between attempts, an estimate; each failure doubles the wait.
const MIN_WAIT: Duration = Duration::from_millis(250);
/// Longest wait between attempts, an estimate.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// After this long without a loss, an estimate, the next loss starts again with [`MIN_WAIT`].
const STABLE: Duration = Duration::from_secs(10);
/// For this long after a loss, an estimate, only the lost device qualifies; afterwards any that the settings admit.
const EXCLUSIVE_WAIT: Duration = Duration::from_secs(10);

/// Event of a [`ReconnectingCamera`].
#[derive(Debug)]
pub enum Event {
    Next(Next),
    /// One frame is lost, and the camera continues.
    Skipped(CameraError),
    /// The camera is lost, or an attempt to reopen it failed for a new reason. Attempts continue.
    Lost(String),
    /// The camera is open again and delivered a frame; the text describes it.
    Reconnected(String),
    /// The camera is lost for good.
    Ended(CameraError),
}

/// Connection of a camera. A ribbon cable must not be touched while the board has power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// USB or network.
    Cable,
    Ribbon,
    /// The settings admit both.
    Unknown,
}

/// Function that opens a camera; the error is its message.
pub type Open<'a> = Box<dyn FnMut(&Settings) -> Result<Box<dyn Camera>, String> + Send + 'a>;

/// Method of reopening a lost camera.
pub struct ReopenPolicy<'a> {
    /// Settings that the user chose, such as `v4l2:`.
    pub settings: Settings,
    pub open: Open<'a>,
}

/// Camera that is reopened after a loss, for as long as it takes.
pub struct ReconnectingCamera<'a> {
    camera: Option<Box<dyn Camera>>,
    policy: Option<ReopenPolicy<'a>>,
    /// Counters of the cameras that were lost.
    earlier_counts: CameraCounts,
    /// Settings that identify the lost device.
    device_settings: Option<Settings>,
    /// See [`EXCLUSIVE_WAIT`].
    exclusive_wait: Duration,
    lost_at: Instant,
    opened_at: Instant,
    backoff: Backoff,
    next_attempt: Instant,
    reasons: LogOnce,
    /// The camera is open again but has not delivered a frame.
    awaiting_first_frame: bool,
    /// First frame after reconnecting, held until `Event::Reconnected` has been delivered.
    pending_frame: Option<Next>,
}

impl<'a> ReconnectingCamera<'a> {
    /// Wraps an open camera. Without a `policy`, its loss is final.
    pub fn new(camera: Box<dyn Camera>, policy: Option<ReopenPolicy<'a>>) -> ReconnectingCamera<'a> {
        let device_settings = camera.reopen_settings();
        ReconnectingCamera { device_settings, ..ReconnectingCamera::with(Some(camera), policy) }
    }

    /// Starts without a camera and attempts to open it.
    pub fn disconnected(policy: ReopenPolicy<'a>) -> ReconnectingCamera<'a> {
        ReconnectingCamera::with(None, Some(policy))
    }

    /// Returns how the camera is connected: the lost one, else the one that the user asked for.
    pub fn connection(&self) -> Connection {
        let settings = self.device_settings.as_ref().or(self.policy.as_ref().map(|policy| &policy.settings));
        match settings {
            Some(Settings::Csi(_)) => Connection::Ribbon,
            Some(Settings::Auto {}) => Connection::Unknown,
            _ => Connection::Cable,
        }
    }

    fn with(camera: Option<Box<dyn Camera>>, policy: Option<ReopenPolicy<'a>>) -> ReconnectingCamera<'a> {
        let now = Instant::now();
        ReconnectingCamera {
            camera,
            policy,
            earlier_counts: CameraCounts::default(),
            device_settings: None,
            exclusive_wait: EXCLUSIVE_WAIT,
            lost_at: now,
            opened_at: now,
            backoff: Backoff::new(MIN_WAIT, MAX_WAIT),
            next_attempt: now,
            reasons: LogOnce::default(),
            awaiting_first_frame: false,
            pending_frame: None,
        }
    }

    /// Returns the name and mode of the camera; `None` while it is disconnected.
    pub fn describe(&self) -> Option<String> {
        self.camera.as_ref().map(|camera| camera.describe())
    }

    /// Returns the counters of lost and copied frames since the start, over all reconnections.
    pub fn counts(&self) -> CameraCounts {
        let current = self.camera.as_ref().map(|camera| camera.counts()).unwrap_or_default();
        self.earlier_counts + current
    }

    /// Waits up to `limit` for the next frame, or for the camera to reconnect.
    ///
    /// After [`Event::Lost`], drop every frame of this camera before the next call: some drivers refuse to open a
    /// device while its buffers are held.
    pub fn next(&mut self, limit: Duration) -> Event {
        if let Some(frame) = self.pending_frame.take() {
            return Event::Next(frame);
        }
        let Some(camera) = &mut self.camera else { return self.try_reopen(limit) };
        match camera.next_frame(limit) {
            Ok(frame @ Next::Frame(_)) if std::mem::take(&mut self.awaiting_first_frame) => {
                self.reasons.reset();
                self.pending_frame = Some(frame);
                Event::Reconnected(camera.describe())
            }
            Ok(next) => Event::Next(next),
            Err(error) if error.is_frame_error() => Event::Skipped(error),
            Err(error) if error.is_lost() && self.policy.is_some() => {
                self.earlier_counts = self.earlier_counts + camera.counts();
                self.camera = None;
                self.on_loss(error.to_string())
            }
            Err(error) => Event::Ended(error),
        }
    }

    fn on_loss(&mut self, reason: String) -> Event {
        if self.awaiting_first_frame {
            return self.on_failed_attempt(reason);
        }
        let now = Instant::now();
        if now - self.opened_at >= STABLE {
            self.backoff.reset();
        }
        self.lost_at = now;
        self.next_attempt = now + self.backoff.wait();
        self.reasons.record(&reason);
        Event::Lost(reason)
    }

    /// Attempts to open the camera when its wait is over; sleeps up to `limit` until then.
    fn try_reopen(&mut self, limit: Duration) -> Event {
        let wait = self.next_attempt.saturating_duration_since(Instant::now());
        std::thread::sleep(wait.min(limit));
        let Some(policy) = self.policy.as_mut().filter(|_| wait <= limit) else { return Event::Next(Next::Nothing) };
        let same_device = self.device_settings.as_ref().map(|settings| (policy.open)(settings));
        let opened = match same_device {
            Some(Ok(camera)) => Ok(camera),
            Some(Err(reason)) if self.lost_at.elapsed() < self.exclusive_wait => Err(reason),
            _ => (policy.open)(&policy.settings),
        };
        match opened {
            Ok(camera) => {
                self.device_settings = camera.reopen_settings();
                self.opened_at = Instant::now();
                self.awaiting_first_frame = true;
                self.camera = Some(camera);
                Event::Next(Next::Nothing)
            }
            Err(reason) => self.on_failed_attempt(reason),
        }
    }

    /// Schedules the next attempt after opening failed, or after the reopened camera delivered no frame.
    fn on_failed_attempt(&mut self, reason: String) -> Event {
        self.awaiting_first_frame = false;
        self.backoff.increase();
        self.next_attempt = Instant::now() + self.backoff.wait();
        if self.reasons.is_new(&reason) { Event::Lost(reason) } else { Event::Next(Next::Nothing) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use phicam_frame::Size;

    use super::*;
    use crate::TestPattern;

    /// Test pattern that is lost after `frames_left` frames.
    struct FailingCamera {
        pattern: TestPattern,
        frames_left: u32,
        name: &'static str,
    }

    impl Camera for FailingCamera {
        fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
            let gone = || CameraError::Gone { camera: self.name.into(), cause: "pulled".into() };
            self.frames_left = self.frames_left.checked_sub(1).ok_or_else(gone)?;
            self.pattern.next_frame(limit)
        }

        fn describe(&self) -> String {
            self.name.into()
        }

        fn reopen_settings(&self) -> Option<Settings> {
            format!("files:{}", self.name).parse().ok()
        }
    }

    fn failing_camera(name: &'static str, frames_left: u32) -> Box<dyn Camera> {
        Box::new(FailingCamera { pattern: TestPattern::new(Size::new(8, 8), 1000.0), frames_left, name })
    }

    /// Returns the next `count` events, without time-outs.
    fn events(camera: &mut ReconnectingCamera, count: usize) -> Vec<String> {
        let mut events = Vec::new();
        while events.len() < count {
            match camera.next(Duration::from_millis(50)) {
                Event::Next(Next::Nothing) => {}
                Event::Next(Next::Frame(_)) => events.push("frame".into()),
                Event::Lost(reason) => events.push(format!("lost: {reason}")),
                Event::Reconnected(name) => events.push(format!("reconnected: {name}")),
                other => panic!("{other:?}"),
            }
        }
        events
    }

    fn policy(open: Open<'_>) -> ReopenPolicy<'_> {
        ReopenPolicy { settings: Settings::default(), open }
    }

    #[test]
    fn lost_camera_is_reopened_and_each_reason_reported_once() {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let open: Open = {
            let requests = requests.clone();
            Box::new(move |settings: &Settings| {
                let mut requests = requests.lock();
                requests.push(settings.clone());
                if requests.len() <= 2 { Err("no device".into()) } else { Ok(failing_camera("second", 99)) }
            })
        };
        let mut camera = ReconnectingCamera::new(failing_camera("first", 2), Some(policy(open)));
        let events = events(&mut camera, 6);
        assert_eq!(events[..2], ["frame", "frame"]);
        assert!(events[2].starts_with("lost: first"), "{events:?}");
        assert_eq!(events[3..], ["lost: no device", "reconnected: second", "frame"]);
        let device: Settings = "files:first".parse().unwrap();
        assert_eq!(*requests.lock(), vec![device; 3], "attempts begin with the lost device");
    }

    #[test]
    fn missing_camera_is_opened_when_it_appears() {
        let mut attempts = 0;
        let open: Open = Box::new(move |_: &Settings| {
            attempts += 1;
            if attempts < 3 { Err("no camera".into()) } else { Ok(failing_camera("late", 9)) }
        });
        let mut camera = ReconnectingCamera::disconnected(policy(open));
        assert_eq!(camera.describe(), None);
        assert_eq!(events(&mut camera, 3), ["lost: no camera", "reconnected: late", "frame"]);
    }

    #[test]
    fn camera_counts_as_reconnected_at_its_first_frame() {
        let mut attempts = 0;
        let open: Open = Box::new(move |_: &Settings| {
            attempts += 1;
            Ok(if attempts < 3 { failing_camera("silent", 0) } else { failing_camera("loud", 9) })
        });
        let mut camera = ReconnectingCamera::new(failing_camera("first", 0), Some(policy(open)));
        let events = events(&mut camera, 4);
        assert!(events[0].contains("first is gone"), "{events:?}");
        assert!(events[1].contains("silent is gone"), "{events:?}");
        assert_eq!(events[2..], ["reconnected: loud", "frame"]);
    }

    #[test]
    fn any_matching_camera_qualifies_after_the_exclusive_wait() {
        let device: Settings = "files:first".parse().unwrap();
        let open: Open =
            Box::new(
                move |settings: &Settings| {
                    if *settings == device { Err("first is missing".into()) } else { Ok(failing_camera("other", 9)) }
                },
            );
        let mut camera = ReconnectingCamera {
            exclusive_wait: Duration::ZERO,
            ..ReconnectingCamera::new(failing_camera("first", 0), Some(policy(open)))
        };
        assert_eq!(events(&mut camera, 3)[1..], ["reconnected: other", "frame"]);
    }

    #[test]
    fn loss_without_a_reopen_policy_is_final() {
        let mut camera = ReconnectingCamera::new(failing_camera("only", 0), None);
        assert!(matches!(camera.next(Duration::ZERO), Event::Ended(CameraError::Gone { .. })));
    }
}
