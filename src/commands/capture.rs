//! `phicam capture`: saves camera frames as files.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use log::{info, warn};
use serde_json::{Value, json};

use super::write_json;
use crate::cli::CaptureArgs;
use crate::session::{board, make_folder};
use phicam_camera::{Camera, Next};
use phicam_frame::color_convert::RgbConverter;
use phicam_frame::decode::JpegCache;
use phicam_frame::{Coding, Frame, FramePool, Matrix, Range};
use phicam_platform::paths;

/// Longest wait for a frame before the loop looks again.
const FRAME_TIMEOUT: Duration = Duration::from_secs(1);
/// Limit of undecodable frames in a row, an estimate: about one second of a webcam.
const MAX_UNDECODABLE: u32 = 30;

/// Saves frames until there are as many as requested.
pub fn capture(args: CaptureArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    make_folder(&args.out)?;
    let settings = match &args.camera {
        Some(settings) => settings.clone(),
        None => board(&args.board)?.camera,
    };
    let mut camera = phicam_camera::open(&settings, paths::samples_dir).context("camera")?;
    let mut writer =
        FrameWriter { out, args: &args, unpack: JpegCache::default(), pixels: RgbConverter::default(), saved: 0 };
    let interval = Duration::from_millis(args.every_ms.unwrap_or(0));
    let mut received = 0;
    let mut undecodable = 0;
    let mut due: Option<Instant> = None;
    while writer.saved < args.frames {
        let frame = match camera.next_frame(FRAME_TIMEOUT) {
            Ok(Next::Frame(frame)) => frame,
            Ok(Next::Nothing) => continue,
            Ok(Next::Finished) => bail!("the camera ended after {} of {} frames", writer.saved, args.frames),
            Err(error) if error.is_frame_error() => {
                warn!("skipped a frame: {error}");
                continue;
            }
            Err(error) => return Err(error).context("camera"),
        };
        received += 1;
        // Frames that are not due are read too: in the driver's queue they would grow old.
        if received <= args.skip || due.is_some_and(|due| Instant::now() < due) {
            continue;
        }
        match writer.write(&frame, &*camera) {
            Ok(()) => undecodable = 0,
            Err(WriteError::Frame(error)) if undecodable < MAX_UNDECODABLE => {
                undecodable += 1;
                warn!("skipped a frame: {error}");
                continue;
            }
            Err(WriteError::Frame(error) | WriteError::File(error)) => return Err(error),
        }
        due = Some(due.unwrap_or_else(Instant::now) + interval);
    }
    info!("{received} frames received; {}", camera.counts());
    Ok(ExitCode::SUCCESS)
}

/// Writer of frames and their descriptions.
struct FrameWriter<'a> {
    out: &'a mut dyn Write,
    args: &'a CaptureArgs,
    unpack: JpegCache,
    pixels: RgbConverter,
    saved: u64,
}

enum WriteError {
    /// The frame cannot be decoded; the next one may be intact.
    Frame(anyhow::Error),
    File(anyhow::Error),
}

/// Files of one saved frame.
struct FrameFiles {
    png: PathBuf,
    /// With `--raw`.
    raw: Option<PathBuf>,
}

impl FrameWriter<'_> {
    fn write(&mut self, frame: &Frame, camera: &dyn Camera) -> Result<(), WriteError> {
        let age_ms = frame.captured.elapsed().as_secs_f64() * 1000.0;
        let picture = self.unpack.decoded(frame).map_err(|error| WriteError::Frame(error.into()))?;
        let mut rows = Vec::new();
        self.pixels.convert_frame(&picture, &mut rows).map_err(|error| WriteError::Frame(error.into()))?;
        self.saved += 1;
        let name = format!("capture-{:04}", self.saved);
        let png = self.args.out.join(format!("{name}.png"));
        let raw = self.args.raw.then(|| self.args.out.join(format!("{name}.raw")));
        let files = FrameFiles { png, raw };
        let size = picture.size();
        image::save_buffer(&files.png, rows.as_flattened(), size.width, size.height, image::ColorType::Rgb8)
            .with_context(|| format!("{} cannot be written", files.png.display()))
            .map_err(WriteError::File)?;
        let object = self.write_raw(frame, camera, &files, age_ms).map_err(WriteError::File)?;
        if self.args.json || self.args.raw {
            write_json(self.out, &object).map_err(WriteError::File)
        } else {
            writeln!(self.out, "{}", files.png.display()).map_err(|error| WriteError::File(error.into()))
        }
    }

    /// Writes the driver's bytes if `files` has a path for them. Returns the JSON object that describes the frame.
    fn write_raw(&self, frame: &Frame, camera: &dyn Camera, files: &FrameFiles, age_ms: f64) -> anyhow::Result<Value> {
        let counts = camera.counts();
        let flat = FramePool::default().copy(frame); // one part, as the file has it
        let layout = flat.layout;
        let planes = &layout.planes[..layout.format.planes()];
        let planes: Vec<Value> =
            planes.iter().map(|plane| json!({ "offset": plane.offset, "stride": plane.stride })).collect();
        if let Some(raw) = &files.raw {
            std::fs::write(raw, flat.part(0)).with_context(|| format!("{} cannot be written", raw.display()))?;
        }
        let Coding { matrix, range } = layout.coding;
        let matrix = match matrix {
            Matrix::Bt601 => "bt601",
            Matrix::Bt709 => "bt709",
            Matrix::Bt2020 => "bt2020",
            Matrix::Smpte240m => "smpte240m",
        };
        let range = if range == Range::Limited { "limited" } else { "full" };
        Ok(json!({
            "file": files.png.display().to_string(),
            "raw": files.raw.as_ref().map(|raw| raw.display().to_string()),
            "camera": camera.describe(),
            "sequence": frame.sequence,
            "age_ms": age_ms,
            "format": layout.format.to_string(),
            "width": layout.size.width,
            "height": layout.size.height,
            "planes": planes,
            "matrix": matrix,
            "range": range,
            "bytes": flat.part(0).len(),
            "dropped_by_driver": counts.dropped_by_driver,
            "skipped": counts.skipped,
            "copied": counts.copied,
            "bad": counts.bad,
        }))
    }
}
