//! A thread of the running service: writes its health every second and looks at heat, power, disk and pace.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::warn;

use phicam_pipeline::Pipeline;
use phicam_pipeline::health::Health;
use phicam_pipeline::overlay::Fault;
use phicam_platform::system::Power;
use phicam_platform::{paths, system};

/// How often a line writes how it is.
const EVERY: Duration = Duration::from_secs(1);
/// Seconds from one look at heat, disk and pace to the next.
const LOOK_AROUND_S: u64 = 5;
/// Where the boards begin to slow down.
pub const HOT_CELSIUS: f64 = 80.0;
/// What measurements, added models and a service's log need to go on being written.
pub const LEAST_DISK_MIB: f64 = 64.0;
/// A picture takes longer in service than in the tight loop it was picked by; so much longer is a fault.
const BEHIND: f64 = 1.5;
/// The longest that the writer waits before it looks whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Counts that are kept, one a second: what is answered in ten seconds is the last less the first.
const KEPT: usize = 11;

/// Writes how `pipeline` is and looks whether the machine is well, every second until it ends. `limit_ms` is the budget that
/// a picture may take.
pub fn keep_watch(pipeline: &Pipeline, displays: &[String], limit_ms: Option<f64>, stop: &AtomicBool) {
    let folder = paths::runtime_dir().filter(|folder| match std::fs::create_dir_all(folder) {
        Ok(()) => true,
        Err(error) => {
            warn!("health is not written: {}: {error}; name a folder with PHICAM_RUNTIME", folder.display());
            false
        }
    });
    let started_s = system::since_boot_s();
    let mut answers: Vec<u64> = Vec::with_capacity(KEPT);
    let mut told = false;
    let mut supply_events = None;
    for second in 0u64.. {
        if second % LOOK_AROUND_S == 0 {
            look_around(pipeline, limit_ms, &mut supply_events);
        }
        let health = now(pipeline, displays, started_s, &mut answers);
        if let Some(folder) = &folder
            && let Err(error) = health.write(folder)
            && !std::mem::replace(&mut told, true)
        {
            warn!("health cannot be written to {}: {error}; trying again every second", folder.display());
        }
        let next = Instant::now() + EVERY;
        while Instant::now() < next {
            if stop.load(Ordering::Relaxed) || pipeline.ended() {
                return;
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Shows what is wrong with the machine, or takes it back. `supply_events` are those of the last look.
fn look_around(pipeline: &Pipeline, limit_ms: Option<f64>, supply_events: &mut Option<u64>) {
    let power = system::power();
    pipeline.screen.set_fault(Fault::Power, cut(&power, *supply_events));
    *supply_events = power.supply_events;
    let hot = power.hottest.map(|zone| zone.celsius).filter(|celsius| *celsius >= HOT_CELSIUS);
    pipeline.screen.set_fault(Fault::Hot, hot.map(|celsius| format!("hot: {celsius:.0} °C")));
    let free = system::free_disk_mib(&paths::state_dir()).ok().filter(|free| *free < LEAST_DISK_MIB);
    pipeline.screen.set_fault(Fault::Disk, free.map(|free| format!("disk full: {free:.0} MiB free")));
    let recent_ms = pipeline.metrics().recent_ms;
    let behind = recent_ms.zip(limit_ms).filter(|(recent_ms, limit_ms)| *recent_ms > limit_ms * BEHIND);
    let words = |(recent_ms, limit_ms)| format!("slow: {recent_ms:.0} ms a picture, the budget is {limit_ms:.0}");
    pipeline.screen.set_fault(Fault::Behind, behind.map(words));
}

/// What slows the machine down; for a counter of events, where it has grown since `events_before`.
fn cut(power: &Power, events_before: Option<u64>) -> Option<String> {
    let new = power.supply_events.zip(events_before).map_or(0, |(now, before)| now.saturating_sub(before));
    let events = (new > 0).then(|| format!("clocks cut {new} times, the supply is too weak"));
    let words: Vec<String> = power.throttled.iter().cloned().chain(events).collect();
    (!words.is_empty()).then(|| format!("power: {}", words.join(", ")))
}

fn now(pipeline: &Pipeline, displays: &[String], started_s: f64, kept: &mut Vec<u64>) -> Health {
    let faults = pipeline.screen.faults();
    let counts = pipeline.metrics();
    let written_s = system::since_boot_s();
    let since_boot = |then: Option<Instant>| then.map(|then| written_s - then.elapsed().as_secs_f64());
    if kept.len() == KEPT {
        kept.remove(0);
    }
    kept.push(counts.answers);
    Health {
        version: env!("CARGO_PKG_VERSION").into(),
        executable: std::fs::read_link("/proc/self/exe").unwrap_or_else(|_| PathBuf::from("phicam")),
        pid: std::process::id(),
        boot_id: system::boot_id(),
        started_s,
        written_s,
        last_frame_s: since_boot(counts.last_frame),
        last_answer_s: since_boot(counts.last_answer),
        frames: counts.frames,
        answers: counts.answers,
        answers_in_10_s: counts.answers - kept[0],
        dropped: counts.dropped,
        bad_pictures: counts.bad_pictures,
        not_shown: counts.not_shown,
        camera_lost: counts.camera_lost,
        camera_stats: counts.camera_stats,
        camera: counts.camera.clone(),
        displays: displays.to_vec(),
        model: counts.model.as_ref().map(|model| model.variant.name.clone()),
        phi: counts.model.as_ref().and_then(|model| model.variant.phi),
        faults,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_supply_is_told_while_it_is_weak_and_no_longer() {
        let power = |throttled: &[&str], supply_events| Power {
            throttled: throttled.iter().map(|word| word.to_string()).collect(),
            supply_events,
            ..Power::default()
        };
        assert_eq!(cut(&power(&["under-voltage"], None), None).as_deref(), Some("power: under-voltage"));
        assert_eq!(cut(&power(&[], Some(37)), None), None, "what was before this start is over");
        let grown = cut(&power(&[], Some(40)), Some(37)).unwrap();
        assert_eq!(grown, "power: clocks cut 3 times, the supply is too weak");
        assert_eq!(cut(&power(&[], Some(40)), Some(40)), None);
    }
}
