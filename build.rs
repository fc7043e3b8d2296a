//! Lists `board/*.toml`: a new board is one new file.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=build.rs");
    let mut paths: Vec<PathBuf> = fs::read_dir(root.join("board"))
        .expect("the folder is part of the source")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    let mut boards = String::from("&[\n");
    for path in paths {
        // Not the whole folder: a changed deploy script is no reason to build the program again. After a new board,
        // tests/repo_lints.rs asks for `touch build.rs`.
        println!("cargo::rerun-if-changed=board/{}", path.file_name().expect("it has a name").to_string_lossy());
        let name = path.file_stem().expect("it ends in .toml").to_string_lossy();
        // By the source tree's own place, which a build folder can outlive.
        let place = format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/board/{name}.toml\")");
        writeln!(boards, "    ({name:?}, include_str!({place})),").expect("into a string");
    }
    boards.push(']');
    fs::write(out.join("boards.rs"), boards).expect("cargo's own folder can be written");
}
