//! The controls of a node: which there are, their values.
#![allow(unsafe_code)] // unions; see the SAFETY comments
#![allow(non_upper_case_globals)] // the kernel's constants, as bindgen names them

use std::io;

use v4l::v4l_sys::*;
use v4l::v4l2::vidioc;

use super::{Node, text, zeros};

/// A control of the driver's.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    pub id: u32,
    /// As the driver spells it.
    pub name: String,
    pub kind: ControlKind,
    pub minimum: i64,
    pub maximum: i64,
    pub step: u64,
    pub default: i64,
    /// Whether it does nothing just now, because of another control.
    pub inactive: bool,
    pub read_only: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ControlKind {
    Integer,
    Boolean,
    /// Values with the names that the driver gives them.
    Menu(Vec<(u32, String)>),
}

/// Items of a menu beyond this are not asked for.
const MOST_ITEMS: i64 = 64;
const MOST_CONTROLS: usize = 1024;

impl Node {
    /// The controls that one number sets, in the driver's order.
    pub fn controls(&self) -> Vec<Control> {
        let mut found = Vec::new();
        let mut id = 0;
        for _ in 0..MOST_CONTROLS {
            let mut item = v4l2_query_ext_ctrl { id: id | V4L2_CTRL_FLAG_NEXT_CTRL, ..zeros() };
            if self.call(vidioc::VIDIOC_QUERY_EXT_CTRL, &mut item).is_err() || item.id <= id {
                break;
            }
            id = item.id;
            found.extend(self.control(&item));
        }
        found
    }

    fn control(&self, item: &v4l2_query_ext_ctrl) -> Option<Control> {
        let kind = match item.type_ {
            v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER => ControlKind::Integer,
            v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => ControlKind::Boolean,
            v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU | v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU => {
                ControlKind::Menu(self.menu(item))
            }
            _ => return None,
        };
        if item.flags & V4L2_CTRL_FLAG_DISABLED != 0 {
            return None;
        }
        Some(Control {
            id: item.id,
            name: text(&item.name.map(|letter| letter as u8)),
            kind,
            minimum: item.minimum,
            maximum: item.maximum,
            step: item.step,
            default: item.default_value,
            inactive: item.flags & V4L2_CTRL_FLAG_INACTIVE != 0,
            read_only: item.flags & V4L2_CTRL_FLAG_READ_ONLY != 0,
        })
    }

    /// Not every number between the least and the largest needs to have an item.
    fn menu(&self, item: &v4l2_query_ext_ctrl) -> Vec<(u32, String)> {
        let numbers = item.minimum.max(0)..=item.maximum.min(item.minimum.max(0) + MOST_ITEMS);
        let named = numbers.filter_map(|number| {
            let index = u32::try_from(number).ok()?;
            let mut menu = v4l2_querymenu { id: item.id, index, ..zeros() };
            self.call(vidioc::VIDIOC_QUERYMENU, &mut menu).ok()?;
            let name = match item.type_ {
                v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU => {
                    // SAFETY: the structure is packed bytes; of a menu of names this member is filled.
                    text(&unsafe { menu.__bindgen_anon_1.name })
                }
                // SAFETY: as above, of a menu of numbers.
                _ => unsafe { menu.__bindgen_anon_1.value }.to_string(),
            };
            Some((index, name))
        });
        named.collect()
    }

    /// What control `id` is set to.
    pub fn control_value(&self, id: u32) -> io::Result<i32> {
        let mut control = v4l2_control { id, ..zeros() };
        self.call(vidioc::VIDIOC_G_CTRL, &mut control)?;
        Ok(control.value)
    }

    /// Sets control `id`. Drivers take the nearest value that they can, silently.
    pub fn set_control(&self, id: u32, value: i32) -> io::Result<()> {
        self.call(vidioc::VIDIOC_S_CTRL, &mut v4l2_control { id, value })
    }
}
