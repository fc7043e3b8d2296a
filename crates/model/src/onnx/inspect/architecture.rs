//! Identification of an EfficientNet by its layers.

use super::shape_inference::LayerShape;
use crate::efficientnet::compound_scaling::Coefficients;
use crate::efficientnet::{Family, Kind, Layer, Network, RELEASED, ScaledNetwork};

/// Returns the released network with these layers, or one of compound scaling; `None` if there is none.
///
/// Several φ can give equal layers because of rounding. The middle one of them is returned.
pub fn identify(layers: &[LayerShape], classes: usize) -> Option<ScaledNetwork> {
    let has_these_layers = |network: &Network| {
        if network.layer_count() != layers.len() {
            return false; // excludes most of the 2001 scales below without building their layers
        }
        let expected = Network { classes, ..*network }.layers(32); // the shapes of weights do not depend on the side
        expected.iter().zip(layers).all(|(expected, layer)| *layer == LayerShape::from_layer(expected))
    };
    if let Some(released) = RELEASED.iter().find(|released| has_these_layers(&released.network())) {
        return Some(released.scaled());
    }
    [Family::B, Family::Lite].into_iter().find_map(|family| {
        let scale = |hundredths: i32| Coefficients::PAPER.scale(f64::from(hundredths) / 100.0);
        let fits = |hundredths: &i32| {
            let scale = scale(*hundredths);
            has_these_layers(&Network::new(family, scale.width, scale.depth))
        };
        let fitting: Vec<i32> = (-800..=1200).filter(fits).collect();
        let middle = scale(*fitting.get(fitting.len() / 2)?);
        Some(ScaledNetwork { family, width: middle.width, depth: middle.depth })
    })
}

impl LayerShape {
    fn from_layer(layer: &Layer) -> LayerShape {
        LayerShape {
            out_channels: layer.out_channels,
            in_channels: layer.in_channels / layer.groups,
            kernel: layer.kernel,
            stride: layer.stride,
            groups: layer.groups,
            is_convolution: layer.kind != Kind::Classifier,
        }
    }
}
