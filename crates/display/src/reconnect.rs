//! Reconnection: a lost screen is reopened every second until its device is back.

use std::time::{Duration, Instant};

use log::info;

use crate::vt::Console;
use crate::{Display, DisplayError, FramePlacement, ScreenUpdate};
use phicam_frame::{Rect, Size};
use phicam_platform::backoff::Backoff;
use phicam_platform::log_once::LogOnce;

/// Interval between attempts to reopen a lost device. It is constant: an attempt costs little, and a person who
/// plugs in a screen waits for the image.
const REOPEN_INTERVAL: Duration = Duration::from_secs(1);

/// Device of a screen. Dropping it restores the state from before it was opened.
pub trait Device: Send + Sized {
    /// Identity of the device, by which it is found again after a disconnect.
    type Settings: Send;

    /// Opens the device, and records its identity in `settings`.
    fn open(settings: &mut Self::Settings) -> Result<Self, DisplayError>;
    /// Returns the name of the screen for messages.
    fn name(&self) -> String;
    fn size(&self) -> Size;
    /// Returns where to draw a frame that is shown at `area`, like [`Display::place_frame`].
    fn place_frame(&mut self, _area: Rect) -> FramePlacement {
        FramePlacement::Canvas
    }
    /// Shows an update of the device's size. Any error means that the device is lost.
    fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError>;
    /// Returns whether the screen shows less than the last update, so that it has to be drawn again.
    fn needs_redraw(&self) -> bool {
        false
    }
    /// Returns an error if the device is lost.
    fn check(&mut self) -> Result<(), DisplayError>;
}

/// Display that survives the loss of its device.
pub struct Reconnecting<D: Device> {
    // Dropped in this order: the device restores its previous content, then the console shows text on it again.
    device: Option<D>,
    console: Option<Console>,
    settings: D::Settings,
    /// Name and size of the device when it was last open.
    name: String,
    size: Size,
    /// Whether the device has not shown an update since it was opened.
    is_blank: bool,
    backoff: Backoff,
    last_attempt: Instant,
    open_failures: LogOnce,
}

impl<D: Device> Reconnecting<D> {
    /// Opens the device now.
    pub fn open(mut settings: D::Settings) -> Result<Reconnecting<D>, DisplayError> {
        let device = D::open(&mut settings)?;
        let mut display = Reconnecting::missing(settings, device.name(), device.size());
        display.console = Console::take();
        display.device = Some(device);
        Ok(display)
    }

    /// Waits for a device that is not present yet. Until it is, updates have `size`.
    pub fn missing(settings: D::Settings, name: String, size: Size) -> Reconnecting<D> {
        Reconnecting {
            device: None,
            console: None,
            settings,
            name,
            size,
            is_blank: true,
            backoff: Backoff::new(REOPEN_INTERVAL, REOPEN_INTERVAL),
            last_attempt: Instant::now(),
            open_failures: LogOnce::default(),
        }
    }

    /// Returns the device; reopens a lost one if the interval has passed.
    fn try_reopen(&mut self) -> Option<&mut D> {
        if self.device.is_none() && self.last_attempt.elapsed() >= self.backoff.wait() {
            self.last_attempt = Instant::now();
            match D::open(&mut self.settings) {
                Ok(device) => {
                    self.name = device.name();
                    self.size = device.size();
                    self.is_blank = true;
                    self.console = self.console.take().or_else(Console::take);
                    self.backoff.reset();
                    info!("display {}, {}: reconnected", self.name, self.size);
                    self.device = Some(device);
                }
                Err(error) => {
                    self.backoff.increase();
                    let reason = error.to_string();
                    if self.open_failures.is_new(&reason) {
                        info!("display {}: {reason}", self.name);
                    }
                }
            }
        }
        self.device.as_mut()
    }

    fn disconnect(&mut self, cause: DisplayError) -> DisplayError {
        self.device = None;
        self.last_attempt = Instant::now();
        self.open_failures.record(&cause.to_string());
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

    fn place_frame(&mut self, area: Rect) -> FramePlacement {
        self.device.as_mut().map_or(FramePlacement::Canvas, |device| device.place_frame(area))
    }

    fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError> {
        let Some(device) = self.try_reopen() else {
            return Err(DisplayError::StillLost { screen: self.name.clone() });
        };
        if device.size() != update.canvas.size() {
            return Ok(()); // The device came back with another size; `needs_redraw` requests an update of that size.
        }
        match device.show(update) {
            Ok(()) => {
                self.is_blank = false;
                Ok(())
            }
            Err(error) => Err(self.disconnect(error)),
        }
    }

    fn needs_redraw(&mut self) -> bool {
        let is_open = self.try_reopen().is_some();
        is_open && (self.is_blank || self.device.as_ref().is_some_and(Device::needs_redraw))
    }

    fn idle(&mut self) -> Result<(), DisplayError> {
        match self.try_reopen().map(Device::check) {
            Some(Err(error)) => Err(self.disconnect(error)),
            _ => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), DisplayError> {
        self.device = None;
        self.console = None;
        Ok(())
    }
}
