//! Whether GStreamer and the element that reads a board's sensors are there.

use std::process::{Command, Stdio};

use super::error::remedy_without;
use super::process::PROGRAM;

/// What is there of what a sensor needs, with what to do where something is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    There,
    /// What is missing, and the command that brings it.
    Missing {
        what: String,
        remedy: String,
    },
}

/// Looks for gst-launch-1.0 and for `elements`.
pub fn presence(elements: &[&str]) -> Presence {
    let asked = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !asked(PROGRAM, &["--version"]) {
        let remedy = "`sudo apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base`".into();
        return Presence::Missing { what: PROGRAM.into(), remedy };
    }
    let needed = elements.iter().chain(&["videoconvert"]);
    let missing = needed.copied().find(|element| !asked("gst-inspect-1.0", &["--exists", element]));
    match missing {
        Some(element) => Presence::Missing { what: format!("the element {element}"), remedy: remedy_without(element) },
        None => Presence::There,
    }
}
