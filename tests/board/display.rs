//! Display on the board's screen: equal, pixel by pixel, to the picture that the program writes to a file.

use super::common::board::Board;
use super::common::board::qmp::Screenshot;
use super::common::sample;
use super::program::install;

/// The running program, which shows a photograph on the screen and in a PNG file of equal size.
pub struct Showing<'board> {
    board: &'board Board,
    process: u32,
}

/// Shows dog.jpg for an hour on a display of kind `kind`; `lines` extend the display's table in the board file.
#[track_caller]
pub fn show<'board>(board: &'board Board, user: &str, kind: &str, lines: &str, size: (u32, u32)) -> Showing<'board> {
    board.send(&sample("dog.jpg"), "/tmp/dog.jpg");
    let camera = "kind = 'files'\npath = '/tmp/dog.jpg'\npicture_ms = 3600000\n";
    show_camera(board, user, camera, &format!("kind = '{kind}'\n{lines}"), size)
}

/// Shows a camera's frames on a display; `camera` and `display` are the lines of their tables in the board file.
#[track_caller]
pub fn show_camera<'board>(
    board: &'board Board,
    user: &str,
    camera: &str,
    display: &str,
    (width, height): (u32, u32),
) -> Showing<'board> {
    let file = format!(
        "summary = 'a test'\nview = 'whole'\n[camera]\n{camera}\n[[display]]\n{display}\n\
         [[display]]\nkind = 'png'\npath = '/tmp/shown/screen.png'\nwidth = {width}\nheight = {height}\n"
    );
    board.put(file.as_bytes(), "/tmp/show.toml");
    board.ssh("rm -rf /tmp/shown; mkdir -m 777 /tmp/shown");
    let command =
        "PHICAM_STATE=/tmp/shown/state exec /opt/phicam/phicam run --board /tmp/show.toml --model lite0@96 -v";
    let started = format!("{command} < /dev/null > /tmp/shown/log 2>&1 & echo \\$!");
    let process = board.ssh(&format!("su {user} -c \"{started}\"")).trim().parse().unwrap();
    let showing = Showing { board, process };
    board.until("answer in the PNG file", || {
        assert!(showing.runs(), "it ended: {}", showing.log());
        showing.png()
    });
    showing
}

impl Showing<'_> {
    pub fn log(&self) -> String {
        self.board.try_ssh("cat /tmp/shown/log").text()
    }

    pub fn runs(&self) -> bool {
        self.board.try_ssh(&format!("[ -e /proc/{} ]", self.process)).code == Some(0)
    }

    pub fn signal(&self, signal: &str) {
        let process = self.process;
        self.board.ssh(&format!("kill -{signal} {process}; while [ -e /proc/{process} ]; do usleep 50000; done"));
    }

    pub fn process(&self) -> u32 {
        self.process
    }

    /// Returns the picture in this run's PNG file, if it is complete.
    pub fn png(&self) -> Option<image::RgbImage> {
        let said = self.board.try_ssh("cat /tmp/shown/screen.png");
        image::load_from_memory(&said.stdout).ok().map(|picture| picture.into_rgb8())
    }

    /// Waits until the screen equals the file.
    ///
    /// The line with the duration of the answer may differ, because the two are not drawn at the same moment.
    #[track_caller]
    pub fn is_on_the_screen(&self) {
        self.is_in(|| Some(self.board.screendump()));
    }

    /// Waits until another screen equals the file; `seen` returns its picture.
    #[track_caller]
    pub fn is_in(&self, mut seen: impl FnMut() -> Option<Screenshot>) {
        let mut told = String::new();
        self.board.until("picture of the program on the screen", || {
            let difference = describe_difference(&seen()?, &self.png()?);
            if difference != told {
                eprintln!("the screen differs from the file: {difference}"); // the last line before a failure
                told.clone_from(&difference);
            }
            difference.is_empty().then_some(())
        });
    }
}

/// Returns the difference of two pictures; empty if they differ by at most one line of small text.
fn describe_difference(screen: &Screenshot, expected: &image::RgbImage) -> String {
    let (width, height) = expected.dimensions();
    if (screen.width as u32, screen.height as u32) != (width, height) {
        return format!("{}×{} for {width}×{height}", screen.width, screen.height);
    }
    let pixels = expected.enumerate_pixels();
    let apart = pixels.filter(|(x, y, pixel)| screen.at(*x as usize, *y as usize) != pixel.0);
    let places: Vec<(u32, u32)> = apart.map(|(x, y, _)| (x, y)).collect();
    let (Some(top), Some(bottom)) = (places.iter().map(|at| at.1).min(), places.iter().map(|at| at.1).max()) else {
        return String::new();
    };
    if bottom - top < height / 24 { String::new() } else { format!("{} pixels, rows {top} to {bottom}", places.len()) }
}

/// Clears the console, hides its blinking cursor and returns a screenshot.
fn console(board: &Board) -> Screenshot {
    board.ssh("printf '\\033[2J\\033[Hthe console\\033[?25l' > /dev/tty1; sleep 2");
    board.screendump()
}

#[track_caller]
fn wait_for_console(board: &Board, console: &Screenshot) {
    board.until("console as it was", || (board.screendump().pixels == console.pixels).then_some(()));
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn screen_shows_the_picture_then_the_console() {
    let board = Board::boot();
    install(&board);
    let before = console(&board);
    for (user, kind, lines) in [("root", "drm", ""), ("phicam", "drm", ""), ("phicam", "fb", ""), ("root", "fb", "")] {
        let showing = show(&board, user, kind, lines, (800, 480));
        showing.is_on_the_screen();
        let words = "the frame is drawn without an overlay plane: the driver has no overlay plane";
        let times = showing.log().matches(words).count();
        assert_eq!(times, usize::from(kind == "drm"), "{}", showing.log());
        showing.signal("TERM");
        if (user, kind) != ("phicam", "fb") {
            wait_for_console(&board, &before); // fb: only a user of the terminal can redraw it
        } else {
            console(&board);
        }
    }
    let showing = show(&board, "root", "auto", "", (800, 480));
    showing.is_on_the_screen();
    assert!(showing.log().contains("display drm:Virtual-1"), "{}", showing.log());
    showing.signal("TERM");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn long_shown_picture_is_replaced() {
    let board = Board::boot();
    install(&board);
    for name in ["dog.jpg", "koala.jpg"] {
        board.send(&sample(name), &format!("/tmp/pictures/{name}"));
    }
    // Longer than the time that a driver gets to show a picture.
    let camera = "kind = 'files'\npath = '/tmp/pictures'\npicture_ms = 12000\nrepeat = true";
    let showing = show_camera(&board, "phicam", camera, "kind = 'drm'", (800, 480));
    let first = showing.png().unwrap();
    board.until("next picture in the file", || (showing.png()?.get_pixel(9, 9) != first.get_pixel(9, 9)).then_some(()));
    showing.is_on_the_screen();
    assert!(!showing.log().contains("is lost"), "{}", showing.log());
    showing.signal("TERM");
}

#[test]
#[ignore = "boots the virtual board: just test-board"]
fn requested_mode_is_set() {
    let board = Board::boot();
    install(&board);
    let lines = "connector = 'Virtual-1'\nmode = '1024x768'\ndevice = '/dev/dri/card0'";
    let showing = show(&board, "phicam", "drm", lines, (1024, 768));
    showing.is_on_the_screen();
    let second = "su phicam -c 'cd /opt/phicam && ./phicam run --camera pattern --display drm --model lite0@96'";
    let said = board.try_ssh(second);
    assert!(said.code == Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("another program draws on /dev/dri/card0"), "{}", said.stderr);
    showing.is_on_the_screen();
    showing.signal("TERM");
    let said = board.try_ssh(&second.replace("--display drm", "--display drm:@641x480"));
    assert!(said.code == Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("no mode 641x480; choose one of"), "{}", said.stderr);
    board.ssh("chmod 600 /dev/dri/card0");
    let said = board.try_ssh(second);
    assert!(said.code == Some(1), "{}", said.stderr);
    assert!(said.stderr.contains("usermod -aG video"), "{}", said.stderr);
}
