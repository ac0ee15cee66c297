//! Assay's own routes on the administrators' listener, beside those of PCCS; all want the `admin-token`.
//!
//! | request | what |
//! |---|---|
//! | `GET /v1/collateral/bundle[?platforms=true]` | what a bundle could carry, unsigned |
//! | `PUT /v1/collateral/bundle` | takes a signed bundle |
//! | `POST /v1/collateral/refresh[?type=certs]` | asks the vendors for everything again, and counts |

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::HardwareIdentity;
use super::query::Query;
use super::refresh::Refreshed;
use super::reply::{Refusal, Reply};
use super::{bundles, pcs};
use crate::app::App;
use crate::bundle::{MAX_FILE, Report, SignedBundleError};

/// The routes, as `/openapi.json` describes them.
#[cfg(test)]
pub(crate) const ROUTES: [(&str, &str); 3] =
    [("GET", BUNDLE), ("PUT", BUNDLE), ("POST", "/v1/collateral/refresh")];
const BUNDLE: &str = "/v1/collateral/bundle";

/// What is asked for. Whether it may be is looked at before the body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Export,
    Import,
    Refresh,
}

impl Route {
    /// The route of a path; `None` for paths that are not of this kind.
    pub(super) fn find(path: &str, method: &Method) -> Option<Result<Self, Refusal>> {
        Some(match (path, method) {
            (BUNDLE, &Method::GET) => Ok(Self::Export),
            (BUNDLE, &Method::PUT) => Ok(Self::Import),
            (BUNDLE, _) => Err(Refusal::Method("GET, PUT")),
            ("/v1/collateral/refresh", &Method::POST) => Ok(Self::Refresh),
            ("/v1/collateral/refresh", _) => Err(Refusal::Method("POST")),
            (path, _) if path.starts_with("/v1/") => Err(pcs::no_such_path()),
            _ => return None,
        })
    }
}

/// `GET /v1/collateral/bundle`
pub(super) async fn export(app: &App, query: &Query<'_>) -> Result<Reply, Refusal> {
    let with_platforms = match query.get("platforms")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Refusal::Malformed("`platforms` must be `true` or `false`.")),
    };
    match bundles::content(&app.identity, Arc::clone(&app.collateral.0), with_platforms).await {
        Ok(content) => Ok(Reply::of("application/json", content)),
        Err(error) => Ok(failed(&error)),
    }
}

/// `PUT /v1/collateral/bundle`
pub(super) async fn import(app: &App, body: &Bytes) -> Result<Reply, Refusal> {
    let Some(signer) = &app.bundles.signer else {
        let message =
            "Nobody's bundles are taken here. Name the signer in `collateral.administration.bundle_signer`.";
        return Ok(error(StatusCode::FORBIDDEN, "bundle-signer-missing", message));
    };
    if body.len() > MAX_FILE {
        return Err(Refusal::TooLarge);
    }
    let Ok(file) = std::str::from_utf8(body) else {
        return Err(Refusal::Malformed("The body is not a signed bundle."));
    };
    match bundles::import(&app.identity, signer, &app.bundles.sequences, file.into()).await {
        Ok(report) => {
            let status = if report.is_refused() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
            Ok(Reply::json(status, &report.to_json()))
        }
        Err(error) => Ok(not_taken(&error, &app.identity)),
    }
}

fn not_taken(error: &SignedBundleError, identity: &HardwareIdentity) -> Reply {
    if !error.is_refusal() {
        return failed(error);
    }
    let (code, now) = (error.code(), identity.now());
    tracing::warn!(code, %error, "a bundle was refused");
    let status = match error {
        SignedBundleError::Sequence { .. } => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Reply::json(status, &Report::refused(error, now).to_json())
}

/// `POST /v1/collateral/refresh`
pub(super) async fn refresh(identity: &HardwareIdentity, query: &Query<'_>) -> Result<Reply, Refusal> {
    let begin = identity.now();
    let what = query.get("type")?;
    let Refreshed { wanted, done, gone, older } = identity.refresh_all(what, query.families()?).await?;
    let failures = identity.library.failures().into_iter();
    // Of platforms there are counts alone: what identifies them stays here.
    let failures = failures.filter(|(_, failure)| what.is_none() && failure.at >= begin);
    let failures: Vec<Value> = failures
        .map(|(subject, failure)| json!({"subject": subject.path(), "at": failure.at.to_string(), "code": failure.code}))
        .collect();
    let answer = json!({"wanted": wanted, "done": done, "gone": gone, "older": older, "failures": failures});
    Ok(Reply::json(StatusCode::OK, &answer))
}

fn failed(cause: &SignedBundleError) -> Reply {
    let status = match cause {
        SignedBundleError::Content(_) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    tracing::error!(code = cause.code(), error = %cause, "a bundle was not exported or taken");
    error(status, cause.code(), &format!("{cause}. {}", cause.help()))
}

fn error(status: StatusCode, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({"error": {"code": code, "message": message}}))
}
