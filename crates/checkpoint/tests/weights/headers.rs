//! Hostile safetensors headers.

use safetensors::SafeTensors;

use super::builders::*;
use super::{fixtures, read, refused};

fn single_tensor(shape: &str, begin: u64, end: u64) -> String {
    format!(r#"{{"w":{{"dtype":"F32","shape":[{shape}],"data_offsets":[{begin},{end}]}}}}"#)
}

#[test]
fn huge_header_length_is_refused_before_reading() {
    for length in [u64::MAX, 1 << 63, 100_000_000, (4 << 20) + 1] {
        let file = [&length.to_le_bytes()[..], b"{\"w\":"].concat();
        refused(&file, &[&format!("header too long: {length} bytes exceed the limit of 4194304")]);
    }
    refused(
        &[&100_u64.to_le_bytes()[..], b"{}"].concat(),
        &["file is truncated: the header needs 100 bytes, 2 are left"],
    );
}

#[test]
fn tensor_larger_than_the_file_is_refused() {
    refused(
        &safetensors(single_tensor("2500000000", 0, 10_000_000_000), b""),
        &["the data needs 10000000000 bytes, 0 are left"],
    );
    refused(
        &safetensors(single_tensor("2500000000", 0, 24), &floats(6)),
        &["size of \"w\" is wrong: 24 bytes", "10000000000 by shape and type"],
    );
    for overflowing in ["4294967296,4294967296", "0,4294967296,4294967296,9"] {
        refused(&safetensors(single_tensor(overflowing, 0, 0), b""), &["its elements cannot be counted"]);
    }
    refused(&safetensors(single_tensor("4611686018427387904", 0, 0), b""), &["18446744073709551615 by shape and type"]);
}

#[test]
fn overlaps_gaps_and_reversed_offsets_are_refused() {
    let two = |a: &str, b: &str| {
        let entry =
            |name: &str, offsets: &str| format!(r#""{name}":{{"dtype":"F32","shape":[2],"data_offsets":[{offsets}]}}"#);
        safetensors(format!("{{{},{}}}", entry("a", a), entry("b", b)), &floats(4))
    };
    assert!(read(&two("8,16", "0,8")).is_ok(), "entries may have any order");
    refused(&two("0,8", "4,12"), &["position of \"b\" is wrong: byte 4 of the data, expected 8"]);
    refused(&two("0,8", "0,8"), &["byte 0 of the data, expected 8"]);
    refused(&two("0,8", "12,20"), &["position of \"b\" is wrong: byte 12", "overlap or leave a gap"]);
    refused(&two("4,12", "12,20"), &["position of \"a\" is wrong: byte 4 of the data, expected 0"]);
    refused(&two("8,0", "0,8"), &["position of \"a\" is wrong: byte 8"]);
    refused(&safetensors(single_tensor("3", 0, 12), &floats(2)), &["the data needs 12 bytes, 8 are left"]);
    refused(&safetensors(single_tensor("1", 0, 4), &floats(2)), &["unexpected data: 4 bytes after the last tensor"]);
    refused(
        &safetensors(single_tensor("2", 0, 4), &floats(1)),
        &["size of \"w\" is wrong: 4 bytes in the file, 8 by shape and type"],
    );
}

#[test]
fn malformed_header_is_refused_with_position() {
    let whole = single_tensor("1", 0, 4);
    for (from, to, message) in [
        ("F32", "C64", "unknown element type \"C64\""),
        ("\"F32\"", "7", "expected the quotation mark of a string"),
        ("[1]", "[-1]", "byte 37: expected a non-negative integer"),
        ("[1]", "[1.5]", "byte 38: expected a comma or the closing bracket"),
        ("[1]", "[1e3]", "a comma or the closing bracket"),
        ("[1]", "[01]", "no digit after a leading zero"),
        ("[1]", "[18446744073709551616]", "the end of a number that fits into 64 bits"),
        ("[1]", "[1,1,1,1,1,1,1,1,1]", "too many numbers in a shape or data_offsets: 9 exceed the limit of 8"),
        ("[1]", "[[1]]", "expected a non-negative integer"),
        ("[0,4]", "[0,4,8]", "too many numbers in a shape or data_offsets: 3 exceed the limit of 2"),
        ("[0,4]", "[0]", "both of its data_offsets"),
        ("\"shape\":[1]", "\"dtype\":\"F32\"", "each once"),
        ("\"shape\"", "\"size\"", "dtype, shape or data_offsets, each once"),
        ("\"shape\":[1],", "", "a tensor with its dtype, its shape"),
        ("\"shape\":[1]", "\"shape\":[1],\"shape\":[1]", "each once"),
        ("\"w\"", "\"\\u0077\"", "expected part of a name without escapes"),
        ("\"w\"", "\"a\nb\"", "expected part of a string"),
        ("\"w\"", "\"\"", "is empty"),
        ("\"w\":", "\"w\"", "expected a colon"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":{}},\"w\"", "the quotation mark of a string"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\x\"},\"w\"", "expected a JSON escape"),
        ("{\"w\"", "{\"__metadata__\":{},\"__metadata__\":{},\"w\"", "expected no second __metadata__"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\ud800\\n1234\"},\"w\"", "expected a complete surrogate pair"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\ud800\\u0041\"},\"w\"", "expected a complete surrogate pair"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\ude00\"},\"w\"", "expected a complete surrogate pair"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\u12g4\"},\"w\"", "expected a hexadecimal digit"),
        ("}}", "}} x", "only blanks after the header"),
        ("}}", "},}", "the quotation mark of a string"),
        ("}}", "}", "expected a comma or the closing bracket"),
    ] {
        let header = whole.replace(from, to);
        assert_ne!(header, whole);
        refused(&safetensors(header, &floats(1)), &[message]);
    }
    refused(&safetensors(b"{}  ", b""), &["no named tensors"]);
    refused(&safetensors(b"{\"\xff\xfe\":{}}", b""), &["byte 10: expected UTF-8"]);
}

#[test]
fn duplicate_and_invalid_names_are_refused() {
    let entry =
        |name: &str, offsets: &str| format!(r#""{name}":{{"dtype":"F32","shape":[0],"data_offsets":[{offsets}]}}"#);
    let twice = format!("{{{},{}}}", entry("w", "0,0"), entry("w", "0,0"));
    refused(&safetensors(twice, b""), &["duplicate tensor name \"w\""]);
    let long = "n".repeat(513);
    refused(&safetensors(format!("{{{}}}", entry(&long, "0,0")), b""), &["nnn…", "longer than 512 bytes"]);
    refused(&safetensors(format!("{{{}}}", entry("\u{9b}31m", "0,0")), b""), &["contains control characters"]);
}

#[test]
fn nested_brackets_do_not_exhaust_the_stack() {
    for start in ["{\"w\":", "{\"__metadata__\":", "{\"w\":{\"shape\":"] {
        for bracket in ["[", "{\"a\":"] {
            let header = format!("{start}{}", bracket.repeat(500_000));
            refused(&safetensors(header, b""), &["malformed header"]);
        }
    }
}

#[test]
fn accepted_files_match_the_safetensors_crate() {
    let mut count = 0;
    for (name, bytes) in fixtures().into_iter().filter(|(name, _)| name.ends_with("safetensors")) {
        let (ours, theirs) = (read(&bytes).unwrap(), SafeTensors::deserialize(&bytes).unwrap());
        assert_eq!(ours.names().count(), theirs.len(), "{name}");
        for (tensor, view) in theirs.tensors() {
            assert_eq!(ours.shape(&tensor), Some(view.shape()), "{name}: {tensor}");
        }
        count += 1;
    }
    assert_eq!(count, 2);
}
