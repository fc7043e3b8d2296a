//! Runs classifiers of other exporters at the resolution that the inspection reports.

use std::path::Path;

use phicam_engine::Engine;
use phicam_engine_cpu::Tract;
use phicam_model::onnx::inspect::ModelInfo;

#[test]
fn models_of_other_exporters_give_finite_scores() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/inspect");
    let mut count = 0;
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "onnx") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let facts = ModelInfo::from_onnx(&bytes).unwrap();
        let side = facts.fixed_side.unwrap();
        let mut engine = Tract::load("foreign", &bytes, side, facts.layout, 1).unwrap();
        let scores = engine.infer().unwrap();
        assert_eq!(scores.len(), facts.classes, "{}", path.display());
        assert!(scores.iter().all(|score| score.is_finite()), "{}: {scores:?}", path.display());
        count += 1;
    }
    // tests/inspect holds five models.
    assert!(count >= 5, "only {count} models");
}
