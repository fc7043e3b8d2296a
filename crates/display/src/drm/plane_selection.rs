//! Planes of a graphics card: layers that it scales and composes during scan-out.

use std::collections::HashMap;
use std::io;

use drm::buffer::DrmFourcc;
use drm::control::atomic::AtomicModeReq;
use drm::control::{Device as _, PlaneType, RawResourceHandle, crtc, framebuffer, plane, property};
use drm::{ClientCapability, Device as _};

use super::card::Card;
use phicam_frame::{Rect, Size};

/// `DRM_MODE_ROTATE_0` of drm/drm_mode.h.
const ROTATE_0: u64 = 1;

/// Plane with its properties: their handles and values.
pub struct Plane {
    handle: plane::Handle,
    properties: HashMap<String, (property::Handle, property::RawValue)>,
}

/// Properties that decide whether a plane can show the frame.
#[derive(Clone, Copy, Debug)]
pub struct PlaneTraits {
    /// Whether it is an overlay plane, neither primary nor cursor.
    is_overlay: bool,
    /// Whether it can be assigned to the CRTC of the screen.
    supports_crtc: bool,
    supports_argb8888: bool,
    /// Whether another screen or another program uses it.
    in_use: bool,
    /// Planes with a higher value cover those with a lower one. Without values, overlay planes cover the primary plane.
    zpos: Option<u64>,
}

/// Returns the indices of the `planes` that can show the frame above a primary plane at `primary_zpos`, or the property
/// that all of them lack.
pub fn select_planes(planes: &[PlaneTraits], primary_zpos: Option<u64>) -> Result<Vec<usize>, &'static str> {
    let is_above = |plane: &PlaneTraits| plane.zpos.zip(primary_zpos).is_none_or(|(zpos, primary)| zpos > primary);
    type Rule<'a> = (&'a dyn Fn(&PlaneTraits) -> bool, &'static str);
    let rules: [Rule; 5] = [
        (&|plane| plane.is_overlay, "the driver has no overlay plane"),
        (&|plane| plane.supports_crtc, "no overlay plane supports the CRTC of this screen"),
        (&|plane| plane.supports_argb8888, "no overlay plane supports ARGB8888"),
        (&|plane| !plane.in_use, "every overlay plane is in use"),
        (&is_above, "no overlay plane is above the primary plane"),
    ];
    let mut candidates: Vec<usize> = (0..planes.len()).collect();
    for (matches, lack) in rules {
        candidates.retain(|&index| matches(&planes[index]));
        if candidates.is_empty() {
            return Err(lack);
        }
    }
    Ok(candidates)
}

/// Returns the primary plane of `crtc` and the planes that can show the frame above it, or the reason why there are
/// none.
pub fn find_planes(card: &Card, crtc: crtc::Handle) -> Result<(Plane, Vec<Plane>), String> {
    let atomic = card.set_client_capability(ClientCapability::Atomic, true);
    atomic.map_err(|error| format!("the driver has no atomic mode setting (DRM_IOCTL_SET_CLIENT_CAP: {error})"))?;
    let ioctl_error = |ioctl: &'static str| move |error: io::Error| format!("{ioctl} failed: {error}");
    let mut primary = None;
    let mut planes = Vec::new();
    let mut traits = Vec::new();
    let resources = card.resource_handles().map_err(ioctl_error("DRM_IOCTL_MODE_GETRESOURCES"))?;
    for handle in card.plane_handles().map_err(ioctl_error("DRM_IOCTL_MODE_GETPLANERESOURCES"))? {
        let info = card.get_plane(handle).map_err(ioctl_error("DRM_IOCTL_MODE_GETPLANE"))?;
        let plane = Plane::new(card, handle).map_err(ioctl_error("DRM_IOCTL_MODE_OBJ_GETPROPERTIES"))?;
        let kind = plane.value("type");
        if kind == Some(PlaneType::Primary as u64) && info.crtc() == Some(crtc) {
            primary = Some(plane);
            continue;
        }
        traits.push(PlaneTraits {
            is_overlay: kind == Some(PlaneType::Overlay as u64),
            supports_crtc: resources.filter_crtcs(info.possible_crtcs()).contains(&crtc),
            supports_argb8888: info.formats().contains(&(DrmFourcc::Argb8888 as u32)),
            in_use: info.crtc().is_some() || info.framebuffer().is_some(),
            zpos: plane.value("zpos"),
        });
        planes.push(plane);
    }
    let primary = primary.ok_or("the driver does not report the primary plane of this screen")?;
    let selected = select_planes(&traits, primary.value("zpos"))?;
    let planes = planes.into_iter().enumerate().filter(|(index, _)| selected.contains(index));
    Ok((primary, planes.map(|(_, plane)| plane).collect()))
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

    /// Adds a value to a request, if the plane has the property; `alpha` and `rotation` are optional.
    fn add(&self, request: &mut AtomicModeReq, name: &str, value: u64) {
        if let Some(&(property, _)) = self.properties.get(name) {
            request.add_raw_property(self.handle.into(), property, value);
        }
    }

    /// Requests another buffer; the other properties of the plane stay.
    pub fn add_buffer(&self, request: &mut AtomicModeReq, framebuffer: framebuffer::Handle) {
        self.add(request, "FB_ID", raw_handle(framebuffer));
    }

    /// Requests a buffer of `size`, scaled over `area` of the screen.
    pub fn add_placement(
        &self,
        request: &mut AtomicModeReq,
        crtc: crtc::Handle,
        framebuffer: framebuffer::Handle,
        size: Size,
        area: Rect,
    ) {
        self.add_buffer(request, framebuffer);
        self.add(request, "CRTC_ID", raw_handle(crtc));
        for (name, pixels) in
            [("CRTC_X", area.left), ("CRTC_Y", area.top), ("CRTC_W", area.width), ("CRTC_H", area.height)]
        {
            self.add(request, name, pixels.into());
        }
        // Source coordinates are fixed-point numbers with 16 fractional bits.
        for (name, pixels) in [("SRC_X", 0), ("SRC_Y", 0), ("SRC_W", size.width), ("SRC_H", size.height)] {
            self.add(request, name, u64::from(pixels) << 16);
        }
        // A previous user may have left the plane transparent or rotated.
        self.add(request, "alpha", 0xffff);
        self.add(request, "rotation", ROTATE_0);
    }

    /// Requests that the plane is disabled.
    pub fn add_disable(&self, request: &mut AtomicModeReq) {
        self.add(request, "FB_ID", 0);
        self.add(request, "CRTC_ID", 0);
    }
}

fn raw_handle(handle: impl Into<RawResourceHandle>) -> u64 {
    handle.into().get().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection_needs_a_free_overlay_plane_above_the_primary() {
        let suitable = PlaneTraits {
            is_overlay: true,
            supports_crtc: true,
            supports_argb8888: true,
            in_use: false,
            zpos: Some(3),
        };
        let primary = PlaneTraits { is_overlay: false, ..suitable };
        assert_eq!(select_planes(&[primary, suitable, suitable], Some(0)), Ok(vec![1, 2]));
        for (unsuitable, lack) in [
            (primary, "no overlay plane"),
            (PlaneTraits { supports_crtc: false, ..suitable }, "of this screen"),
            (PlaneTraits { supports_argb8888: false, ..suitable }, "ARGB8888"),
            (PlaneTraits { in_use: true, ..suitable }, "in use"),
            (PlaneTraits { zpos: Some(1), ..suitable }, "above"),
        ] {
            let reason = select_planes(&[unsuitable], Some(1)).unwrap_err();
            assert!(reason.contains(lack), "{reason}");
            assert_eq!(select_planes(&[unsuitable, suitable, primary], Some(1)), Ok(vec![1]), "{lack}");
        }
        assert!(select_planes(&[], None).is_err());
    }

    #[test]
    fn overlay_plane_without_zpos_is_above_the_primary() {
        let unordered =
            PlaneTraits { is_overlay: true, supports_crtc: true, supports_argb8888: true, in_use: false, zpos: None };
        assert_eq!(select_planes(&[unordered], None), Ok(vec![0]));
        assert_eq!(select_planes(&[unordered], Some(7)), Ok(vec![0]));
        assert_eq!(select_planes(&[PlaneTraits { zpos: Some(0), ..unordered }], None), Ok(vec![0]));
    }
}
