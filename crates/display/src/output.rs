//! Interface of all displays: the trait, and the update that it shows.

use phicam_frame::canvas::Canvas;
use phicam_frame::{Rect, Size};

use crate::DisplayError;
use crate::words::ScreenWords;

/// Canvas, frame layer and words for one display.
#[derive(Clone, Copy)]
pub struct ScreenUpdate<'a> {
    pub canvas: &'a Canvas,
    /// Areas that differ from the previous canvas given to this display. It is the whole canvas for the first update,
    /// and for the update after one that the display refused.
    pub damage: &'a [Rect],
    /// The frame, if [`Display::place_frame`] returned [`FramePlacement::Layer`].
    pub layer: Option<FrameLayer<'a>>,
    /// Words of the screen, for a display that sets its own text.
    pub words: &'a ScreenWords,
    /// Whether the words describe a classification that was not shown before.
    pub new_answer: bool,
    /// Whether faults have changed since the last update; a stale frame is one.
    pub new_fault: bool,
}

/// Newest frame on a separate canvas, which the display scales over the main canvas.
#[derive(Clone, Copy)]
pub struct FrameLayer<'a> {
    pub canvas: &'a Canvas,
    /// Area of the screen that the layer covers, but for its holes. The main canvas has no frame there.
    pub area: Rect,
    /// Parts of the layer, in its own pixels, through which the main canvas is seen.
    pub holes: &'a [Rect],
    /// Whether the layer differs from the previous one given to this display.
    pub is_new: bool,
}

/// Where to draw the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FramePlacement {
    /// Into the main canvas, with everything else.
    #[default]
    Canvas,
    /// Onto a layer of this size, which the display scales over the frame's area.
    Layer(Size),
}

/// Colour of a canvas beside the frame and its words, as 0x00RRGGBB.
pub const CANVAS_BACKGROUND: u32 = 0x0012_1316;

/// Content of the canvas of a display.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CanvasContent {
    /// The whole screen: frame and words.
    #[default]
    Screen,
    /// The frame alone, for a display that sets the words itself.
    Picture,
}

/// Key that a person pressed at a display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// End the program.
    Quit,
    /// Show or hide the details.
    Details,
}

/// Screen, terminal or file that shows updates.
pub trait Display: Send {
    /// Returns the name of the display for messages.
    fn name(&self) -> String;
    /// Returns the size in pixels of the canvases to give to this display.
    fn size(&self) -> Size;
    /// Returns the content that belongs on the canvas.
    fn canvas_content(&self) -> CanvasContent {
        CanvasContent::Screen
    }
    /// Returns where to draw a frame that is shown at `area`. It is called before each update that has a frame.
    fn place_frame(&mut self, area: Rect) -> FramePlacement {
        let _ = area;
        FramePlacement::Canvas
    }
    /// Shows `update`, or keeps it for [`Display::close`] if it follows the previous one too soon.
    fn show(&mut self, update: &ScreenUpdate) -> Result<(), DisplayError>;
    /// Returns whether the display lacks its content, so that it needs an update although nothing has changed.
    fn needs_redraw(&mut self) -> bool {
        false
    }
    /// Shows a kept update when it is due. It is called a few times per second while nothing changes.
    fn idle(&mut self) -> Result<(), DisplayError> {
        Ok(())
    }
    /// Returns a key that was pressed, without waiting. A display with keys says so on its screen once this is called.
    fn pressed(&mut self) -> Option<Key> {
        None
    }
    /// Shows a kept update, and restores the device's state from before it was opened.
    fn close(&mut self) -> Result<(), DisplayError> {
        Ok(())
    }
}
