//! What a picture may cost.

use serde::{Deserialize, Serialize};

/// Limits for one picture; each holds where it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Multiply-accumulates, in millions (the paper's FLOPS).
    pub million_macs: Option<f64>,
    /// From a decoded frame to its guesses, at the 95th percentile.
    pub frame_ms: Option<f64>,
    /// Resident memory of the program.
    pub memory_mib: Option<f64>,
    /// Share of all cores: as many threads as that is, at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Degrees that the hottest place of the board is to stay below while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub celsius: Option<f64>,
}

impl Budget {
    /// This budget, with each limit that `other` lacks taken from `fallback`.
    pub fn or(self, fallback: Budget) -> Budget {
        Budget {
            million_macs: self.million_macs.or(fallback.million_macs),
            frame_ms: self.frame_ms.or(fallback.frame_ms),
            memory_mib: self.memory_mib.or(fallback.memory_mib),
            cpu_percent: self.cpu_percent.or(fallback.cpu_percent),
            celsius: self.celsius.or(fallback.celsius),
        }
    }

    /// Threads that one picture may use, of so many cores.
    pub fn threads(&self, cores: usize) -> usize {
        let share = self.cpu_percent.map_or(1.0, |percent| percent / 100.0);
        ((cores as f64 * share + 1e-9) as usize).clamp(1, cores.max(1))
    }

    /// Refuses limits that nothing can keep.
    pub fn check(&self) -> Result<(), String> {
        for (name, limit) in [
            ("million_macs", self.million_macs),
            ("frame_ms", self.frame_ms),
            ("memory_mib", self.memory_mib),
            ("cpu_percent", self.cpu_percent),
            ("celsius", self.celsius),
        ] {
            if limit.is_some_and(|limit| !(limit > 0.0 && limit.is_finite())) {
                return Err(format!("{name} is {}, expected more than 0", limit.unwrap_or_default()));
            }
        }
        Ok(())
    }
}

/// `100 ms a frame, 512 MiB`
impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            self.frame_ms.map(|ms| {
                let places = if ms < 1.0 { 1000.0 } else { 10.0 };
                format!("{} ms a frame", (ms * places).round() / places)
            }),
            self.million_macs.map(|macs| format!("{macs} M MACs")),
            self.memory_mib.map(|mib| format!("{mib} MiB")),
            self.cpu_percent.map(|percent| format!("{percent} % of the processor")),
            self.celsius.map(|celsius| format!("{celsius} °C")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(if parts.is_empty() { "no limit".into() } else { parts.join(", ") }.as_str())
    }
}

/// Reads multiply-accumulates in millions from `800M`, `1.5G` or `400000000`.
pub fn parse_macs(text: &str) -> Result<f64, String> {
    let (number, millions) = match text.trim().to_ascii_uppercase() {
        text if text.ends_with('G') => (text.trim_end_matches('G').to_string(), 1e3),
        text if text.ends_with('M') => (text.trim_end_matches('M').to_string(), 1.0),
        text => (text, 1e-6),
    };
    let refused = || format!("work is `{text}`, expected multiply-accumulates such as 800M or 1.5G");
    let million = number.trim().parse::<f64>().map_err(|_| refused())? * millions;
    if million > 0.0 && million.is_finite() { Ok(million) } else { Err(refused()) }
}

/// Reads a number above 0.
pub fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(format!("it is `{text}`, expected a number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_read_with_its_unit() {
        assert_eq!(parse_macs("800M"), Ok(800.0));
        assert_eq!(parse_macs("1.5g"), Ok(1500.0));
        assert_eq!(parse_macs("400000000"), Ok(400.0));
        for bad in ["", "M", "-1M", "fast", "0", "nan", "infG"] {
            assert!(parse_macs(bad).unwrap_err().contains("such as 800M"), "{bad}");
        }
    }

    #[test]
    fn a_share_of_the_processor_is_whole_cores_and_at_least_one() {
        let threads = |cpu_percent, cores| Budget { cpu_percent, ..Budget::default() }.threads(cores);
        assert_eq!(
            [Some(50.0), Some(75.0), Some(10.0), Some(100.0), None].map(|percent| threads(percent, 4)),
            [2, 3, 1, 4, 4]
        );
        assert_eq!((threads(Some(30.0), 10), threads(Some(50.0), 1), threads(Some(400.0), 4)), (3, 1, 4));
    }

    #[test]
    fn what_the_user_says_replaces_that_limit_alone() {
        let board = Budget { frame_ms: Some(100.0), memory_mib: Some(512.0), ..Budget::default() };
        let flags = Budget { million_macs: Some(800.0), frame_ms: Some(66.0), ..Budget::default() };
        assert_eq!(flags.or(board).to_string(), "66 ms a frame, 800 M MACs, 512 MiB");
    }
}
