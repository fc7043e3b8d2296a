//! What TensorRT built for a model, kept in the state folder: building takes minutes, reading it a second.
//!
//! TensorRT itself does not tell a built engine of another driver, power mode or library in every version, and one that is cut
//! short may end the program. So each has a folder of its own, with a note of all that it depends on and of what it consists of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crc32fast::Hasher;
use log::{info, warn};
use serde::{Deserialize, Serialize};

use phicam_platform::paths::atomic_write;

/// Folder below the state folder.
pub const FOLDER: &str = "tensorrt";
/// The note in each folder. It is written last: a folder without one is not finished.
const NOTE: &str = "made-of.json";
/// Folders that are kept: those last used.
const MOST_FOLDERS: usize = 8;
/// A note is not longer than this.
const LONGEST_NOTE: u64 = 1 << 20;

/// All that a built engine depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// SHA-256 of the model's file, its side, and whether numbers may be halved or quantised.
    pub model: String,
    /// ONNX Runtime: name, length and time of its file.
    pub library: String,
    /// TensorRT and its parser: names with versions, lengths and times of their files.
    pub tensorrt: String,
    /// The GPU's driver.
    pub driver: String,
    /// Which GPU, or which board it is a part of.
    pub gpu: String,
    /// The power mode that it was tuned in.
    pub power: String,
}

/// What a finished folder holds.
#[derive(Serialize, Deserialize)]
struct Note {
    key: Key,
    /// Seconds that building took.
    build_s: f64,
    /// Name, length and CRC-32 of each file.
    files: Vec<(String, u64, u32)>,
}

/// The place of what is built for one key.
#[derive(Debug)]
pub struct Prepared {
    folder: PathBuf,
    key: Key,
}

/// What is there for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// All of it, as it was finished.
    Whole,
    /// Nothing yet.
    Nothing,
    /// Something that cannot be used, and was taken away: why.
    Stale(String),
}

impl Prepared {
    /// Below the folder `state`; made if need be, so that what cannot be written is known before minutes are spent.
    pub fn new(state: &Path, key: Key) -> io::Result<Prepared> {
        let named = serde_json::to_string(&(&key.model, &key.power))?;
        let digest = phicam_model::catalog::sha256(named.as_bytes());
        let folder = state.join(FOLDER).join(&digest[..16]);
        fs::create_dir_all(&folder)?;
        let tried = folder.join("try");
        fs::write(&tried, b"x").and_then(|()| fs::remove_file(&tried))?;
        Ok(Prepared { folder, key })
    }

    /// Where TensorRT keeps it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens what is there; where that cannot be used, or is not there, what `open` builds is kept, announced.
    pub fn open_or_build<T, E: std::fmt::Display>(&self, model: &str, open: impl Fn() -> Result<T, E>) -> Result<T, E> {
        if matches!(self.look(), Ok(Found::Whole)) {
            match open() {
                Ok(opened) => return Ok(opened),
                Err(error) => info!("what TensorRT built before cannot be used: {error}"),
            }
            if let Err(error) = self.empty() {
                warn!("{} cannot be emptied: {error}", self.folder.display());
            }
        }
        info!("TensorRT builds its engine for {model}, which takes minutes");
        let start = Instant::now();
        let opened = open()?;
        if let Err(error) = self.finish(start.elapsed().as_secs_f64()) {
            warn!("{} cannot be written ({error}): it is built anew at the next start", self.folder.display());
        }
        Ok(opened)
    }

    fn empty(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)?;
        fs::create_dir_all(&self.folder)
    }

    /// What is there. What cannot be used is taken away, announced, so that it is built anew.
    pub fn look(&self) -> io::Result<Found> {
        let found = self.judge()?;
        if let Found::Stale(why) = &found {
            info!("what TensorRT built before is built anew: {why}");
            self.empty()?;
        }
        Ok(found)
    }

    /// The same, and nothing is changed.
    pub fn judge(&self) -> io::Result<Found> {
        let files = files(&self.folder)?;
        let note = match phicam_platform::paths::read_regular(&self.folder.join(NOTE), LONGEST_NOTE) {
            Ok(bytes) => bytes,
            Err(_) if files.is_empty() => return Ok(Found::Nothing),
            Err(_) => return Ok(Found::Stale("it was not finished".into())),
        };
        let Ok(note) = serde_json::from_slice::<Note>(&note) else {
            return Ok(Found::Stale("its note is damaged".into()));
        };
        if let Some(other) = self.key.differs_from(&note.key) {
            return Ok(Found::Stale(other));
        }
        let summed: io::Result<Vec<_>> = files.iter().map(|path| sum(path)).collect();
        let summed = summed?;
        Ok(match note.files.iter().find(|file| !summed.contains(file)) {
            Some((name, ..)) => Found::Stale(format!("{name} is damaged")),
            None if note.files.is_empty() => Found::Stale("there is nothing in it".into()),
            None => Found::Whole,
        })
    }

    /// Says that all of it is there, once the first inference has come back; it took so many seconds. The oldest of other
    /// models go.
    pub fn finish(&self, build_s: f64) -> io::Result<()> {
        let summed: io::Result<Vec<_>> = files(&self.folder)?.iter().map(|path| sum(path)).collect();
        let note = Note { key: self.key.clone(), build_s, files: summed? };
        atomic_write(&self.folder.join(NOTE), &serde_json::to_vec_pretty(&note)?)?;
        self.sweep();
        Ok(())
    }

    fn sweep(&self) {
        let Some(all) = self.folder.parent() else { return };
        let used = |folder: &PathBuf| fs::metadata(folder.join(NOTE)).and_then(|note| note.modified()).ok();
        let mut folders: Vec<PathBuf> = fs::read_dir(all)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect();
        folders.retain(|folder| folder != &self.folder);
        folders.sort_by_key(used);
        for old in folders.iter().rev().skip(MOST_FOLDERS - 1) {
            if let Err(error) = fs::remove_dir_all(old) {
                warn!("{} cannot be removed: {error}; it takes up space", old.display());
            }
        }
    }
}

impl Key {
    /// What is not as it was when the engine was built.
    fn differs_from(&self, before: &Key) -> Option<String> {
        let parts = [
            ("the model", &self.model, &before.model),
            ("ONNX Runtime", &self.library, &before.library),
            ("TensorRT", &self.tensorrt, &before.tensorrt),
            ("the driver", &self.driver, &before.driver),
            ("the GPU", &self.gpu, &before.gpu),
            ("the power mode", &self.power, &before.power),
        ];
        let (what, now, before) = parts.into_iter().find(|(_, now, before)| now != before)?;
        Some(format!("{what} was {before} and is {now}"))
    }
}

/// Seconds that building an engine will take, by the longest that is remembered in the folder `state`; nothing where none is.
pub fn expected_s(state: &Path) -> Option<f64> {
    let notes = fs::read_dir(state.join(FOLDER)).into_iter().flatten().flatten().map(|entry| entry.path().join(NOTE));
    let read = |path: PathBuf| phicam_platform::paths::read_regular(&path, LONGEST_NOTE).ok();
    let seconds = notes.filter_map(read).filter_map(|note| Some(serde_json::from_slice::<Note>(&note).ok()?.build_s));
    seconds.filter(|seconds| seconds.is_finite()).max_by(f64::total_cmp)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // What TensorRT writes anew now and then, and can do without, is not checked.
        let other = |name: &std::ffi::OsStr| {
            name != NOTE && !path.extension().is_some_and(|of| of == "timing" || of == "profile")
        };
        if path.file_name().is_some_and(other) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn sum(path: &Path) -> io::Result<(String, u64, u32)> {
    let mut hasher = Hasher::new();
    let mut file = fs::File::open(path)?;
    let (mut part, mut length) = (vec![0; 1 << 16], 0);
    loop {
        match io::Read::read(&mut file, &mut part)? {
            0 => break,
            count => {
                hasher.update(&part[..count]);
                length += count as u64;
            }
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, length, hasher.finalize()))
}

#[cfg(test)]
mod tests;
