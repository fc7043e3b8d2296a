//! One layer with weights: its shape, and what it costs.

use super::Cost;

/// What a layer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first, from colours to channels.
    Stem,
    /// 1×1, to more channels.
    Expand,
    /// One kernel a channel.
    Depthwise,
    /// 1×1 on the mean of each channel, to few.
    Squeeze,
    /// And back, to a gate for each channel.
    Excite,
    /// 1×1, to the channels that leave the block.
    Project,
    /// The last 1×1.
    Head,
    /// From the mean of each channel to a score a class.
    Classifier,
}

/// What is done to each value that a layer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    None,
    /// x · sigmoid(x)
    Silu,
    /// x between 0 and 6
    Relu6,
    Sigmoid,
}

/// A convolution (or the classifier) on a square of values.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// `block3_expand`
    pub name: String,
    pub kind: Kind,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Side of the kernel.
    pub kernel: usize,
    pub stride: usize,
    /// As many as channels in a depthwise layer, else 1.
    pub groups: usize,
    /// Values along a side that enter.
    pub input_side: u32,
    /// And that leave: the quotient by the stride, rounded up, with either padding.
    pub output_side: u32,
    pub activation: Activation,
}

impl Layer {
    /// `channels` in and out; kernel, stride and groups; no activation.
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

    pub(super) fn with(self, activation: Activation) -> Layer {
        Layer { activation, ..self }
    }

    /// Whether it is trained with a batch norm behind it. The others have a bias of their own.
    pub fn normalised(&self) -> bool {
        !matches!(self.kind, Kind::Squeeze | Kind::Excite | Kind::Classifier)
    }

    /// Shape of its weights: out, in (of one group), kernel, kernel; the classifier's is out, in.
    pub fn shape(&self) -> Vec<usize> {
        match self.kind {
            Kind::Classifier => vec![self.out_channels, self.in_channels],
            _ => vec![self.out_channels, self.in_channels / self.groups, self.kernel, self.kernel],
        }
    }

    /// How many weights, without biases.
    pub fn weights(&self) -> usize {
        self.shape().iter().product()
    }

    /// Of one picture.
    pub fn cost(&self) -> Cost {
        let (weights, out) = (self.weights() as u64, self.out_channels as u64);
        let square = u64::from(self.output_side).pow(2);
        let normalised = self.normalised();
        Cost {
            macs: square * weights,
            parameters: weights + if normalised { 2 * out } else { out },
            folded_parameters: weights + out,
            activations: square * out,
            normalised: if normalised { square * out } else { 0 },
        }
    }
}
