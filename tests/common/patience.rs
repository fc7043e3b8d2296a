//! Patience: a limit that ends a hanging test, and hardly advances while other programs use the processor.

use std::time::{Duration, Instant};

/// Share of the time in which tasks waited for a core that does not count: an estimate, so that a hang on a busy machine
/// still ends.
const FORGIVEN_SHARE: f64 = 0.9;

/// Clock of one wait.
pub struct Patience {
    start: Instant,
    stalled_at_start: Duration,
}

impl Patience {
    pub fn start() -> Patience {
        Patience { start: Instant::now(), stalled_at_start: stalled() }
    }

    /// Returns whether more than `limit` has passed, without most of the time in which tasks waited for a core.
    pub fn is_over(&self, limit: Duration) -> bool {
        let stalled = stalled().saturating_sub(self.stalled_at_start);
        self.start.elapsed().saturating_sub(stalled.mul_f64(FORGIVEN_SHARE)) > limit
    }
}

/// Returns the time since the boot in which some task waited for a core (pressure stall information); zero if the
/// kernel does not count it.
fn stalled() -> Duration {
    let pressure = std::fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let some = pressure.lines().find(|line| line.starts_with("some"));
    let total = some.and_then(|line| line.rsplit_once("total="));
    Duration::from_micros(total.and_then(|(_, micros)| micros.trim().parse().ok()).unwrap_or(0))
}
