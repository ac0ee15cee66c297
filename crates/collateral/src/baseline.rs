//! Pins: which evaluation of Intel's counts, from when, and how long the former one counts as well.
//!
//! Without pins the standard track counts, and platforms fall out of date when Intel says so. An operator who needs more
//! time pins an evaluation, for one provider or for all, and says when the next one takes its place. Nothing changes
//! silently: what counts now, what counts as well and until when, and what comes next, follow from the pins and the time.

use std::fmt;

use assay_verify::UnixTime;
use serde::{Deserialize, Serialize};

use crate::subject::Selection;

/// Pins of one service: a few for each provider.
pub const MAX_PINS: usize = 4096;
/// Longest name of a provider.
const MAX_PROVIDER: usize = 128;
/// Longest grace period: Intel serves documents of an evaluation for about a year (PCS API, version 4,
/// `tcbEvaluationDataNumber`: "410 Gone").
pub const MAX_GRACE: u32 = 366 * 24 * 60 * 60;

/// An evaluation that counts from a certain time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// `tcbEvaluationDataNumber`, of TCB info and enclave identities alike.
    pub number: u32,
    /// The first second at which it counts.
    pub from: UnixTime,
    /// Seconds from then on in which what counted before counts as well.
    pub grace: u32,
    /// For which provider; `None` for the whole fleet.
    pub provider: Option<String>,
}

/// The pins of a service, in the order of their times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(Vec<Pin>);

/// Why pins are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinError {
    /// It is not the JSON of pins.
    #[error("it is not a list of pins: {0}")]
    Json(assay_json::JsonError),
    /// A time is not one.
    #[error("`{found}` is not an RFC 3339 time after 1970")]
    Time {
        /// What stands there.
        found: String,
    },
    /// Evaluations are counted from 1.
    #[error("0 is the number of no evaluation")]
    Number,
    /// The former evaluation would count for too long.
    #[error("a grace period of {found} seconds is longer than {MAX_GRACE}")]
    Grace {
        /// Seconds.
        found: u32,
    },
    /// The name of a provider is empty or too long.
    #[error("the name of a provider has 1 to {MAX_PROVIDER} bytes")]
    Provider,
    /// Two pins for the same begin at the same time.
    #[error("two pins begin at {from} for {}", .provider.as_deref().unwrap_or("the whole fleet"))]
    SameTime {
        /// When.
        from: UnixTime,
        /// For whom.
        provider: Option<String>,
    },
    /// There are too many.
    #[error("there are {found} pins, and {MAX_PINS} are accepted")]
    TooMany {
        /// How many.
        found: usize,
    },
}

impl PinError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "pin-json",
            Self::Time { .. } => "pin-time",
            Self::Number => "pin-number",
            Self::Grace { .. } => "pin-grace",
            Self::Provider => "pin-provider",
            Self::SameTime { .. } => "pin-same-time",
            Self::TooMany { .. } => "pin-too-many",
        }
    }
}

/// What the pins say at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// What counts.
    pub counts: Selection,
    /// The pin that says so; `None` if no pin has begun.
    pub pin: Option<Pin>,
    /// What counts as well, and the first second at which it no longer does.
    pub also: Option<(Selection, UnixTime)>,
    /// What comes next, and the first second at which it counts.
    pub next: Option<(Selection, UnixTime)>,
}

/// What counts for a provider, or for one that has no pins of its own (`None`), at a time.
///
/// A provider's own pins count from the first of them on; before it, those of the fleet do. Only the pin that counts speaks
/// of what else does: what an earlier one still allowed ends with it.
#[must_use]
pub fn effective(pins: &Pins, provider: Option<&str>, now: UnixTime) -> Effective {
    let timeline = pins.timeline(provider);
    let begun = timeline.iter().take_while(|pin| pin.from <= now).count();
    let at = |count: usize| count.checked_sub(1).and_then(|index| timeline.get(index).copied());
    let (current, former) = (at(begun), at(begun.saturating_sub(1)));
    let also = current.and_then(|pin| pin.also(former, now));
    let next = timeline.get(begun).map(|pin| (Selection::Number(pin.number), pin.from));
    Effective { counts: selection(current), pin: current.cloned(), also, next }
}

fn selection(pin: Option<&Pin>) -> Selection {
    pin.map_or_else(Selection::default, |pin| Selection::Number(pin.number))
}

impl Pin {
    /// What counted before, while the grace period lasts.
    fn also(&self, former: Option<&Self>, now: UnixTime) -> Option<(Selection, UnixTime)> {
        let until = UnixTime(self.from.0.saturating_add(i64::from(self.grace)));
        let former = selection(former);
        (now < until && former != Selection::Number(self.number)).then_some((former, until))
    }

    fn check(&self) -> Result<(), PinError> {
        if self.number == 0 {
            return Err(PinError::Number);
        }
        if self.grace > MAX_GRACE {
            return Err(PinError::Grace { found: self.grace });
        }
        match &self.provider {
            Some(name) if name.is_empty() || name.len() > MAX_PROVIDER => Err(PinError::Provider),
            _ => Ok(()),
        }
    }
}

impl Pins {
    /// Pins in any order.
    ///
    /// # Errors
    /// [`PinError`]
    pub fn new(mut pins: Vec<Pin>) -> Result<Self, PinError> {
        if pins.len() > MAX_PINS {
            return Err(PinError::TooMany { found: pins.len() });
        }
        pins.iter().try_for_each(Pin::check)?;
        pins.sort_by(|a, b| (&a.provider, a.from, a.number).cmp(&(&b.provider, b.from, b.number)));
        for pair in pins.windows(2) {
            if let [a, b] = pair
                && (&a.provider, a.from) == (&b.provider, b.from)
            {
                return Err(PinError::SameTime { from: a.from, provider: a.provider.clone() });
            }
        }
        Ok(Self(pins))
    }

    /// Every pin, those of the fleet first, the earlier before the later.
    #[must_use]
    pub fn all(&self) -> &[Pin] {
        &self.0
    }

    /// Reads what [`Self::to_json`] writes.
    ///
    /// # Errors
    /// [`PinError`]
    pub fn from_json(text: &[u8]) -> Result<Self, PinError> {
        let wire: Vec<WirePin> =
            assay_json::from_slice(text, &assay_json::Limits::default()).map_err(PinError::Json)?;
        Self::new(wire.into_iter().map(WirePin::read).collect::<Result<_, _>>()?)
    }

    /// A list of `{"number","from","graceSeconds","provider"}`; the same pins always have the same text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let wire: Vec<WirePin> = self.0.iter().map(WirePin::of).collect();
        // Numbers and texts cannot fail to be written.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// The pins that this provider sees, the earliest first.
    fn timeline(&self, provider: Option<&str>) -> Vec<&Pin> {
        let of = |wanted: Option<&str>| -> Vec<&Pin> {
            self.0.iter().filter(|pin| pin.provider.as_deref() == wanted).collect()
        };
        let own = if provider.is_some() { of(provider) } else { Vec::new() };
        let begin = own.first().map(|pin| pin.from);
        let mut timeline = of(None);
        timeline.retain(|pin| begin.is_none_or(|begin| pin.from < begin));
        timeline.extend(own);
        timeline
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} counts", Shown(self.counts))?;
        match &self.pin {
            Some(pin) if pin.provider.is_some() => {
                write!(f, ", pinned for this provider since {}", pin.from)?
            }
            Some(pin) => write!(f, ", pinned for the fleet since {}", pin.from)?,
            None => f.write_str(", as nothing is pinned")?,
        }
        if let Some((former, until)) = self.also {
            write!(f, "; until {until} {} counts as well", Shown(former))?;
        }
        if let Some((next, from)) = self.next {
            write!(f, "; from {from} on {} counts", Shown(next))?;
        }
        Ok(())
    }
}

struct Shown(Selection);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Selection::Number(number) => write!(f, "the evaluation {number}"),
            Selection::Track(track) => write!(f, "the {} track", track.as_str()),
        }
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WirePin {
    number: u32,
    from: String,
    #[serde(default)]
    grace_seconds: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
}

impl WirePin {
    fn read(self) -> Result<Pin, PinError> {
        let from = UnixTime::parse_rfc3339(&self.from).filter(|time| time.0 >= 0);
        let from = from.ok_or_else(|| PinError::Time {
            found: self.from.chars().filter(|c| !c.is_control()).take(64).collect(),
        })?;
        Ok(Pin { number: self.number, from, grace: self.grace_seconds, provider: self.provider })
    }

    fn of(pin: &Pin) -> Self {
        Self {
            number: pin.number,
            from: pin.from.to_string(),
            grace_seconds: pin.grace,
            provider: pin.provider.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::subject::Track;

    const BEGIN: i64 = 1_800_000_000;
    const STANDARD: Selection = Selection::Track(Track::Standard);

    fn pin(number: u32, from: i64, grace: u32, provider: Option<&str>) -> Pin {
        Pin { number, from: UnixTime(from), grace, provider: provider.map(str::to_owned) }
    }

    fn pins(list: &[Pin]) -> Pins {
        Pins::new(list.to_vec()).unwrap()
    }

    /// What counts, and what counts as well.
    fn at(pins: &Pins, provider: Option<&str>, now: i64) -> (Selection, Option<Selection>) {
        let found = effective(pins, provider, UnixTime(now));
        (found.counts, found.also.map(|(selection, _)| selection))
    }

    fn number(number: u32) -> Selection {
        Selection::Number(number)
    }

    #[test]
    fn a_pin_counts_from_its_first_second_and_the_former_until_the_last_of_its_grace() {
        let pins = pins(&[pin(18, BEGIN, 100, None)]);
        let fleet = |now| at(&pins, None, now);
        assert_eq!(fleet(BEGIN - 1), (STANDARD, None));
        assert_eq!(fleet(BEGIN), (number(18), Some(STANDARD)));
        assert_eq!(fleet(BEGIN + 99), (number(18), Some(STANDARD)));
        assert_eq!(fleet(BEGIN + 100), (number(18), None));
    }

    #[test]
    fn the_next_pin_ends_what_an_earlier_one_allowed() {
        let pins = pins(&[pin(19, BEGIN + 50, 10, None), pin(18, BEGIN, 1000, None)]);
        let fleet = |now| at(&pins, None, now);
        assert_eq!(fleet(BEGIN + 49), (number(18), Some(STANDARD)));
        assert_eq!(fleet(BEGIN + 50), (number(19), Some(number(18))));
        assert_eq!(fleet(BEGIN + 59), (number(19), Some(number(18))));
        assert_eq!(fleet(BEGIN + 60), (number(19), None));
        let next = |now| effective(&pins, None, UnixTime(now)).next;
        assert_eq!(next(BEGIN - 1), Some((number(18), UnixTime(BEGIN))));
        assert_eq!(next(BEGIN), Some((number(19), UnixTime(BEGIN + 50))));
        assert_eq!(next(BEGIN + 50), None);
    }

    #[test]
    fn without_grace_nothing_else_counts() {
        let pins = pins(&[pin(18, BEGIN, 0, None)]);
        assert_eq!(at(&pins, None, BEGIN), (number(18), None));
    }

    #[test]
    fn a_pin_of_the_same_number_leaves_nothing_behind() {
        let pins = pins(&[pin(18, BEGIN, 0, None), pin(18, BEGIN + 10, 100, Some("a"))]);
        assert_eq!(at(&pins, Some("a"), BEGIN + 10), (number(18), None));
    }

    #[test]
    fn a_providers_pins_count_from_their_first_on() {
        let pins = pins(&[
            pin(18, BEGIN, 0, None),
            pin(20, BEGIN + 200, 0, None),
            pin(17, BEGIN + 100, 10, Some("slow")),
        ]);
        assert_eq!(at(&pins, Some("slow"), BEGIN + 99), (number(18), None));
        assert_eq!(at(&pins, Some("slow"), BEGIN + 100), (number(17), Some(number(18))));
        assert_eq!(at(&pins, Some("slow"), BEGIN + 300), (number(17), None), "the fleet goes on alone");
        assert_eq!(at(&pins, Some("other"), BEGIN + 300), (number(20), None));
        assert_eq!(at(&pins, None, BEGIN + 100), (number(18), None));
    }

    #[test]
    fn the_explanation_says_what_counts_and_what_comes() {
        let pins = pins(&[pin(18, BEGIN, 86_400, None), pin(19, BEGIN + 172_800, 0, None)]);
        let words = |now| effective(&pins, None, UnixTime(now)).to_string();
        assert_eq!(
            words(BEGIN),
            "the evaluation 18 counts, pinned for the fleet since 2027-01-15T08:00:00Z; until 2027-01-16T08:00:00Z \
             the standard track counts as well; from 2027-01-17T08:00:00Z on the evaluation 19 counts"
        );
        assert_eq!(
            words(BEGIN - 1),
            "the standard track counts, as nothing is pinned; from 2027-01-15T08:00:00Z on the evaluation 18 counts"
        );
    }

    #[test]
    fn the_store_gets_json_and_gives_it_back() {
        let pins = pins(&[pin(19, BEGIN, 60, Some("a")), pin(18, BEGIN, 0, None)]);
        let text = pins.to_json();
        assert_eq!(
            text,
            "[{\"number\":18,\"from\":\"2027-01-15T08:00:00Z\",\"graceSeconds\":0},\
             {\"number\":19,\"from\":\"2027-01-15T08:00:00Z\",\"graceSeconds\":60,\"provider\":\"a\"}]"
        );
        assert_eq!(Pins::from_json(text.as_bytes()), Ok(pins));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let code = |pins: &[Pin]| Pins::new(pins.to_vec()).map_err(|error| error.code());
        assert_eq!(code(&[pin(0, BEGIN, 0, None)]), Err("pin-number"));
        assert_eq!(code(&[pin(18, BEGIN, MAX_GRACE + 1, None)]), Err("pin-grace"));
        assert!(code(&[pin(18, BEGIN, MAX_GRACE, None)]).is_ok());
        assert_eq!(code(&[pin(18, BEGIN, 0, Some(""))]), Err("pin-provider"));
        assert_eq!(code(&[pin(18, BEGIN, 0, None), pin(19, BEGIN, 0, None)]), Err("pin-same-time"));
        assert_eq!(code(&vec![pin(18, BEGIN, 0, None); MAX_PINS + 1]), Err("pin-too-many"));
        let read = |text: &str| Pins::from_json(text.as_bytes()).map_err(|error| error.code());
        for time in ["today", "2027-01-15", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00+01:00"] {
            assert_eq!(read(&format!("[{{\"number\":18,\"from\":\"{time}\"}}]")), Err("pin-time"), "{time}");
        }
        assert_eq!(
            read("[{\"number\":18,\"from\":\"2027-01-15T08:00:00Z\",\"until\":1}]"),
            Err("pin-json"),
            "a member that means nothing here"
        );
        assert_eq!(
            read("[{\"number\":18,\"number\":19,\"from\":\"2027-01-15T08:00:00Z\"}]"),
            Err("pin-json")
        );
    }
}
