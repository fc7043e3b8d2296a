//! The shipped models inside the program (feature `embed-models`), as files of a folder that no disk has.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

/// Path below `models` and bytes of each file; none without the feature.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/models.rs"));

/// The folder that they are in.
pub const FOLDER: &str = "(built in)";

/// Whether there are any.
pub fn is_there() -> bool {
    !FILES.is_empty()
}

/// The bytes of a file, from the program where its path begins with [`FOLDER`].
pub fn read(path: &Path) -> std::io::Result<Cow<'static, [u8]>> {
    match path.strip_prefix(FOLDER) {
        Err(_) => std::fs::read(path).map(Cow::Owned),
        Ok(inside) => {
            let found = FILES.iter().find(|(name, _)| Path::new(name) == inside);
            let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, "it is not built into this program");
            found.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(missing)
        }
    }
}

/// The same to be read bit by bit, and its length.
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
    fn a_file_on_a_disk_is_read_from_there_and_one_inside_from_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "on the disk").unwrap();
        assert_eq!(&*read(&path).unwrap(), b"on the disk");
        let (mut opened, length) = open(&path).unwrap();
        assert_eq!((std::io::read_to_string(&mut opened).unwrap().as_str(), length), ("on the disk", 11));
        assert!(open(&Path::new(FOLDER).join("nothing.toml")).is_err());
        assert!(read(&Path::new(FOLDER).join("nothing.toml")).is_err());
        assert_eq!(read(&Path::new(FOLDER).join("catalog.toml")).is_ok(), is_there());
        assert_eq!(is_there(), cfg!(feature = "embed-models"));
    }
}
