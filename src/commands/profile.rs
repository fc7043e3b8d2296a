//! `phicam profile`: benchmarks this machine ahead of any pick, and prints a latency model for each engine.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use log::info;
use serde_json::{Value, json};

use super::{exit, known, rounded, rounded_ms, rounded_percentiles, significant, write_json};
use crate::cli::ProfileArgs;
use crate::session::{Activity, Session, board};
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_platform::system;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::initial_samples::{self, Midpoint};
use phicam_policy::picker::{ComputeCost, LatencyModel, QUICK_SAMPLE, TimeEstimate, scaled_latency_ms};

/// Width of the progress bar in characters.
const BAR_WIDTH: usize = 24;

/// Measures three sizes of each engine, or all candidates, and prints the latency models.
pub fn profile(args: ProfileArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &Default::default(), &args.model_args)?;
    if args.remeasure {
        session.store.forget();
    }
    let plan = plan(&session, args.all);
    let (stop, started) = (AtomicBool::new(false), Instant::now());
    let mut is_estimated = false;
    for (place, (variant, config)) in plan.iter().enumerate() {
        if session.store.get(variant, *config).is_some() && !session.store.is_stale(variant, *config) {
            continue;
        }
        let current = format!("{} ({config})", variant.name);
        show_progress(place, plan.len(), &current);
        let progress = |activity: Activity| {
            if let Activity::BuildingEngine(description) = activity {
                show_progress(place, plan.len(), &description);
            }
        };
        // The profiler logs a failure; the others are measured all the same.
        let found = session.profiler(&stop, &progress).measure(variant, *config, QUICK_SAMPLE);
        if let (Ok(found), false) = (&found, is_estimated) {
            is_estimated = true;
            let left = estimate_rest(&plan[place + 1..], variant, found);
            info!("{} more measurements take about {:.0} s", left.measurements, left.seconds);
        }
    }
    show_progress(plan.len(), plan.len(), "");
    let seconds = started.elapsed().as_secs_f64();
    let profiles: Vec<ConfigProfile> = session
        .configs
        .iter()
        .map(|config| {
            let of_config = plan.iter().filter(|(_, planned)| planned == config);
            let found: Vec<_> =
                of_config.filter_map(|(variant, _)| Some((variant, session.store.get(variant, *config)?))).collect();
            let latency_model =
                LatencyModel::fit(found.iter().map(|(variant, found)| (ComputeCost::from_variant(variant), *found)));
            ConfigProfile { config: *config, found, latency_model }
        })
        .collect();
    if args.json {
        write_json(out, &as_json(&profiles, seconds))?;
    } else {
        print_table(&profiles, seconds, out)?;
    }
    let is_empty = profiles.iter().all(|profile| profile.found.is_empty());
    Ok(if is_empty { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}

/// Returns the measurements to make: three sizes for each execution config, or all candidates. A config with half of the threads
/// always gets three, because fewer threads are rarely faster.
fn plan(session: &Session, all: bool) -> Vec<(Variant, ExecutionConfig)> {
    let of_config = |config: &ExecutionConfig| {
        let has_more_threads = |other: &ExecutionConfig| {
            other.threads > config.threads && ExecutionConfig { threads: config.threads, ..*other } == *config
        };
        let takes_all = all && !session.configs.iter().any(has_more_threads);
        let variants = if takes_all { session.candidates.clone() } else { spread(&session.candidates) };
        let config = *config;
        variants.into_iter().map(move |variant| (variant, config))
    };
    session.configs.iter().flat_map(of_config).collect()
}

/// Measurements of one execution config, and the latency model fitted to them.
struct ConfigProfile<'a> {
    config: ExecutionConfig,
    found: Vec<(&'a Variant, &'a Measurement)>,
    latency_model: Option<LatencyModel>,
}

/// Returns the smallest, the largest and one between, by MACs: the ends of a line determine it best.
fn spread(candidates: &[Variant]) -> Vec<Variant> {
    let macs: Vec<f64> = candidates.iter().map(|variant| variant.million_macs).collect();
    let indices = initial_samples::spread(&macs, Midpoint::Arithmetic);
    indices.into_iter().map(|index| candidates[index].clone()).collect()
}

/// Estimates the time to measure `rest` from the first measurement.
fn estimate_rest(rest: &[(Variant, ExecutionConfig)], first: &Variant, found: &Measurement) -> TimeEstimate {
    let mut estimate = TimeEstimate::default();
    for (variant, _) in rest {
        let ms = scaled_latency_ms(found.total_ms.p50, first, variant);
        estimate.add(QUICK_SAMPLE, ms, found.load_ms);
    }
    estimate
}

/// Shows `[######          ] 3 of 9: lite2@320 (tract f32, 2 threads)` if standard error is a terminal; cleared at the end.
fn show_progress(done: usize, all: usize, current: &str) {
    let mut stderr = std::io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    let full = BAR_WIDTH * done / all.max(1);
    let line = if done == all {
        String::new()
    } else {
        format!("[{}{}] {} of {all}: {current}", "#".repeat(full), " ".repeat(BAR_WIDTH - full), done + 1)
    };
    let _ = write!(stderr, "\r\x1b[K{line}"); // a closed terminal does not end the profile
    let _ = stderr.flush();
}

fn print_table(profiles: &[ConfigProfile], seconds: f64, out: &mut dyn Write) -> std::io::Result<()> {
    for ConfigProfile { config, found, latency_model } in profiles {
        writeln!(out, "{config}, {}", system::processor())?;
        writeln!(out, "variant          φ   M MACs   p50 ms   p95 ms   p99 ms   MiB   frames")?;
        for (variant, found) in found {
            let ms = &found.total_ms;
            writeln!(
                out,
                "{:<12} {:>5}   {:>6.1}   {:>6.2}   {:>6.2}   {:>6.2}   {:>3.0}   {:>6}",
                variant.name,
                known(variant.phi, 2),
                variant.million_macs,
                ms.p50,
                ms.p95,
                ms.p99,
                found.peak_rss_mib,
                found.frames
            )?;
        }
        match latency_model {
            Some(latency_model) => writeln!(out, "{}\n", formula(latency_model))?,
            None => writeln!(out, "no variant runs with this config\n")?,
        }
    }
    if let Some(power) = system::power().description() {
        writeln!(out, "power: {power}")?;
    }
    writeln!(out, "measured in {seconds:.1} s; stored for `phicam pick` and `phicam run`")
}

/// Returns `t = 1.4 ms + 18.6 ms for each 1000 M MACs, ± 2.1 %; p95 is 1.06 × the median`.
fn formula(latency_model: &LatencyModel) -> String {
    let activations = match latency_model.ms_per_million_activations {
        0.0 => String::new(),
        each => format!(" + {each:.3} ms for each million activations"),
    };
    format!(
        "t = {:.2} ms + {:.2} ms for each 1000 M MACs{activations}, ± {:.1} %; p95 is {:.2} × the median",
        latency_model.fixed_ms,
        latency_model.ms_per_million_macs * 1e3,
        latency_model.residual * 100.0,
        latency_model.p95_ratio
    )
}

/// Returns the object that `profile --json` prints.
fn as_json(profiles: &[ConfigProfile], seconds: f64) -> Value {
    let configs: Vec<Value> = profiles
        .iter()
        .map(|ConfigProfile { config, found, latency_model }| {
            let variants: Vec<Value> = found
                .iter()
                .map(|(variant, found)| {
                    json!({
                        "variant": variant.name, "million_macs": rounded(variant.million_macs, 1),
                        "total_ms": rounded_percentiles(found.total_ms), "peak_rss_mib": rounded(found.peak_rss_mib, 1),
                        "frames": found.frames,
                    })
                })
                .collect();
            let latency_model = latency_model.map(|latency_model| {
                json!({
                    "fixed_ms": rounded_ms(latency_model.fixed_ms),
                    "ms_per_million_macs": significant(latency_model.ms_per_million_macs),
                    "ms_per_million_activations": significant(latency_model.ms_per_million_activations),
                    "p95_ratio": rounded(latency_model.p95_ratio, 3), "residual": rounded(latency_model.residual, 3),
                })
            });
            json!({
                "engine": config.engine, "precision": config.precision, "threads": config.threads,
                "variants": variants, "latency_model": latency_model,
            })
        })
        .collect();
    json!({ "seconds": rounded(seconds, 1), "processor": system::processor(), "power": system::power(), "configs": configs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_test_fixtures::variant;

    #[test]
    fn smallest_middle_and_largest_are_measured() {
        let all: Vec<Variant> =
            [72.0, 127.0, 385.0, 600.0, 1175.0].map(|macs| variant("lite", macs as u32, macs, 70.0)).into();
        let macs = |variants: &[Variant]| variants.iter().map(|variant| variant.million_macs).collect::<Vec<_>>();
        assert_eq!(macs(&spread(&all)), [72.0, 600.0, 1175.0]);
        assert_eq!(macs(&spread(&all[..2])), [72.0, 127.0]);
        assert!(spread(&[]).is_empty());
    }
}
