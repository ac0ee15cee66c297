//! What decides which endorsement key certificate is the right one: chip id, TCB, generation. The cases are rare in the field or
//! need a chip that nobody has, so they are simulated.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod simulated;

use assay_evidence::snp::SigningKey;
use assay_silicon::amd::{ChipSpec, Product, ReportSpec, Tcb, VekKind};
use assay_verify::Outcome;
use assay_verify::snp::VekExtensions;
use simulated::{Judge, NOW, codes, vendor};

/// An id as a chip may have it; zeros follow where the product has a shorter one.
fn chip_id(product: Product, first: &[u8]) -> [u8; 64] {
    let size = if product == Product::Turin { 8 } else { 64 };
    let mut id = [0; 64];
    id[..size].fill(0xa5);
    id[..first.len()].copy_from_slice(first);
    id
}

/// An id that happens to look like DER is still an id; one in a wrapper is taken only if the lengths leave no doubt.
#[test]
fn chip_ids_are_read_by_their_length_and_not_by_their_first_bytes() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    for product in Product::ALL {
        let rest = if product == Product::Turin { 6 } else { 62 };
        for first in [&[4, rest][..], &[2, rest], &[4, 0x40], &[0x30, rest], &[0xa5]] {
            for wrapped_hwid in [false, true] {
                let chip_id = Some(chip_id(product, first));
                let chip = ChipSpec { chip_id, wrapped_hwid, ..ChipSpec::new(product, VekKind::Vcek) };
                let sample = amd.sample(&chip, &ReportSpec::default(), NOW).unwrap();
                let verification = judge.verify(&sample);
                assert_eq!(codes(&verification), Vec::<&str>::new(), "{product:?} {first:?} {wrapped_hwid}");
            }
        }
    }
}

/// Neither above nor below: another TCB has another key.
#[test]
fn a_certificate_for_an_older_tcb_is_refused_in_every_component() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    let high = Tcb { fmc: 5, boot_loader: 5, tee: 5, snp: 5, microcode: 5 };
    for product in Product::ALL {
        let chip = ChipSpec { tcb: high, ..ChipSpec::new(product, VekKind::Vcek) };
        let sample = amd.sample(&chip, &ReportSpec::default(), NOW).unwrap();
        assert!(judge.verify(&sample).claims.is_some());
        for (component, low) in [
            ("fmc", Tcb { fmc: 4, ..high }),
            ("bootloader", Tcb { boot_loader: 4, ..high }),
            ("tee", Tcb { tee: 4, ..high }),
            ("snp", Tcb { snp: 4, ..high }),
            ("microcode", Tcb { microcode: 4, ..high }),
        ] {
            if component == "fmc" && product != Product::Turin {
                continue;
            }
            let other =
                amd.sample(&ChipSpec { tcb: low, ..chip.clone() }, &ReportSpec::default(), NOW).unwrap();
            let mut sample = sample.clone();
            sample.vek = other.vek;
            let verification = judge.verify(&sample);
            let mut messages = verification.report.errors().map(ToString::to_string);
            let expected = format!("the endorsement key is of {component} 4, the report states 5");
            assert!(messages.any(|message| message == expected), "{product:?} {component}");
            assert!(verification.claims.is_none());
        }
    }
}

/// A report of version 2 does not say what it is of. Only what AMD issued does: neither a certificate of another product, nor
/// other certificates that came along.
#[test]
fn a_report_of_version_2_is_of_the_generation_that_amd_certified() {
    let mut amd = vendor();
    let judge = Judge::of(&amd);
    let version_2 = ReportSpec { version: Some(2), ..ReportSpec::default() };
    for kind in VekKind::ALL {
        for product in Product::ALL {
            let sample = amd.sample(&ChipSpec::new(product, kind), &version_2, NOW).unwrap();
            for other in Product::ALL.into_iter().filter(|other| *other != product) {
                let of_other = amd.sample(&ChipSpec::new(other, kind), &version_2, NOW).unwrap();
                let mut claimed = sample.clone();
                claimed.chain.clone_from(&of_other.chain);
                let verification = judge.verify(&claimed);
                let claims = verification.claims.as_ref().unwrap();
                assert_eq!(claims.product.as_str(), product.vendor_name());
                let hint =
                    verification.report.checks().iter().find(|check| check.rule.id == "snp.chain-hint");
                assert_eq!(hint.unwrap().outcome, Outcome::Warn);
                let mut spliced = sample.clone();
                (spliced.vek, spliced.crl) = (of_other.vek, of_other.crl);
                let verification = judge.verify(&spliced);
                assert!(verification.claims.is_none(), "{product:?} passes for {other:?}");
                assert!(codes(&verification).contains(&"report-signature"));
            }
        }
    }
}

/// The extensions can be read without any trust, as tools and fuzzers do.
#[test]
fn extensions_are_read_alone() {
    let mut amd = vendor();
    for product in Product::ALL {
        for kind in VekKind::ALL {
            let spec = ChipSpec::new(product, kind);
            let sample = amd.sample(&spec, &ReportSpec::default(), NOW).unwrap();
            let known = assay_evidence::snp::Product::from_name(product.vendor_name()).unwrap();
            let signing = if kind == VekKind::Vcek { SigningKey::Vcek } else { SigningKey::Vlek };
            let read = |der: &[u8], kind| VekExtensions::parse(der, known, kind);
            let extensions = read(&sample.vek, signing).unwrap();
            assert_eq!(extensions.tcb.microcode, spec.tcb.microcode);
            assert_eq!(extensions.provider.is_some(), kind == VekKind::Vlek);
            let other = if kind == VekKind::Vcek { SigningKey::Vlek } else { SigningKey::Vcek };
            assert!(read(&sample.vek, other).is_err());
            assert!(read(&sample.vek[1..], signing).is_err());
        }
    }
}
