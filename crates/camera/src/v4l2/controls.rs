//! Controls of a camera by name, such as exposure, gain, focus and power-line frequency.

use std::collections::BTreeMap;

use log::{info, warn};
use v4l::v4l_sys::*;

use super::error::CallError;
use super::ioctl::{Control, ControlKind, Node};
use phicam_platform::config_file::did_you_mean;

/// Value for a control.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(untagged)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    /// Menu item by its name.
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

/// Values for controls, by name.
pub type Values = BTreeMap<String, Value>;

/// Reason why a control cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the camera has no control `{name}`; it has {known}{hint}")]
    Unknown { name: String, known: String, hint: String },
    #[error("{name} is {value}, the camera takes {range}")]
    Refused { name: String, value: String, range: String },
    #[error("cannot set {name} to {value}: {cause}; remove it from [camera.controls]")]
    Failed { name: String, value: String, cause: CallError },
}

/// Names of a control in old and new kernels, so that a board file works with both.
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

/// Returns a name in the spelling of `v4l2-ctl`: "Exposure Time, Absolute" becomes exposure_time_absolute.
pub fn v4l2_ctl_name(name: &str) -> String {
    let letters = name.chars().map(|letter| if letter.is_alphanumeric() { letter.to_ascii_lowercase() } else { ' ' });
    letters.collect::<String>().split_whitespace().collect::<Vec<_>>().join("_")
}

/// Sets all `values`: menus and switches first, because an exposure time has no effect while exposure is automatic.
pub fn apply(node: &Node, values: &Values) -> Result<(), ControlError> {
    if values.is_empty() {
        return Ok(());
    }
    let controls = node.controls();
    let mut settings = values
        .iter()
        .map(|(name, value)| {
            let control = find(&controls, name)?;
            Ok((control, name, to_driver_value(control, name, value)?, value))
        })
        .collect::<Result<Vec<_>, _>>()?;
    settings.sort_by_key(|(control, ..)| control.kind == ControlKind::Integer);
    for (control, name, number, value) in settings {
        let failed = |cause| ControlError::Failed { name: name.clone(), value: value.to_string(), cause };
        node.set_control(control.id, number).map_err(failed)?;
        match node.control_value(control.id) {
            Ok(selected) if selected != number => warn!("camera: {name} is {selected}, requested {value}"),
            _ => info!("camera: {name} = {value}"),
        }
    }
    let overridden = |control: &&Control| {
        control.inactive && values.keys().any(|name| v4l2_ctl_name(name) == v4l2_ctl_name(&control.name))
    };
    for control in node.controls().iter().filter(overridden) {
        warn!(
            "camera: {} has no effect: another control overrides it, such as an automatic mode; turn that off",
            v4l2_ctl_name(&control.name)
        );
    }
    Ok(())
}

fn find<'a>(controls: &'a [Control], name: &str) -> Result<&'a Control, ControlError> {
    let spelling = v4l2_ctl_name(name);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == spelling).map(|(_, id)| *id);
    let by_name = controls.iter().find(|control| v4l2_ctl_name(&control.name) == spelling);
    by_name.or_else(|| controls.iter().find(|control| Some(control.id) == alias)).ok_or_else(|| {
        let names: Vec<String> = controls.iter().map(|control| v4l2_ctl_name(&control.name)).collect();
        let hint = did_you_mean(name, names.iter().map(String::as_str));
        let known = if names.is_empty() { "none".into() } else { names.join(", ") };
        ControlError::Unknown { name: name.into(), known, hint }
    })
}

/// Converts `value` to the driver's number; fails if the control does not accept it.
fn to_driver_value(control: &Control, name: &str, value: &Value) -> Result<i32, ControlError> {
    let number = match (&control.kind, value) {
        (ControlKind::Boolean, Value::Boolean(value)) => Some(i64::from(*value)),
        (ControlKind::Boolean | ControlKind::Integer, Value::Integer(value)) => Some(*value),
        (ControlKind::Menu(items), Value::Item(item)) => items
            .iter()
            .find(|(_, name)| v4l2_ctl_name(name) == v4l2_ctl_name(item))
            .map(|(number, _)| i64::from(*number)),
        (ControlKind::Menu(items), Value::Integer(value)) => {
            Some(*value).filter(|value| items.iter().any(|(number, _)| i64::from(*number) == *value))
        }
        _ => None,
    };
    let refused =
        || ControlError::Refused { name: name.into(), value: value.to_string(), range: describe_range(control) };
    let accepted = number.filter(|value| (control.minimum..=control.maximum).contains(value) && !control.read_only);
    accepted.and_then(|value| i32::try_from(value).ok()).ok_or_else(refused)
}

/// Describes the values that a control accepts.
fn describe_range(control: &Control) -> String {
    let Control { minimum, maximum, step, default, .. } = control;
    match &control.kind {
        _ if control.read_only => "no value: it is read-only".into(),
        ControlKind::Integer if *step > 1 => format!("{minimum} to {maximum} in steps of {step} (default {default})"),
        ControlKind::Integer => format!("{minimum} to {maximum} (default {default})"),
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

    fn driver_value(name: &str, value: Value) -> Result<i32, String> {
        let controls = webcam();
        let control = find(&controls, name).map_err(|error| error.to_string())?;
        to_driver_value(control, name, &value).map_err(|error| error.to_string())
    }

    #[test]
    fn names_follow_the_spelling_of_v4l2_ctl() {
        assert_eq!(v4l2_ctl_name("Exposure Time, Absolute"), "exposure_time_absolute");
        assert_eq!(v4l2_ctl_name("Focus (absolute)"), "focus_absolute");
        assert_eq!(v4l2_ctl_name("50 Hz"), "50_hz");
    }

    #[test]
    fn value_is_a_number_a_boolean_or_an_item_name() {
        assert_eq!(driver_value("gain", Value::Integer(7)), Ok(7));
        assert_eq!(driver_value("power_line_frequency", Value::Item("50 hz".into())), Ok(1));
        assert_eq!(driver_value("power_line_frequency", Value::Integer(2)), Ok(2));
        assert_eq!(driver_value("white_balance_automatic", Value::Boolean(true)), Ok(1));
    }

    #[test]
    fn names_of_old_kernels_are_aliases() {
        assert_eq!(driver_value("exposure_auto", Value::Integer(1)), Ok(1));
        assert_eq!(driver_value("white_balance_temperature_auto", Value::Boolean(false)), Ok(0));
    }

    #[test]
    fn control_errors_list_known_names_and_the_range() {
        let error = driver_value("gian", Value::Integer(1)).unwrap_err();
        assert!(error.contains("it has gain, power_line_frequency"), "{error}");
        assert!(error.contains("did you mean `gain`?"), "{error}");
        for (name, value, range) in [
            ("gain", Value::Integer(256), "gain is 256, the camera takes 0 to 255 (default 0)"),
            ("gain", Value::Item("much".into()), "gain is \"much\", the camera takes 0 to 255"),
            ("auto_exposure", Value::Integer(2), "takes 1 (\"Manual Mode\"), 3 (\"Aperture Priority Mode\")"),
            ("power_line_frequency", Value::Item("55 Hz".into()), "takes 0 (\"Disabled\"), 1 (\"50 Hz\")"),
            ("white_balance_automatic", Value::Item("on".into()), "takes true or false"),
        ] {
            let error = driver_value(name, value).unwrap_err();
            assert!(error.contains(range), "{error}");
        }
    }
}
