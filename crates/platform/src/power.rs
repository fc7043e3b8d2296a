//! Power state of a board: clocks and their limits, power mode, throttling, heat and supply, from the kernel's files.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

mod jetson;
mod supply;
#[cfg(test)]
mod tests;
mod thermal;
pub use jetson::{JetPack, PowerMode};
pub use thermal::{ThermalZone, TripPoint};

/// Clocks, throttling, heat and supply. Values that the machine does not report are `None`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Power {
    /// The cpufreq governor, such as `schedutil`; several, joined by `+`, if groups of cores differ.
    pub governor: Option<String>,
    /// Highest clock of the fastest cores.
    pub cpu_max_khz: Option<u64>,
    /// Present limit on that clock.
    pub cpu_limit_khz: Option<u64>,
    /// Highest clock of the GPU.
    pub gpu_max_khz: Option<u64>,
    /// Present limit on the GPU's clock.
    pub gpu_limit_khz: Option<u64>,
    /// Present clock of the GPU.
    pub gpu_now_khz: Option<u64>,
    /// Power mode of a Jetson.
    pub power_mode: Option<PowerMode>,
    /// JetPack release of a Jetson.
    pub jetpack: Option<JetPack>,
    /// Present causes of throttling, as text; empty if there is none.
    pub throttled: Vec<String>,
    /// Under-voltage and over-current events of a Jetson since boot; each one cuts the clocks for a moment.
    pub supply_events: Option<u64>,
    /// The hottest thermal zone.
    pub hottest: Option<ThermalZone>,
}

/// Returns the present power state of this machine.
pub fn power() -> Power {
    power_in(Path::new("/"))
}

/// Returns the settings that affect latency and persist until changed: governor, clock limits, power mode.
///
/// The text is part of stored cache keys.
pub fn power_identity() -> String {
    power_identity_in(Path::new("/"))
}

/// Like [`power`], with `root` in place of `/`.
pub fn power_in(root: &Path) -> Power {
    let policies = cpu_policies(root);
    let gpu = gpu_clocks(root);
    let mut governors: Vec<&str> = policies.iter().filter_map(|policy| policy.governor.as_deref()).collect();
    governors.dedup();
    let mut throttled = supply::throttled(root);
    throttled.extend(thermal::throttled(root));
    Power {
        governor: (!governors.is_empty()).then(|| governors.join("+")),
        cpu_max_khz: policies.iter().filter_map(|policy| policy.max_khz).max(),
        cpu_limit_khz: policies.iter().filter_map(|policy| policy.limit_khz).max(),
        gpu_max_khz: gpu.as_ref().and_then(|gpu| gpu.max_khz),
        gpu_limit_khz: gpu.as_ref().and_then(|gpu| gpu.limit_khz),
        gpu_now_khz: gpu.as_ref().and_then(|gpu| gpu.now_khz),
        power_mode: jetson::power_mode(root),
        jetpack: jetson::jetpack(root),
        throttled,
        supply_events: supply::events(root),
        hottest: thermal::hottest(root),
    }
}

/// Like [`power_identity`], with `root` in place of `/`.
pub fn power_identity_in(root: &Path) -> String {
    let policy = |policy: CpuPolicy| {
        let limit = policy.limit_khz.map_or("?".into(), |khz| khz.to_string());
        format!("{} {} {limit} kHz", policy.name, policy.governor.unwrap_or_else(|| "?".into()))
    };
    let mut parts: Vec<String> = cpu_policies(root).into_iter().map(policy).collect();
    parts.extend(gpu_clocks(root).and_then(|gpu| gpu.limit_khz).map(|khz| format!("gpu {khz} kHz")));
    parts.extend(jetson::power_mode(root).map(|mode| format!("mode {mode}")));
    parts.join(", ")
}

/// Cause of reduced clocks, with its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleReason {
    pub reason: String,
    /// A command if there is one, otherwise advice.
    pub remedy: String,
}

impl Power {
    /// Returns the most severe throttle reason; `None` if the board runs at full speed.
    pub fn throttle_reason(&self) -> Option<ThrottleReason> {
        let throttled = |reason: String, remedy: &str| Some(ThrottleReason { reason, remedy: remedy.into() });
        if let Some(cause) = self.throttled.iter().find(|cause| cause.contains("voltage")) {
            return throttled(
                cause.clone(),
                "use a supply and a cable that hold the voltage: 5.1 V for a Raspberry Pi",
            );
        }
        if let Some(cause) = self.throttled.first() {
            return throttled(cause.clone(), "improve the cooling: more air, a heat sink, a fan");
        }
        if let Some((mode, (number, name))) =
            self.power_mode.as_ref().and_then(|mode| Some((mode, mode.best.as_ref()?)))
        {
            let reason = format!("power mode {mode}, the board has {name}");
            return throttled(reason, &format!("sudo nvpmodel -m {number}"));
        }
        let cpu_clocks = self.cpu_limit_khz.zip(self.cpu_max_khz);
        if let Some((limit, max)) = cpu_clocks.filter(|(limit, max)| limit < max) {
            let reason = format!("the CPU clock is limited to {} of {} MHz", limit / 1000, max / 1000);
            let files = "/sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq";
            return throttled(reason, &format!("echo {max} | sudo tee {files}"));
        }
        if let Some(governor) = self.governor.as_ref().filter(|governor| governor.contains("powersave")) {
            let files = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor";
            return throttled(
                format!("the cpufreq governor is {governor}"),
                &format!("echo schedutil | sudo tee {files}"),
            );
        }
        None
    }

    /// Returns a summary in one line; `None` if the machine reports nothing.
    pub fn description(&self) -> Option<String> {
        let mhz = |khz: u64| khz / 1000;
        let clocks = |device: &str, limit: Option<u64>, max: Option<u64>| {
            let (limit, max) = (limit.or(max)?, max.or(limit)?);
            let of = if limit < max { format!(" of {}", mhz(max)) } else { String::new() };
            Some(format!("{device} up to {}{of} MHz", mhz(limit)))
        };
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.jetpack.as_ref().map(JetPack::to_string));
        parts.extend(self.power_mode.as_ref().map(|mode| format!("power mode {mode}")));
        let governor = self.governor.as_ref().map_or(String::new(), |governor| format!(" ({governor})"));
        parts.extend(clocks("CPU", self.cpu_limit_khz, self.cpu_max_khz).map(|cpu| cpu + &governor));
        parts.extend(clocks("GPU", self.gpu_limit_khz, self.gpu_max_khz));
        parts.extend(
            self.supply_events
                .filter(|&events| events > 0)
                .map(|events| format!("clocks cut {events} times since boot for the power supply")),
        );
        parts.extend(self.throttled.iter().cloned());
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// A cpufreq policy, a group of cores with one clock: `/sys/devices/system/cpu/cpufreq/policyN`.
///
/// Source: Documentation/admin-guide/pm/cpufreq.rst of Linux; the files hold kHz.
struct CpuPolicy {
    name: String,
    governor: Option<String>,
    limit_khz: Option<u64>,
    max_khz: Option<u64>,
}

/// Returns the cpufreq policies in the order of their numbers.
fn cpu_policies(root: &Path) -> Vec<CpuPolicy> {
    let folders = numbered_entries(&root.join("sys/devices/system/cpu/cpufreq"), "policy");
    let policy = |folder: PathBuf| CpuPolicy {
        name: name(&folder),
        governor: text(&folder.join("scaling_governor")),
        limit_khz: number(&folder.join("scaling_max_freq")),
        max_khz: number(&folder.join("cpuinfo_max_freq")),
    };
    folders.into_iter().map(policy).collect()
}

/// Clocks of the GPU, from `/sys/class/devfreq`.
///
/// Source: Documentation/ABI/testing/sysfs-class-devfreq of Linux; the files hold Hz.
struct GpuClocks {
    max_khz: Option<u64>,
    limit_khz: Option<u64>,
    now_khz: Option<u64>,
}

/// Parts of the GPU's device name: 57000000.gpu (Nano), 17000000.gp10b (TX2), 17000000.gv11b (Xavier), 17000000.ga10b
/// (Orin before JetPack 6), 17000000.gpu (Orin from JetPack 6 on), gpu-gpc-0 (Thor).
const GPU_NAMES: &[&str] = &["gpu", "gp10b", "gv11b", "ga10b"];

fn gpu_clocks(root: &Path) -> Option<GpuClocks> {
    let devices = numbered_entries(&root.join("sys/class/devfreq"), "");
    let device = devices.into_iter().find(|device| GPU_NAMES.iter().any(|gpu| name(device).contains(gpu)))?;
    let khz = |file: &str| number::<u64>(&device.join(file)).map(|hz| hz / 1000);
    let available = text(&device.join("available_frequencies")).unwrap_or_default();
    let max = available.split_whitespace().filter_map(|hz| hz.parse::<u64>().ok()).max();
    Some(GpuClocks { max_khz: max.map(|hz| hz / 1000), limit_khz: khz("max_freq"), now_khz: khz("cur_freq") })
}

/// Returns the trimmed text of a file; `None` if the file is missing, empty or unreadable.
fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_string();
    (!text.is_empty()).then_some(text)
}

fn number<N: std::str::FromStr>(path: &Path) -> Option<N> {
    text(path)?.parse().ok()
}

/// Returns the entries of `folder` whose names begin with `prefix`, sorted by the number after it.
fn numbered_entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| name(path).starts_with(prefix)).collect();
    found.sort_by_key(|path| (name(path)[prefix.len()..].parse::<u32>().unwrap_or(u32::MAX), name(path)));
    found
}

/// Returns the last part of a path.
fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
