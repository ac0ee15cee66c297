//! Endorsements that are made to cost: nests that exhaust the stack, and certificates and names that exhaust the processor.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

use assay_silicon::uvm::{Algorithm, Defect, EndorsementSpec, UvmSigner};
use assay_verify::uvm::{Input, Issuer, TrustedIssuers, UvmError, verify_alone};
use assay_verify::{AnchorOrigin, Outcome, Report, UnixTime, VerifyError};

const NOW: i64 = 1_795_000_000;
/// A quarter of what the service's threads have.
const SMALL_STACK: usize = 512 * 1024;

/// A CBOR byte string.
fn bytes(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let head = match u8::try_from(length) {
        Ok(length @ 0..24) => vec![0x40 | length],
        Ok(length) => vec![0x58, length],
        Err(_) => [&[0x59][..], &length.to_be_bytes()].concat(),
    };
    [&head, content].concat()
}

/// The errors of an endorsement with these headers, judged on a thread with a small stack.
fn errors(protected: &[u8], unprotected: &[u8]) -> Vec<VerifyError> {
    let endorsement = [&[0xd2, 0x84], &bytes(protected)[..], unprotected, &[0x41, 0, 0x41, 0]].concat();
    let judge = move || {
        let (report, claims) = verify_alone(&Input {
            endorsement: &endorsement,
            measurement: &[0; 48],
            issuers: &TrustedIssuers::default(),
            time_stamp_authorities: &[],
            now: UnixTime(NOW),
        });
        assert_eq!(claims, None);
        report.errors().cloned().collect()
    };
    std::thread::Builder::new().stack_size(SMALL_STACK).spawn(judge).unwrap().join().unwrap()
}

fn refused(problem: &'static str) -> Vec<VerifyError> {
    vec![VerifyError::Uvm(UvmError::Cose { problem })]
}

const COUNTER_SIGNED: &str = "it has a counter-signature, which is not accepted";
const DEEP: &str = "it is nested too deeply";
const MANY: &str = "it has too many items";

/// A header map whose counter-signature has such a map as its protected header, and so on. Every byte string begins a new
/// item, so none of them is nested deeply.
fn byte_string_nest(levels: usize) -> Vec<u8> {
    (0..levels).fold(vec![0xa0], |inner, _| [&[0xa1, 0x07, 0x83], &bytes(&inner)[..], &[0xa0, 0x40]].concat())
}

/// The same by way of the unprotected header, which is a map in a map; with a list of counter-signatures at each level.
fn map_nest(levels: usize) -> Vec<u8> {
    let open = [0xa1, 0x07, 0x81, 0x83, 0x40].repeat(levels);
    [&open[..], &[0xa0], &vec![0x40; levels]].concat()
}

/// Both, level by level.
fn mixed_nest(levels: usize) -> Vec<u8> {
    (0..levels).fold(vec![0xa0], |inner, level| match level % 2 {
        0 => [&[0xa1, 0x07, 0x83], &bytes(&inner)[..], &[0xa0, 0x40]].concat(),
        _ => [&[0xa1, 0x07, 0x81, 0x83, 0x40], &inner[..], &[0x40]].concat(),
    })
}

#[test]
fn nested_counter_signatures_do_not_exhaust_the_stack() {
    for levels in [8000, 500, 2, 1] {
        for nest in [byte_string_nest(levels), mixed_nest(levels)] {
            assert_eq!(errors(&nest, &[0xa0]), refused(COUNTER_SIGNED), "{levels}");
            assert_eq!(errors(&[], &nest), refused(COUNTER_SIGNED), "{levels}");
        }
    }
    for (levels, problem) in [(8000, MANY), (500, MANY), (100, DEEP), (2, COUNTER_SIGNED)] {
        let nest = map_nest(levels);
        assert_eq!(errors(&nest, &[0xa0]), refused(problem), "{levels}");
        assert_eq!(errors(&[], &nest), refused(problem), "{levels}");
    }
}

#[test]
fn nested_arrays_maps_and_tags_do_not_exhaust_the_stack() {
    for (open, close) in [(&[0x81][..], 0x00), (&[0xa1, 0x00], 0x00), (&[0xc1], 0x00), (&[0x9f], 0xff)] {
        for (levels, problem) in [(500, DEEP), (8000, MANY)] {
            let header = [&[0xa1, 0x18, 0x63], &open.repeat(levels)[..], &[close]].concat();
            assert_eq!(errors(&header, &[0xa0]), refused(problem), "{open:?}");
            assert_eq!(errors(&[], &header), refused(problem), "{open:?}");
        }
    }
}

#[test]
fn many_small_items_are_refused_before_they_are_read() {
    for item in [&[0x00][..], &[0x80], &[0xa0], &[0x40], &[0xc1, 0x00]] {
        let header = [&[0xa1, 0x18, 0x63, 0x9f], &item.repeat(20_000)[..], &[0xff]].concat();
        assert_eq!(errors(&header, &[0xa0]), refused(MANY), "{item:?}");
        assert_eq!(errors(&[], &header), refused(MANY), "{item:?}");
    }
}

/// Labels of both generations, in either header, in any encoding of the number, and whatever stands behind them.
#[test]
fn counter_signatures_of_every_kind_are_refused() {
    for label in [7, 9, 11, 12] {
        for number in [vec![label], vec![0x18, label], vec![0x1a, 0, 0, 0, label], vec![0xc2, 0x41, label]] {
            let header = [&[0xa1], &number[..], &[0x40]].concat();
            assert_eq!(errors(&header, &[0xa0]), refused(COUNTER_SIGNED), "{header:02x?}");
            assert_eq!(errors(&[], &header), refused(COUNTER_SIGNED), "{header:02x?}");
        }
    }
    // Inside of another header nobody reads them.
    let inside = [&[0xa1, 0x18, 0x63, 0x81], &byte_string_nest(500)[..]].concat();
    assert!(!errors(&inside, &[0xa0]).contains(&refused(COUNTER_SIGNED)[0]));
}

#[test]
fn labels_that_stand_twice_are_refused_in_any_encoding() {
    for header in [&[0xa2, 0x04, 0x41, 0, 0x04, 0x41, 0][..], &[0xa2, 0x18, 0x63, 0, 0xc2, 0x41, 0x63, 0]] {
        let duplicate = vec![VerifyError::Uvm(UvmError::DuplicateLabel)];
        assert_eq!(errors(header, &[0xa0]), duplicate);
        assert_eq!(errors(&[], header), duplicate);
    }
}

const MEASURED: [u8; 48] = [0x5a; 48];
/// What costs more than all the rest together, in the order of the report.
const EXPENSIVE: [&str; 4] = ["uvm.chain", "uvm.signature", "uvm.time-stamp", "uvm.dates"];

/// Judged by somebody who trusts the signer and its time-stamp authority.
fn judge(signer: &UvmSigner, endorsement: &[u8], measurement: [u8; 48]) -> Report {
    let issuer = Issuer {
        did: signer.did(),
        feed: signer.feed().to_owned(),
        minimum_svn: 100,
        status: String::new(),
        origin: AnchorOrigin::Simulated,
    };
    let (report, claims) = verify_alone(&Input {
        endorsement,
        measurement: &measurement,
        issuers: &TrustedIssuers::new(vec![issuer]),
        time_stamp_authorities: &[signer.time_stamp_authority()],
        now: UnixTime(NOW),
    });
    assert_eq!(claims, None);
    report
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.errors().map(VerifyError::code).collect()
}

/// The rules that were not judged, of those that cost, and the one reason that all of them give.
fn skipped(report: &Report) -> (Vec<&'static str>, String) {
    let skipped: Vec<_> = report
        .checks()
        .iter()
        .filter(|check| EXPENSIVE.contains(&check.rule.id) && check.outcome == Outcome::Skipped)
        .collect();
    let reason = skipped.first().map(|check| check.detail.to_string()).unwrap_or_default();
    assert!(skipped.iter().all(|check| check.detail == reason), "{report:#?}");
    (skipped.iter().map(|check| check.rule.id).collect(), reason)
}

#[test]
fn no_signature_is_verified_once_a_cheap_check_has_decided() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let untrusted = "not made: the issuer is not trusted for the feed";
    let no_authority = "not made: the issuer's name is not that of an authority in the chain";
    let no_content = "not made: the content cannot be read";
    let no_chain = "not made: the chain cannot be read";
    let no_envelope = "not made: the envelope is not accepted";
    for (defect, reason) in [
        (Defect::SelfMade, untrusted),
        (Defect::FeedOther, untrusted),
        (Defect::PolicySan, untrusted),
        (Defect::PoliciesMany, untrusted),
        (Defect::OtherRoot, no_authority),
        (Defect::ChainWithoutRoot, no_authority),
        (Defect::IssuerMissing, no_content),
        (Defect::BothForms, no_content),
        (Defect::JsonBroken, no_content),
        (Defect::CwtNoMap, no_content),
        (Defect::Detached, no_envelope),
        (Defect::AlgorithmEs512, no_envelope),
        (Defect::CriticalHeader, no_envelope),
        (Defect::LabelInBoth, no_envelope),
    ] {
        let spec = EndorsementSpec::new(MEASURED, 100);
        let report = judge(&signer, &signer.broken(defect, &spec, NOW).unwrap(), MEASURED);
        assert_eq!(skipped(&report), (EXPENSIVE.to_vec(), reason.to_owned()), "{defect}");
    }
    // What is wrong with the chain is said even so.
    for (defect, reason) in [(Defect::ChainGarbage, no_chain), (Defect::LeafLarge, no_chain)] {
        let spec = EndorsementSpec::new(MEASURED, 100);
        let report = judge(&signer, &signer.broken(defect, &spec, NOW).unwrap(), MEASURED);
        assert_eq!(skipped(&report), (EXPENSIVE[1..].to_vec(), reason.to_owned()), "{defect}");
    }
}

#[test]
fn the_first_signature_that_is_not_valid_is_the_last_one_verified() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let (chain, message) =
        ("not made: a signature of the chain is not valid", "not made: the signature is not valid");
    for (defect, rules, reason) in [
        (Defect::CaSignature, &EXPENSIVE[1..], chain),
        (Defect::LeafSignature, &EXPENSIVE[1..], chain),
        (Defect::SignatureBit, &EXPENSIVE[2..], message),
        (Defect::KeyOfOtherKind, &EXPENSIVE[2..], message),
    ] {
        let spec = EndorsementSpec::new(MEASURED, 100);
        let report = judge(&signer, &signer.broken(defect, &spec, NOW).unwrap(), MEASURED);
        assert_eq!(skipped(&report), (rules.to_vec(), reason.to_owned()), "{defect}");
    }
}

#[test]
fn every_cheap_check_is_reported_though_the_expensive_ones_are_skipped() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let day = 24 * 60 * 60;
    let spec = EndorsementSpec { signed_at: Some(NOW + day), ..EndorsementSpec::new(MEASURED, 100) };
    let made = signer.broken(Defect::PolicySan, &spec, NOW).unwrap();
    let report = judge(&signer, &made, [0; 48]);
    let expected = ["uvm-did-policy", "uvm-measurement", "uvm-signed-in-future", "uvm-issuer-untrusted"];
    assert_eq!(codes(&report), expected);
    assert_eq!(skipped(&report).0, EXPENSIVE[..3]);
    // What does not make the signatures useless does not keep them from being verified.
    let spec = EndorsementSpec::new(MEASURED, 99);
    let made = signer.broken(Defect::SignatureBit, &spec, NOW).unwrap();
    assert_eq!(
        codes(&judge(&signer, &made, [0; 48])),
        ["uvm-signature", "uvm-measurement", "uvm-svn-too-low"]
    );
}

/// Where a part stands first in the whole.
fn position(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).position(|window| window == part).unwrap()
}

#[test]
fn costly_rsa_keys_are_refused_before_they_are_used() {
    let signer = UvmSigner::generate(NOW).unwrap();
    let spec = EndorsementSpec { algorithm: Algorithm::Ps384, ..EndorsementSpec::new(MEASURED, 100) };
    let mut made = signer.endorsement(&spec, NOW).unwrap();
    // The exponent in the leaf's key, as an INTEGER.
    let exponent = position(&made, &[2, 3, 1, 0, 1]);
    made[exponent + 4] = 3;
    let report = judge(&signer, &made, MEASURED);
    assert_eq!(codes(&report), ["uvm-thumbprint", "uvm-certificate-constraints"]);
    let reason = "not made: a key of the chain is not accepted".to_owned();
    assert_eq!(skipped(&report), (EXPENSIVE[1..].to_vec(), reason));
}
