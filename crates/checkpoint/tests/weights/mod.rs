//! Shared parts of the tests of hostile weights files: builders, fixtures, and checks of memory and messages.

pub mod builders;
mod headers;
mod memory;
mod pickles;
mod values;
mod zips;

use phicam_checkpoint::Weights;

/// Returns the files saved by torch and safetensors themselves, by path.
pub fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let weights =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "pth" || ending == "safetensors"));
    let mut files: Vec<_> = weights.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

/// Parses a file, and asserts that it takes at most twice its size and 4 MiB of memory, valid or not.
pub fn read(bytes: &[u8]) -> Result<Weights, String> {
    let mut result = None;
    let memory = allocation_counter::measure(|| result = Some(Weights::parse(bytes.to_vec(), "x.pth")));
    let limit = 2 * bytes.len() as u64 + (4 << 20);
    assert!(memory.bytes_max <= limit, "{} bytes for a file of {}", memory.bytes_max, bytes.len());
    result.unwrap().map_err(|error| error.to_string())
}

/// Asserts that the file is refused with a message that contains all `parts`.
#[track_caller]
pub fn refused(bytes: &[u8], parts: &[&str]) {
    let message = read(bytes).expect_err("the file should be refused");
    assert!(message.starts_with("x.pth: "), "{message}");
    parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` is not in: {message}"));
    assert!(message.len() < 1000, "a message of {} bytes", message.len());
}

/// Asserts that a pickle is refused in both torch formats, beside the storage of [`builders::small`].
#[track_caller]
pub fn pickle_refused(pickle: &[u8], parts: &[&str]) {
    refused(&builders::torch_zip(pickle, &[("0", builders::floats(6))]), parts);
    refused(&builders::torch_legacy(pickle, &[("0", 6, builders::floats(6))]), parts);
}
