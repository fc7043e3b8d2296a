//! Models bundled in the program (feature `embed-models`), as files of a virtual folder.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

/// Path below `models` and bytes of each file; empty without the feature.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// Path of the virtual folder.
pub const FOLDER: &str = "(built in)";

/// Returns whether models are bundled.
pub fn is_available() -> bool {
    !FILES.is_empty()
}

/// Returns the bytes of a file: of a bundled one if its path begins with [`FOLDER`], otherwise from the file system.
pub fn read(path: &Path) -> std::io::Result<Cow<'static, [u8]>> {
    match path.strip_prefix(FOLDER) {
        Err(_) => std::fs::read(path).map(Cow::Owned),
        Ok(inside) => {
            let file = FILES.iter().find(|(name, _)| Path::new(name) == inside);
            let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, "not bundled in this program");
            file.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(missing)
        }
    }
}

/// Opens a bundled file or a file of the file system, to read it in parts; returns its length in bytes as well.
pub fn open(path: &Path) -> std::io::Result<(Box<dyn Read>, u64)> {
    if path.starts_with(FOLDER) {
        let bytes = read(path)?;
        let length = bytes.len() as u64;
        return Ok((Box::new(Cursor::new(bytes)), length));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    Ok((Box::new(BufReader::new(file)), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_from_disk_or_from_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "on the disk").unwrap();
        assert_eq!(&*read(&path).unwrap(), b"on the disk");
        let (mut opened, length) = open(&path).unwrap();
        assert_eq!((std::io::read_to_string(&mut opened).unwrap().as_str(), length), ("on the disk", 11));
        assert!(open(&Path::new(FOLDER).join("nothing.toml")).is_err());
        assert!(read(&Path::new(FOLDER).join("nothing.toml")).is_err());
        assert_eq!(read(&Path::new(FOLDER).join("catalog.toml")).is_ok(), is_available());
        assert_eq!(is_available(), cfg!(feature = "embed-models"));
    }
}
