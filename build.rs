//! Lists `board/*.toml`, so that a new board is one new file and nothing else.

use std::fmt::Write;
use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=board");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let mut boards: Vec<_> = fs::read_dir(Path::new(&root).join("board"))
        .expect("the folder board is part of the source")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    boards.sort();
    let mut list = String::from("&[\n");
    for path in boards {
        let name = path.file_stem().expect("it ends in .toml").to_string_lossy();
        writeln!(list, "    ({name:?}, include_str!({:?})),", path.display().to_string()).expect("into a string");
    }
    list.push(']');
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("boards.rs"), list).expect("cargo's own folder can be written");
}
