//! Parser for the JSON subset of safetensors headers: strings, integers and punctuation, without copies.

use crate::byte_reader::{Cursor, Span};
use crate::error::WeightsError;

/// Parser state. Every value has a known type, so no function recurses and nested brackets cannot exhaust the stack.
pub(crate) struct Header<'a> {
    bytes: &'a [u8],
    cursor: Cursor<'a>,
}

impl<'a> Header<'a> {
    pub fn new(bytes: &'a [u8], span: Span) -> Header<'a> {
        Header { bytes, cursor: Cursor::new(bytes, span.range()) }
    }

    fn refuse<T>(&self, expected: &'static str) -> Result<T, WeightsError> {
        Err(WeightsError::Header { at: self.cursor.position(), expected })
    }

    fn skip(&mut self) -> Result<u8, WeightsError> {
        self.cursor.u8("the header")
    }

    fn skip_blanks(&mut self) -> Result<(), WeightsError> {
        while matches!(self.cursor.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.skip()?;
        }
        Ok(())
    }

    /// Consumes the next byte after blanks if it is `byte`. Returns whether it was.
    pub fn accept(&mut self, byte: u8) -> Result<bool, WeightsError> {
        self.skip_blanks()?;
        let is_next = self.cursor.peek() == Some(byte);
        if is_next {
            self.skip()?;
        }
        Ok(is_next)
    }

    /// Consumes `byte` after blanks, or returns an error that names `expected`.
    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), WeightsError> {
        if self.accept(byte)? { Ok(()) } else { self.refuse(expected) }
    }

    /// Parses `{"key": …, …}` or `[…, …]`; `read_item` parses one item.
    pub fn items(
        &mut self,
        (open, close): (u8, u8),
        expected: &'static str,
        mut read_item: impl FnMut(&mut Self) -> Result<(), WeightsError>,
    ) -> Result<(), WeightsError> {
        self.expect(open, expected)?;
        if self.accept(close)? {
            return Ok(());
        }
        loop {
            read_item(self)?;
            if self.accept(close)? {
                return Ok(());
            }
            self.expect(b',', "a comma or the closing bracket")?;
        }
    }

    /// Parses a string and returns the bytes between its quotes. Escapes are skipped if allowed, but not resolved.
    pub fn string(&mut self, allow_escapes: bool) -> Result<Span, WeightsError> {
        self.expect(b'"', "the quotation mark of a string")?;
        let start = self.cursor.position();
        loop {
            match self.cursor.peek() {
                Some(b'"') => break,
                Some(b'\\') if allow_escapes => {
                    self.skip()?;
                    self.escape()?;
                }
                Some(b'\\') => return self.refuse("part of a name without escapes"),
                Some(0x20..) => drop(self.skip()?),
                _ => return self.refuse("part of a string"),
            }
        }
        let text = Span::new(start..self.cursor.position())?;
        self.skip()?;
        match std::str::from_utf8(text.bytes(self.bytes)) {
            Ok(_) => Ok(text),
            Err(error) => Err(WeightsError::Header { at: start + error.valid_up_to(), expected: "UTF-8" }),
        }
    }

    /// Skips the rest of an escape, after its backslash.
    fn escape(&mut self) -> Result<(), WeightsError> {
        match self.cursor.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.skip().map(drop),
            Some(b'u') => match self.code_unit()? {
                // A high surrogate, which a low surrogate must follow.
                0xd800..0xdc00 if self.cursor.rest().starts_with(br"\u") => {
                    self.skip()?;
                    match self.code_unit()? {
                        0xdc00..0xe000 => Ok(()),
                        _ => self.refuse("a complete surrogate pair"),
                    }
                }
                0xd800..0xe000 => self.refuse("a complete surrogate pair"),
                _ => Ok(()),
            },
            _ => self.refuse("a JSON escape"),
        }
    }

    /// Parses `u` and four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u32, WeightsError> {
        self.skip()?;
        let mut unit = 0;
        for _ in 0..4 {
            match self.cursor.peek().and_then(|digit| char::from(digit).to_digit(16)) {
                Some(digit) => unit = unit * 16 + digit,
                None => return self.refuse("a hexadecimal digit"),
            }
            self.skip()?;
        }
        Ok(unit)
    }

    /// Parses a string and the colon after it.
    pub fn key(&mut self) -> Result<Span, WeightsError> {
        let key = self.string(false)?;
        self.expect(b':', "a colon")?;
        Ok(key)
    }

    /// Parses a non-negative integer that fits into `usize`.
    pub fn number(&mut self) -> Result<usize, WeightsError> {
        self.skip_blanks()?;
        let start = self.cursor.position();
        let mut number: usize = 0;
        while let Some(digit @ b'0'..=b'9') = self.cursor.peek() {
            let more = number.checked_mul(10).and_then(|tens| tens.checked_add(usize::from(digit - b'0')));
            match more {
                Some(more) if number > 0 || self.cursor.position() == start => number = more,
                Some(_) => return self.refuse("no digit after a leading zero"),
                None => return self.refuse("the end of a number that fits into 64 bits"),
            }
            self.skip()?;
        }
        if self.cursor.position() > start { Ok(number) } else { self.refuse("a non-negative integer") }
    }

    /// Checks that only blanks, which align the data, follow the header.
    pub fn end(&mut self) -> Result<(), WeightsError> {
        self.skip_blanks()?;
        if self.cursor.left() == 0 { Ok(()) } else { self.refuse("only blanks after the header") }
    }
}
