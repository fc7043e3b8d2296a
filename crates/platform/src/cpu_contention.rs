//! CPU contention: run-queue delay of this process, and CPU time that other programs use.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Negligible CPU time of other programs, in cores: an idle system uses some hundredths of a core.
pub const NEGLIGIBLE_CORES: f64 = 0.2;

/// Run-queue delay of each thread of this process since it started, in nanoseconds.
pub struct RunQueueDelay(BTreeMap<PathBuf, u64>);

/// Returns the present run-queue delay; `None` if the kernel does not report it.
///
/// Kernels with CONFIG_SCHED_INFO do, such as those of Debian, Raspberry Pi and NVIDIA.
pub fn run_queue_delay() -> Option<RunQueueDelay> {
    run_queue_delay_in(Path::new("/proc/self/task"))
}

fn run_queue_delay_in(tasks: &Path) -> Option<RunQueueDelay> {
    let mut delay_ns = BTreeMap::new();
    for task in fs::read_dir(tasks).ok()?.flatten() {
        // Fields: time on a core and run-queue delay in nanoseconds, number of time slices. The thread may have ended.
        let Ok(line) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        delay_ns.insert(task.path(), line.split_whitespace().nth(1)?.parse().ok()?);
    }
    (!delay_ns.is_empty()).then_some(RunQueueDelay(delay_ns))
}

impl RunQueueDelay {
    /// Returns the largest increase of any thread since `before`.
    ///
    /// The sum over all threads would add up the short delays of every wake-up.
    pub fn max_since(&self, before: &RunQueueDelay) -> Duration {
        let increase =
            |(task, ns): (&PathBuf, &u64)| ns.saturating_sub(before.0.get(task).copied().unwrap_or_default());
        Duration::from_nanos(self.0.iter().map(increase).max().unwrap_or_default())
    }
}

/// Measures the CPU time of other programs between two samples; this program and its children do not count.
pub struct OtherCpuLoad {
    /// Process whose CPU time and whose children's CPU time do not count.
    own_pid: u32,
    previous: Option<CpuTicks>,
}

/// CPU time since boot, in the kernel's clock ticks, summed over all cores.
#[derive(Clone, Copy)]
struct CpuTicks {
    busy: u64,
    /// Busy and idle.
    total: u64,
    cores: usize,
    /// Of this program and its children.
    own: u64,
}

impl OtherCpuLoad {
    /// Starts measuring.
    pub fn new() -> OtherCpuLoad {
        OtherCpuLoad::excluding(std::process::id())
    }

    /// Starts measuring in a child process of this program, whose parent does not count either.
    ///
    /// The parent counts if it runs another executable.
    pub fn excluding_parent() -> OtherCpuLoad {
        let parent = rustix::process::getppid().map(|id| id.as_raw_nonzero().get() as u32);
        let executable = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).ok();
        let is_same_program =
            |parent: &u32| executable(&parent.to_string()).is_some_and(|path| executable("self") == Some(path));
        OtherCpuLoad::excluding(parent.filter(is_same_program).unwrap_or_else(std::process::id))
    }

    fn excluding(own_pid: u32) -> OtherCpuLoad {
        OtherCpuLoad { own_pid, previous: cpu_ticks(own_pid) }
    }

    /// Returns the CPU time of other programs since the previous call, in cores: 0.5 is half a core.
    ///
    /// Returns `None` if the kernel does not report it or no time has passed.
    pub fn cores(&mut self) -> Option<f64> {
        let now = cpu_ticks(self.own_pid);
        let previous = std::mem::replace(&mut self.previous, now)?;
        other_cores(&previous, &now?)
    }
}

impl Default for OtherCpuLoad {
    fn default() -> OtherCpuLoad {
        OtherCpuLoad::new()
    }
}

fn other_cores(previous: &CpuTicks, now: &CpuTicks) -> Option<f64> {
    let total = now.total.checked_sub(previous.total).filter(|total| *total > 0)?;
    let busy = now.busy.saturating_sub(previous.busy);
    let own = now.own.saturating_sub(previous.own);
    Some(busy.saturating_sub(own) as f64 / total as f64 * now.cores as f64)
}

fn cpu_ticks(own_pid: u32) -> Option<CpuTicks> {
    parse_cpu_ticks(&fs::read_to_string("/proc/stat").ok()?, process_tree_ticks(Path::new("/proc"), own_pid))
}

/// Returns the CPU time of a process, its children and their reaped children, in ticks; `proc` is `/proc`.
fn process_tree_ticks(proc: &Path, root: u32) -> u64 {
    let files = fs::read_dir(proc).into_iter().flatten().flatten().map(|entry| entry.path());
    let processes = files.filter_map(|path| Some((path.file_name()?.to_str()?.parse::<u32>().ok()?, path)));
    let ticks = |(id, path): (u32, PathBuf)| {
        let stat = fs::read_to_string(path.join("stat")).ok()?; // the process may have ended
        // After the name, which may contain any character: state, parent, …; utime, stime, cutime, cstime from the
        // twelfth.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
        let is_counted = id == root || fields.get(1)?.parse() == Ok(root);
        is_counted.then(|| fields.iter().skip(11).take(4).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>())
    };
    processes.filter_map(ticks).sum()
}

/// Parses `/proc/stat`; `own` is the CPU time of this program in ticks.
fn parse_cpu_ticks(stat: &str, own: u64) -> Option<CpuTicks> {
    let ticks: Vec<u64> =
        stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(|tick| tick.parse().ok()).collect();
    // Fields: user, nice, system, idle, iowait, irq, softirq, steal. The guest fields after them are part of user.
    let total = ticks.iter().take(8).sum::<u64>();
    let idle = ticks.get(3)? + ticks.get(4)?;
    let is_core = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    let cores = stat.lines().filter(is_core).count().max(1);
    Some(CpuTicks { busy: total - idle, total, cores, own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_delay_of_any_thread_counts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |task: &str, line: &str| {
            fs::create_dir_all(folder.path().join(task)).unwrap();
            fs::write(folder.path().join(task).join("schedstat"), line).unwrap();
        };
        write("7", "5000 1500 3\n");
        write("8", "9 500 1\n");
        let before = run_queue_delay_in(folder.path()).unwrap();
        write("7", "6000 1600 4\n");
        write("8", "9 800 2\n");
        write("9", "1 200 1\n");
        let now = run_queue_delay_in(folder.path()).unwrap();
        assert_eq!(now.max_since(&before), Duration::from_nanos(300));
        write("8", "nonsense");
        assert!(run_queue_delay_in(folder.path()).is_none());
        assert!(run_queue_delay_in(&folder.path().join("none")).is_none());
    }

    #[test]
    fn busy_time_beyond_our_own_is_other_load() {
        let ticks = |user: u64, idle: u64, own| {
            let stat = format!("cpu  {user} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2\ncpu1 1 2\nintr 1\n");
            parse_cpu_ticks(&stat, own).unwrap()
        };
        // Two cores, one second: 120 of 200 ticks are busy, 50 of them by this program.
        let (previous, now) = (ticks(1000, 500, 10), ticks(1120, 580, 60));
        assert!((other_cores(&previous, &now).unwrap() - 0.7).abs() < 1e-9);
        assert_eq!(other_cores(&now, &now), None, "no time has passed");
        assert_eq!(other_cores(&previous, &ticks(1120, 580, 900)), Some(0.0), "never negative");
        assert!(parse_cpu_ticks("cpu  1 2 3", 0).is_none());
        assert!(parse_cpu_ticks("", 0).is_none());
    }

    #[test]
    fn children_count_as_own_and_siblings_do_not() {
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
        assert_eq!(process_tree_ticks(folder.path(), 41), 138);
        assert_eq!(process_tree_ticks(&folder.path().join("none"), 41), 0);
    }
}
