//! HCL reports: the shape of real ones, and what each defect changes.

use std::collections::BTreeSet;
use std::fs;

use assay_silicon::SiliconError;
use assay_silicon::amd::{Chip, ChipSpec, ReportSpec};
use assay_silicon::hcl::{self, Defect, HclReport, HclSpec, VmConfiguration};
use aws_lc_rs::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::Value;

use crate::amd_view::signs_report;
use crate::{NOW, vectors, with_amd};

fn chip() -> Chip {
    with_amd(|amd| amd.chip(&ChipSpec::default(), NOW))
}

/// Keys take time.
fn spec() -> HclSpec {
    HclSpec {
        attestation_key: Some(vec![0xa1; 256]),
        endorsement_key: Some(vec![0xe1; 256]),
        ..HclSpec::default()
    }
}

fn number(report: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(report[at..at + 4].try_into().unwrap())
}

fn claims_of(report: &[u8]) -> &[u8] {
    &report[1236..1236 + number(report, 1232) as usize]
}

#[test]
fn hcl_reports_have_the_shape_of_real_ones() {
    let Some(dir) = vectors() else { return };
    let real = fs::read(dir.join("../azcvm/coco-snp/hcl-report.bin")).unwrap();
    let claims: Value = serde_json::from_slice(claims_of(&real)).unwrap();
    let modulus = |index: usize| {
        Some(BASE64_URL_SAFE_NO_PAD.decode(claims["keys"][index]["n"].as_str().unwrap()).unwrap())
    };
    let spec = HclSpec {
        attestation_key: modulus(0),
        endorsement_key: modulus(1),
        vm_configuration: VmConfiguration {
            vm_unique_id: claims["vm-configuration"]["vmUniqueId"].as_str().unwrap().to_owned(),
            ..VmConfiguration::default()
        },
        ..HclSpec::default()
    };
    let made = hcl::snp_report(&chip(), &ReportSpec::default(), &spec).unwrap();
    assert_eq!(made.len(), real.len());
    assert_eq!(made[..32], real[..32]);
    assert_eq!(made[1216..], real[1216..], "claims and all, byte for byte");
    assert_eq!(made[32 + 0x50..32 + 0x90], real[32 + 0x50..32 + 0x90]);
}

#[test]
fn every_hash_binds_the_claims() {
    let chip = chip();
    let hashes: [(u32, &'static Algorithm); 3] =
        [(hcl::HASH_SHA256, &SHA256), (hcl::HASH_SHA384, &SHA384), (hcl::HASH_SHA512, &SHA512)];
    for (hash_type, algorithm) in hashes {
        let spec = HclSpec { hash_type, user_data: [0xab; 64], ..spec() };
        let report = hcl::snp_report(&chip, &ReportSpec::default(), &spec).unwrap();
        let claims = claims_of(&report);
        assert!(
            String::from_utf8_lossy(claims).ends_with(&format!(r#""user-data":"{}"}}"#, "AB".repeat(64)))
        );
        let mut expected = digest(algorithm, claims).as_ref().to_vec();
        expected.resize(64, 0);
        assert_eq!(report[32 + 0x50..32 + 0x90], expected);
        assert!(signs_report(chip.vek(), &report[32..1216]));
    }
    let spec = HclSpec { hash_type: 4, ..spec() };
    let error = HclReport::new(&chip, &ReportSpec::default(), &spec).unwrap_err();
    assert_eq!(error, SiliconError::InvalidSpec { field: "hash type", value: "4".to_owned() });
}

#[test]
fn claims_can_be_any_bytes_that_fit() {
    let (chip, report) = (chip(), ReportSpec::default());
    let with = |claims: &[u8]| HclSpec { runtime_claims: Some(claims.to_vec()), ..HclSpec::default() };
    let made = hcl::snp_report(&chip, &report, &with(b"{}")).unwrap();
    assert_eq!(claims_of(&made), b"{}");
    assert_eq!(hcl::snp_report(&chip, &report, &with(&[7; 1364])).unwrap().len(), 2600);
    let error = hcl::snp_report(&chip, &report, &with(&[7; 1365])).unwrap_err();
    assert_eq!(error.code(), "simulation-spec-invalid");
}

#[test]
fn new_keys_are_made_where_none_are_given() {
    let first: Value = serde_json::from_slice(&hcl::runtime_claims(&HclSpec::default()).unwrap()).unwrap();
    let modulus =
        |index: usize| BASE64_URL_SAFE_NO_PAD.decode(first["keys"][index]["n"].as_str().unwrap()).unwrap();
    for index in [0, 1] {
        // 2048 bits, and odd.
        assert_eq!(modulus(index).len(), 256);
        assert!(modulus(index)[0] >= 0x80 && modulus(index)[255] % 2 == 1);
    }
    assert_ne!(modulus(0), modulus(1));
}

/// What holds of a genuine HCL report whose defect does not forbid to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// The chip signs the report inside.
    Signature,
    /// Its report data is the SHA-256 of the claims, then zeros.
    Binding,
    /// The claims are JSON.
    Json,
}

fn broken_facts(chip: &Chip, report: &[u8]) -> BTreeSet<Fact> {
    let claims = report.get(1236..1236 + number(report, 1232) as usize).unwrap_or_default();
    let mut hash = digest(&SHA256, claims).as_ref().to_vec();
    hash.resize(64, 0);
    let facts = [
        (Fact::Signature, signs_report(chip.vek(), &report[32..1216])),
        (Fact::Binding, report[32 + 0x50..32 + 0x90] == hash),
        (Fact::Json, serde_json::from_slice::<Value>(claims).is_ok()),
    ];
    facts.into_iter().filter(|(_, holds)| !holds).map(|(fact, _)| fact).collect()
}

fn text(report: &[u8]) -> String {
    String::from_utf8_lossy(claims_of(report)).into_owned()
}

/// What no longer holds, and what is true of the broken report alone.
type Effect = (&'static [Fact], fn(&[u8]) -> bool);

fn effect(defect: Defect) -> Effect {
    use Defect as D;
    match defect {
        D::SignatureWrong => (&[], |r| &r[..4] != b"HCLA"),
        D::ReportTypeUnknown => (&[], |r| number(r, 1224) == 9),
        D::ReportTypeTdx => (&[], |r| number(r, 1224) == hcl::REPORT_TYPE_TDX),
        D::HashTypeUnknown => (&[], |r| number(r, 1228) == 4),
        D::HashTypeOther => (&[], |r| number(r, 1228) == hcl::HASH_SHA384),
        D::ClaimsNotBound => (&[Fact::Binding], |r| r[32 + 0x70..32 + 0x90] == [0; 32]),
        D::ClaimsChanged => (&[Fact::Binding], |r| text(r).ends_with(r#"1"}"#)),
        D::ReportDataTail => (&[Fact::Binding], |r| r[32 + 0x8f] == 1),
        D::DataSizeWrong => (&[], |r| number(r, 1216) == 21 + number(r, 1232)),
        D::ClaimsSizeBeyondEnd => (&[Fact::Binding, Fact::Json], |r| number(r, 1232) + 1236 == 2601),
        D::PaddingNotZero => (&[], |r| r[2599] == 1),
        D::ClaimsNotJson => (&[Fact::Json], |r| text(r).ends_with('"')),
        D::ClaimsWithoutAttestationKey => (&[], |r| !text(r).contains("HCLAkPub")),
        D::ClaimsTwoAttestationKeys => (&[], |r| text(r).matches("HCLAkPub").count() == 2),
        D::AttestationKeyNotRsa => (&[], |r| text(r).contains(r#""HCLAkPub","key_ops":["sign"],"kty":"EC""#)),
        D::ClaimsDuplicateMember => (&[], |r| text(r).matches("user-data").count() == 2),
        D::Truncated | D::Empty => (&[], |_| true),
    }
}

#[test]
fn each_hcl_defect_breaks_what_it_says_and_nothing_else() {
    let (chip, spec) = (chip(), spec());
    let genuine = hcl::snp_report(&chip, &ReportSpec::default(), &spec).unwrap();
    assert_eq!(broken_facts(&chip, &genuine), BTreeSet::new());
    for defect in Defect::ALL.iter().copied() {
        let broken = hcl::broken(defect, &chip, &ReportSpec::default(), &spec).unwrap();
        match defect {
            Defect::Truncated => assert_eq!(broken.len(), 1200),
            Defect::Empty => assert_eq!(broken.len(), 0),
            _ => {
                let (facts, seen) = effect(defect);
                assert_eq!(broken_facts(&chip, &broken), facts.iter().copied().collect(), "{defect}");
                assert!(seen(&broken), "{defect} is not seen");
                assert!(!seen(&genuine) || !facts.is_empty(), "{defect} is seen in a genuine report");
            }
        }
    }
}
