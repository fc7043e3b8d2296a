//! What this machine is, as far as Linux tells.

use std::fs;
use std::path::{Path, PathBuf};

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

/// What the device tree says this board is compatible with, nearest first; nothing on a PC.
pub fn device_tree_compatible() -> Vec<String> {
    let bytes = fs::read("/proc/device-tree/compatible").unwrap_or_default();
    bytes.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(|n| String::from_utf8_lossy(n).into()).collect()
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

/// The hottest that any sensor of the board says it is, in degrees Celsius; nothing where there are none.
pub fn hottest_celsius() -> Option<f64> {
    let zones = devices("/sys/class/thermal").into_iter();
    let degrees = |zone: PathBuf| fs::read_to_string(zone.join("temp")).ok()?.trim().parse::<f64>().ok();
    zones.filter_map(degrees).map(|thousandths| thousandths / 1000.0).max_by(f64::total_cmp)
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

/// Lets this process have at most `bytes` of memory of its own from now on, or what it was allowed already where that
/// is less; what asks for more ends it.
pub fn limit_memory(bytes: u64) -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let allowed = getrlimit(Resource::Data);
    let lower = |before: Option<u64>| Some(before.map_or(bytes, |before| before.min(bytes)));
    let limit = Rlimit { current: lower(allowed.current), maximum: lower(allowed.maximum) };
    Ok(setrlimit(Resource::Data, limit)?)
}
