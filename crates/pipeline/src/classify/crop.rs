//! Crop mode: the region of the frame that the model receives.

use phicam_frame::{Rect, Size};
use phicam_model::catalog::Crop;

/// Region of the frame to classify. The usual centre crop covers 43 % of a 16:9 frame.
#[derive(Clone, Copy, Debug, PartialEq, Default, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum CropMode {
    /// Square in the middle, as in training: best for one large object.
    #[default]
    Centre,
    /// Whole frame, with a letterbox.
    Whole,
    /// Region in fractions of the frame's width and height, with a letterbox if it is not square.
    Region { left: f64, top: f64, width: f64, height: f64 },
}

impl CropMode {
    /// Returns the region of a frame of `size` for a model with an input of `side` pixels.
    pub fn area(&self, size: Size, crop: Crop, side: u32) -> Rect {
        let Size { width, height } = size;
        match *self {
            CropMode::Centre => {
                let square = crop.square(side, width.min(height));
                // (length − crop + 1) / 2, as in the training code of the weights.
                let start = |length: u32| (length - square).div_ceil(2);
                Rect { left: start(width), top: start(height), width: square, height: square }
            }
            CropMode::Whole => Rect { left: 0, top: 0, width, height },
            CropMode::Region { left, top, width: width_share, height: height_share } => {
                let to_pixels = |share: f64, length: u32| (share * f64::from(length)).round() as u32;
                let (left, right) = (to_pixels(left, width), to_pixels(left + width_share, width));
                let (top, bottom) = (to_pixels(top, height), to_pixels(top + height_share, height));
                Rect { left, top, width: right - left, height: bottom - top }
            }
        }
    }
}

impl std::str::FromStr for CropMode {
    type Err = String;

    fn from_str(text: &str) -> Result<CropMode, String> {
        let invalid = || {
            format!(
                "view is `{text}`, expected centre, whole, or region:LEFT,TOP,WIDTH,HEIGHT in fractions of the frame \
                 (0 to 1), such as region:0.5,0,0.5,1 for its right half"
            )
        };
        match text {
            "centre" | "center" => Ok(CropMode::Centre),
            "whole" => Ok(CropMode::Whole),
            _ => {
                let numbers = text.strip_prefix("region:").ok_or_else(invalid)?;
                let shares: Vec<f64> =
                    numbers.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| invalid())?;
                let [left, top, width, height] = shares[..] else { return Err(invalid()) };
                let is_inside = |start: f64, length: f64| start >= 0.0 && length > 0.0 && start + length <= 1.0;
                if !is_inside(left, width) || !is_inside(top, height) {
                    return Err(invalid());
                }
                Ok(CropMode::Region { left, top, width, height })
            }
        }
    }
}

impl TryFrom<String> for CropMode {
    type Error = String;

    fn try_from(text: String) -> Result<CropMode, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CROP: Crop = Crop::Border(32);

    #[test]
    fn centre_crop_equals_the_crop_in_training() {
        let area = CropMode::Centre.area(Size::new(640, 480), CROP, 224);
        assert_eq!(area, Rect { left: 110, top: 30, width: 420, height: 420 });
        // Crop of 219 pixels: (337 − 219 + 1) / 2 = 59, (251 − 219 + 1) / 2 = 16.
        let odd = CropMode::Centre.area(Size::new(337, 251), CROP, 224);
        assert_eq!(odd, Rect { left: 59, top: 16, width: 219, height: 219 });
    }

    #[test]
    fn centre_crop_covers_43_percent_of_a_16_by_9_frame() {
        let size = Size::new(1920, 1080);
        let share = |view: CropMode| {
            let area = view.area(size, CROP, 224);
            f64::from(area.width) * f64::from(area.height) / (1920.0 * 1080.0)
        };
        assert!((share(CropMode::Centre) - 0.43).abs() < 0.005);
        assert_eq!(share(CropMode::Whole), 1.0);
    }

    #[test]
    fn region_is_parsed_as_fractions_of_the_frame() {
        let view: CropMode = "region:0.5,0,0.5,1".parse().unwrap();
        assert_eq!(view.area(Size::new(101, 50), CROP, 96), Rect { left: 51, top: 0, width: 50, height: 50 });
        for invalid in
            ["region:0.5,0,0.6,1", "region:0,0,0,1", "region:a,0,1,1", "region:0,0,1", "middle", "region:nan,0,1,1"]
        {
            assert!(invalid.parse::<CropMode>().unwrap_err().contains(invalid), "{invalid}");
        }
    }
}
