//! What `doctor` says of the board around the program: power and heat, and what reads its image sensors.

use std::path::Path;

use super::{Finding, State, bad, good};
use crate::service::health_monitor::HOT_CELSIUS;
use phicam_camera::gst::{Presence, presence, sensors};
use phicam_platform::system;
use phicam_platform::system::{Maker, Power};

/// Clocks, power mode and supply, with what holds the board back most.
pub fn power(power: &Power) -> Finding {
    let Some(words) = power.description() else { return good("power", "the kernel tells nothing of it".into()) };
    match power.throttle_reason() {
        Some(held) => bad("power", State::Missing, format!("{words}; held back: {}", held.reason), held.remedy),
        None if power.jetpack.is_some() => {
            good("power", format!("{words}; `sudo jetson_clocks` holds the clocks up, for times that are steadier"))
        }
        None => good("power", words),
    }
}

/// The hottest sensor, and at what something happens.
pub fn heat(power: &Power) -> Finding {
    let Some(zone) = &power.hottest else { return good("heat", "no sensor".into()) };
    let next = zone.next_trip.as_ref();
    let next = next.map_or(String::new(), |trip| format!(", {} at {:.0} °C", trip.kind, trip.celsius));
    let value = format!("{:.0} °C at the hottest sensor ({}){next}", zone.celsius, zone.name);
    match zone.celsius >= HOT_CELSIUS {
        true => {
            let value = format!("{value}; boards slow down from about {HOT_CELSIUS:.0} on");
            bad("heat", State::Wrong, value, "let air to the board, or put a heat sink on it")
        }
        false => good("heat", value),
    }
}

/// What reads the sensors on the CSI connector, on boards that have one: nothing where it does not matter.
pub fn csi() -> Option<Finding> {
    let maker = system::maker(&system::device_tree_compatible());
    let sensors = sensors(Path::new("/"));
    let elements: &[&str] = match maker {
        Maker::Nvidia => &["nvarguscamerasrc", "nvvidconv"],
        Maker::RaspberryPi if !sensors.is_empty() => &["libcamerasrc"],
        _ => return None,
    };
    let found = match sensors.len() {
        0 => "sensors".into(),
        count => format!("{count} of the device tree: {}", sensors.join(", ")),
    };
    Some(match presence(elements) {
        Presence::There => good("csi", format!("{found}; --camera csi:0 reads the first, by {}", elements[0])),
        Presence::Missing { what, remedy } => {
            bad("csi", State::Missing, format!("{found}; {what} is not here, which reads them"), remedy)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_platform::system::{JetPack, PowerMode, ThermalZone, TripPoint};

    fn jetson() -> Power {
        let jetpack = Some(JetPack { major: Some(6), l4t: "36.4.3".into() });
        let best = Some((2, "MAXN_SUPER".into()));
        Power { jetpack, power_mode: Some(PowerMode { number: 0, name: Some("15W".into()), best }), ..Power::default() }
    }

    #[test]
    fn what_holds_the_board_back_is_told_with_one_command() {
        let finding = power(&jetson());
        assert!(finding.state == State::Missing, "it works, only slower");
        assert_eq!(finding.remedy.as_deref(), Some("sudo nvpmodel -m 2"));
        assert!(finding.value.ends_with("held back: power mode 15W, the board has MAXN_SUPER"), "{}", finding.value);
        let best = PowerMode { number: 2, name: Some("MAXN_SUPER".into()), best: None };
        let finding = power(&Power { power_mode: Some(best), ..jetson() });
        assert!(finding.state == State::Good && finding.value.contains("jetson_clocks"), "{}", finding.value);
        assert!(power(&Power::default()).state == State::Good);
    }

    #[test]
    fn heat_is_told_with_what_happens_next_and_is_wrong_when_the_board_slows_down() {
        let zone = |celsius| ThermalZone {
            name: "tj-thermal".into(),
            celsius,
            next_trip: Some(TripPoint { kind: "passive".into(), celsius: 99.0 }),
        };
        let at = |celsius| heat(&Power { hottest: Some(zone(celsius)), ..Power::default() });
        assert_eq!(at(49.3).value, "49 °C at the hottest sensor (tj-thermal), passive at 99 °C");
        assert!(at(49.3).state == State::Good && at(85.0).state == State::Wrong && at(85.0).remedy.is_some());
    }
}
