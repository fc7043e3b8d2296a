//! Checks of the board's hardware: power, heat and CSI image sensors.

use std::path::Path;

use super::Finding;
use crate::service::health_monitor::HOT_CELSIUS;
use phicam_camera::gst::{Presence, Source, probe, sensors};
use phicam_platform::system;
use phicam_platform::system::{Maker, Power};

/// Checks clocks, power mode and supply, and names the main throttle reason.
pub fn check_power(power: &Power) -> Finding {
    let Some(description) = power.description() else {
        return Finding::unknown("power", "the kernel reports neither clocks nor supply".into(), None);
    };
    match power.throttle_reason() {
        Some(reason) => {
            Finding::missing("power", format!("{description}; throttled: {}", reason.reason), reason.remedy)
        }
        None if power.jetpack.is_some() => Finding::good(
            "power",
            format!("{description}; for steadier latency, fix the clocks with `sudo jetson_clocks`"),
        ),
        None => Finding::good("power", description),
    }
}

/// Checks the hottest sensor, and names its next trip point.
pub fn check_heat(power: &Power) -> Finding {
    let Some(zone) = &power.hottest else {
        return Finding::unknown("heat", "no sensor".into(), None);
    };
    let trip = zone.next_trip.as_ref();
    let trip = trip.map_or(String::new(), |trip| format!(", {} at {:.0} °C", trip.kind, trip.celsius));
    let value = format!("{:.0} °C at the hottest sensor ({}){trip}", zone.celsius, zone.name);
    if zone.celsius < HOT_CELSIUS {
        return Finding::good("heat", value);
    }
    let value = format!("{value}; boards throttle from about {HOT_CELSIUS:.0} °C");
    Finding::wrong("heat", value, "give the board more air or a heat sink")
}

/// Checks the board's own camera: its sensors, and the GStreamer elements that read them. Returns `None` on other boards.
pub fn check_csi() -> Option<Finding> {
    let maker = system::maker(&system::device_tree_compatible());
    csi_finding(maker, &sensors(Path::new("/")), probe)
}

/// Returns the finding for a board of `maker` with these `sensors` in its device tree.
fn csi_finding(maker: Maker, sensors: &[String], probe: impl Fn(&[&str]) -> Presence) -> Option<Finding> {
    let source = match maker {
        Maker::Nvidia => Source::Argus,
        Maker::RaspberryPi => Source::Libcamera,
        Maker::Other => return None,
    };
    let elements = source.elements();
    if maker == Maker::RaspberryPi && sensors.is_empty() {
        let remedy = "to use one, check its ribbon cable, and camera_auto_detect=1 in config.txt";
        return Some(Finding::missing("csi", "no image sensor in the device tree".into(), remedy));
    }
    let found = match sensors.len() {
        0 => "sensors unknown".into(),
        count => format!("{count} sensors in the device tree: {}", sensors.join(", ")),
    };
    Some(match probe(elements) {
        Presence::Available if sensors.is_empty() => {
            let value = format!("{found}, as Argus alone knows them; {} is installed", elements[0]);
            Finding::unknown("csi", value, Some("try one with `phicam capture csi:0`"))
        }
        Presence::Available => {
            Finding::good("csi", format!("{found}; --camera csi:0 reads the first with {}", elements[0]))
        }
        Presence::Missing { what, remedy } => {
            Finding::missing("csi", format!("{found}; {what} is missing, which reads them"), remedy)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use phicam_platform::system::{JetPack, PowerMode, ThermalZone, TripPoint};

    fn jetson() -> Power {
        let jetpack = Some(JetPack { major: Some(6), l4t: "36.4.3".into() });
        let best = Some((2, "MAXN_SUPER".into()));
        Power { jetpack, power_mode: Some(PowerMode { number: 0, name: Some("15W".into()), best }), ..Power::default() }
    }

    #[test]
    fn throttled_jetson_gets_one_command() {
        let finding = check_power(&jetson());
        assert_eq!(finding.state, State::Missing, "it works, only slower");
        assert_eq!(finding.remedy.as_deref(), Some("sudo nvpmodel -m 2"));
        assert!(finding.value.ends_with("throttled: power mode 15W, the board has MAXN_SUPER"), "{}", finding.value);
        let best = PowerMode { number: 2, name: Some("MAXN_SUPER".into()), best: None };
        let finding = check_power(&Power { power_mode: Some(best), ..jetson() });
        assert_eq!(finding.state, State::Good);
        assert!(finding.value.contains("jetson_clocks"), "{}", finding.value);
    }

    #[test]
    fn unreported_power_and_heat_are_unknown() {
        assert_eq!(check_power(&Power::default()).state, State::Unknown);
        assert_eq!(check_heat(&Power::default()).state, State::Unknown);
    }

    #[test]
    fn own_camera_of_a_board_is_checked() {
        let available = |_: &[&str]| Presence::Available;
        let absent = |_: &[&str]| Presence::Missing { what: "the element x".into(), remedy: "install x".into() };
        let sensor = ["/base/soc/i2c0mux/i2c@1/imx708@1a".to_string()];
        let state = |finding: Option<Finding>| finding.map(|finding| finding.state);
        assert_eq!(state(csi_finding(Maker::RaspberryPi, &sensor, available)), Some(State::Good));
        assert_eq!(state(csi_finding(Maker::RaspberryPi, &[], available)), Some(State::Missing));
        assert_eq!(state(csi_finding(Maker::Nvidia, &[], available)), Some(State::Unknown));
        assert_eq!(state(csi_finding(Maker::Other, &[], available)), None);
        let finding = csi_finding(Maker::RaspberryPi, &sensor, absent).unwrap();
        assert_eq!(finding.remedy.as_deref(), Some("install x"));
    }

    #[test]
    fn heat_names_the_next_trip_and_is_wrong_from_80_degrees() {
        let zone = |celsius| ThermalZone {
            name: "tj-thermal".into(),
            celsius,
            next_trip: Some(TripPoint { kind: "passive".into(), celsius: 99.0 }),
        };
        let check_at = |celsius| check_heat(&Power { hottest: Some(zone(celsius)), ..Power::default() });
        assert_eq!(check_at(49.3).value, "49 °C at the hottest sensor (tj-thermal), passive at 99 °C");
        assert_eq!(check_at(49.3).state, State::Good);
        assert_eq!(check_at(85.0).state, State::Wrong);
        assert!(check_at(85.0).remedy.is_some());
    }
}
