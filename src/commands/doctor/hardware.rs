//! Checks of the board's hardware: power, heat and CSI image sensors.

use std::path::Path;

use super::Finding;
use crate::service::health_monitor::HOT_CELSIUS;
use phicam_camera::gst::{Presence, probe, sensors};
use phicam_platform::system;
use phicam_platform::system::{Maker, Power};

/// Checks clocks, power mode and supply, and names the main throttle reason.
pub fn check_power(power: &Power) -> Finding {
    let Some(description) = power.description() else {
        return Finding::good("power", "unknown: the kernel reports neither clocks nor supply".into());
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
    let Some(zone) = &power.hottest else { return Finding::good("heat", "no sensor".into()) };
    let trip = zone.next_trip.as_ref();
    let trip = trip.map_or(String::new(), |trip| format!(", {} at {:.0} °C", trip.kind, trip.celsius));
    let value = format!("{:.0} °C at the hottest sensor ({}){trip}", zone.celsius, zone.name);
    if zone.celsius < HOT_CELSIUS {
        return Finding::good("heat", value);
    }
    let value = format!("{value}; boards throttle from about {HOT_CELSIUS:.0} °C");
    Finding::wrong("heat", value, "give the board more air or a heat sink")
}

/// Checks the GStreamer elements for CSI sensors. Returns `None` on boards without such sensors.
pub fn check_csi() -> Option<Finding> {
    let maker = system::maker(&system::device_tree_compatible());
    let sensors = sensors(Path::new("/"));
    let elements: &[&str] = match maker {
        Maker::Nvidia => &["nvarguscamerasrc", "nvvidconv"],
        Maker::RaspberryPi if !sensors.is_empty() => &["libcamerasrc"],
        _ => return None,
    };
    let sensors = match sensors.len() {
        0 => "sensors unknown".into(),
        count => format!("{count} sensors in the device tree: {}", sensors.join(", ")),
    };
    Some(match probe(elements) {
        Presence::Available => {
            Finding::good("csi", format!("{sensors}; --camera csi:0 reads the first with {}", elements[0]))
        }
        Presence::Missing { what, remedy } => {
            Finding::missing("csi", format!("{sensors}; {what} is missing, which reads them"), remedy)
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
        assert_eq!(check_power(&Power::default()).state, State::Good);
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
