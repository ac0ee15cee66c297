//! What is wrong with a configuration, and where.

use std::fmt;

/// Where a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file, at a byte where that is known.
    File(Option<usize>),
    /// An environment variable.
    Environment(String),
    /// An option of the command line.
    CommandLine(&'static str),
    /// Nowhere: the setting is missing.
    Absent,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What, as a sentence without a full stop.
    pub message: String,
}

/// A configuration that cannot be used. Its text has one line per problem: place, then what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    lines: Vec<String>,
}

impl ConfigError {
    /// The exit code for a bad configuration: `EX_CONFIG` of `sysexits.h`.
    pub const EXIT_CODE: u8 = 78;

    pub(crate) fn new(file: Option<&str>, text: &str, problems: Vec<Problem>) -> Self {
        let lines = problems.into_iter().map(|problem| {
            let place = match problem.origin {
                Origin::File(offset) => {
                    let line = offset.map(|offset| format!(":{}", line_of(text, offset))).unwrap_or_default();
                    format!("{}{line}: ", file.unwrap_or("configuration"))
                }
                Origin::Environment(name) => format!("{name}: "),
                Origin::CommandLine(option) => format!("{option}: "),
                Origin::Absent => file.map(|file| format!("{file}: ")).unwrap_or_default(),
            };
            format!("{place}{}", problem.message)
        });
        Self { lines: lines.collect() }
    }

    /// One line per problem.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count().saturating_add(1)
}
