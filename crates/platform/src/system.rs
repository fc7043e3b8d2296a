//! System information from Linux: processor, caches, memory, device tree, displays, user, boot.

use std::fs;
use std::path::{Path, PathBuf};

pub use crate::cpu_contention::{NEGLIGIBLE_CORES, OtherCpuLoad, RunQueueDelay, run_queue_delay};
pub use crate::power::{
    JetPack, Power, PowerMode, ThermalZone, ThrottleReason, TripPoint, power, power_identity, power_identity_in,
    power_in,
};

/// Returns the processor's name from `/proc/cpuinfo`: the model name (x86) or the name of the CPU part (ARM).
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

/// Returns board, processor and memory as text, to detect that an SD card was moved to another machine.
pub fn identity() -> String {
    let board = device_tree_compatible().into_iter().next().unwrap_or_default();
    // Rounded to 64 MiB, because the kernel's share of memory differs between its versions.
    let mib = memory_mib().map_or(0.0, |(total, _)| (total / 64.0).round() * 64.0);
    format!("{board} {}, {mib:.0} MiB", processor())
}

/// Returns the number of cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Data caches of a core, in bytes. On ARM, Linux knows them only if the device tree describes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    /// Level 1 data cache.
    pub l1d_bytes: Option<usize>,
    /// Level 2 cache, or the share of it for each busy core.
    pub l2_bytes: Option<usize>,
}

/// Returns the caches of each core if `busy_cores` cores are in use; if cores differ, the smallest.
pub fn caches(busy_cores: usize) -> Caches {
    caches_in(Path::new("/sys/devices/system/cpu"), busy_cores)
}

fn caches_in(cpus: &Path, busy_cores: usize) -> Caches {
    let mut smallest = Caches::default();
    let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    for index in folders(cpus).flat_map(|cpu| folders(&cpu.join("cache")).collect::<Vec<_>>()) {
        let text = |name: &str| fs::read_to_string(index.join(name)).map(|text| text.trim().to_string()).ok();
        let kib = || text("size")?.strip_suffix('K')?.parse::<usize>().ok();
        let (Some(level), Some(kind), Some(bytes)) = (text("level"), text("type"), kib().map(|kib| kib << 10)) else {
            continue;
        };
        let sharers = text("shared_cpu_list").map_or(1, |list| count_cpus(&list)).clamp(1, busy_cores.max(1));
        let (known, share) = match (level.as_str(), kind.as_str()) {
            ("1", "Data" | "Unified") => (&mut smallest.l1d_bytes, bytes / sharers),
            ("2", "Data" | "Unified") => (&mut smallest.l2_bytes, bytes / sharers),
            _ => continue,
        };
        *known = Some(known.map_or(share, |known| known.min(share)));
    }
    smallest
}

/// Returns the number of CPUs in a kernel list: 5 for `0-3,6`.
fn count_cpus(list: &str) -> usize {
    let number = |text: &str| text.trim().parse::<usize>().ok();
    list.split(',')
        .filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            Some(number(last)?.checked_sub(number(first)?)? + 1)
        })
        .sum()
}

/// Returns a value of `/proc/meminfo` or `/proc/self/status`, converted from KiB to MiB.
fn proc_value_mib(path: &str, key: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// Returns total and available memory of the machine, in MiB.
pub fn memory_mib() -> Option<(f64, f64)> {
    Some((proc_value_mib("/proc/meminfo", "MemTotal")?, proc_value_mib("/proc/meminfo", "MemAvailable")?))
}

/// Returns the peak resident memory of this process, in MiB.
pub fn peak_rss_mib() -> Option<f64> {
    proc_value_mib("/proc/self/status", "VmHWM")
}

/// Returns the present resident memory of this process, in MiB.
pub fn rss_mib() -> Option<f64> {
    proc_value_mib("/proc/self/status", "VmRSS")
}

/// Returns the device tree's `compatible` entries of this board, most specific first; none on a PC.
pub fn device_tree_compatible() -> Vec<String> {
    let bytes = fs::read("/proc/device-tree/compatible").unwrap_or_default();
    bytes
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into())
        .collect()
}

/// Board vendor; decides which camera stack to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// Any Jetson.
    Nvidia,
    RaspberryPi,
    Other,
}

/// Returns the vendor of a board by its entries of [`device_tree_compatible`].
///
/// The last entry names the chip, such as `nvidia,tegra234` or `brcm,bcm2712`, also on other vendors' carrier boards.
pub fn maker(compatible: &[String]) -> Maker {
    let any = |prefix: &str| compatible.iter().any(|entry| entry.starts_with(prefix));
    if any("nvidia,tegra") {
        Maker::Nvidia
    } else if any("raspberrypi,") || any("brcm,bcm2") {
        Maker::RaspberryPi
    } else {
        Maker::Other
    }
}

/// Returns connectors of graphics cards with their connection status, and framebuffers with `framebuffer`.
pub fn displays() -> Vec<(PathBuf, String)> {
    let status = |device: &Path| fs::read_to_string(device.join("status")).ok().map(|text| text.trim().to_string());
    let connectors =
        devices("/sys/class/drm").into_iter().filter_map(|device| Some((device.clone(), status(&device)?)));
    let buffers = devices("/sys/class/graphics").into_iter().filter(|device| !device.ends_with("fbcon"));
    connectors.chain(buffers.map(|device| (device_node(&device), "framebuffer".into()))).collect()
}

/// Returns the free space for this user on the disk of `path`, in MiB; `path` need not exist yet.
pub fn free_disk_mib(path: &Path) -> std::io::Result<f64> {
    let existing = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
    let disk = rustix::fs::statvfs(existing)?;
    Ok(disk.f_bavail as f64 * disk.f_frsize as f64 / f64::from(1 << 20))
}

/// Returns the name of the user and of the groups of this process; a number if the system has no name for it.
pub fn user() -> (String, Vec<String>) {
    let uid = rustix::process::getuid();
    let name = |path: &str, id: u32| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.split(':').nth(2).is_some_and(|field| field == id.to_string()));
        line.and_then(|line| line.split(':').next()).map_or_else(|| id.to_string(), String::from)
    };
    let mut ids: Vec<u32> = rustix::process::getgroups().unwrap_or_default().iter().map(|id| id.as_raw()).collect();
    ids.push(rustix::process::getgid().as_raw());
    ids.sort_unstable();
    ids.dedup();
    (name("/etc/passwd", uid.as_raw()), ids.into_iter().map(|id| name("/etc/group", id)).collect())
}

/// Returns the seconds since boot, including suspend; independent of changes to the clock.
pub fn since_boot_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Returns the kernel's random identifier of the present boot.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}

fn devices(class: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(class).into_iter().flatten().flatten();
    let mut devices: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    devices.sort();
    devices
}

fn device_node(device: &Path) -> PathBuf {
    Path::new("/dev").join(device.file_name().unwrap_or_default())
}

/// Resets [`peak_rss_mib`] to the present resident memory, if the kernel supports it.
pub fn reset_peak_rss() {
    let _ = fs::write("/proc/self/clear_refs", "5"); // 5 resets the peak alone, see proc(5)
}

/// Limits the private memory of this process to `bytes` (RLIMIT_DATA), or to its present limit if that is lower.
///
/// An allocation over the limit fails, which ends the process.
pub fn limit_memory(bytes: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let present = getrlimit(Resource::Data);
    let lower = |limit: Option<u64>| Some(limit.map_or(bytes, |limit| limit.min(bytes)));
    let limit = Rlimit { current: lower(present.current), maximum: lower(present.maximum) };
    Ok(setrlimit(Resource::Data, limit)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_cache(cpus: &Path, path: &str, [level, kind, size, sharers]: [&str; 4]) {
        let folder = cpus.join(path);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in [("level", level), ("type", kind), ("size", size), ("shared_cpu_list", sharers)] {
            fs::write(folder.join(name), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn shared_cache_is_divided_among_busy_cores() {
        let folder = tempfile::tempdir().unwrap();
        let cpus = folder.path();
        assert_eq!(caches_in(cpus, 4), Caches::default(), "no information");
        for cpu in 0..4 {
            write_cache(cpus, &format!("cpu{cpu}/cache/index0"), ["1", "Data", "32K", &cpu.to_string()]);
            write_cache(cpus, &format!("cpu{cpu}/cache/index1"), ["1", "Instruction", "48K", &cpu.to_string()]);
            write_cache(cpus, &format!("cpu{cpu}/cache/index2"), ["2", "Unified", "1024K", "0-3"]);
        }
        let caches = |busy_cores| caches_in(cpus, busy_cores);
        let expected = |l2_kib: usize| Caches { l1d_bytes: Some(32 << 10), l2_bytes: Some(l2_kib << 10) };
        for (busy_cores, l2_kib) in [(1, 1024), (2, 512), (4, 256), (9, 256)] {
            assert_eq!(caches(busy_cores), expected(l2_kib), "{busy_cores} busy cores");
        }
        write_cache(cpus, "cpu4/cache/index0", ["1", "Data", "16K", "4"]);
        write_cache(cpus, "cpu4/cache/index2", ["2", "Unified", "nonsense", "4"]);
        assert_eq!(
            caches(1),
            Caches { l1d_bytes: Some(16 << 10), ..expected(1024) },
            "the core with the smallest caches"
        );
    }

    #[test]
    fn cpus_in_lists_and_ranges_are_counted() {
        assert_eq!(["0", "0-3", "0,4", "0-1,6-7", "", "3-1", "x"].map(count_cpus), [1, 4, 2, 4, 0, 0, 0]);
    }
}
