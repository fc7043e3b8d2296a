//! What holds a board back: clocks and their limits, power mode, heat, supply; all read from files of the kernel.

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

/// What the kernel tells of clocks, heat and supply. What a machine does not tell is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Power {
    /// Who chooses the processor's clock, such as `schedutil`; apart by `+` where groups of cores differ.
    pub governor: Option<String>,
    /// What the fastest cores could, in kHz.
    pub cpu_max_khz: Option<u64>,
    /// What they may, in kHz.
    pub cpu_limit_khz: Option<u64>,
    /// What the graphics processor could, may, and does now, in kHz.
    pub gpu_max_khz: Option<u64>,
    pub gpu_limit_khz: Option<u64>,
    pub gpu_now_khz: Option<u64>,
    /// Of a Jetson.
    pub power_mode: Option<PowerMode>,
    /// Of a Jetson.
    pub jetpack: Option<JetPack>,
    /// What slows the board down just now, each in words; nothing where it is not.
    pub throttled: Vec<String>,
    /// How often a Jetson's supply gave too little voltage or too much current was drawn, since it was started; clocks
    /// are cut for a moment each time.
    pub supply_events: Option<u64>,
    /// The hottest place.
    pub hottest: Option<ThermalZone>,
}

/// What the kernel tells now.
pub fn power() -> Power {
    power_in(Path::new("/"))
}

/// What changes how long a network takes here, and stays until somebody changes it: governor, limits, power mode. For
/// keys of what is remembered.
pub fn power_identity() -> String {
    power_identity_in(Path::new("/"))
}

/// As [`power`], of the machine whose files are below `root`.
pub fn power_in(root: &Path) -> Power {
    let policies = policies(root);
    let gpu = gpu(root);
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

/// As [`power_identity`], of the machine whose files are below `root`.
pub fn power_identity_in(root: &Path) -> String {
    let policy = |policy: Policy| {
        let limit = policy.limit_khz.map_or("?".into(), |khz| khz.to_string());
        format!("{} {} {limit} kHz", policy.name, policy.governor.unwrap_or_else(|| "?".into()))
    };
    let mut parts: Vec<String> = policies(root).into_iter().map(policy).collect();
    parts.extend(gpu(root).and_then(|gpu| gpu.limit_khz).map(|khz| format!("gpu {khz} kHz")));
    parts.extend(jetson::power_mode(root).map(|mode| format!("mode {}", mode.in_words())));
    parts.join(", ")
}

/// A reason why the board does less than it could, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottleReason {
    pub why: String,
    /// A command where there is one.
    pub remedy: String,
}

impl Power {
    /// What holds the board back most; nothing where it does what it can.
    pub fn held_back(&self) -> Option<ThrottleReason> {
        let held = |why: String, remedy: &str| Some(ThrottleReason { why, remedy: remedy.into() });
        if let Some(word) = self.throttled.iter().find(|word| word.contains("voltage")) {
            return held(word.clone(), "a supply and a cable that hold the voltage: 5.1 V for a Raspberry Pi");
        }
        if let Some(word) = self.throttled.first() {
            return held(word.clone(), "let air to the board, or put a heat sink and a fan on it");
        }
        if let Some((mode, best)) = self.power_mode.as_ref().and_then(|mode| Some((mode, mode.best.as_ref()?))) {
            let why = format!("power mode {}, the board has {}", mode.in_words(), best.1);
            return held(why, &format!("sudo nvpmodel -m {}", best.0));
        }
        let less = |limit: Option<u64>, max: Option<u64>| limit.zip(max).filter(|(limit, max)| limit < max);
        if let Some((limit, max)) = less(self.cpu_limit_khz, self.cpu_max_khz) {
            let why = format!("the processor may run at {} MHz of {}", limit / 1000, max / 1000);
            let files = "/sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq";
            return held(why, &format!("echo {max} | sudo tee {files}"));
        }
        if let Some(governor) = self.governor.as_ref().filter(|governor| governor.contains("powersave")) {
            let files = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor";
            return held(format!("the governor is {governor}"), &format!("echo schedutil | sudo tee {files}"));
        }
        None
    }

    /// All of it in a line; nothing where the machine tells nothing.
    pub fn in_words(&self) -> Option<String> {
        let mhz = |khz: u64| khz / 1000;
        let clocks = |what: &str, limit: Option<u64>, max: Option<u64>| {
            let (limit, max) = (limit.or(max)?, max.or(limit)?);
            let of = if limit < max { format!(" of {}", mhz(max)) } else { String::new() };
            Some(format!("{what} up to {}{of} MHz", mhz(limit)))
        };
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.jetpack.as_ref().map(JetPack::in_words));
        parts.extend(self.power_mode.as_ref().map(|mode| format!("power mode {}", mode.in_words())));
        let governor = self.governor.as_ref().map_or(String::new(), |governor| format!(" ({governor})"));
        parts.extend(clocks("processor", self.cpu_limit_khz, self.cpu_max_khz).map(|cpu| cpu + &governor));
        parts.extend(clocks("GPU", self.gpu_limit_khz, self.gpu_max_khz));
        parts.extend(
            self.supply_events
                .filter(|&events| events > 0)
                .map(|events| format!("clocks cut {events} times for the supply since it was started")),
        );
        parts.extend(self.throttled.iter().cloned());
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// A group of cores with one clock, `/sys/devices/system/cpu/cpufreq/policyN` (Documentation/admin-guide/pm/cpufreq.rst
/// of Linux); frequencies are in kHz.
struct Policy {
    name: String,
    governor: Option<String>,
    limit_khz: Option<u64>,
    max_khz: Option<u64>,
}

fn policies(root: &Path) -> Vec<Policy> {
    let folders = folders(&root.join("sys/devices/system/cpu/cpufreq"), "policy");
    let policy = |folder: PathBuf| Policy {
        name: name(&folder),
        governor: text(&folder.join("scaling_governor")),
        limit_khz: number(&folder.join("scaling_max_freq")),
        max_khz: number(&folder.join("cpuinfo_max_freq")),
    };
    folders.into_iter().map(policy).collect()
}

/// A graphics processor's clock, in `/sys/class/devfreq` (Documentation/ABI/testing/sysfs-class-devfreq of Linux), where
/// frequencies are in Hz.
struct Gpu {
    max_khz: Option<u64>,
    limit_khz: Option<u64>,
    now_khz: Option<u64>,
}

/// What a graphics processor is called there: 57000000.gpu (Nano), 17000000.gp10b (TX2), 17000000.gv11b (Xavier),
/// 17000000.ga10b and, from JetPack 6 on, 17000000.gpu (Orin), gpu-gpc-0 (Thor).
const GPUS: &[&str] = &["gpu", "gp10b", "gv11b", "ga10b"];

fn gpu(root: &Path) -> Option<Gpu> {
    let devices = folders(&root.join("sys/class/devfreq"), "");
    let device = devices.into_iter().find(|device| GPUS.iter().any(|gpu| name(device).contains(gpu)))?;
    let khz = |file: &str| number::<u64>(&device.join(file)).map(|hz| hz / 1000);
    let available = text(&device.join("available_frequencies")).unwrap_or_default();
    let max = available.split_whitespace().filter_map(|hz| hz.parse::<u64>().ok()).max();
    Some(Gpu { max_khz: max.map(|hz| hz / 1000), limit_khz: khz("max_freq"), now_khz: khz("cur_freq") })
}

/// What a file says, without the end of its line; nothing where it is missing, empty, or its driver has no answer.
fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes).trim().to_string();
    (!text.is_empty()).then_some(text)
}

fn number<N: std::str::FromStr>(path: &Path) -> Option<N> {
    text(path)?.parse().ok()
}

/// What is in `folder` and begins with `start`, by the number at its end.
fn folders(folder: &Path, start: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| name(path).starts_with(start)).collect();
    found.sort_by_key(|path| (name(path)[start.len()..].parse::<u32>().unwrap_or(u32::MAX), name(path)));
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
