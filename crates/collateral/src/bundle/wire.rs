//! The JSON of bundles. Members that are not named here are refused.

use assay_json::{JsonError, Limits};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::format::{DocumentEntry, PlatformEntry};
use super::{BundleError, MAX_CONTENT, VERSION};
use crate::document::RawDocument;
use crate::pck::PlatformId;
use crate::subject::{Subject, Track};

/// Longest name of a subject.
const MAX_PATH: usize = 64;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireBundle {
    pub(super) version: u32,
    pub(super) issuer: String,
    pub(super) sequence: u64,
    pub(super) created: String,
    pub(super) documents: Vec<WireDocument>,
    pub(super) veks: Vec<String>,
    pub(super) platforms: Vec<WirePlatform>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireDocument {
    subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tracks: Vec<String>,
    /// The exact text, of documents that are JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    json: Option<String>,
    /// Base64, of documents that are DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    der: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chain: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WirePlatform {
    qe_id: String,
    pce_id: String,
    pcks: Vec<String>,
    chain: String,
}

impl WireDocument {
    pub(super) fn read(self) -> Result<DocumentEntry, BundleError> {
        let is_path = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'/');
        if self.subject.len() > MAX_PATH || !self.subject.bytes().all(is_path) {
            return Err(malformed("subject", "it is no name of a subject"));
        }
        let problem = |problem| malformed(&self.subject, problem);
        let tracks = self.tracks.iter().map(|name| Track::from_name(name));
        let tracks: Option<Vec<Track>> = tracks.collect();
        let tracks = tracks.ok_or_else(|| problem("it names a track that is not known"))?;
        if self.number.is_none() && !tracks.is_empty() {
            return Err(problem("it has tracks and no evaluation number"));
        }
        let body: Bytes = match (self.json, &self.der) {
            (Some(text), None) => text.into(),
            (None, Some(text)) => der(&self.subject, text)?.into(),
            _ => return Err(problem("it must have either `json` or `der`")),
        };
        let raw = RawDocument { body, chain: self.chain };
        Ok(DocumentEntry { path: self.subject, number: self.number, tracks, raw })
    }

    pub(super) fn of(entry: &DocumentEntry) -> Self {
        let text = || std::str::from_utf8(&entry.raw.body).ok().map(str::to_owned);
        let json = entry.subject().filter(|subject| is_json(*subject)).and_then(|_| text());
        Self {
            subject: entry.path.clone(),
            number: entry.number,
            tracks: entry.tracks.iter().map(|track| track.as_str().to_owned()).collect(),
            der: json.is_none().then(|| base64(&entry.raw.body)),
            json,
            chain: entry.raw.chain.clone(),
        }
    }
}

impl WirePlatform {
    pub(super) fn read(self) -> Result<PlatformEntry, BundleError> {
        let (mut qe_id, mut pce_id) = ([0; 16], [0; 2]);
        let read = hex::decode_to_slice(&self.qe_id, &mut qe_id)
            .and_then(|()| hex::decode_to_slice(&self.pce_id, &mut pce_id));
        read.map_err(|_| malformed("platforms", "an id is not hexadecimal of its length"))?;
        Ok(PlatformEntry { id: PlatformId { qe_id, pce_id }, pcks: self.pcks, chain: self.chain })
    }

    pub(super) fn of(entry: &PlatformEntry) -> Self {
        Self {
            qe_id: hex::encode(entry.id.qe_id),
            pce_id: hex::encode(entry.id.pce_id),
            pcks: entry.pcks.clone(),
            chain: entry.chain.clone(),
        }
    }
}

const fn is_json(subject: Subject) -> bool {
    matches!(
        subject,
        Subject::TcbInfo { .. }
            | Subject::TcbInfoV2 { .. }
            | Subject::Identity(_)
            | Subject::EvaluationNumbers(_)
    )
}

fn malformed(path: &str, problem: &'static str) -> BundleError {
    BundleError::Malformed { path: path.to_owned(), problem }
}

pub(super) fn base64(der: &[u8]) -> String {
    STANDARD.encode(der)
}

pub(super) fn der(path: &str, text: &str) -> Result<Vec<u8>, BundleError> {
    STANDARD.decode(text).map_err(|_| malformed(path, "it is not base64"))
}

/// Another version may have any members, so this is looked at before them.
pub(super) fn check_version(content: &[u8]) -> Result<(), BundleError> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    let Head { version } = typed(content)?;
    if version == VERSION { Ok(()) } else { Err(BundleError::Version { found: version }) }
}

/// Within bounds of size, depth and count, and no member twice.
pub(super) fn typed<T: DeserializeOwned>(content: &[u8]) -> Result<T, BundleError> {
    // A document has 8 values, a platform with every certificate that is accepted 132, a VEK certificate one.
    let limits = Limits { max_items: 256 * 1024, ..Limits::bytes(MAX_CONTENT) };
    assay_json::from_slice(content, &limits).map_err(|error| match error {
        JsonError::TooLarge { limit } => BundleError::TooLarge { limit },
        error => BundleError::Json(error),
    })
}

/// Compact, with the members in the order of the types: the same value always gives the same text.
pub(super) fn text(value: &impl Serialize) -> String {
    // Texts, numbers and lists of them cannot fail to be written.
    serde_json::to_string(value).unwrap_or_default()
}
