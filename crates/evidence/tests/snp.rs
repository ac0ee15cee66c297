//! SEV-SNP reports and what stands around them: every field where the specification has it, and nothing panics.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests"
)]

use assay_evidence::ParseError;
use assay_evidence::bundle::{Body, Bundle, certificates};
use assay_evidence::hcl;
use assay_evidence::snp::{CertificateTable, Product, REPORT_SIZE, Report, SIGNED_SIZE, TcbVersion};
use proptest::prelude::*;

/// A report in which every byte tells its place.
fn pattern(version: u32) -> [u8; REPORT_SIZE] {
    let mut bytes = [0; REPORT_SIZE];
    bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = (at % 251) as u8);
    bytes[..4].copy_from_slice(&version.to_le_bytes());
    bytes
}

#[test]
fn fields_stand_where_the_specification_has_them() {
    let bytes = pattern(5);
    let report = Report::parse(&bytes).unwrap();
    let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let tcb_at = |at: usize| TcbVersion(bytes[at..at + 8].try_into().unwrap());
    assert_eq!((report.version, report.guest_svn, report.policy.0), (5, u32_at(4), u64_at(8)));
    assert_eq!((&report.family_id[..], &report.image_id[..]), (&bytes[0x10..0x20], &bytes[0x20..0x30]));
    assert_eq!((report.vmpl, report.signature_algorithm), (u32_at(0x30), u32_at(0x34)));
    assert_eq!((report.platform_info.0, report.key_info.0), (u64_at(0x40), u32_at(0x48)));
    assert_eq!((report.current_tcb, report.reported_tcb), (tcb_at(0x38), tcb_at(0x180)));
    assert_eq!((report.committed_tcb, report.launch_tcb), (tcb_at(0x1e0), tcb_at(0x1f0)));
    assert_eq!((&report.report_data[..], &report.measurement[..]), (&bytes[0x50..0x90], &bytes[0x90..0xc0]));
    assert_eq!((&report.host_data[..], &report.id_key_digest[..]), (&bytes[0xc0..0xe0], &bytes[0xe0..0x110]));
    assert_eq!(&report.author_key_digest[..], &bytes[0x110..0x140]);
    assert_eq!(
        (&report.report_id[..], &report.report_id_ma[..]),
        (&bytes[0x140..0x160], &bytes[0x160..0x180])
    );
    assert_eq!(&report.chip_id[..], &bytes[0x1a0..0x1e0]);
    let cpuid = report.cpuid.unwrap();
    assert_eq!([cpuid.family, cpuid.model, cpuid.stepping], bytes[0x188..0x18b]);
    let (current, committed) = (report.current_firmware, report.committed_firmware);
    assert_eq!([current.build, current.minor, current.major], bytes[0x1e8..0x1eb]);
    assert_eq!([committed.build, committed.minor, committed.major], bytes[0x1ec..0x1ef]);
    let mitigations = report.mitigations.unwrap();
    assert_eq!((mitigations.launch, mitigations.current), (u64_at(0x1f8), u64_at(0x200)));
    assert_eq!((report.signed(), report.bytes()), (bytes[..SIGNED_SIZE].try_into().unwrap(), &bytes));
    let reversed = |at: usize| bytes[at..at + 48].iter().rev().copied().collect::<Vec<u8>>();
    assert_eq!(report.signature().to_vec(), [reversed(0x2a0), reversed(0x2e8)].concat());
}

#[test]
fn older_versions_have_fewer_fields() {
    for (version, cpuid, mitigations) in
        [(2, false, false), (3, true, false), (4, true, false), (5, true, true)]
    {
        let report = Report::parse(&pattern(version)).unwrap();
        assert_eq!((report.cpuid.is_some(), report.mitigations.is_some()), (cpuid, mitigations));
    }
    for version in [0, 1, 6, 7, u32::MAX] {
        assert_eq!(Report::parse(&pattern(version)).unwrap_err().code(), "unsupported-version");
    }
    for size in [0, 1, REPORT_SIZE - 1, REPORT_SIZE + 1] {
        assert_eq!(Report::parse(&vec![2; size]).unwrap_err().code(), "bad-length");
    }
}

/// Of each byte: is it reserved in this version?
fn is_reserved(version: u32, at: usize) -> bool {
    match at {
        0x4c..0x50 | 0x18b..0x1a0 | 0x1eb | 0x1ef | 0x208..0x2a0 => true,
        0x188..0x18b => version < 3,
        0x1f8..0x208 => version < 5,
        // Above the 384 bits of r and of s, and behind them.
        0x2d0..0x2e8 | 0x318..REPORT_SIZE => true,
        _ => false,
    }
}

#[test]
fn every_reserved_byte_is_seen_in_every_version() {
    for version in 2..=5 {
        let mut bytes = [0; REPORT_SIZE];
        bytes[0] = version as u8;
        assert_eq!(Report::parse(&bytes).unwrap().nonzero_reserved().count(), 0);
        for at in 4..REPORT_SIZE {
            bytes[at] = 1;
            let areas = Report::parse(&bytes).unwrap().nonzero_reserved().count();
            assert_eq!(areas == 1, is_reserved(version, at), "version {version}, offset {at:#x}");
            bytes[at] = 0;
        }
    }
}

#[test]
fn platform_information_has_names_for_its_bits() {
    let mut bytes = pattern(3);
    bytes[0x40..0x48].copy_from_slice(&0x65_u64.to_le_bytes());
    let info = Report::parse(&bytes).unwrap().platform_info;
    let names: Vec<&str> = info.names().collect();
    assert_eq!(names, ["smt-enabled", "ecc-enabled", "alias-check-complete"]);
    assert_eq!(info.unknown(), 0x40);
}

/// A report in a document, bare, behind a header, and in front of certificates.
#[test]
fn forms_are_told_apart_by_content() {
    let report = pattern(3);
    let header = [&[0, 0, 0, 0, 0xa0, 4, 0, 0][..], &[0; 24]].concat();
    let hex = format!("{{\"SnpReport\":\"{}\"}}", hex(&report));
    for form in
        [report.to_vec(), [&header[..], &report].concat(), [&report[..], &[0; 24]].concat(), hex.into_bytes()]
    {
        let bundle = Bundle::parse(&form).unwrap();
        assert_eq!(bundle.body, Body::Snp(report.to_vec()));
        assert!(bundle.certificates.is_empty());
    }
    assert!(matches!(Bundle::parse(b"HCLAxyz").unwrap().body, Body::Hcl(bytes) if bytes == b"HCLAxyz"));
    // What is too short says so itself, later.
    assert_eq!(Bundle::parse(&report[..100]).unwrap().body, Body::Snp(report[..100].to_vec()));
}

/// What stands behind a report is a certificate table, and nothing hides behind or inside of that.
#[test]
fn bytes_that_nobody_reads_are_refused() {
    let report = pattern(3);
    let stray = |offset, count| ParseError::StrayData { field: "certificate table", offset, count };
    let page = [&report[..], &[0; 4096]].concat();
    assert!(Bundle::parse(&page).is_ok());
    let hidden = [&report[..], &[0; 24], &[0xa5; 100]].concat();
    assert_eq!(Bundle::parse(&hidden).unwrap_err(), stray(24, 100));
    assert_eq!(certificates(&hidden[REPORT_SIZE..]).unwrap_err(), stray(24, 100));
    // The entry that ends the list has no offset and no length.
    for at in 16..24 {
        let mut page = page.clone();
        page[REPORT_SIZE + at] = 1;
        assert_eq!(Bundle::parse(&page).unwrap_err(), stray(16, 8), "{at}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn json() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "SnpReport",
        "snpreport",
        "VcekCertChain",
        "Endorsements",
        "evidence",
        "report",
        "attestation_report",
        "cert_chain",
        "outblob",
        "auxblob",
        "vcek",
        "hcl_report",
        "quote",
        "signature",
        "current_tcb",
        "fmc",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<u64>().prop_map(|number| number.to_string()),
        "[A-Za-z0-9+/=_-]{0,40}".prop_map(|text| format!("\"{text}\"")),
        prop::collection::vec(any::<u8>(), 0..30).prop_map(|bytes| format!("{bytes:?}")),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            prop::collection::vec((names.clone(), inner.clone()), 0..5).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let _ = Report::parse(&bytes);
        let _ = CertificateTable::parse(&bytes);
        let _ = hcl::Report::parse(&bytes);
        let _ = hcl::Report::parse(&[&b"HCLA"[..], &bytes].concat());
        let _ = Bundle::parse(&bytes);
        let _ = certificates(&bytes);
    }

    #[test]
    fn arbitrary_documents_never_panic(document in json()) {
        let _ = Bundle::parse(document.as_bytes());
        let _ = certificates(document.as_bytes());
    }

    #[test]
    fn components_above_are_a_partial_order(a in any::<[u8; 8]>(), b in any::<[u8; 8]>()) {
        for product in Product::ALL {
            let layout = product.tcb_layout();
            let ((a, _), (b, _)) = (TcbVersion(a).read(layout), TcbVersion(b).read(layout));
            prop_assert_eq!(a.component_above(&a), None);
            if a.component_above(&b).is_none() && b.component_above(&a).is_none() {
                prop_assert_eq!(a, b);
            }
        }
    }
}
