//! `phicam pick`: picks the largest model that fits, and explains the pick.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use serde_json::{Value, json};

use super::{known, write_json};
use crate::cli::PickArgs;
use crate::session::{Session, board, check_parent};
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_model::efficientnet::compound_scaling::{TARGET_MILLION_MACS, objective, phi_of_macs};
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::{
    Candidate, Effort, LimitingFactor, PIPELINE_HEADROOM, PIPELINE_MEMORY_MIB, Pick, SkipReason, Verdict, explain,
};

mod plot;
mod soak;
mod what_if;

/// Measures, picks and prints every candidate with its verdict.
pub fn pick(args: PickArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if let Some(path) = &args.explain {
        check_parent(path)?; // before the measurements, which may take minutes
    }
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &args.budget, &args.model_args)?;
    if args.remeasure {
        session.store.forget();
    }
    let mut pick = session.pick(&session.configs.clone(), Effort::Full, &AtomicBool::new(false), &|_| {})?;
    if let Some(seconds) = args.soak {
        pick = soak::soak(&mut session, pick, seconds)?;
    }
    if let Some(path) = &args.explain {
        plot::write(&pick, path)?;
    }
    let beyond =
        if args.what_if { what_if::time(&mut session, pick.config)? } else { what_if::beyond(&session, pick.config) };
    let best = what_if::best(&beyond, pick.variant.top1_percent);
    if args.json {
        let mut object = as_json(&pick);
        object["beyond"] = best.map(what_if::as_json).into();
        if args.what_if {
            object["what_if"] = beyond.iter().map(what_if::as_json).collect();
        }
        write_json(out, &object)?;
        return Ok(ExitCode::SUCCESS);
    }
    print_table(&pick, out)?;
    if args.what_if {
        what_if::table(&beyond, out)?;
    }
    writeln!(out, "\nboard {}: {}", board.name, board.description())?;
    writeln!(out, "{}", explain(&pick))?;
    match best {
        Some(best) => writeln!(out, "{}", what_if::advice(best))?,
        None if args.what_if => writeln!(out, "no published network that fits is more accurate than the pick")?,
        None if pick.limiting_factor == LimitingFactor::Catalog => {
            writeln!(out, "`phicam pick --what-if` measures larger networks")?
        }
        None => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn print_table(pick: &Pick, out: &mut dyn Write) -> std::io::Result<()> {
    let has_several_configs = pick.candidates.iter().any(|candidate| candidate.config != pick.config);
    let width = pick.candidates.iter().map(|candidate| candidate.variant.name.len()).max().unwrap_or(0).max(12);
    writeln!(out, "{:<width$}     φ   M MACs   top-1 %   objective   p50 ms   p95 ms   MiB", "variant")?;
    for candidate in pick.candidates.iter().filter(|candidate| !is_only_fewer_threads(candidate, pick)) {
        let variant = &candidate.variant;
        let measured = |value: fn(&Measurement) -> f64, digits: usize| {
            candidate.measurement.as_ref().map_or("–".into(), |m| format!("{:.digits$}", value(m)))
        };
        writeln!(
            out,
            "{:<width$} {:>5}   {:>6.1}   {:>7}   {:>9}   {:>6}   {:>6}   {:>3}   {}{}",
            variant.name,
            known(variant.phi, 2),
            variant.million_macs,
            known(variant.top1_percent, 2),
            known(objective_of(variant), 1),
            measured(|m| m.total_ms.p50, 1),
            measured(|m| m.total_ms.p95, 1),
            measured(|m| m.peak_rss_mib, 0),
            if has_several_configs { format!("{}: ", candidate.config) } else { String::new() },
            describe_verdict(candidate, pick),
        )?;
    }
    Ok(())
}

/// Returns whether a candidate was not measured and differs from the pick in threads alone. Such lines are left out of the table, not
/// of JSON.
fn is_only_fewer_threads(candidate: &Candidate, pick: &Pick) -> bool {
    candidate.measurement.is_none()
        && candidate.config != pick.config
        && ExecutionConfig { threads: pick.config.threads, ..candidate.config } == pick.config
}

/// Returns ACC(m) × [FLOPS(m)/T]^w (Tan & Le 2019), `None` if the accuracy is unknown.
fn objective_of(variant: &Variant) -> Option<f64> {
    variant.top1_percent.map(|top1| objective(top1, variant.million_macs, TARGET_MILLION_MACS))
}

/// Returns the verdict on a candidate for people.
fn describe_verdict(candidate: &Candidate, pick: &Pick) -> String {
    let budget = &pick.budget;
    let limit =
        |limit: Option<f64>| limit.map_or_else(String::new, |limit| ((limit * 10.0).round() / 10.0).to_string());
    let share = PIPELINE_HEADROOM * 100.0;
    match &candidate.verdict {
        Verdict::Undecided => "not decided".into(),
        Verdict::Picked => "← picked".into(),
        Verdict::Fits => "fits".into(),
        Verdict::Tied => format!("ties with {}, which is faster", pick.variant.name),
        Verdict::Skipped(SkipReason::LessAccurate) => "a more accurate variant fits".into(),
        Verdict::TooSlow { .. } => {
            format!("over {} ms, with {share} % headroom for the pipeline", limit(budget.frame_ms))
        }
        Verdict::WithinHysteresis { .. } => {
            format!("fits within the hysteresis of the previous pick, {}", pick.variant.name)
        }
        Verdict::Skipped(SkipReason::PredictedTooSlow { predicted_p95_ms }) => {
            format!("not measured: about {predicted_p95_ms:.1} ms at p95, over {} ms", limit(budget.frame_ms))
        }
        Verdict::TooMuchMemory { .. } => {
            format!("over {} MiB, with {PIPELINE_MEMORY_MIB} MiB for the pipeline", limit(budget.memory_mib))
        }
        Verdict::Skipped(SkipReason::PredictedTooMuchMemory { than }) => {
            format!("not measured: needs more memory than {than}")
        }
        Verdict::TooManyMacs => format!("over {} M MACs", limit(budget.million_macs)),
        Verdict::Skipped(SkipReason::Dominated { by }) => format!("not measured: dominated by {by}"),
        Verdict::Skipped(SkipReason::FewerThreads { than }) => format!("not measured: {than} threads are faster"),
        Verdict::Failed(cause) => format!("failed: {cause}"),
    }
}

/// Returns the object that `pick --json` prints.
fn as_json(pick: &Pick) -> Value {
    let candidates: Vec<Value> = pick
        .candidates
        .iter()
        .map(|candidate| {
            let variant = &candidate.variant;
            json!({
                "variant": variant.name,
                "engine": candidate.config.engine,
                "precision": candidate.config.precision,
                "threads": candidate.config.threads,
                "phi": variant.phi,
                "million_macs": variant.million_macs,
                "top1_percent": variant.top1_percent,
                "objective": objective_of(variant),
                "total_ms": candidate.measurement.as_ref().map(|m| m.total_ms),
                "peak_rss_mib": candidate.measurement.as_ref().map(|m| m.peak_rss_mib),
                "verdict": describe_verdict(candidate, pick),
            })
        })
        .collect();
    json!({
        "variant": pick.variant.name,
        "phi": pick.variant.phi,
        "engine": pick.config.engine,
        "precision": pick.config.precision,
        "threads": pick.config.threads,
        "reason": explain(pick),
        "limit": match pick.limiting_factor {
            LimitingFactor::Time => "time",
            LimitingFactor::Memory => "memory",
            LimitingFactor::ComputeCost => "work",
            LimitingFactor::Catalog => "catalog",
            LimitingFactor::Failure => "failure",
        },
        "affordable_phi": pick.affordable_million_macs.map(phi_of_macs),
        "budget": pick.budget,
        "candidates": candidates,
    })
}
