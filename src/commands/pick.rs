//! `phicam pick`: picks the largest model that fits, and explains the pick.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;

use log::info;
use serde_json::{Value, json};

use super::{known, write_json};
use crate::board::Board;
use crate::cli::PickArgs;
use crate::json_numbers::rounded;
use crate::session::{Session, board, check_parent};
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_model::efficientnet::compound_scaling::{TARGET_MILLION_MACS, objective, phi_of_macs};
use phicam_platform::system;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::reason::{Finding, Reason};
use phicam_policy::picker::{Candidate, Effort, LimitingFactor, Pick, explain};

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
        info!("wrote {}", path.display());
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
    let here = Board::detect(&system::device_tree_compatible())?;
    if args.board.board.is_some() && here.name != board.name {
        let (processor, name) = (system::processor(), &board.name);
        writeln!(out, "all times are of this machine ({processor}): only the budget is that of {name}")?;
    }
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
    match Finding::new(candidate, pick) {
        Finding::Picked => "← picked".into(),
        finding => finding.to_string(),
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
                "phi": variant.phi.map(|phi| rounded(phi, 2)),
                "million_macs": rounded(variant.million_macs, 1),
                "top1_percent": variant.top1_percent,
                "objective": objective_of(variant).map(|objective| rounded(objective, 1)),
                "total_ms": candidate.measurement.as_ref().map(|m| m.total_ms),
                "peak_rss_mib": candidate.measurement.as_ref().map(|m| m.peak_rss_mib),
                "verdict": describe_verdict(candidate, pick),
            })
        })
        .collect();
    let reason = Reason::new(pick);
    json!({
        "variant": pick.variant.name,
        "phi": pick.variant.phi.map(|phi| rounded(phi, 2)),
        "engine": pick.config.engine,
        "precision": pick.config.precision,
        "threads": pick.config.threads,
        "reason": explain(pick),
        "headline": reason.headline(),
        "statements": reason.sentences(),
        "limit": match pick.limiting_factor {
            LimitingFactor::Time => "time",
            LimitingFactor::Memory => "memory",
            LimitingFactor::ComputeCost => "work",
            LimitingFactor::Catalog => "catalog",
            LimitingFactor::Failure => "failure",
        },
        "affordable_phi": pick.affordable_million_macs.map(|macs| rounded(phi_of_macs(macs), 2)),
        "budget": pick.budget,
        "candidates": candidates,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_test_fixtures::{ms, picked};

    #[test]
    fn json_table_and_explanation_agree() {
        for frame_ms in [20.0, 39.0, 121.0] {
            let pick = picked(ms(frame_ms)).unwrap();
            let object = as_json(&pick);
            let statements: Vec<&str> =
                object["statements"].as_array().unwrap().iter().map(|sentence| sentence.as_str().unwrap()).collect();
            let reason = object["reason"].as_str().unwrap();
            assert!(reason.ends_with(&format!("→ {}", statements.join("; "))), "{reason}: {statements:?}");
            let mut table = Vec::new();
            print_table(&pick, &mut table).unwrap();
            let table = String::from_utf8(table).unwrap();
            for (line, candidate) in table.lines().skip(1).zip(object["candidates"].as_array().unwrap()) {
                let verdict = candidate["verdict"].as_str().unwrap();
                assert!(line.ends_with(verdict), "{line}: {verdict}");
            }
            assert_eq!(table.lines().count(), pick.candidates.len() + 1);
        }
    }

    #[test]
    fn need_of_the_next_is_equal_in_table_and_reason() {
        let pick = picked(ms(39.0)).unwrap();
        let object = as_json(&pick);
        let next = object["candidates"].as_array().unwrap().iter().find(|other| other["variant"] == "lite2@260");
        let verdict = next.unwrap()["verdict"].as_str().unwrap();
        assert_eq!(verdict, "needs 54.5 ms of 39 with headroom for the pipeline");
        assert_eq!(object["statements"][1], format!("the next, lite2@260, {verdict}"));
    }
}
