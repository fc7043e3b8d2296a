//! Requested screen: card, connector and mode.

use std::path::PathBuf;

use super::Mode;

/// Screen that the user requests.
#[derive(Clone, Debug, Default)]
pub struct OutputRequest {
    /// Node in /dev/dri; `None` for any card.
    pub device: Option<PathBuf>,
    /// Connector such as `HDMI-A-1`; `None` for the first connected one.
    pub connector: Option<String>,
    /// `None` for the screen's preferred mode.
    pub mode: Option<Mode>,
    /// Hardware behind `device`, set when it is opened: after a reconnect its node may have another number.
    pub(super) hardware: Option<PathBuf>,
}

impl OutputRequest {
    /// Requests a screen by node, connector and mode.
    pub fn new(device: Option<PathBuf>, connector: Option<String>, mode: Option<Mode>) -> OutputRequest {
        OutputRequest { device, connector, mode, hardware: None }
    }
}
