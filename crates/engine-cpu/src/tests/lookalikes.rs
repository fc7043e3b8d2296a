//! Graphs that look as those of the family and mean something else: the scores stay what tract gives.

use super::*;

/// Both give the same, by whatever runs it; the report of what the kernels ran.
#[track_caller]
fn same_as_tract(model: &ModelProto) -> Report {
    let (expected, _) = run(model, Layout::Nchw, None, 1);
    let (scores, report) = run(model, Layout::Nchw, Some(Kernels::best()), 1);
    let range = expected.iter().fold(0f32, |most, score| most.max(score.abs()));
    let apart = scores.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart <= 1e-3 * range, "{apart} of {range}: {report}");
    report
}

fn shape(name: &str, lengths: &[i64]) -> TensorProto {
    let raw_data = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
    let (data_type, dims) = (DataType::Int64 as i32, vec![lengths.len() as i64]);
    TensorProto { name: name.into(), dims, data_type, raw_data, ..TensorProto::default() }
}

#[test]
fn means_in_another_order_before_the_classifier() {
    let mut model = plain(Family::Lite);
    replace(&mut model, "Flatten", |flatten, constants| {
        constants.extend([shape("pairs", &[1, 2, 640]), shape("row", &[1, 1280])]);
        vec![
            node("Reshape", &[&flatten.input[0], "pairs"], "paired", vec![]),
            node("Transpose", &["paired"], "turned", vec![ints("perm", &[0, 2, 1])]),
            node("Reshape", &["turned", "row"], &flatten.output[0], vec![]),
        ]
    });
    assert!(!same_as_tract(&model).left.is_empty());
}

#[test]
fn means_as_a_column_behind_a_square_matrix() {
    let mut model = plain(Family::Lite);
    replace(&mut model, "Flatten", |flatten, constants| {
        let weights: Vec<f32> = (0..1280 * 1280).map(|place| (place as f32 * 0.61).sin() / 40.0).collect();
        constants.extend([constant("square", &[1280, 1280], &weights), shape("column", &[1280, 1])]);
        constants.push(shape("row", &[1, 1280]));
        vec![
            node("Reshape", &[&flatten.input[0], "column"], "standing", vec![]),
            node("MatMul", &["square", "standing"], "mixed", vec![]),
            node("Reshape", &["mixed", "row"], &flatten.output[0], vec![]),
        ]
    });
    assert!(!same_as_tract(&model).left.is_empty());
}

#[test]
fn a_bias_that_makes_a_table_of_the_scores() {
    let mut model = plain(Family::Lite);
    replace(&mut model, "Gemm", |gemm, constants| {
        let bias: Vec<f32> = (0..1000).map(|place| (place as f32).cos()).collect();
        constants.push(constant("standing_bias", &[1000, 1], &bias));
        let sum = [ints("axes", &[0]), int("keepdims", 1)].to_vec();
        vec![
            node("Transpose", &[&gemm.input[1]], "weights_turned", vec![ints("perm", &[1, 0])]),
            node("MatMul", &[&gemm.input[0], "weights_turned"], "products", vec![]),
            node("Add", &["products", "standing_bias"], "table", vec![]),
            node("ReduceMean", &["table"], &gemm.output[0], sum),
        ]
    });
    same_as_tract(&model);
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, r#type: attribute_proto::AttributeType::Int as i32, ..Default::default() }
}
