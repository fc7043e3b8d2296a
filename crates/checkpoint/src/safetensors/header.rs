//! The little JSON that a safetensors header is made of, read without a copy: names, whole numbers, punctuation.

use crate::byte_reader::{Cursor, Span};
use crate::error::WeightsError;

/// A header being read. There is no value of unknown kind in it, so nothing here calls itself.
pub(crate) struct Header<'a> {
    bytes: &'a [u8],
    cursor: Cursor<'a>,
}

impl<'a> Header<'a> {
    pub fn new(bytes: &'a [u8], span: Span) -> Header<'a> {
        Header { bytes, cursor: Cursor::new(bytes, span.range()) }
    }

    fn refuse<T>(&self, expected: &'static str) -> Result<T, WeightsError> {
        Err(WeightsError::Header { at: self.cursor.at(), expected })
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

    /// The next byte that is no blank, if it is this one.
    pub fn take(&mut self, byte: u8) -> Result<bool, WeightsError> {
        self.skip_blanks()?;
        let there = self.cursor.peek() == Some(byte);
        if there {
            self.skip()?;
        }
        Ok(there)
    }

    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), WeightsError> {
        match self.take(byte)? {
            true => Ok(()),
            false => self.refuse(expected),
        }
    }

    /// Goes through `{"key": …, …}` or `[…, …]`: `each` reads an item.
    pub fn items(
        &mut self,
        (open, close): (u8, u8),
        expected: &'static str,
        mut each: impl FnMut(&mut Self) -> Result<(), WeightsError>,
    ) -> Result<(), WeightsError> {
        self.expect(open, expected)?;
        if self.take(close)? {
            return Ok(());
        }
        loop {
            each(self)?;
            if self.take(close)? {
                return Ok(());
            }
            self.expect(b',', "a comma or the closing bracket")?;
        }
    }

    /// A string as it stands, between its quotes. `escapes` are let through, not resolved.
    pub fn string(&mut self, escapes: bool) -> Result<Span, WeightsError> {
        self.expect(b'"', "the quotation mark of a string")?;
        let start = self.cursor.at();
        loop {
            match self.cursor.peek() {
                Some(b'"') => break,
                Some(b'\\') if escapes => {
                    self.skip()?;
                    self.escape()?;
                }
                Some(b'\\') => return self.refuse("part of a name without escapes"),
                Some(0x20..) => drop(self.skip()?),
                _ => return self.refuse("part of a string"),
            }
        }
        let text = Span::new(start..self.cursor.at())?;
        self.skip()?;
        match std::str::from_utf8(text.of(self.bytes)) {
            Ok(_) => Ok(text),
            Err(wrong) => Err(WeightsError::Header { at: start + wrong.valid_up_to(), expected: "UTF-8" }),
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), WeightsError> {
        match self.cursor.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.skip().map(drop),
            Some(b'u') => match self.code_unit()? {
                // Half of a character, which only its other half may follow.
                0xd800..0xdc00 if self.cursor.rest().starts_with(br"\u") => {
                    self.skip()?;
                    match self.code_unit()? {
                        0xdc00..0xe000 => Ok(()),
                        _ => self.refuse("after both halves of a character"),
                    }
                }
                0xd800..0xe000 => self.refuse("after both halves of a character"),
                _ => Ok(()),
            },
            _ => self.refuse("an escape that JSON has"),
        }
    }

    /// A `u` and four digits.
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

    /// A string, and the colon after it.
    pub fn key(&mut self) -> Result<Span, WeightsError> {
        let key = self.string(false)?;
        self.expect(b':', "a colon")?;
        Ok(key)
    }

    /// A whole number of this machine's size.
    pub fn number(&mut self) -> Result<usize, WeightsError> {
        self.skip_blanks()?;
        let start = self.cursor.at();
        let mut number: usize = 0;
        while let Some(digit @ b'0'..=b'9') = self.cursor.peek() {
            let more = number.checked_mul(10).and_then(|tens| tens.checked_add(usize::from(digit - b'0')));
            match more {
                Some(more) if number > 0 || self.cursor.at() == start => number = more,
                Some(_) => return self.refuse("no digit after a leading zero"),
                None => return self.refuse("the end of a number that fits into 64 bits"),
            }
            self.skip()?;
        }
        match self.cursor.at() > start {
            true => Ok(number),
            false => self.refuse("a whole number that is not negative"),
        }
    }

    /// After the header come only the blanks that align the data.
    pub fn end(&mut self) -> Result<(), WeightsError> {
        self.skip_blanks()?;
        match self.cursor.left() {
            0 => Ok(()),
            _ => self.refuse("a blank after the end of the header"),
        }
    }
}
