//! Strict reader for TOML configuration files: errors name the line and the probable spelling.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Error of reading a TOML file.
#[derive(Debug, thiserror::Error)]
pub enum StrictError {
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error("{}:{line}: {message}{hint}", path.display())]
    Malformed { path: PathBuf, line: usize, message: String, hint: String },
}

/// Reads the file `path` as a `T`, which should deny unknown fields.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, StrictError> {
    let unreadable = |cause| StrictError::Unreadable { path: path.into(), cause };
    let bytes = crate::bundled_models::read(path).map_err(unreadable)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| unreadable(std::io::Error::other(error)))?;
    parse(text, path)
}

/// Parses `text` as a `T`; error messages name `path` as its source.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, StrictError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.as_bytes()[..start].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let message = error.message().trim_end().replace('\n', "; ");
        let hint = hint(&message);
        StrictError::Malformed { path: path.into(), line, message, hint }
    })
}

/// Returns the hint for a message of serde such as "unknown field `frame_mss`, expected one of `frame_ms`, …".
fn hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match (message.starts_with("unknown"), quoted.next()) {
        (true, Some(unknown)) => did_you_mean(unknown, quoted),
        _ => String::new(),
    }
}

/// Returns "; did you mean `x`?" with the known name nearest to `unknown`; an empty text if no name is near.
///
/// Near is a Jaro-Winkler similarity above 0.75, an estimate, or one edit in a name of three or more letters.
pub fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let unknown = unknown.to_lowercase();
    let score = |name: &str| {
        let score = strsim::jaro_winkler(&unknown, &name.to_lowercase());
        // In a short name, one edit lowers the similarity too much.
        let is_one_edit = name.len() > 2 && strsim::osa_distance(&unknown, name) == 1;
        if is_one_edit { score.max(0.9) } else { score }
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
    fn misspelt_key_error_has_line_and_suggestion() {
        let error = parse::<Sample>("\nframe_ms = 1\nmemory_mb = 3\n", Path::new("b.toml")).unwrap_err().to_string();
        assert!(error.starts_with("b.toml:3: unknown field `memory_mb`"), "{error}");
        assert!(error.ends_with("did you mean `memory_mib`?"), "{error}");
    }

    #[test]
    fn wrong_type_error_has_line() {
        let error = parse::<Sample>("frame_ms = \"fast\"", Path::new("b.toml")).unwrap_err().to_string();
        assert!(error.starts_with("b.toml:1: invalid type"), "{error}");
    }
}
