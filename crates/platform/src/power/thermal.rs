//! Temperatures, trip points and thermal throttling of a board.

use std::path::Path;

use serde::Serialize;

use super::{number, numbered_entries, text};

/// A thermal zone of the kernel: `/sys/class/thermal/thermal_zoneN`.
///
/// Source: Documentation/driver-api/thermal/sysfs-api.rst of Linux.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThermalZone {
    /// The zone's `type`, such as `cpu-thermal`.
    pub name: String,
    pub celsius: f64,
    /// The lowest trip point above the present temperature, without those that only start a fan.
    pub next_trip: Option<TripPoint>,
}

/// A temperature at which the kernel acts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TripPoint {
    /// `passive` throttles, `hot` warns, `critical` switches off.
    pub kind: String,
    pub celsius: f64,
}

/// Plausible temperatures; drivers report others for a disabled sensor or trip point.
const PLAUSIBLE_CELSIUS: std::ops::Range<f64> = 1.0..200.0;
/// Trip points of a zone that are read; an estimate, zones have fewer than twelve.
const MAX_TRIP_POINTS: usize = 32;

/// Returns the hottest thermal zone with a plausible temperature; `None` if there is none.
pub(super) fn hottest(root: &Path) -> Option<ThermalZone> {
    let zones = numbered_entries(&root.join("sys/class/thermal"), "thermal_zone").into_iter();
    let (folder, celsius) = zones
        .filter_map(|zone| Some((zone.clone(), number::<f64>(&zone.join("temp"))? / 1000.0)))
        .filter(|(_, celsius)| PLAUSIBLE_CELSIUS.contains(celsius))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let trips = (0..MAX_TRIP_POINTS).map_while(|index| {
        let kind = text(&folder.join(format!("trip_point_{index}_type")))?;
        let celsius = number::<f64>(&folder.join(format!("trip_point_{index}_temp"))).unwrap_or_default() / 1000.0;
        Some(TripPoint { kind, celsius })
    });
    let next_trip = trips
        .filter(|trip| trip.kind != "active" && trip.celsius > celsius && PLAUSIBLE_CELSIUS.contains(&trip.celsius))
        .min_by(|a, b| a.celsius.total_cmp(&b.celsius));
    Some(ThermalZone { name: text(&folder.join("type")).unwrap_or_else(|| "unnamed".into()), celsius, next_trip })
}

/// Returns the causes of thermal throttling: active cooling devices that reduce clocks, not fans.
///
/// Types of these devices: `cpufreq-cpu0` or `thermal-cpufreq-0`, `devfreq-17000000.gpu`, and NVIDIA's
/// `cpu-throttle-alert`, `GPU-balanced` and `tegra-heavy`.
pub(super) fn throttled(root: &Path) -> Vec<String> {
    let mut causes: Vec<String> = numbered_entries(&root.join("sys/class/thermal"), "cooling_device")
        .into_iter()
        .filter(|device| number::<i64>(&device.join("cur_state")).is_some_and(|state| state > 0))
        .filter_map(|device| text(&device.join("type")))
        .filter_map(|kind| {
            let kind = kind.to_lowercase();
            let throttling = ["cpufreq", "devfreq", "throttle-alert", "balanced", "tegra-heavy"];
            let device = match &kind {
                kind if !throttling.iter().any(|part| kind.contains(part)) => return None,
                kind if kind.contains("cpu") => "CPU",
                kind if ["gpu", "ga10b", "gv11b", "gp10b"].iter().any(|gpu| kind.contains(gpu)) => "GPU",
                _ => "chip",
            };
            Some(format!("the {device} is throttled for heat"))
        })
        .collect();
    causes.sort();
    causes.dedup();
    causes
}
