//! Calls of the Python objects that state dicts need, reimplemented here. No Python code runs.

use super::values::{Global, Heap, Value, View};
use crate::byte_reader::to_usize;
use crate::dtype::Dtype;
use crate::error::WeightsError;
use crate::limits::MAX_DIMENSIONS;
use crate::tensor;

impl Global {
    /// Returns the value that Python would get from calling the object with `arguments`.
    pub fn call(self, arguments: Value, heap: &mut Heap, at: usize) -> Result<Value, WeightsError> {
        let refuse = |reason| Err(WeightsError::Pickle { at, reason });
        if !matches!(arguments, Value::Tuple { .. }) {
            return refuse("the arguments of a call are not a tuple");
        }
        match (self, heap.items(arguments)) {
            (Global::OrderedDict, &[]) => heap.add_collection(Value::Dict),
            (Global::OrderedDict, _) => refuse("OrderedDict is called with arguments"),
            (Global::Tensor, &[storage, offset, shape, strides]) => {
                make_tensor([storage, offset, shape, strides], None, heap, at)
            }
            (
                Global::TensorV2,
                &[storage, offset, shape, strides, _, _] | &[storage, offset, shape, strides, _, _, _],
            ) => make_tensor([storage, offset, shape, strides], None, heap, at),
            (
                Global::TensorV3,
                &[storage, offset, shape, strides, _, _, dtype] | &[storage, offset, shape, strides, _, _, dtype, _],
            ) => match dtype {
                Value::Global(Global::Dtype(dtype)) => {
                    make_tensor([storage, offset, shape, strides], Some(dtype), heap, at)
                }
                _ => refuse("the type of a tensor is not a torch dtype"),
            },
            (Global::Parameter, &[view @ Value::View(_), _, _]) => Ok(view),
            (Global::Parameter, _) => refuse("a parameter is not made from a tensor"),
            (Global::Tensor | Global::TensorV2 | Global::TensorV3, _) => {
                refuse("a tensor is made with a wrong number of arguments")
            }
            (Global::Storage(_) | Global::Dtype(_), _) => refuse("a type is called as a function"),
        }
    }
}

fn make_tensor(
    [storage, offset, shape, strides]: [Value; 4],
    dtype: Option<Dtype>,
    heap: &mut Heap,
    at: usize,
) -> Result<Value, WeightsError> {
    let refuse = |reason| Err(WeightsError::Pickle { at, reason });
    let (Value::Storage(storage), Value::Int(offset)) = (storage, offset) else {
        return refuse("the storage or offset of a tensor has another type");
    };
    let stored = heap.storages.get(to_usize(storage)).and_then(|storage| storage.dtype);
    let (Some(dtype), true) = (dtype.or(stored), dtype.is_none() || stored.is_none()) else {
        return refuse("a tensor and its storage have different types");
    };
    let offset = to_natural(offset, "the offset of a tensor")?;
    let (shape, rank) = to_naturals(shape, heap, "a length in the shape of a tensor", at)?;
    let (strides, stride_count) = to_naturals(strides, heap, "the stride of a tensor", at)?;
    if rank != stride_count {
        return refuse("a tensor has different numbers of strides and dimensions");
    }
    heap.add_view(View { storage, dtype, offset, dims: 0, rank }, &shape, &strides)
}

fn to_natural(value: i64, part: &'static str) -> Result<usize, WeightsError> {
    match usize::try_from(value) {
        Ok(number) => Ok(number),
        Err(_) if value < 0 => Err(WeightsError::Negative { part, value }),
        Err(_) => Err(WeightsError::TooManyElements { name: part.into() }),
    }
}

/// Converts a tuple (a shape or strides) to numbers. Returns the numbers and their count.
fn to_naturals(
    tuple: Value,
    heap: &Heap,
    part: &'static str,
    at: usize,
) -> Result<([usize; MAX_DIMENSIONS], u8), WeightsError> {
    let (items, mut numbers) = (heap.items(tuple), [0; MAX_DIMENSIONS]);
    let rank = tensor::rank(items.len())?;
    if !matches!(tuple, Value::Tuple { .. }) {
        return Err(WeightsError::Pickle { at, reason: "the shape or strides of a tensor are not a tuple" });
    }
    for (slot, &item) in numbers.iter_mut().zip(items) {
        match item {
            Value::Int(number) => *slot = to_natural(number, part)?,
            _ => return Err(WeightsError::Pickle { at, reason: "a length or stride is not a 64-bit integer" }),
        }
    }
    Ok((numbers, rank))
}

/// Resolves a persistent id `("storage", type, key, device, count)` to a storage.
///
/// In the legacy format it has a sixth part, the view metadata, which must be `None`.
pub(crate) fn resolve_persistent_id(
    reference: Value,
    bytes: &[u8],
    heap: &mut Heap,
    at: usize,
) -> Result<Value, WeightsError> {
    let refuse = |reason| Err(WeightsError::Pickle { at, reason });
    let (kind, dtype, key, count) = match *heap.items(reference) {
        [Value::Text(kind), Value::Global(Global::Storage(dtype)), Value::Text(key), _, Value::Int(count)]
        | [
            Value::Text(kind),
            Value::Global(Global::Storage(dtype)),
            Value::Text(key),
            _,
            Value::Int(count),
            Value::None,
        ] => (kind, dtype, key, count),
        _ => return refuse("a persistent id does not name a storage"),
    };
    if kind.bytes(bytes) != b"storage" {
        return refuse("a persistent id does not name a storage");
    }
    tensor::check_name(key.bytes(bytes))?;
    match u64::try_from(count) {
        Ok(count) => heap.add_storage(key, dtype, count),
        Err(_) => Err(WeightsError::Negative { part: "the number of elements of a storage", value: count }),
    }
}
