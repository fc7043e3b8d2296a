//! Serialisation of a program: its steps, followed by their packed weights.
//!
//! The reader checks the steps as a new program does, and allocates weights only if the file can hold them. It cannot
//! detect wrong weights: the caller adds a checksum.

use std::io::{self, Read, Write};

use crate::activation::Activation;
use crate::f16::{f16_to_f32, f32_to_f16_exact};
use crate::layers::{Block, Convolution, Head, MAX_DIMENSION, MAX_KERNEL, Shape, SqueezeExcite, Step, UnsupportedStep};
use crate::program::{Program, Settings};
use crate::weights::Weights;

/// Error of [`Program::read`].
#[derive(Debug)]
pub enum DeserializeError {
    Io(io::Error),
    /// The bytes are no program, or one for another input shape.
    Invalid(String),
}

impl std::fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DeserializeError::Io(error) => error.fmt(f),
            DeserializeError::Invalid(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for DeserializeError {}

impl From<io::Error> for DeserializeError {
    fn from(error: io::Error) -> DeserializeError {
        DeserializeError::Io(error)
    }
}

impl From<UnsupportedStep> for DeserializeError {
    fn from(UnsupportedStep(reason): UnsupportedStep) -> DeserializeError {
        DeserializeError::Invalid(reason)
    }
}

fn invalid<T>(reason: impl Into<String>) -> Result<T, DeserializeError> {
    Err(DeserializeError::Invalid(reason.into()))
}

/// Most steps that the reader accepts. B7, the largest network of the family, has 57.
const MAX_STEPS: usize = 1000;
/// Values converted at a time: 16 KiB of f32, half of a small core's L1 data cache.
const CHUNK_VALUES: usize = 4096;

// Numbers of the format, which is private to this program: `read` accepts only files that the same version wrote.
const STEM: usize = 1;
const BLOCK: usize = 2;
const HEAD: usize = 3;
const ACTIVATIONS: [Activation; 4] = [Activation::None, Activation::Relu6, Activation::Silu, Activation::Sigmoid];
const F32_BYTES: usize = 4;
const F16_BYTES: usize = 2;

impl Program {
    /// Writes the program. A buffer whose weights all fit f16 exactly is written as f16, others as f32.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Shape { height, width, channels } = self.input_shape();
        write_numbers(out, &[height, width, channels, self.step_count()])?;
        for step in self.steps_without_weights() {
            match step {
                Step::Stem(stem) => {
                    write_numbers(out, &[STEM])?;
                    write_convolution(out, stem)?;
                }
                Step::Block(Block { expand, depthwise, gate, project, residual }) => {
                    write_numbers(out, &[BLOCK, expand.is_some().into(), gate.is_some().into(), (*residual).into()])?;
                    let gate = gate.iter().flat_map(|gate| [&gate.squeeze, &gate.excite]);
                    let mut convolutions = expand.iter().chain([depthwise]).chain(gate).chain([project]);
                    convolutions.try_for_each(|convolution| write_convolution(out, convolution))?;
                }
                Step::Head(Head { convolution, classifier }) => {
                    write_numbers(out, &[HEAD, classifier.is_some().into()])?;
                    write_convolution(out, convolution)?;
                    classifier.iter().try_for_each(|classifier| write_convolution(out, classifier))?;
                }
            }
        }
        let mut bytes = Vec::with_capacity(CHUNK_VALUES * F32_BYTES);
        self.weight_buffers().into_iter().try_for_each(|buffer| write_values(out, buffer.values(), &mut bytes))
    }

    /// Reads a program of at most `max_bytes` that was written for images of shape `input` and for the same kernels.
    ///
    /// Returns an error if reading fails, or if the bytes are no such program.
    pub fn read(
        from: &mut dyn Read,
        max_bytes: u64,
        input: Shape,
        settings: Settings,
    ) -> Result<Program, DeserializeError> {
        let mut reader = StepReader { from, lanes: settings.kernels.lanes, weights_left: max_bytes / F16_BYTES as u64 };
        let [height, width, channels, count] = reader.numbers()?;
        let written_for = Shape { height, width, channels };
        if written_for != input {
            return invalid(format!("made for images of {written_for}, not {input}"));
        }
        if count > MAX_STEPS {
            return invalid(format!("{count} steps, at most {MAX_STEPS} are possible"));
        }
        let mut steps = Vec::new();
        let mut shape = input;
        for _ in 0..count {
            let step = reader.step()?;
            shape = step.output_shape(shape)?;
            steps.push(step);
        }
        let mut program = Program::from_steps(steps, input, settings)?;
        let mut bytes = vec![0; CHUNK_VALUES * F32_BYTES];
        for buffer in program.weight_buffers_mut() {
            read_values(from, buffer.values_mut(), &mut bytes)?;
        }
        Ok(program)
    }
}

fn write_numbers(out: &mut dyn Write, numbers: &[usize]) -> io::Result<()> {
    for &number in numbers {
        let number = u32::try_from(number).map_err(|_| io::Error::other(format!("{number} exceeds 32 bits")))?;
        out.write_all(&number.to_le_bytes())?;
    }
    Ok(())
}

fn write_convolution(out: &mut dyn Write, convolution: &Convolution) -> io::Result<()> {
    let Convolution { inputs, outputs, depthwise, kernel, stride, pad_before, pad_after, .. } = *convolution;
    let activation = ACTIVATIONS.iter().position(|activation| *activation == convolution.activation);
    let activation = activation.unwrap_or_default();
    let [top, left] = pad_before;
    let [bottom, right] = pad_after;
    write_numbers(out, &[inputs, outputs, depthwise.into(), kernel, stride, top, left, bottom, right, activation])
}

/// Writes the bytes of a value, then the values.
fn write_values(out: &mut dyn Write, values: &[f32], bytes: &mut Vec<u8>) -> io::Result<()> {
    let fits_f16 = values.iter().all(|&value| f32_to_f16_exact(value).is_some());
    write_numbers(out, &[if fits_f16 { F16_BYTES } else { F32_BYTES }])?;
    for values in values.chunks(CHUNK_VALUES) {
        bytes.clear();
        if fits_f16 {
            let halves = values.iter().map(|&value| f32_to_f16_exact(value).unwrap_or_default());
            bytes.extend(halves.flat_map(u16::to_le_bytes));
        } else {
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
        out.write_all(bytes)?;
    }
    Ok(())
}

fn read_numbers<const N: usize>(from: &mut dyn Read) -> io::Result<[usize; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let mut bytes = [0; 4];
        from.read_exact(&mut bytes)?;
        *number = u32::from_le_bytes(bytes) as usize;
    }
    Ok(numbers)
}

/// Fills `values`, with `bytes` as a buffer of [`CHUNK_VALUES`] f32 values.
fn read_values(from: &mut dyn Read, values: &mut [f32], bytes: &mut [u8]) -> Result<(), DeserializeError> {
    let [value_bytes] = read_numbers(from)?;
    if value_bytes != F16_BYTES && value_bytes != F32_BYTES {
        return invalid(format!("weights of {value_bytes} bytes, must be {F16_BYTES} or {F32_BYTES}"));
    }
    for values in values.chunks_mut(CHUNK_VALUES) {
        let bytes = &mut bytes[..values.len() * value_bytes];
        from.read_exact(bytes)?;
        if value_bytes == F16_BYTES {
            let converted = bytes.as_chunks().0.iter().map(|half| f16_to_f32(u16::from_le_bytes(*half)));
            values.iter_mut().zip(converted).for_each(|(value, converted)| *value = converted);
        } else {
            let singles = bytes.as_chunks().0.iter().map(|single| f32::from_le_bytes(*single));
            values.iter_mut().zip(singles).for_each(|(value, single)| *value = single);
        }
    }
    Ok(())
}

/// Reader of steps without their weights.
struct StepReader<'a> {
    from: &'a mut dyn Read,
    lanes: usize,
    /// Weights and biases that the rest of the file can hold.
    weights_left: u64,
}

impl StepReader<'_> {
    fn numbers<const N: usize>(&mut self) -> io::Result<[usize; N]> {
        read_numbers(self.from)
    }

    fn flags<const N: usize>(&mut self) -> Result<[bool; N], DeserializeError> {
        let flags = self.numbers::<N>()?;
        if flags.iter().any(|flag| *flag > 1) {
            invalid(format!("flags {flags:?}, must be 0 or 1"))
        } else {
            Ok(flags.map(|flag| flag == 1))
        }
    }

    fn step(&mut self) -> Result<Step, DeserializeError> {
        match self.numbers()? {
            [STEM] => Ok(Step::Stem(self.convolution()?)),
            [BLOCK] => {
                let [has_expand, has_gate, residual] = self.flags()?;
                let expand = has_expand.then(|| self.convolution()).transpose()?;
                let depthwise = self.convolution()?;
                let mut gate = None;
                if has_gate {
                    gate = Some(SqueezeExcite { squeeze: self.convolution()?, excite: self.convolution()? });
                }
                Ok(Step::Block(Block { expand, depthwise, gate, project: self.convolution()?, residual }))
            }
            [HEAD] => {
                let [has_classifier] = self.flags()?;
                let convolution = self.convolution()?;
                let classifier = has_classifier.then(|| self.convolution()).transpose()?;
                Ok(Step::Head(Head { convolution, classifier }))
            }
            [kind] => invalid(format!("step of unknown kind {kind}")),
        }
    }

    fn convolution(&mut self) -> Result<Convolution, DeserializeError> {
        let [inputs, outputs] = self.numbers()?;
        let [depthwise] = self.flags()?;
        let [kernel, stride, top, left, bottom, right, activation] = self.numbers()?;
        let in_range = [inputs, outputs].iter().all(|channels| (1..=MAX_DIMENSION).contains(channels))
            && [kernel, stride].iter().all(|length| (1..=MAX_KERNEL).contains(length))
            && [top, left, bottom, right].iter().all(|zeros| *zeros < MAX_KERNEL);
        let (true, Some(&activation)) = (in_range, ACTIVATIONS.get(activation)) else {
            return invalid(format!(
                "convolution of {inputs} to {outputs} channels with kernel {kernel}, stride {stride}, padding {top}, \
                 {left}, {bottom}, {right} and activation {activation} exceeds the limits"
            ));
        };
        let padded_outputs = outputs.next_multiple_of(self.lanes) as u64;
        let weights_of_output = (kernel * kernel) as u64 * if depthwise { 1 } else { inputs as u64 };
        let Some(weights_left) = self.weights_left.checked_sub((weights_of_output + 1) * padded_outputs) else {
            return invalid(format!(
                "convolution of {inputs} to {outputs} channels with kernel {kernel} has more weights than the file"
            ));
        };
        self.weights_left = weights_left;
        let weights = Weights::zeros([kernel * kernel, if depthwise { 1 } else { inputs }, outputs]);
        Ok(Convolution {
            inputs,
            outputs,
            depthwise,
            kernel,
            stride,
            pad_before: [top, left],
            pad_after: [bottom, right],
            weights,
            bias: vec![0.0; outputs],
            activation,
        })
    }
}
