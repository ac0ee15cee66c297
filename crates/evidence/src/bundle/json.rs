//! JSON documents around evidence.
//!
//! | members | who writes it |
//! |---|---|
//! | `SnpReport`, `VcekCertChain`, `Endorsements` | clients of Azure Attestation |
//! | `evidence`, `endorsements`, `uvm_endorsements` | `attest/combined` of Azure's confidential container sidecar |
//! | `attestation`, `platformCertificates`, `uvmEndorsements` | Azure clean rooms |
//! | `outblob`, `auxblob` | Linux, `configfs-tsm`, as tools wrap its files |
//! | `attestation_report`, `cert_chain` | the guest components of Confidential Containers, and tools like them |
//! | `report` with the fields one by one, `certificateChain` | go-sev-guest |
//! | `hcl_report` or `report`, `vcek` | guest components on Azure's confidential VMs |
//! | `hclReport`, and in `snpReport` the hardware's report inside of it | Azure clean rooms on confidential VMs |
//!
//! Each may stand inside of `evidence`, `report`, `snpCACI`, `snpCvm` or `vtpm`. Bytes are base64 of either alphabet, hexadecimal,
//! or a list of numbers. Names count in any case, as Azure takes them.
//!
//! A document says one thing: if two members could be the report, readers could take different ones, so it is refused. What
//! came along and is not read is named.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::report_json;
use super::{Body, Bundle, Chain, MAX_SIZE, certificates_json, document};
use crate::ParseError;
use crate::hcl;

type Members = Map<String, Value>;

/// Objects inside each other that are looked through.
const MAX_WRAPPERS: usize = 4;
/// The longest real form has every byte as a number: a paravisor's report (2600), a TD quote (5006) and a TPM's quote with 24
/// PCRs (1200), or a report (1184) and a table of three certificates and a revocation list of a page each (16384). The text
/// members around them are few.
const MAX_ITEMS: usize = 24 * 1024;
pub(super) const LIMITS: assay_json::Limits =
    assay_json::Limits { max_items: MAX_ITEMS, ..assay_json::Limits::bytes(MAX_SIZE) };
/// Names of the hardware's report.
const BODIES: [&str; 8] = [
    AZURE_REPORT,
    "attestation_report",
    "outblob",
    "hcl_report",
    "attestation",
    "evidence",
    "report",
    CLEAN_ROOM_HCL,
];
const AZURE_REPORT: &str = "SnpReport";
const CLEAN_ROOM_HCL: &str = "hclReport";
/// Names of objects around it. Two of them are names of the report, too.
const WRAPPERS: [&str; 5] = ["evidence", "report", "snpCACI", "snpCvm", "vtpm"];
const CERTIFICATES: [&str; 7] = [
    "VcekCertChain",
    "cert_chain",
    "auxblob",
    "platformCertificates",
    "vcek",
    "certificateChain",
    "certificate_chain",
];
/// Certificates in the sidecar's form, and the image's endorsements in Azure's.
const ENDORSEMENTS: &str = "endorsements";
const IMAGE_ENDORSEMENTS: [&str; 2] = ["uvm_endorsements", "uvmEndorsements"];
/// Proofs of a virtual TPM, a graphics processor or another guest: a caller could think that they were checked.
const UNREAD: [&str; 7] = ["quote", "tpm_quote", "tpmQuote", "td_quote", "tdQuote", "aikCert", "gpu"];

pub(super) fn parse(bytes: &[u8]) -> Result<Bundle, ParseError> {
    let text = assay_json::parse(bytes, &LIMITS).map_err(|error| document(error.to_string()))?;
    let Value::Object(members) = text else { return Err(document("it is not an object")) };
    let mut found = Found::open(&members)?;
    let body = body(found.report)?;
    let chain = found.chain()?;
    let endorsements = match &body {
        Body::Snp(_) => found.endorsements()?,
        // A paravisor's report measures the paravisor: there is no image to endorse.
        Body::Hcl(_) => Vec::new(),
    };
    let unread = found.unread().chain(chain.unread()).collect();
    let Chain { certificates, others } = chain;
    Ok(Bundle { body, certificates, others, endorsements, unread })
}

/// The report and the objects around it.
struct Found<'a> {
    /// The outermost first.
    levels: Vec<&'a Members>,
    name: &'static str,
    report: &'a Value,
    /// Of the members that could prove something, those that were read: level and name.
    read: Vec<(usize, &'static str)>,
}

impl<'a> Found<'a> {
    /// Looks through objects that only wrap the evidence.
    fn open(members: &'a Members) -> Result<Self, ParseError> {
        let (mut inner, mut levels) = (members, Vec::new());
        while levels.len() <= MAX_WRAPPERS {
            refuse_twins(inner)?;
            levels.push(inner);
            let (name, report) = source(inner)?;
            // An object under the name of the report itself is the report (its fields), not a wrapper.
            let fields = |object: &&Members| !WRAPPERS.contains(&name) || report_json::is_report(object);
            match report.as_object() {
                Some(object) if !fields(&object) => inner = object,
                None if !BODIES.contains(&name) => {
                    return Err(document(format!("`{name}` is not an object")));
                }
                _ => return Ok(Self { levels, name, report, read: Vec::new() }),
            }
        }
        Err(document("the evidence is wrapped too often"))
    }

    /// Beside the report, or one object further out, where clean rooms put them.
    fn chain(&mut self) -> Result<Chain, ParseError> {
        for (level, members) in self.levels.iter().enumerate().rev().take(2) {
            let found = match one_of(members, &CERTIFICATES)? {
                None if member(members, AZURE_REPORT).is_none() => one_of(members, &[ENDORSEMENTS])?,
                found => found,
            };
            if let Some((name, value)) = found {
                self.read.push((level, name));
                return certificates_json::chain(value);
            }
        }
        Ok(Chain::default())
    }

    /// Endorsements of the image, beside the report: a message, or Azure's `{"Uvm": [message]}`.
    fn endorsements(&mut self) -> Result<Vec<Vec<u8>>, ParseError> {
        let azure = Some(ENDORSEMENTS).filter(|_| self.name == AZURE_REPORT);
        let names: Vec<&'static str> = IMAGE_ENDORSEMENTS.into_iter().chain(azure).collect();
        let Some((level, members)) = self.levels.iter().enumerate().next_back() else {
            return Ok(Vec::new());
        };
        let Some((name, value)) = one_of(members, &names)? else { return Ok(Vec::new()) };
        self.read.push((level, name));
        if name == ENDORSEMENTS { image_endorsements(value) } else { Ok(vec![bytes(value)?]) }
    }

    /// Every proof that came along and was not read, wherever it stands.
    fn unread(&self) -> impl Iterator<Item = &'static str> {
        let known = UNREAD.iter().chain(&IMAGE_ENDORSEMENTS).chain(&CERTIFICATES).chain([&ENDORSEMENTS]);
        let is_left = |name: &'static str| {
            let mut levels = self.levels.iter().enumerate();
            levels.any(|(level, members)| {
                member(members, name).is_some() && !self.read.contains(&(level, name))
            })
        };
        known.copied().filter(move |name| is_left(name))
    }
}

/// The one member that holds the report or leads to it.
fn source(members: &Members) -> Result<(&'static str, &Value), ParseError> {
    let names = BODIES.into_iter().chain(WRAPPERS.into_iter().filter(|name| !BODIES.contains(name)));
    let found: Vec<_> = names.filter_map(|name| Some((name, member(members, name)?))).collect();
    match found.as_slice() {
        [] => Err(document("it has no member that holds a report")),
        [one] => Ok(*one),
        // The hardware's report is shown once more by itself.
        [(AZURE_REPORT, report), outer @ (CLEAN_ROOM_HCL, hcl)] if is_inside(report, hcl)? => Ok(*outer),
        [(first, _), (second, _), ..] => {
            Err(document(format!("`{first}` and `{second}` could both be the report")))
        }
    }
}

fn is_inside(report: &Value, hcl: &Value) -> Result<bool, ParseError> {
    let (report, hcl) = (bytes(report)?, bytes(hcl)?);
    Ok(hcl::hardware_area(&hcl) == Some(report.as_slice()))
}

fn body(report: &Value) -> Result<Body, ParseError> {
    let bytes = match report {
        Value::Object(report) => return report_json::parse(report).map(Body::Snp),
        report => bytes(report)?,
    };
    Ok(if bytes.starts_with(&hcl::SIGNATURE) { Body::Hcl(bytes) } else { Body::Snp(bytes) })
}

/// The member of these that says something. Of two, one would be dropped.
fn one_of<'a>(
    members: &'a Members,
    names: &[&'static str],
) -> Result<Option<(&'static str, &'a Value)>, ParseError> {
    let mut found = names.iter().filter_map(|name| Some((*name, member(members, name)?)));
    match (found.next(), found.next()) {
        (Some((first, _)), Some((second, _))) => {
            Err(document(format!("`{first}` and `{second}` stand beside each other, and only one can count")))
        }
        (first, _) => Ok(first),
    }
}

/// A member by its name in any case, if it says something.
pub(super) fn member<'a>(members: &'a Members, name: &str) -> Option<&'a Value> {
    let (_, value) = members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value).filter(|value| !is_empty(value))
}

/// Of two names that differ in case only, readers could take different ones.
pub(super) fn refuse_twins(members: &Members) -> Result<(), ParseError> {
    let mut names: Vec<String> = members.keys().map(|name| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    let twins = names.windows(2).find_map(|pair| match pair {
        [first, second] if first == second => Some(first),
        _ => None,
    });
    twins.map_or(Ok(()), |name| {
        let name: String = name.chars().take(MAX_SHOWN_NAME).collect();
        Err(document(format!("the member `{name}` occurs twice")))
    })
}

/// The sender chose it; longer ones than this are of no use in a sentence.
const MAX_SHOWN_NAME: usize = 40;

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Azure's `{"Uvm": [message]}`. What is not that is no endorsement that could be checked, and must not pass for none.
fn image_endorsements(value: &Value) -> Result<Vec<Vec<u8>>, ParseError> {
    let text = assay_json::parse(&bytes(value)?, &LIMITS)
        .map_err(|error| document(format!("`Endorsements` is not JSON: {error}")))?;
    let Value::Object(named) = text else { return Err(document("`Endorsements` is not an object")) };
    refuse_twins(&named)?;
    let is_uvm = |name: &String| name.eq_ignore_ascii_case("Uvm");
    if named.iter().any(|(name, value)| !is_uvm(name) && !is_empty(value)) {
        return Err(document("`Endorsements` has members other than `Uvm`"));
    }
    match named.iter().find(|(name, _)| is_uvm(name)) {
        Some((_, Value::Array(messages))) => messages.iter().map(bytes).collect(),
        _ => Err(document("`Uvm` of `Endorsements` is not a list")),
    }
}

/// Bytes in any of the ways in which JSON carries them.
pub(super) fn bytes(value: &Value) -> Result<Vec<u8>, ParseError> {
    match value {
        Value::String(text) => {
            decode(text).ok_or_else(|| document("a text is neither base64 nor hexadecimal"))
        }
        Value::Array(numbers) => {
            let byte = |number: &Value| number.as_u64().and_then(|number| u8::try_from(number).ok());
            let all: Option<Vec<u8>> = numbers.iter().map(byte).collect();
            all.ok_or_else(|| document("a list has members that are not bytes"))
        }
        _ => Err(document("bytes are neither text nor a list of numbers")),
    }
}

/// As [`bytes`], of a field whose size is known. The base64 of zeros reads as hexadecimal, too: only the size tells them apart.
pub(super) fn sized_bytes(value: &Value, size: usize) -> Option<Vec<u8>> {
    let found = match value {
        Value::String(text) if text.len() == size.saturating_mul(2) => hex::decode(text).ok(),
        Value::String(text) => decode_base64(text),
        other => bytes(other).ok(),
    };
    found.filter(|bytes| bytes.len() == size)
}

/// An even number of hexadecimal digits and nothing else, or base64.
fn decode(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok().or_else(|| decode_base64(text))
}

/// Of either alphabet, padded or not, with line breaks. Most texts have none, and are decoded where they stand.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);
    let is_url_safe = text.contains('-') || text.contains('_');
    let engine = if is_url_safe { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok().or_else(|| {
        let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        engine.decode(compact).ok()
    })
}
