//! Which screen is wished for, and in which mode.

use std::path::PathBuf;

use super::Mode;

/// Which screen on which card.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// A node in /dev/dri; any card where there is none.
    pub device: Option<PathBuf>,
    /// Such as `HDMI-A-1`; the first that is connected where there is none.
    pub connector: Option<String>,
    /// The one that the screen prefers where there is none.
    pub mode: Option<Mode>,
    /// The hardware behind `device`, once it was opened: after it was gone it may have another number.
    pub(super) hardware: Option<PathBuf>,
}

impl Wish {
    /// A screen by node, connector and mode.
    pub fn new(device: Option<PathBuf>, connector: Option<String>, mode: Option<Mode>) -> Wish {
        Wish { device, connector, mode, hardware: None }
    }
}
