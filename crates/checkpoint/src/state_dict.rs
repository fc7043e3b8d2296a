//! State dict of a parsed pickle: selects it and resolves its tensors to positions in the file.

use super::byte_reader::{to_u64, to_usize};
use super::error::{WeightsError, clip};
use super::limits::STATE_DICT_KEYS;
use super::pickle::values::{Heap, Value};
use super::tensor;
use super::tensor::{Table, Tensor};

/// The tensors of a state dict.
pub(super) struct SelectedTensors {
    /// The checkpoint entry that holds the state dict; `None` if the top-level value is the state dict.
    pub nested_key: Option<&'static str>,
    pub table: Table,
}

/// Returns the tensors of `top`, or of the entry of `top` that holds a state dict.
///
/// Every storage must have its position in the file before this call.
pub(super) fn select(bytes: &[u8], heap: Heap, top: Value) -> Result<SelectedTensors, WeightsError> {
    let (nested_key, dict) = find_state_dict(bytes, &heap, top)?;
    let (mut tensors, mut budget) = (Vec::new(), heap.budget.clone());
    for (key, value) in heap.entries(dict) {
        let Value::View(id) = value else { continue };
        let Value::Text(name) = key else {
            return Err(WeightsError::InvalidName { start: String::new(), reason: "is not a text" });
        };
        tensor::check_name(name.bytes(bytes))?;
        let view = heap.views.get(to_usize(id)).copied();
        let Some((view, storage)) = view.and_then(|view| Some((view, heap.storages.get(to_usize(view.storage))?)))
        else {
            continue;
        };
        let storage = match (storage.start, storage.bytes().and_then(|bytes| usize::try_from(bytes).ok())) {
            (Some(start), Some(bytes)) => start..start.saturating_add(bytes),
            _ => {
                let key = clip(storage.key.bytes(bytes));
                return Err(WeightsError::Storage { key, reason: "is missing" });
            }
        };
        let mut tensor = Tensor { name, dtype: view.dtype, rank: view.rank, dims: view.dims, first: 0 };
        let dims = (tensor.shape(&heap.dims), tensor.strides(&heap.dims));
        tensor.first = tensor::locate(name.bytes(bytes), view.dtype, dims, view.offset, storage)?;
        // Counted again: a dict may list one tensor under many names.
        tensor::check_count(to_u64(tensors.len()) + 1)?;
        budget.push(&mut tensors, tensor)?;
    }
    Ok(SelectedTensors { nested_key, table: Table { tensors, dims: heap.dims } })
}

/// Returns the dict to read. Nested entries come first: a checkpoint may hold other tensors, such as its loss.
fn find_state_dict(bytes: &[u8], heap: &Heap, top: Value) -> Result<(Option<&'static str>, Value), WeightsError> {
    let has_tensors = |dict| heap.entries(dict).any(|(_, value)| matches!(value, Value::View(_)));
    for nested in STATE_DICT_KEYS {
        let matches_key = |key| matches!(key, Value::Text(text) if text.bytes(bytes) == nested.as_bytes());
        // As in Python, the last of equal keys wins.
        match heap.entries(top).rev().find(|&(key, _)| matches_key(key)) {
            Some((_, dict)) if has_tensors(dict) => return Ok((Some(nested), dict)),
            _ => {}
        }
    }
    if has_tensors(top) { Ok((None, top)) } else { Err(WeightsError::NoTensors) }
}
