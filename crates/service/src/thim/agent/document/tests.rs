#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use assay_evidence::snp::{Product, TcbVersion};
use assay_silicon::amd::{ChipSpec, Tcb};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::super::tests::{anchors, chip, identity, pckcert, platform, sgx_identity, vlek};
use super::*;

fn response(headers: &[(&'static str, String)], body: &[u8]) -> Response {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::try_from(value).unwrap()))
        .collect();
    Response { status: StatusCode::OK, headers, body: Bytes::copy_from_slice(body) }
}

#[test]
fn only_the_certificate_of_this_chip_and_tcb_is_taken() {
    let spec = ChipSpec::default();
    let own = chip(&spec);
    let id = identity(&own);
    let same_chip = ChipSpec { chip_id: Some(own.chip_id()), ..spec.clone() };
    let updated = chip(&ChipSpec { tcb: Tcb { microcode: spec.tcb.microcode - 1, ..spec.tcb }, ..same_chip });
    let (other, loaded) = (chip(&spec), vlek());
    let anchors = anchors();
    let vek = Vcek::open(own.vek(), &id, &anchors).unwrap();
    let now = UnixTime(super::super::tests::now());
    assert_eq!(vek.answer(now).vcek, own.vek());
    assert_eq!([vek.answer(now).intermediate, vek.answer(now).root], [&own.chain()[0][..], &own.chain()[1]]);

    let mut flipped = own.vek().to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let foreign = "it is the key of another chip or TCB";
    let cases: [(&str, &[u8], &TrustAnchors, &str); 7] = [
        ("another chip", other.vek(), &anchors, foreign),
        ("another TCB", updated.vek(), &anchors, foreign),
        ("a provider's key", loaded.vek(), &anchors, foreign),
        ("flipped", &flipped, &anchors, "it is not genuine (certificate-signature)"),
        ("the ASK", &own.chain()[0], &anchors, "it is not genuine ("),
        ("nothing", b"", &anchors, "it is not genuine (certificate-malformed)"),
        ("nobody's", own.vek(), &TrustAnchors::vendor(), "it is not genuine (certificate-signature)"),
    ];
    for (name, kept, anchors, problem) in cases {
        let refused = Vcek::open(kept, &id, anchors).unwrap_err();
        assert!(refused.starts_with(problem), "{name}: {refused}");
        assert!(!refused.contains(&hex::encode(&id.chip_id[..8])), "{name}");
    }
}

/// Its chip ids are short, and its TCB versions have another order.
#[test]
fn a_turin_is_a_machine_as_well() {
    let chip = chip(&ChipSpec::new(assay_silicon::amd::Product::Turin, assay_silicon::amd::VekKind::Vcek));
    let id = identity(&chip);
    assert_eq!(id.product, Product::Turin);
    assert!(id.vcek_path().contains("?fmcSPL="), "it names the first component");
    let vek = Vcek::open(chip.vek(), &id, &anchors()).unwrap();
    let answer = vek.answer(UnixTime(super::super::tests::now()));
    assert_eq!([answer.intermediate, answer.root], [&chip.chain()[0][..], &chip.chain()[1]]);
    let mut reversed = id.reported_tcb.0;
    reversed.reverse();
    assert!(
        Vcek::open(chip.vek(), &SnpIdentity { reported_tcb: TcbVersion(reversed), ..id }, &anchors())
            .is_err()
    );
}

/// AMD's own certificate, with the vendor's anchors alone.
#[test]
fn a_real_certificate_is_taken() {
    let Some(vectors) = std::env::var_os("ASSAY_VECTORS").map(std::path::PathBuf::from) else {
        eprintln!("SKIPPED: ASSAY_VECTORS is not set, so no real certificate is tried");
        return;
    };
    let read = |name: &str| std::fs::read(vectors.join("snp/milan").join(name)).unwrap();
    let report = read("coco-report.bin");
    let id = SnpIdentity::of_report(&report, Some(Product::Milan)).unwrap();
    let vek = Vcek::open(&read("coco-vcek.der"), &id, &TrustAnchors::vendor()).unwrap();
    let answer = vek.answer(UnixTime(1_700_000_000));
    let pinned = pem::certificates(&read("gosev-ask_ark.pem")).unwrap();
    assert_eq!([answer.intermediate, answer.root], [&pinned[0][..], &pinned[1]]);
    let other = SnpIdentity { reported_tcb: TcbVersion([9, 0, 0, 0, 0, 0, 9, 9]), ..id };
    assert!(Vcek::open(&read("coco-vcek.der"), &other, &TrustAnchors::vendor()).is_err());
}

#[test]
fn a_pck_certificate_is_verified_with_what_the_headers_say() {
    let (platform, other) = (platform(), platform());
    let id = sgx_identity(&platform);
    let (_, headers, body) = pckcert(&platform);
    let with = |name: &str, value: &str| {
        let mut headers = headers.clone();
        headers.iter_mut().find(|(known, _)| *known == name).unwrap().1 = value.to_owned();
        headers
    };
    let open = |headers: &[(&'static str, String)], body: &[u8], anchors: &TrustAnchors| {
        Pck::open(&Pck::pack(&response(headers, body))?, &id, anchors)
    };
    let now = UnixTime(super::super::tests::now());
    let pck = open(&headers, &body, &anchors()).unwrap();
    let (answer, seconds) = pck.answer(now);
    assert_eq!((answer.fmspc, answer.ca, seconds), (platform.fmspc(), platform.ca().name(), 86_400));
    assert_eq!(pem::encode([answer.certificate.as_slice()]).as_bytes(), body);

    let chain = "sgx-pck-certificate-issuer-chain";
    let cases: [(&str, Vec<_>, &[u8], &str); 8] = [
        (
            "no chain",
            headers[1..].to_vec(),
            &body,
            "the header `sgx-pck-certificate-issuer-chain` is missing",
        ),
        ("no TCB", headers[..1].to_vec(), &body, "the header `sgx-tcbm` is missing"),
        (
            "half a chain",
            with(chain, headers[0].1.split("END").next().unwrap()),
            &body,
            "a certificate does not end",
        ),
        ("bad escape", with(chain, "%zz"), &body, "its issuer chain is not URL-encoded"),
        (
            "other TCB",
            with("sgx-tcbm", &"00".repeat(18)),
            &body,
            "its TCB is not the one that the answer says",
        ),
        ("JSON", headers.clone(), b"{}", "a certificate does not begin where one should"),
        ("not text", headers.clone(), &[0xff], "the certificate is not text"),
        ("no leaf", headers.clone(), b"", "it is not genuine (chain-length)"),
    ];
    for (name, headers, body, problem) in cases {
        assert_eq!(open(&headers, body, &anchors()).unwrap_err(), problem, "{name}");
    }
    let vendor = open(&headers, &body, &TrustAnchors::vendor()).unwrap_err();
    assert!(vendor.starts_with("it is not genuine (") && vendor.contains("root"), "{vendor}");
    // Every platform of this vendor is genuine; which one is asked for, the central service looks up by what only it knows.
    assert!(open(&pckcert(&other).1, &pckcert(&other).2, &anchors()).is_ok());
}

#[test]
fn a_pck_certificate_fits_the_platform() {
    let platform = platform();
    let id = sgx_identity(&platform);
    let (_, headers, body) = pckcert(&platform);
    let of = |id: SgxIdentity| Pck::open(&Pck::pack(&response(&headers, &body)).unwrap(), &id, &anchors());
    let mut lower = id.cpu_svn;
    lower[0] -= 1;
    let too_high = "it is for a TCB that this platform does not reach";
    let others = [
        (SgxIdentity { cpu_svn: lower, ..id.clone() }, too_high),
        (SgxIdentity { pce_svn: [0; 2], ..id.clone() }, too_high),
        (SgxIdentity { pce_id: [0, 1], ..id.clone() }, "it is of another provisioning certification enclave"),
    ];
    for (id, problem) in others {
        assert_eq!(of(id).unwrap_err(), problem);
    }
    assert!(of(SgxIdentity { cpu_svn: [0xff; 16], ..id }).is_ok(), "a lower certificate will do");
}

#[test]
fn an_answer_is_kept_no_longer_than_its_certificate() {
    let window = Window { from: UnixTime(0), until: UnixTime(100_000) };
    assert_eq!(cache_seconds(window, UnixTime(0)), 86_400);
    assert_eq!(cache_seconds(window, UnixTime(99_000)), 1000);
    assert_eq!(cache_seconds(window, UnixTime(200_000)), 0);
}
