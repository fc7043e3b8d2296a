//! Pickles that try to run code, or to build values that no state dict needs.

use super::builders::*;
use super::{pickle_refused, read, refused};

/// Returns a pickle of the valid state dict with one more entry.
fn with_extra(value: &[u8]) -> Vec<u8> {
    pickle([small(), text("extra"), value.to_vec(), b"s".to_vec()].concat())
}

#[test]
fn forbidden_python_objects_are_refused_by_name() {
    let argument = [text("touch /tmp/harm"), b"\x85".to_vec()].concat();
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("nt", "system"),
        ("builtins", "eval"),
        ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("torch.hub", "load"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("torch.serialization", "load"),
        ("collections", "OrderedDict.__init__"),
        ("numpy.core.multiarray", "_reconstruct"),
    ] {
        let message = format!("forbidden Python object \"{module}.{name}\"");
        let named = [global(module, name), argument.clone(), b"R".to_vec()].concat();
        pickle_refused(&with_extra(&named), &["at byte", &message, "nothing was run", "as safetensors"]);
        let stacked = [text(module), text(name), b"\x93".to_vec(), argument.clone(), b"R".to_vec()].concat();
        pickle_refused(&with_extra(&stacked), &[&message]);
    }
}

#[test]
fn forbidden_opcodes_are_refused_by_name() {
    for (code, name, more) in [
        (b'i', "INST", &b"os\nsystem\n"[..]),
        (b'o', "OBJ", b""),
        (0x81, "NEWOBJ", b""),
        (0x92, "NEWOBJ_EX", b""),
        (0x82, "EXT1", b"\x01"),
        (0x83, "EXT2", b"\x01\x00"),
        (0x84, "EXT4", b"\x01\x00\x00\x00"),
        (b'P', "PERSID", b"0\n"),
        (b'V', "UNICODE", b"w\n"),
        (b'I', "INT", b"1\n"),
        (b'0', "POP", b""),
        (b'2', "DUP", b""),
        (b'B', "BINBYTES", b"\xff\xff\xff\x7f"),
        (0x8e, "BINBYTES8", b"\xff\xff\xff\xff\xff\xff\xff\x7f"),
        (0x96, "BYTEARRAY8", b"\xff\xff\xff\xff\xff\xff\xff\x7f"),
        (0x97, "NEXT_BUFFER", b""),
        (0x8f, "EMPTY_SET", b""),
        (0xff, "unknown", b""),
    ] {
        let value = [b"(", &[code][..], more].concat();
        pickle_refused(
            &with_extra(&value),
            &["forbidden pickle instruction 0x", &format!("({name})"), "nothing was run"],
        );
    }
}

#[test]
fn calls_are_checked_for_function_and_arguments() {
    let ordered = || global("collections", "OrderedDict");
    for (value, message) in [
        ([text("os.system"), b")R".to_vec()].concat(), "it calls a value that is not a function"),
        (call(int(1), &[]), "it calls a value that is not a function"),
        (call(ordered(), &[int(1)]), "OrderedDict is called with arguments"),
        ([ordered(), int(1), b"R".to_vec()].concat(), "the arguments of a call are not a tuple"),
        (call(global("torch", "FloatStorage"), &[int(1 << 40)]), "a type is called as a function"),
        (call(global("torch", "float32"), &[]), "a type is called as a function"),
        (call(global("torch._utils", "_rebuild_tensor_v2"), &[]), "with a wrong number of arguments"),
        (
            call(global("torch._utils", "_rebuild_parameter"), &[int(1), int(1), int(1)]),
            "a parameter is not made from a tensor",
        ),
        ([ordered(), b"}b".to_vec()].concat(), "it sets attributes of a value that is not a dict"),
        ([small(), int(1), b"b".to_vec()].concat(), "it sets attributes of a value that is not a dict"),
        (b"K\x01\x93".to_vec(), "the name of a Python object is not a text"),
        (b"K\x01Q".to_vec(), "a persistent id does not name a storage"),
    ] {
        pickle_refused(&with_extra(&value), &["malformed pickle before byte", message]);
    }
}

#[test]
fn stack_marks_and_memo_underflow_is_refused() {
    for (body, message) in [
        (&b"R"[..], "it takes more values than its stack has"),
        (b"N(R", "it takes more values than its stack has"),
        (b"N\x86", "it takes more values than its stack has"),
        (b"N(\x85", "it takes more values than its stack has"),
        (b"t", "it ends a collection without a mark"),
        (b"u", "it ends a collection without a mark"),
        (b"(N", "does not hold exactly one value"),
        (b"NN", "does not hold exactly one value"),
        (b"", "does not hold exactly one value"),
        (b"h\x00", "it uses a memo index without a value"),
        (b"j\xff\xff\xff\xff", "it uses a memo index without a value"),
        (b"q\x00", "it takes more values than its stack has"),
        (b"}(Nu", "items are added to a value of the wrong type"),
        (b"}Na", "items are added to a value of the wrong type"),
        (b"]NNs", "items are added to a value of the wrong type"),
        (b"(Ne", "items are added to a value of the wrong type"),
        (b"](N(Ne", "items are added to a value of the wrong type"),
        (b"X\x02\x00\x00\x00\xc3\x28", "a text is not UTF-8"),
        (b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f", "a frame exceeds the file"),
        (b"\x80\x06", "its protocol is not 2 to 5"),
        (b"\x80\x00", "its protocol is not 2 to 5"),
    ] {
        pickle_refused(&pickle(body), &["malformed pickle before byte", message, "save it as safetensors"]);
    }
    pickle_refused(&pickle([&b"c"[..], &[b'a'; 300], b"\n\n"].concat()), &["exceeds 256 bytes"]);
    pickle_refused(&pickle(b"c\xff\xfe\n\xff\n"), &["forbidden Python object"]);
}

#[test]
fn lengths_past_the_end_are_refused() {
    for (body, message) in [
        (&b"\x8b\xff\xff\xff\x7f"[..], "a number in a pickle needs 2147483647 bytes"),
        (b"\x8b\x00\x00\x00\x80", "the length of a number in a pickle is negative: -2147483648"),
        (b"X\xff\xff\xff\xff", "a text in a pickle needs 4294967295 bytes"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "a text in a pickle needs 18446744073709551615 bytes"),
        (b"\x8a\xff", "a number in a pickle needs 255 bytes"),
        (b"T\xff\xff\xff\x7f", "a text in a pickle needs 2147483647 bytes"),
    ] {
        let pickle = pickle(body);
        refused(&torch_zip(&pickle, &[]), &[message]);
        refused(&[legacy_start(true), pickle].concat(), &[message]);
    }
}

#[test]
fn self_containing_dict_terminates() {
    let in_a_list = [b"}", &text("model")[..], b"]q\x00h\x00as"].concat();
    for body in [[b"}q\x00", &text("state_dict")[..], b"h\x00s"].concat(), in_a_list] {
        refused(&torch_zip(&pickle(&body), &[]), &["no named tensors"]);
        refused(&torch_legacy(&pickle(&body), &[]), &["no named tensors"]);
    }
    // Beside tensors, a self-reference is ignored.
    let itself = pickle([small(), b"q\x00".to_vec(), text("self"), b"h\x00s".to_vec()].concat());
    assert!(read(&torch_zip(&itself, &[("0", floats(6))])).unwrap().names().eq(["w"]));
}

#[test]
fn deeply_nested_collections_are_refused() {
    let nest = |start: &[u8], end: &[u8], times: usize| {
        pickle([start.repeat(times), b"N".to_vec(), end.repeat(times)].concat())
    };
    for (start, end) in [(&b""[..], &b"\x85"[..]), (b"]", b"a"), (b"}N", b"s")] {
        pickle_refused(&nest(start, end, 9), &["too many nested collections: 9 exceed the limit of 8"]);
    }
    pickle_refused(&nest(b"(", b"t", 1000), &["too many open collections in a pickle: 65 exceed the limit of 64"]);
    pickle_refused(&nest(b"]", b"a", 100_000), &["tables would exceed"]);
    pickle_refused(&nest(b"", b"\x85", 1_000_000), &["nested collections"]);
}
