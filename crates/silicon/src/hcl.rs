//! The report of a host compatibility layer: what Azure's paravisor puts around a hardware report and leaves in the
//! virtual TPM of a confidential virtual machine (NV index 0x01400001).
//!
//! ```text
//!    0    32  header: signature `HCLA`, version, report size, request type, status, 3 reserved; u32 each
//!   32  1184  the hardware's report; its report data is the hash of the runtime claims
//! 1216    20  data size (this line and the next), version, report type, hash type, size of the claims; u32 each
//! 1236     n  runtime claims, JSON
//!             zeros up to 2600 bytes
//! ```
//!
//! Numbers are little-endian. Real reports differ from the published description in some of these; this is what the
//! real ones have.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde::Serialize;

use crate::amd::{Chip, ReportSpec};
use crate::error::SiliconError;
use crate::keys::rsa_2048_modulus;
use crate::runtime_data::digest_of;
use crate::td_report::{TdReportSpec, td_report};
use Fault::{Bound, Bytes, Claims, Fields};

/// The whole report.
pub const SIZE: usize = 2600;
/// The area of the hardware's report; it is as long as that of SEV-SNP.
pub const HARDWARE_REPORT_SIZE: usize = 1184;
const HEADER_SIZE: usize = 32;
/// The numbers between the hardware's report and the claims.
const CLAIMS_HEADER_SIZE: u32 = 20;
/// Where the claims stand.
const CLAIMS: usize = 1236;

/// `HCLA`.
const SIGNATURE: u32 = 0x414c_4348;
/// Type of the hardware's report: SEV-SNP.
pub const REPORT_TYPE_SNP: u32 = 2;
/// Type of the hardware's report: TDX.
pub const REPORT_TYPE_TDX: u32 = 4;
/// Hash type: SHA-256, which all real reports have.
pub const HASH_SHA256: u32 = 1;
/// Hash type: SHA-384.
pub const HASH_SHA384: u32 = 2;
/// Hash type: SHA-512.
pub const HASH_SHA512: u32 = 3;

/// An HCL report to make. The default is that of a virtual machine with secure boot, with new keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HclSpec {
    /// Version of the header: 1 with SEV-SNP, 2 with TDX.
    pub version: u32,
    /// Type of the request: 2, for the certificate of an attestation key.
    pub request_type: u32,
    /// How the claims are hashed: [`HASH_SHA256`], [`HASH_SHA384`] or [`HASH_SHA512`].
    pub hash_type: u32,
    /// Modulus of `HCLAkPub`, the TPM's attestation key, big-endian; a new one when `None`. The exponent is 65537.
    pub attestation_key: Option<Vec<u8>>,
    /// Modulus of `HCLEkPub`, the TPM's endorsement key, big-endian; a new one when `None`. The exponent is 65537.
    pub endorsement_key: Option<Vec<u8>>,
    /// How the virtual machine is configured.
    pub vm_configuration: VmConfiguration,
    /// What the guest wrote to NV index 0x01400002.
    pub user_data: [u8; 64],
    /// These exact bytes in the place of the claims that the fields above make.
    pub runtime_claims: Option<Vec<u8>>,
}

impl Default for HclSpec {
    fn default() -> Self {
        Self {
            version: 1,
            request_type: 2,
            hash_type: HASH_SHA256,
            attestation_key: None,
            endorsement_key: None,
            vm_configuration: VmConfiguration::default(),
            user_data: [0; 64],
            runtime_claims: None,
        }
    }
}

impl HclSpec {
    /// As the default, of a machine with TDX.
    #[must_use]
    pub fn tdx() -> Self {
        Self { version: 2, ..Self::default() }
    }
}

/// The configuration of a virtual machine, in the order of real claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VmConfiguration {
    /// Whether there is a serial console.
    pub console_enabled: bool,
    /// Base64url; only some hosts say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_cert_thumbprint: Option<String>,
    /// Whether secure boot is on.
    pub secure_boot: bool,
    /// Whether there is a virtual TPM.
    pub tpm_enabled: bool,
    /// Whether the TPM keeps its state; only some hosts say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpm_persisted: Option<bool>,
    /// Upper-case UUID.
    #[serde(rename = "vmUniqueId")]
    pub vm_unique_id: String,
}

impl Default for VmConfiguration {
    fn default() -> Self {
        Self {
            console_enabled: true,
            root_cert_thumbprint: None,
            secure_boot: true,
            tpm_enabled: true,
            tpm_persisted: None,
            vm_unique_id: "5A17C0DE-0000-4000-8000-000000000001".to_owned(),
        }
    }
}

/// The claims, in the order of real ones.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RuntimeClaims<'a> {
    keys: [Jwk; 2],
    vm_configuration: &'a VmConfiguration,
    user_data: String,
}

#[derive(Serialize)]
struct Jwk {
    kid: &'static str,
    key_ops: [&'static str; 1],
    kty: &'static str,
    e: &'static str,
    n: String,
}

/// The runtime claims of a specification: JSON with the TPM's keys, the configuration and the user data.
///
/// # Errors
/// [`SiliconError::Crypto`].
pub fn runtime_claims(spec: &HclSpec) -> Result<Vec<u8>, SiliconError> {
    if let Some(claims) = &spec.runtime_claims {
        return Ok(claims.clone());
    }
    let claims = RuntimeClaims {
        keys: [
            jwk("HCLAkPub", "sign", spec.attestation_key.as_deref())?,
            jwk("HCLEkPub", "encrypt", spec.endorsement_key.as_deref())?,
        ],
        vm_configuration: &spec.vm_configuration,
        user_data: hex::encode_upper(spec.user_data),
    };
    serde_json::to_vec(&claims).map_err(|_| SiliconError::Crypto { operation: "write runtime claims" })
}

fn jwk(kid: &'static str, operation: &'static str, modulus: Option<&[u8]>) -> Result<Jwk, SiliconError> {
    let modulus = modulus.map_or_else(rsa_2048_modulus, |modulus| Ok(modulus.to_vec()))?;
    let n = BASE64_URL_SAFE_NO_PAD.encode(modulus);
    Ok(Jwk { kid, key_ops: [operation], kty: "RSA", e: "AQAB", n })
}

/// Makes an HCL report around a report of this chip. What `report` says as report data is replaced by the hash of the
/// claims.
///
/// # Errors
/// [`SiliconError::InvalidSpec`] for claims that are too long or an unknown hash; [`SiliconError::Crypto`].
pub fn snp_report(chip: &Chip, report: &ReportSpec, spec: &HclSpec) -> Result<Vec<u8>, SiliconError> {
    HclReport::new(chip, report, spec)?.to_bytes()
}

/// Makes an HCL report around a TDREPORT of a guest with this measurement (MRTD), and gives the claims with it. `spec` is
/// best made from [`HclSpec::tdx`].
///
/// # Errors
/// As [`snp_report`].
pub fn tdx_report(
    measurement: [u8; 48],
    debug: bool,
    spec: &HclSpec,
) -> Result<(Vec<u8>, Vec<u8>), SiliconError> {
    let claims = runtime_claims(spec)?;
    let report_data = hash(spec.hash_type, &claims)?;
    let hardware_report = td_report(&TdReportSpec { report_data, measurement, debug })?;
    let around = HclReport::around(hardware_report, claims, spec);
    let hcl = HclReport { report_type: REPORT_TYPE_TDX, ..around };
    Ok((hcl.to_bytes()?, hcl.runtime_claims))
}

/// Makes an HCL report that breaks one rule and keeps all others. Defects of the claims are those of claims that
/// [`HclSpec::runtime_claims`] does not replace.
///
/// # Errors
/// As [`snp_report`]; [`SiliconError::InvalidSpec`] for claims in which there is nothing for the defect to break.
pub fn broken(
    defect: Defect,
    chip: &Chip,
    report: &ReportSpec,
    spec: &HclSpec,
) -> Result<Vec<u8>, SiliconError> {
    broken_parts(defect, chip, report, spec).map(|(_, bytes)| bytes)
}

/// What [`broken`] makes, with its parts.
pub(crate) fn broken_parts(
    defect: Defect,
    chip: &Chip,
    report: &ReportSpec,
    spec: &HclSpec,
) -> Result<(HclReport, Vec<u8>), SiliconError> {
    let fault = defect.fault();
    let mut claims = runtime_claims(spec)?;
    if let Claims(strike) = fault {
        claims = struck(&claims, strike)?;
    }
    let mut report_data = hash(spec.hash_type, &claims)?;
    if let Bound(strike) = fault {
        strike(&mut report_data);
    }
    let hardware_report = chip.report(&ReportSpec { report_data, ..report.clone() })?;
    let mut hcl = HclReport::around(hardware_report, claims, spec);
    if let Fields(strike) = fault {
        strike(&mut hcl);
    }
    let mut bytes = hcl.to_bytes()?;
    if let Bytes(strike) = fault {
        strike(&mut bytes);
    }
    Ok((hcl, bytes))
}

/// Claims of a caller's own may lack what a defect changes; they must not pass for broken ones then.
fn struck(claims: &[u8], strike: fn(&str) -> String) -> Result<Vec<u8>, SiliconError> {
    let broken = strike(&String::from_utf8_lossy(claims)).into_bytes();
    if broken == claims {
        let value = "without what the defect breaks".to_owned();
        return Err(SiliconError::InvalidSpec { field: "runtime claims", value });
    }
    Ok(broken)
}

/// An HCL report, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HclReport {
    /// `HCLA`.
    pub signature: u32,
    /// Version of the header.
    pub version: u32,
    /// Type of the request.
    pub request_type: u32,
    /// The hardware's report, for an area of [`HARDWARE_REPORT_SIZE`] bytes.
    pub hardware_report: Vec<u8>,
    /// Size of the claims with the numbers before them.
    pub data_size: u32,
    /// [`REPORT_TYPE_SNP`] or [`REPORT_TYPE_TDX`].
    pub report_type: u32,
    /// How the claims are hashed.
    pub hash_type: u32,
    /// Size of the claims.
    pub claims_size: u32,
    /// JSON.
    pub runtime_claims: Vec<u8>,
}

impl HclReport {
    /// Makes the claims, and a report of this chip that is bound to them.
    ///
    /// # Errors
    /// As [`snp_report`].
    pub fn new(chip: &Chip, report: &ReportSpec, spec: &HclSpec) -> Result<Self, SiliconError> {
        let claims = runtime_claims(spec)?;
        let report_data = hash(spec.hash_type, &claims)?;
        let hardware_report = chip.report(&ReportSpec { report_data, ..report.clone() })?;
        Ok(Self::around(hardware_report, claims, spec))
    }

    /// Puts a report of SEV-SNP and the claims it is bound to together.
    #[must_use]
    pub fn around(hardware_report: Vec<u8>, runtime_claims: Vec<u8>, spec: &HclSpec) -> Self {
        let claims_size = u32::try_from(runtime_claims.len()).unwrap_or(u32::MAX);
        Self {
            signature: SIGNATURE,
            version: spec.version,
            request_type: spec.request_type,
            hardware_report,
            data_size: claims_size.saturating_add(CLAIMS_HEADER_SIZE),
            report_type: REPORT_TYPE_SNP,
            hash_type: spec.hash_type,
            claims_size,
            runtime_claims,
        }
    }

    /// The whole report: [`SIZE`] bytes.
    ///
    /// # Errors
    /// [`SiliconError::InvalidSpec`] for claims that are too long.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SiliconError> {
        if self.runtime_claims.len() > SIZE.saturating_sub(CLAIMS) {
            let value = format!("{} bytes", self.runtime_claims.len());
            return Err(SiliconError::InvalidSpec { field: "runtime claims", value });
        }
        let report_size = self.data_size.saturating_add(1216);
        let header = [self.signature, self.version, report_size, self.request_type, 0, 0, 0, 0];
        let mut bytes = header.map(u32::to_le_bytes).concat();
        bytes.extend_from_slice(&self.hardware_report);
        bytes.resize(HEADER_SIZE.saturating_add(HARDWARE_REPORT_SIZE), 0);
        let data = [self.data_size, 1, self.report_type, self.hash_type, self.claims_size];
        bytes.extend_from_slice(&data.map(u32::to_le_bytes).concat());
        bytes.extend_from_slice(&self.runtime_claims);
        bytes.resize(SIZE, 0);
        Ok(bytes)
    }
}

/// The report data that binds claims.
fn hash(hash_type: u32, claims: &[u8]) -> Result<[u8; 64], SiliconError> {
    let algorithm: &'static digest::Algorithm = match hash_type {
        HASH_SHA256 => &SHA256,
        HASH_SHA384 => &SHA384,
        HASH_SHA512 => &SHA512,
        _ => return Err(SiliconError::InvalidSpec { field: "hash type", value: hash_type.to_string() }),
    };
    Ok(digest_of(algorithm, claims))
}

/// When a defect strikes.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Before the claims are hashed.
    Claims(fn(&str) -> String),
    /// On the hash of the claims, before the hardware's report is signed.
    Bound(fn(&mut [u8; 64])),
    /// On what stands around claims and hardware's report.
    Fields(fn(&mut HclReport)),
    /// On the finished bytes.
    Bytes(fn(&mut Vec<u8>)),
}

crate::table::defects! {
    SignatureWrong, "signature-wrong",
        "the signature is not `HCLA`",
        "an HCL report begins with `HCLA`",
        Fields(|hcl| hcl.signature ^= 1);
    ReportTypeUnknown, "report-type-unknown",
        "the type of the hardware's report is 9",
        "the type of the hardware's report is a known one",
        Fields(|hcl| hcl.report_type = 9);
    ReportTypeTdx, "report-type-tdx",
        "the type says TDX, and the hardware's report is one of SEV-SNP",
        "the type of the hardware's report is that of the report",
        Fields(|hcl| hcl.report_type = REPORT_TYPE_TDX);
    HashTypeUnknown, "hash-type-unknown",
        "the type of the hash is 4",
        "the type of the hash is a known one",
        Fields(|hcl| hcl.hash_type = 4);
    HashTypeOther, "hash-type-other",
        "the type of the hash is not that of the hash in the report data",
        "the report data is the hash of the claims, of the type that the report names",
        Fields(|hcl| hcl.hash_type = if hcl.hash_type == HASH_SHA384 { HASH_SHA256 } else { HASH_SHA384 });
    ClaimsNotBound, "claims-not-bound",
        "one bit of the hash of the claims is flipped before the hardware signs",
        "the report data is the hash of the claims",
        Bound(|report_data| flip(report_data, 0));
    ClaimsChanged, "claims-changed",
        "one digit of the user data is another one than was hashed",
        "the report data is the hash of the claims",
        Fields(change_user_data);
    ReportDataTail, "report-data-tail",
        "the last byte of the report data is one, and the hardware signs that",
        "the report data is zero after the hash",
        Bound(|report_data| flip(report_data, 63));
    DataSizeWrong, "data-size-wrong",
        "the size of the data is one more than that of the claims and the numbers before them",
        "the sizes agree",
        Fields(|hcl| hcl.data_size = hcl.data_size.saturating_add(1));
    ClaimsSizeBeyondEnd, "claims-size-beyond-end",
        "the claims are said to go on for one byte after the end",
        "the claims lie within the report",
        Fields(claims_beyond_end);
    PaddingNotZero, "padding-not-zero",
        "the last byte is one",
        "all is zero after the claims",
        Bytes(|bytes| flip(bytes, SIZE - 1));
    ClaimsNotJson, "claims-not-json",
        "the claims lack their last brace, and are hashed so",
        "the claims are JSON",
        Claims(|claims| claims.strip_suffix('}').unwrap_or(claims).to_owned());
    ClaimsWithoutAttestationKey, "claims-without-attestation-key",
        "no key is named `HCLAkPub`, and the claims are hashed so",
        "the claims have the TPM's attestation key",
        Claims(|claims| claims.replacen("HCLAkPub", "HCLOtherPub", 1));
    ClaimsTwoAttestationKeys, "claims-two-attestation-keys",
        "both keys are named `HCLAkPub`, and the claims are hashed so",
        "the claims have one attestation key",
        Claims(|claims| claims.replacen("HCLEkPub", "HCLAkPub", 1));
    AttestationKeyNotRsa, "attestation-key-not-rsa",
        "the attestation key says that it is one of elliptic curves, and the claims are hashed so",
        "the attestation key is an RSA key",
        Claims(|claims| claims.replacen(r#""kty":"RSA""#, r#""kty":"EC""#, 1));
    ClaimsDuplicateMember, "claims-duplicate-member",
        "the claims have user data twice, and are hashed so",
        "no member of a JSON object occurs twice",
        Claims(|claims| claims.replacen(r#","user-data":"#, r#","user-data":"00","user-data":"#, 1));
    Truncated, "truncated",
        "the report ends after 1200 bytes",
        "the report has the length that it says",
        Bytes(|bytes| bytes.truncate(1200));
    Empty, "empty",
        "the report has no bytes",
        "the report has the length that it says",
        Bytes(Vec::clear);
}

fn change_user_data(hcl: &mut HclReport) {
    // The last digit: `"}` follows.
    let last = hcl.runtime_claims.len().saturating_sub(3);
    flip(&mut hcl.runtime_claims, last);
}

fn claims_beyond_end(hcl: &mut HclReport) {
    let room = u32::try_from(SIZE.saturating_sub(CLAIMS)).unwrap_or(u32::MAX);
    hcl.claims_size = room.saturating_add(1);
    hcl.data_size = hcl.claims_size.saturating_add(CLAIMS_HEADER_SIZE);
}

/// Flips the lowest bit of one byte.
fn flip(bytes: &mut [u8], offset: usize) {
    if let Some(byte) = bytes.get_mut(offset) {
        *byte ^= 1;
    }
}
