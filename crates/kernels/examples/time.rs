//! Times B0 and Lite0 with random weights: `time [SIDE [SECONDS [KERNELS]]]`.
//!
//! Prints a line for each network, instruction set, thread count and fusion.

use std::time::{Duration, Instant};

use phicam_kernels::layers::Layout;
use phicam_kernels::{Kernels, Program, Settings, TilingSettings};

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |index: usize, default: u64| arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (side, seconds) = (number(0, 224) as usize, number(1, 2));
    let name = arguments.get(2);
    for lite in [true, false] {
        let (steps, image) = common::efficientnet(side, lite, 1, 1000);
        let input = common::Rng(5).values(image.values(), 1.0);
        for kernels in Kernels::available().filter(|kernels| name.is_none_or(|name| name == kernels.name)) {
            for (threads, depth_first) in [(1, true), (1, false), (2, true), (2, false)] {
                let tiling = TilingSettings { depth_first, ..TilingSettings::default() };
                let (input_layout, output_layout) = (Layout::Nchw, Layout::Nchw);
                let settings = Settings { kernels, threads, tiling, input_layout, output_layout };
                let start = Instant::now();
                let program = Program::new(&steps, image, settings).expect("the kernels support EfficientNet");
                let mut state = program.new_state();
                let mut output = vec![0.0; program.output_shape().values()];
                let packing_ms = start.elapsed().as_secs_f64() * 1e3;
                let mut times_ms = Vec::new();
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_secs(seconds) || times_ms.len() < 5 {
                    let start = Instant::now();
                    program.run(&mut state, &input, &mut output);
                    times_ms.push(start.elapsed().as_secs_f64() * 1e3);
                }
                times_ms.sort_by(f64::total_cmp);
                let median_ms = times_ms[times_ms.len() / 2];
                let min_ms = times_ms[0];
                println!(
                    "{}@{side} {:8} threads {threads} depth first {depth_first:5}: median {median_ms:.2} ms, \
                     min {min_ms:.2} ms, packed in {packing_ms:.1} ms",
                    if lite { "lite0" } else { "b0" },
                    kernels.name,
                );
            }
        }
    }
}
