//! Byte ranges in the policy text, and the line and column a person sees for them.

use serde::Serialize;

/// A place in the policy text as an editor shows it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Position {
    /// Line, from 1; lines end at `\n`.
    pub line: u32,
    /// Column, from 1, counted in characters (Unicode scalar values), not in bytes.
    pub column: u32,
}

/// Half-open byte range; both ends are character boundaries of the text it was made from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the beginning of `self` to the end of `last`.
    pub(crate) fn to(self, last: Self) -> Self {
        Self { start: self.start, end: last.end.max(self.start) }
    }

    /// The empty range just behind `self`: where something is missing.
    pub(crate) const fn after(self) -> Self {
        Self { start: self.end, end: self.end }
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or("")
    }
}

/// Turns offsets into positions. Offsets asked for in rising order cost one pass over the text together;
/// a policy of one long line with thousands of rules would otherwise take quadratic time.
#[derive(Clone, Debug)]
pub(crate) struct Locator<'a> {
    text: &'a str,
    offset: usize,
    position: Position,
}

impl<'a> Locator<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, offset: 0, position: Position { line: 1, column: 1 } }
    }

    pub(crate) fn locate(&mut self, offset: usize) -> Position {
        if offset < self.offset {
            *self = Self::new(self.text);
        }
        let passed = self.text.get(self.offset..offset).unwrap_or("");
        // No editor counts the byte order mark as a column.
        let passed =
            if self.offset == 0 { passed.strip_prefix('\u{feff}').unwrap_or(passed) } else { passed };
        let last_line = match passed.rsplit_once('\n') {
            Some((before, last)) => {
                let newlines = before.bytes().filter(|&byte| byte == b'\n').count().saturating_add(1);
                self.position.line = self.position.line.saturating_add(saturate(newlines));
                self.position.column = 1;
                last
            }
            None => passed,
        };
        self.position.column = self.position.column.saturating_add(saturate(last_line.chars().count()));
        self.offset = offset;
        self.position
    }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, offset: usize) -> (u32, u32) {
        let position = Locator::new(text).locate(offset);
        (position.line, position.column)
    }

    #[test]
    fn columns_count_characters_and_lines_end_at_newlines() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("äb", 2), (1, 2));
        assert_eq!(at("a\r\nb", 3), (2, 1));
        assert_eq!(at("a\n\nbc", 4), (3, 2));
        assert_eq!(at("\u{feff}ab", 3), (1, 1));
        assert_eq!(at("\u{feff}ab", 4), (1, 2));
    }

    #[test]
    fn a_locator_may_go_back() {
        let mut locator = Locator::new("a\nb\nc");
        assert_eq!(locator.locate(4), Position { line: 3, column: 1 });
        assert_eq!(locator.locate(2), Position { line: 2, column: 1 });
        assert_eq!(locator.locate(3), Position { line: 2, column: 2 });
    }
}
