//! Keeps a screen: when its device is lost it is looked for every second, and shown on again when it is there.

use std::time::{Duration, Instant};

use log::info;

use super::vt::Console;
use super::{Display, DisplayError, Shown};
use phicam_frame::Rect;
use phicam_frame::Size;

/// How often a lost device is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A screen's device. Dropping it leaves the screen as it was found.
pub trait Device: Send + Sized {
    /// What tells which device, and what is remembered of it for when it comes back.
    type Settings: Send;

    /// Opens it; what tells it from others is put into `settings`.
    fn open(settings: &mut Self::Settings) -> Result<Self, DisplayError>;
    /// Which screen, for messages.
    fn name(&self) -> String;
    fn size(&self) -> Size;
    /// See [`Display::layer`].
    fn layer(&mut self, _: Rect) -> Option<Size> {
        None
    }
    /// Shows a picture of its size. Any error means that the device is lost.
    fn show(&mut self, shown: &Shown) -> Result<(), DisplayError>;
    /// Whether it shows less than the picture that it was given last, which is to be drawn again.
    fn wants_picture(&self) -> bool {
        false
    }
    /// An error where the device is lost.
    fn check(&mut self) -> Result<(), DisplayError>;
}

/// See the module.
pub struct Reconnecting<D: Device> {
    // Dropped in this order: the console's text comes back onto what the screen showed before.
    device: Option<D>,
    console: Option<Console>,
    settings: D::Settings,
    /// What was last known of it.
    name: String,
    size: Size,
    /// Whether the device shows nothing of ours yet.
    blank: bool,
    looked: Instant,
    /// What was said last of why it cannot be opened.
    why: String,
}

impl<D: Device> Reconnecting<D> {
    /// Opens the device now.
    pub fn open(mut settings: D::Settings) -> Result<Reconnecting<D>, DisplayError> {
        let device = D::open(&mut settings)?;
        let (name, size, looked) = (device.name(), device.size(), Instant::now());
        let (console, why) = (Console::take(), String::new());
        Ok(Reconnecting { device: Some(device), console, settings, name, size, blank: true, looked, why })
    }

    /// A device that is not there yet: it is looked for. Until then pictures have `size`.
    pub fn missing(settings: D::Settings, name: String, size: Size) -> Reconnecting<D> {
        let looked = Instant::now();
        let why = String::new();
        Reconnecting { device: None, console: None, settings, name, size, blank: true, looked, why }
    }

    /// The device, opened again where it is time for that.
    fn look(&mut self) -> Option<&mut D> {
        if self.device.is_none() && self.looked.elapsed() >= LOOK_AGAIN {
            self.looked = Instant::now();
            match D::open(&mut self.settings) {
                Ok(device) => {
                    (self.name, self.size, self.blank) = (device.name(), device.size(), true);
                    self.console = self.console.take().or_else(Console::take);
                    info!("display {}, {}: there again", self.name, self.size);
                    self.device = Some(device);
                }
                Err(error) => {
                    // Each reason once: it is tried for as long as it takes.
                    let why = error.to_string();
                    if why != self.why {
                        info!("display {}: {why}", self.name);
                        self.why = why;
                    }
                }
            }
        }
        self.device.as_mut()
    }

    fn lose(&mut self, cause: DisplayError) -> DisplayError {
        self.device = None;
        self.looked = Instant::now();
        self.why = cause.to_string();
        DisplayError::Lost { screen: self.name.clone(), cause: Box::new(cause) }
    }
}

impl<D: Device> Display for Reconnecting<D> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn size(&self) -> Size {
        self.size
    }

    fn layer(&mut self, area: Rect) -> Option<Size> {
        self.device.as_mut()?.layer(area)
    }

    fn show(&mut self, shown: &Shown) -> Result<(), DisplayError> {
        let Some(device) = self.look() else { return Err(DisplayError::StillLost { screen: self.name.clone() }) };
        if device.size() != shown.picture.size() {
            return Ok(()); // it came back with another size: it asks for a picture of that one
        }
        match device.show(shown) {
            Ok(()) => {
                self.blank = false;
                Ok(())
            }
            Err(error) => Err(self.lose(error)),
        }
    }

    fn wants_picture(&mut self) -> bool {
        let is_there = self.look().is_some();
        is_there && (self.blank || self.device.as_ref().is_some_and(Device::wants_picture))
    }

    fn idle(&mut self) -> Result<(), DisplayError> {
        match self.look().map(Device::check) {
            Some(Err(error)) => Err(self.lose(error)),
            _ => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), DisplayError> {
        (self.device, self.console) = (None, None);
        Ok(())
    }
}
