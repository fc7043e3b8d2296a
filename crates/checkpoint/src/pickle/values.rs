//! Values of a pickle, as indices into tables. No value owns another, so nothing here can recurse.

use crate::byte_reader::{Span, to_u64, to_usize};
use crate::dtype::Dtype;
use crate::error::WeightsError;
use crate::limits::MAX_DEPTH;
use crate::memory_limit::MemoryBudget;
use crate::tensor;

/// Value of a pickle. Texts stay in the file; floats are dropped, because no state dict needs them.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// Integer of more than 64 bits, as its bytes.
    Long(Span),
    Float,
    Text(Span),
    Global(Global),
    /// `len` values from `start` on in the list of tuple items.
    Tuple {
        start: u32,
        len: u32,
        depth: u8,
    },
    List(u32),
    Dict(u32),
    Storage(u32),
    View(u32),
}

/// Python object that a state dict may name.
#[derive(Clone, Copy)]
pub(crate) enum Global {
    OrderedDict,
    /// `_rebuild_tensor(storage, offset, shape, strides)`
    Tensor,
    /// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata])`
    TensorV2,
    /// `_rebuild_tensor_v3(storage, offset, shape, strides, requires_grad, hooks, dtype[, metadata])`: untyped storage.
    TensorV3,
    /// `_rebuild_parameter(tensor, requires_grad, hooks)`
    Parameter,
    /// Storage class with its element type; `None` for `UntypedStorage`.
    Storage(Option<Dtype>),
    Dtype(Dtype),
}

impl Global {
    /// Returns the object `module.name`, or `None` if no state dict needs it.
    pub fn from_name(module: &str, name: &str) -> Option<Global> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Global::OrderedDict),
            ("torch._utils", "_rebuild_tensor") => Some(Global::Tensor),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Global::TensorV2),
            ("torch._utils", "_rebuild_tensor_v3") => Some(Global::TensorV3),
            ("torch._utils", "_rebuild_parameter") => Some(Global::Parameter),
            ("torch.storage", "UntypedStorage") => Some(Global::Storage(None)),
            ("torch", name) => {
                let storage = Dtype::from_storage(name).map(|dtype| Global::Storage(Some(dtype)));
                storage.or_else(|| Dtype::from_torch(name).map(Global::Dtype))
            }
            _ => None,
        }
    }
}

/// Items of a list, or alternating keys and values of a dict.
struct Collection {
    items: Vec<Value>,
    depth: u8,
}

/// Reference to a storage: a flat run of elements that tensors view. Each reference in the pickle has its own entry.
pub(crate) struct Storage {
    pub key: Span,
    /// Element type; `None` for an untyped storage, whose tensors have their own type.
    pub dtype: Option<Dtype>,
    pub count: u64,
    /// Offset in the file, once it is known.
    pub start: Option<usize>,
}

impl Storage {
    /// Returns the size in bytes, or `None` if it overflows.
    pub fn bytes(&self) -> Option<u64> {
        self.count.checked_mul(to_u64(self.dtype.map_or(1, Dtype::size)))
    }
}

/// Tensor without its name, which only the state dict has.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub storage: u32,
    pub dtype: Dtype,
    pub offset: usize,
    pub dims: u32,
    pub rank: u8,
}

/// Tables of all values that the pickles of a file have built.
pub(crate) struct Heap {
    pub budget: MemoryBudget,
    pub storages: Vec<Storage>,
    pub views: Vec<View>,
    /// Shapes and strides of the views.
    pub dims: Vec<usize>,
    tuples: Vec<Value>,
    collections: Vec<Collection>,
}

impl Heap {
    /// Returns empty tables for a file of `bytes`.
    pub fn for_file(bytes: usize) -> Heap {
        Heap {
            budget: MemoryBudget::for_file(bytes),
            storages: vec![],
            views: vec![],
            dims: vec![],
            tuples: vec![],
            collections: vec![],
        }
    }

    /// Returns the index of the next item of `table`.
    fn next_index<T>(&self, table: &[T]) -> Result<u32, WeightsError> {
        u32::try_from(table.len()).map_err(|_| self.budget.exceeded())
    }

    /// Returns the nesting depth of a value: 0 if it is not a collection.
    fn depth(&self, value: Value) -> u8 {
        match value {
            Value::Tuple { depth, .. } => depth,
            Value::List(id) | Value::Dict(id) => {
                self.collections.get(to_usize(id)).map_or(0, |collection| collection.depth)
            }
            _ => 0,
        }
    }

    /// Returns the depth of a collection of `items`, or an error if it exceeds [`MAX_DEPTH`].
    fn depth_with(&self, items: &[Value]) -> Result<u8, WeightsError> {
        match items.iter().map(|&item| self.depth(item)).max().unwrap_or(0) {
            MAX_DEPTH.. => {
                let limit = u64::from(MAX_DEPTH);
                Err(WeightsError::TooMany { items: "nested collections", count: limit + 1, limit })
            }
            inside => Ok(inside + 1),
        }
    }

    /// Creates a tuple of `items`.
    pub fn add_tuple(&mut self, items: &[Value]) -> Result<Value, WeightsError> {
        let start = self.next_index(&self.tuples)?;
        let len = self.next_index(items)?;
        let depth = self.depth_with(items)?;
        items.iter().try_for_each(|&item| self.budget.push(&mut self.tuples, item))?;
        Ok(Value::Tuple { start, len, depth })
    }

    /// Creates an empty list or dict: `kind` is [`Value::List`] or [`Value::Dict`].
    pub fn add_collection(&mut self, kind: fn(u32) -> Value) -> Result<Value, WeightsError> {
        let id = self.next_index(&self.collections)?;
        self.budget.push(&mut self.collections, Collection { items: vec![], depth: 1 })?;
        Ok(kind(id))
    }

    /// Appends items to a list, or alternating keys and values to a dict.
    pub fn extend(&mut self, id: u32, items: &[Value]) -> Result<(), WeightsError> {
        let depth = self.depth_with(items)?;
        if let Some(collection) = self.collections.get_mut(to_usize(id)) {
            collection.depth = collection.depth.max(depth);
            items.iter().try_for_each(|&item| self.budget.push(&mut collection.items, item))?;
        }
        Ok(())
    }

    /// Returns the items of a tuple or list, or the keys and values of a dict; empty for other values.
    pub fn items(&self, value: Value) -> &[Value] {
        let items = match value {
            Value::Tuple { start, len, .. } => {
                let start = to_usize(start);
                self.tuples.get(start..start.saturating_add(to_usize(len)))
            }
            Value::List(id) | Value::Dict(id) => {
                self.collections.get(to_usize(id)).map(|collection| collection.items.as_slice())
            }
            _ => None,
        };
        items.unwrap_or_default()
    }

    /// Returns the keys and values of a dict; empty for other values.
    pub fn entries(&self, dict: Value) -> impl DoubleEndedIterator<Item = (Value, Value)> {
        let dict = if let Value::Dict(_) = dict { self.items(dict) } else { &[] };
        dict.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value))
    }

    /// Adds a reference to a storage of `count` elements.
    pub fn add_storage(&mut self, key: Span, dtype: Option<Dtype>, count: u64) -> Result<Value, WeightsError> {
        let id = self.next_index(&self.storages)?;
        self.budget.push(&mut self.storages, Storage { key, dtype, count, start: None })?;
        Ok(Value::Storage(id))
    }

    /// Adds a tensor. The first `view.rank` numbers of `shape` and of `strides` are its own.
    pub fn add_view(&mut self, view: View, shape: &[usize], strides: &[usize]) -> Result<Value, WeightsError> {
        let (id, dims) = (self.next_index(&self.views)?, self.next_index(&self.dims)?);
        tensor::check_count(u64::from(id) + 1)?;
        let rank = view.rank.into();
        for &number in shape.iter().take(rank).chain(strides.iter().take(rank)) {
            self.budget.push(&mut self.dims, number)?;
        }
        self.budget.push(&mut self.views, View { dims, ..view })?;
        Ok(Value::View(id))
    }
}
