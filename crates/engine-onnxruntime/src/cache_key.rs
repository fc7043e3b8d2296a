//! CacheKey of a cached TensorRT engine: model, libraries, driver, GPU and power mode, as the system's files report
//! them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::engine_cache::CacheKey;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_platform::paths::fingerprint;

/// Glob patterns, below the root, of the folders that hold TensorRT's libraries: Debian, local, JetPack and pip.
const TENSORRT_FOLDERS: [&str; 4] = [
    "usr/lib/*-linux-gnu",
    "usr/local/lib",
    "usr/lib/*-linux-gnu/nvidia",
    "usr/local/lib/python3*/dist-packages/tensorrt_libs",
];

/// Returns the key of `variant` in `config` with the library file `library`, which is not loaded; tests set `root`,
/// else `/`.
pub fn key(variant: &Variant, config: ExecutionConfig, library: &Path, root: &Path) -> CacheKey {
    let first_line = |path: &str| {
        let text = fs::read_to_string(root.join(path)).ok()?;
        Some(text.lines().next().unwrap_or_default().trim().to_string())
    };
    let driver = first_line("proc/driver/nvidia/version").or_else(|| first_line("etc/nv_tegra_release"));
    let gpu = gpu_models(root).or_else(|| board_model(root));
    CacheKey {
        model: format!("{} @ {} {}", variant.network.sha256, variant.side, config.precision),
        library: file_identity(library),
        tensorrt: tensorrt_libraries(root),
        driver: driver.unwrap_or_else(|| "unknown".into()),
        gpu: gpu.unwrap_or_else(|| "unknown".into()),
        // nvpmodel writes `pmode:0002 fmode:…` to this file.
        power: first_line("var/lib/nvpmodel/status").unwrap_or_else(|| "no power modes".into()),
    }
}

/// Returns canonical path, length and modification time of a file; the given path alone if the file is unreadable.
fn file_identity(path: &Path) -> String {
    match path.canonicalize().and_then(|path| Ok((fs::metadata(&path)?, path))) {
        Ok((metadata, path)) => format!("{} ({})", path.display(), fingerprint(&metadata)),
        Err(_) => path.display().to_string(),
    }
}

/// Returns TensorRT's libraries by canonical path, which ends in the version: `libnvinfer.so.10.3.0`.
fn tensorrt_libraries(root: &Path) -> String {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in TENSORRT_FOLDERS {
        for file in ["libnvinfer.so*", "libnvonnxparser.so*"] {
            let pattern = root.join(folder).join(file).display().to_string();
            let files = glob::glob(&pattern).into_iter().flatten().flatten();
            paths.extend(files.filter_map(|path| path.canonicalize().ok()));
        }
    }
    paths.sort();
    paths.dedup();
    let libraries: Vec<String> = paths.iter().map(|path| file_identity(path)).collect();
    if libraries.is_empty() { "unknown".into() } else { libraries.join(", ") }
}

/// Returns the models of all graphics cards, from the driver for PCs (lines `Model: …`); `None` without that driver.
fn gpu_models(root: &Path) -> Option<String> {
    let pattern = root.join("proc/driver/nvidia/gpus/*/information").display().to_string();
    let texts = glob::glob(&pattern).ok()?.flatten().filter_map(|path| fs::read_to_string(path).ok());
    let models: Vec<String> = texts
        .filter_map(|text| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_string()))
        .collect();
    (!models.is_empty()).then(|| models.join(", "))
}

/// Returns the device tree's `compatible` entries, which identify a Jetson's GPU: it is part of the board.
fn board_model(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/device-tree/compatible")).ok()?;
    Some(text.split('\0').filter(|entry| !entry.is_empty()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_engine::{EngineKind, Precision};

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn current_key(root: &Path, precision: Precision) -> CacheKey {
        let variant = phicam_test_fixtures::variant("lite0", 224, 385.0, 74.85);
        let config = ExecutionConfig { engine: EngineKind::TensorRt, precision, threads: 1 };
        key(&variant, config, &root.join("lib.so"), root)
    }

    #[test]
    fn every_dependency_of_an_engine_changes_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut keys = vec![current_key(root, Precision::F32), current_key(root, Precision::F16)];
        for (path, text) in [
            ("lib.so", "a library"),
            ("proc/device-tree/compatible", "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0"),
            ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\nmore"),
            ("usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0", "nvinfer"),
            ("var/lib/nvpmodel/status", "pmode:0001 fmode:fanNull\n"),
            ("var/lib/nvpmodel/status", "pmode:0002 fmode:fanNull\n"),
            ("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t NVIDIA H100\nIRQ: 5\n"),
            ("proc/driver/nvidia/version", "NVRM version: 540.4.0\n"),
        ] {
            write(root, path, text);
            keys.push(current_key(root, Precision::F16));
        }
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{index}: {key:?}");
        }
        let last = keys.last().unwrap();
        assert_eq!((last.gpu.as_str(), last.power.as_str()), ("NVIDIA H100", "pmode:0002 fmode:fanNull"));
        assert!(last.tensorrt.contains("libnvinfer.so.10.3.0 (7 bytes"), "{}", last.tensorrt);
    }
}
