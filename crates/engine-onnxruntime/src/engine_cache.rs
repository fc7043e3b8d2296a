//! Cache of TensorRT engines in the state folder: building an engine takes minutes, reading one a second.
//!
//! Not every version of TensorRT detects an engine of another driver, power mode or library, and a truncated engine may
//! end the program. So each engine has a folder with a manifest: its cache key and the checksums of its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crc32fast::Hasher;
use log::{info, warn};
use serde::{Deserialize, Serialize};

use phicam_platform::paths::atomic_write;

/// Folder of the cache, below the state folder.
pub const ENGINE_CACHE_FOLDER: &str = "tensorrt";
/// Manifest of an engine folder, written last: a folder without one is incomplete.
const MANIFEST_FILE: &str = "made-of.json";
/// Engine folders to keep, the newest by manifest; an estimate of the variants and power modes that one board uses.
const MAX_FOLDERS: usize = 8;
/// Largest manifest that is read, in bytes: an estimate, a hundred times the size of real ones.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// Everything that a TensorRT engine depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// SHA-256 of the model file, side and precision.
    pub model: String,
    /// ONNX Runtime: path, length and modification time of the library.
    pub library: String,
    /// TensorRT and its parser: paths with versions, lengths and modification times of the libraries.
    pub tensorrt: String,
    /// Version of the GPU driver.
    pub driver: String,
    /// Model of the GPU, or of the board that contains it.
    pub gpu: String,
    /// Power mode, for which TensorRT tunes the engine.
    pub power: String,
}

/// Contents of the manifest.
#[derive(Serialize, Deserialize)]
struct Manifest {
    key: CacheKey,
    /// Duration of the build, in seconds.
    build_s: f64,
    /// Name, length and CRC-32 of each file.
    files: Vec<(String, u64, u32)>,
}

/// Cache folder of one engine.
#[derive(Debug)]
pub struct EngineCache {
    folder: PathBuf,
    key: CacheKey,
}

/// State of a cache folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// All files are present and undamaged, and the key matches.
    Complete,
    Empty,
    /// The files are unusable, for this reason.
    Stale(String),
}

impl EngineCache {
    /// Returns the cache folder for `key` below the state folder `state`, and creates it.
    ///
    /// Writes a test file, so that an unwritable folder is detected before a build of minutes.
    pub fn new(state: &Path, key: CacheKey) -> io::Result<EngineCache> {
        let identity = serde_json::to_string(&(&key.model, &key.power))?;
        let digest = phicam_model::catalog::sha256(identity.as_bytes());
        let folder = state.join(ENGINE_CACHE_FOLDER).join(&digest[..16]);
        fs::create_dir_all(&folder)?;
        let test_file = folder.join("write-test");
        fs::write(&test_file, b"x").and_then(|()| fs::remove_file(&test_file))?;
        Ok(EngineCache { folder, key })
    }

    /// Returns the folder for TensorRT's files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Opens the cached engine; builds, caches and logs it if it is missing or unusable.
    ///
    /// `open` reads the folder if it holds an engine, and otherwise builds an engine into it.
    pub fn open_or_build<T, E: std::fmt::Display>(&self, model: &str, open: impl Fn() -> Result<T, E>) -> Result<T, E> {
        if matches!(self.discard_stale(), Ok(CacheState::Complete)) {
            match open() {
                Ok(opened) => return Ok(opened),
                Err(error) => info!("cannot open the cached TensorRT engine for {model}: {error}; building it again"),
            }
            if let Err(error) = self.clear() {
                warn!("cannot empty {}: {error}; remove it if TensorRT keeps failing", self.folder.display());
            }
        }
        info!("building the TensorRT engine for {model}, which takes minutes");
        let start = Instant::now();
        let opened = open()?;
        if let Err(error) = self.finish(start.elapsed().as_secs_f64()) {
            warn!("cannot write {}: {error}; the engine is built again at the next start", self.folder.display());
        }
        Ok(opened)
    }

    fn clear(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.folder)?;
        fs::create_dir_all(&self.folder)
    }

    /// Returns the state of the cache; logs and removes a stale engine, so that it is built again.
    pub fn discard_stale(&self) -> io::Result<CacheState> {
        let state = self.state()?;
        if let CacheState::Stale(reason) = &state {
            info!("discarding the cached TensorRT engine: {reason}");
            self.clear()?;
        }
        Ok(state)
    }

    /// Returns the state of the cache without changing it.
    pub fn state(&self) -> io::Result<CacheState> {
        let files = engine_files(&self.folder)?;
        let manifest = match phicam_platform::paths::read_regular(&self.folder.join(MANIFEST_FILE), MAX_MANIFEST_BYTES)
        {
            Ok(bytes) => bytes,
            Err(_) if files.is_empty() => return Ok(CacheState::Empty),
            Err(_) => return Ok(CacheState::Stale("its build was interrupted".into())),
        };
        let Ok(manifest) = serde_json::from_slice::<Manifest>(&manifest) else {
            return Ok(CacheState::Stale(format!("{MANIFEST_FILE} is damaged")));
        };
        if let Some(difference) = self.key.difference(&manifest.key) {
            return Ok(CacheState::Stale(difference));
        }
        let files: io::Result<Vec<_>> = files.iter().map(|path| file_entry(path)).collect();
        let files = files?;
        Ok(match manifest.files.iter().find(|entry| !files.contains(entry)) {
            Some((name, ..)) => CacheState::Stale(format!("{name} is damaged")),
            None if manifest.files.is_empty() => CacheState::Stale("it has no files".into()),
            None => CacheState::Complete,
        })
    }

    /// Writes the manifest after the first successful inference, and removes the oldest folders over [`MAX_FOLDERS`].
    ///
    /// `build_s` is the duration of the build in seconds.
    pub fn finish(&self, build_s: f64) -> io::Result<()> {
        let files: io::Result<Vec<_>> = engine_files(&self.folder)?.iter().map(|path| file_entry(path)).collect();
        let manifest = Manifest { key: self.key.clone(), build_s, files: files? };
        atomic_write(&self.folder.join(MANIFEST_FILE), &serde_json::to_vec_pretty(&manifest)?)?;
        self.remove_excess();
        Ok(())
    }

    fn remove_excess(&self) {
        let Some(parent) = self.folder.parent() else { return };
        let finished =
            |folder: &PathBuf| fs::metadata(folder.join(MANIFEST_FILE)).and_then(|manifest| manifest.modified()).ok();
        let mut folders: Vec<PathBuf> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect();
        folders.retain(|folder| folder != &self.folder);
        folders.sort_by_key(finished);
        for old in folders.iter().rev().skip(MAX_FOLDERS - 1) {
            if let Err(error) = fs::remove_dir_all(old) {
                warn!("cannot remove {}: {error}; remove it to free space", old.display());
            }
        }
    }
}

impl CacheKey {
    /// Returns the first difference from the key `built` of a cached engine; `None` if the keys are equal.
    fn difference(&self, built: &CacheKey) -> Option<String> {
        let parts = [
            ("the model", &self.model, &built.model),
            ("ONNX Runtime", &self.library, &built.library),
            ("TensorRT", &self.tensorrt, &built.tensorrt),
            ("the driver", &self.driver, &built.driver),
            ("the GPU", &self.gpu, &built.gpu),
            ("the power mode", &self.power, &built.power),
        ];
        let (part, present, built) = parts.into_iter().find(|(_, present, built)| present != built)?;
        Some(format!("{part} changed from {built} to {present}"))
    }
}

/// Returns the expected duration of a build in seconds: the longest one in the cache below `state`; `None` if it is
/// empty.
pub fn expected_build_s(state: &Path) -> Option<f64> {
    let entries = fs::read_dir(state.join(ENGINE_CACHE_FOLDER)).into_iter().flatten().flatten();
    let build_s = |entry: fs::DirEntry| {
        let path = entry.path().join(MANIFEST_FILE);
        let manifest = phicam_platform::paths::read_regular(&path, MAX_MANIFEST_BYTES).ok()?;
        Some(serde_json::from_slice::<Manifest>(&manifest).ok()?.build_s)
    };
    entries.filter_map(build_s).filter(|seconds| seconds.is_finite()).max_by(f64::total_cmp)
}

/// Returns the files of an engine, sorted, without the manifest.
fn engine_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // TensorRT rewrites its timing and profile files from time to time, and needs neither of them.
        let is_optional = path.extension().is_some_and(|extension| extension == "timing" || extension == "profile");
        if !is_optional && path.file_name().is_some_and(|name| name != MANIFEST_FILE) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns name, length and CRC-32 of a file.
fn file_entry(path: &Path) -> io::Result<(String, u64, u32)> {
    let mut hasher = Hasher::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    let mut length = 0;
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => break,
            count => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
        }
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((name, length, hasher.finalize()))
}

#[cfg(test)]
mod tests;
