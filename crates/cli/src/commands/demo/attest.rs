//! One device of the demonstration: simulated, attested over HTTPS, and its token verified offline.

use std::path::Path;
use std::time::{Duration, Instant};

use assay_appraisal::AttestationType;
use assay_appraisal::verdict::{JudgeCollateral, JudgeInput, judge};
use assay_silicon::intel::{Kind, Simulated, simulate};
use assay_token::{Expectations, Jwks, verify};
use assay_verify::intel::RawCollateral;
use assay_verify::{Outcome, TrustAnchors, UnixTime};
use http::Method;
use serde_json::Value;

use super::cases::{Case, Expected};
use crate::failure::Failure;
use crate::remote::{Body, Remote};
use crate::style::visible;

/// The stable version that every SDK since 2022 sends.
pub(super) const API_VERSION: &str = "api-version=2022-08-01";

/// What became of a device.
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) device: &'static str,
    pub(super) checks: Checks,
    pub(super) decision: String,
    /// Whether it is what must become of it.
    pub(super) is_expected: bool,
    pub(super) time: Duration,
}

/// The checks of a verification by outcome.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) passed: usize,
    pub(super) warned: usize,
    pub(super) failed: usize,
}

/// What a relying party has before it sees a token.
pub(super) struct RelyingParty {
    pub(super) issuer: String,
    pub(super) keys: Jwks,
    pub(super) anchors: TrustAnchors,
}

impl RelyingParty {
    /// Makes the device and its evidence, sends that to the service as a client does, and checks the answer.
    pub(super) fn try_out(&self, case: &Case, silicon: &Path, service: &Remote) -> Result<Row, Failure> {
        let now = crate::commands::now();
        let simulated = simulate(silicon, case.kind, &case.options(), now.0)?;
        let path = format!("{}?{API_VERSION}", case.kind.attest_route());
        let begin = Instant::now();
        let answer = service.exchange(Method::POST, &path, Body::Json(&simulated.request))?;
        let time = Instant::now().saturating_duration_since(begin);
        let (decision, is_expected) = self.judge_answer(case, &simulated, &answer, now);
        let checks = self.checks(case.kind, &simulated, now)?;
        Ok(Row { kind: case.kind.name(), device: case.device, checks, decision, is_expected, time })
    }

    fn judge_answer(
        &self,
        case: &Case,
        simulated: &Simulated,
        (status, body): &(u16, Value),
        now: UnixTime,
    ) -> (String, bool) {
        let Some(token) = body.get("token").and_then(Value::as_str) else {
            let reason = body.pointer("/error/innererror/code").and_then(Value::as_str).unwrap_or("unknown");
            let is_expected = matches!(case.expected, Expected::Refusal(expected) if expected == reason);
            return (format!("refused ({status} {})", visible(reason)), is_expected);
        };
        match self.verify_token(token, simulated, now) {
            Ok(()) => ("token issued, verified offline".to_owned(), case.expected == Expected::Token),
            Err(problem) => (format!("token issued, but {problem}"), false),
        }
    }

    /// Signature, issuer and times with the published keys; then that the token speaks of this very evidence.
    fn verify_token(&self, token: &str, simulated: &Simulated, now: UnixTime) -> Result<(), String> {
        let seconds = u64::try_from(now.0).unwrap_or_default();
        // The service may have made the token in the next second.
        let expectations =
            Expectations { issuer: Some(&self.issuer), leeway: 2, ..Expectations::at(seconds) };
        let token = verify(token, &self.keys, &expectations)
            .map_err(|reasons| reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let claims = token.claims();
        if claims.get("x-assay-simulated") != Some(&Value::Bool(true)) {
            return Err("it does not say that the hardware is simulated".to_owned());
        }
        let runtime: Option<Value> = serde_json::from_slice(&simulated.runtime_data).ok();
        if claims.get("x-ms-runtime") != runtime.as_ref() {
            return Err("it does not carry the runtime data".to_owned());
        }
        Ok(())
    }

    /// The service tells anonymous clients the decision only; every check can be made again by anyone.
    fn checks(&self, kind: Kind, simulated: &Simulated, now: UnixTime) -> Result<Checks, Failure> {
        let json =
            serde_json::to_vec(&simulated.collateral).map_err(|error| Failure::new(error.to_string()))?;
        let collateral = RawCollateral::from_json(&json).map_err(|error| Failure::new(error.to_string()))?;
        let input = JudgeInput {
            kind: match kind {
                Kind::Sgx => AttestationType::SgxEnclave,
                Kind::OpenEnclave => AttestationType::OpenEnclave,
            },
            evidence: &simulated.evidence,
            runtime_data: Some(&simulated.runtime_data),
            runtime_data_type: None,
            nonce: None,
            challenge: None,
            challenges: None,
            collateral: JudgeCollateral::Raw(&collateral),
            policy: None,
            now,
            anchors: &self.anchors,
        };
        let verdict = judge(&input).map_err(|refusal| Failure::new(refusal.message()))?;
        let count = |outcome| verdict.checks.iter().filter(|check| check.outcome == outcome).count();
        Ok(Checks {
            passed: count(Outcome::Pass),
            warned: count(Outcome::Warn),
            failed: count(Outcome::Fail),
        })
    }
}
