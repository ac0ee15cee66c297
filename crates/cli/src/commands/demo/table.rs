//! The table of the demonstration.

use super::attest::{Checks, Row};
use crate::style::{Mark, Style};

const HEADERS: [&str; 5] = ["kind", "device", "checks", "decision", "time"];

/// The rows with columns as wide as their widest cell.
pub(super) fn render(rows: &[Row], style: Style) -> String {
    let cells: Vec<[String; 5]> = rows.iter().map(cells).collect();
    let width = |column: usize| {
        let below = cells.iter().filter_map(|row| row.get(column));
        let header = HEADERS.get(column).map_or(0, |header| header.len());
        below.map(|cell| cell.chars().count()).max().unwrap_or_default().max(header)
    };
    let line = |row: &[String; 5]| {
        let padded = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut text = format!("  {}\n", style.bold(&line(&HEADERS.map(str::to_owned))));
    for (row, cells) in rows.iter().zip(&cells) {
        let mark = if row.is_expected { Mark::Good } else { Mark::Bad };
        text.push_str(&format!("{} {}\n", style.mark(mark), line(cells)));
    }
    text
}

fn cells(row: &Row) -> [String; 5] {
    let decision = row.decision.clone();
    let time = format!("{} ms", row.time.as_millis());
    [row.kind.to_owned(), row.device.to_owned(), checks(&row.checks), decision, time]
}

fn checks(checks: &Checks) -> String {
    let mut text = format!("{} passed", checks.passed);
    for (count, word) in [(checks.warned, "to note"), (checks.failed, "failed")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn columns_are_aligned_and_marks_tell_what_was_expected() {
        let row = |device, warned, is_expected| Row {
            kind: "sgx",
            device,
            checks: Checks { passed: 36, warned, failed: 0 },
            decision: "refused (400 x)".to_owned(),
            is_expected,
            time: Duration::from_millis(12),
        };
        let rows = [row("up to date", 0, true), row("old", 1, false)];
        assert_eq!(
            render(&rows, Style { colour: false, unicode: false }),
            "  kind  device      checks                decision         time\n\
             + sgx   up to date  36 passed             refused (400 x)  12 ms\n\
             x sgx   old         36 passed, 1 to note  refused (400 x)  12 ms\n"
        );
    }
}
