//! A reader that knows its offset and cannot read past the end.

use crate::ParseError;

/// Reads fields from the front of a slice.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    /// Where the end of `rest` is, counted from the start of the evidence.
    end: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, end: bytes.len() }
    }

    /// Reads a part of the evidence that begins at `offset`.
    pub(crate) const fn within(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, end: bytes.len().saturating_add(offset) }
    }

    /// Where the next field begins, counted from the start of the evidence.
    pub(crate) const fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], ParseError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.truncated(field, N))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `len` bytes; `len` may come from the sender, it only ever selects from what is there.
    pub(crate) fn slice(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], ParseError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(self.truncated(field, len))?;
        self.rest = rest;
        Ok(head)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, ParseError> {
        self.array(field).copied().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, ParseError> {
        self.array(field).copied().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, ParseError> {
        self.array(field).copied().map(u64::from_le_bytes)
    }

    const fn truncated(&self, field: &'static str, needed: usize) -> ParseError {
        ParseError::Truncated { field, offset: self.offset(), needed, available: self.rest.len() }
    }
}
