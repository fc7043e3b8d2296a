//! The boards: what each is, how it is recognised, and what a picture may cost on it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use phicam_pipeline::classify::crop::CropMode;
use phicam_platform::config_file;
use phicam_platform::config_file::{StrictError, did_you_mean};
use phicam_policy::budget::Budget;

/// `board/*.toml` as they were when this program was built: name (the file's) and text.
static BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/boards.rs"));

/// The board of machines that are not recognised.
pub const GENERIC: &str = "generic";

/// A board that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error(transparent)]
    File(#[from] StrictError),
    #[error("{}: {message}", path.display())]
    Refused { path: PathBuf, message: String },
    #[error("no board `{name}`; there are {known}, or name a file that ends in .toml{hint}")]
    Unknown { name: String, hint: String, known: String },
}

/// One board file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The file's name without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// The board in a few words.
    pub summary: String,
    /// Entries of `/proc/device-tree/compatible` by which it is recognised.
    #[serde(default)]
    pub detect: Vec<String>,
    /// What a picture may cost.
    #[serde(default)]
    pub budget: Budget,
    /// What is admitted, as by `--model`, which overrides it: everything where it names none.
    pub model: Option<String>,
    /// The sample photographs where it names none.
    #[serde(default)]
    pub camera: phicam_camera::Settings,
    /// The terminal where it names none.
    #[serde(default)]
    pub display: Vec<phicam_display::Settings>,
    #[serde(default)]
    pub view: CropMode,
    /// ONNX Runtime, for boards with a GPU; it is looked for where packages put it, where this names none.
    #[serde(default)]
    pub onnxruntime: OnnxRuntime,
    /// What can be expected before anything is measured.
    pub expect: Option<Expect>,
}

/// Where ONNX Runtime is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxRuntime {
    /// Its libonnxruntime.so. The variable ORT_DYLIB_PATH overrides it.
    pub library: Option<PathBuf>,
}

/// Speed that others measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// EfficientNet-B0 at 224 pixels, f32, batch 1, on the processor.
    pub b0_f32_ms: Option<ByThreads>,
    /// Who measured it, with what.
    pub source: String,
}

/// Milliseconds by the number of threads.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByThreads {
    pub one_thread: f64,
    pub four_threads: Option<f64>,
    pub six_threads: Option<f64>,
}

impl Board {
    /// Names of the boards that are built in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// The board of that name, or the board file at that path.
    pub fn named(name: &str) -> Result<Board, BoardError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            let path = PathBuf::from(format!("board/{name}.toml"));
            return Self::checked(config_file::parse(text, &path)?, &path);
        }
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") || path.is_file() {
            return Self::checked(config_file::read(path)?, path);
        }
        let known = Self::names().collect::<Vec<_>>().join(", ");
        Err(BoardError::Unknown { name: name.into(), hint: did_you_mean(name, Self::names()), known })
    }

    /// The board whose `detect` names one of `compatible` (nearest first), else the generic one.
    pub fn recognised(compatible: &[String]) -> Result<Board, BoardError> {
        for compatible in compatible {
            for name in Self::names() {
                let board = Self::named(name)?;
                if board.detect.contains(compatible) {
                    return Ok(board);
                }
            }
        }
        Self::named(GENERIC)
    }

    /// The board in a line, with the speed to be expected of it where somebody measured that.
    pub fn in_words(&self) -> String {
        let measured = self.expect.as_ref().and_then(|expect| Some((expect, expect.b0_f32_ms?)));
        let Some((Expect { source, .. }, ms)) = measured else { return self.summary.clone() };
        let several = [(4, ms.four_threads), (6, ms.six_threads)];
        let several = several.iter().filter_map(|(threads, ms)| Some(format!(", {} ms on {threads}", (*ms)?)));
        let several: String = several.collect();
        format!("{}; EfficientNet-B0 takes {} ms there on one thread{several} ({source})", self.summary, ms.one_thread)
    }

    fn checked(mut board: Board, path: &Path) -> Result<Board, BoardError> {
        let refused = |message| BoardError::Refused { path: path.into(), message };
        board.budget.check().map_err(refused)?;
        board.camera.check().map_err(refused)?;
        board.display.iter().try_for_each(phicam_display::Settings::check).map_err(refused)?;
        board.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(board)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_board_is_read_and_has_a_budget() {
        for name in Board::names() {
            let board = Board::named(name).unwrap();
            assert!(board.budget.frame_ms.is_some(), "{name}");
            assert!(board.budget.memory_mib.is_some(), "{name}");
            assert_eq!(board.name, name);
        }
        assert!(Board::names().count() >= 8);
    }

    #[test]
    fn a_board_is_recognised_by_its_device_tree() {
        let compatible = ["raspberrypi,4-model-b".to_string(), "brcm,bcm2711".to_string()];
        assert_eq!(Board::recognised(&compatible).unwrap().name, "raspberry-pi-4");
        assert_eq!(Board::recognised(&["acme,toaster".to_string()]).unwrap().name, GENERIC);
        assert_eq!(Board::recognised(&[]).unwrap().name, GENERIC);
    }

    #[test]
    fn what_others_measured_is_told_with_its_source() {
        let told = Board::named("raspberry-pi-4").unwrap().in_words();
        assert!(told.contains("B0 takes 129.4 ms there on one thread, 73.9 ms on 4 (ncnn benchmark README"), "{told}");
        assert_eq!(Board::named(GENERIC).unwrap().in_words(), "Any machine with Linux");
    }

    #[test]
    fn no_two_boards_are_recognised_by_the_same_entry() {
        let mut seen = std::collections::BTreeMap::new();
        for name in Board::names() {
            for entry in Board::named(name).unwrap().detect {
                assert_eq!(seen.insert(entry.clone(), name), None, "{entry}");
            }
        }
    }

    #[test]
    fn a_typo_is_answered_with_what_was_meant() {
        let message = Board::named("rasberry-pi-4").unwrap_err().to_string();
        assert!(message.contains("did you mean `raspberry-pi-4`?"), "{message}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        for (text, said) in [
            ("summary = 'x'\n[budget]\nframe_sm = 3", "mine.toml:3: unknown field `frame_sm`"),
            ("summary = 'x'\n[budget]\nframe_ms = 0", "frame_ms is 0, expected more than 0"),
            ("summary = 'x'\n[camera]\nkind = 'file'", "unknown variant `file`"),
            ("summary = 'x'\n[camera]\nkind = 'files'\nfilm_fps = 0", "film_fps is 0"),
            ("summary = 'x'\nview = 'left'", "view is `left`"),
            ("summary = 'x'\n[[display]]\nkind = 'png'\npath = 'a'\nwidth = 0", "size is 0x720"),
            ("summary = 'x'\n[onnxruntime]\nlibary = 'x'", "unknown field `libary`"),
            ("summary = 'x'\n[[display]]\nkind = 'terminal'\ncolour = 1", "unknown field `colour`"),
        ] {
            std::fs::write(&path, text).unwrap();
            let message = Board::named(path.to_str().unwrap()).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
