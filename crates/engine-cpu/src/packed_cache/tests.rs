use std::fs::FileTimes;
use std::sync::Arc;

use phicam_kernels::{Kernels, TilingSettings};

use super::*;
use crate::Settings as EngineSettings;
use crate::Tract;
use phicam_engine::Engine;
use phicam_model::catalog::Network;
use phicam_model::efficientnet::{ExportOptions, Family, Padding, Storage, write_seeded};

const SIDE: u32 = 33;

/// A variant of a small network with seeded weights, its file in `folder`.
fn variant(folder: &Path, storage: Storage, seed: u64) -> Variant {
    let file = folder.join("seeded.onnx");
    let network = phicam_model::efficientnet::Network {
        classes: 10,
        ..phicam_model::efficientnet::Network::new(Family::B, 0.5, 0.3)
    };
    let form = ExportOptions { side: SIDE, padding: Padding::Same, storage };
    let mut bytes = Vec::new();
    write_seeded(&network, form, seed, &mut bytes).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    let made = phicam_test_fixtures::variant("seeded", SIDE, 1.0, 50.0);
    let network = Network { file, sha256: phicam_model::catalog::sha256(&bytes), ..(*made.network).clone() };
    Variant { network: Arc::new(network), ..made }
}

fn settings(kernels: &'static Kernels) -> EngineSettings {
    EngineSettings { threads: 1, kernels: Some(kernels), tiling: TilingSettings::default() }
}

fn cache_of(variant: &Variant, state: &Path, kernels: &'static Kernels) -> PackedWeightsCache {
    PackedWeightsCache::new(variant, state, settings(kernels).for_kernels().unwrap()).unwrap()
}

/// Scores of a newly opened engine for one input. The cache file, if any, is written on return: the engine is dropped.
fn scores(variant: &Variant, state: Option<&Path>, kernels: &'static Kernels) -> Vec<f32> {
    let mut engine = Tract::open_with(variant, state, settings(kernels)).unwrap();
    engine.input().iter_mut().enumerate().for_each(|(index, value)| *value = (index as f32 * 0.37).sin());
    engine.infer().unwrap().to_vec()
}

/// A variant that was opened once, its cache file, and its scores.
fn cached_variant(folder: &Path) -> (Variant, PackedWeightsCache, Vec<f32>) {
    let variant = variant(folder, Storage::Half, 7);
    let scores = scores(&variant, Some(folder), Kernels::best());
    let cache = cache_of(&variant, folder, Kernels::best());
    assert!(cache.read().is_some());
    (variant, cache, scores)
}

/// Replaces a file's contents; keeps its length and modification time, and so its fingerprint.
fn replace_with_same_fingerprint(path: &Path) {
    let metadata = std::fs::metadata(path).unwrap();
    std::fs::write(path, vec![0; metadata.len() as usize]).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(metadata.modified().unwrap())).unwrap();
}

#[test]
fn cached_weights_give_identical_scores_without_the_model() {
    for kernels in Kernels::available() {
        for storage in [Storage::Half, Storage::Single] {
            let folder = tempfile::tempdir().unwrap();
            let variant = variant(folder.path(), storage, 7);
            let expected = scores(&variant, None, kernels);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "written without a state folder");
            assert_eq!(scores(&variant, Some(folder.path()), kernels), expected);
            let model = std::fs::metadata(&variant.network.file).unwrap().len();
            let packed = std::fs::metadata(cache_of(&variant, folder.path(), kernels).path).unwrap().len();
            // A network this narrow is one third padding.
            assert!(packed < model * 2, "{packed} packed bytes for a model of {model}");
            replace_with_same_fingerprint(&variant.network.file);
            assert_eq!(scores(&variant, Some(folder.path()), kernels), expected, "{kernels:?}");
        }
    }
}

#[test]
fn changed_model_file_is_verified_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut variant, cache, before) = cached_variant(folder.path());
    // The expected hash stays, the file's fingerprint differs: the hash is computed again.
    std::fs::write(&variant.network.file, b"other bytes").unwrap();
    let error = Tract::open_with(&variant, Some(folder.path()), settings(Kernels::best())).err().unwrap();
    assert!(error.to_string().contains("SHA-256"), "{error}");
    assert!(cache.path.exists());
    variant = self::variant(folder.path(), Storage::Half, 8);
    assert_ne!(scores(&variant, Some(folder.path()), Kernels::best()), before);
    std::fs::remove_file(&variant.network.file).unwrap();
    assert!(
        Tract::open_with(&variant, Some(folder.path()), settings(Kernels::best())).is_err(),
        "opened without a model file"
    );
}

#[test]
fn other_key_is_refused_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, cache, expected) = cached_variant(folder.path());
    let whole = std::fs::read(&cache.path).unwrap();
    for (part, other) in [
        (env!("CARGO_PKG_VERSION"), "9.9.9"),
        (&*format!("{:?}", Kernels::best()), "mmx"),
        (&variant.network.sha256[..], &"5".repeat(64)[..]),
        ("@ 33", "@ 34"),
    ] {
        assert!(cache.key.contains(part), "{} lacks {part}", cache.key);
        let key = cache.key.replacen(part, other, 1);
        let length = (key.len() as u32).to_le_bytes();
        let rest = &whole[MAGIC.len() + 4 + cache.key.len()..];
        std::fs::write(&cache.path, [&MAGIC[..], &length, key.as_bytes(), rest].concat()).unwrap();
        assert!(matches!(cache.try_read(), Err(ReadError::OtherKey)), "{key}");
        assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected);
        assert_eq!(std::fs::read(&cache.path).unwrap(), whole, "not replaced");
    }
}

#[test]
fn damaged_file_is_refused_and_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, cache, expected) = cached_variant(folder.path());
    let whole = std::fs::read(&cache.path).unwrap();
    let with_flipped_bit = |offset: usize| {
        let mut bytes = whole.clone();
        bytes[offset] ^= 0x10;
        bytes
    };
    let start = MAGIC.len() + 4 + cache.key.len();
    let mut long_key = whole.clone();
    long_key[MAGIC.len()..][..4].fill(0xff);
    let mut long_steps = whole.clone();
    long_steps[start + 12..][..4].fill(0xff);
    for (case, damage) in [
        ("empty", Vec::new()),
        ("ends in the key", whole[..40].to_vec()),
        ("ends in the middle", whole[..whole.len() / 2].to_vec()),
        ("lacks its last byte", whole[..whole.len() - 1].to_vec()),
        ("has one extra byte", [&whole[..], b"x"].concat()),
        ("wrong magic", with_flipped_bit(3)),
        ("changed step", with_flipped_bit(start + 16)),
        ("changed weight", with_flipped_bit(whole.len() / 2)),
        ("changed checksum", with_flipped_bit(whole.len() - 1)),
        ("key longer than the limit", long_key),
        ("too many steps", long_steps),
        ("zeros", vec![0; whole.len()]),
    ] {
        std::fs::write(&cache.path, damage).unwrap();
        assert!(matches!(cache.try_read(), Err(ReadError::Damaged(_))), "{case}");
        assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected, "{case}");
        assert_eq!(std::fs::read(&cache.path).unwrap(), whole, "{case}: not rewritten");
    }
}

#[test]
fn random_changes_are_always_detected() {
    let folder = tempfile::tempdir().unwrap();
    let (_, cache, _) = cached_variant(folder.path());
    let whole = std::fs::read(&cache.path).unwrap();
    let mut state = 0x5eed_1234_abcd_0001u64;
    let mut random_below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % limit
    };
    for case in 0..500 {
        let mut bytes = whole.clone();
        // Every other case changes the start, which holds the lengths.
        let within = if case % 2 == 0 { whole.len() } else { whole.len().min(3000) };
        for _ in 0..=random_below(4) {
            let offset = random_below(within);
            bytes[offset] = bytes[offset].wrapping_add(1 + random_below(255) as u8);
        }
        if case % 5 == 0 {
            bytes.truncate(random_below(whole.len()));
        }
        std::fs::write(&cache.path, &bytes).unwrap();
        assert!(bytes == whole || cache.try_read().is_err(), "case {case}");
    }
}

#[test]
fn unwritable_state_folder_does_not_prevent_inference() {
    let folder = tempfile::tempdir().unwrap();
    let variant = variant(folder.path(), Storage::Half, 7);
    let expected = scores(&variant, None, Kernels::best());
    for state in [&*variant.network.file, Path::new("/dev/null"), Path::new("/proc/nowhere")] {
        assert_eq!(scores(&variant, Some(state), Kernels::best()), expected, "{}", state.display());
    }
    // A folder at the path of the cache file.
    let cache = cache_of(&variant, folder.path(), Kernels::best());
    std::fs::create_dir_all(&cache.path).unwrap();
    assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected);
}

#[test]
fn concurrent_writers_leave_one_valid_file() {
    let folder = tempfile::tempdir().unwrap();
    let variant = variant(folder.path(), Storage::Half, 7);
    let expected = scores(&variant, None, Kernels::best());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected));
        }
    });
    assert!(cache_of(&variant, folder.path(), Kernels::best()).read().is_some());
    assert_eq!(std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 1);
}

#[test]
fn former_folder_is_renamed_and_its_files_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, cache, expected) = cached_variant(folder.path());
    let (former, present) = (folder.path().join(FORMER_FOLDER), folder.path().join(FOLDER));
    std::fs::rename(&present, &former).unwrap();
    assert_eq!(disk_usage(folder.path()).0, 1);
    // Without the model's bytes only the cache can give these scores.
    replace_with_same_fingerprint(&variant.network.file);
    assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected);
    assert!(cache.path.is_file());
    assert!(!former.exists());
    assert_eq!(disk_usage(folder.path()).0, 1);
}

#[test]
fn former_folder_is_removed_beside_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, cache, expected) = cached_variant(folder.path());
    let former = folder.path().join(FORMER_FOLDER);
    std::fs::create_dir(&former).unwrap();
    std::fs::write(former.join("a.packed"), "an older file").unwrap();
    assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected);
    assert!(!former.exists(), "a release that was rolled back to has packed there");
    assert!(cache.read().is_some());
}

#[test]
fn failed_rename_packs_the_weights_again() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, cache, expected) = cached_variant(folder.path());
    // A dangling link does not exist for `exists`, but is no folder to rename onto.
    let former = folder.path().join(FORMER_FOLDER);
    std::fs::rename(folder.path().join(FOLDER), &former).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join(FOLDER)).unwrap();
    assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected);
    assert!(former.is_dir());
    assert!(cache.read().is_none());
}

#[test]
fn oldest_and_abandoned_files_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let now = std::time::SystemTime::now();
    let file = |name: &str, age_s: u64, bytes: u64| {
        let file = File::create(folder.path().join(name)).unwrap();
        file.set_len(bytes).unwrap();
        file.set_times(FileTimes::new().set_modified(now - Duration::from_secs(age_s))).unwrap();
    };
    (0..9).for_each(|age| file(&format!("{age}.packed"), age, 1));
    file("2.packed", 2, MAX_BYTES - 10);
    file("3.packed", 3, 11);
    file("abandoned.new", 7200, 1);
    file("unfinished.new", 5, 1);
    file("unrelated", 99999, 1);
    remove_excess(folder.path()).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["0.packed", "1.packed", "2.packed", "unfinished.new", "unrelated"]);
    std::fs::remove_file(folder.path().join("2.packed")).unwrap();
    (1..9).for_each(|age| file(&format!("{age}.packed"), age, 1));
    remove_excess(folder.path()).unwrap();
    let packed = |file: &std::fs::DirEntry| file.path().extension() == Some(EXTENSION.as_ref());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().flatten().filter(packed).count(), MAX_FILES);
    assert!(folder.path().join("5.packed").exists());
    assert!(!folder.path().join("6.packed").exists());
}

#[test]
fn inference_does_not_allocate() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, ..) = cached_variant(folder.path());
    for state in [None, Some(folder.path())] {
        let mut engine = Tract::open_with(&variant, state, settings(Kernels::best())).unwrap();
        engine.infer().unwrap();
        let memory = allocation_counter::measure(|| {
            for _ in 0..3 {
                engine.input().fill(0.5);
                engine.infer().unwrap();
            }
        });
        assert_eq!(memory.count_total, 0, "{memory:?}");
    }
}
