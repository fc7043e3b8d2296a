//! Files whose SHA-256 is in the catalog.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::CatalogError;
use phicam_platform::bundled_models;

/// Returns the SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Sha256::digest(bytes).as_slice())
}

fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the bytes of the file at `path`, or an error if their SHA-256 is not `expected`.
pub fn read_verified(path: &Path, expected: &str) -> Result<Cow<'static, [u8]>, CatalogError> {
    let bytes = bundled_models::read(path).map_err(|cause| CatalogError::Unreadable { path: path.into(), cause })?;
    check(path, sha256(&bytes), expected)?;
    Ok(bytes)
}

/// Passes the file at `path` as a stream, with its length in bytes, to `read`, and returns the result.
///
/// Returns an error if the SHA-256 of the whole file, including bytes that `read` left unread, is not `expected`.
pub fn read_verified_with<T>(
    path: &Path,
    expected: &str,
    read: impl FnOnce(&mut dyn Read, u64) -> T,
) -> Result<T, CatalogError> {
    let unreadable = |cause| CatalogError::Unreadable { path: path.into(), cause };
    let (inner, length) = bundled_models::open(path).map_err(unreadable)?;
    let mut hashing = HashingReader { inner, hash: Sha256::new() };
    let result = read(&mut hashing, length);
    io::copy(&mut hashing, &mut io::sink()).map_err(unreadable)?;
    check(path, hexadecimal(hashing.hash.finalize().as_slice()), expected)?;
    Ok(result)
}

fn check(path: &Path, found: String, expected: &str) -> Result<(), CatalogError> {
    if found == expected {
        return Ok(());
    }
    Err(CatalogError::WrongHash { path: path.into(), found, expected: expected.into() })
}

/// Reader that hashes the bytes that pass through.
struct HashingReader<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streamed_file_is_verified_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let first_two = |from: &mut dyn Read, length: u64| {
            let mut start = [0; 2];
            from.read_exact(&mut start).map(|()| (start, length))
        };
        let result = read_verified_with(&path, &sha256(&bytes), first_two).unwrap().unwrap();
        assert_eq!(result, ([0, 1], 200_000));
        assert_eq!(
            read_verified_with(&path, &sha256(b"other"), first_two).unwrap_err().to_string().matches("SHA-256").count(),
            1
        );
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(read_verified_with(&path, &sha256(&bytes), first_two).is_err());
        assert!(matches!(read_verified_with(folder.path(), "", first_two), Err(CatalogError::Unreadable { .. })));
    }
}
