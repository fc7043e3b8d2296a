//! What the tests of hostile weights files share: how they are made, and how a refusal is looked at.

mod headers;
pub mod made;
mod memory;
mod pickles;
mod values;
mod zips;

use phicam_checkpoint::Weights;

/// The files that torch and safetensors really saved.
pub fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let weights =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "pth" || ending == "safetensors"));
    let mut files: Vec<_> = weights.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect();
    files.sort();
    files
}

/// Reads the file; it may take no more memory than twice its size and 4 MiB, whether it is sound or not.
pub fn read(bytes: &[u8]) -> Result<Weights, String> {
    let mut result = None;
    let memory = allocation_counter::measure(|| result = Some(Weights::parse(bytes.to_vec(), "x.pth")));
    let limit = 2 * bytes.len() as u64 + (4 << 20);
    assert!(memory.bytes_max <= limit, "{} bytes for a file of {}", memory.bytes_max, bytes.len());
    result.unwrap().map_err(|error| error.to_string())
}

/// The file is refused, and all of `said` is in the message.
#[track_caller]
pub fn refused(bytes: &[u8], said: &[&str]) {
    let message = read(bytes).expect_err("it should be refused");
    assert!(message.starts_with("x.pth: "), "{message}");
    said.iter().for_each(|part| assert!(message.contains(part), "`{part}` is not in: {message}"));
    assert!(message.len() < 1000, "a message of {} bytes", message.len());
}

/// A pickle is refused in both of torch's forms, with storages that would suit [`made::small`].
#[track_caller]
pub fn pickle_refused(pickle: &[u8], said: &[&str]) {
    refused(&made::torch_zip(pickle, &[("0", made::floats(6))]), said);
    refused(&made::torch_legacy(pickle, &[("0", 6, made::floats(6))]), said);
}
