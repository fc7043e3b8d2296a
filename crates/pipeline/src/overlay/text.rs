//! Text in a real, scalable font (Noto Sans, SIL Open Font License 1.1), sized by the height of its capitals.

use std::collections::HashMap;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};
use embedded_graphics::pixelcolor::Rgb888;

use phicam_frame::Rect;
use phicam_frame::canvas::Canvas;

/// The font file.
pub static NOTO_SANS: &[u8] = include_bytes!("NotoSans-Regular.ttf");

/// Draws text and remembers each glyph, so that text it has drawn before costs no allocation.
pub struct Text {
    font: FontRef<'static>,
    /// Height of a capital in a font of scale 1.
    capital: f32,
    glyphs: HashMap<(char, u32), Glyph>,
}

/// How strongly a glyph covers the pixels around its origin.
struct Glyph {
    left: i32,
    top: i32,
    width: u32,
    coverage: Vec<u8>,
    advance: f32,
}

impl Default for Text {
    fn default() -> Text {
        let font = FontRef::try_from_slice(NOTO_SANS).expect("the font is built in, and a test reads it");
        let scale = 1000.0;
        let outlined = font.outline_glyph(font.glyph_id('H').with_scale(scale));
        let capital = outlined.map_or(0.7, |glyph| glyph.px_bounds().height() / scale);
        Text { font, capital, glyphs: HashMap::new() }
    }
}

impl Text {
    /// Whether the font can write `character`.
    pub fn has(&self, character: char) -> bool {
        self.font.glyph_id(character).0 != 0
    }

    /// Pixels from the start of `text` to its end, at capitals of `capital` pixels.
    pub fn width(&mut self, text: &str, capital: u32) -> u32 {
        text.chars().map(|character| self.glyph(character, capital).advance).sum::<f32>().ceil() as u32
    }

    /// Writes `text` on a baseline, where `x` is where it starts; what would be outside of `within` is left out.
    pub fn draw(
        &mut self,
        picture: &mut Canvas,
        (x, baseline): (u32, u32),
        text: &str,
        capital: u32,
        colour: Rgb888,
        within: Rect,
    ) {
        let columns = within.left as i32..(within.left + within.width) as i32;
        let rows = within.top as i32..(within.top + within.height) as i32;
        let mut pen = x as f32;
        for character in text.chars() {
            let glyph = self.glyph(character, capital);
            let (left, top) = (pen.round() as i32 + glyph.left, baseline as i32 + glyph.top);
            for (row, y) in glyph.coverage.chunks(glyph.width.max(1) as usize).zip(top..) {
                for (&coverage, x) in row.iter().zip(left..) {
                    if coverage > 0 && columns.contains(&x) && rows.contains(&y) {
                        picture.blend(x, y, colour, coverage);
                    }
                }
            }
            pen += glyph.advance;
        }
    }

    /// The most of `text` that fits into `width` pixels, and how much of it that is in bytes; it breaks at a space
    /// where it can.
    pub fn first_line<'a>(&mut self, text: &'a str, capital: u32, width: u32) -> &'a str {
        if self.width(text, capital) <= width {
            return text;
        }
        let mut used = 0.0;
        let (mut at_space, mut at_letter) = (0, 0);
        for (start, character) in text.char_indices() {
            if character == ' ' {
                at_space = start;
            }
            used += self.glyph(character, capital).advance;
            if used > width as f32 {
                break;
            }
            at_letter = start + character.len_utf8();
        }
        &text[..if at_space > 0 { at_space } else { at_letter }]
    }

    fn glyph(&mut self, character: char, capital: u32) -> &Glyph {
        let scale = PxScale::from(capital as f32 / self.capital);
        let font = &self.font;
        self.glyphs.entry((character, capital)).or_insert_with(|| {
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

    /// Rows from the first to the last that `text` touches.
    fn height_drawn(text: &str, capital: u32) -> u32 {
        let mut picture = Canvas::new(Size::new(400, 200));
        let all = picture.area();
        Text::default().draw(&mut picture, (10, 150), text, capital, Rgb888::WHITE, all);
        let rows = picture.pixels().chunks(400).enumerate();
        let inked: Vec<_> = rows.filter(|(_, row)| row.iter().any(|&pixel| pixel > 0x808080)).map(|(y, _)| y).collect();
        (inked[inked.len() - 1] - inked[0] + 1) as u32
    }

    #[test]
    fn capitals_are_as_high_as_asked() {
        for capital in [6, 9, 20, 60, 90] {
            let height = height_drawn("H", capital);
            assert!(height.abs_diff(capital) <= 1, "asked {capital}, drew {height}");
        }
    }

    #[test]
    fn labels_in_latin_greek_and_cyrillic_can_be_written() {
        let text = Text::default();
        for character in "Āčß φΩ Жя 87 % × …".chars() {
            assert!(text.has(character), "{character}");
        }
    }

    #[test]
    fn a_long_text_breaks_at_a_space_or_else_within_the_word() {
        let mut text = Text::default();
        let width = text.width("German", 10) + 5;
        assert_eq!(text.first_line("German shepherd", 10, width), "German");
        assert!("Germanshepherd".starts_with(text.first_line("Germanshepherd", 10, width)));
        assert_eq!(text.first_line("", 10, width), "");
    }
}
