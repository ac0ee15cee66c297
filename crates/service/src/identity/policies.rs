//! Appraisal policies of platform owners, for Intel's own verification library: kept and given out, and judged by nobody here
//! (Intel PCCS, *API specification*, "Put appraisal policy" and "Get default platform policy").
//!
//! ```text
//! head collateral/appraisal-policy/{fmspc}  {"format":1,"policies":[{"id","policy","is_default"},...]}
//! chain administration/hardware-identity    one record for each change, in the same transaction
//! ```
//!
//! A policy is a JWT that its owner signed. The library that applies it verifies that signature; here it is only read as
//! far as to see that it is a policy.

use std::sync::Arc;

use assay_store::{Change, Head, HeadName, NewRecord, RecordId, Store, StoreError};
use assay_token::base64url;
use assay_verify::UnixTime;
use aws_lc_rs::digest;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::persist::change_id;
use super::reply::Refusal;
use crate::clock::seconds;
use crate::random;
use crate::registry::administration_chain;

const FOLDER: &str = "collateral/appraisal-policy";
const CHAIN: &str = "hardware-identity";
const FORMAT: u32 = 1;
/// Policies of real platforms have a few KiB.
const MAX_POLICY: usize = 64 * 1024;
/// The body is the policy, and a little around it.
pub(super) const MAX_BODY: usize = MAX_POLICY + 4096;
/// Of one family: the default, and what was it before. Of more than these the oldest that is not the default goes.
const MAX_POLICIES: usize = 8;
/// Families with policies; Intel lists fewer than a hundred.
const MAX_FAMILIES: usize = 256;
/// Whoever wins against us this often has written what we would have.
const ATTEMPTS: usize = 4;
/// What policies are for, by the class of their environment (Intel PCCS 1.27, `appraisalPolicyService.js`): SGX, TDX 1.0 and
/// TDX 1.5.
const PLATFORM_CLASSES: [&str; 3] = [
    "3123ec35-8d38-4ea5-87a5-d6c48b567570",
    "9eec018b-7481-4b1c-8e1a-9f7c0c8c777f",
    "f708b97f-0fb2-4e6b-8b03-8a5bcd1221d3",
];
/// The quoting enclave of TDX, beside a platform.
const TDQE_CLASS: &str = "3769258c-75e6-4bc7-8d72-d2b0e224cad2";

/// A policy as PCCS's clients send it.
#[derive(Deserialize)]
struct Body {
    policy: String,
    is_default: bool,
    fmspc: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    /// The newest last.
    policies: Vec<Policy>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    id: String,
    policy: String,
    is_default: bool,
}

/// A policy that was read and may be kept.
pub(super) struct NewPolicy {
    fmspc: [u8; 6],
    policy: String,
    is_default: bool,
}

/// The appraisal policies of this service.
pub(crate) struct Policies(Arc<dyn Store>);

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Policies")
    }
}

impl NewPolicy {
    /// Reads a body.
    ///
    /// # Errors
    /// 400 for what is no policy, 413 for one that is too large.
    pub(super) fn read(body: &Bytes) -> Result<Self, Refusal> {
        let malformed = Refusal::Malformed(
            "The body is not `{\"policy\":\"...\",\"is_default\":true,\"fmspc\":\"...\"}`.",
        );
        let limits = assay_json::Limits::bytes(MAX_BODY);
        let Body { policy, is_default, fmspc: digits } =
            assay_json::from_slice(body, &limits).map_err(|_| malformed)?;
        if policy.len() > MAX_POLICY {
            return Err(Refusal::TooLarge);
        }
        let mut fmspc = [0; 6];
        hex::decode_to_slice(digits, &mut fmspc)
            .map_err(|_| Refusal::Malformed("`fmspc` is not 12 hexadecimal digits."))?;
        check(&policy).map_err(Refusal::Malformed)?;
        Ok(Self { fmspc, policy, is_default })
    }

    /// SHA-384 of the policy, as PCCS names it.
    pub(super) fn id(&self) -> String {
        hex::encode(digest::digest(&digest::SHA384, self.policy.as_bytes()))
    }
}

/// What PCCS looks at of a policy: it stands in headers and bodies of clients that join it with others.
fn check(policy: &str) -> Result<(), &'static str> {
    #[derive(Deserialize)]
    struct Claims {
        policy_payload: String,
    }
    #[derive(Deserialize)]
    struct Payload {
        policy_array: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        environment: Environment,
    }
    #[derive(Deserialize)]
    struct Environment {
        class_id: String,
    }
    const NO_TOKEN: &str = "`policy` is not a signed token of three parts.";
    const NO_POLICY: &str = "`policy` has no `policy_payload` with a `policy_array` of environments.";
    let mut parts = policy.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(NO_TOKEN);
    };
    let decoded = [header, payload, signature].map(base64url::decode_strict);
    let [Ok(_), Ok(payload), Ok(_)] = decoded else { return Err(NO_TOKEN) };
    let limits = assay_json::Limits::bytes(MAX_POLICY);
    let claims: Claims = assay_json::from_slice(&payload, &limits).map_err(|_| NO_POLICY)?;
    let payload: Payload =
        assay_json::from_slice(claims.policy_payload.as_bytes(), &limits).map_err(|_| NO_POLICY)?;
    let mut classes =
        payload.policy_array.iter().map(|entry| entry.environment.class_id.to_ascii_lowercase());
    let is_platform = |class: &String| PLATFORM_CLASSES.contains(&class.as_str());
    if classes.clone().any(|class| !is_platform(&class) && class != TDQE_CLASS) {
        return Err("`policy` is for a class of environments that is not known.");
    }
    if classes.any(|class| is_platform(&class)) {
        Ok(())
    } else {
        Err("`policy` is for no platform of SGX or TDX.")
    }
}

impl Policies {
    pub(super) const fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Keeps a policy; it and the record of it are durable when this returns. A default takes the place of the family's
    /// former one. Blocks.
    ///
    /// # Errors
    /// 400 where there is no room for another family, 500 where it could not be kept.
    pub(super) fn put(&self, new: &NewPolicy, now: UnixTime) -> Result<(), Refusal> {
        let failed = |error: StoreError| {
            tracing::error!(%error, "an appraisal policy was not kept");
            Refusal::Internal
        };
        for _ in 0..ATTEMPTS {
            let name = name(new.fmspc).map_err(failed)?;
            let before = self.0.head(&name).map_err(failed)?;
            if before.is_none() && self.is_full().map_err(failed)? {
                return Err(Refusal::Malformed("There are policies for as many families as can be kept."));
            }
            match self.write(name, before.as_ref(), new, now) {
                Err(StoreError::Conflict { .. }) => {}
                done => return done.map_err(failed),
            }
        }
        Err(failed(StoreError::Busy))
    }

    fn write(
        &self,
        name: HeadName,
        before: Option<&Head>,
        new: &NewPolicy,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let stored = before.map(|head| self.read(head)).transpose()?.flatten();
        if before.is_some() && stored.is_none() {
            let rule = "what is stored of appraisal policies is of a format that this release knows";
            return Err(StoreError::InvalidChange { rule });
        }
        let mut policies = stored.map_or_else(Vec::new, |stored| stored.policies);
        add(&mut policies, new);
        let text = serde_json::to_vec(&Stored { format: FORMAT, policies })
            .map_err(|_| StoreError::InvalidChange { rule: "policies have a JSON form" })?;
        let mut change = Change::new(change_id()?);
        let digest = change.put_blob(text);
        change.records.push(record(&name, &digest.to_string(), now)?);
        change.set_head(name, before.map(|head| head.revision), Some(digest));
        self.0.commit(change).map(drop)
    }

    fn is_full(&self) -> Result<bool, StoreError> {
        let folder = HeadName::new(FOLDER)?;
        Ok(self.0.heads(Some(&folder), None, MAX_FAMILIES)?.items.len() >= MAX_FAMILIES)
    }

    /// The default policy of a family. Blocks.
    ///
    /// # Errors
    /// The store.
    pub(super) fn default_of(&self, fmspc: [u8; 6]) -> Result<Option<String>, StoreError> {
        let Some(head) = self.0.head(&name(fmspc)?)? else { return Ok(None) };
        let policies = self.read(&head)?.map_or_else(Vec::new, |stored| stored.policies);
        Ok(policies.into_iter().find(|policy| policy.is_default).map(|policy| policy.policy))
    }

    fn read(&self, head: &Head) -> Result<Option<Stored>, StoreError> {
        let text = self.0.blob(&head.digest)?;
        let stored = text.and_then(|text| serde_json::from_slice::<Stored>(&text).ok());
        Ok(stored.filter(|stored| stored.format == FORMAT))
    }
}

/// Adds a policy behind the others, and keeps their number.
fn add(policies: &mut Vec<Policy>, new: &NewPolicy) {
    let id = new.id();
    policies.retain(|known| known.id != id);
    if new.is_default {
        policies.iter_mut().for_each(|known| known.is_default = false);
    }
    if policies.len() >= MAX_POLICIES
        && let Some(oldest) = policies.iter().position(|known| !known.is_default)
    {
        policies.remove(oldest);
    }
    policies.push(Policy { id, policy: new.policy.clone(), is_default: new.is_default });
}

fn name(fmspc: [u8; 6]) -> Result<HeadName, StoreError> {
    HeadName::new(&format!("{FOLDER}/{}", hex::encode(fmspc)))
}

/// What the log of administration says of a change. The token says what may be done, not who does it.
fn record(name: &HeadName, digest: &str, now: UnixTime) -> Result<NewRecord, StoreError> {
    let body = json!({
        "act": "put-appraisal-policy",
        "actor": { "kind": "admin-token", "subject": null },
        "digests": { name.as_str(): digest },
        "format": 1,
        "provider": CHAIN,
        "time": now.to_string(),
    });
    let id = random::bytes().map_err(|error| StoreError::Io { cause: error.to_string() })?;
    Ok(NewRecord {
        chain: administration_chain(CHAIN)?,
        id: RecordId::from_bytes(id),
        time: seconds(now),
        body: assay_json::to_canonical(&body).into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use assay_store::MemoryStore;

    use super::*;

    fn token(class: &str, salt: usize) -> String {
        let payload =
            json!({"policy_array": [{"environment": {"class_id": class}, "salt": salt}]}).to_string();
        let part = |text: &str| base64url::encode(text.as_bytes());
        let claims = json!({ "policy_payload": payload }).to_string();
        format!("{}.{}.{}", part(r#"{"alg":"ES384"}"#), part(&claims), part("signature"))
    }

    fn body(policy: &str, is_default: bool, fmspc: &str) -> Bytes {
        json!({"policy": policy, "is_default": is_default, "fmspc": fmspc}).to_string().into()
    }

    fn new(salt: usize, is_default: bool, family: usize) -> NewPolicy {
        let digits = format!("{family:012X}");
        NewPolicy::read(&body(&token(PLATFORM_CLASSES[0], salt), is_default, &digits)).unwrap()
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let read = |policy: &str| NewPolicy::read(&body(policy, true, "00606A000000")).err();
        for class in PLATFORM_CLASSES {
            assert_eq!(read(&token(&class.to_uppercase(), 0)), None);
        }
        let good = token(PLATFORM_CLASSES[0], 0);
        let empty = base64url::encode(b"{}");
        for bad in [
            String::new(),
            "a.b".to_owned(),
            format!("{good}.c"),
            good.replacen('.', ".!", 1),
            format!("{empty}.{empty}.{empty}"),
            token(TDQE_CLASS, 0),
            token("0", 0),
        ] {
            assert!(matches!(read(&bad), Some(Refusal::Malformed(_))), "{bad}");
        }
        let large = format!("{good}{}", "A".repeat(MAX_POLICY));
        assert_eq!(read(&large), Some(Refusal::TooLarge));
        for bad in [body(&good, true, "00606A0000"), body(&good, true, ""), Bytes::from_static(b"[]")] {
            assert!(matches!(NewPolicy::read(&bad), Err(Refusal::Malformed(_))));
        }
    }

    #[test]
    fn one_default_of_a_family_is_given_out() {
        let store = Arc::new(MemoryStore::new());
        let shared: Arc<dyn Store> = store.clone();
        let policies = Policies::new(shared);
        let default = || policies.default_of([0, 0, 0, 0, 0, 1]).unwrap();
        let put = |salt, is_default| policies.put(&new(salt, is_default, 1), UnixTime(1)).unwrap();
        assert_eq!(default(), None);
        put(1, false);
        assert_eq!(default(), None, "not the default");
        put(1, true);
        assert_eq!(default(), Some(token(PLATFORM_CLASSES[0], 1)));
        put(2, true);
        assert_eq!(default(), Some(token(PLATFORM_CLASSES[0], 2)));
        for salt in 3..30 {
            put(salt, false);
        }
        assert_eq!(default(), Some(token(PLATFORM_CLASSES[0], 2)), "others do not push it out");
        let head = store.head(&name([0, 0, 0, 0, 0, 1]).unwrap()).unwrap().unwrap();
        assert_eq!(policies.read(&head).unwrap().unwrap().policies.len(), MAX_POLICIES);
        put(2, false);
        assert_eq!(default(), None, "it can be taken back");
        assert_eq!(policies.default_of([0; 6]).unwrap(), None);
        let chain = administration_chain(CHAIN).unwrap();
        assert_eq!(store.verify_chain(&chain, None).unwrap().checked(), 31, "each change has its record");
    }

    #[test]
    fn families_have_a_limit() {
        let policies = Policies::new(Arc::new(MemoryStore::new()));
        for family in 0..MAX_FAMILIES {
            policies.put(&new(0, true, family), UnixTime(1)).unwrap();
        }
        let one_more = policies.put(&new(0, true, MAX_FAMILIES), UnixTime(1));
        assert!(matches!(one_more, Err(Refusal::Malformed(_))));
        assert_eq!(policies.put(&new(1, true, 0), UnixTime(1)), Ok(()), "known ones may change");
    }
}
