//! JSON keys that were renamed after 0.1: output and state files have both names for one release, so that scripts keep working and
//! a release that is rolled back reads its files.

use serde_json::Value;

/// New and old names.
const RENAMED: [(&str, &str); 13] = [
    ("camera_stats", "by_camera"),
    ("configs", "ways"),
    ("engine_description", "engine_detail"),
    ("healthy", "well"),
    ("latency_model", "law"),
    ("p95_ratio", "tail"),
    ("peak_rss_mib", "rss_mib"),
    ("postprocess", "guess"),
    ("predictions", "guesses"),
    ("reasons", "why"),
    ("requested_frames", "asked_frames"),
    ("variant", "choice"),
    ("variants", "choices"),
];

/// Adds the other name of every renamed key in `value`.
pub fn add(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add);
            for (new, old) in RENAMED {
                if let Some(value) = fields.get(new).cloned() {
                    fields.entry(old).or_insert(value);
                } else if let Some(value) = fields.get(old).cloned() {
                    fields.insert(new.into(), value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(add),
        _ => {}
    }
}

/// Removes the old names again, if the new ones are there.
pub fn remove(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (new, old) in RENAMED {
                if fields.contains_key(new) {
                    fields.remove(old);
                }
            }
            fields.values_mut().for_each(remove);
        }
        Value::Array(values) => values.iter_mut().for_each(remove),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn renamed_keys_have_both_names() {
        let mut object = json!({ "candidates": [{ "variant": "lite0@192" }] });
        add(&mut object);
        assert_eq!(object, json!({ "candidates": [{ "variant": "lite0@192", "choice": "lite0@192" }] }));
    }

    #[test]
    fn removing_old_keys_undoes_adding_them() {
        let object = json!({ "variant": "lite0@192", "candidates": [{ "variant": 1 }] });
        let mut both = object.clone();
        add(&mut both);
        remove(&mut both);
        assert_eq!(both, object);
    }
}
