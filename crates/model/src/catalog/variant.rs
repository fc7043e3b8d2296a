//! Variants outside the catalog, and consistency checks of a variant's fields.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Colour, Crop, Filter, InputSpec, Layout, Network, Variant};
use crate::efficientnet::ScaledNetwork;
use crate::efficientnet::compound_scaling::Phi;

/// Supported input sides in pixels (estimate: values outside the range are probably typing errors).
pub const SIDES: std::ops::RangeInclusive<u32> = 32..=2048;
/// Exclusive upper limit of million multiply-accumulates of one inference: 26 times those of EfficientNet-B7.
pub const MAX_MILLION_MACS: f64 = 1e6;

/// Tolerance of φ in the catalog: it has two decimals, and 0.011 allows one unit of the last one with rounding.
const MAX_PHI_ERROR: f64 = 0.011;

impl Variant {
    /// Returns the command-line arguments that select this variant in a child process.
    pub fn as_arguments(&self) -> Vec<OsString> {
        if self.standalone_folder().is_some() {
            let mut file = OsString::from("./");
            file.push(self.network.file.file_name().unwrap_or_default());
            return vec!["--model".into(), file, "--side".into(), self.side.to_string().into()];
        }
        vec!["--model".into(), self.name.clone().into()]
    }

    /// Returns the folder of the file if the variant is in no catalog (see [`Variant::from_file`]), otherwise `None`.
    ///
    /// [`Variant::as_arguments`] are relative to this folder.
    pub fn standalone_folder(&self) -> Option<&Path> {
        self.network.labels.as_os_str().is_empty().then(|| self.network.file.parent()).flatten()
    }

    /// Returns φ for display: `φ 1.03`, or `φ unknown`.
    pub fn phi_display(&self) -> Phi {
        Phi(self.phi)
    }

    /// Creates a variant of an ONNX file that is in no catalog, for timing only: its accuracy and labels are unknown.
    ///
    /// Its input spec passes levels divided by 255, without a mean.
    pub fn from_file(
        path: &Path,
        onnx: &[u8],
        side: u32,
        layout: Layout,
        scaled: Option<ScaledNetwork>,
        million_macs: f64,
    ) -> Variant {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let network = Network {
            name: name.clone(),
            file: path.into(),
            sha256: super::sha256(onnx),
            labels: PathBuf::new(),
            labels_sha256: String::new(),
            scaled,
            million_parameters: 0.0,
            licence: "unknown".into(),
            source: "file".into(),
        };
        let (crop, filter) = (Crop::Border(32), Filter::Bicubic);
        let input = InputSpec { colour: Colour::Rgb, layout, crop, filter, mean: [0.0; 3], scale: [255.0; 3] };
        Variant {
            name: format!("{name}@{side}"),
            network: Arc::new(network),
            input: Arc::new(input),
            side,
            phi: scaled.map(|scaled| scaled.at_side(side).phi()),
            million_macs,
            top1_percent: None,
            top1_source: String::new(),
            is_user_model: false,
        }
    }

    /// Returns an error if a field is out of range, or if φ or the name does not follow from depth, width and side.
    pub(super) fn check(&self) -> Result<(), String> {
        let Variant { side, phi, million_macs, top1_percent, .. } = *self;
        if !SIDES.contains(&side) {
            return Err(format!("side is {side}, expected {} to {}", SIDES.start(), SIDES.end()));
        }
        let expected_name = format!("{}@{side}", self.network.name);
        if self.name != expected_name {
            return Err(format!("the name is not network@side, expected `{expected_name}`"));
        }
        let computed = self.network.scaled.map(|scaled| scaled.at_side(side).phi());
        match (phi, computed) {
            (Some(phi), Some(computed)) if (computed - phi).abs() <= MAX_PHI_ERROR => {}
            (None, None) => {}
            (Some(phi), Some(computed)) => {
                return Err(format!("phi is {phi}, depth, width and side give {computed:.2}"));
            }
            (None, Some(computed)) => return Err(format!("phi is missing, depth, width and side give {computed:.2}")),
            (Some(phi), None) => {
                return Err(format!("phi is {phi}, but its network has no family, width and depth"));
            }
        }
        if !(million_macs > 0.0 && million_macs < MAX_MILLION_MACS) {
            return Err(format!(
                "million_macs is {million_macs}, expected more than 0 and less than {MAX_MILLION_MACS}"
            ));
        }
        if let Some(top1_percent) = top1_percent.filter(|percent| !(0.0..=100.0).contains(percent)) {
            return Err(format!("top1_percent is {top1_percent}, expected 0 to 100"));
        }
        Ok(())
    }
}
