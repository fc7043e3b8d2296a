//! What a pickle builds, as plain numbers that point into tables: no value owns another, so nothing here can recurse.

use super::globals::Global;
use crate::byte_reader::{Span, to_u64, to_usize};
use crate::dtype::Dtype;
use crate::error::WeightsError;
use crate::limits::MAX_DEPTH;
use crate::memory_limit::Budget;
use crate::tensor;

/// A value of a pickle. Texts are not copied out of the file, floats are not kept: no state dict needs them.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 64 bits, as its bytes.
    Long(Span),
    Float,
    Text(Span),
    Global(Global),
    Tuple {
        at: u32,
        len: u32,
        depth: u8,
    },
    List(u32),
    Dict(u32),
    Storage(u32),
    View(u32),
}

/// A list's items, or a dict's keys and values in turn.
struct Collection {
    items: Vec<Value>,
    depth: u8,
}

/// A flat run of elements that tensors are views of, each time the pickle mentions it.
pub(crate) struct Storage {
    pub key: Span,
    /// Nothing for one of bytes, whose tensors have their own type.
    pub dtype: Option<Dtype>,
    pub count: u64,
    /// Where it is in the file, once that is known.
    pub start: Option<usize>,
}

impl Storage {
    pub fn bytes(&self) -> Option<u64> {
        self.count.checked_mul(to_u64(self.dtype.map_or(1, Dtype::size)))
    }
}

/// A tensor before its name is known.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub storage: u32,
    pub dtype: Dtype,
    pub offset: usize,
    pub dims: u32,
    pub rank: u8,
}

/// All that the pickles of a file have built.
pub(crate) struct Heap {
    pub budget: Budget,
    pub storages: Vec<Storage>,
    pub views: Vec<View>,
    /// Shapes and strides.
    pub dims: Vec<usize>,
    tuples: Vec<Value>,
    collections: Vec<Collection>,
}

impl Heap {
    pub fn of_file(bytes: usize) -> Heap {
        Heap {
            budget: Budget::of_file(bytes),
            storages: vec![],
            views: vec![],
            dims: vec![],
            tuples: vec![],
            collections: vec![],
        }
    }

    fn index<T>(&self, table: &[T]) -> Result<u32, WeightsError> {
        u32::try_from(table.len()).map_err(|_| self.budget.spent())
    }

    /// How deep collections lie in each other up to this one.
    fn depth(&self, value: Value) -> u8 {
        match value {
            Value::Tuple { depth, .. } => depth,
            Value::List(id) | Value::Dict(id) => self.collections.get(to_usize(id)).map_or(0, |of| of.depth),
            _ => 0,
        }
    }

    fn depth_around(&self, items: &[Value]) -> Result<u8, WeightsError> {
        match items.iter().map(|&item| self.depth(item)).max().unwrap_or(0) {
            MAX_DEPTH.. => {
                let limit = u64::from(MAX_DEPTH);
                Err(WeightsError::TooMany { of: "collections inside each other", count: limit + 1, limit })
            }
            inside => Ok(inside + 1),
        }
    }

    pub fn tuple(&mut self, items: &[Value]) -> Result<Value, WeightsError> {
        let (at, len, depth) = (self.index(&self.tuples)?, self.index(items)?, self.depth_around(items)?);
        items.iter().try_for_each(|&item| self.budget.push(&mut self.tuples, item))?;
        Ok(Value::Tuple { at, len, depth })
    }

    /// A new, empty list or dict: `kind` is [`Value::List`] or [`Value::Dict`].
    pub fn collection(&mut self, kind: fn(u32) -> Value) -> Result<Value, WeightsError> {
        let id = self.index(&self.collections)?;
        self.budget.push(&mut self.collections, Collection { items: vec![], depth: 1 })?;
        Ok(kind(id))
    }

    /// Appends to a list, or keys and values in turn to a dict.
    pub fn extend(&mut self, id: u32, items: &[Value]) -> Result<(), WeightsError> {
        let depth = self.depth_around(items)?;
        if let Some(collection) = self.collections.get_mut(to_usize(id)) {
            collection.depth = collection.depth.max(depth);
            items.iter().try_for_each(|&item| self.budget.push(&mut collection.items, item))?;
        }
        Ok(())
    }

    /// The items of a tuple or a list, the keys and values of a dict; nothing of other values.
    pub fn items(&self, value: Value) -> &[Value] {
        let items = match value {
            Value::Tuple { at, len, .. } => {
                let start = to_usize(at);
                self.tuples.get(start..start.saturating_add(to_usize(len)))
            }
            Value::List(id) | Value::Dict(id) => self.collections.get(to_usize(id)).map(|of| of.items.as_slice()),
            _ => None,
        };
        items.unwrap_or_default()
    }

    /// The keys that are texts and their values, of a dict.
    pub fn entries(&self, dict: Value) -> impl DoubleEndedIterator<Item = (Value, Value)> {
        let dict = if let Value::Dict(_) = dict { self.items(dict) } else { &[] };
        dict.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value))
    }

    pub fn storage(&mut self, key: Span, dtype: Option<Dtype>, count: u64) -> Result<Value, WeightsError> {
        let id = self.index(&self.storages)?;
        self.budget.push(&mut self.storages, Storage { key, dtype, count, start: None })?;
        Ok(Value::Storage(id))
    }

    /// The first `view.rank` numbers of `shape` and of `strides` are the view's.
    pub fn view(&mut self, view: View, shape: &[usize], strides: &[usize]) -> Result<Value, WeightsError> {
        let (id, dims) = (self.index(&self.views)?, self.index(&self.dims)?);
        tensor::check_count(u64::from(id) + 1)?;
        let rank = view.rank.into();
        for &number in shape.iter().take(rank).chain(strides.iter().take(rank)) {
            self.budget.push(&mut self.dims, number)?;
        }
        self.budget.push(&mut self.views, View { dims, ..view })?;
        Ok(Value::View(id))
    }
}
