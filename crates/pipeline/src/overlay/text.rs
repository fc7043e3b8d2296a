//! Text in a scalable font (Noto Sans, SIL Open Font License 1.1), sized by the height of its capitals.

use std::collections::HashMap;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use embedded_graphics::pixelcolor::Rgb888;

use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;

pub use phicam_frame::NOTO_SANS;

/// Text renderer with a cache of glyphs, so that text with known glyphs needs no allocation.
pub struct Text {
    font: FontRef<'static>,
    /// Height of a capital at scale 1.
    cap_height_ratio: f32,
    glyphs: HashMap<(char, u32), Glyph>,
}

/// Smallest width of a space in letters without grey, in pixels: narrower ones vanish.
const ONE_BIT_SPACE: f32 = 4.0;
/// Coverage from which a pixel without grey is on: 0.42, the project's design; strokes keep their width.
const ONE_BIT_COVERAGE: u8 = 107;

/// Size, colour and clipping area of text.
#[derive(Clone, Copy)]
pub struct TextStyle {
    /// Height of capitals, in pixels.
    pub cap_height: u32,
    pub colour: Rgb888,
    /// Pixels outside this area are not drawn.
    pub clip: Rect,
    /// Whether pixels are on or off, without grey between.
    pub is_one_bit: bool,
}

/// Coverage of the pixels around the origin of a glyph.
struct Glyph {
    left: i32,
    top: i32,
    width: u32,
    coverage: Vec<u8>,
    advance: f32,
}

impl Default for Text {
    fn default() -> Text {
        let font = FontRef::try_from_slice(NOTO_SANS).expect("the font is part of the program, and the tests parse it");
        let scale = 1000.0;
        let outlined = font.outline_glyph(font.glyph_id('H').with_scale(scale));
        let cap_height_ratio = outlined.map_or(0.7, |glyph| glyph.px_bounds().height() / scale);
        Text { font, cap_height_ratio, glyphs: HashMap::new() }
    }
}

impl Text {
    /// Returns whether the font has a glyph for `character`.
    pub fn has_glyph(&self, character: char) -> bool {
        self.font.glyph_id(character).0 != 0
    }

    /// Returns the width of `text` in pixels, with capitals of `cap_height` pixels.
    pub fn width(&mut self, text: &str, cap_height: u32) -> u32 {
        text.chars().map(|character| self.glyph(character, cap_height).advance).sum::<f32>().ceil() as u32
    }

    /// Returns the width of `text` like [`Text::width`], in letters with or without grey.
    pub fn styled_width(&mut self, text: &str, cap_height: u32, is_one_bit: bool) -> u32 {
        let advance = |character| {
            let advance = self.glyph(character, cap_height).advance;
            if is_one_bit && character == ' ' { advance.max(ONE_BIT_SPACE) } else { advance }
        };
        text.chars().map(advance).sum::<f32>().ceil() as u32
    }

    /// Draws `text` from `x` on a baseline.
    pub fn draw(&mut self, canvas: &mut Canvas, (x, baseline): (u32, u32), text: &str, style: TextStyle) {
        let TextStyle { cap_height, colour, clip, is_one_bit } = style;
        let columns = clip.left as i32..(clip.left + clip.width) as i32;
        let rows = clip.top as i32..(clip.top + clip.height) as i32;
        let mut pen = x as f32;
        for character in text.chars() {
            let glyph = self.glyph(character, cap_height);
            let (left, top) = (pen.round() as i32 + glyph.left, baseline as i32 + glyph.top);
            for (row, y) in glyph.coverage.chunks(glyph.width.max(1) as usize).zip(top..) {
                for (&coverage, x) in row.iter().zip(left..) {
                    let coverage = match is_one_bit {
                        true if coverage >= ONE_BIT_COVERAGE => 255,
                        true => 0,
                        false => coverage,
                    };
                    if coverage > 0 && columns.contains(&x) && rows.contains(&y) {
                        canvas.blend(x, y, colour, coverage);
                    }
                }
            }
            let is_narrow_space = is_one_bit && character == ' ';
            pen += if is_narrow_space { glyph.advance.max(ONE_BIT_SPACE) } else { glyph.advance };
        }
    }

    /// Returns the start of `text` that fits into `width` pixels, and an ellipsis if that is not all of it.
    pub fn cut<'a>(&mut self, text: &'a str, cap_height: u32, width: u32) -> (&'a str, &'static str) {
        if self.width(text, cap_height) <= width {
            return (text, "");
        }
        let room = width.saturating_sub(self.width("…", cap_height)) as f32;
        let (mut used, mut end) = (0.0, 0);
        for (start, character) in text.char_indices() {
            used += self.glyph(character, cap_height).advance;
            if used > room {
                break;
            }
            end = start + character.len_utf8();
        }
        (text[..end].trim_end(), "…")
    }

    /// Returns the longest start of `text` that fits into `width` pixels; it ends at a space if there is one.
    pub fn first_line<'a>(&mut self, text: &'a str, cap_height: u32, width: u32) -> &'a str {
        if self.width(text, cap_height) <= width {
            return text;
        }
        let mut used = 0.0;
        let mut end_at_space = 0;
        let mut end_at_letter = 0;
        for (start, character) in text.char_indices() {
            if character == ' ' {
                end_at_space = start;
            }
            used += self.glyph(character, cap_height).advance;
            if used > width as f32 {
                break;
            }
            end_at_letter = start + character.len_utf8();
        }
        &text[..if end_at_space > 0 { end_at_space } else { end_at_letter }]
    }

    fn glyph(&mut self, character: char, cap_height: u32) -> &Glyph {
        let scale = PxScale::from(cap_height as f32 / self.cap_height_ratio);
        let font = &self.font;
        self.glyphs.entry((character, cap_height)).or_insert_with(|| {
            let id = font.glyph_id(character);
            let advance = font.as_scaled(scale).h_advance(id);
            let Some(outline) = font.outline_glyph(id.with_scale(scale)) else {
                return Glyph { left: 0, top: 0, width: 0, coverage: Vec::new(), advance };
            };
            let bounds = outline.px_bounds();
            let (width, height) = (bounds.width().ceil() as u32, bounds.height().ceil() as u32);
            let mut coverage = vec![0; (width * height) as usize];
            outline.draw(|x, y, share| {
                if let Some(pixel) = coverage.get_mut((y * width + x) as usize) {
                    *pixel = (share.clamp(0.0, 1.0) * 255.0).round() as u8;
                }
            });
            Glyph { left: bounds.min.x as i32, top: bounds.min.y as i32, width, coverage, advance }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use embedded_graphics::pixelcolor::RgbColor;
    use phicam_frame::Size;

    /// Returns the number of rows from the first to the last that `text` touches.
    fn drawn_height(text: &str, cap_height: u32) -> u32 {
        let mut canvas = Canvas::new(Size::new(400, 200));
        let style = TextStyle { cap_height, colour: Rgb888::WHITE, clip: canvas.area(), is_one_bit: false };
        Text::default().draw(&mut canvas, (10, 150), text, style);
        let rows = canvas.pixels().chunks(400).enumerate();
        let inked: Vec<_> = rows.filter(|(_, row)| row.iter().any(|&pixel| pixel > 0x808080)).map(|(y, _)| y).collect();
        (inked[inked.len() - 1] - inked[0] + 1) as u32
    }

    #[test]
    fn capitals_have_the_requested_height() {
        for cap_height in [6, 9, 20, 60, 90] {
            let height = drawn_height("H", cap_height);
            assert!(height.abs_diff(cap_height) <= 1, "requested {cap_height}, drew {height}");
        }
    }

    #[test]
    fn font_has_latin_greek_and_cyrillic() {
        let text = Text::default();
        for character in "Āčß φΩ Жя 87 % × …".chars() {
            assert!(text.has_glyph(character), "{character}");
        }
    }

    #[test]
    fn long_text_breaks_at_a_space_or_within_a_word() {
        let mut text = Text::default();
        let width = text.width("German", 10) + 5;
        assert_eq!(text.first_line("German shepherd", 10, width), "German");
        assert!("Germanshepherd".starts_with(text.first_line("Germanshepherd", 10, width)));
        assert_eq!(text.first_line("", 10, width), "");
    }
}
