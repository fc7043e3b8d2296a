//! `phicam scale`: the released networks, computed beside published.

use std::io::Write;

use serde_json::{Value, json};

use super::{Sized, coefficients_as_json, joined, work};
use crate::commands::write_json;
use phicam_model::efficientnet::compound_scaling::Coefficients;
use phicam_model::efficientnet::{Family, RELEASED, Released};

/// Computed MACs over published ones from which the table says so, as a share.
const WORTH_A_NOTE: f64 = 0.02;

/// With `as_json` one object: `coefficients` (`alpha`, `beta`, `gamma`, `work_per_step`) and `networks`, each with
/// `name`, the fields of [`Sized::as_json`], and `published` (`million_parameters`, `million_macs`, `top1_percent`).
pub fn table(as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let rows: Vec<(&Released, Sized)> =
        RELEASED.iter().map(|released| (released, Sized::new(released.network(), released.side))).collect();
    if as_json {
        let networks: Vec<Value> = rows.iter().map(|(released, sized)| object(released, sized)).collect();
        return write_json(out, &json!({ "coefficients": coefficients_as_json(), "networks": networks }));
    }
    writeln!(out, "                                       M parameters                   MACs")?;
    writeln!(
        out,
        "network      φ   depth   width   side   computed  published   diff %   computed  published   diff %   \
         M activations   top-1 %"
    )?;
    for (released, sized) in &rows {
        let published = &released.published;
        let (parameters, macs) = (sized.cost.million_parameters(), sized.cost.million_macs());
        writeln!(
            out,
            "{:<8} {:>5.2}   {:>5.1}   {:>5.1}   {:>4}   {:>8.2}  {:>9.1}   {:>+6.1}   {:>8}  {:>9}   {:>+6.1}   \
             {:>13.2}   {:>7.1}",
            released.name,
            sized.phi(),
            released.depth,
            released.width,
            released.side,
            parameters,
            published.million_parameters,
            percent_over(parameters, published.million_parameters),
            work(macs),
            as_published(published.giga_macs),
            percent_over(macs, published.giga_macs * 1e3),
            sized.cost.million_activations(),
            published.top1_percent,
        )?;
    }
    writeln!(out, "\n{}", note(&rows))?;
    writeln!(out, "Lite's authors count what a TensorFlow Lite file does, biases and the like included.")?;
    let Coefficients { alpha, beta, gamma } = Coefficients::PAPER;
    let step = Coefficients::PAPER.work_per_step();
    writeln!(out, "α {alpha}, β {beta}, γ {gamma}: a step of φ is α·β²·γ² = {step:.3} times the work.")?;
    Ok(())
}

/// Which of B's layers need more than the paper says.
fn note(rows: &[(&Released, Sized)]) -> String {
    let over = |(released, sized): &&(&Released, Sized)| {
        sized.cost.million_macs() / (released.published.giga_macs * 1e3) > 1.0 + WORTH_A_NOTE
    };
    let of_b = rows.iter().filter(|(released, _)| released.family == Family::B);
    let noted: Vec<_> = of_b.filter(over).collect();
    let names = listed(noted.iter().map(|(released, _)| released.name.to_string()));
    let needed = listed(noted.iter().map(|(_, sized)| format!("{:.3}", sized.cost.million_macs() / 1e3)));
    let published = listed(noted.iter().map(|(released, _)| released.published.giga_macs.to_string()));
    format!("MACs of {names}: the layers need {needed} G, a little more than the paper's rounded {published}.")
}

/// `1, 2 and 3`
fn listed(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// By how many percent `found` is over `published`.
fn percent_over(found: f64, published: f64) -> f64 {
    100.0 * (found / published - 1.0)
}

/// With the digits that its authors gave.
fn as_published(giga_macs: f64) -> String {
    if giga_macs < 1.0 { format!("{:.0} M", giga_macs * 1e3) } else { format!("{giga_macs} G") }
}

fn object(released: &Released, sized: &Sized) -> Value {
    let published = json!({
        "million_parameters": released.published.million_parameters,
        "million_macs": released.published.giga_macs * 1e3,
        "top1_percent": released.published.top1_percent,
    });
    joined(sized.as_json(), json!({ "name": released.name, "published": published }))
}
