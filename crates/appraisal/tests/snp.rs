//! SEV-SNP evidence through the attest flow and through judgements: forms, claims, policies, records, replay.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::print_stdout,
    reason = "tests"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use assay_appraisal::verdict::{JudgeCollateral, JudgeInput, JudgeSnp, Verdict, judge};
use assay_appraisal::{
    ActivePolicy, Appraisal, AttachedData, AttestationType, Baseline, Beside, ChallengeCheck,
    CollateralSource, CompliantImage, DataType, EvidenceKind, Moment, Outcome, Provider, RawEndorsements,
    ReplayInputs, Request, SnpBaseline, SnpMinimum, SnpTrust, Verifier, appraise, default_policy, replay,
};
use assay_silicon::amd::{self, Amd, ChipSpec, ReportSpec, Sample, VekKind, certificate_table};
use assay_silicon::hcl::HclSpec;
use assay_verify::cache::ChainCache;
use assay_verify::intel::{Collateral, PlatformKey};
use assay_verify::snp::{AmdAuthority, AmdCrl, CrlMode, VekCertificate, VekKey, verify_vek};
use assay_verify::{AnchorOrigin, TrustAnchors, UnixTime};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const NOW: i64 = 1_780_000_000;
const RUNTIME: &[u8] = br#"{"keys":[{"kty":"RSA","kid":"k"}],"nonce":"a-challenge-of-ours"}"#;

/// The simulated vendor of every test here; its keys take seconds to make.
fn vendor() -> Amd {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silicon");
    let make =
        |amd: &mut Amd| VekKind::ALL.into_iter().try_for_each(|kind| amd.require(amd::Product::Milan, kind));
    Amd::update(&folder, NOW, make).unwrap().0
}

fn anchors(amd: &Amd) -> TrustAnchors {
    amd.authorities().into_iter().fold(TrustAnchors::vendor(), |anchors, authority| {
        let (intermediate, root) = (&authority.intermediate, &authority.root);
        let authority = AmdAuthority::from_certificates(intermediate, root, AnchorOrigin::Simulated);
        anchors.with_amd_authority(authority.unwrap())
    })
}

/// What the service holds.
#[derive(Default)]
struct Held {
    veks: Vec<VekCertificate>,
    crls: Vec<Arc<AmdCrl>>,
}

impl CollateralSource for Held {
    fn find(&self, _platform: &PlatformKey) -> Option<Arc<Collateral>> {
        None
    }

    fn find_veks(&self, key: &VekKey) -> Vec<VekCertificate> {
        self.veks.iter().filter(|held| key.fits(&held.vek)).cloned().collect()
    }

    fn amd_crls(&self) -> Vec<Arc<AmdCrl>> {
        self.crls.clone()
    }
}

struct OurChallenge;

impl ChallengeCheck for OurChallenge {
    fn is_ours(&self, challenge: &str, _now: UnixTime) -> bool {
        challenge == "a-challenge-of-ours"
    }
}

struct Rig {
    amd: Amd,
    anchors: TrustAnchors,
    held: Held,
    trust: SnpTrust,
    baseline: Baseline,
    policy: String,
}

impl Rig {
    fn new() -> Self {
        let amd = vendor();
        Self {
            anchors: anchors(&amd),
            amd,
            held: Held::default(),
            trust: SnpTrust::default(),
            baseline: Baseline::default(),
            policy: default_policy(AttestationType::SevSnpVm).to_owned(),
        }
    }

    fn sample(&mut self, spec: &ReportSpec) -> Sample {
        self.amd.sample(&ChipSpec::default(), spec, NOW).unwrap()
    }

    fn appraise(&self, request: &Request) -> Appraisal {
        let policy = ActivePolicy::compile(AttestationType::SevSnpVm, &self.policy, None).unwrap();
        let cache = ChainCache::default();
        let verifier = Verifier {
            anchors: &self.anchors,
            cache: &cache,
            collateral: &self.held,
            snp: &self.trust,
            challenges: &OurChallenge,
        };
        let provider = Provider {
            name: "default",
            issuer: "https://assay.example",
            policy: &policy,
            baseline: &self.baseline,
            development: true,
        };
        appraise(request, &provider, &verifier, &Moment { now: UnixTime(NOW), token_id: [0xab; 32] })
    }

    fn token(&self, request: &Request) -> Value {
        let appraisal = self.appraise(request);
        serde_json::from_str(&appraisal.answer.unwrap().payload).unwrap()
    }

    fn refusal(&self, request: &Request) -> &'static str {
        self.appraise(request).answer.unwrap_err().code()
    }
}

fn bound() -> ReportSpec {
    let mut report_data = [0; 64];
    report_data[..32].copy_from_slice(&assay_verify::sha256(&[RUNTIME]));
    ReportSpec { report_data, ..ReportSpec::default() }
}

fn pem(certificates: &[Vec<u8>]) -> String {
    assay_evidence::pem::encode(certificates.iter().map(Vec::as_slice))
}

/// The `report` member of Azure's request, decoded.
fn azure(sample: &Sample) -> Value {
    let chain = pem(&[vec![sample.vek.clone()], sample.chain.clone()].concat());
    json!({ "SnpReport": URL_SAFE_NO_PAD.encode(&sample.report), "VcekCertChain": URL_SAFE_NO_PAD.encode(chain) })
}

fn request(evidence: &Value) -> Request {
    Request {
        kind: AttestationType::SevSnpVm,
        evidence: evidence.to_string().into_bytes(),
        runtime_data: Some(AttachedData { data: RUNTIME.to_vec(), data_type: DataType::Json }),
        init_time_data: None,
        nonce: None,
        challenge: None,
        draft_policy: None,
    }
}

#[test]
fn a_token_says_what_azures_tokens_say() {
    let mut rig = Rig::new();
    let spec = ReportSpec {
        measurement: [1; 48],
        host_data: [2; 32],
        id_key_digest: [3; 48],
        author_key_digest: [4; 48],
        report_id: [5; 32],
        family_id: [6; 16],
        image_id: [7; 16],
        guest_svn: 8,
        ..bound()
    };
    let sample = rig.sample(&spec);
    let body = rig.token(&request(&azure(&sample)));
    let tcb = ChipSpec::default().tcb;
    let expected = [
        ("x-ms-attestation-type", json!("sevsnpvm")),
        ("x-ms-ver", json!("1.0")),
        ("x-ms-sevsnpvm-launchmeasurement", json!("01".repeat(48))),
        ("x-ms-sevsnpvm-hostdata", json!("02".repeat(32))),
        ("x-ms-sevsnpvm-idkeydigest", json!("03".repeat(48))),
        ("x-ms-sevsnpvm-authorkeydigest", json!("04".repeat(48))),
        ("x-ms-sevsnpvm-reportid", json!("05".repeat(32))),
        ("x-ms-sevsnpvm-familyId", json!("06".repeat(16))),
        ("x-ms-sevsnpvm-imageId", json!("07".repeat(16))),
        ("x-ms-sevsnpvm-guestsvn", json!(8)),
        ("x-ms-sevsnpvm-vmpl", json!(0)),
        ("x-ms-sevsnpvm-is-debuggable", json!(false)),
        ("x-ms-sevsnpvm-migration-allowed", json!(false)),
        ("x-ms-sevsnpvm-smt-allowed", json!(true)),
        ("x-ms-sevsnpvm-bootloader-svn", json!(tcb.boot_loader)),
        ("x-ms-sevsnpvm-tee-svn", json!(tcb.tee)),
        ("x-ms-sevsnpvm-snpfw-svn", json!(tcb.snp)),
        ("x-ms-sevsnpvm-microcode-svn", json!(tcb.microcode)),
        ("x-assay-snp-launch-microcode-svn", json!(tcb.microcode)),
        ("x-assay-snp-committed-snpfw-svn", json!(tcb.snp)),
        ("x-assay-snp-current-bootloader-svn", json!(tcb.boot_loader)),
        ("x-assay-snp-minimum-abi-major", json!(0)),
        ("x-ms-sevsnpvm-reportdata", json!(hex::encode(spec.report_data))),
        ("x-ms-runtime", serde_json::from_slice(RUNTIME).unwrap()),
        ("x-assay-snp-product", json!("Milan")),
        ("x-assay-snp-signing-key", json!("VCEK")),
        ("x-assay-freshness", json!("challenge")),
        ("x-assay-simulated", json!(true)),
    ];
    for (name, value) in expected {
        assert_eq!(body[name], value, "{name}");
    }
    // Azure shows no status without an endorsement, and enclaves' claims belong to enclaves.
    assert!(body.get("x-ms-compliance-status").is_none());
    assert!(body.as_object().unwrap().keys().all(|name| !name.contains("sgx") && !name.ends_with("ehd")));
}

#[test]
fn the_default_policy_refuses_what_keeps_no_secrets() {
    let mut rig = Rig::new();
    let cases = [
        (ReportSpec::default(), Ok(())),
        (ReportSpec { policy: 0x3001f | amd::POLICY_DEBUG, ..ReportSpec::default() }, Err("policy-denied")),
        (
            ReportSpec { policy: 0x3001f | amd::POLICY_MIGRATE_MA, ..ReportSpec::default() },
            Err("policy-denied"),
        ),
        (ReportSpec { vmpl: 1, ..ReportSpec::default() }, Err("policy-denied")),
    ];
    for (spec, expected) in cases {
        let sample = rig.sample(&spec);
        let request = Request { runtime_data: None, ..request(&azure(&sample)) };
        let answer = rig.appraise(&request).answer.map(drop).map_err(|refusal| refusal.code());
        assert_eq!(answer, expected, "{spec:?}");
    }
}

#[test]
fn a_certificate_that_is_held_stands_in_for_one_that_did_not_come() {
    let mut rig = Rig::new();
    let sample = rig.sample(&bound());
    let bare = json!({ "SnpReport": URL_SAFE_NO_PAD.encode(&sample.report) });
    assert_eq!(rig.refusal(&request(&bare)), "vek-missing");
    let vek = Arc::new(verify_vek(&sample.vek, &rig.anchors).unwrap());
    rig.held.veks.push(VekCertificate { vek, der: sample.vek.clone().into() });
    rig.held.crls.push(Arc::new(AmdCrl::verify(&sample.crl, &rig.anchors).unwrap()));
    let appraisal = rig.appraise(&request(&bare));
    let body: Value = serde_json::from_str(&appraisal.answer.as_ref().unwrap().payload).unwrap();
    assert_eq!(body["x-assay-snp-revocation-checked"], true);
    // The decision replays with what was held, and only with it.
    assert_eq!(appraisal.record.outcome, Outcome::Permitted);
    let assay_appraisal::Endorsements::Amd(endorsements) = &appraisal.endorsements else { panic!() };
    let kept: RawEndorsements =
        serde_json::from_value(serde_json::to_value(endorsements.to_raw()).unwrap()).unwrap();
    // The certificate names the chip, so what is kept names only the certificate.
    let text = serde_json::to_string(&kept).unwrap();
    let chip_id = hex::encode(&sample.report[0x1a0..0x1e0]);
    assert!(!text.contains(&chip_id) && text.len() < 4000, "{text}");
    let other = rig.sample(&bound()).vek;
    let again = |endorsements: Option<&RawEndorsements>, vek: Option<&[u8]>| {
        replay(
            &appraisal.record,
            &ReplayInputs {
                request: &request(&bare),
                policy: None,
                policy_signer: None,
                endorsements,
                vek,
                pck: None,
                anchors: &rig.anchors,
            },
        )
    };
    assert_eq!(again(Some(&kept), Some(&sample.vek)).differences, []);
    for (endorsements, vek) in
        [(None, None), (None, Some(&sample.vek[..])), (Some(&kept), None), (Some(&kept), Some(&other))]
    {
        assert!(!again(endorsements, vek).is_same());
    }
}

#[test]
fn revocation_lists_matter_as_the_service_says() {
    let mut rig = Rig::new();
    let sample = rig.sample(&bound());
    let evidence = request(&azure(&sample));
    assert_eq!(rig.token(&evidence)["x-assay-snp-revocation-checked"], false);
    rig.trust.crl_mode = CrlMode::Require;
    assert_eq!(rig.refusal(&evidence), "crl-missing");
    rig.held.crls.push(Arc::new(AmdCrl::verify(&sample.crl, &rig.anchors).unwrap()));
    assert_eq!(rig.token(&evidence)["x-assay-snp-revocation-checked"], true);
    // A listed authority stays revoked, whatever the mode but off.
    let revoked =
        rig.amd.broken(amd::Defect::IntermediateRevoked, &ChipSpec::default(), &bound(), NOW).unwrap();
    rig.held.crls.push(Arc::new(AmdCrl::verify(&revoked.crl, &rig.anchors).unwrap()));
    for (mode, expected) in [
        (CrlMode::Require, Err("certificate-revoked")),
        (CrlMode::SoftFail, Err("certificate-revoked")),
        (CrlMode::Off, Ok(())),
    ] {
        rig.trust.crl_mode = mode;
        let answer = rig.appraise(&evidence).answer.map(drop).map_err(|refusal| refusal.code());
        assert_eq!(answer, expected, "{mode:?}");
    }
}

#[test]
fn a_platform_below_the_baseline_is_refused_with_the_components() {
    let mut rig = Rig::new();
    let sample = rig.sample(&bound());
    let tcb = ChipSpec::default().tcb;
    let equal = SnpMinimum {
        bootloader: tcb.boot_loader,
        tee: tcb.tee,
        snp: tcb.snp,
        microcode: tcb.microcode,
        ..SnpMinimum::default()
    };
    rig.baseline.snp = SnpBaseline { milan: Some(equal), ..SnpBaseline::default() };
    rig.token(&request(&azure(&sample)));
    rig.baseline.snp.milan = Some(SnpMinimum { microcode: tcb.microcode + 1, ..equal });
    let refusal = rig.appraise(&request(&azure(&sample))).answer.unwrap_err();
    assert_eq!(refusal.code(), "below-baseline");
    assert!(refusal.message().contains(&format!("microcode {}", tcb.microcode + 1)), "{}", refusal.message());
}

#[test]
fn images_are_compliant_only_if_the_operator_says_so() {
    let mut rig = Rig::new();
    let sample = rig.sample(&ReportSpec { measurement: [9; 48], guest_svn: 3, ..bound() });
    let evidence = request(&azure(&sample));
    let image = CompliantImage {
        measurement: Some("09".repeat(48)),
        id_key_digest: None,
        minimum_guest_svn: 3,
        status: "azure-compliant-cvm".to_owned(),
    };
    let status = |rig: &mut Rig, image: CompliantImage| {
        rig.trust.compliant = vec![image];
        rig.token(&evidence).get("x-ms-compliance-status").cloned()
    };
    assert_eq!(status(&mut rig, image.clone()), Some(json!("azure-compliant-cvm")));
    for other in [
        CompliantImage { measurement: Some("08".repeat(48)), ..image.clone() },
        CompliantImage { minimum_guest_svn: 4, ..image.clone() },
        CompliantImage { id_key_digest: Some("00".repeat(47)), ..image.clone() },
        CompliantImage { measurement: None, ..image },
    ] {
        assert_eq!(status(&mut rig, other.clone()), None, "{other:?}");
    }
}

/// The measurement says nothing of the guest policy, which the host chooses, or of who asks.
#[test]
fn a_good_image_is_not_compliant_where_the_host_can_read_it() {
    let mut rig = Rig::new();
    rig.policy = "version=1.0; authorizationrules { => permit(); }; issuancerules {};".to_owned();
    let image = CompliantImage {
        measurement: Some("09".repeat(48)),
        id_key_digest: None,
        minimum_guest_svn: 0,
        status: "my-compliant-cvm".to_owned(),
    };
    rig.trust.compliant = vec![image];
    let policy = ReportSpec::default().policy;
    for (spec, compliant) in [
        (bound(), true),
        (ReportSpec { policy: policy | amd::POLICY_DEBUG, ..bound() }, false),
        (ReportSpec { policy: policy | amd::POLICY_MIGRATE_MA, ..bound() }, false),
        (ReportSpec { vmpl: 1, ..bound() }, false),
    ] {
        let sample = rig.sample(&ReportSpec { measurement: [9; 48], ..spec });
        let token = rig.token(&request(&azure(&sample)));
        assert_eq!(token.get("x-ms-compliance-status").is_some(), compliant);
    }
}

/// VLEKs of two providers differ in nothing that a report says, so the one that signed is found by trying.
#[test]
fn of_several_certificates_that_fit_the_one_that_signed_is_taken() {
    let mut rig = Rig::new();
    let spec = ChipSpec::new(amd::Product::Milan, VekKind::Vlek);
    rig.trust.vlek_providers = vec![spec.csp_id.clone()];
    let samples: Vec<Sample> = (0..3).map(|_| rig.amd.sample(&spec, &bound(), NOW).unwrap()).collect();
    for sample in &samples {
        let vek = Arc::new(verify_vek(&sample.vek, &rig.anchors).unwrap());
        rig.held.veks.push(VekCertificate { vek, der: sample.vek.clone().into() });
    }
    for sample in &samples {
        let bare = json!({ "SnpReport": URL_SAFE_NO_PAD.encode(&sample.report) });
        assert_eq!(rig.token(&request(&bare))["x-assay-snp-signing-key"], "VLEK");
    }
}

fn judged(rig: &Rig, kind: EvidenceKind, evidence: &[u8], beside: Beside<'_>) -> Verdict {
    let input = JudgeInput {
        kind,
        evidence,
        beside,
        runtime_data: None,
        runtime_data_type: None,
        init_time_data: None,
        nonce: None,
        challenge: None,
        challenges: None,
        collateral: JudgeCollateral::Missing,
        snp: JudgeSnp::Offline { crl: None, trust: &rig.trust },
        policy: None,
        baseline: None,
        now: UnixTime(NOW),
        anchors: &rig.anchors,
    };
    judge(&input).unwrap()
}

#[test]
fn every_form_of_the_same_evidence_is_read() {
    let mut rig = Rig::new();
    let sample = rig.sample(&bound());
    let all = [vec![sample.vek.clone()], sample.chain.clone()].concat();
    let table = certificate_table(VekKind::Vcek, &sample.vek, &sample.chain);
    let response = [&[0, 0, 0, 0, 0xa0, 4, 0, 0][..], &[0; 24], &sample.report].concat();
    let b64 = |bytes: &[u8]| STANDARD.encode(bytes);
    let numbers = |bytes: &[u8]| json!(bytes);
    let thim =
        json!({ "vcekCert": pem(&all[..1]), "certificateChain": pem(&all[1..]), "tcbm": "0" }).to_string();
    let cocos = json!([{"cert_type": "ARK", "data": numbers(&all[2])}, {"cert_type": "VCEK", "data": numbers(&all[0])}]);
    let forms: Vec<Vec<u8>> = vec![
        [&sample.report[..], &table].concat(),
        [&response[..], &table].concat(),
        azure(&sample).to_string().into_bytes(),
        json!({ "snpreport": URL_SAFE.encode(&sample.report), "vcekcertchain": URL_SAFE.encode(pem(&all).replace('\n', "\r\n")) })
            .to_string()
            .into_bytes(),
        json!({ "outblob": b64(&sample.report), "auxblob": b64(&table), "provider": "sev_guest" }).to_string().into_bytes(),
        json!({ "evidence": b64(&sample.report), "endorsements": b64(pem(&all).as_bytes()), "endorsed_tcb": "00" })
            .to_string()
            .into_bytes(),
        json!({ "evidence": b64(&sample.report), "endorsements": b64(thim.as_bytes()) }).to_string().into_bytes(),
        json!({ "report": { "snpCACI": { "attestation": b64(&sample.report), "platformCertificates": b64(pem(&all).as_bytes()) } } })
            .to_string()
            .into_bytes(),
        json!({ "attestation_report": b64(&sample.report), "cert_chain": { "vcek": b64(&all[0]), "ask": null } })
            .to_string()
            .into_bytes(),
        json!({ "attestation_report": numbers(&sample.report), "cert_chain": cocos }).to_string().into_bytes(),
    ];
    for (number, form) in forms.iter().enumerate() {
        let verdict = judged(&rig, EvidenceKind::Snp, form, Beside::default());
        assert!(verdict.is_genuine(), "form {number}: {:?}", verdict.error);
        assert_eq!((verdict.kind, verdict.tcb_status), ("snp", None));
    }
    let (vek_pem, chain_pem) = (pem(&all[..1]), pem(&all[1..]));
    let whole = pem(&all);
    for beside in [
        Beside { vek: Some(&sample.vek), chain: None },
        Beside { vek: Some(whole.as_bytes()), chain: None },
        Beside { vek: Some(vek_pem.as_bytes()), chain: Some(chain_pem.as_bytes()) },
        Beside { vek: Some(&table), chain: None },
        Beside { vek: Some(thim.as_bytes()), chain: None },
    ] {
        assert!(judged(&rig, EvidenceKind::Snp, &sample.report, beside).is_genuine());
    }
    let missing = judged(&rig, EvidenceKind::Snp, &sample.report, Beside::default());
    assert_eq!(missing.error.unwrap().code, "vek-missing");
}

#[test]
fn proofs_beside_a_plain_report_are_named_as_not_looked_at() {
    let mut rig = Rig::new();
    let sample = rig.sample(&bound());
    let mut document = azure(&sample);
    let genuine = judged(&rig, EvidenceKind::Snp, document.to_string().as_bytes(), Beside::default());
    assert!(genuine.checks.iter().all(|check| !check.detail.contains("not looked at")));
    document["tpm_quote"] = json!({ "message": "" });
    let verdict = judged(&rig, EvidenceKind::Snp, document.to_string().as_bytes(), Beside::default());
    assert!(verdict.is_genuine(), "{:?}", verdict.error);
    let unread = verdict.checks.iter().find(|check| check.detail.contains("tpm_quote")).unwrap();
    assert_eq!(unread.outcome.as_str(), "skipped");
}

#[test]
fn documents_that_are_no_evidence_are_refused_with_a_reason() {
    let mut rig = Rig::new();
    let sample = rig.sample(&bound());
    let report = STANDARD.encode(&sample.report);
    let many = pem(std::slice::from_ref(&sample.vek)).repeat(100);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (b"{}".to_vec(), "evidence-document"),
        (b"{\"SnpReport\":1}".to_vec(), "evidence-document"),
        (b"{\"SnpReport\":\"!\"}".to_vec(), "evidence-document"),
        (
            format!("{{\"SnpReport\":\"{report}\",\"SnpReport\":\"{report}\"}}").into_bytes(),
            "evidence-document",
        ),
        (
            format!("{{\"SnpReport\":\"{report}\",\"snpreport\":\"{report}\"}}").into_bytes(),
            "evidence-document",
        ),
        (format!("{}{}", "{\"evidence\":".repeat(40), "}".repeat(40)).into_bytes(), "evidence-document"),
        (
            json!({ "evidence": { "evidence": { "evidence": { "evidence": { "evidence": {} } } } } })
                .to_string()
                .into_bytes(),
            "evidence-document",
        ),
        (
            json!({ "SnpReport": report, "VcekCertChain": STANDARD.encode(&many) }).to_string().into_bytes(),
            "evidence-document",
        ),
        (
            json!({ "SnpReport": report, "VcekCertChain": "AAAA" }).to_string().into_bytes(),
            "evidence-truncated",
        ),
        (
            json!({ "SnpReport": report, "Endorsements": STANDARD.encode("[]") }).to_string().into_bytes(),
            "evidence-document",
        ),
        (json!({ "SnpReport": STANDARD.encode(&sample.report[1..]) }).to_string().into_bytes(), "bad-length"),
        (json!({ "hcl_report": STANDARD.encode(b"HCLA") }).to_string().into_bytes(), "evidence-document"),
        (b"HCLA".to_vec(), "evidence-document"),
        (Vec::new(), "bad-length"),
        ([&sample.report[..], &[0]].concat(), "evidence-truncated"),
        ([&sample.report[..], &[0; 24], &[0xa5; 100]].concat(), "stray-data"),
        (
            json!({ "SnpReport": report, "attestation_report": "AAAA" }).to_string().into_bytes(),
            "evidence-document",
        ),
        (vec![b'{'; 2 << 20], "evidence-too-large"),
    ];
    for (number, (evidence, code)) in cases.into_iter().enumerate() {
        let verdict = judged(&rig, EvidenceKind::Snp, &evidence, Beside { vek: None, chain: None });
        assert_eq!(verdict.error.unwrap().code, code, "case {number}");
        assert!(verdict.claims.is_none());
    }
}

#[test]
fn a_confidential_vm_shows_its_paravisors_claims() {
    let mut rig = Rig::new();
    let chip = rig.amd.chip(&ChipSpec::default(), NOW).unwrap();
    let hcl = HclSpec::default();
    let report = assay_silicon::hcl::snp_report(&chip, &ReportSpec::default(), &hcl).unwrap();
    let size = u32::from_le_bytes(report[1232..1236].try_into().unwrap()) as usize;
    let claims = report[1236..1236 + size].to_vec();
    let vek = chip.chain_pem();
    let verdict =
        judged(&rig, EvidenceKind::AzureCvm, &report, Beside { vek: Some(vek.as_bytes()), chain: None });
    assert!(verdict.is_genuine(), "{:?}", verdict.error);
    let shown = verdict.claims.unwrap();
    assert_eq!(shown["x-ms-runtime"], serde_json::from_slice::<Value>(&claims).unwrap());
    // The JSON of guests' tools, with a quote of the TPM that nobody looks at.
    let wrapped = json!({ "version": 1, "hcl_report": URL_SAFE_NO_PAD.encode(&report), "vcek": vek, "tpm_quote": { "message": "" } });
    let verdict = judged(&rig, EvidenceKind::AzureCvm, wrapped.to_string().as_bytes(), Beside::default());
    assert!(verdict.is_genuine(), "{:?}", verdict.error);
    let unread = verdict.checks.iter().find(|check| check.rule.id == "evidence.unread").unwrap();
    assert!(unread.detail.contains("tpm_quote"), "{}", unread.detail);
    // Each kind says when evidence is of the other.
    let verdict = judged(&rig, EvidenceKind::Snp, &report, Beside::default());
    assert_eq!(verdict.error.unwrap().code, "evidence-document");
    let bare = rig.sample(&bound());
    let verdict = judged(&rig, EvidenceKind::AzureCvm, &bare.report, Beside::default());
    assert_eq!(verdict.error.unwrap().code, "evidence-document");
}

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: ASSAY_VECTORS is not set, so there is no real evidence to test with");
    }
    folder
}

#[test]
fn real_evidence_of_guests_tools_is_read() {
    let Some(vectors) = vectors() else { return };
    let rig = Rig::new();
    let read = |name: &str| std::fs::read(vectors.join(name)).unwrap();
    for (kind, name, genuine) in [
        (EvidenceKind::Snp, "snp/misc/trustee-e2e-evidence.json", true),
        (EvidenceKind::AzureCvm, "azcvm/coco-snp/evidence-v0.json", true),
        (EvidenceKind::AzureCvm, "azcvm/coco-snp/evidence-v1.json", true),
        (EvidenceKind::AzureCvm, "azcvm/coco-snp/evidence-v2.json", true),
        (EvidenceKind::AzureCvm, "azcvm/coco-snp/evidence-genoa.json", true),
        (EvidenceKind::AzureCvm, "azcvm/coco-tdx/evidence-v0.json", false),
        (EvidenceKind::AzureCvm, "azcvm/coco-tdx/evidence-v1.json", false),
    ] {
        let verdict = judged(&rig, kind, &read(name), Beside::default());
        assert_eq!(verdict.is_genuine(), genuine, "{name}: {:?}", verdict.error);
        if !genuine {
            assert_eq!(verdict.error.unwrap().code, "td-quote-missing", "{name}");
        }
    }
}
