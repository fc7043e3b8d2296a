//! JPEG, PNG and WebP files to upright RGB pixels, with a limit on what a file may claim.

use std::io::{Cursor, Read};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{Frame, FrameInfo, FramePool, Size};

mod mjpeg_repair;

/// A picture may claim at most this many pixels: 24 million. Decoding one of 16 bits a channel takes 11 bytes a pixel
/// for a moment, preparing it for a model 6 more.
pub const MAX_PIXELS: u64 = 24_000_000;
/// A file may hold at most this many bytes.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// A picture that could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("is empty: no picture was saved in it; copy it again")]
    Empty,
    #[error("not a JPEG, PNG or WebP picture (it begins with {start:02x?}); convert it to one of these")]
    UnknownFormat { start: Vec<u8> },
    #[error("claims {size} pixels, {} million, the limit is {} million; make it smaller first",
            u64::from(size.width) * u64::from(size.height) / 1_000_000, MAX_PIXELS / 1_000_000)]
    TooLarge { size: Size },
    #[error("holds more than {} MiB, the limit; make it smaller first", MAX_FILE_BYTES >> 20)]
    TooManyBytes,
    #[error("is cut short: {bytes} bytes and no end marker; copy it again")]
    Truncated { bytes: usize },
    #[error("is damaged: {0}; copy it again, or save it anew from a picture editor")]
    Damaged(String),
}

/// Reads a file of at most [`MAX_FILE_BYTES`] into `bytes`.
pub fn read_file(path: &std::path::Path, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
    read(std::fs::File::open(path)?, bytes)
}

/// Reads at most [`MAX_FILE_BYTES`] into `bytes`, whatever they come from.
pub fn read(from: impl Read, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
    bytes.clear();
    match from.take(MAX_FILE_BYTES + 1).read_to_end(bytes)? as u64 > MAX_FILE_BYTES {
        true => Err(DecodeError::TooManyBytes.into()),
        false => Ok(()),
    }
}

/// A picture file that could not be read or decoded.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// A JPEG frame that holds no picture.
#[derive(Debug, thiserror::Error)]
#[error("the camera's JPEG of {bytes} bytes {cause}")]
pub struct UnpackError {
    bytes: usize,
    cause: String,
}

/// Decodes the frames of cameras that give JPEGs, into buffers that are used again.
#[derive(Default)]
pub struct Unpack {
    pool: FramePool,
    mended: Vec<u8>,
}

impl Unpack {
    /// The frame itself or, of a JPEG, the picture in it: decoded by whoever asks first, for all who hold the frame.
    pub fn unpacked(&mut self, frame: &Frame) -> Result<Frame, UnpackError> {
        let Some(decoded) = &frame.decoded else { return Ok(frame.clone()) };
        let bytes = frame.part(0);
        let mut decoded = decoded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let picture = decoded.get_or_insert_with(|| {
            let picture = self.pool.fill(|pixels| {
                let mjpeg_repair::Mended { bytes, endless } = mjpeg_repair::mend(bytes, &mut self.mended);
                let size = guarded(bytes, pixels, endless)?;
                let Frame { sequence, captured, source, scene, .. } = frame.clone();
                Ok::<_, DecodeError>(FrameInfo { size, sequence, captured, source, scene })
            });
            picture.map_err(|error| error.to_string())
        });
        picture.clone().map_err(|cause| UnpackError { bytes: bytes.len(), cause })
    }
}

/// Decodes `bytes` into tightly packed RGB rows in `pixels`, turned upright as its EXIF says.
///
/// Transparency is dropped, not blended. `pixels` is used again, so that a film of equal JPEGs allocates little.
pub fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<Size, DecodeError> {
    guarded(bytes, pixels, false)
}

/// `strict` asks for no end marker of a JPEG, but refuses one whose picture data ends early (else filled with grey).
fn guarded(bytes: &[u8], pixels: &mut Vec<u8>, strict: bool) -> Result<Size, DecodeError> {
    // The decoders are other people's: should one of them panic on a hostile file, it is that file that is refused.
    let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decode_known(bytes, pixels, strict)));
    decoded.unwrap_or_else(|_| Err(damaged("its decoder gave up")))
}

fn decode_known(bytes: &[u8], pixels: &mut Vec<u8>, strict: bool) -> Result<Size, DecodeError> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => decode_jpeg(bytes, pixels, strict),
        Ok(ImageFormat::Png) => {
            let limits = png_limits();
            let decoder = image::codecs::png::PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(damaged)?;
            decode_other(decoder, pixels)
        }
        Ok(ImageFormat::WebP) => {
            let decoder = image::codecs::webp::WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
            decode_other(decoder, pixels)
        }
        _ if bytes.is_empty() => Err(DecodeError::Empty),
        _ => Err(DecodeError::UnknownFormat { start: bytes[..bytes.len().min(8)].to_vec() }),
    }
}

fn damaged(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Damaged(error.to_string())
}

/// Compressed text chunks count against the decoder's limit; the picture's own claim is checked by [`check`].
fn png_limits() -> image::Limits {
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 8);
    limits
}

fn check(width: u64, height: u64) -> Result<Size, DecodeError> {
    let side = |pixels: u64| u32::try_from(pixels).unwrap_or(u32::MAX);
    let size = Size::new(side(width), side(height));
    if width == 0 || height == 0 {
        return Err(damaged(format!("it claims {size} pixels")));
    }
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(DecodeError::TooLarge { size });
    }
    Ok(size)
}

fn decode_jpeg(bytes: &[u8], pixels: &mut Vec<u8>, strict: bool) -> Result<Size, DecodeError> {
    if !strict && !ends(bytes) {
        return Err(DecodeError::Truncated { bytes: bytes.len() });
    }
    let options = DecoderOptions::default()
        .set_strict_mode(strict) // some cameras put stray bytes between headers
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("it has no size"))?;
    let size = check(width as u64, height as u64)?;
    pixels.resize(width * height * 3, 0);
    decoder.decode_into(pixels).map_err(damaged)?;
    match decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif)) {
        None | Some(Orientation::NoTransforms) => Ok(size),
        Some(orientation) => turn(size, orientation, pixels),
    }
}

/// Whether a JPEG's picture data is followed by an end marker. An EXIF thumbnail has one of its own, before that data.
fn ends(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    match (last(0xda), last(0xd9)) {
        (Some(scan), Some(end)) => end > scan,
        (None, Some(_)) => true, // no picture data at all: the decoder says so better
        (_, None) => false,
    }
}

fn decode_other(mut decoder: impl ImageDecoder, pixels: &mut Vec<u8>) -> Result<Size, DecodeError> {
    let (width, height) = decoder.dimensions();
    check(width.into(), height.into())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| match &error {
        image::ImageError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            damaged("it is cut short")
        }
        _ => damaged(error),
    })?;
    picture.apply_orientation(orientation);
    let upright = Size::new(picture.width(), picture.height());
    *pixels = picture.into_rgb8().into_raw();
    Ok(upright)
}

fn turn(size: Size, orientation: Orientation, pixels: &mut Vec<u8>) -> Result<Size, DecodeError> {
    let rows = RgbImage::from_raw(size.width, size.height, std::mem::take(pixels));
    let mut picture = DynamicImage::from(rows.ok_or_else(|| damaged("its size and its data disagree"))?);
    picture.apply_orientation(orientation);
    let upright = Size::new(picture.width(), picture.height());
    *pixels = picture.into_rgb8().into_raw();
    Ok(upright)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        decode(bytes, &mut Vec::new()).expect_err("should be refused").to_string()
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, (x * y) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// A JPEG of 64 × 48 pixels with the standard's Huffman tables.
    pub fn photograph() -> Vec<u8> {
        let noise = |x: u32, y: u32| ((x * 7 + y * 13) ^ (x * y)) as u8;
        let picture = RgbImage::from_fn(64, 48, |x, y| image::Rgb([noise(x, y), noise(y, x + 1), x as u8 * 4]));
        let mut bytes = Vec::new();
        image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(&picture).unwrap();
        bytes
    }

    #[test]
    fn each_format_is_decoded_to_packed_rgb() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let mut pixels = Vec::new();
            assert_eq!(decode(&encoded(format), &mut pixels).unwrap(), Size::new(40, 30), "{format:?}");
            assert_eq!(pixels.len(), 40 * 30 * 3);
            let middle = &pixels[(15 * 40 + 20) * 3..][..3];
            assert!(middle[0].abs_diff(120) < 9 && middle[1].abs_diff(120) < 9, "{format:?}: {middle:?}");
        }
    }

    #[test]
    fn a_picture_cut_short_anywhere_is_refused_and_never_half_shown() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let whole = encoded(format);
            for kept in (0..whole.len() - 20).step_by(7) {
                assert!(decode(&whole[..kept], &mut Vec::new()).is_err(), "{format:?} cut to {kept} bytes");
            }
        }
    }

    #[test]
    fn a_decompression_bomb_is_refused_by_what_it_claims() {
        let mut png = encoded(ImageFormat::Png);
        png[16..20].copy_from_slice(&60_000u32.to_be_bytes()); // the width in IHDR
        png[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(
            refusal(&png).contains("claims 60000×60000 pixels, 3600 million, the limit is 24"),
            "{}",
            refusal(&png)
        );
        let mut jpeg = encoded(ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        assert!(refusal(&jpeg).contains("claims 65535×65535 pixels"), "{}", refusal(&jpeg));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn another_kind_of_file_is_named_by_how_it_begins() {
        assert!(refusal(b"hello").starts_with("not a JPEG, PNG or WebP picture"));
        assert!(refusal(b"").starts_with("is empty"));
    }
}
