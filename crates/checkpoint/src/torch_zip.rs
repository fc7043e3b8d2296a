//! PyTorch's zip form, since 1.6: a pickle `data.pkl`, and each storage as an entry `data/<key>` beside it.

use super::byte_reader::{Cursor, to_u64};
use super::error::{WeightsError, clip};
use super::pickle::Machine;
use super::pickle::values::Heap;
use super::state_dict;
use super::state_dict::Taken;
use super::zip;
use super::zip::Entry;

const PICKLE: &[u8] = b"/data.pkl";

pub(super) fn read_zip(bytes: &[u8]) -> Result<Taken, WeightsError> {
    let mut machine = Machine::new(bytes);
    let entries = zip::entries(bytes, &mut machine.heap.budget)?;
    let (folder, pickle) = find_pickle(bytes, &entries)?;
    if let Some(order) = zip::find(bytes, &entries, [folder, b"/byteorder", b""])
        && order.content.of(bytes) != b"little"
    {
        return Err(WeightsError::BigEndian);
    }
    let mut cursor = Cursor::new(bytes, pickle.content.range());
    let top = machine.read(&mut cursor)?;
    if cursor.left() > 0 {
        return Err(WeightsError::LeftOver { bytes: to_u64(cursor.left()), after: "the pickle data.pkl" });
    }
    place_storages(bytes, &entries, folder, &mut machine.heap)?;
    state_dict::read(bytes, machine.heap, top)
}

/// The one `<folder>/data.pkl`, and the folder, which torch names after the file.
fn find_pickle<'a>(bytes: &'a [u8], entries: &[Entry]) -> Result<(&'a [u8], Entry), WeightsError> {
    let folder = |entry: &Entry| entry.name.of(bytes).strip_suffix(PICKLE).filter(|folder| !folder.contains(&b'/'));
    let mut pickles = entries.iter().filter_map(|entry| Some((folder(entry)?, *entry)));
    match (pickles.next(), pickles.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(WeightsError::Zip { why: "entries lack a data.pkl: it was not made by torch.save" }),
        (_, Some(_)) => Err(WeightsError::Zip { why: "entries have more than one data.pkl" }),
    }
}

fn place_storages(bytes: &[u8], entries: &[Entry], folder: &[u8], heap: &mut Heap) -> Result<(), WeightsError> {
    for storage in &mut heap.storages {
        let key = storage.key.of(bytes);
        let Some(entry) = zip::find(bytes, entries, [folder, b"/data/", key]) else {
            return Err(WeightsError::Storage { key: clip(key), why: "is not in the file" });
        };
        let content = entry.content.range();
        if storage.bytes() != Some(to_u64(content.len())) {
            let expected = storage.bytes().unwrap_or(u64::MAX);
            return Err(WeightsError::StorageSize { key: clip(key), bytes: to_u64(content.len()), expected });
        }
        storage.start = Some(content.start);
    }
    Ok(())
}
