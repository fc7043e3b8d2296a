//! Every instruction set of this CPU computes the outputs that the layers' definitions give.

use phicam_kernels::layers::{Block, Head, Layout, Shape, Step};
use phicam_kernels::{Activation, Kernels, Program, Settings, TilingSettings};

mod common;
use common::{FeatureMap, Rng, block, efficientnet, reference_output, relative_difference, with_same_padding};

/// Share of the largest value. f32 has 7 digits, of which the sums lose some; the sigmoid's error is 2e-5.
const TOLERANCE: f32 = 1e-4;

fn settings(kernels: &'static Kernels, threads: usize, input_layout: Layout) -> Settings {
    Settings { kernels, threads, tiling: TilingSettings::default(), input_layout, output_layout: Layout::Nchw }
}

fn run(steps: &[Step], image: Shape, input: &[f32], settings: Settings) -> Vec<f32> {
    let program = Program::new(steps, image, settings).unwrap();
    let mut output = vec![f32::NAN; program.output_shape().values()];
    let mut state = program.new_state();
    program.run(&mut state, input, &mut output);
    let first = output.clone();
    program.run(&mut state, input, &mut output);
    assert_eq!(first, output, "the second run differs");
    output
}

/// Returns all cases, or the first `under_miri`: Miri is ten thousand times slower.
fn cases<T>(all: &[T], under_miri: usize) -> &[T] {
    if cfg!(miri) { &all[..under_miri] } else { all }
}

/// Returns a size, or a smaller one `under_miri`.
fn size(usual: usize, under_miri: usize) -> usize {
    if cfg!(miri) { under_miri } else { usual }
}

/// Checks all instruction sets against the reference, and that threads and cache sizes change no bit.
#[track_caller]
fn check(steps: &[Step], image: Shape, rng: &mut Rng, case: &str) {
    let input = rng.values(image.values(), 1.0);
    for &layout in cases(&[Layout::Nchw, Layout::Nhwc], 1) {
        let expected = reference_output(steps, &FeatureMap::from_image(&input, image, layout)).to_nchw();
        for kernels in Kernels::available() {
            let settings = settings(kernels, 1, layout);
            let output = run(steps, image, &input, settings);
            let difference = relative_difference(&output, &expected);
            assert!(difference < TOLERANCE, "{case}, {kernels:?}: {difference}");
            for &threads in cases(&[2, 3], 1) {
                let threaded = run(steps, image, &input, Settings { threads, ..settings });
                assert_eq!(output, threaded, "{case}, {kernels:?}: {threads} threads");
            }
            let tilings = [(1, 1, true), (1 << 30, 1 << 30, true), (1 << 15, 1 << 30, false)];
            for &(l1d_bytes, l2_bytes, depth_first) in cases(&tilings, 1) {
                let tiling = TilingSettings { l1d_bytes, l2_bytes, depth_first };
                let retiled = run(steps, image, &input, Settings { tiling, threads: 2, ..settings });
                assert_eq!(output, retiled, "{case}, {kernels:?}: {tiling:?}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn small_networks_match_reference() {
    for (side, lite) in [(64, false), (64, true), (75, false), (33, true)] {
        let (steps, image) = efficientnet(side, lite, 4, 10);
        check(&steps, image, &mut Rng(7), &format!("side {side}, lite {lite}"));
    }
}

#[test]
fn blocks_of_any_shape_match_reference() {
    let mut rng = Rng(0xfeed_beef_1234_5671);
    for case in 0..size(60, 6) {
        let (max_side, max_outputs) = (size(23, 4), size(70, 9));
        let channels = rng.integer(1, size(30, 6));
        let shape = Shape { height: rng.integer(1, max_side), width: rng.integer(1, max_side), channels };
        let expansion = [1, 2, 6][rng.integer(0, 2)];
        let outputs = if rng.integer(0, 1) == 0 { channels } else { rng.integer(1, max_outputs) };
        let (kernel, stride) = ([3, 5][rng.integer(0, 1)], rng.integer(1, 2));
        let activation = [Activation::Relu6, Activation::Silu, Activation::None][rng.integer(0, 2)];
        let has_gate = rng.integer(0, 1) == 0;
        let block = block(&mut rng, shape, (expansion, outputs, kernel, stride), has_gate, activation);
        let case = format!(
            "case {case}: {shape}, expansion {expansion}, {outputs} outputs, kernel {kernel}, stride {stride}, \
             gate {has_gate}"
        );
        check(&[Step::Block(block)], shape, &mut rng, &case);
    }
}

#[test]
fn stems_and_heads_match_reference() {
    let mut rng = Rng(99);
    let stems = [(9, 8, 1, 5, 2), (20, 31, 3, 3, 2), (12, 12, 4, 3, 1), (30, 17, 3, 7, 4)];
    let [stem_outputs, block_outputs, features] = [size(20, 6), size(12, 5), size(50, 9)];
    for &(height, width, channels, kernel, stride) in cases(&stems, 1) {
        let image = Shape { height, width, channels };
        let stem = rng.convolution((channels, stem_outputs), (kernel, stride, false), Activation::Silu);
        let stem = with_same_padding(stem, image);
        let shape = stem.output_shape(image).unwrap();
        let block = block(&mut rng, shape, (1, block_outputs, 3, 1), channels == 3, Activation::Silu);
        let convolution = rng.convolution((block_outputs, features), (1, 1, false), Activation::Relu6);
        let classifier = rng.convolution((features, 7), (1, 1, false), Activation::None);
        for classifier in [None, Some(classifier)] {
            let head = Head { convolution: convolution.clone(), classifier };
            let steps = [Step::Stem(stem.clone()), Step::Block(block.clone()), Step::Head(head)];
            check(&steps, image, &mut rng, &format!("{image}, kernel {kernel}, stride {stride}"));
        }
    }
}

#[test]
fn oversized_shapes_are_refused_before_allocation() {
    let mut rng = Rng(3);
    let image = |height, width| Shape { height, width, channels: 1 };
    let cases =
        [(image(1 << 62, 4), 1 << 61), (image(1 << 40, 1 << 40), 2), (image(usize::MAX, 3), 1), (image(9, 9), 65)];
    for (image, stride) in cases {
        let stem = rng.convolution((1, 8), (3, stride, false), Activation::None);
        let depthwise = rng.convolution((8, 8), (3, 1, true), Activation::None);
        let project = rng.convolution((8, 8), (1, 1, false), Activation::None);
        let block = Step::Block(Block { expand: None, depthwise, gate: None, project, residual: false });
        let program = Program::new(&[Step::Stem(stem), block], image, settings(Kernels::best(), 1, Layout::Nchw));
        assert!(program.is_err(), "{image}, stride {stride}");
    }
}
