//! `/certs` and `/.well-known/openid-configuration` (Azure Attestation REST API reference, "Signing Certificates" and "Metadata Configuration").

use std::collections::BTreeSet;

use assay_appraisal::claims;
use serde_json::json;

use crate::answer::Answer;
use crate::problem::Problem;
use crate::registry::ProviderSnapshot;

/// What Azure names besides: key confirmation, and the older names that default policies issue.
const BY_POLICY: [&str; 7] =
    ["cnf", "is-debuggable", "sgx-mrsigner", "sgx-mrenclave", "product-id", "svn", "tee"];

/// The key set, as the registry keeps it ready.
pub(super) fn key_set(provider: &ProviderSnapshot) -> Answer {
    Answer::json(provider.jwks.clone())
}

/// The discovery document. Azure also names a `revocation_endpoint`, which nobody ever saw answer; we have none.
pub(super) fn configuration(provider: &ProviderSnapshot) -> Result<Answer, Problem> {
    let issued = claims::all().filter(|claim| claim.outgoing).map(|claim| claim.name);
    // Kinds of evidence share names.
    let claims: BTreeSet<&str> = issued.chain(BY_POLICY).collect();
    Answer::of(&json!({
        "issuer": provider.issuer,
        "jwks_uri": provider.jku,
        "response_types_supported": ["token", "none"],
        "id_token_signing_alg_values_supported": [provider.options.algorithm.as_str()],
        "claims_supported": claims,
    }))
}
