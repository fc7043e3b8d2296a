//! The demo: the sample photographs repeat until it may end; a few last ones follow.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use phicam_platform::config_file;

use crate::files::Pace;
use crate::{Camera, CameraError, ImageFiles};

/// File of the samples folder that lists the last photographs.
const DEMO_FILE: &str = "demo.toml";

/// Contents of [`DEMO_FILE`].
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Demo {
    /// Names of the last photographs, in their order.
    last: Vec<String>,
}

/// Opens the folder of sample photographs as a camera that ends soon after `may_end` is set.
///
/// Each photograph plays at least once, for `picture`, and each film at `film_fps` frames per second.
pub fn open_demo(
    samples: &Path,
    picture: Duration,
    film_fps: f64,
    may_end: Arc<AtomicBool>,
) -> Result<Box<dyn Camera>, CameraError> {
    let demo: Demo = config_file::read(&samples.join(DEMO_FILE)).map_err(CameraError::Demo)?;
    let pace = Pace { picture, film: Duration::from_secs_f64(1.0 / film_fps), repeat: false };
    let camera = ImageFiles::open(&samples.display().to_string(), pace)?;
    let last = demo.last.iter().map(|name| samples.join(name)).collect();
    Ok(Box::new(camera.with_ending(last, may_end)?))
}
