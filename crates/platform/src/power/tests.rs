//! Power state read from file trees as real boards have them.

use super::*;

/// Temporary folder with the given files: path and text.
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
    folder
}

const RASPBERRY_PI_4: &[(&str, &str)] = &[
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "ondemand"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1800000"),
    ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1800000"),
    ("sys/class/thermal/thermal_zone0/type", "cpu-thermal"),
    ("sys/class/thermal/thermal_zone0/temp", "52582"),
    ("sys/class/thermal/thermal_zone0/trip_point_0_type", "critical"),
    ("sys/class/thermal/thermal_zone0/trip_point_0_temp", "110000"),
    ("sys/class/thermal/cooling_device0/type", "cpufreq-cpu0"),
    ("sys/class/thermal/cooling_device0/cur_state", "0"),
    ("sys/class/thermal/cooling_device0/max_state", "9"),
    ("sys/class/hwmon/hwmon0/name", "cpu_thermal"),
    ("sys/class/hwmon/hwmon1/name", "rpi_volt"),
    ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0"),
];

const ORIN_NANO: &[(&str, &str)] = &[
    ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64"),
    (
        "etc/nvpmodel.conf",
        "# MAXN is the NONE power model\n< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n\
      < POWER_MODEL ID=1 NAME=25W >\n< POWER_MODEL ID=2 NAME=MAXN_SUPER >\n< PM_CONFIG DEFAULT=1 >",
    ),
    ("var/lib/nvpmodel/status", "pmode:0000"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "schedutil"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1510400"),
    ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "1728000"),
    ("sys/devices/system/cpu/cpufreq/policy4/scaling_governor", "schedutil"),
    ("sys/devices/system/cpu/cpufreq/policy4/scaling_max_freq", "1510400"),
    ("sys/devices/system/cpu/cpufreq/policy4/cpuinfo_max_freq", "1728000"),
    ("sys/class/devfreq/15340000.vic/cur_freq", "115200000"),
    ("sys/class/devfreq/17000000.gpu/cur_freq", "306000000"),
    ("sys/class/devfreq/17000000.gpu/max_freq", "624750000"),
    ("sys/class/devfreq/17000000.gpu/available_frequencies", "306000000 408000000 510000000 612000000 1020000000"),
    ("sys/class/thermal/thermal_zone0/type", "cpu-thermal"),
    ("sys/class/thermal/thermal_zone0/temp", "48500"),
    ("sys/class/thermal/thermal_zone1/type", "cv0-thermal"), // reading its temperature fails while the CV cores are off
    ("sys/class/thermal/thermal_zone8/type", "tj-thermal"),
    ("sys/class/thermal/thermal_zone8/temp", "49250"),
    ("sys/class/thermal/thermal_zone8/trip_point_0_type", "active"),
    ("sys/class/thermal/thermal_zone8/trip_point_0_temp", "60000"),
    ("sys/class/thermal/thermal_zone8/trip_point_1_type", "critical"),
    ("sys/class/thermal/thermal_zone8/trip_point_1_temp", "104500"),
    ("sys/class/thermal/thermal_zone8/trip_point_2_type", "passive"),
    ("sys/class/thermal/thermal_zone8/trip_point_2_temp", "99000"),
    ("sys/class/thermal/cooling_device0/type", "pwm-fan"),
    ("sys/class/thermal/cooling_device0/cur_state", "3"),
    ("sys/class/thermal/cooling_device9/type", "gpu-throttle-alert"),
    ("sys/class/thermal/cooling_device9/cur_state", "0"),
    ("sys/class/hwmon/hwmon3/name", "soctherm_oc"),
    ("sys/class/hwmon/hwmon3/oc1_event_cnt", "0"),
    ("sys/class/hwmon/hwmon3/oc2_event_cnt", "15"),
    ("sys/class/hwmon/hwmon3/oc3_event_cnt", "37"),
    ("sys/class/hwmon/hwmon3/oc1_throt_en", "1"),
    ("sys/class/hwmon/hwmon3/oc2_throt_en", "0"),
    ("sys/class/hwmon/hwmon3/oc3_throt_en", "1"),
];

fn write(tree: &tempfile::TempDir, path: &str, text: &str) {
    fs::write(tree.path().join(path), text).unwrap();
}

#[test]
fn healthy_raspberry_pi_is_not_throttled() {
    let pi = tree(RASPBERRY_PI_4);
    let power = power_in(pi.path());
    assert_eq!((power.cpu_max_khz, power.cpu_limit_khz, power.gpu_max_khz), (Some(1_800_000), Some(1_800_000), None));
    assert_eq!(power.description().unwrap(), "CPU up to 1800 MHz (ondemand)");
    assert_eq!((power.throttle_reason(), power.throttled.len(), power.supply_events), (None, 0, None));
    let hottest = power.hottest.unwrap();
    assert_eq!((hottest.name.as_str(), hottest.celsius), ("cpu-thermal", 52.582));
    assert_eq!(hottest.next_trip, Some(TripPoint { kind: "critical".into(), celsius: 110.0 }));
}

#[test]
fn under_voltage_is_reported_by_kernel_or_firmware() {
    let pi = tree(RASPBERRY_PI_4);
    write(&pi, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
    let power = power_in(pi.path());
    assert_eq!(power.throttled, ["under-voltage"]);
    assert!(power.throttle_reason().unwrap().remedy.contains("supply"));
    write(&pi, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
    let firmware = "sys/devices/platform/soc/soc:firmware/get_throttled";
    fs::create_dir_all(pi.path().join(firmware).parent().unwrap()).unwrap();
    for (text, causes) in [("50000\n", 0), ("50005\n", 2), ("0x1", 1), ("8", 1), ("nonsense", 0), ("", 0)] {
        write(&pi, firmware, text);
        assert_eq!(power_in(pi.path()).throttled.len(), causes, "{text}");
    }
}

#[test]
fn thermal_throttling_is_reported_and_fans_are_not() {
    let jetson = tree(ORIN_NANO);
    assert!(power_in(jetson.path()).throttled.is_empty());
    write(&jetson, "sys/class/thermal/cooling_device9/cur_state", "1\n");
    let power = power_in(jetson.path());
    assert_eq!(power.throttled, ["the GPU is throttled for heat"]);
    assert!(power.throttle_reason().unwrap().remedy.contains("heat sink"));
    write(&jetson, "sys/class/thermal/cooling_device9/type", "cpufreq-cpu0\n");
    assert_eq!(power_in(jetson.path()).throttled, ["the CPU is throttled for heat"]);
    for unrelated in ["Processor", "TCC Offset", "hot-surface-alert"] {
        write(&jetson, "sys/class/thermal/cooling_device9/type", unrelated);
        assert!(power_in(jetson.path()).throttled.is_empty(), "{unrelated}");
    }
}

#[test]
fn jetson_reports_power_mode_clocks_and_remedy() {
    let jetson = tree(ORIN_NANO);
    let power = power_in(jetson.path());
    assert_eq!(
        (power.gpu_max_khz, power.gpu_limit_khz, power.gpu_now_khz),
        (Some(1_020_000), Some(624_750), Some(306_000))
    );
    assert_eq!(power.supply_events, Some(37), "a counter that cannot cut clocks was added");
    let throttled = power.throttle_reason().unwrap();
    assert_eq!(
        (throttled.reason.as_str(), throttled.remedy.as_str()),
        ("power mode 15W, the board has MAXN_SUPER", "sudo nvpmodel -m 2")
    );
    assert_eq!(
        power.description().unwrap(),
        "JetPack 6 (Jetson Linux 36.4.3); power mode 15W; CPU up to 1510 of 1728 MHz (schedutil); \
         GPU up to 624 of 1020 MHz; clocks cut 37 times since boot for the power supply"
    );
    let hottest = power.hottest.as_ref().unwrap();
    assert_eq!(hottest.name, "tj-thermal");
    assert_eq!(
        hottest.next_trip,
        Some(TripPoint { kind: "passive".into(), celsius: 99.0 }),
        "the trip point of the fan does not throttle"
    );
    write(&jetson, "var/lib/nvpmodel/status", "pmode:0002 fmode:quiet\n");
    let throttled = power_in(jetson.path()).throttle_reason().unwrap();
    assert!(throttled.reason.contains("1510 of 1728 MHz"), "{throttled:?}");
    assert!(throttled.remedy.starts_with("echo 1728000 | sudo tee"), "{throttled:?}");
    fs::remove_file(jetson.path().join("var/lib/nvpmodel/status")).unwrap();
    assert_eq!(
        power_in(jetson.path()).power_mode.unwrap().name.as_deref(),
        Some("25W"),
        "the default mode holds until one is set"
    );
}

#[test]
fn jetpack_version_follows_from_jetson_linux() {
    let name = |line: &str| {
        power_in(tree(&[("etc/nv_tegra_release", line)]).path()).jetpack.map(|jetpack| jetpack.to_string())
    };
    for (line, expected) in [
        ("# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref", "JetPack 4 (Jetson Linux 32.7.1)"),
        ("# R35 (release), REVISION: 4.1, GCID: 33958178", "JetPack 5 (Jetson Linux 35.4.1)"),
        ("# R38 (release), REVISION: 2.0, GCID: 41844464", "JetPack 7 (Jetson Linux 38.2.0)"),
        ("# R99 (release), REVISION: 1.0", "JetPack of unknown version (Jetson Linux 99.1.0)"),
    ] {
        assert_eq!(name(line).as_deref(), Some(expected));
    }
    assert_eq!(name("Ubuntu 22.04"), None);
}

#[test]
fn identity_has_persistent_settings_only() {
    let jetson = tree(ORIN_NANO);
    let identity = || power_identity_in(jetson.path());
    let before = identity();
    assert_eq!(before, "policy0 schedutil 1510400 kHz, policy4 schedutil 1510400 kHz, gpu 624750 kHz, mode 15W");
    write(&jetson, "sys/class/devfreq/17000000.gpu/cur_freq", "612000000\n");
    write(&jetson, "sys/class/thermal/thermal_zone8/temp", "90000\n");
    write(&jetson, "sys/class/hwmon/hwmon3/oc3_event_cnt", "99\n");
    assert_eq!(identity(), before);
    let mut seen = vec![before];
    for (path, text) in [
        ("var/lib/nvpmodel/status", "pmode:0002"),
        ("sys/devices/system/cpu/cpufreq/policy4/scaling_governor", "performance"),
        ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "1728000"),
        ("sys/class/devfreq/17000000.gpu/max_freq", "1020000000"),
    ] {
        write(&jetson, path, text);
        assert!(!seen.contains(&identity()), "{path}");
        seen.push(identity());
    }
}

#[test]
fn machine_without_power_files_has_no_description() {
    let nothing = tree(&[]);
    let power = power_in(nothing.path());
    assert_eq!(
        (power.description(), power.throttle_reason(), power_identity_in(nothing.path())),
        (None, None, String::new())
    );
    let garbage = tree(&[
        ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "fast"),
        ("sys/class/thermal/thermal_zone0/temp", "-274000"),
        ("sys/class/thermal/cooling_device0/cur_state", "-1"),
        ("sys/class/hwmon/hwmon0/name", "rpi_volt"),
        ("etc/nv_tegra_release", "# R"),
        ("etc/nvpmodel.conf", "< POWER_MODEL >\n< PM_CONFIG DEFAULT=x >"),
    ]);
    assert_eq!(power_in(garbage.path()), Power::default());
}

#[test]
fn json_keys_name_their_units() {
    let jetson = tree(ORIN_NANO);
    let json = serde_json::to_value(power_in(jetson.path())).unwrap();
    assert_eq!((&json["cpu_max_khz"], &json["power_mode"]["name"]), (&1_728_000.into(), &"15W".into()));
    assert_eq!(json["hottest"]["next_trip"]["celsius"], 99.0);
}
