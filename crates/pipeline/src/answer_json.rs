//! Answers as JSON, by the names that scripts rely on (README, "For scripts").

use serde_json::{Value, json};

use crate::classify::Classification;

/// `[{"index": 235, "label": "German shepherd", "probability": 0.87}, …]`, best first.
pub fn predictions(answer: &Classification) -> Value {
    let one = |prediction: &crate::classify::postprocess::Prediction| {
        let label = answer.model.labels.of(prediction.class);
        json!({ "index": prediction.class, "label": label, "probability": prediction.probability })
    };
    answer.predictions.best().iter().map(one).collect()
}

/// One line of `run --json`.
pub fn answer(answer: &Classification, age_ms: f64, dropped: u64) -> Value {
    let model = &answer.model;
    json!({
        "frame": answer.frame,
        "source": answer.source.as_deref(),
        "age_ms": age_ms,
        "model": model.variant.name,
        "phi": model.variant.phi,
        "engine": model.config.engine,
        "unsure": answer.predictions.unsure,
        "predictions": predictions(answer),
        "infer_ms": answer.times.infer_ms,
        "total_ms": answer.times.total_ms(),
        "dropped": dropped,
    })
}
