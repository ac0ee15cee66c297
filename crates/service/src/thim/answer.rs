//! What is said: the JSON of Azure's metadata service, and the headers of Intel's provisioning service.
//!
//! ```json
//! {"vcekCert":"-----BEGIN CERTIFICATE-----...","tcbm":"7308000000000003",
//!  "certificateChain":"-----BEGIN CERTIFICATE-----...","cacheControl":"86400"}
//! ```

use assay_evidence::pem;
use assay_evidence::snp::TcbVersion;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::percent;

/// How long a client may keep an answer that does not change: a day, as Azure says.
pub const CACHE_SECONDS: u32 = 86_400;

/// URL-encoded PEM: the authority of the certificate, then the root (Intel PCS API v4, "Get PCK Certificate").
pub const ISSUER_CHAIN: HeaderName = HeaderName::from_static("sgx-pck-certificate-issuer-chain");
/// The TCB of the certificate: 36 hexadecimal digits.
pub const TCBM: HeaderName = HeaderName::from_static("sgx-tcbm");
/// The platform family: 12 hexadecimal digits.
pub const FMSPC: HeaderName = HeaderName::from_static("sgx-fmspc");
/// `processor` or `platform`.
pub const CA_TYPE: HeaderName = HeaderName::from_static("sgx-pck-certificate-ca-type");

/// The endorsement key of a machine's SEV-SNP processor.
#[derive(Clone, Copy, Debug)]
pub struct AmdCertification<'a> {
    /// The VCEK certificate, DER.
    pub vcek: &'a [u8],
    /// The ASK's certificate, DER.
    pub intermediate: &'a [u8],
    /// The ARK's certificate, DER.
    pub root: &'a [u8],
    /// REPORTED_TCB of the machine's reports.
    pub reported_tcb: TcbVersion,
    /// How long the answer may be kept.
    pub cache_seconds: u32,
}

/// In the order in which Azure writes it. Clients join the two texts as they are, so each ends with a newline.
#[derive(Serialize)]
struct AmdBody {
    #[serde(rename = "vcekCert")]
    vcek: String,
    tcbm: String,
    #[serde(rename = "certificateChain")]
    chain: String,
    #[serde(rename = "cacheControl")]
    cache_control: String,
}

impl AmdCertification<'_> {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        json(&AmdBody {
            vcek: pem::encode([self.vcek]),
            tcbm: tcbm(self.reported_tcb),
            chain: pem::encode([self.intermediate, self.root]),
            cache_control: self.cache_seconds.to_string(),
        })
    }
}

/// A TCB version as `tcbm` has it: the number whose bytes stand in the report with the lowest first, in upper-case digits
/// with the highest first.
#[must_use]
pub fn tcbm(version: TcbVersion) -> String {
    hex::encode_upper(u64::from_le_bytes(version.0).to_be_bytes())
}

/// The certificate of an SGX platform's provisioning key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PckCertification {
    /// The PCK certificate, DER.
    pub certificate: Vec<u8>,
    /// Its authority's certificate and the root's, DER.
    pub issuer_chain: Vec<Vec<u8>>,
    /// CPUSVN and PCESVN (little-endian) of the certificate.
    pub tcbm: [u8; 18],
    /// The platform family.
    pub fmspc: [u8; 6],
    /// Which of Intel's authorities issued it: `processor` or `platform`.
    pub ca: &'static str,
}

/// As Azure writes it. Intel's quote provider library takes members in exactly these letters, and only where no header says
/// the same.
#[derive(Serialize)]
struct PckBody {
    #[serde(rename = "pckCert")]
    certificate: String,
    #[serde(rename = "sgx-Tcbm")]
    tcbm: String,
    #[serde(rename = "sgx-Pck-Certificate-Issuer-Chain")]
    issuer_chain: String,
    /// Seconds, as text: Azure's client reads it, and fails without it.
    #[serde(rename = "cacheMaxAge")]
    cache_max_age: String,
}

impl PckCertification {
    /// The answer's body.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        json(&PckBody {
            certificate: pem::encode([self.certificate.as_slice()]),
            tcbm: hex::encode_upper(self.tcbm),
            issuer_chain: self.escaped_chain(),
            cache_max_age: CACHE_SECONDS.to_string(),
        })
    }

    /// The answer's headers, as Intel's service has them.
    #[must_use]
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let texts = [
            (ISSUER_CHAIN, self.escaped_chain()),
            (TCBM, hex::encode_upper(self.tcbm)),
            (FMSPC, hex::encode_upper(self.fmspc)),
            (CA_TYPE, self.ca.to_owned()),
        ];
        texts.into_iter().filter_map(|(name, text)| Some((name, HeaderValue::try_from(text).ok()?))).collect()
    }

    fn escaped_chain(&self) -> String {
        percent::encode(&pem::encode(self.issuer_chain.iter().map(Vec::as_slice)))
    }
}

/// `{"error":"..."}`, as the metadata service says it.
#[must_use]
pub fn error(sentence: &str) -> Bytes {
    json(&serde_json::json!({ "error": sentence }))
}

/// Strings alone: nothing in them has no JSON form.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
