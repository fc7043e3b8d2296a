//! Numbers in JSON, rounded to what they are worth.

use serde_json::Value;

/// Rounds the numbers in `value` by the unit at the end of their key.
///
/// Times have 0.01 ms, and below 1 ms the 0.001 ms of the clock behind them. Probabilities have four decimals, memory 0.1 MiB,
/// `_s` 0.001 s. Computed numbers, such as φ and MACs, keep their digits.
pub fn round(value: &mut Value) {
    round_in(value, None);
}

/// Returns `value` rounded to `digits` decimals.
pub fn rounded(value: f64, digits: i32) -> f64 {
    let steps = 10f64.powi(digits);
    (value * steps).round() / steps
}

fn round_in(value: &mut Value, unit: Option<Unit>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                round_in(value, Unit::of_key(key).or(unit));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| round_in(value, unit)),
        Value::Number(number) if number.is_f64() => {
            if let (Some(unit), Some(exact)) = (unit, number.as_f64()) {
                // Division by a power of ten gives the nearest double, which prints with the fewest digits.
                let steps = unit.steps(exact);
                *value = ((exact * steps).round() / steps).into();
            }
        }
        _ => {}
    }
}

/// Unit of a number, which its key ends in. Percentiles have the unit of the object that they are in.
#[derive(Clone, Copy)]
enum Unit {
    Milliseconds,
    Seconds,
    Mebibytes,
    Probability,
    Tenths,
    Thousandths,
    /// Three significant digits.
    ThreeDigits,
}

impl Unit {
    fn of_key(key: &str) -> Option<Unit> {
        match key {
            "probability" => Some(Unit::Probability),
            "seconds" => Some(Unit::Tenths),
            "p95_ratio" | "residual" => Some(Unit::Thousandths),
            "ms_per_million_macs" | "ms_per_million_activations" => Some(Unit::ThreeDigits),
            _ if key.ends_with("_ms") => Some(Unit::Milliseconds),
            _ if key.ends_with("_s") => Some(Unit::Seconds),
            _ if key.ends_with("_mib") => Some(Unit::Mebibytes),
            _ => None,
        }
    }

    /// Returns the number of steps in a unit, a power of ten.
    fn steps(self, number: f64) -> f64 {
        match self {
            Unit::Milliseconds if number.abs() < 1.0 => 1e3,
            Unit::Milliseconds => 1e2,
            Unit::Seconds | Unit::Thousandths => 1e3,
            Unit::ThreeDigits => 10f64.powi(2i32.saturating_sub(number.abs().log10().floor() as i32).clamp(0, 12)),
            Unit::Mebibytes | Unit::Tenths => 1e1,
            Unit::Probability => 1e4,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_rounded_by_their_unit() {
        let mut object = json!({
            "age_ms": 21.412345, "total_ms": { "p50": 9.87654, "min": 0.123456 }, "stages_ms": { "mailbox": { "p50": 0.0012345 } },
            "predictions": [{ "index": 235, "probability": 0.970_012_f32 }],
            "peak_rss_mib": 54.33984375, "written_s": 1234.5678901, "phi": 0.123456, "infer_ms": null, "frame_ms": 100,
            "ms_per_million_macs": 0.012_345_6, "residual": 0.0, "million_macs": 385.87,
        });
        round(&mut object);
        let expected = json!({
            "age_ms": 21.41, "total_ms": { "p50": 9.88, "min": 0.123 }, "stages_ms": { "mailbox": { "p50": 0.001 } },
            "predictions": [{ "index": 235, "probability": 0.97 }],
            "peak_rss_mib": 54.3, "written_s": 1234.568, "phi": 0.123456, "infer_ms": null, "frame_ms": 100,
            "ms_per_million_macs": 0.0123, "residual": 0.0, "million_macs": 385.87,
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn rounded_numbers_are_short_in_text() {
        for ms in [9.999_f64, 10.0 / 3.0, 123_456.789, 66.666_666, 1e-9] {
            let mut object = json!({ "total_ms": ms });
            round(&mut object);
            let text = object["total_ms"].to_string();
            assert!(text.split('.').nth(1).is_none_or(|decimals| decimals.len() <= 3), "{ms}: {text}");
        }
    }
}
