//! What comes from files, standard input and arguments, within bounds.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use assay_verify::UnixTime;

use crate::failure::Failure;

/// Largest input read. The largest evidence that Assay knows, a TPM request with its event logs, stays under 4 MiB.
pub(crate) const MAX_INPUT: usize = 16 * 1024 * 1024;

/// Reads a file, or standard input where the path is `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error| Failure::file("read", path, error);
    let bytes = if is_stdin(path) {
        read_bounded(std::io::stdin().lock())
    } else {
        File::open(path).and_then(read_bounded)
    };
    let bytes = bytes.map_err(failed)?;
    if bytes.len() > MAX_INPUT {
        return Err(Failure::new(format!("`{}` is larger than {MAX_INPUT} bytes", path.display())));
    }
    Ok(bytes)
}

/// Reads a file that must be text.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path)?).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Failure::new(format!("`{}` is not UTF-8 text at byte {offset}", path.display()))
    })
}

/// Reads a token: one that stands in the argument itself, or in a file or standard input, alone or in the answer of an attest
/// route.
pub(crate) fn token(argument: &Path) -> Result<String, Failure> {
    let text = match token_in(argument) {
        Some(token) => token.to_owned(),
        None => read_text(argument)?,
    };
    let answer = assay_json::parse(text.as_bytes(), &assay_json::Limits::default()).ok();
    let inside = answer.as_ref().and_then(|answer| answer.get("token")).and_then(serde_json::Value::as_str);
    Ok(inside.unwrap_or(&text).trim().to_owned())
}

/// The argument, if it is a token or an answer and not the path of one: a token has two periods and no file of that name.
pub(crate) fn token_in(argument: &Path) -> Option<&str> {
    let text = argument.to_str().filter(|_| !argument.is_file())?;
    let token = text.bytes().filter(|byte| *byte == b'.').count() == 2;
    (token || text.trim_start().starts_with('{')).then_some(text)
}

/// Whether a path means standard input.
pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn read_bounded(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(u64::try_from(MAX_INPUT).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a time: RFC 3339 or unix seconds.
pub(crate) fn time(text: &str) -> Result<UnixTime, String> {
    let seconds = text.parse().ok().map(UnixTime);
    seconds
        .or_else(|| UnixTime::parse_rfc3339(text))
        .ok_or_else(|| "expected a time such as 2026-01-31T12:00:00Z, or seconds since 1970".to_owned())
}

/// Bytes given as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl std::str::FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        hex::decode(text).map(Self).map_err(|error| format!("expected hexadecimal digits: {error}"))
    }
}

/// `N` bytes given as hexadecimal digits: a measurement, for one.
pub(crate) fn digits<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    let expected = || format!("expected {} hexadecimal digits", N.saturating_mul(2));
    hex::decode_to_slice(text, &mut bytes).map_err(|_| expected())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_seconds() {
        assert_eq!(time("1651012765"), Ok(UnixTime(1_651_012_765)));
        assert_eq!(time("2022-04-26T22:39:25Z"), Ok(UnixTime(1_651_012_765)));
        assert!(time("yesterday").unwrap_err().starts_with("expected a time"));
    }

    #[test]
    fn a_measurement_is_never_padded() {
        assert_eq!(digits(&"ab".repeat(32)), Ok([0xab; 32]));
        assert_eq!(digits::<32>("ab"), Err("expected 64 hexadecimal digits".to_owned()));
        assert_eq!(digits::<48>(&"ab".repeat(32)), Err("expected 96 hexadecimal digits".to_owned()));
    }
}
