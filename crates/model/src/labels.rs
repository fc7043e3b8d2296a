//! Class names of a model, from a label file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A label file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    #[error("{}: byte {at} is not UTF-8; save the file as UTF-8", path.display())]
    NotUtf8 { path: PathBuf, at: usize },
    #[error("{}:{line}: {fault}; give every class a unique label", path.display())]
    InvalidLabel { path: PathBuf, line: usize, fault: String },
    #[error(
        "{}: {found} labels for the {expected} classes of {model}; write one line per class, in the model's order",
        path.display()
    )]
    WrongCount { path: PathBuf, found: usize, expected: usize, model: String },
}

/// Unique labels, indexed by class.
#[derive(Debug)]
pub struct Labels(Vec<Arc<str>>);

impl Labels {
    /// Parses one label a line. Errors name the file `path`.
    ///
    /// Returns an error if a label is empty, not unique or not UTF-8.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Labels, LabelError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|error| LabelError::NotUtf8 { path: path.into(), at: error.valid_up_to() })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text); // byte order mark, which some editors write
        let mut first_lines = std::collections::HashMap::new();
        let mut labels = Vec::new();
        for (index, label) in text.lines().map(str::trim).enumerate() {
            let invalid = |fault| LabelError::InvalidLabel { path: path.into(), line: index + 1, fault };
            if label.is_empty() {
                return Err(invalid("the label is empty".into()));
            }
            if let Some(first) = first_lines.insert(label, index + 1) {
                return Err(invalid(format!("label `{label}` is also on line {first}")));
            }
            labels.push(label.into());
        }
        Ok(Labels(labels))
    }

    /// Returns the labels `class 0`, `class 1`, …, for a model without a label file.
    pub fn numbered(classes: usize) -> Labels {
        Labels((0..classes).map(|class| format!("class {class}").into()).collect())
    }

    /// Returns the labels unchanged, or an error if their number is not the number of classes of `model`.
    pub fn for_classes(self, classes: usize, model: &str, path: &Path) -> Result<Labels, LabelError> {
        let (found, expected) = (self.0.len(), classes);
        if found != expected {
            return Err(LabelError::WrongCount { path: path.into(), found, expected, model: model.into() });
        }
        Ok(self)
    }

    /// Returns the label of a class, or `?` if the class is out of range.
    pub fn label(&self, class: u32) -> &str {
        self.0.get(class as usize).map_or("?", |label| label)
    }

    /// Returns the number of classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no labels.
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
    fn duplicate_or_empty_label_is_refused_with_line() {
        assert!(refusal(b"crane\nhen\ncrane\n").starts_with("labels.txt:3: label `crane` is also on line 1"));
        assert_eq!(Labels::parse("\u{feff}hen\n".as_bytes(), Path::new("l")).unwrap().label(0), "hen");
        assert!(refusal(b"crane\n\nhen\n").starts_with("labels.txt:2: the label is empty"));
        assert!(refusal(b"crane\nh\xffn\n").contains("byte 7 is not UTF-8"));
    }

    #[test]
    fn wrong_label_count_is_refused_with_both_counts() {
        let labels = Labels::parse("Kranich\nhēn\n".as_bytes(), Path::new("l")).unwrap();
        assert_eq!(labels.label(1), "hēn");
        let message = labels.for_classes(1000, "lite0", Path::new("l")).unwrap_err().to_string();
        assert!(message.contains("2 labels for the 1000 classes of lite0"), "{message}");
    }
}
