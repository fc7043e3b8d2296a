//! A virtual board: booted by board/virtual/boot.sh in a folder of its own, reached by ssh, its screen seen through QEMU.
//!
//! Nothing here limits how fast anything is. The limits of waits only end what hangs, with the last lines of the board's
//! console.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::root;

pub mod camera;
pub mod faults;
pub mod planes;
pub mod proxy;
pub mod qmp;

use qmp::{Qmp, Screenshot};

/// Enough for anything but a long run of the program, on two cores that are shared with a build.
pub const LIMIT: Duration = Duration::from_secs(180);

/// A board that is up. It ends with the value, and with the thread that booted it.
pub struct Board {
    folder: tempfile::TempDir,
    qemu: Mutex<Child>,
    qmp: Mutex<Qmp>,
    port: u16,
}

/// How a command on the board ended.
#[derive(Debug)]
pub struct Said {
    /// None: a signal ended ssh itself. 255: ssh found no board, or lost it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Said {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl Board {
    /// Boots a board with an empty disk and waits for its ssh.
    pub fn boot() -> Board {
        Board::boot_with(&[])
    }

    /// The same, with more options for QEMU.
    pub fn boot_with(options: &[&str]) -> Board {
        let folder = tempfile::Builder::new().prefix("phicam-board-").tempdir().unwrap();
        let (qemu, qmp, port) = start(folder.path(), options);
        let board = Board { folder, qemu: Mutex::new(qemu), qmp: Mutex::new(qmp), port };
        board.wait_for_ssh();
        board
    }

    /// Boots Debian with systemd and udev (board/virtual/systemd.sh) instead.
    pub fn boot_systemd() -> Board {
        prepared("systemd.img");
        Board::boot_with(&["systemd"])
    }

    /// Takes its power away, at once, and boots it again with the disk as it was left. The ssh port is another then.
    pub fn cut_power(&mut self) {
        self.stop();
        let (qemu, qmp, port) = start(self.folder.path(), &[]);
        (self.qemu, self.qmp, self.port) = (Mutex::new(qemu), Mutex::new(qmp), port);
        self.wait_for_ssh();
    }

    /// The port of its ssh on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Configuration that leads ssh to host `board` at `port`: its own, or that of a [`proxy::Proxy`].
    pub fn ssh_config(&self, port: u16) -> PathBuf {
        let path = self.folder.path().join(format!("ssh_config.{port}"));
        let common = std::fs::read_to_string(prepared("ssh_config")).unwrap();
        std::fs::write(&path, format!("{common}    Port {port}\n")).unwrap();
        path
    }

    /// What a command of the board's shell prints; the command has to succeed.
    #[track_caller]
    pub fn ssh(&self, command: &str) -> String {
        let said = self.try_ssh(command);
        assert_eq!(said.code, Some(0), "`{command}` on the board: {}{}", said.text(), said.stderr);
        said.text()
    }

    /// How a command of the board's shell ended.
    #[track_caller]
    pub fn try_ssh(&self, command: &str) -> Said {
        self.ssh_with(command, &[])
    }

    /// The same, with bytes for its standard input.
    #[track_caller]
    pub fn ssh_with(&self, command: &str, input: &[u8]) -> Said {
        self.ssh_within(LIMIT, command, input)
    }

    /// The same, for a command that may take longer than [`LIMIT`].
    #[track_caller]
    pub fn ssh_within(&self, limit: Duration, command: &str, input: &[u8]) -> Said {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(prepared("ssh_config")).arg("-p").arg(self.port.to_string()).args(["board", command]);
        let said = finish(ssh, input, limit);
        said.unwrap_or_else(|| panic!("`{command}` on the board: no end in {} s\n{}", limit.as_secs(), self.console()))
    }

    /// Writes a file of the board, and the folders above it.
    #[track_caller]
    pub fn put(&self, bytes: &[u8], remote: &str) {
        let said = self.ssh_with(&format!("mkdir -p \"$(dirname {remote})\" && cat > {remote}"), bytes);
        assert_eq!(said.code, Some(0), "{remote}: {}", said.stderr);
    }

    /// Sends a file to the board, executable if it is here.
    #[track_caller]
    pub fn send(&self, path: &Path, remote: &str) {
        use std::os::unix::fs::PermissionsExt;
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self.put(&bytes, remote);
        if path.metadata().unwrap().permissions().mode() & 0o111 != 0 {
            self.ssh(&format!("chmod 755 {remote}"));
        }
    }

    /// A file of the board.
    #[track_caller]
    pub fn fetch(&self, remote: &str) -> Vec<u8> {
        let said = self.try_ssh(&format!("cat {remote}"));
        assert_eq!(said.code, Some(0), "{remote}: {}", said.stderr);
        said.stdout
    }

    /// What the screen shows.
    pub fn screendump(&self) -> Screenshot {
        self.qmp.lock().unwrap().screendump(&self.folder.path().join("screen.ppm"))
    }

    /// A command of QEMU's machine protocol.
    pub fn qmp(&self, command: &str, arguments: serde_json::Value) -> serde_json::Value {
        self.qmp.lock().unwrap().execute(command, arguments)
    }

    /// What came over the serial console since the boot.
    pub fn serial_log(&self) -> String {
        serial_log(self.folder.path())
    }

    /// Tries until there is something, at most [`LIMIT`] long; `what` completes "no …".
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = attempt() {
                return found;
            }
            let ended = self.qemu.lock().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "no {what}: QEMU ended, {}\n{}", ended.unwrap(), self.console());
            assert!(start.elapsed() < LIMIT, "no {what} in {} s\n{}", LIMIT.as_secs(), self.console());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The last lines of the console, for messages.
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
        // It may have ended by itself: a board that was told to power off.
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

/// A file that board/virtual/setup.sh made.
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

/// Starts QEMU and talks to it; ssh gets a free port.
fn start(folder: &Path, options: &[&str]) -> (Child, Qmp, u16) {
    prepared("initrd.img");
    // A killed test would leave its board behind.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(root().join("board/virtual/boot.sh")).arg(folder).arg("0").args(options);
    let mut qemu = command.stdin(Stdio::null()).spawn().expect("setpriv, of util-linux, starts the board");
    let start = Instant::now();
    let mut qmp = loop {
        if let Ok(qmp) = Qmp::connect(&folder.join("qmp.sock")) {
            break qmp;
        }
        if let Some(status) = qemu.try_wait().unwrap() {
            panic!("QEMU ended at once, {status}; what it says is above");
        }
        assert!(start.elapsed() < LIMIT, "QEMU does not answer at qmp.sock in {} s", LIMIT.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    };
    let port = qmp.ssh_port();
    (qemu, qmp, port)
}

/// Runs a command to its end, or kills it at the limit.
pub fn finish(mut command: Command, input: &[u8], limit: Duration) -> Option<Said> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout, mut stderr) =
        (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    std::thread::scope(|threads| {
        // A command that reads no input closes it: no fault.
        threads.spawn(move || stdin.write_all(input).is_ok());
        let output = threads.spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).map(|_| bytes).unwrap()
        });
        let errors = threads.spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap()
        });
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if start.elapsed() > limit {
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
