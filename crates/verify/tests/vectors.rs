//! Real quotes of Intel hardware, with the collateral of their time and the results that Intel's rules give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stderr,
    reason = "tests"
)]

use std::path::PathBuf;

use assay_verify::Binding;
use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, RawCollateral};
use assay_verify::sgx::{CollateralInput, Context, Format, Opened, Verification};
use assay_verify::{TrustAnchors, UnixTime};
use serde_json::Value;

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: set ASSAY_VECTORS to the folder of real evidence to run this test");
    }
    folder
}

fn read(folder: &std::path::Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn verify(quote: &[u8], collateral: Option<&[u8]>, at: i64) -> Verification {
    let (anchors, cache) = (TrustAnchors::vendor(), ChainCache::new(0));
    let context = Context { anchors: &anchors, now: UnixTime(at), cache: &cache };
    let collateral =
        collateral.map(|json| Collateral::verify(&RawCollateral::from_json(json).unwrap(), &anchors));
    let input = collateral.as_ref().map_or(CollateralInput::Missing, CollateralInput::Fresh);
    Opened::new(quote, Format::Quote, &anchors, &cache).verify(input, &Binding::default(), &context)
}

fn codes(verification: &Verification) -> Vec<&'static str> {
    let mut codes: Vec<_> = verification.report.errors().map(assay_verify::VerifyError::code).collect();
    codes.dedup();
    codes
}

fn sgx_vectors(folder: &std::path::Path) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&read(folder, "intel-expected.json")).unwrap();
    let sgx: Vec<_> =
        all["vectors"].as_array().unwrap().iter().filter(|v| v["tee"] == "sgx").cloned().collect();
    assert!(sgx.len() >= 15, "the vectors are incomplete");
    sgx
}

#[test]
fn every_pair_has_the_status_of_the_reference_rule_inside_its_window_and_fails_outside() {
    let Some(folder) = vectors() else { return };
    let mut pairs = 0;
    for vector in sgx_vectors(&folder) {
        let quote = read(&folder, vector["file"].as_str().unwrap());
        for pair in vector["collateral"].as_array().into_iter().flatten() {
            let name = pair["file"].as_str().unwrap();
            let collateral = read(&folder, name);
            let (from, to) = (pair["valid_from"].as_i64().unwrap(), pair["valid_to"].as_i64().unwrap());

            let inside = verify(&quote, Some(&collateral), from + (to - from) / 2);
            assert_eq!(codes(&inside), Vec::<&str>::new(), "{name}");
            let claims = inside.claims.expect("genuine");
            let expected = &pair["reference_qvl_rule"];
            assert_eq!(claims.tcb.status.as_str(), expected["status"], "{name}");
            assert_eq!(claims.tcb.platform_status.as_str(), expected["platform_status"], "{name}");
            assert_eq!(claims.tcb.qe_status.as_str(), expected["qe_status"], "{name}");
            assert_eq!(serde_json::json!(claims.tcb.advisories), expected["advisory_ids"], "{name}");
            assert_eq!(claims.tcb.evaluation_number, pair["tcb_eval"].as_u64().unwrap() as u32, "{name}");
            assert_eq!(hex::encode(claims.report.mr_enclave), vector["mrenclave"], "{name}");
            assert_eq!(claims.report.is_debuggable(), vector["debug"].as_bool().unwrap(), "{name}");

            for (at, code) in
                [(from - 86_400, "collateral-not-yet-valid"), (to + 86_400, "collateral-expired")]
            {
                let outside = verify(&quote, Some(&collateral), at);
                assert!(outside.claims.is_none(), "{name} at {at}");
                assert_eq!(codes(&outside), [code], "{name} at {at}");
            }
            // The very first and last second are inside.
            for at in [from, to] {
                assert_eq!(
                    codes(&verify(&quote, Some(&collateral), at)),
                    Vec::<&str>::new(),
                    "{name} at {at}"
                );
            }
            pairs += 1;
        }
    }
    assert!(pairs >= 10, "only {pairs} pairs");
}

/// Quotes that are not genuine, or that no collateral of the corpus covers: every error each must give, in order.
const WITHOUT_COLLATERAL: [(&str, &[&str]); 10] = [
    ("sgx_v3_openenclave_4e3f9fa7", &["issuer-mismatch", "certificate-signature", "collateral-missing"]),
    ("sgx_v3_openenclave_f4f27469", &["untrusted-root", "certificate-signature", "collateral-missing"]),
    (
        "sgx_v3_rust-sgx_7d63357d",
        &[
            "untrusted-root",
            "issuer-mismatch",
            "certificate-signature",
            "certificate-constraints",
            "issuer-mismatch",
            "certificate-signature",
            "collateral-missing",
        ],
    ),
    ("sgx_v3_rust-sgx_2f59d4cb", &["certification-data-unsupported", "collateral-missing"]),
    ("sgx_v3_confidential-computing_8cc428aa", &["certification-data-unsupported", "collateral-missing"]),
    ("sgx_v3_openenclave_ad730280", &["collateral-missing"]),
    ("sgx_v3_rust-sgx_e9794f00", &["collateral-missing"]),
    ("sgx_v3_microsoft-azure-attest_7ae7192d", &["collateral-missing"]),
    ("sgx_v3_microsoft-azure-attest_e9f0aad4", &["collateral-missing"]),
    ("sgx_v3_microsoft-azure-attest_075b64c9", &["collateral-missing"]),
];

#[test]
fn quotes_without_collateral_fail_with_exactly_these_errors() {
    let Some(folder) = vectors() else { return };
    for (name, expected) in WITHOUT_COLLATERAL {
        // Within the validity of every PCK certificate of the corpus.
        let verification = verify(&read(&folder, &format!("sgx/{name}.bin")), None, 1_700_000_000);
        assert!(verification.claims.is_none(), "{name}");
        assert_eq!(codes(&verification), expected, "{name}");
        // What needs no collateral was checked all the same.
        let quote_signature =
            verification.report.checks().iter().find(|c| c.rule.id == "sgx.quote-signature");
        assert_eq!(quote_signature.expect("checked").outcome, assay_verify::Outcome::Pass, "{name}");
    }
}

/// A genuine quote with its collateral, verified once, and a time inside its window.
struct Sample {
    name: String,
    quote: Vec<u8>,
    collateral: assay_verify::intel::CollateralVerification,
    at: i64,
}

impl Sample {
    fn all(folder: &std::path::Path) -> Vec<Self> {
        let anchors = TrustAnchors::vendor();
        let mut samples = Vec::new();
        for vector in sgx_vectors(folder) {
            let Some(pair) = vector["collateral"].as_array().and_then(|pairs| pairs.first()) else {
                continue;
            };
            let raw = RawCollateral::from_json(&read(folder, pair["file"].as_str().unwrap())).unwrap();
            samples.push(Self {
                name: vector["name"].as_str().unwrap().to_owned(),
                quote: read(folder, vector["file"].as_str().unwrap()),
                collateral: Collateral::verify(&raw, &anchors),
                at: (pair["valid_from"].as_i64().unwrap() + pair["valid_to"].as_i64().unwrap()) / 2,
            });
        }
        samples
    }

    fn verify(&self, quote: &[u8], cache: &ChainCache) -> Verification {
        let anchors = TrustAnchors::vendor();
        let context = Context { anchors: &anchors, now: UnixTime(self.at), cache };
        let input = CollateralInput::Fresh(&self.collateral);
        Opened::new(quote, Format::Quote, &anchors, cache).verify(input, &Binding::default(), &context)
    }
}

/// Everything up to the certification data is signed, a signature, a key, a length or hashed into something signed.
fn signed_end(quote: &[u8]) -> usize {
    let auth = usize::from(u16::from_le_bytes([quote[1012], quote[1013]]));
    1014 + auth + 6
}

#[test]
fn no_single_bit_flip_of_a_signed_range_is_genuine() {
    let Some(folder) = vectors() else { return };
    let samples = Sample::all(&folder);
    assert!(samples.len() >= 6);
    for sample in &samples {
        // A warm cache must not hide a flip, so the good quote goes first.
        let cache = ChainCache::default();
        assert!(sample.verify(&sample.quote, &cache).claims.is_some(), "{}", sample.name);
        for bit in 0..signed_end(&sample.quote) * 8 {
            let mut quote = sample.quote.clone();
            quote[bit / 8] ^= 1 << (bit % 8);
            let verification = sample.verify(&quote, &cache);
            assert!(verification.claims.is_none(), "{}: bit {bit}", sample.name);
            assert!(verification.report.has_failed(), "{}: bit {bit}", sample.name);
        }
    }
}

/// The parts of a quote that could be taken from another one.
const PARTS: [(&str, std::ops::Range<usize>); 7] = [
    ("report", 48..432),
    ("header and report", 0..432),
    ("signature", 436..500),
    ("attestation key", 500..564),
    ("QE report", 564..948),
    ("QE report signature", 948..1012),
    ("signed and signature", 0..500),
];

/// Parts that are genuine together with the rest of a quote of the same platform and attestation key.
const SHARED: [&str; 2] = ["QE report signature", "signed and signature"];

#[test]
fn parts_of_different_genuine_quotes_never_make_one() {
    let Some(folder) = vectors() else { return };
    let samples = Sample::all(&folder);
    let mut spliced = 0;
    for sample in &samples {
        let cache = ChainCache::default();
        for other in &samples {
            let mut cases: Vec<(&str, Vec<u8>)> = Vec::new();
            for (part, range) in PARTS {
                let mut quote = sample.quote.clone();
                quote[range.clone()].copy_from_slice(&other.quote[range]);
                // The length of the signature data is the first quote's.
                quote[432..436].copy_from_slice(&sample.quote[432..436]);
                cases.push((part, quote));
            }
            let head = [&other.quote[..432], &sample.quote[432..]].concat();
            let tail = splice_certificates(&sample.quote, &other.quote);
            cases.extend([("body of the other", head), ("certificates", tail)]);
            for (part, quote) in cases {
                // Two quotes of one platform can share the quoting enclave's report, and so the attestation key; then the
                // other quote's signatures over the same bytes are as good as the first's.
                let same_qe_report = sample.quote[564..948] == other.quote[564..948];
                if quote == sample.quote || quote == other.quote || (same_qe_report && SHARED.contains(&part))
                {
                    continue;
                }
                let verification = sample.verify(&quote, &cache);
                assert!(verification.claims.is_none(), "{part} of {} in {}", other.name, sample.name);
                spliced += 1;
            }
        }
    }
    assert!(spliced > 150, "only {spliced} splices");
}

/// The quote with the certification data of another, lengths put right.
fn splice_certificates(quote: &[u8], other: &[u8]) -> Vec<u8> {
    let (end, other_start) = (signed_end(quote) - 6, signed_end(other) - 6);
    let mut spliced = [&quote[..end], &other[other_start..]].concat();
    let length = u32::try_from(spliced.len() - 436).unwrap();
    spliced[432..436].copy_from_slice(&length.to_le_bytes());
    spliced
}

#[test]
fn no_single_bit_flip_of_collateral_is_accepted() {
    let Some(folder) = vectors() else { return };
    let name = "sgx/sgx_v3_automata-dcap-attestat_743a7a64.collateral.0.json";
    let good = RawCollateral::from_json(&read(&folder, name)).unwrap();
    let anchors = TrustAnchors::vendor();
    assert!(Collateral::verify(&good, &anchors).collateral.is_some());
    // Signed JSON: every byte counts, down to white space. Flips that are no UTF-8 never reach the verifier.
    for at in (0..good.tcb_info.len()).step_by(7) {
        let mut bytes = good.tcb_info.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(tcb_info) = String::from_utf8(bytes) else { continue };
        let changed = RawCollateral { tcb_info, ..good.clone() };
        assert!(Collateral::verify(&changed, &anchors).collateral.is_none(), "TCB info byte {at}");
    }
    for at in 0..good.qe_identity.len() {
        let mut bytes = good.qe_identity.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(qe_identity) = String::from_utf8(bytes) else { continue };
        let changed = RawCollateral { qe_identity, ..good.clone() };
        assert!(Collateral::verify(&changed, &anchors).collateral.is_none(), "QE identity byte {at}");
    }
    for bit in 0..good.root_ca_crl.len() * 4 {
        let changed = RawCollateral { root_ca_crl: flip_hex(&good.root_ca_crl, bit), ..good.clone() };
        assert!(Collateral::verify(&changed, &anchors).collateral.is_none(), "root CRL bit {bit}");
    }
    for bit in 0..good.pck_crl.len() * 4 {
        let changed = RawCollateral { pck_crl: flip_hex(&good.pck_crl, bit), ..good.clone() };
        assert!(Collateral::verify(&changed, &anchors).collateral.is_none(), "PCK CRL bit {bit}");
    }
}

fn flip_hex(text: &str, bit: usize) -> String {
    let mut bytes = hex::decode(text).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    hex::encode(bytes)
}

/// Both root certificates that Intel issued are known byte for byte; any other one must carry a valid signature of the root.
#[test]
fn a_changed_root_certificate_is_refused_although_its_key_is_intels() {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let Some(folder) = vectors() else { return };
    for sample in Sample::all(&folder) {
        let text = String::from_utf8_lossy(&sample.quote).into_owned();
        let root = text.rsplit("-----BEGIN CERTIFICATE-----").next().unwrap();
        let root = root.split("-----END").next().unwrap();
        let mut der = STANDARD.decode(root.split_whitespace().collect::<String>()).unwrap();
        // The last byte of the signature; the length of the Base64 text stays the same.
        *der.last_mut().unwrap() ^= 1;
        let changed: Vec<u8> = STANDARD.encode(&der).into_bytes();
        let lines: Vec<&[u8]> = changed.chunks(64).collect();
        let old: Vec<&str> = root.split_whitespace().collect();
        let (from, to) = (old.last().unwrap().as_bytes(), *lines.last().unwrap());
        let at = sample.quote.windows(from.len()).rposition(|window| window == from).unwrap();
        let mut quote = sample.quote.clone();
        quote[at..at + to.len()].copy_from_slice(to);
        let verification = sample.verify(&quote, &ChainCache::new(0));
        assert_eq!(codes(&verification), ["certificate-signature"], "{}", sample.name);
    }
}
