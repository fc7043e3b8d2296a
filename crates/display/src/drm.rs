//! A screen on a graphics card, by the kernel's mode setting (KMS): no X, no Wayland.

use std::path::Path;
use std::time::{Duration, Instant};

use drm::Device as _;
use drm::control::Device as _;
use drm::control::{Event, PageFlipFlags, connector, crtc, framebuffer};
use log::{debug, warn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::pixel_packing::Packing;
use super::reconnect::{Device, Reconnecting};
use super::{DisplayError, Shown};
use phicam_frame::Rect;
use phicam_frame::Size;

mod card;
mod double_buffer;
mod dumb_buffer;
mod mode;
mod output_request;
mod overlay_plane;
mod plane_selection;
use card::{Card, Connector};
use double_buffer::Pair;
pub use mode::Mode;
pub use output_request::Wish;
use overlay_plane::Layer;

/// A driver that has not shown a picture after this time hangs.
const FLIP_LIMIT: Duration = Duration::from_secs(5);
/// While it is waited for, it is looked whether the card is still there so often.
const FLIP_SLICE: Duration = Duration::from_millis(250);
/// How often it is asked whether the screen is still connected.
const CHECK: Duration = Duration::from_secs(1);
/// The size of pictures for a screen that was never there.
const UNKNOWN_SIZE: Size = Size::new(1280, 720);

/// See the module.
pub type Drm = Reconnecting<Output>;

impl Drm {
    /// Opens the screen now, or waits for it where there is a card but nothing is connected to it.
    pub fn open_or_wait(wish: Wish) -> Result<Drm, DisplayError> {
        match Reconnecting::open(wish.clone()) {
            Err(error @ DisplayError::NotConnected { .. }) => {
                log::warn!("{error}; it is looked for every second");
                let name = wish.connector.as_deref().unwrap_or("any connector");
                Ok(Reconnecting::missing(wish.clone(), format!("drm:{name}"), UNKNOWN_SIZE))
            }
            opened => opened,
        }
    }
}

/// A connector with what makes its picture: a CRTC, a mode, two buffers of which one is shown.
pub struct Output {
    card: Card,
    name: String,
    connector: connector::Handle,
    crtc: crtc::Handle,
    mode: drm::control::Mode,
    /// What the CRTC showed before, and whether it showed it on this connector.
    before: crtc::Info,
    was_ours: bool,
    pair: Pair,
    /// Where the frame has a plane of its own.
    layer: Option<Layer>,
    /// Whether the layer was given up, and the frame is not on the picture yet.
    lacks_frame: bool,
    /// Since when the driver has a picture that it does not show yet.
    flip: Option<Instant>,
    /// Whether the driver can change buffers without setting the mode anew.
    flips: bool,
    checked: Instant,
}

impl Output {
    fn error(&self, what: &'static str, cause: std::io::Error) -> DisplayError {
        self.card.error(&self.name, what, cause)
    }

    /// Waits until the picture that the driver has is shown.
    fn finish_flip(&mut self) -> Result<(), DisplayError> {
        while let Some(since) = self.flip {
            let slice = Timespec { tv_sec: 0, tv_nsec: FLIP_SLICE.subsec_nanos().into() };
            let ready = match poll(&mut [PollFd::new(&self.card, PollFlags::IN)], Some(&slice)) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) => {
                    // A card that is gone sends nothing any more.
                    self.is_there().inspect_err(|_| self.flip = None)?;
                    // Only now: where nothing has changed for long, what the driver said lies here since then.
                    if since.elapsed() >= FLIP_LIMIT {
                        self.flip = None;
                        return Err(DisplayError::Silent { screen: self.name.clone(), limit_s: FLIP_LIMIT.as_secs() });
                    }
                    continue;
                }
                ready => ready,
            };
            ready.map_err(|cause| self.error("wait for its picture", cause.into()))?;
            let events = self.card.receive_events().map_err(|cause| self.error("tell when it shows", cause))?;
            for event in events {
                if matches!(event, Event::PageFlip(flip) if flip.crtc == self.crtc) {
                    self.flip = None;
                }
            }
        }
        Ok(())
    }

    /// From now on, until the screen is opened again, the frame is drawn into the picture.
    fn give_layer_up(&mut self, cause: std::io::Error) {
        warn!(
            "display {}: the frame has no plane of its own any more: its driver took it no longer ({cause})",
            self.name()
        );
        if let Some(mut layer) = self.layer.take() {
            layer.close(&self.card);
        }
        self.lacks_frame = true;
    }

    fn is_there(&self) -> Result<(), DisplayError> {
        self.card.get_crtc(self.crtc).map_err(|cause| self.error("be asked what it shows", cause)).map(drop)
    }

    /// Shows the hidden buffer, which is `framebuffer`.
    fn turn(&mut self, framebuffer: framebuffer::Handle) -> Result<(), DisplayError> {
        if self.flips {
            match self.card.page_flip(self.crtc, framebuffer, PageFlipFlags::EVENT, None) {
                Ok(()) => self.flip = Some(Instant::now()),
                Err(cause) if card::is_unable(&cause) => {
                    debug!("{}: its driver flips no pages ({cause}); the mode is set anew for each picture", self.name);
                    self.flips = false;
                }
                Err(cause) => return Err(self.error("show a picture", cause)),
            }
        }
        if !self.flips {
            let set = self.card.set_crtc(self.crtc, Some(framebuffer), (0, 0), &[self.connector], Some(self.mode));
            set.map_err(|cause| self.error("show a picture", cause))?;
        }
        self.pair.turn();
        Ok(())
    }

    /// Two buffers in the first packing that the driver takes, one of them shown.
    fn pair(card: &Card, found: &Connector, crtc: crtc::Handle) -> std::io::Result<Pair> {
        let (width, height) = found.mode.size();
        let size = Size::new(width.into(), height.into());
        let mut refused = None;
        for packing in [Packing::XRGB8888, Packing::RGB565] {
            let made = Pair::new(card, size, packing).and_then(|pair| {
                let shown = card.set_crtc(crtc, Some(pair.shown()), (0, 0), &[found.handle], Some(found.mode));
                shown.inspect_err(|_| pair.destroy(card)).map(|()| pair)
            });
            match made {
                Ok(pair) => return Ok(pair),
                Err(error) if card::is_unable(&error) => {
                    debug!("{}: no buffers of {} bits ({error})", found.name, packing.bits_per_pixel());
                    refused = refused.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        Err(refused.unwrap_or_else(|| std::io::ErrorKind::Unsupported.into()))
    }

    fn on(card: Card, wish: &Wish) -> Result<Output, DisplayError> {
        let found = card.connector(wish.connector.as_deref(), wish.mode)?;
        card.acquire_master_lock().map_err(|_| DisplayError::Busy { path: card.path().into() })?;
        let (crtc, was_ours) = card.crtc_for(&found)?;
        let before = card.get_crtc(crtc).map_err(|cause| card.error(&found.name, "tell what it shows", cause))?;
        let set = Output::pair(&card, &found, crtc);
        let pair = set.map_err(|cause| card.error(&found.name, "be set up", cause))?;
        let Connector { handle: connector, name, mode, .. } = found;
        let layer = Layer::new(&card, full_name(&card, &name), crtc);
        let (lacks_frame, flip, flips, checked) = (false, None, true, Instant::now());
        Ok(Output {
            card,
            name,
            connector,
            crtc,
            mode,
            before,
            was_ours,
            pair,
            layer,
            lacks_frame,
            flip,
            flips,
            checked,
        })
    }
}

/// `drm:HDMI-A-1 (/dev/dri/card0)`.
fn full_name(card: &Card, screen: &str) -> String {
    format!("drm:{screen} ({})", card.path().display())
}

impl Device for Output {
    type Settings = Wish;

    fn open(wish: &mut Wish) -> Result<Output, DisplayError> {
        let mut why = None;
        for path in card::paths(wish.device.as_deref(), wish.hardware.as_deref()) {
            match Card::open(&path).and_then(|card| Output::on(card, wish)) {
                Ok(output) => {
                    wish.hardware = card::hardware(&path);
                    return Ok(output);
                }
                Err(error) => why = Some(card::more_telling(why, error)),
            }
        }
        let path = || wish.device.clone().unwrap_or_else(|| Path::new(card::FOLDER).join("card0"));
        Err(why.unwrap_or_else(|| DisplayError::NoDevice { path: path() }))
    }

    fn name(&self) -> String {
        full_name(&self.card, &self.name)
    }

    fn size(&self) -> Size {
        self.pair.size()
    }

    fn layer(&mut self, area: Rect) -> Option<Size> {
        self.layer.as_mut()?.give(&self.card, area)
    }

    fn show(&mut self, shown: &Shown) -> Result<(), DisplayError> {
        self.finish_flip()?;
        self.check()?;
        self.lacks_frame = false;
        self.pair.miss(shown.damage);
        let picture = (!self.pair.is_current()).then(|| self.pair.draw(shown.picture));
        match self.layer.as_mut().map(|layer| layer.show(&self.card, shown.layer, picture)) {
            Some(Ok(true)) => {
                self.flip = Some(Instant::now());
                if picture.is_some() {
                    self.pair.turn();
                }
                return Ok(());
            }
            Some(Err(cause)) => self.give_layer_up(cause),
            Some(Ok(false)) | None => {}
        }
        picture.map_or(Ok(()), |framebuffer| self.turn(framebuffer))
    }

    fn wants_picture(&self) -> bool {
        self.lacks_frame
    }

    fn check(&mut self) -> Result<(), DisplayError> {
        // Before each picture: memory of a card that is gone must not be written to.
        self.is_there()?;
        if self.checked.elapsed() < CHECK {
            return Ok(());
        }
        self.checked = Instant::now();
        let info = self.card.get_connector(self.connector, false);
        match info.map_err(|cause| self.error("be asked whether it is there", cause))?.state() {
            connector::State::Disconnected => Err(DisplayError::Unplugged { screen: self.name.clone() }),
            _ => Ok(()),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = self.finish_flip(); // a driver that hangs was told of, or is left alone
        if let Some(layer) = &mut self.layer {
            layer.close(&self.card); // before the console comes back: it would stand over it
        }
        let (mode, framebuffer) = (self.before.mode(), self.before.framebuffer());
        let restored = match (mode, framebuffer, self.was_ours) {
            (Some(mode), Some(framebuffer), true) => {
                let (at, connectors) = (self.before.position(), [self.connector]);
                self.card.set_crtc(self.crtc, Some(framebuffer), at, &connectors, Some(mode))
            }
            _ => self.card.set_crtc(self.crtc, None, (0, 0), &[], None),
        };
        if let Err(error) = restored {
            debug!("{}: what it showed before cannot be put back: {error}", self.name); // a card that is gone, most often
        }
        self.pair.destroy(&self.card);
    }
}
