//! A moving test pattern: colour bars with a square that wanders, to try a line without a camera.

use std::time::{Duration, Instant};

use super::{Camera, CameraError, Next};
use phicam_frame::{FrameInfo, FramePool, Size};

/// See the module.
pub struct Pattern {
    size: Size,
    interval: Duration,
    sequence: u64,
    due: Instant,
    pool: FramePool,
}

const BARS: [[u8; 3]; 8] = [
    [235, 235, 235],
    [235, 235, 16],
    [16, 235, 235],
    [16, 235, 16],
    [235, 16, 235],
    [235, 16, 16],
    [16, 16, 235],
    [16, 16, 16],
];

impl Pattern {
    /// Frames of `size`, `fps` of them a second.
    pub fn new(size: Size, fps: f64) -> Pattern {
        let interval = Duration::from_secs_f64(1.0 / fps);
        Pattern { size, interval, sequence: 0, due: Instant::now(), pool: FramePool::default() }
    }
}

impl Camera for Pattern {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        let wait = self.due.saturating_duration_since(Instant::now());
        std::thread::sleep(wait.min(limit));
        if wait > limit {
            return Ok(Next::Nothing);
        }
        let (size, sequence, captured) = (self.size, self.sequence, Instant::now());
        let frame = self.pool.fill(|bytes| {
            draw(bytes, size, sequence);
            Ok::<_, CameraError>(FrameInfo { size, sequence, captured, source: None, scene: 0 })
        })?;
        self.sequence += 1;
        self.due = (self.due + self.interval).max(captured); // a late frame does not make the next ones hurry
        Ok(Next::Frame(frame))
    }

    fn describe(&self) -> String {
        format!("pattern, {}", self.size)
    }
}

fn draw(bytes: &mut Vec<u8>, size: Size, sequence: u64) {
    let (width, height) = (size.width as usize, size.height as usize);
    bytes.resize(width * height * 3, 0);
    for (x, pixel) in bytes[..width * 3].chunks_exact_mut(3).enumerate() {
        pixel.copy_from_slice(&BARS[x * BARS.len() / width]);
    }
    for y in 1..height {
        bytes.copy_within(..width * 3, y * width * 3);
    }
    let side = (width.min(height) / 4).max(1);
    let wander = |period: u64, room: usize| {
        let phase = sequence % (2 * period);
        room * phase.min(2 * period - phase) as usize / period as usize // there and back again
    };
    let (left, top) = (wander(90, width - side), wander(55, height - side));
    for y in top..top + side {
        let level = (255 * (y - top) / side) as u8;
        bytes[(y * width + left) * 3..][..side * 3].fill(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(camera: &mut Pattern) -> phicam_frame::Frame {
        match camera.next_frame(Duration::from_secs(60)).unwrap() {
            Next::Frame(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_pattern_moves_and_is_counted() {
        let mut camera = Pattern::new(Size::new(640, 480), 1000.0);
        let (first, second) = (next(&mut camera), next(&mut camera));
        assert_eq!((first.sequence, second.sequence), (0, 1));
        assert_eq!(first.part(0).len(), 640 * 480 * 3);
        assert!(first.part(0) != second.part(0));
    }

    #[test]
    fn it_does_not_wait_longer_than_told() {
        let mut camera = Pattern::new(Size::new(8, 8), 0.001);
        next(&mut camera);
        assert!(matches!(camera.next_frame(Duration::from_millis(1)), Ok(Next::Nothing)));
    }

    #[test]
    fn even_one_pixel_is_a_pattern() {
        for (width, height) in [(1, 1), (1, 50), (50, 1), (3, 2)] {
            next(&mut Pattern::new(Size::new(width, height), 1000.0));
        }
    }
}
