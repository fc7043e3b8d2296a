//! The picker's proof: thousands of simulated devices under the real picker, against an oracle that knows the truth.

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
mod report;
mod trial;
mod variants;

/// Simulates devices under the picker, and says how often it picks what it should.
#[derive(Parser)]
struct Args {
    /// What all random numbers come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Devices that choose from the shipped catalog; a fifth as many choose from the whole family
    #[arg(long, default_value_t = 10_000)]
    devices: u64,
    /// Devices that run for a day of constant load
    #[arg(long, default_value_t = 60)]
    days: usize,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Write both into this folder, as table.md and results.json
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let shipped = trial::Offer::new("shipped", variants::shipped()?);
    let family = trial::Offer::new("family", variants::family());
    let mut report = json!({ "seed": args.seed, "devices": args.devices });
    for (offer, count) in [(&shipped, args.devices), (&family, args.devices / 5)] {
        report[offer.name] = report::of_trials(&trials(args.seed, count, offer));
    }
    report["real_devices"] = real::report()?;
    report["adapt"] = governor(&args, &shipped);
    tell(&report, &args)
}

/// A line that runs on: slowed down to a half at once and little by little, for a day without change, by its own heat.
fn governor(args: &Args, offer: &trial::Offer) -> Value {
    let (seed, count) = (args.seed.wrapping_mul(1_000_003), args.devices as usize / 10);
    let all = |of: &(dyn Fn(u64) -> Option<load::Throttled> + Sync)| -> Vec<load::Throttled> {
        each(count, |number| of(seed + number as u64)).into_iter().flatten().collect()
    };
    let constant: Vec<(usize, f64)> = each(args.days * 3, |number| load::constant(seed + number as u64, offer))
        .into_iter()
        .flatten()
        .take(args.days)
        .collect();
    let heat: Vec<(f64, f64)> =
        each(count, |number| load::own_heat(seed + number as u64, offer)).into_iter().flatten().collect();
    let of_heat = |of: fn(&(f64, f64)) -> f64| heat.iter().map(of).collect::<Vec<f64>>();
    json!({
        "twice_as_slow_at_once": load::of_throttled(&all(&|seed| load::throttled(seed, offer, 0.0))),
        "twice_as_slow_within_20_s": load::of_throttled(&all(&|seed| load::throttled(seed, offer, 20.0))),
        "constant_noisy_load": {
            "devices": constant.len(),
            "simulated_hours": constant.iter().map(|(_, hours)| hours).sum::<f64>(),
            "changes": constant.iter().map(|(changes, _)| changes).sum::<usize>(),
        },
        "an_hour_of_own_heat": {
            "devices": heat.len(),
            "changes_median": report::quantile(of_heat(|one| one.0), 0.5),
            "changes_most": report::quantile(of_heat(|one| one.0), 1.0),
            "over_percent_median": report::quantile(of_heat(|one| 100.0 * one.1), 0.5),
            "over_percent_p95": report::quantile(of_heat(|one| 100.0 * one.1), 0.95),
        },
    })
}

/// Every device by itself, so that one thread or several give the same.
fn trials(seed: u64, count: u64, offer: &trial::Offer) -> Vec<trial::Trial> {
    each(count as usize, |number| trial::run(seed.wrapping_mul(1_000_003) + number as u64, offer))
}

/// `of` for each number below `count`, in their order, worked out on all cores.
fn each<T: Send>(count: usize, of: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return done;
                }
                done.push((number, of(number)));
            }
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, result)| result).collect()
}

fn tell(report: &Value, args: &Args) -> anyhow::Result<()> {
    let (text, json) = (report::text(report), serde_json::to_string_pretty(report)?);
    println!("{}", if args.json { &json } else { &text });
    if let Some(folder) = &args.write {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        for (name, content) in [("table.md", format!("```text\n{text}```\n")), ("results.json", json + "\n")] {
            let path = folder.join(name);
            std::fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    Ok(())
}
