//! Overlay plane with the frame: drawn small, scaled by the card during scan-out.
//!
//! It lies above the primary plane, and has transparent holes through which the label of the primary plane is seen.

use std::io;

use drm::control::atomic::AtomicModeReq;
use drm::control::{AtomicCommitFlags, Device as _, crtc, framebuffer};
use log::{Level, debug, info, log};

use super::card::Card;
use super::double_buffer::DoubleBuffer;
use super::plane_selection::{self, Plane};
use crate::FrameLayer;
use crate::pixel_packing::PixelLayout;
use phicam_frame::{Rect, Size};

/// Largest number of pixels of a scaled frame, about: a slow CPU draws it many times per second. An estimate: 640 × 360
/// is a quarter of the pixels of 720p.
const MAX_LAYER_PIXELS: u32 = 640 * 360;

/// Overlay plane above the primary plane, with its buffers.
pub struct OverlayPlane {
    /// Name of the display for messages.
    name: String,
    crtc: crtc::Handle,
    primary: Plane,
    /// Planes that can show the frame, of which one is used at a time.
    planes: Vec<Plane>,
    /// Area of the last request to [`OverlayPlane::reserve`].
    requested_area: Option<Rect>,
    /// Buffers for that area, if a plane can show them.
    reservation: Option<Reservation>,
    /// State of the last commit; `None` if no plane is used.
    committed: Option<PlaneState>,
    /// Buffers of other sizes, which may be shown until the next commit.
    retired: Vec<DoubleBuffer>,
    use_was_logged: bool,
    refusal_was_logged: bool,
}

/// Buffers for an area, and the index of the plane that can show them.
struct Reservation {
    area: Rect,
    plane: usize,
    buffers: DoubleBuffer,
}

/// Buffer and area of a plane.
#[derive(Clone, Copy, PartialEq)]
struct PlaneState {
    plane: usize,
    framebuffer: framebuffer::Handle,
    size: Size,
    area: Rect,
}

impl OverlayPlane {
    /// Finds the planes above the primary plane of `crtc`; returns `None` and logs the reason if there are none.
    pub fn new(card: &Card, name: String, crtc: crtc::Handle) -> Option<OverlayPlane> {
        match plane_selection::find_planes(card, crtc) {
            Ok((primary, planes)) => Some(OverlayPlane {
                name,
                crtc,
                primary,
                planes,
                requested_area: None,
                reservation: None,
                committed: None,
                retired: Vec::new(),
                use_was_logged: false,
                refusal_was_logged: false,
            }),
            Err(reason) => {
                info!("display {name}: the frame is drawn without an overlay plane: {reason}");
                None
            }
        }
    }

    /// Returns the size to draw a frame in that a plane scales over `area`; `None` if no plane can.
    pub fn reserve(&mut self, card: &Card, area: Rect) -> Option<Size> {
        if self.requested_area != Some(area) {
            self.requested_area = Some(area);
            let size = layer_size(area);
            let buffers = match self.reservation.take() {
                Some(reservation) if reservation.buffers.size() == size => Ok(reservation.buffers),
                other => {
                    self.retired.extend(other.map(|reservation| reservation.buffers));
                    DoubleBuffer::new(card, size, PixelLayout::ARGB8888)
                }
            };
            match buffers.and_then(|buffers| self.find_plane(card, buffers, area)) {
                Ok(reservation) => self.reservation = Some(reservation),
                Err(cause) => self.log_refusal(size, area, &cause),
            }
        }
        self.reservation.as_ref().map(|reservation| reservation.buffers.size())
    }

    /// Returns the first plane for which the driver accepts `buffers` over `area`.
    fn find_plane(&mut self, card: &Card, buffers: DoubleBuffer, area: Rect) -> io::Result<Reservation> {
        let mut first_error = None;
        for plane in 0..self.planes.len() {
            let state = PlaneState { plane, framebuffer: buffers.front(), size: buffers.size(), area };
            match card.atomic_commit(AtomicCommitFlags::TEST_ONLY, self.request(Some(state), None)) {
                Ok(()) => return Ok(Reservation { area, plane, buffers }),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        self.retired.push(buffers);
        Err(first_error.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
    }

    /// Logs the first refusal as info, and later ones for debugging.
    fn log_refusal(&mut self, size: Size, area: Rect, cause: &io::Error) {
        let level = if self.refusal_was_logged { Level::Debug } else { Level::Info };
        self.refusal_was_logged = true;
        let Rect { width, height, .. } = area;
        let verb = if size == Size::new(width, height) { "show" } else { "scale" };
        log!(
            level,
            "display {}: the frame is drawn without an overlay plane: the driver cannot {verb} {size} over \
             {width}×{height} (DRM_IOCTL_MODE_ATOMIC: {cause})",
            self.name
        );
    }

    fn request(&self, state: Option<PlaneState>, primary: Option<framebuffer::Handle>) -> AtomicModeReq {
        let mut request = AtomicModeReq::new();
        if let Some(framebuffer) = primary {
            self.primary.add_buffer(&mut request, framebuffer);
        }
        if let Some(committed) = self.committed.filter(|committed| state.is_none_or(|new| new.plane != committed.plane))
        {
            self.planes[committed.plane].add_disable(&mut request);
        }
        if let Some(PlaneState { plane, framebuffer, size, area }) = state {
            self.planes[plane].add_placement(&mut request, self.crtc, framebuffer, size, area);
        }
        request
    }

    /// Commits `layer`, or no layer, and in the same commit the buffer `primary` if there is a new one.
    ///
    /// Returns `false` without a commit if the plane does not change. No page flip may be pending.
    pub fn show(
        &mut self,
        card: &Card,
        layer: Option<FrameLayer>,
        primary: Option<framebuffer::Handle>,
    ) -> io::Result<bool> {
        let committed = self.committed;
        self.retired.retain(|buffers| {
            let is_shown = committed.is_some_and(|committed| buffers.contains(committed.framebuffer));
            if !is_shown {
                buffers.destroy(card);
            }
            is_shown
        });
        let mut is_drawn = false;
        let state = layer.zip(self.reservation.as_mut()).map(|(layer, Reservation { area, plane, buffers })| {
            if layer.is_new {
                buffers.mark_damaged(&[layer.canvas.area()]);
            }
            is_drawn = !buffers.is_up_to_date();
            let framebuffer = if is_drawn { buffers.draw_back(layer.canvas, layer.holes) } else { buffers.front() };
            PlaneState { plane: *plane, framebuffer, size: buffers.size(), area: *area }
        });
        if state == self.committed {
            return Ok(false);
        }
        let flags = AtomicCommitFlags::NONBLOCK | AtomicCommitFlags::PAGE_FLIP_EVENT;
        card.atomic_commit(flags, self.request(state, primary))?;
        self.committed = state;
        if let Some(reservation) = self.reservation.as_mut().filter(|_| is_drawn) {
            reservation.buffers.swap();
        }
        if let Some(PlaneState { size, area, .. }) = state
            && !std::mem::replace(&mut self.use_was_logged, true)
        {
            let Rect { width, height, .. } = area;
            info!("display {}: the frame uses an overlay plane, {size} over {width}×{height}", self.name);
        }
        Ok(true)
    }

    /// Disables the plane, and frees its buffers.
    pub fn close(&mut self, card: &Card) {
        if self.committed.is_some()
            && let Err(error) = card.atomic_commit(AtomicCommitFlags::empty(), self.request(None, None))
        {
            // Most often the card is gone.
            debug!("{}: DRM_IOCTL_MODE_ATOMIC failed: {error}; the overlay plane stays enabled", self.name);
        }
        self.committed = None;
        self.retired.extend(self.reservation.take().map(|reservation| reservation.buffers));
        // A plane that still shows one of these buffers shows nothing afterwards.
        self.retired.drain(..).for_each(|buffers| buffers.destroy(card));
    }
}

/// Returns the size to draw a layer for `area` in: the aspect ratio of `area`, and about [`MAX_LAYER_PIXELS`] at most.
fn layer_size(area: Rect) -> Size {
    let pixels = f64::from(area.width) * f64::from(area.height);
    if pixels <= f64::from(MAX_LAYER_PIXELS) {
        return Size::new(area.width, area.height);
    }
    let ratio = (f64::from(MAX_LAYER_PIXELS) / pixels).sqrt();
    // Some cards scale only even sizes.
    let even = |length: u32| ((f64::from(length) * ratio / 2.0).round() as u32 * 2).max(2);
    Size::new(even(area.width), even(area.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_size_keeps_the_aspect_ratio_and_the_pixel_limit() {
        for (width, height, expected) in [
            (560, 315, (560, 315)),
            (640, 360, (640, 360)),
            (1344, 756, (640, 360)),
            (2688, 1512, (640, 360)),
            (1200, 900, (554, 416)),
            (7000, 50, (5680, 40)),
            (9000, 1, (9000, 1)),
        ] {
            let size = layer_size(Rect { left: 0, top: 9, width, height });
            assert_eq!((size.width, size.height), expected, "{width}×{height}");
        }
    }
}
