//! Hostile and damaged weights files: each is refused with its own error, within the memory limit.

mod weights;

use weights::builders::*;
use weights::{fixtures, read, refused};

#[test]
fn valid_builder_files_are_read() {
    let state = pickle(small());
    let header = r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    for (format, bytes) in [
        ("torch (zip)", torch_zip(&state, &[("0", floats(6))])),
        ("torch (legacy)", torch_legacy(&state, &[("0", 6, floats(6))])),
        ("safetensors", safetensors(header, &floats(6))),
    ] {
        let weights = read(&bytes).unwrap();
        assert_eq!(weights.format(), format);
        assert!(weights.names().eq(["w"]));
        assert_eq!(weights.shape("w"), Some(&[2, 3][..]));
        assert_eq!(weights.values("w").unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}

#[test]
fn truncation_at_any_byte_is_refused() {
    for (name, bytes) in fixtures() {
        for length in 0..bytes.len() {
            let error = read(&bytes[..length]).expect_err(&name);
            assert!(error.contains("; "), "{name}, {length} bytes: {error} names no remedy");
        }
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let mut count = 0;
    let valid = fixtures().into_iter().filter(|(_, bytes)| read(bytes).is_ok());
    for (name, bytes) in valid {
        for more in [&b"\0"[..], b"PK\x05\x06", &[0xff; 100]] {
            let message = read(&[&bytes, more].concat()).expect_err(&name);
            let expected = ["bytes after the last", "its end record is missing"];
            assert!(expected.iter().any(|part| message.contains(part)), "{name}: {message}");
        }
        count += 1;
    }
    assert_eq!(count, 20);
}

#[test]
fn corrupted_byte_never_panics_or_exceeds_memory() {
    for (_, bytes) in fixtures() {
        for at in 0..bytes.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                // Most changes are refused; a changed weight is not detectable.
                if let Ok(weights) = read(&changed) {
                    weights.names().for_each(|name| drop(weights.values(name)));
                }
            }
        }
    }
}

#[test]
fn unknown_formats_are_reported_with_first_bytes() {
    refused(b"", &["neither safetensors nor torch.save"]);
    refused(b"\x89HDF\r\n\x1a\n........", &["first bytes [89, 48, 44, 46", "save it as safetensors"]);
    refused(b"<!DOCTYPE html>", &["neither safetensors"]);
    refused(b"PK\x03\x04", &["malformed zip: its end record is missing (file truncated"]);
    refused(&pickle(b"}"), &["the magic number of torch.save is missing", "save it as safetensors"]);
}

#[test]
fn legacy_storages_must_match_tensors() {
    let state = pickle(small());
    let file = |storages: &[(&str, u64, Vec<u8>)]| torch_legacy(&state, storages);
    refused(&file(&[("0", 5, floats(5))]), &["storage \"0\" has the wrong size: 20 bytes, its tensors need 24"]);
    refused(&file(&[("0", u64::MAX, floats(6))]), &["its tensors need 24"]);
    refused(&file(&[("0", 6, floats(5))]), &["file is truncated: a storage needs 24 bytes, 20 are left"]);
    refused(&file(&[("0", 6, floats(7))]), &["unexpected data: 4 bytes after the last storage"]);
    refused(&file(&[]), &["storage \"0\" is missing"]);
    refused(&file(&[("1", 6, floats(6))]), &["storage \"1\" is used by no tensor"]);
    refused(&file(&[("0", 6, floats(6)), ("0", 6, floats(6))]), &["storage \"0\" is listed twice"]);
    let views = ["FloatStorage", "IntStorage"].map(|kind| tensor(storage(kind, "0", 6), 0, &[6], &[1]));
    let [floats_of, ints_of] = views;
    let both = pickle(dict(&[("a", floats_of), ("b", ints_of)]));
    refused(&torch_legacy(&both, &[("0", 6, floats(6))]), &["storage \"0\" has two types or sizes"]);
}

#[test]
fn legacy_byte_order_and_version_are_checked() {
    refused(&legacy_start(false), &["big-endian: only little-endian is supported"]);
    let magic = pickle(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
    let start = |more: &[Vec<u8>]| [magic.clone(), more.concat()].concat();
    refused(&start(&[pickle(b"M\xea\x03")]), &["the version of torch.save's format is not 1001"]);
    let version = || pickle(b"M\xe9\x03");
    refused(&start(&[version(), pickle(b"}")]), &["the byte order is missing"]);
    let [state, number] = [small(), int(3)].map(pickle);
    refused(&[legacy_start(true), state, number].concat(), &["the list of storage keys is missing"]);
    refused(&pickle(b"\x8a\x0a\x6d\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"), &["magic number"]);
}
