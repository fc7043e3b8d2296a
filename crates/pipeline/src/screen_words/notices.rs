//! Notices: the most severe fault, else the newest message, in wordings from long to short.

use phicam_display::words::NoticeWords;

use super::{Readings, set_notice};
use crate::display_state::ViewState;
use crate::status::{Fault, Notice};

/// Writes the notice of `view`, or removes it.
pub fn write(notice: &mut Option<NoticeWords>, view: &ViewState, readings: &Readings) {
    if let Some(fault) = view.faults().most_severe() {
        return write_fault(notice, fault, readings);
    }
    match view.notice() {
        Some(message) => set_notice(notice, wordings(message), false),
        None if view.is_measuring() => {
            set_notice(notice, &["Finding the best model for this board", "Finding the best model", "measuring"], false)
        }
        None => *notice = None,
    }
}

fn write_fault(notice: &mut Option<NoticeWords>, fault: Fault, readings: &Readings) {
    match fault {
        // The camera has the middle of the screen.
        Fault::Camera => *notice = None,
        Fault::Power => set_notice(notice, &["Too little power: use a stronger supply", "Too little power"], true),
        Fault::Hot => match readings.celsius {
            Some(celsius) => {
                let long = format!("Hot, {celsius:.0} °C: answers come slower");
                set_notice(notice, &[&long, &format!("Hot, {celsius:.0} °C")], true);
            }
            None => set_notice(notice, &["Hot: answers come slower", "Hot"], true),
        },
        Fault::Disk => set_notice(notice, &["Card full: nothing more is kept", "Card full"], true),
        Fault::OverBudget => set_notice(notice, &["Slower than wanted"], true),
        Fault::BuildingEngine => {
            set_notice(
                notice,
                &["Preparing the fast engine: some minutes", "Preparing the fast engine", "preparing"],
                false,
            );
        }
    }
}

fn wordings(notice: Notice) -> &'static [&'static str] {
    match notice {
        Notice::LargerModel => &["Now a larger model"],
        Notice::FasterModel => &["Now a faster model"],
        Notice::OtherModel => &["Now another model"],
        Notice::OtherEngine => &["An engine failed: answers come slower", "An engine failed"],
        Notice::CameraBack => &["Camera is back"],
        Notice::UnreadablePicture => &["A picture could not be read", "unreadable picture"],
    }
}
