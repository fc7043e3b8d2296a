//! V4L2's fourcc codes: the readable pixel formats, and the formats of raw sensor data.

use phicam_frame::PixelFormat;

/// Code of a pixel format in four letters, such as YUYV.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc([u8; 4]);

/// Memory layout of a fourcc that phicam can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadableFormat {
    pub format: PixelFormat,
    /// Whether each plane has its own memory part.
    pub separate_planes: bool,
    /// Whether the V plane precedes the U plane.
    pub v_first: bool,
}

const READABLE: &[(&[u8; 4], PixelFormat)] = &[
    (b"YUYV", PixelFormat::Yuyv),
    (b"UYVY", PixelFormat::Uyvy),
    (b"NV12", PixelFormat::Nv12),
    (b"NV21", PixelFormat::Nv21),
    (b"YU12", PixelFormat::Yu12),
    (b"RGB3", PixelFormat::Rgb8),
    (b"BGR3", PixelFormat::Bgr8),
    (b"GREY", PixelFormat::Grey),
    (b"MJPG", PixelFormat::Jpeg),
    (b"JPEG", PixelFormat::Jpeg),
    (b"NM12", PixelFormat::Nv12),
    (b"NM21", PixelFormat::Nv21),
    (b"YM12", PixelFormat::Yu12),
    (b"YV12", PixelFormat::Yu12),
    (b"YM21", PixelFormat::Yu12),
];

/// Raw Bayer formats that the patterns of [`FourCc::is_raw_sensor`] do not cover.
const RAW: &[&[u8; 4]] = &[b"BA81", b"GBRG", b"GRBG", b"RGGB", b"BYR2", b"GB16", b"GR16", b"RG16", b"BA10", b"BA12"];

impl FourCc {
    pub const fn new(letters: &[u8; 4]) -> FourCc {
        FourCc(*letters)
    }

    /// Returns the layout of the format; `None` if phicam cannot read it.
    pub fn readable(self) -> Option<ReadableFormat> {
        let (_, format) = READABLE.iter().find(|(letters, _)| **letters == self.0)?;
        let separate_planes = [b"NM12", b"NM21", b"YM12", b"YM21"].contains(&&self.0);
        let v_first = [b"YV12", b"YM21"].contains(&&self.0);
        Some(ReadableFormat { format: *format, separate_planes, v_first })
    }

    /// Returns whether the format is raw sensor data: one colour per pixel (Bayer pattern).
    ///
    /// The codes are those of linux/videodev2.h.
    pub fn is_raw_sensor(self) -> bool {
        let [first, second, third, fourth] = self.0;
        let is_bayer_order = |a: u8, b: u8| matches!(&[a, b], b"BG" | b"GB" | b"GR" | b"RG" | b"BA");
        let is_depth = |c: u8, d: u8| matches!(&[c, d], b"10" | b"12" | b"14" | b"16");
        // Packed formats are pBAA, pgAA, pRCC, pREE and so on; PC1R and similar are Raspberry Pi's compressed formats.
        let packed = first == b'p' && matches!(third, b'A' | b'C' | b'E') && third == fourth;
        let compressed = matches!(&[first, second], b"PC") && third.is_ascii_digit();
        // A-law and DPCM formats with 8 bits per pixel, such as aBA8 and bBA8.
        let reduced_to_8_bits = matches!(fourth, b'8')
            && matches!(third, b'A' | b'D')
            && matches!(first, b'a' | b'b' | b'B' | b'G' | b'g' | b'R');
        RAW.contains(&&self.0)
            || (is_bayer_order(first, second) && is_depth(third, fourth))
            || packed
            || compressed
            || reduced_to_8_bits
    }
}

impl From<u32> for FourCc {
    fn from(code: u32) -> FourCc {
        FourCc(code.to_le_bytes())
    }
}

impl From<FourCc> for u32 {
    fn from(code: FourCc) -> u32 {
        u32::from_le_bytes(code.0)
    }
}

impl std::fmt::Display for FourCc {
    /// Writes the letters, with a dot for a byte that is not ASCII (the top bit marks big-endian formats).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let letter = |byte: u8| if byte.is_ascii_graphic() || byte == b' ' { byte as char } else { '.' };
        let text: String = self.0.map(letter).iter().collect();
        f.write_str(text.trim_end())
    }
}

impl std::fmt::Debug for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for FourCc {
    type Err = String;

    /// Parses the code of a readable format, in upper or lower case.
    fn from_str(text: &str) -> Result<FourCc, String> {
        let code = text.to_ascii_uppercase();
        let readable = READABLE.iter().find(|(letters, _)| code.as_bytes() == *letters);
        let codes = || READABLE.iter().map(|(letters, _)| FourCc(**letters).to_string()).collect::<Vec<_>>();
        match readable {
            Some((letters, _)) => Ok(FourCc(**letters)),
            None => Err(format!(
                "format is `{text}`, expected one of {}{}",
                codes().join(", "),
                phicam_platform::config_file::did_you_mean(text, codes().iter().map(String::as_str))
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_sensor_formats_are_recognised() {
        for raw in [
            b"BA81", b"GBRG", b"GRBG", b"RGGB", b"BG10", b"GB10", b"BA10", b"RG10", b"pBAA", b"pGAA", b"pgAA", b"pRAA",
            b"BG12", b"RG12", b"pBCC", b"pRCC", b"BG14", b"pREE", b"BYR2", b"RG16", b"PC1R", b"PC1B", b"bBA8", b"aBA8",
        ] {
            assert!(FourCc::new(raw).is_raw_sensor(), "{}", FourCc::new(raw));
        }
        for (letters, _) in READABLE {
            assert!(!FourCc::new(letters).is_raw_sensor(), "{}", FourCc::new(letters));
        }
        for other in [b"H264", b"RGBP", b"RGBO", b"AR24", b"BA24", b"BGR4", b"YV12", b"Z16 ", b"HM12", b"BX24", b"R444"]
        {
            assert!(!FourCc::new(other).is_raw_sensor(), "{}", FourCc::new(other));
        }
    }

    #[test]
    fn fourcc_parse_error_lists_the_readable_formats() {
        assert_eq!("mjpg".parse(), Ok(FourCc::new(b"MJPG")));
        let message = "YUVY".parse::<FourCc>().unwrap_err();
        assert!(message.contains("expected one of YUYV, UYVY"), "{message}");
        assert!(message.contains("did you mean `YUYV`"), "{message}");
    }

    #[test]
    fn fourcc_determines_separate_planes_and_their_order() {
        let layout = |code| FourCc::new(code).readable();
        let yu12 = ReadableFormat { format: PixelFormat::Yu12, separate_planes: true, v_first: true };
        assert_eq!(layout(b"YM21"), Some(yu12));
        let nv12 = ReadableFormat { format: PixelFormat::Nv12, separate_planes: false, v_first: false };
        assert_eq!(layout(b"NV12"), Some(nv12));
        assert_eq!(layout(b"H264"), None);
    }
}
