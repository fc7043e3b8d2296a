//! `phicam scale b3`, `phicam scale 2.5`, `phicam scale --flops 800M`: one network, stage by stage, layer by layer.

use std::io::Write;

use serde_json::{Value, json};

use super::{Sized, export_onnx, family_name, joined, work};
use crate::cli::{ScaleArgs, Which};
use crate::commands::write_json;
use phicam_model::efficientnet::{Cost, Family, IMAGENET_CLASSES, Kind, Layer, Network, STAGES};

/// No network of the family needs so little.
#[derive(Debug, thiserror::Error)]
#[error(
    "no network of family {} needs at most {} MACs: the smallest, φ {phi} at {side} pixels, needs {}",
    family_name(*family), work(*limit), work(*needed)
)]
pub struct Unaffordable {
    family: Family,
    /// In million multiply-accumulates, like `needed`.
    limit: f64,
    needed: f64,
    phi: f64,
    side: u32,
}

/// The network asked for.
pub struct Asked {
    /// `b3`, or `φ 2.5`.
    pub name: String,
    /// The φ given or found; nothing for a released network.
    pub phi: Option<f64>,
    pub sized: Sized,
}

/// The largest network that `million_macs` allow, at its own side.
pub fn affordable(family: Family, million_macs: f64) -> Result<(f64, Sized), Unaffordable> {
    let at = |phi: f64| {
        let (network, side) = Network::at_phi(family, phi);
        Sized::new(network, side)
    };
    match Network::largest_phi(family, million_macs) {
        Some(phi) => Ok((phi, at(phi))),
        None => {
            let phi = *crate::cli::PHIS.start();
            let smallest = at(phi);
            let (needed, side) = (smallest.cost.million_macs(), smallest.side);
            Err(Unaffordable { family, limit: million_macs, needed, phi, side })
        }
    }
}

fn asked(args: &ScaleArgs) -> anyhow::Result<Asked> {
    let family = args.family.unwrap_or(Family::B);
    let (name, phi, sized) = match (args.network, args.flops) {
        (Some(Which::Released(released)), _) => {
            (released.name.to_string(), None, Sized::new(released.network(), released.side))
        }
        (Some(Which::Phi(phi)), _) => {
            let (network, side) = Network::at_phi(family, phi);
            (format!("φ {phi}"), Some(phi), Sized::new(network, side))
        }
        (None, limit) => {
            let (phi, sized) = affordable(family, limit.unwrap_or_default())?;
            (format!("φ {phi}"), Some(phi), sized)
        }
    };
    let network = Network { classes: args.classes.unwrap_or(IMAGENET_CLASSES), ..sized.network };
    Ok(Asked { name, phi, sized: Sized::new(network, args.side.unwrap_or(sized.side)) })
}

/// With `--json` one object: `name`, the fields of [`Sized::as_json`], `asked_phi` (as given or found), `classes`,
/// `limit_million_macs` (of `--flops`), `onnx` (`file`, `bytes`, `seed`), `stages` (`stage` from 1, `operator`,
/// `layers`, `channels`, `side`, `macs`, `parameters`, `activations`) and `layers` (`stage`, `name`, `kind`, `kernel`,
/// `stride`, `in_channels`, `out_channels`, `output_side`, `macs`, `parameters`, `activations`).
pub fn network(args: &ScaleArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let asked = asked(args)?;
    let layers = layers(&asked.sized);
    let stages = stages(&asked.sized, &layers);
    let written = args.onnx.as_deref().map(|path| export_onnx::write(path, &asked.sized, args.seed)).transpose()?;
    if args.json {
        let object = json!({
            "name": asked.name,
            "asked_phi": asked.phi,
            "classes": asked.sized.network.classes,
            "limit_million_macs": args.flops,
            "onnx": written.as_ref().map(export_onnx::Written::as_json),
            "stages": stages.iter().map(Stage::as_json).collect::<Vec<_>>(),
            "layers": layers.iter().map(|(stage, layer)| layer_as_json(*stage, layer)).collect::<Vec<_>>(),
        });
        return write_json(out, &joined(asked.sized.as_json(), object));
    }
    if let (Some(limit), Some(phi)) = (args.flops, asked.phi) {
        let end = if phi >= *crate::cli::PHIS.end() { ", where the search ends" } else { "" };
        writeln!(out, "the largest φ within {} MACs is {phi}{end}", work(limit))?;
    }
    head(&asked, out)?;
    if let Some(written) = written {
        return Ok(written.tell(&asked.sized, out)?);
    }
    stage_table(&stages, out)?;
    Ok(layer_table(&layers, out)?)
}

fn head(asked: &Asked, out: &mut dyn Write) -> std::io::Result<()> {
    let Sized { network, side, cost } = asked.sized;
    let phi = match asked.phi {
        Some(_) => format!("d·w²·r² of φ {:.2}", asked.sized.phi()),
        None => format!("φ {:.2}", asked.sized.phi()),
    };
    let classes =
        if network.classes == IMAGENET_CLASSES { String::new() } else { format!(", {} classes", network.classes) };
    writeln!(
        out,
        "{} (family {}): depth {:.3}, width {:.3}, side {side}{classes}, {phi}\n\
         {:.2} M parameters, {} MACs, {:.2} M activations",
        asked.name,
        family_name(network.family),
        network.depth,
        network.width,
        cost.million_parameters(),
        work(cost.million_macs()),
        cost.million_activations(),
    )
}

/// Layers that belong together: the paper's table 1 numbers them from 1.
struct Stage {
    number: usize,
    operator: String,
    /// Blocks of stages 2 to 8, layers of the others.
    repeats: usize,
    channels: usize,
    side: u32,
    cost: Cost,
}

/// Every layer with its stage.
fn layers(sized: &Sized) -> Vec<(usize, Layer)> {
    let blocks = sized.network.blocks(sized.side);
    let stage = |layer: &Layer| match layer.kind {
        Kind::Stem => 1,
        Kind::Head | Kind::Classifier => STAGES.len() + 2,
        _ => {
            let number = layer.name.trim_start_matches("block").split('_').next().and_then(|n| n.parse().ok());
            number.and_then(|number: usize| blocks.get(number)).map_or(0, |block| block.stage + 2)
        }
    };
    sized.network.layers(sized.side).into_iter().map(|layer| (stage(&layer), layer)).collect()
}

fn stages(sized: &Sized, layers: &[(usize, Layer)]) -> Vec<Stage> {
    let last = STAGES.len() + 2;
    let of = |number: usize| layers.iter().filter(move |(stage, _)| *stage == number).map(|(_, layer)| layer);
    let stage = |number: usize| {
        let (operator, repeats) = match number {
            1 => ("Conv 3×3".into(), 1),
            number if number == last => ("Conv 1×1, mean, classifier".into(), 1),
            _ => {
                let base = STAGES[number - 2];
                let operator = format!("MBConv{} {k}×{k}", base.expansion, k = base.kernel);
                (operator, sized.network.repeats(number - 2))
            }
        };
        // Squeezing gives one value a channel: the depthwise, project and dense layers tell the shape.
        let shaped = of(number).rfind(|layer| layer.kind != Kind::Classifier);
        let (channels, side) = shaped.map_or((0, 0), |layer| (layer.out_channels, layer.output_side));
        let cost = of(number).map(Layer::cost).fold(Cost::default(), |sum, cost| sum + cost);
        Stage { number, operator, repeats, channels, side, cost }
    };
    (1..=last).map(stage).collect()
}

impl Stage {
    fn as_json(&self) -> Value {
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

fn layer_as_json(stage: usize, layer: &Layer) -> Value {
    let cost = layer.cost();
    json!({
        "stage": stage,
        "name": layer.name,
        "kind": kind(layer.kind),
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

fn kind(kind: Kind) -> String {
    format!("{kind:?}").to_lowercase()
}

fn stage_table(stages: &[Stage], out: &mut dyn Write) -> std::io::Result<()> {
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

fn layer_table(layers: &[(usize, Layer)], out: &mut dyn Write) -> std::io::Result<()> {
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
