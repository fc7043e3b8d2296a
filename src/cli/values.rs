//! Parsers of numbers on the command line: each refuses a value out of range with the range and a value to type.

use std::ops::RangeInclusive;

/// Least memory budget in MiB: 16 MiB of headroom for the pipeline, and 16 MiB that the program takes without a model.
const MIN_MEMORY_MIB: f64 = 32.0;

/// Parses a number in `range`; an error names the range in `unit` and an `example`.
fn parse_in(text: &str, range: RangeInclusive<f64>, unit: &str, example: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("it is `{text}`, expected {} to {}{unit}, such as {example}", range.start(), range.end())),
    }
}

/// Parses `--fps`.
pub fn fps(text: &str) -> Result<f64, String> {
    parse_in(text, 0.001..=1000.0, " frames per second", "15")
}

/// Parses `--frame-ms`: from a microsecond to an hour.
pub fn frame_ms(text: &str) -> Result<f64, String> {
    parse_in(text, 0.001..=3_600_000.0, " ms", "100")
}

/// Parses `--memory`: up to a TiB.
pub fn memory_mib(text: &str) -> Result<f64, String> {
    let number = ["MiB", "MB", "M"].into_iter().find_map(|unit| text.strip_suffix(unit)).unwrap_or(text);
    parse_in(number.trim_end(), MIN_MEMORY_MIB..=1_048_576.0, " MiB", "256")
}

/// Parses `--cpu-percent`.
pub fn cpu_percent(text: &str) -> Result<f64, String> {
    parse_in(text, 1.0..=100.0, " percent of all cores", "50")
}

/// Parses `--max-celsius`: boards boot and throttle between these limits.
pub fn celsius(text: &str) -> Result<f64, String> {
    parse_in(text, 20.0..=120.0, " °C", "75")
}

/// Parses a number of seconds, up to a day.
pub fn seconds(text: &str) -> Result<f64, String> {
    parse_in(text, 0.1..=86_400.0, " seconds", "30")
}

/// Parses a time in milliseconds, 0 or more.
pub fn milliseconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ms) if ms >= 0.0 && ms.is_finite() => Ok(ms),
        _ => Err(format!("it is `{text}`, expected milliseconds, 0 or more")),
    }
}

/// Parses a probability; a percentage is answered with its share.
pub fn probability(text: &str) -> Result<f32, String> {
    let percent = text.trim_end_matches('%').trim();
    match (text.parse::<f32>(), percent.parse::<f32>()) {
        (Ok(share), _) if (0.0..=1.0).contains(&share) => Ok(share),
        (_, Ok(percent)) if (0.0..=100.0).contains(&percent) => {
            Err(format!("it is `{text}`, expected 0 to 1; for {percent} % type {}", percent / 100.0))
        }
        _ => Err(format!("it is `{text}`, expected 0 to 1, such as 0.5")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentage_is_answered_with_its_share() {
        assert_eq!(probability("0.5"), Ok(0.5));
        assert_eq!(probability("1"), Ok(1.0));
        assert_eq!(probability("50").unwrap_err(), "it is `50`, expected 0 to 1; for 50 % type 0.5");
        assert_eq!(probability("35%").unwrap_err(), "it is `35%`, expected 0 to 1; for 35 % type 0.35");
        for text in ["-1", "101", "nan", "half"] {
            assert!(probability(text).unwrap_err().ends_with("expected 0 to 1, such as 0.5"), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_answered_with_the_range() {
        type Parser = fn(&str) -> Result<f64, String>;
        let cases: [(Parser, &str, &str); 8] = [
            (fps, "-1", "0.001 to 1000 frames per second, such as 15"),
            (fps, "1e9", "0.001 to 1000 frames per second, such as 15"),
            (frame_ms, "0", "0.001 to 3600000 ms, such as 100"),
            (memory_mib, "10", "32 to 1048576 MiB, such as 256"),
            (memory_mib, "1e9", "32 to 1048576 MiB, such as 256"),
            (cpu_percent, "400", "1 to 100 percent of all cores, such as 50"),
            (celsius, "1000", "20 to 120 °C, such as 75"),
            (seconds, "nan", "0.1 to 86400 seconds, such as 30"),
        ];
        for (parse, text, range) in cases {
            assert_eq!(parse(text).unwrap_err(), format!("it is `{text}`, expected {range}"));
        }
        assert_eq!((fps("15"), memory_mib("32"), cpu_percent("1")), (Ok(15.0), Ok(32.0), Ok(1.0)));
    }
}
