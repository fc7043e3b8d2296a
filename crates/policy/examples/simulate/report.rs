//! Report of the trials: text for people, JSON for comparisons.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::trial::{Outcome, Trial};

/// Returns the share of true values in percent; `None` without values.
pub fn percent(values: impl Iterator<Item = bool>) -> Option<f64> {
    let mut total = 0u32;
    let mut hits = 0u32;
    for is_hit in values {
        total += 1;
        hits += u32::from(is_hit);
    }
    (total > 0).then(|| 100.0 * f64::from(hits) / f64::from(total))
}

/// Returns the value at this quantile, from 0 to 1; NaN without values.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
}

fn outcome_summary(trials: &[&Trial], outcome: fn(&Trial) -> Outcome) -> Value {
    let mut steps: BTreeMap<i64, usize> = BTreeMap::new();
    let missed = trials.iter().map(|trial| outcome(trial)).filter(|outcome| !outcome.equal);
    missed.for_each(|outcome| *steps.entry(outcome.steps.unwrap_or(99)).or_default() += 1);
    let steps: BTreeMap<String, usize> = steps
        .into_iter()
        .map(|(steps, count)| (if steps == 99 { "one of them nothing".into() } else { format!("{steps:+}") }, count))
        .collect();
    json!({
        "devices": trials.len(),
        "equal_percent": percent(trials.iter().map(|trial| outcome(trial).equal)),
        "over_by_5_percent": percent(trials.iter().map(|trial| outcome(trial).over)),
        "misses_by_steps": steps,
    })
}

/// Summarises the trials of one offer as JSON.
pub fn trial_summary(trials: &[Trial]) -> Value {
    let clear: Vec<&Trial> = trials.iter().filter(|trial| !trial.boundary).collect();
    let near: Vec<&Trial> = trials.iter().filter(|trial| trial.boundary).collect();
    let mut kinds: BTreeMap<String, Vec<&Trial>> = BTreeMap::new();
    for trial in &clear {
        kinds.entry(format!("{:?}", trial.kind)).or_default().push(trial);
    }
    let by_kind: BTreeMap<&String, Value> =
        kinds.iter().map(|(kind, trials)| (kind, outcome_summary(trials, |trial| trial.picker))).collect();
    let values = |value: fn(&Trial) -> f64| -> Vec<f64> { trials.iter().map(value).collect() };
    let values_of_one_config = |value: fn(&Trial) -> f64| -> Vec<f64> {
        let one_config = trials.iter().filter(|trial| trial.configs == 1 && trial.unit_ms <= 100.0);
        one_config.map(value).collect()
    };
    let spread = |values: Vec<f64>| json!({ "median": quantile(values.clone(), 0.5), "p95": quantile(values, 0.95) });
    json!({
        "picker": outcome_summary(&clear, |trial| trial.picker),
        "proportional": outcome_summary(&clear, |trial| trial.proportional),
        "flops_table": outcome_summary(&clear, |trial| trial.table),
        "picker_by_kind": by_kind,
        "picker_within_2_percent_of_a_boundary": outcome_summary(&near, |trial| trial.picker),
        "over_by_5_percent_of_all": percent(trials.iter().map(|trial| trial.picker.over)),
        "reason": {
            "statements": trials.iter().map(|trial| trial.statements).sum::<usize>(),
            "false": trials.iter().map(|trial| trial.falsehoods).sum::<usize>(),
        },
        "measurements": spread(values(|trial| trial.measurements as f64)),
        "seconds": spread(values(|trial| trial.seconds)),
        "seconds_one_way_lite0_within_100_ms": spread(values_of_one_config(|trial| trial.seconds)),
    })
}

/// Formats a report as text; nested objects are indented.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    write_lines(value, 0, &mut out);
    out
}

fn write_lines(value: &Value, depth: usize, out: &mut String) {
    let Value::Object(fields) = value else { return };
    for (name, field) in fields {
        let name = name.replace('_', " ");
        let indent = "  ".repeat(depth);
        match field {
            Value::Object(inner) if inner.values().any(Value::is_object) => {
                let _ = writeln!(out, "{indent}{name}");
                write_lines(field, depth + 1, out);
            }
            Value::Object(inner) => {
                let parts: Vec<String> = inner
                    .iter()
                    .map(|(name, value)| format!("{} {}", name.replace('_', " "), format_number(value)))
                    .collect();
                let _ = writeln!(out, "{indent}{name}: {}", parts.join(", "));
            }
            Value::Array(rows) => {
                let _ = writeln!(out, "{indent}{name}");
                for row in rows.iter().filter_map(Value::as_object) {
                    let parts: Vec<String> = row
                        .iter()
                        .map(|(name, value)| format!("{} {}", name.replace('_', " "), format_number(value)))
                        .collect();
                    let _ = writeln!(out, "{indent}  {}", parts.join(", "));
                }
            }
            other => {
                let _ = writeln!(out, "{indent}{name}: {}", format_number(other));
            }
        }
    }
}

fn format_number(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => format!("{number:.2}"),
        _ => value.to_string(),
    }
}
