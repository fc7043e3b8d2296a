//! What other programs take of the processor: whether they kept this one waiting, and their share of all cores.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How long threads of this process, all of them together, stood ready so far while others had the cores; nothing where
/// the kernel does not tell (it does with CONFIG_SCHED_INFO, as Debian's, Raspberry Pi's and NVIDIA's have).
pub fn waited() -> Option<Duration> {
    waited_in(Path::new("/proc/self/task"))
}

fn waited_in(tasks: &Path) -> Option<Duration> {
    let mut waited = None;
    for task in fs::read_dir(tasks).ok()?.flatten() {
        // Time on a core, time waited for one, both in nanoseconds, and turns. A thread may end meanwhile.
        let Ok(line) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        let ns: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        waited = Some(waited.unwrap_or_default() + Duration::from_nanos(ns));
    }
    waited
}

/// Tells from one look to the next what share of all cores other programs had.
pub struct Others {
    at: Instant,
    before: Option<Spent>,
}

/// Since the machine was started, and since this process was.
#[derive(Clone, Copy)]
struct Spent {
    busy: u64,
    /// In the kernel's ticks, as `busy`: of all cores.
    all: u64,
    cores: usize,
    own: Duration,
}

impl Others {
    /// From now on.
    pub fn new() -> Others {
        Others { at: Instant::now(), before: spent() }
    }

    /// Their share since the look before, 0 to 1; nothing where the kernel does not tell, or no time has passed.
    pub fn share(&mut self) -> Option<f64> {
        let (now, seconds) = (spent(), self.at.elapsed().as_secs_f64());
        self.at = Instant::now();
        let before = std::mem::replace(&mut self.before, now)?;
        share(&before, &now?, seconds)
    }
}

impl Default for Others {
    fn default() -> Others {
        Others::new()
    }
}

fn share(before: &Spent, now: &Spent, seconds: f64) -> Option<f64> {
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    let busy = now.busy.saturating_sub(before.busy) as f64 / all as f64;
    let own = now.own.saturating_sub(before.own).as_secs_f64() / (seconds * now.cores as f64);
    Some((busy - own).clamp(0.0, 1.0))
}

fn spent() -> Option<Spent> {
    let own = clock_gettime(ClockId::ProcessCPUTime);
    let own = Duration::new(own.tv_sec.try_into().ok()?, own.tv_nsec.try_into().ok()?);
    spent_in(&fs::read_to_string("/proc/stat").ok()?, own)
}

fn spent_in(stat: &str, own: Duration) -> Option<Spent> {
    let ticks: Vec<u64> =
        stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(|tick| tick.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted among the users.
    let (all, idle) = (ticks.iter().take(8).sum::<u64>(), ticks.get(3)? + ticks.get(4)?);
    let is_core = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    let cores = stat.lines().filter(is_core).count().max(1);
    Some(Spent { busy: all - idle, all, cores, own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_added_up_over_threads() {
        let folder = tempfile::tempdir().unwrap();
        for (task, line) in [("7", "5000 1500 3\n"), ("8", "9 500 1\n")] {
            fs::create_dir(folder.path().join(task)).unwrap();
            fs::write(folder.path().join(task).join("schedstat"), line).unwrap();
        }
        assert_eq!(waited_in(folder.path()), Some(Duration::from_nanos(2000)));
        fs::write(folder.path().join("8/schedstat"), "nonsense").unwrap();
        assert_eq!(waited_in(folder.path()), None);
        assert_eq!(waited_in(&folder.path().join("none")), None);
    }

    #[test]
    fn what_is_neither_idle_nor_ones_own_is_the_others() {
        let at = |user: u64, idle: u64, own_ms| {
            let stat = format!("cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2\ncpu1 1 2\nintr 1\n");
            spent_in(&stat, Duration::from_millis(own_ms)).unwrap()
        };
        // Of two cores in a second: 120 of 200 ticks busy, of which half a second is this process's.
        let (before, now) = (at(1000, 500, 100), at(1120, 580, 600));
        assert!((share(&before, &now, 1.0).unwrap() - 0.35).abs() < 1e-9);
        assert_eq!(share(&now, &now, 1.0), None, "no time has passed");
        assert_eq!(share(&before, &at(1120, 580, 9000), 1.0), Some(0.0), "it never goes below none");
        assert!(spent_in("cpu  1 2 3", Duration::ZERO).is_none() && spent_in("", Duration::ZERO).is_none());
    }
}
