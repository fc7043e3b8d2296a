//! Replaces in a typed graph what the kernels can run.

use phicam_kernels::{Program, layers};
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::konst::Const;

use super::Settings;
use super::fused_op::Fused;
use super::graph_view::Graph;
use super::pattern_match::Chain;
use crate::detached_weights::Aside;

/// What became of a graph's operators.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Steps (stem, blocks, head) of each chain that the kernels run.
    pub chains: Vec<usize>,
    /// Names of the operators that are left to tract, each with how many there are.
    pub left: Vec<(String, usize)>,
    /// The instruction set of the kernels.
    pub kernels: Option<&'static str>,
}

/// `18 steps (stem, blocks, head) by avx512 kernels, nothing left to tract`
impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let left: Vec<String> = self.left.iter().map(|(name, count)| format!("{count} {name}")).collect();
        match (self.kernels, &self.chains[..]) {
            (None, _) => return f.write_str("all by tract"),
            (Some(_), []) => f.write_str("nothing that the kernels know")?,
            (Some(name), chains) => {
                let chains: Vec<String> = chains.iter().map(usize::to_string).collect();
                write!(f, "{} steps (stem, blocks, head) by {name} kernels", chains.join(" + "))?;
            }
        }
        if left.is_empty() {
            f.write_str(", nothing left to tract")
        } else {
            write!(f, ", by tract {}", left.join(", "))
        }
    }
}

/// Fuses all chains of `model`, whose weights are `aside`; those that no chain takes are put back into it.
pub fn fuse(model: &mut TypedModel, mut aside: Aside, settings: Settings) -> TractResult<Report> {
    model.prop_consts()?;
    if settings.kernels.is_some() {
        while let Some(patch) = there_and_back(model)? {
            patch.apply(model)?;
            model.compact()?;
        }
    }
    let mut chains = Vec::new();
    while let Some((chain, program)) = next(model, &mut aside, settings)? {
        let shape = model.outlet_fact(chain.last.into())?.shape.as_concrete().context("a shape")?.to_vec();
        let name = model.nodes()[chain.last].name.clone();
        let mut patch = TypedModelPatch::new("fuse");
        let input = patch.tap_model(model, chain.input)?;
        let steps = program.steps();
        let output = patch.wire_node(format!("{name}.fused"), Fused::new(program, &shape, steps), &[input])?;
        patch.shunt_outside(model, chain.last.into(), output[0])?;
        patch.apply(model)?;
        model.compact()?;
        chains.push(steps);
    }
    put_back(model, &aside)?;
    let mut left = std::collections::BTreeMap::<String, usize>::new();
    for node in model.nodes() {
        let name = node.op().name();
        if !matches!(&*name, "Source" | "Const" | "Fused") {
            *left.entry(name.into()).or_default() += 1;
        }
    }
    let kernels = settings.kernels.map(|kernels| kernels.name);
    Ok(Report { chains, left: left.into_iter().collect(), kernels })
}

/// The first chain of the graph that the kernels take, ready to run.
fn next(model: &TypedModel, aside: &mut Aside, settings: Settings) -> TractResult<Option<(Chain, Program)>> {
    let Some(settings) = settings.of_kernels() else { return Ok(None) };
    for id in model.eval_order()? {
        let only = model.node(id).outputs.len() == 1;
        let Some(mut chain) = only.then(|| Graph(model, aside).chain(id.into())).flatten() else { continue };
        let values = model.outlet_fact(chain.last.into())?.shape.as_concrete().map(|shape| shape.iter().product());
        if layers::output(&chain.steps, chain.shape).map(|shape| shape.values()).ok() != values {
            continue;
        }
        aside.let_go(); // the steps have them; and they go as they are packed
        let steps = std::mem::take(&mut chain.steps);
        let program = Program::of(steps, chain.shape, settings)?;
        return Ok(Some((chain, program)));
    }
    Ok(None)
}

/// Makes constants of the inputs that stand for weights aside.
fn put_back(model: &mut TypedModel, aside: &Aside) -> TractResult<()> {
    let inputs = model.inputs.clone();
    let (stand_ins, inputs): (Vec<OutletId>, Vec<OutletId>) =
        inputs.into_iter().partition(|input| aside.stands_in(&model.node(input.node).name));
    for OutletId { node, .. } in stand_ins {
        let node = model.node_mut(node);
        if let Some(stored) = aside.get(&node.name) {
            let tensor = stored.tensor()?.into_arc_tensor();
            node.outputs[0].fact = TypedFact::try_from(tensor.clone())?;
            node.op = Box::new(Const::new(tensor)?);
        }
    }
    model.set_input_outlets(&inputs)?;
    model.compact()
}

/// Takes away two changes of the order of axes of which the second undoes the first: exporters put them around operators.
fn there_and_back(model: &TypedModel) -> TractResult<Option<TypedModelPatch>> {
    for back in model.nodes() {
        let Some(undone) = back.op_as::<AxisOp>().map(AxisOp::recip) else { continue };
        let there = model.node(back.inputs[0].node);
        if there.op_as::<AxisOp>() == Some(&undone) {
            let mut patch = TypedModelPatch::new("there and back");
            let before = patch.tap_model(model, there.inputs[0])?;
            patch.shunt_outside(model, back.id.into(), before)?;
            return Ok(Some(patch));
        }
    }
    Ok(None)
}
