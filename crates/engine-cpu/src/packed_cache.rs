//! Cache of packed weights in the state folder, so that a restart neither decodes nor packs a model.
//!
//! File format: magic, key (length and text), program, CRC-32 of all bytes before it.
//!
//! Files are read, not mapped. A failing SD card then returns an error instead of raising SIGBUS, and checked bytes
//! cannot change afterwards.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crc32fast::Hasher;
use log::{debug, info, warn};
use parking_lot::Mutex;
use phicam_kernels::layers::Shape;
use phicam_kernels::{DeserializeError, Program, Settings};

use phicam_model::catalog::Variant;
use phicam_platform::paths;

/// Folder of the cache, below the state folder.
const FOLDER: &str = "packed-weights";
/// Former name of [`FOLDER`], renamed on first use.
const FORMER_FOLDER: &str = "packed";
/// Extension of the files.
const EXTENSION: &str = "packed";
/// First bytes of a file. The number changes with the file format.
const MAGIC: &[u8; 16] = b"phicam packed 1\n";
/// Longest key that is read, in bytes; an estimate: real keys have a few hundred.
const MAX_KEY_BYTES: usize = 4096;
/// Limits on the cache: number of files and their bytes together; the newest file always stays.
///
/// Estimates: several variants of a few tens of MiB, on an SD card.
const MAX_FILES: usize = 6;
const MAX_BYTES: u64 = 256 << 20;
/// Age at which an unfinished file counts as abandoned by a process that ended while writing; writing takes seconds.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The cache file of one variant in one configuration.
#[derive(Debug)]
pub struct PackedWeightsCache {
    path: PathBuf,
    /// Text of everything that the packed weights depend on.
    key: String,
    input: Shape,
    settings: Settings,
}

/// Reason for not using a file.
enum ReadError {
    /// The file is valid, but belongs to another model, program or CPU.
    OtherKey,
    Damaged(String),
}

impl PackedWeightsCache {
    /// Returns the cache file of `variant` below the state folder `state`.
    ///
    /// Returns `None` if the program or the model file has no fingerprint to recognise a later version by.
    pub fn new(variant: &Variant, state: &Path, settings: Settings) -> Option<PackedWeightsCache> {
        let kernels = settings.kernels;
        let hash = &variant.network.sha256;
        let side = variant.side;
        let version = env!("CARGO_PKG_VERSION");
        let program = std::env::current_exe().and_then(std::fs::metadata).ok()?;
        let program = paths::fingerprint(&program);
        let file = variant.network.fingerprint()?;
        let key = format!(
            "phicam {version} ({program}), {kernels:?} × {}, {hash} ({file}) @ {side} {:?}",
            kernels.lanes, variant.input.layout
        );
        let name = format!("{}-{side}-{}.{EXTENSION}", hash.get(..16).unwrap_or(hash), kernels.name);
        let side = side as usize;
        let input = Shape { height: side, width: side, channels: 3 };
        migrate_folder(state);
        Some(PackedWeightsCache { path: state.join(FOLDER).join(name), key, input, settings })
    }

    /// Reads the program; returns `None` if there is no file, or, after logging the reason, if the file is unusable.
    pub fn read(&self) -> Option<Program> {
        let path = self.path.display();
        match self.try_read() {
            Ok(program) => return program,
            Err(ReadError::OtherKey) => {
                info!("{path} is from another program, model or CPU: packing the weights again")
            }
            Err(ReadError::Damaged(cause)) => warn!("{path} is damaged ({cause}): packing the weights again"),
        }
        None
    }

    fn try_read(&self) -> Result<Option<Program>, ReadError> {
        let metadata = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(damaged)?,
        };
        if !metadata.is_file() {
            return Err(ReadError::Damaged("not a regular file".into()));
        }
        let file = BufReader::with_capacity(1 << 16, File::open(&self.path).map_err(damaged)?);
        let mut reader = Checksummed { inner: file, checksum: Hasher::new() };
        let mut header = [0; MAGIC.len() + 4];
        reader.read_exact(&mut header).map_err(damaged)?;
        let (magic, length) = header.split_at(MAGIC.len());
        let length = length.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if magic != MAGIC || length > MAX_KEY_BYTES {
            return Err(ReadError::Damaged("wrong header".into()));
        }
        let mut key = vec![0; length];
        reader.read_exact(&mut key).map_err(damaged)?;
        if key != self.key.as_bytes() {
            return Err(ReadError::OtherKey);
        }
        let program =
            Program::read(&mut reader, metadata.len(), self.input, self.settings).map_err(|error| match error {
                DeserializeError::Io(error) => damaged(error),
                DeserializeError::Invalid(cause) => ReadError::Damaged(cause),
            })?;
        let expected = reader.checksum.finalize().to_le_bytes();
        let mut end = Vec::new();
        reader.inner.take(expected.len() as u64 + 1).read_to_end(&mut end).map_err(damaged)?;
        if end != expected {
            return Err(ReadError::Damaged("wrong checksum".into()));
        }
        match program.output_shape() {
            Shape { height: 1, width: 1, .. } => Ok(Some(program)),
            other => Err(ReadError::Damaged(format!("output shape {other:?}, expected 1 × 1 × classes"))),
        }
    }

    /// Writes `program`. A failure is a warning the first time in a process, then a debug message.
    pub fn write(&self, program: &Program) {
        // One writer at a time in this process: the name of the unfinished file contains only the process id.
        static WRITING: Mutex<()> = Mutex::new(());
        static WAS_LOGGED: AtomicBool = AtomicBool::new(false);
        let _guard = WRITING.lock();
        let path = self.path.display();
        match self.try_write(program) {
            Ok(()) => debug!("{path} written: the next start needs no packing"),
            Err(error) if WAS_LOGGED.swap(true, Ordering::Relaxed) => debug!("cannot write {path}: {error}"),
            Err(error) => warn!(
                "cannot write {path}: {error}; weights are packed at every start, unless PHICAM_STATE names a \
                 writable folder"
            ),
        }
    }

    fn try_write(&self, program: &Program) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder)?;
        paths::atomic_write_with(&self.path, |file| {
            let mut out = Checksummed { inner: file, checksum: Hasher::new() };
            out.write_all(MAGIC)?;
            out.write_all(&(self.key.len() as u32).to_le_bytes())?;
            out.write_all(self.key.as_bytes())?;
            program.write(&mut out)?;
            let checksum = out.checksum.finalize();
            out.inner.write_all(&checksum.to_le_bytes())
        })?;
        remove_excess(folder)
    }
}

fn damaged(error: io::Error) -> ReadError {
    ReadError::Damaged(match error.kind() {
        io::ErrorKind::UnexpectedEof => "unexpected end of file".into(),
        _ => error.to_string(),
    })
}

/// Renames the folder of earlier releases, or removes it if there is one with the present name.
fn migrate_folder(state: &Path) {
    let (former, folder) = (state.join(FORMER_FOLDER), state.join(FOLDER));
    if !former.is_dir() {
        return;
    }
    if folder.exists() {
        // A release before this one, rolled back to, has packed there again.
        if let Err(error) = std::fs::remove_dir_all(&former) {
            debug!("cannot remove {}: {error}", former.display());
        }
        return;
    }
    match std::fs::rename(&former, &folder) {
        Ok(()) => debug!("{} renamed to {}", former.display(), folder.display()),
        Err(error) => {
            debug!("cannot rename {} to {}: {error}; packing the weights again", former.display(), folder.display());
        }
    }
}

/// Returns the number of cache files below the state folder `state`, and their bytes.
pub fn disk_usage(state: &Path) -> (usize, u64) {
    let folder = [FOLDER, FORMER_FOLDER].map(|name| state.join(name)).into_iter().find(|folder| folder.is_dir());
    let entries = folder.and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.path().extension() == Some(EXTENSION.as_ref()));
    files.filter_map(|entry| entry.metadata().ok()).fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.len()))
}

/// Removes the oldest files over the limits, and abandoned unfinished files.
fn remove_excess(folder: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        // Another process may have removed the file in the meantime.
        let Ok(metadata) = entry.metadata() else { continue };
        let modified = metadata.modified()?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some(EXTENSION) => files.push((modified, metadata.len(), path)),
            Some("new") if modified.elapsed().is_ok_and(|age| age > ABANDONED) => remove_if_present(&path)?,
            _ => {}
        }
    }
    files.sort();
    let mut bytes = 0;
    for (index, (_, length, path)) in files.into_iter().rev().enumerate() {
        bytes += length;
        if index > 0 && (index >= MAX_FILES || bytes > MAX_BYTES) {
            remove_if_present(&path)?;
        }
    }
    Ok(())
}

fn remove_if_present(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
        .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// Reader or writer that computes the CRC-32 of the bytes that pass through it.
struct Checksummed<T> {
    inner: T,
    checksum: Hasher,
}

impl<T: Read> Read for Checksummed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.checksum.update(&bytes[..count]);
        Ok(count)
    }
}

impl<T: Write> Write for Checksummed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.checksum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;
