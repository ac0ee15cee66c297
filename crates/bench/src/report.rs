//! The table and `bench.json`.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::Failure;

/// One case. Smaller is better everywhere.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) assay: f64,
    pub(crate) peer: Option<f64>,
    pub(crate) peer_name: Option<&'static str>,
    /// How many times as much the peer takes.
    pub(crate) ratio: Option<f64>,
    pub(crate) floor: Option<f64>,
    pub(crate) floor_name: Option<&'static str>,
    /// What `assay` should be at most; `None` where nothing is promised.
    pub(crate) goal: Option<f64>,
    pub(crate) goal_met: Option<bool>,
}

/// What is promised of a case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// At most this many times the floor.
    FloorTimes(f64),
    /// At most this much above the floor.
    FloorPlus(f64),
    /// At most this, in the row's unit.
    AtMost(f64),
    /// The peer takes at least this many times as much.
    Ratio(f64),
}

impl Row {
    /// A row that has neither peer nor floor nor goal yet.
    pub(crate) const fn new(case: &'static str, unit: &'static str, assay: f64) -> Self {
        Self {
            case,
            unit,
            assay,
            peer: None,
            peer_name: None,
            ratio: None,
            floor: None,
            floor_name: None,
            goal: None,
            goal_met: None,
        }
    }

    /// Adds what another implementation takes for the same work.
    pub(crate) fn beside(self, peer_name: &'static str, peer: f64) -> Self {
        Self { peer: Some(peer), peer_name: Some(peer_name), ratio: Some(peer / self.assay), ..self }
    }

    /// Adds what the work takes at least.
    pub(crate) fn above(self, floor_name: &'static str, floor: f64) -> Self {
        Self { floor: Some(floor), floor_name: Some(floor_name), ..self }
    }

    /// Adds what is promised; of several promises the strictest counts.
    pub(crate) fn promised(self, goals: &[Goal]) -> Self {
        let limits = goals.iter().filter_map(|goal| match goal {
            Goal::FloorTimes(factor) => self.floor.map(|floor| floor * factor),
            Goal::FloorPlus(more) => self.floor.map(|floor| floor + more),
            Goal::AtMost(limit) => Some(*limit),
            Goal::Ratio(ratio) => self.peer.map(|peer| peer / ratio),
        });
        let goal = limits.min_by(f64::total_cmp);
        Self { goal, goal_met: goal.map(|goal| self.assay <= goal), ..self }
    }
}

/// All rows measured so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

const HEAD: [&str; 9] =
    ["case", "unit", "assay", "floor", "assay/floor", "goal", "peer", "peer/assay", "verdict"];

impl Table {
    /// The row of a case.
    pub(crate) fn row(&self, case: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.case == case)
    }

    /// Writes what a person reads.
    pub(crate) fn print(&self, out: &mut impl Write) -> Result<(), Failure> {
        let lines: Vec<[String; 9]> =
            std::iter::once(HEAD.map(str::to_owned)).chain(self.rows.iter().map(cells)).collect();
        let width = |column: usize| {
            lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0)
        };
        let widths: [usize; 9] = std::array::from_fn(width);
        for line in &lines {
            let padded = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
                0 | 1 | 8 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            });
            writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        self.print_names(out)
    }

    /// Says what the peers and floors are.
    fn print_names(&self, out: &mut impl Write) -> Result<(), Failure> {
        writeln!(out)?;
        for row in &self.rows {
            let parts = [("floor", row.floor_name), ("peer", row.peer_name)];
            let parts = parts.map(|(what, name)| name.map(|name| format!("{what}: {name}")));
            let said: Vec<String> = parts.into_iter().flatten().collect();
            if !said.is_empty() {
                writeln!(out, "{}: {}", row.case, said.join("; "))?;
            }
        }
        Ok(())
    }

    /// Writes what scripts read.
    pub(crate) fn write_json(&self, path: &Path) -> Result<(), Failure> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_string_pretty(&self.rows)?;
        Ok(std::fs::write(path, format!("{text}\n"))?)
    }
}

fn cells(row: &Row) -> [String; 9] {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), shown);
    let verdict = match row.goal_met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "-",
    };
    [
        row.case.to_owned(),
        row.unit.to_owned(),
        shown(row.assay),
        number(row.floor),
        number(row.floor.map(|floor| row.assay / floor)),
        number(row.goal),
        number(row.peer),
        number(row.ratio),
        verdict.to_owned(),
    ]
}

fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_promise_counts() {
        let row = || Row::new("case", "us", 110.0).above("floor", 100.0).beside("peer", 440.0);
        let judged = |goals: &[Goal]| {
            let row = row().promised(goals);
            (row.goal, row.goal_met)
        };
        assert_eq!(judged(&[]), (None, None));
        assert_eq!(judged(&[Goal::FloorTimes(1.25)]), (Some(125.0), Some(true)));
        assert_eq!(judged(&[Goal::FloorTimes(1.25), Goal::Ratio(5.0)]), (Some(88.0), Some(false)));
        assert_eq!(judged(&[Goal::FloorPlus(10.0)]), (Some(110.0), Some(true)));
        assert_eq!(judged(&[Goal::AtMost(5.0)]), (Some(5.0), Some(false)));
        assert_eq!(row().ratio, Some(4.0));
    }

    #[test]
    fn a_row_says_what_was_missed_and_names_floor_and_peer() {
        let row = Row::new("case", "us", 250.0).above("two of them", 100.0).beside("other 1.0", 500.0);
        let table = Table { rows: vec![row.promised(&[Goal::FloorTimes(1.5)]), Row::new("bare", "MB", 3.0)] };
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("case  us      250    100         2.50   150   500        2.00  MISSED\n"),
            "{text}"
        );
        assert!(
            text.contains("bare  MB     3.00      -            -     -     -           -  -\n"),
            "{text}"
        );
        assert!(text.ends_with("case: floor: two of them; peer: other 1.0\n"), "{text}");
    }
}
