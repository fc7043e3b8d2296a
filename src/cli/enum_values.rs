//! Command-line values of the enums that other crates define: those crates do not know clap.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use phicam_model::catalog::Filter;
use phicam_model::efficientnet::{Family, Padding};
use phicam_pipeline::overlay::Page;

/// Returns a parser of `values`, each with its name on the command line and its help.
fn parser<T: Copy + Send + Sync + 'static>(
    values: &'static [(&'static str, T, &'static str)],
) -> impl TypedValueParser<Value = T> {
    let possible = values.iter().map(|(name, _, help)| {
        let value = PossibleValue::new(*name);
        if help.is_empty() { value } else { value.help(*help) }
    });
    PossibleValuesParser::new(possible)
        .try_map(move |text| values.iter().find(|(name, ..)| *name == text).map(|(_, value, _)| *value).ok_or(Unknown))
}

/// A value that the parser of possible values lets through although it is none; it has no way to happen.
#[derive(Debug, thiserror::Error)]
#[error("not one of the possible values")]
struct Unknown;

/// Returns the parser of `--screen`.
pub fn page() -> impl TypedValueParser<Value = Page> {
    parser(&[("answer", Page::Answer, ""), ("details", Page::Details, "")])
}

/// Returns the parser of `--family`.
pub fn family() -> impl TypedValueParser<Value = Family> {
    parser(&[("b", Family::B, ""), ("lite", Family::Lite, "")])
}

/// Returns the parser of `--padding`.
pub fn padding() -> impl TypedValueParser<Value = Padding> {
    parser(&[
        ("same", Padding::Same, "TensorFlow's: as little as needed, the odd pixel at the bottom right"),
        ("symmetric", Padding::Symmetric, "PyTorch's: (kernel − 1)/2 on each side"),
    ])
}

/// Returns the parser of `--filter`.
pub fn filter() -> impl TypedValueParser<Value = Filter> {
    parser(&[("bilinear", Filter::Bilinear, ""), ("bicubic", Filter::Bicubic, "Catmull-Rom (a = −0.5), as Pillow's")])
}
