//! The strict reading of answers: what is not of the documented form is refused. None of the errors repeats what came,
//! because certificates name the platform.

use std::borrow::Cow;

use assay_collateral::pck::MAX_CERTIFICATES;
use assay_collateral::upstream::{Family, RawPcks, UpstreamError};
use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use super::exchange::bad;
use super::intel::PCK_CHAIN;
use crate::percent;

/// Two certificates take 2 KiB; percent-encoded at most three times that.
const CHAIN_MAX: usize = 16 * 1024;
/// There are a few hundred families.
const FAMILIES_MAX: usize = 4096;
/// Intel's names of kinds of processors are `client`, `E3`, `E5`.
const PLATFORM_MAX: usize = 16;
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
/// What stands in place of a certificate for a TCB that the platform cannot reach (Intel, *PCS API v4*).
const NOT_AVAILABLE: &str = "Not available";

/// The chain in a header, percent-decoded.
pub(super) fn chain(headers: &HeaderMap, name: &'static str) -> Result<String, UpstreamError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| bad(format!("it has no header `{name}`")))?;
    if values.next().is_some() {
        return Err(bad(format!("it has the header `{name}` twice")));
    }
    let not_pem = || bad(format!("the header `{name}` is not a chain of certificates, percent-encoded"));
    let text = value.to_str().map_err(|_| not_pem())?;
    percent::decode(text).map(Cow::into_owned).and_then(pem).ok_or_else(not_pem)
}

/// Text that begins as PEM certificates do and has nothing but printable characters.
pub(super) fn pem(text: String) -> Option<String> {
    let printable = |byte: u8| matches!(byte, b'\n' | b'\r' | b' '..=b'~');
    let good = text.len() <= CHAIN_MAX && text.starts_with(PEM_BEGIN) && text.bytes().all(printable);
    good.then_some(text)
}

/// A body that is JSON; what it says is for whoever verifies it.
pub(super) fn json(body: Bytes) -> Result<Bytes, UpstreamError> {
    let limits = assay_json::Limits::bytes(body.len());
    assay_json::check(&body, &limits).map_err(|error| bad(format!("it is not JSON: {}", error.code())))?;
    Ok(body)
}

/// A body that is one DER sequence.
pub(super) fn der(body: Bytes) -> Result<Bytes, UpstreamError> {
    if is_der_sequence(&body) { Ok(body) } else { Err(bad("it is not DER")) }
}

/// A body that is DER, or DER in hexadecimal digits as Intel's PCCS sends it.
pub(super) fn der_or_hex(body: Bytes) -> Result<Bytes, UpstreamError> {
    let text = body.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_hexdigit) {
        return der(body);
    }
    der(hex::decode(text).map_err(|_| bad("it is not DER"))?.into())
}

/// Tag and length of the outermost value; it fills the body (X.690, section 8.1.3).
fn is_der_sequence(body: &[u8]) -> bool {
    let Some((0x30, rest)) = body.split_first().map(|(tag, rest)| (*tag, rest)) else { return false };
    let Some((first, rest)) = rest.split_first() else { return false };
    let count = match first {
        length @ 0..=0x7f => return usize::from(*length) == rest.len(),
        0x81..=0x83 => usize::from(first & 0x7f),
        _ => return false,
    };
    let Some((length, content)) = rest.split_at_checked(count) else { return false };
    let length = length.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    length == content.len()
}

/// One entry of Intel's list of PCK certificates; the `tcb` beside it says the same as `tcbm`.
#[derive(Deserialize)]
struct PckEntry {
    tcbm: String,
    cert: String,
}

/// Intel's list of a platform's certificates, without the TCBs that have none.
pub(super) fn pck_list(headers: &HeaderMap, body: &[u8]) -> Result<RawPcks, UpstreamError> {
    let entries: Vec<PckEntry> = list(body)?;
    let count = entries.len();
    let certificates = entries
        .into_iter()
        .filter(|entry| entry.cert != NOT_AVAILABLE)
        .map(|entry| pck_entry(&entry))
        .collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() {
        return Err(UpstreamError::Unknown { status: 200, detail: Some("NotAvailable".to_owned()) });
    }
    if certificates.len() > MAX_CERTIFICATES {
        return Err(bad(format!("it has more than {MAX_CERTIFICATES} certificates")));
    }
    let incomplete = certificates.len() < count;
    Ok(RawPcks { certificates, chain: chain(headers, PCK_CHAIN)?, incomplete, is_list: true })
}

fn pck_entry(entry: &PckEntry) -> Result<String, UpstreamError> {
    // CPUSVN and PCESVN: 16 and 2 bytes.
    if entry.tcbm.len() != 36 || !entry.tcbm.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(bad("a `tcbm` in it is not 36 hexadecimal digits"));
    }
    let certificate = percent::decode(&entry.cert).map(Cow::into_owned).and_then(pem);
    certificate.ok_or_else(|| bad("a `cert` in it is not a certificate, percent-encoded"))
}

/// One certificate, PEM, with its chain in the header.
pub(super) fn one_pck(headers: &HeaderMap, body: &[u8]) -> Result<RawPcks, UpstreamError> {
    let text = std::str::from_utf8(body).map(str::to_owned).ok();
    let certificate = text.and_then(pem).ok_or_else(|| bad("it is not a certificate"))?;
    Ok(RawPcks {
        certificates: vec![certificate],
        chain: chain(headers, PCK_CHAIN)?,
        incomplete: false,
        is_list: false,
    })
}

#[derive(Deserialize)]
struct FamilyEntry {
    fmspc: String,
    platform: String,
}

/// Intel's list of families.
pub(super) fn families(body: &[u8]) -> Result<Vec<Family>, UpstreamError> {
    let entries: Vec<FamilyEntry> = list(body)?;
    if entries.len() > FAMILIES_MAX {
        return Err(bad(format!("it has more than {FAMILIES_MAX} families")));
    }
    entries.into_iter().map(family).collect()
}

fn family(entry: FamilyEntry) -> Result<Family, UpstreamError> {
    let mut fmspc = [0; 6];
    let read = hex::decode_to_slice(&entry.fmspc, &mut fmspc);
    read.map_err(|_| bad("an `fmspc` in it is not 12 hexadecimal digits"))?;
    let platform = entry.platform;
    if platform.len() > PLATFORM_MAX || !platform.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad(format!("a `platform` in it is not a word of at most {PLATFORM_MAX} letters")));
    }
    Ok(Family { fmspc, platform })
}

/// The code alone is told: the text of the error may repeat what came.
fn list<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, UpstreamError> {
    let limits = assay_json::Limits::bytes(body.len());
    assay_json::from_slice(body, &limits)
        .map_err(|error| bad(format!("it is not the expected list: {}", error.code())))
}

/// Any bytes as each of the answers; gives how many readers accept them.
pub(super) fn any(header: &[u8], body: &[u8]) -> usize {
    let mut headers = HeaderMap::new();
    if let Ok(value) = http::HeaderValue::from_bytes(header) {
        headers.insert("sgx-pck-certificate-issuer-chain", value);
    }
    let bytes = Bytes::copy_from_slice(body);
    let chain = chain(&headers, PCK_CHAIN).ok();
    debug_assert!(
        chain.is_none_or(|chain| chain.len() <= CHAIN_MAX && !chain.contains('\0')),
        "bounded text"
    );
    let document = json(bytes.clone()).ok();
    debug_assert!(document.as_ref().is_none_or(|read| *read == bytes), "documents stay as they are");
    let list = der_or_hex(bytes).ok();
    debug_assert!(list.as_ref().is_none_or(|list| is_der_sequence(list)), "lists are DER");
    let pcks = [pck_list(&headers, body).ok(), one_pck(&headers, body).ok()];
    let count = |pcks: &RawPcks| (1..=MAX_CERTIFICATES).contains(&pcks.certificates.len());
    debug_assert!(pcks.iter().flatten().all(count), "certificates are bounded");
    let families = families(body).ok();
    debug_assert!(families.as_ref().is_none_or(|found| found.len() <= FAMILIES_MAX), "families are bounded");
    let accepted = [document.is_some(), list.is_some(), families.is_some()];
    accepted.into_iter().chain(pcks.iter().map(Option::is_some)).filter(|read| *read).count()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn refused(problem: &str) -> UpstreamError {
        UpstreamError::BadAnswer { problem: problem.to_owned() }
    }

    fn with_chain(values: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static("sgx-pck-certificate-issuer-chain");
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    /// Without seeds that are accepted the fuzzer would see nothing but refusals.
    #[test]
    fn the_fuzzers_seeds_are_answers() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/upstream_answer");
        let mut accepted = std::collections::BTreeMap::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            let bytes = std::fs::read(file.path()).unwrap();
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            let (header, body) = (&bytes[..end], &bytes[end + 1..]);
            accepted.insert(file.file_name().into_string().unwrap(), any(header, body));
        }
        let expected = [
            ("families", 2),
            ("identity", 1),
            ("list", 1),
            ("list_hex", 1),
            ("one_pck", 1),
            ("page", 0),
            ("pck_list", 2),
        ];
        assert_eq!(accepted, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }

    #[test]
    fn percent_encoding_is_strict() {
        let cases = [
            ("a%20b%0Ac", Some("a b\nc")),
            ("a+b%2B", Some("a+b+")),
            ("%2f%2F", Some("//")),
            ("%", None),
            ("%2", None),
            ("%zz", None),
            ("%+1", None),
            ("%ff", None),
        ];
        for (text, expected) in cases {
            assert_eq!(percent::decode(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_chain_stands_in_its_header_once() {
        let good = "-----BEGIN%20CERTIFICATE-----%0Aab+%2F";
        assert_eq!(chain(&with_chain(&[good]), PCK_CHAIN).unwrap(), "-----BEGIN CERTIFICATE-----\nab+/");
        let no = "it has no header `SGX-PCK-Certificate-Issuer-Chain`";
        assert_eq!(chain(&HeaderMap::new(), PCK_CHAIN), Err(refused(no)));
        let twice = "it has the header `SGX-PCK-Certificate-Issuer-Chain` twice";
        assert_eq!(chain(&with_chain(&[good, good]), PCK_CHAIN), Err(refused(twice)));
        let not =
            "the header `SGX-PCK-Certificate-Issuer-Chain` is not a chain of certificates, percent-encoded";
        let long = format!("{good}{}", "a".repeat(CHAIN_MAX));
        for bad in ["", "abc", "%zz", "-----BEGIN%20CERTIFICATE-----%00", &long] {
            assert_eq!(chain(&with_chain(&[bad]), PCK_CHAIN), Err(refused(not)), "{bad:.40}");
        }
    }

    #[test]
    fn der_fills_the_body() {
        let long = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        for good in [&[0x30, 0][..], &[0x30, 1, 5], &[0x30, 0x81, 1, 5], &long] {
            let body = Bytes::copy_from_slice(good);
            assert_eq!(der(body.clone()), Ok(body.clone()));
            assert_eq!(der_or_hex(hex::encode(good).into()), Ok(body.clone()));
            assert_eq!(der_or_hex(format!("{}\n", hex::encode_upper(good)).into()), Ok(body));
        }
        for bad in [
            &b""[..],
            b"\x30",
            b"\x31\x00",
            b"\x30\x01",
            b"\x30\x00\x00",
            b"\x30\x80\x00\x00",
            b"\x30\x82\x01",
            b"300",
            b"31",
            b"<html>",
        ] {
            assert_eq!(der_or_hex(Bytes::copy_from_slice(bad)), Err(refused("it is not DER")), "{bad:?}");
        }
        assert_eq!(
            der(Bytes::from_static(b"3000")),
            Err(refused("it is not DER")),
            "hexadecimal is PCCS's way"
        );
    }

    fn entry(tcbm: &str, cert: &str) -> String {
        format!(r#"{{"tcb":{{"pcesvn":1}},"tcbm":"{tcbm}","cert":"{cert}"}}"#)
    }

    #[test]
    fn certificates_of_a_platform() {
        let (tcbm, cert) = ("0A".repeat(18), "-----BEGIN%20CERTIFICATE-----%0Aab%2B");
        let headers = with_chain(&["-----BEGIN%20CERTIFICATE-----%0Achain"]);
        let read = |entries: &[String]| pck_list(&headers, format!("[{}]", entries.join(",")).as_bytes());
        let some = read(&[entry(&tcbm, cert), entry("", "Not available"), entry(&tcbm, cert)]).unwrap();
        assert!(some.incomplete && !read(&[entry(&tcbm, cert)]).unwrap().incomplete);
        assert_eq!(some.certificates, ["-----BEGIN CERTIFICATE-----\nab+"; 2]);
        assert_eq!(some.chain, "-----BEGIN CERTIFICATE-----\nchain");
        let none = UpstreamError::Unknown { status: 200, detail: Some("NotAvailable".to_owned()) };
        assert_eq!(read(&[]), Err(none.clone()));
        assert_eq!(read(&[entry(&tcbm, "Not available")]), Err(none));
        let tcbm_problem = "a `tcbm` in it is not 36 hexadecimal digits";
        assert_eq!(read(&[entry("0A", cert)]), Err(refused(tcbm_problem)));
        assert_eq!(read(&[entry(&"0G".repeat(18), cert)]), Err(refused(tcbm_problem)));
        let cert_problem = "a `cert` in it is not a certificate, percent-encoded";
        assert_eq!(read(&[entry(&tcbm, "secret")]), Err(refused(cert_problem)));
        assert_eq!(read(&vec![entry(&tcbm, cert); 128]).unwrap().certificates.len(), 128);
        assert_eq!(read(&vec![entry(&tcbm, cert); 129]), Err(refused("it has more than 128 certificates")));
    }

    #[test]
    fn lists_are_of_the_expected_form() {
        let cases = [
            ("", "it is not the expected list: json-syntax"),
            ("{}", "it is not the expected list: json-shape"),
            (r#"[{"tcbm":"secret","cert":7}]"#, "it is not the expected list: json-shape"),
            (r#"[{"tcbm":"a","tcbm":"b","cert":"c"}]"#, "it is not the expected list: json-duplicate-key"),
        ];
        for (text, problem) in cases {
            assert_eq!(pck_list(&HeaderMap::new(), text.as_bytes()), Err(refused(problem)), "{text}");
        }
        let good =
            r#"[{"fmspc":"00606a000000","platform":"E5"},{"fmspc":"00606A0000FF","platform":"client"}]"#;
        let expected = [
            Family { fmspc: [0, 0x60, 0x6a, 0, 0, 0], platform: "E5".to_owned() },
            Family { fmspc: [0, 0x60, 0x6a, 0, 0, 0xff], platform: "client".to_owned() },
        ];
        assert_eq!(families(good.as_bytes()).unwrap(), expected);
        let word = "a `platform` in it is not a word of at most 16 letters";
        for (text, problem) in [
            (r#"[{"fmspc":"00606a0000","platform":"E5"}]"#, "an `fmspc` in it is not 12 hexadecimal digits"),
            (r#"[{"fmspc":"00606a000000","platform":"E 5"}]"#, word),
            (r#"[{"fmspc":"00606a000000","platform":"aaaaaaaaaaaaaaaaa"}]"#, word),
        ] {
            assert_eq!(families(text.as_bytes()), Err(refused(problem)), "{text}");
        }
        let one = r#"{"fmspc":"00606a000000","platform":"E5"}"#;
        let many = format!("[{}]", vec![one; 4097].join(","));
        assert_eq!(families(many.as_bytes()), Err(refused("it has more than 4096 families")));
    }
}
