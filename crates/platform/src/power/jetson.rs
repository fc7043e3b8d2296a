//! A Jetson's power mode and JetPack, from the files that NVIDIA's tools keep.

use std::path::Path;

use serde::Serialize;

use super::text;

/// What `nvpmodel` has set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PowerMode {
    pub number: u32,
    /// Such as `15W`, where the board's list of modes has it.
    pub name: Option<String>,
    /// The mode without limits (number, name) where this is another: its number differs by board, 0 or 2.
    pub best: Option<(u32, String)>,
}

impl PowerMode {
    /// `15W`, or its number.
    pub fn in_words(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.number.to_string())
    }
}

/// The power mode: `/var/lib/nvpmodel/status` has `pmode:0002`, also with ` fmode:quiet` behind; `/etc/nvpmodel.conf` has
/// a line `< POWER_MODEL ID=2 NAME=MAXN_SUPER >` for each mode and `< PM_CONFIG DEFAULT=2 >`, what holds until one is set.
pub(super) fn power_mode(root: &Path) -> Option<PowerMode> {
    let list = text(&root.join("etc/nvpmodel.conf")).unwrap_or_default();
    let lines = || list.lines().filter_map(|line| line.trim().strip_prefix('<')?.trim().strip_suffix('>'));
    let field = |line: &str, key: &str| {
        let found = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        found.map(String::from)
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
    // MAXN_SUPER where there is one, else MAXN; some boards have neither, and then the first is the largest.
    let best = ["MAXN_SUPER", "MAXN"].iter().find_map(|best| modes.iter().find(|mode| mode.1 == *best));
    let best = best.filter(|best| best.0 != number).cloned();
    Some(PowerMode { number, name, best })
}

/// NVIDIA's system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JetPack {
    /// 4 to 7, where that is known.
    pub major: Option<u32>,
    /// Jetson Linux, such as `35.4.1`.
    pub l4t: String,
}

impl JetPack {
    pub(super) fn in_words(&self) -> String {
        let major = self.major.map_or_else(|| "of unknown version".into(), |major| major.to_string());
        format!("JetPack {major} (Jetson Linux {})", self.l4t)
    }
}

/// `/etc/nv_tegra_release` begins with `# R35 (release), REVISION: 4.1, GCID: …`. Which JetPack that is in: NVIDIA's
/// JetPack Archive.
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
