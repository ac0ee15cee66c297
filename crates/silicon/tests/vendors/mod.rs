//! A client of the simulated vendors, as simple as one can be: it takes answers apart and asks `assay-verify` about them.
#![allow(dead_code, reason = "not every test file looks at everything")]

use std::path::{Path, PathBuf};

use assay_silicon::amd::{Amd, Product, VekKind};
use assay_silicon::intel::{Intel, PckId, Platform, PlatformSpec, QuoteSpec, Registration};
use assay_silicon::upstream::{VendorAnswer, VendorRequest, VendorService};
use assay_verify::cache::ChainCache;
use assay_verify::intel::RawCollateral;
use assay_verify::sgx::{CollateralInput, Context, Format, Opened, Verification};
use assay_verify::snp::AmdAuthority;
use assay_verify::{AnchorOrigin, Binding, TrustAnchors, UnixTime, intel};
use der::Decode;
use serde_json::Value;
use tempfile::TempDir;
use x509_cert::certificate::Certificate;

/// Eleven o'clock in the morning.
pub(crate) const NOW: i64 = 1_780_000_000 - 1_780_000_000 % 86_400 + 11 * 3600;
pub(crate) const DAY: i64 = 86_400;
/// Of the Platform CA's and the Processor CA's platforms.
pub(crate) const SERVER: &str = "53494D000002";
pub(crate) const DESKTOP: &str = "53494D000001";
pub(crate) const PCS: &str = "/sgx/certification/v4";
pub(crate) const TDX: &str = "/tdx/certification/v4";

pub(crate) struct Vendors {
    pub(crate) folder: TempDir,
    pub(crate) service: VendorService,
}

impl Vendors {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let service = VendorService::of_folder(folder.path());
        Self { folder, service }
    }

    pub(crate) fn with(change: impl FnOnce(VendorService) -> VendorService) -> Self {
        let Self { folder, service } = Self::new();
        Self { folder, service: change(service) }
    }

    pub(crate) fn get(&self, path: &str, query: &str) -> VendorAnswer {
        self.service.answer(&VendorRequest::get(path, query), NOW)
    }

    /// A document that must be there.
    pub(crate) fn found(&self, path: &str, query: &str) -> VendorAnswer {
        let answer = self.get(path, query);
        assert_eq!(answer.status, 200, "{path}?{query}");
        answer
    }

    pub(crate) fn post(&self, path: &str, media_type: &str, body: impl Into<Vec<u8>>) -> VendorAnswer {
        self.service.answer(&VendorRequest::post(path, media_type, body), NOW)
    }

    pub(crate) fn enroll(&self, spec: &PlatformSpec, registration: Registration) -> Platform {
        Intel::enroll(self.folder.path(), spec, registration, NOW).unwrap()
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        let intel = Intel::load_or_generate(self.folder.path(), NOW).unwrap();
        TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated)
    }

    /// Everything that a quote of this kind of platform needs.
    pub(crate) fn collateral(&self, fmspc: &str, selector: &str) -> RawCollateral {
        let ca = if fmspc == SERVER { "platform" } else { "processor" };
        let tcb = self.found(&format!("{PCS}/tcb"), &format!("fmspc={fmspc}&{selector}"));
        let qe = self.found(&format!("{PCS}/qe/identity"), selector);
        let list = self.found(&format!("{PCS}/pckcrl"), &format!("ca={ca}&encoding=der"));
        let root = self.found("/IntelSGXRootCA.der", "");
        collateral(&tcb, &qe, &list, &root)
    }
}

/// A set from its four answers.
pub(crate) fn collateral(
    tcb: &VendorAnswer,
    qe: &VendorAnswer,
    list: &VendorAnswer,
    root: &VendorAnswer,
) -> RawCollateral {
    let (tcb_info, tcb_info_signature) = signed(tcb, "tcbInfo");
    let (qe_identity, qe_identity_signature) = signed(qe, "enclaveIdentity");
    RawCollateral {
        pck_crl_issuer_chain: chain(list, "SGX-PCK-CRL-Issuer-Chain"),
        root_ca_crl: hex::encode(&root.body),
        pck_crl: hex::encode(&list.body),
        tcb_info_issuer_chain: chain(tcb, "TCB-Info-Issuer-Chain"),
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: chain(qe, "SGX-Enclave-Identity-Issuer-Chain"),
        qe_identity,
        qe_identity_signature,
    }
}

/// The exact bytes that were signed, and the signature.
pub(crate) fn signed(answer: &VendorAnswer, member: &str) -> (String, String) {
    let text = std::str::from_utf8(&answer.body).unwrap();
    let start = format!("{{\"{member}\":");
    let rest = text.strip_prefix(&start).unwrap_or_else(|| panic!("{member}: {text:.60}"));
    let (document, signature) = rest.split_once(",\"signature\":\"").unwrap();
    (document.to_owned(), signature.strip_suffix("\"}").unwrap().to_owned())
}

pub(crate) fn json(answer: &VendorAnswer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

/// A chain from a header, which must not have a character that headers or clients mistake.
pub(crate) fn chain(answer: &VendorAnswer, name: &str) -> String {
    unescaped(answer.header(name).unwrap_or_else(|| panic!("no {name}")))
}

pub(crate) fn unescaped(text: &str) -> String {
    assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{text}");
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push(char::from(u8::from_str_radix(&part[..2], 16).unwrap()));
        out.push_str(&part[2..]);
    }
    out
}

pub(crate) fn certificates(pem: &str) -> Vec<Certificate> {
    Certificate::load_pem_chain(pem.as_bytes()).unwrap()
}

/// The parameters with which a machine asks for its certificate.
pub(crate) fn pck_query(id: &PckId) -> String {
    format!(
        "encrypted_ppid={}&cpusvn={}&pcesvn={}&pceid={}",
        hex::encode_upper(&id.encrypted_ppid),
        hex::encode_upper(id.cpu_svn),
        hex::encode_upper(id.pce_svn.to_le_bytes()),
        hex::encode_upper(id.pce_id)
    )
}

/// A quote of the platform, judged with a set.
pub(crate) fn judge(platform: &Platform, raw: &RawCollateral, anchors: &TrustAnchors) -> Verification {
    let quote = platform.quote(&QuoteSpec::default()).unwrap();
    let cache = ChainCache::new(0);
    let set = intel::Collateral::verify(raw, anchors);
    let context = Context { anchors, now: UnixTime(NOW), cache: &cache };
    Opened::new(&quote, Format::Quote, anchors, &cache).verify(
        CollateralInput::Fresh(&set),
        &Binding::default(),
        &context,
    )
}

pub(crate) fn codes(verification: &Verification) -> Vec<&'static str> {
    verification.report.errors().map(assay_verify::VerifyError::code).collect()
}

/// The AMD of all tests of a file: its RSA keys take seconds to make.
pub(crate) fn amd_folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silicon");
    let make = |amd: &mut Amd| {
        Product::ALL
            .into_iter()
            .flat_map(|p| VekKind::ALL.map(|k| (p, k)))
            .try_for_each(|(p, k)| amd.require(p, k))
    };
    Amd::update(&folder, NOW, make).unwrap();
    folder
}

pub(crate) fn amd_anchors(folder: &Path) -> TrustAnchors {
    let amd = Amd::load(folder).unwrap().unwrap();
    amd.authorities().into_iter().fold(TrustAnchors::vendor(), |anchors, it| {
        let authority =
            AmdAuthority::from_certificates(&it.intermediate, &it.root, AnchorOrigin::Simulated).unwrap();
        anchors.with_amd_authority(authority)
    })
}

/// The public key of a certificate, DER.
pub(crate) fn public_key(der: &[u8]) -> Vec<u8> {
    let certificate = Certificate::from_der(der).unwrap();
    certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes().to_vec()
}
