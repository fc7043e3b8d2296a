//! Under-voltage and other limits of the power supply, from the kernel and a Raspberry Pi's firmware.

use std::path::{Path, PathBuf};

use super::{number, numbered_entries, text};

/// Returns the hardware monitors with a driver name: `/sys/class/hwmon/hwmonN`.
///
/// Source: Documentation/hwmon/sysfs-interface.rst of Linux.
fn sensors(root: &Path, driver: &'static str) -> impl Iterator<Item = PathBuf> {
    let monitors = numbered_entries(&root.join("sys/class/hwmon"), "hwmon").into_iter();
    monitors.filter(move |sensor| text(&sensor.join("name")).as_deref() == Some(driver))
}

/// Bits of the present state in a Raspberry Pi's firmware. Source: documentation of `vcgencmd get_throttled`.
const FIRMWARE_BITS: &[(u32, &str)] = &[
    (0, "under-voltage"),
    (1, "the firmware limits the CPU clock"),
    (2, "the firmware throttles the CPU"),
    (3, "the CPU is near its temperature limit"),
];

/// Returns the causes of throttling that a Raspberry Pi reports.
///
/// Sources: the alarm of Linux's driver raspberrypi-hwmon, which covers the last seconds, and the file `get_throttled`
/// of Raspberry Pi's own kernels, a hexadecimal number.
pub(super) fn throttled(root: &Path) -> Vec<String> {
    let alarm = sensors(root, "rpi_volt").any(|sensor| number(&sensor.join("in0_lcrit_alarm")) == Some(1));
    let firmware = text(&root.join("sys/devices/platform/soc/soc:firmware/get_throttled"));
    let bits = firmware.and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()).unwrap_or(0);
    let causes = FIRMWARE_BITS.iter().filter(|(bit, _)| bits >> bit & 1 == 1 || (*bit == 0 && alarm));
    causes.map(|(_, cause)| (*cause).to_string()).collect()
}

/// Returns how often a Jetson's supply caused its clocks to be cut since boot; `None` on other machines.
///
/// Sums the counters of NVIDIA's driver soctherm_oc that may cut clocks: 1 for under-voltage, 2 and 3 for over-current.
pub(super) fn events(root: &Path) -> Option<u64> {
    let sensor = sensors(root, "soctherm_oc").next()?;
    let cuts = |index: &u32| number(&sensor.join(format!("oc{index}_throt_en"))) != Some(0);
    let counts = (1..=3).filter(cuts).filter_map(|index| number::<u64>(&sensor.join(format!("oc{index}_event_cnt"))));
    Some(counts.sum())
}
