//! Check for GStreamer and for the elements that read a board's sensors.

use std::process::{Command, Stdio};

use super::error::missing_element_remedy;
use super::process::PROGRAM;

/// Result of [`probe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Available,
    /// Name of the missing program or element, and the command that installs it.
    Missing {
        what: String,
        remedy: String,
    },
}

/// Checks for gst-launch-1.0 and for `elements`.
pub fn probe(elements: &[&str]) -> Presence {
    let succeeds = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !succeeds(PROGRAM, &["--version"]) {
        let remedy = "`sudo apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base`".into();
        return Presence::Missing { what: PROGRAM.into(), remedy };
    }
    let needed = elements.iter().chain(&["videoconvert"]);
    let missing = needed.copied().find(|element| !succeeds("gst-inspect-1.0", &["--exists", element]));
    match missing {
        Some(element) => {
            Presence::Missing { what: format!("the element {element}"), remedy: missing_element_remedy(element) }
        }
        None => Presence::Available,
    }
}
