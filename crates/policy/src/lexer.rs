//! Text to tokens, in one pass. Every problem is reported and stepped over, so that the parser sees what the
//! author most likely meant.

use std::borrow::Cow;

use crate::diagnostic::{Code, Sink, shown};
use crate::span::Span;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TokenKind {
    Word,
    String,
    Integer,
    /// `1.0`: a version; nowhere else a number.
    Decimal,
    /// `<product-id>`: left over from a template.
    Placeholder,
    Arrow,
    Equal,
    NotEqual,
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    Assign,
    And,
    Not,
    /// `||` or `|`
    Bars,
    /// `=~`
    Matches,
    /// `!~`
    NotMatches,
    Colon,
    Semicolon,
    Comma,
    Dot,
    LeftParenthesis,
    RightParenthesis,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    /// Behind the last token.
    End,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

/// The tokens of `text`, always ending with [`TokenKind::End`].
pub(crate) fn tokens(text: &str, sink: &mut Sink) -> Vec<Token> {
    // Real policies have about one token per five bytes.
    let expected = text.len().div_euclid(4).saturating_add(1);
    let mut lexer = Lexer { text, at: 0, tokens: Vec::with_capacity(expected), sink };
    if text.starts_with('\u{feff}') {
        // A byte order mark is accepted and stays part of the hashed bytes [P].
        lexer.at = '\u{feff}'.len_utf8();
    }
    while lexer.next_token() {}
    lexer.push(TokenKind::End, lexer.at, 0);
    lexer.tokens
}

/// The contents of a string token: quotes gone, `\"` and `\\` resolved.
///
/// Only `\"` is documented. `\\` is inferred from samples with Windows paths.
pub(crate) fn unquote(literal: &str) -> Cow<'_, str> {
    let mut characters = literal.chars();
    characters.next();
    characters.next_back();
    let inner = characters.as_str();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut resolved = String::with_capacity(inner.len());
    let mut escaped = false;
    for character in inner.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            resolved.push(character);
        }
    }
    Cow::Owned(resolved)
}

struct Lexer<'a, 's> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    sink: &'s mut Sink,
}

impl<'a> Lexer<'a, '_> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at.saturating_add(ahead)).copied()
    }

    /// Adds a token of `length` bytes from `start` and moves behind it.
    fn push(&mut self, kind: TokenKind, start: usize, length: usize) {
        let end = start.saturating_add(length);
        self.tokens.push(Token { kind, span: Span::new(start, end) });
        self.at = end;
    }

    fn skip(&mut self, length: usize) -> Span {
        let start = self.at;
        self.at = start.saturating_add(length);
        Span::new(start, self.at)
    }

    /// Takes the next token or comment; false at the end of the text.
    fn next_token(&mut self) -> bool {
        while self.byte(0).is_some_and(is_space) {
            self.at = self.at.saturating_add(1);
        }
        let Some(first) = self.byte(0) else { return false };
        match first {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => {
                let length = self.count(0, is_word);
                self.push(TokenKind::Word, self.at, length);
            }
            b'"' => self.string(),
            b'0'..=b'9' => self.number(0),
            b'-' if self.byte(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(1),
            b'/' if self.byte(1) == Some(b'/') => {
                let rest = self.rest();
                self.skip(rest.find('\n').unwrap_or(rest.len()));
            }
            b'/' if self.byte(1) == Some(b'*') => self.block_comment(),
            b'<' if self.placeholder() => {}
            b'\'' => self.single_quoted(),
            _ => match operator(first, self.byte(1)) {
                Some((kind, length)) => self.push(kind, self.at, length),
                None if self.rest().starts_with(['\u{201c}', '\u{201d}']) => self.string(),
                None => self.invalid_characters(),
            },
        }
        true
    }

    /// Number of bytes from `ahead` on for which `wanted` holds.
    fn count(&self, ahead: usize, wanted: fn(u8) -> bool) -> usize {
        let bytes = self.text.as_bytes().get(self.at.saturating_add(ahead)..).unwrap_or(&[]);
        bytes.iter().take_while(|&&byte| wanted(byte)).count()
    }

    fn number(&mut self, sign: usize) {
        let digits = self.count(sign, |byte| byte.is_ascii_digit());
        let length = sign.saturating_add(digits);
        let word = self.count(length, is_word);
        let whole = length.saturating_add(word);
        if word > 0 {
            let span = Span::new(self.at, self.at.saturating_add(whole));
            self.malformed_number(span);
            return self.push(TokenKind::Integer, self.at, whole);
        }
        let fraction = self.count(length.saturating_add(1), |byte| byte.is_ascii_digit());
        if self.byte(length) == Some(b'.') && fraction > 0 {
            let whole = length.saturating_add(1).saturating_add(fraction);
            return self.push(TokenKind::Decimal, self.at, whole);
        }
        self.push(TokenKind::Integer, self.at, length);
    }

    fn malformed_number(&mut self, span: Span) {
        let written = span.of(self.text);
        let (sign, magnitude) = written.strip_prefix('-').map_or(("", written), |rest| ("-", rest));
        let Some(hex) = magnitude.strip_prefix("0x").or_else(|| magnitude.strip_prefix("0X")) else {
            let message = format!("`{}` is not a number", shown(written));
            return self.sink.report(Code::InvalidNumber, span, message);
        };
        let message = format!("`{}` is hexadecimal; integers are decimal", shown(written));
        let help = i64::from_str_radix(hex, 16).ok().map(|value| format!("write `{sign}{value}`"));
        self.sink.push(Code::HexLiteral, span, message, help);
    }

    /// A string that begins with `"`, or wrongly with a typographic quote.
    fn string(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let opening = rest.chars().next().map_or(1, char::len_utf8);
        let mut scan = StringScan { inside: false, curly: opening > 1, newline: false };
        if scan.curly {
            self.curly_quote(Span::new(start, start.saturating_add(opening)));
        }
        let mut characters = rest.char_indices().skip(1);
        while let Some((offset, character)) = characters.next() {
            let place = start.saturating_add(offset);
            match character {
                '"' => return self.close_string(start, offset.saturating_add(1), scan),
                '\\' => {
                    let next = characters.next().map(|(_, escaped)| escaped);
                    self.check_escape(place, next);
                }
                '\u{201c}' | '\u{201d}' => {
                    if !scan.curly {
                        self.curly_quote(Span::new(place, place.saturating_add(character.len_utf8())));
                    }
                    let closes = character == '\u{201d}' && !scan.inside;
                    scan.inside = character == '\u{201c}';
                    scan.curly = true;
                    if closes {
                        let length = offset.saturating_add(character.len_utf8());
                        return self.close_string(start, length, scan);
                    }
                }
                // A string opened by a typographic quote is an error anyway: it ends with the line at the
                // latest, so that a page full of such quotes does not cost quadratic time.
                '\n' if opening > 1 => return self.push(TokenKind::String, start, offset),
                '\n' => scan.newline = true,
                _ => {}
            }
        }
        self.unterminated(start, rest);
    }

    fn close_string(&mut self, start: usize, length: usize, scan: StringScan) {
        self.push(TokenKind::String, start, length);
        if scan.newline {
            // Accepted with a warning [P].
            let span = Span::new(start, self.at);
            let help = "if the string should end earlier, a quotation mark is missing";
            self.sink.report_with_help(
                Code::NewlineInString,
                span,
                "the string runs over several lines",
                help,
            );
        }
    }

    /// No quote follows anywhere, so the rest of the line is taken as the string and the next line as text.
    fn unterminated(&mut self, start: usize, rest: &str) {
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        self.push(TokenKind::String, start, length);
        let span = Span::new(start, self.at);
        self.sink.report_with_help(
            Code::UnterminatedString,
            span,
            "the string is never closed",
            "add a `\"`",
        );
    }

    fn curly_quote(&mut self, span: Span) {
        // Reported at the quote itself: the string it fails to close may end many lines later.
        let message = format!("`{}` is a typographic quotation mark", span.of(self.text));
        self.sink.report_with_help(Code::CurlyQuote, span, message, "type the straight quote `\"`");
    }

    fn check_escape(&mut self, backslash: usize, escaped: Option<char>) {
        let Some(character) = escaped else { return };
        if matches!(character, '"' | '\\') {
            return;
        }
        let length = character.len_utf8().saturating_add(1);
        let span = Span::new(backslash, backslash.saturating_add(length));
        let message = format!("`\\{}` is not an escape", shown(character.encode_utf8(&mut [0; 4])));
        let help = "the escapes are `\\\"` and `\\\\`; write a backslash as `\\\\`";
        self.sink.report_with_help(Code::InvalidEscape, span, message, help);
    }

    fn single_quoted(&mut self) {
        let start = self.at;
        // Looking no further than needed: a line of quotes must not be read once for each of them.
        let line = self.rest().char_indices().take_while(|(_, character)| *character != '\n');
        let closing = line.skip(1).find(|(_, character)| *character == '\'');
        let Some((offset, _)) = closing else { return self.invalid_characters() };
        self.push(TokenKind::String, start, offset.saturating_add(1));
        let span = Span::new(start, self.at);
        let message = format!("{} is in single quotes", quoted(span.of(self.text)));
        self.sink.report_with_help(Code::SingleQuotedString, span, message, "use double quotes");
    }

    fn block_comment(&mut self) {
        let rest = self.rest();
        let length = rest.find("*/").map_or(rest.len(), |end| end.saturating_add(2));
        let span = self.skip(length);
        let opening = Span::new(span.start, span.start.saturating_add(2));
        let help = "begin each line of a comment with `//`";
        self.sink.report_with_help(Code::BlockComment, opening, "the language has no `/* */` comments", help);
    }

    /// Takes `<name>` as it stands in templates; `value<c.value` is not one.
    fn placeholder(&mut self) -> bool {
        let inner = self.count(1, |byte| is_word(byte) || byte == b'-');
        let closing = inner.saturating_add(1);
        let is_placeholder =
            self.byte(1).is_some_and(|byte| byte.is_ascii_alphabetic()) && self.byte(closing) == Some(b'>');
        if is_placeholder {
            self.push(TokenKind::Placeholder, self.at, closing.saturating_add(1));
        }
        is_placeholder
    }

    fn invalid_characters(&mut self) {
        let character = self.rest().chars().next().unwrap_or(' ');
        let span = self.skip(character.len_utf8());
        if self.sink.is_full(Code::InvalidCharacter.severity()) {
            return self.sink.push(Code::InvalidCharacter, span, String::new(), None);
        }
        let help = match character {
            '&' => Some("join conditions with `&&`"),
            '#' => Some("comments begin with `//`"),
            '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{feff}' | '\u{200b}' => {
                Some("it looks like a space or like nothing; replace it by an ordinary space")
            }
            '\'' | '\u{2018}' | '\u{2019}' | '\u{ab}' | '\u{bb}' => {
                Some("strings are in straight double quotes")
            }
            '\u{2013}' | '\u{2014}' => Some("type the minus sign `-`"),
            _ => None,
        };
        let visible = shown(character.encode_utf8(&mut [0; 4]));
        let message = if visible.trim().is_empty() {
            format!("the character U+{:04X} does not belong here", u32::from(character))
        } else {
            format!("the character `{visible}` does not belong here")
        };
        self.sink.push(Code::InvalidCharacter, span, message, help.map(str::to_owned));
    }
}

#[derive(Clone, Copy)]
struct StringScan {
    /// A typographic quote is open inside the string.
    inside: bool,
    /// A typographic quote was reported for this string.
    curly: bool,
    newline: bool,
}

/// A string literal for a message, in backticks.
fn quoted(literal: &str) -> String {
    format!("`{}`", shown(literal))
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

const fn operator(first: u8, second: Option<u8>) -> Option<(TokenKind, usize)> {
    use TokenKind as T;
    Some(match (first, second) {
        (b'=', Some(b'>')) => (T::Arrow, 2),
        (b'=', Some(b'=')) => (T::Equal, 2),
        (b'=', Some(b'~')) => (T::Matches, 2),
        (b'!', Some(b'=')) => (T::NotEqual, 2),
        (b'!', Some(b'~')) => (T::NotMatches, 2),
        (b'<', Some(b'=')) => (T::LessOrEqual, 2),
        (b'>', Some(b'=')) => (T::GreaterOrEqual, 2),
        (b'&', Some(b'&')) => (T::And, 2),
        (b'|', Some(b'|')) => (T::Bars, 2),
        (b'=', _) => (T::Assign, 1),
        (b'!', _) => (T::Not, 1),
        (b'<', _) => (T::Less, 1),
        (b'>', _) => (T::Greater, 1),
        (b'|', _) => (T::Bars, 1),
        (b':', _) => (T::Colon, 1),
        (b';', _) => (T::Semicolon, 1),
        (b',', _) => (T::Comma, 1),
        (b'.', _) => (T::Dot, 1),
        (b'(', _) => (T::LeftParenthesis, 1),
        (b')', _) => (T::RightParenthesis, 1),
        (b'[', _) => (T::LeftBracket, 1),
        (b']', _) => (T::RightBracket, 1),
        (b'{', _) => (T::LeftBrace, 1),
        (b'}', _) => (T::RightBrace, 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use TokenKind as T;

    fn kinds(text: &str) -> (Vec<TokenKind>, Vec<&'static str>) {
        let mut sink = Sink::default();
        let kinds = tokens(text, &mut sink).into_iter().map(|token| token.kind).collect();
        (kinds, sink.into_diagnostics(text).into_iter().map(|d| d.code).collect())
    }

    #[test]
    fn spaces_and_comments_separate_tokens() {
        let (found, codes) = kinds("\u{feff}c :[type==\"x\"] // note \"\u{201c}\r\n&&=>-12 1.0");
        let expected = vec![
            T::Word,
            T::Colon,
            T::LeftBracket,
            T::Word,
            T::Equal,
            T::String,
            T::RightBracket,
            T::And,
            T::Arrow,
            T::Integer,
            T::Decimal,
            T::End,
        ];
        assert_eq!((found, codes), (expected, vec![]));
    }

    #[test]
    fn a_placeholder_is_one_token_and_a_comparison_is_not() {
        assert_eq!(kinds("==<product-id>").0, [T::Equal, T::Placeholder, T::End]);
        assert_eq!(kinds("value<c.value").0, [T::Word, T::Less, T::Word, T::Dot, T::Word, T::End]);
    }

    #[test]
    fn escapes_resolve() {
        assert_eq!(unquote(r#""a\"b\\c""#), "a\"b\\c");
        assert_eq!(unquote("\"\""), "");
        assert_eq!(unquote("\u{201c}x\""), "x");
    }

    #[test]
    fn a_curly_quote_closes_the_string_it_was_meant_to_close() {
        assert_eq!(kinds("\"11\u{201d}\n);").0, [T::String, T::RightParenthesis, T::Semicolon, T::End]);
        assert_eq!(
            kinds("\"a \u{201c}b\u{201d} c\" ;"),
            (vec![T::String, T::Semicolon, T::End], vec!["curly-quote"])
        );
    }

    #[test]
    fn lexical_errors_are_stepped_over() {
        assert_eq!(kinds("'x' ;"), (vec![T::String, T::Semicolon, T::End], vec!["single-quoted-string"]));
        assert_eq!(kinds("/* a */;"), (vec![T::Semicolon, T::End], vec!["block-comment"]));
        assert_eq!(kinds("/* a"), (vec![T::End], vec!["block-comment"]));
        assert_eq!(kinds("\"a\n;"), (vec![T::String, T::Semicolon, T::End], vec!["unterminated-string"]));
        assert_eq!(
            kinds("0xFF 12ab"),
            (vec![T::Integer, T::Integer, T::End], vec!["hex-literal", "invalid-number"])
        );
        assert_eq!(kinds("# ;"), (vec![T::Semicolon, T::End], vec!["invalid-character"]));
        assert_eq!(kinds("\"a\\n\""), (vec![T::String, T::End], vec!["invalid-escape"]));
        assert_eq!(kinds("\"a\nb\""), (vec![T::String, T::End], vec!["newline-in-string"]));
        assert_eq!(kinds("\"\\"), (vec![T::String, T::End], vec!["unterminated-string"]));
    }
}
