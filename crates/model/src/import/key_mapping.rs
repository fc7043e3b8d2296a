//! Key mapping: the names of each layer's tensors in the state dicts of each library.

use crate::efficientnet::{Block, Family, Kind, Layer, Network};

/// Library whose names the tensors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScheme {
    /// timm (pytorch-image-models).
    Timm,
    Torchvision,
    /// The package efficientnet_pytorch, and efficientnet-lite-pytorch, which follows it.
    EfficientnetPytorch,
}

impl std::fmt::Display for KeyScheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            KeyScheme::Timm => "timm",
            KeyScheme::Torchvision => "torchvision",
            KeyScheme::EfficientnetPytorch => "efficientnet_pytorch",
        })
    }
}

impl KeyScheme {
    pub(super) const ALL: [KeyScheme; 3] = [KeyScheme::Timm, KeyScheme::Torchvision, KeyScheme::EfficientnetPytorch];

    /// Returns the key of the stem's weights, which identifies the library.
    pub(super) fn stem_key(self) -> &'static str {
        match self {
            KeyScheme::Timm => "conv_stem.weight",
            KeyScheme::Torchvision => "features.0.0.weight",
            KeyScheme::EfficientnetPytorch => "_conv_stem.weight",
        }
    }

    pub(super) fn classifier_key(self) -> &'static str {
        match self {
            KeyScheme::Timm => "classifier",
            KeyScheme::Torchvision => "classifier.1",
            KeyScheme::EfficientnetPytorch => "_fc",
        }
    }
}

/// Keys of one layer's tensors, without `.weight` and the like.
#[derive(Clone, Debug, PartialEq)]
pub enum KeyMapping {
    /// A convolution without bias, and the batch norm after it.
    Normalised { layer: String, norm: String },
    /// A layer with a bias.
    Biased { layer: String },
}

impl KeyMapping {
    pub(super) fn weight(&self) -> String {
        let (KeyMapping::Normalised { layer, .. } | KeyMapping::Biased { layer }) = self;
        format!("{layer}.weight")
    }

    /// Returns the keys of the other tensors, which have one value per output channel.
    pub(super) fn per_channel(&self) -> Vec<String> {
        match self {
            KeyMapping::Biased { layer } => vec![format!("{layer}.bias")],
            KeyMapping::Normalised { norm, .. } => {
                ["weight", "bias", "running_mean", "running_var"].map(|key| format!("{norm}.{key}")).to_vec()
            }
        }
    }
}

fn normalised(layer: impl Into<String>, norm: impl Into<String>) -> KeyMapping {
    KeyMapping::Normalised { layer: layer.into(), norm: norm.into() }
}

/// Returns the names and shapes of the tensors in a state dict of `network`, layer by layer.
pub fn expected_tensors(scheme: KeyScheme, network: &Network) -> Vec<(String, Vec<usize>)> {
    let layer_tensors = |(layer, keys): (Layer, KeyMapping)| {
        let per_channel = keys.per_channel().into_iter().map(move |key| (key, vec![layer.out_channels]));
        std::iter::once((keys.weight(), layer.shape())).chain(per_channel).collect::<Vec<_>>()
    };
    layer_keys(scheme, network).into_iter().flat_map(layer_tensors).collect()
}

/// Returns all layers in the order of the network, with the keys of their tensors.
pub(super) fn layer_keys(scheme: KeyScheme, network: &Network) -> Vec<(Layer, KeyMapping)> {
    let side = 32; // any side: the shapes of weights do not depend on it
    let mut layers = vec![(network.stem(side), stem(scheme))];
    let (mut stage, mut repeat, mut channels) = (0, 0, 0);
    for (number, block) in network.blocks(side).into_iter().enumerate() {
        (stage, repeat) = if block.stage == stage { (stage, repeat) } else { (block.stage, 0) };
        let position = BlockPosition { number, stage, repeat };
        channels = block.project.out_channels;
        layers.extend(block_keys(scheme, network.family, &position, block));
        repeat += 1;
    }
    let (head, classifier) = network.head_layers(1, channels);
    layers.push((head, self::head(scheme)));
    layers.push((classifier, KeyMapping::Biased { layer: scheme.classifier_key().into() }));
    layers
}

fn stem(scheme: KeyScheme) -> KeyMapping {
    match scheme {
        KeyScheme::Timm => normalised("conv_stem", "bn1"),
        KeyScheme::Torchvision => normalised("features.0.0", "features.0.1"),
        KeyScheme::EfficientnetPytorch => normalised("_conv_stem", "_bn0"),
    }
}

fn head(scheme: KeyScheme) -> KeyMapping {
    match scheme {
        KeyScheme::Timm => normalised("conv_head", "bn2"),
        KeyScheme::Torchvision => normalised("features.8.0", "features.8.1"),
        KeyScheme::EfficientnetPytorch => normalised("_conv_head", "_bn1"),
    }
}

/// Position of a block.
struct BlockPosition {
    /// Index in the network.
    number: usize,
    stage: usize,
    /// Index in its stage.
    repeat: usize,
}

fn block_keys(scheme: KeyScheme, family: Family, position: &BlockPosition, block: Block) -> Vec<(Layer, KeyMapping)> {
    let Block { expand, depthwise, squeeze, project, .. } = block;
    let (reduce, excite) = squeeze.unzip();
    let has_expand = expand.is_some();
    let layers = [expand, Some(depthwise), reduce, excite, Some(project)].into_iter().flatten();
    layers
        .map(|layer| {
            let keys = match scheme {
                KeyScheme::Timm => timm(position, has_expand, layer.kind),
                KeyScheme::Torchvision => torchvision(position, has_expand, family, layer.kind),
                KeyScheme::EfficientnetPytorch => efficientnet_pytorch(position, layer.kind),
            };
            (layer, keys)
        })
        .collect()
}

/// In a block without expand layer, `conv_pw` is the last convolution; otherwise it is the first, and `conv_pwl` the
/// last.
fn timm(position: &BlockPosition, has_expand: bool, kind: Kind) -> KeyMapping {
    let key = |part: &str| format!("blocks.{}.{}.{part}", position.stage, position.repeat);
    match (kind, has_expand) {
        (Kind::Squeeze, _) => KeyMapping::Biased { layer: key("se.conv_reduce") },
        (Kind::Excite, _) => KeyMapping::Biased { layer: key("se.conv_expand") },
        (Kind::Depthwise, false) => normalised(key("conv_dw"), key("bn1")),
        (Kind::Depthwise, true) => normalised(key("conv_dw"), key("bn2")),
        (Kind::Project, false) => normalised(key("conv_pw"), key("bn2")),
        (Kind::Project, true) => normalised(key("conv_pwl"), key("bn3")),
        _ => normalised(key("conv_pw"), key("bn1")),
    }
}

/// Layers of a block are numbered without gaps. torchvision has no Lite networks; the same numbering is assumed for
/// them.
fn torchvision(position: &BlockPosition, has_expand: bool, family: Family, kind: Kind) -> KeyMapping {
    let part = |number: usize| format!("features.{}.{}.block.{number}", position.stage + 1, position.repeat);
    let first = usize::from(has_expand);
    let squeeze_parts = usize::from(family == Family::B);
    match kind {
        Kind::Squeeze => KeyMapping::Biased { layer: format!("{}.fc1", part(first + 1)) },
        Kind::Excite => KeyMapping::Biased { layer: format!("{}.fc2", part(first + 1)) },
        Kind::Depthwise => normalised(format!("{}.0", part(first)), format!("{}.1", part(first))),
        Kind::Project => {
            let last = part(first + squeeze_parts + 1);
            normalised(format!("{last}.0"), format!("{last}.1"))
        }
        _ => normalised(format!("{}.0", part(0)), format!("{}.1", part(0))),
    }
}

fn efficientnet_pytorch(position: &BlockPosition, kind: Kind) -> KeyMapping {
    let key = |part: &str| format!("_blocks.{}.{part}", position.number);
    match kind {
        Kind::Squeeze => KeyMapping::Biased { layer: key("_se_reduce") },
        Kind::Excite => KeyMapping::Biased { layer: key("_se_expand") },
        Kind::Depthwise => normalised(key("_depthwise_conv"), key("_bn1")),
        Kind::Project => normalised(key("_project_conv"), key("_bn2")),
        _ => normalised(key("_expand_conv"), key("_bn0")),
    }
}
