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
    form: String,
    taken: Option<String>,
    tensors: BTreeMap<String, Tensor>,
}

#[derive(serde::Deserialize)]
struct Tensor {
    shape: Vec<usize>,
    values: Option<Vec<f32>>,
}

#[test]
fn every_file_that_torch_and_safetensors_saved_gives_what_they_read_themselves() {
    let expected = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&expected).unwrap();
    for (file, expected) in &expected {
        let weights = open(file).unwrap();
        assert_eq!(weights.form(), expected.form, "{file}");
        assert_eq!(weights.taken(), expected.taken.as_deref(), "{file}");
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
fn a_tensor_that_is_not_there_is_named_with_the_file() {
    let weights = open("types.safetensors").unwrap();
    assert!(weights.shape("fc.weight").is_none());
    let error = weights.values("fc.weight").unwrap_err();
    assert!(matches!(error.kind(), WeightsError::NoSuchTensor { .. }));
    assert!(error.to_string().ends_with("types.safetensors: has no tensor \"fc.weight\""), "{error}");
}

#[test]
fn integers_are_listed_but_not_read_as_weights() {
    let weights = open("module.zip.pth").unwrap();
    assert_eq!(weights.shape("1.num_batches_tracked"), Some(&[][..]));
    let error = weights.values("1.num_batches_tracked").unwrap_err().to_string();
    assert!(error.contains("as I64, which is no floating-point type"), "{error}");
}

#[test]
fn a_whole_network_is_refused_by_the_name_of_its_class() {
    let said = refusal("whole_network.zip.pth");
    assert!(said.contains("\"torch.nn.modules.container.Sequential\""), "{said}");
    assert!(said.contains("Save the state dict alone, as safetensors"), "{said}");
}

#[test]
fn settings_beside_the_tensors_that_are_no_plain_values_are_refused() {
    for form in ["zip", "legacy"] {
        let said = refusal(&format!("namespace.{form}.pth"));
        assert!(said.contains("\"argparse.Namespace\""), "{said}");
    }
}

#[test]
fn a_tensor_that_repeats_its_storage_is_refused() {
    for form in ["zip", "legacy"] {
        let said = refusal(&format!("expanded.{form}.pth"));
        assert!(said.contains("lets \"one\" have 3 elements out of a storage of 1"), "{said}");
    }
}

#[test]
fn tensors_without_names_are_refused() {
    for form in ["zip", "legacy"] {
        let said = refusal(&format!("list.{form}.pth"));
        assert!(said.contains("holds no tensors by name, neither itself nor under state_dict, "), "{said}");
    }
}

#[test]
fn strides_do_not_change_what_is_read_only_in_which_order() {
    // A 2 × 3 matrix stored column by column, beside the same one stored row by row.
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
