//! Hostile zips.

use super::made::*;
use super::refused;

fn sound() -> Vec<Entry> {
    vec![entry("a/data.pkl", &pickle(small())), entry("a/data/0", &floats(6)), entry("a/byteorder", b"little")]
}

/// The sound zip, one of its entries changed.
fn with(index: usize, change: impl Fn(&mut Entry)) -> Vec<u8> {
    let mut entries = sound();
    change(&mut entries[index]);
    zip(&entries)
}

#[test]
fn a_compressed_entry_is_refused_and_never_unpacked() {
    let deflated = with(1, |entry| (entry.method, entry.unpacked) = (8, Some(u32::MAX - 1)));
    refused(&deflated, &["compressed zip entry \"a/data/0\" (method 8)", "save it with torch.save"]);
    // A bomb: a few bytes that claim to be 4 GB.
    let bomb = with(2, |entry| entry.unpacked = Some(0xffff_fff0));
    refused(&bomb, &["\"a/byteorder\" that has another size stored than unpacked"]);
    refused(&with(0, |entry| entry.flags = 1), &["\"a/data.pkl\" that is encrypted"]);
}

#[test]
fn entries_that_share_their_bytes_are_refused() {
    refused(&with(1, |entry| entry.offset = Some(0)), &["that is described in two ways"]);
    // The same name twice, in the same place: only the overlap is left to see.
    let mut entries = sound();
    entries.push(Entry { offset: Some(0), ..entry("a/data.pkl", &pickle(small())) });
    refused(&zip(&entries), &["\"a/data.pkl\" that overlaps another"]);
    // A sound entry inside the content of another one.
    let inner = zip(&[entry("a/data/0", &floats(6))]);
    let outer = [entry("a/x", &inner), entry("a/data.pkl", &pickle(small()))];
    let hidden = Entry { offset: Some(33), ..entry("a/data/0", &floats(6)) };
    refused(&zip(&[&outer[..], &[hidden]].concat()), &["\"a/data/0\" that overlaps another"]);
}

#[test]
fn entries_that_are_twice_there_or_not_there_are_refused() {
    let pickle_twice = [sound(), sound()].concat();
    refused(&zip(&pickle_twice), &["that is there twice"]);
    let two = [sound(), vec![entry("b/data.pkl", &pickle(small()))]].concat();
    refused(&zip(&two), &["more than one data.pkl"]);
    refused(&zip(&sound()[1..]), &["lack a data.pkl: it was not made by torch.save"]);
    refused(&zip(&sound()[..1]), &["storage \"0\" that is not in the file"]);
    let in_folder = [entry("a/b/data.pkl", &pickle(small()))];
    refused(&zip(&in_folder), &["lack a data.pkl"]);
    refused(&torch_zip(&pickle(small()), &[("0", floats(5))]), &["storage \"0\" of 20 bytes, its tensors expect 24"]);
}

#[test]
fn the_names_of_entries_are_only_names() {
    let outside = [sound(), vec![entry("../../etc/passwd", b"x")]].concat();
    assert!(super::read(&zip(&outside)).is_ok(), "nothing is ever written anywhere");
    let key = storage("FloatStorage", "../data/0", 6);
    let upwards = pickle(dict(&[("w", tensor(key, 0, &[6], &[1]))]));
    refused(&torch_zip(&upwards, &[("0", floats(6))]), &["storage \"../data/0\" that is not in the file"]);
    refused(&with(1, |entry| entry.name = b"a/\xff".to_vec()), &["is not UTF-8"]);
    refused(&with(1, |entry| entry.name = vec![b'n'; 600]), &["longer than 512 bytes"]);
}

#[test]
fn the_other_byte_order_is_refused() {
    refused(&with(2, |entry| entry.content = b"big".to_vec()), &["big-endian order, only little-endian is read"]);
    refused(&with(2, |entry| entry.content = b"LITTLE".to_vec()), &["big-endian"]);
}

#[test]
fn a_pickle_that_is_not_the_whole_entry_is_refused() {
    let longer = |entry: &mut Entry| entry.content.extend(b"more");
    refused(&with(0, longer), &["4 bytes left over after the pickle data.pkl"]);
}

#[test]
fn a_directory_that_is_not_where_or_what_it_should_be_is_refused() {
    let sound = zip(&sound());
    let end = sound.len() - 22;
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = sound.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    refused(&changed(end + 8, &[2, 0, 2, 0]), &["lists other entries than it counts"]);
    refused(&changed(end + 8, &[4, 0, 4, 0]), &["is cut short: an entry of the zip's directory"]);
    refused(&changed(end + 8, &[4, 0]), &["counts its entries in two ways"]);
    refused(&changed(end + 8, &[0xff; 4]), &["holds 65535 zip entries, the limit is 50000"]);
    refused(&changed(end + 16, &[0; 4]), &["directory is not where its end says"]);
    refused(&changed(end + 16, &[0xff; 4]), &["directory is not where its end says"]);
    refused(&changed(end + 20, &[1, 0]), &["of other disks or of a comment"]);
    refused(&changed(end, b"PK\x05\x07"), &["end is missing"]);
    refused(&with(1, |entry| entry.offset = Some(0xffff_fff0)), &["begins outside the file"]);
    // Its number is said to be in an extra field, which is not there.
    refused(&with(1, |entry| entry.offset = Some(u32::MAX)), &["begins outside the file"]);
}

#[test]
fn a_64_bit_end_with_absurd_numbers_is_refused() {
    let sound = zip(&sound());
    let (before, end) = sound.split_at(sound.len() - 22);
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
    refused(&file(u64::MAX, length, start, before.len()), &["18446744073709551615 zip entries, the limit is 50000"]);
    refused(&file(3, u64::MAX, start, before.len()), &["directory is not where its end says"]);
    refused(&file(3, length, u64::MAX, before.len()), &["directory is not where its end says"]);
    refused(&file(3, length, start, 7), &["64-bit end is not where it should be"]);
}
