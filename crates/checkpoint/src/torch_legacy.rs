//! torch.save's format before PyTorch 1.6: five pickles, then the storages.
//!
//! The pickles are magic number, version, system information, state dict, and the list of storage keys.

use super::byte_reader::{Cursor, to_u64, to_usize};
use super::error::{WeightsError, clip};
use super::pickle::PickleMachine;
use super::pickle::values::{Heap, Value};
use super::state_dict;
use super::state_dict::SelectedTensors;

/// `torch.serialization.MAGIC_NUMBER`, 0x1950a86a20f9469cfc6c, little-endian.
const MAGIC: &[u8] = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// `torch.serialization.PROTOCOL_VERSION`.
const VERSION: i64 = 1001;

/// Returns whether `bytes` begin with a pickle of protocol 2 or later.
pub(super) fn has_signature(bytes: &[u8]) -> bool {
    bytes.first() == Some(&super::pickle::opcodes::PROTO)
}

/// Reads the state dict of a legacy torch.save file.
pub(super) fn read(bytes: &[u8]) -> Result<SelectedTensors, WeightsError> {
    let mut cursor = Cursor::new(bytes, 0..bytes.len());
    let mut machine = PickleMachine::new(bytes);
    let refuse = |at, reason| Err(WeightsError::Pickle { at, reason });
    match machine.read(&mut cursor)? {
        Value::Long(magic) if magic.bytes(bytes) == MAGIC => {}
        _ => return refuse(cursor.position(), "the magic number of torch.save is missing"),
    }
    match machine.read(&mut cursor)? {
        Value::Int(VERSION) => {}
        _ => return refuse(cursor.position(), "the version of torch.save's format is not 1001"),
    }
    let system_info = machine.read(&mut cursor)?;
    let byte_order = machine.heap.entries(system_info).rev();
    match byte_order
        .into_iter()
        .find(|(key, _)| matches!(key, Value::Text(key) if key.bytes(bytes) == b"little_endian"))
    {
        Some((_, Value::Bool(true))) => {}
        Some((_, Value::Bool(false))) => return Err(WeightsError::BigEndian),
        _ => return refuse(cursor.position(), "the byte order is missing"),
    }
    let top = machine.read(&mut cursor)?;
    let keys = machine.read(&mut cursor)?;
    if !matches!(keys, Value::List(_)) {
        return refuse(cursor.position(), "the list of storage keys is missing");
    }
    locate_storages(bytes, &mut cursor, keys, &mut machine.heap)?;
    if cursor.left() > 0 {
        return Err(WeightsError::TrailingBytes { bytes: to_u64(cursor.left()), after: "the last storage" });
    }
    state_dict::select(bytes, machine.heap, top)
}

/// Locates the storages, which follow in the order of `keys`, each after its number of elements.
fn locate_storages(bytes: &[u8], cursor: &mut Cursor, keys: Value, heap: &mut Heap) -> Result<(), WeightsError> {
    let by_key = sort_by_key(bytes, heap)?;
    for index in 0..heap.items(keys).len() {
        let Some(&Value::Text(key)) = heap.items(keys).get(index) else {
            return Err(WeightsError::Pickle { at: cursor.position(), reason: "a storage key is not a text" });
        };
        let key = key.bytes(bytes);
        let refuse = |reason| Err(WeightsError::Storage { key: clip(key), reason });
        let key_of = |&id: &u32| heap.storages.get(to_usize(id)).map_or(&[][..], |storage| storage.key.bytes(bytes));
        let start = by_key.partition_point(|id| key_of(id) < key);
        let references = by_key.get(start..).unwrap_or_default();
        let references = references.get(..references.partition_point(|id| key_of(id) == key)).unwrap_or_default();
        let Some(first) = references.first().and_then(|&id| heap.storages.get(to_usize(id))) else {
            return refuse("is used by no tensor");
        };
        let (dtype, count) = (first.dtype, first.count);
        let size = first.bytes();
        if first.start.is_some() {
            return refuse("is listed twice");
        }
        let stored = cursor.u64("the number of elements of a storage")?;
        if stored != count {
            let bytes_of = |count: u64| count.saturating_mul(dtype.map_or(1, |dtype| to_u64(dtype.size())));
            let (bytes, expected) = (bytes_of(stored), bytes_of(count));
            return Err(WeightsError::StorageSize { key: clip(key), bytes, expected });
        }
        let content = cursor.span(size.unwrap_or(u64::MAX), "a storage")?.range();
        for &id in references {
            let Some(reference) = heap.storages.get_mut(to_usize(id)) else { continue };
            if (reference.dtype, reference.count) != (dtype, count) {
                return refuse("has two types or sizes");
            }
            reference.start = Some(content.start);
        }
    }
    Ok(())
}

/// Returns the indices of all storage references, sorted by key.
fn sort_by_key(bytes: &[u8], heap: &mut Heap) -> Result<Vec<u32>, WeightsError> {
    let mut ids = Vec::new();
    for id in (0..).take(heap.storages.len()) {
        heap.budget.push(&mut ids, id)?;
    }
    ids.sort_unstable_by_key(|&id| heap.storages.get(to_usize(id)).map(|storage| storage.key.bytes(bytes)));
    Ok(ids)
}
