//! Accuracies of trained combinations from a CSV file: `alpha,beta,gamma,top1`, the last in percent.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;

use super::grid_search::Combination;
use phicam_model::efficientnet::compound_scaling::Coefficients;

const COLUMNS: [&str; 4] = ["alpha", "beta", "gamma", "top1"];
/// How far from a multiple of a twentieth a number may be: 1.15 has no exact binary form.
const TOLERANCE: f64 = 1e-6;

/// The combination in twentieths, which compare exactly; nothing between them.
pub fn place(coefficients: &Coefficients) -> Option<[i64; 3]> {
    let Coefficients { alpha, beta, gamma } = *coefficients;
    let mut place = [0; 3];
    for (twentieths, value) in place.iter_mut().zip([alpha, beta, gamma]) {
        let exact = value * 20.0;
        if (exact - exact.round()).abs() > 20.0 * TOLERANCE {
            return None;
        }
        *twentieths = exact.round() as i64;
    }
    Some(place)
}

/// A score for each of the grid's combinations takes some kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// Gives each combination of `grid` its score, if the file at `path` has one.
pub fn read(path: &Path, grid: &mut [Combination]) -> anyhow::Result<()> {
    let bytes = phicam_platform::paths::read_regular(path, MAX_BYTES)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes.as_slice());
    let refused = |line: u64, message: String| anyhow::anyhow!("{}:{line}: {message}", path.display());
    let header = reader.headers().map_err(|error| refused(line_of(&error), not_text(&error)))?.clone();
    let mut columns = [0; COLUMNS.len()];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        *column = header.iter().position(|field| field == name).ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(",");
            refused(1, format!("the header is `{found}`, column {name} is missing; expected {}", COLUMNS.join(",")))
        })?;
    }
    let mut lines: BTreeMap<[i64; 3], u64> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| refused(line_of(&error), not_text(&error)))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let (found, expected) = (record.len(), header.len());
            return Err(refused(line, format!("has {found} fields, expected {expected} as in the header")));
        }
        let mut values = [0.0; COLUMNS.len()];
        for ((value, column), name) in values.iter_mut().zip(columns).zip(COLUMNS) {
            let field = record.get(column).unwrap_or_default();
            let number = field.parse::<f64>().ok().filter(|number| number.is_finite());
            *value = number.ok_or_else(|| refused(line, format!("{name} is `{field}`, expected a number")))?;
        }
        let [alpha, beta, gamma, top1] = values;
        if !(0.0..=100.0).contains(&top1) {
            return Err(refused(line, format!("top1 is {top1}, expected percent from 0 to 100")));
        }
        let found = place(&Coefficients { alpha, beta, gamma });
        let on_grid = grid.iter_mut().find(|of_grid| found.is_some() && place(&of_grid.coefficients) == found);
        let (Some(place), Some(combination)) = (found, on_grid) else {
            let message =
                format!("α {alpha}, β {beta}, γ {gamma} is not on the grid: expected one that --search lists");
            return Err(refused(line, message));
        };
        if let Some(first) = lines.insert(place, line) {
            let message =
                format!("α {alpha}, β {beta}, γ {gamma} is there twice, first on line {first}; expected once");
            return Err(refused(line, message));
        }
        combination.top1 = Some(top1);
    }
    if lines.is_empty() {
        bail!("{}: there is no score in it, expected a line for each combination that was trained", path.display());
    }
    Ok(())
}

fn line_of(error: &csv::Error) -> u64 {
    error.position().map_or(1, csv::Position::line)
}

/// What [`csv`] refuses of bytes in memory: those that are no text.
fn not_text(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8, expected text".into(),
        _ => format!("is not understood: {error}"),
    }
}
