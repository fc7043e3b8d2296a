use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::*;

fn folder() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/weights")
}

fn open(name: &str) -> Result<Weights, WeightsError> {
    Weights::parse(std::fs::read(folder().join(name)).unwrap(), name)
}

fn refusal(name: &str) -> String {
    open(name).expect_err(name).to_string()
}

#[derive(serde::Deserialize)]
struct Expected {
    #[serde(rename = "form")]
    format: String,
    #[serde(rename = "taken")]
    nested_key: Option<String>,
    tensors: BTreeMap<String, Tensor>,
}

#[derive(serde::Deserialize)]
struct Tensor {
    shape: Vec<usize>,
    values: Option<Vec<f32>>,
}

#[test]
fn saved_files_match_torch_and_safetensors() {
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&expected).unwrap();
    for (file, expected) in &expected {
        let weights = open(file).unwrap();
        assert_eq!(weights.format(), expected.format, "{file}");
        assert_eq!(weights.nested_key(), expected.nested_key.as_deref(), "{file}");
        assert!(weights.names().eq(expected.tensors.keys()), "{file}: {:?}", weights.names().collect::<Vec<_>>());
        for (name, tensor) in &expected.tensors {
            assert_eq!(weights.shape(name), Some(tensor.shape.as_slice()), "{file}: {name}");
            match &tensor.values {
                Some(values) => assert_eq!(&weights.values(name).unwrap(), values, "{file}: {name}"),
                None => {
                    let error = weights.values(name).unwrap_err();
                    assert!(matches!(error.kind(), WeightsError::NotFloats { .. }), "{file}: {error}");
                }
            }
        }
    }
    assert_eq!(expected.len(), 20);
}

#[test]
fn missing_tensor_is_reported_with_file() {
    let weights = open("types.safetensors").unwrap();
    assert!(weights.shape("fc.weight").is_none());
    let error = weights.values("fc.weight").unwrap_err();
    assert!(matches!(error.kind(), WeightsError::NoSuchTensor { .. }));
    assert!(error.to_string().ends_with("types.safetensors: no tensor is named \"fc.weight\""), "{error}");
}

#[test]
fn integer_tensors_are_listed_but_have_no_values() {
    let weights = open("module.zip.pth").unwrap();
    assert_eq!(weights.shape("1.num_batches_tracked"), Some(&[][..]));
    let error = weights.values("1.num_batches_tracked").unwrap_err().to_string();
    assert!(error.contains("has type I64, not a floating-point type"), "{error}");
}

#[test]
fn pickled_module_is_refused_with_class_name() {
    let message = refusal("whole_network.zip.pth");
    assert!(message.contains("\"torch.nn.modules.container.Sequential\""), "{message}");
    assert!(message.contains("save the state dict alone, as safetensors"), "{message}");
}

#[test]
fn python_objects_beside_tensors_are_refused() {
    for format in ["zip", "legacy"] {
        let message = refusal(&format!("namespace.{format}.pth"));
        assert!(message.contains("\"argparse.Namespace\""), "{message}");
    }
}

#[test]
fn expanded_tensor_is_refused() {
    for format in ["zip", "legacy"] {
        let message = refusal(&format!("expanded.{format}.pth"));
        assert!(message.contains("tensor \"one\" repeats its storage: 3 elements in a storage of 1"), "{message}");
    }
}

#[test]
fn unnamed_tensors_are_refused() {
    for format in ["zip", "legacy"] {
        let message = refusal(&format!("list.{format}.pth"));
        assert!(message.contains("no named tensors: neither at the top level nor under state_dict, "), "{message}");
    }
}

#[test]
fn strides_are_resolved_to_row_major_order() {
    // A 2 × 3 tensor read with column-major strides, then with row-major strides.
    let bytes: Vec<u8> = [0.0_f32, 1.0, 2.0, 3.0, 4.0, 5.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = |dims| super::tensor::Tensor {
        name: byte_reader::Span::new(0..0).unwrap(),
        dtype: dtype::Dtype::F32,
        rank: 2,
        dims,
        first: 0,
    };
    let dims = [2, 3, 1, 2, 2, 3, 3, 1];
    assert_eq!(tensor(0).floats(&bytes, &dims).unwrap(), [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    assert_eq!(tensor(4).floats(&bytes, &dims).unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}
