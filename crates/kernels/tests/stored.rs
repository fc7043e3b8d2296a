//! A program that was written is read again as it was; what is damaged is refused, or no worse than other weights.

use phicam_kernels::layers::{Order, Shape};
use phicam_kernels::{Kernels, Machine, Program, Settings, StoredError};

mod common;
use common::{Seeded, efficientnet};

const ORDER: Order = Order::Planar;

fn settings(kernels: &'static Kernels) -> Settings {
    Settings { kernels, threads: 1, machine: Machine::default(), input_order: ORDER, output_order: ORDER }
}

fn made(lite: bool, kernels: &'static Kernels) -> (Program, Shape) {
    // Miri is ten thousand times slower.
    let (side, divide) = if cfg!(miri) { (9, 16) } else { (33, 8) };
    let (steps, picture) = efficientnet(side, lite, divide, 10);
    (Program::new(&steps, picture, settings(kernels)).unwrap(), picture)
}

fn written(program: &Program) -> Vec<u8> {
    let mut bytes = Vec::new();
    program.write(&mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8], picture: Shape, kernels: &'static Kernels) -> Result<Program, StoredError> {
    let mut rest = bytes;
    let program = Program::read(&mut rest, bytes.len() as u64, picture, settings(kernels))?;
    assert!(rest.is_empty(), "{} bytes are left", rest.len());
    Ok(program)
}

fn scores(program: &Program) -> Vec<f32> {
    let input = Seeded(3).values(program.input().values(), 1.0);
    let mut output = vec![f32::NAN; program.output().values()];
    program.run(&mut program.state(), &input, &mut output);
    output
}

#[test]
fn a_program_that_is_read_again_gives_the_same_scores_bit_for_bit() {
    for kernels in Kernels::all() {
        for lite in [true, false] {
            let (program, picture) = made(lite, kernels);
            let bytes = written(&program);
            let again = read(&bytes, picture, kernels).unwrap();
            assert_eq!(scores(&again), scores(&program), "{kernels:?}");
            assert_eq!(written(&again), bytes, "{kernels:?}");
        }
    }
}

#[test]
fn a_program_for_another_picture_is_refused() {
    let (program, picture) = made(true, Kernels::best());
    let bytes = written(&program);
    let other = Shape { width: picture.width + 1, ..picture };
    assert!(matches!(read(&bytes, other, Kernels::best()), Err(StoredError::Wrong(_))));
}

#[test]
fn a_program_that_ends_early_is_refused_wherever_it_ends() {
    let kernels = Kernels::best();
    let (program, picture) = made(true, kernels);
    let bytes = written(&program);
    let ends = (0..bytes.len()).step_by(if cfg!(miri) { 20_001 } else { 101 });
    for end in ends {
        let mut rest = &bytes[..end];
        let read = Program::read(&mut rest, bytes.len() as u64, picture, settings(kernels));
        assert!(matches!(read, Err(StoredError::Io(_))), "{end} of {} bytes", bytes.len());
    }
}

#[test]
fn numbers_beyond_measure_are_refused_before_memory_is_spent() {
    let kernels = Kernels::best();
    let (program, picture) = made(false, kernels);
    let bytes = written(&program);
    // The first numbers are the picture, the count of steps, and the stem.
    for place in (0..200).step_by(if cfg!(miri) { 40 } else { 1 }) {
        for number in [0, 1 << 16, 1 << 20, u32::MAX] {
            let mut damaged = bytes.clone();
            damaged[place * 4..][..4].copy_from_slice(&u32::to_le_bytes(number));
            let refused = match read(&damaged, picture, kernels) {
                Ok(_) => damaged == bytes || number == 0, // a zero less around a picture, another activation, no residual
                Err(_) => true,
            };
            assert!(refused, "number {place} as {number}");
        }
    }
}

#[test]
fn damage_anywhere_is_refused_or_gives_a_program_that_runs() {
    let mut seeded = Seeded(0x5eed_1234_abcd_0001);
    for kernels in Kernels::all() {
        let (program, picture) = made(false, kernels);
        let bytes = written(&program);
        for case in 0..if cfg!(miri) { 2 } else { 400 } {
            let mut damaged = bytes.clone();
            // Mostly where the steps are: of weights any will do.
            let within = if case % 4 == 0 { damaged.len() } else { 1400 };
            for _ in 0..seeded.number(1, 3) {
                let place = seeded.number(0, within - 1);
                damaged[place] ^= 1 << seeded.number(0, 7);
            }
            let mut rest = &damaged[..];
            if let Ok(program) = Program::read(&mut rest, damaged.len() as u64, picture, settings(kernels)) {
                scores(&program);
            }
        }
    }
}
