//! `phicam scale … --onnx FILE`: a network with seeded weights, to time at a size that nobody has trained.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::{Value, json};

use super::Sized;
use phicam_model::efficientnet::{Form, Padding, Storage, write_seeded};
use phicam_platform::paths::atomic_write_with;

/// Protocol buffers, and so ONNX files, hold no more.
const MOST_BYTES: u64 = (1 << 31) - 1;
/// Bytes beside the weights: names, shapes, nodes.
const ROOM_FOR_GRAPH: u64 = 8 << 20;

/// A file that was written.
pub struct Written {
    file: PathBuf,
    bytes: u64,
    seed: u64,
}

/// How it is written.
pub fn form(sized: &Sized) -> Form {
    Form { side: sized.side, padding: Padding::Same, storage: Storage::Single }
}

/// Whether its weights fit into a file at all.
pub fn check_size(sized: &Sized) -> anyhow::Result<()> {
    let weights = 4 * sized.cost.folded_parameters;
    anyhow::ensure!(
        weights + ROOM_FOR_GRAPH <= MOST_BYTES,
        "the weights have {weights} bytes, an ONNX file holds at most {MOST_BYTES}: choose a smaller φ or fewer classes"
    );
    Ok(())
}

/// Writes the network into `path`, whole or not at all.
pub fn write(path: &Path, sized: &Sized, seed: u64) -> anyhow::Result<Written> {
    check_size(sized).with_context(|| path.display().to_string())?;
    let written = atomic_write_with(path, |file| write_seeded(&sized.network, form(sized), seed, file));
    let bytes = written.with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(Written { file: path.into(), bytes, seed })
}

impl Written {
    pub fn as_json(&self) -> Value {
        json!({ "file": self.file, "bytes": self.bytes, "seed": self.seed })
    }

    pub fn tell(&self, sized: &Sized, out: &mut dyn Write) -> std::io::Result<()> {
        let (file, side) = (self.file.display(), sized.side);
        writeln!(out, "\n{file}: {} bytes, weights of seed {}, for {side} × {side} pixels", self.bytes, self.seed)?;
        let plain = self.file.components().count() == 1; // else a name without an ending would be taken for a variant's
        writeln!(out, "time it with: phicam bench --model '{}{file}'", if plain { "./" } else { "" })
    }
}
