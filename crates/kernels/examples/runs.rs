//! Runs B0 or Lite0 with seeded weights, for tools that count instructions: `runs b0|lite0 SIDE TIMES [THREADS [NEAR_KIB FAR_KIB]]`.

use phicam_kernels::layers::Order;
use phicam_kernels::{Kernels, Machine, Program, Settings};

#[path = "../tests/common/mod.rs"]
mod common;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, default| arguments.get(place).and_then(|text| text.parse().ok()).unwrap_or(default);
    let lite = arguments.first().is_some_and(|network| network == "lite0");
    let (steps, picture) = common::efficientnet(number(1, 224), lite, 1, 1000);
    let (kernels, order) = (Kernels::best(), Order::Planar);
    let caches = Machine::default();
    let bytes = |place, default| number(place, default >> 10) << 10;
    let machine = Machine { near_bytes: bytes(4, caches.near_bytes), far_bytes: bytes(5, caches.far_bytes), ..caches };
    let settings = Settings { kernels, threads: number(3, 1), machine, input_order: order, output_order: order };
    let program = Program::new(&steps, picture, settings).expect("a network of the family");
    let mut state = program.state();
    let input = common::Seeded(5).values(picture.values(), 1.0);
    let mut output = vec![0.0; program.output().values()];
    for _ in 0..number(2, 1) {
        program.run(&mut state, &input, &mut output);
    }
    println!("{:?} {:?}", kernels, &output[..3]);
}
