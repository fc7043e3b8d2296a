//! Tensors that claim to be elsewhere, larger or other than they are.

use super::made::*;
use super::{pickle_refused, read};

fn floats_of(count: i64) -> Vec<u8> {
    storage("FloatStorage", "0", count)
}

fn one(tensor: Vec<u8>) -> Vec<u8> {
    pickle(dict(&[("w", tensor)]))
}

#[test]
fn a_tensor_outside_its_storage_is_refused() {
    for (offset, shape, strides, said) in [
        (1, &[2, 3][..], &[3, 1][..], "reach element 6 of a storage of 6"),
        (0, &[2, 3], &[4, 1], "reach element 6 of a storage of 6"),
        (6, &[1], &[1], "reach element 6 of a storage of 6"),
        (i64::MAX, &[1], &[1], "of a storage of 6"),
        (0, &[2, 2], &[i64::MAX, i64::MAX], "of a storage of 6"),
        (7, &[0], &[1], "reach element 7 of a storage of 6"),
        (7, &[], &[], "reach element 7 of a storage of 6"),
        (0, &[7], &[0], "have 7 elements out of a storage of 6"),
        (0, &[i64::MAX], &[0], "have 9223372036854775807 elements out of a storage of 6"),
        (0, &[1 << 32, 1 << 32, 1 << 32], &[0, 0, 0], "more elements than can be counted"),
        (0, &[0, 1 << 62, 1 << 62], &[0, 0, 0], "more elements than can be counted"),
        (-1, &[1], &[1], "a tensor's offset as -1, which must not be negative"),
        (0, &[-2, -3], &[1, 1], "a length in a tensor's shape as -2, which must not be negative"),
        (5, &[6], &[-1], "a tensor's stride as -1, which must not be negative"),
        (0, &[i64::MIN], &[1], "as -9223372036854775808, which"),
        (0, &[2, 3], &[1], "not as many strides as dimensions"),
        (0, &[1; 9], &[1; 9], "9 dimensions in one tensor, the limit is 8"),
    ] {
        pickle_refused(&one(tensor(floats_of(6), offset, shape, strides)), &[said]);
    }
}

#[test]
fn parts_of_a_tensor_that_are_of_another_type_are_refused() {
    let rebuild = |parts: [Vec<u8>; 4]| {
        let rest = [b"\x89".to_vec(), b"N".to_vec()];
        one(call(global("torch._utils", "_rebuild_tensor_v2"), &[&parts[..], &rest].concat()))
    };
    let [sizes, steps] = [6, 1].map(|number| tuple(&[int(number)]));
    for (parts, said) in [
        ([text("0"), int(0), sizes.clone(), steps.clone()], "storage or offset is something else"),
        ([floats_of(6), text("0"), sizes.clone(), steps.clone()], "storage or offset is something else"),
        ([floats_of(6), int(0), int(6), steps.clone()], "shape or strides are no tuple"),
        ([floats_of(6), int(0), sizes.clone(), b"]".to_vec()], "shape or strides are no tuple"),
        ([floats_of(6), int(0), tuple(&[text("6")]), steps.clone()], "is no whole number of 64 bits"),
        (
            [floats_of(6), int(0), tuple(&[b"\x8a\x09\0\0\0\0\0\0\0\0\x01".to_vec()]), steps],
            "is no whole number of 64 bits",
        ),
        ([floats_of(6), int(0), tuple(&[b"\x88".to_vec()]), tuple(&[int(1)])], "is no whole number of 64 bits"),
    ] {
        pickle_refused(&rebuild(parts), &[said]);
    }
}

#[test]
fn storages_that_are_not_what_they_claim_are_refused() {
    let view = |storage| one(tensor(storage, 0, &[1], &[1]));
    pickle_refused(&view(floats_of(2_500_000_000)), &["storage \"0\" of 24 bytes, its tensors expect 10000000000"]);
    pickle_refused(&view(floats_of(i64::MAX)), &["its tensors expect 18446744073709551615"]);
    pickle_refused(&view(floats_of(-6)), &["the count of a storage as -6, which must not be negative"]);
    pickle_refused(&view(storage("ComplexFloatStorage", "0", 6)), &["\"torch.ComplexFloatStorage\""]);
    pickle_refused(&view(storage("FloatTensor", "0", 6)), &["\"torch.FloatTensor\""]);
    pickle_refused(&view(storage("FloatStorage", "", 6)), &["is empty"]);
    pickle_refused(&view(storage("FloatStorage", "\u{1b}[2J", 6)), &["has control characters"]);
    pickle_refused(&view(storage("FloatStorage", &"k".repeat(600), 6)), &["longer than 512 bytes"]);
    let untyped = tuple(&[text("storage"), global("torch.storage", "UntypedStorage"), text("0"), text("cpu"), int(24)]);
    let untyped = [untyped, b"Q".to_vec()].concat();
    super::refused(&torch_zip(&view(untyped), &[("0", floats(6))]), &["a tensor's type and its storage's disagree"]);
    let mapped = [text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), int(6), tuple(&[int(1)])];
    pickle_refused(&view([tuple(&mapped), b"Q".to_vec()].concat()), &["a reference is none to a storage"]);
}

#[test]
fn names_of_tensors_must_be_texts_that_can_be_shown_and_differ() {
    let whole = || tensor(floats_of(6), 0, &[6], &[1]);
    let twice = pickle(dict(&[("w", whole()), ("w", whole())]));
    pickle_refused(&twice, &["names the tensor \"w\" twice"]);
    pickle_refused(&pickle([b"}K\x01".to_vec(), whole(), b"s".to_vec()].concat()), &["which is no text; rename it"]);
    for (name, said) in [("", "is empty"), ("a\u{7}b", "has control characters"), (&"n".repeat(513), "longer than 512")]
    {
        pickle_refused(&pickle(dict(&[(name, whole())])), &[said]);
    }
}

#[test]
fn a_prefix_is_stripped_only_if_all_have_it_and_something_is_left() {
    let whole = || tensor(floats_of(6), 0, &[6], &[1]);
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
fn the_state_dict_is_taken_from_where_checkpoints_keep_it_in_a_fixed_order() {
    let state = |name: &str| dict(&[(name, tensor(floats_of(6), 0, &[6], &[1]))]);
    let order = ["state_dict", "state_dict_ema", "model", "model_ema", "model_state_dict"];
    for first in 0..order.len() {
        let entries: Vec<_> = order[first..].iter().rev().map(|key| (*key, state(key))).collect();
        let weights = read(&torch_zip(&pickle(dict(&entries)), &[("0", floats(6))])).unwrap();
        assert_eq!(weights.taken(), Some(order[first]));
        assert!(weights.names().eq([order[first]]));
    }
    let empty = dict(&[("state_dict", dict(&[])), ("model", state("w"))]);
    assert_eq!(read(&torch_zip(&pickle(empty), &[("0", floats(6))])).unwrap().taken(), Some("model"));
    let deeper = dict(&[("state_dict", dict(&[("model", state("w"))]))]);
    pickle_refused(&pickle(deeper), &["holds no tensors by name, neither itself nor under state_dict, "]);
}
