//! What each defect of simulated AMD changes, and that it changes nothing else.

use std::collections::BTreeSet;
use std::ops::Range;

use assay_silicon::SiliconError;
use assay_silicon::amd::{Authority, ChipSpec, Defect, Product, ReportSpec, Sample, VekKind};
use der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::BasicConstraints;

use crate::amd_view::{
    Certificate, certificate, crl, extensions, signs_certificate, signs_crl, signs_report,
};
use crate::{DAY, NOW, all_chips, authority, vendor, with_amd};

/// What holds of a genuine sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// The endorsement key signs the report.
    Report,
    /// The pinned ASK or ASVK signs the certificate of the endorsement key.
    Vek,
    /// It also says that it does.
    Issuer,
    /// The chain is the pinned one.
    Chain,
    /// The pinned ARK signs the revocation list.
    Crl,
}

use Fact::{Chain, Crl, Issuer, Report, Vek};

/// How a broken sample differs from a genuine one of the same chip.
struct Effect {
    /// What no longer holds.
    facts: &'static [Fact],
    /// Where the signed part of the report differs: somewhere in each of these, and nowhere else.
    body: Vec<Range<usize>>,
    /// True of the broken sample, but not of the genuine one.
    seen: fn(&Sample) -> bool,
}

/// A change of the report that is signed.
fn signed(at: Range<usize>) -> Effect {
    Effect { facts: &[], body: vec![at], seen: |_| true }
}

/// A change of the report after it was signed.
fn unsigned(at: Range<usize>) -> Effect {
    Effect { facts: &[Report], body: vec![at], seen: |_| true }
}

/// These no longer hold.
fn broken(facts: &'static [Fact]) -> Effect {
    Effect { facts, body: vec![], seen: |_| true }
}

/// These no longer hold, and this is seen.
fn both(facts: &'static [Fact], seen: fn(&Sample) -> bool) -> Effect {
    Effect { facts, body: vec![], seen }
}

/// All signatures hold, and this is seen.
fn seen(seen: fn(&Sample) -> bool) -> Effect {
    both(&[], seen)
}

fn byte(at: usize) -> Range<usize> {
    at..at + 1
}

fn effect(defect: Defect, chip: &ChipSpec) -> Effect {
    report_effect(defect, chip)
        .or_else(|| tcb_effect(defect, chip))
        .or_else(|| flip_effect(defect))
        .or_else(|| certificate_effect(defect))
        .or_else(|| chain_effect(defect))
        .unwrap_or_else(|| panic!("{defect} has no effect to look for"))
}

fn report_effect(defect: Defect, chip: &ChipSpec) -> Option<Effect> {
    use Defect as D;
    Some(match defect {
        D::ReportVersion0 | D::ReportVersion1 | D::ReportVersion6 | D::ReportVersion7 => signed(byte(0)),
        D::ReportVersionMax => signed(0..4),
        D::SignatureAlgorithm0 | D::SignatureAlgorithm2 => signed(byte(0x34)),
        D::KeyInfoBit5 | D::ChipKeyMasked => signed(byte(0x48)),
        D::KeyInfoBit31 => signed(byte(0x4b)),
        D::ChipKeyMaskedUnsigned => Effect {
            seen: |s| s.report[0x48] == 0x1e && s.report[0x2a0..].iter().all(|b| *b == 0),
            ..unsigned(byte(0x48))
        },
        D::SigningKeyNone => Effect { seen: |s| s.report[0x48] == 7 << 2, ..signed(byte(0x48)) },
        D::SigningKeyUnknown => Effect { seen: |s| s.report[0x48] == 2 << 2, ..signed(byte(0x48)) },
        D::SigningKeyOfOtherKind => signed(byte(0x48)),
        D::Reserved04c => signed(byte(0x4c)),
        D::Reserved04f => signed(byte(0x4f)),
        D::Reserved18b => signed(byte(0x18b)),
        D::Reserved19f => signed(byte(0x19f)),
        D::Reserved1eb => signed(byte(0x1eb)),
        D::Reserved1ef => signed(byte(0x1ef)),
        D::Reserved208 => signed(byte(0x208)),
        D::Reserved29f => signed(byte(0x29f)),
        D::CpuidInVersion2 => {
            let seen = |s: &Sample| s.report[0] == 2 && s.report[0x188..0x18b] != [0; 3];
            let mut body = vec![byte(0)];
            body.extend((chip.product == Product::Turin).then_some(0x1f8..0x208));
            Effect { facts: &[], body, seen }
        }
        D::MitigationsInVersion4 => {
            let seen = |s: &Sample| s.report[0] == 4 && s.report[0x1f8] != 0;
            let mut body = vec![byte(0)];
            body.push(if chip.product == Product::Turin { 0x200..0x208 } else { 0x1f8..0x200 });
            Effect { facts: &[], body, seen }
        }
        D::PolicyBit17 => Effect { seen: |s| s.report[0xa] & 2 == 0, ..signed(byte(0xa)) },
        D::PolicyBit26 => Effect { seen: |s| s.report[0xb] == 4, ..signed(byte(0xb)) },
        D::PolicyBit63 => Effect { seen: |s| s.report[0xf] == 0x80, ..signed(byte(0xf)) },
        D::Vmpl4 => Effect { seen: |s| s.report[0x30] == 4, ..signed(byte(0x30)) },
        D::VmplHost => Effect { seen: |s| s.report[0x30..0x34] == [0xff; 4], ..signed(0x30..0x34) },
        D::ChipIdMasked => Effect { seen: |s| s.report[0x1a0..0x1e0] == [0; 64], ..signed(0x1a0..0x1e0) },
        D::ChipIdOfOtherChip => {
            let seen = |s: &Sample| !s.report[0x1a0..].starts_with(&amd(s, &[4])[0]);
            Effect { seen, ..signed(0x1a0..0x1e0) }
        }
        D::ChipIdTail => signed(byte(0x1df)),
        D::CpuidOfOtherProduct | D::CpuidFamilyUnknown => signed(0x188..0x18b),
        D::CpuidModelUnknown => signed(byte(0x189)),
        _ => return None,
    })
}

fn tcb_effect(defect: Defect, chip: &ChipSpec) -> Option<Effect> {
    use Defect as D;
    let reserved = if chip.product == Product::Turin { 4 } else { 2 };
    let boot_loader = if chip.product == Product::Turin { 1 } else { 0 };
    Some(match defect {
        D::ReportedTcbAboveCurrent => Effect {
            facts: &[],
            body: [0x38, 0x1e0, 0x1f0].iter().flat_map(|at| [byte(at + boot_loader), byte(at + 7)]).collect(),
            seen: |s| tcb(s, 0x38).0 + 1 == tcb(s, 0x180).0 && tcb(s, 0x38).1 > tcb(s, 0x180).1,
        },
        D::CommittedTcbAboveCurrent => Effect {
            facts: &[],
            body: vec![byte(0x3f), byte(0x1e0 + boot_loader)],
            seen: |s| tcb(s, 0x1e0).0 == tcb(s, 0x38).0 + 1 && tcb(s, 0x38).1 > tcb(s, 0x1e0).1,
        },
        D::ReportedTcbReserved => signed(byte(0x180 + reserved)),
        D::CurrentTcbReserved => signed(byte(0x38 + reserved)),
        D::CommittedTcbReserved => signed(byte(0x1e0 + reserved)),
        D::LaunchTcbReserved => signed(byte(0x1f0 + reserved)),
        _ => return None,
    })
}

fn flip_effect(defect: Defect) -> Option<Effect> {
    use Defect as D;
    Some(match defect {
        D::GuestSvnBitFlipped => unsigned(byte(0x4)),
        D::PolicyBitFlipped => unsigned(byte(0x8)),
        D::FamilyIdBitFlipped => unsigned(byte(0x10)),
        D::ImageIdBitFlipped => unsigned(byte(0x20)),
        D::VmplBitFlipped => unsigned(byte(0x30)),
        D::PlatformInfoBitFlipped => unsigned(byte(0x40)),
        D::ReportDataBitFlipped => unsigned(byte(0x50)),
        D::MeasurementBitFlipped => unsigned(byte(0x90)),
        D::HostDataBitFlipped => unsigned(byte(0xc0)),
        D::IdKeyDigestBitFlipped => unsigned(byte(0xe0)),
        D::AuthorKeyDigestBitFlipped => unsigned(byte(0x110)),
        D::ReportIdBitFlipped => unsigned(byte(0x140)),
        D::ReportIdMaBitFlipped => unsigned(byte(0x160)),
        D::ReportedTcbBitFlipped => unsigned(byte(0x180)),
        D::SteppingBitFlipped => unsigned(byte(0x18a)),
        D::ChipIdBitFlipped => unsigned(byte(0x1a0)),
        D::CurrentFirmwareBitFlipped => unsigned(byte(0x1e8)),
        D::CommittedFirmwareBitFlipped => unsigned(byte(0x1ec)),
        D::LaunchTcbBitFlipped => unsigned(byte(0x1f0)),
        D::CurrentTcbBitFlipped => {
            Effect { seen: |s| tcb(s, 0x38).1 > tcb(s, 0x180).1, ..unsigned(byte(0x3f)) }
        }
        D::CommittedTcbBitFlipped => {
            Effect { seen: |s| tcb(s, 0x1e0).1 < tcb(s, 0x38).1, ..unsigned(byte(0x1e7)) }
        }
        D::LaunchMitigationsBitFlipped => unsigned(byte(0x1f8)),
        D::CurrentMitigationsBitFlipped => unsigned(byte(0x200)),
        D::SignatureRBitFlipped | D::SignatureSBitFlipped => broken(&[Report]),
        D::SignatureRZero => both(&[Report], |s| s.report[0x2a0..0x2e8] == [0; 72]),
        D::SignatureSZero => both(&[Report], |s| s.report[0x2e8..0x330] == [0; 72]),
        D::SignatureROrder => both(&[Report], |s| is_order(&s.report[0x2a0..0x2e8])),
        D::SignatureSOrder => both(&[Report], |s| is_order(&s.report[0x2e8..0x330])),
        D::SignatureRByte48 => seen(|s| s.report[0x2d0] == 1),
        D::SignatureRByte71 => seen(|s| s.report[0x2e7] == 1),
        D::SignatureSByte48 => seen(|s| s.report[0x318] == 1),
        D::SignatureSByte71 => seen(|s| s.report[0x32f] == 1),
        D::Reserved330 => seen(|s| s.report[0x330] == 1),
        D::Reserved49f => seen(|s| s.report[0x49f] == 1),
        D::Truncated => both(&[Report], |s| s.report.len() == 1183),
        D::TrailingData => both(&[Report], |s| s.report.len() == 1185),
        D::Empty => both(&[Report], |s| s.report.is_empty()),
        _ => return None,
    })
}

fn certificate_effect(defect: Defect) -> Option<Effect> {
    use Defect as D;
    Some(match defect {
        D::VekIssuerName => both(&[Issuer], |s| issuer(&s.vek) == "SEV-Other"),
        D::VekSignedByOther => broken(&[Vek]),
        D::VekPkcs1 => both(&[Vek], |s| algorithm(s) == "1.2.840.113549.1.1.12"),
        D::VekPssSha256 => both(&[Vek], |s| parameters(s).contains("608648016503040201")),
        D::VekPssSalt32 => seen(|s| parameters(s).ends_with("a203020120")),
        D::VekExpired => seen(|s| window(&s.vek).1 == NOW - 3600),
        D::VekNotYetValid => seen(|s| window(&s.vek).0 == NOW + DAY),
        D::VekBootLoaderTooHigh => seen(|s| spl(s, 1) == Some(u16::from(tcb(s, 0x180).0) + 1)),
        D::VekMicrocodeTooHigh => seen(|s| spl(s, 8) == Some(u16::from(tcb(s, 0x180).1) + 1)),
        D::VekTeeTooHigh => seen(|s| spl(s, 2) == Some(u16::from(s.report[0x180 + tee(s)]) + 1)),
        D::VekSnpTooHigh => seen(|s| spl(s, 3) == Some(u16::from(s.report[0x180 + snp(s)]) + 1)),
        D::VekFmcTooHigh => seen(|s| spl(s, 9) == Some(u16::from(s.report[0x180]) + 1)),
        D::VekWithoutBootLoader => seen(|s| spl(s, 1).is_none()),
        D::VekWithoutTee => seen(|s| spl(s, 2).is_none()),
        D::VekWithoutSnp => seen(|s| spl(s, 3).is_none()),
        D::VekWithoutMicrocode => seen(|s| spl(s, 8).is_none()),
        D::VekWithoutFmc => seen(|s| spl(s, 9).is_none()),
        D::VekMicrocodeNegative => seen(|s| amd(s, &[3, 8]) == [[2, 1, s.report[0x187]]]),
        D::VekStructVersionOther => {
            seen(|s| amd(s, &[1]) == [[2, 1, u8::from(certificate_name(s) != "SEV-Turin")]])
        }
        D::VekWithoutStructVersion => seen(|s| amd(s, &[1]).is_empty()),
        D::VekProductOther => seen(|s| !product_is_issuer(s)),
        D::VekWithoutProduct => seen(|s| amd(s, &[2]).is_empty()),
        D::VcekWithoutHwid => seen(|s| amd(s, &[4]).is_empty()),
        D::VcekHwidOfOtherChip => seen(|s| !s.report[0x1a0..].starts_with(&amd(s, &[4])[0])),
        D::VcekHwidShort => seen(|s| [63, 7].contains(&amd(s, &[4])[0].len())),
        D::VekExtensionTwice => seen(|s| amd(s, &[3, 1]).len() == 2),
        D::VcekWithCspId => seen(|s| amd(s, &[5]).len() == 1),
        D::VlekWithoutCspId => seen(|s| amd(s, &[5]).is_empty()),
        D::VlekWithHwid => seen(|s| amd(s, &[4]).len() == 1),
        D::VekNameShort => seen(|s| subject(&s.vek) == "VCEK"),
        D::VekNameOfOtherKind => seen(|s| (subject(&s.vek) == "SEV-VLEK") == amd(s, &[5]).is_empty()),
        D::VekP256 => both(&[Report], |s| key_size(s) == 65),
        D::VekIsAuthority => seen(|s| constraints(s).is_some_and(|constraints| constraints.ca)),
        D::VekUnknownCriticalExtension => seen(has_unknown_critical),
        _ => return None,
    })
}

fn chain_effect(defect: Defect) -> Option<Effect> {
    use Defect as D;
    Some(match defect {
        D::VekOfOtherChip => broken(&[Report]),
        D::VekOfOtherProduct => both(&[Vek, Issuer, Chain], chain_holds),
        D::VcekIssuedByAsvk | D::VlekIssuedByAsk => both(&[Vek, Issuer, Chain], chain_holds),
        D::VekIssuedByArk => both(&[Vek, Issuer], |s| signs_certificate(&s.chain[1], &s.vek)),
        D::SelfMadeChain | D::SelfMadeChainCopied => both(&[Vek, Chain], chain_holds),
        D::SelfMadeIntermediate => both(&[Vek, Chain], |s| {
            signs_certificate(&s.chain[0], &s.vek) && !signs_certificate(&s.chain[1], &s.chain[0])
        }),
        D::IntermediateOfOtherProduct => both(&[Chain], |s| issuer(&s.chain[0]) != subject(&s.chain[1])),
        D::IntermediateRevoked => seen(|s| {
            let serial = certificate(&s.chain[0]).tbs_certificate().serial_number().clone();
            let revoked = crl(&s.crl).tbs_cert_list.revoked_certificates;
            revoked.iter().flatten().any(|entry| entry.serial_number == serial)
        }),
        D::CrlExpired => seen(|s| crl_window(s).1 == NOW - 3600),
        D::CrlFromFuture => seen(|s| crl_window(s).0 == NOW + DAY),
        D::CrlSignedByIntermediate => both(&[Crl], |s| signs_certificate(&s.chain[0], &s.crl)),
        D::CrlOfOtherProduct => both(&[Crl], |s| {
            crl(&s.crl).tbs_cert_list.issuer != *certificate(&s.chain[1]).tbs_certificate().subject()
        }),
        _ => return None,
    })
}

/// Those of the facts that do not hold.
fn broken_facts(sample: &Sample, authority: &Authority) -> BTreeSet<Fact> {
    let facts = [
        (Report, signs_report(&sample.vek, &sample.report)),
        (Vek, signs_certificate(&authority.intermediate, &sample.vek)),
        (Issuer, issuer(&sample.vek) == subject(&authority.intermediate)),
        (Chain, sample.chain == [authority.intermediate.clone(), authority.root.clone()]),
        (Crl, signs_crl(&authority.root, &sample.crl)),
    ];
    facts.into_iter().filter(|(_, holds)| !holds).map(|(fact, _)| fact).collect()
}

#[test]
fn each_defect_breaks_what_it_says_and_nothing_else() {
    let mut amd = vendor();
    for chip in all_chips() {
        // Two chips with the same id and other keys have the same signed part.
        let mut chip_id = [0; 64];
        let size = if chip.product == Product::Turin { 8 } else { 64 };
        chip_id[..size].fill(0x77);
        let chip = ChipSpec { chip_id: Some(chip_id), ..chip };
        let spec = ReportSpec::default();
        let authority = authority(&chip);
        let genuine = amd.sample(&chip, &spec, NOW).unwrap();
        assert_eq!(broken_facts(&genuine, &authority), BTreeSet::new());
        for defect in Defect::ALL.iter().copied().filter(|defect| defect.applies(&chip)) {
            let sample = amd.broken(defect, &chip, &spec, NOW).unwrap();
            let effect = effect(defect, &chip);
            let name = format!("{defect} of {:?} {:?}", chip.product, chip.kind);
            assert_eq!(broken_facts(&sample, &authority), effect.facts.iter().copied().collect(), "{name}");
            assert_differences(&sample, &genuine, &effect.body, &name);
            assert!((effect.seen)(&sample), "{name} is not seen");
            if effect.facts.is_empty() && effect.body.is_empty() {
                assert!(!(effect.seen)(&genuine), "{name} is seen in a genuine sample");
            }
        }
    }
}

fn assert_differences(sample: &Sample, genuine: &Sample, ranges: &[Range<usize>], name: &str) {
    let differs: Vec<usize> =
        (0..0x2a0.min(sample.report.len())).filter(|at| sample.report[*at] != genuine.report[*at]).collect();
    for range in ranges {
        assert!(differs.iter().any(|at| range.contains(at)), "{name}: nothing differs in {range:x?}");
    }
    for at in differs {
        assert!(ranges.iter().any(|range| range.contains(&at)), "{name}: byte {at:#x} differs");
    }
}

#[test]
fn defects_that_do_not_apply_are_refused() {
    for (defect, applies) in [
        (Defect::VekFmcTooHigh, (Product::Turin, VekKind::Vlek)),
        (Defect::ChipIdTail, (Product::Turin, VekKind::Vcek)),
        (Defect::VlekWithoutCspId, (Product::Genoa, VekKind::Vlek)),
        (Defect::VcekWithCspId, (Product::Milan, VekKind::Vcek)),
    ] {
        assert!(defect.applies(&ChipSpec::new(applies.0, applies.1)), "{defect}");
        let other = if defect == Defect::VlekWithoutCspId { VekKind::Vcek } else { VekKind::Vlek };
        let chip = ChipSpec::new(Product::Milan, other);
        assert!(!defect.applies(&chip), "{defect}");
        let error = SiliconError::InvalidSpec {
            field: "the chip for this defect",
            value: format!("milan, {}", other.name()),
        };
        let refused = with_amd(|amd| Ok(amd.broken(defect, &chip, &ReportSpec::default(), NOW)));
        assert_eq!(refused.unwrap_err(), error);
    }
    // Nothing is left out: every defect applies to some chip.
    assert!(Defect::ALL.iter().all(|defect| all_chips().any(|chip| defect.applies(&chip))));
}

#[test]
fn names_are_unique_and_in_kebab_case() {
    let names: BTreeSet<&str> = Defect::ALL.iter().map(|defect| defect.name()).collect();
    assert_eq!(names.len(), Defect::ALL.len());
    for defect in Defect::ALL.iter().copied() {
        let name = defect.name();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
        assert_eq!(name.parse::<Defect>().unwrap(), defect);
        assert!(!defect.description().is_empty() && !defect.rule().is_empty());
    }
}

/// Boot loader and microcode of the TCB at an offset.
fn tcb(sample: &Sample, at: usize) -> (u8, u8) {
    let boot_loader = if certificate_name(sample).ends_with("Turin") { 1 } else { 0 };
    (sample.report[at + boot_loader], sample.report[at + 7])
}

fn tee(sample: &Sample) -> usize {
    if certificate_name(sample).ends_with("Turin") { 2 } else { 1 }
}

fn snp(sample: &Sample) -> usize {
    if certificate_name(sample).ends_with("Turin") { 3 } else { 6 }
}

/// The name of the issuer of the endorsement key without its kind.
fn certificate_name(sample: &Sample) -> String {
    issuer(&sample.vek).replace("VLEK-", "")
}

fn common_name(name: &impl ToString) -> String {
    name.to_string().split("CN=").nth(1).unwrap().split(',').next().unwrap().to_owned()
}

fn issuer(der: &[u8]) -> String {
    common_name(certificate(der).tbs_certificate().issuer())
}

fn subject(der: &[u8]) -> String {
    common_name(certificate(der).tbs_certificate().subject())
}

fn window(der: &[u8]) -> (i64, i64) {
    let read: Certificate = certificate(der);
    let validity = read.tbs_certificate().validity();
    (
        validity.not_before.to_unix_duration().as_secs() as i64,
        validity.not_after.to_unix_duration().as_secs() as i64,
    )
}

fn crl_window(sample: &Sample) -> (i64, i64) {
    let list = crl(&sample.crl).tbs_cert_list;
    let next = list.next_update.unwrap();
    (list.this_update.to_unix_duration().as_secs() as i64, next.to_unix_duration().as_secs() as i64)
}

/// The values of AMD's extensions with these last arcs.
fn amd(sample: &Sample, arcs: &[u32]) -> Vec<Vec<u8>> {
    let dotted: String = arcs.iter().map(|arc| format!(".{arc}")).collect();
    let identifier = ObjectIdentifier::new(&format!("1.3.6.1.4.1.3704.1{dotted}")).unwrap();
    let all = extensions(&sample.vek);
    let found = all.into_iter().filter(|extension| extension.extn_id == identifier);
    found.map(|extension| extension.extn_value.as_bytes().to_vec()).collect()
}

/// A component of the TCB in the certificate.
fn spl(sample: &Sample, arc: u32) -> Option<u16> {
    let value = amd(sample, &[3, arc]).pop()?;
    Some(value[2..].iter().fold(0, |sum, byte| sum * 256 + u16::from(*byte)))
}

fn product_is_issuer(sample: &Sample) -> bool {
    let value = amd(sample, &[2]).pop().unwrap();
    let name = String::from_utf8(value[2..].to_vec()).unwrap();
    certificate_name(sample).ends_with(name.split('-').next().unwrap())
}

fn algorithm(sample: &Sample) -> String {
    certificate(&sample.vek).signature_algorithm().oid.to_string()
}

/// Hex of the parameters of the signature.
fn parameters(sample: &Sample) -> String {
    let read = certificate(&sample.vek);
    hex::encode(read.signature_algorithm().parameters.as_ref().unwrap().value())
}

fn key_size(sample: &Sample) -> usize {
    crate::amd_view::public_key(&sample.vek).len()
}

fn constraints(sample: &Sample) -> Option<BasicConstraints> {
    let read = certificate(&sample.vek);
    read.tbs_certificate().get_extension::<BasicConstraints>().unwrap().map(|(_, constraints)| constraints)
}

fn has_unknown_critical(sample: &Sample) -> bool {
    let unknown = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1");
    extensions(&sample.vek).iter().any(|extension| extension.critical && extension.extn_id == unknown)
}

/// The order of P-384 (SEC 2, section 2.5.1), little-endian.
fn is_order(component: &[u8]) -> bool {
    let order =
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
    let big_endian: Vec<u8> = component[..48].iter().rev().copied().collect();
    hex::encode(big_endian) == order && component[48..] == [0; 24]
}

/// Whether the chain that comes with a sample is one, whoever made it.
fn chain_holds(sample: &Sample) -> bool {
    signs_certificate(&sample.chain[0], &sample.vek)
        && signs_certificate(&sample.chain[1], &sample.chain[0])
        && signs_certificate(&sample.chain[1], &sample.chain[1])
        && issuer(&sample.vek) == subject(&sample.chain[0])
        && issuer(&sample.chain[0]) == subject(&sample.chain[1])
}
