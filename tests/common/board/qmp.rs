//! QEMU's machine protocol over its Unix socket: commands, and screenshots of the board's screen.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

/// A connection to QEMU, which accepts one at a time.
pub struct Qmp {
    stream: BufReader<UnixStream>,
}

/// A screenshot of the board's screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screenshot {
    pub width: usize,
    pub height: usize,
    /// Red, green and blue levels, row by row.
    pub pixels: Vec<u8>,
}

impl Screenshot {
    /// Parses a PPM file.
    pub fn of_ppm(bytes: &[u8]) -> Screenshot {
        // P6, width, height and 255, each followed by one whitespace character.
        let mut fields = bytes.splitn(4, |byte| byte.is_ascii_whitespace());
        let mut field = || fields.next().expect("a PPM picture");
        assert_eq!(field(), b"P6");
        let mut number = || std::str::from_utf8(field()).unwrap().parse::<usize>().unwrap();
        let (width, height) = (number(), number());
        let pixels = field().strip_prefix(b"255\n").expect("a PPM picture of 8 bits").to_vec();
        assert_eq!(pixels.len(), width * height * 3);
        Screenshot { width, height, pixels }
    }

    /// Returns red, green and blue at a column and a row.
    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let start = (y * self.width + x) * 3;
        self.pixels[start..start + 3].try_into().unwrap()
    }
}

impl Qmp {
    /// Connects and leaves the initial mode, in which QEMU accepts no commands.
    pub fn connect(socket: &Path) -> std::io::Result<Qmp> {
        let stream = UnixStream::connect(socket)?;
        // A busy host answers late. QEMU itself answers, or ends and closes the socket.
        let mut qmp = Qmp { stream: BufReader::new(stream) };
        qmp.stream.read_line(&mut String::new())?;
        qmp.execute("qmp_capabilities", json!({}));
        Ok(qmp)
    }

    /// Executes a command and returns its result.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Value {
        let request = json!({"execute": command, "arguments": arguments}).to_string() + "\n";
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            let read = read.unwrap_or_else(|error| panic!("QEMU does not answer `{command}`: {error}"));
            assert!(read > 0, "QEMU ended during `{command}`");
            let answer: Value = serde_json::from_str(&line).unwrap();
            assert!(answer.get("error").is_none(), "QEMU on {request}{line}");
            // Other lines are events.
            if let Some(result) = answer.get("return") {
                return result.clone();
            }
        }
    }

    /// Returns the port that QEMU chose for the board's ssh.
    pub fn ssh_port(&mut self) -> u16 {
        let table = self.execute("human-monitor-command", json!({"command-line": "info usernet"}));
        let table = table.as_str().unwrap();
        // Columns: protocol, descriptor, host address, host port, guest address, guest port, …
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let port = rows.filter(|row| row.first() == Some(&"TCP[HOST_FORWARD]")).find_map(|row| row[3].parse().ok());
        port.unwrap_or_else(|| panic!("no forwarded port in:\n{table}"))
    }

    /// Returns a screenshot; writes it to `file` first.
    pub fn screendump(&mut self, file: &Path) -> Screenshot {
        self.execute("screendump", json!({"filename": file}));
        Screenshot::of_ppm(&std::fs::read(file).unwrap())
    }
}
