//! Networks with random weights, and a plain reference implementation of their layers.
#![allow(dead_code)] // each test file uses a part

use phicam_kernels::layers::{Block, Convolution, Head, Layout, Shape, SqueezeExcite, Step};
use phicam_kernels::{Activation, Weights};

/// Deterministic random numbers (xorshift64), seeded with a number other than 0.
pub struct Rng(pub u64);

impl Rng {
    /// Returns a value of −1 … 1.
    pub fn value(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// Returns an integer of `min` … `max`.
    pub fn integer(&mut self, min: usize, max: usize) -> usize {
        min + ((self.value() + 1.0) / 2.0 * (max - min + 1) as f32) as usize % (max - min + 1)
    }

    /// Returns `count` values of −`size` … `size`.
    pub fn values(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| self.value() * size).collect()
    }

    /// Returns a convolution without padding, whose weights roughly preserve the variance of its input.
    pub fn convolution(
        &mut self,
        (inputs, outputs): (usize, usize),
        (kernel, stride, depthwise): (usize, usize, bool),
        activation: Activation,
    ) -> Convolution {
        let taps = kernel * kernel * if depthwise { 1 } else { inputs };
        let size = 1.7 * (1.0 / taps as f32).sqrt() * 1.4;
        let dims = [kernel * kernel, if depthwise { 1 } else { inputs }, outputs];
        let weights = Weights::from_f32(&self.values(taps * outputs, size), dims);
        let bias = self.values(outputs, 0.3);
        let (pad_before, pad_after) = ([0, 0], [0, 0]);
        Convolution { inputs, outputs, depthwise, kernel, stride, pad_before, pad_after, weights, bias, activation }
    }
}

/// Adds TensorFlow's SAME padding: the output has the input's size over the stride, and an odd zero goes behind.
pub fn with_same_padding(mut convolution: Convolution, shape: Shape) -> Convolution {
    for (axis, length) in [shape.height, shape.width].into_iter().enumerate() {
        let output_length = length.div_ceil(convolution.stride);
        let zeros = ((output_length - 1) * convolution.stride + convolution.kernel).saturating_sub(length);
        convolution.pad_before[axis] = zeros / 2;
        convolution.pad_after[axis] = zeros - zeros / 2;
    }
    convolution
}

/// Returns an inverted-bottleneck block; an `expansion` of 1 means none.
pub fn block(
    rng: &mut Rng,
    shape: Shape,
    (expansion, outputs, kernel, stride): (usize, usize, usize, usize),
    has_gate: bool,
    activation: Activation,
) -> Block {
    let expanded = shape.channels * expansion;
    let expand = (expansion > 1).then(|| rng.convolution((shape.channels, expanded), (1, 1, false), activation));
    let depthwise = rng.convolution((expanded, expanded), (kernel, stride, true), activation);
    let depthwise = with_same_padding(depthwise, shape);
    let squeezed = (shape.channels / 4).max(1);
    let gate = has_gate.then(|| SqueezeExcite {
        squeeze: rng.convolution((expanded, squeezed), (1, 1, false), activation),
        excite: rng.convolution((squeezed, expanded), (1, 1, false), Activation::Sigmoid),
    });
    let project = rng.convolution((expanded, outputs), (1, 1, false), Activation::None);
    let residual = stride == 1 && outputs == shape.channels;
    Block { expand, depthwise, gate, project, residual }
}

/// Returns B0 or Lite0 for images of `side` pixels, with channel counts divided by `divisor`.
pub fn efficientnet(side: usize, lite: bool, divisor: usize, classes: usize) -> (Vec<Step>, Shape) {
    let mut rng = Rng(0x1234_5678_9abc_def1);
    let activation = if lite { Activation::Relu6 } else { Activation::Silu };
    let image = Shape { height: side, width: side, channels: 3 };
    let stem = with_same_padding(rng.convolution((3, 32 / divisor), (3, 2, false), activation), image);
    let mut shape = stem.output_shape(image).unwrap();
    let mut steps = vec![Step::Stem(stem)];
    // Expansion, outputs, repeats, stride, kernel: table 1 of the EfficientNet paper.
    let stages = [
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    ];
    for (expansion, outputs, repeats, stride, kernel) in stages {
        for repeat in 0..repeats {
            let stride = if repeat == 0 { stride } else { 1 };
            let block = block(&mut rng, shape, (expansion, outputs / divisor, kernel, stride), !lite, activation);
            let step = Step::Block(block);
            shape = step.output_shape(shape).unwrap();
            steps.push(step);
        }
    }
    let convolution = rng.convolution((shape.channels, 1280 / divisor), (1, 1, false), activation);
    let classifier = Some(rng.convolution((1280 / divisor, classes), (1, 1, false), Activation::None));
    steps.push(Step::Head(Head { convolution, classifier }));
    (steps, image)
}

/// Feature map in NHWC layout.
#[derive(Clone)]
pub struct FeatureMap {
    pub shape: Shape,
    pub values: Vec<f32>,
}

impl FeatureMap {
    /// Copies an image of `layout`.
    pub fn from_image(image: &[f32], shape: Shape, layout: Layout) -> FeatureMap {
        let pixels = shape.height * shape.width;
        let value = |pixel: usize, channel: usize| match layout {
            Layout::Nchw => image[channel * pixels + pixel],
            Layout::Nhwc => image[pixel * shape.channels + channel],
        };
        let pixel_values = |pixel| (0..shape.channels).map(move |channel| value(pixel, channel));
        FeatureMap { shape, values: (0..pixels).flat_map(pixel_values).collect() }
    }

    /// Returns the values in NCHW layout.
    pub fn to_nchw(&self) -> Vec<f32> {
        let channels = self.shape.channels;
        (0..channels).flat_map(|channel| self.values[channel..].iter().step_by(channels).copied()).collect()
    }

    fn mean(&self) -> FeatureMap {
        let channels = self.shape.channels;
        let pixels = self.values.len() / channels;
        let sum = |channel: usize| self.values[channel..].iter().step_by(channels).map(|&v| f64::from(v)).sum::<f64>();
        let values = (0..channels).map(|channel| (sum(channel) / pixels as f64) as f32).collect();
        FeatureMap { shape: Shape { height: 1, width: 1, channels }, values }
    }
}

/// Computes a convolution by its definition, summed in f64.
pub fn reference_convolution(convolution: &Convolution, input: &FeatureMap) -> FeatureMap {
    let shape = convolution.output_shape(input.shape).unwrap();
    let Convolution { inputs, outputs, depthwise, kernel, stride, pad_before, .. } = *convolution;
    let mut values = Vec::with_capacity(shape.values());
    for y in 0..shape.height {
        for x in 0..shape.width {
            for output in 0..outputs {
                let mut sum = f64::from(convolution.bias[output]);
                for tap in 0..kernel * kernel {
                    let input_y = (y * stride + tap / kernel).checked_sub(pad_before[0]);
                    let input_x = (x * stride + tap % kernel).checked_sub(pad_before[1]);
                    let (Some(input_y), Some(input_x)) = (input_y, input_x) else { continue };
                    if input_y >= input.shape.height || input_x >= input.shape.width {
                        continue;
                    }
                    let pixel = &input.values[(input_y * input.shape.width + input_x) * inputs..][..inputs];
                    if depthwise {
                        sum += f64::from(pixel[output]) * f64::from(convolution.weights.value(tap * outputs + output));
                    } else {
                        for (channel, &value) in pixel.iter().enumerate() {
                            let weight = convolution.weights.value((tap * inputs + channel) * outputs + output);
                            sum += f64::from(value) * f64::from(weight);
                        }
                    }
                }
                values.push(convolution.activation.apply(sum as f32));
            }
        }
    }
    FeatureMap { shape, values }
}

/// Computes the output of `steps` by the definitions of their layers.
pub fn reference_output(steps: &[Step], input: &FeatureMap) -> FeatureMap {
    steps.iter().fold(input.clone(), |input, step| match step {
        Step::Stem(stem) => reference_convolution(stem, &input),
        Step::Head(head) => {
            let means = reference_convolution(&head.convolution, &input).mean();
            match &head.classifier {
                Some(classifier) => reference_convolution(classifier, &means),
                None => means,
            }
        }
        Step::Block(block) => {
            let expanded = match &block.expand {
                Some(expand) => reference_convolution(expand, &input),
                None => input.clone(),
            };
            let mut depthwise_out = reference_convolution(&block.depthwise, &expanded);
            if let Some(gate) = &block.gate {
                let squeezed = reference_convolution(&gate.squeeze, &depthwise_out.mean());
                let gate_values = reference_convolution(&gate.excite, &squeezed).values;
                let channels = depthwise_out.shape.channels;
                let values = depthwise_out.values.iter_mut().enumerate();
                values.for_each(|(index, value)| *value *= gate_values[index % channels]);
            }
            let mut output = reference_convolution(&block.project, &depthwise_out);
            if block.residual {
                output.values.iter_mut().zip(&input.values).for_each(|(value, input)| *value += input);
            }
            output
        }
    })
}

/// Returns the largest difference as a share of the largest expected value.
pub fn relative_difference(actual: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(actual.len(), expected.len());
    let largest = expected.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
    let differences =
        actual.iter().zip(expected).map(|(a, b)| if a.is_finite() { (a - b).abs() } else { f32::INFINITY });
    differences.fold(0.0, f32::max) / largest
}
