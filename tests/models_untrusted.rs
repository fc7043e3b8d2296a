//! Faults while adding models: names, files, concurrent processes, damage. Existing user models stay intact.

mod common;

use std::path::Path;

use common::program::{Ended, Program};
use common::user_models::{added, files};
use common::{root, sample};

#[test]
fn clashing_or_misleading_names_are_refused() {
    let program = Program::new();
    let shipped = root().join("models/imagenet/lite0.onnx");
    let add = |name: &str| {
        program.run(&format!("models add {} --input lite --labels imagenet --name {name}", shipped.display()))
    };
    add("lite0").with(1).saying(&["`lite0` is a shipped network"]);
    add("../escape").with(1).saying(&["is not a valid name"]);
    add(".hidden").with(1).saying(&["is not a valid name"]);
    add("birds.onnx").with(1).saying(&["without the extension of a file"]);
    program.run("models add missing.pth").with(1).saying(&["cannot read missing.pth"]);
    program.write("empty.pth", b"");
    program.run("models add empty.pth").with(1).saying(&["is empty"]);
    program.write("text.pth", b"these are no weights at all");
    program.run("models add text.pth").with(1).saying(&["text.pth"]);
    let photograph = sample("dog.jpg");
    program.run(&format!("models add {}", photograph.display())).with(1).saying(&["dog.jpg"]);
    assert!(!Path::new(&program.path("state/user-models/catalog.toml")).exists());
}

#[test]
fn damaged_user_models_spare_shipped_models() {
    let program = Program::new();
    program.take("dog.jpg", "dog.jpg");
    program.write("state/user-models/catalog.toml", "[network.x]\nfile = 3\n");
    program.run("classify dog.jpg --model lite0@96").with(0).saying(&["user models are left out"]);
    program.run("models list").with(1).saying(&["catalog.toml"]);
}

#[test]
fn failed_replacement_leaves_the_old_model() {
    let program = Program::new();
    let small = root().join("tests/inspect/classic.onnx");
    program.write("labels.txt", "a\nb\nc\nd\ne\n");
    let add = format!("models add {} --name two --input unit --labels labels.txt", small.display());
    program.run(&add).with(0);
    let before = (files(&program), std::fs::read(program.path("state/user-models/catalog.toml")).unwrap());
    program.run(&format!("{add} --replace --side 40 --side 48")).with(1).saying(&["fixed to 40 pixels"]);
    program.write("state/user-models/.two.new.onnx.99.new", b"left behind when a process was ended");
    let mut broken = std::fs::read(&small).unwrap();
    let at = broken.windows(7).position(|window| window == b"MaxPool").unwrap();
    broken[at..at + 7].copy_from_slice(b"MaxFool");
    program.write("broken.onnx", broken);
    program.run("models add broken.onnx --name two --replace --input unit --labels labels.txt").with(1);
    program.run("models verify").with(0);
    program.run("models remove nothing").with(1);
    assert_eq!(before, (files(&program), std::fs::read(program.path("state/user-models/catalog.toml")).unwrap()));
}

#[test]
fn concurrent_adds_do_not_mix_files() {
    let program = Program::new();
    program.write("labels.txt", "a\nb\nc\nd\ne\n");
    let small = root().join("tests/inspect/classic.onnx").display().to_string();
    let words = |name: &str| format!("models add {small} --name {name} --input unit --labels labels.txt");
    let start = |name: &str| program.command(words(name).split_whitespace()).spawn().unwrap();
    let children: Vec<_> = ["one", "two", "three", "one"].map(start).into();
    let ended = children.into_iter().map(|child| Ended::from(child.wait_with_output().unwrap())).collect::<Vec<_>>();
    let added_count = ended.iter().filter(|ended| ended.code == Some(0)).count();
    assert_eq!(added_count, 3, "the second `one` is told that it is there: {ended:?}");
    assert_eq!(added(&program).len(), 3);
    program.run("models verify").with(0);
}

#[test]
fn fifos_and_devices_are_refused_at_once() {
    let program = Program::new();
    let pipe = program.path("pipe.onnx");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    program.run("models add pipe.onnx").with(1).saying(&["not a regular file"]);
    program.run("bench --model pipe.onnx").with(1).saying(&["not a regular file"]);
    program.run("scale -8 --onnx pipe.onnx").with(1).saying(&["not a regular file"]);
    let shipped = root().join("models/imagenet/lite0.onnx");
    program
        .run(&format!("models add {} --name x --input lite --labels /dev/zero", shipped.display()))
        .with(1)
        .saying(&["not a regular file"]);
    program.run("models add /dev").with(1).saying(&["not a regular file"]);
}
