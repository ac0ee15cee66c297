//! Who may ask: a process that talks to this address on purpose, and directly.
//!
//! A web page can make a browser, or a service its proxy, send requests to a link-local address. Neither sends the header
//! `Metadata`, a browser says another name in `Host` (DNS rebinding), and a proxy says that it is one; any of these is
//! refused, as the metadata services of clouds do.

use std::net::SocketAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HOST, HeaderName, VIA};
use http::request::Parts;

/// The header that a browser does not send.
pub const METADATA: HeaderName = HeaderName::from_static("metadata");

/// What only a proxy adds, besides everything that begins with [`FORWARDED_PREFIX`].
const PROXY_HEADERS: [HeaderName; 8] = [
    FORWARDED,
    VIA,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("x-original-forwarded-for"),
    HeaderName::from_static("true-client-ip"),
];
const FORWARDED_PREFIX: &str = "x-forwarded";

/// Why a request gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It came through a proxy.
    #[error("Bad request. Requests through a proxy are not answered: ask directly, without a proxy")]
    Forwarded,
    /// It was meant for another address.
    #[error("Bad request. The Host header must name the address of this service")]
    Host,
    /// The header is missing.
    #[error("Bad request. Required metadata header not specified")]
    Metadata,
}

impl Refusal {
    /// The stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Forwarded => "thim-forwarded",
            Self::Host => "thim-host",
            Self::Metadata => "thim-metadata-header",
        }
    }
}

/// Refuses what a proxy sends on.
///
/// # Errors
/// [`Refusal::Forwarded`].
pub fn check_direct(headers: &HeaderMap) -> Result<(), Refusal> {
    let proxied =
        |name: &HeaderName| PROXY_HEADERS.contains(name) || name.as_str().starts_with(FORWARDED_PREFIX);
    if headers.keys().any(proxied) { Err(Refusal::Forwarded) } else { Ok(()) }
}

/// Refuses what does not name this address: with or without its port, or `localhost` where it is on loopback. The form
/// with an absolute address in the request line is for proxies.
///
/// # Errors
/// [`Refusal::Host`] or [`Refusal::Forwarded`].
pub fn check_host(parts: &Parts, own: SocketAddr) -> Result<(), Refusal> {
    if parts.uri.authority().is_some() {
        return Err(Refusal::Forwarded);
    }
    let mut named = parts.headers.get_all(HOST).iter();
    match (named.next().and_then(|host| host.to_str().ok()), named.next()) {
        (Some(host), None) if is_own(host, own) => Ok(()),
        _ => Err(Refusal::Host),
    }
}

fn is_own(host: &str, own: SocketAddr) -> bool {
    let address = match own {
        SocketAddr::V4(own) => own.ip().to_string(),
        SocketAddr::V6(own) => format!("[{}]", own.ip()),
    };
    let with_port = format!(":{}", own.port());
    let host = host.strip_suffix(&with_port).unwrap_or(host);
    host.eq_ignore_ascii_case(&address) || (own.ip().is_loopback() && host.eq_ignore_ascii_case("localhost"))
}

/// Wants the header `Metadata: true`, in any case of letters.
///
/// # Errors
/// [`Refusal::Metadata`].
pub fn check_metadata(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(METADATA).iter().peekable();
    let present = values.peek().is_some();
    let all_true = values.all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"true"));
    if present && all_true { Ok(()) } else { Err(Refusal::Metadata) }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request =
            headers.iter().fold(Request::get(uri), |made, (name, value)| made.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn own(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_header_is_wanted_in_any_case() {
        for value in ["true", "True", "TRUE", " true "] {
            assert_eq!(check_metadata(&parts("/", &[("Metadata", value)]).headers), Ok(()), "{value}");
        }
        for headers in [&[][..], &[("metadata", "false")], &[("metadata", "")], &[("metadata", "1")]] {
            assert_eq!(check_metadata(&parts("/", headers).headers), Err(Refusal::Metadata), "{headers:?}");
        }
        let twice = [("metadata", "true"), ("metadata", "no")];
        assert_eq!(check_metadata(&parts("/", &twice).headers), Err(Refusal::Metadata));
    }

    #[test]
    fn proxies_give_themselves_away() {
        for name in [
            "X-Forwarded-For",
            "x-forwarded-host",
            "X-Forwarded-Proto",
            "Forwarded",
            "Via",
            "X-Real-IP",
            "Proxy-Connection",
            "True-Client-IP",
        ] {
            let headers = parts("/", &[("metadata", "true"), (name, "10.0.0.1")]).headers;
            assert_eq!(check_direct(&headers), Err(Refusal::Forwarded), "{name}");
        }
        let usual = [("user-agent", "curl/8"), ("accept", "*/*"), ("x-request-id", "1")];
        assert_eq!(check_direct(&parts("/", &usual).headers), Ok(()));
        let absolute = parts("http://127.0.0.1:80/", &[("host", "127.0.0.1")]);
        assert_eq!(check_host(&absolute, own("127.0.0.1:80")), Err(Refusal::Forwarded));
    }

    #[test]
    fn only_its_own_address_is_a_host() {
        let cases = [
            ("169.254.169.254:80", "169.254.169.254", true),
            ("169.254.169.254:80", "169.254.169.254:80", true),
            ("169.254.169.254:80", "169.254.169.254:8080", false),
            ("169.254.169.254:80", "169.254.169.2540", false),
            ("169.254.169.254:80", "localhost", false),
            ("169.254.169.254:80", "metadata.example", false),
            ("169.254.169.254:80", "", false),
            ("127.0.0.1:8080", "localhost:8080", true),
            ("127.0.0.1:8080", "LocalHost", true),
            ("127.0.0.1:8080", "127.0.0.1", true),
            ("127.0.0.1:8080", "127.0.0.1.example", false),
            ("127.0.0.1:8080", "127.0.0.1:80:8080", false),
            ("[::1]:8080", "[::1]:8080", true),
            ("[::1]:8080", "[::1]", true),
            ("[::1]:8080", "::1", false),
        ];
        for (address, host, good) in cases {
            let checked = check_host(&parts("/", &[("host", host)]), own(address));
            assert_eq!(checked, if good { Ok(()) } else { Err(Refusal::Host) }, "{host} at {address}");
        }
        let none = parts("/", &[]);
        let two = parts("/", &[("host", "127.0.0.1"), ("host", "127.0.0.1")]);
        for odd in [none, two] {
            assert_eq!(check_host(&odd, own("127.0.0.1:80")), Err(Refusal::Host));
        }
    }
}
