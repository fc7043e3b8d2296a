//! The program, started as a user starts it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::{root, sample};

/// The program with a temporary working folder, which also contains its state folder.
pub struct Program {
    folder: tempfile::TempDir,
}

/// Exit code and output of one run of the program.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn new() -> Program {
        Program { folder: tempfile::tempdir().unwrap() }
    }

    /// Returns the path of a file in the working folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in the working folder; creates its parent folders.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Copies a sample photograph to the working folder.
    pub fn take(&self, photograph: &str, name: &str) {
        self.write(name, std::fs::read(sample(photograph)).unwrap());
    }

    /// Adds the shipped models in the folder `models`: writable copies of catalog and labels, links to the networks.
    pub fn take_models(&self) {
        for file in ["catalog.toml", "imagenet/labels.txt"] {
            self.write(&format!("models/{file}"), std::fs::read(root().join("models").join(file)).unwrap());
        }
        for network in ["lite0.onnx", "lite1.onnx", "lite2.onnx"] {
            let shipped = root().join("models/imagenet").join(network);
            std::os::unix::fs::symlink(shipped, self.path(&format!("models/imagenet/{network}"))).unwrap();
        }
    }

    /// Replaces a file under `models`, but never the shipped file that a link points to.
    pub fn replace_model(&self, file: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(&format!("models/{file}"));
        std::fs::remove_file(&path).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Replaces every `old` with `new` in the catalog; panics if `old` is missing.
    pub fn change_catalog(&self, old: &str, new: &str) {
        let path = self.path("models/catalog.toml");
        let catalog = std::fs::read_to_string(&path).unwrap();
        assert!(catalog.contains(old), "the shipped catalog has no `{old}`");
        std::fs::write(path, catalog.replace(old, new)).unwrap();
    }

    /// Replaces a file under `models`, and its hash in the catalog.
    pub fn replace_model_and_hash(&self, file: &str, bytes: impl AsRef<[u8]>) {
        let shipped = std::fs::read(root().join("models").join(file)).unwrap();
        self.change_catalog(&sha256(&shipped), &sha256(bytes.as_ref()));
        self.replace_model(file, bytes);
    }

    /// Returns the command of the program with `arguments`; does not start it.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_phicam"));
        command.args(arguments).current_dir(self.folder.path()).env("PHICAM_STATE", self.path("state"));
        command.env("PHICAM_RUNTIME", self.path("runtime"));
        for variable in ["PHICAM_MODELS", "RUST_LOG", "RUST_BACKTRACE", "ORT_DYLIB_PATH"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program with the words of `arguments` and waits until it ends.
    pub fn run(&self, arguments: &str) -> Ended {
        self.command(arguments.split_whitespace()).output().unwrap().into()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        let text = |bytes| String::from_utf8(bytes).expect("what it prints is UTF-8");
        let ended = Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        for panic in ["panicked", "RUST_BACKTRACE"] {
            assert!(!ended.stderr.contains(panic), "{ended:?}");
        }
        ended
    }
}

impl Ended {
    /// Asserts the exit code `code`.
    #[track_caller]
    pub fn with(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Asserts that standard error contains each of `words`.
    #[track_caller]
    pub fn saying(self, words: &[&str]) -> Ended {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is missing in: {}", self.stderr);
        }
        self
    }

    /// Returns the JSON objects on standard output, one for each line.
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// Old names of renamed keys, which this release writes beside the new ones.
const OLD_NAMES: [&str; 7] = ["by_camera", "choice", "engine_detail", "guesses", "rss_mib", "well", "why"];

/// Returns the names of an object's fields in alphabetical order, without the old names of renamed ones.
pub fn names(object: &serde_json::Value) -> Vec<&str> {
    let keys = object.as_object().expect("an object").keys().map(String::as_str);
    let mut names: Vec<&str> = keys.filter(|key| !OLD_NAMES.contains(key)).collect();
    names.sort_unstable();
    names
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
