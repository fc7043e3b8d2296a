//! What there is to draw.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::classify::Classification;
use phicam_frame::Frame;

/// See the module.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub frame: Option<&'a Frame>,
    /// Where the frame is older than it should be.
    pub stale: Option<Stale>,
    pub answer: Option<&'a Classification>,
    /// What is wrong, for as long as it is.
    pub faults: &'a Faults,
    /// Something to say for a while, such as a change of model.
    pub notice: Option<&'a str>,
    pub now: Instant,
}

/// What can be wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Camera,
    /// The model takes longer than its budget.
    Behind,
    /// The supply is too weak, or clocks are cut.
    Power,
    Hot,
    Disk,
    /// An engine is being built; no fault, but as good to know.
    Preparing,
}

/// What is wrong, in a few words for each kind. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults([Option<Arc<str>>; Fault::Preparing as usize + 1]);

impl Faults {
    /// Says what is wrong, or that it is well again; whether that is new.
    pub fn set(&mut self, kind: Fault, words: Option<&str>) -> bool {
        let known = &mut self.0[kind as usize];
        let is_new = known.as_deref() != words;
        if is_new {
            *known = words.map(Arc::from);
        }
        is_new
    }

    /// In words, the gravest first.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flatten().map(|words| &**words)
    }
}

/// A frame that is older than frames of this camera should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How old it is, in whole seconds.
    pub age_s: u64,
    /// Whether it is so old that it must not look like a picture of now.
    pub dim: bool,
}

/// Rounds up, so that nothing looks newer than it is: to 10 ms below 100 ms, to 100 ms below 10 s, then to seconds. A text
/// of it changes seldom.
pub fn rounded_ms(age: Duration) -> u64 {
    let ms = age.as_millis().try_into().unwrap_or(u64::MAX / 2);
    let step = match ms {
        0..=100 => 10,
        101..=10_000 => 100,
        _ => 1000,
    };
    ms.div_ceil(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_rounded_up_and_changes_seldom() {
        let rounded = |ms| rounded_ms(Duration::from_millis(ms));
        assert_eq!([0, 1, 10, 95, 100, 101, 9_950, 10_001].map(rounded), [0, 10, 10, 100, 100, 200, 10_000, 11_000]);
        assert!((0..20_000).all(|ms| rounded(ms) >= ms && rounded(ms) <= rounded(ms + 1)));
    }

    #[test]
    fn a_fault_stays_until_it_is_taken_back() {
        let mut faults = Faults::default();
        assert!(faults.set(Fault::Hot, Some("hot: 85 °C")) && !faults.set(Fault::Hot, Some("hot: 85 °C")));
        assert!(faults.set(Fault::Camera, Some("no camera")));
        assert_eq!(faults.words().collect::<Vec<_>>(), ["no camera", "hot: 85 °C"]);
        assert!(faults.set(Fault::Hot, None) && !faults.set(Fault::Disk, None));
        assert_eq!(faults.words().collect::<Vec<_>>(), ["no camera"]);
    }
}
