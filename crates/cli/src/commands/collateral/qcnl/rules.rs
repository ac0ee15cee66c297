//! What follows from the settings.

use std::ops::Range;

use http::Uri;

use super::finding::{Code, Findings};
use super::settings::{Set, Settings};

/// Longest time that the library keeps anything (`CACHE_MAX_EXPIRY_HOURS`).
const MAX_HOURS: f64 = 2160.0;
/// The value in the configuration that Intel ships.
const WEEK: f64 = 168.0;
/// What makes the library talk to Intel's own service.
const INTEL: &str = "trustedservices.intel.com";
/// The whole file: for what is missing.
const FILE: Range<usize> = 0..0;

/// Judges what the library took over.
pub(super) fn judge(settings: &Settings, findings: &mut Findings) {
    urls(settings, findings);
    api_version(settings, findings);
    certificate(settings, findings);
    retries(settings, findings);
    caches(settings, findings);
    if let Some(update) = settings.update_type.as_ref().filter(|update| !is_update(&update.value)) {
        let message = "the service knows only `standard` and `early`";
        findings.note(Code::ValueRange, &update.span, message);
    }
}

fn is_update(text: &str) -> bool {
    matches!(text, "standard" | "early")
}

fn urls(settings: &Settings, findings: &mut Findings) {
    if settings.pccs_url.is_none() {
        let message = "there is no `pccs_url`: the library asks https://localhost:8081/sgx/certification/v4/";
        findings.note(Code::UrlMissing, &FILE, message);
    }
    let both = [&settings.pccs_url, &settings.collateral_service];
    let versions: Vec<_> = both.into_iter().flatten().filter_map(|url| base(url, true, findings)).collect();
    if let [first, second] = versions[..]
        && first != second
        && let Some(collateral) = &settings.collateral_service
    {
        let message = "certificates and collateral come from different versions of the interface";
        findings.note(Code::UrlVersionsDiffer, &collateral.span, message);
    }
    let Some(local) = &settings.local_pck_url else { return };
    if local.value.is_empty() {
        return;
    }
    base(local, false, findings);
    if local.value.contains("/metadata/") && !settings.has_metadata_header {
        let message = "a metadata service answers only to requests with the header `metadata: true`";
        let help = "add it to `custom_request_options`, `get_cert`, `headers`";
        findings.add(Code::MetadataHeader, &local.span, message, help);
    }
}

/// Checks an address to which the library appends the names of documents; gives its version.
fn base(url: &Set<String>, over_networks: bool, findings: &mut Findings) -> Option<u32> {
    let text = url.value.as_str();
    let uri = text.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let scheme = uri.as_ref().and_then(Uri::scheme_str);
    if !matches!(scheme, Some("https" | "http")) {
        findings.note(Code::UrlInvalid, &url.span, "this is not an address of the web");
        return None;
    }
    if scheme == Some("http") && over_networks && !is_here(text) {
        let message = "whoever is on the way can read and change what is asked and answered";
        findings.add(Code::UrlPlain, &url.span, message, "use https");
    }
    if !text.ends_with('/') {
        let last = text.rsplit('/').next().unwrap_or_default();
        let message = format!("there is no slash at the end, so the library asks for `{last}pckcert`");
        findings.add(Code::UrlNoSlash, &url.span, message, format!("write `{text}/`"));
    }
    let Some((_, rest)) = text.split_once("/sgx/certification/v") else {
        let message = "the path has no `/sgx/certification/v4/`: nothing is there, and for TDX the library fails at once";
        findings.add(Code::UrlPath, &url.span, message, "end the address with `/sgx/certification/v4/`");
        return None;
    };
    version(rest, url, findings)
}

fn version(rest: &str, url: &Set<String>, findings: &mut Findings) -> Option<u32> {
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse() {
        Ok(4) => Some(4),
        Ok(3) => {
            let message = "version 3 has no TDX, and Intel has ended it";
            findings.add(Code::UrlOld, &url.span, message, "use `/sgx/certification/v4/`");
            Some(3)
        }
        other => {
            let message = "there is no such version of the interface";
            findings.add(Code::UrlVersion, &url.span, message, "use `/sgx/certification/v4/`");
            other.ok()
        }
    }
}

/// Whether an address stays on this machine or its link.
fn is_here(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    host == "localhost" || host.starts_with("127.") || host.starts_with("169.254.") || host == "[::1]"
}

fn api_version(settings: &Settings, findings: &mut Findings) {
    let collateral = settings.collateral_service.as_ref().or(settings.pccs_url.as_ref());
    match &settings.api_version {
        Some(version) if !matches!(version.value.as_str(), "3.0" | "3.1") => {
            let message = "with this version the library cannot ask for the root's revocation list, so no quote is verified";
            findings.add(
                Code::ApiVersionUnknown,
                &version.span,
                message,
                "write \"3.1\", whatever the address says",
            );
        }
        Some(_) => {}
        // Intel's own service is asked in its own way.
        None if collateral.is_some_and(|url| url.value.contains(INTEL)) => {}
        None => {
            let message =
                "there is no `pccs_api_version`, which means 3.0: revocation lists come as hexadecimal text";
            let help = "write \"pccs_api_version\": \"3.1\" for lists as Intel issues them (DER)";
            findings.add(Code::ApiVersionMissing, &FILE, message, help);
        }
    }
}

fn certificate(settings: &Settings, findings: &mut Findings) {
    match (&settings.secure, &settings.pccs_url) {
        (Some(secure), _) if !secure.value => {
            let message =
                "the service's certificate is not checked: whoever is on the way can answer in its place";
            findings.add(
                Code::Insecure,
                &secure.span,
                message,
                "install its certification authority on this machine, and write `true`",
            );
        }
        (None, Some(url)) if is_unnamed(&url.value) => {
            let message = "the certificate is checked unless `use_secure_cert` says otherwise, and few are made out to this host";
            findings.note(Code::SecureByDefault, &url.span, message);
        }
        _ => {}
    }
}

/// Whether an https address has no name that an authority of the web would certify.
fn is_unnamed(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.scheme_str() == Some("https"));
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok()
}

fn retries(settings: &Settings, findings: &mut Findings) {
    let times = settings.retry_times.as_ref();
    let count = times.map_or(0, |times| times.value);
    let (times_span, delay) = (times.map_or(FILE, |times| times.span.clone()), settings.retry_delay.as_ref());
    if let Some(negative) = [times, delay].into_iter().flatten().find(|set| set.value < 0) {
        let message = "the library takes a negative number for a very large one";
        return findings.note(Code::ValueRange, &negative.span, message);
    }
    if count == 0 {
        let message = "the library tries once: a service that is busy for a moment (503) fails the call";
        return findings.add(Code::NoRetries, &times_span, message, "write \"retry_times\": 6");
    }
    let seconds = match delay.map_or(0, |delay| delay.value) {
        0 => {
            let total = 2_i64.saturating_pow(count.unsigned_abs()).saturating_sub(1);
            let message = format!("a delay of 0 means 1, 2, 4, ... seconds: {total} for {count} attempts");
            let span = delay.map_or(times_span, |delay| delay.span.clone());
            findings.note(Code::RetryDelayZero, &span, message);
            total
        }
        delay => i64::from(delay).saturating_mul(i64::from(count)),
    };
    if let Some(local) = settings.local_pck_url.as_ref().filter(|local| !local.value.is_empty()) {
        let message = format!(
            "this address is tried before the cache: while it does not answer, each certificate may take {seconds} seconds longer"
        );
        findings.note(Code::LocalFirst, &local.span, message);
    }
}

fn caches(settings: &Settings, findings: &mut Findings) {
    for hours in [&settings.pck_hours, &settings.collateral_hours].into_iter().flatten() {
        if hours.value < 0.0 {
            findings.note(
                Code::ValueRange,
                &hours.span,
                "the library takes a negative number for a very large one",
            );
        } else if hours.value > MAX_HOURS {
            findings.note(Code::ValueRange, &hours.span, "the library keeps nothing longer than 2160 hours");
        }
    }
    if let Some(hours) = settings.collateral_hours.as_ref().filter(|hours| hours.value >= WEEK) {
        let kept = hours.value.min(MAX_HOURS);
        let message = format!(
            "quotes are judged by collateral that is up to {kept} hours old, a week or more; the library pays no heed to the service's `Cache-Control`"
        );
        findings.add(Code::CacheWeek, &hours.span, message, "write 24 to see revocations within a day");
    }
    if let Some(only) = settings.local_cache_only.as_ref().filter(|only| only.value) {
        let message = "certificates come from the folder of the library alone; no service is asked for one";
        findings.note(Code::LocalCacheOnly, &only.span, message);
    }
}
