//! How hot a board is, where it begins to slow down, and whether it has.

use std::path::Path;

use serde::Serialize;

use super::{folders, number, text};

/// A place with a sensor, `/sys/class/thermal/thermal_zoneN` (Documentation/driver-api/thermal/sysfs-api.rst of Linux).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ThermalZone {
    /// Its `type`, such as `cpu-thermal`.
    pub name: String,
    pub celsius: f64,
    /// The next temperature at which something happens.
    pub next_trip: Option<TripPoint>,
}

/// A temperature at which the kernel does something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TripPoint {
    /// `passive` slows down, `hot` warns, `critical` switches off.
    pub kind: String,
    pub celsius: f64,
}

/// Beyond these a driver means that a sensor or a trip is off.
const MEANT_CELSIUS: std::ops::Range<f64> = 1.0..200.0;
/// Trips of a zone that are looked for.
const MOST_TRIPS: usize = 32;

/// The hottest of all places whose sensors answer.
pub(super) fn hottest(root: &Path) -> Option<ThermalZone> {
    let zones = folders(&root.join("sys/class/thermal"), "thermal_zone").into_iter();
    let (folder, celsius) = zones
        .filter_map(|zone| Some((zone.clone(), number::<f64>(&zone.join("temp"))? / 1000.0)))
        .filter(|(_, celsius)| MEANT_CELSIUS.contains(celsius))
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    let trips = (0..MOST_TRIPS).map_while(|index| {
        let kind = text(&folder.join(format!("trip_point_{index}_type")))?;
        let celsius = number::<f64>(&folder.join(format!("trip_point_{index}_temp"))).unwrap_or_default() / 1000.0;
        Some(TripPoint { kind, celsius })
    });
    let next_trip = trips
        .filter(|trip| trip.kind != "active" && trip.celsius > celsius && MEANT_CELSIUS.contains(&trip.celsius))
        .min_by(|a, b| a.celsius.total_cmp(&b.celsius));
    Some(ThermalZone { name: text(&folder.join("type")).unwrap_or_else(|| "a sensor".into()), celsius, next_trip })
}

/// What is slowed down for heat: cooling devices that are no fans and are at work. Their types: `cpufreq-cpu0` or
/// `thermal-cpufreq-0`, `devfreq-17000000.gpu`, and NVIDIA's `cpu-throttle-alert`, `GPU-balanced`, `tegra-heavy`.
pub(super) fn throttled(root: &Path) -> Vec<String> {
    let mut found: Vec<String> = folders(&root.join("sys/class/thermal"), "cooling_device")
        .into_iter()
        .filter(|device| number::<i64>(&device.join("cur_state")).is_some_and(|state| state > 0))
        .filter_map(|device| text(&device.join("type")))
        .filter_map(|kind| {
            let kind = kind.to_lowercase();
            let slows = ["cpufreq", "devfreq", "throttle-alert", "balanced", "tegra-heavy"];
            let what = match &kind {
                kind if !slows.iter().any(|slow| kind.contains(slow)) => return None,
                kind if kind.contains("cpu") => "processor",
                kind if ["gpu", "ga10b", "gv11b", "gp10b"].iter().any(|gpu| kind.contains(gpu)) => "GPU",
                _ => "chip",
            };
            Some(format!("the {what} is slowed down for heat"))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
