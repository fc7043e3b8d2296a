//! What this machine is, as far as Linux tells.

use std::fs;
use std::path::{Path, PathBuf};

pub use crate::cpu_contention::{NEGLIGIBLE_CORES, OtherCpuLoad, RunQueueDelay, waits};
pub use crate::power::{
    JetPack, Power, PowerMode, ThermalZone, ThrottleReason, TripPoint, power, power_identity, power_identity_in,
    power_in,
};

/// Name of the processor, from `/proc/cpuinfo` (x86) or the parts it lists (ARM).
pub fn processor() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    let part = value("CPU part").map(|part| match part.as_str() {
        "0xd03" => "Cortex-A53".into(),
        "0xd05" => "Cortex-A55".into(),
        "0xd07" => "Cortex-A57".into(),
        "0xd08" => "Cortex-A72".into(),
        "0xd0b" => "Cortex-A76".into(),
        "0xd42" => "Cortex-A78AE".into(),
        "0x004" => "Carmel".into(),
        other => format!("ARM part {other}"),
    });
    value("model name").or(part).unwrap_or_else(|| std::env::consts::ARCH.into())
}

/// What tells this machine from others that a memory card may have been in: board, processor, memory.
pub fn identity() -> String {
    let board = device_tree_compatible().into_iter().next().unwrap_or_default();
    let mib = memory_mib().map_or(0.0, |(all, _)| (all / 64.0).round() * 64.0); // the kernel's share differs by version
    format!("{board} {}, {mib:.0} MiB", processor())
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Data caches of a core, as far as Linux tells: on ARM that takes a device tree that describes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    /// Bytes of the nearest one.
    pub first_bytes: Option<usize>,
    /// Bytes of the second that each of some busy cores can count on.
    pub second_bytes: Option<usize>,
}

/// The caches that each of `busy` cores has. Where cores differ, those of the one that has least.
pub fn caches(busy: usize) -> Caches {
    caches_in(Path::new("/sys/devices/system/cpu"), busy)
}

fn caches_in(cpus: &Path, busy: usize) -> Caches {
    let mut least = Caches::default();
    let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    for index in folders(cpus).flat_map(|cpu| folders(&cpu.join("cache")).collect::<Vec<_>>()) {
        let text = |name: &str| fs::read_to_string(index.join(name)).map(|text| text.trim().to_string()).ok();
        let kib = || text("size")?.strip_suffix('K')?.parse::<usize>().ok();
        let (Some(level), Some(kind), Some(bytes)) = (text("level"), text("type"), kib().map(|kib| kib << 10)) else {
            continue;
        };
        let sharers = text("shared_cpu_list").map_or(1, |list| cpus_in(&list)).clamp(1, busy.max(1));
        let (known, share) = match (level.as_str(), kind.as_str()) {
            ("1", "Data" | "Unified") => (&mut least.first_bytes, bytes / sharers),
            ("2", "Data" | "Unified") => (&mut least.second_bytes, bytes / sharers),
            _ => continue,
        };
        *known = Some(known.map_or(share, |known| known.min(share)));
    }
    least
}

/// How many `0-3,6` are.
fn cpus_in(list: &str) -> usize {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    list.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(number(last)?.checked_sub(number(first)?)? + 1)
        })
        .sum()
}

/// A line of `/proc/meminfo` or `/proc/self/status` in MiB.
fn kib_line(path: &str, key: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// All memory and what is free or can be freed, in MiB.
pub fn memory_mib() -> Option<(f64, f64)> {
    Some((kib_line("/proc/meminfo", "MemTotal")?, kib_line("/proc/meminfo", "MemAvailable")?))
}

/// The most memory that this process has had resident, in MiB.
pub fn peak_rss_mib() -> Option<f64> {
    kib_line("/proc/self/status", "VmHWM")
}

/// What this process has resident now, in MiB.
pub fn rss_mib() -> Option<f64> {
    kib_line("/proc/self/status", "VmRSS")
}

/// What the device tree says this board is compatible with, nearest first; nothing on a PC.
pub fn device_tree_compatible() -> Vec<String> {
    let bytes = fs::read("/proc/device-tree/compatible").unwrap_or_default();
    bytes.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(|n| String::from_utf8_lossy(n).into()).collect()
}

/// Whose board it is, where that decides what reads its sensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// A Jetson, of whatever kind.
    Nvidia,
    RaspberryPi,
    Other,
}

/// Who made the board with these entries of [`device_tree_compatible`]: the last is the chip's, `nvidia,tegra234` or
/// `brcm,bcm2712`, also on carrier boards of other makers.
pub fn maker(compatible: &[String]) -> Maker {
    let any = |start: &str| compatible.iter().any(|entry| entry.starts_with(start));
    if any("nvidia,tegra") {
        Maker::Nvidia
    } else if any("raspberrypi,") || any("brcm,bcm2") {
        Maker::RaspberryPi
    } else {
        Maker::Other
    }
}

/// Connectors of graphics cards and framebuffers, with whether something is connected.
pub fn displays() -> Vec<(PathBuf, String)> {
    let status = |device: &Path| fs::read_to_string(device.join("status")).ok().map(|text| text.trim().to_string());
    let connectors =
        devices("/sys/class/drm").into_iter().filter_map(|device| Some((device.clone(), status(&device)?)));
    let buffers = devices("/sys/class/graphics").into_iter().filter(|device| !device.ends_with("fbcon"));
    connectors.chain(buffers.map(|device| (node(&device), "framebuffer".into()))).collect()
}

/// What is free for this user on the disk that `path` is on, or will be once it is made, in MiB.
pub fn free_disk_mib(path: &Path) -> std::io::Result<f64> {
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
    let disk = rustix::fs::statvfs(there)?;
    Ok(disk.f_bavail as f64 * disk.f_frsize as f64 / f64::from(1 << 20))
}

/// Which user this is, and the groups that the system's files name it in or that it runs with.
pub fn user() -> (String, Vec<String>) {
    let uid = rustix::process::getuid();
    let named = |path: &str, id: u32| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.split(':').nth(2).is_some_and(|found| found == id.to_string()));
        line.and_then(|line| line.split(':').next()).map_or_else(|| id.to_string(), String::from)
    };
    let mut ids: Vec<u32> = rustix::process::getgroups().unwrap_or_default().iter().map(|id| id.as_raw()).collect();
    ids.push(rustix::process::getgid().as_raw());
    ids.sort_unstable();
    ids.dedup();
    (named("/etc/passwd", uid.as_raw()), ids.into_iter().map(|id| named("/etc/group", id)).collect())
}

/// Seconds since the machine was started, sleep included; setting the clock does not change it.
pub fn since_boot_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Tells this start of the machine from every other.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}

fn devices(class: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(class).into_iter().flatten().flatten();
    let mut devices: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    devices.sort();
    devices
}

fn node(device: &Path) -> PathBuf {
    Path::new("/dev").join(device.file_name().unwrap_or_default())
}

/// Lets [`peak_rss_mib`] begin anew, from what is resident now; where the kernel does not, the peak goes on.
pub fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5"); // 5: the peak alone, proc(5)
}

/// Lets this process have at most `bytes` of memory of its own from now on, or what it was allowed already where that
/// is less; what asks for more ends it.
pub fn limit_memory(bytes: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let allowed = getrlimit(Resource::Data);
    let lower = |before: Option<u64>| Some(before.map_or(bytes, |before| before.min(bytes)));
    let limit = Rlimit { current: lower(allowed.current), maximum: lower(allowed.maximum) };
    Ok(setrlimit(Resource::Data, limit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(cpus: &Path, place: &str, [level, kind, size, sharers]: [&str; 4]) {
        let folder = cpus.join(place);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in [("level", level), ("type", kind), ("size", size), ("shared_cpu_list", sharers)] {
            fs::write(folder.join(name), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn a_core_counts_on_its_share_of_a_cache_that_busy_cores_share() {
        let folder = tempfile::tempdir().unwrap();
        let cpus = folder.path();
        assert_eq!(caches_in(cpus, 4), Caches::default(), "where nothing is told");
        for cpu in 0..4 {
            cache(cpus, &format!("cpu{cpu}/cache/index0"), ["1", "Data", "32K", &cpu.to_string()]);
            cache(cpus, &format!("cpu{cpu}/cache/index1"), ["1", "Instruction", "48K", &cpu.to_string()]);
            cache(cpus, &format!("cpu{cpu}/cache/index2"), ["2", "Unified", "1024K", "0-3"]);
        }
        let told = |busy| caches_in(cpus, busy);
        let expected = |second: usize| Caches { first_bytes: Some(32 << 10), second_bytes: Some(second << 10) };
        assert_eq!((told(1), told(2), told(4), told(9)), (expected(1024), expected(512), expected(256), expected(256)));
        cache(cpus, "cpu4/cache/index0", ["1", "Data", "16K", "4"]);
        cache(cpus, "cpu4/cache/index2", ["2", "Unified", "nonsense", "4"]);
        assert_eq!(told(1), Caches { first_bytes: Some(16 << 10), ..expected(1024) }, "the core that has least");
    }

    #[test]
    fn cores_are_counted_in_lists_and_ranges() {
        assert_eq!(["0", "0-3", "0,4", "0-1,6-7", "", "3-1", "x"].map(cpus_in), [1, 4, 2, 4, 0, 0, 0]);
    }
}
