//! `phicam scale`: EfficientNets at any φ, what they cost, and why all three dimensions grow together.

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
mod plot;
mod released_table;
mod scores_csv;
mod timing;

pub use network::Unaffordable;

pub fn scale(args: ScaleArgs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    if let Some(error) = args.contradiction() {
        error.print()?;
        return Ok(u8::try_from(error.exit_code()).unwrap_or(2).into());
    }
    if args.compare {
        compare::compare(&args, out)?;
    } else if args.search {
        grid_search::search(&args, out)?;
    } else if let Some(path) = &args.plot {
        plot::plot(path, &args, out)?;
    } else if args.network.is_some() || args.flops.is_some() {
        network::network(&args, out)?;
    } else {
        released_table::table(args.json, out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A network with the side that it is meant for, and what it costs there.
#[derive(Clone, Copy)]
struct Sized {
    network: Network,
    /// Pixels.
    side: u32,
    cost: Cost,
}

impl Sized {
    fn new(network: Network, side: u32) -> Sized {
        Sized { network, side, cost: network.cost(side) }
    }

    /// φ by d·w²·r², as everywhere in Phicam.
    fn phi(&self) -> f64 {
        Scale { depth: self.network.depth, width: self.network.width, side: self.side }.phi()
    }

    /// Resolution r, as a multiple of the base network's.
    fn resolution(&self) -> f64 {
        f64::from(self.side) / f64::from(phicam_model::efficientnet::compound_scaling::BASE_SIDE)
    }

    /// `family`, `phi` (by d·w²·r²), `depth`, `width`, `side` (pixels), `million_parameters` (with batch norm, as
    /// published figures count), `million_macs` and `million_activations` (of one picture).
    fn as_json(&self) -> Value {
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

/// `with`'s fields added to `object`'s.
fn joined(mut object: Value, with: Value) -> Value {
    if let (Value::Object(fields), Value::Object(more)) = (&mut object, with) {
        fields.extend(more);
    }
    object
}

/// `388.1 M` or `1.834 G`.
fn work(million_macs: f64) -> String {
    match million_macs {
        ..0.95 => format!("{million_macs:.4} M"),
        ..999.95 => format!("{million_macs:.1} M"),
        _ => format!("{:.3} G", million_macs / 1e3),
    }
}

/// As the user writes it.
fn family_name(family: Family) -> &'static str {
    match family {
        Family::B => "b",
        Family::Lite => "lite",
    }
}

/// α, β, γ and what a step of φ multiplies the work by.
fn coefficients_as_json() -> Value {
    let Coefficients { alpha, beta, gamma } = Coefficients::PAPER;
    json!({ "alpha": alpha, "beta": beta, "gamma": gamma, "work_per_step": Coefficients::PAPER.work_per_step() })
}
