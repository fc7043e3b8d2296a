//! `phicam scale`: the released networks, with computed and published figures.

use std::io::Write;

use serde_json::{Value, json};

use super::{NetworkAtSize, coefficients_json, format_macs, merged};
use crate::commands::write_json;
use phicam_model::efficientnet::compound_scaling::Coefficients;
use phicam_model::efficientnet::{Family, RELEASED, ReleasedNetwork};

/// Relative excess of computed over published MACs that the note mentions: more than the paper's rounding explains.
const NOTED_EXCESS: f64 = 0.02;

/// Prints the table.
///
/// With `as_json` prints one object: `coefficients` (`alpha`, `beta`, `gamma`, `work_per_step`) and `networks`, each with
/// `name`, the fields of [`NetworkAtSize::to_json`], and `published` (`million_parameters`, `million_macs`,
/// `top1_percent`).
pub fn table(as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let rows: Vec<(&ReleasedNetwork, NetworkAtSize)> =
        RELEASED.iter().map(|released| (released, NetworkAtSize::new(released.network(), released.side))).collect();
    if as_json {
        let networks: Vec<Value> =
            rows.iter().map(|(released, sized_network)| network_json(released, sized_network)).collect();
        return write_json(out, &json!({ "coefficients": coefficients_json(), "networks": networks }));
    }
    writeln!(out, "                                       M parameters                   MACs")?;
    writeln!(
        out,
        "network      φ   depth   width   side   computed  published   diff %   computed  published   diff %   \
         M activations   top-1 %"
    )?;
    for (released, sized_network) in &rows {
        let published = &released.published;
        let (parameters, macs) = (sized_network.cost.million_parameters(), sized_network.cost.million_macs());
        writeln!(
            out,
            "{:<8} {:>5.2}   {:>5.1}   {:>5.1}   {:>4}   {:>8.2}  {:>9.1}   {:>+6.1}   {:>8}  {:>9}   {:>+6.1}   \
             {:>13.2}   {:>7.1}",
            released.name,
            sized_network.phi(),
            released.depth,
            released.width,
            released.side,
            parameters,
            published.million_parameters,
            percent_over(parameters, published.million_parameters),
            format_macs(macs),
            as_published(published.giga_macs),
            percent_over(macs, published.giga_macs * 1e3),
            sized_network.cost.million_activations(),
            published.top1_percent,
        )?;
    }
    writeln!(out, "\n{}", excess_note(&rows))?;
    writeln!(out, "Lite's authors count all operations of a TensorFlow Lite file, biases included.")?;
    let Coefficients { alpha, beta, gamma } = Coefficients::PAPER;
    let step = Coefficients::PAPER.work_per_step();
    writeln!(out, "α {alpha}, β {beta}, γ {gamma}: a step of φ multiplies the MACs by α·β²·γ² = {step:.3}.")?;
    Ok(())
}

/// Returns a sentence on the networks of family B whose layers need more MACs than the paper states.
fn excess_note(rows: &[(&ReleasedNetwork, NetworkAtSize)]) -> String {
    let has_excess = |(released, sized_network): &&(&ReleasedNetwork, NetworkAtSize)| {
        sized_network.cost.million_macs() / (released.published.giga_macs * 1e3) > 1.0 + NOTED_EXCESS
    };
    let family_b = rows.iter().filter(|(released, _)| released.family == Family::B);
    let noted: Vec<_> = family_b.filter(has_excess).collect();
    let names = listed(noted.iter().map(|(released, _)| released.name.to_string()));
    let required =
        listed(noted.iter().map(|(_, sized_network)| format!("{:.3}", sized_network.cost.million_macs() / 1e3)));
    let published = listed(noted.iter().map(|(released, _)| released.published.giga_macs.to_string()));
    format!("MACs of {names}: the layers need {required} G, a little more than the paper's rounded {published}.")
}

/// Returns a list for people: `1, 2 and 3`.
fn listed(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Returns the excess of `computed` over `published` in percent.
fn percent_over(computed: f64, published: f64) -> f64 {
    100.0 * (computed / published - 1.0)
}

/// Returns published MACs with the digits that the authors gave.
fn as_published(giga_macs: f64) -> String {
    if giga_macs < 1.0 { format!("{:.0} M", giga_macs * 1e3) } else { format!("{giga_macs} G") }
}

fn network_json(released: &ReleasedNetwork, sized_network: &NetworkAtSize) -> Value {
    let published = json!({
        "million_parameters": released.published.million_parameters,
        "million_macs": released.published.giga_macs * 1e3,
        "top1_percent": released.published.top1_percent,
    });
    merged(sized_network.to_json(), json!({ "name": released.name, "published": published }))
}
