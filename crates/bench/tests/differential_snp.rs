//! SEV-SNP evidence, real and simulated, good and broken, through Assay and through the `sev` crate: every disagreement has a
//! name in [`DIFFERENCES`], and every name is met. What they mean for a user stands in `docs/snp-differences.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    unreachable_pub,
    reason = "tests, and modules of other tests"
)]

#[path = "../../verify/tests/real/mod.rs"]
mod real;
#[path = "../../verify/tests/simulated/mod.rs"]
mod simulated;

use std::collections::BTreeMap;
use std::path::Path;

use assay_evidence::ParseError;
use assay_evidence::snp::Tcb;
use assay_silicon::amd::{Chip, ChipSpec, Defect, POLICY_DEBUG, Product, ReportSpec, Sample, VekKind};
use assay_verify::cache::ChainCache;
use assay_verify::snp::{
    Context, Crls, Evidence, Opened, Requirements, SnpError, Verification, VlekProviders,
};
use assay_verify::uvm::TrustedIssuers;
use assay_verify::{Binding, Outcome, TrustAnchors, UnixTime, VerifyError};
use serde_json::Value;
use sev::certs::snp::builtin::{genoa, milan, turin};
use sev::certs::snp::{Chain, Verifiable};
use sev::firmware::guest::AttestationReport;
use sev::firmware::host::TcbVersion;
use sev::parser::ByteParser;
use simulated::Judge;

/// In the validity of every certificate of the vectors but that of one cloud provider.
const NOW_OF_VECTORS: UnixTime = UnixTime(1_775_000_000);
/// Flipped bits of each report and of each certificate.
const FLIPS: usize = 400;

/// What both judge. `sev` takes the chain, DER: VEK, ASK or ASVK, ARK.
struct Case {
    name: String,
    report: Vec<u8>,
    chain: Vec<Vec<u8>>,
}

/// An error of Assay with all that it found.
struct Found<'a> {
    error: &'a VerifyError,
    all: &'a [&'a VerifyError],
    /// Whether the chain is the one that Assay pins.
    pinned: bool,
}

/// A way in which the two differ.
struct Difference {
    name: &'static str,
    accepts: Accepts,
    /// Whether this is why Assay gives an error that `sev` does not.
    explains: fn(&Found<'_>) -> bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepts {
    Sev,
    /// Then there is no error of Assay: the chain decides.
    Assay,
}

const DIFFERENCES: &[Difference] = &[
    sev("report-version", |found| {
        matches!(found.error, VerifyError::Parse(ParseError::UnsupportedVersion { .. }))
    }),
    sev("signature-algorithm", |found| {
        found.is(|error| matches!(error, SnpError::SignatureAlgorithm { .. }))
    }),
    sev("key-information", |found| {
        found.is(|error| {
            matches!(
                error,
                SnpError::KeyInfoReserved { .. } | SnpError::ChipKeyMasked | SnpError::SigningKey { .. }
            )
        })
    }),
    sev("kind-of-key", |found| found.is(|error| matches!(error, SnpError::VekKind { .. }))),
    sev("guest-policy", |found| found.is(|error| matches!(error, SnpError::GuestPolicy { .. }))),
    sev("vmpl", |found| found.is(|error| matches!(error, SnpError::Vmpl { .. } | SnpError::HostRequested))),
    sev("bytes-after-signature", |found| {
        found.is(|error| matches!(error, SnpError::Reserved { offset: 0x330, .. }))
    }),
    sev("tcb-written-anew", |found| {
        let is_reserved = |error: &VerifyError| matches!(snp(error), Some(SnpError::TcbReserved { .. }));
        is_reserved(found.error)
            || found.is(|error| *error == SnpError::ReportSignature)
                && found.all.iter().any(|error| is_reserved(error))
    }),
    sev("product", |found| found.is(|error| matches!(error, SnpError::ProductMismatch { .. }))),
    sev("tcb-of-key", |found| found.is(|error| matches!(error, SnpError::VekTcb { .. }))),
    sev("tcb-order", |found| found.is(|error| matches!(error, SnpError::TcbOrder { .. }))),
    sev("chip-id", |found| found.is(|error| matches!(error, SnpError::ChipId | SnpError::ChipIdMasked))),
    sev("key-extensions", |found| found.is(|error| matches!(error, SnpError::VekExtension { .. }))),
    sev("extension-twice", |found| found.is_malformed("it has the same extension twice")),
    sev("vlek-provider", |found| found.is(|error| matches!(error, SnpError::VlekProvider { .. }))),
    sev("revocation", |found| {
        matches!(found.error, VerifyError::CertificateRevoked { .. })
            || found.is(|error| error.code().starts_with("crl-"))
    }),
    sev("dates", |found| {
        matches!(
            found.error,
            VerifyError::CertificateExpired { .. } | VerifyError::CertificateNotYetValid { .. }
        )
    }),
    sev("no-pinned-root", |found| {
        let untrusted = matches!(
            found.error,
            VerifyError::UntrustedRoot { .. } | VerifyError::CertificateSignature { .. }
        );
        untrusted && !found.pinned
    }),
    sev("issuer-name", |found| found.pinned && matches!(found.error, VerifyError::UntrustedRoot { .. })),
    sev("key-name", |found| matches!(found.error, VerifyError::CertificateName { .. })),
    sev("key-constraints", |found| {
        matches!(
            found.error,
            VerifyError::CertificateConstraints { .. } | VerifyError::UnknownCriticalExtension { .. }
        )
    }),
    sev("signature-scheme", |found| found.is_malformed("it is not signed with RSASSA-PSS and SHA-384")),
    Difference { name: "other-chain", accepts: Accepts::Assay, explains: |found| !found.pinned },
];

const fn sev(name: &'static str, explains: fn(&Found<'_>) -> bool) -> Difference {
    Difference { name, accepts: Accepts::Sev, explains }
}

fn snp(error: &VerifyError) -> Option<&SnpError> {
    match error {
        VerifyError::Snp(error) => Some(error),
        _ => None,
    }
}

impl Found<'_> {
    fn is(&self, kind: fn(&SnpError) -> bool) -> bool {
        snp(self.error).is_some_and(kind)
    }

    fn is_malformed(&self, expected: &str) -> bool {
        matches!(self.error, VerifyError::CertificateMalformed { problem, .. } if *problem == expected)
    }
}

/// How often each difference was met, and each agreement.
#[derive(Default)]
struct Tally {
    met: BTreeMap<&'static str, usize>,
    unexplained: Vec<String>,
}

impl Tally {
    fn count(&mut self, name: &'static str) {
        *self.met.entry(name).or_default() += 1;
    }

    /// Judges a case by both, and looks for the reason where they differ.
    fn compare(&mut self, case: &Case, assay: &Verification) {
        let sev = sev_verify(case);
        match (&assay.claims, &sev) {
            (Some(_), Ok(report)) => {
                assert_same_fields(case, assay, report);
                self.count("both accept");
            }
            (None, Err(_)) => self.count("both refuse"),
            (None, Ok(_)) => self.explain_refusal(case, assay),
            (Some(_), Err(error)) => self.explain_acceptance(case, assay, error),
        }
    }

    /// Every error must have a reason: one that has none could be the only right one.
    fn explain_refusal(&mut self, case: &Case, assay: &Verification) {
        let all: Vec<&VerifyError> = assay.report.errors().collect();
        let pinned = is_pinned(assay);
        for error in &all {
            let found = Found { error, all: &all, pinned };
            let mut reasons = DIFFERENCES
                .iter()
                .filter(|difference| difference.accepts == Accepts::Sev && (difference.explains)(&found));
            match (reasons.next(), reasons.next()) {
                (Some(reason), None) => self.count(reason.name),
                _ => self.unexplained.push(format!("{}: sev accepts, Assay: {error:?}", case.name)),
            }
        }
    }

    fn explain_acceptance(&mut self, case: &Case, assay: &Verification, error: &str) {
        // There is no error to explain; the reasons on this side look at the chain alone.
        let none = VerifyError::Snp(SnpError::ReportSignature);
        let found = Found { error: &none, all: &[], pinned: is_pinned(assay) };
        let mut reasons = DIFFERENCES.iter().filter(|difference| difference.accepts == Accepts::Assay);
        match reasons.find(|difference| (difference.explains)(&found)) {
            Some(reason) => self.count(reason.name),
            None => self.unexplained.push(format!("{}: Assay accepts, sev: {error}", case.name)),
        }
    }

    fn finish(self) -> BTreeMap<&'static str, usize> {
        self.met.iter().for_each(|(name, count)| println!("{count:>6}  {name}"));
        let (count, some) = (self.unexplained.len(), &self.unexplained[..self.unexplained.len().min(40)]);
        assert!(count == 0, "{count} disagreements without a reason:\n{}", some.join("\n"));
        self.met
    }
}

fn is_pinned(assay: &Verification) -> bool {
    let checks = assay.report.checks();
    checks.iter().any(|check| check.rule.id == "snp.chain-hint" && check.outcome == Outcome::Pass)
}

/// As its users do: report and chain are read, then the chain verifies the report.
fn sev_verify(case: &Case) -> Result<AttestationReport, String> {
    let text = |error: std::io::Error| error.to_string();
    let [vek, ask, ark] = case.chain.first_chunk().expect("a chain has three certificates");
    let report = AttestationReport::from_bytes(&case.report).map_err(text)?;
    let chain = Chain::from_der(ark, ask, vek).map_err(text)?;
    (&chain, &report).verify().map_err(text)?;
    Ok(report)
}

fn assert_same_fields(case: &Case, assay: &Verification, sev: &AttestationReport) {
    let claims = assay.claims.as_ref().unwrap();
    let report = &claims.report;
    let tcb = |tcb: &TcbVersion| Tcb {
        fmc: tcb.fmc,
        boot_loader: tcb.bootloader,
        tee: tcb.tee,
        snp: tcb.snp,
        microcode: tcb.microcode,
    };
    let tcbs = [&sev.reported_tcb, &sev.current_tcb, &sev.committed_tcb, &sev.launch_tcb].map(tcb);
    let expected = [claims.reported_tcb, claims.current_tcb, claims.committed_tcb, claims.launch_tcb];
    assert_eq!(tcbs, expected, "{}", case.name);
    let numbers = (sev.version, sev.guest_svn, sev.vmpl, sev.cpuid_fam_id, sev.launch_mit_vector);
    let (family, launch) = (report.cpuid.map(|id| id.family), report.mitigations.map(|m| m.launch));
    assert_eq!(numbers, (report.version, report.guest_svn, report.vmpl, family, launch), "{}", case.name);
    let bytes = (&sev.report_data, &sev.measurement, &sev.host_data, &sev.id_key_digest, &sev.chip_id);
    let expected =
        (&report.report_data, &report.measurement, &report.host_data, &report.id_key_digest, &report.chip_id);
    assert_eq!(bytes, expected, "{}", case.name);
    assert_eq!(sev.policy.debug_allowed(), report.policy.is_debug_allowed(), "{}", case.name);
}

/// Numbers that are the same in every run (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    }

    fn flip(&mut self, bytes: &mut [u8]) -> usize {
        let bit = self.below(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        bit
    }
}

impl Case {
    fn of(name: String, sample: &Sample) -> Self {
        let chain = [vec![sample.vek.clone()], sample.chain.clone()].concat();
        Self { name, report: sample.report.clone(), chain }
    }
}

#[test]
fn every_disagreement_on_simulated_evidence_has_a_reason() {
    let mut amd = simulated::vendor();
    let mut tally = Tally::default();
    let kinds = Product::ALL.into_iter().flat_map(|product| VekKind::ALL.map(|kind| (product, kind)));
    let specs: Vec<ChipSpec> = kinds.map(|(product, kind)| ChipSpec::new(product, kind)).collect();
    let chips: Vec<Chip> = specs.iter().map(|spec| amd.chip(spec, simulated::NOW).unwrap()).collect();
    for spec in &specs {
        for defect in Defect::ALL.iter().copied().filter(|defect| defect.applies(spec)) {
            let sample = amd.broken(defect, spec, &ReportSpec::default(), simulated::NOW).unwrap();
            let name = format!("{} {} {defect}", spec.product.name(), spec.kind.name());
            // Only now: a defect may have needed an authority that there was not.
            tally.compare(&Case::of(name, &sample), &Judge::of(&amd).verify(&sample));
        }
    }
    let judge = Judge::of(&amd);
    let crls: BTreeMap<Product, Vec<u8>> =
        Product::ALL.map(|product| (product, amd.crl(product, simulated::NOW).unwrap())).into();
    let crl = |chip: &Chip| crls[&chip.spec().product].clone();
    let genuine: Vec<Sample> =
        chips.iter().flat_map(|chip| reports(chip).map(|report| sample(chip, report, crl(chip)))).collect();
    let stranger =
        ChipSpec { csp_id: "CN=other.example".to_owned(), ..ChipSpec::new(Product::Milan, VekKind::Vlek) };
    let stranger = amd.sample(&stranger, &ReportSpec::default(), simulated::NOW).unwrap();
    tally.compare(&Case::of("VLEK of another provider".to_owned(), &stranger), &judge.verify(&stranger));
    for (number, one) in genuine.iter().enumerate() {
        tally.compare(&Case::of(format!("genuine {number}"), one), &judge.verify(one));
    }
    for (number, chip) in chips.iter().enumerate() {
        let sample = sample(chip, chip.report(&ReportSpec::default()).unwrap(), crl(chip));
        compare_flips(&mut tally, &judge, &sample, number);
        compare_splices(&mut tally, &judge, &sample, &genuine);
    }
    let met = tally.finish();
    let never: Vec<&str> =
        DIFFERENCES.iter().map(|d| d.name).filter(|name| !met.contains_key(name)).collect();
    assert!(never.is_empty(), "differences that were not met: {never:?}");
}

/// Reports of every version that the chip can make, and unusual ones.
fn reports(chip: &Chip) -> impl Iterator<Item = Vec<u8>> {
    let first = if chip.spec().product == Product::Turin { 3 } else { 2 };
    let versions = (first..=5).map(|version| ReportSpec { version: Some(version), ..ReportSpec::default() });
    let policy = ReportSpec::default().policy | POLICY_DEBUG;
    let unusual = [
        ReportSpec { policy, vmpl: 3, platform_info: u64::MAX, ..ReportSpec::default() },
        ReportSpec { report_data: [9; 64], author_key_digest: [1; 48], ..ReportSpec::default() },
    ];
    versions.chain(unusual).map(|spec| chip.report(&spec).unwrap())
}

fn sample(chip: &Chip, report: Vec<u8>, crl: Vec<u8>) -> Sample {
    Sample { report, vek: chip.vek().to_vec(), chain: chip.chain().to_vec(), crl }
}

fn compare_flips(tally: &mut Tally, judge: &Judge, sample: &Sample, seed: usize) {
    let mut numbers = Numbers(seed as u64);
    for _ in 0..FLIPS {
        let mut flipped = sample.clone();
        let bit = numbers.flip(&mut flipped.report);
        tally.compare(&Case::of(format!("report {seed}, bit {bit}"), &flipped), &judge.verify(&flipped));
        let mut flipped = sample.clone();
        let bit = numbers.flip(&mut flipped.vek);
        tally.compare(&Case::of(format!("key {seed}, bit {bit}"), &flipped), &judge.verify(&flipped));
    }
}

/// Certificates of one machine, report of another, in every pairing.
fn compare_splices(tally: &mut Tally, judge: &Judge, one: &Sample, others: &[Sample]) {
    for (number, other) in others.iter().enumerate() {
        let spliced = Sample { report: other.report.clone(), ..one.clone() };
        tally.compare(&Case::of(format!("splice with {number}"), &spliced), &judge.verify(&spliced));
    }
}

#[test]
fn every_disagreement_on_real_evidence_has_a_reason() {
    let Some(vectors) = real::vectors() else { return };
    let mut tally = Tally::default();
    let judge = RealJudge::new();
    for (name, report, certificates) in real_cases(&vectors) {
        judge.compare(&mut tally, &name, &report, &certificates);
    }
    let machines = real::machines(&vectors);
    for one in &machines {
        for other in &machines {
            let name = format!("{} with the key of {}", one.name, other.name);
            judge.compare(&mut tally, &name, &one.report, &other.certificates);
        }
        let mut numbers = Numbers(0);
        for _ in 0..FLIPS {
            let mut report = one.report.clone();
            let bit = numbers.flip(&mut report);
            judge.compare(&mut tally, &format!("{}, bit {bit}", one.name), &report, &one.certificates);
        }
        // A single flipped byte behind the signature is what others do not see.
        let mut report = one.report.clone();
        report[0x49f] ^= 1;
        judge.compare(&mut tally, &format!("{}, last byte", one.name), &report, &one.certificates);
    }
    let met = tally.finish();
    assert!(met["both accept"] >= machines.len() && met.contains_key("bytes-after-signature"), "{met:?}");
}

/// The cases of `snp/expected.json` that have their files.
fn real_cases(vectors: &Path) -> Vec<(String, Vec<u8>, Vec<Vec<u8>>)> {
    let expected: Value = serde_json::from_slice(&real::read(vectors, "snp/expected.json")).unwrap();
    let cases = expected["cases"].as_array().unwrap().iter().filter_map(|case| {
        let (mut report, certificates) = real::case(vectors, case)?;
        if let Some(offset) = case["tamper_offset"].as_u64() {
            report[offset as usize] ^= 1;
        }
        Some((case["id"].as_str().unwrap().to_owned(), report, certificates))
    });
    cases.collect()
}

/// Judges as an auditor without revocation lists does.
struct RealJudge {
    anchors: TrustAnchors,
    cache: ChainCache,
    issuers: TrustedIssuers,
}

impl RealJudge {
    fn new() -> Self {
        Self {
            anchors: TrustAnchors::vendor(),
            cache: ChainCache::default(),
            issuers: TrustedIssuers::default(),
        }
    }

    /// The chain is the one that came along, else that of the product among those that `sev` has built in; where the
    /// product is not known, each of them.
    fn compare(&self, tally: &mut Tally, name: &str, report: &[u8], certificates: &[Vec<u8>]) {
        let chains = match certificates {
            [_, _, _, ..] => vec![certificates.to_vec()],
            [vek, ..] => self.built_in(vek),
            [] => panic!("{name} has no certificate"),
        };
        for chain in chains {
            let case = Case { name: name.to_owned(), report: report.to_vec(), chain };
            tally.compare(&case, &self.verify(&case));
        }
    }

    fn built_in(&self, vek: &[u8]) -> Vec<Vec<Vec<u8>>> {
        let pem = [(milan::ASK, milan::ARK), (genoa::ASK, genoa::ARK), (turin::ASK, turin::ARK)];
        let product = assay_verify::snp::verify_vek(vek, &self.anchors).ok().map(|vek| vek.product());
        let known = assay_evidence::snp::Product::ALL.into_iter().zip(pem);
        let fitting = known.filter(|(found, _)| product.is_none_or(|product| product == *found));
        let chain =
            |(_, (ask, ark))| [vec![vek.to_vec()], real::certificates(ask), real::certificates(ark)].concat();
        fitting.map(chain).collect()
    }

    fn verify(&self, case: &Case) -> Verification {
        let requirements = Requirements {
            crls: Crls::NotGiven,
            vlek_providers: VlekProviders::Warn(&[]),
            image_issuers: &self.issuers,
            time_stamp_authorities: &[],
        };
        let context = Context { anchors: &self.anchors, now: NOW_OF_VECTORS, requirements };
        let evidence = Evidence { report: &case.report, certificates: &case.chain, endorsements: &[] };
        Opened::new(evidence, &self.anchors, &self.cache).verify(None, &Binding::default(), &context)
    }
}

#[test]
fn the_document_names_every_difference() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/snp-differences.md");
    let text = std::fs::read_to_string(document).unwrap();
    let rows: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let names: Vec<&str> = DIFFERENCES.iter().map(|difference| difference.name).collect();
    assert_eq!(rows, names);
}
