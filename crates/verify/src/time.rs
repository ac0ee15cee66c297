//! Points in time as vendors write them.

use std::fmt;

use jiff::Timestamp;

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// Reads an RFC 3339 time with its zone, such as `2022-04-26T22:39:25Z`. Fractions of a second are dropped.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        // A longer text is not a time; the bound keeps the parser's work small.
        if text.len() > 40 {
            return None;
        }
        text.parse::<Timestamp>().ok().map(|t| Self(t.as_second()))
    }

    pub(crate) fn from_duration(since_epoch: std::time::Duration) -> Option<Self> {
        i64::try_from(since_epoch.as_secs()).ok().map(Self)
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} seconds since 1970", self.0),
        }
    }
}

/// From when to when something is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First second of validity.
    pub from: UnixTime,
    /// Last second of validity.
    pub until: UnixTime,
}

impl Window {
    /// The time both windows share; empty if `from` is after `until`.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_read_and_written() {
        let time = UnixTime::parse_rfc3339("2022-04-26T22:39:25Z").unwrap();
        assert_eq!(time, UnixTime(1_651_012_765));
        assert_eq!(time.to_string(), "2022-04-26T22:39:25Z");
        assert_eq!(UnixTime::parse_rfc3339("2022-04-26"), None);
        assert_eq!(UnixTime::parse_rfc3339(&"2".repeat(1000)), None);
    }
}
