//! Large letters of half blocks: the screen's font, cut to whole pixels.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use ratatui::buffer::Buffer;
use ratatui::style::Style;

/// Coverage from which a pixel is drawn: the screen's design has it for displays of one bit.
const MIN_COVERAGE: f32 = 0.42;
/// Narrowest space in pixels, from the same source. In large letters it is half a capital: an estimate, by eye.
const MIN_SPACE_PIXELS: u16 = 4;
/// Positions within a pixel at which a glyph is tried.
const SUBPIXEL_OFFSETS: [f32; 4] = [0.0, 0.25, 0.5, 0.75];

/// Renderer of large letters.
pub struct Letters {
    font: FontRef<'static>,
    /// Height of a capital at scale 1.
    cap_height_ratio: f32,
}

/// Text as pixels of half a row each.
pub struct LetterBitmap {
    pub width: u16,
    /// Pixels above the baseline and below it.
    pub ascent: u16,
    pub descent: u16,
    pixels: Vec<bool>,
}

/// Drawn pixels of a glyph, relative to its origin on the baseline.
struct Glyph {
    pixels: Vec<(i32, i32)>,
    left: i32,
    right: i32,
    advance: f32,
}

impl Default for Letters {
    fn default() -> Letters {
        let font = FontRef::try_from_slice(phicam_frame::NOTO_SANS).expect("the font is part of the program");
        let scale = 1000.0;
        let outlined = font.outline_glyph(font.glyph_id('H').with_scale(scale));
        let cap_height_ratio = outlined.map_or(0.7, |glyph| glyph.px_bounds().height() / scale);
        Letters { font, cap_height_ratio }
    }
}

impl Letters {
    /// Returns `text` with capitals of `cap_height` pixels; `None` if the font lacks a character.
    pub fn rasterise(&self, text: &str, cap_height: u16) -> Option<LetterBitmap> {
        let mut pen = 0.0;
        let mut next_column = i32::MIN / 2; // first column that keeps a gap to the glyph before
        let mut pixels = Vec::new();
        for character in text.chars() {
            let glyph = self.glyph(character, cap_height)?;
            if character == ' ' {
                let space = MIN_SPACE_PIXELS.max(cap_height / 2);
                pen += glyph.advance;
                next_column += i32::from(space) - 1; // there is a column already
                continue;
            }
            let shift = (next_column - (pen.round() as i32 + glyph.left)).max(0); // a gap of one column at least
            pen += shift as f32;
            let origin = pen.round() as i32;
            pixels.extend(glyph.pixels.iter().map(|&(x, y)| (origin + x, y)));
            next_column = origin + glyph.right + 2;
            pen += glyph.advance;
        }
        let left = pixels.iter().map(|&(x, _)| x).min()?;
        let right = pixels.iter().map(|&(x, _)| x).max()?;
        let top = pixels.iter().map(|&(_, y)| y).min()?.min(-1);
        let bottom = pixels.iter().map(|&(_, y)| y).max()?.max(-1);
        let width = (right - left + 1) as usize;
        let mut bitmap = vec![false; width * (bottom - top + 1) as usize];
        for (x, y) in pixels {
            bitmap[(y - top) as usize * width + (x - left) as usize] = true;
        }
        Some(LetterBitmap {
            width: u16::try_from(width).ok()?,
            ascent: -top as u16,
            descent: (bottom + 1) as u16,
            pixels: bitmap,
        })
    }

    /// Returns a glyph at the offset within a pixel that leaves the fewest pixels in doubt.
    fn glyph(&self, character: char, cap_height: u16) -> Option<Glyph> {
        let scale = PxScale::from(f32::from(cap_height) / self.cap_height_ratio);
        let id = self.font.glyph_id(character);
        if id.0 == 0 {
            return None;
        }
        let advance = self.font.as_scaled(scale).h_advance(id);
        let mut best = Glyph { pixels: Vec::new(), left: 0, right: 0, advance };
        let mut best_doubt = f32::INFINITY;
        for offset in SUBPIXEL_OFFSETS {
            let position = ab_glyph::point(offset, 0.0);
            let Some(outline) = self.font.outline_glyph(id.with_scale_and_position(scale, position)) else { break };
            let bounds = outline.px_bounds();
            let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
            let (mut doubt, mut pixels) = (0.0, Vec::new());
            outline.draw(|x, y, coverage| {
                doubt += coverage.min((1.0 - coverage).abs());
                if coverage >= MIN_COVERAGE {
                    pixels.push((left + x as i32, top + y as i32));
                }
            });
            if doubt < best_doubt && !pixels.is_empty() {
                best_doubt = doubt;
                best.left = pixels.iter().map(|&(x, _)| x).min().unwrap_or(0);
                best.right = pixels.iter().map(|&(x, _)| x).max().unwrap_or(0);
                best.pixels = pixels;
            }
        }
        Some(best)
    }
}

impl LetterBitmap {
    /// Returns the number of pixels that are drawn.
    #[cfg(test)]
    pub fn drawn_pixels(&self) -> usize {
        self.pixels.iter().filter(|pixel| **pixel).count()
    }

    /// Draws the letters from column `x`, with the baseline below half row `baseline` - 1 of the window.
    pub fn draw(&self, buffer: &mut Buffer, x: u16, baseline: u16, style: Style) {
        let top = i32::from(baseline) - i32::from(self.ascent);
        let height = i32::from(self.ascent + self.descent);
        let is_set = |column: u16, half_row: i32| {
            let row = half_row - top;
            (0..height).contains(&row) && self.pixels[row as usize * usize::from(self.width) + usize::from(column)]
        };
        for row in top.div_euclid(2).max(0)..=(top + height - 1).div_euclid(2) {
            for column in 0..self.width {
                let symbol = match (is_set(column, 2 * row), is_set(column, 2 * row + 1)) {
                    (true, true) => "█",
                    (true, false) => "▀",
                    (false, true) => "▄",
                    (false, false) => continue,
                };
                if let Some(cell) = buffer.cell_mut((x.saturating_add(column), row as u16)) {
                    cell.set_symbol(symbol).set_style(style);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_of_letters_have_the_requested_height() {
        for cap_height in [6, 7, 8, 11, 16] {
            let bitmap = Letters::default().rasterise("H", cap_height).unwrap();
            assert_eq!((bitmap.ascent, bitmap.descent), (cap_height, 0));
        }
    }

    #[test]
    fn neighbouring_letters_do_not_touch() {
        for cap_height in [6, 7, 8, 11, 16] {
            for pair in ["ff", "rn", "ty", "AV", "Wa", "-t"] {
                let letters = Letters::default();
                let bitmap = letters.rasterise(pair, cap_height).unwrap();
                let rows = usize::from(bitmap.ascent + bitmap.descent);
                let is_empty = |x: usize| (0..rows).all(|y| !bitmap.pixels[y * usize::from(bitmap.width) + x]);
                assert!((0..usize::from(bitmap.width)).any(is_empty), "{pair} at {cap_height}");
            }
        }
    }

    #[test]
    fn character_without_glyph_gives_no_letters() {
        assert!(Letters::default().rasterise("猫", 8).is_none());
        assert!(Letters::default().rasterise("", 8).is_none());
    }
}
