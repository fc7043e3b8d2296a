//! Finds fusible chains in a typed graph: stem, blocks and head, in the operator patterns of common exporters.

use phicam_kernels::Activation;
use phicam_kernels::layers::{Block, Convolution, Head, Shape, SqueezeExcite, Step};
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_core::ops::cnn::{Conv, KernelFormat};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Div, Max, Min, Mul};
use tract_onnx::tract_core::ops::nn::{DataFormat, Reduce, Reducer, Sigmoid, Silu};

use super::graph_view::{GraphView, broadcast, is_binary, is_unary};

/// Consecutive steps whose intermediate values have no other consumer.
pub struct FusibleChain {
    pub steps: Vec<Step>,
    pub input: OutletId,
    /// Shape of the input.
    pub shape: Shape,
    /// Id of the last node.
    pub last: usize,
}

/// A step with the nodes at its ends.
struct MatchedStep {
    step: Step,
    /// Id of the last node.
    last: usize,
    /// Ids of the nodes of this step that consume its input.
    input_consumers: Vec<usize>,
}

impl<'a> GraphView<'a> {
    /// Returns the longest chain that begins at the value `from`; `None` if no step or a lone stem begins there.
    pub fn chain(self, from: OutletId) -> Option<FusibleChain> {
        let shape = self.shape(from)?;
        let mut steps = Vec::new();
        let mut current = from;
        let mut current_shape = shape;
        while let Some(matched) = self.step(current, steps.is_empty()) {
            let consumers: Vec<usize> = self.consumers(current.node).iter().map(|consumer| consumer.id).collect();
            let all_in_step = consumers.iter().all(|consumer| matched.input_consumers.contains(consumer));
            if !steps.is_empty() && (consumers.is_empty() || !all_in_step) {
                break; // the value has another consumer, or is an output of the graph
            }
            // The kernels run a stem only together with the block after it.
            let follows_stem = matches!(steps.last(), Some(Step::Stem(_)));
            let accepts_stem = matches!(&matched.step, Step::Block(block) if block.expand.is_none() && !block.residual);
            let Ok(next_shape) = matched.step.output_shape(current_shape) else { break };
            if follows_stem && !accepts_stem {
                break;
            }
            let is_head = matches!(matched.step, Step::Head(_));
            steps.push(matched.step);
            current = matched.last.into();
            current_shape = next_shape;
            if is_head {
                break;
            }
        }
        match steps[..] {
            [] | [Step::Stem(_)] => None,
            _ => Some(FusibleChain { steps, input: from, shape, last: current.node }),
        }
    }

    fn shape(self, outlet: OutletId) -> Option<Shape> {
        let [height, width, channels] = self.image_dims(outlet)?;
        Some(Shape { height, width, channels })
    }

    /// Returns the step that begins at the value `from`; a stem only if `can_be_stem`.
    fn step(self, from: OutletId, can_be_stem: bool) -> Option<MatchedStep> {
        let consumers = self.node(from.node).outputs[from.slot].successors.iter();
        let mut candidates = consumers.map(|consumer| self.node(consumer.node));
        candidates.find_map(|first| self.step_from(from, first, can_be_stem))
    }

    fn step_from(self, from: OutletId, first: &TypedNode, can_be_stem: bool) -> Option<MatchedStep> {
        if first.inputs.first() != Some(&from) {
            return None; // the value may be the weights of `first`
        }
        let (convolution, end) = self.activated_convolution(first)?;
        let input_consumers = vec![first.id];
        if !convolution.depthwise && !convolution.is_pointwise() {
            let step = Step::Stem(convolution);
            return can_be_stem.then_some(MatchedStep { step, last: end, input_consumers });
        }
        let next = self.consumer(end);
        if let Some(mean) = next.filter(|_| convolution.is_pointwise()).and_then(|next| self.mean(next)) {
            let (classifier, last) =
                self.classifier(mean).map_or((None, mean), |(classifier, last)| (Some(classifier), last));
            let step = Step::Head(Head { convolution, classifier });
            return Some(MatchedStep { step, last, input_consumers });
        }
        let (expand, (depthwise, end)) = if convolution.depthwise {
            (None, (convolution, end))
        } else {
            (Some(convolution), self.activated_convolution(next?)?)
        };
        if !depthwise.depthwise {
            return None;
        }
        let (gate, end) = self.gate(end).map_or((None, end), |(gate, end)| (Some(gate), end));
        let (project, end) = self.convolution(self.consumer(end)?)?;
        if !project.is_pointwise() {
            return None;
        }
        let sum = self.consumer(end).filter(|sum| is_binary::<Add>(sum) && sum.inputs.contains(&from));
        let residual = sum.is_some();
        let last = sum.map_or(end, |sum| sum.id);
        let input_consumers = [first.id].into_iter().chain(sum.map(|sum| sum.id)).collect();
        let step = Step::Block(Block { expand, depthwise, gate, project, residual });
        Some(MatchedStep { step, last, input_consumers })
    }

    /// Returns the convolution that begins at `node` and the id of its last node.
    ///
    /// Includes a zero-padding node before it; folds in the multiplications and additions after it.
    fn convolution(self, node: &TypedNode) -> Option<(Convolution, usize)> {
        let mut pad_node = [(0, 0); 2];
        let mut node = node;
        if let Some(pad) = node.op_as::<Pad>() {
            let PadMode::Constant(value) = &pad.mode else { return None };
            let &[(0, 0), (0, 0), rows, columns] = &pad.pads[..] else { return None };
            if value.cast_to_scalar::<f32>().ok()? != 0.0 {
                return None;
            }
            pad_node = [rows, columns];
            node = self.consumer(node.id)?;
        }
        let conv = node.op_as::<Conv>()?;
        let [height, width, _] = self.image_dims(node.inputs[0])?;
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
        let (mut pad_before, mut pad_after) = ([0; 2], [0; 2]);
        for (axis, length) in [height, width].into_iter().enumerate() {
            let padding = pool.padding.compute_one(axis, &length, kernel, 1, stride);
            // tract's padding is unsigned: a negative one is huge here, and the sum may overflow.
            pad_before[axis] = padding.pad_before.checked_add(pad_node[axis].0)?;
            pad_after[axis] = padding.pad_after.checked_add(pad_node[axis].1)?;
        }
        let initializer = self.weights(node.inputs[1])?;
        let &[out, within, rows, columns] = &initializer.dims[..] else { return None };
        let taps = rows * columns;
        let weights = initializer.to_weights([taps, within, out], [1, taps, within * taps])?;
        let bias = broadcast(&self.constant(*node.inputs.get(2)?)?, outputs)?;
        let activation = Activation::None;
        let mut convolution = Convolution {
            inputs,
            outputs,
            depthwise,
            kernel,
            stride,
            pad_before,
            pad_after,
            weights,
            bias,
            activation,
        };
        let last = self.fold_scale_and_shift(&mut convolution, node.id);
        Some((convolution, last))
    }

    /// Folds the multiplications and additions per channel after node `last` into `convolution`; returns the last
    /// node's id.
    fn fold_scale_and_shift(self, convolution: &mut Convolution, mut last: usize) -> usize {
        let channels = convolution.outputs;
        while let Some(next) = self.consumer(last) {
            let is_sum = is_binary::<Add>(next);
            if !is_sum && !is_binary::<Mul>(next) {
                break;
            }
            let Some(operand) = self.channel_operand(next, last, channels) else { break };
            let biases = convolution.bias.iter_mut().zip(&operand);
            if is_sum {
                biases.for_each(|(bias, value)| *bias += value);
            } else {
                biases.for_each(|(bias, value)| *bias *= value);
                convolution.weights.scale_outputs(&operand);
            }
            last = next.id;
        }
        last
    }

    /// Returns the convolution that begins at `node` with the activation after it, and the id of the last node.
    fn activated_convolution(self, node: &TypedNode) -> Option<(Convolution, usize)> {
        let (convolution, last) = self.convolution(node)?;
        let (activation, last) = self.activation(last).unwrap_or((Activation::None, last));
        Some((Convolution { activation, ..convolution }, last))
    }

    /// Returns the activation after node `id` and the id of its last node; `None` if none follows.
    fn activation(self, id: usize) -> Option<(Activation, usize)> {
        if let Some(next) = self.consumer(id) {
            if is_unary::<Silu>(next) {
                return Some((Activation::Silu, next.id));
            }
            if is_unary::<Sigmoid>(next) {
                return Some((Activation::Sigmoid, next.id));
            }
            // ReLU6 as a maximum with 0 and a minimum with 6, in either order.
            let other = self.consumer(next.id)?;
            let is_lower = |node: &TypedNode, input: usize| {
                is_binary::<Max>(node) && self.scalar_operand(node, input) == Some(0.0)
            };
            let is_upper = |node: &TypedNode, input: usize| {
                is_binary::<Min>(node) && self.scalar_operand(node, input) == Some(6.0)
            };
            let is_relu6 =
                (is_lower(next, id) && is_upper(other, next.id)) || (is_lower(other, next.id) && is_upper(next, id));
            return is_relu6.then_some((Activation::Relu6, other.id));
        }
        // SiLU as x · sigmoid(x).
        let consumers = self.consumers(id);
        let [a, b] = consumers[..] else { return None };
        let (sigmoid, product) = if is_unary::<Sigmoid>(a) { (a, b) } else { (b, a) };
        let is_silu = is_unary::<Sigmoid>(sigmoid)
            && is_binary::<Mul>(product)
            && self.consumer(sigmoid.id).is_some_and(|consumer| consumer.id == product.id)
            && product.inputs.iter().any(|input| input.node == id);
        is_silu.then_some((Activation::Silu, product.id))
    }

    /// Returns the id of the last node of a mean over all pixels that begins at `node`.
    fn mean(self, node: &TypedNode) -> Option<usize> {
        let reduce = node.op_as::<Reduce>()?;
        let [height, width, _] = self.image_dims(node.inputs[0])?;
        if reduce.reducer != Reducer::Sum || reduce.axes[..] != [2, 3] {
            return None;
        }
        let next = self.consumer(node.id)?;
        let operand = f64::from(self.scalar_operand(next, node.id)?);
        let pixels = (height * width) as f64;
        let divides = is_binary::<Div>(next) && next.inputs[0].node == node.id && operand == pixels;
        // The factor 1 / pixels is rounded to f32: relative error below 6e-8.
        let multiplies = is_binary::<Mul>(next) && (operand * pixels - 1.0).abs() < 1e-6;
        (divides || multiplies).then_some(next.id)
    }

    /// Returns the squeeze-excite gate on the output of node `id`, and the id of the node that multiplies by it.
    fn gate(self, id: usize) -> Option<(SqueezeExcite, usize)> {
        let consumers = self.consumers(id);
        let mean = self.mean(consumers.iter().find(|consumer| consumer.op_is::<Reduce>())?)?;
        let (squeeze, end) = self.activated_convolution(self.consumer(mean)?)?;
        let (excite, end) = self.activated_convolution(self.consumer(end)?)?;
        let product = self.consumer(end).filter(|product| {
            consumers.len() == 2 && is_binary::<Mul>(product) && product.inputs.iter().any(|input| input.node == id)
        })?;
        (excite.activation == Activation::Sigmoid).then_some((SqueezeExcite { squeeze, excite }, product.id))
    }

    /// Returns the classifier on the channel means that node `id` outputs, as a 1×1 convolution, and the id of its last
    /// node.
    fn classifier(self, id: usize) -> Option<(Convolution, usize)> {
        let channels: usize = self.node(id).outputs[0].fact.shape.as_concrete()?.iter().product();
        let mut next = self.consumer(id)?;
        if let Some((convolution, last)) = self.convolution(next) {
            return Some((convolution, last)).filter(|(convolution, _)| convolution.is_pointwise());
        }
        let mut data = id;
        while next.op_is::<AxisOp>() {
            // A shape with only one axis longer than 1 has one order of values, whatever the order of axes.
            let shape = next.outputs[0].fact.shape.as_concrete()?;
            if !shape.iter().all(|&length| length == 1 || length == channels) {
                return None;
            }
            (data, next) = (next.id, self.consumer(next.id)?);
        }
        let &[OutletId { node, .. }, weights] = &next.inputs[..] else { return None };
        if node != data || self.node(data).outputs[0].fact.shape.as_concrete()? != [1, channels] {
            return None;
        }
        let initializer = self.weights(weights)?;
        let transposed = match next.op_as::<EinSum>()?.axes.to_string().as_str() {
            "mk,kn->mn" => false,
            "mk,nk->mn" => true,
            _ => return None,
        };
        let &[rows, columns] = &initializer.dims[..] else { return None };
        let (inputs, outputs) = if transposed { (columns, rows) } else { (rows, columns) };
        let strides = if transposed { [0, 1, columns] } else { [0, columns, 1] };
        let weights = initializer.to_weights([1, inputs, outputs], strides)?;
        let mut bias = vec![0.0; outputs];
        let mut last = next.id;
        if let Some(sum) = self.consumer(last).filter(|sum| is_binary::<Add>(sum)) {
            let operand = self.constant_operand(sum, last)?;
            let is_scalar = matches!(operand.shape(), [] | [1] | [1, 1]);
            let is_row = matches!(operand.shape(), [n] | [1, n] if *n == outputs);
            if !is_scalar && !is_row {
                return None; // a column would broadcast the scores to a matrix
            }
            bias = broadcast(&operand, outputs)?;
            last = sum.id;
        }
        let convolution = Convolution {
            inputs,
            outputs,
            depthwise: false,
            kernel: 1,
            stride: 1,
            pad_before: [0; 2],
            pad_after: [0; 2],
            weights,
            bias,
            activation: Activation::None,
        };
        (inputs == channels).then_some((convolution, last))
    }
}
