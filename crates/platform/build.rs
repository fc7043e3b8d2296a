//! With the feature `embed-models`, lists the files of the shipped models for [`bundled_models`].

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=build.rs");
    let mut models = String::from("&[\n");
    if env::var_os("CARGO_FEATURE_EMBED_MODELS").is_some() {
        let folder = root.join("models");
        println!("cargo::rerun-if-changed={}", folder.display());
        for path in files(&folder, &["toml"]).into_iter().chain(files(&folder.join("imagenet"), &["onnx", "txt"])) {
            let name = path.strip_prefix(&folder).expect("the file is below the folder").display().to_string();
            // Relative to the source tree: a build folder may be used again after the source tree moved.
            let path_expression =
                format!("concat!(env!(\"CARGO_MANIFEST_DIR\"), {:?})", format!("/../../models/{name}"));
            writeln!(models, "    ({name:?}, include_bytes!({path_expression})),").expect("writing to a string");
        }
    }
    models.push(']');
    fs::write(out.join("models.rs"), models).expect("cargo's output folder is writable");
}

/// Returns the files of `folder` with one of the extensions, sorted by name.
fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is part of the source")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extensions.iter().any(|wanted| extension == *wanted)))
        .collect();
    files.sort();
    files
}
