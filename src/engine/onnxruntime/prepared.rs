//! What TensorRT built for a model, kept in the state folder: building takes minutes, reading it a second.
//!
//! TensorRT itself does not tell a built engine of another driver, power mode or library in every version, and one that is cut
//! short may end the program. So each has a folder of its own, with a note of all that it depends on and of what it consists of.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crc32fast::Hasher;
use log::{info, warn};
use serde::{Deserialize, Serialize};

use crate::places::replace_file;

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
        let digest = crate::catalog::sha256(named.as_bytes());
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

    /// What is there. What cannot be used is taken away, announced, so that it is built anew.
    pub fn look(&self) -> io::Result<Found> {
        let found = self.judge()?;
        if let Found::Stale(why) = &found {
            info!("what TensorRT built before is built anew: {why}");
            fs::remove_dir_all(&self.folder)?;
            fs::create_dir_all(&self.folder)?;
        }
        Ok(found)
    }

    /// The same, and nothing is changed.
    pub fn judge(&self) -> io::Result<Found> {
        let files = files(&self.folder)?;
        let note = match crate::places::read_regular(&self.folder.join(NOTE), LONGEST_NOTE) {
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
        replace_file(&self.folder.join(NOTE), &serde_json::to_vec_pretty(&note)?)?;
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
    let read = |path: PathBuf| crate::places::read_regular(&path, LONGEST_NOTE).ok();
    let seconds = notes.filter_map(read).filter_map(|note| Some(serde_json::from_slice::<Note>(&note).ok()?.build_s));
    seconds.filter(|seconds| seconds.is_finite()).max_by(f64::total_cmp)
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name != NOTE) {
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
mod tests {
    use super::*;

    fn key() -> Key {
        let [model, library, tensorrt, driver, gpu, power] =
            ["lite0", "1.23.2", "10.3", "540.4", "Orin", "15W"].map(String::from);
        Key { model, library, tensorrt, driver, gpu, power }
    }

    fn built(state: &Path) -> Prepared {
        let prepared = Prepared::new(state, key()).unwrap();
        assert_eq!(prepared.look().unwrap(), Found::Nothing);
        fs::write(prepared.folder().join("a.engine"), b"built in minutes").unwrap();
        prepared.finish(200.0).unwrap();
        prepared
    }

    #[test]
    fn what_was_finished_is_found_whole_and_what_was_not_is_taken_away() {
        let state = tempfile::tempdir().unwrap();
        let prepared = built(state.path());
        assert_eq!(prepared.look().unwrap(), Found::Whole);
        assert_eq!(expected_s(state.path()), Some(200.0));
        fs::remove_file(prepared.folder().join(NOTE)).unwrap();
        assert!(matches!(prepared.look().unwrap(), Found::Stale(why) if why.contains("not finished")));
        assert_eq!(prepared.look().unwrap(), Found::Nothing);
    }

    #[test]
    fn an_engine_that_is_cut_short_or_changed_is_built_anew() {
        for damage in [&b"built in"[..], b"built in hours!!", b""] {
            let state = tempfile::tempdir().unwrap();
            let prepared = built(state.path());
            fs::write(prepared.folder().join("a.engine"), damage).unwrap();
            assert!(matches!(prepared.look().unwrap(), Found::Stale(why) if why.contains("a.engine is damaged")));
            assert_eq!(prepared.look().unwrap(), Found::Nothing);
        }
        let state = tempfile::tempdir().unwrap();
        let prepared = built(state.path());
        fs::write(prepared.folder().join(NOTE), b"{\"key\":").unwrap();
        assert!(matches!(prepared.look().unwrap(), Found::Stale(why) if why.contains("note is damaged")));
    }

    #[test]
    fn it_is_stale_when_anything_that_it_depends_on_is_another() {
        let changes: [(fn(&mut Key), &str); 4] = [
            (|key| key.library = "1.24".into(), "ONNX Runtime was 1.23.2 and is 1.24"),
            (|key| key.tensorrt = "10.7".into(), "TensorRT was 10.3"),
            (|key| key.driver = "541".into(), "the driver was 540.4"),
            (|key| key.gpu = "Xavier".into(), "the GPU was Orin"),
        ];
        for (change, said) in changes {
            let state = tempfile::tempdir().unwrap();
            built(state.path());
            let mut other = key();
            change(&mut other);
            let found = Prepared::new(state.path(), other).unwrap().look().unwrap();
            assert!(matches!(&found, Found::Stale(why) if why.contains(said)), "{found:?}");
        }
    }

    #[test]
    fn another_model_or_power_mode_has_a_folder_of_its_own() {
        let state = tempfile::tempdir().unwrap();
        let prepared = built(state.path());
        for other in [Key { model: "lite2".into(), ..key() }, Key { power: "25W".into(), ..key() }] {
            assert_eq!(Prepared::new(state.path(), other).unwrap().look().unwrap(), Found::Nothing);
        }
        assert_eq!(prepared.look().unwrap(), Found::Whole);
    }

    #[test]
    fn the_oldest_go_when_there_are_many() {
        let state = tempfile::tempdir().unwrap();
        for model in 0..12 {
            let prepared = Prepared::new(state.path(), Key { model: model.to_string(), ..key() }).unwrap();
            fs::write(prepared.folder().join("a.engine"), b"x").unwrap();
            prepared.finish(200.0).unwrap();
        }
        assert_eq!(fs::read_dir(state.path().join(FOLDER)).unwrap().count(), MOST_FOLDERS);
    }
}
