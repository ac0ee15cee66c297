//! Where words go: data to standard output, talk to standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use crate::failure::{Failure, NOT_DONE};
use crate::style::Style;

/// The form of the data on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The two streams of the process.
pub(crate) struct Output {
    /// How standard output is decorated.
    pub(crate) style: Style,
    talk_style: Style,
    is_terminal: bool,
    talk_is_terminal: bool,
    /// The first error in writing data.
    broken: Option<io::Error>,
}

impl Output {
    /// Standard output and standard error.
    pub(crate) fn standard() -> Self {
        let (is_terminal, talk_is_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self {
            style: Style::of(is_terminal),
            talk_style: Style::of(talk_is_terminal),
            is_terminal,
            talk_is_terminal,
            broken: None,
        }
    }

    /// The format that was asked for; else text on a terminal and JSON otherwise.
    pub(crate) fn format(&self, asked: Option<Format>) -> Format {
        asked.unwrap_or(if self.is_terminal { Format::Text } else { Format::Json })
    }

    /// Writes data as it is.
    pub(crate) fn data(&mut self, data: &str) {
        if self.broken.is_none() {
            let mut stdout = io::stdout().lock();
            self.broken = stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()).err();
        }
    }

    /// Writes data and ends the line.
    pub(crate) fn line(&mut self, line: &str) {
        self.data(&format!("{line}\n"));
    }

    /// Writes a value as JSON, indented.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value);
        let text = text.map_err(|error| Failure::new(format!("could not write JSON: {error}")))?;
        self.line(&text);
        Ok(())
    }

    /// How talk is decorated.
    pub(crate) const fn talk_style(&self) -> Style {
        self.talk_style
    }

    /// Says something that is not data. Nobody may be listening, which is no reason to fail.
    #[expect(clippy::unused_self, reason = "talk goes through the one owner of the streams")]
    pub(crate) fn talk(&self, line: impl Display) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Says what is going on once that has taken a second, until the result is dropped.
    pub(crate) fn progress(&self, what: &str) -> Progress {
        Progress::start(what, self.talk_is_terminal)
    }

    /// Says how the command failed, if it did, and gives its exit code.
    pub(crate) fn finish(&self, result: Result<ExitCode, Failure>) -> ExitCode {
        let result = result.and_then(|code| match &self.broken {
            // Whoever reads the data has had enough of it, as `head` does: that changes no judgement.
            Some(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::new(format!("could not write to standard output: {error}")))
            }
            _ => Ok(code),
        });
        match result {
            Ok(code) => code,
            Err(failure) => {
                self.explain(&failure);
                ExitCode::from(failure.exit)
            }
        }
    }

    fn explain(&self, failure: &Failure) {
        let style = self.talk_style;
        self.talk(format!("{}: {}", style.bold(&style.red("error")), failure.message));
        if let Some(help) = &failure.help {
            self.talk(format!("\n{}: {help}", style.bold("hint")));
        }
    }

    /// What the parser of the arguments says: help and version are data, all else is talk.
    #[expect(clippy::unused_self, reason = "talk goes through the one owner of the streams")]
    pub(crate) fn usage(&self, error: &clap::Error) -> ExitCode {
        // A closed pipe behind `--help` is nothing to speak of.
        let _ = error.print();
        u8::try_from(error.exit_code()).map_or(ExitCode::from(NOT_DONE), ExitCode::from)
    }
}

/// Something that goes on. Ends when dropped, and then leaves a terminal clean.
pub(crate) struct Progress {
    done: Option<Sender<()>>,
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    fn start(what: &str, is_terminal: bool) -> Self {
        let (done, wait) = channel();
        let what = what.to_owned();
        let ticker = std::thread::spawn(move || tick(&what, is_terminal, &wait));
        Self { done: Some(done), ticker: Some(ticker) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(ticker) = self.ticker.take() {
            // A ticker that panicked has nothing more to say.
            let _ = ticker.join();
        }
    }
}

/// Quick work says nothing. A terminal gets a running count of seconds, a log file one line.
fn tick(what: &str, is_terminal: bool, done: &Receiver<()>) {
    let mut seconds = 0_u64;
    while done.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
        seconds = seconds.saturating_add(1);
        let mut stderr = io::stderr().lock();
        let _ = match (is_terminal, seconds) {
            (true, _) => write!(stderr, "\r{what} ... {seconds} s"),
            (false, 1) => writeln!(stderr, "{what} ..."),
            (false, _) => Ok(()),
        };
    }
    if is_terminal && seconds > 0 {
        let _ = write!(io::stderr().lock(), "\r\x1b[K");
    }
}
