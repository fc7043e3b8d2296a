//! Whether a board's supply is strong enough, as far as the kernel tells.

use std::path::{Path, PathBuf};

use super::{folders, number, text};

/// Sensors of that name, `/sys/class/hwmon/hwmonN` (Documentation/hwmon/sysfs-interface.rst of Linux).
fn sensors(root: &Path, called: &'static str) -> impl Iterator<Item = PathBuf> {
    let all = folders(&root.join("sys/class/hwmon"), "hwmon").into_iter();
    all.filter(move |sensor| text(&sensor.join("name")).as_deref() == Some(called))
}

/// Bits of a Raspberry Pi's firmware that tell of now: Raspberry Pi's documentation of `vcgencmd get_throttled`.
const BITS: &[(u32, &str)] = &[
    (0, "under-voltage"),
    (1, "the processor's clock is limited by the firmware"),
    (2, "the processor is slowed down by the firmware"),
    (3, "the processor is near its limit of heat"),
];

/// What a Raspberry Pi's supply and firmware slow down: the alarm of Linux's driver raspberrypi-hwmon, which was set
/// within its last seconds, and what Raspberry Pi's own kernels had beside it, a number in hexadecimal.
pub(super) fn throttled(root: &Path) -> Vec<String> {
    let alarm = sensors(root, "rpi_volt").any(|sensor| number(&sensor.join("in0_lcrit_alarm")) == Some(1));
    let firmware = text(&root.join("sys/devices/platform/soc/soc:firmware/get_throttled"));
    let bits = firmware.and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()).unwrap_or(0);
    let told = BITS.iter().filter(|(bit, _)| bits >> bit & 1 == 1 || (*bit == 0 && alarm));
    told.map(|(_, words)| (*words).to_string()).collect()
}

/// How often a Jetson's clocks were cut for its supply: the counters of NVIDIA's driver soctherm_oc, 1 for voltage, 2 and
/// 3 for current, of those that may cut clocks.
pub(super) fn events(root: &Path) -> Option<u64> {
    let sensor = sensors(root, "soctherm_oc").next()?;
    let cuts = |index: &u32| number(&sensor.join(format!("oc{index}_throt_en"))) != Some(0);
    let counted = (1..=3).filter(cuts).filter_map(|index| number::<u64>(&sensor.join(format!("oc{index}_event_cnt"))));
    Some(counted.sum())
}
