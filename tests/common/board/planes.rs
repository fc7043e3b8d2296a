//! A screen with overlay planes: the kernel's vkms, a graphics card without a real output.

use super::Board;
use super::qmp::Screenshot;

/// A plane that shows a buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Plane {
    pub is_overlay: bool,
    /// Width and height of the shown part of the buffer, in pixels.
    pub size: (u32, u32),
    /// Width and height of the covered part of the screen, in pixels.
    pub over: (u32, u32),
    pub at: (u32, u32),
    /// Number of its buffer.
    pub buffer: u32,
}

impl Plane {
    /// Parses a line by board/virtual/planes.c: `plane 33 overlay 533x400 over 533x400 at 0,0 buffer 45`.
    fn of(line: &str) -> Plane {
        let words: Vec<&str> = line.split(' ').collect();
        let numbers = |word: &str, between: char| {
            let (first, second) = word.split_once(between).unwrap_or_else(|| panic!("no plane: {line}"));
            (first.parse().unwrap(), second.parse().unwrap())
        };
        Plane {
            is_overlay: words[2] == "overlay",
            size: numbers(words[3], 'x'),
            over: numbers(words[5], 'x'),
            at: numbers(words[7], ','),
            buffer: words[9].parse().unwrap(),
        }
    }
}

impl Board {
    /// Plugs in a card with overlay planes and returns its device; the planes scale if `options` has
    /// `enable_scaling=1`.
    #[track_caller]
    pub fn load_vkms(&self, options: &str) -> String {
        self.ssh(&format!("modprobe vkms enable_overlay=1 {options}"));
        let card = "cd /sys/class/drm && ls -d card*-Virtual-* | while read -r it; do \
                    readlink $it | grep -q vkms && echo /dev/dri/${it%%-*}; done";
        let card = self.ssh(card).trim().to_string();
        self.wait_for_owner(&card);
        card
    }

    /// Returns the planes of `card`, the lowest first, and their composed picture.
    #[track_caller]
    pub fn planes(&self, card: &str) -> (Vec<Plane>, Option<Screenshot>) {
        let said = self.try_ssh(&format!("planes {card}"));
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let picture = (!said.stdout.is_empty()).then(|| Screenshot::of_ppm(&said.stdout));
        (said.stderr.lines().map(Plane::of).collect(), picture)
    }

    /// Returns the overlay planes of `card` that show a buffer.
    #[track_caller]
    pub fn overlays(&self, card: &str) -> Vec<Plane> {
        self.planes(card).0.into_iter().filter(|plane| plane.is_overlay).collect()
    }
}
