//! Settings of the CPU engine: threads, instruction set, cache sizes and the order of early blocks.

use phicam_kernels::layers::Layout;
use phicam_kernels::{Kernels, TilingSettings};

use phicam_engine::EngineError;
use phicam_platform::system;

/// Environment variable for the instruction set of the kernels: a name such as `portable`, or `none` to use tract
/// alone.
const KERNELS_VARIABLE: &str = "PHICAM_KERNELS";
/// Environment variable for the order of early blocks: `depth-first` (the default) or `layer`.
const FUSION_VARIABLE: &str = "PHICAM_FUSION";
/// Former variable with the values `yes` and `no`, read in this release if [`FUSION_VARIABLE`] is not set.
const FORMER_FUSION_VARIABLE: &str = "PHICAM_DEPTH_FIRST";

/// Threads, kernels and cache sizes of one engine.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads of one inference.
    pub threads: usize,
    /// Kernels for the fused blocks; with `None` tract runs all operators.
    pub kernels: Option<&'static Kernels>,
    /// Cache sizes, and whether early blocks run depth first: row by row from block input to block output, in cache.
    pub tiling: TilingSettings,
}

/// Returns the environment's settings as text, for cache keys: `avx512 kernels, depth first`.
///
/// Reads environment variables alone, no files. Invalid settings give the text of their error.
pub fn cache_fingerprint() -> String {
    match from_variables(environment_variable) {
        Ok((kernels, depth_first)) => {
            let kernels = kernels.map_or("no", |kernels| kernels.name);
            format!("{kernels} kernels, {}", if depth_first { "depth first" } else { "layer by layer" })
        }
        Err(error) => error.to_string(),
    }
}

impl Settings {
    /// Reads `PHICAM_KERNELS` and `PHICAM_FUSION`; without them selects the fastest kernels, depth first.
    pub fn from_env(threads: usize) -> Result<Settings, EngineError> {
        let (kernels, depth_first) = from_variables(environment_variable)?;
        let caches = system::caches(threads);
        let default = TilingSettings::default();
        let tiling = TilingSettings {
            l1d_bytes: caches.l1d_bytes.unwrap_or(default.l1d_bytes),
            l2_bytes: caches.l2_bytes.unwrap_or(default.l2_bytes),
            depth_first,
        };
        Ok(Settings { threads, kernels, tiling })
    }

    /// Returns the settings for the kernels, planar input and output; `None` if tract runs all operators.
    pub fn for_kernels(self) -> Option<phicam_kernels::Settings> {
        let Settings { threads, kernels, tiling } = self;
        let order = Layout::Nchw;
        kernels.map(|kernels| phicam_kernels::Settings {
            kernels,
            threads,
            tiling,
            input_layout: order,
            output_layout: order,
        })
    }
}

/// Returns the value of an environment variable; an empty value counts as not set.
fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the kernels and whether early blocks run depth first; `variable` returns the value of a variable that is
/// set.
fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<(Option<&'static Kernels>, bool), EngineError> {
    Ok((parse_kernels(variable(KERNELS_VARIABLE))?, parse_depth_first(variable)?))
}

/// Returns the named kernels: the fastest of this CPU without a name, none for `none`.
fn parse_kernels(name: Option<String>) -> Result<Option<&'static Kernels>, EngineError> {
    match name.as_deref() {
        None => Ok(Some(Kernels::best())),
        Some("none") => Ok(None),
        Some(name) => Kernels::by_name(name).map(Some).ok_or_else(|| {
            let known: Vec<&str> = Kernels::available().map(|kernels| kernels.name).collect();
            EngineError::Kernels { value: name.into(), known: known.join(", ") }
        }),
    }
}

/// Returns whether early blocks run depth first; an error names the variable that was read.
fn parse_depth_first(variable: impl Fn(&str) -> Option<String>) -> Result<bool, EngineError> {
    if let Some(value) = variable(FUSION_VARIABLE) {
        return match value.as_str() {
            "depth-first" => Ok(true),
            "layer" => Ok(false),
            _ => Err(EngineError::Fusion { variable: FUSION_VARIABLE, value, expected: "depth-first or layer" }),
        };
    }
    let Some(value) = variable(FORMER_FUSION_VARIABLE) else { return Ok(true) };
    match value.as_str() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(EngineError::Fusion { variable: FORMER_FUSION_VARIABLE, value, expected: "yes or no" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source of variables that holds the given pairs alone.
    fn variables(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
    }

    #[test]
    fn kernels_are_parsed_or_refused_with_the_known_names() {
        assert_eq!(parse_kernels(None).unwrap().map(|kernels| kernels.name), Some(Kernels::best().name));
        assert!(parse_kernels(Some("none".into())).unwrap().is_none());
        assert_eq!(parse_kernels(Some("portable".into())).unwrap().map(|kernels| kernels.name), Some("portable"));
        let error = parse_kernels(Some("mmx".into())).unwrap_err().to_string();
        assert!(error.contains("PHICAM_KERNELS is `mmx`"), "{error}");
        assert!(error.contains("expected none or a kernel that this CPU supports"), "{error}");
    }

    #[test]
    fn fusion_variable_selects_depth_first_or_layer() {
        for (pairs, expected) in [
            (&[][..], true),
            (&[("PHICAM_FUSION", "depth-first")], true),
            (&[("PHICAM_FUSION", "layer")], false),
            // The former variable counts only if the new one is not set.
            (&[("PHICAM_DEPTH_FIRST", "yes")], true),
            (&[("PHICAM_DEPTH_FIRST", "no")], false),
            (&[("PHICAM_FUSION", "depth-first"), ("PHICAM_DEPTH_FIRST", "no")], true),
            (&[("PHICAM_FUSION", "layer"), ("PHICAM_DEPTH_FIRST", "nonsense")], false),
        ] {
            assert_eq!(parse_depth_first(variables(pairs)).unwrap(), expected, "{pairs:?}");
        }
    }

    #[test]
    fn fusion_error_names_the_variable_that_was_read() {
        for (pairs, expected) in [
            (("PHICAM_FUSION", "yes"), "PHICAM_FUSION is `yes`, expected depth-first or layer"),
            (("PHICAM_DEPTH_FIRST", "layer"), "PHICAM_DEPTH_FIRST is `layer`, expected yes or no"),
        ] {
            let error = parse_depth_first(variables(&[pairs])).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
