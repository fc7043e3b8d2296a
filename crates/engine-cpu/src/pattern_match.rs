//! Finds what the kernels can run in a typed graph: stem, blocks, head, in the forms that exporters give them.

use phicam_kernels::Activation;
use phicam_kernels::layers::{Block, Convolution, Gate, Head, Shape, Step};
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Min, Mul};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer, Sigmoid, Silu};

use super::graph_view::{Graph, changes, joins, spread};

/// Steps that follow one another, and nothing else reads what is between them.
pub struct Chain {
    pub steps: Vec<Step>,
    pub input: OutletId,
    pub shape: Shape,
    /// The last node.
    pub last: usize,
}

/// A step and where it ends.
struct Found {
    step: Step,
    last: usize,
    /// The readers of the step's input that belong to it.
    readers: Vec<usize>,
}

impl<'a> Graph<'a> {
    /// The longest chain that begins at what node `from` gives.
    pub fn chain(self, from: OutletId) -> Option<Chain> {
        let shape = self.shape(from)?;
        let mut steps = Vec::new();
        let (mut current, mut now) = (from, shape);
        while let Some(found) = self.step(current, steps.is_empty()) {
            let readers: Vec<usize> = self.readers(current.node).iter().map(|reader| reader.id).collect();
            let is_first = steps.is_empty();
            if !is_first && (readers.is_empty() || !readers.iter().all(|reader| found.readers.contains(reader))) {
                break; // somebody else wants what is between, or it is an output
            }
            // A stem is run together with the block behind it.
            let follows_stem = matches!(steps.last(), Some(Step::Stem(_)));
            let takes_stem = matches!(&found.step, Step::Block(block) if block.expand.is_none() && !block.residual);
            let Ok(next) = found.step.output(now) else { break };
            if follows_stem && !takes_stem {
                break;
            }
            let is_head = matches!(found.step, Step::Head(_));
            steps.push(found.step);
            (current, now) = (found.last.into(), next);
            if is_head {
                break;
            }
        }
        match steps[..] {
            [] | [Step::Stem(_)] => None,
            _ => Some(Chain { steps, input: from, shape, last: current.node }),
        }
    }

    fn shape(self, outlet: OutletId) -> Option<Shape> {
        let [height, width, channels] = self.picture(outlet)?;
        Some(Shape { height, width, channels })
    }

    /// The step that begins at what `from` gives.
    fn step(self, from: OutletId, can_be_stem: bool) -> Option<Found> {
        let candidates = self.0.nodes()[from.node].outputs[from.slot].successors.iter();
        let mut candidates = candidates.map(|reader| self.node(reader.node));
        candidates.find_map(|first| self.step_from(from, first, can_be_stem))
    }

    fn step_from(self, from: OutletId, first: &TypedNode, can_be_stem: bool) -> Option<Found> {
        if first.inputs.first() != Some(&from) {
            return None; // it may be among what multiplies
        }
        let (convolution, end) = self.activated(first)?;
        let readers = vec![first.id];
        if !convolution.depthwise && !convolution.is_pointwise() {
            return can_be_stem.then_some(Found { step: Step::Stem(convolution), last: end, readers });
        }
        let next = self.reader(end);
        if let Some(mean) = next.filter(|_| convolution.is_pointwise()).and_then(|next| self.mean(next)) {
            let (classifier, last) = self.classifier(mean).map_or((None, mean), |(found, last)| (Some(found), last));
            let step = Step::Head(Head { convolution, classifier });
            return Some(Found { step, last, readers });
        }
        let (expand, (depthwise, end)) = match convolution.depthwise {
            true => (None, (convolution, end)),
            false => (Some(convolution), self.activated(next?)?),
        };
        if !depthwise.depthwise {
            return None;
        }
        let (gate, end) = self.gate(end).map_or((None, end), |(gate, end)| (Some(gate), end));
        let (project, end) = self.convolution(self.reader(end)?)?;
        if !project.is_pointwise() {
            return None;
        }
        let sum = self.reader(end).filter(|sum| joins::<Add>(sum) && sum.inputs.contains(&from));
        let (residual, last) = (sum.is_some(), sum.map_or(end, |sum| sum.id));
        let readers = [first.id].into_iter().chain(sum.map(|sum| sum.id)).collect();
        Some(Found { step: Step::Block(Block { expand, depthwise, gate, project, residual }), last, readers })
    }

    /// A convolution from `node` on, perhaps behind zeros of its own, with the factors and sums that follow folded in; and
    /// its last node.
    fn convolution(self, node: &TypedNode) -> Option<(Convolution, usize)> {
        let mut zeros = [(0, 0); 2];
        let mut node = node;
        if let Some(pad) = node.op_as::<Pad>() {
            let PadMode::Constant(value) = &pad.mode else { return None };
            let &[(0, 0), (0, 0), rows, columns] = &pad.pads[..] else { return None };
            if value.cast_to_scalar::<f32>().ok()? != 0.0 {
                return None;
            }
            zeros = [rows, columns];
            node = self.reader(node.id)?;
        }
        let conv = node.op_as::<Conv>()?;
        let [height, width, _] = self.picture(node.inputs[0])?;
        let pool = &conv.pool_spec;
        let (inputs, outputs) = (pool.input_channels, pool.output_channels);
        let depthwise = conv.group == inputs && inputs == outputs && conv.group > 1;
        let is_plain = conv.q_params.is_none()
            && conv.kernel_fmt == KernelFormat::OIHW
            && pool.data_format == DataFormat::NCHW
            && pool.rank() == 2
            && pool.kernel_shape[0] == pool.kernel_shape[1]
            && pool.stride(0) == pool.stride(1)
            && pool.dilation(0) == 1
            && pool.dilation(1) == 1
            && (depthwise || conv.group == 1);
        if !is_plain {
            return None;
        }
        let (kernel, stride) = (pool.kernel_shape[0], pool.stride(0));
        let (mut before, mut after) = ([0; 2], [0; 2]);
        for (axis, length) in [height, width].into_iter().enumerate() {
            let padding = pool.padding.compute_one(axis, &length, kernel, 1, stride);
            // Negative ones are huge.
            before[axis] = padding.pad_before.checked_add(zeros[axis].0)?;
            after[axis] = padding.pad_after.checked_add(zeros[axis].1)?;
        }
        let stored = self.weights(node.inputs[1])?;
        let &[out, within, rows, columns] = &stored.dims[..] else { return None };
        let taps = rows * columns;
        let weights = stored.weights([taps, within, out], [1, taps, within * taps])?;
        let bias = spread(&self.constant(*node.inputs.get(2)?)?, outputs)?;
        let activation = Activation::None;
        let mut found =
            Convolution { inputs, outputs, depthwise, kernel, stride, before, after, weights, bias, activation };
        let last = self.fold(&mut found, node.id);
        Some((found, last))
    }

    /// Folds into `convolution`, which ends at node `last`, what multiplies its channels or is added to them.
    fn fold(self, convolution: &mut Convolution, mut last: usize) -> usize {
        let channels = convolution.outputs;
        while let Some(next) = self.reader(last) {
            let (multiplies, adds) = (joins::<Mul>(next), joins::<Add>(next));
            let Some(numbers) = (multiplies || adds).then(|| self.numbers(next, last, channels)).flatten() else {
                break;
            };
            let biases = convolution.bias.iter_mut().zip(&numbers);
            if adds {
                biases.for_each(|(bias, number)| *bias += number);
            } else {
                biases.for_each(|(bias, number)| *bias *= number);
                convolution.weights.multiply(&numbers);
            }
            last = next.id;
        }
        last
    }

    /// The same with the activation that follows.
    fn activated(self, node: &TypedNode) -> Option<(Convolution, usize)> {
        let (convolution, last) = self.convolution(node)?;
        let (activation, last) = self.activation(last).unwrap_or((Activation::None, last));
        Some((Convolution { activation, ..convolution }, last))
    }

    /// The activation that follows node `id`, and its last node.
    fn activation(self, id: usize) -> Option<(Activation, usize)> {
        if let Some(next) = self.reader(id) {
            if changes::<Silu>(next) {
                return Some((Activation::Silu, next.id));
            }
            if changes::<Sigmoid>(next) {
                return Some((Activation::Sigmoid, next.id));
            }
            // The two limits in either order.
            let other = self.reader(next.id)?;
            let limits = |lower: (&TypedNode, usize), upper: (&TypedNode, usize)| {
                joins::<Max>(lower.0)
                    && joins::<Min>(upper.0)
                    && self.number(lower.0, lower.1) == Some(0.0)
                    && self.number(upper.0, upper.1) == Some(6.0)
            };
            let does = limits((next, id), (other, next.id)) || limits((other, next.id), (next, id));
            return does.then_some((Activation::Relu6, other.id));
        }
        // x · sigmoid(x)
        let readers = self.readers(id);
        let [a, b] = readers[..] else { return None };
        let (sigmoid, product) = if changes::<Sigmoid>(a) { (a, b) } else { (b, a) };
        let does = changes::<Sigmoid>(sigmoid)
            && joins::<Mul>(product)
            && self.reader(sigmoid.id).is_some_and(|reader| reader.id == product.id)
            && product.inputs.iter().any(|input| input.node == id);
        does.then_some((Activation::Silu, product.id))
    }

    /// The last node of a mean over all pixels that begins at `node`.
    fn mean(self, node: &TypedNode) -> Option<usize> {
        let reduce = node.op_as::<Reduce>()?;
        let [height, width, _] = self.picture(node.inputs[0])?;
        if reduce.reducer != Reducer::Sum || reduce.axes[..] != [2, 3] {
            return None;
        }
        let next = self.reader(node.id)?;
        let number = f64::from(self.number(next, node.id)?);
        let pixels = (height * width) as f64;
        let divides = joins::<Div>(next) && next.inputs[0].node == node.id && number == pixels;
        let multiplies = joins::<Mul>(next) && (number * pixels - 1.0).abs() < 1e-6;
        (divides || multiplies).then_some(next.id)
    }

    /// Squeeze and excite of what node `id` gives, and the node that multiplies by the gate.
    fn gate(self, id: usize) -> Option<(Gate, usize)> {
        let readers = self.readers(id);
        let mean = self.mean(readers.iter().find(|reader| reader.op_is::<Reduce>())?)?;
        let (squeeze, end) = self.activated(self.reader(mean)?)?;
        let (excite, end) = self.activated(self.reader(end)?)?;
        let product = self.reader(end).filter(|product| {
            readers.len() == 2 && joins::<Mul>(product) && product.inputs.iter().any(|input| input.node == id)
        })?;
        (excite.activation == Activation::Sigmoid).then_some((Gate { squeeze, excite }, product.id))
    }

    /// The classifier of the means that node `id` gives, as a convolution, and its last node.
    fn classifier(self, id: usize) -> Option<(Convolution, usize)> {
        let channels: usize = self.0.nodes()[id].outputs[0].fact.shape.as_concrete()?.iter().product();
        let mut next = self.reader(id)?;
        if let Some((convolution, last)) = self.convolution(next) {
            return Some((convolution, last)).filter(|(convolution, _)| convolution.is_pointwise());
        }
        let mut data = id;
        while next.op_is::<AxisOp>() {
            // Where only one axis has a length, no change of axes changes the order of values.
            let shape = next.outputs[0].fact.shape.as_concrete()?;
            if !shape.iter().all(|&length| length == 1 || length == channels) {
                return None;
            }
            (data, next) = (next.id, self.reader(next.id)?);
        }
        let &[OutletId { node, .. }, weights] = &next.inputs[..] else { return None };
        if node != data || self.0.nodes()[data].outputs[0].fact.shape.as_concrete()? != [1, channels] {
            return None;
        }
        let stored = self.weights(weights)?;
        let transposed = match next.op_as::<EinSum>()?.axes.to_string().as_str() {
            "mk,kn->mn" => false,
            "mk,nk->mn" => true,
            _ => return None,
        };
        let &[rows, columns] = &stored.dims[..] else { return None };
        let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
        let strides = if transposed { [0, 1, columns] } else { [0, columns, 1] };
        let weights = stored.weights([1, inputs, outputs], strides)?;
        let mut bias = vec![0.0; outputs];
        let mut last = next.id;
        if let Some(sum) = self.reader(last).filter(|sum| joins::<Add>(sum)) {
            let partner = self.partner(sum, last)?;
            // Not one that makes a table of the scores.
            if !matches!(partner.shape(), [] | [1] | [1, 1])
                && !matches!(partner.shape(), [n] | [1, n] if *n == outputs)
            {
                return None;
            }
            bias = spread(&partner, outputs)?;
            last = sum.id;
        }
        let (before, after, activation) = ([0; 2], [0; 2], Activation::None);
        let (depthwise, kernel, stride) = (false, 1, 1);
        let found =
            Convolution { inputs, outputs, depthwise, kernel, stride, before, after, weights, bias, activation };
        (inputs == channels).then_some((found, last))
    }
}
