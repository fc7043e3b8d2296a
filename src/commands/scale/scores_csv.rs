//! Combinations of α, β and γ, and accuracies of trained ones from a CSV file: `alpha,beta,gamma,top1` (percent).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;

use super::NetworkAtSize;
use phicam_model::efficientnet::compound_scaling::{Coefficients, objective};
use phicam_model::efficientnet::{Family, Network, STAGES};

const COLUMNS: [&str; 4] = ["alpha", "beta", "gamma", "top1"];
/// Largest distance from a multiple of 1/20: 1.15 has no exact binary form.
const TOLERANCE: f64 = 1e-6;
/// Size limit of a scores file: one line for each combination of the grid takes a few kilobytes.
const MAX_BYTES: u64 = 1 << 20;

/// Combination of the grid, as the network of φ = 1.
pub struct Combination {
    pub coefficients: Coefficients,
    pub sized_network: NetworkAtSize,
    /// Accuracy after training in percent; `None` without a score.
    pub top1: Option<f64>,
}

impl Combination {
    pub fn new(coefficients: Coefficients) -> Combination {
        let scale = coefficients.scale(1.0);
        let sized_network = NetworkAtSize::new(Network::new(Family::B, scale.width, scale.depth), scale.side);
        Combination { coefficients, sized_network, top1: None }
    }

    /// Returns the number of blocks of the network.
    pub fn blocks(&self) -> usize {
        (0..STAGES.len()).map(|stage| self.sized_network.network.repeats(stage)).sum()
    }

    /// Returns top-1 × (MACs / target)^−0.07, or `None` without a score.
    pub fn objective(&self, target_million_macs: f64) -> Option<f64> {
        self.top1.map(|top1| objective(top1, self.sized_network.cost.million_macs(), target_million_macs))
    }

    /// Returns whether this is the paper's choice.
    pub fn is_papers(&self) -> bool {
        grid_point(&self.coefficients) == grid_point(&Coefficients::PAPER)
    }
}

/// Returns the coefficients in twentieths, which compare exactly, or `None` if they are between grid points.
fn grid_point(coefficients: &Coefficients) -> Option<[i64; 3]> {
    let Coefficients { alpha, beta, gamma } = *coefficients;
    let mut point = [0; 3];
    for (twentieths, value) in point.iter_mut().zip([alpha, beta, gamma]) {
        let exact = value * 20.0;
        if (exact - exact.round()).abs() > 20.0 * TOLERANCE {
            return None;
        }
        *twentieths = exact.round() as i64;
    }
    Some(point)
}

/// Sets the score of each combination of `grid` that the file at `path` has one for.
pub fn read(path: &Path, grid: &mut [Combination]) -> anyhow::Result<()> {
    let bytes = phicam_platform::paths::read_regular(path, MAX_BYTES)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes.as_slice());
    let error_at = |line: u64, message: String| anyhow::anyhow!("{}:{line}: {message}", path.display());
    let header = reader.headers().map_err(|error| error_at(line_number(&error), csv_message(&error)))?.clone();
    let mut columns = [0; COLUMNS.len()];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        *column = header.iter().position(|field| field == name).ok_or_else(|| {
            let header = header.iter().collect::<Vec<_>>().join(",");
            error_at(1, format!("column {name} is missing: the header is `{header}`; expected {}", COLUMNS.join(",")))
        })?;
    }
    let mut lines: BTreeMap<[i64; 3], u64> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| error_at(line_number(&error), csv_message(&error)))?;
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != header.len() {
            let (fields, expected) = (record.len(), header.len());
            return Err(error_at(line, format!("{fields} fields, expected {expected} as in the header")));
        }
        let mut values = [0.0; COLUMNS.len()];
        for ((value, column), name) in values.iter_mut().zip(columns).zip(COLUMNS) {
            let field = record.get(column).unwrap_or_default();
            let number = field.parse::<f64>().ok().filter(|number| number.is_finite());
            *value = number.ok_or_else(|| error_at(line, format!("{name} is `{field}`, expected a number")))?;
        }
        let [alpha, beta, gamma, top1] = values;
        if !(0.0..=100.0).contains(&top1) {
            return Err(error_at(line, format!("top1 is {top1}, expected percent from 0 to 100")));
        }
        let point = grid_point(&Coefficients { alpha, beta, gamma });
        let combination =
            grid.iter_mut().find(|combination| point.is_some() && grid_point(&combination.coefficients) == point);
        let (Some(point), Some(combination)) = (point, combination) else {
            let message = format!(
                "α {alpha}, β {beta}, γ {gamma} is not on the grid; expected a combination that --search lists"
            );
            return Err(error_at(line, message));
        };
        if let Some(first) = lines.insert(point, line) {
            let message = format!(
                "α {alpha}, β {beta}, γ {gamma} is there twice: it was on line {first} already; delete one of the lines"
            );
            return Err(error_at(line, message));
        }
        combination.top1 = Some(top1);
    }
    if lines.is_empty() {
        bail!("{}: the file has no scores; add a line for each combination that was trained", path.display());
    }
    Ok(())
}

fn line_number(error: &csv::Error) -> u64 {
    error.position().map_or(1, csv::Position::line)
}

/// Returns the message for an error of [`csv`]; bytes in memory cause only one kind, text that is not UTF-8.
fn csv_message(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "not UTF-8, expected text".into(),
        _ => format!("invalid CSV: {error}"),
    }
}
