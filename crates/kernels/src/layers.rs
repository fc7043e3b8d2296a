//! A network as it was found: its convolutions in the order in which they run.

use crate::activation::Activation;
use crate::gemm::microkernel::MOST_RUNS;
use crate::isa::has_depthwise;
use crate::weights::Weights;

/// A convolution with a square kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    pub inputs: usize,
    pub outputs: usize,
    /// Whether each output sees one input only.
    pub depthwise: bool,
    /// Side of the kernel.
    pub kernel: usize,
    pub stride: usize,
    /// Zeros before the first row and the first column.
    pub before: [usize; 2],
    /// And behind the last.
    pub after: [usize; 2],
    /// kernel × kernel × inputs × outputs; kernel × kernel × 1 × outputs in a depthwise one.
    pub weights: Weights,
    /// One an output.
    pub bias: Vec<f32>,
    pub activation: Activation,
}

/// A gate for each channel from the means of all: squeeze and excite.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    pub squeeze: Convolution,
    pub excite: Convolution,
}

/// MBConv: to more channels, each with its own kernel, to few channels.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub expand: Option<Convolution>,
    pub depthwise: Convolution,
    pub gate: Option<Gate>,
    pub project: Convolution,
    /// Whether the block's input is added to its output.
    pub residual: bool,
}

/// A last 1×1 convolution, the mean of each of its channels, and from them a score a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub convolution: Convolution,
    pub classifier: Option<Convolution>,
}

/// What can follow one another.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // a few, and most are the large one
pub enum Step {
    /// A convolution of all pixels around, from few channels.
    Stem(Convolution),
    Block(Block),
    Head(Head),
}

/// How a picture's values follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One channel after another.
    Planar,
    /// One pixel after another.
    Interleaved,
}

/// Rows, columns, channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// Pixels along a side, and channels: beyond that nothing is a picture, and products stay far below what a number holds.
pub(crate) const MOST_LENGTH: usize = 1 << 16;
/// Values of a picture between two convolutions: 1 GiB. B7's largest, at a side of 2048, has 2^27.6.
const MOST_VALUES: usize = 1 << 28;
/// Side of a kernel, pixels that it moves on by, zeros before and behind a picture.
pub(crate) const MOST_KERNEL: usize = 64;

impl Shape {
    /// Whether it can be worked on.
    fn is_modest(&self) -> bool {
        let Shape { height, width, channels } = *self;
        height.max(width).max(channels) <= MOST_LENGTH && self.values() <= MOST_VALUES
    }

    /// How many values.
    pub fn values(&self) -> usize {
        self.height * self.width * self.channels
    }
}

/// A step that these kernels cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsuitable(pub String);

impl std::fmt::Display for Unsuitable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsuitable {}

fn refuse<T>(why: String) -> Result<T, Unsuitable> {
    Err(Unsuitable(why))
}

impl Convolution {
    /// What it makes of a picture of `shape`.
    pub fn output(&self, shape: Shape) -> Result<Shape, Unsuitable> {
        let Convolution { inputs, outputs, kernel, stride, .. } = *self;
        let lengths = self.weights.lengths();
        if lengths != self.lengths() || self.bias.len() != outputs || (self.depthwise && inputs != outputs) {
            let biases = self.bias.len();
            return refuse(format!(
                "a convolution of {inputs} to {outputs} channels has {lengths:?} weights and {biases} biases"
            ));
        }
        if !shape.is_modest() || stride > MOST_KERNEL || kernel > MOST_KERNEL {
            return refuse(format!("a convolution {kernel} wide that moves on by {stride} on {shape:?} is too large"));
        }
        let along = |axis: usize, length: usize| {
            if self.before[axis].max(self.after[axis]) > MOST_KERNEL {
                return None;
            }
            let all = length + self.before[axis] + self.after[axis];
            let fits = stride > 0 && kernel > 0 && all >= kernel && self.before[axis].max(self.after[axis]) < kernel;
            fits.then(|| (all - kernel) / stride + 1)
        };
        match (along(0, shape.height), along(1, shape.width)) {
            (Some(height), Some(width)) if shape.channels == inputs && outputs <= MOST_LENGTH => {
                let output = Shape { height, width, channels: outputs };
                if output.is_modest() { Ok(output) } else { refuse(format!("{output:?} is too large")) }
            }
            _ => refuse(format!("a convolution {kernel} wide of {inputs} channels on {shape:?}")),
        }
    }

    /// Taps, inputs of each output, outputs.
    pub(crate) fn lengths(&self) -> [usize; 3] {
        [self.kernel.saturating_mul(self.kernel), if self.depthwise { 1 } else { self.inputs }, self.outputs]
    }

    /// The same with zeros for weights and biases.
    pub(crate) fn blank(&self) -> Convolution {
        Convolution { weights: Weights::blank(self.lengths()), bias: vec![0.0; self.outputs], ..self.clone() }
    }

    /// Whether it only mixes the channels of each pixel.
    pub fn is_pointwise(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && !self.depthwise && self.before == [0, 0] && self.after == [0, 0]
    }

    fn pointwise(&self, shape: Shape, what: &str) -> Result<Shape, Unsuitable> {
        if self.is_pointwise() { self.output(shape) } else { refuse(format!("{what} is {} wide", self.kernel)) }
    }
}

impl Step {
    /// What it makes of a picture of `shape`. All that a program of it relies on is checked here.
    pub fn output(&self, shape: Shape) -> Result<Shape, Unsuitable> {
        match self {
            Step::Stem(stem) if stem.depthwise || stem.kernel > MOST_RUNS || stem.inputs > 4 => {
                refuse(format!("a stem {} wide of {} channels", stem.kernel, stem.inputs))
            }
            Step::Stem(stem) => stem.output(shape),
            Step::Block(block) => block.output(shape),
            Step::Head(Head { convolution, classifier }) => {
                let head = convolution.pointwise(shape, "a head")?;
                let mean = Shape { height: 1, width: 1, ..head };
                classifier.as_ref().map_or(Ok(mean), |classifier| classifier.pointwise(mean, "a classifier"))
            }
        }
    }
}

impl Step {
    /// The same with zeros for weights and biases.
    pub(crate) fn blank(&self) -> Step {
        match self {
            Step::Stem(stem) => Step::Stem(stem.blank()),
            Step::Block(Block { expand, depthwise, gate, project, residual }) => Step::Block(Block {
                expand: expand.as_ref().map(Convolution::blank),
                depthwise: depthwise.blank(),
                gate: gate.as_ref().map(|gate| Gate { squeeze: gate.squeeze.blank(), excite: gate.excite.blank() }),
                project: project.blank(),
                residual: *residual,
            }),
            Step::Head(Head { convolution, classifier }) => Step::Head(Head {
                convolution: convolution.blank(),
                classifier: classifier.as_ref().map(Convolution::blank),
            }),
        }
    }
}

/// What `steps` make of a picture of `shape`, where a program can be made of them.
pub fn output(steps: &[Step], mut shape: Shape) -> Result<Shape, Unsuitable> {
    for (place, step) in steps.iter().enumerate() {
        let (first, last) = (place == 0, place + 1 == steps.len());
        let follows_stem = place > 0 && matches!(steps[place - 1], Step::Stem(_));
        let takes_stem = matches!(step, Step::Block(block) if block.expand.is_none() && !block.residual);
        let why = match step {
            Step::Stem(_) if !first => "a stem that is not first",
            Step::Stem(_) if last => "a stem alone",
            Step::Head(_) if !last => "a step follows the head",
            _ if follows_stem && !takes_stem => "a stem before a block that needs all of its output",
            _ => "",
        };
        if !why.is_empty() {
            return refuse(why.into());
        }
        shape = step.output(shape)?;
    }
    if steps.is_empty() { refuse("nothing".into()) } else { Ok(shape) }
}

impl Block {
    fn output(&self, shape: Shape) -> Result<Shape, Unsuitable> {
        let expanded = self.expand.as_ref().map_or(Ok(shape), |expand| expand.pointwise(shape, "an expansion"))?;
        let Convolution { kernel, stride, depthwise, .. } = self.depthwise;
        if !depthwise || !has_depthwise(kernel, stride) {
            return refuse(format!("a depthwise convolution {kernel} wide with stride {stride}"));
        }
        let filtered = self.depthwise.output(expanded)?;
        if let Some(Gate { squeeze, excite }) = &self.gate {
            let mean = Shape { height: 1, width: 1, ..filtered };
            let gate = excite.pointwise(squeeze.pointwise(mean, "a squeeze")?, "an excitation")?;
            if gate != mean {
                return refuse(format!("a gate of {} channels for {}", gate.channels, mean.channels));
            }
        }
        let output = self.project.pointwise(filtered, "a projection")?;
        if self.residual && self.project.activation.needs_all_registers() {
            return refuse("an input added to what a sigmoid gives".into());
        }
        if self.residual && output != shape {
            return refuse(format!("{shape:?} added to {output:?}"));
        }
        Ok(output)
    }
}
