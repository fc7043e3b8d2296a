//! Times B0 and Lite0 with seeded weights: `time [SIDE] [SECONDS]`, one line a network, instruction set and thread count.

use std::time::{Duration, Instant};

use phicam_kernels::layers::Order;
use phicam_kernels::{Kernels, Machine, Program, Settings};

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number =
        |place: usize, default: u64| arguments.get(place).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (side, seconds) = (number(0, 224) as usize, number(1, 2));
    let only = arguments.get(2);
    for lite in [true, false] {
        let (steps, picture) = common::efficientnet(side, lite, 1, 1000);
        let input = common::Seeded(5).values(picture.values(), 1.0);
        for kernels in Kernels::all().filter(|kernels| only.is_none_or(|only| only == kernels.name)) {
            for (threads, depth_first) in [(1, true), (1, false), (2, true), (2, false)] {
                let machine = Machine { depth_first, ..Machine::default() };
                let order = Order::Planar;
                let settings = Settings { kernels, threads, machine, input_order: order, output_order: order };
                let start = Instant::now();
                let program = Program::new(&steps, picture, settings).expect("a network of the family");
                let mut state = program.state();
                let mut output = vec![0.0; program.output().values()];
                let packed_ms = start.elapsed().as_secs_f64() * 1e3;
                let mut times = Vec::new();
                let begin = Instant::now();
                while begin.elapsed() < Duration::from_secs(seconds) || times.len() < 5 {
                    let start = Instant::now();
                    program.run(&mut state, &input, &mut output);
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
                times.sort_by(f64::total_cmp);
                println!(
                    "{}@{side} {:8} threads {threads} depth first {depth_first:5}: median {:.2} ms, least {:.2} ms, packed in {packed_ms:.1} ms",
                    if lite { "lite0" } else { "b0" },
                    kernels.name,
                    times[times.len() / 2],
                    times[0],
                );
            }
        }
    }
}
