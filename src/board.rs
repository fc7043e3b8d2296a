//! Board files: detection, budget, camera and displays of each board.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::overlay::Page;
use phicam_platform::config_file;
use phicam_platform::config_file::{StrictError, did_you_mean};
use phicam_policy::budget::Budget;

/// Names and texts of `board/*.toml` at build time.
static BUILT_IN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/boards.rs"));

/// Board of machines that no board file detects.
pub const GENERIC: &str = "generic";

/// Error of a board name or board file.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error(transparent)]
    File(#[from] StrictError),
    #[error("{}: {message}", path.display())]
    Invalid { path: PathBuf, message: String },
    #[error("no board `{name}`: expected {known}, or a file that ends in .toml{hint}")]
    Unknown { name: String, hint: String, known: String },
}

/// Contents of a board file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Name of the file, without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// Description in a few words.
    pub summary: String,
    /// Entries of `/proc/device-tree/compatible` that identify the board.
    #[serde(default)]
    pub detect: Vec<String>,
    /// Default limits of one inference.
    #[serde(default)]
    pub budget: Budget,
    /// Restricts the candidates, like `--model`, which overrides it. Default: all.
    pub model: Option<String>,
    /// Default: the sample photographs.
    #[serde(default)]
    pub camera: phicam_camera::Settings,
    /// Default: the terminal.
    #[serde(default)]
    pub display: Vec<phicam_display::Settings>,
    /// Page of the screens; `--screen` overrides it.
    #[serde(default)]
    pub screen: Page,
    /// Whether the screens are circles, whose corners are not seen.
    #[serde(default)]
    pub round_screen: bool,
    #[serde(default)]
    pub view: CropMode,
    /// ONNX Runtime, for boards with a GPU. Default: the folders where packages install it.
    #[serde(default)]
    pub onnxruntime: OnnxRuntime,
    /// Expected speed, before any measurement.
    pub expect: Option<Expect>,
}

/// Location of ONNX Runtime.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxRuntime {
    /// Path of libonnxruntime.so. The variable ORT_DYLIB_PATH overrides it.
    pub library: Option<PathBuf>,
}

/// Published speed of a board.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// EfficientNet-B0 at 224 pixels, f32, batch 1, on the CPU.
    pub b0_f32_ms: Option<ByThreads>,
    /// Publisher and software of the measurement.
    pub source: String,
}

/// Milliseconds by thread count.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByThreads {
    pub one_thread: f64,
    pub four_threads: Option<f64>,
    pub six_threads: Option<f64>,
}

impl ByThreads {
    /// Returns the milliseconds with the largest listed thread count up to `threads`.
    pub fn with_threads(&self, threads: usize) -> f64 {
        let listed = [(6, self.six_threads), (4, self.four_threads)];
        let best = listed.iter().find_map(|(count, ms)| ms.filter(|_| *count <= threads));
        best.unwrap_or(self.one_thread)
    }
}

/// Returns the name of a Raspberry Pi that people shorten: `rpi4`, `pi5`, `raspberrypi-3`.
fn usual_name(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let model = ["raspberrypi", "raspberry-pi", "rpi", "pi"].into_iter().find_map(|start| name.strip_prefix(start))?;
    Some(format!("raspberry-pi-{}", model.trim_start_matches(['-', '_', ' '])))
}

impl Board {
    /// Returns the names of the built-in boards.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Returns the built-in board called `name`, else reads the board file at that path.
    pub fn named(name: &str) -> Result<Board, BoardError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(known, _)| *known == name) {
            let path = PathBuf::from(format!("board/{name}.toml"));
            return Self::checked(config_file::parse(text, &path)?, &path);
        }
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "toml") || path.is_file() {
            return Self::checked(config_file::read(path)?, path);
        }
        if let Some(known) = usual_name(name).filter(|known| Self::names().any(|name| name == known)) {
            return Self::named(&known);
        }
        let known = Self::names().collect::<Vec<_>>().join(", ");
        Err(BoardError::Unknown { name: name.into(), hint: did_you_mean(name, Self::names()), known })
    }

    /// Returns the board that detects one of `compatible` (most specific first), else the generic board.
    pub fn detect(compatible: &[String]) -> Result<Board, BoardError> {
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

    /// Returns the summary, with the expected speed if the board file has one.
    pub fn description(&self) -> String {
        let expected = self.expect.as_ref().and_then(|expect| Some((expect, expect.b0_f32_ms?)));
        let Some((Expect { source, .. }, ms)) = expected else { return self.summary.clone() };
        let multithreaded = [(4, ms.four_threads), (6, ms.six_threads)];
        let multithreaded: String =
            multithreaded.iter().filter_map(|(threads, ms)| Some(format!(", {} ms on {threads}", (*ms)?))).collect();
        format!("{}; EfficientNet-B0 takes {} ms on one thread{multithreaded} ({source})", self.summary, ms.one_thread)
    }

    fn checked(mut board: Board, path: &Path) -> Result<Board, BoardError> {
        let invalid = |message| BoardError::Invalid { path: path.into(), message };
        board.budget.check().map_err(invalid)?;
        board.camera.check().map_err(invalid)?;
        board.display.iter().try_for_each(phicam_display::Settings::check).map_err(invalid)?;
        board.name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(board)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_boards_have_a_budget() {
        for name in Board::names() {
            let board = Board::named(name).unwrap();
            assert!(board.budget.frame_ms.is_some(), "{name}");
            assert!(board.budget.memory_mib.is_some(), "{name}");
            assert_eq!(board.name, name);
        }
        assert!(Board::names().count() >= 8);
    }

    #[test]
    fn boards_with_a_sensor_connector_take_any_camera() {
        let has_connector = |name: &&str| name.starts_with("raspberry-pi") || name.starts_with("jetson");
        let boards: Vec<&str> = Board::names().filter(has_connector).collect();
        assert!(boards.len() >= 12, "{boards:?}");
        for name in boards {
            assert_eq!(Board::named(name).unwrap().camera, phicam_camera::Settings::Auto {}, "{name}");
        }
    }

    #[test]
    fn device_tree_identifies_the_board() {
        let compatible = ["raspberrypi,4-model-b".to_string(), "brcm,bcm2711".to_string()];
        assert_eq!(Board::detect(&compatible).unwrap().name, "raspberry-pi-4");
        assert_eq!(Board::detect(&["acme,toaster".to_string()]).unwrap().name, GENERIC);
        assert_eq!(Board::detect(&[]).unwrap().name, GENERIC);
    }

    #[test]
    fn expected_speed_is_shown_with_its_source() {
        let text = Board::named("raspberry-pi-4").unwrap().description();
        assert!(text.contains("B0 takes 129.4 ms on one thread, 73.9 ms on 4 (ncnn benchmark README"), "{text}");
        assert_eq!(Board::named(GENERIC).unwrap().description(), "Any machine with Linux");
    }

    #[test]
    fn expected_speed_follows_the_thread_count() {
        let nano = ByThreads { one_thread: 36.7, four_threads: Some(12.0), six_threads: Some(10.1) };
        assert_eq!([1, 2, 4, 5, 6, 8].map(|threads| nano.with_threads(threads)), [36.7, 36.7, 12.0, 12.0, 10.1, 10.1]);
        let pi = ByThreads { one_thread: 129.4, four_threads: None, six_threads: None };
        assert_eq!(pi.with_threads(4), 129.4);
    }

    #[test]
    fn no_two_boards_detect_one_entry() {
        let mut seen = std::collections::BTreeMap::new();
        for name in Board::names() {
            for entry in Board::named(name).unwrap().detect {
                assert_eq!(seen.insert(entry.clone(), name), None, "{entry}");
            }
        }
    }

    #[test]
    fn invalid_boards_name_key_and_value() {
        let message = Board::named("rasberry-pi-4").unwrap_err().to_string();
        assert!(message.contains("did you mean `raspberry-pi-4`?"), "{message}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        for (text, expected) in [
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
            assert!(message.contains(expected), "{message}");
        }
    }
}
