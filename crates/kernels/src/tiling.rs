//! Division of a fused block into row and channel ranges that fit the caches and occupy all threads.

use std::ops::Range;

use crate::block_input::{RowSource, Stem};
use crate::fused_block::FusedBlock;
use crate::isa::Kernels;

/// Cache sizes of the CPU, and whether to run early blocks depth first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilingSettings {
    /// Bytes of a core's L1 data cache.
    pub l1d_bytes: usize,
    /// Bytes of the next cache that a core can count on: its own L2, or its share of a shared one.
    pub l2_bytes: usize,
    /// Whether early blocks run depth first: each row goes from the block's input to its output at once.
    pub depth_first: bool,
}

impl Default for TilingSettings {
    /// Returns estimates for unknown caches: the L1 of a Cortex-A72 (32 KiB) and the L2 of a Cortex-A76 (512 KiB).
    fn default() -> TilingSettings {
        TilingSettings { l1d_bytes: 32 << 10, l2_bytes: 512 << 10, depth_first: true }
    }
}

/// Division of a block's depthwise stage into pieces: one for each pair of a row range and a panel range.
pub struct Tiling {
    /// Ranges of output rows.
    pub row_ranges: Vec<Range<usize>>,
    /// Ranges of the source's panels, or of channels if the source is the block's input itself.
    pub panel_ranges: Vec<Range<usize>>,
    /// Rows of the source that the ring buffer holds.
    pub ring_rows: usize,
    /// Whether each row is projected as soon as it is complete. Then only the block's output is stored.
    pub project_by_row: bool,
}

impl Default for Tiling {
    fn default() -> Tiling {
        Tiling { row_ranges: Vec::new(), panel_ranges: Vec::new(), ring_rows: 1, project_by_row: false }
    }
}

/// Channel ranges for each thread, an estimate: enough that the slowest thread does not delay the others for long.
const CHANNEL_PIECES_PER_THREAD: usize = 3;
/// Row ranges for each thread, an estimate: fewer, because each range computes the source rows at its edges again.
const ROW_RANGES_PER_THREAD: usize = 2;
/// Least rows of a range, an estimate: the rows computed twice at its edges are a small share of them.
const MIN_ROWS_OF_RANGE: usize = 12;

impl Tiling {
    /// Returns the tiling of `block`, whose other fields are set, for `threads` threads.
    pub fn for_block(block: &FusedBlock, kernels: &Kernels, threads: usize, settings: &TilingSettings) -> Tiling {
        let kernel = block.depthwise.kernel;
        let rows = block.depthwise_shape.height;
        let value_bytes = size_of::<f32>();
        let channels = block.depthwise.channels;
        let row_ranges = if threads == 1 { 1 } else { threads * ROW_RANGES_PER_THREAD };
        let has_many_rows = rows >= MIN_ROWS_OF_RANGE * row_ranges;
        let expand_weights = match &block.source {
            RowSource::Pointwise(packed) => packed.weights.len(),
            _ => 0,
        };
        let weights = expand_weights + block.project.weights.len();
        let ring_values = kernel * block.padded_width() * channels;
        let row_values = block.depthwise_shape.width * channels;
        let fits_l2 = (ring_values + weights + row_values) * value_bytes <= settings.l2_bytes;
        let is_stem = matches!(block.source, RowSource::Stem(_));
        let all_panels = match &block.source {
            RowSource::Identity => 0..channels,
            RowSource::Pointwise(packed) | RowSource::Stem(Stem { packed, .. }) => 0..packed.panels.len(),
        };
        if is_stem || (has_many_rows && fits_l2 && block.gate.is_none() && settings.depth_first) {
            let row_ranges = if is_stem && !has_many_rows { threads.min(rows) } else { row_ranges };
            let project_by_row = block.gate.is_none() && settings.depth_first;
            return Tiling {
                row_ranges: split_range(rows, row_ranges),
                panel_ranges: vec![all_panels],
                ring_rows: kernel,
                project_by_row,
            };
        }
        // Otherwise by channels: as many as fit the L1 cache, with all rows if these fit as well.
        let panel_width = match &block.source {
            RowSource::Identity => kernels.lanes,
            RowSource::Pointwise(packed) => packed.panels[0].registers * kernels.lanes,
            RowSource::Stem(_) => channels,
        };
        let row_bytes = block.padded_width() * panel_width * value_bytes;
        let all_rows = block.expanded_shape.height;
        // One row more than the ring: the row of zeros.
        let all_rows_fit = (all_rows + 1) * row_bytes <= settings.l1d_bytes;
        let ring_rows = if all_rows_fit { all_rows } else { kernel.min(all_rows) };
        let panels_that_fit = (settings.l1d_bytes / 2 / ((ring_rows + 1) * row_bytes)).max(1);
        let channels_per_unit = if matches!(block.source, RowSource::Identity) { panel_width } else { 1 };
        let panels = all_panels.len().div_ceil(channels_per_unit);
        let panels_of_range = if threads == 1 {
            panels_that_fit
        } else {
            panels_that_fit.min(panels.div_ceil(threads * CHANNEL_PIECES_PER_THREAD)).max(1)
        };
        let step = panels_of_range * channels_per_unit;
        let panel_ranges = (0..all_panels.end).step_by(step);
        let panel_ranges = panel_ranges.map(|start| start..(start + step).min(all_panels.end)).collect();
        Tiling { row_ranges: split_range(rows, 1), panel_ranges, ring_rows, project_by_row: false }
    }
}

/// Splits `0..length` into `parts` ranges of nearly equal size, or into fewer if `length` is smaller.
fn split_range(length: usize, parts: usize) -> Vec<Range<usize>> {
    let parts = parts.clamp(1, length.max(1));
    (0..parts).map(|part| length * part / parts..length * (part + 1) / parts).collect()
}
