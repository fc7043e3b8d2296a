//! Test harness for `just deploy` with a folder of this machine as the board: no root, no ssh, no systemd.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::patience::Patience;
use super::program::Ended;
use super::root;

/// A folder as the board, with the program and the models to deploy.
pub struct Board {
    folder: tempfile::TempDir,
    /// Time limit in seconds until a release is healthy.
    pub health_s: u32,
}

impl Board {
    /// Creates an empty board with `/etc/init.d`, and small models to send.
    pub fn new() -> Board {
        let board = Board { folder: tempfile::tempdir().unwrap(), health_s: 120 };
        for folder in ["board/etc/init.d", "wire", "tools"] {
            std::fs::create_dir_all(board.path(folder)).unwrap();
        }
        let noise: Vec<u8> = (0..400_000u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        board.write("models/imagenet/lite0.onnx", &noise);
        board.write("models/imagenet/lite1.onnx", &noise[..200_000]);
        board.write("models/imagenet/labels.txt", b"cat\n");
        board.write("models/imagenet/NOTICE", b"whose it is\n");
        let files = ["lite0.onnx", "lite1.onnx"].map(|file| format!("file = \"imagenet/{file}\"\n")).concat();
        board.write("models/catalog.toml", format!("{files}labels = \"imagenet/labels.txt\"\n").as_bytes());
        board.program("good", "first");
        // The board has the commands of busybox only, if busybox is installed here.
        if let Ok(tools) = Command::new("busybox").args(["--install", "-s"]).arg(board.path("tools")).status() {
            assert!(tools.success());
        }
        board
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the path of a file on the board.
    pub fn on_board(&self, name: &str) -> PathBuf {
        self.path("board").join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Writes a program that behaves according to `mode`, which tests/deploy/phicam defines; each `name` gives a
    /// different file.
    pub fn program(&self, mode: &str, name: &str) {
        let text = std::fs::read_to_string(root().join("tests/deploy/phicam")).unwrap();
        self.write("phicam", format!("{}# {name}\n", text.replace("mode=MODE", &format!("mode={mode}"))).as_bytes());
    }

    /// Returns the command `deploy.sh` with `words` and a host; does not start it.
    pub fn command(&self, words: &str) -> Command {
        let mut command = Command::new(root().join("board/deploy/deploy.sh"));
        let mut words = words.split_whitespace();
        command.arg(words.next().unwrap()).arg("board").args(words);
        command.env("PHICAM_SSH", root().join("tests/deploy/ssh")).env("WIRE", self.path("wire"));
        command.env("PHICAM_ROOT", self.path("board")).env("PHICAM_HEALTH_S", self.health_s.to_string());
        command.env("PHICAM_STEADY_S", "2");
        command.env("PHICAM_PROGRAM", self.path("phicam")).env("PHICAM_MODELS", self.path("models"));
        if self.path("tools/tar").exists() {
            command.env("BOARD_TOOLS", self.path("tools"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, words: &str) -> Ended {
        self.ended(&mut self.command(words))
    }

    pub fn ended(&self, command: &mut Command) -> Ended {
        command.output().unwrap().into()
    }

    /// Deploys; panics unless the deploy succeeds.
    #[track_caller]
    pub fn deploy(&self) -> Ended {
        self.run("deploy").with(0)
    }

    /// Returns the release that a link on the board points to.
    pub fn release(&self, link: &str) -> Option<String> {
        let target = std::fs::read_link(self.on_board("opt/phicam").join(link)).ok()?;
        Some(target.file_name().unwrap().to_string_lossy().into_owned())
    }

    /// Returns the process and the release of the board's health report, or `None` if the process has ended.
    pub fn answering(&self) -> Option<(u32, String)> {
        let text = std::fs::read(self.on_board("run/phicam/health.json")).ok()?;
        let health: serde_json::Value = serde_json::from_slice(&text).ok()?;
        let pid = health["pid"].as_u64()? as u32;
        let release = Path::new(health["executable"].as_str()?).parent()?.file_name()?.to_string_lossy().into_owned();
        Path::new(&format!("/proc/{pid}")).exists().then_some((pid, release))
    }

    /// Returns the number of bytes sent to the board in a step.
    pub fn sent(&self, step: &str) -> u64 {
        std::fs::metadata(self.path("wire").join(step)).map_or(0, |file| file.len())
    }

    pub fn forget_what_was_sent(&self) {
        std::fs::remove_dir_all(self.path("wire")).unwrap();
        std::fs::create_dir(self.path("wire")).unwrap();
    }

    /// Runs the supervisor as the board's init does; `word` is its command.
    pub fn supervise(&self, word: &str) -> Ended {
        let mut command = Command::new("sh");
        command.arg(self.on_board("opt/phicam/current/deploy/supervise.sh")).arg(word);
        command.env("PHICAM_ROOT", self.path("board")).env("PHICAM_STEADY_S", "2");
        command.env("PHICAM_HEALTH_S", self.health_s.to_string()).stdin(Stdio::null());
        command.output().unwrap().into()
    }

    /// Imitates a power cut: kills all processes and removes `/run`.
    pub fn cut_power(&self) {
        self.kill_all();
        std::fs::remove_dir_all(self.on_board("run")).unwrap();
    }

    /// Kills every process whose command line contains this board's folder, until none is left.
    fn kill_all(&self) {
        let folder = self.path("board").display().to_string();
        loop {
            let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()).filter(|entry| {
                let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&words).contains(&folder)
            });
            let numbers: Vec<String> = processes
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
                .collect();
            if numbers.is_empty() {
                return;
            }
            let _ = Command::new("kill").arg("-9").args(&numbers).stderr(Stdio::null()).status();
        }
    }
}

/// Waits until `there` returns a value; panics after two minutes of [`Patience`], so that a failing test does not hang.
#[track_caller]
pub fn wait_for<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let patience = Patience::start();
    while !patience.is_over(Duration::from_secs(120)) {
        if let Some(found) = there() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{what}: not within two minutes");
}

impl Drop for Board {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// Returns the number of bytes that a deploy announced to send.
#[track_caller]
pub fn to_send(said: &str) -> u64 {
    let line = said.lines().find(|line| line.contains("sending ")).unwrap_or_else(|| panic!("nothing is sent: {said}"));
    line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
}
