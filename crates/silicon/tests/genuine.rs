//! Genuine samples: every signature, every name, every field.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::string_slice,
    reason = "tests"
)]

mod view;

use std::collections::BTreeSet;

use assay_evidence::open_enclave::Report;
use assay_evidence::sgx::{CertificationData, FLAG_DEBUG, FLAG_KSS, INTEL_QE_VENDOR_ID, Quote};
use assay_silicon::SiliconError;
use assay_silicon::intel::{
    Ca, CertificationType, CollateralSpec, Intel, Kss, PlatformSpec, QeSpec, QuoteSpec, TcbStatus,
    open_enclave_report,
};
use der::Encode;
use serde_json::Value;
use view::{broken_facts, certificates, crl};
use x509_cert::certificate::Certificate;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, KeyUsage, KeyUsages,
    SubjectKeyIdentifier,
};

/// 2026-05-28.
const NOW: i64 = 1_780_000_000;

fn parsed(document: &str) -> Value {
    serde_json::from_str(document).unwrap()
}

#[test]
fn every_signature_of_a_genuine_sample_holds() {
    let intel = Intel::generate(NOW).unwrap();
    for ca in Ca::ALL {
        for version in [2, 3] {
            let platform = PlatformSpec::new(ca, TcbStatus::UpToDate);
            let mut collateral = CollateralSpec::for_platform(&platform);
            collateral.tcb_info_version = version;
            let sample = intel.sample(&platform, &QuoteSpec::default(), &collateral, NOW).unwrap();
            assert_eq!(broken_facts(&sample, &intel.root_public_key()), BTreeSet::new(), "{ca:?} {version}");
        }
    }
}

#[test]
fn the_quote_says_what_it_was_made_from() {
    let intel = Intel::generate(NOW).unwrap();
    let platform = intel.platform(&PlatformSpec::default(), NOW).unwrap();
    let kss =
        Kss { config_id: [1; 64], config_svn: 0x0203, isv_ext_prod_id: [4; 16], isv_family_id: [5; 16] };
    let spec = QuoteSpec {
        debug: true,
        mr_enclave: [6; 32],
        mr_signer: [7; 32],
        isv_prod_id: 0x0809,
        isv_svn: 0x0a0b,
        report_data: std::array::from_fn(|index| index as u8),
        kss: Some(kss),
        misc_select: 0x0c0d_0e0f,
        cpu_svn: Some([16; 16]),
        padding: 100,
        qe_auth_data: vec![17; 7],
        ..QuoteSpec::default()
    };
    let bytes = platform.quote(&spec).unwrap();
    let quote = Quote::parse(&bytes).unwrap();
    assert_eq!(quote.bytes.len() + 100, bytes.len());
    assert_eq!(
        (quote.header.version, quote.header.attestation_key_type, quote.header.reserved, quote.header.qe_svn),
        (3, 2, 0, 8)
    );
    assert_eq!((quote.header.pce_svn, quote.header.qe_vendor_id), (13, INTEL_QE_VENDOR_ID));
    assert_eq!(quote.header.user_data[..16], platform.qe_id());
    let report = &quote.report;
    assert_eq!((report.mr_enclave, report.mr_signer), ([6; 32], [7; 32]));
    assert_eq!((report.isv_prod_id, report.isv_svn, report.misc_select), (0x0809, 0x0a0b, 0x0c0d_0e0f));
    assert_eq!((report.config_id, report.config_svn), ([1; 64], 0x0203));
    assert_eq!((report.isv_ext_prod_id, report.isv_family_id, report.cpu_svn), ([4; 16], [5; 16], [16; 16]));
    assert_eq!((report.report_data, report.reserved_is_zero), (spec.report_data, true));
    assert_eq!((report.flags(), report.xfrm()), (5 | FLAG_DEBUG | FLAG_KSS, 0xe7));
    assert_eq!(quote.qe_auth_data, [17; 7]);
    let qe = &quote.qe_report;
    assert_eq!((qe.mr_signer, qe.isv_prod_id, qe.isv_svn), (QeSpec::GENUINE.mr_signer, 1, 8));
    assert_eq!((qe.flags(), qe.misc_select, qe.reserved_is_zero), (0x15, 0, true));
    let CertificationData::PckChain(pem) = quote.certification else { panic!("{:?}", quote.certification) };
    assert_eq!(pem, [platform.pck_certificate_chain_pem().as_bytes(), &[0]].concat());
}

#[test]
fn certification_data_of_every_type_has_its_length() {
    let intel = Intel::generate(NOW).unwrap();
    let platform = intel.platform(&PlatformSpec::default(), NOW).unwrap();
    let cases = [
        (CertificationType::PpidClear, 1, Some(16 + 20)),
        (CertificationType::PpidRsa2048, 2, Some(256 + 20)),
        (CertificationType::PpidRsa3072, 3, Some(384 + 20)),
        (CertificationType::PckCertificate, 4, None),
        (CertificationType::PckChain, 5, None),
    ];
    for (certification, number, length) in cases {
        let bytes = platform.quote(&QuoteSpec { certification, ..QuoteSpec::default() }).unwrap();
        let quote = Quote::parse(&bytes).unwrap();
        assert_eq!(quote.certification.type_number(), number);
        if let CertificationData::PlatformId { data, .. } = quote.certification {
            assert_eq!(Some(data.len()), length);
            let spec = platform.spec();
            assert!(data.ends_with(&[&spec.cpu_svn_components[..], &[13, 0], &spec.pce_id].concat()));
        }
    }
}

#[test]
fn an_open_enclave_report_wraps_the_quote() {
    let intel = Intel::generate(NOW).unwrap();
    let quote = intel.platform(&PlatformSpec::default(), NOW).unwrap().quote(&QuoteSpec::default()).unwrap();
    assert_eq!(Report::parse(&open_enclave_report(&quote)).unwrap().quote, quote);
}

fn name(cn: &str) -> String {
    format!("C=US,ST=CA,L=Santa Clara,O=Intel Corporation,CN={cn}")
}

/// Names, extensions and their criticality as in Intel's production certificates.
fn assert_shape(certificate: &Certificate, subject: &str, issuer: &str, authority: Option<u8>, url: &str) {
    let body = certificate.tbs_certificate();
    assert_eq!(body.subject().to_string(), name(subject));
    assert_eq!(body.issuer().to_string(), name(issuer));
    let (critical, constraints) = body.get_extension::<BasicConstraints>().unwrap().unwrap();
    assert!(critical);
    assert_eq!((constraints.ca, constraints.path_len_constraint), (authority.is_some(), authority));
    let (critical, usage) = body.get_extension::<KeyUsage>().unwrap().unwrap();
    assert!(critical);
    let expected = if authority.is_some() {
        KeyUsages::KeyCertSign | KeyUsages::CRLSign
    } else {
        KeyUsages::DigitalSignature | KeyUsages::NonRepudiation
    };
    assert_eq!(usage.0, expected);
    let (critical, subject_id) = body.get_extension::<SubjectKeyIdentifier>().unwrap().unwrap();
    assert!(!critical && subject_id.0.as_bytes().len() == 20);
    let (critical, points) = body.get_extension::<CrlDistributionPoints>().unwrap().unwrap();
    assert!(!critical);
    assert!(String::from_utf8_lossy(&points.to_der().unwrap()).contains(url));
}

fn key_ids(certificate: &Certificate) -> (Vec<u8>, Vec<u8>) {
    let body = certificate.tbs_certificate();
    let (_, subject) = body.get_extension::<SubjectKeyIdentifier>().unwrap().unwrap();
    let (_, authority) = body.get_extension::<AuthorityKeyIdentifier>().unwrap().unwrap();
    (subject.0.as_bytes().to_vec(), authority.key_identifier.unwrap().as_bytes().to_vec())
}

#[test]
fn certificates_have_the_shape_of_intels() {
    let intel = Intel::generate(NOW).unwrap();
    let root_url = "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";
    for ca in Ca::ALL {
        let platform = intel.platform(&PlatformSpec::new(ca, TcbStatus::UpToDate), NOW).unwrap();
        let chain = certificates(platform.pck_certificate_chain_pem().as_bytes());
        let [pck, authority, root] = &chain[..] else { panic!("{} certificates", chain.len()) };
        let url = format!("/sgx/certification/v4/pckcrl?ca={}&encoding=der", ca.name());
        assert_shape(pck, "Intel SGX PCK Certificate", ca.common_name(), None, &url);
        assert_shape(authority, ca.common_name(), "Intel SGX Root CA", Some(0), root_url);
        assert_shape(root, "Intel SGX Root CA", "Intel SGX Root CA", Some(1), root_url);
        assert_eq!(key_ids(pck).1, key_ids(authority).0);
        assert_eq!(key_ids(authority).1, key_ids(root).0);
        assert_eq!(key_ids(root).1, key_ids(root).0);
        assert_eq!(pck.to_der().unwrap(), platform.pck_certificate_der());
        for certificate in &chain {
            let validity = certificate.tbs_certificate().validity();
            let (from, to) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
            assert_eq!(from.as_secs(), NOW as u64 - 86_400);
            assert!(to.as_secs() >= NOW as u64 - 86_400 + 3650 * 86_400);
        }
    }
    let collateral = intel.collateral(&CollateralSpec::default(), NOW).unwrap();
    let signer = &certificates(collateral.tcb_info_issuer_chain.as_bytes())[0];
    assert_shape(signer, "Intel SGX TCB Signing", "Intel SGX Root CA", None, root_url);
    assert_eq!(certificates(intel.root_certificate_pem().as_bytes()).len(), 1);
}

/// Everything of a certificate that is the same for all of its kind.
fn form(certificate: &Certificate) -> Vec<String> {
    let body = certificate.tbs_certificate();
    let mut form = vec![
        hex::encode(body.issuer().to_der().unwrap()),
        hex::encode(body.subject().to_der().unwrap()),
        hex::encode(body.signature().to_der().unwrap()),
        hex::encode(body.subject_public_key_info().algorithm.to_der().unwrap()),
    ];
    for extension in body.extensions().unwrap() {
        let (id, value) = (extension.extn_id.to_string(), extension.extn_value.as_bytes());
        // Key ids and the SGX extension differ from one certificate to the next; usage, constraints and URLs do not.
        let same = !["2.5.29.14", "2.5.29.35", "1.2.840.113741.1.13.1"].contains(&&id[..]);
        let value = if same { hex::encode(value) } else { format!("{} bytes", value.len()) };
        form.push(format!("{id} {} {value}", extension.critical));
    }
    form
}

#[test]
fn certificates_have_the_form_of_real_ones() {
    let Some(vectors) = std::env::var_os("ASSAY_VECTORS") else {
        eprintln!("SKIPPED: ASSAY_VECTORS is not set, so no real certificates were compared");
        return;
    };
    let path = std::path::Path::new(&vectors).join("sgx").join("sgx_v3_dcap-qvl_f8b81014.bin");
    let bytes = std::fs::read(path).unwrap();
    let quote = Quote::parse(&bytes).unwrap();
    let real = view::chain(&quote);
    let intel = Intel::generate(NOW).unwrap();
    let spec = PlatformSpec {
        // The same size on the wire as the real one's.
        cpu_svn_components: [11, 11, 2, 2, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ..PlatformSpec::new(Ca::Processor, TcbStatus::UpToDate)
    };
    let simulated = intel.platform(&spec, NOW).unwrap().quote(&QuoteSpec::default()).unwrap();
    let simulated = view::chain(&Quote::parse(&simulated).unwrap());
    assert_eq!((real.len(), simulated.len()), (3, 3));
    for (real, simulated) in real.iter().zip(&simulated) {
        assert_eq!(form(simulated), form(real));
    }
}

/// The SGX extension of a production certificate (Processor CA, FMSPC 00A067110000), byte for byte.
#[test]
fn the_sgx_extension_is_encoded_as_intel_does() {
    let intel = Intel::generate(NOW).unwrap();
    let spec = PlatformSpec {
        ca: Ca::Processor,
        fmspc: [0x00, 0xa0, 0x67, 0x11, 0x00, 0x00],
        cpu_svn_components: [11, 11, 2, 2, 255, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        pce_svn: 13,
        ppid: Some([0xd0; 16]),
        sgx_type: assay_silicon::intel::SgxType::Standard,
        ..PlatformSpec::default()
    };
    let oid = |arcs: &str| format!("060a2a864886f84d010d01{arcs}");
    let component = |arc: u8, svn: &str| {
        let value = format!("{}{svn}", oid("02").replace("060a", "060b") + &format!("{arc:02x}"));
        format!("30{:02x}{value}", value.len() / 2)
    };
    let svns = ["02010b", "02010b", "020102", "020102", "020200ff", "020101"];
    let components: String =
        (1..=16).map(|arc| component(arc, svns.get(arc as usize - 1).unwrap_or(&"020100"))).collect();
    let tcb = components + &component(17, "02010d") + &component(18, "04100b0b0202ff0100000000000000000000");
    let expected = [
        format!("301e{}0410{}", oid("01"), "d0".repeat(16)),
        format!("30820164{}30820154{tcb}", oid("02")),
        format!("3010{}04020000", oid("03")),
        format!("3014{}040600a067110000", oid("04")),
        format!("300f{}0a0100", oid("05")),
    ]
    .concat();
    let certificate = hex::encode(intel.platform(&spec, NOW).unwrap().pck_certificate_der());
    assert!(certificate.contains(&format!("308201c1{expected}")), "{certificate}");
}

#[test]
fn documents_have_intels_members_in_intels_order() {
    let intel = Intel::generate(NOW).unwrap();
    let collateral = intel.collateral(&CollateralSpec::default(), NOW).unwrap();
    let head = r#"{"id":"SGX","version":3,"issueDate":"2026-05-28T19:26:40Z","nextUpdate":"2026-06-27T19:26:40Z","fmspc":"53494D000002","pceId":"0000","tcbType":0,"tcbEvaluationDataNumber":18,"tcbLevels":[{"tcb":{"sgxtcbcomponents":[{"svn":12},{"svn":12},"#;
    assert!(collateral.tcb_info.starts_with(head), "{}", collateral.tcb_info);
    let level = r#"{"svn":0}],"pcesvn":13},"tcbDate":"2024-03-13T00:00:00Z","tcbStatus":"SWHardeningNeeded","advisoryIDs":["INTEL-SA-00615"]}"#;
    assert!(collateral.tcb_info.contains(level), "{}", collateral.tcb_info);
    let identity = r#"{"id":"QE","version":2,"issueDate":"2026-05-28T19:26:40Z","nextUpdate":"2026-06-27T19:26:40Z","tcbEvaluationDataNumber":18,"miscselect":"00000000","miscselectMask":"FFFFFFFF","attributes":"11000000000000000000000000000000","attributesMask":"FBFFFFFFFFFFFFFF0000000000000000","mrsigner":"8C4F5775D796503E96137F77C68A829A0056AC8DED70140B081B094490C57BFF","isvprodid":1,"tcbLevels":[{"tcb":{"isvsvn":8},"tcbDate":"2024-03-13T00:00:00Z","tcbStatus":"UpToDate"},"#;
    assert!(collateral.qe_identity.starts_with(identity), "{}", collateral.qe_identity);
}

#[test]
fn version_2_names_each_component() {
    let intel = Intel::generate(NOW).unwrap();
    let spec = CollateralSpec { tcb_info_version: 2, ..CollateralSpec::default() };
    let tcb_info = parsed(&intel.collateral(&spec, NOW).unwrap().tcb_info);
    assert_eq!((tcb_info.get("id"), &tcb_info["version"]), (None, &Value::from(2)));
    let tcb = &tcb_info["tcbLevels"][0]["tcb"];
    assert_eq!(tcb.as_object().unwrap().len(), 17);
    assert_eq!((&tcb["sgxtcbcomp01svn"], &tcb["sgxtcbcomp05svn"]), (&Value::from(12), &Value::from(255)));
    assert_eq!((&tcb["sgxtcbcomp16svn"], &tcb["pcesvn"]), (&Value::from(0), &Value::from(13)));
}

#[test]
fn an_unknown_version_or_time_is_refused() {
    let intel = Intel::generate(NOW).unwrap();
    let spec = CollateralSpec { tcb_info_version: 4, ..CollateralSpec::default() };
    let error = SiliconError::InvalidSpec { field: "the TCB information's version", value: "4".to_owned() };
    assert_eq!(intel.collateral(&spec, NOW).unwrap_err(), error);
    assert_eq!(error.to_string(), "the TCB information's version cannot be `4`");
    let error = SiliconError::TimeOutOfRange { seconds: i64::MIN };
    assert_eq!(Intel::generate(i64::MIN).unwrap_err(), error);
}

/// The status that Intel's rule gives: the first level that is nowhere above the platform.
fn status_of(platform: &PlatformSpec, tcb_info: &Value) -> Option<String> {
    let reached = |level: &&Value| {
        let components = level["tcb"]["sgxtcbcomponents"].as_array().unwrap();
        assert_eq!(components.len(), 16);
        components
            .iter()
            .zip(platform.cpu_svn_components)
            .all(|(c, svn)| c["svn"].as_u64().unwrap() <= u64::from(svn))
            && level["tcb"]["pcesvn"].as_u64().unwrap() <= u64::from(platform.pce_svn)
    };
    let levels = tcb_info["tcbLevels"].as_array().unwrap();
    levels.iter().find(reached).map(|level| level["tcbStatus"].as_str().unwrap().to_owned())
}

#[test]
fn the_default_levels_give_each_platform_its_status() {
    let intel = Intel::generate(NOW).unwrap();
    let tcb_info = parsed(&intel.collateral(&CollateralSpec::default(), NOW).unwrap().tcb_info);
    for status in TcbStatus::ALL {
        let expected = (status != TcbStatus::Unsupported).then(|| status.name().to_owned());
        assert_eq!(status_of(&PlatformSpec::with_status(status), &tcb_info), expected);
        assert_eq!(status.to_string().parse::<TcbStatus>().unwrap(), status);
    }
    let error = SiliconError::UnknownName { what: "TCB status", name: "uptodate".to_owned() };
    assert_eq!("uptodate".parse::<TcbStatus>().unwrap_err(), error);
}

#[test]
fn revocation_lists_have_intels_shape_and_grow() {
    let mut intel = Intel::generate(NOW).unwrap();
    let spec = PlatformSpec::default();
    let (first, second) = (intel.platform(&spec, NOW).unwrap(), intel.platform(&spec, NOW).unwrap());
    let collateral = intel.collateral(&CollateralSpec::default(), NOW).unwrap();
    let list = crl(&collateral.pck_crl).tbs_cert_list;
    assert_eq!(
        (list.revoked_certificates.is_none(), list.issuer.to_string()),
        (true, name(Ca::Platform.common_name()))
    );
    assert_eq!(list.this_update.to_unix_duration().as_secs(), NOW as u64 - 3600);
    assert_eq!(list.next_update.unwrap().to_unix_duration().as_secs(), NOW as u64 - 3600 + 30 * 86_400);

    intel.revoke_pck(&first);
    intel.revoke_pck(&second);
    intel.revoke_platform_ca();
    intel.revoke_processor_ca();
    intel.revoke_tcb_signer();
    let collateral = intel.collateral(&CollateralSpec::default(), NOW).unwrap();
    let serials = |list: &str| -> Vec<Vec<u8>> {
        let revoked = crl(list).tbs_cert_list.revoked_certificates.unwrap();
        revoked.iter().map(|entry| entry.serial_number.as_bytes().to_vec()).collect()
    };
    let strip = |serial: [u8; 20]| serial.iter().copied().skip_while(|b| *b == 0).collect::<Vec<u8>>();
    let unsigned = |serials: Vec<Vec<u8>>| {
        serials.into_iter().map(|s| s.into_iter().skip_while(|b| *b == 0).collect()).collect()
    };
    let listed: Vec<Vec<u8>> = unsigned(serials(&collateral.pck_crl));
    assert_eq!(listed, [strip(first.serial()), strip(second.serial())]);
    assert_eq!(serials(&collateral.root_ca_crl).len(), 3);
    // The other authority has revoked nothing.
    let other = CollateralSpec { ca: Ca::Processor, ..CollateralSpec::default() };
    let list = crl(&intel.collateral(&other, NOW).unwrap().pck_crl).tbs_cert_list;
    assert_eq!(
        (list.revoked_certificates.is_none(), list.issuer.to_string()),
        (true, name(Ca::Processor.common_name()))
    );
}
