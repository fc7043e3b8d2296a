//! Directory of a zip archive with stored (uncompressed) entries. Nothing is decompressed; entry names are never paths.
//!
//! The zip crate is not used: its table takes four times the memory of the directory, more than `table_bytes` allows.

use super::byte_reader::{Cursor, Span, to_u64};
use super::error::{WeightsError, clip};
use super::limits::MAX_ENTRIES;
use super::memory_limit::MemoryBudget;
use super::tensor;

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
const END_BYTES: usize = 22;
const END_64_BYTES: usize = 56;
const LOCATOR_64_BYTES: usize = 20;
/// Value of a 32-bit field whose number is in the entry's zip64 extra field (APPNOTE 6.3.10, 4.5.3).
const IN_EXTRA: u64 = 0xffff_ffff;

/// Entry of the archive.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub name: Span,
    /// The local header and the content.
    whole: Span,
    pub content: Span,
}

/// Returns whether `bytes` begin with the signature of a local header.
pub(super) fn has_signature(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL)
}

/// Returns the entries sorted by name.
pub(super) fn entries(bytes: &[u8], budget: &mut MemoryBudget) -> Result<Vec<Entry>, WeightsError> {
    let Directory { count, start, end } = directory(bytes)?;
    if count > MAX_ENTRIES {
        return Err(WeightsError::TooMany { items: "zip entries", count, limit: MAX_ENTRIES });
    }
    let mut entries = Vec::new();
    let mut cursor = Cursor::new(bytes, start..end);
    for _ in 0..count {
        let entry = entry(bytes, &mut cursor, start)?;
        budget.push(&mut entries, entry)?;
    }
    if cursor.left() > 0 {
        return Err(WeightsError::Zip { reason: "the directory's size does not match its number of entries" });
    }
    refuse_overlaps(bytes, &mut entries)?;
    entries.sort_unstable_by_key(|entry| entry.name.bytes(bytes));
    for pair in entries.windows(2) {
        if let [a, b] = pair
            && a.name.bytes(bytes) == b.name.bytes(bytes)
        {
            return Err(refuse(a.name.bytes(bytes), "is listed twice"));
        }
    }
    Ok(entries)
}

fn refuse(name: &[u8], reason: &'static str) -> WeightsError {
    WeightsError::ZipEntry { name: clip(name), reason }
}

fn refuse_overlaps(bytes: &[u8], entries: &mut [Entry]) -> Result<(), WeightsError> {
    entries.sort_unstable_by_key(|entry| entry.whole.range().start);
    let mut end = 0;
    for entry in entries {
        let range = entry.whole.range();
        if range.start < end {
            return Err(refuse(entry.name.bytes(bytes), "overlaps another entry"));
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

/// Locates the directory from the end record, which must end the file: torch writes no comment after it.
fn directory(bytes: &[u8]) -> Result<Directory, WeightsError> {
    const PART: &str = "the end record of the zip";
    let refuse = |reason| Err(WeightsError::Zip { reason });
    let end = bytes.len().saturating_sub(END_BYTES);
    let mut cursor = Cursor::new(bytes, end..bytes.len());
    if cursor.array::<4>(PART)? != *END {
        return refuse("its end record is missing (file truncated, or data after it)");
    }
    let [disk, first_disk] = [cursor.u16(PART)?, cursor.u16(PART)?];
    let [here, count] = [cursor.u16(PART)?.into(), cursor.u16(PART)?.into()];
    let [length, start] = [cursor.u32(PART)?.into(), cursor.u32(PART)?.into()];
    if (disk, first_disk, cursor.u16(PART)?) != (0, 0, 0) {
        return refuse("its end record refers to other disks or a comment");
    }
    let (here, count, length, start, end) = match directory_64(bytes, end)? {
        Some(end_64) => {
            let mut cursor = Cursor::new(bytes, end_64..end);
            // Signature, record length, two versions, two disk numbers.
            cursor.array::<4>(PART)?;
            if cursor.u64(PART)? != to_u64(END_64_BYTES - 12)
                || cursor.array::<12>(PART)?.iter().skip(4).any(|&b| b != 0)
            {
                return refuse("its zip64 end record refers to other disks or extensions");
            }
            let [here, count] = [cursor.u64(PART)?, cursor.u64(PART)?];
            let [length, start] = [cursor.u64(PART)?, cursor.u64(PART)?];
            (here, count, length, start, end_64)
        }
        None => (here, count, length, start, end),
    };
    if here != count {
        return refuse("its end record has two different numbers of entries");
    }
    match (usize::try_from(start), start.checked_add(length)) {
        (Ok(start), Some(stop)) if stop == to_u64(end) => Ok(Directory { count, start, end }),
        _ => refuse("its directory is not at the position in the end record"),
    }
}

/// Returns the offset of the zip64 end record, or `None` if the archive has none.
fn directory_64(bytes: &[u8], end: usize) -> Result<Option<usize>, WeightsError> {
    const PART: &str = "the zip64 end record";
    let refuse = Err(WeightsError::Zip { reason: "its zip64 end record is not before its locator" });
    let Some(locator) = end.checked_sub(LOCATOR_64_BYTES) else { return Ok(None) };
    let mut cursor = Cursor::new(bytes, locator..end);
    if cursor.array::<4>(PART)? != *LOCATOR_64 {
        return Ok(None);
    }
    let disk = cursor.u32(PART)?;
    let offset = cursor.u64(PART)?;
    let disks = cursor.u32(PART)?;
    let Some(end_64) = locator.checked_sub(END_64_BYTES) else { return refuse };
    let is_record = bytes.get(end_64..).is_some_and(|record| record.starts_with(END_64));
    if is_record && (disk, offset, disks) == (0, to_u64(end_64), 1) { Ok(Some(end_64)) } else { refuse }
}

/// Reads an entry of the directory and locates its content, which must end before the directory starts.
fn entry(bytes: &[u8], cursor: &mut Cursor, directory: usize) -> Result<Entry, WeightsError> {
    const PART: &str = "an entry of the zip's directory";
    if cursor.array::<4>(PART)? != *CENTRAL {
        return Err(WeightsError::Zip { reason: "its directory has no entry signature at the expected position" });
    }
    let [_made, _needed, flags, method] = read_u16s(cursor, PART)?;
    let [_time, _date] = read_u16s(cursor, PART)?;
    let [_crc, packed, unpacked] = [cursor.u32(PART)?, cursor.u32(PART)?, cursor.u32(PART)?];
    let [name_bytes, extra_bytes, comment_bytes, disk, _attributes] = read_u16s(cursor, PART)?;
    let [_attributes, offset] = [cursor.u32(PART)?, cursor.u32(PART)?];
    let span = cursor.span(name_bytes.into(), PART)?;
    let name = span.bytes(bytes);
    tensor::check_name(name)?;
    let extra = cursor.span(extra_bytes.into(), PART)?;
    cursor.span(comment_bytes.into(), PART)?;
    let mut numbers = [unpacked.into(), packed.into(), offset.into()];
    resolve_zip64(&mut Cursor::new(bytes, extra.range()), &mut numbers)?;
    let [unpacked, packed, offset] = numbers;
    // Flag bit 0: the entry is encrypted; bit 13: the directory is.
    match (flags & 0x2001, method) {
        (0, 0) if packed == unpacked && disk == 0 => {}
        (0, 0) => return Err(refuse(name, "differs in stored and original size, or is on another disk")),
        (0, method) => return Err(WeightsError::Compressed { name: clip(name), method }),
        _ => return Err(refuse(name, "is encrypted")),
    }
    let Some(start) = usize::try_from(offset).ok().filter(|&start| start <= directory) else {
        return Err(refuse(name, "begins outside the file"));
    };
    let mut local = Cursor::new(bytes, start..directory);
    local_header(bytes, &mut local, name)?;
    let content = local.span(packed, "the content of a zip entry")?;
    Ok(Entry { name: span, whole: Span::new(start..local.position())?, content })
}

fn read_u16s<const N: usize>(cursor: &mut Cursor, part: &'static str) -> Result<[u16; N], WeightsError> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = cursor.u16(part)?;
    }
    Ok(numbers)
}

/// Reads the local header before an entry's content. It must agree with the directory.
fn local_header(bytes: &[u8], cursor: &mut Cursor, name: &[u8]) -> Result<(), WeightsError> {
    const PART: &str = "the header of a zip entry";
    if cursor.array::<4>(PART)? != *LOCAL {
        return Err(refuse(name, "is not at the position in the directory"));
    }
    let [_needed, _flags, method] = read_u16s(cursor, PART)?;
    // Time, date, checksum and two sizes are skipped: the directory has them.
    cursor.array::<16>(PART)?;
    let [name_bytes, extra_bytes] = read_u16s(cursor, PART)?;
    if method != 0 || cursor.span(name_bytes.into(), PART)?.bytes(bytes) != name {
        return Err(refuse(name, "differs between directory and local header"));
    }
    cursor.span(extra_bytes.into(), PART).map(drop)
}

/// Replaces numbers that did not fit into 32 bits by those of the zip64 extra field.
fn resolve_zip64(cursor: &mut Cursor, numbers: &mut [u64; 3]) -> Result<(), WeightsError> {
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

/// Returns the entry whose name is the concatenation of `parts`.
pub(super) fn find(bytes: &[u8], entries: &[Entry], parts: [&[u8]; 3]) -> Option<Entry> {
    let name = || parts.into_iter().flatten();
    let index = entries.binary_search_by(|entry| entry.name.bytes(bytes).iter().cmp(name()));
    index.ok().and_then(|index| entries.get(index)).copied()
}
