//! `phicam profile`: benchmarks this machine ahead of any pick, and prints a latency model for each engine.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use log::info;
use serde_json::{Value, json};

use super::{exit, known, write_json};
use crate::cli::ProfileArgs;
use crate::session::{Activity, Session, board};
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_platform::system;
use phicam_policy::measurement::Measurement;
use phicam_policy::picker::initial_samples::{self, Midpoint};
use phicam_policy::picker::{ComputeCost, LatencyModel, QUICK_SAMPLE, TimeEstimate, scaled_latency_ms};

/// Cells of the bar.
const BAR: usize = 24;

pub fn profile(args: ProfileArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let board = board(&args.board)?;
    let mut session = Session::new(&board, &Default::default(), &args.model_args)?;
    if args.remeasure {
        session.store.forget();
    }
    let plan = plan(&session, args.all);
    let (stop, started) = (AtomicBool::new(false), Instant::now());
    let mut cost_told = false;
    for (place, (variant, config)) in plan.iter().enumerate() {
        if session.store.get(variant, *config).is_some() && !session.store.is_stale(variant, *config) {
            continue;
        }
        let activity = format!("{} by {config}", variant.name);
        bar(place, plan.len(), &activity);
        let tell = |now: Activity| {
            if let Activity::BuildingEngine(words) = now {
                bar(place, plan.len(), &words);
            }
        };
        // What fails is announced, and is no reason not to time the others.
        let found = session.profiler(&stop, &tell).measure(variant, *config, QUICK_SAMPLE);
        if let (Ok(found), false) = (&found, cost_told) {
            cost_told = true;
            let left = expected(&plan[place + 1..], variant, found);
            info!("the other {} timings take about {:.0} s", left.measurements, left.seconds);
        }
    }
    bar(plan.len(), plan.len(), "");
    let seconds = started.elapsed().as_secs_f64();
    let latency_models: Vec<ConfigProfile> = session
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
    match args.json {
        true => write_json(out, &as_json(&latency_models, seconds))?,
        false => table(&latency_models, seconds, out)?,
    }
    let nothing = latency_models.iter().all(|of| of.found.is_empty());
    Ok(if nothing { exit::SOME_FAILED.into() } else { ExitCode::SUCCESS })
}

/// Three sizes in each way, or all of them; of an engine that may have more threads, three do: fewer are rarely quicker.
fn plan(session: &Session, all: bool) -> Vec<(Variant, ExecutionConfig)> {
    let of_config = |config: &ExecutionConfig| {
        let more = |other: &ExecutionConfig| {
            other.threads > config.threads && ExecutionConfig { threads: config.threads, ..*other } == *config
        };
        let variants = match all && !session.configs.iter().any(more) {
            true => session.candidates.clone(),
            false => spread(&session.candidates),
        };
        let config = *config;
        variants.into_iter().map(move |variant| (variant, config))
    };
    session.configs.iter().flat_map(of_config).collect()
}

/// What is known of one way.
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
fn expected(rest: &[(Variant, ExecutionConfig)], first: &Variant, found: &Measurement) -> TimeEstimate {
    let mut estimate = TimeEstimate::default();
    for (variant, _) in rest {
        let ms = scaled_latency_ms(found.total_ms.p50, first, variant);
        estimate.add(QUICK_SAMPLE, ms, found.load_ms);
    }
    estimate
}

/// `[######          ] 3 of 9: lite2@320 by tract f32, 2 threads`, on terminals alone; it is taken away at the end.
fn bar(done: usize, all: usize, activity: &str) {
    let mut stderr = std::io::stderr();
    if !stderr.is_terminal() {
        return;
    }
    let full = BAR * done / all.max(1);
    let line = match done == all {
        true => String::new(),
        false => format!("[{}{}] {} of {all}: {activity}", "#".repeat(full), " ".repeat(BAR - full), done + 1),
    };
    let _ = write!(stderr, "\r\x1b[K{line}"); // a terminal that is gone is no reason to stop
    let _ = stderr.flush();
}

fn table(latency_models: &[ConfigProfile], seconds: f64, out: &mut dyn Write) -> std::io::Result<()> {
    for ConfigProfile { config, found, latency_model } in latency_models {
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
            Some(latency_model) => writeln!(out, "{}\n", in_words(latency_model))?,
            None => writeln!(out, "nothing runs in this way\n")?,
        }
    }
    if let Some(power) = system::power().description() {
        writeln!(out, "power: {power}")?;
    }
    writeln!(out, "measured in {seconds:.1} s; remembered for `phicam pick` and `phicam run`")
}

/// `t = 1.4 ms + 18.6 ms for each 1000 M MACs, ± 2.1 %; p95 is 1.06 × the median`
fn in_words(latency_model: &LatencyModel) -> String {
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

/// The object that `measure --json` prints.
fn as_json(latency_models: &[ConfigProfile], seconds: f64) -> Value {
    let configs: Vec<Value> = latency_models
        .iter()
        .map(|ConfigProfile { config, found, latency_model }| {
            let variants: Vec<Value> = found
                .iter()
                .map(|(variant, found)| {
                    json!({
                        "variant": variant.name, "million_macs": variant.million_macs, "total_ms": found.total_ms,
                        "peak_rss_mib": found.peak_rss_mib, "frames": found.frames,
                    })
                })
                .collect();
            let latency_model = latency_model.map(|latency_model| {
                json!({
                    "fixed_ms": latency_model.fixed_ms, "ms_per_million_macs": latency_model.ms_per_million_macs,
                    "ms_per_million_activations": latency_model.ms_per_million_activations, "p95_ratio": latency_model.p95_ratio,
                    "residual": latency_model.residual,
                })
            });
            json!({
                "engine": config.engine, "precision": config.precision, "threads": config.threads, "variants": variants, "latency_model": latency_model,
            })
        })
        .collect();
    json!({ "seconds": seconds, "processor": system::processor(), "power": system::power(), "configs": configs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_test_fixtures::variant;

    #[test]
    fn the_ends_and_the_middle_of_what_is_admitted_are_timed() {
        let all: Vec<Variant> =
            [72.0, 127.0, 385.0, 600.0, 1175.0].map(|macs| variant("lite", macs as u32, macs, 70.0)).into();
        let work = |variants: &[Variant]| variants.iter().map(|variant| variant.million_macs).collect::<Vec<_>>();
        assert_eq!(work(&spread(&all)), [72.0, 600.0, 1175.0]);
        assert_eq!(work(&spread(&all[..2])), [72.0, 127.0]);
        assert!(spread(&[]).is_empty());
    }
}
