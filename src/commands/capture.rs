//! `phicam capture`: pictures from a camera into files.

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
use phicam_frame::color_convert::Pixels;
use phicam_frame::decode::Unpack;
use phicam_frame::{Coding, Frame, FramePool, Matrix, Range};
use phicam_platform::paths;

/// The longest wait for one frame.
const LIMIT: Duration = Duration::from_secs(1);
/// Frames in a row that cannot be decoded, after which the camera is given up.
const MOST_BAD: u32 = 30;

/// Takes pictures until there are as many as asked for.
pub fn capture(args: CaptureArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    make_folder(&args.out)?;
    let settings = match &args.camera {
        Some(settings) => settings.clone(),
        None => board(&args.board)?.camera,
    };
    let mut camera = phicam_camera::open(&settings, paths::samples_dir).context("camera")?;
    let mut writer = Writer { out, args: &args, unpack: Unpack::default(), pixels: Pixels::default(), taken: 0 };
    let (mut passed, mut bad) = (0, 0);
    let mut due: Option<Instant> = None;
    while writer.taken < args.frames {
        let frame = match camera.next_frame(LIMIT) {
            Ok(Next::Frame(frame)) => frame,
            Ok(Next::Nothing) => continue,
            Ok(Next::Finished) => bail!("the camera ended after {} of {} pictures", writer.taken, args.frames),
            Err(error) if error.is_one_frame() => {
                warn!("skipped a picture: {error}");
                continue;
            }
            Err(error) => return Err(error).context("camera"),
        };
        passed += 1;
        // The camera goes on being read while nothing is due: what waits in its queue grows old.
        if passed <= args.skip || due.is_some_and(|due| Instant::now() < due) {
            continue;
        }
        let every = Duration::from_millis(args.every_ms.unwrap_or(0));
        match writer.write(&frame, &*camera) {
            Ok(()) => bad = 0,
            Err(WriteError::Frame(error)) if bad < MOST_BAD => {
                bad += 1;
                warn!("skipped a frame: {error}");
                continue;
            }
            Err(WriteError::Frame(error) | WriteError::File(error)) => return Err(error),
        }
        due = Some(due.unwrap_or_else(Instant::now) + every);
    }
    info!("{passed} frames taken; {}", camera.counts());
    Ok(ExitCode::SUCCESS)
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    args: &'a CaptureArgs,
    unpack: Unpack,
    pixels: Pixels,
    taken: u64,
}

enum WriteError {
    /// Another frame may be better.
    Frame(anyhow::Error),
    File(anyhow::Error),
}

impl Writer<'_> {
    fn write(&mut self, frame: &Frame, camera: &dyn Camera) -> Result<(), WriteError> {
        let file = |error: anyhow::Error| WriteError::File(error);
        let age_ms = frame.captured.elapsed().as_secs_f64() * 1000.0;
        let picture = self.unpack.unpacked(frame).map_err(|error| WriteError::Frame(error.into()))?;
        let mut rows = Vec::new();
        self.pixels.all(&picture, &mut rows).map_err(|error| WriteError::Frame(error.into()))?;
        self.taken += 1;
        let name = format!("capture-{:04}", self.taken);
        let png = self.args.out.join(format!("{name}.png"));
        let size = picture.size();
        image::save_buffer(&png, rows.as_flattened(), size.width, size.height, image::ColorType::Rgb8)
            .with_context(|| format!("{} cannot be written", png.display()))
            .map_err(file)?;
        let raw = self.args.raw.then(|| self.args.out.join(format!("{name}.raw")));
        let told = self.told(frame, camera, (&png, raw.as_ref()), age_ms).map_err(file)?;
        match self.args.json || self.args.raw {
            true => write_json(self.out, &told).map_err(file),
            false => writeln!(self.out, "{}", png.display()).map_err(|error| file(error.into())),
        }
    }

    /// What is told of a picture; writes its bytes as well where they are asked for.
    fn told(
        &self,
        frame: &Frame,
        camera: &dyn Camera,
        (png, raw): (&PathBuf, Option<&PathBuf>),
        age_ms: f64,
    ) -> anyhow::Result<Value> {
        let counts = camera.counts();
        let flat = FramePool::default().copy(frame); // its parts after each other, as they are written
        let layout = flat.layout;
        let planes = &layout.planes[..layout.format.planes()];
        let planes: Vec<Value> =
            planes.iter().map(|plane| json!({ "offset": plane.offset, "stride": plane.stride })).collect();
        if let Some(raw) = raw {
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
            "file": png.display().to_string(),
            "raw": raw.map(|raw| raw.display().to_string()),
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
