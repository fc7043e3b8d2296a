//! EfficientNet family at any scale: stages, rounding and the cost of each layer.
//!
//! Stages and rounding follow Tan & Le, ICML 2019, table 1, and Google's reference implementation. Lite differs in
//! three points, made for small processors. It has no squeeze-and-excitation, and ReLU6 instead of SiLU. Its stem, its
//! head and the repeats of its first and last stage are not scaled.

use serde::{Deserialize, Serialize};

use crate::efficientnet::compound_scaling::{Coefficients, Scale};

pub mod compound_scaling;
mod layer;
mod onnx_export;
mod random_weights;
mod released;
#[cfg(test)]
mod tests;
pub use layer::{Activation, Kind, Layer};
pub use onnx_export::{ExportError, ExportOptions, Padding, Storage, write_onnx};
pub use random_weights::{SeededWeights, write_seeded};
pub use released::{RELEASED, ReleasedNetwork, ScaledNetwork};

/// Branch of the family: B has squeeze-and-excitation and SiLU, Lite has neither.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    B,
    Lite,
}

/// Stage of the base network, F_i^{L_i} in the paper.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Channels inside a block, as a multiple of its input channels.
    pub expansion: usize,
    /// Output channels.
    pub channels: usize,
    /// Number of blocks, L_i.
    pub repeats: usize,
    /// Stride of the first block; the others have 1.
    pub stride: usize,
    /// Side of the depthwise kernel, in values.
    pub kernel: usize,
}

const fn stage(expansion: usize, channels: usize, repeats: usize, stride: usize, kernel: usize) -> Stage {
    Stage { expansion, channels, repeats, stride, kernel }
}

/// Stages of B0 and Lite0 (Tan & Le, table 1).
pub const STAGES: [Stage; 7] = [
    stage(1, 16, 1, 1, 3),
    stage(6, 24, 2, 2, 3),
    stage(6, 40, 2, 2, 5),
    stage(6, 80, 3, 2, 3),
    stage(6, 112, 3, 1, 5),
    stage(6, 192, 4, 2, 5),
    stage(6, 320, 1, 1, 3),
];
/// Output channels of the stem at width 1 (Tan & Le, table 1).
const STEM_CHANNELS: usize = 32;
/// Output channels of the head's 1×1 convolution at width 1 (Tan & Le, table 1).
const HEAD_CHANNELS: usize = 1280;
/// Input channels of a block per channel of its squeeze layer (ratio 0.25 in the reference implementation).
const SQUEEZE_DIVISOR: usize = 4;
/// Number of ImageNet classes.
pub const IMAGENET_CLASSES: usize = 1000;

/// Structure of a network, without its weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    pub family: Family,
    /// Width multiplier: channels relative to the base network.
    pub width: f64,
    /// Depth multiplier: blocks relative to the base network.
    pub depth: f64,
    /// Number of classes.
    pub classes: usize,
}

/// Inverted bottleneck block: expand, depthwise, squeeze-and-excite, project, and an optional residual connection.
#[derive(Clone, Debug)]
pub struct Block {
    /// Index in [`STAGES`].
    pub stage: usize,
    /// `None` if the expansion is 1.
    pub expand: Option<Layer>,
    pub depthwise: Layer,
    /// Squeeze and excite layers; `None` for Lite.
    pub squeeze: Option<(Layer, Layer)>,
    pub project: Layer,
    /// Whether the block's input is added to its output.
    pub residual: bool,
}

/// Cost of one inference, and size of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulates of convolutions and classifier; the paper's "FLOPS".
    pub macs: u64,
    /// Trained weights, with two per channel for each batch norm, as published figures count.
    pub parameters: u64,
    /// Weights and biases with batch norm folded into the convolutions, as in the ONNX file.
    pub folded_parameters: u64,
    /// Output values of convolutions and classifier (Dollár et al., arXiv 2103.06877).
    pub activations: u64,
    /// Activations that a batch norm follows.
    pub normalised: u64,
}

/// Returns scaled channels, rounded to the nearest multiple of 8 but never down by more than a tenth.
pub fn scaled_channels(channels: usize, width: f64) -> usize {
    let exact = channels as f64 * width;
    let rounded = ((exact + 4.0) / 8.0).floor().max(1.0) * 8.0;
    (if rounded < 0.9 * exact { rounded + 8.0 } else { rounded }) as usize
}

/// Returns the scaled number of blocks, rounded up.
pub fn scaled_repeats(repeats: usize, depth: f64) -> usize {
    // 5 × 1.2 exceeds 6 by a rounding error, and must not become 7.
    (repeats as f64 * depth - 1e-9).ceil().max(1.0) as usize
}

impl Network {
    /// Returns a network with the ImageNet classes.
    pub fn new(family: Family, width: f64, depth: f64) -> Network {
        Network { family, width, depth, classes: IMAGENET_CLASSES }
    }

    /// Returns the network of the paper's compound scaling for φ, and its input side in pixels.
    pub fn at_phi(family: Family, phi: f64) -> (Network, u32) {
        let Scale { depth, width, side } = Coefficients::PAPER.scale(phi);
        (Network::new(family, width, depth), side)
    }

    /// Returns the largest φ from −8 to 12, in thousandths, whose network needs at most `million_macs`.
    ///
    /// Returns `None` if the network for φ = −8 needs more. The binary search is valid because the multiply-accumulates
    /// never decrease with φ, in spite of rounding.
    pub fn largest_phi(family: Family, million_macs: f64) -> Option<f64> {
        let fits = |thousandths: i32| {
            let (network, side) = Network::at_phi(family, f64::from(thousandths) / 1000.0);
            network.cost(side).million_macs() <= million_macs
        };
        let (mut low, mut high) = (-8000, 12_001);
        if !fits(low) {
            return None;
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        Some(f64::from(low) / 1000.0)
    }

    fn stem_or_head_channels(&self, channels: usize) -> usize {
        match self.family {
            Family::B => scaled_channels(channels, self.width),
            Family::Lite => channels,
        }
    }

    /// Returns the number of blocks of a stage.
    pub fn repeats(&self, stage: usize) -> usize {
        let is_fixed = self.family == Family::Lite && (stage == 0 || stage + 1 == STAGES.len());
        if is_fixed { STAGES[stage].repeats } else { scaled_repeats(STAGES[stage].repeats, self.depth) }
    }

    /// Returns the first convolution, for an input of `side` pixels.
    pub fn stem(&self, side: u32) -> Layer {
        let kind = Kind::Stem;
        let out = self.stem_or_head_channels(STEM_CHANNELS);
        Layer::new("stem", kind, (3, out), (3, 2, 1), side).with_activation(self.activation())
    }

    /// Returns the inverted bottleneck blocks in order, for an input of `side` pixels.
    pub fn blocks(&self, side: u32) -> Vec<Block> {
        let mut channels = self.stem_or_head_channels(STEM_CHANNELS);
        let mut side = self.stem(side).output_side;
        let mut blocks = Vec::new();
        for (stage, base) in STAGES.iter().enumerate() {
            let out = scaled_channels(base.channels, self.width);
            for repeat in 0..self.repeats(stage) {
                let stride = if repeat == 0 { base.stride } else { 1 };
                let block = self.block(blocks.len(), stage, (channels, out), stride, side);
                (channels, side) = (out, block.depthwise.output_side);
                blocks.push(block);
            }
        }
        blocks
    }

    fn block(&self, number: usize, stage: usize, channels: (usize, usize), stride: usize, side: u32) -> Block {
        let (input_channels, output_channels) = channels;
        let Stage { expansion, kernel, .. } = STAGES[stage];
        let inner = input_channels * expansion;
        let name = |part: &str| format!("block{number}_{part}");
        let activation = self.activation();
        let pointwise = |part, kind, channels, side| Layer::new(&name(part), kind, channels, (1, 1, 1), side);
        let expand = (expansion > 1).then(|| pointwise("expand", Kind::Expand, (input_channels, inner), side));
        let depthwise = Layer::new(&name("depthwise"), Kind::Depthwise, (inner, inner), (kernel, stride, inner), side);
        let output_side = depthwise.output_side;
        let squeeze = (self.family == Family::B).then(|| {
            let squeezed = (input_channels / SQUEEZE_DIVISOR).max(1);
            let reduce = pointwise("squeeze", Kind::Squeeze, (inner, squeezed), 1).with_activation(Activation::Silu);
            (reduce, pointwise("excite", Kind::Excite, (squeezed, inner), 1).with_activation(Activation::Sigmoid))
        });
        Block {
            stage,
            expand: expand.map(|layer| layer.with_activation(activation)),
            depthwise: depthwise.with_activation(activation),
            squeeze,
            project: pointwise("project", Kind::Project, (inner, output_channels), output_side),
            residual: stride == 1 && input_channels == output_channels,
        }
    }

    /// Returns the head's convolution and the classifier; `side` and `channels` are the output shape of the blocks.
    pub fn head_layers(&self, side: u32, channels: usize) -> (Layer, Layer) {
        let out = self.stem_or_head_channels(HEAD_CHANNELS);
        let head = Layer::new("head", Kind::Head, (channels, out), (1, 1, 1), side).with_activation(self.activation());
        (head, Layer::new("classifier", Kind::Classifier, (out, self.classes), (1, 1, 1), 1))
    }

    /// Returns all layers with weights in order of execution, for an input of `side` pixels.
    pub fn layers(&self, side: u32) -> Vec<Layer> {
        let mut layers = vec![self.stem(side)];
        for Block { expand, depthwise, squeeze, project, .. } in self.blocks(side) {
            let (reduce, excite) = squeeze.unzip();
            layers.extend([expand, Some(depthwise), reduce, excite, Some(project)].into_iter().flatten());
        }
        let (side, channels) = layers.last().map_or((side, 0), |last| (last.output_side, last.out_channels));
        let (head, classifier) = self.head_layers(side, channels);
        layers.extend([head, classifier]);
        layers
    }

    /// Returns the length of [`Network::layers`] without building them.
    pub fn layer_count(&self) -> usize {
        let block_layers = if self.family == Family::B { 5 } else { 3 };
        let stage_layers = |(index, stage): (usize, &Stage)| {
            self.repeats(index) * (if stage.expansion > 1 { block_layers } else { block_layers - 1 })
        };
        3 + STAGES.iter().enumerate().map(stage_layers).sum::<usize>()
    }

    /// Returns the cost of one inference at `side` pixels.
    pub fn cost(&self, side: u32) -> Cost {
        self.layers(side).iter().map(Layer::cost).fold(Cost::default(), |sum, cost| sum + cost)
    }

    /// Returns the activation after each convolution that is not the last of its block.
    pub fn activation(&self) -> Activation {
        match self.family {
            Family::B => Activation::Silu,
            Family::Lite => Activation::Relu6,
        }
    }
}

impl Cost {
    pub fn million_macs(&self) -> f64 {
        self.macs as f64 / 1e6
    }

    pub fn million_parameters(&self) -> f64 {
        self.parameters as f64 / 1e6
    }

    pub fn million_activations(&self) -> f64 {
        self.activations as f64 / 1e6
    }
}

impl std::ops::Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost {
            macs: self.macs + other.macs,
            parameters: self.parameters + other.parameters,
            folded_parameters: self.folded_parameters + other.folded_parameters,
            activations: self.activations + other.activations,
            normalised: self.normalised + other.normalised,
        }
    }
}
