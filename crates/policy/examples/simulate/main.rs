//! Simulation: picker and governor on thousands of simulated devices, against an oracle that knows the true latencies.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use clap::Parser;
use serde_json::{Value, json};

mod device;
mod load;
mod noise;
mod oracle;
mod random;
mod real;
mod reason_check;
mod report;
mod trial;
mod variants;

/// Compares the picker with an oracle on simulated devices, and runs the governor under changing load
#[derive(Parser)]
struct Args {
    /// Seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Devices that pick from the shipped catalog; a fifth as many pick from the whole family
    #[arg(long, default_value_t = 10_000)]
    devices: u64,
    /// Devices that run a day of constant load
    #[arg(long, default_value_t = 60)]
    days: usize,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Write table.md and results.json into this folder
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let shipped = trial::Offer::new("shipped", variants::shipped()?);
    let family = trial::Offer::new("family", variants::family());
    let mut report = json!({ "seed": args.seed, "devices": args.devices });
    for (offer, count) in [(&shipped, args.devices), (&family, args.devices / 5)] {
        report[offer.name] = report::trial_summary(&trials(args.seed, count, offer));
    }
    report["real_devices"] = real::report()?;
    report["adapt"] = governor(&args, &shipped);
    print_and_write(&report, &args)
}

/// Runs the governor: a step and a gradual slowdown of 2, a day of constant load, and an hour of throttling by own
/// heat.
fn governor(args: &Args, offer: &trial::Offer) -> Value {
    let (seed, count) = (args.seed.wrapping_mul(1_000_003), args.devices as usize / 10);
    let slowdowns = |constant_s: f64| {
        let run = |index| load::run_slowdown(seed + index as u64, offer, constant_s);
        let results: Vec<load::SlowdownResult> = run_all(count, run).into_iter().flatten().collect();
        load::slowdown_summary(&results)
    };
    let constant: Vec<(usize, f64)> =
        run_all(args.days * 3, |index| load::run_constant_load(seed + index as u64, offer))
            .into_iter()
            .flatten()
            .take(args.days)
            .collect();
    let heat: Vec<(f64, f64)> =
        run_all(count, |index| load::run_own_heat(seed + index as u64, offer)).into_iter().flatten().collect();
    let values = |value: fn(&(f64, f64)) -> f64| heat.iter().map(value).collect::<Vec<f64>>();
    json!({
        "twice_as_slow_at_once": slowdowns(0.0),
        "twice_as_slow_within_20_s": slowdowns(20.0),
        "constant_noisy_load": {
            "devices": constant.len(),
            "simulated_hours": constant.iter().map(|(_, hours)| hours).sum::<f64>(),
            "changes": constant.iter().map(|(changes, _)| changes).sum::<usize>(),
        },
        "an_hour_of_own_heat": {
            "devices": heat.len(),
            "changes_median": report::quantile(values(|(changes, _)| *changes), 0.5),
            "changes_most": report::quantile(values(|(changes, _)| *changes), 1.0),
            "over_percent_median": report::quantile(values(|(_, over_share)| 100.0 * over_share), 0.5),
            "over_percent_p95": report::quantile(values(|(_, over_share)| 100.0 * over_share), 0.95),
        },
    })
}

/// Runs one trial for each device. Each has a seed of its own, so the number of threads does not affect the results.
fn trials(seed: u64, count: u64, offer: &trial::Offer) -> Vec<trial::Trial> {
    run_all(count as usize, |index| trial::run(seed.wrapping_mul(1_000_003) + index as u64, offer))
}

/// Returns `run(index)` for each index below `count`, in order, computed on all cores.
fn run_all<T: Send>(count: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let worker = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return done;
                }
                done.push((index, run(index)));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

fn print_and_write(report: &Value, args: &Args) -> anyhow::Result<()> {
    let (text, json) = (report::text(report), serde_json::to_string_pretty(report)?);
    println!("{}", if args.json { &json } else { &text });
    if let Some(folder) = &args.write {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for (name, content) in [("table.md", format!("```text\n{text}```\n")), ("results.json", json + "\n")] {
            let path = folder.join(name);
            std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}
