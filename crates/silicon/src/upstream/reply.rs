//! What the services reply, before it is bytes: so that a fault can break a signature and nothing else.

use serde::Serialize;

use super::message::VendorAnswer;
use crate::error::SiliconError;
use crate::intel::SignedDocument;
use crate::keys::random;
use crate::x509::{pem, pem_block};

/// A status without content: what the client did wrong, or what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    /// `Error-Code` and `Error-Message`.
    error: Option<(&'static str, &'static str)>,
    /// Seconds.
    retry_after: Option<i64>,
}

impl Refusal {
    pub(super) const BAD_REQUEST: Self = Self::status(400);
    pub(super) const UNAUTHORIZED: Self = Self::status(401);
    pub(super) const NOT_FOUND: Self = Self::status(404);
    pub(super) const GONE: Self = Self::status(410);
    pub(super) const UNSUPPORTED_MEDIA_TYPE: Self = Self::status(415);

    const fn status(status: u16) -> Self {
        Self { status, error: None, retry_after: None }
    }

    /// 400 with a code of Intel's.
    pub(super) const fn coded(code: &'static str, message: &'static str) -> Self {
        Self { error: Some((code, message)), ..Self::BAD_REQUEST }
    }

    pub(super) const fn too_many(retry_after: i64) -> Self {
        Self { retry_after: Some(retry_after), ..Self::status(429) }
    }
}

/// Why there is no reply as asked for.
#[derive(Debug)]
pub(super) enum Failure {
    Refused(Refusal),
    /// The simulation itself.
    Broken(SiliconError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<SiliconError> for Failure {
    fn from(error: SiliconError) -> Self {
        Self::Broken(error)
    }
}

impl Failure {
    pub(super) fn into_reply(self) -> Reply {
        let (status, error, retry_after) = match self {
            Self::Refused(Refusal { status, error, retry_after }) => {
                (status, error.map(|(code, message)| (code, message.to_owned())), retry_after)
            }
            Self::Broken(error) => (500, Some((error.code(), error.to_string())), None),
        };
        let mut headers = Vec::new();
        if let Some((code, message)) = error {
            headers.extend([("Error-Code", code.to_owned()), ("Error-Message", message)]);
        }
        headers.extend(retry_after.map(|seconds| ("Retry-After", seconds.to_string())));
        Reply { status, headers, content: Content::Empty }
    }
}

/// A reply before it is bytes.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Without those that follow from the content, and without the request id.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content: Content,
}

/// A PCK certificate in a list of them.
#[derive(Clone, Debug)]
pub(super) struct PckEntry {
    pub(super) components: [u8; 16],
    pub(super) pce_svn: u16,
    /// DER; `None` if there is none for this TCB.
    pub(super) certificate: Option<Vec<u8>>,
}

/// The content of a reply.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Empty,
    Signed(SignedDocument),
    /// DER, as are the next two.
    Certificate(Vec<u8>),
    Crl(Vec<u8>),
    PemCrl(Vec<u8>),
    /// DER each.
    PemCertificates(Vec<Vec<u8>>),
    PckEntries(Vec<PckEntry>),
    Json(String),
    Text(String),
    Binary(Vec<u8>),
}

impl Reply {
    /// 200.
    pub(super) const fn of(content: Content) -> Self {
        Self { status: 200, headers: Vec::new(), content }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a chain as Intel puts it into a header: PEM, escaped as in a URL.
    pub(super) fn with_chain<C: AsRef<[u8]>>(self, name: &'static str, chain: &[C]) -> Self {
        self.with_header(name, escaped(&pem(chain)))
    }

    pub(super) fn into_answer(self) -> VendorAnswer {
        let media_type = self.content.media_type().map(|media_type| ("Content-Type", media_type.to_owned()));
        // Without randomness nothing was signed either.
        let id = ("Request-ID", hex::encode(random::<16>().unwrap_or_default()));
        let headers = media_type.into_iter().chain([id]).chain(self.headers);
        VendorAnswer {
            status: self.status,
            headers: headers.map(|(name, value)| (name.to_owned(), value)).collect(),
            body: self.content.into_bytes(),
            ..VendorAnswer::default()
        }
    }
}

impl Content {
    const fn media_type(&self) -> Option<&'static str> {
        Some(match self {
            Self::Empty => return None,
            Self::Signed(_) | Self::PckEntries(_) | Self::Json(_) => "application/json",
            Self::Certificate(_) => "application/pkix-cert",
            Self::Crl(_) => "application/pkix-crl",
            Self::PemCrl(_) | Self::PemCertificates(_) => "application/x-pem-file",
            Self::Text(_) => "text/plain",
            Self::Binary(_) => "application/octet-stream",
        })
    }

    fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Signed(SignedDocument { member, text, signature }) => {
                format!("{{\"{member}\":{text},\"signature\":\"{signature}\"}}").into_bytes()
            }
            Self::Certificate(bytes) | Self::Crl(bytes) | Self::Binary(bytes) => bytes,
            Self::PemCrl(der) => pem_block("X509 CRL", &der).into_bytes(),
            Self::PemCertificates(certificates) => pem(&certificates).into_bytes(),
            Self::PckEntries(entries) => pck_entries(&entries).into_bytes(),
            Self::Json(text) | Self::Text(text) => text.into_bytes(),
        }
    }

    /// Makes every signature another one; all else stays, and every structure can still be read.
    pub(super) fn break_signatures(&mut self) {
        match self {
            Self::Signed(document) => {
                let other = if document.signature.pop() == Some('0') { '1' } else { '0' };
                document.signature.push(other);
            }
            Self::Certificate(der) | Self::Crl(der) | Self::PemCrl(der) => break_der(der),
            Self::PemCertificates(certificates) => certificates.iter_mut().for_each(|der| break_der(der)),
            Self::PckEntries(entries) => {
                entries
                    .iter_mut()
                    .filter_map(|entry| entry.certificate.as_mut())
                    .for_each(|der| break_der(der));
            }
            Self::Empty | Self::Json(_) | Self::Text(_) | Self::Binary(_) => (),
        }
    }
}

/// The signature stands last in certificates and lists.
fn break_der(der: &mut [u8]) {
    if let Some(last) = der.last_mut() {
        *last ^= 1;
    }
}

#[derive(Serialize)]
struct PckCertJson {
    tcb: serde_json::Map<String, serde_json::Value>,
    tcbm: String,
    cert: String,
}

fn pck_entries(entries: &[PckEntry]) -> String {
    let entry = |entry: &PckEntry| {
        let component = |(number, svn): (u8, &u8)| (format!("sgxtcbcomp{number:02}svn"), (*svn).into());
        let mut tcb: serde_json::Map<_, _> = (1..).zip(&entry.components).map(component).collect();
        tcb.insert("pcesvn".to_owned(), entry.pce_svn.into());
        let cert = entry.certificate.as_ref().map(|der| escaped(&pem(&[der])));
        PckCertJson {
            tcb,
            tcbm: tcbm(&entry.components, entry.pce_svn),
            cert: cert.unwrap_or_else(|| "Not available".to_owned()),
        }
    };
    // Maps with text for names are always JSON.
    serde_json::to_string(&entries.iter().map(entry).collect::<Vec<_>>()).unwrap_or_default()
}

/// `SGX-TCBm`: the components, then PCESVN little-endian, in upper-case hexadecimal.
pub(super) fn tcbm(components: &[u8; 16], pce_svn: u16) -> String {
    hex::encode_upper([&components[..], &pce_svn.to_le_bytes()].concat())
}

/// RFC 3986, section 2: everything escaped but unreserved characters. A space is `%20`: Intel's library does not know `+`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_mul(2));
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
