//! Azure-style confidential VMs: the paravisor's report and the hardware's report inside it.
//!
//! The hardware vouches for the paravisor, and by its report data for the runtime claims that the paravisor wrote: the keys
//! of the virtual TPM and how the machine was started. Checks, in order: 1 layout; 2 the report data is the hash of the exact
//! runtime claims; 3 the claims are JSON with one attestation key; 4 caller's data and nonce stand in the claims; 5 the hardware
//! report by the rules of its own kind; 6 it was asked for at VMPL 0, where the paravisor runs and the guest does not.
//!
//! That it was a paravisor which asked, and not a guest that has VMPL 0 for itself and writes what it likes, only the launch
//! measurement and the digest of the id key can say: they are claims, and whoever relies on the claims of a paravisor has to
//! ask for them in its policy.
//!
//! An SEV-SNP report proves itself. A TDREPORT is authenticated for its own machine only: it takes a TD quote to verify it
//! elsewhere.

use std::sync::Arc;

use assay_evidence::ParseError;
use assay_evidence::hcl::{Hardware, HashType, Report as HclReport};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use thiserror::Error;

use crate::binding::{Binding, carries_nonce, is_hash_then_zeros};
use crate::cache::ChainCache;
use crate::claims::SnpClaims;
use crate::crypto::{sha256, sha384, sha512};
use crate::error::VerifyError;
use crate::report::{CheckDef, Outcome, Report};
use crate::snp::{self, VekKey, VerifiedVek};
use crate::trust::{TrustAnchors, Verified};

const HCL: &str = "Azure, confidential VM guest attestation, HCL report (HwVmReport.h)";

/// The rules on the paravisor's report itself.
pub const RULES: &[&CheckDef] =
    &[&LAYOUT, &CLAIMS_BINDING, &CLAIMS, &ATTESTATION_KEY, &RUNTIME_DATA, &NONCE, &HARDWARE, &VMPL];

macro_rules! rules {
    ($($name:ident: $id:literal, $title:literal, $reference:expr;)*) => {
        $(static $name: CheckDef = CheckDef { id: $id, title: $title, reference: $reference };)*
    };
}

rules! {
    LAYOUT: "hcl.layout", "the paravisor's report is whole and of a known shape", HCL;
    CLAIMS_BINDING: "hcl.claims-binding", "the hardware's report data is the hash of the runtime claims, then zeros", HCL;
    CLAIMS: "hcl.claims", "the runtime claims are JSON", HCL;
    ATTESTATION_KEY: "hcl.attestation-key", "the runtime claims name one attestation key of the virtual TPM", HCL;
    RUNTIME_DATA: "hcl.runtime-data", "the runtime data is the claims themselves, or their `user-data` is its hash", HCL;
    NONCE: "hcl.nonce", "the evidence is bound to the nonce", "RFC 9334, section 10.2";
    HARDWARE: "hcl.hardware", "the hardware's report can be verified outside of its machine", HCL;
    VMPL: "hcl.vmpl", "the paravisor asked for the hardware's report, at the highest privilege level", HCL;
}

/// Largest runtime claims: the report that carries them is not larger.
const LIMITS: assay_json::Limits = assay_json::Limits::bytes(assay_evidence::hcl::MAX_SIZE);
/// `kid` of the virtual TPM's attestation key.
const ATTESTATION_KEY_ID: &str = "HCLAkPub";

/// A rule on paravisors' reports that this evidence breaks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HclError {
    /// The claims are not those that the hardware vouches for.
    #[error("the hardware's report data is not the hash of the runtime claims")]
    ClaimsBinding,
    /// The claims hash right and are no JSON.
    #[error("the runtime claims are not JSON: {problem}")]
    ClaimsNotJson {
        /// What is wrong with them.
        problem: String,
    },
    /// The claims do not name one usable key.
    #[error("the runtime claims' attestation key `HCLAkPub`: {problem}")]
    AttestationKey {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Somebody below the paravisor asked for the hardware's report.
    #[error("the hardware's report was asked for at VMPL {found}, and the paravisor runs at VMPL 0")]
    Vmpl {
        /// The level found.
        found: u32,
    },
    /// What the guest handed to the paravisor is not what the caller's data demands.
    #[error("the machine's `user-data` is not the hash of the {data}, nor do its claims hold it")]
    UserData {
        /// `runtime data` or `nonce`.
        data: &'static str,
    },
    /// A TDREPORT alone.
    #[error("a TDREPORT is authenticated for its own machine only, and there is no TD quote made from it")]
    TdQuoteMissing,
}

impl HclError {
    /// The stable name of this error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ClaimsBinding => "hcl-claims-binding",
            Self::ClaimsNotJson { .. } => "hcl-claims-not-json",
            Self::AttestationKey { .. } => "hcl-attestation-key",
            Self::Vmpl { .. } => "hcl-vmpl",
            // As of every kind of evidence.
            Self::UserData { .. } => "binding-mismatch",
            Self::TdQuoteMissing => "td-quote-missing",
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::TdQuoteMissing => {
                "this release verifies SEV-SNP machines of this kind; verification of TD quotes is for a later one"
            }
            Self::Vmpl { .. } => {
                "read the paravisor's report from the vTPM (NV index 0x01400001) and send that"
            }
            Self::UserData { .. } => {
                "write SHA-256, SHA-384 or SHA-512 of the data, then zeros, to NV index 0x01400002, and read 0x01400001 anew"
            }
            _ => "read the report from the vTPM again (NV index 0x01400001) and send its bytes unchanged",
        }
    }
}

/// What a paravisor says of its machine.
#[derive(Clone, Debug, PartialEq)]
pub struct ParavisorClaims {
    /// The runtime claims, every member.
    pub runtime: Value,
    /// The virtual TPM's attestation key.
    pub attestation_key: VtpmKey,
}

/// The public half of a virtual TPM's attestation key: RSA, both numbers big-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VtpmKey {
    /// `n`.
    pub modulus: Vec<u8>,
    /// `e`.
    pub exponent: Vec<u8>,
}

impl Verified<SnpClaims> {
    /// The attestation key of the machine's virtual TPM, as the verified hardware report names it: what that TPM's quotes
    /// must be signed with.
    #[must_use]
    pub fn vtpm_key(&self) -> Option<Verified<VtpmKey>> {
        self.part(|claims| Some(claims.paravisor.as_ref()?.attestation_key.clone()))
    }
}

/// Evidence whose layout was read.
#[derive(Debug)]
pub struct Opened<'a> {
    report: Result<HclReport<'a>, ParseError>,
    hardware: Option<snp::Opened<'a>>,
}

impl<'a> Opened<'a> {
    /// Reads the paravisor's report, and the hardware's inside. `certificates` as in [`snp::Evidence`].
    #[must_use]
    pub fn new(
        bytes: &'a [u8],
        certificates: &'a [Vec<u8>],
        anchors: &TrustAnchors,
        cache: &ChainCache,
    ) -> Self {
        let report = HclReport::parse(bytes);
        let hardware = report.as_ref().ok().and_then(|report| match report.hardware {
            Hardware::Snp(report) => {
                Some(snp::Evidence { report: report.as_slice(), certificates, endorsements: &[] })
            }
            Hardware::Tdx(_) => None,
        });
        let hardware = hardware.map(|evidence| snp::Opened::new(evidence, anchors, cache));
        Self { report, hardware }
    }

    /// The VEK certificate that is needed and did not come along.
    #[must_use]
    pub fn wanted_vek(&self) -> Option<VekKey> {
        self.hardware.as_ref()?.wanted_vek()
    }

    /// Whether this key signed the hardware's report; as [`snp::Opened::is_signed_by`].
    #[must_use]
    pub fn is_signed_by(&self, vek: &VerifiedVek) -> bool {
        self.hardware.as_ref().is_some_and(|hardware| hardware.is_signed_by(vek))
    }

    /// The runtime claims as they were hashed.
    #[must_use]
    pub fn runtime_claims(&self) -> Option<&'a [u8]> {
        self.report.as_ref().ok().map(|report| report.runtime_claims)
    }

    /// Makes every remaining check.
    #[must_use]
    pub fn verify(
        &self,
        held: Option<&Arc<VerifiedVek>>,
        binding: &Binding<'_>,
        context: &snp::Context<'_>,
    ) -> snp::Verification {
        let report = match &self.report {
            Ok(report) => report,
            Err(error) => return unreadable(error.clone()),
        };
        let mut checks = Report::with_capacity(48);
        checks.pass(&LAYOUT);
        let paravisor = check_claims(report, &mut checks);
        check_caller(report.runtime_claims, paravisor.as_ref(), binding, &mut checks);
        let Some(hardware) = &self.hardware else {
            checks.fail(&HARDWARE, HclError::TdQuoteMissing.into());
            checks.skip_missing(&[RULES]);
            return snp::Verification { report: checks, claims: None };
        };
        checks.pass(&HARDWARE);
        match hardware.report().map(|report| report.vmpl) {
            Some(0) => checks.pass(&VMPL),
            Some(found) => checks.fail(&VMPL, HclError::Vmpl { found }.into()),
            // The hardware's report cannot be read, which fails on its own.
            None => {}
        }
        // What the caller's data must be bound to was checked above: here the report data is the paravisor's.
        let only_host_data = Binding { init_time_data: binding.init_time_data, ..Binding::default() };
        let verified = hardware.verify(held, &only_host_data, context);
        checks.extend(snp::without_report_data(verified.report));
        checks.skip_missing(&[RULES]);
        let claims = verified.claims.filter(|_| !checks.has_failed()).zip(paravisor);
        let claims = claims.map(|(hardware, paravisor)| {
            hardware.map(|claims| SnpClaims { paravisor: Some(Box::new(paravisor)), ..claims })
        });
        snp::Verification { report: checks, claims }
    }
}

/// The verification of evidence in which no paravisor's report could be found.
#[must_use]
pub fn unreadable(error: ParseError) -> snp::Verification {
    let mut report = Report::with_capacity(RULES.len());
    report.fail(&LAYOUT, VerifyError::Parse(error));
    report.skip_missing(&[RULES]);
    snp::Verification { report, claims: None }
}

/// Whether the hardware's report names the runtime claims. Alone it proves nothing, as the hardware's report has to be
/// genuine, too.
#[must_use]
pub fn binds_claims(report: &HclReport<'_>) -> bool {
    let (data, claims) = (report.hardware.report_data(), report.runtime_claims);
    match report.hash {
        HashType::Sha256 => is_hash_then_zeros(&data, &sha256(&[claims])),
        HashType::Sha384 => is_hash_then_zeros(&data, &sha384(&[claims])),
        HashType::Sha512 => is_hash_then_zeros(&data, &sha512(&[claims])),
    }
}

fn check_claims(report: &HclReport<'_>, checks: &mut Report) -> Option<ParavisorClaims> {
    let (bound, claims) = (binds_claims(report), report.runtime_claims);
    checks.check(&CLAIMS_BINDING, if bound { Ok(()) } else { Err(HclError::ClaimsBinding.into()) });
    let runtime = assay_json::parse(claims, &LIMITS)
        .map_err(|error| HclError::ClaimsNotJson { problem: error.to_string() }.into());
    let runtime = checks.check(&CLAIMS, runtime)?;
    let key = attestation_key(&runtime).map_err(|problem| HclError::AttestationKey { problem }.into());
    let attestation_key = checks.check(&ATTESTATION_KEY, key)?;
    Some(ParavisorClaims { runtime, attestation_key })
}

/// The one key of that name. With two of them, readers could take different ones.
fn attestation_key(runtime: &Value) -> Result<VtpmKey, &'static str> {
    let keys = runtime.get("keys").and_then(Value::as_array).ok_or("there is no list of keys")?;
    let mut named =
        keys.iter().filter(|key| key.get("kid").and_then(Value::as_str) == Some(ATTESTATION_KEY_ID));
    let key = named.next().ok_or("it is missing")?;
    if named.next().is_some() {
        return Err("it occurs twice");
    }
    if key.get("kty").and_then(Value::as_str) != Some("RSA") {
        return Err("it is not an RSA key");
    }
    let number = |name| {
        let text = key.get(name).and_then(Value::as_str).unwrap_or_default();
        URL_SAFE_NO_PAD.decode(text).map_err(|_| "a number is not base64url")
    };
    let (modulus, exponent) = (number("n")?, number("e")?);
    // TPMs have RSA keys of 2048, 3072 or 4096 bits (TCG TPM 2.0 Library, part 1), always with the highest bit set.
    if !matches!(modulus.len(), 256 | 384 | 512) || modulus.first().is_none_or(|first| *first < 0x80) {
        return Err("its modulus is not of 2048, 3072 or 4096 bits");
    }
    if exponent != [1, 0, 1] {
        return Err("its exponent is not 65537");
    }
    Ok(VtpmKey { modulus, exponent })
}

/// Guests hand data to the paravisor (NV index 0x01400002), which shows it as `user-data`: 64 bytes in hexadecimal.
#[must_use]
pub fn user_data(runtime_claims: &Value) -> Option<[u8; 64]> {
    let text = runtime_claims.get("user-data")?.as_str()?;
    let mut data = [0; 64];
    hex::decode_to_slice(text, &mut data).ok().map(|()| data)
}

/// Which hash it is, tools differ in: of real machines one has 48 bytes there. Zeros follow.
#[must_use]
pub fn is_in_user_data(user_data: &[u8; 64], data: &[u8]) -> bool {
    is_hash_then_zeros(user_data, &sha256(&[data]))
        || is_hash_then_zeros(user_data, &sha384(&[data]))
        || *user_data == sha512(&[data])
}

fn check_caller(
    claims: &[u8],
    paravisor: Option<&ParavisorClaims>,
    binding: &Binding<'_>,
    checks: &mut Report,
) {
    let user_data = paravisor.and_then(|paravisor| user_data(&paravisor.runtime)).unwrap_or([0; 64]);
    let mismatch = |data| HclError::UserData { data }.into();
    let is_bound = |data: &[u8]| data == claims || is_in_user_data(&user_data, data);
    match binding.runtime_data {
        Some(data) if is_bound(data) => checks.pass(&RUNTIME_DATA),
        Some(_) => checks.fail(&RUNTIME_DATA, mismatch("runtime data")),
        None => checks.note(&RUNTIME_DATA, Outcome::Skipped, "no runtime data was given"),
    }
    // Runtime data beside the claims can hold the nonce, too, if it is bound itself.
    let beside = binding.runtime_data.filter(|data| is_bound(data));
    let carries = |nonce: &[u8]| {
        [Some(claims), beside].into_iter().flatten().any(|data| carries_nonce(&user_data, Some(data), nonce))
    };
    match binding.nonce {
        Some(nonce) if carries(nonce) => checks.pass(&NONCE),
        Some(_) => checks.fail(&NONCE, mismatch("nonce")),
        None => checks.note(&NONCE, Outcome::Skipped, "no nonce was given"),
    }
}
