//! Weights in the order in which the kernels read them.

use crate::activation::Activation;
use crate::aligned_buffer::Memory;
use crate::isa::Kernels;
use crate::layers::Convolution;

/// Some neighbouring channels, as many as a tile has.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// The first of them.
    pub channel: usize,
    /// In registers.
    pub registers: usize,
    /// Where its weights begin.
    pub weights: usize,
}

/// A convolution of all inputs: for each panel, for each input, the weights of the panel's channels.
pub struct Packed {
    /// Inputs of an output: kernel × kernel × channels.
    pub inputs: usize,
    /// Outputs, rounded up to whole registers.
    pub outputs: usize,
    pub panels: Vec<Panel>,
    pub weights: Memory,
    pub bias: Memory,
    pub activation: Activation,
}

impl Packed {
    pub fn new(convolution: &Convolution, kernels: &Kernels) -> Packed {
        let lanes = kernels.lanes;
        let real = convolution.outputs;
        let [taps, inputs, _] = convolution.weights.lengths();
        let inputs = taps * inputs;
        let (mut panels, mut channel, mut size) = (Vec::new(), 0, 0);
        for registers in widths(real.div_ceil(lanes), kernels.most_registers()) {
            panels.push(Panel { channel, registers, weights: size });
            channel += registers * lanes;
            size += registers * lanes * inputs;
        }
        let mut weights = Memory::new(size);
        let packed = weights.values_mut();
        for panel in &panels {
            let (first, width) = (panel.channel, panel.registers * lanes);
            convolution.weights.put(first..real.min(first + width), width, &mut packed[panel.weights..]);
        }
        let bias = Memory::of(&convolution.bias, channel);
        Packed { inputs, outputs: channel, panels, weights, bias, activation: convolution.activation }
    }
}

/// How many registers each panel has: as many as a tile, but none is left with one where two can have more.
fn widths(mut registers: usize, most: usize) -> Vec<usize> {
    let mut widths = Vec::new();
    while registers > 0 {
        let width = if registers == most + 1 && most > 2 { most - 1 } else { registers.min(most) };
        widths.push(width);
        registers -= width;
    }
    widths
}

/// Squeeze and excite.
pub struct Gate {
    pub squeeze: Packed,
    pub excite: Packed,
}

/// A depthwise convolution: for each tap, the weights of all channels.
pub struct Depthwise {
    pub kernel: usize,
    pub stride: usize,
    /// Zeros before the first row and the first column.
    pub before: [usize; 2],
    /// Rounded up to whole registers.
    pub channels: usize,
    pub weights: Memory,
    pub bias: Memory,
    pub activation: Activation,
}

impl Depthwise {
    pub fn new(convolution: &Convolution, kernels: &Kernels) -> Depthwise {
        let Convolution { kernel, stride, before, activation, .. } = *convolution;
        let (real, channels) = (convolution.outputs, convolution.outputs.next_multiple_of(kernels.lanes));
        let mut weights = Memory::new(kernel * kernel * channels);
        convolution.weights.put(0..real, channels, weights.values_mut());
        let bias = Memory::of(&convolution.bias, channels);
        Depthwise { kernel, stride, before, channels, weights, bias, activation }
    }
}

#[cfg(test)]
mod tests {
    use super::widths;

    #[test]
    fn panels_are_as_wide_as_can_be_and_never_leave_one_register_alone() {
        assert_eq!(widths(4, 3), [2, 2]);
        assert_eq!(widths(7, 3), [3, 2, 2]);
        assert_eq!(widths(6, 3), [3, 3]);
        assert_eq!(widths(5, 2), [2, 2, 1]);
        assert_eq!(widths(1, 3), [1]);
        assert!(widths(0, 3).is_empty());
    }
}
