//! How a block's work is cut: so that what is used again stays in a cache, and every thread has something to do.

use std::ops::Range;

use crate::block_input::Source;
use crate::fused_block::Unit;
use crate::isa::Kernels;

/// What is to be known of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Bytes of the nearest data cache.
    pub near_bytes: usize,
    /// Bytes of the next one that a core can count on as its own.
    pub far_bytes: usize,
    /// Whether early blocks go row by row from their input to their output.
    pub depth_first: bool,
}

impl Default for Machine {
    fn default() -> Machine {
        Machine { near_bytes: 32 << 10, far_bytes: 512 << 10, depth_first: true }
    }
}

/// How a unit's work is cut into pieces.
pub struct Plan {
    /// Ranges of output rows that are worked on apart from each other.
    pub pieces: Vec<Range<usize>>,
    /// Ranges of the source's panels (of channels, where it has none) that are worked on apart from each other.
    pub chunks: Vec<Range<usize>>,
    /// How many of the source's rows are kept at a time.
    pub ring: usize,
    /// Whether each row is projected at once: then nothing but the block's output is stored.
    pub direct: bool,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { pieces: Vec::new(), chunks: Vec::new(), ring: 1, direct: false }
    }
}

/// The plan for `unit`, whose other parts are there.
pub fn plan(unit: &Unit, kernels: &Kernels, threads: usize, machine: &Machine) -> Plan {
    let kernel = unit.depthwise.kernel;
    let rows = unit.filtered.height;
    let bytes = size_of::<f32>();
    let channels = unit.depthwise.channels;
    // A row by row unit makes the rows at the edges of its pieces twice: only where there are many rows.
    let pieces = if threads == 1 { 1 } else { threads * 2 };
    let many_rows = rows >= 12 * pieces;
    let weights = match &unit.source {
        Source::Pointwise(packed) => packed.weights.len(),
        _ => 0,
    } + unit.project.weights.len();
    let kept = kernel * unit.padded_width() * channels;
    let fits = (kept + weights + unit.filtered.width * channels) * bytes <= machine.far_bytes;
    let is_stem = matches!(unit.source, Source::Stem(_));
    let all = 0..match &unit.source {
        Source::Same => channels,
        Source::Pointwise(packed) | Source::Stem(crate::block_input::Stem { packed, .. }) => packed.panels.len(),
    };
    if is_stem || (many_rows && fits && unit.gate.is_none() && machine.depth_first) {
        let pieces = if is_stem && !many_rows { threads.min(rows) } else { pieces };
        let direct = unit.gate.is_none() && machine.depth_first;
        return Plan { pieces: cut(rows, pieces), chunks: vec![all], ring: kernel, direct };
    }
    // Else by channels: as many as there is room for in the nearest cache, with all rows where they fit.
    let width = match &unit.source {
        Source::Same => kernels.lanes,
        Source::Pointwise(packed) => packed.panels[0].registers * kernels.lanes,
        Source::Stem(_) => channels,
    };
    let row_bytes = unit.padded_width() * width * bytes;
    let all_rows = unit.expanded.height;
    let ring = if (all_rows + 1) * row_bytes <= machine.near_bytes { all_rows } else { kernel.min(all_rows) };
    let room = (machine.near_bytes / 2 / ((ring + 1) * row_bytes)).max(1);
    let units_of_width = all.len().div_ceil(if matches!(unit.source, Source::Same) { width } else { 1 });
    // Every thread shall have several.
    let most = if threads == 1 { room } else { room.min(units_of_width.div_ceil(threads * 3)).max(1) };
    let step = most * if matches!(unit.source, Source::Same) { width } else { 1 };
    let chunks = (0..all.end).step_by(step).map(|start| start..(start + step).min(all.end)).collect();
    Plan { pieces: cut(rows, 1), chunks, ring, direct: false }
}

fn cut(length: usize, pieces: usize) -> Vec<Range<usize>> {
    let pieces = pieces.clamp(1, length.max(1));
    (0..pieces).map(|piece| length * piece / pieces..length * (piece + 1) / pieces).collect()
}
