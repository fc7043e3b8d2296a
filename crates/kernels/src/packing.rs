//! Convolutions with weights packed in the order in which the kernels read them.

use crate::activation::Activation;
use crate::aligned_buffer::AlignedBuffer;
use crate::isa::Kernels;
use crate::layers::Convolution;

/// Neighbouring output channels that a tile computes together.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// First channel.
    pub channel: usize,
    /// Width in registers.
    pub registers: usize,
    /// Index of the panel's first weight in [`PackedConvolution::weights`].
    pub weights_offset: usize,
}

/// Dense convolution. Order of the weights: panel, then input, then the panel's channels.
pub struct PackedConvolution {
    /// Input values of an output value: kernel² × input channels.
    pub inputs: usize,
    /// Output channels, rounded up to a multiple of the lanes.
    pub outputs: usize,
    pub panels: Vec<Panel>,
    pub weights: AlignedBuffer,
    pub bias: AlignedBuffer,
    pub activation: Activation,
}

impl PackedConvolution {
    pub fn new(convolution: &Convolution, kernels: &Kernels) -> PackedConvolution {
        let lanes = kernels.lanes;
        let outputs = convolution.outputs;
        let [taps, inputs, _] = convolution.weights.dims();
        let inputs = taps * inputs;
        let mut panels = Vec::new();
        let mut channel = 0;
        let mut size = 0;
        for registers in panel_widths(outputs.div_ceil(lanes), kernels.max_registers()) {
            panels.push(Panel { channel, registers, weights_offset: size });
            channel += registers * lanes;
            size += registers * lanes * inputs;
        }
        let mut weights = AlignedBuffer::new(size);
        let packed = weights.values_mut();
        for panel in &panels {
            let first = panel.channel;
            let width = panel.registers * lanes;
            convolution.weights.pack(first..outputs.min(first + width), width, &mut packed[panel.weights_offset..]);
        }
        let bias = AlignedBuffer::from_slice(&convolution.bias, channel);
        PackedConvolution { inputs, outputs: channel, panels, weights, bias, activation: convolution.activation }
    }
}

/// Returns the width of each panel in registers, at most `max`.
///
/// If `max` is at least 3, the last two panels share the rest instead of leaving one register: a panel of one register
/// reads an input value for each multiplication.
fn panel_widths(mut registers: usize, max: usize) -> Vec<usize> {
    let mut widths = Vec::new();
    while registers > 0 {
        let width = if registers == max + 1 && max > 2 { max - 1 } else { registers.min(max) };
        widths.push(width);
        registers -= width;
    }
    widths
}

/// Squeeze-and-excitation with packed weights.
pub struct PackedSqueezeExcite {
    pub squeeze: PackedConvolution,
    pub excite: PackedConvolution,
}

/// Depthwise convolution. Order of the weights: tap, then channel.
pub struct PackedDepthwise {
    pub kernel: usize,
    pub stride: usize,
    /// Zeros above the first row and left of the first column.
    pub pad_before: [usize; 2],
    /// Channels, rounded up to a multiple of the lanes.
    pub channels: usize,
    pub weights: AlignedBuffer,
    pub bias: AlignedBuffer,
    pub activation: Activation,
}

impl PackedDepthwise {
    pub fn new(convolution: &Convolution, kernels: &Kernels) -> PackedDepthwise {
        let Convolution { kernel, stride, pad_before, activation, .. } = *convolution;
        let outputs = convolution.outputs;
        let channels = outputs.next_multiple_of(kernels.lanes);
        let mut weights = AlignedBuffer::new(kernel * kernel * channels);
        convolution.weights.pack(0..outputs, channels, weights.values_mut());
        let bias = AlignedBuffer::from_slice(&convolution.bias, channels);
        PackedDepthwise { kernel, stride, pad_before, channels, weights, bias, activation }
    }
}

#[cfg(test)]
mod tests {
    use super::panel_widths;

    #[test]
    fn panel_widths_avoid_single_register_tail() {
        assert_eq!(panel_widths(4, 3), [2, 2]);
        assert_eq!(panel_widths(7, 3), [3, 2, 2]);
        assert_eq!(panel_widths(6, 3), [3, 3]);
        assert_eq!(panel_widths(5, 2), [2, 2, 1]);
        assert_eq!(panel_widths(1, 3), [1]);
        assert!(panel_widths(0, 3).is_empty());
    }
}
