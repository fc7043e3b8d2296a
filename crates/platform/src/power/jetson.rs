//! Power mode and JetPack release of a Jetson, from the files of NVIDIA's tools.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::text;

/// A power mode of `nvpmodel`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PowerMode {
    /// Number of the mode (its ID in nvpmodel.conf).
    pub number: u32,
    /// Name such as `15W`; `None` if the board's list of modes lacks it.
    pub name: Option<String>,
    /// Number and name of the mode without limits; `None` if it is this one. The number is 0 or 2, depending on the
    /// board.
    pub best: Option<(u32, String)>,
}

/// Formats as the name, or the number if there is no name.
impl fmt::Display for PowerMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.number),
        }
    }
}

/// Returns the power mode; `None` if the machine is not a Jetson.
///
/// `/var/lib/nvpmodel/status` holds the mode that was set: `pmode:0002`, possibly followed by ` fmode:quiet`.
/// `/etc/nvpmodel.conf` has a line `< POWER_MODEL ID=2 NAME=MAXN_SUPER >` for each mode, and `< PM_CONFIG DEFAULT=2 >`
/// for the mode until one is set.
pub(super) fn power_mode(root: &Path) -> Option<PowerMode> {
    let list = text(&root.join("etc/nvpmodel.conf")).unwrap_or_default();
    let lines = || list.lines().filter_map(|line| line.trim().strip_prefix('<')?.trim().strip_suffix('>'));
    let field = |line: &str, key: &str| {
        let value = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        value.map(String::from)
    };
    let modes: Vec<(u32, String)> = lines()
        .filter(|line| line.trim_start().starts_with("POWER_MODEL"))
        .filter_map(|line| Some((field(line, "ID")?.parse().ok()?, field(line, "NAME")?)))
        .collect();
    let status = text(&root.join("var/lib/nvpmodel/status"));
    let set =
        status.and_then(|status| status.split_whitespace().find_map(|word| word.strip_prefix("pmode:")?.parse().ok()));
    let default = || {
        let line = lines().find(|line| line.trim_start().starts_with("PM_CONFIG"))?;
        field(line, "DEFAULT")?.parse().ok()
    };
    let number: u32 = set.or_else(default)?;
    let name = modes.iter().find(|mode| mode.0 == number).map(|mode| mode.1.clone());
    // Newer boards name the unlimited mode MAXN_SUPER, older ones MAXN. Some boards have neither: their first mode
    // is the largest, and `best` stays `None`.
    let best = ["MAXN_SUPER", "MAXN"].iter().find_map(|best| modes.iter().find(|mode| mode.1 == *best));
    let best = best.filter(|best| best.0 != number).cloned();
    Some(PowerMode { number, name, best })
}

/// Release of NVIDIA's software for Jetsons.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JetPack {
    /// Major version, 4 to 7; `None` if unknown.
    pub major: Option<u32>,
    /// Version of Jetson Linux (L4T), such as `35.4.1`.
    pub l4t: String,
}

/// Formats as `JetPack 5 (Jetson Linux 35.4.1)`.
impl fmt::Display for JetPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.major {
            Some(major) => write!(f, "JetPack {major} (Jetson Linux {})", self.l4t),
            None => write!(f, "JetPack of unknown version (Jetson Linux {})", self.l4t),
        }
    }
}

/// Returns the JetPack release; `None` if the machine is not a Jetson.
///
/// `/etc/nv_tegra_release` begins with `# R35 (release), REVISION: 4.1, GCID: …`. Source of the major versions:
/// NVIDIA's JetPack Archive.
pub(super) fn jetpack(root: &Path) -> Option<JetPack> {
    let text = text(&root.join("etc/nv_tegra_release"))?;
    let (release, rest) = text.strip_prefix("# R")?.split_once(" (release), REVISION: ")?;
    let revision = rest.split([',', '\n']).next()?.trim();
    let major = match release.parse::<u32>().ok()? {
        31 | 32 => Some(4),
        34 | 35 => Some(5),
        36 => Some(6),
        38 | 39 => Some(7),
        _ => None,
    };
    Some(JetPack { major, l4t: format!("{release}.{revision}") })
}
