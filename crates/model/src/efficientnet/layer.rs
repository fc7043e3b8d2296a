//! Layer with weights: shape and cost.

use super::Cost;

/// Role of a layer in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// First convolution, from colours to channels.
    Stem,
    /// 1×1 convolution to the expanded channels.
    Expand,
    /// Convolution with one kernel per channel.
    Depthwise,
    /// 1×1 convolution on the channel means, to few channels.
    Squeeze,
    /// 1×1 convolution from the squeezed channels to one gate per channel.
    Excite,
    /// 1×1 convolution to the block's output channels.
    Project,
    /// Last 1×1 convolution.
    Head,
    /// Matrix product from the channel means to one score per class.
    Classifier,
}

/// Function applied to each output value of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    None,
    /// x · sigmoid(x)
    Silu,
    /// x between 0 and 6
    Relu6,
    Sigmoid,
}

/// Convolution on a square input, or the classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Name in the graph, such as `block3_expand`.
    pub name: String,
    pub kind: Kind,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Side of the square kernel, in values.
    pub kernel: usize,
    pub stride: usize,
    /// Number of channels in a depthwise layer, otherwise 1.
    pub groups: usize,
    /// Side of the input, in values.
    pub input_side: u32,
    /// Side of the output, in values: `input_side / stride`, rounded up, with either padding.
    pub output_side: u32,
    pub activation: Activation,
}

impl Layer {
    /// Creates a layer without activation from (input, output) channels and (kernel side, stride, groups).
    pub(super) fn new(
        name: &str,
        kind: Kind,
        channels: (usize, usize),
        (kernel, stride, groups): (usize, usize, usize),
        input_side: u32,
    ) -> Layer {
        Layer {
            name: name.into(),
            kind,
            in_channels: channels.0,
            out_channels: channels.1,
            kernel,
            stride,
            groups,
            input_side,
            output_side: input_side.div_ceil(u32::try_from(stride).unwrap_or(1)),
            activation: Activation::None,
        }
    }

    pub(super) fn with_activation(self, activation: Activation) -> Layer {
        Layer { activation, ..self }
    }

    /// Returns whether a batch norm follows the layer in training. The other layers have a bias.
    pub fn has_batch_norm(&self) -> bool {
        !matches!(self.kind, Kind::Squeeze | Kind::Excite | Kind::Classifier)
    }

    /// Returns the shape of the weights: output channels, input channels per group, kernel, kernel.
    ///
    /// The classifier's shape is classes, input channels.
    pub fn shape(&self) -> Vec<usize> {
        match self.kind {
            Kind::Classifier => vec![self.out_channels, self.in_channels],
            _ => vec![self.out_channels, self.in_channels / self.groups, self.kernel, self.kernel],
        }
    }

    /// Returns the number of weights, without biases.
    pub fn weights(&self) -> usize {
        self.shape().iter().product()
    }

    /// Returns the cost of one inference.
    pub fn cost(&self) -> Cost {
        let (weights, out) = (self.weights() as u64, self.out_channels as u64);
        let square = u64::from(self.output_side).pow(2);
        let has_batch_norm = self.has_batch_norm();
        Cost {
            macs: square * weights,
            parameters: weights + if has_batch_norm { 2 * out } else { out },
            folded_parameters: weights + out,
            activations: square * out,
            normalised: if has_batch_norm { square * out } else { 0 },
        }
    }
}
