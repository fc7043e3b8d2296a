//! Pictures in files as a camera: photographs one after the other, a folder of pictures as a film.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::warn;

use super::{Camera, CameraError, Next};
use phicam_frame::decode;
use phicam_frame::decode::ReadError;
use phicam_frame::{FrameInfo, FramePool};

/// How fast the pictures follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long a photograph stays.
    pub picture: Duration,
    /// How long a picture of a film stays.
    pub film: Duration,
    /// Whether to begin again after the last.
    pub repeat: bool,
}

/// See the module.
pub struct Files {
    pictures: Vec<ImageFile>,
    pace: Pace,
    next: usize,
    sequence: u64,
    scene: u64,
    last_film: Option<usize>,
    good_in_round: bool,
    due: Option<Instant>,
    file: Vec<u8>,
    pool: FramePool,
}

struct ImageFile {
    path: PathBuf,
    name: Arc<str>,
    /// Which film it belongs to, if any.
    film: Option<usize>,
}

impl Files {
    /// Finds the pictures of `what`: a folder, a pattern of file names, or files apart by commas.
    ///
    /// A folder gives its pictures by name, then each folder in it as a film. Files of other kinds in a folder are passed
    /// over; a file that was named itself is not.
    pub fn open(what: &str, pace: Pace) -> Result<Files, CameraError> {
        let folder = Path::new(what);
        let pictures = if folder.is_dir() {
            let (mut pictures, folders) = list(folder)?;
            for (film, folder) in folders.iter().enumerate() {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                match list(folder) {
                    Ok((frames, _)) => pictures.extend(frames.into_iter().map(|frame| frame.into_film(film, &name))),
                    Err(error) => warn!("passed over a folder: {error}"),
                }
            }
            pictures
        } else if what.contains(['*', '?', '[']) && !folder.exists() {
            let bad =
                |cause: glob::PatternError| CameraError::BadPattern { what: what.into(), cause: cause.to_string() };
            glob::glob(what)
                .map_err(bad)?
                .filter_map(|found| found.map_err(|error| warn!("passed over a file: {error}")).ok())
                .filter(|path| path.is_file())
                .map(ImageFile::new)
                .collect()
        } else if folder.exists() {
            vec![ImageFile::new(folder.into())]
        } else {
            what.split(',').map(|path| ImageFile::new(path.trim().into())).collect()
        };
        let missing = pictures.iter().find(|picture| !picture.path.exists());
        if pictures.is_empty() || missing.is_some() {
            let what = missing.map_or(what.into(), |missing| missing.path.display().to_string());
            return Err(CameraError::NoPictures { what });
        }
        let (file, pool) = (Vec::new(), FramePool::default());
        let (next, sequence, scene) = (0, 0, 0);
        let (last_film, good_in_round, due) = (None, false, None);
        Ok(Files { pictures, pace, next, sequence, scene, last_film, good_in_round, due, file, pool })
    }
}

impl ImageFile {
    fn new(path: PathBuf) -> ImageFile {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into();
        ImageFile { path, name, film: None }
    }

    fn into_film(self, film: usize, name: &str) -> ImageFile {
        ImageFile { name: format!("{name}/{}", self.name).into(), film: Some(film), ..self }
    }
}

/// The pictures of a folder, and the folders in it, both by name.
fn list(folder: &Path) -> Result<(Vec<ImageFile>, Vec<PathBuf>), CameraError> {
    let unreadable = |cause| CameraError::Unreadable { path: folder.into(), cause };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>().map_err(unreadable)?;
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    Ok((files.into_iter().filter(|path| is_picture(path)).map(ImageFile::new).collect(), folders))
}

/// Whether its name ends as a picture's does.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    ["jpg", "jpeg", "png", "webp"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

impl Camera for Files {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        let wait = self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        std::thread::sleep(wait.min(limit));
        if wait > limit {
            return Ok(Next::Nothing);
        }
        // A round of nothing but bad pictures would be over at once, and so would the next.
        if self.next == self.pictures.len() && self.pace.repeat && std::mem::take(&mut self.good_in_round) {
            self.next = 0;
        }
        let Some(picture) = self.pictures.get(self.next) else { return Ok(Next::Finished) };
        self.next += 1;
        if picture.path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(CameraError::NotAFile { path: picture.path.clone() }); // reading a pipe might never end
        }
        // Each photograph is a scene of its own, and so is a whole film.
        let same = picture.film.is_some() && picture.film == self.last_film && self.next > 1;
        self.scene += u64::from(!same);
        self.last_film = picture.film;
        let (file, sequence, scene) = (&mut self.file, self.sequence, self.scene);
        let frame = self.pool.fill(|pixels| {
            decode::read_file(&picture.path, file)?;
            let size = decode::decode(file, pixels)?;
            Ok::<_, ReadError>(FrameInfo {
                size,
                sequence,
                captured: Instant::now(),
                source: Some(picture.name.clone()),
                scene,
            })
        });
        let frame = frame.map_err(|cause| CameraError::BadPicture { path: picture.path.clone(), cause })?;
        self.due = Some(frame.captured + if picture.film.is_some() { self.pace.film } else { self.pace.picture });
        self.sequence += 1;
        self.good_in_round = true;
        Ok(Next::Frame(frame))
    }

    fn describe(&self) -> String {
        match self.pictures.len() {
            1 => "files, 1 picture".into(),
            pictures => format!("files, {pictures} pictures"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Pace = Pace { picture: Duration::ZERO, film: Duration::ZERO, repeat: false };

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match name.ends_with(".png") {
                true => image::RgbImage::new(3, 2).save(&path).unwrap(),
                false => fs::write(&path, b"no picture").unwrap(),
            }
        }
        folder
    }

    /// Names of the frames; a picture that was refused stands as its message.
    fn play(camera: &mut Files, most: usize) -> Vec<String> {
        let mut played = Vec::new();
        while played.len() < most {
            match camera.next_frame(Duration::from_secs(60)) {
                Ok(Next::Frame(frame)) => played.push(frame.source.unwrap().to_string()),
                Ok(Next::Nothing) => {}
                Ok(Next::Finished) => break,
                Err(error) => played.push(error.to_string()),
            }
        }
        played
    }

    #[test]
    fn photographs_come_by_name_then_each_folder_as_a_film() {
        let folder = folder(&["b.png", "a.png", "walk/2.png", "walk/1.png", "notes.txt"]);
        let mut camera = Files::open(folder.path().to_str().unwrap(), FAST).unwrap();
        assert_eq!(play(&mut camera, 99), ["a.png", "b.png", "walk/1.png", "walk/2.png"]);
    }

    #[test]
    fn every_photograph_and_every_film_is_a_scene_of_its_own() {
        let folder = folder(&["a.png", "b.png", "run/1.png", "run/2.png", "walk/1.png"]);
        let mut camera = Files::open(folder.path().to_str().unwrap(), Pace { repeat: true, ..FAST }).unwrap();
        let mut scenes = Vec::new();
        while scenes.len() < 7 {
            if let Ok(Next::Frame(frame)) = camera.next_frame(Duration::from_secs(60)) {
                scenes.push(frame.scene);
            }
        }
        assert_eq!(scenes, [1, 2, 3, 3, 4, 5, 6]);
    }

    #[test]
    fn a_bad_picture_is_named_and_the_next_one_comes() {
        let folder = folder(&["a.jpg", "b.png"]);
        let mut camera = Files::open(folder.path().to_str().unwrap(), FAST).unwrap();
        let played = play(&mut camera, 99);
        assert!(played[0].contains("a.jpg not a JPEG, PNG or WebP"), "{played:?}");
        assert_eq!(played[1], "b.png");
    }

    #[test]
    fn a_pattern_and_a_list_name_their_files() {
        let folder = folder(&["a.png", "b.png", "c.png"]);
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        assert_eq!(play(&mut Files::open(&at("[ab].png"), FAST).unwrap(), 99), ["a.png", "b.png"]);
        let two = format!("{},{}", at("c.png"), at("a.png"));
        assert_eq!(play(&mut Files::open(&two, FAST).unwrap(), 99), ["c.png", "a.png"]);
    }

    #[test]
    fn repeating_begins_again_and_does_not_spin_on_nothing_but_bad_pictures() {
        let good = folder(&["a.png"]);
        let repeat = Pace { repeat: true, ..FAST };
        assert_eq!(play(&mut Files::open(good.path().to_str().unwrap(), repeat).unwrap(), 3), ["a.png"; 3]);
        let bad = folder(&["a.jpg"]);
        assert_eq!(play(&mut Files::open(bad.path().to_str().unwrap(), repeat).unwrap(), 3).len(), 1);
        let mut camera = Files::open(good.path().to_str().unwrap(), repeat).unwrap();
        assert_eq!(play(&mut camera, 1), ["a.png"]);
        fs::remove_file(good.path().join("a.png")).unwrap();
        assert_eq!(play(&mut camera, 9).len(), 1, "the picture went away after it was shown once");
    }

    #[test]
    fn nothing_to_play_is_an_error_that_names_it() {
        let empty = folder(&[]);
        for what in [empty.path().to_str().unwrap(), "/nowhere/x.jpg", "/nowhere/*.jpg"] {
            let error = Files::open(what, FAST).err().expect("nothing is there").to_string();
            assert!(error.contains(what), "{error}");
        }
    }
}
