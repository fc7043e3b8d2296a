//! `phicam pick --explain FILE`: the pick as a figure, if this program was built with the feature `plots`.

use std::path::Path;

use phicam_policy::picker::Pick;

#[cfg(feature = "plots")]
mod figure;

/// Writes the figure of `pick` to `path`, as SVG if its name ends in `.svg`, else as PNG.
#[cfg(feature = "plots")]
pub fn write(pick: &Pick, path: &Path) -> anyhow::Result<()> {
    figure::figure(pick).write(path)?;
    Ok(())
}

/// Returns the error of a program without plots.
#[cfg(not(feature = "plots"))]
pub fn write(_: &Pick, _: &Path) -> anyhow::Result<()> {
    crate::commands::require_plots("--explain")
}
