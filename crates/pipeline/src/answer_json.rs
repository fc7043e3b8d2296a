//! Classifications as JSON, with the keys of docs/reference/json.md.

use serde_json::{Value, json};

use crate::classify::Classification;
use crate::classify::postprocess::Prediction;

/// Returns `[{"index": 235, "label": "German shepherd", "probability": 0.87}, …]`, the most probable first.
pub fn predictions(classification: &Classification) -> Value {
    let to_json = |prediction: &Prediction| {
        let label = classification.model.labels.label(prediction.class);
        json!({ "index": prediction.class, "label": label, "probability": prediction.probability })
    };
    classification.predictions.best().iter().map(to_json).collect()
}

/// Returns the object that `phicam run --json` prints for each frame.
pub fn answer(classification: &Classification, age_ms: f64, dropped: u64) -> Value {
    let model = &classification.model;
    json!({
        "frame": classification.frame,
        "source": classification.source.as_deref(),
        "age_ms": age_ms,
        "model": model.variant.name,
        "phi": model.variant.phi,
        "engine": model.config.engine,
        "unsure": classification.predictions.unsure,
        "predictions": predictions(classification),
        "infer_ms": classification.times.infer_ms,
        "total_ms": classification.times.total_ms(),
        "dropped": dropped,
    })
}
