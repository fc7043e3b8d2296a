//! What a model expects of the picture that it is given.

use serde::{Deserialize, Serialize};

/// From a frame to a model's input: crop, resize, normalise. Get one wrong and accuracy falls by up to ten points
/// without any error, so each is stated by the catalog and tested.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub colour: Colour,
    pub layout: Layout,
    pub crop: Crop,
    pub filter: Filter,
    /// Subtracted from each channel's level (0 to 255).
    pub mean: [f32; 3],
    /// Divides each channel after that.
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
    /// Batch, channel, row, column: as PyTorch's.
    Nchw,
    /// Batch, row, column, channel: as TensorFlow's.
    Nhwc,
}

/// Resampling filter, with antialiasing when it makes smaller.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    Bilinear,
    /// Catmull-Rom (a = −0.5), as Pillow's.
    Bicubic,
}

/// How much of the frame's shorter side the classic centre crop keeps.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "CropText", into = "CropText")]
pub enum Crop {
    /// side / (side + border): `"side/(side+32)"`.
    Border(u32),
    /// A fixed share, 0 to 1.
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
        let refused =
            |found: String| format!("crop is {found}, expected \"side/(side+32)\" or a share above 0 and up to 1");
        match text {
            CropText::Share(share) if share > 0.0 && share <= 1.0 => Ok(Crop::Share(share)),
            CropText::Share(share) => Err(refused(share.to_string())),
            CropText::Formula(formula) => formula
                .strip_prefix("side/(side+")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|border| border.parse().ok())
                .map(Crop::Border)
                .ok_or_else(|| refused(format!("\"{formula}\""))),
        }
    }
}

impl Crop {
    /// Side in pixels of the centre square that a model of `side` pixels sees of a frame whose shorter side is `short`.
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
    /// Numbers that could not be meant.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.scale.iter().any(|scale| !scale.is_normal()) || self.mean.iter().any(|mean| !mean.is_finite()) {
            return Err(format!("mean {:?} and scale {:?} must be finite, and scale not 0", self.mean, self.scale));
        }
        Ok(())
    }
}
