//! Azure Attestation's wire, with every quirk that its clients rely on (Azure Attestation REST API reference, and Microsoft's SDKs).
//!
//! | quirk | where |
//! |---|---|
//! | paths in any case | `router` |
//! | JSON names in any case, duplicates refused | `members` |
//! | base64url padded, unpadded, standard alphabet; numeric nonce; empty sub-objects | `body` |
//! | policy documents as text or as a JSON string, signer requests also in an object | `document` |
//! | `api-version` | `check_version` |
//! | content type of answers, `x-ms-*` headers, error envelope | `answer`, `problem` |
//! | codes and sentences of errors | `refusal` |
//! | results of management calls as signed tokens | `management` |

mod attest;
mod baselines;
mod body;
mod discovery;
mod document;
mod management;
pub(crate) mod members;
pub(crate) mod refusal;
mod tpm;

use assay_appraisal::AttestationType;

use crate::answer::Answer;
use crate::front::Exchange;
use crate::problem::Problem;
use crate::registry::ProviderSnapshot;
use crate::router::Endpoint;

pub(crate) use body::{attached, decode};

/// What Azure's clients send; other dates are taken as well, as the wire has changed little.
const VERSIONS: [&str; 7] = [
    FIRST_VERSION,
    "2020-10-01",
    "2022-08-01",
    "2022-09-01-preview",
    "2023-04-01-preview",
    "2025-06-01",
    "2026-03-11-preview",
];
const FIRST_VERSION: &str = "2018-09-01-preview";
/// Kinds of evidence that Azure knows and this release does not.
const LATER: [&str; 6] = ["AzureGuest", "Pluton", "KeyGuard", "MdepTz", "AiHsm", "VsmEnclave"];

/// Answers one of Azure's routes for a provider.
pub(crate) async fn answer(
    endpoint: Endpoint,
    exchange: Exchange<'_>,
    provider: &ProviderSnapshot,
) -> Result<Answer, Problem> {
    match endpoint {
        Endpoint::Attest => attest::answer(exchange, provider).await,
        Endpoint::KeySet => Ok(discovery::key_set(provider)),
        Endpoint::OpenIdConfiguration => discovery::configuration(provider),
        Endpoint::GetPolicy => management::get_policy(&exchange, provider).await,
        Endpoint::SetPolicy => management::set_policy(exchange, provider).await,
        Endpoint::ResetPolicy => management::reset_policy(exchange, provider).await,
        Endpoint::ListSigners => management::list_signers(&exchange, provider).await,
        Endpoint::AddSigner => management::add_signer(exchange, provider).await,
        Endpoint::RemoveSigner => management::remove_signer(exchange, provider).await,
        Endpoint::TcbBaselines => baselines::answer(&exchange, provider).await,
        // The dispatcher keeps the others to itself.
        _ => Err(Problem::internal()),
    }
}

fn version(query: Option<&str>) -> Option<&str> {
    let mut pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.eq_ignore_ascii_case("api-version")).map(|(_, value)| value)
}

/// Whether the call is of the first version, which attests for nobody without a bearer token.
fn is_first_version(query: Option<&str>) -> bool {
    version(query) == Some(FIRST_VERSION)
}

/// The query must name a version of the interface.
///
/// # Errors
/// 400 `InvalidParameter` if there is none or it is not a date.
pub(crate) fn check_version(query: Option<&str>) -> Result<(), Problem> {
    match version(query) {
        Some(version) if VERSIONS.contains(&version) || is_dated(version) => Ok(()),
        Some(_) => Err(Problem::invalid_parameter(
            "api-version",
            "The query parameter `api-version` is not a version. Send a date such as `api-version=2022-08-01`.",
        )),
        None => Err(Problem::invalid_parameter(
            "api-version-missing",
            "The query parameter `api-version` is missing. Send `api-version=2022-08-01`.",
        )),
    }
}

/// `2022-08-01`, perhaps with `-preview`.
fn is_dated(version: &str) -> bool {
    let date = version.strip_suffix("-preview").unwrap_or(version);
    let shape = |(place, byte): (usize, u8)| {
        if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() }
    };
    date.len() == 10 && date.bytes().enumerate().all(shape)
}

/// The kind of evidence that the path names.
fn kind(exchange: &Exchange<'_>) -> Result<AttestationType, Problem> {
    let name = exchange.parameter(0);
    AttestationType::from_name(name).ok_or_else(|| unknown_kind(name))
}

/// The same for names outside Azure's routes.
pub(crate) fn unknown_kind(name: &str) -> Problem {
    let later = LATER.iter().find(|later| later.eq_ignore_ascii_case(name));
    match later {
        Some(later) => unsupported(later),
        None => Problem::not_found(
            "attestation-type-unknown",
            "There is no such attestation type. This service attests `SgxEnclave`, `OpenEnclave` and `SevSnpVm`.",
        ),
    }
}

/// A kind of evidence that a later release attests.
pub(crate) fn unsupported(kind: &str) -> Problem {
    let message = format!(
        "Attestation of `{kind}` is not supported yet. This release attests `SgxEnclave`, `OpenEnclave` and `SevSnpVm`."
    );
    Problem::new(http::StatusCode::BAD_REQUEST, "NotSupported", message)
        .because("attestation-type-not-supported")
}

/// For the fuzzer: reads any bytes as each of the messages that anonymous callers send.
pub fn read_anonymous_messages(bytes: &[u8]) {
    for kind in AttestationType::ALL {
        let _ = body::parse(kind, bytes);
    }
    let _ = tpm::parse(bytes);
    let _ = document::policy(bytes);
    let _ = document::signer(bytes, "policyCertificateToAdd");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for version in VERSIONS.into_iter().chain(["2031-01-02", "2031-01-02-preview"]) {
            assert_eq!(check_version(Some(&format!("a=b&API-Version={version}"))), Ok(()));
        }
        let reason = |query: Option<&str>| check_version(query).unwrap_err().reason.unwrap();
        assert_eq!(reason(None), "api-version-missing");
        assert_eq!(reason(Some("version=2020-10-01")), "api-version-missing");
        for bad in ["", "1.0", "2020-10-1", "2020/10/01", "2020-10-01-Preview", "2020-10-011"] {
            assert_eq!(reason(Some(&format!("api-version={bad}"))), "api-version", "{bad}");
        }
    }

    #[test]
    fn the_fuzzed_entry_survives() {
        for bytes in [&b""[..], b"{", b"\"", b"\xff", b"{\"data\":\"e30\"}"] {
            read_anonymous_messages(bytes);
        }
    }
}
