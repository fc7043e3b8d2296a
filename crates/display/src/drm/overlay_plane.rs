//! The frame on a plane of its own: drawn small, scaled by the card while the screen is drawn.

use std::io;

use drm::control::atomic::AtomicModeReq;
use drm::control::{AtomicCommitFlags, Device as _, crtc, framebuffer};
use log::{Level, debug, info, log};

use super::super::pixel_packing::Packing;
use super::card::Card;
use super::double_buffer::Pair;
use super::plane_selection;
use super::plane_selection::Plane;
use phicam_frame::Rect;
use phicam_frame::Size;

/// A frame is drawn with about as many pixels at most: a small processor draws them many times a second.
const MOST_PIXELS: u32 = 640 * 360;

/// See the module.
pub struct Layer {
    /// Which display, for messages.
    name: String,
    crtc: crtc::Handle,
    /// What shows everything but the frame.
    picture: Plane,
    planes: Vec<Plane>,
    /// The area that was asked for last, and what it was given.
    asked: Option<Rect>,
    given: Option<Given>,
    on: Option<On>,
    /// Buffers of other sizes, which may be shown until the next commit.
    old: Vec<Pair>,
    /// Whether it was told that the frame is on a plane, and that none takes it: each once.
    told: Told,
}

#[derive(Default)]
struct Told {
    on: bool,
    refused: bool,
}

/// Buffers for an area, and which of the planes shows them.
struct Given {
    area: Rect,
    plane: usize,
    pair: Pair,
}

/// What a plane shows, and where.
#[derive(Clone, Copy, PartialEq)]
struct On {
    plane: usize,
    framebuffer: framebuffer::Handle,
    size: Size,
    area: Rect,
}

impl Layer {
    /// A layer above the picture that `crtc` shows, where the card has one; why not is told.
    pub fn new(card: &Card, name: String, crtc: crtc::Handle) -> Option<Layer> {
        match plane_selection::find(card, crtc) {
            Ok((picture, planes)) => {
                let (asked, given, on, old, told) = (None, None, None, Vec::new(), Told::default());
                Some(Layer { name, crtc, picture, planes, asked, given, on, old, told })
            }
            Err(why) => {
                info!("display {name}: no plane of its own for the frame: {why}");
                None
            }
        }
    }

    /// The size in which the frame is to be drawn so that a plane shows it over `area`; nothing where none can.
    pub fn give(&mut self, card: &Card, area: Rect) -> Option<Size> {
        if self.asked != Some(area) {
            self.asked = Some(area);
            let size = drawn_size(area);
            let pair = match self.given.take() {
                Some(given) if given.pair.size() == size => Ok(given.pair),
                other => {
                    self.old.extend(other.map(|given| given.pair));
                    Pair::new(card, size, Packing::XRGB8888)
                }
            };
            match pair.and_then(|pair| self.find_plane(card, pair, area)) {
                Ok(given) => self.given = Some(given),
                Err(cause) => self.tell_refusal(size, area, &cause),
            }
        }
        self.given.as_ref().map(|given| given.pair.size())
    }

    /// The first plane that the driver would have show `pair` over `area`.
    fn find_plane(&mut self, card: &Card, pair: Pair, area: Rect) -> io::Result<Given> {
        let mut refused = None;
        for plane in 0..self.planes.len() {
            let wanted = On { plane, framebuffer: pair.shown(), size: pair.size(), area };
            match card.atomic_commit(AtomicCommitFlags::TEST_ONLY, self.request(Some(wanted), None)) {
                Ok(()) => return Ok(Given { area, plane, pair }),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        self.old.push(pair);
        Err(refused.unwrap_or_else(|| io::ErrorKind::Unsupported.into()))
    }

    fn tell_refusal(&mut self, size: Size, area: Rect, cause: &io::Error) {
        let level = if self.told.refused { Level::Debug } else { Level::Info };
        self.told.refused = true;
        let Rect { width, height, .. } = area;
        let verb = if size == Size::new(width, height) { "show" } else { "scale" };
        let why = format_args!("its driver does not {verb} {size} over {width}×{height} ({cause})");
        log!(level, "display {}: no plane of its own for the frame: {why}", self.name);
    }

    fn request(&self, wanted: Option<On>, picture: Option<framebuffer::Handle>) -> AtomicModeReq {
        let mut request = AtomicModeReq::new();
        if let Some(framebuffer) = picture {
            self.picture.put_buffer(&mut request, framebuffer);
        }
        if let Some(on) = self.on.filter(|on| wanted.is_none_or(|wanted| wanted.plane != on.plane)) {
            self.planes[on.plane].put_off(&mut request);
        }
        if let Some(On { plane, framebuffer, size, area }) = wanted {
            self.planes[plane].put_over(&mut request, self.crtc, framebuffer, size, area);
        }
        request
    }

    /// Has the card show `frame`, or no frame, at its next picture, and together with that the buffer `picture` where that
    /// is another one. False where the frame's plane stays as it is: nothing was asked of the card then. No other picture
    /// may be on its way.
    pub fn show(
        &mut self,
        card: &Card,
        frame: Option<crate::Layer>,
        picture: Option<framebuffer::Handle>,
    ) -> io::Result<bool> {
        let on = self.on;
        self.old.retain(|pair| {
            let shown = on.is_some_and(|on| pair.has(on.framebuffer));
            if !shown {
                pair.destroy(card);
            }
            shown
        });
        let mut drawn = false;
        let wanted = frame.zip(self.given.as_mut()).map(|(frame, Given { area, plane, pair })| {
            if frame.is_new {
                pair.miss(&[frame.picture.area()]);
            }
            drawn = !pair.is_current();
            let framebuffer = if drawn { pair.draw(frame.picture) } else { pair.shown() };
            On { plane: *plane, framebuffer, size: pair.size(), area: *area }
        });
        if wanted == self.on {
            return Ok(false);
        }
        let flags = AtomicCommitFlags::NONBLOCK | AtomicCommitFlags::PAGE_FLIP_EVENT;
        card.atomic_commit(flags, self.request(wanted, picture))?;
        self.on = wanted;
        if let Some(given) = self.given.as_mut().filter(|_| drawn) {
            given.pair.turn();
        }
        if let Some(On { size, area, .. }) = wanted
            && !std::mem::replace(&mut self.told.on, true)
        {
            info!(
                "display {}: the frame has a plane of its own, {size} over {}×{}",
                self.name, area.width, area.height
            );
        }
        Ok(true)
    }

    /// Leaves the card without frame and without what this layer had of it.
    pub fn close(&mut self, card: &Card) {
        if self.on.is_some()
            && let Err(error) = card.atomic_commit(AtomicCommitFlags::empty(), self.request(None, None))
        {
            debug!("{}: the frame's plane cannot be turned off: {error}", self.name); // a card that is gone, most often
        }
        self.on = None;
        self.old.extend(self.given.take().map(|given| given.pair));
        self.old.drain(..).for_each(|pair| pair.destroy(card)); // whatever still shows one shows nothing then
    }
}

/// How large to draw what is shown over `area`: of its shape, and no larger than a small processor draws easily.
fn drawn_size(area: Rect) -> Size {
    let pixels = f64::from(area.width) * f64::from(area.height);
    if pixels <= f64::from(MOST_PIXELS) {
        return Size::new(area.width, area.height);
    }
    let share = (f64::from(MOST_PIXELS) / pixels).sqrt();
    // Some cards scale even widths alone.
    let even = |length: u32| ((f64::from(length) * share / 2.0).round() as u32 * 2).max(2);
    Size::new(even(area.width), even(area.height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_drawn_in_the_shape_of_its_area_and_never_large() {
        for (width, height, drawn) in [
            (560, 315, (560, 315)),
            (640, 360, (640, 360)),
            (1344, 756, (640, 360)),
            (2688, 1512, (640, 360)),
            (1200, 900, (554, 416)),
            (7000, 50, (5680, 40)),
            (9000, 1, (9000, 1)),
        ] {
            let size = drawn_size(Rect { left: 0, top: 9, width, height });
            assert_eq!((size.width, size.height), drawn, "{width}×{height}");
        }
    }
}
