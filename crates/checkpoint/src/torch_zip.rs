//! torch.save's zip format (since PyTorch 1.6): the pickle `data.pkl`, and one entry `data/<key>` for each storage.

use super::byte_reader::{Cursor, to_u64};
use super::error::{WeightsError, clip};
use super::pickle::PickleMachine;
use super::pickle::values::Heap;
use super::state_dict;
use super::state_dict::SelectedTensors;
use super::zip;
use super::zip::Entry;

const PICKLE: &[u8] = b"/data.pkl";

/// Reads the state dict of a torch.save zip.
pub(super) fn read(bytes: &[u8]) -> Result<SelectedTensors, WeightsError> {
    let mut machine = PickleMachine::new(bytes);
    let entries = zip::entries(bytes, &mut machine.heap.budget)?;
    let (folder, pickle) = find_pickle(bytes, &entries)?;
    if let Some(order) = zip::find(bytes, &entries, [folder, b"/byteorder", b""])
        && order.content.bytes(bytes) != b"little"
    {
        return Err(WeightsError::BigEndian);
    }
    let mut cursor = Cursor::new(bytes, pickle.content.range());
    let top = machine.read(&mut cursor)?;
    if cursor.left() > 0 {
        return Err(WeightsError::TrailingBytes { bytes: to_u64(cursor.left()), after: "the pickle data.pkl" });
    }
    locate_storages(bytes, &entries, folder, &mut machine.heap)?;
    state_dict::select(bytes, machine.heap, top)
}

/// Finds the only `<folder>/data.pkl`. Returns the folder, which torch names after the file, and the entry.
fn find_pickle<'a>(bytes: &'a [u8], entries: &[Entry]) -> Result<(&'a [u8], Entry), WeightsError> {
    let folder_of =
        |entry: &Entry| entry.name.bytes(bytes).strip_suffix(PICKLE).filter(|folder| !folder.contains(&b'/'));
    let mut pickles = entries.iter().filter_map(|entry| Some((folder_of(entry)?, *entry)));
    match (pickles.next(), pickles.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(WeightsError::Zip { reason: "it has no data.pkl, so torch.save did not write it" }),
        (_, Some(_)) => Err(WeightsError::Zip { reason: "it has more than one data.pkl" }),
    }
}

fn locate_storages(bytes: &[u8], entries: &[Entry], folder: &[u8], heap: &mut Heap) -> Result<(), WeightsError> {
    for storage in &mut heap.storages {
        let key = storage.key.bytes(bytes);
        let Some(entry) = zip::find(bytes, entries, [folder, b"/data/", key]) else {
            return Err(WeightsError::Storage { key: clip(key), reason: "is missing" });
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
