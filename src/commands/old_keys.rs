//! JSON keys that were renamed after 0.1: output has both names for one release, so that scripts keep working.

use serde_json::Value;

/// New and old names.
const RENAMED: [(&str, &str); 7] = [
    ("variant", "choice"),
    ("predictions", "guesses"),
    ("peak_rss_mib", "rss_mib"),
    ("engine_description", "engine_detail"),
    ("healthy", "well"),
    ("reasons", "why"),
    ("camera_stats", "by_camera"),
];

/// Adds the old name of every renamed key in `value`.
pub fn add(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add);
            for (new, old) in RENAMED {
                if let Some(value) = fields.get(new).cloned() {
                    fields.entry(old).or_insert(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(add),
        _ => {}
    }
}

/// Takes the old names out again, so that output of this program can be read with aliases for files of earlier releases.
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
