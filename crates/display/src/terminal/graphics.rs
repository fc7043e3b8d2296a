//! Pictures in pixels: the protocols of Kitty and iTerm2, or half blocks.

use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use ratatui::layout::Rect;

use phicam_frame::Size;
use phicam_frame::canvas::Canvas;

/// Bytes of one command of Kitty's protocol, which limits them.
const KITTY_CHUNK: usize = 4096;
/// Pixels of the widest picture that is sent: an estimate, since the terminal enlarges it and each frame is encoded.
const MAX_WIDTH: u32 = 640;
/// Pixels of a cell if the terminal does not state them: an estimate.
const CELL: Size = Size::new(10, 20);

/// Way of showing a picture in the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    HalfBlocks,
    Kitty,
    Iterm2,
}

impl Graphics {
    /// Returns the graphics protocol of the terminal, from its environment variables; half blocks work in every terminal.
    ///
    /// A query to the terminal would read standard input. A late reply to one query is then taken for the reply to
    /// another, and the thread that reads the cursor position waits for ever (seen in tmux).
    pub fn from_environment(variable: impl Fn(&str) -> String) -> Graphics {
        let term = variable("TERM");
        match variable("TERM_PROGRAM").as_str() {
            "iTerm.app" | "WezTerm" => Graphics::Iterm2,
            _ if term == "xterm-kitty" || term == "xterm-ghostty" => Graphics::Kitty,
            _ => Graphics::HalfBlocks,
        }
    }

    /// Returns the pixels of a picture in `area`, with `cell` pixels in a cell or `None` if these are unknown.
    pub fn picture_size(self, area: Rect, cell: Option<Size>) -> Size {
        let cell = if self == Graphics::HalfBlocks { Size::new(1, 2) } else { cell.unwrap_or(CELL) };
        let (width, height) = (u32::from(area.width) * cell.width, u32::from(area.height) * cell.height);
        let sent_width = width.clamp(1, MAX_WIDTH);
        Size::new(sent_width, (height * sent_width / width.max(1)).max(1))
    }
}

/// Encoder of pictures for one terminal.
#[derive(Default)]
pub struct ImageEncoding {
    rgb: Vec<u8>,
    png: Vec<u8>,
    base64: String,
    /// Whether Kitty shows image 2 rather than 1; two images take turns, so that one is always seen.
    is_second: bool,
}

impl ImageEncoding {
    /// Writes the commands that show `canvas` at `area` to `out`.
    pub fn write(&mut self, out: &mut Vec<u8>, protocol: Graphics, area: Rect, canvas: &Canvas) -> Result<(), String> {
        if protocol == Graphics::HalfBlocks {
            return Ok(());
        }
        canvas.to_rgb(&mut self.rgb);
        self.png.clear();
        let Size { width, height } = canvas.size();
        PngEncoder::new_with_quality(&mut self.png, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&self.rgb, width, height, ExtendedColorType::Rgb8)
            .map_err(|error| format!("PNG encoding of the picture failed: {error}"))?;
        self.base64.clear();
        BASE64_STANDARD.encode_string(&self.png, &mut self.base64);
        // Writing to memory cannot fail.
        let _ = write!(out, "\x1b[{};{}H", area.y + 1, area.x + 1);
        if protocol == Graphics::Kitty {
            let (new, old) = if self.is_second { (1, 2) } else { (2, 1) };
            self.is_second = !self.is_second;
            write_kitty(out, &self.base64, new, area);
            let _ = write!(out, "\x1b_Ga=d,d=I,i={old},q=2\x1b\\");
        } else {
            let (columns, rows, bytes) = (area.width, area.height, self.png.len());
            let _ = write!(
                out,
                "\x1b]1337;File=inline=1;size={bytes};width={columns};height={rows};preserveAspectRatio=0;\
                 doNotMoveCursor=1:{}\x07",
                self.base64
            );
        }
        Ok(())
    }
}

/// Writes Kitty's commands that transmit a PNG file as image `id` and show it; the terminal does not reply (`q=2`).
fn write_kitty(out: &mut Vec<u8>, base64: &str, id: u32, area: Rect) {
    let chunks = base64.as_bytes().chunks(KITTY_CHUNK);
    let last = chunks.len().saturating_sub(1);
    for (index, chunk) in chunks.enumerate() {
        let keys = if index == 0 {
            format!("a=T,f=100,i={id},q=2,C=1,c={},r={},", area.width, area.height)
        } else {
            String::new()
        };
        let _ = write!(out, "\x1b_G{keys}m={};", u8::from(index < last));
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\x1b\\");
    }
}

/// Writes the commands that remove all pictures.
pub fn remove(out: &mut Vec<u8>, protocol: Graphics) {
    if protocol == Graphics::Kitty {
        out.extend_from_slice(b"\x1b_Ga=d,d=A,q=2\x1b\\");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Rect = Rect::new(2, 1, 32, 9);

    fn protocol(program: &'static str, term: &'static str) -> Graphics {
        Graphics::from_environment(move |name| if name == "TERM" { term.into() } else { program.into() })
    }

    /// Returns a canvas that compresses badly, and the commands that show it.
    fn encoded(protocol: Graphics) -> (Canvas, String) {
        let mut canvas = Canvas::new(Size::new(160, 90));
        for y in 0..90 {
            let noise =
                |(x, pixel): (usize, &mut u32)| *pixel = ((x as u32 * 7919 + y * 104_729) * 2_654_435) & 0xffffff;
            canvas.row_mut(0, y, 160).iter_mut().enumerate().for_each(noise);
        }
        let mut out = Vec::new();
        ImageEncoding::default().write(&mut out, protocol, AREA, &canvas).unwrap();
        (canvas, String::from_utf8(out).unwrap())
    }

    fn decoded(base64: &str) -> Vec<u8> {
        let png = BASE64_STANDARD.decode(base64).unwrap();
        image::load_from_memory(&png).unwrap().into_rgb8().into_raw()
    }

    fn rgb(canvas: &Canvas) -> Vec<u8> {
        let mut rgb = Vec::new();
        canvas.to_rgb(&mut rgb);
        rgb
    }

    #[test]
    fn unknown_terminal_gets_half_blocks() {
        assert_eq!(protocol("", "xterm-256color"), Graphics::HalfBlocks);
        assert_eq!(protocol("tmux", "tmux-256color"), Graphics::HalfBlocks);
        assert_eq!(protocol("", "xterm-kitty"), Graphics::Kitty);
        assert_eq!(protocol("iTerm.app", "xterm-256color"), Graphics::Iterm2);
    }

    #[test]
    fn kitty_gets_the_picture_in_chunks() {
        let (canvas, commands) = encoded(Graphics::Kitty);
        assert!(commands.starts_with("\x1b[2;3H\x1b_Ga=T,f=100,i=2,q=2,C=1,c=32,r=9,m=1;"), "{}", &commands[..80]);
        let commands: Vec<&str> =
            commands.split("\x1b_G").skip(1).map(|part| part.trim_end_matches("\x1b\\")).collect();
        let (removal, transmission) = commands.split_last().unwrap();
        assert_eq!(*removal, "a=d,d=I,i=1,q=2");
        let payloads: Vec<&str> = transmission.iter().map(|part| part.split_once(';').unwrap().1).collect();
        assert!(payloads.iter().all(|payload| payload.len() <= KITTY_CHUNK));
        assert!(transmission.last().unwrap().starts_with("m=0;"));
        assert_eq!(decoded(&payloads.concat()), rgb(&canvas));
    }

    #[test]
    fn iterm2_gets_the_picture_inline() {
        let (canvas, commands) = encoded(Graphics::Iterm2);
        let (keys, payload) = commands.trim_end_matches('\x07').rsplit_once(':').unwrap();
        let (start, keys) = keys.split_once("size=").unwrap();
        assert_eq!(start, "\x1b[2;3H\x1b]1337;File=inline=1;");
        assert_eq!(keys.split_once(';').unwrap().1, "width=32;height=9;preserveAspectRatio=0;doNotMoveCursor=1");
        assert_eq!(decoded(payload), rgb(&canvas));
    }

    #[test]
    fn picture_size_is_that_of_the_area() {
        let cell = Some(Size::new(8, 16));
        assert_eq!(Graphics::HalfBlocks.picture_size(AREA, cell), Size::new(32, 18));
        assert_eq!(Graphics::Kitty.picture_size(AREA, cell), Size::new(256, 144));
        assert_eq!(Graphics::Kitty.picture_size(AREA, None), Size::new(320, 180));
        let wide = Rect::new(0, 0, 192, 54);
        assert_eq!(Graphics::Iterm2.picture_size(wide, None), Size::new(640, 360));
    }
}
