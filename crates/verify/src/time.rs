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
        // Only the exact shape: what a lenient reader takes for a time, another one takes for something else.
        let (seconds, rest) = text.split_at_checked(19)?;
        let shape = b"dddd-dd-ddTdd:dd:dd";
        let fits = seconds.bytes().zip(shape).all(|(byte, like)| match like {
            b'd' => byte.is_ascii_digit(),
            like => byte == *like,
        });
        let zone = match rest.strip_prefix('.') {
            Some(fraction) => {
                let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
                let digits = fraction.len().saturating_sub(zone.len());
                (1..=9).contains(&digits).then_some(zone)?
            }
            None => rest,
        };
        // A year beyond what the calendar library holds (the end of 9999) counts as its end.
        let fits_zone = zone == "Z" || is_offset(zone);
        if !fits || !fits_zone {
            return None;
        }
        let latest = Timestamp::MAX.as_second();
        match format!("{seconds}{zone}").parse::<Timestamp>() {
            Ok(time) => Some(Self(time.as_second())),
            Err(_) if seconds.starts_with("9999-12-3") => Some(Self(latest)),
            Err(_) => None,
        }
    }

    pub(crate) fn from_duration(since_epoch: std::time::Duration) -> Option<Self> {
        i64::try_from(since_epoch.as_secs()).ok().map(Self)
    }
}

/// `+hh:mm` or `-hh:mm`, up to a day.
fn is_offset(zone: &str) -> bool {
    let shape = b"+dd:dd";
    zone.len() == shape.len()
        && zone.bytes().zip(shape).all(|(byte, like)| match like {
            b'd' => byte.is_ascii_digit(),
            b'+' => matches!(byte, b'+' | b'-'),
            like => byte == *like,
        })
        && zone.get(1..3).is_some_and(|hours| hours < "24")
        && zone.get(4..6).is_some_and(|minutes| minutes < "60")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_is_read_and_written() {
        let time = UnixTime::parse_rfc3339("2022-04-26T22:39:25Z").unwrap();
        assert_eq!(time, UnixTime(1_651_012_765));
        assert_eq!(time.to_string(), "2022-04-26T22:39:25Z");
        assert_eq!(UnixTime::parse_rfc3339("2022-04-27T00:39:25.5+02:00"), Some(time));
        assert!(UnixTime::parse_rfc3339("9999-12-31T23:59:59Z").is_some());
        for odd in [
            "2022-04-26",
            "2022-04-26 22:39:25Z",
            "20220426T223925Z",
            "2022-04-26T22Z",
            "2022-04-26T22:39:25",
            "2022-04-26T22:39:25,5Z",
            "2022-04-26T22:39:25.Z",
            "2022-04-26T22:39:25+25:59",
            "-002022-04-26T22:39:25Z",
            "2022-04-26T22:39:25Z[UTC]",
            "2022-13-26T22:39:25Z",
            "2022-04-26t22:39:25z",
        ] {
            assert_eq!(UnixTime::parse_rfc3339(odd), None, "{odd}");
        }
        assert_eq!(UnixTime::parse_rfc3339(&"2".repeat(1000)), None);
    }
}
