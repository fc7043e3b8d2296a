//! Fusion of EfficientNet graphs in the operator patterns of several exporters; scores are compared with tract's.

use std::collections::HashMap;

use phicam_kernels::{Kernels, TilingSettings};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto, NodeProto, TensorProto, attribute_proto};

use crate::*;
use phicam_model::efficientnet::{ExportOptions, Family, Network, Padding, Storage, write_seeded};
use prost::Message;

mod lookalikes;

const SIDE: u32 = 64;

/// Largest difference from tract's scores, as a share of their range: f32 sums in another order over 18 steps.
const TOLERANCE: f32 = 1e-3;

/// B0 or Lite0 with seeded weights.
fn onnx(family: Family, padding: Padding, storage: Storage) -> ModelProto {
    let mut bytes = Vec::new();
    let form = ExportOptions { side: SIDE, padding, storage };
    write_seeded(&Network::new(family, 1.0, 1.0), form, 7, &mut bytes).unwrap();
    ModelProto::decode(&bytes[..]).unwrap()
}

fn plain(family: Family) -> ModelProto {
    onnx(family, Padding::Same, Storage::Single)
}

/// Scores of one input, and the fusion report.
fn run(
    model: &ModelProto,
    layout: Layout,
    kernels: Option<&'static Kernels>,
    threads: usize,
) -> (Vec<f32>, FusionReport) {
    let bytes = model.encode_to_vec();
    let settings = Settings { threads, kernels, tiling: TilingSettings::default() };
    let mut engine = Tract::load_with("test", &bytes, SIDE, layout, settings).unwrap();
    for (index, value) in engine.input().iter_mut().enumerate() {
        *value = (index as f32 * 0.37).sin();
    }
    let scores = engine.infer().unwrap().to_vec();
    assert_eq!(engine.infer().unwrap(), scores, "the second run differs");
    (scores, engine.report.clone())
}

/// Asserts that scores are within [`TOLERANCE`] of tract's.
#[track_caller]
fn assert_close(scores: &[f32], expected: &[f32], context: &dyn std::fmt::Display) {
    let range = expected.iter().fold(0f32, |most, score| most.max(score.abs()));
    let difference = scores.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference <= TOLERANCE * range, "{context}: {difference} of {range}");
}

/// Asserts that all kernels run the whole network as one chain and give tract's scores.
#[track_caller]
fn assert_fully_fused(model: &ModelProto, layout: Layout) {
    let (expected, report) = run(model, layout, None, 1);
    assert!(report.chains.is_empty(), "{report}");
    assert!(!report.unfused.is_empty(), "{report}");
    for kernels in Kernels::available() {
        let (scores, report) = run(model, layout, Some(kernels), 1);
        assert_eq!((&report.chains[..], &report.unfused[..]), (&[18][..], &[][..]), "{kernels:?}: {report}");
        assert_close(&scores, &expected, &kernels.name);
        assert_eq!(run(model, layout, Some(kernels), 2).0, scores, "{kernels:?}: two threads");
    }
}

fn node(op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    let (input, output) = (inputs.iter().map(|name| name.to_string()).collect(), vec![output.to_string()]);
    NodeProto { op_type: op_type.into(), name: output[0].clone(), input, output, attribute, ..NodeProto::default() }
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    let r#type = attribute_proto::AttributeType::Ints as i32;
    AttributeProto { name: name.into(), ints: ints.to_vec(), r#type, ..AttributeProto::default() }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.into(), f, r#type: attribute_proto::AttributeType::Float as i32, ..Default::default() }
}

fn constant(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let (data_type, dims) = (DataType::Float as i32, dims.to_vec());
    TensorProto { name: name.into(), dims, data_type, raw_data, ..TensorProto::default() }
}

/// Replaces each node of `op_type` with equivalent nodes; panics if there is none.
fn replace(model: &mut ModelProto, op_type: &str, with: impl Fn(NodeProto, &mut Vec<TensorProto>) -> Vec<NodeProto>) {
    let graph = model.graph.as_mut().unwrap();
    let mut count = 0;
    for old in std::mem::take(&mut graph.node) {
        if old.op_type == op_type {
            count += 1;
            graph.node.extend(with(old, &mut graph.initializer));
        } else {
            graph.node.push(old);
        }
    }
    assert!(count > 0, "no {op_type}");
}

fn attributes(node: &NodeProto) -> HashMap<&str, &AttributeProto> {
    node.attribute.iter().map(|attribute| (attribute.name.as_str(), attribute)).collect()
}

#[test]
fn phicams_own_models_fuse_with_any_padding_and_storage() {
    // x · sigmoid(x), Clip with inputs, auto_pad or explicit pads, f16 weights behind a cast.
    for family in [Family::B, Family::Lite] {
        for (padding, storage) in [(Padding::Same, Storage::Half), (Padding::Symmetric, Storage::Single)] {
            assert_fully_fused(&onnx(family, padding, storage), Layout::Nchw);
        }
    }
}

#[test]
fn clip_with_limits_as_attributes_fuses() {
    let mut model = plain(Family::Lite);
    model.opset_import[0].version = 8;
    replace(&mut model, "Clip", |old, _| {
        vec![node("Clip", &[&old.input[0]], &old.output[0], vec![float("min", 0.0), float("max", 6.0)])]
    });
    assert_fully_fused(&model, Layout::Nchw);
}

#[test]
fn min_and_max_in_either_order_fuse_as_relu6() {
    for (first, second) in [("Min", "Max"), ("Max", "Min")] {
        let limit = |op: &str| if op == "Min" { "six" } else { "zero" };
        let mut model = plain(Family::Lite);
        replace(&mut model, "Clip", |old, _| {
            let between = format!("{}_between", old.output[0]);
            vec![
                node(first, &[&old.input[0], limit(first)], &between, vec![]),
                node(second, &[limit(second), &between], &old.output[0], vec![]),
            ]
        });
        assert_fully_fused(&model, Layout::Nchw);
    }
}

#[test]
fn reduce_mean_fuses_like_global_average_pool() {
    for family in [Family::B, Family::Lite] {
        let mut model = plain(family);
        replace(&mut model, "GlobalAveragePool", |old, _| {
            vec![node("ReduceMean", &[&old.input[0]], &old.output[0], vec![ints("axes", &[2, 3])])]
        });
        assert_fully_fused(&model, Layout::Nchw);
    }
}

#[test]
fn unfolded_batch_norm_fuses() {
    for family in [Family::B, Family::Lite] {
        let mut model = plain(family);
        let graph = model.graph.as_ref().unwrap();
        let channels: HashMap<String, i64> = graph
            .initializer
            .iter()
            .map(|tensor| (tensor.name.clone(), tensor.dims.first().copied().unwrap_or(1)))
            .collect();
        replace(&mut model, "Conv", |mut old, constants| {
            let (name, count) = (old.output[0].clone(), channels[&old.input[1]]);
            let values =
                |start: f32, step: f32| (0..count).map(|c| start + step * (c % 7) as f32).collect::<Vec<f32>>();
            let parts = [("scale", 0.8, 0.05), ("shift", -0.2, 0.1), ("mean", 0.1, -0.02), ("variance", 0.9, 0.03)];
            let names = parts.map(|(part, start, step)| {
                let name = format!("{name}_{part}");
                constants.push(constant(&name, &[count], &values(start, step)));
                name
            });
            old.input.truncate(2); // without a bias, as trained before a batch norm
            old.output[0] = format!("{name}_plain");
            old.name = old.output[0].clone();
            let inputs = [&old.output[0], &names[0], &names[1], &names[2], &names[3]].map(String::as_str);
            let norm = node("BatchNormalization", &inputs, &name, vec![float("epsilon", 1e-3)]);
            vec![old, norm]
        });
        assert_fully_fused(&model, Layout::Nchw);
    }
}

#[test]
fn separate_pad_nodes_fuse() {
    let mut model = plain(Family::B);
    replace(&mut model, "Conv", |mut old, constants| {
        let attributes = attributes(&old);
        let (kernel, stride) = (attributes["kernel_shape"].ints[0], attributes["strides"].ints[0]);
        if kernel == 1 {
            return vec![old];
        }
        // SAME padding for the even sides that occur at each stride.
        let padding = kernel - stride;
        let (before, after) = (padding / 2, padding - padding / 2);
        let name = format!("{}_pads", old.output[0]);
        let pads = [0, 0, before, before, 0, 0, after, after];
        let raw_data = pads.iter().flat_map(|pad: &i64| pad.to_le_bytes()).collect();
        let data_type = DataType::Int64 as i32;
        constants.push(TensorProto { name: name.clone(), dims: vec![8], data_type, raw_data, ..Default::default() });
        let padded = format!("{}_padded", old.output[0]);
        let pad = node("Pad", &[&old.input[0], &name], &padded, vec![]);
        old.input[0] = padded;
        old.attribute.retain(|attribute| attribute.name != "auto_pad");
        old.attribute.push(ints("pads", &[0; 4]));
        vec![pad, old]
    });
    assert_fully_fused(&model, Layout::Nchw);
}

#[test]
fn classifier_as_convolution_fuses() {
    let mut model = plain(Family::Lite);
    let graph = model.graph.as_mut().unwrap();
    let weights = graph.initializer.iter_mut().find(|tensor| tensor.name == "classifier_weight").unwrap();
    weights.dims.extend([1, 1]);
    graph.node.retain(|node| !matches!(&*node.op_type, "Flatten" | "Gemm"));
    graph.node.push(node("Conv", &["mean", "classifier_weight", "classifier_bias"], "last", vec![]));
    graph.node.push(node("Flatten", &["last"], "scores", vec![]));
    let (expected, _) = run(&model, Layout::Nchw, None, 1);
    let (scores, report) = run(&model, Layout::Nchw, Some(Kernels::best()), 1);
    assert_eq!(report.chains, [18], "{report}");
    assert_close(&scores, &expected, &report);
}

#[test]
fn nhwc_models_fuse_despite_their_transposes() {
    for everywhere in [false, true] {
        let mut model = plain(Family::B);
        let graph = model.graph.as_mut().unwrap();
        let dims = graph.input[0].r#type.as_mut().unwrap();
        let Some(tract_onnx::pb::type_proto::Value::TensorType(tensor)) = &mut dims.value else { panic!() };
        tensor.shape.as_mut().unwrap().dim.swap(1, 3);
        let entry = graph.input[0].name.clone();
        for node in &mut graph.node {
            node.input.iter_mut().filter(|input| **input == entry).for_each(|input| *input = "planar".into());
        }
        graph.node.insert(0, node("Transpose", &[&entry], "planar", vec![ints("perm", &[0, 3, 1, 2])]));
        if everywhere {
            replace(&mut model, "Conv", |mut old, _| {
                let name = |part: &str| format!("{}_{part}", old.output[0]);
                let (nhwc_in, nchw_in) = (name("nhwc_in"), name("nchw_in"));
                let (nchw_out, nhwc_out) = (name("nchw_out"), name("nhwc_out"));
                let (input, output) = (old.input[0].clone(), old.output[0].clone());
                (old.input[0], old.output[0]) = (nchw_in.clone(), nchw_out.clone());
                let (to_nhwc, to_nchw) = (ints("perm", &[0, 2, 3, 1]), ints("perm", &[0, 3, 1, 2]));
                vec![
                    node("Transpose", &[&input], &nhwc_in, vec![to_nhwc.clone()]),
                    node("Transpose", &[&nhwc_in], &nchw_in, vec![to_nchw.clone()]),
                    old,
                    node("Transpose", &[&nchw_out], &nhwc_out, vec![to_nhwc]),
                    node("Transpose", &[&nhwc_out], &output, vec![to_nchw]),
                ]
            });
        }
        let (expected, _) = run(&model, Layout::Nhwc, None, 1);
        let (scores, report) = run(&model, Layout::Nhwc, Some(Kernels::best()), 1);
        assert_eq!(report.chains, [18], "{report}");
        assert_close(&scores, &expected, &report);
    }
}

#[test]
fn unsupported_activation_splits_the_chain() {
    let mut model = plain(Family::B);
    // Replaces the first activation of one block with HardSwish.
    let graph = model.graph.as_mut().unwrap();
    let name = "block5_expand";
    let sigmoid = graph.node.iter().position(|node| node.op_type == "Sigmoid" && node.input[0].contains(name)).unwrap();
    let removed = graph.node.remove(sigmoid);
    let product =
        graph.node.iter().position(|node| node.op_type == "Mul" && node.input.contains(&removed.output[0])).unwrap();
    let product = graph.node.remove(product);
    graph.node.insert(sigmoid, node("HardSwish", &[&removed.input[0]], &product.output[0], vec![]));
    let (expected, _) = run(&model, Layout::Nchw, None, 1);
    for kernels in Kernels::available() {
        let (scores, report) = run(&model, Layout::Nchw, Some(kernels), 2);
        // First chain: stem and five blocks. Second: the changed block without its expansion, ten blocks and the head.
        assert_eq!(report.chains, [6, 12], "{report}");
        assert_eq!(report.unfused, [("Conv".into(), 1), ("HardSwish".into(), 1)], "{report}");
        assert_close(&scores, &expected, &report);
    }
}
