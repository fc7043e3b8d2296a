//! Planes: pictures that the card lays over one another, each perhaps scaled, while the screen is drawn.

use std::collections::HashMap;
use std::io;

use drm::buffer::DrmFourcc;
use drm::control::atomic::AtomicModeReq;
use drm::control::{Device as _, PlaneType, RawResourceHandle, crtc, framebuffer, plane, property};
use drm::{ClientCapability, Device as _};

use super::card::Card;
use phicam_frame::Rect;
use phicam_frame::Size;

/// `DRM_MODE_ROTATE_0` of the kernel.
const UPRIGHT: u64 = 1;

/// A plane with its properties: their numbers and values.
pub struct Plane {
    handle: plane::Handle,
    properties: HashMap<String, (property::Handle, property::RawValue)>,
}

/// What decides whether a plane will do for the frame.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// Whether it is neither a screen's first plane nor its pointer.
    overlay: bool,
    /// Whether it can be on the screen in question.
    reaches: bool,
    xrgb8888: bool,
    /// Whether something is on it, of another screen or another program.
    in_use: bool,
    /// Planes with a higher number cover those with a lower; overlays cover the first plane where nothing is said.
    height: Option<u64>,
}

/// Which of `planes` would do above one at `height`, or what all of them lack.
pub fn suitable(planes: &[Traits], height: Option<u64>) -> Result<Vec<usize>, &'static str> {
    let is_above = |plane: &Traits| plane.height.zip(height).is_none_or(|(its, below)| its > below);
    type Rule<'a> = (&'a dyn Fn(&Traits) -> bool, &'static str);
    let rules: [Rule; 5] = [
        (&|plane| plane.overlay, "its driver has no overlay plane"),
        (&|plane| plane.reaches, "no overlay plane can be on this screen"),
        (&|plane| plane.xrgb8888, "no overlay plane takes XRGB8888"),
        (&|plane| !plane.in_use, "every overlay plane is in use"),
        (&is_above, "no overlay plane is above the picture"),
    ];
    let mut left: Vec<usize> = (0..planes.len()).collect();
    for (does, lack) in rules {
        left.retain(|&place| does(&planes[place]));
        if left.is_empty() {
            return Err(lack);
        }
    }
    Ok(left)
}

/// The plane that shows the picture on `crtc`, and those that could show the frame above it; or why there are none.
pub fn find(card: &Card, crtc: crtc::Handle) -> Result<(Plane, Vec<Plane>), String> {
    let atomic = card.set_client_capability(ClientCapability::Atomic, true);
    atomic.map_err(|error| format!("its driver does not change several planes at once ({error})"))?;
    let failed = |error: io::Error| format!("its driver does not tell its planes ({error})");
    let (mut picture, mut planes, mut traits) = (None, Vec::new(), Vec::new());
    let resources = card.resource_handles().map_err(failed)?;
    for handle in card.plane_handles().map_err(failed)? {
        let info = card.get_plane(handle).map_err(failed)?;
        let plane = Plane::new(card, handle).map_err(failed)?;
        let kind = plane.value("type");
        if kind == Some(PlaneType::Primary as u64) && info.crtc() == Some(crtc) {
            picture = Some(plane);
            continue;
        }
        traits.push(Traits {
            overlay: kind == Some(PlaneType::Overlay as u64),
            reaches: resources.filter_crtcs(info.possible_crtcs()).contains(&crtc),
            xrgb8888: info.formats().contains(&(DrmFourcc::Xrgb8888 as u32)),
            in_use: info.crtc().is_some() || info.framebuffer().is_some(),
            height: plane.value("zpos"),
        });
        planes.push(plane);
    }
    let picture = picture.ok_or("its driver does not tell which plane shows the picture")?;
    let suitable = suitable(&traits, picture.value("zpos"))?;
    let places = planes.into_iter().enumerate().filter(|(place, _)| suitable.contains(place));
    Ok((picture, places.map(|(_, plane)| plane).collect()))
}

impl Plane {
    fn new(card: &Card, handle: plane::Handle) -> io::Result<Plane> {
        let mut properties = HashMap::new();
        for (&property, &value) in card.get_properties(handle)?.iter() {
            let name = card.get_property(property)?.name().to_string_lossy().into_owned();
            properties.insert(name, (property, value));
        }
        Ok(Plane { handle, properties })
    }

    fn value(&self, name: &str) -> Option<u64> {
        self.properties.get(name).map(|(_, value)| *value)
    }

    /// Puts a value into a request; not every plane has `alpha` and `rotation`, all have the others.
    fn put(&self, request: &mut AtomicModeReq, name: &str, value: u64) {
        if let Some(&(property, _)) = self.properties.get(name) {
            request.add_raw_property(self.handle.into(), property, value);
        }
    }

    /// Asks for another buffer, where everything else stays.
    pub fn put_buffer(&self, request: &mut AtomicModeReq, framebuffer: framebuffer::Handle) {
        self.put(request, "FB_ID", number(framebuffer));
    }

    /// Asks for a whole buffer of `size` over `area` of the screen.
    pub fn put_over(
        &self,
        request: &mut AtomicModeReq,
        crtc: crtc::Handle,
        framebuffer: framebuffer::Handle,
        size: Size,
        area: Rect,
    ) {
        self.put_buffer(request, framebuffer);
        self.put(request, "CRTC_ID", number(crtc));
        for (name, pixels) in
            [("CRTC_X", area.left), ("CRTC_Y", area.top), ("CRTC_W", area.width), ("CRTC_H", area.height)]
        {
            self.put(request, name, pixels.into());
        }
        // In parts of a pixel, 65,536 of them.
        for (name, pixels) in [("SRC_X", 0), ("SRC_Y", 0), ("SRC_W", size.width), ("SRC_H", size.height)] {
            self.put(request, name, u64::from(pixels) << 16);
        }
        // Whoever had the plane before may have left it see-through, or upside down.
        self.put(request, "alpha", 0xffff);
        self.put(request, "rotation", UPRIGHT);
    }

    /// Asks for nothing on this plane.
    pub fn put_off(&self, request: &mut AtomicModeReq) {
        self.put(request, "FB_ID", 0);
        self.put(request, "CRTC_ID", 0);
    }
}

fn number(handle: impl Into<RawResourceHandle>) -> u64 {
    handle.into().get().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_free_overlay_plane_above_the_picture_that_takes_its_pixels_will_do() {
        let good = Traits { overlay: true, reaches: true, xrgb8888: true, in_use: false, height: Some(3) };
        let first = Traits { overlay: false, ..good };
        assert_eq!(suitable(&[first, good, good], Some(0)), Ok(vec![1, 2]));
        for (bad, lack) in [
            (first, "no overlay plane"),
            (Traits { reaches: false, ..good }, "on this screen"),
            (Traits { xrgb8888: false, ..good }, "XRGB8888"),
            (Traits { in_use: true, ..good }, "in use"),
            (Traits { height: Some(1), ..good }, "above"),
        ] {
            let refused = suitable(&[bad], Some(1)).unwrap_err();
            assert!(refused.contains(lack), "{refused}");
            assert_eq!(suitable(&[bad, good, first], Some(1)), Ok(vec![1]), "{lack}");
        }
        assert!(suitable(&[], None).is_err());
    }

    #[test]
    fn where_nothing_is_said_of_heights_an_overlay_is_above() {
        let silent = Traits { overlay: true, reaches: true, xrgb8888: true, in_use: false, height: None };
        assert_eq!(suitable(&[silent], None), Ok(vec![0]));
        assert_eq!(suitable(&[silent], Some(7)), Ok(vec![0]));
        assert_eq!(suitable(&[Traits { height: Some(0), ..silent }], None), Ok(vec![0]));
    }
}
