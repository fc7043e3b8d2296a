//! The EfficientNets at any scale: stages, rounding, and what each layer costs.
//!
//! Stages and rounding: Tan & Le, ICML 2019, table 1, and Google's reference implementation. Lite is the same with
//! three changes made for small processors: no squeeze-and-excitation, ReLU6 in place of SiLU, and stem, head and the
//! repeats of the first and last stage left unscaled.

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
pub use onnx_export::{Form, GraphError, Padding, Storage, write_onnx};
pub use random_weights::{Seeded, write_seeded};
pub use released::{RELEASED, Released, Scaled};

/// Which of the two families: B has squeeze-and-excitation and SiLU, Lite has neither.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    B,
    Lite,
}

/// One stage of the base network, F_i^{L_i} in the paper.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Channels inside a block, as a multiple of those that enter it.
    pub expansion: usize,
    /// Channels that leave it.
    pub channels: usize,
    /// Blocks, L_i.
    pub repeats: usize,
    /// Of the first block; the others have 1.
    pub stride: usize,
    /// Side of the depthwise kernel.
    pub kernel: usize,
}

const fn stage(expansion: usize, channels: usize, repeats: usize, stride: usize, kernel: usize) -> Stage {
    Stage { expansion, channels, repeats, stride, kernel }
}

/// B0 and Lite0 between stem and head.
pub const STAGES: [Stage; 7] = [
    stage(1, 16, 1, 1, 3),
    stage(6, 24, 2, 2, 3),
    stage(6, 40, 2, 2, 5),
    stage(6, 80, 3, 2, 3),
    stage(6, 112, 3, 1, 5),
    stage(6, 192, 4, 2, 5),
    stage(6, 320, 1, 1, 3),
];
const STEM_CHANNELS: usize = 32;
const HEAD_CHANNELS: usize = 1280;
/// Squeeze-and-excitation squeezes to a quarter of the channels that enter the block.
const SQUEEZE: usize = 4;
/// Classes of ImageNet.
pub const IMAGENET_CLASSES: usize = 1000;

/// A network of either family, at any width and depth; its weights are not part of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    pub family: Family,
    /// Channels, as a multiple of the base network's.
    pub width: f64,
    /// Blocks a stage, as a multiple of the base network's.
    pub depth: f64,
    /// Scores that it gives.
    pub classes: usize,
}

/// An inverted bottleneck: expand, depthwise, squeeze-and-excite, project, and the entry added where shapes agree.
#[derive(Clone, Debug)]
pub struct Block {
    /// Place in [`STAGES`].
    pub stage: usize,
    pub expand: Option<Layer>,
    pub depthwise: Layer,
    /// Reduce and expand, in B alone.
    pub squeeze: Option<(Layer, Layer)>,
    pub project: Layer,
    /// Whether what enters is added to what leaves.
    pub residual: bool,
}

/// What a picture costs, or what a network holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Multiply-accumulates of convolutions and classifier; the paper's "FLOPS".
    pub macs: u64,
    /// Trained weights, with two a channel for batch norm, as published figures count.
    pub parameters: u64,
    /// The same with batch norm folded into the convolutions, as a file holds them.
    pub folded_parameters: u64,
    /// Values that convolutions and classifier give (Dollár et al., arXiv 2103.06877).
    pub activations: u64,
    /// Those of them that a batch norm follows.
    pub normalised: u64,
}

/// To the nearest multiple of 8, but never losing more than a tenth.
pub fn scaled_channels(channels: usize, width: f64) -> usize {
    let wanted = channels as f64 * width;
    let rounded = ((wanted + 4.0) / 8.0).floor().max(1.0) * 8.0;
    (if rounded < 0.9 * wanted { rounded + 8.0 } else { rounded }) as usize
}

/// Rounded up.
pub fn scaled_repeats(repeats: usize, depth: f64) -> usize {
    // 5 × 1.2 must not become 7 for want of a bit.
    (repeats as f64 * depth - 1e-9).ceil().max(1.0) as usize
}

impl Network {
    /// For ImageNet's classes.
    pub fn new(family: Family, width: f64, depth: f64) -> Network {
        Network { family, width, depth, classes: IMAGENET_CLASSES }
    }

    /// The paper's compound scaling, and the side for it.
    pub fn at_phi(family: Family, phi: f64) -> (Network, u32) {
        let Scale { depth, width, side } = Coefficients::PAPER.scale(phi);
        (Network::new(family, width, depth), side)
    }

    /// The largest φ (to a thousandth) whose network needs at most `million_macs`, from −8 to 12; nothing below that.
    ///
    /// Rounding makes work a staircase over φ, but one that never goes down.
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

    fn scaled(&self, channels: usize) -> usize {
        match self.family {
            Family::B => scaled_channels(channels, self.width),
            Family::Lite => channels,
        }
    }

    /// Blocks of stage `at`.
    pub fn repeats(&self, at: usize) -> usize {
        let fixed = self.family == Family::Lite && (at == 0 || at + 1 == STAGES.len());
        if fixed { STAGES[at].repeats } else { scaled_repeats(STAGES[at].repeats, self.depth) }
    }

    /// The first convolution, for pictures of `side` pixels.
    pub fn stem(&self, side: u32) -> Layer {
        let kind = Kind::Stem;
        let out = self.scaled(STEM_CHANNELS);
        Layer::new("stem", kind, (3, out), (3, 2, 1), side).with(self.activation())
    }

    /// The inverted bottlenecks in order.
    pub fn blocks(&self, side: u32) -> Vec<Block> {
        let (mut channels, mut side) = (self.scaled(STEM_CHANNELS), self.stem(side).output_side);
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
        let (entering, leaving) = channels;
        let Stage { expansion, kernel, .. } = STAGES[stage];
        let inner = entering * expansion;
        let name = |part: &str| format!("block{number}_{part}");
        let activation = self.activation();
        let pointwise = |part, kind, channels, side| Layer::new(&name(part), kind, channels, (1, 1, 1), side);
        let expand = (expansion > 1).then(|| pointwise("expand", Kind::Expand, (entering, inner), side));
        let depthwise = Layer::new(&name("depthwise"), Kind::Depthwise, (inner, inner), (kernel, stride, inner), side);
        let output_side = depthwise.output_side;
        let squeeze = (self.family == Family::B).then(|| {
            let squeezed = (entering / SQUEEZE).max(1);
            let reduce = pointwise("squeeze", Kind::Squeeze, (inner, squeezed), 1).with(Activation::Silu);
            (reduce, pointwise("excite", Kind::Excite, (squeezed, inner), 1).with(Activation::Sigmoid))
        });
        Block {
            stage,
            expand: expand.map(|layer| layer.with(activation)),
            depthwise: depthwise.with(activation),
            squeeze,
            project: pointwise("project", Kind::Project, (inner, leaving), output_side),
            residual: stride == 1 && entering == leaving,
        }
    }

    /// The last convolution and the classifier; `side` and `channels` are what leaves the blocks.
    pub fn tail(&self, side: u32, channels: usize) -> (Layer, Layer) {
        let out = self.scaled(HEAD_CHANNELS);
        let head = Layer::new("head", Kind::Head, (channels, out), (1, 1, 1), side).with(self.activation());
        (head, Layer::new("classifier", Kind::Classifier, (out, self.classes), (1, 1, 1), 1))
    }

    /// Every layer with weights, in the order that a picture meets them.
    pub fn layers(&self, side: u32) -> Vec<Layer> {
        let mut layers = vec![self.stem(side)];
        for Block { expand, depthwise, squeeze, project, .. } in self.blocks(side) {
            let (reduce, excite) = squeeze.unzip();
            layers.extend([expand, Some(depthwise), reduce, excite, Some(project)].into_iter().flatten());
        }
        let (side, channels) = layers.last().map_or((side, 0), |last| (last.output_side, last.out_channels));
        let (head, classifier) = self.tail(side, channels);
        layers.extend([head, classifier]);
        layers
    }

    /// How many there are in [`Network::layers`].
    pub fn layer_count(&self) -> usize {
        let in_block = if self.family == Family::B { 5 } else { 3 };
        let of_stage = |(at, stage): (usize, &Stage)| {
            self.repeats(at) * (if stage.expansion > 1 { in_block } else { in_block - 1 })
        };
        3 + STAGES.iter().enumerate().map(of_stage).sum::<usize>()
    }

    /// Of one picture of `side` pixels.
    pub fn cost(&self, side: u32) -> Cost {
        self.layers(side).iter().map(Layer::cost).fold(Cost::default(), |sum, cost| sum + cost)
    }

    /// What follows a convolution that is not the last of its block.
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
