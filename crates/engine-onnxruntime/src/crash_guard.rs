//! Counts tries of an engine that never came back: a driver or library that ends the program must not do so for ever.

use std::fs;
use std::path::{Path, PathBuf};

use log::{debug, warn};

use phicam_engine::EngineKind;
use phicam_platform::paths::atomic_write;

/// So many tries in a row that did not come back are enough. One may be a power cut in the minutes of building, or an
/// impatient user.
const ENOUGH: u32 = 3;

/// A try that is under way. Dropped without [`Trial::came_back`], or with the whole program, it counts.
pub struct Trial {
    path: PathBuf,
}

impl Trial {
    /// Begins one, noted in the folder `state`; the message says why not. `library` is what an earlier note must be of.
    pub fn begin(state: &Path, engine: EngineKind, library: &str) -> Result<Trial, String> {
        let path = state.join(format!("tries-of-{engine}"));
        let note = fs::read_to_string(&path).unwrap_or_default();
        let before = note.split_once(' ').filter(|(_, of)| *of == library);
        let count = before.and_then(|(count, _)| count.parse::<u32>().ok()).unwrap_or(0);
        if count >= ENOUGH {
            return Err(format!(
                "it ended the program {count} times in a row with this library, so it is left alone; another library \
                 is tried again, and so is this one after `rm {}`",
                path.display()
            ));
        }
        let written =
            fs::create_dir_all(state).and_then(|()| atomic_write(&path, format!("{} {library}", count + 1).as_bytes()));
        if let Err(error) = written {
            debug!("{} cannot be written ({error}): tries of {engine} are not counted", path.display());
        }
        Ok(Trial { path })
    }

    /// It gave an answer, or an error: whichever, the program lives.
    pub fn came_back(self) {
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            warn!(
                "{} cannot be removed: {error}; remove it, or this engine is left alone in the end",
                self.path.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_ends_the_program_is_left_alone_after_three_times() {
        let state = tempfile::tempdir().unwrap();
        let begin = |library| Trial::begin(state.path(), EngineKind::Cuda, library);
        for _ in 0..ENOUGH {
            drop(begin("one").unwrap()); // as a program that dies leaves it
        }
        let refused = begin("one").err().unwrap();
        assert!(refused.contains("3 times") && refused.contains("rm "), "{refused}");
        assert!(Trial::begin(state.path(), EngineKind::TensorRt, "one").is_ok(), "each engine by itself");
        begin("another").unwrap().came_back();
        for _ in 0..9 {
            begin("one").unwrap().came_back();
        }
    }

    #[test]
    fn where_nothing_can_be_written_it_is_tried_all_the_same() {
        Trial::begin(Path::new("/proc/nowhere"), EngineKind::Cuda, "one").unwrap().came_back();
    }
}
