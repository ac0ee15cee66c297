//! What PCCS gives to administrators and to the hosts that register (Intel PCCS 1.27, `README`): on a listener of its own,
//! with tokens of its own.
//!
//! | request | token | what |
//! |---|---|---|
//! | `POST .../platforms` | user | registers a platform |
//! | `POST /sgx/registration/v1/platform`, `.../package` | user | passed on to Intel's registration service |
//! | `GET .../platforms?source=reg` | admin | platforms that wait for certificates; `[]` or `[FMSPC,...]`: those that have them |
//! | `PUT .../platformcollateral` | admin | brings certificates and documents |
//! | `PUT .../appraisalpolicy` | admin | keeps a policy that Intel's library asks for |
//! | `GET`, `POST .../refresh` | admin | asks the vendors for everything again, or for what is of some families |

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use assay_collateral::pck::{PlatformId, RawTcb};
use bytes::Bytes;
use http::header::EXPECT;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use serde::Deserialize;
use serde_json::{Value, json};

use super::operator::{self, Route};
use super::pckcert::{self, MAX_MANIFEST};
use super::platforms::{Listed, Registered, Registration};
use super::policies::{self, NewPolicy};
use super::query::{self, Query};
use super::refresh::Refreshed;
use super::reply::{Refusal, Reply};
use super::{bring, pcs, registration};
use crate::answer::RequestId;
use crate::app::App;
use crate::body;
use crate::config::TokenDigest;
use crate::limits::{Shares, Source};
use crate::server::Service;

/// Collateral of a whole fleet: a platform with all its certificates has about 60 KiB in this form.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// A manifest in hexadecimal, and what stands around it.
const MAX_REGISTRATION: usize = 4 * MAX_MANIFEST;
const BODY_TIME: Duration = Duration::from_secs(120);
/// Platforms in one listing.
const MAX_LISTED: usize = 10_000;

/// SHA-512 of the two tokens, as PCCS keeps them.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// Of those who register.
    pub user: TokenDigest,
    /// Of administrators.
    pub admin: TokenDigest,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(..)")
    }
}

#[derive(Clone, Copy)]
enum Role {
    User,
    Admin,
}

impl Role {
    const fn header(self) -> &'static str {
        match self {
            Self::User => "user-token",
            Self::Admin => "admin-token",
        }
    }
}

/// Answers on the administrators' listener.
pub(crate) struct Administration {
    app: Arc<App>,
    tokens: Tokens,
    bodies: Arc<Shares>,
}

impl Administration {
    pub(crate) fn new(app: Arc<App>, tokens: Tokens) -> Self {
        Self { app, tokens, bodies: body::memory(MAX_BODY, false) }
    }

    async fn dispatch(&self, parts: &Parts, body: &mut Incoming, source: Source) -> Result<Reply, Refusal> {
        if let Some(route) = Route::find(parts.uri.path(), &parts.method) {
            return self.own(route?, parts, body, source).await;
        }
        let path = parts.uri.path().to_ascii_lowercase();
        if let Some(rest) = path.strip_prefix("/sgx/registration/v1/") {
            return self.pass_on(rest, parts, body, source).await;
        }
        let rest = ["/sgx/certification/v4/", "/sgx/certification/v3/"]
            .iter()
            .find_map(|prefix| path.strip_prefix(prefix))
            .ok_or_else(pcs::no_such_path)?;
        let query = Query::parse(parts.uri.query())?;
        match (rest, &parts.method) {
            ("platforms", &Method::POST) => {
                self.check(Role::User, &parts.headers)?;
                self.register(&self.read(body, source, MAX_REGISTRATION).await?).await
            }
            ("platforms", &Method::GET) => {
                self.check(Role::Admin, &parts.headers)?;
                self.list(&query).await
            }
            ("platformcollateral", &Method::PUT) => {
                self.check(Role::Admin, &parts.headers)?;
                bring::platform_collateral(&self.app.identity, &self.read(body, source, MAX_BODY).await?)
                    .await
            }
            ("appraisalpolicy", &Method::PUT) => {
                self.check(Role::Admin, &parts.headers)?;
                self.put_policy(&self.read(body, source, policies::MAX_BODY).await?).await
            }
            ("refresh", &Method::GET | &Method::POST) => {
                self.check(Role::Admin, &parts.headers)?;
                self.refresh(&query).await
            }
            ("platforms", _) => Err(Refusal::Method("GET, POST")),
            ("platformcollateral" | "appraisalpolicy", _) => Err(Refusal::Method("PUT")),
            ("refresh", _) => Err(Refusal::Method("GET, POST")),
            _ => Err(pcs::no_such_path()),
        }
    }

    /// Assay's own routes.
    async fn own(
        &self,
        route: Route,
        parts: &Parts,
        body: &mut Incoming,
        source: Source,
    ) -> Result<Reply, Refusal> {
        self.check(Role::Admin, &parts.headers)?;
        let query = Query::parse(parts.uri.query())?;
        match route {
            Route::Export => operator::export(&self.app, &query).await,
            Route::Import => operator::import(&self.app, &self.read(body, source, MAX_BODY).await?).await,
            Route::Refresh => operator::refresh(&self.app.identity, &query).await,
        }
    }

    fn check(&self, role: Role, headers: &HeaderMap) -> Result<(), Refusal> {
        let expected = match role {
            Role::User => &self.tokens.user,
            Role::Admin => &self.tokens.admin,
        };
        let given = headers.get(role.header()).map_or(&b""[..], |value| value.as_bytes());
        if expected.is_of(given) { Ok(()) } else { Err(Refusal::Unauthorized) }
    }

    /// What is for Intel's registration service.
    async fn pass_on(
        &self,
        rest: &str,
        parts: &Parts,
        body: &mut Incoming,
        source: Source,
    ) -> Result<Reply, Refusal> {
        let package = match rest {
            "platform" => false,
            "package" => true,
            _ => return Err(pcs::no_such_path()),
        };
        if parts.method != Method::POST {
            return Err(Refusal::Method("POST"));
        }
        self.check(Role::User, &parts.headers)?;
        registration::check_media_type(&parts.headers)?;
        let named = registration::named(&Query::parse(parts.uri.query())?)?;
        let octets = self.read(body, source, MAX_MANIFEST).await?;
        match package {
            false => registration::platform(&self.app.identity, named, octets).await,
            true => registration::packages(&self.app.identity, octets).await,
        }
    }

    async fn read(&self, body: &mut Incoming, source: Source, limit: usize) -> Result<Bytes, Refusal> {
        let mut share = self.bodies.share(source);
        let read = body::read(body, limit, BODY_TIME, &mut share).await;
        read.map_err(|problem| match problem.status {
            http::StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
            // It came too slowly, broke off, or there is no room for it now: it may be sent again.
            _ => Refusal::Passing,
        })
    }

    async fn register(&self, body: &Bytes) -> Result<Reply, Refusal> {
        let registration = read_registration(body)?;
        let registered = self.app.identity.platforms.register(registration).await?;
        Ok(text(match registered {
            Registered::Ready => "The platform is registered, and its certificates are here.",
            Registered::Waiting => "The platform is registered, and waits for its certificates.",
        }))
    }

    async fn put_policy(&self, body: &Bytes) -> Result<Reply, Refusal> {
        let policy = NewPolicy::read(body)?;
        let id = policy.id();
        let (policies, now) = (Arc::clone(&self.app.identity.policies), self.app.clock.now());
        let kept = tokio::task::spawn_blocking(move || policies.put(&policy, now)).await;
        kept.map_err(|_| Refusal::Internal)??;
        Ok(text(&id))
    }

    async fn list(&self, query: &Query<'_>) -> Result<Reply, Refusal> {
        let wanted = Wanted::read(query.get("source")?.unwrap_or("reg"))?;
        let platforms = Arc::clone(&self.app.identity.platforms);
        let listed = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            let seen = platforms.for_each(|listed| {
                if wanted.includes(&listed) && found.len() < MAX_LISTED {
                    found.push(to_json(&listed.registration));
                }
            });
            seen.map(|()| found)
        });
        let found = listed.await.map_err(|_| Refusal::Internal)?.map_err(|error| {
            tracing::error!(%error, "platforms were not listed");
            Refusal::Internal
        })?;
        let count = found.len().to_string();
        Ok(Reply::of("application/json", Value::Array(found).to_string()).with("platform-count", &count))
    }

    async fn refresh(&self, query: &Query<'_>) -> Result<Reply, Refusal> {
        let refreshed = self.app.identity.refresh_all(query.get("type")?, query.families()?).await?;
        let Refreshed { wanted, done, .. } = refreshed;
        let sentence = format!("{done} of {wanted} documents or platforms were brought up to date.");
        if refreshed.is_whole() { Ok(text(&sentence)) } else { Err(Refusal::Upstream(sentence)) }
    }
}

impl Service for Administration {
    async fn answer(&self, request: Request<Incoming>, source: IpAddr) -> Response<Full<Bytes>> {
        let (parts, mut body) = request.into_parts();
        let id = RequestId::of(&parts.headers);
        let result = self.dispatch(&parts, &mut body, Source::from(source)).await;
        if !body.is_end_stream() && !parts.headers.contains_key(EXPECT) {
            // Whoever still sends gets to read why nobody listens.
            body::discard(body);
        }
        let reply = result.unwrap_or_else(Reply::from);
        tracing::info!(method = %parts.method, status = reply.status.as_u16(), id = id.as_str(), "administration");
        reply.into_response(id.as_str())
    }
}

/// Which platforms are listed.
enum Wanted {
    Waiting,
    /// Those that Intel was asked for, and has no certificate for, or not for each of their TCBs.
    NotAvailable,
    Families(BTreeSet<[u8; 6]>),
}

impl Wanted {
    fn read(source: &str) -> Result<Self, Refusal> {
        match source {
            "reg" => return Ok(Self::Waiting),
            "reg_na" => return Ok(Self::NotAvailable),
            _ => {}
        }
        let malformed = || Refusal::Malformed("`source` must be `reg`, `reg_na`, `[]` or `[FMSPC,...]`.");
        let list = source.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(malformed)?;
        query::families(list).map(Self::Families).map_err(|_| malformed())
    }

    fn includes(&self, listed: &Listed) -> bool {
        match self {
            Self::Waiting => listed.waiting,
            Self::NotAvailable => listed.not_available,
            Self::Families(families) => {
                listed.fmspc.is_some_and(|fmspc| families.is_empty() || families.contains(&fmspc))
            }
        }
    }
}

/// A platform as Intel's registration tools send it; texts may be empty.
#[derive(Deserialize)]
pub(super) struct PlatformBody {
    qe_id: String,
    pce_id: String,
    #[serde(default)]
    cpu_svn: String,
    #[serde(default)]
    pce_svn: String,
    #[serde(default)]
    enc_ppid: String,
    #[serde(default)]
    platform_manifest: String,
}

/// For the fuzzer: any bytes as the bodies that hosts and administrators send.
pub fn read_bodies(bytes: &[u8]) {
    let _ = read_registration(bytes);
    bring::read_any(bytes);
}

fn read_registration(body: &[u8]) -> Result<Registration, Refusal> {
    let limits = assay_json::Limits::bytes(MAX_REGISTRATION);
    let body: PlatformBody = assay_json::from_slice(body, &limits).map_err(|_| {
        Refusal::Malformed("The body is not `{\"qe_id\",\"pce_id\",...}` as Intel's tools send it.")
    })?;
    body.registration()
}

impl PlatformBody {
    pub(super) fn registration(&self) -> Result<Registration, Refusal> {
        let malformed =
            |_| Refusal::Malformed("A member of the body is not hexadecimal of the right length.");
        let (mut qe_id, mut pce_id) = ([0; 16], [0; 2]);
        hex::decode_to_slice(&self.qe_id, &mut qe_id).map_err(malformed)?;
        hex::decode_to_slice(&self.pce_id, &mut pce_id).map_err(malformed)?;
        let optional = |text: &str, limit: usize| match hex::decode(text) {
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) if bytes.len() <= limit => Ok(Some(bytes)),
            _ => Err(Refusal::Malformed("A member of the body is not hexadecimal, or too long.")),
        };
        let raw_tcb = match (self.cpu_svn.as_str(), self.pce_svn.as_str()) {
            ("", _) | (_, "") => None,
            (cpu, pce) => {
                let (mut cpu_svn, mut pce_svn) = ([0; 16], [0; 2]);
                hex::decode_to_slice(cpu, &mut cpu_svn).map_err(malformed)?;
                hex::decode_to_slice(pce, &mut pce_svn).map_err(malformed)?;
                Some(RawTcb { cpu_svn, pce_svn: u16::from_le_bytes(pce_svn) })
            }
        };
        Ok(Registration {
            id: PlatformId { qe_id, pce_id },
            encrypted_ppid: pckcert::read_encrypted_ppid(&self.enc_ppid)?,
            manifest: optional(&self.platform_manifest, MAX_MANIFEST)?,
            raw_tcb,
        })
    }
}

fn to_json(registration: &Registration) -> Value {
    let hexadecimal = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(hex::encode_upper).unwrap_or_default();
    let (cpu_svn, pce_svn) = registration.raw_tcb.map_or_else(Default::default, |raw| {
        (hex::encode_upper(raw.cpu_svn), hex::encode_upper(raw.pce_svn.to_le_bytes()))
    });
    json!({
        "qe_id": hex::encode_upper(registration.id.qe_id),
        "pce_id": hex::encode_upper(registration.id.pce_id),
        "cpu_svn": cpu_svn,
        "pce_svn": pce_svn,
        "enc_ppid": hexadecimal(&registration.encrypted_ppid),
        "platform_manifest": hexadecimal(&registration.manifest),
    })
}

fn text(sentence: &str) -> Reply {
    Reply::of("text/plain; charset=utf-8", sentence.to_owned())
}
