//! The networks that were released, with what their authors say of them.

use super::{Family, Network};
use crate::efficientnet::compound_scaling::Scale;

/// A released network. Its coefficients were rounded by hand: they are near the formula's, not on it.
#[derive(Clone, Copy, Debug)]
pub struct Released {
    pub name: &'static str,
    pub family: Family,
    pub width: f64,
    pub depth: f64,
    /// Pixels along a side.
    pub side: u32,
    /// As its authors state it.
    pub published: Figures,
}

/// Figures of the paper (table 2, as last revised) and of the README of EfficientNet-Lite.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub million_parameters: f64,
    /// The paper's "FLOPS", in thousand millions.
    pub giga_macs: f64,
    pub top1_percent: f64,
}

/// `scaled` is width, depth and side; `published` million parameters, thousand million MACs and top-1 percent.
const fn released(name: &'static str, family: Family, scaled: (f64, f64, u32), published: (f64, f64, f64)) -> Released {
    let (width, depth, side) = scaled;
    let (million_parameters, giga_macs, top1_percent) = published;
    Released { name, family, width, depth, side, published: Figures { million_parameters, giga_macs, top1_percent } }
}

/// B0 to B7, then Lite0 to Lite4.
#[rustfmt::skip] // a table
pub const RELEASED: [Released; 13] = [
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

/// Which EfficientNet something is: all that tells it from the base network but its side and its classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaled {
    pub family: Family,
    /// Channels, as a multiple of the base network's.
    pub width: f64,
    /// Blocks, as a multiple of the base network's.
    pub depth: f64,
}

impl Scaled {
    /// For ImageNet's classes.
    pub fn network(&self) -> Network {
        Network::new(self.family, self.width, self.depth)
    }

    /// Its place in compound scaling on pictures of `side` pixels.
    pub fn at(&self, side: u32) -> Scale {
        Scale { depth: self.depth, width: self.width, side }
    }

    /// The released network that it is, if it is one.
    pub fn released(&self) -> Option<&'static Released> {
        RELEASED.iter().find(|released| released.scaled() == *self)
    }
}

impl Released {
    /// The one of that name.
    pub fn named(name: &str) -> Option<&'static Released> {
        RELEASED.iter().find(|released| released.name == name)
    }

    /// Without its side.
    pub fn scaled(&self) -> Scaled {
        Scaled { family: self.family, width: self.width, depth: self.depth }
    }

    /// For ImageNet's classes.
    pub fn network(&self) -> Network {
        self.scaled().network()
    }

    /// Its place in compound scaling, at its own side.
    pub fn scale(&self) -> Scale {
        self.scaled().at(self.side)
    }
}
