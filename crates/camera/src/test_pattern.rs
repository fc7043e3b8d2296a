//! Moving test pattern: colour bars with a moving square, for a pipeline without a camera.

use std::time::{Duration, Instant};

use super::{Camera, CameraError, Next};
use phicam_frame::{FrameInfo, FramePool, Size};

/// Camera that draws colour bars and a moving square at a fixed frame rate.
pub struct TestPattern {
    size: Size,
    interval: Duration,
    sequence: u64,
    next_due: Instant,
    pool: FramePool,
}

/// Colours of the bars from left to right, white to black; 16 and 235 are the limits of video levels.
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

impl TestPattern {
    /// Creates a pattern of `size` with `fps` frames per second.
    pub fn new(size: Size, fps: f64) -> TestPattern {
        let interval = Duration::from_secs_f64(1.0 / fps);
        TestPattern { size, interval, sequence: 0, next_due: Instant::now(), pool: FramePool::default() }
    }
}

impl Camera for TestPattern {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        let wait = self.next_due.saturating_duration_since(Instant::now());
        std::thread::sleep(wait.min(limit));
        if wait > limit {
            return Ok(Next::Nothing);
        }
        let size = self.size;
        let sequence = self.sequence;
        let captured = Instant::now();
        let frame = self.pool.fill(|bytes| {
            draw(bytes, size, sequence);
            Ok::<_, CameraError>(FrameInfo { size, sequence, captured, source: None, scene: 0 })
        })?;
        self.sequence += 1;
        // Never in the past: a late frame is not followed by a burst.
        self.next_due = (self.next_due + self.interval).max(captured);
        Ok(Next::Frame(frame))
    }

    fn describe(&self) -> String {
        format!("pattern, {}", self.size)
    }
}

/// Draws frame `sequence` as RGB rows: bars, then the square.
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
    // Triangle wave: from 0 to `range` in `period` frames, and back.
    let triangle = |period: u64, range: usize| {
        let phase = sequence % (2 * period);
        range * phase.min(2 * period - phase) as usize / period as usize
    };
    let left = triangle(90, width - side);
    let top = triangle(55, height - side);
    for y in top..top + side {
        let level = (255 * (y - top) / side) as u8;
        bytes[(y * width + left) * 3..][..side * 3].fill(level);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(camera: &mut TestPattern) -> phicam_frame::Frame {
        match camera.next_frame(Duration::from_secs(60)).unwrap() {
            Next::Frame(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn square_moves_and_frames_are_numbered() {
        let mut camera = TestPattern::new(Size::new(640, 480), 1000.0);
        let (first, second) = (next(&mut camera), next(&mut camera));
        assert_eq!((first.sequence, second.sequence), (0, 1));
        assert_eq!(first.part(0).len(), 640 * 480 * 3);
        assert_ne!(first.part(0), second.part(0));
    }

    #[test]
    fn next_frame_returns_after_the_limit() {
        let mut camera = TestPattern::new(Size::new(8, 8), 0.001);
        next(&mut camera);
        assert!(matches!(camera.next_frame(Duration::from_millis(1)), Ok(Next::Nothing)));
    }

    #[test]
    fn smallest_sizes_are_drawn() {
        for (width, height) in [(1, 1), (1, 50), (50, 1), (3, 2)] {
            next(&mut TestPattern::new(Size::new(width, height), 1000.0));
        }
    }
}
