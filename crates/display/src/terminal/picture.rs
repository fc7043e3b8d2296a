//! Frame as characters: half blocks in colour, or shades if the terminal has too few colours.

use crate::CANVAS_BACKGROUND;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::palette::{ColourDepth, Role};
use phicam_frame::Size;
use phicam_frame::canvas::Canvas;

/// Characters from dark to bright.
const SHADES: [&str; 5] = [" ", "░", "▒", "▓", "█"];

/// Percentiles of luminance that become the darkest and the brightest shade: those of the design's one-bit pictures.
const SHADE_PERCENTILES: (usize, usize) = (3, 97);
/// Least luminance of the brightest shade, so that a stale frame, dimmed to 18 %, looks dark.
const MIN_BRIGHTEST: u32 = 128;

/// Draws `canvas` over `area`: two pixels a cell if the canvas has [`Display::size`](crate::Display::size), otherwise
/// the nearest ones. Black rows and columns at the edges, which the frame does not fill, get the background.
pub fn draw(buffer: &mut Buffer, area: Rect, canvas: &Canvas, depth: ColourDepth) {
    let (width, height) = (u32::from(area.width), 2 * u32::from(area.height));
    let size = canvas.size();
    if size.width == 0 || size.height == 0 {
        return;
    }
    let frame = frame_area(canvas);
    let pixel = |x: u32, y: u32| {
        let (x, y) = (x * size.width / width, y * size.height / height);
        frame.contains(x, y).then(|| canvas.row(x, y, 1)[0])
    };
    let shades = if depth.shows_photographs() { None } else { Some(Shades::new(canvas, frame)) };
    for (row, y) in (0..).step_by(2).zip(area.y..area.bottom()) {
        for (column, x) in (0..).zip(area.x..area.right()) {
            let halves = [pixel(column, row), pixel(column, row + 1)];
            let Some(cell) = buffer.cell_mut((x, y)) else { continue };
            match (&shades, halves) {
                (_, [None, None]) => {}
                (Some(shades), halves) => {
                    let symbol = shades.symbol(halves.map(Option::unwrap_or_default));
                    cell.set_symbol(symbol).set_style(depth.style(Role::Ink));
                }
                (None, halves) => {
                    let [upper, lower] = halves.map(|pixel| pixel.map_or(depth.paper(), |pixel| depth.pixel(pixel)));
                    cell.set_symbol("▀").set_style(Style::new().fg(upper).bg(lower));
                }
            }
        }
    }
}

/// Range of luminance that the shades divide.
struct Shades {
    darkest: u32,
    brightest: u32,
}

impl Shades {
    fn new(canvas: &Canvas, frame: phicam_frame::Rect) -> Shades {
        let rows = (frame.top..frame.top + frame.height).map(|y| canvas.row(frame.left, y, frame.width));
        let mut levels: Vec<u32> = rows.flatten().map(|&pixel| luminance(pixel)).collect();
        levels.sort_unstable();
        let percentile = |percent: usize| levels.get((levels.len() * percent) / 100).copied().unwrap_or(0);
        let brightest = percentile(SHADE_PERCENTILES.1).max(MIN_BRIGHTEST);
        Shades { darkest: percentile(SHADE_PERCENTILES.0).min(brightest - 1), brightest }
    }

    /// Returns the character for the mean of two pixels.
    fn symbol(&self, halves: [u32; 2]) -> &'static str {
        let level = (luminance(halves[0]) + luminance(halves[1])) / 2;
        let above = level.saturating_sub(self.darkest) as usize;
        let range = (self.brightest - self.darkest + 1) as usize;
        SHADES[(above * SHADES.len() / range).min(SHADES.len() - 1)]
    }
}

/// Returns the canvas without rows and columns of the background at its edges.
fn frame_area(canvas: &Canvas) -> phicam_frame::Rect {
    let Size { width, height } = canvas.size();
    let is_background = |row: &[u32]| row.iter().all(|&pixel| pixel == 0 || pixel == CANVAS_BACKGROUND);
    let row_is_empty = |y: &u32| is_background(canvas.row(0, *y, width));
    let top = (0..height).take_while(row_is_empty).count() as u32;
    let bottom = height - (top..height).rev().take_while(row_is_empty).count() as u32;
    let column_is_empty = |x: &u32| (top..bottom).all(|y| is_background(canvas.row(*x, y, 1)));
    let left = (0..width).take_while(column_is_empty).count() as u32;
    let right = width - (left..width).rev().take_while(column_is_empty).count() as u32;
    phicam_frame::Rect { left, top, width: right - left, height: bottom - top }
}

/// Returns the luminance of a pixel from 0 to 255, by the weights of ITU-R BT.601.
fn luminance(pixel: u32) -> u32 {
    let [_, red, green, blue] = pixel.to_be_bytes().map(u32::from);
    (299 * red + 587 * green + 114 * blue) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::style::Color;

    /// Returns a canvas with these pixels, two wide.
    fn canvas(pixels: [u32; 4]) -> Canvas {
        let mut canvas = Canvas::new(Size::new(2, 2));
        canvas.row_mut(0, 0, 2).copy_from_slice(&pixels[..2]);
        canvas.row_mut(0, 1, 2).copy_from_slice(&pixels[2..]);
        canvas
    }

    #[test]
    fn cell_has_two_pixels() {
        let area = Rect::new(0, 0, 2, 1);
        let mut buffer = Buffer::empty(area);
        draw(&mut buffer, area, &canvas([0xff0000, 1, 0x0000ff, 0xffffff]), ColourDepth::True);
        let colours = |x| (buffer[(x, 0)].fg, buffer[(x, 0)].bg);
        assert_eq!(colours(0), (Color::Rgb(255, 0, 0), Color::Rgb(0, 0, 255)));
        assert_eq!(colours(1), (Color::Rgb(0, 0, 1), Color::Rgb(255, 255, 255)));
    }

    #[test]
    fn few_colours_give_shades() {
        let area = Rect::new(0, 0, 2, 1);
        for depth in [ColourDepth::Sixteen, ColourDepth::Monochrome] {
            let mut buffer = Buffer::empty(area);
            draw(&mut buffer, area, &canvas([0xffffff, 0, 0xffffff, 0xffffff]), depth);
            assert_eq!((buffer[(0, 0)].symbol(), buffer[(1, 0)].symbol()), ("█", "▒"), "{depth:?}");
        }
    }

    #[test]
    fn black_border_has_the_background() {
        let area = Rect::new(0, 0, 2, 1);
        let mut buffer = Buffer::empty(area);
        draw(&mut buffer, area, &canvas([0, 0, 0, 0x0000ff]), ColourDepth::True);
        assert_eq!(buffer[(0, 0)].symbol(), " ");
        assert_eq!((buffer[(1, 0)].fg, buffer[(1, 0)].bg), (ColourDepth::True.paper(), Color::Rgb(0, 0, 255)));
    }

    #[test]
    fn dimmed_frame_stays_dark_in_shades() {
        let area = Rect::new(0, 0, 2, 1);
        let mut buffer = Buffer::empty(area);
        draw(&mut buffer, area, &canvas([0x2e2e2e, 0x010101, 0x2e2e2e, 0x010101]), ColourDepth::Monochrome);
        assert_eq!((buffer[(0, 0)].symbol(), buffer[(1, 0)].symbol()), ("░", " "));
    }

    #[test]
    fn canvas_of_another_size_is_scaled() {
        let area = Rect::new(0, 0, 4, 2);
        let mut buffer = Buffer::empty(area);
        draw(&mut buffer, area, &canvas([0xff0000, 0x00ff00, 0x0000ff, 0xffffff]), ColourDepth::True);
        assert_eq!(buffer[(3, 0)].fg, Color::Rgb(0, 255, 0));
        assert_eq!(buffer[(0, 1)].bg, Color::Rgb(0, 0, 255));
    }
}
