//! Budget: the limits that one inference must keep, and the parsers of their flags.

use serde::{Deserialize, Serialize};

/// Limits of one inference; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Multiply-accumulates in millions (the FLOPS of the EfficientNet paper).
    pub million_macs: Option<f64>,
    /// 95th percentile of the latency from a decoded frame to its predictions.
    pub frame_ms: Option<f64>,
    /// Peak resident memory of the program.
    pub memory_mib: Option<f64>,
    /// Share of all cores. It determines the thread count, rounded down to at least one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Temperature in °C below which the hottest zone of the board must stay while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub celsius: Option<f64>,
}

impl Budget {
    /// Returns this budget, with each missing limit taken from `fallback`.
    pub fn or(self, fallback: Budget) -> Budget {
        Budget {
            million_macs: self.million_macs.or(fallback.million_macs),
            frame_ms: self.frame_ms.or(fallback.frame_ms),
            memory_mib: self.memory_mib.or(fallback.memory_mib),
            cpu_percent: self.cpu_percent.or(fallback.cpu_percent),
            celsius: self.celsius.or(fallback.celsius),
        }
    }

    /// Returns the thread count that the CPU share allows on a machine with `cores` cores, at least one.
    pub fn threads(&self, cores: usize) -> usize {
        let share = self.cpu_percent.map_or(1.0, |percent| percent / 100.0);
        ((cores as f64 * share + 1e-9) as usize).clamp(1, cores.max(1))
    }

    /// Returns an error if a limit is not a finite number above 0.
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

/// Formats the limits, such as `100 ms a frame, 512 MiB`.
impl std::fmt::Display for Budget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let round = |value: f64| {
            let steps = if value < 1.0 { 1000.0 } else { 10.0 };
            (value * steps).round() / steps
        };
        let limits = [
            self.frame_ms.map(|ms| format!("{} ms a frame", round(ms))),
            self.million_macs.map(|macs| format!("{} M MACs", round(macs))),
            self.memory_mib.map(|mib| format!("{} MiB", round(mib))),
            self.cpu_percent.map(|percent| format!("{percent} % of the CPU")),
            self.celsius.map(|celsius| format!("{celsius} °C")),
        ];
        let limits: Vec<String> = limits.into_iter().flatten().collect();
        if limits.is_empty() { f.write_str("no limit") } else { f.write_str(&limits.join(", ")) }
    }
}

/// Parses multiply-accumulates such as `800M`, `1.5G` or `400000000`. Returns millions.
pub fn parse_macs(text: &str) -> Result<f64, String> {
    let (number, millions) = match text.trim().to_ascii_uppercase() {
        text if text.ends_with('G') => (text.trim_end_matches('G').to_string(), 1e3),
        text if text.ends_with('M') => (text.trim_end_matches('M').to_string(), 1.0),
        text => (text, 1e-6),
    };
    let refuse = || format!("`{text}` is not a number of MACs above 0; write it such as 800M or 1.5G");
    let million_macs = number.trim().parse::<f64>().map_err(|_| refuse())? * millions;
    if million_macs > 0.0 && million_macs.is_finite() { Ok(million_macs) } else { Err(refuse()) }
}

/// Parses a finite number above 0.
pub fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err(format!("`{text}` is not a number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_parsed_with_their_unit() {
        assert_eq!(parse_macs("800M"), Ok(800.0));
        assert_eq!(parse_macs("1.5g"), Ok(1500.0));
        assert_eq!(parse_macs("400000000"), Ok(400.0));
        for text in ["", "M", "-1M", "fast", "0", "nan", "infG"] {
            assert!(parse_macs(text).unwrap_err().contains("such as 800M"), "{text}");
        }
    }

    #[test]
    fn cpu_share_is_whole_cores_and_at_least_one() {
        let threads = |cpu_percent, cores| Budget { cpu_percent, ..Budget::default() }.threads(cores);
        assert_eq!(
            [Some(50.0), Some(75.0), Some(10.0), Some(100.0), None].map(|percent| threads(percent, 4)),
            [2, 3, 1, 4, 4]
        );
        assert_eq!(threads(Some(30.0), 10), 3);
        assert_eq!(threads(Some(50.0), 1), 1);
        assert_eq!(threads(Some(400.0), 4), 4);
    }

    #[test]
    fn flag_replaces_only_its_own_limit() {
        let board = Budget { frame_ms: Some(100.0), memory_mib: Some(512.0), ..Budget::default() };
        let flags = Budget { million_macs: Some(800.0), frame_ms: Some(66.0), ..Budget::default() };
        assert_eq!(flags.or(board).to_string(), "66 ms a frame, 800 M MACs, 512 MiB");
    }
}
