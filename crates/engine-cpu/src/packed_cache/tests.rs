use std::fs::FileTimes;
use std::sync::Arc;

use phicam_kernels::{Kernels, Machine};

use super::*;
use crate::Settings as EngineSettings;
use crate::Tract;
use phicam_engine::Engine;
use phicam_model::catalog::Network;
use phicam_model::efficientnet::{Family, Form, Padding, Storage, write_seeded};

const SIDE: u32 = 33;

/// A small network's variant, with its file in `folder`.
fn variant(folder: &Path, storage: Storage, seed: u64) -> Variant {
    let file = folder.join("seeded.onnx");
    let network = phicam_model::efficientnet::Network {
        classes: 10,
        ..phicam_model::efficientnet::Network::new(Family::B, 0.5, 0.3)
    };
    let form = Form { side: SIDE, padding: Padding::Same, storage };
    let mut bytes = Vec::new();
    write_seeded(&network, form, seed, &mut bytes).unwrap();
    std::fs::write(&file, &bytes).unwrap();
    let made = phicam_test_fixtures::variant("seeded", SIDE, 1.0, 50.0);
    let network = Network { file, sha256: phicam_model::catalog::sha256(&bytes), ..(*made.network).clone() };
    Variant { network: Arc::new(network), ..made }
}

fn settings(kernels: &'static Kernels) -> EngineSettings {
    EngineSettings { threads: 1, kernels: Some(kernels), machine: Machine::default() }
}

fn kept(variant: &Variant, state: &Path, kernels: &'static Kernels) -> Kept {
    Kept::of(variant, state, settings(kernels).of_kernels().unwrap()).unwrap()
}

/// Scores of a picture from an engine that is opened for it; what it keeps is kept by then.
fn scores(variant: &Variant, state: Option<&Path>, kernels: &'static Kernels) -> Vec<f32> {
    let mut engine = Tract::open_with(variant, state, settings(kernels)).unwrap();
    engine.input().iter_mut().enumerate().for_each(|(place, value)| *value = (place as f32 * 0.37).sin());
    engine.infer().unwrap().to_vec()
}

/// A variant that was opened once, where it is kept, and its scores.
fn opened(folder: &Path) -> (Variant, Kept, Vec<f32>) {
    let variant = variant(folder, Storage::Half, 7);
    let scores = scores(&variant, Some(folder), Kernels::best());
    let kept = kept(&variant, folder, Kernels::best());
    assert!(kept.read().is_some());
    (variant, kept, scores)
}

/// Puts other bytes in a file's place that has the same length and time.
fn replace_unnoticed(path: &Path) {
    let there = std::fs::metadata(path).unwrap();
    std::fs::write(path, vec![0; there.len() as usize]).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(there.modified().unwrap())).unwrap();
}

#[test]
fn a_restart_gives_the_same_scores_bit_for_bit_and_does_not_read_the_model() {
    for kernels in Kernels::all() {
        for storage in [Storage::Half, Storage::Single] {
            let folder = tempfile::tempdir().unwrap();
            let variant = variant(folder.path(), storage, 7);
            let expected = scores(&variant, None, kernels);
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "kept without a folder for it");
            assert_eq!(scores(&variant, Some(folder.path()), kernels), expected);
            let model = std::fs::metadata(&variant.network.file).unwrap().len();
            let packed = std::fs::metadata(kept(&variant, folder.path(), kernels).path).unwrap().len();
            assert!(packed < model * 2, "{packed} bytes are kept of {model}"); // so narrow a network is a third padding
            replace_unnoticed(&variant.network.file);
            assert_eq!(scores(&variant, Some(folder.path()), kernels), expected, "{kernels:?}");
        }
    }
}

#[test]
fn a_model_that_changed_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (mut variant, kept, before) = opened(folder.path());
    // The same hash, but the file is another than when it was checked: it is checked again.
    std::fs::write(&variant.network.file, b"other bytes").unwrap();
    let refused = Tract::open_with(&variant, Some(folder.path()), settings(Kernels::best())).err().unwrap();
    assert!(refused.to_string().contains("SHA-256"), "{refused}");
    assert!(kept.path.exists());
    variant = self::variant(folder.path(), Storage::Half, 8);
    assert_ne!(scores(&variant, Some(folder.path()), Kernels::best()), before);
    std::fs::remove_file(&variant.network.file).unwrap();
    assert!(Tract::open_with(&variant, Some(folder.path()), settings(Kernels::best())).is_err(), "there is no model");
}

#[test]
fn what_was_kept_by_another_program_or_for_another_cpu_or_model_is_packed_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, kept, expected) = opened(folder.path());
    let whole = std::fs::read(&kept.path).unwrap();
    for (what, other) in [
        (env!("CARGO_PKG_VERSION"), "9.9.9"),
        (&*format!("{:?}", Kernels::best()), "mmx"),
        (&variant.network.sha256[..], &"5".repeat(64)[..]),
        ("@ 33", "@ 34"),
    ] {
        assert!(kept.key.contains(what), "{} lacks {what}", kept.key);
        let key = kept.key.replacen(what, other, 1);
        let length = (key.len() as u32).to_le_bytes();
        let rest = &whole[MAGIC.len() + 4 + kept.key.len()..];
        std::fs::write(&kept.path, [&MAGIC[..], &length, key.as_bytes(), rest].concat()).unwrap();
        assert!(matches!(kept.read_whole(), Err(Refused::Other)), "{key}");
        assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected);
        assert_eq!(std::fs::read(&kept.path).unwrap(), whole, "not replaced");
    }
}

#[test]
fn damage_is_refused_whatever_it_is_and_mended_by_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, kept, expected) = opened(folder.path());
    let whole = std::fs::read(&kept.path).unwrap();
    let flipped = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x10;
        bytes
    };
    let start = MAGIC.len() + 4 + kept.key.len();
    let mut long_key = whole.clone();
    long_key[MAGIC.len()..][..4].fill(0xff);
    let mut long_steps = whole.clone();
    long_steps[start + 12..][..4].fill(0xff);
    for (what, damage) in [
        ("empty", Vec::new()),
        ("ends in its key", whole[..40].to_vec()),
        ("ends in the middle", whole[..whole.len() / 2].to_vec()),
        ("lacks its last byte", whole[..whole.len() - 1].to_vec()),
        ("has a byte more", [&whole[..], b"x"].concat()),
        ("another beginning", flipped(3)),
        ("another step", flipped(start + 16)),
        ("another weight", flipped(whole.len() / 2)),
        ("another checksum", flipped(whole.len() - 1)),
        ("an endless key", long_key),
        ("endless steps", long_steps),
        ("zeros", vec![0; whole.len()]),
    ] {
        std::fs::write(&kept.path, damage).unwrap();
        assert!(matches!(kept.read_whole(), Err(Refused::Damaged(_))), "{what}");
        assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected, "{what}");
        assert_eq!(std::fs::read(&kept.path).unwrap(), whole, "{what}: not mended");
    }
}

#[test]
fn no_change_of_any_bytes_is_taken_for_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (_, kept, _) = opened(folder.path());
    let whole = std::fs::read(&kept.path).unwrap();
    let mut state = 0x5eed_1234_abcd_0001u64;
    let mut number = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) as usize % below
    };
    for case in 0..500 {
        let mut bytes = whole.clone();
        // Every other time where lengths are.
        let within = if case % 2 == 0 { whole.len() } else { whole.len().min(3000) };
        for _ in 0..=number(4) {
            let place = number(within);
            bytes[place] = bytes[place].wrapping_add(1 + number(255) as u8);
        }
        if case % 5 == 0 {
            bytes.truncate(number(whole.len()));
        }
        std::fs::write(&kept.path, &bytes).unwrap();
        assert!(bytes == whole || kept.read_whole().is_err(), "case {case}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_keeps_nobody_from_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let variant = variant(folder.path(), Storage::Half, 7);
    let expected = scores(&variant, None, Kernels::best());
    for state in [&*variant.network.file, Path::new("/dev/null"), Path::new("/proc/nowhere")] {
        assert_eq!(scores(&variant, Some(state), Kernels::best()), expected, "{}", state.display());
    }
    // A folder in the file's place.
    let kept = kept(&variant, folder.path(), Kernels::best());
    std::fs::create_dir_all(&kept.path).unwrap();
    assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected);
}

#[test]
fn several_at_once_leave_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let variant = variant(folder.path(), Storage::Half, 7);
    let expected = scores(&variant, None, Kernels::best());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(scores(&variant, Some(folder.path()), Kernels::best()), expected));
        }
    });
    assert!(kept(&variant, folder.path(), Kernels::best()).read().is_some());
    assert_eq!(std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 1);
}

#[test]
fn the_oldest_beyond_the_limit_go_and_what_was_abandoned_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let now = std::time::SystemTime::now();
    let file = |name: &str, age_s: u64, bytes: u64| {
        let file = File::create(folder.path().join(name)).unwrap();
        file.set_len(bytes).unwrap();
        file.set_times(FileTimes::new().set_modified(now - Duration::from_secs(age_s))).unwrap();
    };
    (0..9).for_each(|age| file(&format!("{age}.packed"), age, 1));
    file("2.packed", 2, MOST_BYTES - 10);
    file("3.packed", 3, 11);
    file("abandoned.new", 7200, 1);
    file("being written.new", 5, 1);
    file("somebody else's", 99999, 1);
    sweep(folder.path()).unwrap();
    let mut left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["0.packed", "1.packed", "2.packed", "being written.new", "somebody else's"]);
    std::fs::remove_file(folder.path().join("2.packed")).unwrap();
    (1..9).for_each(|age| file(&format!("{age}.packed"), age, 1));
    sweep(folder.path()).unwrap();
    let packed = |file: &std::fs::DirEntry| file.path().extension() == Some(ENDING.as_ref());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().flatten().filter(packed).count(), MOST_FILES);
    assert!(folder.path().join("5.packed").exists() && !folder.path().join("6.packed").exists());
}

#[test]
fn a_picture_allocates_nothing_be_the_program_packed_now_or_before() {
    let folder = tempfile::tempdir().unwrap();
    let (variant, ..) = opened(folder.path());
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
