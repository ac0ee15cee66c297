//! Intel's registration service (Intel, *PCS API*, "Register Platform" and "Add Package").

use super::View;
use super::message::VendorRequest;
use super::pck::{INVALID_MANIFEST, INVALID_SYNTAX, PACKAGE_NOT_FOUND, authorize, name_of};
use super::reply::{Content, Failure, Refusal, Reply};
use crate::intel::{AddRequest, Registration, find, register};

const CACHED_KEYS_POLICY: Refusal = Refusal::coded(
    "CachedKeysPolicyViolation",
    "The platform was registered without its keys being kept, which cannot be changed.",
);
const INVALID_ADD_REQUEST: Refusal =
    Refusal::coded("InvalidAddRequest", "The add request could not be authenticated.");
const PLATFORM_NOT_FOUND: Refusal = Refusal::coded("PlatformNotFound", "The platform is not registered.");

/// How many membership certificates an answer has room for.
const PLACES: usize = 8;
/// Of one membership certificate. That of a real one is not documented.
const CERTIFICATE_SIZE: usize = 1024;

pub(super) fn reply(view: &View<'_>, request: &VendorRequest) -> Result<Reply, Failure> {
    let handler = match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/sgx/registration/v1/platform") => register_platform,
        ("POST", "/sgx/registration/v1/package") => add_packages,
        _ => return Err(Refusal::NOT_FOUND.into()),
    };
    if request.media_type() != Some("application/octet-stream") {
        return Err(Refusal::UNSUPPORTED_MEDIA_TYPE.into());
    }
    handler(view, request)
}

fn register_platform(view: &View<'_>, request: &VendorRequest) -> Result<Reply, Failure> {
    let change = |before| match before {
        Registration::NotNeeded => Err(INVALID_MANIFEST),
        Registration::Indirect => Err(CACHED_KEYS_POLICY),
        Registration::Missing | Registration::Direct => Ok(Registration::Direct),
    };
    let known = register(view.dir(), name_of(&request.body)?, change)?.ok_or(PACKAGE_NOT_FOUND)??;
    let known = if view.circumstances.other_document { known.other() } else { known };
    let ppid = Content::Text(hex::encode_upper(known.ppid()));
    Ok(Reply { status: 201, ..Reply::of(ppid) })
}

fn add_packages(view: &View<'_>, request: &VendorRequest) -> Result<Reply, Failure> {
    authorize(view, request)?;
    let AddRequest { name, packages } = AddRequest::parse(&request.body).map_err(|error| match error {
        crate::intel::NotAManifest::Foreign => INVALID_SYNTAX,
        crate::intel::NotAManifest::Damaged => INVALID_ADD_REQUEST,
    })?;
    let count = usize::from(packages);
    if !(1..=PLACES).contains(&count) {
        return Err(INVALID_ADD_REQUEST.into());
    }
    let registered = find(view.dir(), name)?.filter(|known| known.registration == Registration::Direct);
    registered.ok_or(PLATFORM_NOT_FOUND)?;
    let mut certificates: Vec<u8> =
        (1..=packages).flat_map(|package| name.membership(package, CERTIFICATE_SIZE)).collect();
    certificates.resize(PLACES.saturating_mul(CERTIFICATE_SIZE), 0);
    Ok(Reply::of(Content::Binary(certificates)).with_header("Certificate-Count", packages.to_string()))
}
