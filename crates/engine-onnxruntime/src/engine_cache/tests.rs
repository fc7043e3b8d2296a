//! What is kept of TensorRT's building is whole and of now, or built anew.

use super::*;

fn key() -> Key {
    let [model, library, tensorrt, driver, gpu, power] =
        ["lite0", "1.23.2", "10.3", "540.4", "Orin", "15W"].map(String::from);
    Key { model, library, tensorrt, driver, gpu, power }
}

fn built(state: &Path) -> Prepared {
    let prepared = Prepared::new(state, key()).unwrap();
    assert_eq!(prepared.look().unwrap(), Found::Nothing);
    fs::write(prepared.folder().join("a.engine"), b"built in minutes").unwrap();
    prepared.finish(200.0).unwrap();
    prepared
}

#[test]
fn what_was_finished_is_found_whole_and_what_was_not_is_taken_away() {
    let state = tempfile::tempdir().unwrap();
    let prepared = built(state.path());
    assert_eq!(prepared.look().unwrap(), Found::Whole);
    assert_eq!(expected_s(state.path()), Some(200.0));
    fs::remove_file(prepared.folder().join(NOTE)).unwrap();
    assert!(matches!(prepared.look().unwrap(), Found::Stale(why) if why.contains("not finished")));
    assert_eq!(prepared.look().unwrap(), Found::Nothing);
}

#[test]
fn an_engine_that_is_cut_short_or_changed_is_built_anew() {
    for damage in [&b"built in"[..], b"built in hours!!", b""] {
        let state = tempfile::tempdir().unwrap();
        let prepared = built(state.path());
        fs::write(prepared.folder().join("a.engine"), damage).unwrap();
        assert!(matches!(prepared.look().unwrap(), Found::Stale(why) if why.contains("a.engine is damaged")));
        assert_eq!(prepared.look().unwrap(), Found::Nothing);
    }
    let state = tempfile::tempdir().unwrap();
    let prepared = built(state.path());
    fs::write(prepared.folder().join(NOTE), b"{\"key\":").unwrap();
    assert!(matches!(prepared.look().unwrap(), Found::Stale(why) if why.contains("note is damaged")));
}

#[test]
fn it_is_stale_when_anything_that_it_depends_on_is_another() {
    type Change = fn(&mut Key);
    let changes: [(Change, &str); 4] = [
        (|key| key.library = "1.24".into(), "ONNX Runtime was 1.23.2 and is 1.24"),
        (|key| key.tensorrt = "10.7".into(), "TensorRT was 10.3"),
        (|key| key.driver = "541".into(), "the driver was 540.4"),
        (|key| key.gpu = "Xavier".into(), "the GPU was Orin"),
    ];
    for (change, said) in changes {
        let state = tempfile::tempdir().unwrap();
        built(state.path());
        let mut other = key();
        change(&mut other);
        let found = Prepared::new(state.path(), other).unwrap().look().unwrap();
        assert!(matches!(&found, Found::Stale(why) if why.contains(said)), "{found:?}");
    }
}

#[test]
fn another_model_or_power_mode_has_a_folder_of_its_own() {
    let state = tempfile::tempdir().unwrap();
    let prepared = built(state.path());
    for other in [Key { model: "lite2".into(), ..key() }, Key { power: "25W".into(), ..key() }] {
        assert_eq!(Prepared::new(state.path(), other).unwrap().look().unwrap(), Found::Nothing);
    }
    assert_eq!(prepared.look().unwrap(), Found::Whole);
}

#[test]
fn what_is_whole_and_cannot_be_opened_all_the_same_is_built_anew_once() {
    let state = tempfile::tempdir().unwrap();
    let prepared = built(state.path());
    let tries = std::cell::Cell::new(0);
    let opened = prepared.open_or_build("lite0", || {
        tries.set(tries.get() + 1);
        let engine = prepared.folder().join("a.engine");
        if engine.exists() {
            return Err("it does not deserialize");
        }
        fs::write(engine, b"built anew").map_err(|_| "not written")?;
        Ok("opened")
    });
    assert_eq!((opened, tries.get()), (Ok("opened"), 2));
    assert_eq!(prepared.look().unwrap(), Found::Whole);
    let failed: Result<(), _> = prepared.open_or_build("lite0", || Err("no GPU"));
    assert_eq!(failed, Err("no GPU"));
    assert_eq!(prepared.look().unwrap(), Found::Nothing, "what failed is not taken for a built one");
}

#[test]
fn the_oldest_go_when_there_are_many() {
    let state = tempfile::tempdir().unwrap();
    for model in 0..12 {
        let prepared = Prepared::new(state.path(), Key { model: model.to_string(), ..key() }).unwrap();
        fs::write(prepared.folder().join("a.engine"), b"x").unwrap();
        prepared.finish(200.0).unwrap();
    }
    assert_eq!(fs::read_dir(state.path().join(FOLDER)).unwrap().count(), MOST_FOLDERS);
}
