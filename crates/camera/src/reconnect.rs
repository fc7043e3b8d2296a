//! Keeps a camera going: when it is lost it is looked for and opened again, less and less often, for as long as it takes.

use std::time::{Duration, Instant};

use crate::{Camera, CameraCounts, CameraError, Next, Settings};

/// The first wait before a lost camera is tried again; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest of these waits.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A camera that gave pictures for so long is taken to be well again: its next loss is tried at once.
const WELL: Duration = Duration::from_secs(10);
/// For so long only the very camera that was lost is looked for; then any that the settings admit.
const ITS_OWN: Duration = Duration::from_secs(10);

/// What happened to the camera.
#[derive(Debug)]
pub enum Event {
    Next(Next),
    /// One picture was lost, and the camera goes on.
    Skipped(CameraError),
    /// The camera is lost, or still cannot be opened, for this reason. It is tried again.
    Lost(String),
    /// The camera is there again, under this name.
    Back(String),
    /// It will not come again.
    Ended(CameraError),
}

/// Opens a camera; the message says why it cannot be.
pub type Open<'a> = Box<dyn FnMut(&Settings) -> Result<Box<dyn Camera>, String> + Send + 'a>;

/// How a lost camera is opened again.
pub struct ReopenPolicy<'a> {
    /// The one the user named.
    pub settings: Settings,
    pub open: Open<'a>,
}

/// See the module.
pub struct ReconnectingCamera<'a> {
    camera: Option<Box<dyn Camera>>,
    again: Option<ReopenPolicy<'a>>,
    /// What became of the frames of the cameras that were lost.
    before: CameraCounts,
    /// By what the camera that was lost is told from others.
    its_own: Option<Settings>,
    /// See [`ITS_OWN`].
    patience: Duration,
    lost: Instant,
    opened: Instant,
    wait: Duration,
    next_try: Instant,
    /// What was said last of why it cannot be opened.
    said: String,
    /// It is open again, but has not given a picture yet.
    unproven: bool,
    /// Its first picture, while that it is back is told.
    held: Option<Next>,
}

impl<'a> ReconnectingCamera<'a> {
    /// Watches a camera that is open. Without `again`, a lost camera ends the line.
    pub fn over(camera: Box<dyn Camera>, again: Option<ReopenPolicy<'a>>) -> ReconnectingCamera<'a> {
        let its_own = camera.reopen();
        ReconnectingCamera { its_own, ..ReconnectingCamera::new(Some(camera), again) }
    }

    /// Watches for a camera that could not be opened yet.
    pub fn missing(again: ReopenPolicy<'a>) -> ReconnectingCamera<'a> {
        ReconnectingCamera::new(None, Some(again))
    }

    fn new(camera: Option<Box<dyn Camera>>, again: Option<ReopenPolicy<'a>>) -> ReconnectingCamera<'a> {
        let now = Instant::now();
        let (wait, said, unproven, held) = (FIRST_WAIT, String::new(), false, None);
        let before = CameraCounts::default();
        ReconnectingCamera {
            camera,
            again,
            before,
            its_own: None,
            patience: ITS_OWN,
            lost: now,
            opened: now,
            wait,
            next_try: now,
            said,
            unproven,
            held,
        }
    }

    /// The camera in words, where there is one.
    pub fn describe(&self) -> Option<String> {
        self.camera.as_ref().map(|camera| camera.describe())
    }

    /// What became of the frames that were not given, since the beginning.
    pub fn counts(&self) -> CameraCounts {
        let now = self.camera.as_ref().map(|camera| camera.counts()).unwrap_or_default();
        self.before + now
    }

    /// Waits up to `limit` for the next frame, or for the camera to come back.
    ///
    /// After [`Event::Lost`] every frame of this camera should be let go before the next call: some drivers give a
    /// camera to nobody else while its buffers are held.
    pub fn next(&mut self, limit: Duration) -> Event {
        if let Some(held) = self.held.take() {
            return Event::Next(held);
        }
        let Some(camera) = &mut self.camera else { return self.try_again(limit) };
        match camera.next_frame(limit) {
            Ok(next @ Next::Frame(_)) if std::mem::take(&mut self.unproven) => {
                self.said.clear();
                self.held = Some(next);
                Event::Back(camera.describe())
            }
            Ok(next) => Event::Next(next),
            Err(error) if error.is_one_frame() => Event::Skipped(error),
            Err(error) if error.is_lost() && self.again.is_some() => {
                self.before = self.before + camera.counts();
                self.camera = None;
                if self.unproven {
                    return self.still_lost(error.to_string());
                }
                let now = Instant::now();
                self.wait = if now - self.opened >= WELL { FIRST_WAIT } else { self.wait };
                (self.lost, self.next_try) = (now, now + self.wait);
                self.said = error.to_string();
                Event::Lost(self.said.clone())
            }
            Err(error) => Event::Ended(error),
        }
    }

    fn try_again(&mut self, limit: Duration) -> Event {
        let left = self.next_try.saturating_duration_since(Instant::now());
        std::thread::sleep(left.min(limit));
        let Some(again) = self.again.as_mut().filter(|_| left <= limit) else { return Event::Next(Next::Nothing) };
        let its_own = self.its_own.as_ref().map(|its_own| (again.open)(its_own));
        let opened = match its_own {
            Some(Ok(camera)) => Ok(camera),
            Some(Err(why)) if self.lost.elapsed() < self.patience => Err(why),
            _ => (again.open)(&again.settings),
        };
        match opened {
            Ok(camera) => {
                self.its_own = camera.reopen();
                self.opened = Instant::now();
                self.unproven = true;
                self.camera = Some(camera);
                Event::Next(Next::Nothing)
            }
            Err(why) => self.still_lost(why),
        }
    }

    /// It could not be opened, or gave no picture when it was. A reason is told when it is another than before.
    fn still_lost(&mut self, why: String) -> Event {
        self.unproven = false;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        self.next_try = Instant::now() + self.wait;
        if why == self.said {
            return Event::Next(Next::Nothing);
        }
        self.said = why.clone();
        Event::Lost(why)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::Pattern;
    use phicam_frame::Size;

    /// A pattern that is lost after some frames; what is asked of it is what a driver answers.
    struct Fragile {
        pattern: Pattern,
        left: u32,
        name: &'static str,
    }

    impl Camera for Fragile {
        fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
            self.left =
                self.left.checked_sub(1).ok_or(CameraError::Gone { what: self.name.into(), cause: "pulled".into() })?;
            self.pattern.next_frame(limit)
        }

        fn describe(&self) -> String {
            self.name.into()
        }

        fn reopen(&self) -> Option<Settings> {
            format!("files:{}", self.name).parse().ok()
        }
    }

    fn fragile(name: &'static str, left: u32) -> Box<dyn Camera> {
        Box::new(Fragile { pattern: Pattern::new(Size::new(8, 8), 1000.0), left, name })
    }

    /// Events without those that say nothing.
    fn events(watch: &mut ReconnectingCamera, most: usize) -> Vec<String> {
        let mut events = Vec::new();
        while events.len() < most {
            match watch.next(Duration::from_millis(50)) {
                Event::Next(Next::Nothing) => {}
                Event::Next(Next::Frame(_)) => events.push("frame".into()),
                Event::Lost(why) => events.push(format!("lost: {why}")),
                Event::Back(name) => events.push(format!("back: {name}")),
                other => panic!("{other:?}"),
            }
        }
        events
    }

    #[test]
    fn a_lost_camera_is_opened_again_and_each_reason_is_said_once() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let open: Open = {
            let asked = asked.clone();
            Box::new(move |settings: &Settings| {
                let mut asked = asked.lock().unwrap();
                asked.push(settings.clone());
                match asked.len() {
                    1 | 2 => Err("it is not there".into()),
                    _ => Ok(fragile("second", 99)),
                }
            })
        };
        let again = ReopenPolicy { settings: Settings::default(), open };
        let mut watch = ReconnectingCamera::over(fragile("first", 2), Some(again));
        let events = events(&mut watch, 6);
        assert_eq!(events[..2], ["frame", "frame"]);
        assert!(events[2].starts_with("lost: ") && events[2].contains("first"), "{events:?}");
        assert_eq!(events[3..], ["lost: it is not there", "back: second", "frame"]);
        let its_own: Settings = "files:first".parse().unwrap();
        assert!(
            asked.lock().unwrap().iter().all(|asked| *asked == its_own),
            "the very camera that was lost comes first"
        );
    }

    #[test]
    fn a_camera_that_was_never_there_is_waited_for() {
        let mut tries = 0;
        let open: Open = Box::new(move |_: &Settings| {
            tries += 1;
            if tries < 3 { Err("no camera".into()) } else { Ok(fragile("late", 9)) }
        });
        let mut watch = ReconnectingCamera::missing(ReopenPolicy { settings: Settings::default(), open });
        assert_eq!(watch.describe(), None);
        assert_eq!(events(&mut watch, 3), ["lost: no camera", "back: late", "frame"]);
    }

    #[test]
    fn a_camera_is_back_with_its_first_picture_and_not_before() {
        let mut tries = 0;
        let open: Open = Box::new(move |_: &Settings| {
            tries += 1;
            Ok(if tries < 3 { fragile("silent", 0) } else { fragile("loud", 9) })
        });
        let mut watch =
            ReconnectingCamera::over(fragile("first", 0), Some(ReopenPolicy { settings: Settings::default(), open }));
        let events = events(&mut watch, 4);
        assert!(events[0].contains("first is gone") && events[1].contains("silent is gone"), "{events:?}");
        assert_eq!(events[2..], ["back: loud", "frame"]);
    }

    #[test]
    fn after_a_while_any_camera_that_the_settings_admit_takes_its_place() {
        let its_own: Settings = "files:first".parse().unwrap();
        let open: Open = Box::new(move |asked: &Settings| match *asked == its_own {
            true => Err("the first is not there".into()),
            false => Ok(fragile("another", 9)),
        });
        let again = ReopenPolicy { settings: Settings::default(), open };
        let mut watch = ReconnectingCamera {
            patience: Duration::ZERO,
            ..ReconnectingCamera::over(fragile("first", 0), Some(again))
        };
        assert_eq!(events(&mut watch, 3)[1..], ["back: another", "frame"]);
    }

    #[test]
    fn a_camera_that_nobody_can_open_again_ends_the_line() {
        let mut watch = ReconnectingCamera::over(fragile("only", 0), None);
        assert!(matches!(watch.next(Duration::ZERO), Event::Ended(CameraError::Gone { .. })));
    }
}
