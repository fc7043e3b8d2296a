//! Weights of timm, torchvision and efficientnet_pytorch give the scores that those libraries give with them, and each
//! way to misread them is shown to be noticed.

mod common;

use common::random_models::{Tensors, safetensors, seeded, state_dict};
use common::{apart, json, reference, scores};
use phicam_checkpoint::Weights;
use phicam_engine::Engine;
use phicam_engine_cpu::Tract;
use phicam_model::catalog::Layout;
use phicam_model::efficientnet::{Form, Network, Padding, Released, Storage, write_onnx};
use phicam_model::import::{Folding, Habits, ImportError, Naming, recognise, tensors};
use sha2::{Digest, Sha256};

/// What is misread, and how.
type Misreading = (&'static str, fn(&mut Tensors));

fn naming(name: &str) -> Naming {
    match name {
        "timm" => Naming::Timm,
        "torchvision" => Naming::Torchvision,
        "lukemelas" => Naming::EfficientnetPytorch,
        _ => panic!("{name}"),
    }
}

fn weights(tensors: &Tensors) -> Weights {
    Weights::parse(safetensors(tensors), "seeded.safetensors").unwrap()
}

/// The case's scores by our network with its tensors, at its side.
fn ours(weights: &Weights, habits: Habits, side: u32, storage: Storage) -> Vec<f32> {
    let recognised = recognise(weights).unwrap();
    let folding = Folding::new(weights, &recognised, habits);
    let mut onnx = Vec::new();
    let form = Form { side, padding: habits.padding, storage };
    write_onnx(&recognised.network, form, |layer, _| folding.layer(layer), &mut onnx).unwrap();
    let mut engine = Tract::load("seeded", &onnx, side, Layout::Nchw, 2).unwrap();
    let side = side as usize;
    engine.input().copy_from_slice(&seeded("input", &[1, 3, side, side], false));
    engine.infer().unwrap().to_vec()
}

struct Case {
    name: String,
    naming: Naming,
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
            naming: naming(&text("naming")),
            network: Network { classes, ..Released::named(&network).unwrap().network() },
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

/// The largest difference from the library's scores, as a share of their range.
fn error(case: &Case, weights: &Weights, habits: Habits) -> f32 {
    apart(&ours(weights, habits, case.side, Storage::Single), &case.reference) / case.range
}

fn habits(case: &Case, weights: &Weights) -> Habits {
    recognise(weights).unwrap().habits(&case.model, None).unwrap()
}

#[test]
fn every_library_gives_the_same_scores_with_the_same_tensors() {
    let cases = cases();
    assert!(cases.len() >= 14);
    for case in cases {
        let weights = weights(&state_dict(case.naming, &case.network));
        let recognised = recognise(&weights).unwrap();
        assert_eq!((recognised.naming, recognised.network), (case.naming, case.network), "{}", case.name);
        let error = error(&case, &weights, habits(&case, &weights));
        assert!(error < 2e-5, "{}: {error:.1e} of the range", case.name);
        let half = ours(&weights, habits(&case, &weights), case.side, Storage::Half);
        let error = apart(&half, &case.reference) / case.range;
        assert!(error > 1e-6 && error < 1e-2, "{} in half precision: {error:.1e} of the range", case.name);
    }
}

#[test]
fn names_and_shapes_are_those_of_the_libraries_at_every_size() {
    let (mut compared, table) = (0, json("imports/parameters.json"));
    for (library, models) in table.as_object().unwrap() {
        for (model, facts) in models.as_object().unwrap() {
            let network = model.rsplit(['_', '-']).next().unwrap();
            let Some(released) = Released::named(network) else { continue }; // B8 was released without a paper
            let mut tensors = tensors(naming(library), &released.network());
            tensors.sort();
            let line = |(name, shape): &(String, Vec<usize>)| {
                let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
                format!("{name} {}", shape.join("x"))
            };
            let lines: Vec<String> = tensors.iter().map(line).collect();
            let digest: String = Sha256::digest(lines.join("\n")).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, facts["digest"].as_str().unwrap(), "{library} {model}");
            let parameters = released.network().cost(released.side).parameters;
            assert_eq!(parameters, facts["parameters"].as_u64().unwrap(), "{library} {model}");
            compared += 1;
        }
    }
    assert!(compared >= 30, "{compared} compared");
}

#[test]
fn each_wrong_habit_is_noticed() {
    for name in ["timm-tf_efficientnet_b0@224", "timm-efficientnet_b0@224", "torchvision-efficientnet_b0@224"] {
        let case = case(name);
        let weights = weights(&state_dict(case.naming, &case.network));
        let right = habits(&case, &weights);
        let epsilon = if right.epsilon == 1e-3 { 1e-5 } else { 1e-3 };
        let padding = if right.padding == Padding::Same { Padding::Symmetric } else { Padding::Same };
        for (what, wrong) in [("ε", Habits { epsilon, ..right }), ("padding", Habits { padding, ..right })] {
            let error = error(&case, &weights, wrong);
            assert!(error > 1e-3, "{name}: the wrong {what} moves the scores by {error:.1e} of the range only");
        }
    }
}

/// Swaps two tensors' values.
fn swap(tensors: &mut Tensors, a: &str, b: &str) {
    let one = tensors[a].clone();
    let other = tensors.insert(b.into(), one).unwrap();
    tensors.insert(a.into(), other);
}

#[test]
fn each_tensor_in_the_wrong_place_or_the_wrong_way_round_is_noticed() {
    let case = case("timm-tf_efficientnet_b0@113");
    let right = state_dict(case.naming, &case.network);
    let misread: [Misreading; 5] = [
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
    for (what, misread) in misread {
        let mut wrong = right.clone();
        misread(&mut wrong);
        let wrong = weights_or_refused(&wrong);
        let Some(wrong) = wrong else { continue }; // shapes already tell
        let error = error(&case, &wrong, habits(&case, &wrong));
        assert!(error > 1e-4, "{what}: {error:.1e} of the range");
    }
}

fn weights_or_refused(tensors: &Tensors) -> Option<Weights> {
    let weights = weights(tensors);
    recognise(&weights).is_ok().then_some(weights)
}

#[test]
fn what_fits_no_network_is_refused_with_the_first_thing_that_is_wrong() {
    let network = Network { classes: 10, ..Released::named("b0").unwrap().network() };
    let whole = state_dict(Naming::Timm, &network);
    let refusal = |change: fn(&mut Tensors)| {
        let mut changed = whole.clone();
        change(&mut changed);
        recognise(&weights(&changed)).unwrap_err().to_string()
    };
    let missing = refusal(|tensors| drop(tensors.remove("blocks.1.0.bn2.weight")));
    assert!(
        missing.contains("timm") && missing.contains("b0") && missing.contains("lacks blocks.1.0.bn2.weight, [96]"),
        "{missing}"
    );
    let shape = refusal(|tensors| drop(tensors.insert("bn1.bias".into(), (vec![31], vec![0.0; 31]))));
    assert!(shape.contains("bn1.bias is [31], expected [32]"), "{shape}");
    let extra = refusal(|tensors| drop(tensors.insert("blocks.9.0.bn1.bias".into(), (vec![8], vec![0.0; 8]))));
    assert!(extra.contains("blocks.9.0.bn1.bias has no place"), "{extra}");
    let other = refusal(|tensors| drop(tensors.remove("conv_stem.weight")));
    assert!(other.contains("no EfficientNet's tensors"), "{other}");
}

#[test]
fn timms_habits_are_asked_for_where_the_name_does_not_tell() {
    let network = Network { classes: 10, ..Released::named("b0").unwrap().network() };
    let recognised = recognise(&weights(&state_dict(Naming::Timm, &network))).unwrap();
    assert!(matches!(recognised.habits("birds", None), Err(ImportError::WhichPadding)));
    let asked = recognised.habits("birds", Some(Padding::Same)).unwrap();
    assert_eq!(asked, recognised.habits("tf_efficientnet_b0", None).unwrap());
    assert_ne!(asked, recognised.habits("efficientnet_b0", None).unwrap());
}

#[test]
fn values_that_are_not_finite_are_refused_by_name() {
    let network = Network { classes: 10, ..Released::named("lite0").unwrap().network() };
    let mut tensors = state_dict(Naming::EfficientnetPytorch, &network);
    tensors.get_mut("_bn1.running_var").unwrap().1[3] = -1.0;
    let weights = weights(&tensors);
    let recognised = recognise(&weights).unwrap();
    let folding = Folding::new(&weights, &recognised, recognised.habits("", None).unwrap());
    let layers = recognised.network.layers(224);
    let head = layers.iter().find(|layer| layer.name == "head").unwrap();
    assert!(folding.layer(head).unwrap_err().to_string().contains("_conv_head.weight"));
}
