//! Pickles that want to run something, or to build something that is no state dict.

use super::made::*;
use super::{pickle_refused, read, refused};

/// The sound state dict, with one more entry.
fn beside(value: &[u8]) -> Vec<u8> {
    pickle([small(), text("extra"), value.to_vec(), b"s".to_vec()].concat())
}

#[test]
fn a_pickle_that_calls_os_system_is_refused_by_name() {
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
        let said = format!("for the Python object \"{module}.{name}\"");
        let named = [global(module, name), argument.clone(), b"R".to_vec()].concat();
        pickle_refused(&beside(&named), &["asks at byte", &said, "nothing was run", "as safetensors"]);
        let stacked = [text(module), text(name), b"\x93".to_vec(), argument.clone(), b"R".to_vec()].concat();
        pickle_refused(&beside(&stacked), &[&said]);
    }
}

#[test]
fn every_other_way_to_make_an_object_is_refused_by_name() {
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
        pickle_refused(&beside(&value), &["the pickle instruction 0x", &format!("({name})"), "nothing was run"]);
    }
}

#[test]
fn only_what_is_a_function_is_called_and_only_with_what_it_takes() {
    let ordered = || global("collections", "OrderedDict");
    for (value, said) in [
        ([text("os.system"), b")R".to_vec()].concat(), "what it calls is no function"),
        (call(int(1), &[]), "what it calls is no function"),
        (call(ordered(), &[int(1)]), "an OrderedDict is made with arguments"),
        ([ordered(), int(1), b"R".to_vec()].concat(), "a call's arguments are no tuple"),
        (call(global("torch", "FloatStorage"), &[int(1 << 40)]), "a type is called"),
        (call(global("torch", "float32"), &[]), "a type is called"),
        (call(global("torch._utils", "_rebuild_tensor_v2"), &[]), "with too few or too many arguments"),
        (call(global("torch._utils", "_rebuild_parameter"), &[int(1), int(1), int(1)]), "other than a tensor"),
        ([ordered(), b"}b".to_vec()].concat(), "sets attributes of something other than a dict"),
        ([small(), int(1), b"b".to_vec()].concat(), "sets attributes of something other than a dict"),
        (b"K\x01\x93".to_vec(), "the name of a Python object is no text"),
        (b"K\x01Q".to_vec(), "a reference is none to a storage"),
    ] {
        pickle_refused(&beside(&value), &["has a pickle that goes wrong before byte", said]);
    }
}

#[test]
fn a_pickle_that_takes_more_than_there_is_is_refused() {
    for (body, said) in [
        (&b"R"[..], "takes more values than there are"),
        (b"N(R", "takes more values than there are"),
        (b"N\x86", "takes more values than there are"),
        (b"N(\x85", "takes more values than there are"),
        (b"t", "ends a collection that did not begin"),
        (b"u", "ends a collection that did not begin"),
        (b"(N", "ends with other than one value"),
        (b"NN", "ends with other than one value"),
        (b"", "ends with other than one value"),
        (b"h\x00", "uses a value that was not put aside"),
        (b"j\xff\xff\xff\xff", "uses a value that was not put aside"),
        (b"q\x00", "takes more values than there are"),
        (b"}(Nu", "items are put into something that cannot have them"),
        (b"}Na", "items are put into something that cannot have them"),
        (b"]NNs", "items are put into something that cannot have them"),
        (b"(Ne", "items are put into something that cannot have them"),
        (b"](N(Ne", "items are put into something that cannot have them"),
        (b"X\x02\x00\x00\x00\xc3\x28", "a text is not UTF-8"),
        (b"\x95\xff\xff\xff\xff\xff\xff\xff\x7f", "a frame is longer than the file"),
        (b"\x80\x06", "its version is not 2 to 5"),
        (b"\x80\x00", "its version is not 2 to 5"),
    ] {
        pickle_refused(&pickle(body), &["has a pickle that goes wrong before byte", said, "save it as safetensors"]);
    }
    pickle_refused(&pickle([&b"c"[..], &[b'a'; 300], b"\n\n"].concat()), &["does not end within 256 bytes"]);
    pickle_refused(&pickle(b"c\xff\xfe\n\xff\n"), &["asks at byte"]);
}

#[test]
fn lengths_that_reach_past_the_end_are_refused_before_anything_is_made() {
    for (body, said) in [
        (&b"\x8b\xff\xff\xff\x7f"[..], "a number in a pickle needs 2147483647 bytes"),
        (b"\x8b\x00\x00\x00\x80", "the length of a number as -2147483648, which must not be negative"),
        (b"X\xff\xff\xff\xff", "a text in a pickle needs 4294967295 bytes"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff", "a text in a pickle needs 18446744073709551615 bytes"),
        (b"\x8a\xff", "a number in a pickle needs 255 bytes"),
        (b"T\xff\xff\xff\x7f", "a text in a pickle needs 2147483647 bytes"),
    ] {
        let pickle = pickle(body);
        refused(&torch_zip(&pickle, &[]), &[said]);
        refused(&[legacy_start(true), pickle].concat(), &[said]);
    }
}

#[test]
fn a_dict_that_contains_itself_is_no_endless_loop() {
    let in_a_list = [b"}", &text("model")[..], b"]q\x00h\x00as"].concat();
    for body in [[b"}q\x00", &text("state_dict")[..], b"h\x00s"].concat(), in_a_list] {
        refused(&torch_zip(&pickle(&body), &[]), &["holds no tensors by name"]);
        refused(&torch_legacy(&pickle(&body), &[]), &["holds no tensors by name"]);
    }
    // Beside tensors it does no harm.
    let itself = pickle([small(), b"q\x00".to_vec(), text("self"), b"h\x00s".to_vec()].concat());
    assert!(read(&torch_zip(&itself, &[("0", floats(6))])).unwrap().names().eq(["w"]));
}

#[test]
fn collections_deep_inside_each_other_are_refused() {
    let nest = |start: &[u8], end: &[u8], times: usize| {
        pickle([start.repeat(times), b"N".to_vec(), end.repeat(times)].concat())
    };
    for (start, end) in [(&b""[..], &b"\x85"[..]), (b"]", b"a"), (b"}N", b"s")] {
        pickle_refused(&nest(start, end, 9), &["9 collections inside each other, the limit is 8"]);
    }
    pickle_refused(&nest(b"(", b"t", 1000), &["65 collections begun at once in a pickle, the limit is 64"]);
    pickle_refused(&nest(b"]", b"a", 100_000), &["its tables would need over"]);
    pickle_refused(&nest(b"", b"\x85", 1_000_000), &["collections inside each other"]);
}
