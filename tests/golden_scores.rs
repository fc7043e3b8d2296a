//! Scores of the shipped models: equal to those of numpy and ONNX Runtime, with tests that notice each broken rule of
//! the input spec.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{apart, best, catalog, json, png, reference, scores};
use phicam_engine::Engine;
use phicam_engine_cpu::Tract;
use phicam_model::catalog::{Layout, Variant};
use phicam_pipeline::classify::crop::CropMode;
use phicam_pipeline::classify::preprocess::Preprocess;
use tract_onnx::pb::{AttributeProto, ModelProto, TensorProto};
use tract_onnx::prelude::Framework;

/// Returns the model's input for levels that are already cropped and resized.
fn input(variant: &Variant, levels: &[u8]) -> Vec<f32> {
    let square = phicam_frame::Size::new(variant.side, variant.side);
    let mut input_spec = (*variant.input).clone();
    input_spec.crop = phicam_model::catalog::Crop::Share(1.0);
    let mut input = vec![0.0; levels.len()];
    let mut preprocess = Preprocess::new(Arc::new(input_spec), variant.side, CropMode::Centre);
    preprocess.run(&common::frame(square, levels), &mut input).unwrap();
    assert_eq!(preprocess.input_levels(), levels, "same size: nothing to resize");
    input
}

fn run(variant: &Variant, onnx: &[u8], input: &[f32], threads: usize) -> Vec<f32> {
    let mut engine = Tract::load(&variant.name, onnx, variant.side, variant.input.layout, threads).unwrap();
    engine.input().copy_from_slice(input);
    engine.infer().unwrap().to_vec()
}

/// Returns the largest accepted difference between a score of half-precision weights and numpy's score.
///
/// tests/reference/README.md derives the values.
fn storage_tolerance(variant: &str) -> f32 {
    if variant == "lite0@96" { 0.2 } else { 0.05 }
}

#[test]
fn variants_score_like_onnx_runtime_and_numpy() {
    let catalog = catalog();
    let mut compared = BTreeSet::new();
    for case in json("scores/cases.json").as_array().unwrap() {
        let variant = catalog.variant(case["variant"].as_str().unwrap()).unwrap();
        let levels = png(&reference(&format!("scores/{}", case["input"].as_str().unwrap()))).1;
        let found = run(variant, &variant.network.read().unwrap(), &input(variant, &levels), 2);
        let what = format!("{} on {}", variant.name, case["photo"]);
        for (by, tolerance) in [("onnxruntime", 1e-3), ("numpy", storage_tolerance(&variant.name))] {
            let Some(file) = case[by].as_str() else { continue };
            let expected = scores(&reference(&format!("scores/{file}")));
            let apart = apart(&found, &expected);
            println!("{what}: {apart:.6} from {by}");
            assert!(apart <= tolerance, "{what}: {apart} from {by}");
            assert_eq!(best(&found), best(&expected), "{what}, {by}");
            if by == "onnxruntime" {
                compared.insert(variant.name.clone());
            }
        }
    }
    let all: BTreeSet<String> = catalog.variants.iter().map(|variant| variant.name.clone()).collect();
    assert_eq!(compared, all, "a variant without reference scores: run tests/reference/make.py");
}

#[test]
fn scores_are_equal_on_any_thread_count() {
    let catalog = catalog();
    let variant = catalog.variant("lite0@96").unwrap();
    let levels = png(&reference("scores/dog.96.png")).1;
    let (onnx, input) = (variant.network.read().unwrap(), input(variant, &levels));
    let one = run(variant, &onnx, &input, 1);
    assert!(apart(&one, &run(variant, &onnx, &input, 3)) < 1e-4);
    let mut engine = Tract::load("lite0@96", &onnx, 96, Layout::Nchw, 1).unwrap();
    for _ in 0..3 {
        engine.input().copy_from_slice(&input);
        assert_eq!(engine.infer().unwrap(), one);
        engine.input().fill(0.0);
        assert_ne!(engine.infer().unwrap(), one);
    }
}

fn dog_on_lite0() -> (Variant, ModelProto, Vec<f32>, Vec<f32>) {
    let variant = catalog().variant("lite0@224").unwrap().clone();
    let levels = png(&reference("scores/dog.224.png")).1;
    let onnx = variant.network.read().unwrap();
    let proto = tract_onnx::onnx().proto_model_for_read(&mut &onnx[..]).unwrap();
    let input = input(&variant, &levels);
    (variant, proto, input, scores(&reference("scores/lite0@224.dog.numpy.f32")))
}

fn encoded(proto: &ModelProto) -> Vec<u8> {
    prost::Message::encode_to_vec(proto)
}

#[test]
fn symmetric_padding_is_noticed() {
    let (variant, mut proto, input, expected) = dog_on_lite0();
    let mut broken = 0;
    for node in &mut proto.graph.as_mut().unwrap().node {
        let strided = node.attribute.iter().any(|a| a.name == "strides" && a.ints == [2, 2]);
        if node.op_type == "Conv" && strided {
            let kernel = node.attribute.iter().find(|a| a.name == "kernel_shape").unwrap().ints[0];
            node.attribute.retain(|a| a.name != "auto_pad");
            // PyTorch's default: equal pads on both sides.
            let ints = vec![(kernel - 1) / 2; 4];
            node.attribute.push(AttributeProto { name: "pads".into(), r#type: 7, ints, ..Default::default() });
            broken += 1;
        }
    }
    assert_eq!(broken, 5, "the stem and four blocks halve the picture");
    let apart = apart(&run(&variant, &encoded(&proto), &input, 1), &expected);
    assert!(apart > 20.0 * storage_tolerance("lite0@224"), "{apart}");
}

/// Multiplies the half-precision values of a weight by `factor`.
fn scale_half(tensor: &mut TensorProto, factor: f32) {
    use tract_onnx::prelude::tract_data::prelude::f16;
    for pair in tensor.raw_data.chunks_exact_mut(2) {
        let value = f16::from_le_bytes([pair[0], pair[1]]).to_f32() * factor;
        pair.copy_from_slice(&f16::from_f32(value).to_le_bytes());
    }
}

#[test]
fn wrong_epsilon_or_stem_is_noticed() {
    // traps.json holds the effect of each broken rule, computed from the published tensors; the tolerance must be below
    // it.
    let traps = json("scores/traps.json");
    let moved =
        |trap: &str| traps["lite0@224"][trap]["max"].as_f64().unwrap_or_else(|| panic!("no trap {trap}")) as f32;
    for trap in ["batch norm epsilon 1e-5", "symmetric pads", "ImageNet mean and deviation", "BGR", "no crop"] {
        assert!(moved(trap) > 10.0 * storage_tolerance("lite0@224"), "{trap}: {}", moved(trap));
    }
    let (variant, mut proto, input, expected) = dog_on_lite0();
    let weights = &mut proto.graph.as_mut().unwrap().initializer;
    let stem = weights.iter_mut().find(|tensor| tensor.name.contains("stem") && tensor.data_type == 10).unwrap();
    scale_half(stem, 1.03);
    let apart = apart(&run(&variant, &encoded(&proto), &input, 1), &expected);
    assert!(apart > storage_tolerance("lite0@224"), "{apart}");
}

#[test]
fn wrong_normalisation_bgr_or_crop_is_noticed() {
    let (variant, _, _, expected) = dog_on_lite0();
    let onnx = variant.network.read().unwrap();
    let (size, pixels) = common::decoded(&common::sample("dog.jpg"));
    let apart_with = |change: &dyn Fn(&mut phicam_model::catalog::InputSpec), view: CropMode| {
        let mut input_spec = (*variant.input).clone();
        change(&mut input_spec);
        let mut input = vec![0.0; 3 * 224 * 224];
        Preprocess::new(Arc::new(input_spec), 224, view).run(&common::frame(size, &pixels), &mut input).unwrap();
        apart(&run(&variant, &onnx, &input, 2), &expected)
    };
    // The input is a JPEG here, and decoders differ by a level in some pixels: 0.2 leaves room for that.
    let right = apart_with(&|_| {}, CropMode::Centre);
    println!("from the JPEG on: {right:.3} from Pillow and numpy");
    assert!(right < 0.2, "{right}");
    use phicam_model::catalog::{Colour, Crop, Filter};
    type Change<'a> = &'a dyn Fn(&mut phicam_model::catalog::InputSpec);
    let imagenet: Change = &|input_spec| {
        input_spec.mean = [123.675, 116.28, 103.53];
        input_spec.scale = [58.395, 57.12, 57.375];
    };
    let broken: [(&str, Change, CropMode); 5] = [
        ("ImageNet mean and deviation", imagenet, CropMode::Centre),
        ("BGR", &|input_spec| input_spec.colour = Colour::Bgr, CropMode::Centre),
        ("no crop", &|input_spec| input_spec.crop = Crop::Share(1.0), CropMode::Centre),
        ("bars instead of a crop", &|_| {}, CropMode::Whole),
        ("bilinear", &|input_spec| input_spec.filter = Filter::Bilinear, CropMode::Centre),
    ];
    for (what, change, view) in broken {
        let apart = apart_with(change, view);
        println!("{what}: {apart:.3}");
        assert!(apart > 0.25, "{what}: {apart}");
    }
}

#[test]
fn catalog_macs_equal_the_graphs() {
    use tract_onnx::prelude::*;
    for variant in &catalog().variants {
        let onnx = variant.network.read().unwrap();
        let side = variant.side as usize;
        let model = tract_onnx::onnx().model_for_read(&mut &onnx[..]).unwrap();
        let fact = f32::fact([1, 3, side, side]).into();
        let typed = model.with_input_fact(0, fact).unwrap().into_typed().unwrap().into_decluttered().unwrap();
        let macs: i64 = typed
            .nodes()
            .iter()
            .flat_map(|node| {
                let (inputs, _) = typed.node_facts(node.id).unwrap();
                node.op.cost(&inputs).unwrap()
            })
            .filter(|(cost, _)| matches!(cost, tract_core::internal::Cost::FMA(_)))
            .map(|(_, amount)| amount.to_i64().unwrap())
            .sum();
        let million = macs as f64 / 1e6;
        println!("{}: {million:.1} M", variant.name);
        // tract also counts the additions of biases and residuals as multiply-adds: slightly more than the catalog.
        let over = million / variant.million_macs - 1.0;
        assert!(
            (-0.001..0.03).contains(&over),
            "{}: {million} M, the catalog says {}",
            variant.name,
            variant.million_macs
        );
    }
}
