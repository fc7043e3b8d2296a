//! `phicam scale --search`: the grid over α, β and γ, what each combination really costs, and the variant among them.

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::{Sized, joined, scores_csv, work};
use crate::cli::ScaleArgs;
use crate::commands::write_json;
use phicam_model::efficientnet::compound_scaling::{Coefficients, TARGET_MILLION_MACS, objective};
use phicam_model::efficientnet::{Family, Network, STAGES};

/// One combination, as the network of φ = 1.
pub struct Combination {
    pub coefficients: Coefficients,
    sized: Sized,
    /// Trained accuracy in percent, where a score was given.
    pub top1: Option<f64>,
}

impl Combination {
    fn new(coefficients: Coefficients) -> Combination {
        let scale = coefficients.scale(1.0);
        let sized = Sized::new(Network::new(Family::B, scale.width, scale.depth), scale.side);
        Combination { coefficients, sized, top1: None }
    }

    fn blocks(&self) -> usize {
        (0..STAGES.len()).map(|stage| self.sized.network.repeats(stage)).sum()
    }

    fn objective(&self, target: f64) -> Option<f64> {
        self.top1.map(|top1| objective(top1, self.sized.cost.million_macs(), target))
    }

    fn is_papers(&self) -> bool {
        scores_csv::place(&self.coefficients) == scores_csv::place(&Coefficients::PAPER)
    }
}

/// With `--json` one object: `combinations`, each with `alpha`, `beta`, `gamma`, `work_per_step`, the fields of
/// [`Sized::as_json`] (of φ = 1, rounded), `blocks`, `paper` (whether it is the paper's), `top1_percent` and
/// `objective` (null without a score); and, with `--scores`, `target_million_macs`, `without_score` (how many) and
/// `best` (`alpha`, `beta`, `gamma`). With scores the ranking is the order.
pub fn search(args: &ScaleArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let target = args.target.unwrap_or(TARGET_MILLION_MACS);
    let mut grid: Vec<Combination> = Coefficients::grid().into_iter().map(Combination::new).collect();
    if let Some(path) = &args.scores {
        scores_csv::read(path, &mut grid)?;
        let by_rank = |combination: &Combination| combination.objective(target).unwrap_or(f64::NEG_INFINITY);
        let macs = |combination: &Combination| combination.sized.cost.macs;
        grid.sort_by(|a, b| by_rank(b).total_cmp(&by_rank(a)).then(macs(a).cmp(&macs(b))));
    }
    if args.json {
        return write_json(out, &object(args.scores.is_some(), target, &grid));
    }
    match &args.scores {
        Some(path) => ranking(path, target, &grid, out),
        None => table(&grid, out),
    }
}

fn object(scored: bool, target: f64, grid: &[Combination]) -> Value {
    let combinations: Vec<Value> = grid.iter().map(|combination| as_json(combination, target)).collect();
    let object = json!({ "combinations": combinations });
    if !scored {
        return object;
    }
    let Coefficients { alpha, beta, gamma } = grid[0].coefficients; // a file without a score is refused
    let best = json!({ "alpha": alpha, "beta": beta, "gamma": gamma });
    let without = grid.iter().filter(|combination| combination.top1.is_none()).count();
    joined(object, json!({ "target_million_macs": target, "without_score": without, "best": best }))
}

fn as_json(combination: &Combination, target: f64) -> Value {
    let Coefficients { alpha, beta, gamma } = combination.coefficients;
    let more = json!({
        "alpha": alpha,
        "beta": beta,
        "gamma": gamma,
        "work_per_step": combination.coefficients.work_per_step(),
        "blocks": combination.blocks(),
        "paper": combination.is_papers(),
        "top1_percent": combination.top1,
        "objective": combination.objective(target),
    });
    joined(combination.sized.as_json(), more)
}

const HEAD: &str = "   α      β      γ   α·β²·γ²   blocks   side   M MACs   M parameters";

/// The columns of [`HEAD`].
fn columns(combination: &Combination) -> String {
    let Coefficients { alpha, beta, gamma } = combination.coefficients;
    format!(
        "{alpha:.2}   {beta:.2}   {gamma:.2}   {:>7.3}   {:>6}   {:>4}   {:>6.1}   {:>12.2}",
        combination.coefficients.work_per_step(),
        combination.blocks(),
        combination.sized.side,
        combination.sized.cost.million_macs(),
        combination.sized.cost.million_parameters(),
    )
}

fn table(grid: &[Combination], out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{HEAD}")?;
    for combination in grid {
        let mark = if combination.is_papers() { "   ← the paper's" } else { "" };
        writeln!(out, "{}{mark}", columns(combination))?;
    }
    let Coefficients { alpha, beta, gamma } = Coefficients::PAPER;
    writeln!(
        out,
        "\n{} combinations, each as B0 scaled to φ = 1: depth α, width β, resolution γ, rounded to whole blocks, \
         channels and sides.\nThe variant needs every one of them trained; the paper's was {alpha}, {beta}, {gamma}. \
         --scores FILE.csv ranks what you trained.",
        grid.len()
    )?;
    Ok(())
}

fn ranking(path: &Path, target: f64, grid: &[Combination], out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "rank   {HEAD}   top-1 %   objective")?;
    let scored = grid.iter().filter_map(|combination| Some((combination, combination.top1?)));
    for (rank, (combination, top1)) in scored.clone().enumerate() {
        let mark = if combination.is_papers() { "   ← the paper's" } else { "" };
        let objective = objective(top1, combination.sized.cost.million_macs(), target);
        writeln!(out, "{:>4}   {}   {top1:>7.2}   {objective:>9.3}{mark}", rank + 1, columns(combination))?;
    }
    let Coefficients { alpha, beta, gamma } = grid[0].coefficients; // a file without a score is refused
    writeln!(
        out,
        "\nbest: α {alpha:.2}, β {beta:.2}, γ {gamma:.2}, by top-1 × (MACs/{})^−0.07 and the scores in {}",
        work(target),
        path.display()
    )?;
    let without = grid.len() - scored.count();
    if without > 0 {
        writeln!(out, "{without} of {} combinations have no score: one of them may be better", grid.len())?;
    }
    Ok(())
}
