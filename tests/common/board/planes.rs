//! A screen with overlay planes: the kernel's vkms, a graphics card that shows nowhere what its planes hold.

use super::Board;
use super::qmp::Screenshot;

/// A plane that shows something.
#[derive(Debug, PartialEq, Eq)]
pub struct Plane {
    pub is_overlay: bool,
    /// Pixels that it has.
    pub size: (u32, u32),
    /// Pixels of the screen that it covers.
    pub over: (u32, u32),
    pub at: (u32, u32),
    /// The number of the buffer in it.
    pub buffer: u32,
}

impl Plane {
    /// One line of board/virtual/planes.c: `plane 33 overlay 533x400 over 533x400 at 0,0 buffer 45`.
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
    /// Plugs in a card with overlay planes, and says which it is. With `enable_scaling=1` they scale.
    #[track_caller]
    pub fn load_vkms(&self, options: &str) -> String {
        self.ssh(&format!("modprobe vkms enable_overlay=1 {options}"));
        let card = "cd /sys/class/drm && ls -d card*-Virtual-* | while read -r it; do \
                    readlink $it | grep -q vkms && echo /dev/dri/${it%%-*}; done";
        let card = self.ssh(card).trim().to_string();
        self.wait_for_owner(&card);
        card
    }

    /// What the planes of `card` show, the lowest first, and what they are together.
    #[track_caller]
    pub fn planes(&self, card: &str) -> (Vec<Plane>, Option<Screenshot>) {
        let said = self.try_ssh(&format!("planes {card}"));
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        let picture = (!said.stdout.is_empty()).then(|| Screenshot::of_ppm(&said.stdout));
        (said.stderr.lines().map(Plane::of).collect(), picture)
    }

    /// The overlay planes of `card` that show something.
    #[track_caller]
    pub fn overlays(&self, card: &str) -> Vec<Plane> {
        self.planes(card).0.into_iter().filter(|plane| plane.is_overlay).collect()
    }
}
