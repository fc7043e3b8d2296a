//! Status of the system: faults that last until they are cleared, notices of some seconds, and the camera.

use std::sync::Arc;

/// Kind of fault, in order of severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No camera delivers frames.
    Camera,
    /// Under-voltage, or reduced clocks.
    Power,
    Hot,
    Disk,
    /// Latency exceeds the budget.
    OverBudget,
    /// An engine is being built. This is no fault, but it is shown like one.
    BuildingEngine,
}

/// Message that is shown for a few seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    LargerModel,
    FasterModel,
    /// Another model of equal size, or of another kind.
    OtherModel,
    /// An engine has failed, and another took its place.
    OtherEngine,
    CameraBack,
    UnreadablePicture,
}

pub use phicam_camera::reconnect::Connection;

/// State of the camera, for the person in front of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CameraState {
    #[default]
    Present,
    /// No camera was found since the start.
    Missing(Connection),
    /// The camera has delivered frames before.
    Lost(Connection),
}

/// Kinds of fault, the most severe first.
const BY_SEVERITY: [Fault; 6] =
    [Fault::Camera, Fault::Power, Fault::Hot, Fault::Disk, Fault::OverBudget, Fault::BuildingEngine];
/// Number of kinds of fault.
const KINDS: usize = BY_SEVERITY.len();

/// Message of each current fault. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults([Option<Arc<str>>; KINDS]);

impl Faults {
    /// Sets the message of a fault, or clears the fault with `None`. Returns whether the message has changed.
    pub fn set(&mut self, kind: Fault, message: Option<&str>) -> bool {
        let current = &mut self.0[kind as usize];
        let has_changed = current.as_deref() != message;
        if has_changed {
            *current = message.map(Arc::from);
        }
        has_changed
    }

    /// Returns the most severe kind of fault that the screen has a notice for.
    pub fn most_severe(&self) -> Option<Fault> {
        BY_SEVERITY.into_iter().find(|kind| self.0[*kind as usize].is_some())
    }

    /// Returns the messages of the current faults, the most severe first.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flatten().map(|message| &**message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_lasts_until_it_is_cleared() {
        let mut faults = Faults::default();
        assert!(faults.set(Fault::Hot, Some("hot: 85 °C")));
        assert!(!faults.set(Fault::Hot, Some("hot: 85 °C")), "the message has not changed");
        assert!(faults.set(Fault::Camera, Some("no camera")));
        assert_eq!(faults.messages().collect::<Vec<_>>(), ["no camera", "hot: 85 °C"]);
        assert!(faults.set(Fault::Hot, None));
        assert!(!faults.set(Fault::Disk, None), "there was no such fault");
        assert_eq!(faults.messages().collect::<Vec<_>>(), ["no camera"]);
    }
}
