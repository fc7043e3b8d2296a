//! Reading of picture files and of a picture on standard input.

use std::path::Path;
use std::time::Instant;

use phicam_frame::decode;
use phicam_frame::decode::ReadError;
use phicam_frame::{Frame, FrameInfo, FramePool};

/// Reads the picture in `file`, or on standard input if `file` is `-`.
pub fn read_image(file: &Path, pool: &mut FramePool) -> Result<Frame, ReadError> {
    pool.fill(|pixels| {
        let mut bytes = Vec::new();
        if file.as_os_str() == "-" {
            decode::read(std::io::stdin(), &mut bytes)?;
        } else {
            decode::read_file(file, &mut bytes)?;
        }
        let size = decode::decode(&bytes, pixels)?;
        Ok(FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 })
    })
}
