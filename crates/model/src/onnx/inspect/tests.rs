use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, StringStringEntryProto, TensorProto, tensor_shape_proto, type_proto,
};

use super::*;
use crate::efficientnet::{ExportOptions, Family, Network, Padding, RELEASED, Storage, write_seeded};

fn onnx(network: &Network, side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let options = ExportOptions { side, padding: Padding::Same, storage: Storage::Single };
    let written = write_seeded(network, options, 1, &mut bytes).unwrap();
    assert_eq!(written, bytes.len() as u64);
    bytes
}

fn shipped(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("models/imagenet");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn shipped_files_are_identified() {
    for (file, name) in [("lite0.onnx", "lite0"), ("lite2.onnx", "lite2")] {
        let info = ModelInfo::from_onnx(&shipped(file)).unwrap();
        let scaled = info.scaled.unwrap();
        assert_eq!(scaled.released().unwrap().name, name);
        assert_eq!((info.layout, info.fixed_side, info.classes), (Layout::Nchw, None, 1000));
        assert_eq!(info.precision, "f16");
        if name == "lite0" {
            assert_eq!((info.million_macs(224).unwrap() * 1e6).round() as u64, 385_187_552);
            assert_eq!((info.million_parameters * 1e6).round() as u64, 4_631_000);
        }
    }
}

#[test]
fn file_cost_matches_network_cost() {
    for released in RELEASED.iter().filter(|released| ["b0", "b3", "lite1", "lite4"].contains(&released.name)) {
        let network = Network { classes: 12, ..released.network() };
        let info = ModelInfo::from_onnx(&onnx(&network, released.side)).unwrap();
        assert_eq!(info.scaled.unwrap().released().unwrap().name, released.name);
        assert_eq!((info.classes, info.metadata_side), (12, Some(released.side)));
        for side in [released.side, 97] {
            let cost = network.cost(side);
            assert_eq!((info.million_macs(side).unwrap() * 1e6).round() as u64, cost.macs, "{}@{side}", released.name);
            assert_eq!((info.million_parameters * 1e6).round() as u64, cost.folded_parameters);
        }
    }
}

#[test]
fn scaled_network_is_identified_by_phi() {
    for phi in [-2.0, 0.5, 2.5] {
        let (network, side) = Network::at_phi(Family::B, phi);
        let scaled = ModelInfo::from_onnx(&onnx(&network, side)).unwrap().scaled.unwrap();
        assert!(scaled.released().is_none());
        let found = scaled.at_side(side).phi();
        assert!((found - phi).abs() < 0.35, "φ {phi}: {found:.2}, within the rounding of channels");
        assert_eq!(Network { width: scaled.width, depth: scaled.depth, ..network }.cost(side), network.cost(side));
    }
}

/// Returns a small classifier outside the family: convolution, pool, flatten, matrix product.
fn foreign_model() -> ModelProto {
    let node = |op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>| NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: input.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        attribute,
        ..NodeProto::default()
    };
    let ints = |name: &str, ints: &[i64]| AttributeProto { name: name.into(), ints: ints.into(), ..Default::default() };
    let tensor = |name: &str, dims: &[i64]| TensorProto {
        name: name.into(),
        dims: dims.into(),
        data_type: DataType::Float as i32,
        raw_data: vec![0; 4 * dims.iter().product::<i64>() as usize],
        ..TensorProto::default()
    };
    let template = ModelProto::decode(&*onnx(&Network::new(Family::Lite, 0.3, 0.3), 64)).unwrap().graph.unwrap();
    let graph = GraphProto {
        node: vec![
            node("Conv", &["image", "w"], "a", vec![ints("strides", &[2, 2]), ints("pads", &[1, 1, 1, 1])]),
            node("Relu", &["a"], "b", vec![]),
            node("GlobalAveragePool", &["b"], "c", vec![]),
            node("Flatten", &["c"], "d", vec![]),
            node("MatMul", &["d", "m"], "scores", vec![]),
        ],
        initializer: vec![tensor("w", &[4, 3, 3, 3]), tensor("m", &[4, 5])],
        input: template.input,
        output: template.output,
        ..GraphProto::default()
    };
    ModelProto { graph: Some(graph), ..ModelProto::default() }
}

fn inspect(model: &ModelProto) -> Result<ModelInfo, InspectError> {
    ModelInfo::from_onnx(&model.encode_to_vec())
}

#[test]
fn foreign_classifier_has_macs_but_no_family() {
    let info = inspect(&foreign_model()).unwrap();
    assert!(info.scaled.is_none());
    assert_eq!(info.classes, 5);
    assert_eq!((info.million_macs(64).unwrap() * 1e6).round() as u64, 32 * 32 * 4 * 27 + 20);
    assert_eq!((info.million_parameters * 1e6).round() as u64, 4 * 27 + 20);
}

/// Returns the error message for [`foreign_model`] after `change`.
fn refusal(change: impl FnOnce(&mut GraphProto)) -> String {
    let mut model = foreign_model();
    change(model.graph.as_mut().unwrap());
    inspect(&model).expect_err("should be refused").to_string()
}

fn dimensions(graph: &mut GraphProto, sizes: &[i64]) {
    let Some(type_proto::Value::TensorType(tensor)) = graph.input[0].r#type.as_mut().unwrap().value.as_mut() else {
        panic!("no tensor")
    };
    let dimension = |&size: &i64| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(size)),
        ..Default::default()
    };
    tensor.shape.as_mut().unwrap().dim = sizes.iter().map(dimension).collect();
}

#[test]
fn invalid_graphs_are_refused_with_cause() {
    let check = |message: String, part: &str| assert!(message.contains(part), "`{part}` is missing in: {message}");
    check(refusal(|graph| graph.node.swap(0, 3)), "before its definition: a cycle");
    check(refusal(|graph| graph.node[1].input[0] = "d".into()), "before its definition: a cycle");
    check(refusal(|graph| graph.node[1].output[0] = "a".into()), "is defined twice");
    check(refusal(|graph| graph.output[0].name = "nowhere".into()), "is not computed by any node");
    check(refusal(|graph| graph.input.push(graph.input[0].clone())), "exactly one input");
    check(refusal(|graph| graph.output.push(graph.output[0].clone())), "exactly one output");
    check(refusal(|graph| graph.initializer.push(graph.initializer[0].clone())), "is defined twice");
    check(refusal(|graph| graph.initializer[0].dims = vec![1 << 40, 1 << 40]), "more elements than the file has bytes");
    check(refusal(|graph| graph.initializer[0].dims = vec![-4, 3, 3, 3]), "has the shape [-4");
    check(refusal(|graph| graph.initializer[0].dims = vec![1; 9]), "9 dimensions");
    check(refusal(|graph| graph.initializer[0].dims = vec![40, 3, 3, 3]), "but 108 values");
    check(refusal(|graph| graph.initializer[0].data_type = 8), "ONNX type 8");
    check(refusal(|graph| graph.initializer[0].data_location = Some(1)), "weights in another file");
    check(
        refusal(|graph| {
            let entry = StringStringEntryProto { key: "location".into(), value: "/etc/passwd".into() };
            graph.initializer[0].external_data.push(entry);
        }),
        "weights in another file",
    );
    check(refusal(|graph| graph.node[1].op_type = "ConstantOfShape".into()), "is not supported");
    check(refusal(|graph| graph.node[1].op_type = "Frobnicate".into()), "is an unknown operator");
    check(refusal(|graph| graph.node[1].domain = "com.evil".into()), "`com.evil`");
    check(refusal(|graph| graph.node[0].attribute[1].ints = vec![1 << 40; 4]), "has pads of");
    check(refusal(|graph| graph.node[0].attribute[0].ints = vec![0, 0]), "has strides of");
    check(refusal(|graph| graph.node[0].attribute[0].ints = vec![-1, 1]), "has strides of");
    check(refusal(|graph| dimensions(graph, &[1, 3, 224, 192])), "expected a square of 32 to 2048");
    check(refusal(|graph| dimensions(graph, &[1, 3, 1 << 40, 1 << 40])), "expected a square of 32 to 2048");
    check(refusal(|graph| dimensions(graph, &[1, 4, 224, 224])), "its input is 1 × 4 × 224 × 224");
    check(refusal(|graph| dimensions(graph, &[8, 3, 224, 224])), "its input is 8 × 3");
    check(refusal(|graph| graph.node.truncate(3)), "is not computed by any node");
    check(refusal(|graph| graph.output[0].name = "b".into()), "is it a classifier?");
    let subgraph = AttributeProto { name: "body".into(), g: Some(GraphProto::default()), ..Default::default() };
    check(refusal(|graph| graph.node[1].attribute.push(subgraph)), "a graph inside a node");
    assert!(inspect(&ModelProto::default()).unwrap_err().to_string().contains("no graph"));
}

#[test]
fn negative_unsqueeze_axes_count_in_the_result() {
    // 1 × 4 becomes 1 × 4 × 1 × 1, which broadcasts with the values to scale.
    let mut model = foreign_model();
    let graph = model.graph.as_mut().unwrap();
    let node = |op: &str, input: &[&str], output: &str, axes: &[i64]| NodeProto {
        op_type: op.into(),
        name: output.into(),
        input: input.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        attribute: vec![AttributeProto { name: "axes".into(), ints: axes.into(), ..AttributeProto::default() }],
        ..NodeProto::default()
    };
    graph
        .node
        .splice(3..3, [node("Unsqueeze", &["d0"], "gate", &[-2, -1]), node("Mul", &["b", "gate"], "scaled", &[])]);
    let mut flat = graph.node[5].clone();
    (flat.input[0], flat.output[0]) = ("c".into(), "d0".into());
    graph.node.insert(3, flat);
    graph.node[6].input[0] = "scaled".into();
    graph.node[7].input[0] = "e".into();
    graph.node[6].op_type = "GlobalAveragePool".into();
    graph.node[6].output[0] = "d1".into();
    let mut flatten = graph.node[3].clone();
    (flatten.input[0], flatten.output[0]) = ("d1".into(), "e".into());
    graph.node.insert(7, flatten);
    assert_eq!(inspect(&model).unwrap().classes, 5);
}

#[test]
fn outer_product_of_constants_is_refused() {
    let message = refusal(|graph| {
        let mut long = graph.initializer[0].clone();
        (long.name, long.dims, long.raw_data) = ("long".into(), vec![100_000, 1], vec![0; 400_000]);
        let mut wide = long.clone();
        (wide.name, wide.dims) = ("wide".into(), vec![1, 100_000]);
        graph.initializer.extend([long, wide]);
        let mut node = graph.node[1].clone();
        (node.op_type, node.input, node.output) = ("Mul".into(), vec!["long".into(), "wide".into()], vec!["p".into()]);
        graph.node.insert(0, node);
    });
    assert!(message.contains("more than a million numbers"), "{message}");
}

#[test]
fn doubling_shapes_are_refused() {
    let message = refusal(|graph| {
        let doubled = |index: usize| NodeProto {
            op_type: "Concat".into(),
            name: format!("x{index}"),
            input: vec![if index == 0 { "b".into() } else { format!("x{}", index - 1) }; 2],
            output: vec![format!("x{index}")],
            attribute: vec![AttributeProto { name: "axis".into(), i: 1, ..AttributeProto::default() }],
            ..NodeProto::default()
        };
        graph.node.splice(2..2, (0..60).map(doubled));
        graph.node[62].input[0] = "x59".into();
    });
    assert!(message.contains("values"), "{message}");
}

#[test]
fn truncation_at_any_byte_is_refused() {
    let whole = foreign_model().encode_to_vec();
    for length in 0..whole.len() {
        assert!(ModelInfo::from_onnx(&whole[..length]).is_err(), "cut at {length} of {}", whole.len());
    }
}

#[test]
fn memory_bomb_is_refused_before_decoding() {
    let repeated = |key: u8, count: usize| -> Vec<u8> {
        let graph = [key, 0].repeat(count);
        let mut model = vec![7 << 3 | 2];
        prost::encode_length_delimiter(graph.len(), &mut model).unwrap();
        model.extend(graph);
        model
    };
    for (parts, key) in [("nodes", 1 << 3 | 2), ("constants", 5 << 3 | 2), ("inputs", 11 << 3 | 2)] {
        let bytes = repeated(key, 1_000_000);
        let mut result = None;
        let memory = allocation_counter::measure(|| result = Some(ModelInfo::from_onnx(&bytes)));
        let message = result.unwrap().unwrap_err().to_string();
        assert!(message.contains("too many small parts"), "{parts}: {message}");
        assert!(memory.bytes_max < 1 << 16, "{parts}: {} bytes before the refusal", memory.bytes_max);
    }
}

#[test]
fn inspection_memory_is_bounded_by_file_size() {
    let bytes = onnx(&Network::new(Family::B, 1.0, 1.0), 224);
    let memory = allocation_counter::measure(|| drop(ModelInfo::from_onnx(&bytes).unwrap()));
    assert!(memory.bytes_max < bytes.len() as u64 + SLACK_BYTES, "{} for {}", memory.bytes_max, bytes.len());
}

#[test]
fn exported_models_match_onnx_shape_inference() {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/inspect");
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 5);
    for (name, expected) in expected {
        let bytes = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
        let info = ModelInfo::from_onnx(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let macs = (info.million_macs(info.fixed_side.unwrap()).unwrap() * 1e6).round() as u64;
        assert_eq!(
            (info.classes as u64, macs),
            (expected["classes"].as_u64().unwrap(), expected["macs"].as_u64().unwrap()),
            "{name}"
        );
        assert!(info.scaled.is_none(), "{name}");
    }
}
