//! Check for GStreamer and for the elements that read a board's sensors.

use std::process::{Command, Stdio};

use super::error::missing_parts_remedy;
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

/// Checks for gst-launch-1.0 and for `elements`. The remedy of a missing part installs all that is missing.
pub fn probe(elements: &[&str]) -> Presence {
    let succeeds = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let has_program = succeeds(PROGRAM, &["--version"]);
    let has_element = |element: &str| has_program && succeeds("gst-inspect-1.0", &["--exists", element]);
    presence(elements, has_program, has_element)
}

/// Returns the presence of gst-launch-1.0 and of `elements`, as `has_program` and `has_element` state it.
fn presence(elements: &[&str], has_program: bool, has_element: impl Fn(&str) -> bool) -> Presence {
    let needed = elements.iter().chain(&["videoconvert"]).copied();
    let missing: Vec<&str> = needed.filter(|element| !has_element(element)).collect();
    let what = match (has_program, missing.first()) {
        (true, None) => return Presence::Available,
        (true, Some(element)) => format!("the element {element}"),
        (false, _) => PROGRAM.into(),
    };
    Presence::Missing { what, remedy: missing_parts_remedy(&missing, has_program) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedy(found: Presence) -> String {
        let Presence::Missing { what, remedy } = found else { panic!("nothing is missing") };
        format!("{what}: {remedy}")
    }

    #[test]
    fn one_command_installs_all_that_is_missing() {
        let elements = ["libcamerasrc"];
        assert_eq!(
            remedy(presence(&elements, false, |_| false)),
            "gst-launch-1.0: `sudo apt-get install gstreamer1.0-tools gstreamer1.0-libcamera gstreamer1.0-plugins-base`"
        );
        assert_eq!(
            remedy(presence(&elements, true, |element| element == "videoconvert")),
            "the element libcamerasrc: `sudo apt-get install gstreamer1.0-libcamera`"
        );
        assert_eq!(presence(&elements, true, |_| true), Presence::Available);
    }
}
