//! Graphs that resemble EfficientNet but compute something else: the scores must stay tract's.

use super::*;

/// Asserts that scores with kernels are tract's; returns the fusion report.
#[track_caller]
fn assert_same_as_tract(model: &ModelProto) -> FusionReport {
    let (expected, _) = run(model, Layout::Nchw, None, 1);
    let (scores, report) = run(model, Layout::Nchw, Some(Kernels::best()), 1);
    assert_close(&scores, &expected, &report);
    report
}

fn shape(name: &str, lengths: &[i64]) -> TensorProto {
    let raw_data = lengths.iter().flat_map(|length| length.to_le_bytes()).collect();
    let (data_type, dims) = (DataType::Int64 as i32, vec![lengths.len() as i64]);
    TensorProto { name: name.into(), dims, data_type, raw_data, ..TensorProto::default() }
}

#[test]
fn permuted_means_before_the_classifier_are_not_fused() {
    let mut model = plain(Family::Lite);
    replace(&mut model, "Flatten", |flatten, constants| {
        constants.extend([shape("pairs", &[1, 2, 640]), shape("row", &[1, 1280])]);
        vec![
            node("Reshape", &[&flatten.input[0], "pairs"], "pairs_of_means", vec![]),
            node("Transpose", &["pairs_of_means"], "permuted", vec![ints("perm", &[0, 2, 1])]),
            node("Reshape", &["permuted", "row"], &flatten.output[0], vec![]),
        ]
    });
    assert!(!assert_same_as_tract(&model).unfused.is_empty());
}

#[test]
fn square_matrix_before_the_classifier_is_not_fused() {
    let mut model = plain(Family::Lite);
    replace(&mut model, "Flatten", |flatten, constants| {
        let weights: Vec<f32> = (0..1280 * 1280).map(|index| (index as f32 * 0.61).sin() / 40.0).collect();
        constants.extend([constant("square", &[1280, 1280], &weights), shape("column", &[1280, 1])]);
        constants.push(shape("row", &[1, 1280]));
        vec![
            node("Reshape", &[&flatten.input[0], "column"], "column_of_means", vec![]),
            node("MatMul", &["square", "column_of_means"], "mixed", vec![]),
            node("Reshape", &["mixed", "row"], &flatten.output[0], vec![]),
        ]
    });
    assert!(!assert_same_as_tract(&model).unfused.is_empty());
}

#[test]
fn column_bias_keeps_its_broadcast() {
    let mut model = plain(Family::Lite);
    replace(&mut model, "Gemm", |gemm, constants| {
        let bias: Vec<f32> = (0..1000).map(|index| (index as f32).cos()).collect();
        constants.push(constant("column_bias", &[1000, 1], &bias));
        let sum = [ints("axes", &[0]), int("keepdims", 1)].to_vec();
        vec![
            node("Transpose", &[&gemm.input[1]], "transposed_weights", vec![ints("perm", &[1, 0])]),
            node("MatMul", &[&gemm.input[0], "transposed_weights"], "products", vec![]),
            node("Add", &["products", "column_bias"], "table", vec![]),
            node("ReduceMean", &["table"], &gemm.output[0], sum),
        ]
    });
    assert_same_as_tract(&model);
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, r#type: attribute_proto::AttributeType::Int as i32, ..Default::default() }
}
