//! The simulated AMD as an online service.
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

mod vendors;

use assay_silicon::amd::{Amd, Product, SimulateOptions, Simulated, VekKind, simulate};
use assay_silicon::upstream::{VendorAnswer, VendorRequest, VendorService};
use assay_verify::snp::{AmdCrl, verify_vek};
use der::Encode;
use vendors::{NOW, amd_anchors, amd_folder, certificates, public_key};

struct Kds {
    service: VendorService,
    folder: std::path::PathBuf,
}

impl Kds {
    fn new() -> Self {
        let folder = amd_folder();
        Self { service: VendorService::of_folder(&folder), folder }
    }

    fn get(&self, path: &str, query: &str) -> VendorAnswer {
        self.service.answer(&VendorRequest::get(path, query), NOW)
    }

    fn guest(&self, product: Product, kind: VekKind) -> Simulated {
        simulate(&self.folder, &SimulateOptions { product, kind, ..SimulateOptions::default() }, NOW).unwrap()
    }
}

/// The chip id of a report, as far as it counts: what stands in the path.
fn hwid(guest: &Simulated, product: Product) -> String {
    hex::encode(&guest.evidence[0x1a0..0x1a0 + product.chip_id_size()])
}

fn spls(product: Product) -> String {
    let tcb = product.current_tcb();
    let all = format!(
        "blSPL={:02}&teeSPL={:02}&snpSPL={:02}&ucodeSPL={:02}",
        tcb.boot_loader, tcb.tee, tcb.snp, tcb.microcode
    );
    if product == Product::Turin { format!("fmcSPL={:02}&{all}", tcb.fmc) } else { all }
}

#[test]
fn chips_of_the_folder_get_the_certificate_that_their_reports_need() {
    let kds = Kds::new();
    let anchors = amd_anchors(&kds.folder);
    for product in Product::ALL {
        let guest = kds.guest(product, VekKind::Vcek);
        let path = format!("/vcek/v1/{}/{}", product.vendor_name(), hwid(&guest, product));
        let answer = kds.get(&path, &spls(product));
        assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/pkix-cert")));
        verify_vek(&answer.body, &anchors).expect("it verifies");
        assert_eq!(public_key(&answer.body), public_key(&guest.vek), "{product:?}");
        // Another TCB has another key.
        let microcode = format!("ucodeSPL={:02}", product.current_tcb().microcode);
        let older = kds.get(&path, &spls(product).replace(&microcode, "ucodeSPL=1"));
        let vek = verify_vek(&older.body, &anchors).expect("it verifies as well");
        assert_eq!(vek.tcb.microcode, 1);
        assert_ne!(public_key(&older.body), public_key(&guest.vek));
    }
}

#[test]
fn chains_are_issuer_then_root_and_lists_verify() {
    let kds = Kds::new();
    let anchors = amd_anchors(&kds.folder);
    let authorities = Amd::load(&kds.folder).unwrap().unwrap().authorities();
    for authority in authorities {
        let base = format!("/{}/v1/{}", authority.kind.name(), authority.product.vendor_name());
        let chain = kds.get(&format!("{base}/cert_chain"), "");
        assert_eq!((chain.status, chain.header("Content-Type")), (200, Some("application/x-pem-file")));
        let chain = certificates(std::str::from_utf8(&chain.body).unwrap());
        let ders: Vec<_> = chain.iter().map(|certificate| certificate.to_der().unwrap()).collect();
        assert_eq!(ders, [authority.intermediate, authority.root]);
        let list = kds.get(&format!("{base}/crl"), "");
        assert_eq!((list.status, list.header("Content-Type")), (200, Some("application/pkix-crl")));
        let list_again = kds.get(&format!("{base}/crl"), "");
        assert_eq!(list.body, list_again.body, "the same bytes all day");
        let verified = AmdCrl::verify(&list.body, &anchors).expect("it verifies");
        assert_eq!(format!("{:?}", verified.product), format!("{:?}", authority.product));
    }
}

#[test]
fn a_product_that_nobody_simulated_yet_gets_its_authorities() {
    let folder = tempfile::TempDir::new().unwrap();
    let service = VendorService::of_folder(folder.path());
    let chain = service.answer(&VendorRequest::get("/vcek/v1/Genoa/cert_chain", ""), NOW);
    assert_eq!(chain.status, 200);
    let authorities = Amd::load(folder.path()).unwrap().unwrap().authorities();
    assert_eq!(authorities.len(), 1);
    assert_eq!((authorities[0].product, authorities[0].kind), (Product::Genoa, VekKind::Vcek));
}

#[test]
fn requests_are_refused_with_the_right_status() {
    let kds = Kds::new();
    let milan = hwid(&kds.guest(Product::Milan, VekKind::Vcek), Product::Milan);
    let turin = hwid(&kds.guest(Product::Turin, VekKind::Vcek), Product::Turin);
    let of_vlek = hwid(&kds.guest(Product::Milan, VekKind::Vlek), Product::Milan);
    let (spls, turin_spls) = (spls(Product::Milan), spls(Product::Turin));
    let known = format!("/vcek/v1/Milan/{milan}");
    let known_turin = format!("/vcek/v1/Turin/{turin}");
    let table: &[(&str, &str, u16)] = &[
        (&known, &spls, 200),
        (&known.to_uppercase().replace("/VCEK/V1/MILAN", "/vcek/v1/Milan"), &spls, 200),
        (&known, "", 400),
        (&known, &spls.replace("teeSPL=00&", ""), 400),
        (&known, &format!("{spls}&blSPL=04"), 400),
        (&known, &format!("{spls}&fmcSPL=1"), 400),
        (&known, &format!("{spls}&color=red"), 400),
        (&known, &spls.replace("teeSPL=00", "teeSPL=256"), 400),
        (&known, &spls.replace("teeSPL=00", "teeSPL=0000"), 400),
        (&known, &spls.replace("teeSPL=00", "teeSPL=+0"), 400),
        (&known, &spls.replace("teeSPL=00", "teeSPL=0x0"), 400),
        (&known, &spls.replace("teeSPL=00", "teeSPL"), 400),
        (&known_turin, &turin_spls, 200),
        (&known_turin, &turin_spls.replace("fmcSPL=01&", ""), 400),
        (&format!("{known_turin}{}", "00".repeat(56)), &turin_spls, 400),
        (&known.replace("Milan", "Genoa"), &spls, 404),
        (&known.replace("Milan", "milan"), &spls, 404),
        (&known.replace("Milan", "Naples"), &spls, 404),
        (&known.replace("v1", "v2"), &spls, 404),
        (&known.replace("vcek", "vlek"), &spls, 404),
        (&format!("/vcek/v1/Milan/{of_vlek}"), &spls, 404),
        (&format!("/vcek/v1/Milan/{}", "ab".repeat(64)), &spls, 404),
        (&format!("/vcek/v1/Milan/{}", "ab".repeat(63)), &spls, 400),
        ("/vcek/v1/Milan/certchain", "", 400),
        ("/vlek/v1/Milan/cert", "", 404),
        ("/vcek/v1/Milan/crl/x", "", 404),
        ("/vcek/v1", "", 404),
    ];
    for (path, query, status) in table {
        assert_eq!(kds.get(path, query).status, *status, "{path}?{query}");
    }
    let post = VendorRequest::post("/vcek/v1/Milan/crl", "text/plain", "");
    assert_eq!(kds.service.answer(&post, NOW).status, 404);
}

#[test]
fn certificates_are_given_out_slowly_and_lists_are_not() {
    let folder = amd_folder();
    let service = VendorService::of_folder(&folder).with_vcek_interval(10);
    let kds = Kds { service, folder };
    let guest = kds.guest(Product::Milan, VekKind::Vcek);
    let path = format!("/vcek/v1/Milan/{}", hwid(&guest, Product::Milan));
    let vcek = |now| kds.service.answer(&VendorRequest::get(&path, &spls(Product::Milan)), now);
    assert_eq!(vcek(NOW).status, 200);
    let early = vcek(NOW + 3);
    assert_eq!((early.status, early.header("Retry-After")), (429, Some("7")));
    assert!(early.body.is_empty());
    assert_eq!(kds.get("/vcek/v1/Milan/crl", "").status, 200);
    assert_eq!(vcek(NOW + 10).status, 200);
    assert_eq!(vcek(NOW + 11).header("Retry-After"), Some("9"));
}

#[test]
fn what_is_counted_does_not_name_the_chip() {
    let request = VendorRequest::get(&format!("/vcek/v1/Milan/{}", "ab".repeat(64)), "blSPL=1");
    assert_eq!(request.route(), "GET /vcek/v1/Milan/{hwid}");
    assert_eq!(format!("{request:?}"), "VendorRequest(GET /vcek/v1/Milan/{hwid})");
    assert_eq!(VendorRequest::get("/vcek/v1/Milan/crl", "").route(), "GET /vcek/v1/Milan/crl");
}

#[test]
fn authorities_are_not_made_for_a_question_where_that_is_not_wanted() {
    let vendors = vendors::Vendors::with(VendorService::with_made_authorities_only);
    for leaf in ["crl", "cert_chain"] {
        let answer = vendors.get(&format!("/vcek/v1/Milan/{leaf}"), "");
        assert_eq!((answer.status, answer.body.len()), (404, 0), "{leaf}");
    }
    assert_eq!(
        vendors.get(&format!("{}/tcb", vendors::PCS), &format!("fmspc={}", vendors::SERVER)).status,
        200
    );
    assert!(Amd::load(vendors.folder.path()).unwrap().is_none());
}
