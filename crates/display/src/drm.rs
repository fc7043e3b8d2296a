//! Screen on a graphics card by the kernel's mode setting (KMS), without X or Wayland.

use std::path::Path;
use std::time::{Duration, Instant};

use drm::Device as _;
use drm::control::Device as _;
use drm::control::{Event, PageFlipFlags, connector, crtc, framebuffer};
use log::{debug, warn};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::pixel_packing::PixelLayout;
use crate::reconnect::{Device, Reconnecting};
use crate::{DisplayError, FramePlacement, ScreenUpdate};
use phicam_frame::{Rect, Size};

mod card;
mod double_buffer;
mod dumb_buffer;
mod mode;
mod output_request;
mod overlay_plane;
mod plane_selection;
use card::{Card, Connector};
use double_buffer::DoubleBuffer;
pub use mode::Mode;
pub use output_request::OutputRequest;
use overlay_plane::OverlayPlane;

/// Longest wait for a page-flip event, after which the driver is taken to hang. An estimate: 100 times the 50 ms of a
/// slow refresh.
const FLIP_TIMEOUT: Duration = Duration::from_secs(5);
/// Interval between checks for the card during that wait: an estimate, a twentieth of the timeout.
const FLIP_POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Interval between checks for the connector: as often as a lost screen is looked for.
const CONNECTOR_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Size of updates before a missing screen is connected: 720p, the default size of PNG files.
const UNKNOWN_SIZE: Size = Size::new(1280, 720);

/// KMS display that survives the loss of its screen.
pub type Drm = Reconnecting<Output>;

impl Drm {
    /// Opens the screen now; waits for one if there is a card without a connected screen.
    pub fn open_or_wait(request: OutputRequest) -> Result<Drm, DisplayError> {
        match Reconnecting::open(request.clone()) {
            Err(error @ DisplayError::NotConnected { .. }) => {
                warn!("{error}; the screen is looked for every second");
                let name = request.connector.as_deref().unwrap_or("any connector");
                Ok(Reconnecting::missing(request.clone(), format!("drm:{name}"), UNKNOWN_SIZE))
            }
            opened => opened,
        }
    }
}

/// Connector with its CRTC, mode and buffers.
pub struct Output {
    card: Card,
    name: String,
    connector: connector::Handle,
    crtc: crtc::Handle,
    mode: drm::control::Mode,
    /// State of the CRTC before this program used it.
    previous: crtc::Info,
    /// Whether the CRTC drove this connector before.
    drove_connector: bool,
    buffers: DoubleBuffer,
    /// Plane for the frame, if the card has one.
    overlay_plane: Option<OverlayPlane>,
    /// Whether the overlay plane was disabled, and no update has drawn the frame into the canvas since.
    frame_missing: bool,
    /// Start of the page flip that the driver has not finished.
    pending_flip: Option<Instant>,
    /// Whether the driver changes buffers without setting the mode again.
    supports_flips: bool,
    last_connector_check: Instant,
}

impl Output {
    fn ioctl_error(&self, ioctl: &'static str, cause: std::io::Error) -> DisplayError {
        self.card.ioctl_error(&self.name, ioctl, cause)
    }

    /// Waits until the pending page flip is finished.
    fn wait_for_flip(&mut self) -> Result<(), DisplayError> {
        while let Some(start) = self.pending_flip {
            let interval = Timespec { tv_sec: 0, tv_nsec: FLIP_POLL_INTERVAL.subsec_nanos().into() };
            let ready = match poll(&mut [PollFd::new(&self.card, PollFlags::IN)], Some(&interval)) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) => {
                    // A card that is gone sends no more events.
                    self.check_card().inspect_err(|_| self.pending_flip = None)?;
                    // Only after a poll: the event may have been queued long ago, while nothing was drawn.
                    if start.elapsed() >= FLIP_TIMEOUT {
                        self.pending_flip = None;
                        let limit_s = FLIP_TIMEOUT.as_secs();
                        return Err(DisplayError::FlipTimeout { screen: self.name.clone(), limit_s });
                    }
                    continue;
                }
                ready => ready,
            };
            ready.map_err(|cause| self.ioctl_error("poll for the page-flip event", cause.into()))?;
            let events = self.card.receive_events();
            let events = events.map_err(|cause| self.ioctl_error("read of the page-flip event", cause))?;
            for event in events {
                if matches!(event, Event::PageFlip(flip) if flip.crtc == self.crtc) {
                    self.pending_flip = None;
                }
            }
        }
        Ok(())
    }

    /// Disables the overlay plane until the screen is opened again; the frame is then drawn into the canvas.
    fn disable_overlay_plane(&mut self, cause: std::io::Error) {
        warn!(
            "display {}: overlay plane disabled, the frame is drawn without it: DRM_IOCTL_MODE_ATOMIC failed: {cause}",
            self.name()
        );
        if let Some(mut plane) = self.overlay_plane.take() {
            plane.close(&self.card);
        }
        self.frame_missing = true;
    }

    /// Returns an error if the card is gone.
    fn check_card(&self) -> Result<(), DisplayError> {
        let info = self.card.get_crtc(self.crtc);
        info.map_err(|cause| self.ioctl_error("DRM_IOCTL_MODE_GETCRTC", cause)).map(drop)
    }

    /// Shows the back buffer, which is `framebuffer`.
    fn swap_buffers(&mut self, framebuffer: framebuffer::Handle) -> Result<(), DisplayError> {
        if self.supports_flips {
            match self.card.page_flip(self.crtc, framebuffer, PageFlipFlags::EVENT, None) {
                Ok(()) => self.pending_flip = Some(Instant::now()),
                Err(cause) if card::is_unsupported(&cause) => {
                    debug!("DRM_IOCTL_MODE_PAGE_FLIP failed on {}: {cause}; using DRM_IOCTL_MODE_SETCRTC", self.name);
                    self.supports_flips = false;
                }
                Err(cause) => return Err(self.ioctl_error("DRM_IOCTL_MODE_PAGE_FLIP", cause)),
            }
        }
        if !self.supports_flips {
            let set = self.card.set_crtc(self.crtc, Some(framebuffer), (0, 0), &[self.connector], Some(self.mode));
            set.map_err(|cause| self.ioctl_error("DRM_IOCTL_MODE_SETCRTC", cause))?;
        }
        self.buffers.swap();
        Ok(())
    }

    /// Allocates two buffers in the first pixel layout that the driver supports, and shows one of them.
    fn show_first_buffer(card: &Card, target: &Connector, crtc: crtc::Handle) -> std::io::Result<DoubleBuffer> {
        let (width, height) = target.mode.size();
        let size = Size::new(width.into(), height.into());
        let mut first_error = None;
        for layout in [PixelLayout::XRGB8888, PixelLayout::RGB565] {
            let shown = DoubleBuffer::new(card, size, layout).and_then(|buffers| {
                let set = card.set_crtc(crtc, Some(buffers.front()), (0, 0), &[target.handle], Some(target.mode));
                set.inspect_err(|_| buffers.destroy(card)).map(|()| buffers)
            });
            match shown {
                Ok(buffers) => return Ok(buffers),
                Err(error) if card::is_unsupported(&error) => {
                    let bits = layout.bits_per_pixel();
                    debug!("{}: the driver refused buffers of {bits} bits per pixel: {error}", target.name);
                    first_error = first_error.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        Err(first_error.unwrap_or_else(|| std::io::ErrorKind::Unsupported.into()))
    }

    fn open_on(card: Card, request: &OutputRequest) -> Result<Output, DisplayError> {
        let target = card.find_connector(request.connector.as_deref(), request.mode)?;
        card.acquire_master_lock().map_err(|_| DisplayError::Busy { path: card.path().into() })?;
        let (crtc, drove_connector) = card.find_crtc(&target)?;
        let ioctl_error = |ioctl| {
            let (card, target) = (&card, &target);
            move |cause| card.ioctl_error(&target.name, ioctl, cause)
        };
        let previous = card.get_crtc(crtc).map_err(ioctl_error("DRM_IOCTL_MODE_GETCRTC"))?;
        let buffers = Output::show_first_buffer(&card, &target, crtc)
            .map_err(ioctl_error("DRM_IOCTL_MODE_CREATE_DUMB or DRM_IOCTL_MODE_SETCRTC"))?;
        let Connector { handle: connector, name, mode, .. } = target;
        let overlay_plane = OverlayPlane::new(&card, full_name(&card, &name), crtc);
        Ok(Output {
            card,
            name,
            connector,
            crtc,
            mode,
            previous,
            drove_connector,
            buffers,
            overlay_plane,
            frame_missing: false,
            pending_flip: None,
            supports_flips: true,
            last_connector_check: Instant::now(),
        })
    }
}

/// Returns a name such as `drm:HDMI-A-1 (/dev/dri/card0)`.
fn full_name(card: &Card, screen: &str) -> String {
    format!("drm:{screen} ({})", card.path().display())
}

impl Device for Output {
    type Settings = OutputRequest;

    fn open(request: &mut OutputRequest) -> Result<Output, DisplayError> {
        let mut failure = None;
        for path in card::candidate_paths(request.device.as_deref(), request.hardware.as_deref()) {
            match Card::open(&path).and_then(|card| Output::open_on(card, request)) {
                Ok(output) => {
                    request.hardware = card::hardware(&path);
                    return Ok(output);
                }
                Err(error) => failure = Some(card::more_helpful(failure, error)),
            }
        }
        let path = || request.device.clone().unwrap_or_else(|| Path::new(card::DRI_FOLDER).join("card0"));
        Err(failure.unwrap_or_else(|| DisplayError::NoDevice { path: path() }))
    }

    fn name(&self) -> String {
        full_name(&self.card, &self.name)
    }

    fn size(&self) -> Size {
        self.buffers.size()
    }

    fn place_frame(&mut self, area: Rect) -> FramePlacement {
        let layer_size = self.overlay_plane.as_mut().and_then(|plane| plane.reserve(&self.card, area));
        layer_size.map_or(FramePlacement::Canvas, FramePlacement::Layer)
    }

    fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError> {
        self.wait_for_flip()?;
        self.check()?;
        self.frame_missing = false;
        self.buffers.mark_damaged(update.damage);
        let primary = (!self.buffers.is_up_to_date()).then(|| self.buffers.draw_back(update.canvas, &[]));
        match self.overlay_plane.as_mut().map(|plane| plane.show(&self.card, update.layer, primary)) {
            Some(Ok(true)) => {
                self.pending_flip = Some(Instant::now());
                if primary.is_some() {
                    self.buffers.swap();
                }
                return Ok(());
            }
            Some(Err(cause)) => self.disable_overlay_plane(cause),
            Some(Ok(false)) | None => {}
        }
        primary.map_or(Ok(()), |framebuffer| self.swap_buffers(framebuffer))
    }

    fn needs_redraw(&self) -> bool {
        self.frame_missing
    }

    fn check(&mut self) -> Result<(), DisplayError> {
        // Before each update: the memory of a card that is gone must not be written.
        self.check_card()?;
        if self.last_connector_check.elapsed() < CONNECTOR_CHECK_INTERVAL {
            return Ok(());
        }
        self.last_connector_check = Instant::now();
        let info = self.card.get_connector(self.connector, false);
        match info.map_err(|cause| self.ioctl_error("DRM_IOCTL_MODE_GETCONNECTOR", cause))?.state() {
            connector::State::Disconnected => Err(DisplayError::Unplugged { screen: self.name.clone() }),
            _ => Ok(()),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = self.wait_for_flip(); // A driver that hangs was reported, or the program is ending.
        if let Some(plane) = &mut self.overlay_plane {
            plane.close(&self.card); // Before the console is restored: the plane would cover it.
        }
        let restored = match (self.previous.mode(), self.previous.framebuffer(), self.drove_connector) {
            (Some(mode), Some(framebuffer), true) => {
                let position = self.previous.position();
                self.card.set_crtc(self.crtc, Some(framebuffer), position, &[self.connector], Some(mode))
            }
            _ => self.card.set_crtc(self.crtc, None, (0, 0), &[], None),
        };
        if let Err(error) = restored {
            // Most often the card is gone.
            debug!("DRM_IOCTL_MODE_SETCRTC failed on {}: {error}; its previous content is not restored", self.name);
        }
        self.buffers.destroy(&self.card);
    }
}
