//! Pickle reader that supports only the instructions of state dicts. None of them can run code.

use super::byte_reader::{Cursor, Span, to_u64, to_usize};
use super::error::{WeightsError, clip};
use super::limits::*;
use globals::resolve_persistent_id;
use opcodes::*;
use values::{Global, Heap, Value};

pub(crate) mod globals;
pub(crate) mod opcodes;
pub(crate) mod values;

/// Pickle virtual machine; reads the pickles of one file, one after the other, into one heap.
pub(super) struct PickleMachine<'a> {
    bytes: &'a [u8],
    pub heap: Heap,
    stack: Vec<Value>,
    /// Stack depth at the start of each open collection.
    marks: Vec<usize>,
    memo: Vec<Value>,
    opcodes: u64,
}

impl<'a> PickleMachine<'a> {
    pub fn new(bytes: &'a [u8]) -> PickleMachine<'a> {
        let heap = Heap::for_file(bytes.len());
        PickleMachine { bytes, heap, stack: vec![], marks: vec![], memo: vec![], opcodes: 0 }
    }

    /// Reads one pickle to its end, and leaves the cursor after it.
    pub fn read(&mut self, cursor: &mut Cursor) -> Result<Value, WeightsError> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            let at = cursor.position();
            let code = cursor.u8("a pickle")?;
            self.opcodes += 1;
            check_limit("pickle instructions", self.opcodes, MAX_OPCODES)?;
            if code == STOP {
                return match (self.stack.as_slice(), self.marks.is_empty()) {
                    (&[value], true) => Ok(value),
                    _ => {
                        Err(WeightsError::Pickle { at, reason: "its stack does not hold exactly one value at the end" })
                    }
                };
            }
            if !self.push_scalar(code, cursor)? {
                self.execute(code, at, cursor)?;
            }
        }
    }

    /// Executes an instruction that pushes a scalar. Returns whether `code` is one.
    fn push_scalar(&mut self, code: u8, cursor: &mut Cursor) -> Result<bool, WeightsError> {
        const NUMBER: &str = "a number in a pickle";
        let value = match code {
            NONE => Value::None,
            NEWTRUE => Value::Bool(true),
            NEWFALSE => Value::Bool(false),
            BININT => Value::Int(i32::from_le_bytes(cursor.array(NUMBER)?).into()),
            BININT1 => Value::Int(cursor.u8(NUMBER)?.into()),
            BININT2 => Value::Int(cursor.u16(NUMBER)?.into()),
            LONG1 => {
                let bytes = cursor.u8(NUMBER)?.into();
                self.read_long(cursor.span(bytes, NUMBER)?)
            }
            LONG4 => {
                let length = i32::from_le_bytes(cursor.array(NUMBER)?);
                let Ok(bytes) = u64::try_from(length) else {
                    return Err(WeightsError::Negative {
                        part: "the length of a number in a pickle",
                        value: length.into(),
                    });
                };
                self.read_long(cursor.span(bytes, NUMBER)?)
            }
            BINFLOAT => {
                cursor.u64(NUMBER)?;
                Value::Float
            }
            BINSTRING | SHORT_BINSTRING | BINUNICODE | SHORT_BINUNICODE | BINUNICODE8 => {
                self.read_text(code, cursor)?
            }
            _ => return Ok(false),
        };
        self.push(value).map(|()| true)
    }

    /// Decodes a little-endian two's complement integer of any length.
    fn read_long(&self, span: Span) -> Value {
        let bytes = span.bytes(self.bytes);
        let Some(&last) = bytes.last() else { return Value::Int(0) };
        let mut number = if last < 0x80 { [0; 8] } else { [0xff; 8] };
        match number.get_mut(..bytes.len()) {
            Some(low) => {
                low.copy_from_slice(bytes);
                Value::Int(i64::from_le_bytes(number))
            }
            None => Value::Long(span),
        }
    }

    fn read_text(&self, code: u8, cursor: &mut Cursor) -> Result<Value, WeightsError> {
        const LENGTH: &str = "the length of a text in a pickle";
        let length = match code {
            SHORT_BINSTRING | SHORT_BINUNICODE => cursor.u8(LENGTH)?.into(),
            BINUNICODE8 => cursor.u64(LENGTH)?,
            _ => cursor.u32(LENGTH)?.into(),
        };
        let at = cursor.position();
        let span = cursor.span(length, "a text in a pickle")?;
        match std::str::from_utf8(span.bytes(self.bytes)) {
            Ok(_) => Ok(Value::Text(span)),
            Err(_) => Err(WeightsError::Pickle { at, reason: "a text is not UTF-8" }),
        }
    }

    fn execute(&mut self, code: u8, at: usize, cursor: &mut Cursor) -> Result<(), WeightsError> {
        const INDEX: &str = "a memo index in a pickle";
        let refuse = |reason| Err(WeightsError::Pickle { at, reason });
        match code {
            PROTO => match cursor.u8("the protocol of a pickle")? {
                2..=5 => Ok(()),
                _ => refuse("its protocol is not 2 to 5"),
            },
            // A hint for prefetching, which this reader ignores.
            FRAME => match cursor.u64("the length of a frame")? {
                length if length <= to_u64(cursor.left()) => Ok(()),
                _ => refuse("a frame exceeds the file"),
            },
            MARK => {
                check_limit("open collections in a pickle", to_u64(self.marks.len()) + 1, MAX_MARKS)?;
                self.heap.budget.push(&mut self.marks, self.stack.len())
            }
            BINPUT => self.memoize(cursor.u8(INDEX)?.into(), at),
            LONG_BINPUT => self.memoize(to_usize(cursor.u32(INDEX)?), at),
            MEMOIZE => self.memoize(self.memo.len(), at),
            BINGET => self.recall(cursor.u8(INDEX)?.into(), at),
            LONG_BINGET => self.recall(to_usize(cursor.u32(INDEX)?), at),
            GLOBAL => {
                let module = read_line(cursor, at)?;
                let name = read_line(cursor, at)?;
                self.push_global(module, name, at)
            }
            STACK_GLOBAL => match (self.pop(at)?, self.pop(at)?) {
                (Value::Text(name), Value::Text(module)) => self.push_global(module, name, at),
                _ => refuse("the name of a Python object is not a text"),
            },
            BINPERSID => {
                let reference = self.pop(at)?;
                let storage = resolve_persistent_id(reference, self.bytes, &mut self.heap, at)?;
                self.push(storage)
            }
            REDUCE => match (self.pop(at)?, self.pop(at)?) {
                (arguments, Value::Global(global)) => {
                    let result = global.call(arguments, &mut self.heap, at)?;
                    self.push(result)
                }
                _ => refuse("it calls a value that is not a function"),
            },
            // Attributes of a dict are dropped: `_metadata` holds only the versions of the layers.
            BUILD => match (self.pop(at)?, self.top(at)?) {
                (Value::Dict(_), Value::Dict(_)) => Ok(()),
                _ => refuse("it sets attributes of a value that is not a dict"),
            },
            _ => self.execute_collection(code, at),
        }
    }

    /// Executes an instruction for tuples, lists or dicts.
    fn execute_collection(&mut self, code: u8, at: usize) -> Result<(), WeightsError> {
        let value = match code {
            EMPTY_TUPLE => self.heap.add_tuple(&[])?,
            EMPTY_LIST => self.heap.add_collection(Value::List)?,
            EMPTY_DICT => self.heap.add_collection(Value::Dict)?,
            TUPLE => {
                let start = self.pop_mark(at)?;
                self.make_tuple(start)?
            }
            TUPLE1 => self.make_tuple(self.top_start(1, at)?)?,
            TUPLE2 => self.make_tuple(self.top_start(2, at)?)?,
            TUPLE3 => self.make_tuple(self.top_start(3, at)?)?,
            APPEND => return self.fill(self.top_start(1, at)?, false, at),
            SETITEM => return self.fill(self.top_start(2, at)?, true, at),
            APPENDS => return self.pop_mark(at).and_then(|start| self.fill(start, false, at)),
            SETITEMS => return self.pop_mark(at).and_then(|start| self.fill(start, true, at)),
            _ => return Err(WeightsError::Opcode { name: opcodes::name(code), code, at }),
        };
        self.push(value)
    }

    fn make_tuple(&mut self, start: usize) -> Result<Value, WeightsError> {
        let tuple = self.heap.add_tuple(self.stack.get(start..).unwrap_or_default());
        self.stack.truncate(start);
        tuple
    }

    /// Moves the stack from `start` on into the list or dict below `start`.
    fn fill(&mut self, start: usize, is_dict: bool, at: usize) -> Result<(), WeightsError> {
        let items = self.stack.get(start..).unwrap_or_default();
        let floor = self.marks.last().copied().unwrap_or(0);
        let below = start.checked_sub(1).filter(|&below| below >= floor).and_then(|below| self.stack.get(below));
        match below {
            Some(&Value::List(id)) if !is_dict => self.heap.extend(id, items)?,
            Some(&Value::Dict(id)) if is_dict && items.len() % 2 == 0 => self.heap.extend(id, items)?,
            _ => return Err(WeightsError::Pickle { at, reason: "items are added to a value of the wrong type" }),
        }
        self.stack.truncate(start);
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), WeightsError> {
        check_limit("values on the stack of a pickle", to_u64(self.stack.len()) + 1, MAX_STACK)?;
        self.heap.budget.push(&mut self.stack, value)
    }

    /// Returns the stack index of the last `count` values, or an error if an open collection has fewer.
    fn top_start(&self, count: usize, at: usize) -> Result<usize, WeightsError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(start),
            _ => Err(WeightsError::Pickle { at, reason: "it takes more values than its stack has" }),
        }
    }

    fn pop_mark(&mut self, at: usize) -> Result<usize, WeightsError> {
        self.marks.pop().ok_or(WeightsError::Pickle { at, reason: "it ends a collection without a mark" })
    }

    fn top(&self, at: usize) -> Result<Value, WeightsError> {
        let top = self.top_start(1, at).ok().and_then(|top| self.stack.get(top)).copied();
        top.ok_or(WeightsError::Pickle { at, reason: "it takes more values than its stack has" })
    }

    fn pop(&mut self, at: usize) -> Result<Value, WeightsError> {
        let top = self.top(at)?;
        self.stack.pop();
        Ok(top)
    }

    /// Stores the top of the stack in the memo. Python numbers the memo from 0 without gaps; a gap is refused, since it
    /// could demand a huge empty table.
    fn memoize(&mut self, index: usize, at: usize) -> Result<(), WeightsError> {
        let value = self.top(at)?;
        check_limit("memo entries in a pickle", to_u64(self.memo.len()) + 1, MAX_MEMO)?;
        let next = self.memo.len();
        match self.memo.get_mut(index) {
            Some(slot) => *slot = value,
            None if index == next => self.heap.budget.push(&mut self.memo, value)?,
            None => return Err(WeightsError::Pickle { at, reason: "its memo indices have a gap" }),
        }
        Ok(())
    }

    fn recall(&mut self, index: usize, at: usize) -> Result<(), WeightsError> {
        match self.memo.get(index) {
            Some(&value) => self.push(value),
            None => Err(WeightsError::Pickle { at, reason: "it uses a memo index without a value" }),
        }
    }

    fn push_global(&mut self, module: Span, name: Span, at: usize) -> Result<(), WeightsError> {
        let (module, name) = (module.bytes(self.bytes), name.bytes(self.bytes));
        let texts = std::str::from_utf8(module).ok().zip(std::str::from_utf8(name).ok());
        match texts.and_then(|(module, name)| Global::from_name(module, name)) {
            Some(global) => self.push(Value::Global(global)),
            None => {
                let name = format!("{}.{}", clip(module), clip(name));
                Err(WeightsError::Forbidden { name, at })
            }
        }
    }
}

fn check_limit(items: &'static str, count: u64, limit: u64) -> Result<(), WeightsError> {
    if count > limit { Err(WeightsError::TooMany { items, count, limit }) } else { Ok(()) }
}

/// Reads a line (the module or name of a Python object) without its newline.
fn read_line(cursor: &mut Cursor, at: usize) -> Result<Span, WeightsError> {
    const PART: &str = "the name of a Python object";
    let length = cursor.rest().iter().take(MAX_GLOBAL_BYTES + 1).position(|&byte| byte == b'\n');
    let Some(length) = length else {
        return Err(WeightsError::Pickle { at, reason: "the name of a Python object exceeds 256 bytes" });
    };
    let span = cursor.span(to_u64(length), PART)?;
    cursor.u8(PART)?;
    Ok(span)
}
