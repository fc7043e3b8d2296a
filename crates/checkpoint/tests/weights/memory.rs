//! Memory bombs: `read` asserts that no file takes more than twice its size and 4 MiB.

use super::builders::*;
use super::{pickle_refused, read, refused};

/// Returns a pickle of `start` and `times` repetitions of `part`.
fn repeated(start: &[u8], part: &[u8], times: usize) -> Vec<u8> {
    pickle([start, &part.repeat(times)].concat())
}

#[test]
fn one_byte_values_are_limited() {
    pickle_refused(
        &repeated(b"", b"N", 40_000),
        &["too many values on the stack of a pickle: 32769 exceed the limit of 32768"],
    );
    pickle_refused(&repeated(b"N", b"\x94", 2_000_000), &["tables would exceed"]);
    pickle_refused(
        &repeated(b"N", b"\x94", 13_500_000),
        &["too many memo entries in a pickle: 300001 exceed the limit of 300000"],
    );
    pickle_refused(&repeated(b"]", b"Na", 1_000_000), &["tables would exceed"]);
    pickle_refused(&repeated(b"}", b"NNs", 1_000_000), &["tables would exceed"]);
    pickle_refused(&repeated(b"]", b"]a", 1_000_000), &["tables would exceed"]);
    pickle_refused(&repeated(b"]", b"]Naa", 1_000_000), &["tables would exceed"]);
    pickle_refused(&repeated(b"]", b"N\x85a", 1_000_000), &["tables would exceed"]);
    pickle_refused(&repeated(b"", b"N\x80\x02", 5_000_000), &["values on the stack of a pickle"]);
    pickle_refused(
        &repeated(b"N", b"\x80\x02", 5_000_000),
        &["too many pickle instructions: 4000001 exceed the limit of 4000000"],
    );
}

#[test]
fn memo_doubling_is_limited() {
    // Each tuple holds the previous one twice: 2^60 items if they were copied.
    let double: Vec<u8> = (0..60_u8).flat_map(|i| [b'(', b'h', i, b'h', i, b't', b'q', i + 1]).collect();
    pickle_refused(
        &pickle([b"Nq\x00", &double[..]].concat()),
        &["too many nested collections: 9 exceed the limit of 8"],
    );
    // One large list, referenced 30,000 times.
    let again =
        [b"](".to_vec(), b"N".repeat(10_000), b"e\x94".to_vec(), b"(".to_vec(), b"h\x00".repeat(30_000), b"t".to_vec()];
    pickle_refused(&repeated(&again.concat(), b"", 0), &["does not hold exactly one value"]);
}

#[test]
fn repeated_storage_and_tensor_references_are_limited() {
    let reference = storage("FloatStorage", "0", 6);
    pickle_refused(&repeated(b"]", &[&reference[..], b"a"].concat(), 5_000), &["no named tensors"]);
    let again =
        [b"(".to_vec(), text("storage"), global("torch", "FloatStorage"), text("0"), b"NK\x06t\x94".to_vec()].concat();
    pickle_refused(&repeated(&[b"]", &again[..], b"a"].concat(), b"h\x00Qa", 1_000_000), &["tables would exceed"]);
    let arguments = [reference, b"K\x00))\x89Nt\x94".to_vec()].concat();
    let start =
        [b"]".to_vec(), global("torch._utils", "_rebuild_tensor_v2"), b"\x94(".to_vec(), arguments, b"\x86a".to_vec()];
    let tensors = repeated(&start.concat(), b"h\x00h\x01Ra", 30_000);
    pickle_refused(&tensors, &["too many tensors: 20001 exceed the limit of 20000"]);
}

#[test]
fn names_of_one_tensor_are_limited() {
    let names: Vec<u8> = (0..20_001).flat_map(|i| [text(&format!("{i:05}")), b"h\x00s".to_vec()].concat()).collect();
    let view = [tensor(storage("FloatStorage", "0", 6), 0, &[6], &[1]), b"q\x00".to_vec()].concat();
    let state = pickle([b"}", &text("w")[..], &view, b"s", &names].concat());
    pickle_refused(&state, &["too many tensors: 20001 exceed the limit of 20000"]);
}

#[test]
fn header_entries_are_limited() {
    let entry = |i: usize, shape: &str| format!(r#""{i:x}":{{"dtype":"U8","shape":[{shape}],"data_offsets":[0,0]}}"#);
    let header = |count, shape: &str| {
        let entries: Vec<_> = (0..count).map(|i| entry(i, shape)).collect();
        safetensors(format!("{{{}}}", entries.join(",")), b"")
    };
    refused(&header(20_001, "0"), &["too many tensors: 20001 exceed the limit of 20000"]);
    assert_eq!(read(&header(20_000, "0")).unwrap().names().count(), 20_000);
    refused(&header(20_000, "0,1,1,1,1,1,1,1"), &["tables would exceed"]);
    let shape = "0,".repeat(1_000_000);
    let header = format!(r#"{{"w":{{"dtype":"U8","shape":[{shape}0],"data_offsets":[0,0]}}}}"#);
    refused(&safetensors(header, b""), &["too many numbers in a shape or data_offsets: 9 exceed the limit of 8"]);
    for text in ["dtype", "shape", "other"] {
        let long = format!(r#"{{"w":{{"{text}":"{}"}}}}"#, "x".repeat(4_000_000));
        refused(&safetensors(long, b""), &[]);
    }
    let long = format!(r#"{{"{}":0}}"#, "\u{7f}x".repeat(2_000_000));
    refused(&safetensors(long, b""), &["is longer than 512 bytes"]);
}

#[test]
fn zip_entries_are_limited() {
    let entries: Vec<_> = (0..50_000).map(|i| entry(&format!("{i:x}"), b"")).collect();
    refused(&zip(&entries), &["it has no data.pkl"]);
    let entries: Vec<_> = (0..50_001).map(|i| entry(&format!("{i:x}"), b"")).collect();
    refused(&zip(&entries), &["too many zip entries: 50001 exceed the limit of 50000"]);
}
