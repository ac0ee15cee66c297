//! PEM chains (RFC 7468), as PCK data, HTTP headers and clouds' metadata services carry them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// Intel's chains have 3 certificates; more than this is not a chain but an attempt to make us work.
pub const MAX_CERTIFICATES: usize = 8;
/// A PCK certificate is 1.2 KiB of DER; the largest with every extension stays under 2 KiB.
const MAX_CERTIFICATE_SIZE: usize = 8 * 1024;

/// Splits a PEM chain into DER certificates, in order. A NUL (Intel's client adds one) and white space may follow the last.
///
/// # Errors
/// A sentence about what is wrong.
pub fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    let text = std::str::from_utf8(pem).map_err(|_| "it is not text")?;
    let mut rest = text.trim_end_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    let mut certificates = Vec::with_capacity(3);
    while !rest.is_empty() {
        if certificates.len() >= MAX_CERTIFICATES {
            return Err("it has too many certificates");
        }
        let body =
            rest.trim_start().strip_prefix(BEGIN).ok_or("a certificate does not begin where one should")?;
        let (body, after) = body.split_once(END).ok_or("a certificate does not end")?;
        certificates.push(decode(body)?);
        rest = after.trim_start();
    }
    Ok(certificates)
}

/// Reads a PEM revocation list, and nothing beside it.
///
/// # Errors
/// A sentence about what is wrong.
pub fn revocation_list(pem: &[u8]) -> Result<Vec<u8>, &'static str> {
    let text = std::str::from_utf8(pem).map_err(|_| "it is not text")?.trim();
    let body = text
        .strip_prefix("-----BEGIN X509 CRL-----")
        .and_then(|rest| rest.strip_suffix("-----END X509 CRL-----"));
    let compact: String = body.ok_or("it is not a revocation list")?.split_ascii_whitespace().collect();
    STANDARD.decode(compact).map_err(|_| "it is not base64")
}

/// Writes a revocation list as PEM with 64-column lines and a final newline.
#[must_use]
pub fn encode_revocation_list(der: &[u8]) -> String {
    encode_as("-----BEGIN X509 CRL-----", "-----END X509 CRL-----", der)
}

fn decode(body: &str) -> Result<Vec<u8>, &'static str> {
    // Base64 is a third larger than what it encodes, and lines add a little.
    if body.len() > MAX_CERTIFICATE_SIZE.saturating_mul(2) {
        return Err("a certificate is too large");
    }
    let mut compact = Vec::with_capacity(body.len());
    body.split_ascii_whitespace().for_each(|line| compact.extend_from_slice(line.as_bytes()));
    STANDARD.decode(compact).map_err(|_| "a certificate is not base64")
}

/// Writes certificates as PEM with 64-column lines and a final newline.
#[must_use]
pub fn encode<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> String {
    certificates.into_iter().map(|der| encode_as(BEGIN, END, der)).collect()
}

fn encode_as(begin: &str, end: &str, der: &[u8]) -> String {
    let mut text = begin.to_owned();
    for (index, character) in STANDARD.encode(der).chars().enumerate() {
        if index % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push('\n');
    text.push_str(end);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_come_back_as_they_were_written() {
        let chain = [vec![1_u8; 100], vec![2; 48], vec![3]];
        let text = encode(chain.iter().map(Vec::as_slice));
        assert_eq!(certificates(text.as_bytes()).unwrap(), chain);
        assert_eq!(certificates(format!("{text}\0").as_bytes()).unwrap(), chain);
        assert_eq!(certificates(text.replace('\n', "\r\n").as_bytes()).unwrap(), chain);
    }

    #[test]
    fn revocation_lists_come_back_as_they_were_written() {
        let list = vec![5_u8; 150];
        assert_eq!(revocation_list(encode_revocation_list(&list).as_bytes()).unwrap(), list);
    }

    #[test]
    fn each_way_to_break_a_chain_is_named() {
        let one = encode([&[1_u8; 10][..]]);
        let cases = [
            (format!("x{one}"), "a certificate does not begin where one should"),
            (format!("{one}x"), "a certificate does not begin where one should"),
            (one.replace(END, ""), "a certificate does not end"),
            (one.replace("AQEB", "A?EB"), "a certificate is not base64"),
            (one.repeat(MAX_CERTIFICATES + 1), "it has too many certificates"),
            (format!("{BEGIN}{}{END}", "A".repeat(20_000)), "a certificate is too large"),
        ];
        for (text, problem) in cases {
            assert_eq!(certificates(text.as_bytes()), Err(problem));
        }
        assert_eq!(certificates(&[0xff]), Err("it is not text"));
        assert_eq!(certificates(b""), Ok(vec![]));
    }
}
