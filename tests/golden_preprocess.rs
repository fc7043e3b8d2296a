//! Preprocessing follows the input spec exactly: comparison with Pillow and libjpeg-turbo.

mod common;

use std::sync::Arc;

use common::{decoded, frame, json, levels_apart, png, reference};
use phicam_model::catalog::{Colour, Crop, Filter, InputSpec, Layout};
use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::classify::preprocess::Preprocess;

fn lite(crop: Crop) -> InputSpec {
    let (colour, layout, filter) = (Colour::Rgb, Layout::Nchw, Filter::Bicubic);
    InputSpec { colour, layout, crop, filter, mean: [127.0; 3], scale: [128.0; 3] }
}

/// Returns side, source picture, expected picture and input spec of each case.
fn cases() -> Vec<(u32, String, String, InputSpec)> {
    let cases = json("resize/cases.json");
    let read = |case: &serde_json::Value| {
        let text = |key: &str| case[key].as_str().unwrap().to_string();
        let crop =
            if case["crop"].is_string() { Crop::Border(32) } else { Crop::Share(case["crop"].as_f64().unwrap()) };
        (case["side"].as_u64().unwrap() as u32, text("source"), text("expected"), lite(crop))
    };
    cases.as_array().unwrap().iter().map(read).collect()
}

/// Returns the largest difference from Pillow over all cases, after `change` of the input spec and with crop mode
/// `view`.
fn worst(change: impl Fn(&mut InputSpec), view: CropMode) -> u8 {
    let one = |(side, source, expected, mut input_spec): (u32, String, String, InputSpec)| {
        change(&mut input_spec);
        let (size, pixels) = png(&reference(&format!("resize/{source}")));
        let mut preprocess = Preprocess::new(Arc::new(input_spec), side, view);
        let mut input = vec![0.0; 3 * (side * side) as usize];
        preprocess.run(&frame(size, &pixels), &mut input).unwrap();
        let (largest, mean) =
            levels_apart(preprocess.input_levels(), &png(&reference(&format!("resize/{expected}"))).1);
        println!("{expected}: largest {largest}, mean {mean:.4} levels");
        largest
    };
    cases().into_iter().map(one).max().unwrap()
}

#[test]
fn crop_and_resize_match_pillow_within_one_level() {
    let worst = worst(|_| {}, CropMode::Centre);
    println!("largest difference to Pillow: {worst} levels");
    assert!(worst <= 1, "{worst} levels");
}

#[test]
fn wrong_filter_or_crop_is_noticed() {
    assert!(worst(|input_spec| input_spec.filter = Filter::Bilinear, CropMode::Centre) > 8, "bilinear");
    assert!(worst(|input_spec| input_spec.crop = Crop::Border(31), CropMode::Centre) > 8, "a crop two pixels larger");
    assert!(worst(|input_spec| input_spec.crop = Crop::Share(0.5), CropMode::Centre) > 8, "another crop");
    assert!(worst(|_| {}, CropMode::Whole) > 8, "no crop");
}

/// Returns the model's input for a picture of a single colour, one value for each channel.
fn input_of(colour: [u8; 3], input_spec: InputSpec) -> [f32; 3] {
    let size = phicam_frame::Size::new(50, 40);
    let mut preprocess = Preprocess::new(Arc::new(input_spec), 32, CropMode::Centre);
    let mut input = vec![f32::NAN; 3 * 32 * 32];
    preprocess.run(&frame(size, &colour.repeat(50 * 40)), &mut input).unwrap();
    let planes: Vec<f32> = input.chunks(32 * 32).map(|plane| plane[0]).collect();
    assert!(input.chunks(32 * 32).all(|plane| plane.iter().all(|value| *value == plane[0])), "one colour stays one");
    planes.try_into().unwrap()
}

#[test]
fn levels_are_normalised_exactly_in_rgb_planes() {
    for level in 0..=255u8 {
        let values = input_of([level, 255 - level, 7], lite(Crop::Border(32)));
        let exact = |level: u8| (f32::from(level) - 127.0) / 128.0;
        assert_eq!(values, [exact(level), exact(255 - level), exact(7)], "level {level}");
    }
}

#[test]
fn input_spec_with_channel_statistics_is_followed() {
    let input_spec = InputSpec {
        colour: Colour::Bgr,
        mean: [103.5, 116.3, 123.7],
        scale: [57.4, 57.1, 58.4],
        ..lite(Crop::Share(1.0))
    };
    let expected = [(30.0 - 103.5) / 57.4, (20.0 - 116.3) / 57.1, (10.0 - 123.7) / 58.4];
    assert_eq!(input_of([10, 20, 30], input_spec), expected);
}

#[test]
fn letterboxed_crop_keeps_its_aspect_ratio() {
    let size = phicam_frame::Size::new(64, 32);
    let mut preprocess = Preprocess::new(Arc::new(lite(Crop::Border(32))), 32, CropMode::Whole);
    let mut input = vec![0.0; 3 * 32 * 32];
    preprocess.run(&frame(size, &[200; 64 * 32 * 3]), &mut input).unwrap();
    let rows: Vec<f32> = input[..32 * 32].chunks(32).map(|row| row[16]).collect();
    let inside = (200.0 - 127.0) / 128.0;
    assert!(rows[..8].iter().chain(&rows[24..]).all(|&value| value == 0.0), "{rows:?}");
    assert!(rows[8..24].iter().all(|&value| value == inside), "{rows:?}");
}

#[test]
fn jpeg_decoding_matches_libjpeg_turbo() {
    let mut cases: Vec<(std::path::PathBuf, String)> = ["420", "422", "444", "grey", "progressive", "restart"]
        .into_iter()
        .chain(["odd_420", "odd_422", "odd_progressive"])
        .map(|name| (reference(&format!("jpeg/{name}.jpg")), name.to_string()))
        .collect();
    cases.push((common::sample("chelsea.jpg"), "chelsea".into()));
    for (path, name) in cases {
        let (size, pixels) = decoded(&path);
        let (expected_size, expected) = png(&reference(&format!("jpeg/{name}.png")));
        assert_eq!(size, expected_size, "{name}");
        let (largest, mean) = levels_apart(&pixels, &expected);
        println!("{name}: largest {largest}, mean {mean:.3} levels");
        assert!(mean <= 0.6, "{name}: {mean} levels");
    }
}

#[test]
fn exif_orientations_are_turned_upright() {
    let (expected_size, expected) = png(&reference("exif/upright.png"));
    for orientation in 1..=8 {
        let (size, pixels) = decoded(&reference(&format!("exif/orientation_{orientation}.jpg")));
        assert_eq!(size, expected_size, "orientation {orientation}");
        let (largest, mean) = levels_apart(&pixels, &expected);
        assert!(mean < 2.0, "orientation {orientation}: {mean} levels, largest {largest}");
    }
}
