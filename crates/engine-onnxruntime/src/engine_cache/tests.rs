//! Only complete, undamaged engines with a matching key are used.

use super::*;

fn key() -> CacheKey {
    let [model, library, tensorrt, driver, gpu, power] =
        ["lite0", "1.23.2", "10.3", "540.4", "Orin", "15W"].map(String::from);
    CacheKey { model, library, tensorrt, driver, gpu, power }
}

/// The cache of an engine whose build finished.
fn finished_cache(state: &Path) -> EngineCache {
    let cache = EngineCache::new(state, key()).unwrap();
    assert_eq!(cache.discard_stale().unwrap(), CacheState::Empty);
    fs::write(cache.folder().join("a.engine"), b"built in minutes").unwrap();
    cache.finish(200.0).unwrap();
    cache
}

#[test]
fn interrupted_build_is_discarded() {
    let state = tempfile::tempdir().unwrap();
    let cache = finished_cache(state.path());
    assert_eq!(cache.discard_stale().unwrap(), CacheState::Complete);
    assert_eq!(expected_build_s(state.path()), Some(200.0));
    fs::remove_file(cache.folder().join(MANIFEST_FILE)).unwrap();
    assert!(
        matches!(cache.discard_stale().unwrap(), CacheState::Stale(reason) if reason.contains("build was interrupted"))
    );
    assert_eq!(cache.discard_stale().unwrap(), CacheState::Empty);
}

#[test]
fn damaged_engine_is_discarded() {
    for damage in [&b"built in"[..], b"built in hours!!", b""] {
        let state = tempfile::tempdir().unwrap();
        let cache = finished_cache(state.path());
        fs::write(cache.folder().join("a.engine"), damage).unwrap();
        assert!(
            matches!(cache.discard_stale().unwrap(), CacheState::Stale(reason) if reason.contains("a.engine is damaged"))
        );
        assert_eq!(cache.discard_stale().unwrap(), CacheState::Empty);
    }
    let state = tempfile::tempdir().unwrap();
    let cache = finished_cache(state.path());
    fs::write(cache.folder().join(MANIFEST_FILE), b"{\"key\":").unwrap();
    assert!(
        matches!(cache.discard_stale().unwrap(), CacheState::Stale(reason) if reason.contains("made-of.json is damaged"))
    );
}

#[test]
fn changed_dependency_makes_an_engine_stale() {
    type Change = fn(&mut CacheKey);
    let changes: [(Change, &str); 4] = [
        (|key| key.library = "1.24".into(), "ONNX Runtime changed from 1.23.2 to 1.24"),
        (|key| key.tensorrt = "10.7".into(), "TensorRT changed from 10.3 to 10.7"),
        (|key| key.driver = "541".into(), "the driver changed from 540.4 to 541"),
        (|key| key.gpu = "Xavier".into(), "the GPU changed from Orin to Xavier"),
    ];
    for (change, expected) in changes {
        let state = tempfile::tempdir().unwrap();
        finished_cache(state.path());
        let mut other = key();
        change(&mut other);
        let cache_state = EngineCache::new(state.path(), other).unwrap().discard_stale().unwrap();
        assert!(matches!(&cache_state, CacheState::Stale(reason) if reason.contains(expected)), "{cache_state:?}");
    }
}

#[test]
fn each_model_and_power_mode_has_its_own_folder() {
    let state = tempfile::tempdir().unwrap();
    let cache = finished_cache(state.path());
    for other in [CacheKey { model: "lite2".into(), ..key() }, CacheKey { power: "25W".into(), ..key() }] {
        assert_eq!(EngineCache::new(state.path(), other).unwrap().discard_stale().unwrap(), CacheState::Empty);
    }
    assert_eq!(cache.discard_stale().unwrap(), CacheState::Complete);
}

#[test]
fn unopenable_engine_is_rebuilt_once() {
    let state = tempfile::tempdir().unwrap();
    let cache = finished_cache(state.path());
    let attempts = std::cell::Cell::new(0);
    let opened = cache.open_or_build("lite0", || {
        attempts.set(attempts.get() + 1);
        let engine = cache.folder().join("a.engine");
        if engine.exists() {
            return Err("cannot deserialize");
        }
        fs::write(engine, b"built again").map_err(|_| "not written")?;
        Ok("opened")
    });
    assert_eq!((opened, attempts.get()), (Ok("opened"), 2));
    assert_eq!(cache.discard_stale().unwrap(), CacheState::Complete);
    let failed: Result<(), _> = cache.open_or_build("lite0", || Err("no GPU"));
    assert_eq!(failed, Err("no GPU"));
    assert_eq!(cache.discard_stale().unwrap(), CacheState::Empty, "a failed build leaves no engine");
}

#[test]
fn oldest_folders_over_the_limit_are_removed() {
    let state = tempfile::tempdir().unwrap();
    for model in 0..12 {
        let cache = EngineCache::new(state.path(), CacheKey { model: model.to_string(), ..key() }).unwrap();
        fs::write(cache.folder().join("a.engine"), b"x").unwrap();
        cache.finish(200.0).unwrap();
    }
    assert_eq!(fs::read_dir(state.path().join(ENGINE_CACHE_FOLDER)).unwrap().count(), MAX_FOLDERS);
}
