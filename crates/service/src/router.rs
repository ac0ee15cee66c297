//! Which route a request is for: one table, which the dispatcher and the test of the OpenAPI document both read.
//!
//! Paths are matched without regard to case, as Azure does it (samples post to `/attest/sevsnpvm`, clients to
//! `/attest/SevSnpVm`). Each segment is percent-decoded by itself, so that a key id with a
//! slash can be named and no decoded slash makes a segment.

use std::borrow::Cow;

use http::Method;

/// What a route does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Endpoint {
    /// `POST /attest/{type}`
    Attest,
    /// `GET /policies/{type}`
    GetPolicy,
    /// `PUT /policies/{type}`
    SetPolicy,
    /// `POST /policies/{type}:reset`
    ResetPolicy,
    /// `GET /certificates`
    ListSigners,
    /// `POST /certificates:add`
    AddSigner,
    /// `POST /certificates:remove`
    RemoveSigner,
    /// `GET /certs`
    KeySet,
    /// `GET /.well-known/openid-configuration`
    OpenIdConfiguration,
    /// `GET /tcbbaselines/{type}`
    TcbBaselines,
    /// `POST /v1/appraisals`
    Appraise,
    /// `POST /v1/challenges`
    Challenge,
    /// `GET /v1/providers`
    ListProviders,
    /// `POST /v1/providers`
    CreateProvider,
    /// `GET /v1/providers/{name}`
    GetProvider,
    /// `DELETE /v1/providers/{name}`
    DeleteProvider,
    /// `GET /v1/providers/{name}/keys`
    ListKeys,
    /// `POST /v1/providers/{name}/keys:rotate`
    RotateKey,
    /// `POST /v1/providers/{name}/keys/{kid}:revoke`
    RevokeKey,
    /// `GET /v1/providers/{name}/audit/records/{id}`
    AuditRecord,
    /// `GET /v1/baselines`
    ListBaselines,
    /// `PUT /v1/baselines`
    SetBaselines,
    /// `POST /v1/baselines/preview`
    PreviewBaseline,
    /// `GET /v1/collateral`
    ListCollateral,
    /// `POST /v1/collateral/explain`
    ExplainCollateral,
    /// `GET /openapi.json`
    OpenApi,
    /// `GET /readyz`
    Ready,
}

/// Where a route exists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// For every provider: at the root for the default one, under `/providers/{name}`, and under the provider's host.
    Provider,
    /// At the root only.
    Service,
}

/// One route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    /// The method.
    pub(crate) method: &'static str,
    /// The path, with parameters in braces. Also the label of metrics and logs.
    pub(crate) path: &'static str,
    /// What it does.
    pub(crate) endpoint: Endpoint,
    /// Where it exists.
    pub(crate) scope: Scope,
    /// Whether the query must have `api-version`.
    pub(crate) versioned: bool,
}

/// Every route of the main listener.
pub(crate) const ROUTES: [Route; 27] = [
    versioned("POST", "/attest/{type}", Endpoint::Attest),
    open("GET", "/certs", Endpoint::KeySet),
    open("GET", "/.well-known/openid-configuration", Endpoint::OpenIdConfiguration),
    versioned("GET", "/policies/{type}", Endpoint::GetPolicy),
    versioned("PUT", "/policies/{type}", Endpoint::SetPolicy),
    versioned("POST", "/policies/{type}:reset", Endpoint::ResetPolicy),
    versioned("GET", "/certificates", Endpoint::ListSigners),
    versioned("POST", "/certificates:add", Endpoint::AddSigner),
    versioned("POST", "/certificates:remove", Endpoint::RemoveSigner),
    versioned("GET", "/tcbbaselines/{type}", Endpoint::TcbBaselines),
    open("POST", "/v1/appraisals", Endpoint::Appraise),
    service("POST", "/v1/challenges", Endpoint::Challenge),
    service("GET", "/v1/providers", Endpoint::ListProviders),
    service("POST", "/v1/providers", Endpoint::CreateProvider),
    service("GET", "/v1/providers/{name}", Endpoint::GetProvider),
    service("DELETE", "/v1/providers/{name}", Endpoint::DeleteProvider),
    service("GET", "/v1/providers/{name}/keys", Endpoint::ListKeys),
    service("POST", "/v1/providers/{name}/keys:rotate", Endpoint::RotateKey),
    service("POST", "/v1/providers/{name}/keys/{kid}:revoke", Endpoint::RevokeKey),
    service("GET", "/v1/providers/{name}/audit/records/{id}", Endpoint::AuditRecord),
    service("GET", "/v1/baselines", Endpoint::ListBaselines),
    service("PUT", "/v1/baselines", Endpoint::SetBaselines),
    service("POST", "/v1/baselines/preview", Endpoint::PreviewBaseline),
    service("GET", "/v1/collateral", Endpoint::ListCollateral),
    service("POST", "/v1/collateral/explain", Endpoint::ExplainCollateral),
    service("GET", "/openapi.json", Endpoint::OpenApi),
    service("GET", "/readyz", Endpoint::Ready),
];

const fn versioned(method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint, scope: Scope::Provider, versioned: true }
}

const fn open(method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint, scope: Scope::Provider, versioned: false }
}

const fn service(method: &'static str, path: &'static str, endpoint: Endpoint) -> Route {
    Route { method, path, endpoint, scope: Scope::Service, versioned: false }
}

/// A request's route, and what its path names.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Matched<'p> {
    pub(crate) route: &'static Route,
    /// The provider of the prefix `/providers/{name}`.
    pub(crate) prefix: Option<Cow<'p, str>>,
    /// The parameters in their order.
    pub(crate) parameters: [Option<Cow<'p, str>>; 2],
}

/// Why there is no route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NoRoute {
    /// The path is unknown.
    Path,
    /// The path is known, with these methods.
    Method(String),
}

/// Finds the route. `HEAD` counts as `GET`: the server leaves the body out by itself.
pub(crate) fn find<'p>(method: &Method, path: &'p str) -> Result<Matched<'p>, NoRoute> {
    let method = if method == Method::HEAD { "GET" } else { method.as_str() };
    let (prefix, rest) = split_prefix(path)?;
    let mut allow: Vec<&str> = Vec::new();
    for route in &ROUTES {
        if prefix.is_some() && route.scope == Scope::Service {
            continue;
        }
        let Some(parameters) = match_path(route.path, rest) else { continue };
        if route.method == method {
            return Ok(Matched { route, prefix, parameters });
        }
        allow.push(route.method);
    }
    if allow.is_empty() { Err(NoRoute::Path) } else { Err(NoRoute::Method(allow.join(", "))) }
}

/// `/providers/{name}/rest` is `/rest` of that provider.
fn split_prefix(path: &str) -> Result<(Option<Cow<'_, str>>, &str), NoRoute> {
    const PREFIX: &str = "/providers/";
    let Some((head, tail)) = path.split_at_checked(PREFIX.len()) else { return Ok((None, path)) };
    if !head.eq_ignore_ascii_case(PREFIX) {
        return Ok((None, path));
    }
    let slash = tail.find('/').ok_or(NoRoute::Path)?;
    let (name, rest) = tail.split_at_checked(slash).ok_or(NoRoute::Path)?;
    Ok((Some(decode(name).ok_or(NoRoute::Path)?), rest))
}

fn match_path<'p>(pattern: &str, path: &'p str) -> Option<[Option<Cow<'p, str>>; 2]> {
    let mut parameters = [None, None];
    let mut free = parameters.iter_mut();
    let (mut patterns, mut segments) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return Some(parameters),
            (Some(pattern), Some(segment)) => {
                if let Some(parameter) = match_segment(pattern, segment)? {
                    *free.next()? = Some(parameter);
                }
            }
            _ => return None,
        }
    }
}

/// A literal gives `Some(None)`, a parameter its decoded value.
#[expect(clippy::option_option, reason = "outside: whether it matches; inside: whether it names something")]
fn match_segment<'p>(pattern: &str, segment: &'p str) -> Option<Option<Cow<'p, str>>> {
    let Some(rest) = pattern.strip_prefix('{') else {
        // Some clients encode the colon of `certificates:add`.
        return decode(segment)?.eq_ignore_ascii_case(pattern).then_some(None);
    };
    let suffix = rest.split_once('}')?.1;
    let value = cut_suffix(decode(segment)?, suffix)?;
    // A colon begins an action; a name has none.
    (!value.is_empty() && !value.contains(':')).then_some(Some(value))
}

fn cut_suffix<'p>(value: Cow<'p, str>, suffix: &str) -> Option<Cow<'p, str>> {
    let end = value.len().checked_sub(suffix.len())?;
    let (_, tail) = value.split_at_checked(end)?;
    if !tail.eq_ignore_ascii_case(suffix) {
        return None;
    }
    Some(match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.split_at_checked(end)?.0),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    })
}

/// Percent-decodes one segment; `None` for what is not UTF-8 or not encoded correctly.
fn decode(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return Some(Cow::Borrowed(segment));
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let mut decoded = [0];
        hex::decode_to_slice(digits, &mut decoded).ok()?;
        bytes.extend(decoded);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> (Endpoint, Option<String>, Vec<String>) {
        let matched = find(&method.parse().unwrap(), path).unwrap();
        let parameters = matched.parameters.into_iter().flatten().map(Cow::into_owned).collect();
        (matched.route.endpoint, matched.prefix.map(Cow::into_owned), parameters)
    }

    fn owned(parameters: &[&str]) -> Vec<String> {
        parameters.iter().map(|one| (*one).to_owned()).collect()
    }

    #[test]
    fn paths_in_any_case() {
        assert_eq!(found("POST", "/ATTEST/sgxenclave"), (Endpoint::Attest, None, owned(&["sgxenclave"])));
        assert_eq!(found("POST", "/policies/Tpm:Reset"), (Endpoint::ResetPolicy, None, owned(&["Tpm"])));
        assert_eq!(found("PUT", "/policies/Tpm"), (Endpoint::SetPolicy, None, owned(&["Tpm"])));
        assert_eq!(found("POST", "/certificates%3Aadd"), (Endpoint::AddSigner, None, owned(&[])));
        assert_eq!(found("HEAD", "/certs"), (Endpoint::KeySet, None, owned(&[])));
    }

    #[test]
    fn providers_have_a_prefix() {
        assert_eq!(
            found("GET", "/Providers/One/certs"),
            (Endpoint::KeySet, Some("One".to_owned()), owned(&[]))
        );
        assert_eq!(
            found("POST", "/providers/one/v1/appraisals"),
            (Endpoint::Appraise, Some("one".to_owned()), owned(&[]))
        );
        let under = |path| find(&Method::GET, path);
        assert_eq!(
            under("/providers/one/v1/providers"),
            Err(NoRoute::Path),
            "the service's routes have no provider"
        );
        for path in ["/providers", "/providers/", "/providers/one", "/providers/one/", "/providers//certs%"] {
            assert_eq!(under(path), Err(NoRoute::Path), "{path}");
        }
    }

    #[test]
    fn two_parameters_and_encoded_slashes() {
        assert_eq!(
            found("POST", "/v1/providers/one/keys/a%2Fb+c%3d:revoke"),
            (Endpoint::RevokeKey, None, owned(&["one", "a/b+c="]))
        );
    }

    #[test]
    fn wrong_methods_and_paths() {
        let get = |path| find(&Method::GET, path);
        assert_eq!(get("/attest/SgxEnclave"), Err(NoRoute::Method("POST".to_owned())));
        assert_eq!(find(&Method::PATCH, "/policies/Tpm"), Err(NoRoute::Method("GET, PUT".to_owned())));
        for path in [
            "",
            "/",
            "*",
            "/certs/",
            "//certs",
            "/attest/",
            "/attest",
            "/policies/a:b",
            "/certs%zz",
            "/cer%ff",
        ] {
            assert_eq!(get(path), Err(NoRoute::Path), "{path}");
        }
    }
}

#[cfg(test)]
mod openapi_tests {
    //! The OpenAPI document is written by hand; this holds it to the table.

    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        serde_json::from_slice(include_bytes!("openapi.json")).unwrap()
    }

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let routes: BTreeSet<(String, String)> =
            ROUTES.iter().map(|route| (route.path.to_owned(), route.method.to_ascii_lowercase())).collect();
        assert_eq!(routes.len(), ROUTES.len(), "no route stands in the table twice");
        // Those of the administrators' listener beside them.
        let own = crate::identity::operator::ROUTES;
        let own = own.iter().map(|(method, path)| ((*path).to_owned(), method.to_ascii_lowercase()));
        let routes: BTreeSet<(String, String)> = routes.into_iter().chain(own).collect();
        let document = document();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
            })
            .collect();
        assert_eq!(described, routes);
    }

    #[test]
    fn versions_and_parameters_agree() {
        let document = document();
        for route in &ROUTES {
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let resolved: Vec<&Value> = parameters.iter().map(|one| resolve(&document, one)).collect();
            let named = |name: &str| resolved.iter().any(|one| one["name"] == name);
            assert_eq!(named("api-version"), route.versioned, "{}", route.path);
            for parameter in route.path.split('{').skip(1) {
                let name = parameter.split('}').next().unwrap();
                assert!(named(name), "{} lacks {name}", route.path);
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(document: &Value, value: &Value) {
            match value {
                Value::Object(members) => {
                    if members.contains_key("$ref") {
                        assert!(resolve(document, value).is_object(), "{value}");
                    }
                    members.values().for_each(|member| walk(document, member));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }

    fn resolve<'d>(document: &'d Value, reference: &Value) -> &'d Value {
        let pointer = reference["$ref"].as_str().unwrap().trim_start_matches('#');
        document.pointer(pointer).unwrap_or(&Value::Null)
    }
}
