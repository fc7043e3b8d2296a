//! Image files as a camera: photographs one after the other, and folders of images as films.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use log::warn;

use super::{Camera, CameraError, Next};
use phicam_frame::decode;
use phicam_frame::decode::ReadError;
use phicam_frame::{FrameInfo, FramePool};

/// Timing of the images.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Time for a photograph.
    pub picture: Duration,
    /// Time for one image of a film.
    pub film: Duration,
    /// Whether to start again after the last image.
    pub repeat: bool,
}

/// Camera that plays image files in the order of their names.
pub struct ImageFiles {
    images: Vec<ImageFile>,
    pace: Pace,
    next_index: usize,
    sequence: u64,
    scene: u64,
    last_film: Option<usize>,
    /// Whether this round had an image that could be decoded.
    round_has_frame: bool,
    next_due: Option<Instant>,
    ending: Option<Ending>,
    /// Bytes of the current file.
    file_bytes: Vec<u8>,
    pool: FramePool,
}

/// Way in which a demo ends.
struct Ending {
    /// Images after the last round.
    images: Vec<ImageFile>,
    /// Whether the demo may end; until then the rounds repeat.
    may_end: Arc<AtomicBool>,
    /// Whether every image was played once.
    has_played_all: bool,
}

struct ImageFile {
    path: PathBuf,
    name: Arc<str>,
    /// Number of its film; `None` for a photograph.
    film: Option<usize>,
}

impl ImageFiles {
    /// Lists the images of `source`: a folder, a file name pattern, or files separated by commas.
    ///
    /// A folder delivers its images by name, then each folder in it as a film. Files in a folder are used if their
    /// extension is that of an image; a file that is named itself is always used.
    pub fn open(source: &str, pace: Pace) -> Result<ImageFiles, CameraError> {
        let folder = Path::new(source);
        let images = if folder.is_dir() {
            let (mut images, folders) = list_folder(folder)?;
            for (film, folder) in folders.iter().enumerate() {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                match list_folder(folder) {
                    Ok((frames, _)) => images.extend(frames.into_iter().map(|frame| frame.into_film(film, &name))),
                    Err(error) => warn!("skipping a folder: {error}"),
                }
            }
            images
        } else if source.contains(['*', '?', '[']) && !folder.exists() {
            let bad_pattern = |cause: glob::PatternError| CameraError::BadPattern {
                pattern: source.into(),
                cause: cause.to_string(),
            };
            glob::glob(source)
                .map_err(bad_pattern)?
                .filter_map(|entry| entry.map_err(|error| warn!("skipping a file: {error}")).ok())
                .filter(|path| path.is_file())
                .map(ImageFile::new)
                .collect()
        } else if folder.exists() {
            vec![ImageFile::new(folder.into())]
        } else {
            source.split(',').map(|path| ImageFile::new(path.trim().into())).collect()
        };
        let missing = images.iter().find(|image| !image.path.exists());
        if images.is_empty() || missing.is_some() {
            let path = missing.map_or(source.into(), |missing| missing.path.display().to_string());
            return Err(CameraError::NoPictures { path });
        }
        Ok(ImageFiles {
            images,
            pace,
            next_index: 0,
            sequence: 0,
            scene: 0,
            last_film: None,
            round_has_frame: false,
            next_due: None,
            ending: None,
            file_bytes: Vec::new(),
            pool: FramePool::default(),
        })
    }
}

impl ImageFiles {
    /// Repeats the images until `may_end` is set and each was played once; then plays `last` and ends.
    pub fn with_ending(self, last: Vec<PathBuf>, may_end: Arc<AtomicBool>) -> Result<ImageFiles, CameraError> {
        if let Some(missing) = last.iter().find(|path| !path.exists()) {
            return Err(CameraError::NoPictures { path: missing.display().to_string() });
        }
        let images = last.into_iter().map(ImageFile::new).collect();
        Ok(ImageFiles { ending: Some(Ending { images, may_end, has_played_all: false }), ..self })
    }

    /// Starts another round, or the ending, if one is due.
    fn begin_round(&mut self) {
        let is_at_end = self.next_index == self.images.len();
        // A round without a valid image ends playback: another round would end at once too, and spin.
        let can_repeat = is_at_end && std::mem::take(&mut self.round_has_frame);
        if let Some(ending) = &mut self.ending {
            ending.has_played_all |= is_at_end;
            let may_end = ending.may_end.load(Ordering::Acquire);
            if ending.has_played_all && (may_end || (is_at_end && !can_repeat)) {
                self.images = std::mem::take(&mut ending.images);
                self.ending = None;
                self.pace.repeat = false;
                self.next_index = 0;
                return;
            }
        }
        if can_repeat && (self.pace.repeat || self.ending.is_some()) {
            self.next_index = 0;
        }
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

/// Returns the images of a folder and the folders in it, both sorted by name.
fn list_folder(folder: &Path) -> Result<(Vec<ImageFile>, Vec<PathBuf>), CameraError> {
    let unreadable = |cause| CameraError::Unreadable { path: folder.into(), cause };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>().map_err(unreadable)?;
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    Ok((files.into_iter().filter(|path| is_image_file(path)).map(ImageFile::new).collect(), folders))
}

/// Returns whether the file name has the extension of a JPEG, PNG or WebP image.
pub fn is_image_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    ["jpg", "jpeg", "png", "webp"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

impl Camera for ImageFiles {
    fn next_frame(&mut self, limit: Duration) -> Result<Next, CameraError> {
        let wait = self.next_due.map_or(Duration::ZERO, |due| due.saturating_duration_since(Instant::now()));
        std::thread::sleep(wait.min(limit));
        if wait > limit {
            return Ok(Next::Nothing);
        }
        self.begin_round();
        let Some(image) = self.images.get(self.next_index) else { return Ok(Next::Finished) };
        self.next_index += 1;
        if image.path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            return Err(CameraError::NotAFile { path: image.path.clone() }); // reading a pipe may never end
        }
        // Each photograph is a scene, and each film is one scene.
        let continues_film = image.film.is_some() && image.film == self.last_film && self.next_index > 1;
        self.scene += u64::from(!continues_film);
        self.last_film = image.film;
        let sequence = self.sequence;
        let scene = self.scene;
        let frame = self.pool.fill(|pixels| {
            decode::read_file(&image.path, &mut self.file_bytes)?;
            let size = decode::decode(&self.file_bytes, pixels)?;
            Ok::<_, ReadError>(FrameInfo {
                size,
                sequence,
                captured: Instant::now(),
                source: Some(image.name.clone()),
                scene,
            })
        });
        let frame = frame.map_err(|cause| CameraError::BadPicture { path: image.path.clone(), cause })?;
        self.next_due = Some(frame.captured + if image.film.is_some() { self.pace.film } else { self.pace.picture });
        self.sequence += 1;
        self.round_has_frame = true;
        Ok(Next::Frame(frame))
    }

    fn describe(&self) -> String {
        match self.images.len() {
            1 => "files, 1 picture".into(),
            count => format!("files, {count} pictures"),
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
            if name.ends_with(".png") {
                image::RgbImage::new(3, 2).save(&path).unwrap();
            } else {
                fs::write(&path, b"not an image").unwrap();
            }
        }
        folder
    }

    /// Returns up to `limit` names of frames, with errors as their messages.
    fn play(camera: &mut ImageFiles, limit: usize) -> Vec<String> {
        let mut played = Vec::new();
        while played.len() < limit {
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
    fn photographs_play_by_name_before_films() {
        let folder = folder(&["b.png", "a.png", "walk/2.png", "walk/1.png", "notes.txt"]);
        let mut camera = ImageFiles::open(folder.path().to_str().unwrap(), FAST).unwrap();
        assert_eq!(play(&mut camera, 99), ["a.png", "b.png", "walk/1.png", "walk/2.png"]);
    }

    #[test]
    fn each_photograph_and_each_film_is_one_scene() {
        let folder = folder(&["a.png", "b.png", "run/1.png", "run/2.png", "walk/1.png"]);
        let mut camera = ImageFiles::open(folder.path().to_str().unwrap(), Pace { repeat: true, ..FAST }).unwrap();
        let mut scenes = Vec::new();
        while scenes.len() < 7 {
            if let Ok(Next::Frame(frame)) = camera.next_frame(Duration::from_secs(60)) {
                scenes.push(frame.scene);
            }
        }
        assert_eq!(scenes, [1, 2, 3, 3, 4, 5, 6]);
    }

    #[test]
    fn bad_image_is_reported_and_skipped() {
        let folder = folder(&["a.jpg", "b.png"]);
        let mut camera = ImageFiles::open(folder.path().to_str().unwrap(), FAST).unwrap();
        let played = play(&mut camera, 99);
        assert!(played[0].contains("a.jpg is not a JPEG, PNG or WebP"), "{played:?}");
        assert_eq!(played[1], "b.png");
    }

    #[test]
    fn patterns_and_lists_name_files() {
        let folder = folder(&["a.png", "b.png", "c.png"]);
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        assert_eq!(play(&mut ImageFiles::open(&path("[ab].png"), FAST).unwrap(), 99), ["a.png", "b.png"]);
        let list = format!("{},{}", path("c.png"), path("a.png"));
        assert_eq!(play(&mut ImageFiles::open(&list, FAST).unwrap(), 99), ["c.png", "a.png"]);
    }

    #[test]
    fn repeat_ends_after_a_round_without_valid_images() {
        let good = folder(&["a.png"]);
        let repeat = Pace { repeat: true, ..FAST };
        assert_eq!(play(&mut ImageFiles::open(good.path().to_str().unwrap(), repeat).unwrap(), 3), ["a.png"; 3]);
        let bad = folder(&["a.jpg"]);
        assert_eq!(play(&mut ImageFiles::open(bad.path().to_str().unwrap(), repeat).unwrap(), 3).len(), 1);
        let mut camera = ImageFiles::open(good.path().to_str().unwrap(), repeat).unwrap();
        assert_eq!(play(&mut camera, 1), ["a.png"]);
        fs::remove_file(good.path().join("a.png")).unwrap();
        assert_eq!(play(&mut camera, 9).len(), 1, "the only image was removed after the first round");
    }

    #[test]
    fn demo_repeats_until_it_may_end_then_plays_its_ending() {
        let folder = folder(&["a.png", "b.png"]);
        let open = |may_end: &Arc<AtomicBool>| {
            let camera = ImageFiles::open(folder.path().to_str().unwrap(), FAST).unwrap();
            camera.with_ending(vec![folder.path().join("a.png")], may_end.clone()).unwrap()
        };
        let may_end = Arc::new(AtomicBool::new(false));
        let mut camera = open(&may_end);
        assert_eq!(play(&mut camera, 5), ["a.png", "b.png", "a.png", "b.png", "a.png"]);
        may_end.store(true, Ordering::Release);
        assert_eq!(play(&mut camera, 99), ["a.png"], "the ending begins at once");
        assert_eq!(play(&mut open(&may_end), 99), ["a.png", "b.png", "a.png"], "each image plays once all the same");
    }

    #[test]
    fn demo_ends_after_a_round_without_valid_images() {
        let (bad, good) = (folder(&["a.jpg"]), folder(&["z.png"]));
        let camera = ImageFiles::open(bad.path().to_str().unwrap(), FAST).unwrap();
        let may_end = Arc::new(AtomicBool::new(false));
        let mut camera = camera.with_ending(vec![good.path().join("z.png")], may_end).unwrap();
        assert_eq!(play(&mut camera, 99).len(), 2, "an error, then the ending");
    }

    #[test]
    fn missing_file_of_the_ending_is_an_error() {
        let folder = folder(&["a.png"]);
        let camera = ImageFiles::open(folder.path().to_str().unwrap(), FAST).unwrap();
        let error = camera.with_ending(vec!["/nowhere/z.png".into()], Arc::default()).err().expect("an error");
        assert!(error.to_string().contains("/nowhere/z.png"), "{error}");
    }

    #[test]
    fn missing_files_are_an_error_with_their_path() {
        let empty = folder(&[]);
        for source in [empty.path().to_str().unwrap(), "/nowhere/x.jpg", "/nowhere/*.jpg"] {
            let error = ImageFiles::open(source, FAST).err().expect("an error").to_string();
            assert!(error.contains(source), "{error}");
        }
    }
}
