//! Lists `board/*.toml`, so that a new board is one new file and nothing else, and with the feature `embed-models` the
//! files of the shipped models.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=board");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let mut boards = String::from("&[\n");
    for path in files(&root.join("board"), &["toml"]) {
        let name = path.file_stem().expect("it ends in .toml").to_string_lossy();
        writeln!(boards, "    ({name:?}, include_str!({})),", below(&root, &path)).expect("into a string");
    }
    boards.push(']');
    fs::write(out.join("boards.rs"), boards).expect("cargo's own folder can be written");

    let mut models = String::from("&[\n");
    if env::var_os("CARGO_FEATURE_EMBED_MODELS").is_some() {
        let folder = root.join("models");
        println!("cargo::rerun-if-changed=models");
        for path in files(&folder, &["toml"]).into_iter().chain(files(&folder.join("imagenet"), &["onnx", "txt"])) {
            let name = path.strip_prefix(&folder).expect("it is below that folder").display().to_string();
            writeln!(models, "    ({name:?}, include_bytes!({})),", below(&root, &path)).expect("into a string");
        }
    }
    models.push(']');
    fs::write(out.join("models.rs"), models).expect("cargo's own folder can be written");
}

/// Where a file is, for the compiler: by the source tree's own place, which a build folder can outlive.
fn below(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).expect("it is in the source tree").display().to_string();
    format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?})", format!("/{inside}"))
}

/// Files of `folder` with one of these endings, by name.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is part of the source")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known)))
        .collect();
    files.sort();
    files
}
