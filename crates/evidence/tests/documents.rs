//! JSON around SEV-SNP evidence: a document says one thing, and nothing in it is dropped silently.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use std::path::PathBuf;

use assay_evidence::ParseError;
use assay_evidence::bundle::{Body, Bundle};
use assay_evidence::snp::{REPORT_SIZE, Report};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

const HARDWARE: usize = 32;

fn report() -> Vec<u8> {
    let mut report = vec![0x19; REPORT_SIZE];
    report[..4].copy_from_slice(&3_u32.to_le_bytes());
    report
}

fn hcl() -> Vec<u8> {
    [&b"HCLA"[..], &[1; HARDWARE - 4], &report(), &[0; 40]].concat()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn read(document: &Value) -> Result<Bundle, ParseError> {
    Bundle::parse(document.to_string().as_bytes())
}

fn problem(document: &Value) -> String {
    match read(document) {
        Err(ParseError::Document { problem }) => problem,
        other => panic!("{document}: {other:?}"),
    }
}

fn unread(document: &Value) -> Vec<&'static str> {
    read(document).unwrap_or_else(|error| panic!("{document}: {error}")).unread
}

#[test]
fn two_members_that_could_be_the_report_are_refused() {
    let (good, bad, hcl) = (b64(report()), b64([1; 9]), b64(hcl()));
    for (document, first, second) in [
        (json!({ "SnpReport": good, "attestation_report": bad }), "SnpReport", "attestation_report"),
        (json!({ "SnpReport": good, "hcl_report": hcl }), "SnpReport", "hcl_report"),
        (json!({ "hcl_report": hcl, "hclReport": hcl }), "hcl_report", "hclReport"),
        (json!({ "SnpReport": bad, "evidence": { "SnpReport": good } }), "SnpReport", "evidence"),
        (json!({ "evidence": good, "report": { "SnpReport": good } }), "evidence", "report"),
        (json!({ "outblob": good, "snpCACI": { "attestation": good } }), "outblob", "snpCACI"),
        (
            json!({ "report": { "snpCvm": { "hclReport": hcl }, "attestation": good } }),
            "attestation",
            "snpCvm",
        ),
        // Two of one clean room have to agree.
        (json!({ "snpReport": bad, "hclReport": hcl }), "SnpReport", "hclReport"),
    ] {
        assert_eq!(problem(&document), format!("`{first}` and `{second}` could both be the report"));
    }
    for (document, name) in [
        (json!({ "evidence": good, "EVIDENCE": good }), "evidence"),
        (json!({ "evidence": { "SnpReport": good }, "Evidence": null }), "evidence"),
        (json!({ "SnpReport": good, "Other": 1, "oTHER": 2 }), "other"),
        (json!({ "SnpReport": good, "cert_chain": { "vcek": b64([0x30, 0]), "VCEK": "" } }), "vcek"),
    ] {
        assert_eq!(problem(&document), format!("the member `{name}` occurs twice"));
    }
    assert_eq!(problem(&json!({ "snpCvm": good })), "`snpCvm` is not an object");
    assert_eq!(
        problem(&json!({ "SnpReport": null, "evidence": {} })),
        "it has no member that holds a report"
    );
    let both = json!({ "SnpReport": good, "cert_chain": "AA", "vcek": "AA" });
    assert_eq!(problem(&both), "`cert_chain` and `vcek` stand beside each other, and only one can count");
}

/// What a member does not say is not there: tools write null for what they do not have.
#[test]
fn empty_members_are_no_second_report() {
    let document =
        json!({ "SnpReport": b64(report()), "attestation_report": null, "evidence": "", "report": [] });
    assert_eq!(read(&document).unwrap().body, Body::Snp(report()));
}

#[test]
fn clean_rooms_show_the_hardwares_report_twice() {
    let evidence = json!({ "tpmQuote": "AA", "hclReport": b64(hcl()), "snpReport": b64(report()), "aikCert": "AA", "pcrs": { "0": "AA" } });
    let vtpm = json!({ "evidence": evidence, "nonce": "AA", "platformCertificates": b64([0x30, 0]) });
    for document in [
        json!({ "certificate": "", "report": { "snpCvm": vtpm } }),
        json!({ "report": { "snpCvm": { "vtpm": vtpm, "gpu": { "evidences": [] } } } }),
    ] {
        let bundle = read(&document).unwrap();
        assert_eq!((bundle.body, bundle.certificates), (Body::Hcl(hcl()), vec![vec![0x30, 0]]));
        let gpu = document["report"]["snpCvm"].get("gpu").map(|_| "gpu");
        assert_eq!(bundle.unread, ["tpmQuote", "aikCert"].into_iter().chain(gpu).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_not_read_is_named_wherever_it_stands() {
    let (snp, hcl, der) = (b64(report()), b64(hcl()), b64([0x30, 0]));
    for (document, expected) in [
        (json!({ "attestation_report": snp, "tpm_quote": { "message": "" } }), &["tpm_quote"][..]),
        (
            json!({ "attestation_report": snp, "TPM_Quote": "AA", "Td_Quote": [1] }),
            &["tpm_quote", "td_quote"],
        ),
        (json!({ "tpm_quote": "AA", "evidence": { "SnpReport": snp } }), &["tpm_quote"]),
        (json!({ "attestation_report": snp, "cert_chain": der, "Endorsements": "AA" }), &["endorsements"]),
        (json!({ "uvm_endorsements": "AA", "evidence": { "SnpReport": snp } }), &["uvm_endorsements"]),
        (json!({ "hcl_report": hcl, "uvm_endorsements": "!" }), &["uvm_endorsements"]),
        (json!({ "hcl_report": hcl, "vcek": der, "endorsements": "!" }), &["endorsements"]),
        (json!({ "cert_chain": der, "evidence": { "SnpReport": snp, "vcek": der } }), &["cert_chain"]),
        (json!({ "attestation_report": snp, "tpm_quote": null, "cert_chain": der }), &[]),
        (json!({ "evidence": snp, "endorsements": der, "uvm_endorsements": "AAAA" }), &[]),
    ] {
        assert_eq!(unread(&document), expected, "{document}");
    }
}

#[test]
fn endorsements_that_are_none_are_refused() {
    let with = |endorsements: Value| json!({ "SnpReport": b64(report()), "Endorsements": b64(endorsements.to_string()) });
    for (document, expected) in [
        (with(json!({ "Other": [1] })), "`Endorsements` has members other than `Uvm`"),
        (with(json!({ "Uvm": ["AA"], "Other": [1] })), "`Endorsements` has members other than `Uvm`"),
        (with(json!({ "Uvm": null })), "`Uvm` of `Endorsements` is not a list"),
        (with(json!({ "Uvm": "AA" })), "`Uvm` of `Endorsements` is not a list"),
        (with(json!({})), "`Uvm` of `Endorsements` is not a list"),
        (with(json!({ "Uvm": ["AA"], "uvm": [] })), "the member `uvm` occurs twice"),
        (with(json!({ "Uvm": ["!"] })), "a text is neither base64 nor hexadecimal"),
        (with(json!([])), "`Endorsements` is not an object"),
        (
            json!({ "SnpReport": b64(report()), "Endorsements": "AA", "uvm_endorsements": "AA" }),
            "`uvm_endorsements` and `endorsements` stand beside each other, and only one can count",
        ),
        (
            json!({ "evidence": b64(report()), "uvm_endorsements": "!" }),
            "a text is neither base64 nor hexadecimal",
        ),
    ] {
        assert_eq!(problem(&document), expected, "{document}");
    }
    assert_eq!(read(&with(json!({ "uvm": [[1, 2], "0102"] }))).unwrap().endorsements, [[1, 2]; 2]);
    assert_eq!(read(&with(json!({ "Uvm": [] }))).unwrap().endorsements, [[0_u8; 0]; 0]);
}

#[test]
fn what_hosts_add_to_a_table_is_shown_and_named() {
    let guid = [0x11; 16];
    let crl = 0x92f81bc3_5811_4d3d_97ff_d19f88dc67ea_u128.to_be_bytes();
    let entry = |guid: &[u8; 16], offset: u32, length: u32| {
        [&guid[..], &offset.to_le_bytes(), &length.to_le_bytes()].concat()
    };
    let table = [entry(&guid, 72, 2), entry(&crl, 74, 3), vec![0; 24], vec![8, 9, 1, 2, 3]].concat();
    let listed =
        json!([{ "cert_type": "CRL", "data": [1, 2, 3] }, { "cert_type": { "OTHER": "x" }, "data": [8, 9] }]);
    let report = report();
    for (document, name) in [
        ([&report[..], &table].concat(), "11111111-1111-1111-1111-111111111111"),
        (
            json!({ "outblob": b64(&report), "auxblob": b64(&table) }).to_string().into_bytes(),
            "11111111-1111-1111-1111-111111111111",
        ),
        (
            json!({ "attestation_report": b64(&report), "cert_chain": listed }).to_string().into_bytes(),
            "{\"OTHER\":\"x\"}",
        ),
    ] {
        let bundle = Bundle::parse(&document).unwrap();
        let mut others: Vec<_> =
            bundle.others.iter().map(|entry| (entry.name.as_str(), &entry.data[..])).collect();
        others.sort_unstable();
        let mut expected = vec![("CRL", &[1, 2, 3][..]), (name, &[8, 9])];
        expected.sort_unstable();
        assert_eq!(others, expected);
        assert_eq!(bundle.unread, ["the host's revocation list", "the host's other table entries"]);
    }
}

#[test]
fn documents_have_a_budget_of_items() {
    let numbers = vec![0_u8; 1184 + 3 * 4096 + 2 * 1024];
    assert!(read(&json!({ "evidence": report(), "numbers": numbers })).is_ok());
    assert!(read(&json!({ "evidence": report(), "numbers": vec![0_u8; 24 * 1024] })).is_err());
}

fn vectors() -> Option<PathBuf> {
    let folder = std::env::var_os("ASSAY_VECTORS").map(PathBuf::from);
    if folder.is_none() {
        println!("SKIPPED: ASSAY_VECTORS is not set, so there is no real evidence to test with");
    }
    folder
}

/// Names, offsets and sizes of go-sev-guest's `sevsnp.Report`: numbers, those of 64 bits, and bytes.
const NUMBERS: &[(&str, usize, usize)] = &[
    ("version", 0, 4),
    ("guest_svn", 4, 4),
    ("vmpl", 0x30, 4),
    ("signature_algo", 0x34, 4),
    ("signer_info", 0x48, 4),
    ("current_build", 0x1e8, 1),
    ("current_minor", 0x1e9, 1),
    ("current_major", 0x1ea, 1),
    ("committed_build", 0x1ec, 1),
    ("committed_minor", 0x1ed, 1),
    ("committed_major", 0x1ee, 1),
];
const LONG_NUMBERS: &[(&str, usize)] = &[
    ("policy", 8),
    ("current_tcb", 0x38),
    ("platform_info", 0x40),
    ("reported_tcb", 0x180),
    ("committed_tcb", 0x1e0),
    ("launch_tcb", 0x1f0),
    ("launch_mit_vector", 0x1f8),
    ("current_mit_vector", 0x200),
];
const BYTES: &[(&str, usize, usize)] = &[
    ("family_id", 0x10, 16),
    ("image_id", 0x20, 16),
    ("report_data", 0x50, 64),
    ("measurement", 0x90, 48),
    ("host_data", 0xc0, 32),
    ("id_key_digest", 0xe0, 48),
    ("author_key_digest", 0x110, 48),
    ("report_id", 0x140, 32),
    ("report_id_ma", 0x160, 32),
    ("chip_id", 0x1a0, 64),
    ("signature", 0x2a0, 512),
];

/// As `protojson` writes it: names in camel case or as in the definition, 64 bits as text, zeros left out.
fn protocol_buffers(bytes: &[u8], camel: bool) -> Value {
    let number = |at: usize, size: usize| {
        let mut number = [0; 8];
        number[..size].copy_from_slice(&bytes[at..at + size]);
        u64::from_le_bytes(number)
    };
    let numbers = NUMBERS.iter().map(|(name, at, size)| (*name, json!(number(*at, *size))));
    let long = LONG_NUMBERS.iter().map(|(name, at)| (*name, json!(number(*at, 8).to_string())));
    let blobs = BYTES.iter().map(|(name, at, size)| (*name, json!(b64(&bytes[*at..at + size]))));
    let cpuid = Report::parse(bytes).unwrap().cpuid.map(|cpuid| {
        let (family, model) = (u32::from(cpuid.family), u32::from(cpuid.model));
        let eax = (family - 15) << 20 | (model >> 4) << 16 | 15 << 8 | (model & 15) << 4;
        ("cpuid1eax_fms", json!(eax | u32::from(cpuid.stepping)))
    });
    let all = numbers.chain(long).chain(blobs).chain(cpuid);
    let said = all.filter(|(_, value)| *value != json!(0) && *value != json!("0"));
    let named = said.map(|(name, value)| (if camel { camel_case(name) } else { name.to_owned() }, value));
    named.collect::<Map<String, Value>>().into()
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        format!("{name}{}{rest}", initial.to_uppercase())
    })
}

#[test]
fn real_reports_come_back_from_protocol_buffers() {
    let Some(folder) = vectors() else { return };
    for name in
        ["milan/mstav", "genoa/mstav", "turin/mstav", "milan/coco", "milan/gosev", "milan/sidecar-caci"]
    {
        let bytes = std::fs::read(folder.join(format!("snp/{name}-report.bin"))).unwrap();
        for camel in [true, false] {
            let fields = protocol_buffers(&bytes, camel);
            let chain = if camel { "certificateChain" } else { "certificate_chain" };
            let cert = |name: &str| if camel { format!("{name}Cert") } else { format!("{name}_cert") };
            let document = json!({ "report": fields, chain: { cert("vcek"): b64([0x30, 1]), cert("ask"): b64([0x30, 2]), cert("ark"): b64([0x30, 3]) }, "product": { "name": "SEV_PRODUCT_MILAN" } });
            let bundle = read(&document).unwrap();
            assert_eq!(bundle.body, Body::Snp(bytes.clone()), "{name}");
            assert_eq!(bundle.certificates, [[0x30, 1], [0x30, 2], [0x30, 3]]);
        }
    }
}

#[test]
fn a_report_says_its_version_and_policy() {
    for name in ["version", "policy", "measurement", "currentTcb", "signature"] {
        let mut fields = protocol_buffers(&report(), true);
        fields.as_object_mut().unwrap().remove(name);
        let snake = if name == "currentTcb" { "current_tcb" } else { name };
        let expected = format!("the report's member `{snake}` is missing or not as it should be");
        assert_eq!(problem(&json!({ "attestation_report": fields })), expected);
    }
    for (name, value) in [
        ("cpuid1eaxFms", json!(0x1000_0000_u32)),
        ("currentBuild", json!(256)),
        ("vmpl", json!("4294967296")),
        ("policy", json!(-1)),
        ("signature", json!(b64([0; 511]))),
    ] {
        let mut fields = protocol_buffers(&report(), true);
        fields[name] = value;
        let said = problem(&json!({ "report": fields }));
        assert!(said.ends_with("is missing or not as it should be"), "{name}: {said}");
    }
}
