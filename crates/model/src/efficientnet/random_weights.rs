//! Random weights from a seed: equal on every machine, and scaled so that activations neither vanish nor overflow.

use std::convert::Infallible;
use std::io;

use super::{Activation, ExportError, ExportOptions, Kind, Layer, Network, write_onnx};

/// Pseudorandom numbers: one stream per name, determined by the seed on every machine.
#[derive(Clone, Copy, Debug)]
pub struct SeededWeights {
    pub seed: u64,
}

impl SeededWeights {
    /// Returns number `index` of the stream `name`, uniform in [0, 1) in steps of 2⁻²⁴.
    pub fn unit(&self, name: &str, index: usize) -> f64 {
        unit(key(name) ^ self.seed, index)
    }

    /// Returns weights and biases for `layer`, scaled to keep the variance from layer to layer (He et al., arXiv
    /// 1502.01852).
    pub fn weights(&self, layer: &Layer, residual: bool) -> (Vec<f32>, Vec<f32>) {
        let fan_in = (layer.weights() / layer.out_channels) as f64;
        // A uniform distribution from −s to s has variance s²/3.
        let spread = (3.0 * gain(layer, residual) / fan_in).sqrt();
        let stream = |name: &str, count: usize, spread: f64| -> Vec<f32> {
            let key = key(name) ^ self.seed;
            (0..count).map(|index| (spread * (2.0 * unit(key, index) - 1.0)) as f32).collect()
        };
        let weights = stream(&format!("{}_weight", layer.name), layer.weights(), spread);
        (weights, stream(&format!("{}_bias", layer.name), layer.out_channels, 0.05))
    }
}

/// Writes `network` with random weights as ONNX, like [`write_onnx`]. Equal seeds give equal bytes.
pub fn write_seeded(network: &Network, options: ExportOptions, seed: u64, out: &mut dyn io::Write) -> io::Result<u64> {
    let seeded = SeededWeights { seed };
    let weights = |layer: &Layer, residual| Ok::<_, Infallible>(seeded.weights(layer, residual));
    write_onnx(network, options, weights, out).map_err(|error| match error {
        ExportError::Write(cause) => cause,
        other => io::Error::other(other),
    })
}

/// Returns the factor of the weights' variance that compensates for the activation before the layer.
fn gain(layer: &Layer, residual: bool) -> f64 {
    // The mean square of a normal value after ReLU6 is 0.50, after SiLU 0.36; sigmoid gates keep about a quarter.
    let after_activation = match layer.activation {
        Activation::Relu6 => 2.0,
        _ => 2.8,
    };
    match layer.kind {
        // A residual sum grows from block to block, so its summands are small: fifty blocks must not overflow.
        Kind::Project if residual => 0.4,
        Kind::Project => 4.0,
        Kind::Stem | Kind::Expand | Kind::Squeeze | Kind::Excite => 1.0,
        Kind::Depthwise | Kind::Head => after_activation,
        Kind::Classifier => 30.0, // channel means vary little, but scores should differ
    }
}

/// Returns the 64-bit FNV-1a hash of the name.
fn key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Returns number `index` of splitmix64 (Steele, Lea, Flood 2014), its upper 24 bits as a fraction.
fn unit(key: u64, index: usize) -> f64 {
    let mut z = key.wrapping_add((index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_is_splitmix64_keyed_by_fnv_1a() {
        assert_eq!(key(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(key("a"), 0xaf63_dc4c_8601_ec8c); // test vector of the FNV draft
        // The first number of splitmix64 from state 0 is 0xE220A8397B1DCDAF.
        assert_eq!(unit(0, 0), f64::from(0x00E2_20A8) / f64::from(1 << 24));
    }

    #[test]
    fn seed_and_name_change_the_numbers() {
        let (one, two) = (SeededWeights { seed: 1 }, SeededWeights { seed: 2 });
        assert_ne!(one.unit("stem", 0), two.unit("stem", 0));
        assert_ne!(one.unit("stem", 0), one.unit("head", 0));
        let mean = (0..10_000).map(|index| one.unit("stem", index)).sum::<f64>() / 1e4;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }
}
