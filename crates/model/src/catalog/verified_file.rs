//! Files whose hash the catalog tells.

use std::borrow::Cow;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::CatalogError;
use phicam_platform::bundled_models;

/// In hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(Sha256::digest(bytes).as_slice())
}

fn hexadecimal(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of the file at `path`, once their hash is `expected`.
pub fn read_checked(path: &Path, expected: &str) -> Result<Cow<'static, [u8]>, CatalogError> {
    let bytes = bundled_models::read(path).map_err(|cause| CatalogError::Missing { path: path.into(), cause })?;
    check(path, sha256(&bytes), expected)?;
    Ok(bytes)
}

/// What `read` makes of the file at `path`, whose length it is told, once the hash of all of it is `expected`.
pub fn read_checked_with<T>(
    path: &Path,
    expected: &str,
    read: impl FnOnce(&mut dyn Read, u64) -> T,
) -> Result<T, CatalogError> {
    let missing = |cause| CatalogError::Missing { path: path.into(), cause };
    let (inner, length) = bundled_models::open(path).map_err(missing)?;
    let mut hashed = Hashed { inner, hash: Sha256::new() };
    let made = read(&mut hashed, length);
    io::copy(&mut hashed, &mut io::sink()).map_err(missing)?;
    check(path, hexadecimal(hashed.hash.finalize().as_slice()), expected)?;
    Ok(made)
}

fn check(path: &Path, found: String, expected: &str) -> Result<(), CatalogError> {
    if found == expected {
        return Ok(());
    }
    Err(CatalogError::WrongHash { path: path.into(), found, expected: expected.into() })
}

/// Hashes what is read.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
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
    fn what_is_made_of_a_file_is_given_only_where_all_of_the_file_is_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let bytes: Vec<u8> = (0..200_000u32).map(|number| number as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let two = |from: &mut dyn Read, length: u64| {
            let mut two = [0; 2];
            from.read_exact(&mut two).map(|()| (two, length))
        };
        let found = read_checked_with(&path, &sha256(&bytes), two).unwrap().unwrap();
        assert_eq!(found, ([0, 1], 200_000));
        assert_eq!(
            read_checked_with(&path, &sha256(b"other"), two).unwrap_err().to_string().matches("SHA-256").count(),
            1
        );
        std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(read_checked_with(&path, &sha256(&bytes), two).is_err());
        assert!(matches!(read_checked_with(folder.path(), "", two), Err(CatalogError::Missing { .. })));
    }
}
