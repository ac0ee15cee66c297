//! Azure's codes and sentences for what the appraisal and the registry refuse, and what of it
//! whom may be told.

use assay_appraisal::{Refusal, RefusalClass};
use assay_policy::{Diagnostic, RuleRef, Severity};
use assay_token::TokenError;
use http::StatusCode;

use crate::attest::AttestError;
use crate::problem::{Detail, Problem, sentences};
use crate::registry::{Fault, RegistryError};

/// Longest rule text in an answer; a rule may have many kilobytes.
const MAX_RULE: usize = 1000;

/// Why there is no token. `explain`: whether the caller may see rule texts and claim values.
pub(crate) fn refused(refusal: &Refusal, rule: Option<&RuleRef>, explain: bool) -> Problem {
    let invalid = |message: String| Problem::invalid_parameter(refusal.code(), message);
    let evaluation = |message: String| {
        Problem::new(StatusCode::BAD_REQUEST, "PolicyEvaluationError", message).because(refusal.code())
    };
    let explained = || sentences(&refusal.message(), help(refusal.code(), refusal.help()));
    match refusal.class() {
        RefusalClass::Request => invalid(explained()),
        RefusalClass::Evidence => invalid(format!("The specified quote was invalid. {}", explained())),
        RefusalClass::Baseline if explain => invalid(explained()),
        RefusalClass::Baseline => invalid(sentences(
            "the platform on which the quote was generated does not meet the baseline of this provider",
            refusal.help(),
        )),
        RefusalClass::Denied => denied(evaluation, refusal, rule.filter(|_| explain), explain),
        RefusalClass::PolicyEvaluation if explain => evaluation(explained()),
        RefusalClass::PolicyEvaluation => evaluation(
            "The policy of this provider could not be evaluated. A reader of the provider can see why."
                .to_owned(),
        ),
        // The caller sent the draft, so everything about it is the caller's to know.
        RefusalClass::DraftPolicy => match refusal {
            Refusal::DraftPolicy(diagnostics) => parsing(refusal.code(), diagnostics),
            _ => Problem::internal(),
        },
        RefusalClass::NotSupported => {
            Problem::new(StatusCode::BAD_REQUEST, "NotSupported", explained()).because(refusal.code())
        }
    }
}

/// What a caller of the service can do. The errors of verification speak to people at a command line, who have the
/// collateral and the clock in their own hands.
pub(crate) fn help(code: &str, otherwise: &'static str) -> &'static str {
    match code {
        "untrusted-root" => {
            "send evidence of real hardware; only a service in development believes simulated one"
        }
        "uvm-signed-in-future" => "ask the operator to check the service's clock",
        "certificate-expired" | "certificate-not-yet-valid" => {
            "let the platform fetch its certificates again, or ask the operator to check the service's clock"
        }
        "vek-missing" => {
            "send the certificate in `VcekCertChain` (`vek` in appraisals), or ask the operator to add this chip's"
        }
        "vlek-provider" => "ask the operator whether this cloud provider is to be trusted",
        "crl-missing" | "crl-expired" | "crl-not-yet-valid" => {
            "ask the operator to refresh AMD's revocation lists and to check the service's clock"
        }
        "uvm-issuer-untrusted" | "uvm-svn-too-low" => {
            "let the host run a current image, or ask the operator which issuers and versions are trusted"
        }
        "collateral-missing" => "ask the operator to add collateral for this platform family",
        "collateral-expired" | "collateral-not-yet-valid" => {
            "ask the operator to refresh the collateral and to check the service's clock"
        }
        _ => otherwise,
    }
}

fn denied(
    evaluation: impl Fn(String) -> Problem,
    refusal: &Refusal,
    rule: Option<&RuleRef>,
    explain: bool,
) -> Problem {
    const SAID: &str = "Policy Evaluation Error has occurred: a Deny claim was issued, authorization failed.";
    let Some(rule) = rule else {
        let why = match explain {
            true => "No rule permits this evidence.".to_owned(),
            false => sentences(refusal.help(), ""),
        };
        return evaluation(format!("{SAID} {why}"));
    };
    let text: String = rule.text.chars().take(MAX_RULE).collect();
    let place = format!("line {}, column {}", rule.line, rule.column);
    let message = format!("{SAID} The rule at {place} decided: `{text}`.");
    evaluation(message).with_details(vec![Detail {
        code: "deciding-rule".to_owned(),
        message: text,
        target: Some(place),
    }])
}

/// A policy that does not compile: the first error in the sentence, all findings beside it.
fn parsing(reason: &'static str, diagnostics: &[Diagnostic]) -> Problem {
    let first = diagnostics.iter().find(|one| one.severity == Severity::Error);
    let message = first.map_or_else(
        || "Invalid policy was specified.".to_owned(),
        |first| {
            let found = sentences(&first.message, first.help.as_deref().unwrap_or_default());
            let (line, column) = (first.start.line, first.start.column);
            format!("Invalid policy was specified: Line: '{line}', Column: '{column}': {found}")
        },
    );
    let problem = Problem::new(StatusCode::BAD_REQUEST, "PolicyParsingError", message).because(reason);
    problem.with_details(details(diagnostics))
}

fn details(diagnostics: &[Diagnostic]) -> Vec<Detail> {
    let detail = |one: &Diagnostic| Detail {
        code: one.code.to_owned(),
        message: sentences(&one.message, one.help.as_deref().unwrap_or_default()),
        target: Some(format!("line {}, column {}", one.start.line, one.start.column)),
    };
    diagnostics.iter().map(detail).collect()
}

/// Why a change of providers, policies, signers or keys was refused.
pub(crate) fn registry(error: &RegistryError) -> Problem {
    if let RegistryError::PolicyParsing { diagnostics } = error {
        return parsing(error.code(), diagnostics);
    }
    let message = sentences(&said(error), error.help());
    match error.fault() {
        Fault::Request => {
            Problem::new(StatusCode::BAD_REQUEST, azure_code(error), message).because(error.code())
        }
        Fault::NotFound => Problem::not_found(error.code(), message),
        Fault::Conflict => Problem::conflict(error.code(), message),
        Fault::Unavailable => Problem::unavailable(error.code(), message),
        Fault::Internal => {
            tracing::error!(%error, code = error.code(), "a change failed");
            Problem::internal()
        }
    }
}

/// Azure's code for a refused request.
const fn azure_code(error: &RegistryError) -> &'static str {
    match error {
        RegistryError::UnknownBaseline { .. } => "PolicyParsingError",
        RegistryError::SignerCertificate(_)
        | RegistryError::SignerNotTrusted(_)
        | RegistryError::Option { .. }
        | RegistryError::ProviderName { .. } => "InvalidParameter",
        _ => "InvalidOperation",
    }
}

/// Azure's sentence where clients know one, else our own.
fn said(error: &RegistryError) -> String {
    match error {
        RegistryError::Unsigned => {
            "Unsigned JWS specified but enclave is configured with signing certificates.".to_owned()
        }
        RegistryError::Document(TokenError::PartCount { found: 1 }) => {
            "Malformed JWT: Could not find first period in the token.".to_owned()
        }
        RegistryError::MemberMissing { member } => {
            format!("Could not find \"{member}\" claim in policy token")
        }
        other => other.to_string(),
    }
}

/// Why the service has no answer, whatever the evidence is.
pub(crate) fn failed(error: &AttestError) -> Problem {
    tracing::error!(%error, cause = ?error, "an attestation failed");
    match error {
        AttestError::Recording(_) => Problem::unavailable(
            "not-recorded",
            "The decision could not be recorded, so it is not given out. Try again in a moment.",
        ),
        AttestError::Kind | AttestError::Signing(_) | AttestError::Random(_) => Problem::internal(),
    }
}

#[cfg(test)]
mod tests {
    use assay_verify::error::CertificateRole;
    use assay_verify::snp::SnpError;
    use assay_verify::uvm::UvmError;
    use assay_verify::{UnixTime, VerifyError};

    use super::*;

    #[test]
    fn azure_knows_codes_and_sentences() {
        let cases = [
            (
                RegistryError::Unsigned,
                "InvalidOperation",
                "Unsigned JWS specified but enclave is configured with signing certificates. Sign",
            ),
            (
                RegistryError::Document(TokenError::PartCount { found: 1 }),
                "InvalidOperation",
                "Malformed JWT: Could not find first period in the token. ",
            ),
            (
                RegistryError::MemberMissing { member: "policyCertificate" },
                "InvalidOperation",
                "Could not find \"policyCertificate\" claim in policy token. ",
            ),
            (RegistryError::Shared, "InvalidOperation", "A shared provider cannot be changed. "),
            (
                RegistryError::SignerCertificate(TokenError::CertificateMissing),
                "InvalidParameter",
                "The policy signer is refused: the document is signed but carries no certificate. ",
            ),
            (
                RegistryError::UnknownBaseline { name: "99".to_owned() },
                "PolicyParsingError",
                "The policy names",
            ),
            (
                RegistryError::Store(assay_store::StoreError::Busy),
                "ServiceUnavailable",
                "The store is busy. ",
            ),
        ];
        for (error, code, message) in cases {
            let problem = registry(&error);
            assert_eq!((problem.code, problem.reason), (code, Some(error.code())));
            assert!(problem.message.starts_with(message), "{}", problem.message);
        }
    }

    #[test]
    fn callers_are_not_told_of_options_of_a_command() {
        let role = CertificateRole::Pck;
        let cases = [
            VerifyError::UntrustedRoot { role },
            VerifyError::CollateralMissing,
            VerifyError::CollateralRoots,
            VerifyError::InitTimeDataUnsupported,
            SnpError::VekMissing.into(),
            SnpError::VlekProvider { found: "CN=x".to_owned() }.into(),
            SnpError::CrlExpired { until: UnixTime(0) }.into(),
            UvmError::SignedInFuture { at: UnixTime(0) }.into(),
            UvmError::IssuerUntrusted { issuer: String::new(), feed: String::new() }.into(),
            UvmError::SvnTooLow { found: 0, minimum: 1 }.into(),
        ];
        for error in cases {
            let message = refused(&Refusal::Evidence(error), None, true).message;
            assert!(!message.contains("--") && !message.contains("`collateral."), "{message}");
            assert!(!message.contains("`snp."), "{message}");
        }
        let missing = refused(&Refusal::Evidence(VerifyError::CollateralMissing), None, false).message;
        assert!(
            missing.ends_with("Ask the operator to add collateral for this platform family."),
            "{missing}"
        );
    }
}
