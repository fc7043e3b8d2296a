//! Layers of an EfficientNet, in the order in which they run, and the checks of their shapes.

use crate::activation::Activation;
use crate::gemm::microkernel::MAX_KERNEL_ROWS;
use crate::isa::has_depthwise;
use crate::weights::Weights;

/// Most input channels of a stem: an image has at most 4, RGBA.
const MAX_STEM_INPUTS: usize = 4;

/// Convolution with a square kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Whether each output channel reads only the input channel of the same index.
    pub depthwise: bool,
    /// Side of the kernel.
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above the first row and left of the first column.
    pub pad_before: [usize; 2],
    /// Zeros below the last row and right of the last column.
    pub pad_after: [usize; 2],
    /// kernel² × inputs × outputs values, or kernel² × 1 × outputs if depthwise.
    pub weights: Weights,
    /// One value an output channel.
    pub bias: Vec<f32>,
    pub activation: Activation,
}

/// Squeeze-and-excitation: scales each channel by a gate computed from the means of all channels.
#[derive(Clone, Debug, PartialEq)]
pub struct SqueezeExcite {
    pub squeeze: Convolution,
    pub excite: Convolution,
}

/// Inverted-bottleneck block (MBConv): 1×1 expansion, depthwise convolution, optional gate, 1×1 projection.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub expand: Option<Convolution>,
    pub depthwise: Convolution,
    pub gate: Option<SqueezeExcite>,
    pub project: Convolution,
    /// Whether the block's input is added to its output.
    pub residual: bool,
}

/// Last layers of a network: a 1×1 convolution, the mean of each channel, and the classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub convolution: Convolution,
    pub classifier: Option<Convolution>,
}

/// One step of a network.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // a network has a few dozen steps, most of them of the large variant
pub enum Step {
    /// First convolution, from the image's few channels.
    Stem(Convolution),
    Block(Block),
    Head(Head),
}

/// Order of an image's values in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Channel by channel (planar).
    Nchw,
    /// Pixel by pixel (interleaved).
    Nhwc,
}

/// Rows, columns and channels of an image or feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// Largest height, width and channel count. Derived: far above any network, and small enough that products fit in a
/// `usize`.
pub(crate) const MAX_DIMENSION: usize = 1 << 16;
/// Largest number of values in a feature map: 1 GiB of f32. The largest of B7 at a side of 2048 has 2^27.6.
const MAX_VALUES: usize = 1 << 28;
/// Largest kernel side, stride and padding. Derived: far above any network, and small enough that products fit in a
/// `usize`.
pub(crate) const MAX_KERNEL: usize = 64;

impl Shape {
    fn is_supported(&self) -> bool {
        let Shape { height, width, channels } = *self;
        height.max(width).max(channels) <= MAX_DIMENSION && self.values() <= MAX_VALUES
    }

    /// Returns height × width × channels.
    pub fn values(&self) -> usize {
        self.height * self.width * self.channels
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {} × {}", self.height, self.width, self.channels)
    }
}

/// Reason why these kernels cannot run a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedStep(pub String);

impl std::fmt::Display for UnsupportedStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnsupportedStep {}

fn unsupported<T>(reason: String) -> Result<T, UnsupportedStep> {
    Err(UnsupportedStep(reason))
}

fn too_large<T>(name: &str, shape: Shape) -> Result<T, UnsupportedStep> {
    unsupported(format!("{name} of {shape} exceeds the limits of {MAX_DIMENSION} a dimension and {MAX_VALUES} values"))
}

impl Convolution {
    /// Returns the shape of the output for an input of `shape`, or an error if they do not fit together or exceed a
    /// limit.
    pub fn output_shape(&self, shape: Shape) -> Result<Shape, UnsupportedStep> {
        let Convolution { inputs, outputs, kernel, stride, .. } = *self;
        let dims = self.weights.dims();
        if dims != self.weight_dims() || self.bias.len() != outputs || (self.depthwise && inputs != outputs) {
            let biases = self.bias.len();
            return unsupported(format!(
                "convolution of {inputs} to {outputs} channels has weights of {dims:?} and {biases} biases"
            ));
        }
        if stride > MAX_KERNEL || kernel > MAX_KERNEL {
            return unsupported(format!(
                "convolution has kernel {kernel} and stride {stride}; at most {MAX_KERNEL} each"
            ));
        }
        if !shape.is_supported() {
            return too_large("convolution input", shape);
        }
        let output_length = |axis: usize, length: usize| {
            let pad = self.pad_before[axis].max(self.pad_after[axis]);
            if pad > MAX_KERNEL {
                return None;
            }
            let padded = length + self.pad_before[axis] + self.pad_after[axis];
            let fits = stride > 0 && kernel > 0 && padded >= kernel && pad < kernel;
            fits.then(|| (padded - kernel) / stride + 1)
        };
        match (output_length(0, shape.height), output_length(1, shape.width)) {
            (Some(height), Some(width)) if shape.channels == inputs && outputs <= MAX_DIMENSION => {
                let output = Shape { height, width, channels: outputs };
                if output.is_supported() { Ok(output) } else { too_large("convolution output", output) }
            }
            _ => {
                let Convolution { pad_before, pad_after, .. } = self;
                unsupported(format!(
                    "convolution of {inputs} to {outputs} channels with kernel {kernel}, stride {stride} and padding \
                     {pad_before:?}, {pad_after:?} does not fit an input of {shape}"
                ))
            }
        }
    }

    /// Returns taps × inputs of each output × outputs.
    pub(crate) fn weight_dims(&self) -> [usize; 3] {
        [self.kernel.saturating_mul(self.kernel), if self.depthwise { 1 } else { self.inputs }, self.outputs]
    }

    /// Returns a copy whose weights and biases are zero; the weights take no memory.
    pub(crate) fn without_weights(&self) -> Convolution {
        Convolution { weights: Weights::zeros(self.weight_dims()), bias: vec![0.0; self.outputs], ..self.clone() }
    }

    /// Returns whether the convolution is 1×1 with stride 1: it mixes the channels of each pixel only.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && !self.depthwise && self.pad_before == [0, 0] && self.pad_after == [0, 0]
    }

    fn pointwise_output_shape(&self, shape: Shape, name: &str) -> Result<Shape, UnsupportedStep> {
        if self.is_pointwise() {
            self.output_shape(shape)
        } else {
            let Convolution { kernel, stride, .. } = self;
            unsupported(format!("{name} has kernel {kernel} and stride {stride}; only 1×1 convolutions are supported"))
        }
    }
}

impl Step {
    /// Returns the shape of the output for an input of `shape`.
    ///
    /// Checks everything that a [`Program`](crate::Program) relies on, and returns an error if a check fails.
    pub fn output_shape(&self, shape: Shape) -> Result<Shape, UnsupportedStep> {
        match self {
            Step::Stem(stem) if stem.depthwise || stem.kernel > MAX_KERNEL_ROWS || stem.inputs > MAX_STEM_INPUTS => {
                let kind = if stem.depthwise { "depthwise " } else { "" };
                unsupported(format!(
                    "{kind}stem has kernel {} and {} channels; at most {MAX_KERNEL_ROWS} and {MAX_STEM_INPUTS}",
                    stem.kernel, stem.inputs
                ))
            }
            Step::Stem(stem) => stem.output_shape(shape),
            Step::Block(block) => block.output_shape(shape),
            Step::Head(Head { convolution, classifier }) => {
                let features = convolution.pointwise_output_shape(shape, "head convolution")?;
                let means = Shape { height: 1, width: 1, ..features };
                match classifier {
                    Some(classifier) => classifier.pointwise_output_shape(means, "classifier"),
                    None => Ok(means),
                }
            }
        }
    }

    /// Returns a copy whose weights and biases are zero; the weights take no memory.
    pub(crate) fn without_weights(&self) -> Step {
        match self {
            Step::Stem(stem) => Step::Stem(stem.without_weights()),
            Step::Block(Block { expand, depthwise, gate, project, residual }) => Step::Block(Block {
                expand: expand.as_ref().map(Convolution::without_weights),
                depthwise: depthwise.without_weights(),
                gate: gate.as_ref().map(|gate| SqueezeExcite {
                    squeeze: gate.squeeze.without_weights(),
                    excite: gate.excite.without_weights(),
                }),
                project: project.without_weights(),
                residual: *residual,
            }),
            Step::Head(Head { convolution, classifier }) => Step::Head(Head {
                convolution: convolution.without_weights(),
                classifier: classifier.as_ref().map(Convolution::without_weights),
            }),
        }
    }
}

/// Returns the shape of the output of `steps` for an input of `shape`, or an error if no program can be made of them.
pub fn output_shape(steps: &[Step], mut shape: Shape) -> Result<Shape, UnsupportedStep> {
    for (index, step) in steps.iter().enumerate() {
        let is_first = index == 0;
        let is_last = index + 1 == steps.len();
        let follows_stem = index > 0 && matches!(steps[index - 1], Step::Stem(_));
        let accepts_stem = matches!(step, Step::Block(block) if block.expand.is_none() && !block.residual);
        let reason = match step {
            Step::Stem(_) if !is_first => "the stem is not the first step",
            Step::Stem(_) if is_last => "no step follows the stem",
            Step::Head(_) if !is_last => "a step follows the head",
            _ if follows_stem && !accepts_stem => {
                "the block after the stem has an expansion or a residual; the stem's output exists a few rows at a time"
            }
            _ => "",
        };
        if !reason.is_empty() {
            return unsupported(reason.into());
        }
        shape = step.output_shape(shape)?;
    }
    if steps.is_empty() { unsupported("the network has no steps".into()) } else { Ok(shape) }
}

impl Block {
    fn output_shape(&self, shape: Shape) -> Result<Shape, UnsupportedStep> {
        let expanded_shape = match &self.expand {
            Some(expand) => expand.pointwise_output_shape(shape, "expansion")?,
            None => shape,
        };
        let Convolution { kernel, stride, depthwise, .. } = self.depthwise;
        if !depthwise {
            return unsupported("the block's middle convolution is not depthwise".into());
        }
        if !has_depthwise(kernel, stride) {
            return unsupported(format!(
                "depthwise convolution has kernel {kernel} and stride {stride}; kernels 3 and 5, strides 1 and 2 are \
                 supported"
            ));
        }
        let depthwise_shape = self.depthwise.output_shape(expanded_shape)?;
        if let Some(SqueezeExcite { squeeze, excite }) = &self.gate {
            let means = Shape { height: 1, width: 1, ..depthwise_shape };
            let squeezed = squeeze.pointwise_output_shape(means, "squeeze convolution")?;
            let gate = excite.pointwise_output_shape(squeezed, "excite convolution")?;
            if gate != means {
                return unsupported(format!("gate has {} channels for {}", gate.channels, means.channels));
            }
        }
        let output = self.project.pointwise_output_shape(depthwise_shape, "projection")?;
        if self.residual && self.project.activation.needs_separate_pass() {
            return unsupported("the projection of a residual block has a SiLU or sigmoid activation".into());
        }
        if self.residual && output != shape {
            return unsupported(format!("residual input of {shape} does not match the output of {output}"));
        }
        Ok(output)
    }
}
