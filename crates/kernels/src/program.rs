//! A network made ready for one size of picture, one instruction set and some threads, and run.

use crate::aligned_buffer::Memory;
use crate::block_input::{Source, Stem};
use crate::fused_block::{Places, Unit};
use crate::head::Tail;
use crate::isa::Kernels;
use crate::layers;
use crate::layers::{Block, Convolution, Order, Shape, Step, Unsuitable};
use crate::packing::{Depthwise, Gate, Packed};
use crate::thread_pool::Threads;
use crate::tiling::{Machine, plan};

/// How a network is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub kernels: &'static Kernels,
    pub threads: usize,
    pub machine: Machine,
    /// How the picture's values follow one another.
    pub input_order: Order,
    /// How the output's do, where it is a picture too.
    pub output_order: Order,
}

/// See the module. It can be run by several at once, each with a [`State`] of its own.
pub struct Program {
    settings: Settings,
    /// Without their weights.
    steps: Vec<Step>,
    input: Shape,
    output: Shape,
    /// Whether the picture is put in order first: no stem reads it.
    arranges: bool,
    units: Vec<Unit>,
    tail: Tail,
    sizes: Sizes,
}

/// How many values the parts of a state have.
#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    activations: usize,
    filtered: usize,
    sums: usize,
    gate: usize,
    gated: usize,
    scratch: usize,
}

/// What a running program writes to: all that it needs, so that running allocates nothing.
pub struct State {
    threads: Threads,
    activations: [Memory; 2],
    filtered: Memory,
    sums: Memory,
    gate: Memory,
    gated: Memory,
    scratch: Vec<Memory>,
}

/// All weights and biases of a program.
macro_rules! memories {
    ($program:expr $(, $mutable:tt)?) => {{
        let mut all = Vec::new();
        for Unit { source, depthwise, gate, project, .. } in & $($mutable)? $program.units {
            if let Source::Pointwise(packed) | Source::Stem(Stem { packed, .. }) = source {
                all.extend([& $($mutable)? packed.weights, & $($mutable)? packed.bias]);
            }
            all.extend([& $($mutable)? depthwise.weights, & $($mutable)? depthwise.bias]);
            if let Some(Gate { squeeze, excite }) = gate {
                all.extend([& $($mutable)? squeeze.weights, & $($mutable)? squeeze.bias]);
                all.extend([& $($mutable)? excite.weights, & $($mutable)? excite.bias]);
            }
            all.extend([& $($mutable)? project.weights, & $($mutable)? project.bias]);
        }
        if let Tail::Head { convolution, classifier, .. } = & $($mutable)? $program.tail {
            all.extend([& $($mutable)? convolution.weights, & $($mutable)? convolution.bias]);
            if let Some(classifier) = classifier {
                all.extend([& $($mutable)? classifier.weights, & $($mutable)? classifier.bias]);
            }
        }
        all
    }};
}

impl Program {
    /// Makes `steps` ready for pictures of `input`.
    pub fn new(steps: &[Step], input: Shape, settings: Settings) -> Result<Program, Unsuitable> {
        Program::of(steps.to_vec(), input, settings)
    }

    /// The same; each step is gone once it is packed, so that most weights are in memory once.
    pub fn of(steps: Vec<Step>, input: Shape, settings: Settings) -> Result<Program, Unsuitable> {
        let kernels = settings.kernels;
        let output = layers::output(&steps, input)?;
        let blank = steps.iter().map(Step::blank).collect();
        let mut shape = input;
        let mut units: Vec<Unit> = Vec::new();
        let mut tail = Tail::Nothing;
        let mut stem: Option<(Convolution, Shape)> = None;
        for step in steps {
            let output = step.output(shape)?;
            match step {
                Step::Stem(convolution) => stem = Some((convolution, shape)),
                Step::Block(block) => {
                    let source = match (&block.expand, stem.take()) {
                        (Some(expand), _) => Source::Pointwise(Packed::new(expand, kernels)),
                        (None, None) => Source::Same,
                        (None, Some((stem, picture))) => {
                            Source::Stem(Stem::new(&stem, picture, settings.input_order, kernels))
                        }
                    };
                    units.push(unit(&block, source, shape, &settings)?);
                }
                Step::Head(head) => tail = Tail::head(&head, shape, kernels),
            }
            shape = output;
        }
        let arranges = !matches!(units.first().map(|unit| &unit.source), Some(Source::Stem(_)));
        if matches!(tail, Tail::Nothing) {
            tail = Tail::Picture { shape, order: settings.output_order };
        }
        let mut sizes = Sizes::default();
        let lanes = kernels.lanes;
        if arranges {
            sizes.activations = input.height * input.width * input.channels.next_multiple_of(lanes);
        }
        for unit in &units {
            unit.add_to(&mut sizes);
        }
        let (activations, scratch) = tail.sizes(kernels);
        sizes.activations = sizes.activations.max(activations);
        sizes.scratch = sizes.scratch.max(scratch);
        Ok(Program { settings, steps: blank, input, output, arranges, units, tail, sizes })
    }

    /// What it takes.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// What it gives: with a head, one pixel with a channel a class.
    pub fn output(&self) -> Shape {
        self.output
    }

    /// The steps it was made of, all weights zero.
    pub(crate) fn blank_steps(&self) -> &[Step] {
        &self.steps
    }

    /// All weights and biases.
    pub(crate) fn memories(&self) -> Vec<&Memory> {
        memories!(self)
    }

    /// The same, in the same order, to be filled.
    pub(crate) fn memories_mut(&mut self) -> Vec<&mut Memory> {
        memories!(self, mut)
    }

    /// How many steps it was made of.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }

    /// The instruction set that it is packed for.
    pub fn kernels(&self) -> &'static Kernels {
        self.settings.kernels
    }

    /// Memory and threads for one that runs it.
    pub fn state(&self) -> State {
        let sizes = self.sizes;
        let threads = Threads::new(self.settings.threads.max(1));
        State {
            scratch: (0..threads.count()).map(|_| Memory::new(sizes.scratch)).collect(),
            threads,
            activations: [Memory::new(sizes.activations), Memory::new(sizes.activations)],
            filtered: Memory::new(sizes.filtered),
            sums: Memory::new(sizes.sums),
            gate: Memory::new(sizes.gate),
            gated: Memory::new(sizes.gated),
        }
    }

    /// Runs it for the picture in `input`, with the values in the order of the settings.
    ///
    /// Panics where the lengths are not those of [`Program::input`] and [`Program::output`], or the state is another's.
    pub fn run(&self, state: &mut State, input: &[f32], output: &mut [f32]) {
        assert_eq!((input.len(), output.len()), (self.input.values(), self.output.values()), "values in and out");
        let (sizes, kernels) = (&self.sizes, self.settings.kernels);
        let State { threads, activations, filtered, sums, gate, gated, scratch } = state;
        assert!(activations[0].len() >= sizes.activations && filtered.len() >= sizes.filtered, "another's state");
        assert!(sums.len() >= sizes.sums && gate.len() >= sizes.gate && gated.len() >= sizes.gated, "another's state");
        assert!(scratch[0].len() >= sizes.scratch && scratch.len() >= threads.count(), "another's state");
        threads.awake(|crew| {
            let mut place = 0;
            let mut current = input.as_ptr();
            if self.arranges {
                crate::head::arrange(input, self.input, self.settings.input_order, &mut activations[0], kernels.lanes);
                (current, place) = (activations[0].at(0), 1);
            }
            for unit in &self.units {
                let written = activations[place].at(0);
                let places = Places { input: current, output: written, filtered, sums, gate, gated, scratch };
                // SAFETY: the sizes are those that the units asked for; pieces of one number write to places of their own.
                unsafe {
                    crew.run(unit.filter_pieces(), |thread, piece| unit.filter(kernels, &places, thread, piece));
                    if let Some(gate) = &unit.gate {
                        unit.open_gate(kernels, &places, gate);
                    }
                    let pieces = unit.project_pieces(crew.count());
                    crew.run(pieces, |_, piece| unit.project(kernels, &places, (piece, pieces)));
                }
                (current, place) = (written.cast_const(), 1 - place);
            }
            // SAFETY: as above; `current` is what the last unit wrote, or the arranged picture.
            unsafe { self.tail.run(kernels, crew, current, activations[place].at(0), scratch, output) };
        });
    }
}

fn unit(block: &Block, source: Source, input: Shape, settings: &Settings) -> Result<Unit, Unsuitable> {
    let kernels = settings.kernels;
    let lanes = kernels.lanes;
    let expanded = match (&source, &block.expand) {
        (Source::Pointwise(_), Some(expand)) => expand.output(input)?,
        _ => input,
    };
    let filtered = block.depthwise.output(expanded)?;
    let gate = block
        .gate
        .as_ref()
        .map(|gate| Gate { squeeze: Packed::new(&gate.squeeze, kernels), excite: Packed::new(&gate.excite, kernels) });
    let mut unit = Unit {
        source,
        expanded,
        depthwise: Depthwise::new(&block.depthwise, kernels),
        filtered,
        gate,
        project: Packed::new(&block.project, kernels),
        residual: block.residual,
        input_step: input.channels.next_multiple_of(lanes),
        plan: Default::default(),
    };
    unit.plan = plan(&unit, kernels, settings.threads.max(1), &settings.machine);
    Ok(unit)
}

impl Unit {
    fn add_to(&self, sizes: &mut Sizes) {
        let pixels = self.filtered.height * self.filtered.width;
        let channels = self.depthwise.channels;
        sizes.activations = sizes.activations.max(pixels * self.project.outputs);
        sizes.scratch = sizes.scratch.max(self.scratch().iter().sum());
        if !self.plan.direct {
            sizes.filtered = sizes.filtered.max(pixels * channels);
        }
        if let Some(gate) = &self.gate {
            sizes.sums = sizes.sums.max(self.filtered.height * channels);
            sizes.gate = sizes.gate.max(channels + gate.squeeze.outputs + gate.excite.outputs);
            if self.gates_weights() {
                sizes.gated = sizes.gated.max(self.project.weights.len());
            }
        }
    }
}
