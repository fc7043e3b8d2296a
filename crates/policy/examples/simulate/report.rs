//! What the trials come to: text for people, JSON for comparisons.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::trial::{Outcome, Trial};

/// Share of true ones, in percent; nothing of nothing.
pub fn percent(of: impl Iterator<Item = bool>) -> Option<f64> {
    let (mut all, mut so) = (0u32, 0u32);
    of.for_each(|is| (all, so) = (all + 1, so + u32::from(is)));
    (all > 0).then(|| 100.0 * f64::from(so) / f64::from(all))
}

/// The value that a share of them stays below.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((share * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
}

fn of_outcomes(trials: &[&Trial], of: fn(&Trial) -> Outcome) -> Value {
    let mut steps: BTreeMap<i64, usize> = BTreeMap::new();
    let missed = trials.iter().map(|trial| of(trial)).filter(|outcome| !outcome.equal);
    missed.for_each(|outcome| *steps.entry(outcome.steps.unwrap_or(99)).or_default() += 1);
    let steps: BTreeMap<String, usize> = steps
        .into_iter()
        .map(|(steps, count)| (if steps == 99 { "one of them nothing".into() } else { format!("{steps:+}") }, count))
        .collect();
    json!({
        "devices": trials.len(),
        "equal_percent": percent(trials.iter().map(|trial| of(trial).equal)),
        "over_by_5_percent": percent(trials.iter().map(|trial| of(trial).over)),
        "misses_by_steps": steps,
    })
}

/// All of one offer.
pub fn of_trials(trials: &[Trial]) -> Value {
    let clear: Vec<&Trial> = trials.iter().filter(|trial| !trial.boundary).collect();
    let near: Vec<&Trial> = trials.iter().filter(|trial| trial.boundary).collect();
    let mut kinds: BTreeMap<String, Vec<&Trial>> = BTreeMap::new();
    for trial in &clear {
        kinds.entry(format!("{:?}", trial.kind)).or_default().push(trial);
    }
    let by_kind: BTreeMap<&String, Value> =
        kinds.iter().map(|(kind, trials)| (kind, of_outcomes(trials, |trial| trial.picker))).collect();
    let each = |of: fn(&Trial) -> f64| -> Vec<f64> { trials.iter().map(of).collect() };
    let one_way = |of: fn(&Trial) -> f64| -> Vec<f64> {
        let one = trials.iter().filter(|trial| trial.configs == 1 && trial.unit_ms <= 100.0);
        one.map(of).collect()
    };
    let spread = |values: Vec<f64>| json!({ "median": quantile(values.clone(), 0.5), "p95": quantile(values, 0.95) });
    json!({
        "picker": of_outcomes(&clear, |trial| trial.picker),
        "proportional": of_outcomes(&clear, |trial| trial.proportional),
        "flops_table": of_outcomes(&clear, |trial| trial.table),
        "picker_by_kind": by_kind,
        "picker_within_2_percent_of_a_boundary": of_outcomes(&near, |trial| trial.picker),
        "over_by_5_percent_of_all": percent(trials.iter().map(|trial| trial.picker.over)),
        "measurements": spread(each(|trial| trial.measurements as f64)),
        "seconds": spread(each(|trial| trial.seconds)),
        "seconds_one_way_lite0_within_100_ms": spread(one_way(|trial| trial.seconds)),
    })
}

/// A report as lines: what is an object is indented below its name.
pub fn text(value: &Value) -> String {
    let mut out = String::new();
    lines(value, 0, &mut out);
    out
}

fn lines(value: &Value, depth: usize, out: &mut String) {
    let Value::Object(fields) = value else { return };
    for (name, field) in fields {
        let name = name.replace('_', " ");
        let indent = "  ".repeat(depth);
        match field {
            Value::Object(inner) if inner.values().any(Value::is_object) => {
                let _ = writeln!(out, "{indent}{name}");
                lines(field, depth + 1, out);
            }
            Value::Object(inner) => {
                let parts: Vec<String> =
                    inner.iter().map(|(name, value)| format!("{} {}", name.replace('_', " "), short(value))).collect();
                let _ = writeln!(out, "{indent}{name}: {}", parts.join(", "));
            }
            Value::Array(rows) => {
                let _ = writeln!(out, "{indent}{name}");
                for row in rows.iter().filter_map(Value::as_object) {
                    let parts: Vec<String> = row
                        .iter()
                        .map(|(name, value)| format!("{} {}", name.replace('_', " "), short(value)))
                        .collect();
                    let _ = writeln!(out, "{indent}  {}", parts.join(", "));
                }
            }
            other => {
                let _ = writeln!(out, "{indent}{name}: {}", short(other));
            }
        }
    }
}

fn short(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if value.is_f64() => format!("{number:.2}"),
        _ => value.to_string(),
    }
}
