//! A virtual board: booted by board/virtual/boot.sh in a temporary folder, reached by ssh, its screen read through
//! QEMU.
//!
//! No limit here concerns speed. The limits of waits only end a hang, with the last lines of the board's console.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::patience::Patience;
use super::root;

pub mod camera;
pub mod faults;
pub mod planes;
pub mod proxy;
pub mod qmp;

use qmp::{Qmp, Screenshot};

/// Limit of one wait by [`Patience`]; an estimate, enough on two cores, except for long runs of the program.
pub const LIMIT: Duration = Duration::from_secs(180);

/// A booted board. It ends when the value is dropped, and when the thread that booted it ends.
pub struct Board {
    folder: tempfile::TempDir,
    qemu: Mutex<Child>,
    qmp: Mutex<Qmp>,
    port: u16,
}

/// Exit code and output of a command on the board.
#[derive(Debug)]
pub struct Said {
    /// `None` if a signal ended ssh itself; 255 if ssh found no board, or lost it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Said {
    /// Returns standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl Board {
    /// Boots a board with an empty disk and waits until its ssh responds.
    pub fn boot() -> Board {
        Board::boot_with(&[])
    }

    /// Boots a board with an empty disk and with more `options` for QEMU.
    pub fn boot_with(options: &[&str]) -> Board {
        let folder = tempfile::Builder::new().prefix("phicam-board-").tempdir().unwrap();
        let (qemu, qmp, port) = start(folder.path(), options);
        let board = Board { folder, qemu: Mutex::new(qemu), qmp: Mutex::new(qmp), port };
        board.wait_for_ssh();
        board
    }

    /// Boots a board that runs Debian with systemd and udev (board/virtual/systemd.sh).
    pub fn boot_systemd() -> Board {
        prepared("systemd.img");
        Board::boot_with(&["systemd"])
    }

    /// Cuts the power at once, then boots the board again with its disk unchanged. The ssh port changes.
    pub fn cut_power(&mut self) {
        self.stop();
        let (qemu, qmp, port) = start(self.folder.path(), &[]);
        (self.qemu, self.qmp, self.port) = (Mutex::new(qemu), Mutex::new(qmp), port);
        self.wait_for_ssh();
    }

    /// Returns the port of the board's ssh on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Writes an ssh configuration with host `board` at `port`, which is the board's own or that of a [`proxy::Proxy`];
    /// returns its path.
    pub fn ssh_config(&self, port: u16) -> PathBuf {
        let path = self.folder.path().join(format!("ssh_config.{port}"));
        let common = std::fs::read_to_string(prepared("ssh_config")).unwrap();
        std::fs::write(&path, format!("{common}    Port {port}\n")).unwrap();
        path
    }

    /// Returns the output of a command in the board's shell; panics if the command fails.
    #[track_caller]
    pub fn ssh(&self, command: &str) -> String {
        let said = self.try_ssh(command);
        assert_eq!(said.code, Some(0), "`{command}` on the board: {}{}", said.text(), said.stderr);
        said.text()
    }

    /// Runs a command in the board's shell; accepts any exit code.
    #[track_caller]
    pub fn try_ssh(&self, command: &str) -> Said {
        self.ssh_with(command, &[])
    }

    /// Like [`Board::try_ssh`], with `input` on standard input.
    #[track_caller]
    pub fn ssh_with(&self, command: &str, input: &[u8]) -> Said {
        self.ssh_within(LIMIT, command, input)
    }

    /// Like [`Board::ssh_with`], with a time limit other than [`LIMIT`].
    #[track_caller]
    pub fn ssh_within(&self, limit: Duration, command: &str, input: &[u8]) -> Said {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(prepared("ssh_config")).arg("-p").arg(self.port.to_string()).args(["board", command]);
        let said = finish(ssh, input, limit);
        said.unwrap_or_else(|| panic!("`{command}` on the board: no end in {} s\n{}", limit.as_secs(), self.console()))
    }

    /// Writes a file on the board; creates its parent folders.
    #[track_caller]
    pub fn put(&self, bytes: &[u8], remote: &str) {
        let said = self.ssh_with(&format!("mkdir -p \"$(dirname {remote})\" && cat > {remote}"), bytes);
        assert_eq!(said.code, Some(0), "{remote}: {}", said.stderr);
    }

    /// Sends a file to the board; it is executable there if it is executable here.
    #[track_caller]
    pub fn send(&self, path: &Path, remote: &str) {
        use std::os::unix::fs::PermissionsExt;
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.put(&bytes, remote);
        if path.metadata().unwrap().permissions().mode() & 0o111 != 0 {
            self.ssh(&format!("chmod 755 {remote}"));
        }
    }

    /// Returns the contents of a file on the board.
    #[track_caller]
    pub fn fetch(&self, remote: &str) -> Vec<u8> {
        let said = self.try_ssh(&format!("cat {remote}"));
        assert_eq!(said.code, Some(0), "{remote}: {}", said.stderr);
        said.stdout
    }

    /// Returns the contents of the screen.
    pub fn screendump(&self) -> Screenshot {
        self.qmp.lock().unwrap().screendump(&self.folder.path().join("screen.ppm"))
    }

    /// Executes a command of QEMU's machine protocol and returns its result.
    pub fn qmp(&self, command: &str, arguments: serde_json::Value) -> serde_json::Value {
        self.qmp.lock().unwrap().execute(command, arguments)
    }

    /// Returns the output of the serial console since the boot.
    pub fn serial_log(&self) -> String {
        serial_log(self.folder.path())
    }

    /// Repeats `attempt` until it returns a value; panics after [`LIMIT`]. `what` completes the message "no …".
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
        let patience = Patience::start();
        loop {
            if let Some(found) = attempt() {
                return found;
            }
            let ended = self.qemu.lock().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "no {what}: QEMU ended, {}\n{}", ended.unwrap(), self.console());
            assert!(!patience.is_over(LIMIT), "no {what} in {} s\n{}", LIMIT.as_secs(), self.console());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Returns the last lines of the console, for messages.
    fn console(&self) -> String {
        last_lines(&self.serial_log())
    }

    fn wait_for_ssh(&self) {
        let start = Instant::now();
        self.until("line `board: up` on the console", || self.serial_log().contains("board: up").then_some(()));
        self.until("answer by ssh", || (self.try_ssh("true").code == Some(0)).then_some(()));
        eprintln!("board: up in {:.1} s", start.elapsed().as_secs_f64());
    }

    fn stop(&mut self) {
        // QEMU may have ended already: a board can power itself off.
        let qemu = self.qemu.get_mut().unwrap();
        let _ = qemu.kill();
        let _ = qemu.wait();
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the board's console:\n{}", self.console());
        }
        self.stop();
    }
}

/// Returns the path of a file that board/virtual/setup.sh creates; panics if it is missing.
fn prepared(name: &str) -> PathBuf {
    let path = root().join("target/board").join(name);
    assert!(path.exists(), "{} is missing: board/virtual/setup.sh makes it", path.display());
    path
}

fn serial_log(folder: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(folder.join("serial.log")).unwrap_or_default()).into_owned()
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Starts QEMU and connects to its machine protocol; returns the free port that ssh got.
fn start(folder: &Path, options: &[&str]) -> (Child, Qmp, u16) {
    prepared("initrd.img");
    // setpriv: without it, a killed test would leave its board running.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(root().join("board/virtual/boot.sh")).arg(folder).arg("0").args(options);
    let mut qemu = command.stdin(Stdio::null()).spawn().expect("setpriv, of util-linux, starts the board");
    let patience = Patience::start();
    let mut qmp = loop {
        if let Ok(qmp) = Qmp::connect(&folder.join("qmp.sock")) {
            break qmp;
        }
        if let Some(status) = qemu.try_wait().unwrap() {
            panic!("QEMU ended at once, {status}; what it says is above");
        }
        assert!(!patience.is_over(LIMIT), "QEMU does not answer at qmp.sock in {} s", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    };
    let port = qmp.ssh_port();
    (qemu, qmp, port)
}

/// Runs a command until it ends; kills it at the limit and returns `None`.
pub fn finish(mut command: Command, input: &[u8], limit: Duration) -> Option<Said> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout, mut stderr) =
        (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::scope(|threads| {
        // A command that reads no input closes its pipe; this write may fail.
        threads.spawn(move || stdin.write_all(input).is_ok());
        let output = threads.spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).map(|_| bytes).unwrap()
        });
        let errors = threads.spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap()
        });
        let patience = Patience::start();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if patience.is_over(limit) {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (stdout, stderr) = (output.join().unwrap(), errors.join().unwrap());
        status.map(|status| Said { code: status.code(), stdout, stderr })
    })
}
