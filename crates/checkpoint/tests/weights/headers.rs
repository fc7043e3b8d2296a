//! Hostile safetensors headers.

use safetensors::SafeTensors;

use super::made::*;
use super::{fixtures, read, refused};

fn one(shape: &str, begin: u64, end: u64) -> String {
    format!(r#"{{"w":{{"dtype":"F32","shape":[{shape}],"data_offsets":[{begin},{end}]}}}}"#)
}

#[test]
fn a_header_that_claims_to_be_huge_is_refused_before_it_is_read() {
    for length in [u64::MAX, 1 << 63, 100_000_000, (4 << 20) + 1] {
        let file = [&length.to_le_bytes()[..], b"{\"w\":"].concat();
        refused(&file, &[&format!("a header of {length} bytes, the limit is 4194304")]);
    }
    refused(&[&100_u64.to_le_bytes()[..], b"{}"].concat(), &["is cut short: the header needs 100 bytes, 2 are left"]);
}

#[test]
fn tensors_of_ten_gigabytes_in_a_small_file_are_refused() {
    refused(&safetensors(one("2500000000", 0, 10_000_000_000), b""), &["the data needs 10000000000 bytes, 0 are left"]);
    refused(&safetensors(one("2500000000", 0, 24), &floats(6)), &["gives \"w\" 24 bytes", "need 10000000000"]);
    for overflowing in ["4294967296,4294967296", "0,4294967296,4294967296,9"] {
        refused(&safetensors(one(overflowing, 0, 0), b""), &["more elements than can be counted"]);
    }
    refused(&safetensors(one("4611686018427387904", 0, 0), b""), &["need 18446744073709551615"]);
}

#[test]
fn offsets_that_overlap_leave_gaps_or_run_backwards_are_refused() {
    let two = |a: &str, b: &str| {
        let entry =
            |name: &str, offsets: &str| format!(r#""{name}":{{"dtype":"F32","shape":[2],"data_offsets":[{offsets}]}}"#);
        safetensors(format!("{{{},{}}}", entry("a", a), entry("b", b)), &floats(4))
    };
    assert!(read(&two("8,16", "0,8")).is_ok(), "in any order");
    refused(&two("0,8", "4,12"), &["places \"b\" at byte 4 of the data, expected 8"]);
    refused(&two("0,8", "0,8"), &["at byte 0 of the data, expected 8"]);
    refused(&two("0,8", "12,20"), &["places \"b\" at byte 12", "overlap or leave a gap"]);
    refused(&two("4,12", "12,20"), &["places \"a\" at byte 4 of the data, expected 0"]);
    refused(&two("8,0", "0,8"), &["places \"a\" at byte 8"]);
    refused(&safetensors(one("3", 0, 12), &floats(2)), &["the data needs 12 bytes, 8 are left"]);
    refused(&safetensors(one("1", 0, 4), &floats(2)), &["4 bytes left over after the last tensor"]);
    refused(&safetensors(one("2", 0, 4), &floats(1)), &["gives \"w\" 4 bytes, its shape and type need 8"]);
}

#[test]
fn a_header_that_is_not_what_the_format_says_is_refused_with_the_place() {
    let whole = one("1", 0, 4);
    for (from, to, said) in [
        ("F32", "C64", "unknown type \"C64\"; convert it to float32"),
        ("\"F32\"", "7", "should be the quotation mark of a string"),
        ("[1]", "[-1]", "byte 37 should be a whole number that is not negative"),
        ("[1]", "[1.5]", "byte 38 should be a comma or the closing bracket"),
        ("[1]", "[1e3]", "a comma or the closing bracket"),
        ("[1]", "[01]", "no digit after a leading zero"),
        ("[1]", "[18446744073709551616]", "the end of a number that fits into 64 bits"),
        ("[1]", "[1,1,1,1,1,1,1,1,1]", "9 numbers in a shape or data_offsets, the limit is 8"),
        ("[1]", "[[1]]", "should be a whole number"),
        ("[0,4]", "[0,4,8]", "3 numbers in a shape or data_offsets, the limit is 2"),
        ("[0,4]", "[0]", "both of its data_offsets"),
        ("\"shape\":[1]", "\"dtype\":\"F32\"", "each once"),
        ("\"shape\"", "\"size\"", "dtype, shape or data_offsets, each once"),
        ("\"shape\":[1],", "", "a tensor with its dtype, its shape"),
        ("\"shape\":[1]", "\"shape\":[1],\"shape\":[1]", "each once"),
        ("\"w\"", "\"\\u0077\"", "should be part of a name without escapes"),
        ("\"w\"", "\"a\nb\"", "should be part of a string"),
        ("\"w\"", "\"\"", "is empty"),
        ("\"w\":", "\"w\"", "should be a colon"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":{}},\"w\"", "the quotation mark of a string"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\x\"},\"w\"", "should be an escape that JSON has"),
        ("{\"w\"", "{\"__metadata__\":{},\"__metadata__\":{},\"w\"", "should be no second __metadata__"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\ud800\\n1234\"},\"w\"", "after both halves of a character"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\ud800\\u0041\"},\"w\"", "after both halves of a character"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\ude00\"},\"w\"", "after both halves of a character"),
        ("{\"w\"", "{\"__metadata__\":{\"a\":\"\\u12g4\"},\"w\"", "should be a hexadecimal digit"),
        ("}}", "}} x", "a blank after the end of the header"),
        ("}}", "},}", "the quotation mark of a string"),
        ("}}", "}", "should be a comma or the closing bracket"),
    ] {
        let header = whole.replace(from, to);
        assert_ne!(header, whole);
        refused(&safetensors(header, &floats(1)), &[said]);
    }
    refused(&safetensors(b"{}  ", b""), &["holds no tensors"]);
    refused(&safetensors(b"{\"\xff\xfe\":{}}", b""), &["byte 10 should be UTF-8"]);
}

#[test]
fn a_name_that_is_twice_there_or_no_name_is_refused() {
    let entry =
        |name: &str, offsets: &str| format!(r#""{name}":{{"dtype":"F32","shape":[0],"data_offsets":[{offsets}]}}"#);
    let twice = format!("{{{},{}}}", entry("w", "0,0"), entry("w", "0,0"));
    refused(&safetensors(twice, b""), &["names the tensor \"w\" twice"]);
    let long = "n".repeat(513);
    refused(&safetensors(format!("{{{}}}", entry(&long, "0,0")), b""), &["nnn…", "longer than 512 bytes"]);
    refused(&safetensors(format!("{{{}}}", entry("\u{9b}31m", "0,0")), b""), &["has control characters"]);
}

#[test]
fn brackets_inside_brackets_do_not_exhaust_the_stack() {
    for start in ["{\"w\":", "{\"__metadata__\":", "{\"w\":{\"shape\":"] {
        for bracket in ["[", "{\"a\":"] {
            let header = format!("{start}{}", bracket.repeat(500_000));
            refused(&safetensors(header, b""), &["has a malformed header"]);
        }
    }
}

#[test]
fn what_is_accepted_the_safetensors_crate_reads_alike() {
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
