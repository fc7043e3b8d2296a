//! Program: a network packed for one image size, instruction set and thread count, and its execution.

use crate::aligned_buffer::AlignedBuffer;
use crate::block_input::{RowSource, Stem};
use crate::fused_block::{BlockBuffers, FusedBlock};
use crate::head::{OutputBuffers, OutputStage, copy_input};
use crate::isa::Kernels;
use crate::layers;
use crate::layers::{Block, Convolution, Layout, Shape, Step, UnsupportedStep};
use crate::packing::{PackedConvolution, PackedDepthwise, PackedSqueezeExcite};
use crate::thread_pool::ThreadPool;
use crate::tiling::{Tiling, TilingSettings};

/// Settings of a program.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub kernels: &'static Kernels,
    /// Threads of one run, including the caller's. 0 counts as 1.
    pub threads: usize,
    pub tiling: TilingSettings,
    /// Layout of the image.
    pub input_layout: Layout,
    /// Layout of the output, if the program ends without a head.
    pub output_layout: Layout,
}

/// Network packed for one image size. Several threads can run it at once, each with its own [`State`].
pub struct Program {
    settings: Settings,
    /// Steps without their weights.
    steps: Vec<Step>,
    input: Shape,
    output: Shape,
    /// Whether the input is copied to a padded buffer first, because no stem reads it.
    copies_input: bool,
    blocks: Vec<FusedBlock>,
    output_stage: OutputStage,
    sizes: Sizes,
}

/// Sizes of the buffers of a state, in values.
#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    activations: usize,
    depthwise_out: usize,
    sums: usize,
    gate: usize,
    scaled_weights: usize,
    scratch: usize,
}

/// Threads and all buffers of a running program, so that a run allocates nothing.
pub struct State {
    threads: ThreadPool,
    /// Input and output of a block, exchanged after each block.
    activations: [AlignedBuffer; 2],
    depthwise_out: AlignedBuffer,
    sums: AlignedBuffer,
    gate: AlignedBuffer,
    scaled_weights: AlignedBuffer,
    scratch: Vec<AlignedBuffer>,
}

/// Lists all weights and biases of a program, shared or with `mut`, in the order in which they are serialised.
macro_rules! weight_buffers {
    ($program:expr $(, $mutable:tt)?) => {{
        let mut buffers = Vec::new();
        for FusedBlock { source, depthwise, gate, project, .. } in & $($mutable)? $program.blocks {
            if let RowSource::Pointwise(packed) | RowSource::Stem(Stem { packed, .. }) = source {
                buffers.extend([& $($mutable)? packed.weights, & $($mutable)? packed.bias]);
            }
            buffers.extend([& $($mutable)? depthwise.weights, & $($mutable)? depthwise.bias]);
            if let Some(PackedSqueezeExcite { squeeze, excite }) = gate {
                buffers.extend([& $($mutable)? squeeze.weights, & $($mutable)? squeeze.bias]);
                buffers.extend([& $($mutable)? excite.weights, & $($mutable)? excite.bias]);
            }
            buffers.extend([& $($mutable)? project.weights, & $($mutable)? project.bias]);
        }
        if let OutputStage::Head { convolution, classifier, .. } = & $($mutable)? $program.output_stage {
            buffers.extend([& $($mutable)? convolution.weights, & $($mutable)? convolution.bias]);
            if let Some(classifier) = classifier {
                buffers.extend([& $($mutable)? classifier.weights, & $($mutable)? classifier.bias]);
            }
        }
        buffers
    }};
}

impl Program {
    /// Packs a copy of `steps` for images of shape `input`.
    ///
    /// Returns an error if the kernels do not support a step, or if shapes do not fit together.
    pub fn new(steps: &[Step], input: Shape, settings: Settings) -> Result<Program, UnsupportedStep> {
        Program::from_steps(steps.to_vec(), input, settings)
    }

    /// Packs `steps` for images of shape `input`. Drops each step once it is packed, to hold most weights in memory
    /// once.
    ///
    /// Returns an error if the kernels do not support a step, or if shapes do not fit together.
    pub fn from_steps(steps: Vec<Step>, input: Shape, settings: Settings) -> Result<Program, UnsupportedStep> {
        let kernels = settings.kernels;
        let output = layers::output_shape(&steps, input)?;
        let steps_without_weights = steps.iter().map(Step::without_weights).collect();
        let mut shape = input;
        let mut blocks: Vec<FusedBlock> = Vec::new();
        let mut head = None;
        let mut stem: Option<(Convolution, Shape)> = None;
        for step in steps {
            let output = step.output_shape(shape)?;
            match step {
                Step::Stem(convolution) => stem = Some((convolution, shape)),
                Step::Block(block) => {
                    let source = match (&block.expand, stem.take()) {
                        (Some(expand), _) => RowSource::Pointwise(PackedConvolution::new(expand, kernels)),
                        (None, None) => RowSource::Identity,
                        (None, Some((stem, image))) => {
                            RowSource::Stem(Stem::new(&stem, image, settings.input_layout, kernels))
                        }
                    };
                    blocks.push(fused_block(&block, source, shape, &settings)?);
                }
                Step::Head(step) => head = Some(OutputStage::from_head(&step, shape, kernels)),
            }
            shape = output;
        }
        let copies_input = !matches!(blocks.first().map(|block| &block.source), Some(RowSource::Stem(_)));
        let output_stage = head.unwrap_or(OutputStage::FeatureMap { shape, layout: settings.output_layout });
        let mut sizes = Sizes::default();
        if copies_input {
            sizes.activations = input.height * input.width * input.channels.next_multiple_of(kernels.lanes);
        }
        for block in &blocks {
            sizes.extend_for(block);
        }
        let (activations, scratch) = output_stage.buffer_values(kernels);
        sizes.activations = sizes.activations.max(activations);
        sizes.scratch = sizes.scratch.max(scratch);
        Ok(Program { settings, steps: steps_without_weights, input, output, copies_input, blocks, output_stage, sizes })
    }

    /// Returns the shape of the input.
    pub fn input_shape(&self) -> Shape {
        self.input
    }

    /// Returns the shape of the output: with a head, one pixel with a channel for each class.
    pub fn output_shape(&self) -> Shape {
        self.output
    }

    pub(crate) fn steps_without_weights(&self) -> &[Step] {
        &self.steps
    }

    /// Returns all weights and biases, in the order in which they are serialised.
    pub(crate) fn weight_buffers(&self) -> Vec<&AlignedBuffer> {
        weight_buffers!(self)
    }

    /// Returns all weights and biases for writing, in the order in which they are serialised.
    pub(crate) fn weight_buffers_mut(&mut self) -> Vec<&mut AlignedBuffer> {
        weight_buffers!(self, mut)
    }

    /// Returns the number of steps that the program was made of.
    pub fn step_count(&self) -> usize {
        self.steps.len()
    }

    /// Returns the kernels that the weights are packed for.
    pub fn kernels(&self) -> &'static Kernels {
        self.settings.kernels
    }

    /// Allocates the buffers and starts the threads of one runner.
    pub fn new_state(&self) -> State {
        let sizes = self.sizes;
        let threads = ThreadPool::new(self.settings.threads.max(1));
        State {
            scratch: (0..threads.count()).map(|_| AlignedBuffer::new(sizes.scratch)).collect(),
            threads,
            activations: [AlignedBuffer::new(sizes.activations), AlignedBuffer::new(sizes.activations)],
            depthwise_out: AlignedBuffer::new(sizes.depthwise_out),
            sums: AlignedBuffer::new(sizes.sums),
            gate: AlignedBuffer::new(sizes.gate),
            scaled_weights: AlignedBuffer::new(sizes.scaled_weights),
        }
    }

    /// Runs the program on the image in `input`, in the layouts of the settings.
    ///
    /// Panics if the lengths differ from [`Program::input_shape`] and [`Program::output_shape`], or if the buffers of
    /// `state` are smaller than this program's.
    pub fn run(&self, state: &mut State, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), self.input.values(), "the input's length differs from the program's input shape");
        assert_eq!(output.len(), self.output.values(), "the output's length differs from the program's output shape");
        state.assert_fits(&self.sizes);
        let kernels = self.settings.kernels;
        let State { threads, activations, depthwise_out, sums, gate, scaled_weights, scratch } = state;
        threads.with_spinning_workers(|pool| {
            let mut target = 0;
            let mut current = input.as_ptr();
            if self.copies_input {
                copy_input(input, self.input, self.settings.input_layout, &mut activations[0], kernels.lanes);
                (current, target) = (activations[0].ptr_at(0), 1);
            }
            for block in &self.blocks {
                let output = activations[target].ptr_at(0);
                let buffers =
                    BlockBuffers { input: current, output, depthwise_out, sums, gate, scaled_weights, scratch };
                // SAFETY: the buffers have the sizes of all blocks, and each piece runs once: pieces write to disjoint
                // positions, and `pool.run` gives each thread its own number.
                unsafe {
                    pool.run(block.depthwise_pieces(), |thread, piece| {
                        block.run_depthwise(kernels, &buffers, thread, piece);
                    });
                    if let Some(gate) = &block.gate {
                        block.compute_se_gate(kernels, &buffers, gate);
                    }
                    let pieces = block.project_pieces(pool.count());
                    pool.run(pieces, |_, piece| block.project(kernels, &buffers, piece, pieces));
                }
                (current, target) = (output.cast_const(), 1 - target);
            }
            let buffers = OutputBuffers { input: current, values: activations[target].ptr_at(0), scratch };
            // SAFETY: the buffers have the stage's sizes; `input` is the last block's output or the copied image.
            unsafe { self.output_stage.run(kernels, pool, &buffers, output) };
        });
    }
}

/// Packs `block`, which reads `source`, for a block input of shape `input`.
fn fused_block(
    block: &Block,
    source: RowSource,
    input: Shape,
    settings: &Settings,
) -> Result<FusedBlock, UnsupportedStep> {
    let kernels = settings.kernels;
    let expanded_shape = match (&source, &block.expand) {
        (RowSource::Pointwise(_), Some(expand)) => expand.output_shape(input)?,
        _ => input,
    };
    let depthwise_shape = block.depthwise.output_shape(expanded_shape)?;
    let gate = block.gate.as_ref().map(|gate| PackedSqueezeExcite {
        squeeze: PackedConvolution::new(&gate.squeeze, kernels),
        excite: PackedConvolution::new(&gate.excite, kernels),
    });
    let mut fused = FusedBlock {
        source,
        expanded_shape,
        depthwise: PackedDepthwise::new(&block.depthwise, kernels),
        depthwise_shape,
        gate,
        project: PackedConvolution::new(&block.project, kernels),
        residual: block.residual,
        input_pixel_stride: input.channels.next_multiple_of(kernels.lanes),
        tiling: Tiling::default(),
    };
    fused.tiling = Tiling::for_block(&fused, kernels, settings.threads.max(1), &settings.tiling);
    Ok(fused)
}

impl Sizes {
    /// Extends the sizes to those that `block` needs.
    fn extend_for(&mut self, block: &FusedBlock) {
        let pixels = block.depthwise_shape.height * block.depthwise_shape.width;
        let channels = block.depthwise.channels;
        self.activations = self.activations.max(pixels * block.project.outputs);
        self.scratch = self.scratch.max(block.scratch_values().iter().sum());
        if !block.tiling.project_by_row {
            self.depthwise_out = self.depthwise_out.max(pixels * channels);
        }
        if let Some(gate) = &block.gate {
            self.sums = self.sums.max(block.depthwise_shape.height * channels);
            self.gate = self.gate.max(channels + gate.squeeze.outputs + gate.excite.outputs);
            if block.scales_weights() {
                self.scaled_weights = self.scaled_weights.max(block.project.weights.len());
            }
        }
    }
}

impl State {
    /// Panics if a buffer is smaller than `sizes`: the state belongs to another program then.
    fn assert_fits(&self, sizes: &Sizes) {
        let buffers = [
            (&self.activations[0], sizes.activations),
            (&self.depthwise_out, sizes.depthwise_out),
            (&self.sums, sizes.sums),
            (&self.gate, sizes.gate),
            (&self.scaled_weights, sizes.scaled_weights),
            (&self.scratch[0], sizes.scratch),
        ];
        let fits = buffers.iter().all(|(buffer, values)| buffer.len() >= *values);
        assert!(fits && self.scratch.len() >= self.threads.count(), "the state belongs to another program");
    }
}
