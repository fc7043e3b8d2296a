//! Strict reading of the TOML files that people write: where it went wrong, and what was probably meant.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A TOML file that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    #[error("{} cannot be read: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{}:{line}: {message}{hint}", path.display())]
    Malformed { path: PathBuf, line: usize, message: String, hint: String },
}

/// Reads `path` as a `T`, which should deny unknown fields.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, StrictError> {
    let unreadable = |cause| StrictError::Unreadable { path: path.into(), cause };
    let bytes = crate::bundled_models::read(path).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| unreadable(std::io::Error::other(error)))?;
    parse(text, path)
}

/// Parses `text` as a `T`; `path` is where it came from, for the message.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, StrictError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let message = error.message().trim_end().replace('\n', "; ");
        let hint = hint(&message);
        StrictError::Malformed { path: path.into(), line, message, hint }
    })
}

/// Serde writes "unknown field `frame_mss`, expected one of `frame_ms`, …": the nearest expected name is the hint.
fn hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown"), quoted.next()) {
        (true, Some(unknown)) => did_you_mean(unknown, quoted),
        _ => String::new(),
    }
}

/// "; did you mean `x`?" for the known name nearest to `unknown`, or nothing where none is near.
pub fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let unknown = unknown.to_lowercase();
    let score = |name: &str| match (strsim::jaro_winkler(&unknown, &name.to_lowercase()), name) {
        // In a short name one slip weighs much.
        (score, name) if name.len() > 2 && strsim::osa_distance(&unknown, name) == 1 => score.max(0.9),
        (score, _) => score,
    };
    let best = known.into_iter().map(|name| (score(name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((score, name)) if score > 0.75 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        frame_ms: f64,
        memory_mib: Option<f64>,
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line_and_the_likely_meaning() {
        let error = parse::<Sample>("\nframe_ms = 1\nmemory_mb = 3\n", Path::new("b.toml")).unwrap_err().to_string();
        assert!(error.starts_with("b.toml:3: unknown field `memory_mb`"), "{error}");
        assert!(error.ends_with("did you mean `memory_mib`?"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_named_with_its_line() {
        let error = parse::<Sample>("frame_ms = \"fast\"", Path::new("b.toml")).unwrap_err().to_string();
        assert!(error.starts_with("b.toml:1: invalid type"), "{error}");
    }
}
