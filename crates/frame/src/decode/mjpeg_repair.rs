//! MJPEG repair: inserts the Huffman tables that cameras omit from their JPEG frames, and detects a missing end marker.

/// JPEG that a decoder accepts.
#[derive(Debug, PartialEq, Eq)]
pub struct RepairedJpeg<'a> {
    pub bytes: &'a [u8],
    /// Whether the end-of-image marker (EOI) is missing. Only the decoder can tell then if image data is missing too.
    pub missing_eoi: bool,
}

/// Returns `bytes` unchanged if nothing is missing, otherwise a repaired copy in `scratch`.
///
/// Cameras omit the standard tables (ITU-T T.81, K.3) from motion JPEG. Drivers pad frames with zeros, and some cameras
/// omit the end marker.
pub fn insert_missing_tables<'a>(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> RepairedJpeg<'a> {
    let Some(Header { scan, has_tables }) = parse_header(bytes) else {
        return RepairedJpeg { bytes, missing_eoi: false };
    };
    let missing_eoi = !super::has_eoi(bytes);
    if has_tables && !missing_eoi {
        return RepairedJpeg { bytes, missing_eoi };
    }
    let padding = bytes.iter().rev().take_while(|&&byte| byte == 0).count();
    let (head, data) = (&bytes[..scan], &bytes[scan..]);
    scratch.clear();
    scratch.extend_from_slice(head);
    if !has_tables {
        append_tables(scratch);
    }
    if missing_eoi {
        // No EOI is added: the decoder would accept it as the end of an incomplete image. The zeros are for the
        // decoder's read-ahead of up to eight bytes.
        scratch.extend_from_slice(&data[..data.len().saturating_sub(padding)]);
        scratch.extend_from_slice(&[0; 8]);
    } else {
        scratch.extend_from_slice(data);
    }
    RepairedJpeg { bytes: scratch, missing_eoi }
}

struct Header {
    /// Offset of the first scan (SOS marker).
    scan: usize,
    /// Whether Huffman tables (DHT) precede the scan.
    has_tables: bool,
}

/// Walks the segments up to the image data; returns `None` if `bytes` are not a JPEG.
fn parse_header(bytes: &[u8]) -> Option<Header> {
    let mut offset = bytes.starts_with(&[0xff, 0xd8]).then_some(2)?;
    let mut has_tables = false;
    loop {
        match bytes.get(offset..offset + 2)? {
            [0xff, 0xff] => offset += 1, // fill byte
            [0xff, 0xda] => return Some(Header { scan: offset, has_tables }),
            [0xff, marker] => {
                has_tables |= *marker == 0xc4;
                let length = bytes.get(offset + 2..offset + 4)?;
                offset += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            }
            _ => offset += 1, // stray bytes between segments
        }
    }
}

/// Appends the four standard tables, one DHT segment each.
fn append_tables(to: &mut Vec<u8>) {
    let tables: [(u8, &[u8; 16], &[u8]); 4] = [
        (0x00, &DC_LUMINANCE.0, &DC_LUMINANCE.1),
        (0x10, &AC_LUMINANCE.0, &AC_LUMINANCE.1),
        (0x01, &DC_COLOUR.0, &DC_COLOUR.1),
        (0x11, &AC_COLOUR.0, &AC_COLOUR.1),
    ];
    for (class, counts, values) in tables {
        let length = 2 + 1 + counts.len() + values.len(); // at most 181, so one byte suffices
        to.extend_from_slice(&[0xff, 0xc4, 0, length as u8, class]);
        to.extend_from_slice(counts);
        to.extend_from_slice(values);
    }
}

// Standard Huffman tables (ITU-T T.81, K.3): the number of codes of 1 to 16 bits, then the value of each code.
const DC_LUMINANCE: ([u8; 16], [u8; 12]) = (
    [0x00, 0x01, 0x05, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
    [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b],
);
const DC_COLOUR: ([u8; 16], [u8; 12]) = (
    [0x00, 0x03, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00],
    [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b],
);
const AC_LUMINANCE: ([u8; 16], [u8; 162]) = (
    [0x00, 0x02, 0x01, 0x03, 0x03, 0x02, 0x04, 0x03, 0x05, 0x05, 0x04, 0x04, 0x00, 0x00, 0x01, 0x7d],
    [
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
        0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
        0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
        0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
        0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
        0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
        0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
        0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
        0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
);
const AC_COLOUR: ([u8; 16], [u8; 162]) = (
    [0x00, 0x02, 0x01, 0x02, 0x04, 0x04, 0x03, 0x04, 0x07, 0x05, 0x04, 0x04, 0x00, 0x01, 0x02, 0x77],
    [
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
        0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
        0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
        0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
        0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
        0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
        0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
        0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
        0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
);

#[cfg(test)]
mod tests {
    use super::super::tests::noise_jpeg;
    use super::*;
    use crate::decode::{JpegCache, decode};
    use crate::{Coding, Frame, FrameInfo, Layout, PixelFormat, Size};

    /// Returns a copy without the Huffman tables.
    fn without_tables(bytes: &[u8]) -> Vec<u8> {
        let mut copy = bytes[..2].to_vec();
        let mut offset = 2;
        while bytes[offset + 1] != 0xda {
            let end = offset + 2 + usize::from(u16::from_be_bytes([bytes[offset + 2], bytes[offset + 3]]));
            if bytes[offset + 1] != 0xc4 {
                copy.extend_from_slice(&bytes[offset..end]);
            }
            offset = end;
        }
        copy.extend_from_slice(&bytes[offset..]);
        copy
    }

    fn decoded(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let size = Size::new(64, 48);
        let layout = Layout { format: PixelFormat::Jpeg, coding: Coding::RGB, ..Layout::packed_rgb(size) };
        let captured = std::time::Instant::now();
        let info = FrameInfo { size, sequence: 0, captured, source: None, scene: 0 };
        let frame = Frame::new(std::sync::Arc::new(bytes.to_vec()), layout, info);
        let picture = JpegCache::default().decoded(&frame).map_err(|error| error.to_string())?;
        Ok(picture.part(0).to_vec())
    }

    #[test]
    fn jpeg_without_tables_or_eoi_decodes_to_equal_pixels() {
        let whole = noise_jpeg();
        let mut pixels = Vec::new();
        decode(&whole, &mut pixels).unwrap();
        let missing_eoi = &whole[..whole.len() - 2];
        let padded = |bytes: &[u8]| [bytes, &[0; 777]].concat();
        for (case, bytes) in [
            ("unchanged", whole.clone()),
            ("padded", padded(&whole)),
            ("without tables", without_tables(&whole)),
            ("without tables, padded", padded(&without_tables(&whole))),
            ("without EOI", missing_eoi.to_vec()),
            ("without EOI, padded", padded(missing_eoi)),
            ("without tables and EOI", without_tables(missing_eoi)),
        ] {
            let actual = decoded(&bytes).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert!(actual == pixels, "{case}");
        }
    }

    #[test]
    fn frame_truncated_on_the_bus_is_rejected() {
        let whole = noise_jpeg();
        let data = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
        for length in (data..whole.len() - 64).step_by(29) {
            assert!(decoded(&whole[..length]).is_err(), "{length} of {} bytes", whole.len());
            let padded = [&whole[..length], &[0; 500]].concat();
            assert!(decoded(&padded).is_err(), "{length} of {} bytes, padded", whole.len());
        }
    }

    #[test]
    fn complete_jpeg_is_not_copied() {
        let whole = noise_jpeg();
        let mut scratch = Vec::new();
        assert_eq!(insert_missing_tables(&whole, &mut scratch), RepairedJpeg { bytes: &whole, missing_eoi: false });
        assert_eq!(scratch.capacity(), 0);
        for nonsense in [&b""[..], b"\xff\xd8", b"\xff\xd8\xff\xc4\xff", b"hello"] {
            assert_eq!(
                insert_missing_tables(nonsense, &mut Vec::new()),
                RepairedJpeg { bytes: nonsense, missing_eoi: false }
            );
        }
    }
}
