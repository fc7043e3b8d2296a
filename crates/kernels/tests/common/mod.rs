//! Networks with seeded weights, and what they give, worked out plainly.
#![allow(dead_code)] // each test file uses its part

use phicam_kernels::layers::{Block, Convolution, Gate, Head, Order, Shape, Step};
use phicam_kernels::{Activation, Weights};

/// Numbers that are the same each time (xorshift).
pub struct Seeded(pub u64);

impl Seeded {
    /// −1 … 1
    pub fn value(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// `from` … `to`
    pub fn number(&mut self, from: usize, to: usize) -> usize {
        from + ((self.value() + 1.0) / 2.0 * (to - from + 1) as f32) as usize % (to - from + 1)
    }

    pub fn values(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| self.value() * size).collect()
    }

    /// A convolution that keeps the size of its values.
    pub fn convolution(
        &mut self,
        (inputs, outputs): (usize, usize),
        (kernel, stride, depthwise): (usize, usize, bool),
        activation: Activation,
    ) -> Convolution {
        let taps = kernel * kernel * if depthwise { 1 } else { inputs };
        let size = 1.7 * (1.0 / taps as f32).sqrt() * 1.4;
        let lengths = [kernel * kernel, if depthwise { 1 } else { inputs }, outputs];
        let weights = Weights::of(&self.values(taps * outputs, size), lengths);
        let bias = self.values(outputs, 0.3);
        let (before, after) = ([0, 0], [0, 0]);
        Convolution { inputs, outputs, depthwise, kernel, stride, before, after, weights, bias, activation }
    }
}

/// Zeros around it so that the output has the input's size over the stride, the odd one behind (TensorFlow's SAME).
pub fn same(mut convolution: Convolution, shape: Shape) -> Convolution {
    for (axis, length) in [shape.height, shape.width].into_iter().enumerate() {
        let out = length.div_ceil(convolution.stride);
        let zeros = ((out - 1) * convolution.stride + convolution.kernel).saturating_sub(length);
        convolution.before[axis] = zeros / 2;
        convolution.after[axis] = zeros - zeros / 2;
    }
    convolution
}

/// MBConv: expansion (1: none), channels out, kernel, stride, with a gate or not.
pub fn block(
    seeded: &mut Seeded,
    shape: Shape,
    (expansion, outputs, kernel, stride): (usize, usize, usize, usize),
    gate: bool,
    activation: Activation,
) -> Block {
    let inner = shape.channels * expansion;
    let expand = (expansion > 1).then(|| seeded.convolution((shape.channels, inner), (1, 1, false), activation));
    let depthwise = same(seeded.convolution((inner, inner), (kernel, stride, true), activation), shape);
    let squeezed = (shape.channels / 4).max(1);
    let gate = gate.then(|| Gate {
        squeeze: seeded.convolution((inner, squeezed), (1, 1, false), activation),
        excite: seeded.convolution((squeezed, inner), (1, 1, false), Activation::Sigmoid),
    });
    let project = seeded.convolution((inner, outputs), (1, 1, false), Activation::None);
    let residual = stride == 1 && outputs == shape.channels;
    Block { expand, depthwise, gate, project, residual }
}

/// EfficientNet B0, or Lite0, for pictures of `side` pixels; with `divide`, fewer channels.
pub fn efficientnet(side: usize, lite: bool, divide: usize, classes: usize) -> (Vec<Step>, Shape) {
    let mut seeded = Seeded(0x1234_5678_9abc_def1);
    let activation = if lite { Activation::Relu6 } else { Activation::Silu };
    let picture = Shape { height: side, width: side, channels: 3 };
    let stem = same(seeded.convolution((3, 32 / divide), (3, 2, false), activation), picture);
    let mut shape = stem.output(picture).unwrap();
    let mut steps = vec![Step::Stem(stem)];
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
            let block = block(&mut seeded, shape, (expansion, outputs / divide, kernel, stride), !lite, activation);
            let step = Step::Block(block);
            shape = step.output(shape).unwrap();
            steps.push(step);
        }
    }
    let convolution = seeded.convolution((shape.channels, 1280 / divide), (1, 1, false), activation);
    let classifier = Some(seeded.convolution((1280 / divide, classes), (1, 1, false), Activation::None));
    steps.push(Step::Head(Head { convolution, classifier }));
    (steps, picture)
}

/// Values of a picture, pixel by pixel.
#[derive(Clone)]
pub struct Values {
    pub shape: Shape,
    pub values: Vec<f32>,
}

impl Values {
    pub fn of(input: &[f32], shape: Shape, order: Order) -> Values {
        let pixels = shape.height * shape.width;
        let at = |pixel: usize, channel: usize| match order {
            Order::Planar => input[channel * pixels + pixel],
            Order::Interleaved => input[pixel * shape.channels + channel],
        };
        let values = (0..pixels).flat_map(|pixel| (0..shape.channels).map(move |channel| at(pixel, channel))).collect();
        Values { shape, values }
    }

    pub fn planar(&self) -> Vec<f32> {
        let channels = self.shape.channels;
        (0..channels).flat_map(|channel| self.values[channel..].iter().step_by(channels).copied()).collect()
    }

    fn mean(&self) -> Values {
        let channels = self.shape.channels;
        let pixels = self.values.len() / channels;
        let sum = |channel: usize| self.values[channel..].iter().step_by(channels).map(|&v| f64::from(v)).sum::<f64>();
        let values = (0..channels).map(|channel| (sum(channel) / pixels as f64) as f32).collect();
        Values { shape: Shape { height: 1, width: 1, channels }, values }
    }
}

/// A convolution as its definition says, summed in double precision.
pub fn convolved(convolution: &Convolution, input: &Values) -> Values {
    let shape = convolution.output(input.shape).unwrap();
    let Convolution { inputs, outputs, depthwise, kernel, stride, before, .. } = *convolution;
    let mut values = Vec::with_capacity(shape.values());
    for y in 0..shape.height {
        for x in 0..shape.width {
            for output in 0..outputs {
                let mut sum = f64::from(convolution.bias[output]);
                for tap in 0..kernel * kernel {
                    let from_y = (y * stride + tap / kernel).checked_sub(before[0]);
                    let from_x = (x * stride + tap % kernel).checked_sub(before[1]);
                    let (Some(from_y), Some(from_x)) = (from_y, from_x) else { continue };
                    if from_y >= input.shape.height || from_x >= input.shape.width {
                        continue;
                    }
                    let pixel = &input.values[(from_y * input.shape.width + from_x) * inputs..][..inputs];
                    if depthwise {
                        sum += f64::from(pixel[output]) * f64::from(convolution.weights.at(tap * outputs + output));
                    } else {
                        for (place, &value) in pixel.iter().enumerate() {
                            let weight = convolution.weights.at((tap * inputs + place) * outputs + output);
                            sum += f64::from(value) * f64::from(weight);
                        }
                    }
                }
                values.push(convolution.activation.of(sum as f32));
            }
        }
    }
    Values { shape, values }
}

/// What `steps` give.
pub fn expected(steps: &[Step], input: &Values) -> Values {
    steps.iter().fold(input.clone(), |input, step| match step {
        Step::Stem(stem) => convolved(stem, &input),
        Step::Head(head) => {
            let means = convolved(&head.convolution, &input).mean();
            head.classifier.as_ref().map_or(means.clone(), |classifier| convolved(classifier, &means))
        }
        Step::Block(block) => {
            let expanded = block.expand.as_ref().map_or(input.clone(), |expand| convolved(expand, &input));
            let mut filtered = convolved(&block.depthwise, &expanded);
            if let Some(gate) = &block.gate {
                let opened = convolved(&gate.excite, &convolved(&gate.squeeze, &filtered.mean()));
                let channels = filtered.shape.channels;
                let gated = filtered.values.iter_mut().enumerate();
                gated.for_each(|(place, value)| *value *= opened.values[place % channels]);
            }
            let mut output = convolved(&block.project, &filtered);
            if block.residual {
                output.values.iter_mut().zip(&input.values).for_each(|(value, input)| *value += input);
            }
            output
        }
    })
}

/// The largest difference, in parts of the largest value.
pub fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-3f32, |most, value| most.max(value.abs()));
    let apart = found.iter().zip(expected).map(|(a, b)| if a.is_finite() { (a - b).abs() } else { f32::INFINITY });
    apart.fold(0.0, f32::max) / largest
}
