//! What a built TensorRT engine depends on, as this system tells it.

use std::fs;
use std::path::{Path, PathBuf};

use super::engine_cache::Key;
use phicam_engine::ExecutionConfig;
use phicam_model::catalog::Variant;
use phicam_platform::paths::fingerprint;

/// Where the parts of TensorRT lie, patterns below the root.
const PLACES: [&str; 4] = [
    "usr/lib/*-linux-gnu",
    "usr/local/lib",
    "usr/lib/*-linux-gnu/nvidia",
    "usr/local/lib/python3*/dist-packages/tensorrt_libs",
];

/// For `variant` run that `config` by the library at `library`, which is not opened; `root` is `/`, but for tests.
pub fn key(variant: &Variant, config: ExecutionConfig, library: &Path, root: &Path) -> Key {
    let first_line = |place: &str| {
        let text = fs::read_to_string(root.join(place)).ok()?;
        Some(text.lines().next().unwrap_or_default().trim().to_string())
    };
    let driver = first_line("proc/driver/nvidia/version").or_else(|| first_line("etc/nv_tegra_release"));
    let gpu = gpus(root).or_else(|| board(root));
    Key {
        model: format!("{} @ {} {}", variant.network.sha256, variant.side, config.precision),
        library: described(library),
        tensorrt: tensorrt(root),
        driver: driver.unwrap_or_else(|| "unknown".into()),
        gpu: gpu.unwrap_or_else(|| "unknown".into()),
        // nvpmodel writes "pmode:0002 fmode:…" here.
        power: first_line("var/lib/nvpmodel/status").unwrap_or_else(|| "no power modes".into()),
    }
}

fn described(path: &Path) -> String {
    let there = path.canonicalize().and_then(|path| Ok((fs::metadata(&path)?, path)));
    there.map_or_else(
        |_| path.display().to_string(),
        |(there, path)| format!("{} ({})", path.display(), fingerprint(&there)),
    )
}

/// Its libraries under their real names, which end in the version: libnvinfer.so.10.3.0.
fn tensorrt(root: &Path) -> String {
    let mut found: Vec<PathBuf> = Vec::new();
    for place in PLACES {
        for file in ["libnvinfer.so*", "libnvonnxparser.so*"] {
            let pattern = root.join(place).join(file).display().to_string();
            let files = glob::glob(&pattern).into_iter().flatten().flatten();
            found.extend(files.filter_map(|path| path.canonicalize().ok()));
        }
    }
    found.sort();
    found.dedup();
    let named: Vec<String> = found.iter().map(|path| described(path)).collect();
    if named.is_empty() { "unknown".into() } else { named.join(", ") }
}

/// `Model: …` of each card that the driver of PCs tells of.
fn gpus(root: &Path) -> Option<String> {
    let pattern = root.join("proc/driver/nvidia/gpus/*/information").display().to_string();
    let texts = glob::glob(&pattern).ok()?.flatten().filter_map(|path| fs::read_to_string(path).ok());
    let models: Vec<String> = texts
        .filter_map(|text| Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_string()))
        .collect();
    (!models.is_empty()).then(|| models.join(", "))
}

/// A Jetson's GPU is a part of its board.
fn board(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/device-tree/compatible")).ok()?;
    Some(text.split('\0').filter(|entry| !entry.is_empty()).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phicam_engine::{EngineKind, Precision};

    fn write(root: &Path, place: &str, text: &str) {
        let path = root.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn now(root: &Path, precision: Precision) -> Key {
        let variant = phicam_test_fixtures::variant("lite0", 224, 385.0, 74.85);
        let config = ExecutionConfig { engine: EngineKind::TensorRt, precision, threads: 1 };
        key(&variant, config, &root.join("lib.so"), root)
    }

    #[test]
    fn each_thing_that_an_engine_depends_on_changes_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut keys = vec![now(root, Precision::F32), now(root, Precision::F16)];
        for (place, text) in [
            ("lib.so", "a library"),
            ("proc/device-tree/compatible", "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0"),
            ("etc/nv_tegra_release", "# R36 (release), REVISION: 4.3, GCID: 1, BOARD: generic\nmore"),
            ("usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0", "nvinfer"),
            ("var/lib/nvpmodel/status", "pmode:0001 fmode:fanNull\n"),
            ("var/lib/nvpmodel/status", "pmode:0002 fmode:fanNull\n"),
            ("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t NVIDIA H100\nIRQ: 5\n"),
            ("proc/driver/nvidia/version", "NVRM version: 540.4.0\n"),
        ] {
            write(root, place, text);
            keys.push(now(root, Precision::F16));
        }
        for (place, key) in keys.iter().enumerate() {
            assert!(!keys[..place].contains(key), "{place}: {key:?}");
        }
        let last = keys.last().unwrap();
        assert_eq!((last.gpu.as_str(), last.power.as_str()), ("NVIDIA H100", "pmode:0002 fmode:fanNull"));
        assert!(last.tensorrt.contains("libnvinfer.so.10.3.0 (7 bytes"), "{}", last.tensorrt);
    }
}
