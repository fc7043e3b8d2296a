//! The house rules that a machine can check: imports flow one way, files are short and say what they are for, and the
//! README's commands exist.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Parser;
use common::root;

/// Files below `folder` that end in `ending`.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What follows `crate::` in the part of a file that is not for tests: modules, also those in braces.
fn used_modules(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut used = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        let list = match after.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap_or_default(),
            None => after.split([';', ',', '(', ' ', '>']).next().unwrap_or_default(),
        };
        for path in list.split(',') {
            let name: String = path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            used.insert(name);
        }
    }
    used
}

/// Which modules each module uses, as the code has it.
fn used() -> BTreeMap<String, BTreeSet<String>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let source = root().join("src");
    for path in files("src", ".rs") {
        let inside = path.strip_prefix(&source).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_string();
        if ["lib", "main"].contains(&module.as_str()) || path.ends_with("tests.rs") {
            continue;
        }
        used.entry(module).or_default().extend(used_modules(&read(&path)));
    }
    for (module, uses) in &mut used {
        uses.remove(module);
        uses.remove("");
    }
    used
}

/// The table in ARCHITECTURE.md: lines of `| module | uses |`.
fn stated() -> BTreeMap<String, BTreeSet<String>> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let table = text.split("| module | uses |").nth(1).expect("ARCHITECTURE.md has a table of who may use whom");
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let uses = cells[1].split_whitespace().map(String::from).filter(|name| name != "–").collect();
        (cells[0].to_string(), uses)
    };
    lines.map(row).collect()
}

#[test]
fn modules_use_what_the_architecture_says_and_nothing_else() {
    let (used, stated) = (used(), stated());
    for (module, uses) in &used {
        let names: Vec<&str> = uses.iter().map(String::as_str).collect();
        let names = if names.is_empty() { "–".into() } else { names.join(" ") };
        assert_eq!(stated.get(module), Some(uses), "ARCHITECTURE.md should say: | {module} | {names} |");
    }
    assert_eq!(used.len(), stated.len(), "ARCHITECTURE.md names a module that is not there");
}

#[test]
fn imports_flow_one_way() {
    let mut left = used();
    while !left.is_empty() {
        let settled: Vec<String> = left
            .iter()
            .filter(|(_, uses)| uses.iter().all(|name| !left.contains_key(name)))
            .map(|(module, _)| module.clone())
            .collect();
        assert!(!settled.is_empty(), "these use each other in a circle: {left:?}");
        settled.iter().for_each(|module| drop(left.remove(module)));
    }
}

/// Where the kernel, or a library of functions in C, is spoken to. Elsewhere the compiler refuses `unsafe`.
const MAY_BE_UNSAFE: &[&str] = &[
    "src/camera/v4l2/ioctl.rs",
    "src/camera/v4l2/ioctl/buffers.rs",
    "src/camera/v4l2/ioctl/control.rs",
    "src/display/memory.rs",
    "src/display/vt.rs",
    "src/engine/onnxruntime/picture.rs",
    "src/engine/onnxruntime/version.rs",
];

#[test]
fn unsafe_is_where_the_kernel_is_spoken_to_and_nowhere_else() {
    for path in files("src", ".rs") {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let allows = read(&path).contains("allow(unsafe_code)");
        assert!(!allows || MAY_BE_UNSAFE.contains(&name.as_str()), "{name} allows unsafe code");
    }
}

#[test]
fn every_file_is_short_and_says_what_it_is_for() {
    for path in ["src", "tests", "kernels", "examples", "benches"].into_iter().flat_map(|folder| files(folder, ".rs")) {
        let text = read(&path);
        let lines = text.lines().count();
        assert!(lines <= 300, "{} has {lines} lines, split it", path.display());
        if !path.ends_with("tests.rs") {
            assert!(text.starts_with("//! "), "{} does not say what it is for", path.display());
        }
    }
}

/// Lines of the README's code blocks that run the program.
fn readme_commands() -> Vec<String> {
    let text = read(&root().join("README.md"));
    let blocks = text.split("```").skip(1).step_by(2);
    let lines = blocks.filter(|block| block.starts_with("sh\n")).flat_map(str::lines);
    lines.map(|line| line.split(" # ").next().unwrap_or_default().trim().to_string()).collect()
}

#[test]
fn every_command_in_the_readme_is_understood() {
    let commands = readme_commands();
    let of_program = |line: &&String| line.starts_with("phicam ") || line.starts_with("cargo run --release -- ");
    let mut count = 0;
    for line in commands.iter().filter(of_program) {
        let line = line.replace("cargo run --release -- ", "phicam ");
        let line = line.split([';', '|', '>']).next().unwrap_or_default();
        let words = line.split_whitespace().map(|word| word.trim_matches('\''));
        let parsed = phicam::cli::Cli::try_parse_from(words);
        assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        count += 1;
    }
    assert!(count >= 10, "the README shows only {count} commands");
    for needed in ["cargo run --release", "cargo test --release"] {
        assert!(commands.iter().any(|line| line == needed), "the README lacks {needed}");
    }
}

#[test]
fn every_recipe_that_the_readme_names_is_in_the_justfile() {
    let justfile = read(&root().join("Justfile"));
    for line in readme_commands().iter().filter_map(|line| line.strip_prefix("just ")) {
        let recipe = line.split_whitespace().next().unwrap_or_default();
        let there = justfile.lines().any(|line| line.split([' ', ':']).next() == Some(recipe));
        assert!(there, "the README names `just {recipe}`");
    }
}
