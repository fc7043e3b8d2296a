//! Shared test support: paths, frames from pictures, reference scores and differences.
#![allow(dead_code)] // each test file uses a part of it

use std::path::{Path, PathBuf};
use std::time::Instant;

use phicam_frame::{Frame, FrameInfo, FramePool, Size};

pub mod board;
pub mod deploy_harness;
pub mod gstreamer;
pub mod patience;
pub mod pipeline;
pub mod program;
pub mod random_models;
pub mod user_models;

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the path of a file by Pillow, numpy or ONNX Runtime; tests/reference/README.md describes these files.
pub fn reference(path: &str) -> PathBuf {
    root().join("tests/reference").join(path)
}

pub fn sample(name: &str) -> PathBuf {
    root().join("samples").join(name)
}

/// Returns the sample photographs, sorted by name.
pub fn photographs() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("samples")).unwrap().map(|entry| entry.unwrap().path());
    let mut photographs: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "jpg")).collect();
    photographs.sort();
    assert!(photographs.len() >= 18);
    photographs
}

pub fn catalog() -> phicam_model::catalog::Catalog {
    phicam_model::catalog::Catalog::read(&root().join("models")).unwrap()
}

/// Returns size and pixels of a PNG, decoded by a library that the program does not use for the same file.
pub fn png(path: &Path) -> (Size, Vec<u8>) {
    let picture = image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8();
    (Size::new(picture.width(), picture.height()), picture.into_raw())
}

/// Returns size and pixels of a picture file, decoded by the program's decoder.
pub fn decoded(path: &Path) -> (Size, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let mut pixels = Vec::new();
    let size =
        phicam_frame::decode::decode(&bytes, &mut pixels).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (size, pixels)
}

pub fn frame(size: Size, pixels: &[u8]) -> Frame {
    let fill = |bytes: &mut Vec<u8>| {
        bytes.extend_from_slice(pixels);
        Ok::<_, ()>(FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 })
    };
    FramePool::default().fill(fill).unwrap()
}

/// Returns the scores in a file of little-endian f32.
pub fn scores(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect()
}

pub fn json(path: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(reference(path)).unwrap()).unwrap()
}

/// Returns the largest absolute difference between two lists of scores.
pub fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Returns the largest and the mean difference between two pictures, in levels.
pub fn levels_apart(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let differences = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    let sum: u64 = differences().map(u64::from).sum();
    (differences().max().unwrap_or(0), sum as f64 / a.len() as f64)
}

/// Returns the index of the largest score.
pub fn best(scores: &[f32]) -> usize {
    (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap()
}
