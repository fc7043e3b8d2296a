//! What each library calls the tensors of each layer.

use crate::efficientnet::{Block, Family, Kind, Layer, Network};

/// Whose names the tensors have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// pytorch-image-models.
    Timm,
    Torchvision,
    /// The package efficientnet_pytorch, and efficientnet-lite-pytorch after it.
    EfficientnetPytorch,
}

impl std::fmt::Display for Naming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Naming::Timm => "timm",
            Naming::Torchvision => "torchvision",
            Naming::EfficientnetPytorch => "efficientnet_pytorch",
        })
    }
}

impl Naming {
    pub(super) const ALL: [Naming; 3] = [Naming::Timm, Naming::Torchvision, Naming::EfficientnetPytorch];

    /// The stem's weights: who has them is named so.
    pub(super) fn stem(self) -> &'static str {
        match self {
            Naming::Timm => "conv_stem.weight",
            Naming::Torchvision => "features.0.0.weight",
            Naming::EfficientnetPytorch => "_conv_stem.weight",
        }
    }

    pub(super) fn classifier(self) -> &'static str {
        match self {
            Naming::Timm => "classifier",
            Naming::Torchvision => "classifier.1",
            Naming::EfficientnetPytorch => "_fc",
        }
    }
}

/// The names of one layer's tensors.
#[derive(Clone, Debug, PartialEq)]
pub enum Names {
    /// A convolution without bias, and the batch norm behind it.
    Normalised { layer: String, norm: String },
    /// With a bias of its own.
    Biased { layer: String },
}

impl Names {
    pub(super) fn weight(&self) -> String {
        let (Names::Normalised { layer, .. } | Names::Biased { layer }) = self;
        format!("{layer}.weight")
    }

    /// All others: each has a value a channel.
    pub(super) fn rest(&self) -> Vec<String> {
        match self {
            Names::Biased { layer } => vec![format!("{layer}.bias")],
            Names::Normalised { norm, .. } => {
                ["weight", "bias", "running_mean", "running_var"].map(|what| format!("{norm}.{what}")).to_vec()
            }
        }
    }
}

fn normalised(layer: impl Into<String>, norm: impl Into<String>) -> Names {
    Names::Normalised { layer: layer.into(), norm: norm.into() }
}

/// The tensors that a state dict of `network` has, with their shapes; a layer's one after the other.
pub fn tensors(naming: Naming, network: &Network) -> Vec<(String, Vec<usize>)> {
    let of = |(_, names, layer): (String, Names, Layer)| {
        let rest = names.rest().into_iter().map(move |name| (name, vec![layer.out_channels]));
        std::iter::once((names.weight(), layer.shape())).chain(rest).collect::<Vec<_>>()
    };
    names(naming, network).into_iter().flat_map(of).collect()
}

/// Every layer's name in our graph, its tensors' names, and the layer, in the order of the network.
pub(super) fn names(naming: Naming, network: &Network) -> Vec<(String, Names, Layer)> {
    let side = 32; // any: shapes of weights do not depend on it
    let mut all = vec![(network.stem(side), stem(naming))];
    let (mut stage, mut repeat, mut channels) = (0, 0, 0);
    for (number, block) in network.blocks(side).into_iter().enumerate() {
        (stage, repeat) = if block.stage == stage { (stage, repeat) } else { (block.stage, 0) };
        let place = Place { number, stage, repeat };
        channels = block.project.out_channels;
        all.extend(of_block(naming, network.family, &place, block));
        repeat += 1;
    }
    let (head, classifier) = network.tail(1, channels);
    all.extend([(head, self::head(naming)), (classifier, Names::Biased { layer: naming.classifier().into() })]);
    all.into_iter().map(|(layer, names)| (layer.name.clone(), names, layer)).collect()
}

fn stem(naming: Naming) -> Names {
    match naming {
        Naming::Timm => normalised("conv_stem", "bn1"),
        Naming::Torchvision => normalised("features.0.0", "features.0.1"),
        Naming::EfficientnetPytorch => normalised("_conv_stem", "_bn0"),
    }
}

fn head(naming: Naming) -> Names {
    match naming {
        Naming::Timm => normalised("conv_head", "bn2"),
        Naming::Torchvision => normalised("features.8.0", "features.8.1"),
        Naming::EfficientnetPytorch => normalised("_conv_head", "_bn1"),
    }
}

/// Where a block is.
struct Place {
    /// In the network.
    number: usize,
    stage: usize,
    /// In its stage.
    repeat: usize,
}

fn of_block(naming: Naming, family: Family, place: &Place, block: Block) -> Vec<(Layer, Names)> {
    let Block { expand, depthwise, squeeze, project, .. } = block;
    let (reduce, excite) = squeeze.unzip();
    let expands = expand.is_some();
    let layers = [expand, Some(depthwise), reduce, excite, Some(project)].into_iter().flatten();
    layers
        .map(|layer| {
            let names = match naming {
                Naming::Timm => timm(place, expands, layer.kind),
                Naming::Torchvision => torchvision(place, expands, family, layer.kind),
                Naming::EfficientnetPytorch => efficientnet_pytorch(place, layer.kind),
            };
            (layer, names)
        })
        .collect()
}

/// Where nothing is expanded the last convolution is `conv_pw`; elsewhere that is the first, and the last `conv_pwl`.
fn timm(place: &Place, expands: bool, kind: Kind) -> Names {
    let of = |part: &str| format!("blocks.{}.{}.{part}", place.stage, place.repeat);
    match (kind, expands) {
        (Kind::Squeeze, _) => Names::Biased { layer: of("se.conv_reduce") },
        (Kind::Excite, _) => Names::Biased { layer: of("se.conv_expand") },
        (Kind::Depthwise, false) => normalised(of("conv_dw"), of("bn1")),
        (Kind::Depthwise, true) => normalised(of("conv_dw"), of("bn2")),
        (Kind::Project, false) => normalised(of("conv_pw"), of("bn2")),
        (Kind::Project, true) => normalised(of("conv_pwl"), of("bn3")),
        _ => normalised(of("conv_pw"), of("bn1")),
    }
}

/// Numbered as they follow each other; torchvision has no Lite, but its numbers would close up in the same way.
fn torchvision(place: &Place, expands: bool, family: Family, kind: Kind) -> Names {
    let part = |number: usize| format!("features.{}.{}.block.{number}", place.stage + 1, place.repeat);
    let (first, squeezes) = (usize::from(expands), usize::from(family == Family::B));
    match kind {
        Kind::Squeeze => Names::Biased { layer: format!("{}.fc1", part(first + 1)) },
        Kind::Excite => Names::Biased { layer: format!("{}.fc2", part(first + 1)) },
        Kind::Depthwise => normalised(format!("{}.0", part(first)), format!("{}.1", part(first))),
        Kind::Project => {
            let last = part(first + squeezes + 1);
            normalised(format!("{last}.0"), format!("{last}.1"))
        }
        _ => normalised(format!("{}.0", part(0)), format!("{}.1", part(0))),
    }
}

fn efficientnet_pytorch(place: &Place, kind: Kind) -> Names {
    let of = |part: &str| format!("_blocks.{}.{part}", place.number);
    match kind {
        Kind::Squeeze => Names::Biased { layer: of("_se_reduce") },
        Kind::Excite => Names::Biased { layer: of("_se_expand") },
        Kind::Depthwise => normalised(of("_depthwise_conv"), of("_bn1")),
        Kind::Project => normalised(of("_project_conv"), of("_bn2")),
        _ => normalised(of("_expand_conv"), of("_bn0")),
    }
}
