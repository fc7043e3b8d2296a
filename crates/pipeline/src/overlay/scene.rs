//! Content of the screen: a frame, what the model sees of it, and words.

use phicam_display::words::ScreenWords;
use phicam_frame::{Frame, Rect};

/// Page of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Page {
    /// The picture with the answer.
    #[default]
    Answer,
    /// Numbers of the model and the board.
    Details,
}

/// Everything that the overlay draws.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub frame: Option<&'a Frame>,
    /// Region of the frame that the model sees, in pixels of the frame; `None` before the first answer.
    pub region: Option<Rect>,
    pub words: &'a ScreenWords,
    pub page: Page,
    /// Whether the screen is a circle.
    pub is_round: bool,
    /// Whether the canvas shows the frame alone.
    pub is_picture_only: bool,
}
