//! Explanations of picks and errors of the command line, so that they change only on purpose.
//!
//! Accept a change with `INSTA_UPDATE=always cargo test --release --test message_snapshots`, and review the diff.

mod common;

use common::program::Program;
use phicam_policy::budget::Budget;
use phicam_policy::picker::explain;
use phicam_test_fixtures::{ms, picked};

#[test]
fn explanations_of_picks() {
    let budgets = [
        ms(20.0),
        ms(39.0),
        ms(121.0),
        Budget { memory_mib: Some(100.0), ..ms(500.0) },
        Budget { million_macs: Some(800.0), ..ms(500.0) },
        ms(3.0),
        Budget { memory_mib: Some(20.0), ..Budget::default() },
    ];
    let explained = |budget: Budget| picked(budget).map_or_else(|error| error.to_string(), |pick| explain(&pick));
    insta::assert_snapshot!(budgets.map(explained).join("\n"));
}

#[test]
fn errors_of_the_command_line() {
    let program = Program::new();
    let stderr = |arguments: &str| format!("$ phicam {arguments}\n{}", program.run(arguments).with(2).stderr);
    let lines = [
        "run --camera foo:",
        "run --camera pattern:640x480@fast",
        "run --camera csi:front",
        "run --display pgn:x",
        "run --display png:x.png@320",
        "run --flops fast",
        "run --fps 15 --frame-ms 66",
        "run --view left",
        "run --min-confidence 2",
        "run --engine tensort",
        "run --engine gpu",
        "run --precision bf16",
        "run --cpu-percent 0",
        "run --unsure-below 50",
        "run --memory 10",
        "run --fps -1",
        "run --display png:out.png@big",
        "run --display window",
        "run --camera /dev/media0",
        "scale 99",
        "clasify x.jpg",
    ];
    insta::assert_snapshot!(lines.map(stderr).join("\n"));
}

#[test]
fn errors_of_models() {
    let program = Program::new();
    program.write("text.onnx", "no model");
    let stderr =
        |(arguments, code): (&str, i32)| format!("$ phicam {arguments}\n{}", program.run(arguments).with(code).stderr);
    let lines = [
        ("run --model lite9", 1),
        ("run --model EfficientNet-B0", 1),
        ("run --precision fp16 --model lite0@96", 1),
        ("run --model some.onnx", 1),
        ("bench --model lite0@96 --side 96", 1),
        ("models add gone.safetensors", 1),
        ("models add text.onnx --input unit --labels imagenet", 1),
        ("models remove nothing", 1),
        ("scale 0.5 --onnx /proc/nowhere.onnx", 1),
    ];
    insta::assert_snapshot!(lines.map(stderr).join("\n"));
}
