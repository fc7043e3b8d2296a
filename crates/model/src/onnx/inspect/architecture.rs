//! Which EfficientNet a list of convolutions is.

use super::shape_inference::LayerShape;
use crate::efficientnet::compound_scaling::Coefficients;
use crate::efficientnet::{Family, Kind, Layer, Network, RELEASED, Scaled};

/// The network whose layers are `seen`: a released one, or one of compound scaling by the formula. A width and a depth
/// are what rounding leaves of them: where several φ give the same layers, the middle one is told.
pub fn recognise(seen: &[LayerShape], classes: usize) -> Option<Scaled> {
    let is = |network: &Network| {
        if network.layer_count() != seen.len() {
            return false; // most of the thousands of scales below, without building them
        }
        let layers = Network { classes, ..*network }.layers(32); // shapes of weights do not depend on the side
        layers.iter().zip(seen).all(|(layer, seen)| *seen == LayerShape::of(layer))
    };
    if let Some(found) = RELEASED.iter().find(|released| is(&released.network())) {
        return Some(found.scaled());
    }
    [Family::B, Family::Lite].into_iter().find_map(|family| {
        let scale = |hundredths: i32| Coefficients::PAPER.scale(f64::from(hundredths) / 100.0);
        let fits = |hundredths: &i32| {
            let scale = scale(*hundredths);
            is(&Network::new(family, scale.width, scale.depth))
        };
        let fitting: Vec<i32> = (-800..=1200).filter(fits).collect();
        let middle = scale(*fitting.get(fitting.len() / 2)?);
        Some(Scaled { family, width: middle.width, depth: middle.depth })
    })
}

impl LayerShape {
    fn of(layer: &Layer) -> LayerShape {
        LayerShape {
            out_channels: layer.out_channels,
            in_channels: layer.in_channels / layer.groups,
            kernel: layer.kernel,
            stride: layer.stride,
            groups: layer.groups,
            convolution: layer.kind != Kind::Classifier,
        }
    }
}
