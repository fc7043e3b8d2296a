//! Files made to take much memory: `read` refuses to pass what takes more than twice the file and 4 MiB.

use super::made::*;
use super::{pickle_refused, read, refused};

/// A pickle of an empty dict after `part`, many times over.
fn many(start: &[u8], part: &[u8], times: usize) -> Vec<u8> {
    pickle([start, &part.repeat(times)].concat())
}

#[test]
fn values_that_take_one_byte_each_are_limited() {
    pickle_refused(&many(b"", b"N", 40_000), &["holds 32769 values waiting in a pickle, the limit is 32768"]);
    pickle_refused(&many(b"N", b"\x94", 2_000_000), &["its tables would need over"]);
    pickle_refused(&many(b"N", b"\x94", 13_500_000), &["values put aside in a pickle, the limit is 300000"]);
    pickle_refused(&many(b"]", b"Na", 1_000_000), &["its tables would need over"]);
    pickle_refused(&many(b"}", b"NNs", 1_000_000), &["its tables would need over"]);
    pickle_refused(&many(b"]", b"]a", 1_000_000), &["its tables would need over"]);
    pickle_refused(&many(b"]", b"]Naa", 1_000_000), &["its tables would need over"]);
    pickle_refused(&many(b"]", b"N\x85a", 1_000_000), &["its tables would need over"]);
    pickle_refused(&many(b"", b"N\x80\x02", 5_000_000), &["values waiting in a pickle"]);
    pickle_refused(&many(b"N", b"\x80\x02", 5_000_000), &["holds 4000001 pickle instructions, the limit is 4000000"]);
}

#[test]
fn values_that_double_what_was_put_aside_are_limited() {
    // Each list holds the one before it twice: 2^60 items, were they copied.
    let double: Vec<u8> = (0..60_u8).flat_map(|i| [b'(', b'h', i, b'h', i, b't', b'q', i + 1]).collect();
    pickle_refused(&pickle([b"Nq\x00", &double[..]].concat()), &["collections inside each other, the limit is 8"]);
    // The same large list again and again.
    let again =
        [b"](".to_vec(), b"N".repeat(10_000), b"e\x94".to_vec(), b"(".to_vec(), b"h\x00".repeat(30_000), b"t".to_vec()];
    pickle_refused(&many(&again.concat(), b"", 0), &["ends with other than one value"]);
}

#[test]
fn storages_and_tensors_that_are_only_mentioned_are_limited() {
    let reference = storage("FloatStorage", "0", 6);
    pickle_refused(&many(b"]", &[&reference[..], b"a"].concat(), 5_000), &["holds no tensors"]);
    let again =
        [b"(".to_vec(), text("storage"), global("torch", "FloatStorage"), text("0"), b"NK\x06t\x94".to_vec()].concat();
    pickle_refused(&many(&[b"]", &again[..], b"a"].concat(), b"h\x00Qa", 1_000_000), &["its tables would need over"]);
    let arguments = [reference, b"K\x00))\x89Nt\x94".to_vec()].concat();
    let start =
        [b"]".to_vec(), global("torch._utils", "_rebuild_tensor_v2"), b"\x94(".to_vec(), arguments, b"\x86a".to_vec()];
    let tensors = many(&start.concat(), b"h\x00h\x01Ra", 30_000);
    pickle_refused(&tensors, &["holds 20001 tensors, the limit is 20000"]);
}

#[test]
fn one_tensor_under_very_many_names_is_limited() {
    let names: Vec<u8> = (0..20_001).flat_map(|i| [text(&format!("{i:05}")), b"h\x00s".to_vec()].concat()).collect();
    let view = [tensor(storage("FloatStorage", "0", 6), 0, &[6], &[1]), b"q\x00".to_vec()].concat();
    let state = pickle([b"}", &text("w")[..], &view, b"s", &names].concat());
    pickle_refused(&state, &["holds 20001 tensors, the limit is 20000"]);
}

#[test]
fn a_header_full_of_tensors_or_numbers_is_limited() {
    let entry = |i: usize, shape: &str| format!(r#""{i:x}":{{"dtype":"U8","shape":[{shape}],"data_offsets":[0,0]}}"#);
    let header = |count, shape: &str| {
        let entries: Vec<_> = (0..count).map(|i| entry(i, shape)).collect();
        safetensors(format!("{{{}}}", entries.join(",")), b"")
    };
    refused(&header(20_001, "0"), &["holds 20001 tensors, the limit is 20000"]);
    assert_eq!(read(&header(20_000, "0")).unwrap().names().count(), 20_000);
    refused(&header(20_000, "0,1,1,1,1,1,1,1"), &["its tables would need over"]);
    let shape = "0,".repeat(1_000_000);
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{shape}0],"data_offsets":[0,0]}}}}"#);
    refused(&safetensors(header, b""), &["9 numbers in a shape or data_offsets, the limit is 8"]);
    for text in ["dtype", "shape", "other"] {
        let long = format!(r#"{{"w":{{"{text}":"{}"}}}}"#, "x".repeat(4_000_000));
        refused(&safetensors(long, b""), &[]);
    }
    let long = format!(r#"{{"{}":0}}"#, "\u{7f}x".repeat(2_000_000));
    refused(&safetensors(long, b""), &["is longer than 512 bytes"]);
}

#[test]
fn a_zip_full_of_entries_is_limited() {
    let entries: Vec<_> = (0..50_000).map(|i| entry(&format!("{i:x}"), b"")).collect();
    refused(&zip(&entries), &["lack a data.pkl"]);
    let entries: Vec<_> = (0..50_001).map(|i| entry(&format!("{i:x}"), b"")).collect();
    refused(&zip(&entries), &["holds 50001 zip entries, the limit is 50000"]);
}
