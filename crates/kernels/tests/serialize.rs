//! A serialised program is read back bit for bit; damaged bytes are refused, or give a program that runs.

use phicam_kernels::layers::{Layout, Shape};
use phicam_kernels::{DeserializeError, Kernels, Program, Settings, TilingSettings};

mod common;
use common::{Rng, efficientnet};

fn settings(kernels: &'static Kernels) -> Settings {
    let tiling = TilingSettings::default();
    Settings { kernels, threads: 1, tiling, input_layout: Layout::Nchw, output_layout: Layout::Nchw }
}

fn new_program(lite: bool, kernels: &'static Kernels) -> (Program, Shape) {
    // Miri is ten thousand times slower.
    let (side, divisor) = if cfg!(miri) { (9, 16) } else { (33, 8) };
    let (steps, image) = efficientnet(side, lite, divisor, 10);
    (Program::new(&steps, image, settings(kernels)).unwrap(), image)
}

fn write(program: &Program) -> Vec<u8> {
    let mut bytes = Vec::new();
    program.write(&mut bytes).unwrap();
    bytes
}

fn read(bytes: &[u8], image: Shape, kernels: &'static Kernels) -> Result<Program, DeserializeError> {
    let mut rest = bytes;
    let program = Program::read(&mut rest, bytes.len() as u64, image, settings(kernels))?;
    assert!(rest.is_empty(), "{} bytes are left", rest.len());
    Ok(program)
}

fn scores(program: &Program) -> Vec<f32> {
    let input = Rng(3).values(program.input_shape().values(), 1.0);
    let mut output = vec![f32::NAN; program.output_shape().values()];
    program.run(&mut program.new_state(), &input, &mut output);
    output
}

#[test]
fn serialised_program_gives_identical_scores() {
    for kernels in Kernels::available() {
        for lite in [true, false] {
            let (program, image) = new_program(lite, kernels);
            let bytes = write(&program);
            let copy = read(&bytes, image, kernels).unwrap();
            assert_eq!(scores(&copy), scores(&program), "{kernels:?}");
            assert_eq!(write(&copy), bytes, "{kernels:?}");
        }
    }
}

#[test]
fn program_for_another_image_size_is_refused() {
    let (program, image) = new_program(true, Kernels::best());
    let bytes = write(&program);
    let wider = Shape { width: image.width + 1, ..image };
    assert!(matches!(read(&bytes, wider, Kernels::best()), Err(DeserializeError::Invalid(_))));
}

#[test]
fn truncated_program_is_refused() {
    let kernels = Kernels::best();
    let (program, image) = new_program(true, kernels);
    let bytes = write(&program);
    let lengths = (0..bytes.len()).step_by(if cfg!(miri) { 20_001 } else { 101 });
    for length in lengths {
        let mut rest = &bytes[..length];
        let result = Program::read(&mut rest, bytes.len() as u64, image, settings(kernels));
        assert!(matches!(result, Err(DeserializeError::Io(_))), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn oversized_numbers_are_refused_before_allocation() {
    let kernels = Kernels::best();
    let (program, image) = new_program(false, kernels);
    let bytes = write(&program);
    // The first numbers are the image, the number of steps, and the stem.
    for index in (0..200).step_by(if cfg!(miri) { 40 } else { 1 }) {
        for number in [0, 1 << 16, 1 << 20, u32::MAX] {
            let mut damaged = bytes.clone();
            damaged[index * 4..][..4].copy_from_slice(&u32::to_le_bytes(number));
            let is_expected = match read(&damaged, image, kernels) {
                Ok(_) => damaged == bytes || number == 0, // 0 is also less padding, an activation, or no residual
                Err(_) => true,
            };
            assert!(is_expected, "number {index} as {number}");
        }
    }
}

#[test]
fn damaged_program_is_refused_or_runs() {
    let mut rng = Rng(0x5eed_1234_abcd_0001);
    for kernels in Kernels::available() {
        let (program, image) = new_program(false, kernels);
        let bytes = write(&program);
        for case in 0..if cfg!(miri) { 2 } else { 400 } {
            let mut damaged = bytes.clone();
            // Three of four cases damage the steps: any weights are valid.
            let end = if case % 4 == 0 { damaged.len() } else { 1400 };
            for _ in 0..rng.integer(1, 3) {
                let index = rng.integer(0, end - 1);
                damaged[index] ^= 1 << rng.integer(0, 7);
            }
            let mut rest = &damaged[..];
            if let Ok(program) = Program::read(&mut rest, damaged.len() as u64, image, settings(kernels)) {
                scores(&program);
            }
        }
    }
}
