//! A provider's policy, ready to decide.

use std::sync::Arc;

use assay_policy::{Compiled, Diagnostic, Policy, Severity};
use assay_verify::sha256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::appraise::named_baseline;
use crate::claims::vocabulary;
use crate::{AZURE_DEFAULT, AttestationType, KNOWN_BASELINES};

/// The default of Azure's shared providers of 2021 for SGX and Open Enclave: its hash is a published constant
/// (`bROrN897ZfWmWY2V0FLUlu3uwk5xatGnKYHn3zBbSlw`), so the text is kept to the byte.
const DEFAULT_SGX: &str = concat!(
    "version= 1.0;authorizationrules{=> permit();};issuancerules{",
    r#"c:[type=="x-ms-sgx-is-debuggable"] => issue(type="is-debuggable", value=c.value);"#,
    r#"c:[type=="x-ms-sgx-mrsigner"] => issue(type="sgx-mrsigner", value=c.value);"#,
    r#"c:[type=="x-ms-sgx-mrenclave"] => issue(type="sgx-mrenclave", value=c.value);"#,
    r#"c:[type=="x-ms-sgx-product-id"] => issue(type="product-id", value=c.value);"#,
    r#"c:[type=="x-ms-sgx-svn"] => issue(type="svn", value=c.value);"#,
    r#"c:[type=="x-ms-attestation-type"] => issue(type="tee", value=c.value);};"#,
);
/// Azure has no default here, and one of its SDKs fails on that; so there is one, and it denies until it is replaced.
const DEFAULT_TPM: &str = "version= 1.0;authorizationrules{=> deny();};issuancerules{};";

/// Azure's text is not public, and its tokens suggest that it permits everything. This one refuses what makes a guest's memory
/// no secret or lets others carry it away, and reports that less privileged software asked for.
const DEFAULT_SNP: &str = concat!(
    "version= 1.0;\n",
    "authorizationrules\n{\n",
    r#"    [type=="x-ms-sevsnpvm-is-debuggable", value==false]"#,
    "\n",
    r#"    && [type=="x-ms-sevsnpvm-migration-allowed", value==false]"#,
    "\n",
    r#"    && [type=="x-ms-sevsnpvm-vmpl", value==0]"#,
    "\n    => permit();\n};\nissuancerules\n{\n};\n",
);
/// As above; the refusal of TCB that is out of date is the baseline's.
const DEFAULT_TDX: &str = concat!(
    "version= 1.0;\n",
    "authorizationrules\n{\n",
    r#"    [type=="tdx_td_attributes_debug", value==false] => permit();"#,
    "\n};\nissuancerules\n{\n};\n",
);

/// The policy that holds until a provider sets its own.
#[must_use]
pub const fn default_policy(kind: AttestationType) -> &'static str {
    match kind {
        AttestationType::SgxEnclave | AttestationType::OpenEnclave => DEFAULT_SGX,
        AttestationType::SevSnpVm => DEFAULT_SNP,
        AttestationType::TdxVm => DEFAULT_TDX,
        AttestationType::Tpm => DEFAULT_TPM,
    }
}

/// `x-ms-policy-hash`: base64url of SHA-256 over the base64url of the policy text.
#[must_use]
pub fn policy_hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(&[URL_SAFE_NO_PAD.encode(text).as_bytes()]))
}

/// A policy that compiled without errors, with what the token says of it.
#[derive(Clone, Debug)]
pub struct ActivePolicy {
    program: Arc<Policy>,
    hash: String,
    signer: Option<Value>,
    warnings: Vec<Diagnostic>,
}

impl ActivePolicy {
    /// Compiles a policy for one attestation type. `signer` is the JWK of who signed the policy document.
    ///
    /// # Errors
    /// Every diagnostic, warnings included, if one of them is an error.
    pub fn compile(
        kind: AttestationType,
        text: &str,
        signer: Option<Value>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let Compiled { policy, diagnostics, .. } = assay_policy::compile(text, &vocabulary(kind));
        let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        match policy {
            Some(program) if !failed => Ok(Self {
                program: Arc::new(program),
                hash: policy_hash(text),
                signer,
                warnings: diagnostics,
            }),
            _ => Err(diagnostics),
        }
    }

    /// The text as it was set.
    #[must_use]
    pub fn text(&self) -> &str {
        self.program.text()
    }

    /// The value of `x-ms-policy-hash`.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The JWK of who signed the policy document.
    #[must_use]
    pub const fn signer(&self) -> Option<&Value> {
        self.signer.as_ref()
    }

    /// What the checker warned of.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// The baseline that the policy names for every platform. Names that depend on claims are seen only with a platform.
    #[must_use]
    pub fn baseline(&self) -> Option<String> {
        named_baseline(self, &assay_policy::ClaimSet::default()).ok().flatten()
    }

    /// A baseline that the policy names and this release does not know, which would refuse every platform.
    #[must_use]
    pub fn unknown_baseline(&self) -> Option<String> {
        let named = self.baseline()?;
        let known = named == AZURE_DEFAULT || KNOWN_BASELINES.iter().any(|(known, _)| *known == named);
        (!known).then_some(named)
    }

    pub(crate) fn program(&self) -> &Policy {
        &self.program
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!(policy_hash(DEFAULT_SGX), "bROrN897ZfWmWY2V0FLUlu3uwk5xatGnKYHn3zBbSlw");
        assert_eq!(
            policy_hash("version=1.0; authorizationrules{=> permit();}; issuancerules{};"),
            "z0FRjKS0ssQTNur1V6BV8WIrh9M3fzgTo0EfHRvapWU"
        );
    }

    #[test]
    fn baselines_are_known_or_named() {
        let unknown = |rules: &str| {
            let text = format!(
                "version=1.1; configurationrules{{{rules}}}; authorizationrules{{=> permit();}}; issuancerules{{}};"
            );
            ActivePolicy::compile(AttestationType::SgxEnclave, &text, None).unwrap().unknown_baseline()
        };
        let name =
            |name: &str| format!(r#"=> issueproperty(type="x-ms-sgx-tcbidentifier", value="{name}");"#);
        assert_eq!(unknown(""), None);
        for (known, _) in KNOWN_BASELINES.into_iter().chain([(AZURE_DEFAULT, 0)]) {
            assert_eq!(unknown(&name(known)), None, "{known}");
        }
        assert_eq!(unknown(&name("99")), Some("99".to_owned()));
        assert_eq!(unknown(&format!("{}{}", name("10"), name("10"))), None);
        // Neither the first nor the last of several holds.
        assert_eq!(unknown(&format!("{}{}", name("99"), name("10"))), Some("10, 99".to_owned()));
        assert_eq!(unknown(&format!("{}{}", name("10"), name("15"))), Some("10, 15".to_owned()));
        assert!(
            unknown(
                &name("10").replace('"', "").replace("x-ms-sgx-tcbidentifier", "\"x-ms-sgx-tcbidentifier\"")
            )
            .is_some()
        );
    }

    #[test]
    fn every_default_compiles_without_a_warning() {
        for kind in AttestationType::ALL {
            let policy = ActivePolicy::compile(kind, default_policy(kind), None).unwrap();
            assert!(policy.warnings().is_empty(), "{kind:?}: {:?}", policy.warnings());
        }
    }
}
