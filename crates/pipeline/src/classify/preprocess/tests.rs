use std::hint::black_box;
use std::time::Instant;

use super::*;
use phicam_frame::{Coding, FrameInfo, Layout as FrameLayout, Matrix, PixelFormat, Plane, Range};
use phicam_model::catalog::Crop;

/// Returns a YUYV camera frame with pseudorandom bytes.
fn camera_frame(size: Size) -> Frame {
    let stride = size.width as usize * 2;
    let bytes: Vec<u8> = (0..stride * size.height as usize)
        .map(|n| ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect();
    let planes = [Plane { stride, ..Plane::default() }, Plane::default(), Plane::default()];
    let coding = Coding { matrix: Matrix::Bt601, range: Range::Limited };
    let layout = FrameLayout { size, format: PixelFormat::Yuyv, coding, planes };
    let info = FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 };
    Frame::new(Arc::new(bytes), layout, info)
}

fn preprocess(side: u32) -> Preprocess {
    let input_spec = InputSpec {
        colour: Colour::Rgb,
        layout: Layout::Nchw,
        crop: Crop::Border(32),
        filter: Filter::Bicubic,
        mean: [127.0; 3],
        scale: [128.0; 3],
    };
    Preprocess::new(Arc::new(input_spec), side, CropMode::default())
}

/// Returns the shortest of 200 runs, in milliseconds.
fn min_ms(mut run: impl FnMut()) -> f64 {
    let time_once = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1000.0
    };
    (0..200).map(time_once).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "benchmark: cargo test --release -p phicam-pipeline -- --ignored --nocapture preprocess_time"]
fn preprocess_time_is_printed() {
    let frame = camera_frame(Size::new(1280, 720));
    let mut copy = vec![0; frame.part(0).len()];
    let copy_ms = min_ms(|| black_box(&mut copy).copy_from_slice(black_box(frame.part(0))));
    println!("copy of {} bytes: {copy_ms:.3} ms", copy.len());
    for side in [96, 224, 320] {
        let mut preprocess = preprocess(side);
        let mut input = vec![0.0; 3 * (side * side) as usize];
        let total_ms = min_ms(|| {
            black_box(preprocess.run(&frame, &mut input).unwrap());
        });
        let area = preprocess.region(frame.size());
        let mut pixels = phicam_frame::color_convert::RgbConverter::default();
        let mut row = vec![[0; 3]; area.width as usize];
        let colours_ms = min_ms(|| {
            for y in area.top..area.top + area.height {
                pixels.convert_row(&frame, y, area.left, &mut row).unwrap();
                black_box(&row);
            }
        });
        let normalise_ms = min_ms(|| preprocess.normalise(&mut input));
        println!(
            "{side}: {}×{} pixels, {} bytes of the frame; {total_ms:.3} ms, {:.1} copies; colours {colours_ms:.3} ms, \
             normalise {normalise_ms:.3} ms, resize {:.3} ms",
            area.width,
            area.height,
            area.width * area.height * 2,
            total_ms / copy_ms,
            total_ms - colours_ms - normalise_ms
        );
    }
}

#[test]
#[ignore = "benchmark: cargo test --release -p phicam-pipeline -- --ignored --nocapture jpeg_time"]
fn jpeg_time_is_printed() {
    let photograph = image::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/dog.jpg")).unwrap().into_rgb8();
    let photograph = image::imageops::resize(&photograph, 1280, 720, image::imageops::FilterType::Triangle);
    let (mut jpeg, mut pixels) = (Vec::new(), Vec::new());
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 85).encode_image(&photograph).unwrap();
    let ms = min_ms(|| {
        phicam_frame::decode::decode(black_box(&jpeg), &mut pixels).unwrap();
    });
    println!("JPEG of {} bytes: {ms:.2} ms, {:.2} ms per megapixel", jpeg.len(), ms / 0.9216);
}
