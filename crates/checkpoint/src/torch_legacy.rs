//! PyTorch's form before 1.6: five pickles (magic number, version, machine, state dict, keys), then each storage.

use super::byte_reader::{Cursor, to_u64, to_usize};
use super::error::{WeightsError, clip};
use super::pickle::Machine;
use super::pickle::values::{Heap, Value};
use super::state_dict;
use super::state_dict::Taken;

/// `0x1950a86a20f9469cfc6c`, little-endian.
const MAGIC: &[u8] = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
const VERSION: i64 = 1001;

/// Whether it begins as a pickle does.
pub(super) fn is(bytes: &[u8]) -> bool {
    bytes.first() == Some(&super::pickle::opcodes::PROTO)
}

pub(super) fn read(bytes: &[u8]) -> Result<Taken, WeightsError> {
    let mut cursor = Cursor::new(bytes, 0..bytes.len());
    let mut machine = Machine::new(bytes);
    let refuse = |at, why| Err(WeightsError::Pickle { at, why });
    match machine.read(&mut cursor)? {
        Value::Long(magic) if magic.of(bytes) == MAGIC => {}
        _ => return refuse(cursor.at(), "torch.save's magic number does not come first"),
    }
    match machine.read(&mut cursor)? {
        Value::Int(VERSION) => {}
        _ => return refuse(cursor.at(), "the version of torch.save's format is not 1001"),
    }
    let machine_info = machine.read(&mut cursor)?;
    let order = machine.heap.entries(machine_info).rev();
    match order.into_iter().find(|(key, _)| matches!(key, Value::Text(key) if key.of(bytes) == b"little_endian")) {
        Some((_, Value::Bool(true))) => {}
        Some((_, Value::Bool(false))) => return Err(WeightsError::BigEndian),
        _ => return refuse(cursor.at(), "it does not say in which order its bytes are"),
    }
    let top = machine.read(&mut cursor)?;
    let keys = machine.read(&mut cursor)?;
    if !matches!(keys, Value::List(_)) {
        return refuse(cursor.at(), "its storages are not listed");
    }
    read_storages(bytes, &mut cursor, keys, &mut machine.heap)?;
    if cursor.left() > 0 {
        return Err(WeightsError::LeftOver { bytes: to_u64(cursor.left()), after: "the last storage" });
    }
    state_dict::read(bytes, machine.heap, top)
}

/// Gives each storage its place: they follow in the order of `keys`, each after the count of its elements.
fn read_storages(bytes: &[u8], cursor: &mut Cursor, keys: Value, heap: &mut Heap) -> Result<(), WeightsError> {
    let by_key = by_key(bytes, heap)?;
    for index in 0..heap.items(keys).len() {
        let Some(&Value::Text(key)) = heap.items(keys).get(index) else {
            return Err(WeightsError::Pickle { at: cursor.at(), why: "the key of a storage is no text" });
        };
        let key = key.of(bytes);
        let refuse = |why| Err(WeightsError::Storage { key: clip(key), why });
        let key_of = |&id: &u32| heap.storages.get(to_usize(id)).map_or(&[][..], |storage| storage.key.of(bytes));
        let start = by_key.partition_point(|id| key_of(id) < key);
        let mentions = by_key.get(start..).unwrap_or_default();
        let mentions = mentions.get(..mentions.partition_point(|id| key_of(id) == key)).unwrap_or_default();
        let Some(first) = mentions.first().and_then(|&id| heap.storages.get(to_usize(id))) else {
            return refuse("no tensor uses");
        };
        let (dtype, count, size) = (first.dtype, first.count, first.bytes());
        if first.start.is_some() {
            return refuse("is listed twice");
        }
        let stored = cursor.u64("the count of a storage")?;
        if stored != count {
            let bytes_of = |count: u64| count.saturating_mul(dtype.map_or(1, |dtype| to_u64(dtype.size())));
            let (bytes, expected) = (bytes_of(stored), bytes_of(count));
            return Err(WeightsError::StorageSize { key: clip(key), bytes, expected });
        }
        let content = cursor.span(size.unwrap_or(u64::MAX), "a storage")?.range();
        for &id in mentions {
            let Some(mention) = heap.storages.get_mut(to_usize(id)) else { continue };
            if (mention.dtype, mention.count) != (dtype, count) {
                return refuse("has two types or sizes");
            }
            mention.start = Some(content.start);
        }
    }
    Ok(())
}

/// The mentions of storages in the order of their keys.
fn by_key(bytes: &[u8], heap: &mut Heap) -> Result<Vec<u32>, WeightsError> {
    let mut ids = Vec::new();
    for id in (0..).take(heap.storages.len()) {
        heap.budget.push(&mut ids, id)?;
    }
    ids.sort_unstable_by_key(|&id| heap.storages.get(to_usize(id)).map(|storage| storage.key.of(bytes)));
    Ok(ids)
}
