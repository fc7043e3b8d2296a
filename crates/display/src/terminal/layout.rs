//! Areas of the window: picture, name, rule, candidates, status and log, for windows of any size.

use ratatui::layout::Rect;

/// Least window for the layouts with large letters, from the screen's design.
const MIN_LARGE: (u16, u16) = (60, 20);
/// Least rows of a window in which the log has rows of its own.
const MIN_LOG_WINDOW_ROWS: u16 = 30;
/// Rows of the log.
pub const LOG_ROWS: u16 = 3;
/// Columns and rows at the edges of the large layouts.
const MARGIN: Margin = Margin { columns: 2, rows: 1 };
/// Columns between the picture and the candidates.
const GAP_COLUMNS: u16 = 3;
/// Least width of the candidates: "or Staffordshire 27 %".
const MIN_SIDE_COLUMNS: u16 = 23;
/// Greatest width of the candidates, so that the eye finds the percentage of a label: the longest label fits.
const MAX_SIDE_COLUMNS: u16 = 40;
/// Rows of the candidates if they are below the rule: three, and the time.
const SIDE_ROWS_BELOW: u16 = 4;
/// Rows of the name by the least rows of the window: room for capitals of 16, 11, 8 and 7 half rows. From 9 rows on
/// there is room for two lines of 6.
const NAME_ROWS: [(u16, u16); 4] = [(56, 11), (32, 9), (22, 6), (0, 5)];
/// Least window for a picture beside the name; in a smaller one the words alone are legible.
const MIN_PICTURE_WINDOW: (u16, u16) = (30, 6);

struct Margin {
    columns: u16,
    rows: u16,
}

/// Areas of one window. An area without room is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub window: Rect,
    pub picture: Rect,
    /// Large letters, or the name in bold if [`Layout::is_large`] is false.
    pub name: Rect,
    /// Rule with the percentage; empty in small windows, whose rule follows the name.
    pub rule: Rect,
    /// Notice, candidates, time and details.
    pub side: Rect,
    pub status: Rect,
    pub log: Rect,
    /// Whether the name is set in large letters.
    pub is_large: bool,
}

impl Layout {
    /// Returns the layout of a window.
    pub fn new(columns: u16, rows: u16) -> Layout {
        if columns < MIN_LARGE.0 || rows < MIN_LARGE.1 {
            Layout::small(columns, rows)
        } else {
            Layout::large(columns, rows)
        }
    }

    /// Returns a layout with the picture above the name, and the candidates beside or below.
    fn large(columns: u16, rows: u16) -> Layout {
        let has_log = rows >= MIN_LOG_WINDOW_ROWS;
        let body_rows = if has_log { rows - LOG_ROWS - 1 } else { rows }; // one empty row between status and log
        let (left, width) = (MARGIN.columns, columns - 2 * MARGIN.columns);
        let name_rows = NAME_ROWS.iter().find(|(least, _)| rows >= *least).map_or(0, |&(_, rows)| rows);
        // Above the picture, below the rule and the status itself.
        let fixed_rows = MARGIN.rows + name_rows + 1 + 2;
        let beside = picture_size(width - GAP_COLUMNS - MIN_SIDE_COLUMNS, body_rows.saturating_sub(fixed_rows));
        let below = picture_size(width, body_rows.saturating_sub(fixed_rows + 1 + SIDE_ROWS_BELOW));
        let is_beside = beside.0 >= below.0;
        let picture = if is_beside { beside } else { below };
        let spare_rows =
            body_rows.saturating_sub(fixed_rows + picture.1 + if is_beside { 0 } else { 1 + SIDE_ROWS_BELOW });
        let top = MARGIN.rows + spare_rows / 2;
        let picture = Rect::new(left, top, picture.0, picture.1);
        let name = Rect::new(left, picture.bottom(), width, name_rows);
        let rule = Rect::new(left, name.bottom(), width, 1);
        let side = if is_beside {
            let side_left = picture.right() + GAP_COLUMNS;
            Rect::new(side_left, top, (left + width - side_left).min(MAX_SIDE_COLUMNS), picture.height)
        } else {
            Rect::new(left, rule.bottom() + 1, width, SIDE_ROWS_BELOW)
        };
        let status = Rect::new(left, body_rows - 1, width, 1);
        let log = Rect::new(left, rows - LOG_ROWS, width, if has_log { LOG_ROWS } else { 0 });
        let window = Rect::new(0, 0, columns, rows);
        Layout { window, picture, name, rule, side, status, log, is_large: true }
    }

    /// Returns a layout with the picture at the left and all words beside it.
    fn small(columns: u16, rows: u16) -> Layout {
        let window = Rect::new(0, 0, columns, rows);
        let has_picture = columns >= MIN_PICTURE_WINDOW.0 && rows >= MIN_PICTURE_WINDOW.1;
        let log_rows = if rows >= MIN_LOG_WINDOW_ROWS { LOG_ROWS + 1 } else { 0 };
        let body_rows = rows - log_rows;
        // The status and an empty row above it.
        let status_rows = if has_picture { 2 } else { 0 };
        let height = body_rows - status_rows;
        let picture_columns = if has_picture { (columns / 2).min(2 * height) } else { 0 };
        // A square, since a terminal's cells are about twice as high as wide.
        let picture = Rect::new(0, 0, picture_columns, if has_picture { picture_columns / 2 } else { 0 });
        let side_left = if has_picture { picture.right() + 2 } else { 0 };
        let side = Rect::new(side_left, 0, columns - side_left, height);
        let status = Rect::new(0, body_rows.saturating_sub(1), columns, status_rows.min(1));
        let log = Rect::new(0, rows - log_rows.min(LOG_ROWS), columns, log_rows.min(LOG_ROWS));
        Layout { window, picture, side, status, log, ..Layout::default() }
    }
}

/// Returns the columns and rows of the largest area of 16:9 within a room, if a cell is twice as high as wide.
fn picture_size(columns: u16, rows: u16) -> (u16, u16) {
    let by_rows = u32::from(rows) * 32 / 9;
    if by_rows <= u32::from(columns) {
        (((u32::from(rows) * 64 / 9).div_ceil(2)) as u16, rows)
    } else {
        (columns, ((u32::from(columns) * 9 + 16) / 32) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn design_sizes_have_the_designed_pictures() {
        let picture = |columns, rows| Layout::new(columns, rows).picture;
        assert_eq!(picture(80, 24), Rect::new(2, 1, 50, 14));
        assert_eq!(picture(40, 12), Rect::new(0, 0, 20, 10));
    }

    #[test]
    fn areas_lie_in_the_window_without_overlap() {
        for columns in 1..=260 {
            for rows in 1..=80 {
                let layout = Layout::new(columns, rows);
                let areas = [layout.picture, layout.name, layout.rule, layout.side, layout.status, layout.log];
                for (index, &area) in areas.iter().enumerate().filter(|(_, area)| !area.is_empty()) {
                    assert_eq!(area.intersection(layout.window), area, "area {index} of {columns}x{rows}");
                    for (other, &second) in
                        areas.iter().enumerate().skip(index + 1).filter(|(_, area)| !area.is_empty())
                    {
                        assert!(!area.intersects(second), "areas {index} and {other} of {columns}x{rows}");
                    }
                }
            }
        }
    }

    #[test]
    fn narrow_high_window_has_candidates_below() {
        let layout = Layout::new(70, 50);
        assert!(layout.side.y > layout.rule.y, "{layout:?}");
        assert!(layout.picture.width > 60, "{layout:?}");
    }
}
