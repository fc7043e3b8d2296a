//! Weights files that were made to do harm, or that harm was done to: each is refused for what it is, and cheaply.

mod weights;

use weights::made::*;
use weights::{fixtures, read, refused};

#[test]
fn the_sound_files_that_the_hostile_ones_are_made_from_are_read() {
    let state = pickle(small());
    let header = r#"{"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    for (form, bytes) in [
        ("torch (zip)", torch_zip(&state, &[("0", floats(6))])),
        ("torch (legacy)", torch_legacy(&state, &[("0", 6, floats(6))])),
        ("safetensors", safetensors(header, &floats(6))),
    ] {
        let weights = read(&bytes).unwrap();
        assert_eq!(weights.form(), form);
        assert!(weights.names().eq(["w"]));
        assert_eq!(weights.shape("w"), Some(&[2, 3][..]));
        assert_eq!(weights.values("w").unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for (name, bytes) in fixtures() {
        for length in 0..bytes.len() {
            let error = read(&bytes[..length]).expect_err(&name);
            assert!(error.contains("; "), "{name}, {length} bytes: {error} says nothing of what to do");
        }
    }
}

#[test]
fn a_file_with_something_after_its_end_is_refused() {
    let (mut count, sound) = (0, fixtures().into_iter().filter(|(_, bytes)| read(bytes).is_ok()));
    for (name, bytes) in sound {
        for more in [&b"\0"[..], b"PK\x05\x06", &[0xff; 100]] {
            let said = read(&[&bytes, more].concat()).expect_err(&name);
            let known = ["left over after the last", "is a zip whose end is missing"];
            assert!(known.iter().any(|known| said.contains(known)), "{name}: {said}");
        }
        count += 1;
    }
    assert_eq!(count, 20);
}

#[test]
fn a_byte_changed_anywhere_neither_panics_nor_costs_memory() {
    for (_, bytes) in fixtures() {
        for at in 0..bytes.len() {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                // Most are refused; a change of a weight is not seen.
                if let Ok(weights) = read(&changed) {
                    weights.names().for_each(|name| drop(weights.values(name)));
                }
            }
        }
    }
}

#[test]
fn what_is_no_weights_file_is_told_apart_and_says_what_it_begins_with() {
    refused(b"", &["neither a safetensors file nor one of torch.save"]);
    refused(b"\x89HDF\r\n\x1a\n........", &["begins with [89, 48, 44, 46", "save it as safetensors"]);
    refused(b"<!DOCTYPE html>", &["neither a safetensors file"]);
    refused(b"PK\x03\x04", &["is a zip whose end is missing (cut short"]);
    refused(&pickle(b"}"), &["torch.save's magic number does not come first", "save it as safetensors"]);
}

#[test]
fn a_legacy_file_whose_storages_do_not_match_its_tensors_is_refused() {
    let state = pickle(small());
    let file = |storages: &[(&str, u64, Vec<u8>)]| torch_legacy(&state, storages);
    refused(&file(&[("0", 5, floats(5))]), &["storage \"0\" of 20 bytes, its tensors expect 24"]);
    refused(&file(&[("0", u64::MAX, floats(6))]), &["its tensors expect 24"]);
    refused(&file(&[("0", 6, floats(5))]), &["is cut short: a storage needs 24 bytes, 20 are left"]);
    refused(&file(&[("0", 6, floats(7))]), &["has 4 bytes left over after the last storage"]);
    refused(&file(&[]), &["storage \"0\" that is not in the file"]);
    refused(&file(&[("1", 6, floats(6))]), &["storage \"1\" that no tensor uses"]);
    refused(&file(&[("0", 6, floats(6)), ("0", 6, floats(6))]), &["storage \"0\" that is listed twice"]);
    let views = ["FloatStorage", "IntStorage"].map(|kind| tensor(storage(kind, "0", 6), 0, &[6], &[1]));
    let [floats_of, ints_of] = views;
    let both = pickle(dict(&[("a", floats_of), ("b", ints_of)]));
    refused(&torch_legacy(&both, &[("0", 6, floats(6))]), &["storage \"0\" that has two types or sizes"]);
}

#[test]
fn a_legacy_file_of_another_machine_or_version_is_refused() {
    refused(&legacy_start(false), &["big-endian order, only little-endian"]);
    let magic = pickle(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
    let start = |more: &[Vec<u8>]| [magic.clone(), more.concat()].concat();
    refused(&start(&[pickle(b"M\xea\x03")]), &["the version of torch.save's format is not 1001"]);
    let version = || pickle(b"M\xe9\x03");
    refused(&start(&[version(), pickle(b"}")]), &["does not say in which order its bytes are"]);
    let [state, number] = [small(), int(3)].map(pickle);
    refused(&[legacy_start(true), state, number].concat(), &["its storages are not listed"]);
    refused(&pickle(b"\x8a\x0a\x6d\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"), &["magic number"]);
}
