//! `phicam scale`: EfficientNets at any φ, their cost, and the reason to scale all three dimensions together.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::ScaleArgs;
use phicam_model::efficientnet::compound_scaling::{Coefficients, Scale};
use phicam_model::efficientnet::{Cost, Family, Network};

mod compare;
mod export_onnx;
mod grid_search;
mod network;
#[cfg(feature = "plots")]
mod plot;
mod released_table;
mod scores_csv;
mod timing;

pub use network::Unaffordable;

#[cfg(feature = "plots")]
use plot::plot;

/// Returns the error of a program without plots.
#[cfg(not(feature = "plots"))]
fn plot(_: &std::path::Path, _: &ScaleArgs, _: &mut dyn Write) -> anyhow::Result<()> {
    super::require_plots("--plot")
}

pub fn scale(args: ScaleArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if let Some(error) = args.family_conflict() {
        error.print()?;
        return Ok(u8::try_from(error.exit_code()).unwrap_or(2).into());
    }
    if args.compare {
        compare::compare(&args, out)?;
    } else if args.search {
        grid_search::search(&args, out)?;
    } else if let Some(path) = &args.plot {
        plot(path, &args, out)?;
    } else if args.network.is_some() || args.flops.is_some() {
        network::network(&args, out)?;
    } else {
        released_table::table(args.json, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Network at one input resolution, with its cost there.
#[derive(Clone, Copy)]
struct NetworkAtSize {
    network: Network,
    /// Input resolution in pixels.
    side: u32,
    cost: Cost,
}

impl NetworkAtSize {
    fn new(network: Network, side: u32) -> NetworkAtSize {
        NetworkAtSize { network, side, cost: network.cost(side) }
    }

    /// Returns φ = ln(d·w²·r²) / ln(work per step).
    fn phi(&self) -> f64 {
        Scale { depth: self.network.depth, width: self.network.width, side: self.side }.phi()
    }

    /// Returns the resolution multiplier r: the side divided by the base network's.
    fn resolution(&self) -> f64 {
        f64::from(self.side) / f64::from(phicam_model::efficientnet::compound_scaling::BASE_SIDE)
    }

    /// Returns an object: `family`, `phi` (from d·w²·r²), `depth`, `width`, `side` (pixels), `million_parameters` (with
    /// batch norm, like published figures), `million_macs` and `million_activations` (of one inference).
    fn to_json(self) -> Value {
        json!({
            "family": self.network.family,
            "phi": self.phi(),
            "depth": self.network.depth,
            "width": self.network.width,
            "side": self.side,
            "million_parameters": self.cost.million_parameters(),
            "million_macs": self.cost.million_macs(),
            "million_activations": self.cost.million_activations(),
        })
    }
}

/// Returns `object` with the fields of `other` added.
fn merged(mut object: Value, other: Value) -> Value {
    if let (Value::Object(fields), Value::Object(other_fields)) = (&mut object, other) {
        fields.extend(other_fields);
    }
    object
}

/// Returns MACs for people: `388.1 M` or `1.834 G`.
fn format_macs(million_macs: f64) -> String {
    match million_macs {
        ..0.95 => format!("{million_macs:.4} M"),
        ..999.95 => format!("{million_macs:.1} M"),
        _ => format!("{:.3} G", million_macs / 1e3),
    }
}

/// Returns the family as `--family` names it.
fn family_name(family: Family) -> &'static str {
    match family {
        Family::B => "b",
        Family::Lite => "lite",
    }
}

/// Returns α, β, γ and the factor by which one step of φ multiplies the MACs.
fn coefficients_json() -> Value {
    let Coefficients { alpha, beta, gamma } = Coefficients::PAPER;
    json!({ "alpha": alpha, "beta": beta, "gamma": gamma, "work_per_step": Coefficients::PAPER.work_per_step() })
}
