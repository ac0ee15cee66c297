//! How current a document is, and why it is called that.

use std::fmt;

use assay_verify::UnixTime;

use crate::document::Document;

const DAY: i64 = 24 * 60 * 60;

/// When documents are looked for anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Seconds after which a document is asked for again. Intel issues its documents anew every few days, for thirty days.
    pub refresh_every: i64,
    /// Seconds that a document must still be valid: clients keep what they got for seven days (Intel's client, default
    /// configuration), and a day is for the clocks.
    pub client_keeps: i64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { refresh_every: DAY, client_keeps: 8 * DAY }
    }
}

/// How current a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Nothing to do.
    Fresh,
    /// It is time to ask for a newer one.
    Due,
    /// Genuine and valid, but a client that keeps it as long as clients do would come to use it after its end.
    Stale,
    /// It is no longer valid.
    Expired,
    /// There is none.
    Missing,
}

impl State {
    /// Every state, the best first.
    pub const ALL: [Self; 5] = [Self::Fresh, Self::Due, Self::Stale, Self::Expired, Self::Missing];

    /// The name in metrics, explanations and listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Due => "due",
            Self::Stale => "stale",
            Self::Expired => "expired",
            Self::Missing => "missing",
        }
    }

    /// The state of what is held, which upstream last confirmed at `checked`.
    #[must_use]
    pub fn of(held: Option<(&Document, UnixTime)>, now: UnixTime, schedule: &Schedule) -> Self {
        let Some((document, checked)) = held else { return Self::Missing };
        let left = document.expires.0.saturating_sub(now.0);
        if left < 0 {
            Self::Expired
        } else if left < schedule.client_keeps {
            Self::Stale
        } else if now.0.saturating_sub(checked.0) >= schedule.refresh_every {
            Self::Due
        } else {
            Self::Fresh
        }
    }

    /// Whether upstream should be asked.
    #[must_use]
    pub const fn wants_refresh(self) -> bool {
        !matches!(self, Self::Fresh)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
