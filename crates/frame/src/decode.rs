//! Decoding of JPEG, PNG and WebP to upright RGB pixels, with limits on the size of files and images.

use std::io::{Cursor, Read};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, RgbImage};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::{Frame, FrameInfo, FramePool, Size};

mod mjpeg_repair;

/// Most pixels of an image: 24 million, so that memory stays below 400 MiB.
///
/// Decoding 16 bits per channel peaks at 11 bytes per pixel, and preprocessing adds 6.
pub const MAX_PIXELS: u64 = 24_000_000;
/// Most bytes of an image file: 64 MiB (estimate: 2.8 bytes per pixel at the pixel limit).
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// Reason why an image could not be decoded. The message continues the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("is empty: it has 0 bytes; copy it again")]
    Empty,
    #[error("is not a JPEG, PNG or WebP picture: it begins with {start:02x?}; convert it to one of these formats")]
    UnknownFormat { start: Vec<u8> },
    #[error("claims {size} pixels, {} million, the limit is {} million; make it smaller first",
            u64::from(size.width) * u64::from(size.height) / 1_000_000, MAX_PIXELS / 1_000_000)]
    TooLarge { size: Size },
    #[error("holds more than {} MiB, the limit; make it smaller first", MAX_FILE_BYTES >> 20)]
    TooManyBytes,
    #[error("is cut short: {bytes} bytes and no end marker; copy it again")]
    Truncated { bytes: usize },
    #[error("is damaged: {0}; copy it again, or save it again in an image editor")]
    Damaged(String),
}

/// Reads a file into `bytes`; fails if it is longer than [`MAX_FILE_BYTES`].
pub fn read_file(path: &std::path::Path, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
    read(std::fs::File::open(path)?, bytes)
}

/// Reads a stream into `bytes`; fails if it is longer than [`MAX_FILE_BYTES`].
pub fn read(reader: impl Read, bytes: &mut Vec<u8>) -> Result<(), ReadError> {
    bytes.clear();
    let length = reader.take(MAX_FILE_BYTES + 1).read_to_end(bytes)? as u64;
    if length > MAX_FILE_BYTES {
        return Err(DecodeError::TooManyBytes.into());
    }
    Ok(())
}

/// Checks that a file exists and begins like a picture, without reading the rest. A pipe or a device is not opened.
pub fn probe_file(path: &std::path::Path) -> Result<(), ReadError> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Ok(());
    }
    let mut start = Vec::new();
    std::fs::File::open(path)?.take(LONGEST_SIGNATURE).read_to_end(&mut start)?; // a folder's error is here
    format(&start).map(|_| ()).map_err(ReadError::Decode)
}

/// Bytes that identify the format of a picture: WebP needs most.
const LONGEST_SIGNATURE: u64 = 16;

/// Reason why an image file could not be read or decoded. The message continues the name of the file.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// JPEG frame of a camera that could not be decoded.
#[derive(Debug, thiserror::Error)]
#[error("the camera's JPEG frame of {bytes} bytes {cause}")]
pub struct JpegError {
    bytes: usize,
    cause: String,
}

/// Decoder of JPEG frames into pooled buffers. The result is cached in the frame, so each frame is decoded once.
#[derive(Default)]
pub struct JpegCache {
    pool: FramePool,
    repaired: Vec<u8>,
}

impl JpegCache {
    /// Returns the decoded frame; a frame that is not a JPEG is returned unchanged.
    ///
    /// The first call decodes the frame, and all its clones share the result or the error.
    pub fn decoded(&mut self, frame: &Frame) -> Result<Frame, JpegError> {
        let Some(decoded) = &frame.decoded else { return Ok(frame.clone()) };
        let bytes = frame.part(0);
        let mut decoded = decoded.lock();
        let image = decoded.get_or_insert_with(|| {
            let image = self.pool.fill(|pixels| {
                let repaired = mjpeg_repair::insert_missing_tables(bytes, &mut self.repaired);
                let size = decode_catching_panics(repaired.bytes, pixels, repaired.missing_eoi)?;
                let Frame { sequence, captured, source, scene, .. } = frame.clone();
                Ok::<_, DecodeError>(FrameInfo { size, sequence, captured, source, scene })
            });
            image.map_err(|error| error.to_string())
        });
        image.clone().map_err(|cause| JpegError { bytes: bytes.len(), cause })
    }
}

/// Decodes an image into RGB rows without padding, rotated as its EXIF orientation says.
///
/// Transparency is discarded, not blended. `pixels` keeps its capacity, so JPEGs of equal size need no allocation.
pub fn decode(bytes: &[u8], pixels: &mut Vec<u8>) -> Result<Size, DecodeError> {
    decode_catching_panics(bytes, pixels, false)
}

/// Decodes an image; a panic of the decoder becomes an error.
///
/// `strict` accepts a JPEG without an end marker, but rejects one whose image data ends early. Without `strict` the
/// decoder fills missing data with grey, so the end marker is required.
fn decode_catching_panics(bytes: &[u8], pixels: &mut Vec<u8>, strict: bool) -> Result<Size, DecodeError> {
    // Third-party decoders may panic on a hostile file: that file is rejected, and the program continues.
    let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| decode_by_format(bytes, pixels, strict)));
    decoded.unwrap_or_else(|_| Err(damaged("its decoder panicked")))
}

fn decode_by_format(bytes: &[u8], pixels: &mut Vec<u8>, strict: bool) -> Result<Size, DecodeError> {
    match format(bytes)? {
        Format::Jpeg => decode_jpeg(bytes, pixels, strict),
        Format::Png => {
            let limits = png_limits();
            let decoder = image::codecs::png::PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(damaged)?;
            decode_with(decoder, pixels)
        }
        Format::WebP => {
            let decoder = image::codecs::webp::WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
            decode_with(decoder, pixels)
        }
    }
}

/// Format that this program decodes.
enum Format {
    Jpeg,
    Png,
    WebP,
}

/// Returns the format of a picture by its first bytes.
fn format(bytes: &[u8]) -> Result<Format, DecodeError> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => Ok(Format::Jpeg),
        Ok(ImageFormat::Png) => Ok(Format::Png),
        Ok(ImageFormat::WebP) => Ok(Format::WebP),
        _ if bytes.is_empty() => Err(DecodeError::Empty),
        _ => Err(DecodeError::UnknownFormat { start: bytes[..bytes.len().min(8)].to_vec() }),
    }
}

fn damaged(error: impl std::fmt::Display) -> DecodeError {
    DecodeError::Damaged(error.to_string())
}

/// Returns limits that bound the memory of compressed text chunks; [`check_claimed_size`] bounds the image itself.
fn png_limits() -> image::Limits {
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_PIXELS * 8);
    limits
}

/// Returns the size that a file claims; fails if a side is 0 or the pixels exceed [`MAX_PIXELS`].
fn check_claimed_size(width: u64, height: u64) -> Result<Size, DecodeError> {
    let saturated = |side: u64| u32::try_from(side).unwrap_or(u32::MAX);
    let size = Size::new(saturated(width), saturated(height));
    if width == 0 || height == 0 {
        return Err(damaged(format!("it claims {size} pixels")));
    }
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(DecodeError::TooLarge { size });
    }
    Ok(size)
}

fn decode_jpeg(bytes: &[u8], pixels: &mut Vec<u8>, strict: bool) -> Result<Size, DecodeError> {
    if !strict && !has_eoi(bytes) {
        return Err(DecodeError::Truncated { bytes: bytes.len() });
    }
    let options = DecoderOptions::default()
        .set_strict_mode(strict) // not always: some cameras put stray bytes between headers
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("its header has no size"))?;
    let size = check_claimed_size(width as u64, height as u64)?;
    pixels.resize(width * height * 3, 0);
    decoder.decode_into(pixels).map_err(damaged)?;
    match decoder.exif().and_then(|exif| Orientation::from_exif_chunk(exif)) {
        None | Some(Orientation::NoTransforms) => Ok(size),
        Some(orientation) => apply_orientation(size, orientation, pixels),
    }
}

/// Returns whether an end-of-image marker (EOI) follows the image data; an EXIF thumbnail has one before the data.
fn has_eoi(bytes: &[u8]) -> bool {
    let last_position = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    match (last_position(0xda), last_position(0xd9)) {
        (Some(scan), Some(end)) => end > scan,
        (None, Some(_)) => true, // no image data: the decoder's own error is clearer
        (_, None) => false,
    }
}

fn decode_with(mut decoder: impl ImageDecoder, pixels: &mut Vec<u8>) -> Result<Size, DecodeError> {
    let (width, height) = decoder.dimensions();
    check_claimed_size(width.into(), height.into())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(|error| match &error {
        image::ImageError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            damaged("its data ends early")
        }
        _ => damaged(error),
    })?;
    image.apply_orientation(orientation);
    let upright = Size::new(image.width(), image.height());
    *pixels = image.into_rgb8().into_raw();
    Ok(upright)
}

/// Rotates or mirrors the image in `pixels`; returns its size afterwards.
fn apply_orientation(size: Size, orientation: Orientation, pixels: &mut Vec<u8>) -> Result<Size, DecodeError> {
    let rows = RgbImage::from_raw(size.width, size.height, std::mem::take(pixels));
    let mut image = DynamicImage::from(rows.ok_or_else(|| damaged("its data does not match its size"))?);
    image.apply_orientation(orientation);
    let upright = Size::new(image.width(), image.height());
    *pixels = image.into_rgb8().into_raw();
    Ok(upright)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_error(bytes: &[u8]) -> String {
        decode(bytes, &mut Vec::new()).expect_err("a decode error").to_string()
    }

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 6, y as u8 * 8, (x * y) as u8]));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    /// Returns a JPEG of 64 × 48 pixels with the standard Huffman tables.
    pub fn noise_jpeg() -> Vec<u8> {
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
            assert!(middle[0].abs_diff(120) < 9, "{format:?}: red of {middle:?}");
            assert!(middle[1].abs_diff(120) < 9, "{format:?}: green of {middle:?}");
        }
    }

    #[test]
    fn truncated_image_is_rejected_at_every_length() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
            let whole = encoded(format);
            for length in (0..whole.len() - 20).step_by(7) {
                assert!(decode(&whole[..length], &mut Vec::new()).is_err(), "{format:?} cut to {length} bytes");
            }
        }
    }

    #[test]
    fn decompression_bomb_is_rejected_by_its_claimed_size() {
        let mut png = encoded(ImageFormat::Png);
        png[16..20].copy_from_slice(&60_000u32.to_be_bytes()); // the width in IHDR
        png[20..24].copy_from_slice(&60_000u32.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        assert!(
            decode_error(&png).contains("claims 60000×60000 pixels, 3600 million, the limit is 24"),
            "{}",
            decode_error(&png)
        );
        let mut jpeg = encoded(ImageFormat::Jpeg);
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        assert!(decode_error(&jpeg).contains("claims 65535×65535 pixels"), "{}", decode_error(&jpeg));
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn unknown_format_error_states_the_first_bytes() {
        assert!(decode_error(b"hello").starts_with("is not a JPEG, PNG or WebP picture"));
        assert!(decode_error(b"").starts_with("is empty"));
    }
}
