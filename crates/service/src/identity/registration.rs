//! Intel's registration service, passed on: what a platform's firmware made for Intel goes to the configured upstream, and
//! Intel's answer comes back (Intel, *PCS API*, "Register Platform" and "Add Package").
//!
//! What is sent here is not judged here: it is encrypted for Intel. A manifest that Intel took is kept, sealed, with its
//! platform where that is known: Intel may be asked with it for certificates at any later time.

use assay_collateral::pck::PlatformId;
use assay_collateral::upstream::{Fetched, Registered, RegistrationRequest, UpstreamError, Wanted};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};

use super::HardwareIdentity;
use super::library::Mode;
use super::query::Query;
use super::reply::{Refusal, Reply};
use crate::upstream::{Asker, Failures};

const OCTETS: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";
/// Whether the manifest is kept here: `kept`, or `not-kept` where its platform is not known.
const KEPT: &str = "x-assay-manifest";

const NOBODY_ASKED: Refusal = Refusal::NotOffered(
    "Nothing is passed on to Intel in the mode `offline`, or without an upstream of the kind `pcs`. Send it to Intel's \
     registration service from elsewhere, or register the platform here with its manifest, by `POST platforms`.",
);

/// As Intel's service, which takes nothing else.
pub(super) fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(OCTETS) {
        return Ok(());
    }
    Err(Refusal::MediaType("The body must be of the type `application/octet-stream`."))
}

/// Which platform is meant, if that is said: `qeid` and `pceid`, which Intel's service does not know.
pub(super) fn named(query: &Query<'_>) -> Result<Option<PlatformId>, Refusal> {
    match (query.hex("qeid")?, query.hex("pceid")?) {
        (Some(qe_id), Some(pce_id)) => Ok(Some(PlatformId { qe_id, pce_id })),
        (None, None) => Ok(None),
        _ => Err(Refusal::Malformed("Give both `qeid` and `pceid`, or neither.")),
    }
}

/// Registers a platform with Intel: 201 and its PPID.
///
/// # Errors
/// What Intel says of a manifest that it does not take is a [`Reply`]. 500 where Intel took it and it could not be kept:
/// who sends it again gets the same answer of Intel.
pub(super) async fn platform(
    identity: &HardwareIdentity,
    named: Option<PlatformId>,
    manifest: Bytes,
) -> Result<Reply, Refusal> {
    let request = RegistrationRequest::Platform(manifest.clone());
    let ppid = match pass_on(identity, request).await? {
        Ok(Registered::Platform { ppid }) => ppid,
        Ok(Registered::Packages { .. }) => return Err(Refusal::Passing),
        Err(declined) => return Ok(declined),
    };
    let kept = identity.platforms.keep_manifest(ppid, named, &manifest).await?;
    tracing::info!(kept, "a platform was registered with Intel");
    let reply = Reply::of(TEXT, hex::encode(ppid)).with(KEPT, if kept { "kept" } else { "not-kept" });
    Ok(Reply { status: StatusCode::CREATED, ..reply })
}

/// Adds packages to a platform at Intel: 200 and their certificates of membership, as they came.
///
/// # Errors
/// As [`platform`].
pub(super) async fn packages(identity: &HardwareIdentity, request: Bytes) -> Result<Reply, Refusal> {
    match pass_on(identity, RegistrationRequest::Packages(request)).await? {
        Ok(Registered::Packages { count, certificates }) => {
            Ok(Reply::of(OCTETS, certificates).with("certificate-count", &count.to_string()))
        }
        Ok(Registered::Platform { .. }) => Err(Refusal::Passing),
        Err(declined) => Ok(declined),
    }
}

/// What Intel took, or what it says of what it does not take.
async fn pass_on(
    identity: &HardwareIdentity,
    request: RegistrationRequest,
) -> Result<Result<Registered, Reply>, Refusal> {
    let (RegistrationRequest::Platform(octets) | RegistrationRequest::Packages(octets)) = &request;
    if octets.is_empty() {
        return Err(Refusal::Malformed("The body is empty."));
    }
    if identity.library.options().mode == Mode::Offline {
        return Err(NOBODY_ASKED);
    }
    let accept = |_: &str, fetched| match fetched {
        Fetched::Registered(registered) => Ok(registered),
        _ => Err("other-kind".to_owned()),
    };
    let answered = identity.upstream.ask(&Wanted::Registration(request), Asker::Own, accept).await;
    match answered {
        Ok(found) => Ok(Ok(found.value)),
        Err(failures) => {
            tracing::warn!(%failures, "a registration was not taken");
            failed(&failures).map(Err)
        }
    }
}

/// A registration is for one service: the first that has an answer of its own is it, whatever others would say.
fn failed(failures: &Failures) -> Result<Reply, Refusal> {
    let errors = || failures.0.iter().map(|failure| &failure.error);
    for error in errors() {
        match error {
            UpstreamError::Declined { status, code, message } => {
                return Ok(declined(*status, code.as_deref(), message.as_deref()));
            }
            error if error.is_passing() => return Err(Refusal::Passing),
            UpstreamError::Unauthorized { .. } => {
                return Err(Refusal::Upstream(
                    "Intel's registration service demands a subscription key, or another one: the operator sets `key_file` \
                     of the upstream of the kind `pcs`."
                        .to_owned(),
                ));
            }
            _ => {}
        }
    }
    Err(NOBODY_ASKED)
}

fn declined(status: u16, code: Option<&str>, message: Option<&str>) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let code = code.unwrap_or("InvalidRequestSyntax");
    Reply::declined(status, code, message.unwrap_or("Intel's registration service does not take this."))
}
