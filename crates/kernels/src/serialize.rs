//! A program as bytes, to be kept and read again: its steps, and their weights as they are packed.
//!
//! What is read is checked against the steps' own arithmetic, and no more weights are asked for than there are bytes; whether the
//! weights are the right ones, no one can see here: who keeps them adds a checksum.

use std::io::{self, Read, Write};

use crate::activation::Activation;
use crate::f16::{narrow, widen};
use crate::layers::{Block, Convolution, Gate, Head, MOST_KERNEL, MOST_LENGTH, Shape, Step, Unsuitable};
use crate::program::{Program, Settings};
use crate::weights::Weights;

/// A program that could not be read.
#[derive(Debug)]
pub enum StoredError {
    Io(io::Error),
    /// The bytes are no program's, or another's.
    Wrong(String),
}

impl std::fmt::Display for StoredError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoredError::Io(error) => error.fmt(f),
            StoredError::Wrong(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StoredError {}

impl From<io::Error> for StoredError {
    fn from(error: io::Error) -> StoredError {
        StoredError::Io(error)
    }
}

impl From<Unsuitable> for StoredError {
    fn from(Unsuitable(what): Unsuitable) -> StoredError {
        StoredError::Wrong(what)
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T, StoredError> {
    Err(StoredError::Wrong(what.into()))
}

/// Steps of the largest network that is read.
const MOST_STEPS: usize = 1000;
/// Values that are converted at a time.
const TOGETHER: usize = 4096;

const STEM: usize = 1;
const BLOCK: usize = 2;
const HEAD: usize = 3;
const ACTIVATIONS: [Activation; 4] = [Activation::None, Activation::Relu6, Activation::Silu, Activation::Sigmoid];
const SINGLE: usize = 4;
const HALF: usize = 2;

impl Program {
    /// Writes it, weights in half precision where nothing is lost by that.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Shape { height, width, channels } = self.input();
        write_numbers(out, &[height, width, channels, self.blank_steps().len()])?;
        for step in self.blank_steps() {
            match step {
                Step::Stem(stem) => {
                    write_numbers(out, &[STEM])?;
                    write_convolution(out, stem)?;
                }
                Step::Block(Block { expand, depthwise, gate, project, residual }) => {
                    write_numbers(out, &[BLOCK, expand.is_some().into(), gate.is_some().into(), (*residual).into()])?;
                    let gate = gate.iter().flat_map(|gate| [&gate.squeeze, &gate.excite]);
                    let mut all = expand.iter().chain([depthwise]).chain(gate).chain([project]);
                    all.try_for_each(|convolution| write_convolution(out, convolution))?;
                }
                Step::Head(Head { convolution, classifier }) => {
                    write_numbers(out, &[HEAD, classifier.is_some().into()])?;
                    write_convolution(out, convolution)?;
                    classifier.iter().try_for_each(|classifier| write_convolution(out, classifier))?;
                }
            }
        }
        let mut bytes = Vec::with_capacity(TOGETHER * SINGLE);
        self.memories().into_iter().try_for_each(|memory| write_values(out, memory.values(), &mut bytes))
    }

    /// Reads one that was written for pictures of `input` and for the same kernels, of at most `most` bytes.
    pub fn read(from: &mut dyn Read, most: u64, input: Shape, settings: Settings) -> Result<Program, StoredError> {
        let mut steps = Steps { from, lanes: settings.kernels.lanes, left: most / HALF as u64 };
        let [height, width, channels, count] = steps.numbers()?;
        if (Shape { height, width, channels }) != input {
            return wrong(format!("it is for pictures of {height} × {width} × {channels}"));
        }
        if count > MOST_STEPS {
            return wrong(format!("it has {count} steps"));
        }
        let mut blank = Vec::new();
        let mut shape = input;
        for _ in 0..count {
            let step = steps.step()?;
            shape = step.output(shape)?;
            blank.push(step);
        }
        let mut program = Program::of(blank, input, settings)?;
        let mut bytes = vec![0; TOGETHER * SINGLE];
        for memory in program.memories_mut() {
            read_values(from, memory.values_mut(), &mut bytes)?;
        }
        Ok(program)
    }
}

fn write_numbers(out: &mut dyn Write, numbers: &[usize]) -> io::Result<()> {
    for &number in numbers {
        let number = u32::try_from(number).map_err(|_| io::Error::other("a number beyond 32 bits"))?;
        out.write_all(&number.to_le_bytes())?;
    }
    Ok(())
}

fn write_convolution(out: &mut dyn Write, of: &Convolution) -> io::Result<()> {
    let activation = ACTIVATIONS.iter().position(|activation| *activation == of.activation).unwrap_or_default();
    let Convolution { inputs, outputs, depthwise, kernel, stride, before, after, .. } = *of;
    let [top, left] = before;
    let [bottom, right] = after;
    write_numbers(out, &[inputs, outputs, depthwise.into(), kernel, stride, top, left, bottom, right, activation])
}

/// Bytes a value, and the values.
fn write_values(out: &mut dyn Write, values: &[f32], bytes: &mut Vec<u8>) -> io::Result<()> {
    let is_half = values.iter().all(|&value| narrow(value).is_some());
    write_numbers(out, &[if is_half { HALF } else { SINGLE }])?;
    for values in values.chunks(TOGETHER) {
        bytes.clear();
        match is_half {
            true => bytes.extend(values.iter().flat_map(|&value| narrow(value).unwrap_or_default().to_le_bytes())),
            false => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
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

fn read_values(from: &mut dyn Read, values: &mut [f32], bytes: &mut [u8]) -> Result<(), StoredError> {
    let [width] = read_numbers(from)?;
    if width != HALF && width != SINGLE {
        return wrong(format!("weights of {width} bytes"));
    }
    for values in values.chunks_mut(TOGETHER) {
        let bytes = &mut bytes[..values.len() * width];
        from.read_exact(bytes)?;
        if width == HALF {
            let halves = bytes.as_chunks().0.iter().map(|half| widen(u16::from_le_bytes(*half)));
            values.iter_mut().zip(halves).for_each(|(value, half)| *value = half);
        } else {
            let singles = bytes.as_chunks().0.iter().map(|single| f32::from_le_bytes(*single));
            values.iter_mut().zip(singles).for_each(|(value, single)| *value = single);
        }
    }
    Ok(())
}

/// Reads steps without their weights.
struct Steps<'a> {
    from: &'a mut dyn Read,
    lanes: usize,
    /// How many weights and biases there can still be.
    left: u64,
}

impl Steps<'_> {
    fn numbers<const N: usize>(&mut self) -> io::Result<[usize; N]> {
        read_numbers(self.from)
    }

    fn flags<const N: usize>(&mut self) -> Result<[bool; N], StoredError> {
        let flags = self.numbers::<N>()?;
        if flags.iter().any(|flag| *flag > 1) {
            wrong("a flag that is neither 0 nor 1")
        } else {
            Ok(flags.map(|flag| flag == 1))
        }
    }

    fn step(&mut self) -> Result<Step, StoredError> {
        match self.numbers()? {
            [STEM] => Ok(Step::Stem(self.convolution()?)),
            [BLOCK] => {
                let [has_expand, has_gate, residual] = self.flags()?;
                let expand = has_expand.then(|| self.convolution()).transpose()?;
                let depthwise = self.convolution()?;
                let mut gate = None;
                if has_gate {
                    gate = Some(Gate { squeeze: self.convolution()?, excite: self.convolution()? });
                }
                Ok(Step::Block(Block { expand, depthwise, gate, project: self.convolution()?, residual }))
            }
            [HEAD] => {
                let [has_classifier] = self.flags()?;
                let convolution = self.convolution()?;
                let classifier = has_classifier.then(|| self.convolution()).transpose()?;
                Ok(Step::Head(Head { convolution, classifier }))
            }
            [other] => wrong(format!("a step of kind {other}")),
        }
    }

    fn convolution(&mut self) -> Result<Convolution, StoredError> {
        let [inputs, outputs] = self.numbers()?;
        let [depthwise] = self.flags()?;
        let [kernel, stride, top, left, bottom, right, activation] = self.numbers()?;
        let in_range = [inputs, outputs].iter().all(|channels| (1..=MOST_LENGTH).contains(channels))
            && [kernel, stride].iter().all(|length| (1..=MOST_KERNEL).contains(length))
            && [top, left, bottom, right].iter().all(|zeros| *zeros < MOST_KERNEL);
        let (true, Some(&activation)) = (in_range, ACTIVATIONS.get(activation)) else {
            return wrong(format!("a convolution {kernel} wide of {inputs} to {outputs} channels"));
        };
        let padded = outputs.next_multiple_of(self.lanes) as u64;
        let of_each = (kernel * kernel) as u64 * if depthwise { 1 } else { inputs as u64 };
        let Some(left_over) = self.left.checked_sub((of_each + 1) * padded) else {
            return wrong(format!("more weights than bytes: {inputs} to {outputs} channels, {kernel} wide"));
        };
        self.left = left_over;
        let (before, after, bias) = ([top, left], [bottom, right], vec![0.0; outputs]);
        let weights = Weights::blank([kernel * kernel, if depthwise { 1 } else { inputs }, outputs]);
        Ok(Convolution { inputs, outputs, depthwise, kernel, stride, before, after, weights, bias, activation })
    }
}
