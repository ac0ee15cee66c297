//! Real SEV-SNP reports with their expected results.
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

use std::sync::Arc;

use assay_evidence::snp::{Product, REPORT_SIZE};
use assay_verify::cache::ChainCache;
use assay_verify::snp::{
    Context, CrlMode, Crls, Evidence, Opened, RULES, Requirements, Verification, VlekProviders,
};
use assay_verify::uvm::{MICROSOFT_TIME_STAMP_PCA_2010, TrustedIssuers};
use assay_verify::{Binding, Outcome, TrustAnchors, UnixTime, Verified, VerifyError};
use base64::Engine;
use real::{Machine, machines, read, vectors};
use serde_json::Value;

/// In the validity of every certificate of the vectors but that of one cloud provider.
const NOW: UnixTime = UnixTime(1_775_000_000);

struct Judge {
    anchors: TrustAnchors,
    cache: ChainCache,
    issuers: TrustedIssuers,
    now: UnixTime,
}

impl Judge {
    fn new() -> Self {
        Self {
            anchors: TrustAnchors::vendor(),
            cache: ChainCache::default(),
            issuers: TrustedIssuers::default(),
            now: NOW,
        }
    }

    fn context(&self) -> Context<'_> {
        let requirements = Requirements {
            crls: Crls::NotGiven,
            vlek_providers: VlekProviders::Warn(&[]),
            image_issuers: &self.issuers,
            time_stamp_authorities: &[MICROSOFT_TIME_STAMP_PCA_2010],
        };
        Context { anchors: &self.anchors, now: self.now, requirements }
    }

    fn verify(&self, report: &[u8], certificates: &[Vec<u8>]) -> Verification {
        let evidence = Evidence { report, certificates, endorsements: &[] };
        Opened::new(evidence, &self.anchors, &self.cache).verify(None, &Binding::default(), &self.context())
    }
}

fn codes(verification: &Verification) -> Vec<&'static str> {
    verification.report.errors().map(assay_verify::VerifyError::code).collect()
}

#[test]
fn every_case_has_its_expected_outcome_and_fields() {
    let Some(vectors) = vectors() else { return };
    let expected: Value = serde_json::from_slice(&read(&vectors, "snp/expected.json")).unwrap();
    let judge = Judge::new();
    let mut judged = 0;
    for case in expected["cases"].as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let Some((mut report, certificates)) = real::case(&vectors, case) else {
            println!("skipped: the files of {id} are not there");
            continue;
        };
        if let Some(offset) = case["tamper_offset"].as_u64() {
            report[offset as usize] ^= 1;
        }
        let verification = judge.verify(&report, &certificates);
        let accepted = verification.claims.is_some();
        assert_eq!(accepted, case["accept"].as_bool().unwrap(), "{id}: {:?}", codes(&verification));
        assert!(!accepted || fields_are(&verification, &case["report"]), "{id}");
        if !accepted {
            assert_rejected_for(&codes(&verification), case, id);
        }
        judged += 1;
    }
    assert!(judged >= 20, "only {judged} cases have their files");
}

fn fields_are(verification: &Verification, expected: &Value) -> bool {
    let claims = verification.claims.as_ref().unwrap();
    let report = &claims.report;
    let tcb = |tcb: &assay_evidence::snp::Tcb, name: &str| {
        let expected = &expected[name];
        assert_eq!(tcb.fmc.map(u64::from), expected["fmc"].as_u64());
        assert_eq!(Some(u64::from(tcb.boot_loader)), expected["bl"].as_u64());
        assert_eq!(Some(u64::from(tcb.tee)), expected["tee"].as_u64());
        assert_eq!(Some(u64::from(tcb.snp)), expected["snp"].as_u64());
        assert_eq!(Some(u64::from(tcb.microcode)), expected["ucode"].as_u64());
    };
    tcb(&claims.reported_tcb, "reported_tcb");
    tcb(&claims.current_tcb, "current_tcb");
    tcb(&claims.committed_tcb, "committed_tcb");
    tcb(&claims.launch_tcb, "launch_tcb");
    let hex = [
        (hex::encode(report.report_data), "report_data"),
        (hex::encode(report.measurement), "measurement"),
        (hex::encode(report.host_data), "host_data"),
        (hex::encode(report.id_key_digest), "id_key_digest"),
        (hex::encode(report.author_key_digest), "author_key_digest"),
        (hex::encode(report.report_id), "report_id"),
        (hex::encode(report.family_id), "family_id"),
        (hex::encode(report.image_id), "image_id"),
        (format!("{:#x}", report.policy.0), "policy"),
        (format!("{:#x}", report.platform_info.0), "platform_info"),
        (claims.product.as_str().to_owned(), "generation"),
    ];
    hex.iter().for_each(|(found, name)| assert_eq!(Some(found.as_str()), expected[*name].as_str(), "{name}"));
    let numbers = [
        (report.version, "version"),
        (report.guest_svn, "guest_svn"),
        (report.vmpl, "vmpl"),
        (report.key_info.signing_key_number(), "signing_key"),
    ];
    numbers.iter().all(|(found, name)| Some(u64::from(*found)) == expected[*name].as_u64())
        && Some(report.policy.is_debug_allowed()) == expected["debug"].as_bool()
        && Some(report.policy.is_migration_allowed()) == expected["migrate"].as_bool()
        && Some(report.policy.is_smt_allowed()) == expected["smt"].as_bool()
        && report.mitigations.map(|m| m.launch) == expected["launch_mit_vector"].as_u64()
        && report.mitigations.map(|m| m.current) == expected["current_mit_vector"].as_u64()
}

/// The reasons that the reference checker gives, in our words.
fn assert_rejected_for(codes: &[&str], case: &Value, id: &str) {
    let reasons: Vec<&str> =
        case["reasons"].as_array().unwrap().iter().map(|r| r.as_str().unwrap()).collect();
    for reason in &reasons {
        let code: &[&str] = match reason.split(' ').next().unwrap() {
            // The reference tries one product; here the certificate is genuine, of another one.
            "vek-not-signed-by-pinned-intermediate" => {
                &["certificate-signature", "untrusted-root", "product-mismatch"]
            }
            // Not looked at once the certificate is not trusted, or seen before that.
            "report-signature" => {
                &["report-signature", "reserved-not-zero", "certificate-signature", "untrusted-root"]
            }
            "issuer-cn" => &["product-mismatch", "vek-tcb-mismatch"],
            "chip-id" => &["chip-id-mismatch", "certificate-signature", "untrusted-root"],
            "sig-high-bytes" | "sig-reserved-tail" => &["reserved-not-zero"],
            _ => &["vek-tcb-mismatch", "certificate-signature", "untrusted-root"],
        };
        assert!(code.iter().any(|code| codes.contains(code)), "{id}: {reason}, {codes:?}");
    }
    assert!(!codes.is_empty() && !reasons.is_empty());
}

#[test]
fn no_single_bit_of_a_report_can_change() {
    let Some(vectors) = vectors() else { return };
    let judge = Judge::new();
    for (product, name) in [(Product::Milan, "milan"), (Product::Genoa, "genoa"), (Product::Turin, "turin")] {
        let report = read(&vectors, &format!("snp/{name}/mstav-report.bin"));
        let vek = real::certificates(&read(&vectors, &format!("snp/{name}/mstav-vcek.pem")));
        let good = judge.verify(&report, &vek);
        assert_eq!(good.claims.unwrap().product, product);
        assert_eq!(report.len(), REPORT_SIZE);
        for bit in 0..REPORT_SIZE * 8 {
            let mut flipped = report.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(judge.verify(&flipped, &vek).claims.is_none(), "{name}: bit {bit}");
        }
    }
}

#[test]
fn parts_of_different_machines_never_make_one() {
    let Some(vectors) = vectors() else { return };
    let judge = Judge::new();
    let machines = machines(&vectors);
    assert!(machines.len() >= 5);
    for (i, one) in machines.iter().enumerate() {
        for (j, other) in machines.iter().enumerate() {
            let genuine = judge.verify(&one.report, &other.certificates).claims.is_some();
            assert_eq!(genuine, i == j || one.is_same_chip(other), "{} with {}", one.name, other.name);
            if i == j || one.is_same_chip(other) {
                continue;
            }
            // The signature of another report.
            let spliced = [&one.report[..0x2a0], &other.report[0x2a0..]].concat();
            for certificates in [&one.certificates, &other.certificates] {
                assert!(judge.verify(&spliced, certificates).claims.is_none());
            }
        }
    }
}

#[test]
fn a_self_made_chain_of_the_right_names_is_refused() {
    let Some(vectors) = vectors() else { return };
    let report = read(&vectors, "snp/milan/mstav-report.bin");
    let vek = real::certificates(&read(&vectors, "snp/milan/mstav-vcek.pem"));
    let pinned = real::certificates(&read(&vectors, "snp/chains/ask_ark_milan.pem"));
    let judge = Judge::new();
    let chain = [vek, pinned].concat();
    let verification = judge.verify(&report, &chain);
    assert!(verification.claims.is_some());
    assert!(
        verification
            .report
            .checks()
            .iter()
            .any(|check| check.rule.id == "snp.chain-hint" && check.outcome == Outcome::Pass)
    );
    // A hundred certificates are no chain.
    let hundred = [chain.clone(), vec![chain[1].clone(); 97]].concat();
    assert_eq!(codes(&judge.verify(&report, &hundred)), ["too-many-certificates"]);
}

#[test]
fn lengths_other_than_the_reports_are_refused() {
    let Some(vectors) = vectors() else { return };
    let report = read(&vectors, "snp/milan/mstav-report.bin");
    let vek = real::certificates(&read(&vectors, "snp/milan/mstav-vcek.pem"));
    let judge = Judge::new();
    for wrong in [&report[..1183], &[&report[..], &[0]].concat(), &[], &report[..0x2a0]] {
        let verification = judge.verify(wrong, &vek);
        assert_eq!(codes(&verification), ["bad-length"], "{} bytes", wrong.len());
        // Every rule has an outcome.
        assert_eq!(verification.report.checks().len(), RULES.len());
    }
}

#[test]
fn dates_are_judged_at_the_given_time() {
    let Some(vectors) = vectors() else { return };
    let report = read(&vectors, "snp/milan/mstav-report.bin");
    let vek = real::certificates(&read(&vectors, "snp/milan/mstav-vcek.pem"));
    let at = |text: &str| {
        let judge = Judge { now: UnixTime::parse_rfc3339(text).unwrap(), ..Judge::new() };
        codes(&judge.verify(&report, &vek))
    };
    assert_eq!(at("2026-02-05T01:04:33Z"), Vec::<&str>::new());
    assert_eq!(at("2033-02-05T01:04:33Z"), Vec::<&str>::new());
    assert_eq!(at("2026-02-05T01:04:32Z"), ["certificate-not-yet-valid"]);
    assert_eq!(at("2033-02-05T01:04:34Z"), ["certificate-expired"]);
    assert_eq!(at("2046-01-01T00:00:00Z"), ["certificate-expired"; 3]);
}

#[test]
fn a_debuggable_guest_is_genuine_with_a_warning() {
    let Some(vectors) = vectors() else { return };
    let report = read(&vectors, "snp/milan/gosev-report.bin");
    let vek = real::certificates(&read(&vectors, "snp/milan/gosev-vcek.der"));
    let verification = Judge::new().verify(&report, &vek);
    assert!(verification.claims.unwrap().report.policy.is_debug_allowed());
    let warned = |id| {
        let checks = verification.report.checks();
        checks.iter().any(|check| check.rule.id == id && check.outcome == Outcome::Warn)
    };
    assert!(warned("snp.debug"));
}

#[test]
fn unknown_platform_bits_of_a_real_turin_are_reported() {
    let Some(vectors) = vectors() else { return };
    let report = read(&vectors, "snp/turin/mstav-report.bin");
    let vek = real::certificates(&read(&vectors, "snp/turin/mstav-vcek.pem"));
    let verification = Judge::new().verify(&report, &vek);
    let check =
        verification.report.checks().iter().find(|check| check.rule.id == "snp.platform-info").unwrap();
    assert_eq!(check.outcome, Outcome::Warn);
    assert!(check.detail.ends_with("0x40"), "{}", check.detail);
}

#[test]
fn a_report_without_a_certificate_says_which_one_it_needs() {
    let Some(vectors) = vectors() else { return };
    let judge = Judge::new();
    for Machine { name, report, certificates, .. } in machines(&vectors) {
        let evidence = Evidence { report: &report, ..Evidence::default() };
        let opened = Opened::new(evidence, &judge.anchors, &judge.cache);
        assert_eq!(codes(&opened.verify(None, &Binding::default(), &judge.context())), ["vek-missing"]);
        let wanted = opened.wanted_vek().unwrap();
        let vek = assay_verify::snp::verify_vek(&certificates[0], &judge.anchors).map(Arc::new).unwrap();
        assert!(wanted.fits(&vek), "{name}");
        let verification = opened.verify(Some(&vek), &Binding::default(), &judge.context());
        assert!(verification.claims.is_some(), "{name}");
        // The chain without the VEK, as AMD's key server gives it, asks for the VEK, too.
        let chain = real::certificates(&read(&vectors, "snp/chains/ask_ark_milan.pem"));
        let evidence = Evidence { certificates: &chain, ..evidence };
        assert_eq!(Opened::new(evidence, &judge.anchors, &judge.cache).wanted_vek(), Some(wanted));
    }
}

#[test]
fn a_missing_revocation_list_matters_as_the_mode_says() {
    let Some(vectors) = vectors() else { return };
    let report = read(&vectors, "snp/milan/mstav-report.bin");
    let vek = real::certificates(&read(&vectors, "snp/milan/mstav-vcek.pem"));
    let judge = Judge::new();
    let evidence = Evidence { report: &report, certificates: &vek, endorsements: &[] };
    let opened = Opened::new(evidence, &judge.anchors, &judge.cache);
    for (mode, outcome, errors) in [
        (CrlMode::Require, Outcome::Fail, &["crl-missing"][..]),
        (CrlMode::SoftFail, Outcome::Warn, &[]),
        (CrlMode::Off, Outcome::Skipped, &[]),
    ] {
        let mut context = judge.context();
        context.requirements.crls = Crls::Held(mode, &[]);
        let verification = opened.verify(None, &Binding::default(), &context);
        assert_eq!(codes(&verification), errors, "{mode:?}");
        let check = verification.report.checks().iter().find(|check| check.rule.id == "snp.crl").unwrap();
        assert_eq!(check.outcome, outcome, "{mode:?}");
        assert!(verification.claims.is_none_or(|claims| !claims.revocation_checked));
    }
}

/// What the host named at launch is the hash of the container policy; the metadata service names the reported TCB.
#[test]
fn a_real_container_is_bound_to_its_policy() {
    let Some(vectors) = vectors() else { return };
    let report = read(&vectors, "snp/milan/sidecar-caci-report.bin");
    let thim = read(&vectors, "snp/milan/sidecar-thim.json");
    let certificates = assay_evidence::bundle::certificates(&thim).unwrap();
    let policy = read(&vectors, "snp/milan/sidecar-security-policy.b64");
    let policy = base64::prelude::BASE64_STANDARD.decode(policy.trim_ascii()).unwrap();
    let judge = Judge::new();
    let evidence = Evidence { report: &report, certificates: &certificates, endorsements: &[] };
    let opened = Opened::new(evidence, &judge.anchors, &judge.cache);
    for (data, errors) in [(&policy[..], &[][..]), (&policy[1..], &["binding-mismatch"])] {
        let binding = Binding { init_time_data: Some(data), ..Binding::default() };
        assert_eq!(codes(&opened.verify(None, &binding, &judge.context())), errors);
    }
    let tcbm = serde_json::from_slice::<Value>(&thim).unwrap()["tcbm"].as_str().unwrap().to_owned();
    let reported: Vec<u8> = report[0x180..0x188].iter().rev().copied().collect();
    assert_eq!(tcbm, hex::encode_upper(reported));
}

/// The anchors that opened the evidence are those that judge it.
#[test]
fn a_certificate_verified_under_other_anchors_counts_for_nothing() {
    let Some(vectors) = vectors() else { return };
    let report = read(&vectors, "snp/milan/mstav-report.bin");
    let vek = real::certificates(&read(&vectors, "snp/milan/mstav-vcek.pem"));
    let judge = Judge::new();
    let evidence = Evidence { report: &report, certificates: &vek, endorsements: &[] };
    let opened = Opened::new(evidence, &judge.anchors, &judge.cache);
    let other = TrustAnchors::vendor().with_intel_root([4; 65], assay_verify::AnchorOrigin::Operator);
    let context = Context { anchors: &other, ..judge.context() };
    let verification = opened.verify(None, &Binding::default(), &context);
    assert!(verification.claims.map(|claims: Verified<_>| claims.at()).is_none());
    assert_eq!(codes(&opened.verify(None, &Binding::default(), &context)), ["untrusted-root"]);
}

/// An error inside another one keeps its name and its help.
#[test]
fn errors_of_reports_help_as_they_do_alone() {
    use assay_verify::hcl::HclError;
    use assay_verify::snp::SnpError;
    let help = |error: VerifyError| error.help();
    assert!(help(SnpError::VekMissing.into()).contains("--vek"));
    assert_eq!(help(SnpError::VekMissing.into()), SnpError::VekMissing.help());
    assert_eq!(help(SnpError::ChipKeyMasked.into()), SnpError::ChipKeyMasked.help());
    assert_eq!(help(HclError::TdQuoteMissing.into()), HclError::TdQuoteMissing.help());
}
