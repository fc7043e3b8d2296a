//! Pictures that a command reads one by one.

use std::path::Path;
use std::time::Instant;

use phicam_frame::decode;
use phicam_frame::decode::ReadError;
use phicam_frame::{Frame, FrameInfo, FramePool};

/// The picture in `file`, or on standard input where it is called `-`.
pub fn read(file: &Path, pool: &mut FramePool) -> Result<Frame, ReadError> {
    pool.fill(|pixels| {
        let mut bytes = Vec::new();
        match file.as_os_str() == "-" {
            true => decode::read(std::io::stdin(), &mut bytes)?,
            false => decode::read_file(file, &mut bytes)?,
        }
        let size = decode::decode(&bytes, pixels)?;
        Ok(FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 })
    })
}
