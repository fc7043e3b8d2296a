//! Picture files: those of a folder, and reading of a file or of standard input.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, bail};

use phicam_camera::{is_film_file, is_image_file};
use phicam_frame::decode;
use phicam_frame::decode::ReadError;
use phicam_frame::{Frame, FrameInfo, FramePool};

/// Returns `files` with the pictures of each folder, by name, in place of the folder. Folders in a folder are not searched.
pub fn expand(files: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut pictures = Vec::with_capacity(files.len());
    for file in files {
        if !file.is_dir() {
            if is_film_file(file) {
                bail!("{0} is a film; play it with `phicam run --camera {0}`", file.display());
            }
            pictures.push(file.clone());
            continue;
        }
        let unreadable = || format!("cannot read folder {}", file.display());
        let entries = std::fs::read_dir(file).with_context(unreadable)?;
        let mut paths =
            entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().with_context(unreadable)?;
        paths.sort();
        let (folders, files_in): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
        let found = files_in.into_iter().filter(|path| is_image_file(path));
        let before = pictures.len();
        pictures.extend(found);
        match (pictures.len() == before, folders.is_empty()) {
            (false, _) => {}
            (true, false) => {
                bail!("no picture in {0}, only folders; classify theirs with `phicam classify {0}/*`", file.display())
            }
            (true, true) => {
                bail!("no picture in {}; name a folder of JPEG, PNG or WebP files", file.display())
            }
        }
    }
    Ok(pictures)
}

/// Reads the picture in `file`, or on standard input if `file` is `-`.
pub fn read_image(file: &Path, pool: &mut FramePool) -> Result<Frame, ReadError> {
    pool.fill(|pixels| {
        let mut bytes = Vec::new();
        if file.as_os_str() == "-" {
            decode::read(std::io::stdin(), &mut bytes)?;
        } else {
            decode::read_file(file, &mut bytes)?;
        }
        let size = decode::decode(&bytes, pixels)?;
        Ok(FrameInfo { size, sequence: 0, captured: Instant::now(), source: None, scene: 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_stands_for_its_pictures_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("birds/old")).unwrap();
        for name in ["birds/b.JPG", "birds/a.png", "birds/notes.txt", "birds/old/c.jpg", "z.jpg"] {
            std::fs::write(path(name), "x").unwrap();
        }
        let expanded = expand(&[path("z.jpg"), path("birds"), "-".into()]).unwrap();
        assert_eq!(expanded, [path("z.jpg"), path("birds/a.png"), path("birds/b.JPG"), "-".into()]);
    }

    #[test]
    fn folder_without_pictures_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let refused = || expand(&[folder.path().into()]).unwrap_err().to_string();
        assert!(refused().contains("no picture in"), "{}", refused());
        std::fs::create_dir(folder.path().join("birds")).unwrap();
        assert!(refused().contains("/*`"), "{}", refused());
        let film = expand(&["birds.mp4".into()]).unwrap_err().to_string();
        assert!(film.contains("`phicam run --camera birds.mp4`"), "{film}");
    }
}
