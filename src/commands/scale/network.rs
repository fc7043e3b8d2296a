//! `phicam scale b3`, `phicam scale 2.5`, `phicam scale --flops 800M`: one network by stages and layers.

use std::io::Write;

use serde_json::{Value, json};

use super::{NetworkAtSize, export_onnx, family_name, format_macs, merged};
use crate::cli::{ScaleArgs, Which};
use crate::commands::write_json;
use phicam_model::efficientnet::{Cost, Family, IMAGENET_CLASSES, Kind, Layer, Network, STAGES};

/// Limit below the MACs of the family's smallest network.
#[derive(Debug, thiserror::Error)]
#[error(
    "no network of family {} needs at most {} MACs: the smallest, φ {phi} at {side} pixels, \
     needs {}; allow more with --flops",
    family_name(*family), format_macs(*limit), format_macs(*required)
)]
pub struct Unaffordable {
    family: Family,
    /// In million MACs.
    limit: f64,
    /// In million MACs.
    required: f64,
    phi: f64,
    side: u32,
}

/// Network that the command line names.
pub struct RequestedNetwork {
    /// `b3`, or `φ 2.5`.
    pub name: String,
    /// φ as given or found; `None` for a released network.
    pub phi: Option<f64>,
    pub sized_network: NetworkAtSize,
}

/// Returns the largest φ within `million_macs` and its network at its own resolution.
pub fn largest_affordable(family: Family, million_macs: f64) -> Result<(f64, NetworkAtSize), Unaffordable> {
    let network_at = |phi: f64| {
        let (network, side) = Network::at_phi(family, phi);
        NetworkAtSize::new(network, side)
    };
    match Network::largest_phi(family, million_macs) {
        Some(phi) => Ok((phi, network_at(phi))),
        None => {
            let phi = *crate::cli::PHIS.start();
            let smallest = network_at(phi);
            let required = smallest.cost.million_macs();
            Err(Unaffordable { family, limit: million_macs, required, phi, side: smallest.side })
        }
    }
}

fn requested_network(args: &ScaleArgs) -> anyhow::Result<RequestedNetwork> {
    let family = args.family.unwrap_or(Family::B);
    let (name, phi, sized_network) = match (args.network, args.flops) {
        (Some(Which::Released(released)), _) => {
            (released.name.to_string(), None, NetworkAtSize::new(released.network(), released.side))
        }
        (Some(Which::Phi(phi)), _) => {
            let (network, side) = Network::at_phi(family, phi);
            (format!("φ {phi}"), Some(phi), NetworkAtSize::new(network, side))
        }
        (None, limit) => {
            let (phi, sized_network) = largest_affordable(family, limit.unwrap_or_default())?;
            (format!("φ {phi}"), Some(phi), sized_network)
        }
    };
    let network = Network { classes: args.classes.unwrap_or(IMAGENET_CLASSES), ..sized_network.network };
    Ok(RequestedNetwork {
        name,
        phi,
        sized_network: NetworkAtSize::new(network, args.side.unwrap_or(sized_network.side)),
    })
}

/// Prints the network, or exports it with `--onnx`.
///
/// With `--json` prints one object: `name`, the fields of [`NetworkAtSize::to_json`], `asked_phi` (as given or found),
/// `classes`, `limit_million_macs` (of `--flops`), `onnx` (`file`, `bytes`, `seed`), `stages` (`stage` from 1,
/// `operator`, `layers`, `channels`, `side`, `macs`, `parameters`, `activations`) and `layers` (`stage`, `name`, `kind`,
/// `kernel`, `stride`, `in_channels`, `out_channels`, `output_side`, `macs`, `parameters`, `activations`).
pub fn network(args: &ScaleArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let requested = requested_network(args)?;
    let layers = layers(&requested.sized_network);
    let stages = stages(&requested.sized_network, &layers);
    let exported =
        args.onnx.as_deref().map(|path| export_onnx::write(path, &requested.sized_network, args.seed)).transpose()?;
    if args.json {
        let object = json!({
            "name": requested.name,
            "asked_phi": requested.phi,
            "classes": requested.sized_network.network.classes,
            "limit_million_macs": args.flops,
            "onnx": exported.as_ref().map(export_onnx::ExportedFile::to_json),
            "stages": stages.iter().map(Stage::to_json).collect::<Vec<_>>(),
            "layers": layers.iter().map(|(stage, layer)| layer_json(*stage, layer)).collect::<Vec<_>>(),
        });
        return write_json(out, &merged(requested.sized_network.to_json(), object));
    }
    if let (Some(limit), Some(phi)) = (args.flops, requested.phi) {
        let suffix = if phi >= *crate::cli::PHIS.end() { ", the end of the search" } else { "" };
        writeln!(out, "the largest φ within {} MACs is {phi}{suffix}", format_macs(limit))?;
    }
    write_summary(&requested, out)?;
    if let Some(exported) = exported {
        return Ok(exported.write_summary(&requested.sized_network, out)?);
    }
    write_stages(&stages, out)?;
    Ok(write_layers(&layers, out)?)
}

fn write_summary(requested: &RequestedNetwork, out: &mut dyn Write) -> std::io::Result<()> {
    let NetworkAtSize { network, side, cost } = requested.sized_network;
    let phi = match requested.phi {
        Some(_) => format!("d·w²·r² of φ {:.2}", requested.sized_network.phi()),
        None => format!("φ {:.2}", requested.sized_network.phi()),
    };
    let classes =
        if network.classes == IMAGENET_CLASSES { String::new() } else { format!(", {} classes", network.classes) };
    writeln!(
        out,
        "{} (family {}): depth {:.3}, width {:.3}, side {side}{classes}, {phi}\n\
         {:.2} M parameters, {} MACs, {:.2} M activations",
        requested.name,
        family_name(network.family),
        network.depth,
        network.width,
        cost.million_parameters(),
        format_macs(cost.million_macs()),
        cost.million_activations(),
    )
}

/// Stage of the network, as in the paper's table 1.
struct Stage {
    /// From 1.
    number: usize,
    operator: String,
    /// Blocks of stages 2 to 8, layers of the others.
    repeats: usize,
    channels: usize,
    side: u32,
    cost: Cost,
}

/// Returns each layer with the number of its stage.
fn layers(sized_network: &NetworkAtSize) -> Vec<(usize, Layer)> {
    let blocks = sized_network.network.blocks(sized_network.side);
    let stage = |layer: &Layer| match layer.kind {
        Kind::Stem => 1,
        Kind::Head | Kind::Classifier => STAGES.len() + 2,
        _ => {
            let number = layer.name.trim_start_matches("block").split('_').next().and_then(|n| n.parse().ok());
            number.and_then(|number: usize| blocks.get(number)).map_or(0, |block| block.stage + 2)
        }
    };
    sized_network.network.layers(sized_network.side).into_iter().map(|layer| (stage(&layer), layer)).collect()
}

fn stages(sized_network: &NetworkAtSize, layers: &[(usize, Layer)]) -> Vec<Stage> {
    let last_number = STAGES.len() + 2;
    let layers_of = |number: usize| layers.iter().filter(move |(stage, _)| *stage == number).map(|(_, layer)| layer);
    let stage = |number: usize| {
        let (operator, repeats) = match number {
            1 => ("Conv 3×3".into(), 1),
            number if number == last_number => ("Conv 1×1, mean, classifier".into(), 1),
            _ => {
                let base = STAGES[number - 2];
                let operator = format!("MBConv{} {k}×{k}", base.expansion, k = base.kernel);
                (operator, sized_network.network.repeats(number - 2))
            }
        };
        // The output shape of the stage is that of its last layer; the classifier has none.
        let last_shaped = layers_of(number).rfind(|layer| layer.kind != Kind::Classifier);
        let (channels, side) = last_shaped.map_or((0, 0), |layer| (layer.out_channels, layer.output_side));
        let cost = layers_of(number).map(Layer::cost).fold(Cost::default(), |sum, cost| sum + cost);
        Stage { number, operator, repeats, channels, side, cost }
    };
    (1..=last_number).map(stage).collect()
}

impl Stage {
    fn to_json(&self) -> Value {
        json!({
            "stage": self.number,
            "operator": self.operator,
            "layers": self.repeats,
            "channels": self.channels,
            "side": self.side,
            "macs": self.cost.macs,
            "parameters": self.cost.parameters,
            "activations": self.cost.activations,
        })
    }
}

fn layer_json(stage: usize, layer: &Layer) -> Value {
    let cost = layer.cost();
    json!({
        "stage": stage,
        "name": layer.name,
        "kind": format!("{:?}", layer.kind).to_lowercase(),
        "kernel": layer.kernel,
        "stride": layer.stride,
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "output_side": layer.output_side,
        "macs": cost.macs,
        "parameters": cost.parameters,
        "activations": cost.activations,
    })
}

fn write_stages(stages: &[Stage], out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "\nstage  operator                     layers   channels   output       M MACs   parameters   activations"
    )?;
    for stage in stages {
        writeln!(
            out,
            "{:>5}  {:<26}   {:>6}   {:>8}   {:>9}  {:>9.3}   {:>10}   {:>11}",
            stage.number,
            stage.operator,
            stage.repeats,
            stage.channels,
            format!("{0} × {0}", stage.side),
            stage.cost.million_macs(),
            stage.cost.parameters,
            stage.cost.activations,
        )?;
    }
    Ok(())
}

fn write_layers(layers: &[(usize, Layer)], out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "\nstage  layer                kernel   stride   channels        output       M MACs   parameters   activations"
    )?;
    for (stage, layer) in layers {
        let cost = layer.cost();
        writeln!(
            out,
            "{stage:>5}  {:<18}   {:>6}   {:>6}   {:<13}  {:>9}  {:>9.3}   {:>10}   {:>11}",
            layer.name,
            format!("{0}×{0}", layer.kernel),
            layer.stride,
            format!("{} → {}", layer.in_channels, layer.out_channels),
            format!("{0} × {0}", layer.output_side),
            cost.million_macs(),
            cost.parameters,
            cost.activations,
        )?;
    }
    Ok(())
}
