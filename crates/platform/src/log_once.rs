//! Suppression of repeated log messages while an operation is retried and fails for an unchanged reason.

/// Filter for the reasons of repeated failures: a reason is new if it differs from the previous one.
///
/// It keeps one reason, so its memory is bounded however long the retries go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOnce {
    last: Option<String>,
}

impl LogOnce {
    /// Returns whether `reason` differs from the previous one, and records it.
    pub fn is_new(&mut self, reason: &str) -> bool {
        let is_new = self.last.as_deref() != Some(reason);
        if is_new {
            self.record(reason);
        }
        is_new
    }

    /// Records a reason that the caller reports in any case.
    pub fn record(&mut self, reason: &str) {
        self.last = Some(reason.into());
    }

    /// Forgets the reason after a success, so that the next failure is reported.
    pub fn reset(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_reason_is_new_once() {
        let mut log = LogOnce::default();
        assert!(log.is_new("busy"));
        assert!(!log.is_new("busy"));
        assert!(!log.is_new("busy"));
    }

    #[test]
    fn changed_reason_is_new() {
        let mut log = LogOnce::default();
        let reasons = ["busy", "missing", "busy"];
        assert_eq!(reasons.map(|reason| log.is_new(reason)), [true; 3]);
    }

    #[test]
    fn recorded_reason_is_not_new() {
        let mut log = LogOnce::default();
        log.record("unplugged");
        assert!(!log.is_new("unplugged"));
    }

    #[test]
    fn reset_makes_a_reason_new() {
        let mut log = LogOnce::default();
        log.record("unplugged");
        log.reset();
        assert!(log.is_new("unplugged"));
    }
}
