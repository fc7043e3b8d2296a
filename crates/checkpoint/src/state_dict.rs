//! Picks the state dict out of what a pickle built, and gives its tensors their names and places.

use super::byte_reader::{to_u64, to_usize};
use super::error::{WeightsError, clip};
use super::pickle::values::{Heap, Value};
use super::tensor;
use super::tensor::{Table, Tensor};

/// The entries of a checkpoint that a state dict is looked for under, in this order.
pub(super) const NESTED: [&str; 5] = ["state_dict", "state_dict_ema", "model", "model_ema", "model_state_dict"];

/// The entry that the tensors are from, if not from the whole, and the tensors.
pub(super) type Taken = (Option<&'static str>, Table);

/// The tensors of `top`, or of the entry of it that holds a state dict. Every storage must have its place by now.
pub(super) fn read(bytes: &[u8], heap: Heap, top: Value) -> Result<Taken, WeightsError> {
    let (taken, dict) = choose(bytes, &heap, top)?;
    let (mut tensors, mut budget) = (Vec::new(), heap.budget.clone());
    for (key, value) in heap.entries(dict) {
        let Value::View(id) = value else { continue };
        let Value::Text(name) = key else {
            return Err(WeightsError::BadName { start: String::new(), why: "is no text" });
        };
        tensor::check_name(name.of(bytes))?;
        let view = heap.views.get(to_usize(id)).copied();
        let Some((view, storage)) = view.and_then(|view| Some((view, heap.storages.get(to_usize(view.storage))?)))
        else {
            continue;
        };
        let storage = match (storage.start, storage.bytes().and_then(|bytes| usize::try_from(bytes).ok())) {
            (Some(start), Some(bytes)) => start..start.saturating_add(bytes),
            _ => {
                let key = clip(storage.key.of(bytes));
                return Err(WeightsError::Storage { key, why: "is not in the file" });
            }
        };
        let mut tensor = Tensor { name, dtype: view.dtype, rank: view.rank, dims: view.dims, first: 0 };
        let dims = (tensor.shape(&heap.dims), tensor.strides(&heap.dims));
        tensor.first = tensor::place(name.of(bytes), view.dtype, dims, view.offset, storage)?;
        // One tensor may have many names.
        tensor::check_count(to_u64(tensors.len()) + 1)?;
        budget.push(&mut tensors, tensor)?;
    }
    Ok((taken, Table { tensors, dims: heap.dims }))
}

/// What is nested comes first: a checkpoint may have tensors of its own, such as the loss it was saved at.
fn choose(bytes: &[u8], heap: &Heap, top: Value) -> Result<(Option<&'static str>, Value), WeightsError> {
    let has_tensors = |dict| heap.entries(dict).any(|(_, value)| matches!(value, Value::View(_)));
    for nested in NESTED {
        let is_it = |key| matches!(key, Value::Text(text) if text.of(bytes) == nested.as_bytes());
        // In Python the last of equal keys is the one that stays.
        match heap.entries(top).rev().find(|&(key, _)| is_it(key)) {
            Some((_, dict)) if has_tensors(dict) => return Ok((Some(nested), dict)),
            _ => {}
        }
    }
    if has_tensors(top) { Ok((None, top)) } else { Err(WeightsError::NoTensors) }
}
