//! The few Python objects that a state dict names, and what calling them means here. None of them is Python's own.

use super::values::{Heap, Value, View};
use crate::byte_reader::to_usize;
use crate::dtype::Dtype;
use crate::error::WeightsError;
use crate::limits::MAX_DIMENSIONS;
use crate::tensor;

/// A Python object that is known by name.
#[derive(Clone, Copy)]
pub(crate) enum Global {
    OrderedDict,
    /// `_rebuild_tensor(storage, offset, shape, strides)`
    Tensor,
    /// The same, then what only training needs.
    TensorV2,
    /// The same, then the type: its storage is one of bytes.
    TensorV3,
    /// `_rebuild_parameter(tensor, …)`
    Parameter,
    /// The type of a storage; nothing for one of bytes.
    Storage(Option<Dtype>),
    Dtype(Dtype),
}

impl Global {
    pub fn named(module: &str, name: &str) -> Option<Global> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor") => Some(Global::Tensor),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::TensorV2),
            ("torch._utils", "_rebuild_tensor_v3") => Some(Global::TensorV3),
            ("torch._utils", "_rebuild_parameter") => Some(Global::Parameter),
            ("torch.storage", "UntypedStorage") => Some(Global::Storage(None)),
            ("torch", name) => {
                let storage = Dtype::of_storage(name).map(|dtype| Global::Storage(Some(dtype)));
                storage.or_else(|| Dtype::of_torch(name).map(Global::Dtype))
            }
            _ => None,
        }
    }

    /// What Python would get from calling it with `arguments`.
    pub fn call(self, arguments: Value, heap: &mut Heap, at: usize) -> Result<Value, WeightsError> {
        let refuse = |why| Err(WeightsError::Pickle { at, why });
        if !matches!(arguments, Value::Tuple { .. }) {
            return refuse("a call's arguments are no tuple");
        }
        match (self, heap.items(arguments)) {
            (Global::OrderedDict, &[]) => heap.collection(Value::Dict),
            (Global::OrderedDict, _) => refuse("an OrderedDict is made with arguments"),
            (Global::Tensor, &[storage, offset, shape, strides]) => {
                tensor([storage, offset, shape, strides], None, heap, at)
            }
            (
                Global::TensorV2,
                &[storage, offset, shape, strides, _, _] | &[storage, offset, shape, strides, _, _, _],
            ) => tensor([storage, offset, shape, strides], None, heap, at),
            (
                Global::TensorV3,
                &[storage, offset, shape, strides, _, _, dtype] | &[storage, offset, shape, strides, _, _, dtype, _],
            ) => match dtype {
                Value::Global(Global::Dtype(dtype)) => tensor([storage, offset, shape, strides], Some(dtype), heap, at),
                _ => refuse("a tensor's type is none of torch's"),
            },
            (Global::Parameter, &[view @ Value::View(_), _, _]) => Ok(view),
            (Global::Parameter, _) => refuse("a parameter is made of something other than a tensor"),
            (Global::Tensor | Global::TensorV2 | Global::TensorV3, _) => {
                refuse("a tensor is made with too few or too many arguments")
            }
            (Global::Storage(_) | Global::Dtype(_), _) => refuse("a type is called"),
        }
    }
}

fn tensor(
    [storage, offset, shape, strides]: [Value; 4],
    dtype: Option<Dtype>,
    heap: &mut Heap,
    at: usize,
) -> Result<Value, WeightsError> {
    let refuse = |why| Err(WeightsError::Pickle { at, why });
    let (Value::Storage(storage), Value::Int(offset)) = (storage, offset) else {
        return refuse("a tensor's storage or offset is something else");
    };
    let stored = heap.storages.get(to_usize(storage)).and_then(|storage| storage.dtype);
    let (Some(dtype), true) = (dtype.or(stored), dtype.is_none() || stored.is_none()) else {
        return refuse("a tensor's type and its storage's disagree");
    };
    let offset = natural(offset, "a tensor's offset")?;
    let (shape, rank) = naturals(shape, heap, "a length in a tensor's shape", at)?;
    let (strides, steps) = naturals(strides, heap, "a tensor's stride", at)?;
    if rank != steps {
        return refuse("a tensor has not as many strides as dimensions");
    }
    heap.view(View { storage, dtype, offset, dims: 0, rank }, &shape, &strides)
}

fn natural(value: i64, part: &'static str) -> Result<usize, WeightsError> {
    match usize::try_from(value) {
        Ok(number) => Ok(number),
        Err(_) if value < 0 => Err(WeightsError::Negative { part, value }),
        Err(_) => Err(WeightsError::TooManyElements { name: part.into() }),
    }
}

/// The numbers of a shape or of strides, and how many they are.
fn naturals(
    tuple: Value,
    heap: &Heap,
    part: &'static str,
    at: usize,
) -> Result<([usize; MAX_DIMENSIONS], u8), WeightsError> {
    let (items, mut numbers) = (heap.items(tuple), [0; MAX_DIMENSIONS]);
    let rank = tensor::rank(items.len())?;
    if !matches!(tuple, Value::Tuple { .. }) {
        return Err(WeightsError::Pickle { at, why: "a tensor's shape or strides are no tuple" });
    }
    for (place, &item) in numbers.iter_mut().zip(items) {
        match item {
            Value::Int(number) => *place = natural(number, part)?,
            _ => return Err(WeightsError::Pickle { at, why: "a shape or stride is no whole number of 64 bits" }),
        }
    }
    Ok((numbers, rank))
}

/// `("storage", type, key, device, count)`, in the legacy form with a sixth that is always nothing.
pub(crate) fn persistent(reference: Value, bytes: &[u8], heap: &mut Heap, at: usize) -> Result<Value, WeightsError> {
    let refuse = |why| Err(WeightsError::Pickle { at, why });
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
        _ => return refuse("a reference is none to a storage"),
    };
    if kind.of(bytes) != b"storage" {
        return refuse("a reference is none to a storage");
    }
    tensor::check_name(key.of(bytes))?;
    match u64::try_from(count) {
        Ok(count) => heap.storage(key, dtype, count),
        Err(_) => Err(WeightsError::Negative { part: "the count of a storage", value: count }),
    }
}
