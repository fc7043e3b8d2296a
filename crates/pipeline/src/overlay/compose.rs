//! Composition: fills the draw list from a scene, without drawing.

use phicam_display::words::{MessageKind, NoticeWords};

use super::Text;
use super::details_page::{add_details, picture_area};
use super::draw_list::{DrawList, FrameItem, FrameKey};
use super::label_card::add_label_card;
use super::messages::{add_middle_message, add_notice};
use super::picture_placement::PicturePlacement;
use super::scene::{Page, Scene};
use super::screen_class::{ScreenClass, Shape};
use super::tiny_label::{add_tiny_details, add_tiny_label};
use phicam_frame::{Frame, Rect};

/// Full brightness, in 1/256.
pub const FULL: u32 = 256;
/// Brightness outside of what the model sees: 58 %, the project's design.
const OUTSIDE: u32 = 148;
/// Brightness of a frame that is not live: 18 %, at which ink over white has a contrast of 9.6 : 1.
const NOT_LIVE: u32 = 46;

/// Fills `list` with the content of `scene`. `frame` is the scene's frame with a JPEG decoded.
pub fn compose(list: &mut DrawList, text: &mut Text, scene: &Scene, frame: Option<&Frame>, class: &ScreenClass) {
    list.clear();
    let words = scene.words;
    if class.shape == Shape::Tiny {
        return match scene.page {
            Page::Answer => add_tiny_label(list, text, class, words),
            Page::Details => add_tiny_details(list, text, class, words),
        };
    }
    if words.kind == MessageKind::NoCamera {
        add_middle_message(list, text, class, words);
        return;
    }
    list.frame = frame.and_then(|frame| frame_item(scene, frame, class));
    if scene.page == Page::Details {
        return add_details(list, text, class, words);
    }
    if words.kind == MessageKind::Stale {
        return add_middle_message(list, text, class, words);
    }
    if words.has_answer() {
        add_label_card(list, text, class, words);
    }
    match &words.notice {
        Some(notice) => add_notice(list, text, class, notice),
        // Small screens have no room for a time, but an old picture must not look live.
        None if class.is_small && words.is_late => {
            let wordings = vec![format!("answer is {}", words.time), words.time.clone()];
            add_notice(list, text, class, &NoticeWords { wordings, is_fault: false });
        }
        None => {}
    }
}

/// Returns the item of the frame; `None` if nothing of it would be shown.
pub fn frame_item(scene: &Scene, frame: &Frame, class: &ScreenClass) -> Option<FrameItem> {
    let placement = placement(scene, frame, class)?;
    let is_live = scene.words.kind != MessageKind::Stale;
    let is_details = scene.page == Page::Details;
    let sees_all = placement.region == placement.shown;
    Some(FrameItem {
        frame: FrameKey { sequence: frame.sequence, captured: frame.captured },
        placement,
        inside_brightness: if is_live { FULL } else { NOT_LIVE },
        outside_brightness: if !is_live {
            NOT_LIVE
        } else if is_details || scene.region.is_none() || class.shape != Shape::Wide {
            FULL
        } else {
            OUTSIDE
        },
        mark_width: if is_live && !is_details && !sees_all && scene.region.is_some() && class.shape == Shape::Wide {
            class.mark_width
        } else {
            0
        },
    })
}

/// Returns the place of the frame on the page of `scene`.
pub fn placement(scene: &Scene, frame: &Frame, class: &ScreenClass) -> Option<PicturePlacement> {
    let size = frame.size();
    // Before the first answer, the usual crop: the largest centred square.
    let side = size.width.min(size.height);
    let square = Rect { left: (size.width - side) / 2, top: (size.height - side) / 2, width: side, height: side };
    let region = scene.region.unwrap_or(square);
    match scene.page {
        Page::Details => PicturePlacement::within(picture_area(class)?, size, region, false),
        Page::Answer => PicturePlacement::new(class, size, region),
    }
}

/// Fills `list` with the frame alone, fitted into the canvas.
pub fn picture_only(list: &mut DrawList, scene: &Scene, frame: Option<&Frame>, class: &ScreenClass) {
    list.clear();
    let Some(frame) = frame else { return };
    let size = frame.size();
    let whole = Rect { left: 0, top: 0, width: size.width, height: size.height };
    let brightness = if scene.words.kind == MessageKind::Stale { NOT_LIVE } else { FULL };
    list.frame = PicturePlacement::within(class.area(), size, whole, false).map(|placement| FrameItem {
        frame: FrameKey { sequence: frame.sequence, captured: frame.captured },
        placement,
        inside_brightness: brightness,
        outside_brightness: brightness,
        mark_width: 0,
    });
}
