//! What other programs take of the processor: whether they kept this one waiting, and how many cores' time they had.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What other programs may have without counting, in cores' time: an idle system takes some hundredths.
pub const NEGLIGIBLE_CORES: f64 = 0.2;

/// How long each thread of this process stood ready so far while others had the cores, in nanoseconds.
pub struct RunQueueDelay(BTreeMap<PathBuf, u64>);

/// As it is now; nothing where the kernel does not tell (it does with CONFIG_SCHED_INFO, as Debian's, Raspberry Pi's and
/// NVIDIA's have).
pub fn waits() -> Option<RunQueueDelay> {
    waits_in(Path::new("/proc/self/task"))
}

fn waits_in(tasks: &Path) -> Option<RunQueueDelay> {
    let mut waits = BTreeMap::new();
    for task in fs::read_dir(tasks).ok()?.flatten() {
        // Time on a core, time waited for one, both in nanoseconds, and turns. A thread may end meanwhile.
        let Ok(line) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        waits.insert(task.path(), line.split_whitespace().nth(1)?.parse().ok()?);
    }
    (!waits.is_empty()).then_some(RunQueueDelay(waits))
}

impl RunQueueDelay {
    /// What the thread that waited longest waited since. All of them together would add up the moments that each takes to wake.
    pub fn longest_since(&self, before: &RunQueueDelay) -> Duration {
        let since = |(task, ns): (&PathBuf, &u64)| ns.saturating_sub(before.0.get(task).copied().unwrap_or_default());
        Duration::from_nanos(self.0.iter().map(since).max().unwrap_or_default())
    }
}

/// Tells from one look to the next how many cores' time other programs had: neither this one nor what it started.
pub struct OtherCpuLoad {
    own: u32,
    before: Option<Spent>,
}

/// Since the machine was started, in the kernel's ticks.
#[derive(Clone, Copy)]
struct Spent {
    busy: u64,
    /// Of all cores.
    all: u64,
    cores: usize,
    /// This program and what it started.
    own: u64,
}

impl OtherCpuLoad {
    /// From now on.
    pub fn new() -> OtherCpuLoad {
        OtherCpuLoad::beside(std::process::id())
    }

    /// The same where this process is one that the program started to time something: the line beside it is no other.
    pub fn beside_parent() -> OtherCpuLoad {
        let parent = rustix::process::getppid().map(|id| id.as_raw_nonzero().get() as u32);
        let program = |id: &str| fs::read_link(format!("/proc/{id}/exe")).ok();
        let is_same = |parent: &u32| program(&parent.to_string()).is_some_and(|it| program("self") == Some(it));
        OtherCpuLoad::beside(parent.filter(is_same).unwrap_or_else(std::process::id))
    }

    fn beside(own: u32) -> OtherCpuLoad {
        OtherCpuLoad { own, before: spent(own) }
    }

    /// Cores' time since the look before, such as 0.5 of one; nothing where the kernel does not tell, or no time has passed.
    pub fn cores(&mut self) -> Option<f64> {
        let now = spent(self.own);
        let before = std::mem::replace(&mut self.before, now)?;
        cores(&before, &now?)
    }
}

impl Default for OtherCpuLoad {
    fn default() -> OtherCpuLoad {
        OtherCpuLoad::new()
    }
}

fn cores(before: &Spent, now: &Spent) -> Option<f64> {
    let all = now.all.checked_sub(before.all).filter(|all| *all > 0)?;
    let [busy, own] = [now.busy.saturating_sub(before.busy), now.own.saturating_sub(before.own)];
    Some(busy.saturating_sub(own) as f64 / all as f64 * now.cores as f64)
}

fn spent(own: u32) -> Option<Spent> {
    spent_in(&fs::read_to_string("/proc/stat").ok()?, family(Path::new("/proc"), own))
}

/// What a process, its children and those that they waited for have had, in ticks.
fn family(processes: &Path, root: u32) -> u64 {
    let files = fs::read_dir(processes).into_iter().flatten().flatten().map(|entry| entry.path());
    let numbers = files.filter_map(|path| Some((path.file_name()?.to_str()?.parse::<u32>().ok()?, path)));
    let ticks = |(id, path): (u32, PathBuf)| {
        let stat = fs::read_to_string(path.join("stat")).ok()?; // it may have ended meanwhile
        // Behind the name, which may have anything in it: state, parent, …, four times spent from the twelfth on.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
        let is_own = id == root || fields.get(1)?.parse() == Ok(root);
        is_own.then(|| fields.iter().skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
    };
    numbers.filter_map(ticks).sum()
}

fn spent_in(stat: &str, own: u64) -> Option<Spent> {
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
    fn of_several_threads_the_one_that_waited_longest_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |task: &str, line: &str| {
            fs::create_dir_all(folder.path().join(task)).unwrap();
            fs::write(folder.path().join(task).join("schedstat"), line).unwrap();
        };
        write("7", "5000 1500 3\n");
        write("8", "9 500 1\n");
        let before = waits_in(folder.path()).unwrap();
        write("7", "6000 1600 4\n");
        write("8", "9 800 2\n");
        write("9", "1 200 1\n");
        let now = waits_in(folder.path()).unwrap();
        assert_eq!(now.longest_since(&before), Duration::from_nanos(300));
        write("8", "nonsense");
        assert!(waits_in(folder.path()).is_none() && waits_in(&folder.path().join("none")).is_none());
    }

    #[test]
    fn what_is_neither_idle_nor_ones_own_is_the_others() {
        let at = |user: u64, idle: u64, own| {
            let stat = format!("cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2\ncpu1 1 2\nintr 1\n");
            spent_in(&stat, own).unwrap()
        };
        // Of two cores in a second: 120 of 200 ticks busy, of which 50 are this program's.
        let (before, now) = (at(1000, 500, 10), at(1120, 580, 60));
        assert!((cores(&before, &now).unwrap() - 0.7).abs() < 1e-9);
        assert_eq!(cores(&now, &now), None, "no time has passed");
        assert_eq!(cores(&before, &at(1120, 580, 900)), Some(0.0), "it never goes below none");
        assert!(spent_in("cpu  1 2 3", 0).is_none() && spent_in("", 0).is_none());
    }

    #[test]
    fn what_a_program_started_is_its_own_and_what_its_parent_started_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |id: &str, stat: &str| {
            fs::create_dir_all(folder.path().join(id)).unwrap();
            fs::write(folder.path().join(id).join("stat"), stat).unwrap();
        };
        write("40", "40 (sh) S 1 40 40 0 -1 0 0 0 0 0 1000 1000 1000 1000 20 0 1\n");
        write("41", "41 (phicam) S 40 40 40 0 -1 0 0 0 0 0 100 20 3 4 20 0 1\n");
        write("42", "42 (gst (a) b) R 41 40 40 0 -1 0 0 0 0 0 5 6 0 0 20 0 1\n");
        write("43", "43 (thief) R 40 40 40 0 -1 0 0 0 0 0 9000 0 0 0 20 0 1\n");
        write("44", "44 (cut");
        write("self", "41 (phicam) S 40 40 40 0 -1 0 0 0 0 0 100 20 3 4 20 0 1\n");
        assert_eq!(family(folder.path(), 41), 138);
        assert_eq!(family(&folder.path().join("none"), 41), 0);
    }
}
