//! Real reports of paravisors, SNP and TDX.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests"
)]

mod real;

use assay_verify::cache::ChainCache;
use assay_verify::hcl::Opened;
use assay_verify::snp::{Context, Crls, Requirements, Verification, VlekProviders};
use assay_verify::uvm::TrustedIssuers;
use assay_verify::{Binding, Outcome, TrustAnchors, UnixTime};
use real::{certificates, read, vectors};
use serde_json::Value;

const NOW: UnixTime = UnixTime(1_775_000_000);

fn verify(bytes: &[u8], certificates: &[Vec<u8>], binding: &Binding<'_>) -> Verification {
    let (anchors, cache, issuers) = (TrustAnchors::vendor(), ChainCache::new(4), TrustedIssuers::default());
    let requirements = Requirements {
        crls: Crls::NotGiven,
        vlek_providers: VlekProviders::Warn(&[]),
        image_issuers: &issuers,
        time_stamp_authorities: &[],
    };
    let context = Context { anchors: &anchors, now: NOW, requirements };
    Opened::new(bytes, certificates, &anchors, &cache).verify(None, binding, &context)
}

fn codes(verification: &Verification) -> Vec<&'static str> {
    verification.report.errors().map(assay_verify::VerifyError::code).collect()
}

fn passed(verification: &Verification, id: &str) -> bool {
    let mut checks = verification.report.checks().iter();
    checks.any(|check| check.rule.id == id && check.outcome == Outcome::Pass)
}

#[test]
fn every_binding_holds_and_hardware_is_judged() {
    let Some(vectors) = vectors() else { return };
    let expected: Value = serde_json::from_slice(&read(&vectors, "azcvm/expected.json")).unwrap();
    let mut judged = 0;
    for (name, case) in expected.as_object().unwrap().iter().filter(|(name, _)| name.ends_with(".bin")) {
        let Ok(bytes) = std::fs::read(vectors.join("azcvm").join(name)) else { continue };
        let vek = case["verify"]["vek"].as_str().map(|file| read(&vectors, &format!("azcvm/{file}")));
        let vek = vek.map(|file| certificates(&file)).unwrap_or_default();
        let verification = verify(&bytes, &vek, &Binding::default());
        for id in ["hcl.layout", "hcl.claims-binding", "hcl.claims", "hcl.attestation-key"] {
            assert!(passed(&verification, id), "{name}: {id}");
        }
        match (case["report_type"].as_u64().unwrap(), case["verify"]["accept"].as_bool()) {
            (4, _) => assert_eq!(codes(&verification), ["td-quote-missing"], "{name}"),
            (_, Some(true)) => assert_claims(&verification, case),
            // Another chip's VEK of the same product and TCB.
            (_, _) => assert_eq!(codes(&verification), ["chip-id-mismatch", "report-signature"], "{name}"),
        }
        judged += 1;
    }
    assert!(judged >= 4, "only {judged} reports are there");
}

fn assert_claims(verification: &Verification, case: &Value) {
    let claims = verification.claims.as_ref().unwrap();
    let paravisor = claims.paravisor.as_ref().unwrap();
    assert_eq!(paravisor.runtime["vm-configuration"], case["vm_configuration"]);
    assert_eq!(hex::encode(claims.report.measurement), case["snp"]["measurement"].as_str().unwrap());
    let key = claims.vtpm_key().unwrap();
    assert_eq!((key.modulus.len(), key.origin()), (256, claims.origin()));
}

/// Every bit of what is measured: the hardware report, and the claims with their sizes and types.
#[test]
fn no_single_bit_of_the_claims_can_change() {
    let Some(vectors) = vectors() else { return };
    let bytes = read(&vectors, "azcvm/coco-snp/hcl-report.bin");
    let vek = certificates(&read(&vectors, "azcvm/coco-snp/vcek.pem"));
    let verify = |bytes: &[u8]| verify(bytes, &vek, &Binding::default()).claims.is_some();
    assert!(verify(&bytes));
    // The header behind its signature is not measured, and nothing follows from it.
    let unmeasured = 4 * 8..32 * 8;
    for bit in (0..bytes.len() * 8).filter(|bit| !(32 * 8..1216 * 8).contains(bit) || bit % 64 == 0) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify(&flipped), unmeasured.contains(&bit), "bit {bit}");
    }
}

#[test]
fn parts_of_different_machines_never_make_one() {
    let Some(vectors) = vectors() else { return };
    let one = read(&vectors, "azcvm/coco-snp/hcl-report.bin");
    let vek = certificates(&read(&vectors, "azcvm/coco-snp/vcek.pem"));
    for other in ["azcvm/kinvolk/hcl-report-snp.bin", "azcvm/coco-tdx/hcl-report.bin"] {
        let other = read(&vectors, other);
        let claims = [&one[..1216], &other[1216..]].concat();
        let hardware = [&one[..32], &other[32..1216], &one[1216..]].concat();
        for spliced in [claims, hardware] {
            let verification = verify(&spliced, &vek, &Binding::default());
            assert!(verification.claims.is_none());
            assert!(!verification.report.errors().collect::<Vec<_>>().is_empty());
        }
    }
}

#[test]
fn callers_data_is_bound_by_the_claims_or_by_what_the_guest_gave() {
    let Some(vectors) = vectors() else { return };
    let bytes = read(&vectors, "azcvm/coco-snp/hcl-report.bin");
    let vek = certificates(&read(&vectors, "azcvm/coco-snp/vcek.pem"));
    let size = u32::from_le_bytes(bytes[1232..1236].try_into().unwrap()) as usize;
    let claims = &bytes[1236..1236 + size];
    type Case<'a> = (Option<&'a [u8]>, Option<&'a [u8]>, &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        (Some(claims), None, &[]),
        (Some(&claims[1..]), None, &["binding-mismatch"]),
        (Some(b""), None, &["binding-mismatch"]),
        (None, Some(b"911B0EF8-9DBA-48B0"), &[]),
        (None, Some(b"911B0EF8-9DBA-48B1"), &["binding-mismatch"]),
        // The user data of this machine is zeros, which bind nothing.
        (None, Some(&[0; 64]), &["binding-mismatch"]),
    ];
    for (runtime_data, nonce, expected) in cases {
        let binding = Binding { runtime_data, nonce, init_time_data: None };
        assert_eq!(codes(&verify(&bytes, &vek, &binding)), expected, "{runtime_data:?} {nonce:?}");
    }
}
