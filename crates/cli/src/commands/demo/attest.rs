//! One device of the demonstration: simulated, attested over HTTPS, and its token verified offline.

use std::path::Path;
use std::time::{Duration, Instant};

use assay_appraisal::verdict::{JudgeCollateral, JudgeInput, JudgeSnp, judge};
use assay_appraisal::{Beside, SnpTrust};
use assay_token::{Expectations, Jwks, verify};
use assay_verify::{Outcome, TrustAnchors, UnixTime};
use http::Method;
use serde_json::Value;

use super::cases::{Case, Expected};
use super::device::Device;
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
    pub(super) trust: SnpTrust,
}

impl RelyingParty {
    /// Makes the device and its evidence, sends that to the service as a client does, and checks the answer.
    pub(super) fn try_out(&self, case: &Case, silicon: &Path, service: &Remote) -> Result<Row, Failure> {
        let now = crate::commands::now();
        let device = Device::make(&case.silicon, silicon, now)?;
        let path = format!("{}?{API_VERSION}", case.silicon.attest_route());
        let begin = Instant::now();
        let answer = service.exchange(Method::POST, &path, Body::Json(&device.request))?;
        let time = Instant::now().saturating_duration_since(begin);
        let (decision, is_expected) = self.judge_answer(case, &device, &answer, now);
        let checks = self.checks(&device, now)?;
        Ok(Row { kind: case.silicon.kind(), device: case.device, checks, decision, is_expected, time })
    }

    fn judge_answer(
        &self,
        case: &Case,
        device: &Device,
        (status, body): &(u16, Value),
        now: UnixTime,
    ) -> (String, bool) {
        let Some(token) = body.get("token").and_then(Value::as_str) else {
            let reason = body.pointer("/error/innererror/code").and_then(Value::as_str).unwrap_or("unknown");
            let is_expected = matches!(case.expected, Expected::Refusal(expected) if expected == reason);
            return (format!("refused ({status} {})", visible(reason)), is_expected);
        };
        match self.verify_token(token, device, now) {
            Ok(()) => ("token issued, verified offline".to_owned(), case.expected == Expected::Token),
            Err(problem) => (format!("token issued, but {problem}"), false),
        }
    }

    /// Signature, issuer and times with the published keys; then that the token speaks of this very evidence.
    fn verify_token(&self, token: &str, device: &Device, now: UnixTime) -> Result<(), String> {
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
        let runtime: Option<Value> = serde_json::from_slice(&device.runtime_data).ok();
        if claims.get("x-ms-runtime") != runtime.as_ref() {
            return Err("it does not carry the runtime data".to_owned());
        }
        if claims.contains_key("x-assay-uvm-issuer") != device.endorsed {
            return Err("it is wrong about the endorsement of the image".to_owned());
        }
        Ok(())
    }

    /// The service tells anonymous clients the decision only; every check can be made again by anyone.
    fn checks(&self, device: &Device, now: UnixTime) -> Result<Checks, Failure> {
        let input = JudgeInput {
            kind: device.kind,
            evidence: &device.evidence,
            beside: Beside { vek: device.chain.as_deref().map(str::as_bytes), chain: None },
            runtime_data: Some(&device.runtime_data),
            runtime_data_type: None,
            init_time_data: None,
            nonce: None,
            challenge: None,
            challenges: None,
            collateral: device.collateral.as_ref().map_or(JudgeCollateral::Missing, JudgeCollateral::Raw),
            snp: JudgeSnp::Offline { crl: None, trust: &self.trust },
            policy: None,
            baseline: None,
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
