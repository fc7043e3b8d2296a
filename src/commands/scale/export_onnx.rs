//! `phicam scale … --onnx FILE`: exports a network with random weights, to time a size that has no trained weights.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use super::NetworkAtSize;
use phicam_model::efficientnet::{ExportOptions, Padding, Storage, write_seeded};
use phicam_platform::paths::atomic_write_with;

/// Limit of protocol buffers, and so of ONNX files.
const MAX_ONNX_BYTES: u64 = (1 << 31) - 1;
/// Bytes beside the weights, for names, shapes and nodes: an estimate with a wide margin.
const GRAPH_BYTES: u64 = 8 << 20;

/// Exported file.
pub struct ExportedFile {
    file: PathBuf,
    bytes: u64,
    seed: u64,
}

/// Returns the form in which networks are exported.
pub fn onnx_form(sized_network: &NetworkAtSize) -> ExportOptions {
    ExportOptions { side: sized_network.side, padding: Padding::Same, storage: Storage::Single }
}

/// Fails if an ONNX file cannot hold the weights.
pub fn check_size(sized_network: &NetworkAtSize) -> anyhow::Result<()> {
    let weights = 4 * sized_network.cost.folded_parameters;
    anyhow::ensure!(
        weights + GRAPH_BYTES <= MAX_ONNX_BYTES,
        "the network is too large for ONNX: its weights have {weights} bytes, a file holds at most {MAX_ONNX_BYTES}; \
         choose a smaller φ or fewer classes"
    );
    Ok(())
}

/// Writes the network to `path`, atomically.
pub fn write(path: &Path, sized_network: &NetworkAtSize, seed: u64) -> anyhow::Result<ExportedFile> {
    check_size(sized_network).with_context(|| path.display().to_string())?;
    let form = onnx_form(sized_network);
    let written = atomic_write_with(path, |file| write_seeded(&sized_network.network, form, seed, file));
    let bytes = written.with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(ExportedFile { file: path.into(), bytes, seed })
}

impl ExportedFile {
    pub fn to_json(&self) -> Value {
        json!({ "file": self.file, "bytes": self.bytes, "seed": self.seed })
    }

    pub fn write_summary(&self, sized_network: &NetworkAtSize, out: &mut dyn Write) -> std::io::Result<()> {
        let (file, side) = (self.file.display(), sized_network.side);
        writeln!(out, "\n{file}: {} bytes, random weights of seed {}, {side} × {side} pixels", self.bytes, self.seed)?;
        // `--model` takes a name without folder and extension for a variant's.
        let prefix = if self.file.components().count() == 1 { "./" } else { "" };
        writeln!(out, "time it with: phicam bench --model '{prefix}{file}'")
    }
}
