//! Documents one by one: real ones verify, and each way to break one gives exactly this error.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests"
)]

use std::path::PathBuf;

use assay_silicon::intel::{Ca, Collateral, CollateralSpec, Intel, PlatformSpec, QuoteSpec};
use assay_verify::cache::ChainCache;
use assay_verify::intel::PckCa;
use assay_verify::intel::single::{
    CrlIssuer, Enclave, Refused, Tee, verify_evaluation_numbers, verify_identity, verify_pck, verify_pck_crl,
    verify_root_crl, verify_tcb_info,
};
use assay_verify::{AnchorOrigin, TrustAnchors};

const NOW: i64 = 1_800_000_000;

fn envelope(member: &str, text: &str, signature: &str) -> String {
    format!("{{\"{member}\":{text},\"signature\":\"{signature}\"}}")
}

fn codes<T: std::fmt::Debug>(result: Result<T, Refused>) -> Vec<&'static str> {
    result.unwrap_err().iter().map(assay_verify::VerifyError::code).collect()
}

struct Vendor {
    intel: Intel,
    anchors: TrustAnchors,
    cache: ChainCache,
    collateral: Collateral,
}

impl Vendor {
    fn new() -> Self {
        let intel = Intel::generate(NOW).unwrap();
        let anchors =
            TrustAnchors::vendor().with_intel_root(intel.root_public_key(), AnchorOrigin::Simulated);
        let collateral = intel.collateral(&CollateralSpec::default(), NOW).unwrap();
        Self { intel, anchors, cache: ChainCache::new(8), collateral }
    }

    fn tcb_info(&self) -> String {
        envelope("tcbInfo", &self.collateral.tcb_info, &self.collateral.tcb_info_signature)
    }

    fn identity(&self) -> String {
        envelope("enclaveIdentity", &self.collateral.qe_identity, &self.collateral.qe_identity_signature)
    }

    fn chain(&self) -> &str {
        &self.collateral.tcb_info_issuer_chain
    }

    fn tcb_codes(&self, body: &str) -> Vec<&'static str> {
        codes(verify_tcb_info(body.as_bytes(), self.chain(), &self.anchors, &self.cache))
    }
}

#[test]
fn good_documents_verify_and_say_what_they_are() {
    let vendor = Vendor::new();
    let tcb = verify_tcb_info(vendor.tcb_info().as_bytes(), vendor.chain(), &vendor.anchors, &vendor.cache);
    let tcb = tcb.unwrap();
    assert_eq!((tcb.tee, tcb.info.evaluation_number), (Tee::Sgx, 18));
    assert_eq!(tcb.issuer.origin(), AnchorOrigin::Simulated);
    assert!(tcb.issuer.window().from.0 <= NOW && NOW < tcb.issuer.window().until.0);
    let chain = &vendor.collateral.qe_identity_issuer_chain;
    let identity = verify_identity(vendor.identity().as_bytes(), chain, &vendor.anchors, &vendor.cache);
    assert_eq!(identity.unwrap().enclave, Enclave::Qe);
    let root = hex::decode(&vendor.collateral.root_ca_crl).unwrap();
    let root = verify_root_crl(&root, &vendor.anchors).unwrap();
    assert_eq!((root.of, root.count()), (CrlIssuer::Root, 0));
    assert!(!root.revokes(&tcb.issuer));
    let list = hex::decode(&vendor.collateral.pck_crl).unwrap();
    let chain = &vendor.collateral.pck_crl_issuer_chain;
    let (list, _) = verify_pck_crl(&list, chain, &vendor.anchors, &vendor.cache).unwrap();
    assert_eq!(list.of, CrlIssuer::Pck(PckCa::Platform));
}

#[test]
fn a_certificate_verifies_and_is_revoked_by_the_list_of_its_authority_alone() {
    let mut vendor = Vendor::new();
    let spec = PlatformSpec::default();
    let platform = vendor.intel.platform(&spec, NOW).unwrap();
    let other = vendor.intel.platform(&spec, NOW).unwrap();
    let read = |platform: &assay_silicon::intel::Platform, vendor: &Vendor| {
        let quote = platform.quote(&QuoteSpec::default()).unwrap();
        let text = String::from_utf8_lossy(&quote).into_owned();
        let pem = &text[text.find("-----BEGIN").unwrap()..];
        let end = pem.find("-----END CERTIFICATE-----").unwrap() + 25;
        let (leaf, chain) = pem.split_at(end);
        verify_pck(leaf, chain.trim_end_matches('\0'), &vendor.anchors, &vendor.cache).unwrap()
    };
    let (pck, untouched) = (read(&platform, &vendor), read(&other, &vendor));
    assert_eq!(pck.extension.fmspc, spec.fmspc);
    vendor.intel.revoke_pck(&platform);
    let revoking = vendor.intel.collateral(&CollateralSpec::default(), NOW + 10).unwrap();
    let (before, after) = (&vendor.collateral, &revoking);
    let list = |set: &Collateral| {
        let der = hex::decode(&set.pck_crl).unwrap();
        verify_pck_crl(&der, &set.pck_crl_issuer_chain, &vendor.anchors, &vendor.cache).unwrap().0
    };
    let (before, after) = (list(before), list(after));
    assert!(!before.revokes_pck(&pck) && after.revokes_pck(&pck) && !after.revokes_pck(&untouched));
    assert!(after.contains(&before) && !before.contains(&after));
    let spec = CollateralSpec { ca: Ca::Processor, ..CollateralSpec::default() };
    let processor = vendor.intel.collateral(&spec, NOW + 10).unwrap();
    assert!(!list(&processor).revokes_pck(&pck));
}

#[test]
fn each_way_to_break_a_document_is_named() {
    let vendor = Vendor::new();
    let (text, signature) = (&vendor.collateral.tcb_info, &vendor.collateral.tcb_info_signature);
    let other_digit = if signature.starts_with('0') { "1" } else { "0" };
    let rows: Vec<(&str, String, &str)> = vec![
        ("a changed text", envelope("tcbInfo", &text.replace("18", "19"), signature), "collateral-signature"),
        (
            "a space inside",
            envelope("tcbInfo", &text.replacen(':', ": ", 1), signature),
            "collateral-signature",
        ),
        (
            "a changed signature",
            envelope("tcbInfo", text, &format!("{other_digit}{}", &signature[1..])),
            "collateral-signature",
        ),
        ("no signature", format!("{{\"tcbInfo\":{text}}}"), "collateral-malformed"),
        ("a short signature", envelope("tcbInfo", text, &signature[2..]), "collateral-malformed"),
        ("another member", envelope("tcbinfo", text, signature), "collateral-malformed"),
        (
            "a member more",
            envelope("tcbInfo", text, signature).replacen('{', "{\"x\":1,", 1),
            "collateral-malformed",
        ),
        (
            "a member twice",
            envelope("tcbInfo", text, signature).replacen('{', "{\"signature\":\"\",", 1),
            "collateral-malformed",
        ),
        ("something behind", format!("{} x", envelope("tcbInfo", text, signature)), "collateral-malformed"),
        ("nothing", String::new(), "collateral-malformed"),
        ("another document", vendor.identity(), "collateral-malformed"),
    ];
    for (name, body, code) in rows {
        assert_eq!(vendor.tcb_codes(&body), [code], "{name}");
    }
}

#[test]
fn each_way_to_break_a_chain_is_named() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let body = vendor.tcb_info();
    let refused =
        |chain: &str| codes(verify_tcb_info(body.as_bytes(), chain, &vendor.anchors, &vendor.cache));
    assert_eq!(refused(""), ["chain-length"]);
    assert_eq!(refused("x"), ["chain-malformed"]);
    assert_eq!(refused(other.chain()), ["untrusted-root"]);
    // The authority of PCK certificates may not sign documents.
    let wrong = refused(&vendor.collateral.pck_crl_issuer_chain);
    assert!(wrong.contains(&"certificate-name") && wrong.contains(&"certificate-constraints"), "{wrong:?}");
    let anchors = TrustAnchors::vendor();
    let real_only = codes(verify_tcb_info(body.as_bytes(), vendor.chain(), &anchors, &vendor.cache));
    assert_eq!(real_only, ["untrusted-root"], "a simulated root counts only where it was named");
}

#[test]
fn documents_of_another_kind_are_refused() {
    let vendor = Vendor::new();
    let numbers = |body: &str| {
        codes(verify_evaluation_numbers(body.as_bytes(), vendor.chain(), &vendor.anchors, &vendor.cache))
    };
    assert_eq!(numbers(&vendor.tcb_info()), ["collateral-malformed"]);
    // Signed by the right key, but as another document.
    let posed = envelope(
        "tcbEvaluationDataNumbers",
        &vendor.collateral.tcb_info,
        &vendor.collateral.tcb_info_signature,
    );
    assert_eq!(numbers(&posed), ["collateral-malformed"]);
    let posed = envelope("tcbInfo", &vendor.collateral.qe_identity, &vendor.collateral.qe_identity_signature);
    assert_eq!(vendor.tcb_codes(&posed), ["collateral-malformed"]);
}

#[test]
fn lists_of_others_are_refused() {
    let (vendor, other) = (Vendor::new(), Vendor::new());
    let der = |text: &str| hex::decode(text).unwrap();
    let root = |der: &[u8]| codes(verify_root_crl(der, &vendor.anchors));
    assert_eq!(root(&der(&other.collateral.root_ca_crl)), ["collateral-signature"]);
    assert_eq!(root(&der(&vendor.collateral.pck_crl)), ["crl-issuer"]);
    assert_eq!(root(b"0"), ["collateral-malformed"]);
    let chain = &vendor.collateral.pck_crl_issuer_chain;
    let pck = |der: &[u8]| codes(verify_pck_crl(der, chain, &vendor.anchors, &vendor.cache));
    assert_eq!(pck(&der(&other.collateral.pck_crl)), ["collateral-signature"]);
    assert_eq!(pck(&der(&vendor.collateral.root_ca_crl)), ["crl-issuer"]);
    let mut broken = der(&vendor.collateral.pck_crl);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    assert_eq!(pck(&broken), ["collateral-signature"]);
}

/// Every document of Intel's among the vectors, SGX's and TDX's.
#[test]
fn real_documents_verify() {
    let Some(folder) = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from) else {
        eprintln!("SKIPPED: set ASSAY_VECTORS to the folder of real evidence to run this test");
        return;
    };
    let (anchors, cache) = (TrustAnchors::vendor(), ChainCache::new(64));
    let (mut good, mut tdx) = (0, 0);
    for kind in ["sgx", "tdx"] {
        for entry in std::fs::read_dir(folder.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_string_lossy().contains(".collateral.") {
                continue;
            }
            let raw: Collateral = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let body = envelope("tcbInfo", &raw.tcb_info, &raw.tcb_info_signature);
            let tcb = verify_tcb_info(body.as_bytes(), &raw.tcb_info_issuer_chain, &anchors, &cache);
            let Ok(tcb) = tcb else { continue };
            tdx += usize::from(tcb.tee == Tee::Tdx);
            let body = envelope("enclaveIdentity", &raw.qe_identity, &raw.qe_identity_signature);
            let identity = verify_identity(body.as_bytes(), &raw.qe_identity_issuer_chain, &anchors, &cache);
            let expected = if tcb.tee == Tee::Tdx { Enclave::TdQe } else { Enclave::Qe };
            assert_eq!(identity.unwrap().enclave, expected, "{}", path.display());
            let root = verify_root_crl(&hex::decode(&raw.root_ca_crl).unwrap(), &anchors).unwrap();
            assert!(!root.revokes(&tcb.issuer), "{}", path.display());
            let list = hex::decode(&raw.pck_crl).unwrap();
            verify_pck_crl(&list, &raw.pck_crl_issuer_chain, &anchors, &cache).unwrap();
            good += 1;
        }
    }
    assert!(good >= 40 && tdx >= 20, "{good} sets, {tdx} of TDX");
}
