//! Released networks, with the figures that their authors published.

use super::{Family, Network};
use crate::efficientnet::compound_scaling::Scale;

/// A released network. Its authors rounded the coefficients, so they only approximate the formula.
#[derive(Clone, Copy, Debug)]
pub struct ReleasedNetwork {
    pub name: &'static str,
    pub family: Family,
    pub width: f64,
    pub depth: f64,
    /// Input side in pixels.
    pub side: u32,
    /// Figures published by its authors.
    pub published: Figures,
}

/// Published figures, from the paper (table 2, last revision) and the README of EfficientNet-Lite.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub million_parameters: f64,
    /// Multiply-accumulates in 10⁹ (the paper's "FLOPS").
    pub giga_macs: f64,
    pub top1_percent: f64,
}

/// Creates a row from (width, depth, side) and (million parameters, 10⁹ MACs, top-1 percent).
const fn released(
    name: &'static str,
    family: Family,
    scaled: (f64, f64, u32),
    published: (f64, f64, f64),
) -> ReleasedNetwork {
    let (width, depth, side) = scaled;
    let (million_parameters, giga_macs, top1_percent) = published;
    ReleasedNetwork {
        name,
        family,
        width,
        depth,
        side,
        published: Figures { million_parameters, giga_macs, top1_percent },
    }
}

/// The released networks: B0 to B7, then Lite0 to Lite4.
#[rustfmt::skip] // a table
pub const RELEASED: [ReleasedNetwork; 13] = [
    released("b0",    Family::B,    (1.0, 1.0, 224), ( 5.3, 0.39 , 77.1)),
    released("b1",    Family::B,    (1.0, 1.1, 240), ( 7.8, 0.70 , 79.1)),
    released("b2",    Family::B,    (1.1, 1.2, 260), ( 9.2, 1.0  , 80.1)),
    released("b3",    Family::B,    (1.2, 1.4, 300), (12.0, 1.8  , 81.6)),
    released("b4",    Family::B,    (1.4, 1.8, 380), (19.0, 4.2  , 82.9)),
    released("b5",    Family::B,    (1.6, 2.2, 456), (30.0, 9.9  , 83.6)),
    released("b6",    Family::B,    (1.8, 2.6, 528), (43.0, 19.0 , 84.0)),
    released("b7",    Family::B,    (2.0, 3.1, 600), (66.0, 37.0 , 84.3)),
    released("lite0", Family::Lite, (1.0, 1.0, 224), ( 4.7, 0.407, 75.1)),
    released("lite1", Family::Lite, (1.0, 1.1, 240), ( 5.4, 0.631, 76.7)),
    released("lite2", Family::Lite, (1.1, 1.2, 260), ( 6.1, 0.899, 77.6)),
    released("lite3", Family::Lite, (1.2, 1.4, 280), ( 8.2, 1.44 , 79.8)),
    released("lite4", Family::Lite, (1.4, 1.8, 300), (13.0, 2.64 , 81.5)),
];

/// Family, width and depth: the structure of an EfficientNet except its input side and classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaledNetwork {
    pub family: Family,
    /// Width multiplier: channels relative to the base network.
    pub width: f64,
    /// Depth multiplier: blocks relative to the base network.
    pub depth: f64,
}

impl ScaledNetwork {
    /// Returns the network with the ImageNet classes.
    pub fn network(&self) -> Network {
        Network::new(self.family, self.width, self.depth)
    }

    /// Returns its scale at an input side in pixels.
    pub fn at_side(&self, side: u32) -> Scale {
        Scale { depth: self.depth, width: self.width, side }
    }

    /// Returns the released network with this structure, or `None` if there is none.
    pub fn released(&self) -> Option<&'static ReleasedNetwork> {
        RELEASED.iter().find(|released| released.scaled() == *self)
    }
}

impl ReleasedNetwork {
    /// Returns the released network of that name, such as `lite0`.
    pub fn by_name(name: &str) -> Option<&'static ReleasedNetwork> {
        RELEASED.iter().find(|released| released.name == name)
    }

    /// Returns the structure without the side.
    pub fn scaled(&self) -> ScaledNetwork {
        ScaledNetwork { family: self.family, width: self.width, depth: self.depth }
    }

    /// Returns the network with the ImageNet classes.
    pub fn network(&self) -> Network {
        self.scaled().network()
    }

    /// Returns its scale at its own input side.
    pub fn scale(&self) -> Scale {
        self.scaled().at_side(self.side)
    }
}
