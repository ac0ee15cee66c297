//! Requests and answers, as plain data.

use std::fmt;

use super::reply::{Failure, Refusal};

/// Where a redirection leads to, in front of the path.
pub(super) const REDIRECTED: &str = "/redirected";

/// A request as it came.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct VendorRequest {
    /// Such as `GET`.
    pub method: String,
    /// Without host and query; not decoded.
    pub path: String,
    /// What follows the question mark; empty if there is none.
    pub query: String,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
}

impl VendorRequest {
    /// A request without headers and body.
    #[must_use]
    pub fn get(path: &str, query: &str) -> Self {
        let text = str::to_owned;
        Self { method: text("GET"), path: text(path), query: text(query), ..Self::default() }
    }

    /// A request with a body of this media type.
    #[must_use]
    pub fn post(path: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), media_type.to_owned())];
        Self { method: "POST".to_owned(), headers, body: body.into(), ..Self::get(path, "") }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// What was asked, without what identifies a machine: method and path, with `{hwid}` for a chip id.
    #[must_use]
    pub fn route(&self) -> String {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        if let ["", "vcek", "v1", _, last] = parts.as_mut_slice()
            && last.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            *last = "{hwid}";
        }
        format!("{} {}", self.method, parts.join("/"))
    }

    /// The request that was redirected, if this one follows a redirection of this service.
    pub(super) fn after_redirect(&self) -> Option<Self> {
        let path = self.path.strip_prefix(REDIRECTED).filter(|path| path.starts_with('/'))?.to_owned();
        Some(Self { path, ..self.clone() })
    }

    /// The media type of the body, without parameters.
    pub(super) fn media_type(&self) -> Option<&str> {
        self.header("Content-Type")?.split(';').next().map(str::trim)
    }
}

/// Path, query and body can identify machines.
impl fmt::Debug for VendorRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VendorRequest({})", self.route())
    }
}

/// An answer, and what the transport has to do beside sending it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct VendorAnswer {
    /// HTTP status.
    pub status: u16,
    /// Names and values, in the vendor's order, without the length of the body.
    pub headers: Vec<(String, String)>,
    /// The bytes of the body.
    pub body: Vec<u8>,
    /// Milliseconds to wait before anything is sent.
    pub delay_ms: u64,
    /// Close the connection and send nothing.
    pub hang_up: bool,
}

impl VendorAnswer {
    /// The value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Headers and body can identify machines.
impl fmt::Debug for VendorAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VendorAnswer({}, {} bytes)", self.status, self.body.len())
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The parameters of a query. Values that these services know have no character that is escaped in a URL.
pub(super) struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    pub(super) fn parse(query: &'a str) -> Self {
        let pair = |part: &'a str| part.split_once('=').unwrap_or((part, ""));
        Self(query.split('&').filter(|part| !part.is_empty()).map(pair).collect())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// A parameter that may be there once.
    pub(super) fn optional(&self, name: &str) -> Result<Option<&'a str>, Failure> {
        let mut values = self.0.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Refusal::BAD_REQUEST.into()),
        }
    }

    /// A parameter that must be there once.
    pub(super) fn required(&self, name: &str) -> Result<&'a str, Failure> {
        self.optional(name)?.ok_or_else(|| Refusal::BAD_REQUEST.into())
    }

    /// A parameter of so many bytes in hexadecimal.
    pub(super) fn hex<const N: usize>(&self, name: &str) -> Result<[u8; N], Failure> {
        hex_bytes(self.required(name)?)
    }
}

/// So many bytes from hexadecimal digits of either case.
pub(super) fn hex_bytes<const N: usize>(text: &str) -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| Refusal::BAD_REQUEST)?;
    Ok(bytes)
}
