//! Hostile zips.

use super::builders::*;
use super::refused;

fn valid_entries() -> Vec<Entry> {
    vec![entry("a/data.pkl", &pickle(small())), entry("a/data/0", &floats(6)), entry("a/byteorder", b"little")]
}

/// Returns the valid zip with one changed entry.
fn with_change(index: usize, change: impl Fn(&mut Entry)) -> Vec<u8> {
    let mut entries = valid_entries();
    change(&mut entries[index]);
    zip(&entries)
}

#[test]
fn compressed_entry_is_refused() {
    let deflated = with_change(1, |entry| (entry.method, entry.unpacked) = (8, Some(u32::MAX - 1)));
    refused(&deflated, &["zip entry \"a/data/0\" is compressed (method 8)", "save it with torch.save"]);
    // A zip bomb: a few stored bytes with an original size of 4 GB.
    let bomb = with_change(2, |entry| entry.unpacked = Some(0xffff_fff0));
    refused(&bomb, &["\"a/byteorder\" differs in stored and original size"]);
    refused(&with_change(0, |entry| entry.flags = 1), &["\"a/data.pkl\" is encrypted"]);
}

#[test]
fn overlapping_entries_are_refused() {
    refused(&with_change(1, |entry| entry.offset = Some(0)), &["differs between directory and local header"]);
    // One name twice at one position: only the overlap is detectable.
    let mut entries = valid_entries();
    entries.push(Entry { offset: Some(0), ..entry("a/data.pkl", &pickle(small())) });
    refused(&zip(&entries), &["\"a/data.pkl\" overlaps another entry"]);
    // A valid entry inside the content of another entry.
    let inner = zip(&[entry("a/data/0", &floats(6))]);
    let outer = [entry("a/x", &inner), entry("a/data.pkl", &pickle(small()))];
    let hidden = Entry { offset: Some(33), ..entry("a/data/0", &floats(6)) };
    refused(&zip(&[&outer[..], &[hidden]].concat()), &["\"a/data/0\" overlaps another entry"]);
}

#[test]
fn duplicate_and_missing_entries_are_refused() {
    let pickle_twice = [valid_entries(), valid_entries()].concat();
    refused(&zip(&pickle_twice), &["is listed twice"]);
    let two = [valid_entries(), vec![entry("b/data.pkl", &pickle(small()))]].concat();
    refused(&zip(&two), &["more than one data.pkl"]);
    refused(&zip(&valid_entries()[1..]), &["it has no data.pkl, so torch.save did not write it"]);
    refused(&zip(&valid_entries()[..1]), &["storage \"0\" is missing"]);
    let in_folder = [entry("a/b/data.pkl", &pickle(small()))];
    refused(&zip(&in_folder), &["it has no data.pkl"]);
    refused(
        &torch_zip(&pickle(small()), &[("0", floats(5))]),
        &["storage \"0\" has the wrong size: 20 bytes, its tensors need 24"],
    );
}

#[test]
fn entry_names_are_not_paths() {
    let outside = [valid_entries(), vec![entry("../../etc/passwd", b"x")]].concat();
    assert!(super::read(&zip(&outside)).is_ok(), "no entry is extracted");
    let key = storage("FloatStorage", "../data/0", 6);
    let upwards = pickle(dict(&[("w", tensor(key, 0, &[6], &[1]))]));
    refused(&torch_zip(&upwards, &[("0", floats(6))]), &["storage \"../data/0\" is missing"]);
    refused(&with_change(1, |entry| entry.name = b"a/\xff".to_vec()), &["is not UTF-8"]);
    refused(&with_change(1, |entry| entry.name = vec![b'n'; 600]), &["longer than 512 bytes"]);
}

#[test]
fn big_endian_zip_is_refused() {
    refused(&with_change(2, |entry| entry.content = b"big".to_vec()), &["big-endian: only little-endian is supported"]);
    refused(&with_change(2, |entry| entry.content = b"LITTLE".to_vec()), &["big-endian"]);
}

#[test]
fn bytes_after_the_pickle_are_refused() {
    let longer = |entry: &mut Entry| entry.content.extend(b"more");
    refused(&with_change(0, longer), &["unexpected data: 4 bytes after the pickle data.pkl"]);
}

#[test]
fn inconsistent_directory_is_refused() {
    let valid = zip(&valid_entries());
    let end = valid.len() - 22;
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = valid.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    refused(&changed(end + 8, &[2, 0, 2, 0]), &["does not match its number of entries"]);
    refused(&changed(end + 8, &[4, 0, 4, 0]), &["file is truncated: an entry of the zip's directory"]);
    refused(&changed(end + 8, &[4, 0]), &["two different numbers of entries"]);
    refused(&changed(end + 8, &[0xff; 4]), &["too many zip entries: 65535 exceed the limit of 50000"]);
    refused(&changed(end + 16, &[0; 4]), &["its directory is not at the position in the end record"]);
    refused(&changed(end + 16, &[0xff; 4]), &["its directory is not at the position in the end record"]);
    refused(&changed(end + 20, &[1, 0]), &["refers to other disks or a comment"]);
    refused(&changed(end, b"PK\x05\x07"), &["its end record is missing"]);
    refused(&with_change(1, |entry| entry.offset = Some(0xffff_fff0)), &["begins outside the file"]);
    // The offset refers to a zip64 extra field that is missing.
    refused(&with_change(1, |entry| entry.offset = Some(u32::MAX)), &["begins outside the file"]);
}

#[test]
fn absurd_zip64_end_record_is_refused() {
    let valid = zip(&valid_entries());
    let (before, end) = valid.split_at(valid.len() - 22);
    let numbers = |at: &[u8]| u64::from(u32::from_le_bytes(at.try_into().unwrap()));
    let [length, start] = [&end[12..16], &end[16..20]].map(numbers);
    let file = |count: u64, length: u64, start: u64, place: usize| {
        let numbers = [count, count, length, start].map(u64::to_le_bytes).concat();
        let end_64 = [b"PK\x06\x06", &44_u64.to_le_bytes()[..], &[30, 3, 45, 0], &[0; 8], &numbers].concat();
        let place = u64::try_from(place).unwrap().to_le_bytes();
        let locator = [b"PK\x06\x07\0\0\0\0", &place[..], &[1, 0, 0, 0]].concat();
        [before, &end_64, &locator, end].concat()
    };
    assert!(super::read(&file(3, length, start, before.len())).is_ok());
    refused(
        &file(u64::MAX, length, start, before.len()),
        &["too many zip entries: 18446744073709551615 exceed the limit of 50000"],
    );
    refused(&file(3, u64::MAX, start, before.len()), &["its directory is not at the position in the end record"]);
    refused(&file(3, length, u64::MAX, before.len()), &["its directory is not at the position in the end record"]);
    refused(&file(3, length, start, 7), &["its zip64 end record is not before its locator"]);
}
