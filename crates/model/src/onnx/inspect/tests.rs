use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, GraphProto, NodeProto, StringStringEntryProto, TensorProto, tensor_shape_proto, type_proto,
};

use super::*;
use crate::efficientnet::{Family, Form, Network, Padding, RELEASED, Storage, write_seeded};

fn onnx(network: &Network, side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let form = Form { side, padding: Padding::Same, storage: Storage::Single };
    let written = write_seeded(network, form, 1, &mut bytes).unwrap();
    assert_eq!(written, bytes.len() as u64);
    bytes
}

fn shipped(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("models/imagenet");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn the_shipped_files_are_known_for_what_they_are() {
    for (file, name) in [("lite0.onnx", "lite0"), ("lite2.onnx", "lite2")] {
        let facts = Facts::of(&shipped(file)).unwrap();
        let scaled = facts.scaled.unwrap();
        assert_eq!(scaled.released().unwrap().name, name);
        assert_eq!((facts.layout, facts.fixed_side, facts.classes), (Layout::Nchw, None, 1000));
        assert_eq!(facts.precision, "f16");
        if name == "lite0" {
            assert_eq!((facts.million_macs(224).unwrap() * 1e6).round() as u64, 385_187_552);
            assert_eq!((facts.million_parameters * 1e6).round() as u64, 4_631_000);
        }
    }
}

#[test]
fn what_is_counted_in_a_file_is_what_its_network_costs() {
    for released in RELEASED.iter().filter(|released| ["b0", "b3", "lite1", "lite4"].contains(&released.name)) {
        let network = Network { classes: 12, ..released.network() };
        let facts = Facts::of(&onnx(&network, released.side)).unwrap();
        assert_eq!(facts.scaled.unwrap().released().unwrap().name, released.name);
        assert_eq!((facts.classes, facts.remarked_side), (12, Some(released.side)));
        for side in [released.side, 97] {
            let cost = network.cost(side);
            assert_eq!((facts.million_macs(side).unwrap() * 1e6).round() as u64, cost.macs, "{}@{side}", released.name);
            assert_eq!((facts.million_parameters * 1e6).round() as u64, cost.folded_parameters);
        }
    }
}

#[test]
fn a_network_between_the_released_ones_is_known_by_its_phi() {
    for phi in [-2.0, 0.5, 2.5] {
        let (network, side) = Network::at_phi(Family::B, phi);
        let scaled = Facts::of(&onnx(&network, side)).unwrap().scaled.unwrap();
        assert!(scaled.released().is_none());
        let found = scaled.at(side).phi();
        assert!((found - phi).abs() < 0.35, "φ {phi}: {found:.2}, as near as rounding leaves it");
        assert_eq!(Network { width: scaled.width, depth: scaled.depth, ..network }.cost(side), network.cost(side));
    }
}

/// A small classifier of another family: convolution, pool, flatten, matrix product.
fn other() -> ModelProto {
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

fn facts(model: &ModelProto) -> Result<Facts, InspectError> {
    Facts::of(&model.encode_to_vec())
}

#[test]
fn another_classifier_is_outside_the_family_and_its_work_is_counted() {
    let facts = facts(&other()).unwrap();
    assert!(facts.scaled.is_none());
    assert_eq!(facts.classes, 5);
    assert_eq!((facts.million_macs(64).unwrap() * 1e6).round() as u64, 32 * 32 * 4 * 27 + 20);
    assert_eq!((facts.million_parameters * 1e6).round() as u64, 4 * 27 + 20);
}

/// What is said of `other()` with a change made to it.
fn refusal(change: impl FnOnce(&mut GraphProto)) -> String {
    let mut model = other();
    change(model.graph.as_mut().unwrap());
    facts(&model).expect_err("should be refused").to_string()
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
fn graphs_that_are_wrong_are_refused_with_what_is_wrong() {
    let says = |found: String, said: &str| assert!(found.contains(said), "`{said}` is missing in: {found}");
    says(refusal(|graph| graph.node.swap(0, 3)), "before it is made: a cycle");
    says(refusal(|graph| graph.node[1].input[0] = "d".into()), "before it is made: a cycle");
    says(refusal(|graph| graph.node[1].output[0] = "a".into()), "is made twice");
    says(refusal(|graph| graph.output[0].name = "nowhere".into()), "is made by no node");
    says(refusal(|graph| graph.input.push(graph.input[0].clone())), "no input or several");
    says(refusal(|graph| graph.output.push(graph.output[0].clone())), "no output or several");
    says(refusal(|graph| graph.initializer.push(graph.initializer[0].clone())), "is there twice");
    says(refusal(|graph| graph.initializer[0].dims = vec![1 << 40, 1 << 40]), "more than there are bytes");
    says(refusal(|graph| graph.initializer[0].dims = vec![-4, 3, 3, 3]), "has the shape [-4");
    says(refusal(|graph| graph.initializer[0].dims = vec![1; 9]), "9 dimensions");
    says(refusal(|graph| graph.initializer[0].dims = vec![40, 3, 3, 3]), "but holds 108 values");
    says(refusal(|graph| graph.initializer[0].data_type = 8), "ONNX type 8");
    says(refusal(|graph| graph.initializer[0].data_location = Some(1)), "weights in another file");
    says(
        refusal(|graph| {
            let entry = StringStringEntryProto { key: "location".into(), value: "/etc/passwd".into() };
            graph.initializer[0].external_data.push(entry);
        }),
        "weights in another file",
    );
    says(refusal(|graph| graph.node[1].op_type = "ConstantOfShape".into()), "is not supported");
    says(refusal(|graph| graph.node[1].op_type = "Frobnicate".into()), "is not known here");
    says(refusal(|graph| graph.node[1].domain = "com.evil".into()), "`com.evil`");
    says(refusal(|graph| graph.node[0].attribute[1].ints = vec![1 << 40; 4]), "has pads of");
    says(refusal(|graph| graph.node[0].attribute[0].ints = vec![0, 0]), "has strides of");
    says(refusal(|graph| graph.node[0].attribute[0].ints = vec![-1, 1]), "has strides of");
    says(refusal(|graph| dimensions(graph, &[1, 3, 224, 192])), "a square of 32 to 2048");
    says(refusal(|graph| dimensions(graph, &[1, 3, 1 << 40, 1 << 40])), "a square of 32 to 2048");
    says(refusal(|graph| dimensions(graph, &[1, 4, 224, 224])), "its input is 1 × 4 × 224 × 224");
    says(refusal(|graph| dimensions(graph, &[8, 3, 224, 224])), "its input is 8 × 3");
    says(refusal(|graph| graph.node.truncate(3)), "is made by no node");
    says(refusal(|graph| graph.output[0].name = "b".into()), "is it a classifier?");
    let subgraph = AttributeProto { name: "body".into(), g: Some(GraphProto::default()), ..Default::default() };
    says(refusal(|graph| graph.node[1].attribute.push(subgraph)), "a graph inside a node");
    assert!(facts(&ModelProto::default()).unwrap_err().to_string().contains("no graph"));
}

#[test]
fn axes_that_count_from_the_end_are_placed_in_the_result() {
    // 1 × 4 becomes 1 × 4 × 1 × 1, which goes with the values that it is to scale.
    let mut model = other();
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
    assert_eq!(facts(&model).unwrap().classes, 5);
}

#[test]
fn an_outer_product_of_constants_is_refused_before_it_fills_the_memory() {
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
fn shapes_that_double_at_every_step_end_in_a_refusal() {
    let message = refusal(|graph| {
        let doubled = |at: usize| NodeProto {
            op_type: "Concat".into(),
            name: format!("x{at}"),
            input: vec![if at == 0 { "b".into() } else { format!("x{}", at - 1) }; 2],
            output: vec![format!("x{at}")],
            attribute: vec![AttributeProto { name: "axis".into(), i: 1, ..AttributeProto::default() }],
            ..NodeProto::default()
        };
        graph.node.splice(2..2, (0..60).map(doubled));
        graph.node[62].input[0] = "x59".into();
    });
    assert!(message.contains("values"), "{message}");
}

#[test]
fn a_file_cut_anywhere_is_refused_without_a_panic() {
    let whole = other().encode_to_vec();
    for length in 0..whole.len() {
        assert!(Facts::of(&whole[..length]).is_err(), "cut at {length} of {}", whole.len());
    }
}

#[test]
fn a_small_file_that_would_swell_is_refused_before_it_is_decoded() {
    let repeated = |key: u8, count: usize| -> Vec<u8> {
        let graph = [key, 0].repeat(count);
        let mut model = vec![7 << 3 | 2];
        prost::encode_length_delimiter(graph.len(), &mut model).unwrap();
        model.extend(graph);
        model
    };
    for (what, key) in [("nodes", 1 << 3 | 2), ("constants", 5 << 3 | 2), ("inputs", 11 << 3 | 2)] {
        let bytes = repeated(key, 1_000_000);
        let mut found = None;
        let memory = allocation_counter::measure(|| found = Some(Facts::of(&bytes)));
        let message = found.unwrap().unwrap_err().to_string();
        assert!(message.contains("too many small parts"), "{what}: {message}");
        assert!(memory.bytes_max < 1 << 16, "{what}: {} bytes before it was refused", memory.bytes_max);
    }
}

#[test]
fn looking_at_a_file_takes_no_more_than_its_size_once_more() {
    let bytes = onnx(&Network::new(Family::B, 1.0, 1.0), 224);
    let memory = allocation_counter::measure(|| drop(Facts::of(&bytes).unwrap()));
    assert!(memory.bytes_max < bytes.len() as u64 + SLACK_BYTES, "{} for {}", memory.bytes_max, bytes.len());
}

#[test]
fn what_exporters_write_is_counted_as_onnxs_own_shapes_say() {
    let folder = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("tests/inspect");
    let expected: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    assert!(expected.len() >= 5);
    for (name, expected) in expected {
        let bytes = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
        let facts = Facts::of(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let macs = (facts.million_macs(facts.fixed_side.unwrap()).unwrap() * 1e6).round() as u64;
        assert_eq!(
            (facts.classes as u64, macs),
            (expected["classes"].as_u64().unwrap(), expected["macs"].as_u64().unwrap()),
            "{name}"
        );
        assert!(facts.scaled.is_none(), "{name}");
    }
}
