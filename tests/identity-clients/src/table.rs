//! What each client was asked to do, and what came of it.

use std::fmt::Display;

/// Rows, in the order in which they were tried.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

struct Row {
    client: &'static str,
    call: String,
    outcome: Result<String, String>,
}

impl Table {
    /// Notes what came of a call: what was seen, or why it is wrong.
    pub(crate) fn note<E: Display>(&mut self, client: &'static str, call: &str, outcome: Result<String, E>) {
        let outcome = outcome.map_err(|error| format!("{error:#}"));
        self.0.push(Row { client, call: call.to_owned(), outcome });
    }

    /// Prints the rows; whether all of them were good.
    pub(crate) fn print(&self) -> bool {
        for Row { client, call, outcome } in &self.0 {
            let (word, text) = match outcome {
                Ok(seen) => ("ok", seen),
                Err(error) => ("FAIL", error),
            };
            println!("{word:<5}{client:<37}{call:<44}{text}");
        }
        let failed = self.0.iter().filter(|row| row.outcome.is_err()).count();
        println!("{} calls, {failed} failed", self.0.len());
        failed == 0 && !self.0.is_empty()
    }
}
