//! Query strings as the vendors' clients write them.
//!
//! Names count in any case. A parameter that a route does not know is ignored: Azure's clients add their own to every
//! request. Of two values for one name, one would silently win, so they are refused.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::reply::Refusal;
use crate::percent;

/// Longest query: an encrypted PPID has 768 digits, and Azure's clients add a few names.
const MAX_QUERY: usize = 8 * 1024;
const MAX_PARAMETERS: usize = 32;

/// A query, taken apart.
#[derive(Debug)]
pub(crate) struct Query<'a>(Vec<(&'a str, Option<Cow<'a, str>>)>);

impl<'a> Query<'a> {
    pub(crate) fn parse(text: Option<&'a str>) -> Result<Self, Refusal> {
        let text = text.unwrap_or_default();
        if text.len() > MAX_QUERY {
            return Err(Refusal::Malformed("The query is too long."));
        }
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let mut found: Vec<(&str, Option<Cow<'_, str>>)> = Vec::new();
        for (name, value) in pairs {
            if found.len() >= MAX_PARAMETERS {
                return Err(Refusal::Malformed("The query has too many parameters."));
            }
            // What a route does not look at may be malformed.
            found.push((name, percent::decode(value)));
        }
        Ok(Self(found))
    }

    /// The value of a parameter, if it was given.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some((_, Some(value))), None) => Ok(Some(value)),
            (Some((_, None)), None) => {
                Err(Refusal::Malformed("A parameter of the query is not percent-encoded."))
            }
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(Refusal::Malformed("A parameter of the query is given twice.")),
        }
    }

    /// Bytes in hexadecimal, of either case.
    pub(crate) fn hex<const N: usize>(&self, name: &str) -> Result<Option<[u8; N]>, Refusal> {
        let Some(text) = self.get(name)? else { return Ok(None) };
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes)
            .map(|()| Some(bytes))
            .map_err(|_| Refusal::Malformed("A parameter is not hexadecimal of the right length."))
    }

    /// As [`Self::hex`], of a parameter that must be there.
    pub(crate) fn required_hex<const N: usize>(&self, name: &str) -> Result<[u8; N], Refusal> {
        self.hex(name)?.ok_or(Refusal::Malformed("A required parameter of the query is missing."))
    }

    /// `fmspc`: families with commas between them, and quotation marks as PCCS's own list has them.
    pub(crate) fn families(&self) -> Result<Option<BTreeSet<[u8; 6]>>, Refusal> {
        let Some(list) = self.get("fmspc")?.filter(|list| !list.is_empty()) else { return Ok(None) };
        families(list).map(Some)
    }

    /// A whole number.
    pub(crate) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, Refusal> {
        let Some(text) = self.get(name)? else { return Ok(None) };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.map(Some).ok_or(Refusal::Malformed("A parameter is not a whole number in its range."))
    }
}

/// FMSPCs with commas between them.
pub(super) fn families(list: &str) -> Result<BTreeSet<[u8; 6]>, Refusal> {
    let mut families = BTreeSet::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let mut fmspc = [0; 6];
        hex::decode_to_slice(name.trim_matches('"'), &mut fmspc)
            .map_err(|_| Refusal::Malformed("`fmspc` must be `FMSPC,...`, each of 12 hexadecimal digits."))?;
        families.insert(fmspc);
    }
    Ok(families)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_clients_write_them() {
        let query =
            Query::parse(Some("qeid=0Aff&UPDATE=early&uri=https://a.example/x%20y+z&api-version=1&n=7"))
                .unwrap();
        assert_eq!(query.required_hex::<2>("QEID"), Ok([0x0a, 0xff]));
        assert_eq!(query.get("update"), Ok(Some("early")));
        assert_eq!(query.get("uri"), Ok(Some("https://a.example/x y+z")));
        assert_eq!((query.number::<u8>("n"), query.get("absent")), (Ok(Some(7)), Ok(None)));
        assert!(Query::parse(None).unwrap().get("a").unwrap().is_none());
    }

    #[test]
    fn what_is_refused() {
        let get = |text: &str| Query::parse(Some(text)).and_then(|query| query.get("a").map(|_| ()));
        let number = |text: &str| Query::parse(Some(text)).and_then(|query| query.number::<u8>("a"));
        let digits = |text: &str| Query::parse(Some(text)).and_then(|query| query.hex::<1>("a"));
        for bad in ["a=%", "a=%g0", "a=%ff", "a=1&A=2", &"a=1&".repeat(40), &"x".repeat(9000)] {
            assert!(matches!(get(bad), Err(Refusal::Malformed(_))), "{bad}");
        }
        for bad in ["a=", "a=256", "a=-1", "a=+1", "a=1x"] {
            assert!(matches!(number(bad), Err(Refusal::Malformed(_))), "{bad}");
        }
        for bad in ["a=", "a=0", "a=000", "a=0g"] {
            assert!(matches!(digits(bad), Err(Refusal::Malformed(_))), "{bad}");
        }
        let missing = Query::parse(None).and_then(|query| query.required_hex::<1>("a"));
        assert!(matches!(missing, Err(Refusal::Malformed(_))));
    }
}
