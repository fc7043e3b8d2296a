//! Which part of a frame the model is shown.

use phicam_frame::{Rect, Size};
use phicam_model::catalog::Crop;

/// What the user wants the model to see. The classic centre crop sees 43 % of a 16:9 frame.
#[derive(Clone, Copy, Debug, PartialEq, Default, serde::Deserialize)]
#[serde(try_from = "String")]
pub enum CropMode {
    /// The middle, as the model was trained: best on one large thing.
    #[default]
    Centre,
    /// Everything, with bars beside it.
    Whole,
    /// A part, in shares of the frame's width and height, with bars where it is not square.
    Region { left: f64, top: f64, width: f64, height: f64 },
}

impl CropMode {
    /// The part of a frame of `size` that this view shows to a model of `side` pixels.
    pub fn area(&self, size: Size, crop: Crop, side: u32) -> Rect {
        let Size { width, height } = size;
        match *self {
            CropMode::Centre => {
                let square = crop.square(side, width.min(height));
                let middle = |length: u32| (length - square).div_ceil(2); // (dim − crop + 1) / 2, as the weights' trainers
                Rect { left: middle(width), top: middle(height), width: square, height: square }
            }
            CropMode::Whole => Rect { left: 0, top: 0, width, height },
            CropMode::Region { left, top, width: wide, height: high } => {
                let at = |share: f64, length: u32| (share * f64::from(length)).round() as u32;
                let (left, right) = (at(left, width), at(left + wide, width));
                let (top, bottom) = (at(top, height), at(top + high, height));
                Rect { left, top, width: right - left, height: bottom - top }
            }
        }
    }
}

impl std::str::FromStr for CropMode {
    type Err = String;

    fn from_str(text: &str) -> Result<CropMode, String> {
        let refused = || {
            format!(
                "view is `{text}`, expected centre, whole, or region:LEFT,TOP,WIDTH,HEIGHT in shares of the frame \
                 (0 to 1), such as region:0.5,0,0.5,1 for its right half"
            )
        };
        match text {
            "centre" | "center" => Ok(CropMode::Centre),
            "whole" => Ok(CropMode::Whole),
            _ => {
                let numbers = text.strip_prefix("region:").ok_or_else(refused)?;
                let shares: Vec<f64> =
                    numbers.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|_| refused())?;
                let [left, top, width, height] = shares[..] else { return Err(refused()) };
                let inside = |from: f64, length: f64| from >= 0.0 && length > 0.0 && from + length <= 1.0;
                match inside(left, width) && inside(top, height) {
                    true => Ok(CropMode::Region { left, top, width, height }),
                    false => Err(refused()),
                }
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
    fn the_centre_of_a_vga_frame_is_where_the_trainers_cut_it() {
        let area = CropMode::Centre.area(Size::new(640, 480), CROP, 224);
        assert_eq!(area, Rect { left: 110, top: 30, width: 420, height: 420 });
        let odd = CropMode::Centre.area(Size::new(337, 251), CROP, 224); // 219 px: (337 − 219 + 1) / 2, (251 − 219 + 1) / 2
        assert_eq!(odd, Rect { left: 59, top: 16, width: 219, height: 219 });
    }

    #[test]
    fn the_centre_sees_43_percent_of_a_16_by_9_frame_and_whole_sees_all() {
        let size = Size::new(1920, 1080);
        let share = |view: CropMode| {
            let area = view.area(size, CROP, 224);
            f64::from(area.width) * f64::from(area.height) / (1920.0 * 1080.0)
        };
        assert!((share(CropMode::Centre) - 0.43).abs() < 0.005);
        assert_eq!(share(CropMode::Whole), 1.0);
    }

    #[test]
    fn a_region_is_read_in_shares_of_the_frame() {
        let view: CropMode = "region:0.5,0,0.5,1".parse().unwrap();
        assert_eq!(view.area(Size::new(101, 50), CROP, 96), Rect { left: 51, top: 0, width: 50, height: 50 });
        for bad in
            ["region:0.5,0,0.6,1", "region:0,0,0,1", "region:a,0,1,1", "region:0,0,1", "middle", "region:nan,0,1,1"]
        {
            assert!(bad.parse::<CropMode>().unwrap_err().contains(bad), "{bad}");
        }
    }
}
