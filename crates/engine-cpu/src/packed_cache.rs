//! Packed weights kept in the state folder, so that a restart neither decodes nor packs a model.
//!
//! They are read into memory rather than mapped: a card that fails is then an error and not the program's end, and what was
//! checked stays as it was.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crc32fast::Hasher;
use log::{debug, info, warn};
use phicam_kernels::layers::Shape;
use phicam_kernels::{Program, Settings, StoredError};

use phicam_model::catalog::Variant;
use phicam_platform::paths;

/// Folder below the state folder.
const FOLDER: &str = "packed";
/// What their names end in.
const ENDING: &str = "packed";
/// How a file begins. Its number changes with the order of what follows: key, program, checksum of all before.
const MAGIC: &[u8; 16] = b"phicam packed 1\n";
/// Bytes of the longest key that is read.
const LONGEST_KEY: usize = 4096;
/// Files that are kept, and their bytes together: the newest, whatever they have.
const MOST_FILES: usize = 6;
const MOST_BYTES: u64 = 256 << 20;
/// A file that nobody finished by then was left by a program that ended in the middle.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The place of one variant's packed weights.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    /// All that they depend on.
    key: String,
    picture: Shape,
    settings: Settings,
}

/// Why a file was not used.
enum Refused {
    /// It is whole, but made of something else or for another program.
    Other,
    Damaged(String),
}

impl Kept {
    /// Below the folder `state`; nothing where the variant's file or this program cannot be told from others.
    pub fn of(variant: &Variant, state: &Path, settings: Settings) -> Option<Kept> {
        let kernels = settings.kernels;
        let (hash, side, version) = (&variant.network.sha256, variant.side, env!("CARGO_PKG_VERSION"));
        let program = std::env::current_exe().and_then(std::fs::metadata).ok()?;
        let (program, file) = (paths::fingerprint(&program), variant.network.fingerprint()?);
        let key = format!(
            "phicam {version} ({program}), {kernels:?} × {}, {hash} ({file}) @ {side} {:?}",
            kernels.lanes, variant.input.layout
        );
        let name = format!("{}-{side}-{}.{ENDING}", hash.get(..16).unwrap_or(hash), kernels.name);
        let side = side as usize;
        let picture = Shape { height: side, width: side, channels: 3 };
        Some(Kept { path: state.join(FOLDER).join(name), key, picture, settings })
    }

    /// The program, where it was kept and is whole; what is wrong is said.
    pub fn read(&self) -> Option<Program> {
        let path = self.path.display();
        match self.read_whole() {
            Ok(program) => return program,
            Err(Refused::Other) => info!("{path} is of another program, file or CPU: packing anew"),
            Err(Refused::Damaged(how)) => warn!("{path} is damaged ({how}): packing anew"),
        }
        None
    }

    fn read_whole(&self) -> Result<Option<Program>, Refused> {
        let there = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            there => there.map_err(damaged)?,
        };
        if !there.is_file() {
            return Err(Refused::Damaged("it is no regular file".into()));
        }
        let file = BufReader::with_capacity(1 << 16, File::open(&self.path).map_err(damaged)?);
        let mut from = Summed { inner: file, sum: Hasher::new() };
        let mut head = [0; MAGIC.len() + 4];
        from.read_exact(&mut head).map_err(damaged)?;
        let (magic, length) = head.split_at(MAGIC.len());
        let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if magic != MAGIC || length > LONGEST_KEY {
            return Err(Refused::Damaged("it begins otherwise".into()));
        }
        let mut key = vec![0; length];
        from.read_exact(&mut key).map_err(damaged)?;
        if key != self.key.as_bytes() {
            return Err(Refused::Other);
        }
        let program =
            Program::read(&mut from, there.len(), self.picture, self.settings).map_err(|error| match error {
                StoredError::Io(error) => damaged(error),
                StoredError::Wrong(what) => Refused::Damaged(what),
            })?;
        let sum = from.sum.finalize().to_le_bytes();
        let mut end = Vec::new();
        from.inner.take(sum.len() as u64 + 1).read_to_end(&mut end).map_err(damaged)?;
        if end != sum {
            return Err(Refused::Damaged("its checksum is another".into()));
        }
        match program.output() {
            Shape { height: 1, width: 1, .. } => Ok(Some(program)),
            other => Err(Refused::Damaged(format!("it gives {other:?}"))),
        }
    }

    /// Keeps `program`; a disk that does not take it is announced, once.
    pub fn write(&self, program: &Program) {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        static WAS_SAID: AtomicBool = AtomicBool::new(false);
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let path = self.path.display();
        match self.write_whole(program) {
            Ok(()) => debug!("{path} written: the next start is quicker"),
            Err(error) if WAS_SAID.swap(true, Ordering::Relaxed) => debug!("{path} cannot be written ({error})"),
            Err(error) => warn!(
                "{path} cannot be written ({error}): packed anew at every start; PHICAM_STATE names another folder"
            ),
        }
    }

    fn write_whole(&self, program: &Program) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        paths::atomic_write_with(&self.path, |file| {
            let mut out = Summed { inner: file, sum: Hasher::new() };
            out.write_all(MAGIC)?;
            out.write_all(&(self.key.len() as u32).to_le_bytes())?;
            out.write_all(self.key.as_bytes())?;
            program.write(&mut out)?;
            let sum = out.sum.finalize();
            out.inner.write_all(&sum.to_le_bytes())
        })?;
        sweep(folder)
    }
}

fn damaged(error: io::Error) -> Refused {
    Refused::Damaged(match error.kind() {
        io::ErrorKind::UnexpectedEof => "it ends too early".into(),
        _ => error.to_string(),
    })
}

/// How many files are kept below the folder `state`, and their bytes.
pub fn kept(state: &Path) -> (usize, u64) {
    let entries = std::fs::read_dir(state.join(FOLDER)).into_iter().flatten().flatten();
    let packed = entries.filter(|entry| entry.path().extension() == Some(ENDING.as_ref()));
    packed
        .filter_map(|entry| entry.metadata().ok())
        .fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.len()))
}

/// Removes the oldest beyond the limits, and what others left half written.
fn sweep(folder: &Path) -> io::Result<()> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Another program may tidy up at the same time.
        let Ok(there) = entry.metadata() else { continue };
        let changed = there.modified()?;
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(ENDING) => found.push((changed, there.len(), path)),
            Some("new") if changed.elapsed().is_ok_and(|age| age > ABANDONED) => remove(&path)?,
            _ => {}
        }
    }
    found.sort();
    let mut bytes = 0;
    for (count, (_, length, path)) in found.into_iter().rev().enumerate() {
        bytes += length;
        if count > 0 && (count >= MOST_FILES || bytes > MOST_BYTES) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Removes a file that may be gone already.
fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Adds up what passes.
struct Summed<T> {
    inner: T,
    sum: Hasher,
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;
