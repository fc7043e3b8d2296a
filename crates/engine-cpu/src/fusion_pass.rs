//! Graph pass: replaces each fusible chain of a typed graph with one fused operator.

use phicam_kernels::{Program, layers};
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::konst::Const;

use crate::Settings;
use crate::detached_weights::DetachedInitializers;
use crate::fused_op::FusedOp;
use crate::graph_view::GraphView;
use crate::pattern_match::FusibleChain;

/// Fused chains and remaining operators of a graph.
#[derive(Clone, Debug, Default)]
pub struct FusionReport {
    /// Number of steps (stem, blocks, head) of each fused chain.
    pub chains: Vec<usize>,
    /// Operators that tract runs: name and count.
    pub unfused: Vec<(String, usize)>,
    /// Instruction set of the kernels; `None` if they are disabled.
    pub kernels: Option<&'static str>,
}

/// Formats as `18 steps (stem, blocks, head) by avx512 kernels, nothing left to tract`.
impl std::fmt::Display for FusionReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let unfused: Vec<String> = self.unfused.iter().map(|(name, count)| format!("{count} {name}")).collect();
        match (self.kernels, &self.chains[..]) {
            (None, _) => return f.write_str("all by tract"),
            (Some(_), []) => f.write_str("no steps fused")?,
            (Some(name), chains) => {
                let chains: Vec<String> = chains.iter().map(usize::to_string).collect();
                write!(f, "{} steps (stem, blocks, head) by {name} kernels", chains.join(" + "))?;
            }
        }
        if unfused.is_empty() {
            f.write_str(", nothing left to tract")
        } else {
            write!(f, ", by tract {}", unfused.join(", "))
        }
    }
}

/// Fuses all chains of `model`. Detached initializers that no chain uses return into the graph as constants.
pub fn fuse(
    model: &mut TypedModel,
    mut detached: DetachedInitializers,
    settings: Settings,
) -> TractResult<FusionReport> {
    model.prop_consts()?;
    if settings.kernels.is_some() {
        while let Some(patch) = remove_inverse_transposes(model)? {
            patch.apply(model)?;
            model.compact()?;
        }
    }
    let mut chains = Vec::new();
    while let Some((chain, program)) = next_chain(model, &mut detached, settings)? {
        let shape = model
            .outlet_fact(chain.last.into())?
            .shape
            .as_concrete()
            .context("the output of a chain has no concrete shape")?
            .to_vec();
        let name = model.nodes()[chain.last].name.clone();
        let mut patch = TypedModelPatch::new("fuse");
        let input = patch.tap_model(model, chain.input)?;
        let steps = program.step_count();
        let output = patch.wire_node(format!("{name}.fused"), FusedOp::new(program, &shape, steps), &[input])?;
        patch.shunt_outside(model, chain.last.into(), output[0])?;
        patch.apply(model)?;
        model.compact()?;
        chains.push(steps);
    }
    restore_initializers(model, &detached)?;
    let mut unfused = std::collections::BTreeMap::<String, usize>::new();
    for node in model.nodes() {
        let name = node.op().name();
        if !matches!(&*name, "Source" | "Const" | "Fused") {
            *unfused.entry(name.into()).or_default() += 1;
        }
    }
    let kernels = settings.kernels.map(|kernels| kernels.name);
    Ok(FusionReport { chains, unfused: unfused.into_iter().collect(), kernels })
}

/// Returns the first chain of the graph that the kernels can run, with its program; `None` if there is no further one.
fn next_chain(
    model: &TypedModel,
    detached: &mut DetachedInitializers,
    settings: Settings,
) -> TractResult<Option<(FusibleChain, Program)>> {
    let Some(settings) = settings.for_kernels() else { return Ok(None) };
    for id in model.eval_order()? {
        if model.node(id).outputs.len() != 1 {
            continue;
        }
        let Some(mut chain) = GraphView { model, detached }.chain(id.into()) else { continue };
        let values = model.outlet_fact(chain.last.into())?.shape.as_concrete().map(|shape| shape.iter().product());
        if layers::output_shape(&chain.steps, chain.shape).map(|shape| shape.values()).ok() != values {
            continue;
        }
        // The steps hold the bytes now, and free them one by one as they are packed.
        detached.release_shared();
        let steps = std::mem::take(&mut chain.steps);
        let program = Program::from_steps(steps, chain.shape, settings)?;
        return Ok(Some((chain, program)));
    }
    Ok(None)
}

/// Turns the placeholder inputs of detached initializers back into constants.
fn restore_initializers(model: &mut TypedModel, detached: &DetachedInitializers) -> TractResult<()> {
    let inputs = model.inputs.clone();
    let (placeholders, inputs): (Vec<OutletId>, Vec<OutletId>) =
        inputs.into_iter().partition(|input| detached.is_placeholder(&model.node(input.node).name));
    for OutletId { node, .. } in placeholders {
        let node = model.node_mut(node);
        if let Some(initializer) = detached.get(&node.name) {
            let tensor = initializer.to_tensor()?.into_arc_tensor();
            node.outputs[0].fact = TypedFact::try_from(tensor.clone())?;
            node.op = Box::new(Const::new(tensor)?);
        }
    }
    model.set_input_outlets(&inputs)?;
    model.compact()
}

/// Returns a patch that removes one pair of inverse transposes; `None` if there is none.
///
/// Exporters of NHWC models put such pairs around operators.
fn remove_inverse_transposes(model: &TypedModel) -> TractResult<Option<TypedModelPatch>> {
    for second in model.nodes() {
        let Some(inverse) = second.op_as::<AxisOp>().map(AxisOp::recip) else { continue };
        let first = model.node(second.inputs[0].node);
        if first.op_as::<AxisOp>() == Some(&inverse) {
            let mut patch = TypedModelPatch::new("inverse transposes");
            let source = patch.tap_model(model, first.inputs[0])?;
            patch.shunt_outside(model, second.id.into(), source)?;
            return Ok(Some(patch));
        }
    }
    Ok(None)
}
