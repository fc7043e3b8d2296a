//! Cameras of the virtual board: frames in the pixel formats of drivers, played into v4l2loopback, and the driver
//! vivid.

use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};

use super::super::sample;
use super::Board;

/// A camera that repeats a list of frames until [`Player::end`].
pub struct Player<'board> {
    board: &'board Board,
    process: u32,
    log: String,
}

impl Board {
    /// Plays frames, each complete in the pixel format `fourcc`, into a v4l2loopback device; returns when readers can
    /// open the camera.
    #[track_caller]
    pub fn play(&self, device: &str, fourcc: &str, size: (u32, u32), fps: u32, frames: &[Vec<u8>]) -> Player<'_> {
        let folder = format!("/tmp/play{}", device.replace('/', "-"));
        self.ssh(&format!("rm -rf {folder}"));
        let mut files = String::new();
        for (index, frame) in frames.iter().enumerate() {
            let file = format!("{folder}/{index}");
            self.put(frame, &file);
            files = files + " " + &file;
        }
        let log = format!("{folder}/log");
        let (width, height) = size;
        let command = format!("play {device} {fourcc} {width} {height} {fps}{files}");
        let process = self.ssh(&format!("{command} < /dev/null > {log} 2>&1 & echo $!")).trim().parse().unwrap();
        self.until("first frame of the camera", || {
            let log = self.ssh(&format!("cat {log}; [ -e /proc/{process} ] || echo ended"));
            assert!(!log.contains("ended"), "{log}");
            log.contains("play: playing").then_some(())
        });
        Player { board: self, process, log }
    }

    /// Loads the driver vivid, a camera with a test picture, and returns its device.
    pub fn load_vivid(&self, options: &str) -> String {
        self.ssh(&format!("modprobe vivid n_devs=1 {options}"));
        let find = "for d in /sys/class/video4linux/video*; do grep -q vivid-000-vid-cap $d/name && basename $d; done";
        let device = self.until("node of vivid", || {
            Some(self.try_ssh(find).text().trim().to_string()).filter(|name| !name.is_empty())
        });
        let device = format!("/dev/{device}");
        self.wait_for_owner(&device);
        device
    }

    /// Plays raw frames of 640 × 480 through vivid, from its output into its camera, and returns the camera's device.
    ///
    /// The camera delivers 60 frames per second, byte for byte. [`Board::unplug_vivid`] unplugs it; after it is plugged
    /// in again, the frames must be played again.
    #[track_caller]
    pub fn play_into_vivid(&self, fourcc: &str, frames: &[Vec<u8>], options: &str) -> String {
        let loops = "node_types=0x101 num_inputs=1 input_types=3 num_outputs=1 output_types=1 no_error_inj=1";
        let camera = self.load_vivid(&format!("{loops} {options}"));
        let find = "for d in /sys/class/video4linux/video*; do grep -q vivid-000-vid-out $d/name && basename $d; done";
        let output = format!("/dev/{}", self.ssh(find).trim());
        self.put(&frames.concat(), "/tmp/vivid.frames");
        // Timing 0 is 640 × 480. Both ends need equal timings and an equal format. No text covers the picture.
        for device in [&camera, &output] {
            self.ssh(&format!("v4l2-ctl -d {device} --set-dv-bt-timings index=0"));
        }
        let format = format!("width=640,height=480,pixelformat={fourcc}");
        self.ssh(&format!("v4l2-ctl -d {camera} -c loop_video=1,osd_text_mode=2 --set-fmt-video {format}"));
        let stream = "--stream-out-mmap --stream-from=/tmp/vivid.frames --stream-loop";
        let log = "/tmp/vivid.log";
        self.ssh(&format!("v4l2-ctl -d {output} --set-fmt-video-out {format} {stream} < /dev/null > {log} 2>&1 &"));
        self.until("frame of vivid's output", || {
            let log = self.ssh(&format!("cat {log}"));
            assert!(!log.contains("failed"), "{log}");
            log.contains('>').then_some(())
        });
        camera
    }

    /// Waits until a device exists and belongs to its group.
    #[track_caller]
    pub fn wait_for_owner(&self, device: &str) {
        let ready = format!("[ -e {device} ] && [ $(stat -c %a {device}) = 660 ]");
        self.until(&format!("device {device} for its group"), || (self.try_ssh(&ready).code == Some(0)).then_some(()));
    }
}

impl Player<'_> {
    /// Stops the frames but keeps the device open, like a camera that hangs.
    pub fn pause(&self) {
        self.board.ssh(&format!("kill -USR1 {}", self.process));
    }

    /// Resumes the frames.
    pub fn go_on(&self) {
        self.board.ssh(&format!("kill -USR2 {}", self.process));
    }

    /// Ends the camera and returns the number of frames that it delivered.
    pub fn end(self) -> u64 {
        let (process, log) = (self.process, &self.log);
        self.board.ssh(&format!("kill {process}; while [ -e /proc/{process} ]; do sleep 0.1; done"));
        let log = self.board.ssh(&format!("cat {log}"));
        log.lines().last().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("no count of frames in: {log}"))
    }
}

/// Returns a sample photograph, scaled to cover the camera's size and cropped to it.
pub fn photograph(name: &str, width: u32, height: u32) -> RgbImage {
    let picture = image::open(sample(name)).unwrap().into_rgb8();
    let (across, down) = (f64::from(picture.width()), f64::from(picture.height()));
    let scale = f64::max(f64::from(width) / across, f64::from(height) / down);
    let (across, down) = ((across * scale).ceil() as u32, (down * scale).ceil() as u32);
    let scaled = resize(&picture, across, down, FilterType::Triangle);
    crop_imm(&scaled, (across - width) / 2, (down - height) / 2, width, height).to_image()
}

/// Returns a picture as a camera delivers it: BT.601, limited range, even sides.
///
/// A chroma sample of a subsampled plane is the mean of its pixels.
pub fn frame(picture: &RgbImage, fourcc: &str) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    assert!(width % 2 == 0, "{width}×{height} has an odd side");
    assert!(height % 2 == 0, "{width}×{height} has an odd side");
    let luma = || picture.pixels().map(|pixel| level(yuv(&[pixel.0])[0]));
    // Means of blocks with two columns and `rows` rows.
    let chroma = |rows: u32| {
        let blocks = (0..height).step_by(rows as usize).flat_map(|y| (0..width).step_by(2).map(move |x| (x, y)));
        blocks.map(move |(x, y)| {
            let pixels: Vec<[u8; 3]> =
                (0..rows).flat_map(|down| [0, 1].map(|right| picture.get_pixel(x + right, y + down).0)).collect();
            let [_, u, v] = yuv(&pixels);
            [level(u), level(v)]
        })
    };
    let pairs =
        || luma().collect::<Vec<_>>().chunks(2).map(|pair| [pair[0], pair[1]]).zip(chroma(1)).collect::<Vec<_>>();
    match fourcc {
        "YUYV" => pairs().into_iter().flat_map(|([a, b], [u, v])| [a, u, b, v]).collect(),
        "UYVY" => pairs().into_iter().flat_map(|([a, b], [u, v])| [u, a, v, b]).collect(),
        "NV12" => luma().chain(chroma(2).flatten()).collect(),
        "NV21" => luma().chain(chroma(2).flat_map(|[u, v]| [v, u])).collect(),
        "YU12" => luma().chain(chroma(2).map(|[u, _]| u)).chain(chroma(2).map(|[_, v]| v)).collect(),
        "GREY" => luma().collect(),
        "RGB3" => picture.as_raw().clone(),
        "BGR3" => picture.pixels().flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect(),
        "MJPG" => {
            let mut bytes = Vec::new();
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 90).encode_image(picture).unwrap();
            bytes
        }
        other => panic!("no frames are made in {other}"),
    }
}

/// Returns the mean Y, U and V of pixels.
fn yuv(pixels: &[[u8; 3]]) -> [f32; 3] {
    let mean = |channel: usize| pixels.iter().map(|pixel| f32::from(pixel[channel])).sum::<f32>() / pixels.len() as f32;
    let [red, green, blue] = [0, 1, 2].map(mean);
    let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    let scaled = |difference: f32, reach: f32| 128.0 + difference / reach * 112.0 / 255.0;
    [16.0 + luma * 219.0 / 255.0, scaled(blue - luma, 0.886), scaled(red - luma, 0.701)]
}

fn level(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}
