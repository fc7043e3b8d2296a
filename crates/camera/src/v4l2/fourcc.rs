//! V4L2's four-letter codes of pixel formats: which can be read, which are a sensor's raw picture.

use phicam_frame::PixelFormat;

/// Four letters, such as YUYV.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FourCc([u8; 4]);

/// A format that can be read, in V4L2's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub format: PixelFormat,
    /// Whether each plane has memory of its own.
    pub apart: bool,
    /// Whether the planes of the two colour differences are the other way round: V before U.
    pub swapped: bool,
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

/// Ends of codes of 10 to 16 bits a pixel, from each order of the four colours: BG10, GB12, BA81 is the odd one out.
const RAW: &[&[u8; 4]] = &[b"BA81", b"GBRG", b"GRBG", b"RGGB", b"BYR2", b"GB16", b"GR16", b"RG16", b"BA10", b"BA12"];

impl FourCc {
    pub const fn new(letters: &[u8; 4]) -> FourCc {
        FourCc(*letters)
    }

    /// How its bytes are read, where they can be.
    pub fn known(self) -> Option<Known> {
        let (_, format) = READABLE.iter().find(|(letters, _)| **letters == self.0)?;
        let apart = [b"NM12", b"NM21", b"YM12", b"YM21"].contains(&&self.0);
        Some(Known { format: *format, apart, swapped: [b"YV12", b"YM21"].contains(&&self.0) })
    }

    /// Whether it is a sensor's picture before any processing: one colour a pixel (Bayer), or one raw brightness.
    pub fn is_raw_sensor(self) -> bool {
        let [first, second, third, fourth] = self.0;
        let order = |a: u8, b: u8| matches!(&[a, b], b"BG" | b"GB" | b"GR" | b"RG" | b"BA");
        let deep = |c: u8, d: u8| matches!(&[c, d], b"10" | b"12" | b"14" | b"16");
        // Packed: pBAA, pgAA, pCCC, pREE and so on; Raspberry Pi's compressed ones: PC1R and its like.
        let packed = first == b'p' && matches!(third, b'A' | b'C' | b'E') && third == fourth;
        let compressed = matches!(&[first, second], b"PC") && third.is_ascii_digit();
        let squeezed = matches!(fourth, b'8')
            && matches!(third, b'A' | b'D')
            && matches!(first, b'a' | b'b' | b'B' | b'G' | b'g' | b'R');
        RAW.contains(&&self.0) || (order(first, second) && deep(third, fourth)) || packed || compressed || squeezed
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
    /// Letters; what is none (the top bit says big-endian) as a dot.
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

    /// The code of a format that can be read.
    fn from_str(text: &str) -> Result<FourCc, String> {
        let wanted = text.to_ascii_uppercase();
        let found = READABLE.iter().find(|(letters, _)| wanted.as_bytes() == *letters);
        let known = || READABLE.iter().map(|(letters, _)| FourCc(**letters).to_string()).collect::<Vec<_>>();
        match found {
            Some((letters, _)) => Ok(FourCc(**letters)),
            None => Err(format!(
                "format is `{text}`, expected one of {}{}",
                known().join(", "),
                phicam_platform::config_file::did_you_mean(text, known().iter().map(String::as_str))
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_pictures_of_sensors_are_told_from_those_that_can_be_read() {
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
    fn a_format_is_named_by_its_letters_and_a_misspelt_one_is_answered_with_those_there_are() {
        assert_eq!("mjpg".parse(), Ok(FourCc::new(b"MJPG")));
        let message = "YUVY".parse::<FourCc>().unwrap_err();
        assert!(message.contains("expected one of YUYV, UYVY") && message.contains("did you mean `YUYV`"), "{message}");
    }

    #[test]
    fn planes_apart_and_swapped_colours_are_known_by_the_code() {
        let known = FourCc::new(b"YM21").known().unwrap();
        assert!(known.apart && known.swapped && known.format == PixelFormat::Yu12);
        let known = FourCc::new(b"NV12").known().unwrap();
        assert!(!known.apart && !known.swapped);
        assert_eq!(FourCc::new(b"H264").known(), None);
    }
}
