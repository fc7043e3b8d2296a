//! Rules that a machine can check: where `unsafe` may be, how long files are, and that every documented command exists.

mod common;

use std::path::{Path, PathBuf};

use common::root;

/// Source folders of the workspace.
const SOURCES: [&str; 5] = ["src", "crates", "tests", "fuzz", "tools"];
/// Lines of the longest file.
const MAX_LINES: usize = 500;

/// Returns the files below `folder` with this extension, without build folders.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<PathBuf> {
    SOURCES.into_iter().flat_map(|folder| files(folder, "rs")).collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files that call the operating system or a C library. Elsewhere the compiler rejects `unsafe`, except in the crate of
/// kernels.
const MAY_BE_UNSAFE: &[&str] = &[
    "crates/camera/src/v4l2/ioctl.rs",
    "crates/camera/src/v4l2/ioctl/buffers.rs",
    "crates/camera/src/v4l2/ioctl/control.rs",
    "crates/display/src/mmap.rs",
    "crates/display/src/vt.rs",
    "crates/engine-onnxruntime/src/pinned_input.rs",
    "crates/engine-onnxruntime/src/version.rs",
    "crates/kernels/",
    "tests/repo_lints.rs",
    "tools/",
];

#[test]
fn unsafe_code_stays_in_the_listed_files() {
    for path in sources() {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let allows = read(&path).contains("allow(unsafe_code)");
        assert!(!allows || MAY_BE_UNSAFE.iter().any(|listed| name.starts_with(listed)), "{name} allows unsafe code");
    }
}

#[test]
fn files_are_short() {
    for path in sources() {
        let lines = read(&path).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines, split it", path.display());
    }
}

#[test]
fn files_begin_with_their_purpose() {
    for path in sources().into_iter().filter(|path| !path.ends_with("tests.rs")) {
        assert!(read(&path).starts_with("//! "), "{} does not say what it is for", path.display());
    }
}

/// Characters of the longest test name.
const MAX_TEST_NAME: usize = 60;

#[test]
fn test_names_are_short() {
    for path in sources() {
        let text = read(&path);
        for after in text.split("#[test]").skip(1) {
            let Some((_, name)) = after.split_once("fn ") else { continue };
            let name = name.split('(').next().unwrap_or_default();
            assert!(name.len() <= MAX_TEST_NAME, "{}: {name} has {} characters", path.display(), name.len());
        }
    }
}

/// Openings of a doc line that say nothing by themselves: rustdoc shows each item alone.
const EMPTY_OPENINGS: [&str; 4] = ["The same", "As there", "As above", "See the module"];

#[test]
fn doc_lines_stand_alone() {
    for path in sources().into_iter().filter(|path| !path.ends_with("repo_lints.rs")) {
        for line in read(&path).lines() {
            let doc = line.trim_start().strip_prefix("///").or(line.strip_prefix("//!")).unwrap_or_default().trim();
            let opening = EMPTY_OPENINGS.into_iter().find(|opening| doc.starts_with(opening));
            assert!(opening.is_none(), "{}: {line}", path.display());
        }
    }
}

#[test]
fn every_board_file_is_built_in() {
    for path in files("board", "toml").into_iter().filter(|path| path.parent() == Some(&root().join("board"))) {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_there = phicam::board::Board::names().any(|known| known == name);
        assert!(is_there, "board/{name}.toml is not in the program: `touch build.rs` and build again");
    }
}

/// Returns the documents that users and developers read.
fn documents() -> Vec<PathBuf> {
    let top = ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root().join(name));
    let docs = files("docs", "md").into_iter().filter(|path| !path.starts_with(root().join("docs/results")));
    let crates = files("crates", "md");
    let board = files("board", "md");
    top.into_iter().filter(|path| path.exists()).chain(docs).chain(crates).chain(board).collect()
}

/// Returns the command lines in a document's `sh` blocks.
fn commands(document: &Path) -> Vec<String> {
    let text = read(document);
    let blocks = text.split("```").skip(1).step_by(2);
    let lines = blocks.filter(|block| block.starts_with("sh\n")).flat_map(str::lines);
    lines.map(|line| line.split(" # ").next().unwrap_or_default().trim().to_string()).collect()
}

#[test]
fn documented_commands_parse() {
    let mut count = 0;
    for document in documents() {
        for line in commands(&document) {
            let line = line.replace("cargo run --release -- ", "phicam ");
            if !line.starts_with("phicam ") {
                continue;
            }
            let line = line.split([';', '|', '>']).next().unwrap_or_default();
            let words: Vec<_> = line.split_whitespace().map(|word| word.trim_matches('\'').into()).collect();
            let parsed = phicam::cli::Cli::from_arguments(&words);
            assert!(parsed.is_ok(), "{}: {line}: {}", document.display(), parsed.unwrap_err());
            count += 1;
        }
    }
    assert!(count >= 30, "the documents show only {count} commands");
}

#[test]
fn readme_has_the_two_commands() {
    let commands = commands(&root().join("README.md"));
    for needed in ["cargo run --release", "cargo test --release"] {
        assert!(commands.iter().any(|line| line == needed), "the README lacks {needed}");
    }
}

#[test]
fn documented_recipes_are_in_the_justfile() {
    let justfile = read(&root().join("Justfile"));
    for document in documents() {
        for line in commands(&document).iter().filter_map(|line| line.strip_prefix("just ")) {
            let recipe = line.split_whitespace().next().unwrap_or_default();
            let is_there = justfile.lines().any(|line| line.split([' ', ':']).next() == Some(recipe));
            assert!(is_there, "{} names `just {recipe}`", document.display());
        }
    }
}
