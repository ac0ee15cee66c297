//! Colours and marks for people: only on a terminal, only where `NO_COLOR` does not forbid them, and never as the only
//! carrier of a meaning.

use std::env;

/// How text is decorated on one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    pub(crate) unicode: bool,
}

/// What came of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Good,
    Bad,
    Caution,
    Skipped,
}

impl Style {
    /// The style for a stream, which may or may not be a terminal.
    pub(crate) fn of(is_terminal: bool) -> Self {
        // https://no-color.org: present and not empty, whatever the value.
        let forbidden = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self { colour: is_terminal && !forbidden && !dumb, unicode: locale_is_utf8() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// The text in the colour of a mark.
    pub(crate) fn coloured(self, mark: Mark, text: &str) -> String {
        match mark {
            Mark::Good => self.green(text),
            Mark::Bad => self.red(text),
            Mark::Caution => self.paint("33", text),
            Mark::Skipped => self.dim(text),
        }
    }

    /// One character and its colour.
    pub(crate) fn mark(self, mark: Mark) -> String {
        let character = match (mark, self.unicode) {
            (Mark::Good, true) => "✓",
            (Mark::Good, false) => "+",
            (Mark::Bad, true) => "✗",
            (Mark::Bad, false) => "x",
            (Mark::Caution, _) => "!",
            (Mark::Skipped, _) => "-",
        };
        self.coloured(mark, character)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// POSIX: the first of the three that is set and not empty decides.
fn locale_is_utf8() -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

/// Foreign text, safe to show: control characters (which could move the cursor, recolour or hide text) are escaped.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .map(|character| if is_harmless(character) { character.to_string() } else { escaped(character) })
        .collect()
}

/// Unicode technical report 36: bidirectional and zero-width controls make text read as something else.
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn escaped(character: char) -> String {
    character.escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_painted_without_colour() {
        let plain = Style { colour: false, unicode: false };
        assert_eq!(plain.bold("a"), "a");
        assert_eq!(plain.mark(Mark::Good), "+");
        let rich = Style { colour: true, unicode: true };
        assert_eq!(rich.mark(Mark::Bad), "\x1b[31m✗\x1b[0m");
    }

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(visible("a\x1b[31mb\nc\u{202e}d\u{9b}é"), "a\\u{1b}[31mb\\nc\\u{202e}d\\u{9b}é");
    }
}
