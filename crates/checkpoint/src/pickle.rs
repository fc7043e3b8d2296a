//! Reads a pickle with the instructions that state dicts are made of. None of them can run anything.

use super::byte_reader::{Cursor, Span, to_u64, to_usize};
use super::error::{WeightsError, clip};
use super::limits::*;
use globals::{Global, persistent};
use opcodes::*;
use values::{Heap, Value};

pub(crate) mod globals;
pub(crate) mod opcodes;
pub(crate) mod values;

/// Reads the pickles of one file, one after the other, into one heap.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    pub heap: Heap,
    stack: Vec<Value>,
    /// How many values were on the stack when each collection that is not complete began.
    marks: Vec<usize>,
    memo: Vec<Value>,
    opcodes: u64,
}

impl<'a> Machine<'a> {
    pub fn new(bytes: &'a [u8]) -> Machine<'a> {
        let heap = Heap::of_file(bytes.len());
        Machine { bytes, heap, stack: vec![], marks: vec![], memo: vec![], opcodes: 0 }
    }

    /// Reads one pickle, to its end, and leaves the cursor behind it.
    pub fn read(&mut self, cursor: &mut Cursor) -> Result<Value, WeightsError> {
        self.stack.clear();
        self.marks.clear();
        self.memo.clear();
        loop {
            let at = cursor.at();
            let code = cursor.u8("a pickle")?;
            self.opcodes += 1;
            check("pickle instructions", self.opcodes, MAX_OPCODES)?;
            if code == STOP {
                return match (self.stack.as_slice(), self.marks.is_empty()) {
                    (&[value], true) => Ok(value),
                    _ => Err(WeightsError::Pickle { at, why: "it ends with other than one value" }),
                };
            }
            if !self.is_plain(code, cursor)? {
                self.step(code, at, cursor)?;
            }
        }
    }

    /// The instructions for values without parts. Whether it was one.
    fn is_plain(&mut self, code: u8, cursor: &mut Cursor) -> Result<bool, WeightsError> {
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
                self.long(cursor.span(bytes, NUMBER)?)
            }
            LONG4 => {
                let length = i32::from_le_bytes(cursor.array(NUMBER)?);
                let Ok(bytes) = u64::try_from(length) else {
                    return Err(WeightsError::Negative { part: "the length of a number", value: length.into() });
                };
                self.long(cursor.span(bytes, NUMBER)?)
            }
            BINFLOAT => {
                cursor.u64(NUMBER)?;
                Value::Float
            }
            BINSTRING | SHORT_BINSTRING | BINUNICODE | SHORT_BINUNICODE | BINUNICODE8 => self.text(code, cursor)?,
            _ => return Ok(false),
        };
        self.push(value).map(|()| true)
    }

    /// Little-endian, two's complement, of as many bytes as it needs.
    fn long(&self, span: Span) -> Value {
        let bytes = span.of(self.bytes);
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

    fn text(&self, code: u8, cursor: &mut Cursor) -> Result<Value, WeightsError> {
        const LENGTH: &str = "the length of a text in a pickle";
        let length = match code {
            SHORT_BINSTRING | SHORT_BINUNICODE => cursor.u8(LENGTH)?.into(),
            BINUNICODE8 => cursor.u64(LENGTH)?,
            _ => cursor.u32(LENGTH)?.into(),
        };
        let at = cursor.at();
        let span = cursor.span(length, "a text in a pickle")?;
        match std::str::from_utf8(span.of(self.bytes)) {
            Ok(_) => Ok(Value::Text(span)),
            Err(_) => Err(WeightsError::Pickle { at, why: "a text is not UTF-8" }),
        }
    }

    fn step(&mut self, code: u8, at: usize, cursor: &mut Cursor) -> Result<(), WeightsError> {
        const INDEX: &str = "the number of a value put aside";
        let refuse = |why| Err(WeightsError::Pickle { at, why });
        match code {
            PROTO => match cursor.u8("the version of a pickle")? {
                2..=5 => Ok(()),
                _ => refuse("its version is not 2 to 5"),
            },
            // A hint for reading ahead, which nothing here does.
            FRAME => match cursor.u64("the length of a frame")? {
                length if length <= to_u64(cursor.left()) => Ok(()),
                _ => refuse("a frame is longer than the file"),
            },
            MARK => {
                check("collections begun at once in a pickle", to_u64(self.marks.len()) + 1, MAX_MARKS)?;
                self.heap.budget.push(&mut self.marks, self.stack.len())
            }
            BINPUT => self.put(cursor.u8(INDEX)?.into(), at),
            LONG_BINPUT => self.put(to_usize(cursor.u32(INDEX)?), at),
            MEMOIZE => self.put(self.memo.len(), at),
            BINGET => self.get(cursor.u8(INDEX)?.into(), at),
            LONG_BINGET => self.get(to_usize(cursor.u32(INDEX)?), at),
            GLOBAL => {
                let (module, name) = (line(cursor, at)?, line(cursor, at)?);
                self.global(module, name, at)
            }
            STACK_GLOBAL => match (self.pop(at)?, self.pop(at)?) {
                (Value::Text(name), Value::Text(module)) => self.global(module, name, at),
                _ => refuse("the name of a Python object is no text"),
            },
            BINPERSID => {
                let reference = self.pop(at)?;
                let storage = persistent(reference, self.bytes, &mut self.heap, at)?;
                self.push(storage)
            }
            REDUCE => match (self.pop(at)?, self.pop(at)?) {
                (arguments, Value::Global(global)) => {
                    let made = global.call(arguments, &mut self.heap, at)?;
                    self.push(made)
                }
                _ => refuse("what it calls is no function"),
            },
            // Attributes of a dict: `_metadata`, the versions of the layers it came from.
            BUILD => match (self.pop(at)?, self.top(at)?) {
                (Value::Dict(_), Value::Dict(_)) => Ok(()),
                _ => refuse("it sets attributes of something other than a dict"),
            },
            _ => self.collect(code, at),
        }
    }

    /// The instructions for tuples, lists and dicts.
    fn collect(&mut self, code: u8, at: usize) -> Result<(), WeightsError> {
        let made = match code {
            EMPTY_TUPLE => self.heap.tuple(&[])?,
            EMPTY_LIST => self.heap.collection(Value::List)?,
            EMPTY_DICT => self.heap.collection(Value::Dict)?,
            TUPLE => {
                let start = self.mark(at)?;
                self.tuple_from(start)?
            }
            TUPLE1 => self.tuple_from(self.before(1, at)?)?,
            TUPLE2 => self.tuple_from(self.before(2, at)?)?,
            TUPLE3 => self.tuple_from(self.before(3, at)?)?,
            APPEND => return self.fill(self.before(1, at)?, false, at),
            SETITEM => return self.fill(self.before(2, at)?, true, at),
            APPENDS => return self.mark(at).and_then(|start| self.fill(start, false, at)),
            SETITEMS => return self.mark(at).and_then(|start| self.fill(start, true, at)),
            _ => return Err(WeightsError::Opcode { name: opcodes::name(code), code, at }),
        };
        self.push(made)
    }

    fn tuple_from(&mut self, start: usize) -> Result<Value, WeightsError> {
        let tuple = self.heap.tuple(self.stack.get(start..).unwrap_or_default());
        self.stack.truncate(start);
        tuple
    }

    /// Puts what is on the stack from `start` on into the list or dict below it.
    fn fill(&mut self, start: usize, dict: bool, at: usize) -> Result<(), WeightsError> {
        let items = self.stack.get(start..).unwrap_or_default();
        let floor = self.marks.last().copied().unwrap_or(0);
        let below = start.checked_sub(1).filter(|&below| below >= floor).and_then(|below| self.stack.get(below));
        match below {
            Some(&Value::List(id)) if !dict => self.heap.extend(id, items)?,
            Some(&Value::Dict(id)) if dict && items.len() % 2 == 0 => self.heap.extend(id, items)?,
            _ => return Err(WeightsError::Pickle { at, why: "items are put into something that cannot have them" }),
        }
        self.stack.truncate(start);
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), WeightsError> {
        check("values waiting in a pickle", to_u64(self.stack.len()) + 1, MAX_STACK)?;
        self.heap.budget.push(&mut self.stack, value)
    }

    /// Where the last `count` values on the stack begin, if they are all of the innermost collection.
    fn before(&self, count: usize, at: usize) -> Result<usize, WeightsError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(start),
            _ => Err(WeightsError::Pickle { at, why: "it takes more values than there are" }),
        }
    }

    fn mark(&mut self, at: usize) -> Result<usize, WeightsError> {
        self.marks.pop().ok_or(WeightsError::Pickle { at, why: "it ends a collection that did not begin" })
    }

    fn top(&self, at: usize) -> Result<Value, WeightsError> {
        let top = self.before(1, at).ok().and_then(|top| self.stack.get(top)).copied();
        top.ok_or(WeightsError::Pickle { at, why: "it takes more values than there are" })
    }

    fn pop(&mut self, at: usize) -> Result<Value, WeightsError> {
        let top = self.top(at)?;
        self.stack.pop();
        Ok(top)
    }

    /// Python numbers what it puts aside from 0 on; a number that skips some would make a table of nothing.
    fn put(&mut self, index: usize, at: usize) -> Result<(), WeightsError> {
        let value = self.top(at)?;
        check("values put aside in a pickle", to_u64(self.memo.len()) + 1, MAX_MEMO)?;
        let next = self.memo.len();
        match self.memo.get_mut(index) {
            Some(place) => *place = value,
            None if index == next => self.heap.budget.push(&mut self.memo, value)?,
            None => return Err(WeightsError::Pickle { at, why: "a value put aside skips numbers" }),
        }
        Ok(())
    }

    fn get(&mut self, index: usize, at: usize) -> Result<(), WeightsError> {
        match self.memo.get(index) {
            Some(&value) => self.push(value),
            None => Err(WeightsError::Pickle { at, why: "it uses a value that was not put aside" }),
        }
    }

    fn global(&mut self, module: Span, name: Span, at: usize) -> Result<(), WeightsError> {
        let (module, name) = (module.of(self.bytes), name.of(self.bytes));
        let known = std::str::from_utf8(module).ok().zip(std::str::from_utf8(name).ok());
        match known.and_then(|(module, name)| Global::named(module, name)) {
            Some(global) => self.push(Value::Global(global)),
            None => {
                let name = format!("{}.{}", clip(module), clip(name));
                Err(WeightsError::Forbidden { name, at })
            }
        }
    }
}

fn check(of: &'static str, count: u64, limit: u64) -> Result<(), WeightsError> {
    if count > limit { Err(WeightsError::TooMany { of, count, limit }) } else { Ok(()) }
}

/// A line of a Python object's name, without its end.
fn line(cursor: &mut Cursor, at: usize) -> Result<Span, WeightsError> {
    const PART: &str = "the name of a Python object";
    let length = cursor.rest().iter().take(MAX_GLOBAL_BYTES + 1).position(|&byte| byte == b'\n');
    let Some(length) = length else {
        return Err(WeightsError::Pickle { at, why: "the name of a Python object does not end within 256 bytes" });
    };
    let span = cursor.span(to_u64(length), PART)?;
    cursor.u8(PART)?;
    Ok(span)
}
