//! `phicam scale --search`: the paper's grid over α, β and γ, the cost of each combination, and their ranking.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::scores_csv::Combination;
use super::{format_macs, merged, scores_csv};
use crate::cli::ScaleArgs;
use crate::commands::write_json;
use phicam_model::efficientnet::compound_scaling::{Coefficients, TARGET_MILLION_MACS, objective};

/// Prints the grid, ranked if `--scores` is given.
///
/// With `--json` prints one object: `combinations`, each with `alpha`, `beta`, `gamma`, `work_per_step`, the fields of
/// [`NetworkAtSize::to_json`](super::NetworkAtSize::to_json) (φ = 1, rounded), `blocks`, `paper` (true for the paper's
/// combination), `top1_percent` and `objective` (null without a score). With `--scores` they are ordered by rank, and
/// the object also has `target_million_macs`, `without_score` (number of them) and `best` (`alpha`, `beta`, `gamma`).
pub fn search(args: &ScaleArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let target = args.target.unwrap_or(TARGET_MILLION_MACS);
    let mut grid: Vec<Combination> = Coefficients::grid().into_iter().map(Combination::new).collect();
    if let Some(path) = &args.scores {
        scores_csv::read(path, &mut grid)?;
        let rank = |combination: &Combination| combination.objective(target).unwrap_or(f64::NEG_INFINITY);
        let macs = |combination: &Combination| combination.sized_network.cost.macs;
        grid.sort_by(|a, b| rank(b).total_cmp(&rank(a)).then(macs(a).cmp(&macs(b))));
    }
    if args.json {
        return write_json(out, &grid_json(args.scores.is_some(), target, &grid));
    }
    match &args.scores {
        Some(path) => write_ranking(path, target, &grid, out),
        None => write_table(&grid, out),
    }
}

fn grid_json(has_scores: bool, target: f64, grid: &[Combination]) -> Value {
    let combinations: Vec<Value> = grid.iter().map(|combination| combination_json(combination, target)).collect();
    let object = json!({ "combinations": combinations });
    if !has_scores {
        return object;
    }
    let Coefficients { alpha, beta, gamma } = grid[0].coefficients; // a file without scores is an error
    let best = json!({ "alpha": alpha, "beta": beta, "gamma": gamma });
    let without_score = grid.iter().filter(|combination| combination.top1.is_none()).count();
    merged(object, json!({ "target_million_macs": target, "without_score": without_score, "best": best }))
}

fn combination_json(combination: &Combination, target: f64) -> Value {
    let Coefficients { alpha, beta, gamma } = combination.coefficients;
    let fields = json!({
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
        "work_per_step": combination.coefficients.work_per_step(),
        "blocks": combination.blocks(),
        "paper": combination.is_papers(),
        "top1_percent": combination.top1,
        "objective": combination.objective(target),
    });
    merged(combination.sized_network.to_json(), fields)
}

const HEADING: &str = "   α      β      γ   α·β²·γ²   blocks   side   M MACs   M parameters";

/// Returns the columns of [`HEADING`].
fn row(combination: &Combination) -> String {
    let Coefficients { alpha, beta, gamma } = combination.coefficients;
    format!(
        "{alpha:.2}   {beta:.2}   {gamma:.2}   {:>7.3}   {:>6}   {:>4}   {:>6.1}   {:>12.2}",
        combination.coefficients.work_per_step(),
        combination.blocks(),
        combination.sized_network.side,
        combination.sized_network.cost.million_macs(),
        combination.sized_network.cost.million_parameters(),
    )
}

fn write_table(grid: &[Combination], out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{HEADING}")?;
    for combination in grid {
        let mark = if combination.is_papers() { "   ← the paper's" } else { "" };
        writeln!(out, "{}{mark}", row(combination))?;
    }
    let Coefficients { alpha, beta, gamma } = Coefficients::PAPER;
    writeln!(
        out,
        "\n{} combinations, each as B0 scaled to φ = 1: depth α, width β, resolution γ, rounded to whole blocks, \
         channels and sides.\nTo choose among them, train each one; the paper's choice was {alpha}, {beta}, {gamma}. \
         --scores FILE.csv ranks those that you trained.",
        grid.len()
    )?;
    Ok(())
}

fn write_ranking(path: &Path, target: f64, grid: &[Combination], out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "rank   {HEADING}   top-1 %   objective")?;
    let scored = grid.iter().filter_map(|combination| Some((combination, combination.top1?)));
    for (rank, (combination, top1)) in scored.clone().enumerate() {
        let mark = if combination.is_papers() { "   ← the paper's" } else { "" };
        let objective = objective(top1, combination.sized_network.cost.million_macs(), target);
        writeln!(out, "{:>4}   {}   {top1:>7.2}   {objective:>9.3}{mark}", rank + 1, row(combination))?;
    }
    let Coefficients { alpha, beta, gamma } = grid[0].coefficients; // a file without scores is an error
    writeln!(
        out,
        "\nbest: α {alpha:.2}, β {beta:.2}, γ {gamma:.2}, by top-1 × (MACs/{})^−0.07 and the scores in {}",
        format_macs(target),
        path.display()
    )?;
    let without_score = grid.len() - scored.count();
    if without_score > 0 {
        writeln!(out, "{without_score} of {} combinations have no score: one of them may be better", grid.len())?;
    }
    Ok(())
}
