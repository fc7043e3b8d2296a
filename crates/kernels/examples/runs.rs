//! Runs B0 or Lite0 with random weights, for tools that count instructions:
//! `runs b0|lite0 SIDE RUNS [THREADS [L1D_KIB L2_KIB]]`.

use phicam_kernels::layers::Layout;
use phicam_kernels::{Kernels, Program, Settings, TilingSettings};

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let lite = arguments.first().is_some_and(|network| network == "lite0");
    let (steps, image) = common::efficientnet(number(1, 224), lite, 1, 1000);
    let defaults = TilingSettings::default();
    let bytes = |index, default| number(index, default >> 10) << 10;
    let tiling =
        TilingSettings { l1d_bytes: bytes(4, defaults.l1d_bytes), l2_bytes: bytes(5, defaults.l2_bytes), ..defaults };
    let kernels = Kernels::best();
    let threads = number(3, 1);
    let settings = Settings { kernels, threads, tiling, input_layout: Layout::Nchw, output_layout: Layout::Nchw };
    let program = Program::new(&steps, image, settings).expect("the kernels support EfficientNet");
    let mut state = program.new_state();
    let input = common::Rng(5).values(image.values(), 1.0);
    let mut output = vec![0.0; program.output_shape().values()];
    for _ in 0..number(2, 1) {
        program.run(&mut state, &input, &mut output);
    }
    println!("{:?} {:?}", kernels, &output[..3]);
}
