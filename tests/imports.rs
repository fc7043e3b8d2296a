//! Imported weights of timm, torchvision and efficientnet_pytorch give those libraries' scores, and a wrong convention
//! or a misplaced tensor changes them noticeably.

mod common;

use common::random_models::{Tensors, safetensors, seeded, state_dict};
use common::{apart, json, reference, scores};
use phicam_checkpoint::Weights;
use phicam_engine::Engine;
use phicam_engine_cpu::Tract;
use phicam_model::catalog::Layout;
use phicam_model::efficientnet::{ExportOptions, Network, Padding, ReleasedNetwork, Storage, write_onnx};
use phicam_model::import::{
    BatchNormFolding, ImportError, KeyScheme, SourceConventions, detect_source, expected_tensors,
};
use sha2::{Digest, Sha256};

/// Name of an import error, and the change of the tensors that it amounts to.
type ImportMistake = (&'static str, fn(&mut Tensors));

fn scheme(name: &str) -> KeyScheme {
    match name {
        "timm" => KeyScheme::Timm,
        "torchvision" => KeyScheme::Torchvision,
        "lukemelas" => KeyScheme::EfficientnetPytorch,
        _ => panic!("{name}"),
    }
}

fn weights(tensors: &Tensors) -> Weights {
    Weights::parse(safetensors(tensors), "seeded.safetensors").unwrap()
}

/// Returns the scores of the exported network with the case's tensors.
fn imported_scores(weights: &Weights, conventions: SourceConventions, side: u32, storage: Storage) -> Vec<f32> {
    let source = detect_source(weights).unwrap();
    let folding = BatchNormFolding::new(weights, &source, conventions);
    let mut onnx = Vec::new();
    let options = ExportOptions { side, padding: conventions.padding, storage };
    write_onnx(&source.network, options, |layer, _| folding.fold_layer(layer), &mut onnx).unwrap();
    let mut engine = Tract::load("seeded", &onnx, side, Layout::Nchw, 2).unwrap();
    let side = side as usize;
    engine.input().copy_from_slice(&seeded("input", &[1, 3, side, side], false));
    engine.infer().unwrap().to_vec()
}

struct Case {
    name: String,
    scheme: KeyScheme,
    network: Network,
    model: String,
    side: u32,
    reference: Vec<f32>,
    range: f32,
}

fn cases() -> Vec<Case> {
    let cases = json("imports/cases.json");
    let case = |case: &serde_json::Value| {
        let text = |key: &str| case[key].as_str().unwrap().to_string();
        let network = text("model").rsplit(['_', '-']).next().unwrap().to_string();
        let classes = case["classes"].as_u64().unwrap() as usize;
        let reference = scores(&reference(&format!("imports/{}.f32", text("name"))));
        let extreme = |pick: fn(f32, f32) -> f32| reference.iter().copied().reduce(pick).unwrap();
        Case {
            name: text("name"),
            scheme: scheme(&text("naming")),
            network: Network { classes, ..ReleasedNetwork::by_name(&network).unwrap().network() },
            model: text("model"),
            side: case["side"].as_u64().unwrap() as u32,
            range: extreme(f32::max) - extreme(f32::min),
            reference,
        }
    };
    cases.as_array().unwrap().iter().map(case).collect()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

/// Returns the largest difference from the library's scores, as a share of their range.
fn relative_error(case: &Case, weights: &Weights, conventions: SourceConventions) -> f32 {
    apart(&imported_scores(weights, conventions, case.side, Storage::Single), &case.reference) / case.range
}

fn conventions(case: &Case, weights: &Weights) -> SourceConventions {
    detect_source(weights).unwrap().conventions(&case.model, None).unwrap()
}

#[test]
fn imported_weights_match_library_scores() {
    let cases = cases();
    assert!(cases.len() >= 14);
    for case in cases {
        let weights = weights(&state_dict(case.scheme, &case.network));
        let source = detect_source(&weights).unwrap();
        assert_eq!((source.scheme, source.network), (case.scheme, case.network), "{}", case.name);
        let error = relative_error(&case, &weights, conventions(&case, &weights));
        assert!(error < 2e-5, "{}: {error:.1e} of the range", case.name);
        let half = imported_scores(&weights, conventions(&case, &weights), case.side, Storage::Half);
        let error = apart(&half, &case.reference) / case.range;
        assert!(error > 1e-6, "{} in half precision: {error:.1e} of the range", case.name);
        assert!(error < 1e-2, "{} in half precision: {error:.1e} of the range", case.name);
    }
}

#[test]
fn tensor_names_and_shapes_match_the_libraries() {
    let (mut compared, table) = (0, json("imports/parameters.json"));
    for (library, models) in table.as_object().unwrap() {
        for (model, expected) in models.as_object().unwrap() {
            let network = model.rsplit(['_', '-']).next().unwrap();
            let Some(released) = ReleasedNetwork::by_name(network) else { continue }; // B8 is not in the paper
            let mut tensors = expected_tensors(scheme(library), &released.network());
            tensors.sort();
            let line = |(name, shape): &(String, Vec<usize>)| {
                let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
                format!("{name} {}", shape.join("x"))
            };
            let lines: Vec<String> = tensors.iter().map(line).collect();
            let digest: String = Sha256::digest(lines.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, expected["digest"].as_str().unwrap(), "{library} {model}");
            let parameters = released.network().cost(released.side).parameters;
            assert_eq!(parameters, expected["parameters"].as_u64().unwrap(), "{library} {model}");
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared} compared");
}

#[test]
fn wrong_convention_changes_the_scores() {
    for name in ["timm-tf_efficientnet_b0@224", "timm-efficientnet_b0@224", "torchvision-efficientnet_b0@224"] {
        let case = case(name);
        let weights = weights(&state_dict(case.scheme, &case.network));
        let correct = conventions(&case, &weights);
        let epsilon = if correct.epsilon == 1e-3 { 1e-5 } else { 1e-3 };
        let padding = if correct.padding == Padding::Same { Padding::Symmetric } else { Padding::Same };
        for (what, wrong) in
            [("ε", SourceConventions { epsilon, ..correct }), ("padding", SourceConventions { padding, ..correct })]
        {
            let error = relative_error(&case, &weights, wrong);
            assert!(error > 1e-3, "{name}: a wrong {what} changes the scores by only {error:.1e} of the range");
        }
    }
}

/// Swaps two tensors.
fn swap(tensors: &mut Tensors, a: &str, b: &str) {
    let first = tensors[a].clone();
    let second = tensors.insert(b.into(), first).unwrap();
    tensors.insert(a.into(), second);
}

#[test]
fn misplaced_or_transposed_tensor_changes_the_scores() {
    let case = case("timm-tf_efficientnet_b0@113");
    let correct = state_dict(case.scheme, &case.network);
    let mistakes: [ImportMistake; 5] = [
        ("two batch norms of a block", |tensors| {
            for what in ["weight", "bias", "running_mean", "running_var"] {
                swap(tensors, &format!("blocks.2.1.bn1.{what}"), &format!("blocks.2.1.bn2.{what}"));
            }
        }),
        ("mean and β", |tensors| swap(tensors, "blocks.3.0.bn3.running_mean", "blocks.3.0.bn3.bias")),
        ("depthwise kernels", |tensors| {
            for (shape, values) in tensors.values_mut().filter(|(shape, _)| shape.len() == 4 && shape[2] > 1) {
                let side = shape[2];
                for kernel in values.chunks_exact_mut(side * side) {
                    let turned: Vec<f32> = (0..side * side).map(|at| kernel[at % side * side + at / side]).collect();
                    kernel.copy_from_slice(&turned);
                }
            }
        }),
        ("a square of 1×1 weights", |tensors| {
            let (shape, values) = tensors.get_mut("classifier.weight").unwrap();
            let (rows, columns) = (shape[0], shape[1]);
            *values = (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect();
        }),
        ("excite of two blocks", |tensors| {
            swap(tensors, "blocks.2.0.se.conv_reduce.bias", "blocks.1.1.se.conv_reduce.bias")
        }),
    ];
    for (what, apply) in mistakes {
        let mut wrong = correct.clone();
        apply(&mut wrong);
        let Some(wrong) = accepted_weights(&wrong) else { continue }; // rejected because of its shapes
        let error = relative_error(&case, &wrong, conventions(&case, &wrong));
        assert!(error > 1e-4, "{what}: {error:.1e} of the range");
    }
}

/// Returns the weights, or `None` if no network is detected.
fn accepted_weights(tensors: &Tensors) -> Option<Weights> {
    let weights = weights(tensors);
    detect_source(&weights).is_ok().then_some(weights)
}

#[test]
fn unknown_network_is_refused_with_first_fault() {
    let network = Network { classes: 10, ..ReleasedNetwork::by_name("b0").unwrap().network() };
    let whole = state_dict(KeyScheme::Timm, &network);
    let refusal = |change: fn(&mut Tensors)| {
        let mut changed = whole.clone();
        change(&mut changed);
        detect_source(&weights(&changed)).unwrap_err().to_string()
    };
    let missing = refusal(|tensors| drop(tensors.remove("blocks.1.0.bn2.weight")));
    for part in ["timm", "b0", "blocks.1.0.bn2.weight, [96], is missing"] {
        assert!(missing.contains(part), "{missing}");
    }
    let shape = refusal(|tensors| drop(tensors.insert("bn1.bias".into(), (vec![31], vec![0.0; 31]))));
    assert!(shape.contains("bn1.bias has shape [31], expected [32]"), "{shape}");
    let extra = refusal(|tensors| drop(tensors.insert("blocks.9.0.bn1.bias".into(), (vec![8], vec![0.0; 8]))));
    assert!(extra.contains("blocks.9.0.bn1.bias is unexpected"), "{extra}");
    let other = refusal(|tensors| drop(tensors.remove("conv_stem.weight")));
    assert!(other.contains("no tensors of an EfficientNet"), "{other}");
}

#[test]
fn timms_conventions_are_asked_for_where_the_name_does_not_tell() {
    let network = Network { classes: 10, ..ReleasedNetwork::by_name("b0").unwrap().network() };
    let source = detect_source(&weights(&state_dict(KeyScheme::Timm, &network))).unwrap();
    assert!(matches!(source.conventions("birds", None), Err(ImportError::AmbiguousPadding)));
    let explicit = source.conventions("birds", Some(Padding::Same)).unwrap();
    assert_eq!(explicit, source.conventions("tf_efficientnet_b0", None).unwrap());
    assert_ne!(explicit, source.conventions("efficientnet_b0", None).unwrap());
}

#[test]
fn non_finite_values_are_refused_by_name() {
    let network = Network { classes: 10, ..ReleasedNetwork::by_name("lite0").unwrap().network() };
    let mut tensors = state_dict(KeyScheme::EfficientnetPytorch, &network);
    tensors.get_mut("_bn1.running_var").unwrap().1[3] = -1.0;
    let weights = weights(&tensors);
    let source = detect_source(&weights).unwrap();
    let folding = BatchNormFolding::new(&weights, &source, source.conventions("", None).unwrap());
    let layers = source.network.layers(224);
    let head = layers.iter().find(|layer| layer.name == "head").unwrap();
    assert!(folding.fold_layer(head).unwrap_err().to_string().contains("_conv_head.weight"));
}
