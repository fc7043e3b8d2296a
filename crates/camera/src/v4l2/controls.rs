//! A camera's controls by name: exposure, gain, focus, power-line frequency and whatever else its driver has.

use std::collections::BTreeMap;

use log::{info, warn};
use v4l::v4l_sys::*;

use super::ioctl::{Control, ControlKind, Node};
use phicam_platform::config_file::did_you_mean;

/// What a control is to be set to.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(untagged)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    /// A menu's item by its name.
    Item(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Item(name) => write!(f, "\"{name}\""),
        }
    }
}

/// Controls by name.
pub type Values = BTreeMap<String, Value>;

/// A control that cannot be set.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum ControlError {
    #[error("the camera has no control `{name}`; it has {known}{hint}")]
    Unknown { name: String, known: String, hint: String },
    #[error("{name} is {value}, the camera takes {range}")]
    Refused { name: String, value: String, range: String },
    #[error("{name} cannot be set to {value}: {cause}; leave it out of [camera.controls]")]
    Failed { name: String, value: String, cause: String },
}

/// Names of old kernels and new for the same control: a board file is good for both.
const ALIASES: &[(&str, u32)] = &[
    ("exposure_auto", V4L2_CID_EXPOSURE_AUTO),
    ("auto_exposure", V4L2_CID_EXPOSURE_AUTO),
    ("exposure_absolute", V4L2_CID_EXPOSURE_ABSOLUTE),
    ("exposure_time_absolute", V4L2_CID_EXPOSURE_ABSOLUTE),
    ("exposure_auto_priority", V4L2_CID_EXPOSURE_AUTO_PRIORITY),
    ("exposure_dynamic_framerate", V4L2_CID_EXPOSURE_AUTO_PRIORITY),
    ("white_balance_temperature_auto", V4L2_CID_AUTO_WHITE_BALANCE),
    ("white_balance_automatic", V4L2_CID_AUTO_WHITE_BALANCE),
    ("focus_auto", V4L2_CID_FOCUS_AUTO),
    ("focus_automatic_continuous", V4L2_CID_FOCUS_AUTO),
];

/// "Exposure Time, Absolute" as `v4l2-ctl` writes it: exposure_time_absolute.
pub fn spelt(name: &str) -> String {
    let letters = name.chars().map(|letter| if letter.is_alphanumeric() { letter.to_ascii_lowercase() } else { ' ' });
    letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join("_")
}

/// Sets each of `values`: menus and switches first, since an exposure time counts for nothing while exposure is automatic.
pub fn set(node: &Node, values: &Values) -> Result<(), ControlError> {
    if values.is_empty() {
        return Ok(());
    }
    let controls = node.controls();
    let mut wanted = values
        .iter()
        .map(|(name, value)| {
            let control = find(&controls, name)?;
            Ok((control, name, number(control, name, value)?, value))
        })
        .collect::<Result<Vec<_>, _>>()?;
    wanted.sort_by_key(|(control, ..)| control.kind == ControlKind::Integer);
    for (control, name, number, value) in wanted {
        let failed = |cause: std::io::Error| ControlError::Failed {
            name: name.clone(),
            value: value.to_string(),
            cause: cause.to_string(),
        };
        node.set_control(control.id, number).map_err(failed)?;
        match node.control_value(control.id) {
            Ok(kept) if kept != number => warn!("the camera made {kept} of {name} = {value}"),
            _ => info!("camera: {name} = {value}"),
        }
    }
    let idle = |control: &&Control| control.inactive && values.keys().any(|name| spelt(name) == spelt(&control.name));
    for control in node.controls().iter().filter(idle) {
        warn!("{} does nothing yet: another control, such as an automatic one, overrides it", spelt(&control.name));
    }
    Ok(())
}

fn find<'a>(controls: &'a [Control], name: &str) -> Result<&'a Control, ControlError> {
    let spelling = spelt(name);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == spelling).map(|(_, id)| *id);
    let found = controls.iter().find(|control| spelt(&control.name) == spelling);
    found.or_else(|| controls.iter().find(|control| Some(control.id) == alias)).ok_or_else(|| {
        let names: Vec<String> = controls.iter().map(|control| spelt(&control.name)).collect();
        let hint = did_you_mean(name, names.iter().map(String::as_str));
        let known = if names.is_empty() { "none".into() } else { names.join(", ") };
        ControlError::Unknown { name: name.into(), known, hint }
    })
}

/// What `value` is as the driver counts.
fn number(control: &Control, name: &str, value: &Value) -> Result<i32, ControlError> {
    let found = match (&control.kind, value) {
        (ControlKind::Boolean, Value::Boolean(value)) => Some(i64::from(*value)),
        (ControlKind::Boolean | ControlKind::Integer, Value::Integer(value)) => Some(*value),
        (ControlKind::Menu(items), Value::Item(wanted)) => {
            items.iter().find(|(_, name)| spelt(name) == spelt(wanted)).map(|(number, _)| i64::from(*number))
        }
        (ControlKind::Menu(items), Value::Integer(value)) => {
            Some(*value).filter(|value| items.iter().any(|(number, _)| i64::from(*number) == *value))
        }
        _ => None,
    };
    let refused = || ControlError::Refused { name: name.into(), value: value.to_string(), range: range(control) };
    let found = found.filter(|value| (control.minimum..=control.maximum).contains(value) && !control.read_only);
    found.and_then(|value| i32::try_from(value).ok()).ok_or_else(refused)
}

/// What a control takes, in words.
fn range(control: &Control) -> String {
    let Control { minimum, maximum, step, default, .. } = control;
    match &control.kind {
        _ if control.read_only => "no value: it can only be read".into(),
        ControlKind::Integer if *step > 1 => format!("{minimum} to {maximum} in steps of {step} (at first {default})"),
        ControlKind::Integer => format!("{minimum} to {maximum} (at first {default})"),
        ControlKind::Boolean => "true or false".into(),
        ControlKind::Menu(items) => {
            let item = |(number, name): &(u32, String)| format!("{number} (\"{name}\")");
            items.iter().map(item).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(name: &str, id: u32, kind: ControlKind, maximum: i64) -> Control {
        let name = name.into();
        Control { id, name, kind, minimum: 0, maximum, step: 1, default: 0, inactive: false, read_only: false }
    }

    fn webcam() -> Vec<Control> {
        let menu =
            |items: &[(u32, &str)]| ControlKind::Menu(items.iter().map(|(n, name)| (*n, (*name).into())).collect());
        let lines = menu(&[(0, "Disabled"), (1, "50 Hz"), (2, "60 Hz")]);
        let modes = menu(&[(1, "Manual Mode"), (3, "Aperture Priority Mode")]);
        vec![
            control("Gain", 1, ControlKind::Integer, 255),
            control("Power Line Frequency", 2, lines, 2),
            control("Auto Exposure", V4L2_CID_EXPOSURE_AUTO, modes, 3),
            control("White Balance, Automatic", V4L2_CID_AUTO_WHITE_BALANCE, ControlKind::Boolean, 1),
        ]
    }

    fn found(name: &str, value: Value) -> Result<i32, String> {
        let controls = webcam();
        find(&controls, name).and_then(|control| number(control, name, &value)).map_err(|error| error.to_string())
    }

    #[test]
    fn names_are_spelt_as_v4l2_ctl_spells_them() {
        assert_eq!(spelt("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(spelt("Focus (absolute)"), "focus_absolute");
        assert_eq!(spelt("50 Hz"), "50_hz");
    }

    #[test]
    fn a_value_is_a_number_a_switch_or_an_items_name() {
        assert_eq!(found("gain", Value::Integer(7)), Ok(7));
        assert_eq!(found("power_line_frequency", Value::Item("50 hz".into())), Ok(1));
        assert_eq!(found("power_line_frequency", Value::Integer(2)), Ok(2));
        assert_eq!(found("white_balance_automatic", Value::Boolean(true)), Ok(1));
    }

    #[test]
    fn names_of_older_kernels_mean_the_same_controls() {
        assert_eq!(found("exposure_auto", Value::Integer(1)), Ok(1));
        assert_eq!(found("white_balance_temperature_auto", Value::Boolean(false)), Ok(0));
    }

    #[test]
    fn an_unknown_control_is_answered_with_those_there_are_and_a_refused_value_with_the_range() {
        let said = found("gian", Value::Integer(1)).unwrap_err();
        assert!(said.contains("it has gain, power_line_frequency") && said.contains("did you mean `gain`?"), "{said}");
        for (name, value, range) in [
            ("gain", Value::Integer(256), "gain is 256, the camera takes 0 to 255 (at first 0)"),
            ("gain", Value::Item("much".into()), "gain is \"much\", the camera takes 0 to 255"),
            ("auto_exposure", Value::Integer(2), "takes 1 (\"Manual Mode\"), 3 (\"Aperture Priority Mode\")"),
            ("power_line_frequency", Value::Item("55 Hz".into()), "takes 0 (\"Disabled\"), 1 (\"50 Hz\")"),
            ("white_balance_automatic", Value::Item("on".into()), "takes true or false"),
        ] {
            let said = found(name, value).unwrap_err();
            assert!(said.contains(range), "{said}");
        }
    }
}
