//! Made-up trees of files, as boards have them.

use super::*;

/// Files below a folder of its own: path and what they say.
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
    ("sys/class/thermal/thermal_zone1/type", "cv0-thermal"), // its temp has no answer while it is off
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
fn a_raspberry_pi_that_is_well_is_held_back_by_nothing() {
    let pi = tree(RASPBERRY_PI_4);
    let power = power_in(pi.path());
    assert_eq!((power.cpu_max_khz, power.cpu_limit_khz, power.gpu_max_khz), (Some(1_800_000), Some(1_800_000), None));
    assert_eq!(power.in_words().unwrap(), "processor up to 1800 MHz (ondemand)");
    assert_eq!((power.held_back(), power.throttled.len(), power.supply_events), (None, 0, None));
    let hottest = power.hottest.unwrap();
    assert_eq!((hottest.name.as_str(), hottest.celsius), ("cpu-thermal", 52.582));
    assert_eq!(hottest.next_trip, Some(TripPoint { kind: "critical".into(), celsius: 110.0 }));
}

#[test]
fn a_weak_supply_is_told_by_the_kernel_or_by_the_firmware() {
    let pi = tree(RASPBERRY_PI_4);
    write(&pi, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
    let power = power_in(pi.path());
    assert_eq!(power.throttled, ["under-voltage"]);
    assert!(power.held_back().unwrap().remedy.contains("supply"));
    write(&pi, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
    let firmware = "sys/devices/platform/soc/soc:firmware/get_throttled";
    fs::create_dir_all(pi.path().join(firmware).parent().unwrap()).unwrap();
    for (text, words) in [("50000\n", 0), ("50005\n", 2), ("0x1", 1), ("8", 1), ("nonsense", 0), ("", 0)] {
        write(&pi, firmware, text);
        assert_eq!(power_in(pi.path()).throttled.len(), words, "{text}");
    }
}

#[test]
fn heat_that_slows_down_is_told_and_a_fan_at_work_is_not() {
    let jetson = tree(ORIN_NANO);
    assert!(power_in(jetson.path()).throttled.is_empty());
    write(&jetson, "sys/class/thermal/cooling_device9/cur_state", "1\n");
    let power = power_in(jetson.path());
    assert_eq!(power.throttled, ["the GPU is slowed down for heat"]);
    assert!(power.held_back().unwrap().remedy.contains("heat sink"));
    write(&jetson, "sys/class/thermal/cooling_device9/type", "cpufreq-cpu0\n");
    assert_eq!(power_in(jetson.path()).throttled, ["the processor is slowed down for heat"]);
    for not_slowing in ["Processor", "TCC Offset", "hot-surface-alert"] {
        write(&jetson, "sys/class/thermal/cooling_device9/type", not_slowing);
        assert!(power_in(jetson.path()).throttled.is_empty(), "{not_slowing}");
    }
}

#[test]
fn a_jetson_tells_its_mode_its_clocks_and_the_command_that_gives_all() {
    let jetson = tree(ORIN_NANO);
    let power = power_in(jetson.path());
    assert_eq!(
        (power.gpu_max_khz, power.gpu_limit_khz, power.gpu_now_khz),
        (Some(1_020_000), Some(624_750), Some(306_000))
    );
    assert_eq!(power.supply_events, Some(37), "counters that cut no clocks do not count");
    let held = power.held_back().unwrap();
    assert_eq!(
        (held.why.as_str(), held.remedy.as_str()),
        ("power mode 15W, the board has MAXN_SUPER", "sudo nvpmodel -m 2")
    );
    assert_eq!(
        power.in_words().unwrap(),
        "JetPack 6 (Jetson Linux 36.4.3); power mode 15W; processor up to 1510 of 1728 MHz (schedutil); \
         GPU up to 624 of 1020 MHz; clocks cut 37 times for the supply since it was started"
    );
    let hottest = power.hottest.as_ref().unwrap();
    assert_eq!(hottest.name, "tj-thermal");
    assert_eq!(
        hottest.next_trip,
        Some(TripPoint { kind: "passive".into(), celsius: 99.0 }),
        "the fan's trip slows nothing"
    );
    write(&jetson, "var/lib/nvpmodel/status", "pmode:0002 fmode:quiet\n");
    let held = power_in(jetson.path()).held_back().unwrap();
    assert!(held.why.contains("1510 MHz of 1728") && held.remedy.starts_with("echo 1728000 | sudo tee"), "{held:?}");
    fs::remove_file(jetson.path().join("var/lib/nvpmodel/status")).unwrap();
    assert_eq!(power_in(jetson.path()).power_mode.unwrap().name.as_deref(), Some("25W"), "what holds until one is set");
}

#[test]
fn the_jetpack_follows_from_the_release_of_jetson_linux() {
    let words =
        |line: &str| power_in(tree(&[("etc/nv_tegra_release", line)]).path()).jetpack.map(|jetpack| jetpack.in_words());
    for (line, expected) in [
        ("# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref", "JetPack 4 (Jetson Linux 32.7.1)"),
        ("# R35 (release), REVISION: 4.1, GCID: 33958178", "JetPack 5 (Jetson Linux 35.4.1)"),
        ("# R38 (release), REVISION: 2.0, GCID: 41844464", "JetPack 7 (Jetson Linux 38.2.0)"),
        ("# R99 (release), REVISION: 1.0", "JetPack of unknown version (Jetson Linux 99.1.0)"),
    ] {
        assert_eq!(words(line).as_deref(), Some(expected));
    }
    assert_eq!(words("Ubuntu 22.04"), None);
}

#[test]
fn what_changes_times_is_in_the_identity_and_what_passes_is_not() {
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
fn a_machine_that_tells_nothing_has_no_words_and_is_not_held_back() {
    let nothing = tree(&[]);
    let power = power_in(nothing.path());
    assert_eq!((power.in_words(), power.held_back(), power_identity_in(nothing.path())), (None, None, String::new()));
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
fn it_is_told_in_json_by_names_with_units() {
    let jetson = tree(ORIN_NANO);
    let told = serde_json::to_value(power_in(jetson.path())).unwrap();
    assert_eq!((&told["cpu_max_khz"], &told["power_mode"]["name"]), (&1_728_000.into(), &"15W".into()));
    assert_eq!(told["hottest"]["next_trip"]["celsius"], 99.0);
}
