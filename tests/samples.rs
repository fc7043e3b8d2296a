//! Real photographs through preprocessing and inference of each variant: correct predictions, equal to those of Pillow
//! and ONNX Runtime.

mod common;

use common::{catalog, decoded, frame, json, root, sample};
use phicam_engine::ExecutionConfig;
use phicam_pipeline::classify::Settings;
use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::classify::postprocess;

/// Returns the file and the correct classes of each sample.
fn expected() -> Vec<(String, Vec<u32>)> {
    let text = std::fs::read_to_string(root().join("samples/expected.toml")).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    let photo = |photo: &toml::Value| {
        let classes = photo["classes"].as_array().unwrap();
        let classes = classes.iter().map(|class| class.as_integer().unwrap() as u32).collect();
        (photo["file"].as_str().unwrap().to_string(), classes)
    };
    table["photo"].as_array().unwrap().iter().map(photo).collect()
}

/// Returns settings without temporal smoothing, because the samples are independent pictures.
fn test_settings() -> Settings {
    let prediction = postprocess::Settings { smoothing: std::time::Duration::ZERO, ..postprocess::Settings::default() };
    Settings { view: CropMode::Centre, prediction, config: ExecutionConfig::tract(2), cache_packed_weights: false }
}

#[test]
fn variants_name_the_samples_like_the_reference() {
    let reference = json("scores/end_to_end.json");
    let reference_best = |variant: &str, photo: &str| {
        let cases = reference.as_array().unwrap();
        let case = cases.iter().find(|case| case["variant"] == variant && case["photo"] == photo);
        case.unwrap_or_else(|| panic!("no reference for {variant}, {photo}"))["top5"][0][0].as_u64().unwrap() as u32
    };
    let photos = expected();
    assert_eq!(photos.len(), 18);
    for variant in &catalog().variants {
        let (mut first, mut among_five, mut as_reference) = (0, 0, 0);
        let mut classifier = phicam::engines::open_classifier(variant, &test_settings()).unwrap();
        for (file, classes) in &photos {
            let (size, pixels) = decoded(&sample(file));
            let answer = classifier.classify(&frame(size, &pixels)).unwrap();
            let predictions: Vec<u32> = answer.predictions.best().iter().map(|prediction| prediction.class).collect();
            assert_eq!(predictions.len(), 5);
            first += usize::from(classes.contains(&predictions[0]));
            among_five += usize::from(predictions.iter().any(|prediction| classes.contains(prediction)));
            as_reference += usize::from(predictions[0] == reference_best(&variant.name, file));
        }
        println!("{}: {first} of 18 first, {among_five} among five, {as_reference} as the reference", variant.name);
        assert_eq!(as_reference, 18, "{}", variant.name);
        if variant.side >= 160 {
            assert_eq!((first, among_five), (18, 18), "{}", variant.name);
        } else {
            assert!(first >= 17, "{}", variant.name);
            assert!(among_five >= 17, "{}", variant.name);
        }
    }
}

#[test]
fn last_pictures_of_the_demo_are_easy_for_every_variant() {
    let text = std::fs::read_to_string(root().join("samples/demo.toml")).unwrap();
    let demo: toml::Table = toml::from_str(&text).unwrap();
    let last: Vec<&str> = demo["last"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let reference = json("scores/end_to_end.json");
    for file in &last {
        let (_, classes) = expected().into_iter().find(|(photo, _)| photo == file).expect("a sample");
        for case in reference.as_array().unwrap().iter().filter(|case| case["photo"] == *file) {
            let class = case["top5"][0][0].as_u64().unwrap() as u32;
            assert!(classes.contains(&class), "{file} by {}", case["variant"]);
            let score = |place: usize| case["top5"][place][1].as_f64().unwrap();
            assert!(score(0) - score(1) >= 2.9, "{file} by {}: as demo.toml states", case["variant"]);
        }
    }
    assert_eq!(last.len(), 5);
}

#[test]
fn samples_have_credits_and_labels() {
    let credits = std::fs::read_to_string(root().join("samples/CREDITS.md")).unwrap();
    for (file, _) in expected() {
        assert!(credits.contains(&file), "{file} has no credit");
    }
    let network = &catalog().variants[0].network;
    let labels = phicam_model::labels::Labels::parse(&network.read_labels().unwrap(), &network.labels).unwrap();
    assert_eq!(labels.len(), 1000);
    let text = phicam_pipeline::overlay::Text::default();
    for class in 0..1000 {
        let label = labels.label(class);
        assert!(label.chars().count() <= 40, "{label}");
        assert!(label.chars().all(|character| text.has_glyph(character)), "{label} cannot be drawn");
    }
}

#[test]
fn crop_mode_decides_the_network_input() {
    let catalog = catalog();
    let variant = catalog.variant("lite0@224").unwrap();
    let (size, pixels) = decoded(&sample("dog.jpg"));
    let right_half = Settings { view: "region:0.5,0,0.5,1".parse().unwrap(), ..test_settings() };
    let mut classifier = phicam::engines::open_classifier(variant, &right_half).unwrap();
    let answer = classifier.classify(&frame(size, &pixels)).unwrap();
    assert_eq!(answer.region.left, size.width / 2);
    let mut whole =
        phicam::engines::open_classifier(variant, &Settings { view: CropMode::Whole, ..test_settings() }).unwrap();
    let answer = whole.classify(&frame(size, &pixels)).unwrap();
    assert_eq!((answer.region.width, answer.region.height), (size.width, size.height));
    assert_eq!(answer.model.labels.label(answer.predictions.best()[0].class), "German shepherd");
}
