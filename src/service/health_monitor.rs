//! Health monitor thread: writes health.json every second, and shows faults of heat, power, disk and latency.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::{info, warn};

use phicam_pipeline::Pipeline;
use phicam_pipeline::display_state::BoardReadings;
use phicam_pipeline::health::Health;
use phicam_pipeline::status::Fault;
use phicam_platform::system::Power;
use phicam_platform::{paths, system};

/// Interval of writing health.json.
const INTERVAL: Duration = Duration::from_secs(1);
/// Interval of checking heat, power, disk and latency, in seconds.
const CHECK_INTERVAL_S: u64 = 5;
/// Temperature in °C from which boards throttle (Raspberry Pi 3 to 5 and Jetson Nano documentation: 80 and more).
pub const HOT_CELSIUS: f64 = 80.0;
/// Free disk in MiB that measurements, user models and the service's log need.
pub const MIN_DISK_MIB: f64 = 64.0;
/// Latency over budget that counts as a fault, as a factor. Latency in service is above that of the benchmark loop.
const SLOW_FACTOR: f64 = 1.5;
/// Polling interval for the end of the pipeline.
const POLL: Duration = Duration::from_millis(100);
/// Counts kept, one a second: ten seconds lie between the first and the last.
const COUNTS: usize = 11;

/// Monitors `pipeline` until it ends. `limit_ms` is the latency budget in milliseconds.
pub fn monitor(pipeline: &Pipeline, displays: &[String], limit_ms: Option<f64>, stop: &AtomicBool) {
    let folder = paths::runtime_dir().filter(|folder| match std::fs::create_dir_all(folder) {
        Ok(()) => true,
        Err(error) => {
            warn!(
                "health.json cannot be written: {}: {error}; name another folder with PHICAM_RUNTIME",
                folder.display()
            );
            false
        }
    });
    if folder.is_none() && paths::runtime_dir().is_none() {
        info!("`phicam health` does not see this program: there is no runtime folder; name one with PHICAM_RUNTIME");
    }
    let started_s = system::since_boot_s();
    let mut answers: Vec<u64> = Vec::with_capacity(COUNTS);
    let mut is_reported = false;
    let mut supply_events = None;
    for second in 0u64.. {
        if second % CHECK_INTERVAL_S == 0 {
            check_machine(pipeline, limit_ms, &mut supply_events);
        }
        let health = snapshot(pipeline, displays, started_s, &mut answers);
        if let Some(folder) = &folder
            && let Err(error) = health.write(folder)
            && !std::mem::replace(&mut is_reported, true)
        {
            warn!("health.json cannot be written to {}: {error}; trying again every second", folder.display());
        }
        let next = Instant::now() + INTERVAL;
        while Instant::now() < next {
            if stop.load(Ordering::Relaxed) || pipeline.has_ended() {
                return;
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Sets or clears the faults of the machine. `supply_events` is the counter at the last check.
fn check_machine(pipeline: &Pipeline, limit_ms: Option<f64>, supply_events: &mut Option<u64>) {
    let power = system::power();
    pipeline.screen.set_fault(Fault::Power, throttling(&power, *supply_events));
    *supply_events = power.supply_events;
    let hot = power.hottest.as_ref().map(|zone| zone.celsius).filter(|celsius| *celsius >= HOT_CELSIUS);
    let celsius = power.hottest.as_ref().map(|zone| zone.celsius);
    pipeline.screen.set_board(BoardReadings { celsius, limit_ms });
    pipeline.screen.set_fault(Fault::Hot, hot.map(|celsius| format!("hot: {celsius:.0} °C")));
    let free = system::free_disk_mib(&paths::state_dir()).ok().filter(|free| *free < MIN_DISK_MIB);
    pipeline.screen.set_fault(Fault::Disk, free.map(|free| format!("disk full: {free:.0} MiB free")));
    let recent_ms = pipeline.metrics().recent_ms;
    // Beside measurements answers are late by design.
    let is_measured = !pipeline.screen.is_measuring();
    let behind =
        recent_ms.zip(limit_ms).filter(|(recent_ms, limit_ms)| is_measured && *recent_ms > limit_ms * SLOW_FACTOR);
    let description = |(recent_ms, limit_ms)| format!("slow: {recent_ms:.0} ms, the budget is {limit_ms:.0} ms");
    pipeline.screen.set_fault(Fault::OverBudget, behind.map(description));
}

/// Returns a description of what throttles the machine; supply events count if they are more than `events_before`.
fn throttling(power: &Power, events_before: Option<u64>) -> Option<String> {
    let new = power.supply_events.zip(events_before).map_or(0, |(now, before)| now.saturating_sub(before));
    let events = (new > 0).then(|| format!("clocks reduced {new} times by a weak power supply"));
    let causes: Vec<String> = power.throttled.iter().cloned().chain(events).collect();
    (!causes.is_empty()).then(|| format!("power: {}", causes.join(", ")))
}

/// Returns the health of the pipeline now. `counts_before` holds the counts of the last ten seconds.
fn snapshot(pipeline: &Pipeline, displays: &[String], started_s: f64, counts_before: &mut Vec<u64>) -> Health {
    let faults = pipeline.screen.faults();
    let metrics = pipeline.metrics();
    let written_s = system::since_boot_s();
    let since_boot = |then: Option<Instant>| then.map(|then| written_s - then.elapsed().as_secs_f64());
    if counts_before.len() == COUNTS {
        counts_before.remove(0);
    }
    counts_before.push(metrics.answers);
    Health {
        version: env!("CARGO_PKG_VERSION").into(),
        executable: std::fs::read_link("/proc/self/exe").unwrap_or_else(|_| PathBuf::from("phicam")),
        pid: std::process::id(),
        boot_id: system::boot_id(),
        started_s,
        written_s,
        last_frame_s: since_boot(metrics.last_frame),
        last_answer_s: since_boot(metrics.last_answer),
        frames: metrics.frames,
        answers: metrics.answers,
        answers_in_10_s: metrics.answers - counts_before[0],
        dropped: metrics.dropped,
        bad_pictures: metrics.bad_pictures,
        display_errors: metrics.display_errors,
        camera_lost: metrics.camera_lost,
        camera_stats: metrics.camera_stats,
        camera: metrics.camera.clone(),
        displays: displays.to_vec(),
        model: metrics.model.as_ref().map(|model| model.variant.name.clone()),
        phi: metrics.model.as_ref().and_then(|model| model.variant.phi),
        faults,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_supply_is_shown_while_it_lasts() {
        let power = |throttled: &[&str], supply_events| Power {
            throttled: throttled.iter().map(|word| word.to_string()).collect(),
            supply_events,
            ..Power::default()
        };
        assert_eq!(throttling(&power(&["under-voltage"], None), None).as_deref(), Some("power: under-voltage"));
        assert_eq!(throttling(&power(&[], Some(37)), None), None, "events before the start do not count");
        let grown = throttling(&power(&[], Some(40)), Some(37)).unwrap();
        assert_eq!(grown, "power: clocks reduced 3 times by a weak power supply");
        assert_eq!(throttling(&power(&[], Some(40)), Some(40)), None);
    }
}
