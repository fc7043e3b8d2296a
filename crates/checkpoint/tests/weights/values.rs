//! Tensors with a wrong position, size or type.

use super::builders::*;
use super::{pickle_refused, read};

fn float_storage(count: i64) -> Vec<u8> {
    storage("FloatStorage", "0", count)
}

fn single_tensor(tensor: Vec<u8>) -> Vec<u8> {
    pickle(dict(&[("w", tensor)]))
}

#[test]
fn tensor_outside_its_storage_is_refused() {
    for (offset, shape, strides, message) in [
        (1, &[2, 3][..], &[3, 1][..], "it reaches element 6 of 6"),
        (0, &[2, 3], &[4, 1], "it reaches element 6 of 6"),
        (6, &[1], &[1], "it reaches element 6 of 6"),
        (i64::MAX, &[1], &[1], "of 6; the file is damaged"),
        (0, &[2, 2], &[i64::MAX, i64::MAX], "of 6; the file is damaged"),
        (7, &[0], &[1], "it reaches element 7 of 6"),
        (7, &[], &[], "it reaches element 7 of 6"),
        (0, &[7], &[0], "7 elements in a storage of 6"),
        (0, &[i64::MAX], &[0], "9223372036854775807 elements in a storage of 6"),
        (0, &[1 << 32, 1 << 32, 1 << 32], &[0, 0, 0], "its elements cannot be counted"),
        (0, &[0, 1 << 62, 1 << 62], &[0, 0, 0], "its elements cannot be counted"),
        (-1, &[1], &[1], "the offset of a tensor is negative: -1"),
        (0, &[-2, -3], &[1, 1], "a length in the shape of a tensor is negative: -2"),
        (5, &[6], &[-1], "the stride of a tensor is negative: -1"),
        (0, &[i64::MIN], &[1], "is negative: -9223372036854775808"),
        (0, &[2, 3], &[1], "different numbers of strides and dimensions"),
        (0, &[1; 9], &[1; 9], "too many dimensions in one tensor: 9 exceed the limit of 8"),
    ] {
        pickle_refused(&single_tensor(tensor(float_storage(6), offset, shape, strides)), &[message]);
    }
}

#[test]
fn tensor_arguments_of_wrong_type_are_refused() {
    let rebuild = |parts: [Vec<u8>; 4]| {
        let rest = [b"\x89".to_vec(), b"N".to_vec()];
        single_tensor(call(global("torch._utils", "_rebuild_tensor_v2"), &[&parts[..], &rest].concat()))
    };
    let [sizes, steps] = [6, 1].map(|number| tuple(&[int(number)]));
    for (parts, message) in [
        ([text("0"), int(0), sizes.clone(), steps.clone()], "the storage or offset of a tensor has another type"),
        (
            [float_storage(6), text("0"), sizes.clone(), steps.clone()],
            "the storage or offset of a tensor has another type",
        ),
        ([float_storage(6), int(0), int(6), steps.clone()], "the shape or strides of a tensor are not a tuple"),
        ([float_storage(6), int(0), sizes.clone(), b"]".to_vec()], "the shape or strides of a tensor are not a tuple"),
        ([float_storage(6), int(0), tuple(&[text("6")]), steps.clone()], "a length or stride is not a 64-bit integer"),
        (
            [float_storage(6), int(0), tuple(&[b"\x8a\x09\0\0\0\0\0\0\0\0\x01".to_vec()]), steps],
            "a length or stride is not a 64-bit integer",
        ),
        (
            [float_storage(6), int(0), tuple(&[b"\x88".to_vec()]), tuple(&[int(1)])],
            "a length or stride is not a 64-bit integer",
        ),
    ] {
        pickle_refused(&rebuild(parts), &[message]);
    }
}

#[test]
fn storages_with_wrong_claims_are_refused() {
    let view = |storage| single_tensor(tensor(storage, 0, &[1], &[1]));
    pickle_refused(
        &view(float_storage(2_500_000_000)),
        &["storage \"0\" has the wrong size: 24 bytes, its tensors need 10000000000"],
    );
    pickle_refused(&view(float_storage(i64::MAX)), &["its tensors need 18446744073709551615"]);
    pickle_refused(&view(float_storage(-6)), &["the number of elements of a storage is negative: -6"]);
    pickle_refused(&view(storage("ComplexFloatStorage", "0", 6)), &["\"torch.ComplexFloatStorage\""]);
    pickle_refused(&view(storage("FloatTensor", "0", 6)), &["\"torch.FloatTensor\""]);
    pickle_refused(&view(storage("FloatStorage", "", 6)), &["is empty"]);
    pickle_refused(&view(storage("FloatStorage", "\u{1b}[2J", 6)), &["contains control characters"]);
    pickle_refused(&view(storage("FloatStorage", &"k".repeat(600), 6)), &["longer than 512 bytes"]);
    let untyped = tuple(&[text("storage"), global("torch.storage", "UntypedStorage"), text("0"), text("cpu"), int(24)]);
    let untyped = [untyped, b"Q".to_vec()].concat();
    super::refused(&torch_zip(&view(untyped), &[("0", floats(6))]), &["a tensor and its storage have different types"]);
    let mapped = [text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), int(6), tuple(&[int(1)])];
    pickle_refused(&view([tuple(&mapped), b"Q".to_vec()].concat()), &["a persistent id does not name a storage"]);
}

#[test]
fn tensor_names_must_be_printable_and_unique() {
    let whole = || tensor(float_storage(6), 0, &[6], &[1]);
    let twice = pickle(dict(&[("w", whole()), ("w", whole())]));
    pickle_refused(&twice, &["duplicate tensor name \"w\""]);
    pickle_refused(&pickle([b"}K\x01".to_vec(), whole(), b"s".to_vec()].concat()), &["it is not a text; rename it"]);
    for (name, message) in
        [("", "is empty"), ("a\u{7}b", "contains control characters"), (&"n".repeat(513), "longer than 512")]
    {
        pickle_refused(&pickle(dict(&[(name, whole())])), &[message]);
    }
}

#[test]
fn common_module_prefix_is_stripped() {
    let whole = || tensor(float_storage(6), 0, &[6], &[1]);
    for (names, left) in [
        (["module.a", "module.b"], ["a", "b"]),
        (["module.a", "b"], ["b", "module.a"]),
        (["module.", "module.b"], ["module.", "module.b"]),
        (["module.module.a", "module.b"], ["b", "module.a"]),
    ] {
        let state = pickle(dict(&names.map(|name| (name, whole()))));
        let weights = read(&torch_zip(&state, &[("0", floats(6))])).unwrap();
        assert!(weights.names().eq(left), "{names:?}");
    }
}

#[test]
fn nested_state_dict_keys_have_a_fixed_order() {
    let state = |name: &str| dict(&[(name, tensor(float_storage(6), 0, &[6], &[1]))]);
    let order = ["state_dict", "state_dict_ema", "model", "model_ema", "model_state_dict"];
    for first in 0..order.len() {
        let entries: Vec<_> = order[first..].iter().rev().map(|key| (*key, state(key))).collect();
        let weights = read(&torch_zip(&pickle(dict(&entries)), &[("0", floats(6))])).unwrap();
        assert_eq!(weights.nested_key(), Some(order[first]));
        assert!(weights.names().eq([order[first]]));
    }
    let empty = dict(&[("state_dict", dict(&[])), ("model", state("w"))]);
    assert_eq!(read(&torch_zip(&pickle(empty), &[("0", floats(6))])).unwrap().nested_key(), Some("model"));
    let deeper = dict(&[("state_dict", dict(&[("model", state("w"))]))]);
    pickle_refused(&pickle(deeper), &["no named tensors: neither at the top level nor under state_dict, "]);
}
