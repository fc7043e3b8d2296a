//! What each class is called.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A label file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error("{}: byte {at} is not UTF-8; save the file as UTF-8", path.display())]
    NotUtf8 { path: PathBuf, at: usize },
    #[error("{}:{line}: {what}; every class needs a label of its own", path.display())]
    Unusable { path: PathBuf, line: usize, what: String },
    #[error(
        "{}: {found} labels for the {expected} classes of {model}; one line a class is needed, in the model's order",
        path.display()
    )]
    WrongCount { path: PathBuf, found: usize, expected: usize, model: String },
}

/// Unique labels, keyed by class.
#[derive(Debug)]
pub struct Labels(Vec<Arc<str>>);

impl Labels {
    /// Parses one label a line; `path` is where `bytes` came from, for the message.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Labels, LabelError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| LabelError::NotUtf8 { path: path.into(), at: error.valid_up_to() })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text); // some editors begin files with it
        let mut seen = std::collections::HashMap::new();
        let mut labels = Vec::new();
        for (index, label) in text.lines().map(str::trim).enumerate() {
            let unusable = |what| LabelError::Unusable { path: path.into(), line: index + 1, what };
            if label.is_empty() {
                return Err(unusable("the label is empty".into()));
            }
            if let Some(first) = seen.insert(label, index + 1) {
                return Err(unusable(format!("`{label}` stands on line {first} too")));
            }
            labels.push(label.into());
        }
        Ok(Labels(labels))
    }

    /// `class 0`, `class 1`, … for a model that came without labels.
    pub fn numbered(classes: usize) -> Labels {
        Labels((0..classes).map(|class| format!("class {class}").into()).collect())
    }

    /// The same labels, once there are as many as `model` has classes.
    pub fn for_classes(self, classes: usize, model: &str, path: &Path) -> Result<Labels, LabelError> {
        let (found, expected) = (self.0.len(), classes);
        if found != expected {
            return Err(LabelError::WrongCount { path: path.into(), found, expected, model: model.into() });
        }
        Ok(self)
    }

    /// The label of a class of the model that these labels belong to.
    pub fn of(&self, class: u32) -> &str {
        self.0.get(class as usize).map_or("?", |label| label)
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        Labels::parse(bytes, Path::new("labels.txt")).unwrap_err().to_string()
    }

    #[test]
    fn a_label_twice_or_missing_is_refused_with_its_line() {
        assert!(refusal(b"crane\nhen\ncrane\n").starts_with("labels.txt:3: `crane` stands on line 1 too"));
        assert_eq!(Labels::parse("\u{feff}hen\n".as_bytes(), Path::new("l")).unwrap().of(0), "hen");
        assert!(refusal(b"crane\n\nhen\n").starts_with("labels.txt:2: the label is empty"));
        assert!(refusal(b"crane\nh\xffn\n").contains("byte 7 is not UTF-8"));
    }

    #[test]
    fn a_wrong_count_is_refused_with_both_counts() {
        let labels = Labels::parse("Kranich\nhēn\n".as_bytes(), Path::new("l")).unwrap();
        assert_eq!(labels.of(1), "hēn");
        let message = labels.for_classes(1000, "lite0", Path::new("l")).unwrap_err().to_string();
        assert!(message.contains("2 labels for the 1000 classes of lite0"), "{message}");
    }
}
