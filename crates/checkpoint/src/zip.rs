//! Finds the entries of a zip that were stored as they are. Nothing is ever unpacked, and paths mean nothing.
//!
//! The zip crate's table takes four times the directory that it is made from, which is more than a file may cost.

use super::byte_reader::{Cursor, Span, to_u64};
use super::error::{WeightsError, clip};
use super::limits::MAX_ENTRIES;
use super::memory_limit::Budget;
use super::tensor;

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
const END_BYTES: usize = 22;
const END_64_BYTES: usize = 56;
const LOCATOR_64_BYTES: usize = 20;
/// What 32 bits say where the number is in the entry's 64-bit extra field.
const IN_EXTRA: u64 = 0xffff_ffff;

/// A file in the archive.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub name: Span,
    /// Its name and sizes again, then its content.
    whole: Span,
    pub content: Span,
}

pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL)
}

/// The entries in the order of their names.
pub(super) fn entries(bytes: &[u8], budget: &mut Budget) -> Result<Vec<Entry>, WeightsError> {
    let Directory { count, start, end } = directory(bytes)?;
    if count > MAX_ENTRIES {
        return Err(WeightsError::TooMany { of: "zip entries", count, limit: MAX_ENTRIES });
    }
    let mut entries = Vec::new();
    let mut cursor = Cursor::new(bytes, start..end);
    for _ in 0..count {
        let entry = entry(bytes, &mut cursor, start)?;
        budget.push(&mut entries, entry)?;
    }
    if cursor.left() > 0 {
        return Err(WeightsError::Zip { why: "directory lists other entries than it counts" });
    }
    refuse_overlaps(bytes, &mut entries)?;
    entries.sort_unstable_by_key(|entry| entry.name.of(bytes));
    for pair in entries.windows(2) {
        if let [a, b] = pair
            && a.name.of(bytes) == b.name.of(bytes)
        {
            return Err(refuse(a.name.of(bytes), "is there twice"));
        }
    }
    Ok(entries)
}

fn refuse(name: &[u8], why: &'static str) -> WeightsError {
    WeightsError::ZipEntry { name: clip(name), why }
}

fn refuse_overlaps(bytes: &[u8], entries: &mut [Entry]) -> Result<(), WeightsError> {
    entries.sort_unstable_by_key(|entry| entry.whole.range().start);
    let mut end = 0;
    for entry in entries {
        let range = entry.whole.range();
        if range.start < end {
            return Err(refuse(entry.name.of(bytes), "overlaps another"));
        }
        end = range.end;
    }
    Ok(())
}

struct Directory {
    count: u64,
    start: usize,
    end: usize,
}

/// The directory's place, from the record that ends the file: torch writes no comment after it.
fn directory(bytes: &[u8]) -> Result<Directory, WeightsError> {
    const PART: &str = "the end of the zip";
    let refuse = |why| Err(WeightsError::Zip { why });
    let end = bytes.len().saturating_sub(END_BYTES);
    let mut cursor = Cursor::new(bytes, end..bytes.len());
    if cursor.array::<4>(PART)? != *END {
        return refuse("end is missing (cut short, or with something after it)");
    }
    let [disk, first_disk] = [cursor.u16(PART)?, cursor.u16(PART)?];
    let [here, count] = [cursor.u16(PART)?.into(), cursor.u16(PART)?.into()];
    let [length, start] = [cursor.u32(PART)?.into(), cursor.u32(PART)?.into()];
    if (disk, first_disk, cursor.u16(PART)?) != (0, 0, 0) {
        return refuse("end speaks of other disks or of a comment");
    }
    let (here, count, length, start, end) = match directory_64(bytes, end)? {
        Some(end_64) => {
            let mut cursor = Cursor::new(bytes, end_64..end);
            // The record's own length, two versions, two disks.
            cursor.array::<4>(PART)?;
            if cursor.u64(PART)? != to_u64(END_64_BYTES - 12)
                || cursor.array::<12>(PART)?.iter().skip(4).any(|&b| b != 0)
            {
                return refuse("64-bit end speaks of other disks or of extensions");
            }
            let [here, count] = [cursor.u64(PART)?, cursor.u64(PART)?];
            let [length, start] = [cursor.u64(PART)?, cursor.u64(PART)?];
            (here, count, length, start, end_64)
        }
        None => (here, count, length, start, end),
    };
    if here != count {
        return refuse("end counts its entries in two ways");
    }
    match (usize::try_from(start), start.checked_add(length)) {
        (Ok(start), Some(stop)) if stop == to_u64(end) => Ok(Directory { count, start, end }),
        _ => refuse("directory is not where its end says"),
    }
}

/// Where the record with 64-bit numbers is, which stands before the other one if there is any.
fn directory_64(bytes: &[u8], end: usize) -> Result<Option<usize>, WeightsError> {
    const PART: &str = "the 64-bit end of the zip";
    let refuse = Err(WeightsError::Zip { why: "64-bit end is not where it should be" });
    let Some(locator) = end.checked_sub(LOCATOR_64_BYTES) else { return Ok(None) };
    let mut cursor = Cursor::new(bytes, locator..end);
    if cursor.array::<4>(PART)? != *LOCATOR_64 {
        return Ok(None);
    }
    let (disk, at, disks) = (cursor.u32(PART)?, cursor.u64(PART)?, cursor.u32(PART)?);
    let Some(end_64) = locator.checked_sub(END_64_BYTES) else { return refuse };
    match bytes.get(end_64..).is_some_and(|record| record.starts_with(END_64)) {
        true if (disk, at, disks) == (0, to_u64(end_64), 1) => Ok(Some(end_64)),
        _ => refuse,
    }
}

/// An entry of the directory, and the place of its content, which must end before the directory starts.
fn entry(bytes: &[u8], cursor: &mut Cursor, directory: usize) -> Result<Entry, WeightsError> {
    const PART: &str = "an entry of the zip's directory";
    if cursor.array::<4>(PART)? != *CENTRAL {
        return Err(WeightsError::Zip { why: "directory has something else where an entry should begin" });
    }
    let [_made, _needed, flags, method] = shorts(cursor, PART)?;
    let [_time, _date] = shorts(cursor, PART)?;
    let [_crc, packed, unpacked] = [cursor.u32(PART)?, cursor.u32(PART)?, cursor.u32(PART)?];
    let [name_bytes, extra_bytes, comment_bytes, disk, _attributes] = shorts(cursor, PART)?;
    let [_attributes, offset] = [cursor.u32(PART)?, cursor.u32(PART)?];
    let span = cursor.span(name_bytes.into(), PART)?;
    let name = span.of(bytes);
    tensor::check_name(name)?;
    let extra = cursor.span(extra_bytes.into(), PART)?;
    cursor.span(comment_bytes.into(), PART)?;
    let mut numbers = [unpacked.into(), packed.into(), offset.into()];
    from_extra(&mut Cursor::new(bytes, extra.range()), &mut numbers)?;
    let [unpacked, packed, offset] = numbers;
    // Bit 0: encrypted. Bit 13: the directory is.
    match (flags & 0x2001, method) {
        (0, 0) if packed == unpacked && disk == 0 => {}
        (0, 0) => return Err(refuse(name, "has another size stored than unpacked, or is on another disk")),
        (0, method) => return Err(WeightsError::Compressed { name: clip(name), method }),
        _ => return Err(refuse(name, "is encrypted")),
    }
    let Some(start) = usize::try_from(offset).ok().filter(|&start| start <= directory) else {
        return Err(refuse(name, "begins outside the file"));
    };
    let mut local = Cursor::new(bytes, start..directory);
    local_header(bytes, &mut local, name)?;
    let content = local.span(packed, "the content of a zip entry")?;
    Ok(Entry { name: span, whole: Span::new(start..local.at())?, content })
}

fn shorts<const N: usize>(cursor: &mut Cursor, part: &'static str) -> Result<[u16; N], WeightsError> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = cursor.u16(part)?;
    }
    Ok(numbers)
}

/// What stands before an entry's content: it must name the same entry.
fn local_header(bytes: &[u8], cursor: &mut Cursor, name: &[u8]) -> Result<(), WeightsError> {
    const PART: &str = "the header of a zip entry";
    if cursor.array::<4>(PART)? != *LOCAL {
        return Err(refuse(name, "is not where the directory says"));
    }
    let [_needed, _flags, method] = shorts(cursor, PART)?;
    // Time, date, checksum, two sizes: the directory has them too.
    cursor.array::<16>(PART)?;
    let [name_bytes, extra_bytes] = shorts(cursor, PART)?;
    if method != 0 || cursor.span(name_bytes.into(), PART)?.of(bytes) != name {
        return Err(refuse(name, "is described in two ways"));
    }
    cursor.span(extra_bytes.into(), PART).map(drop)
}

/// Takes from the extra fields the numbers that did not fit into 32 bits.
fn from_extra(cursor: &mut Cursor, numbers: &mut [u64; 3]) -> Result<(), WeightsError> {
    const PART: &str = "an extra field of a zip entry";
    while cursor.left() > 0 {
        let [id, length] = [cursor.u16(PART)?, cursor.u16(PART)?];
        let field = cursor.span(length.into(), PART)?.range();
        if id == 1 {
            let mut field = Cursor::new(cursor.bytes(), field);
            for number in numbers.iter_mut().filter(|number| **number == IN_EXTRA) {
                *number = field.u64(PART)?;
            }
            return Ok(());
        }
    }
    Ok(())
}

/// The entry of that name, if there is one; `parts` make up the name.
pub(super) fn find(bytes: &[u8], entries: &[Entry], parts: [&[u8]; 3]) -> Option<Entry> {
    let name = || parts.into_iter().flatten();
    let found = entries.binary_search_by(|entry| entry.name.of(bytes).iter().cmp(name()));
    found.ok().and_then(|index| entries.get(index)).copied()
}
