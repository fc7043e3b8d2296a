//! Controls of a device node: enumeration, reading and writing.
#![allow(unsafe_code)] // unions; see the SAFETY comments
#![allow(non_upper_case_globals)] // the kernel's constants, as bindgen names them

use v4l::v4l_sys::*;
use v4l::v4l2::vidioc;

use super::{Node, Request, decode_text, request, zeros};
use crate::v4l2::error::CallError;

/// Control of the driver.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    pub id: u32,
    /// Name in the driver's spelling.
    pub name: String,
    pub kind: ControlKind,
    pub minimum: i64,
    pub maximum: i64,
    pub step: u64,
    pub default: i64,
    /// Whether another control, such as an automatic mode, overrides it.
    pub inactive: bool,
    pub read_only: bool,
}

/// Type of a control's value.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlKind {
    Integer,
    Boolean,
    /// Values with the driver's names for them.
    Menu(Vec<(u32, String)>),
}

/// Most items of a menu and most controls, estimates above any driver's; a faulty driver may never end its list.
const MAX_MENU_ITEMS: i64 = 64;
const MAX_CONTROLS: usize = 1024;

impl Node {
    /// Returns the controls with a scalar value, in the driver's order.
    pub fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut id = 0;
        for _ in 0..MAX_CONTROLS {
            let mut item = v4l2_query_ext_ctrl { id: id | V4L2_CTRL_FLAG_NEXT_CTRL, ..zeros() };
            if self.call(request!(VIDIOC_QUERY_EXT_CTRL), &mut item).is_err() || item.id <= id {
                break;
            }
            id = item.id;
            controls.extend(self.read_control(&item));
        }
        controls
    }

    /// Returns `None` if the control is disabled or its value is not a scalar.
    fn read_control(&self, item: &v4l2_query_ext_ctrl) -> Option<Control> {
        let kind = match item.type_ {
            v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER => ControlKind::Integer,
            v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => ControlKind::Boolean,
            v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU | v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU => {
                ControlKind::Menu(self.menu_items(item))
            }
            _ => return None,
        };
        if item.flags & V4L2_CTRL_FLAG_DISABLED != 0 {
            return None;
        }
        Some(Control {
            id: item.id,
            name: decode_text(&item.name.map(|letter| letter as u8)),
            kind,
            minimum: item.minimum,
            maximum: item.maximum,
            step: item.step,
            default: item.default_value,
            inactive: item.flags & V4L2_CTRL_FLAG_INACTIVE != 0,
            read_only: item.flags & V4L2_CTRL_FLAG_READ_ONLY != 0,
        })
    }

    /// Returns the items of a menu; indices between minimum and maximum may have none.
    fn menu_items(&self, item: &v4l2_query_ext_ctrl) -> Vec<(u32, String)> {
        let first = item.minimum.max(0);
        let numbers = first..=item.maximum.min(first + MAX_MENU_ITEMS);
        let items = numbers.filter_map(|number| {
            let index = u32::try_from(number).ok()?;
            let mut menu = v4l2_querymenu { id: item.id, index, ..zeros() };
            self.call(request!(VIDIOC_QUERYMENU), &mut menu).ok()?;
            let name = match item.type_ {
                v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU => {
                    // SAFETY: the union holds bytes only, and the kernel fills this member for a menu of names.
                    decode_text(&unsafe { menu.__bindgen_anon_1.name })
                }
                // SAFETY: the union holds bytes only, and the kernel fills this member for a menu of integers.
                _ => unsafe { menu.__bindgen_anon_1.value }.to_string(),
            };
            Some((index, name))
        });
        items.collect()
    }

    /// Returns the value of control `id`.
    pub fn control_value(&self, id: u32) -> Result<i32, CallError> {
        let mut control = v4l2_control { id, ..zeros() };
        self.call(request!(VIDIOC_G_CTRL), &mut control)?;
        Ok(control.value)
    }

    /// Sets control `id`. A driver may silently select the nearest possible value.
    pub fn set_control(&self, id: u32, value: i32) -> Result<(), CallError> {
        self.call(request!(VIDIOC_S_CTRL), &mut v4l2_control { id, value })
    }
}
