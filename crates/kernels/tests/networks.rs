//! Every instruction set of this CPU gives what the definition of a convolution gives.

use phicam_kernels::layers::{Block, Head, Order, Shape, Step};
use phicam_kernels::{Activation, Kernels, Machine, Program, Settings};

mod common;
use common::{Seeded, Values, block, difference, efficientnet, expected, same};

/// Of the largest value: half the digits of f32, and what the quick activation loses.
const TOLERANCE: f32 = 1e-4;

fn settings(kernels: &'static Kernels, threads: usize, order: Order) -> Settings {
    let machine = Machine::default();
    Settings { kernels, threads, machine, input_order: order, output_order: Order::Planar }
}

fn run(steps: &[Step], picture: Shape, input: &[f32], settings: Settings) -> Vec<f32> {
    let program = Program::new(steps, picture, settings).unwrap();
    let mut output = vec![f32::NAN; program.output().values()];
    let mut state = program.state();
    program.run(&mut state, input, &mut output);
    let first = output.clone();
    program.run(&mut state, input, &mut output);
    assert_eq!(first, output, "the second run differs");
    output
}

/// Miri is ten thousand times slower: it gets few cases, and small ones.
fn few<T>(all: &[T], under_miri: usize) -> &[T] {
    if cfg!(miri) { &all[..under_miri] } else { all }
}

/// The largest that a number may be.
fn most(most: usize, under_miri: usize) -> usize {
    if cfg!(miri) { under_miri } else { most }
}

/// Tries all instruction sets, one thread and three, with the caches as they are and with next to none.
#[track_caller]
fn check(steps: &[Step], picture: Shape, seeded: &mut Seeded, what: &str) {
    let input = seeded.values(picture.values(), 1.0);
    for &order in few(&[Order::Planar, Order::Interleaved], 1) {
        let expected = expected(steps, &Values::of(&input, picture, order)).planar();
        for kernels in Kernels::all() {
            let settings = settings(kernels, 1, order);
            let one = run(steps, picture, &input, settings);
            let apart = difference(&one, &expected);
            assert!(apart < TOLERANCE, "{what}, {kernels:?}: {apart}");
            for &threads in few(&[2, 3], 1) {
                let more = run(steps, picture, &input, Settings { threads, ..settings });
                assert_eq!(one, more, "{what}, {kernels:?}: {threads} threads");
            }
            let caches = [(1, 1, true), (1 << 30, 1 << 30, true), (1 << 15, 1 << 30, false)];
            for &(near_bytes, far_bytes, depth_first) in few(&caches, 1) {
                let machine = Machine { near_bytes, far_bytes, depth_first };
                let other = run(steps, picture, &input, Settings { machine, threads: 2, ..settings });
                assert_eq!(one, other, "{what}, {kernels:?}: {machine:?}");
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn small_networks_of_the_family_give_what_their_definition_gives() {
    for (side, lite) in [(64, false), (64, true), (75, false), (33, true)] {
        let (steps, picture) = efficientnet(side, lite, 4, 10);
        check(&steps, picture, &mut Seeded(7), &format!("side {side}, lite {lite}"));
    }
}

#[test]
fn blocks_of_any_shape_give_what_their_definition_gives() {
    let mut seeded = Seeded(0xfeed_beef_1234_5671);
    for case in 0..most(60, 6) {
        let (large, wide) = (most(23, 4), most(70, 9));
        let channels = seeded.number(1, most(30, 6));
        let shape = Shape { height: seeded.number(1, large), width: seeded.number(1, large), channels };
        let expansion = [1, 2, 6][seeded.number(0, 2)];
        let outputs = if seeded.number(0, 1) == 0 { channels } else { seeded.number(1, wide) };
        let (kernel, stride) = ([3, 5][seeded.number(0, 1)], seeded.number(1, 2));
        let activation = [Activation::Relu6, Activation::Silu, Activation::None][seeded.number(0, 2)];
        let gate = seeded.number(0, 1) == 0;
        let made = block(&mut seeded, shape, (expansion, outputs, kernel, stride), gate, activation);
        let what = format!("case {case}: {shape:?} × {expansion} → {outputs}, {kernel} wide by {stride}, gate {gate}");
        check(&[Step::Block(made)], shape, &mut seeded, &what);
    }
}

#[test]
fn stems_and_heads_give_what_their_definition_gives() {
    let mut seeded = Seeded(99);
    let all = [(9, 8, 1, 5, 2), (20, 31, 3, 3, 2), (12, 12, 4, 3, 1), (30, 17, 3, 7, 4)];
    let [filters, narrow, features] = [most(20, 6), most(12, 5), most(50, 9)];
    for &(height, width, channels, kernel, stride) in few(&all, 1) {
        let picture = Shape { height, width, channels };
        let stem = same(seeded.convolution((channels, filters), (kernel, stride, false), Activation::Silu), picture);
        let shape = stem.output(picture).unwrap();
        let first = block(&mut seeded, shape, (1, narrow, 3, 1), channels == 3, Activation::Silu);
        let convolution = seeded.convolution((narrow, features), (1, 1, false), Activation::Relu6);
        let classifier = seeded.convolution((features, 7), (1, 1, false), Activation::None);
        for classifier in [None, Some(classifier)] {
            let head = Head { convolution: convolution.clone(), classifier };
            let steps = [Step::Stem(stem.clone()), Step::Block(first.clone()), Step::Head(head)];
            check(&steps, picture, &mut seeded, &format!("{picture:?}, {kernel} wide by {stride}"));
        }
    }
}

#[test]
fn shapes_beyond_all_pictures_are_refused_before_anything_is_asked_for() {
    let mut seeded = Seeded(3);
    let stem = |seeded: &mut Seeded, stride| seeded.convolution((1, 8), (3, stride, false), Activation::None);
    let wide = |height, width| Shape { height, width, channels: 1 };
    for (picture, stride) in
        [(wide(1 << 62, 4), 1 << 61), (wide(1 << 40, 1 << 40), 2), (wide(usize::MAX, 3), 1), (wide(9, 9), 65)]
    {
        let stem = stem(&mut seeded, stride);
        let depthwise = seeded.convolution((8, 8), (3, 1, true), Activation::None);
        let project = seeded.convolution((8, 8), (1, 1, false), Activation::None);
        let block = Step::Block(Block { expand: None, depthwise, gate: None, project, residual: false });
        let program = Program::new(&[Step::Stem(stem), block], picture, settings(Kernels::best(), 1, Order::Planar));
        assert!(program.is_err(), "{picture:?} by {stride}");
    }
}
