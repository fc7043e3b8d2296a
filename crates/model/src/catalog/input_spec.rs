//! Input spec: the preprocessing that a variant requires.

use serde::{Deserialize, Serialize};

/// Preprocessing from a frame to a model's input: crop, resize, normalise.
///
/// A wrong value causes no error but costs up to ten points of accuracy. The catalog therefore states each value, and
/// tests check it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub colour: Colour,
    pub layout: Layout,
    pub crop: Crop,
    pub filter: Filter,
    /// Mean of each channel, subtracted from its level (0 to 255).
    pub mean: [f32; 3],
    /// Divisor of each channel after the subtraction.
    pub scale: [f32; 3],
}

/// Order of the colour channels.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    Rgb,
    Bgr,
}

/// Order of the input's axes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Batch, channel, row, column, as in PyTorch.
    Nchw,
    /// Batch, row, column, channel, as in TensorFlow.
    Nhwc,
}

/// Resampling filter, with antialiasing when it reduces.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    Bilinear,
    /// Catmull-Rom (a = −0.5), as in Pillow.
    Bicubic,
}

/// Share of the frame's shorter side that the centre crop keeps.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "CropText", into = "CropText")]
pub enum Crop {
    /// The share side / (side + border), written `"side/(side+32)"`.
    Border(u32),
    /// A fixed share, above 0 and up to 1.
    Share(f64),
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum CropText {
    Share(f64),
    Formula(String),
}

impl From<Crop> for CropText {
    fn from(crop: Crop) -> CropText {
        match crop {
            Crop::Border(border) => CropText::Formula(format!("side/(side+{border})")),
            Crop::Share(share) => CropText::Share(share),
        }
    }
}

impl TryFrom<CropText> for Crop {
    type Error = String;

    fn try_from(text: CropText) -> Result<Crop, String> {
        let invalid =
            |text: String| format!("crop is {text}, expected \"side/(side+32)\" or a share above 0 and up to 1");
        match text {
            CropText::Share(share) if share > 0.0 && share <= 1.0 => Ok(Crop::Share(share)),
            CropText::Share(share) => Err(invalid(share.to_string())),
            CropText::Formula(formula) => formula
                .strip_prefix("side/(side+")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|border| border.parse().ok())
                .map(Crop::Border)
                .ok_or_else(|| invalid(format!("\"{formula}\""))),
        }
    }
}

impl Crop {
    /// Returns the side in pixels of the centre square to crop from a frame, for a model input of `side` pixels.
    ///
    /// `short` is the frame's shorter side in pixels.
    pub fn square(self, side: u32, short: u32) -> u32 {
        let (side, short) = (u64::from(side), u64::from(short));
        let square = match self {
            Crop::Border(border) => side * short / (side + u64::from(border)),
            Crop::Share(share) => (share * short as f64) as u64,
        };
        u32::try_from(square.max(1)).unwrap_or(u32::MAX)
    }
}

impl InputSpec {
    /// Returns an error if a mean is not finite, or a scale is zero or not finite.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.scale.iter().any(|scale| !scale.is_normal()) || self.mean.iter().any(|mean| !mean.is_finite()) {
            return Err(format!(
                "mean is {:?} and scale {:?}, expected finite numbers and scale not 0",
                self.mean, self.scale
            ));
        }
        Ok(())
    }
}
