//! What a variant says of itself, and whether it agrees with itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Colour, Crop, Filter, InputSpec, Layout, Network, Variant};
use crate::efficientnet::Scaled;
use crate::efficientnet::compound_scaling::Phi;

/// Sides that a picture may have at the model; beyond them a typo is likelier than a wish.
pub const SIDES: std::ops::RangeInclusive<u32> = 32..=2048;
/// Work of one picture beyond which nothing here could run it, in million multiply-accumulates: 26 times B7's.
pub const MOST_MILLION_MACS: f64 = 1e6;

impl Variant {
    /// What tells another process of this program which it is.
    pub fn as_arguments(&self) -> Vec<OsString> {
        if self.own_folder().is_some() {
            let mut file = OsString::from("./");
            file.push(self.network.file.file_name().unwrap_or_default());
            return vec!["--model".into(), file, "--side".into(), self.side.to_string().into()];
        }
        vec!["--model".into(), self.name.clone().into()]
    }

    /// The folder of a file that is in no catalog (see [`Variant::of_file`]); [`Variant::as_arguments`] names it from there.
    pub fn own_folder(&self) -> Option<&Path> {
        self.network.labels.as_os_str().is_empty().then(|| self.network.file.parent()).flatten()
    }

    /// `φ 1.03`, or `φ unknown`.
    pub fn phi_in_words(&self) -> Phi {
        Phi(self.phi)
    }

    /// An ONNX file that is in no catalog, at a side: to be timed, not to be believed. Levels go in as they are.
    pub fn of_file(
        path: &Path,
        onnx: &[u8],
        side: u32,
        layout: Layout,
        scaled: Option<Scaled>,
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
            phi: scaled.map(|scaled| scaled.at(side).phi()),
            million_macs,
            top1_percent: None,
            top1_source: String::new(),
            added: false,
        }
    }

    /// φ and the name follow from depth, width and side: a catalog that says otherwise has a slip in it.
    pub(super) fn check(&self) -> Result<(), String> {
        let Variant { side, phi, million_macs, top1_percent, .. } = *self;
        if !SIDES.contains(&side) {
            return Err(format!("side is {side}, expected {} to {}", SIDES.start(), SIDES.end()));
        }
        let expected = format!("{}@{side}", self.network.name);
        if self.name != expected {
            return Err(format!("the name should be network@side, `{expected}`"));
        }
        let computed = self.network.scaled.map(|scaled| scaled.at(side).phi());
        match (phi, computed) {
            (Some(phi), Some(computed)) if (computed - phi).abs() <= 0.011 => {}
            (None, None) => {}
            (Some(phi), Some(computed)) => {
                return Err(format!("phi is {phi}, depth, width and side give {computed:.2}"));
            }
            (None, Some(computed)) => return Err(format!("phi is missing, depth, width and side give {computed:.2}")),
            (Some(phi), None) => {
                return Err(format!("phi is {phi}, but its network has no family, width and depth to have one by"));
            }
        }
        if !(million_macs > 0.0 && million_macs < MOST_MILLION_MACS) {
            return Err(format!(
                "million_macs is {million_macs}, expected more than 0 and less than {MOST_MILLION_MACS}"
            ));
        }
        if let Some(top1_percent) = top1_percent.filter(|percent| !(0.0..=100.0).contains(percent)) {
            return Err(format!("top1_percent is {top1_percent}, expected 0 to 100"));
        }
        Ok(())
    }
}
