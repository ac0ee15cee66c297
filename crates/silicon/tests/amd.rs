//! Simulated AMD: the shapes of real certificates and reports, signatures that hold, and defects that are seen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    clippy::print_stderr,
    clippy::string_slice,
    reason = "tests"
)]

mod amd_defects;
mod amd_view;
mod hcl_defects;

use std::path::{Path, PathBuf};
use std::{env, fs};

use amd_view::{certificate, outline, signs_certificate, signs_crl, signs_report};
use assay_silicon::SiliconError;
use assay_silicon::amd::{
    Amd, Authority, ChipSpec, Defect, Form, Product, ReportSpec, Sample, SimulateOptions, Tcb, VekKind,
    certificate_table, simulate,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::Value;
use tempfile::TempDir;

const NOW: i64 = 1_780_000_000;
const DAY: i64 = 86_400;

/// Its RSA keys take long, so there is one vendor for all tests; the lock lets them share it.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("silicon")
}

fn with_amd<T>(change: impl FnOnce(&mut Amd) -> Result<T, SiliconError>) -> T {
    Amd::update(&folder(), NOW, change).unwrap().1
}

/// All that any test needs, without the folder and its lock.
fn vendor() -> Amd {
    let chip = ChipSpec::default();
    let (amd, _) = Amd::update(&folder(), NOW, |amd| {
        all_chips().try_for_each(|chip| amd.require(chip.product, chip.kind))?;
        // Has the key made that forgers use.
        amd.broken(Defect::VekSignedByOther, &chip, &ReportSpec::default(), NOW)
    })
    .unwrap();
    amd
}

fn all_chips() -> impl Iterator<Item = ChipSpec> {
    Product::ALL.into_iter().flat_map(|p| VekKind::ALL.into_iter().map(move |k| ChipSpec::new(p, k)))
}

/// Real samples; `None`, loudly, where there are none.
fn vectors() -> Option<PathBuf> {
    let dir = env::var_os("ASSAY_VECTORS").map(|dir| PathBuf::from(dir).join("snp"));
    let found = dir.filter(|dir| dir.is_dir());
    if found.is_none() {
        eprintln!("SKIPPED: ASSAY_VECTORS does not name a folder with `snp`; nothing real was compared");
    }
    found
}

fn pem_blocks(text: &str) -> Vec<Vec<u8>> {
    let blocks = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let der = |block: &str| {
        let base64: String = block.split("-----END").next().unwrap().split_whitespace().collect();
        BASE64_STANDARD.decode(base64).unwrap()
    };
    blocks.map(der).collect()
}

fn pem_file(path: &Path) -> Vec<Vec<u8>> {
    pem_blocks(&fs::read_to_string(path).unwrap())
}

fn tcb_of(product: Product, bytes: &[u8]) -> Tcb {
    let b: [u8; 8] = bytes.try_into().unwrap();
    match product {
        Product::Turin => Tcb { fmc: b[0], boot_loader: b[1], tee: b[2], snp: b[3], microcode: b[7] },
        _ => Tcb { fmc: 0, boot_loader: b[0], tee: b[1], snp: b[6], microcode: b[7] },
    }
}

/// A specification of the chip and the report that a real report came from.
fn specs_of(product: Product, report: &[u8]) -> (ChipSpec, ReportSpec) {
    let number = |at: usize| u32::from_le_bytes(report[at..at + 4].try_into().unwrap());
    let long = |at: usize| u64::from_le_bytes(report[at..at + 8].try_into().unwrap());
    let chip = ChipSpec {
        tcb: tcb_of(product, &report[0x180..0x188]),
        chip_id: Some(report[0x1a0..0x1e0].try_into().unwrap()),
        ..ChipSpec::new(product, VekKind::Vcek)
    };
    let spec = ReportSpec {
        version: Some(number(0)),
        guest_svn: number(4),
        policy: long(8),
        family_id: report[0x10..0x20].try_into().unwrap(),
        image_id: report[0x20..0x30].try_into().unwrap(),
        vmpl: number(0x30),
        platform_info: long(0x40),
        report_data: report[0x50..0x90].try_into().unwrap(),
        measurement: report[0x90..0xc0].try_into().unwrap(),
        host_data: report[0xc0..0xe0].try_into().unwrap(),
        id_key_digest: report[0xe0..0x110].try_into().unwrap(),
        author_key_digest: report[0x110..0x140].try_into().unwrap(),
        report_id: report[0x140..0x160].try_into().unwrap(),
        report_id_ma: report[0x160..0x180].try_into().unwrap(),
        current_tcb: Some(tcb_of(product, &report[0x38..0x40])),
        committed_tcb: Some(tcb_of(product, &report[0x1e0..0x1e8])),
        launch_tcb: Some(tcb_of(product, &report[0x1f0..0x1f8])),
        cpuid: Some(report[0x188..0x18b].try_into().unwrap()),
        current_firmware: report[0x1e8..0x1eb].try_into().unwrap(),
        committed_firmware: report[0x1ec..0x1ef].try_into().unwrap(),
        launch_mitigations: long(0x1f8),
        current_mitigations: long(0x200),
    };
    (chip, spec)
}

const REAL_REPORTS: [(Product, &str); 6] = [
    (Product::Milan, "milan/mstav-report.bin"),
    (Product::Milan, "milan/coco-report.bin"),
    (Product::Milan, "milan/gosev-report.bin"),
    (Product::Milan, "milan/sidecar-caci-report.bin"),
    (Product::Genoa, "genoa/mstav-report.bin"),
    (Product::Turin, "turin/mstav-report.bin"),
];

#[test]
fn reports_are_real_ones_byte_for_byte() {
    let Some(dir) = vectors() else { return };
    for (product, file) in REAL_REPORTS {
        let real = fs::read(dir.join(file)).unwrap();
        let (chip, spec) = specs_of(product, &real);
        let made = with_amd(|amd| amd.chip(&chip, NOW)?.report(&spec));
        assert_eq!(hex::encode(&made[..0x2a0]), hex::encode(&real[..0x2a0]), "{file}");
        assert_eq!(made.len(), real.len());
        assert_eq!(made[0x330..], real[0x330..]);
    }
}

#[test]
fn endorsement_keys_have_the_shape_of_real_ones() {
    let Some(dir) = vectors() else { return };
    for product in Product::ALL {
        let folder = dir.join(product.name());
        let real = pem_file(&folder.join("mstav-vcek.pem")).remove(0);
        let report = fs::read(folder.join("mstav-report.bin")).unwrap();
        let (chip, _) = specs_of(product, &report);
        let made = with_amd(|amd| Ok(amd.chip(&chip, NOW)?.vek().to_vec()));
        assert_eq!(outline(&made), outline(&real), "{product:?}");
    }
}

#[test]
fn authorities_have_the_shape_of_real_ones() {
    let Some(dir) = vectors() else { return };
    for chip in all_chips() {
        let file = format!("chains/{}_ask_ark_asvk.pem", chip.product.name());
        let [ask, ark, asvk] = pem_file(&dir.join(file)).try_into().unwrap();
        let authority = authority(&chip);
        let real = if chip.kind == VekKind::Vcek { ask } else { asvk };
        assert_eq!(outline(&authority.intermediate), outline(&real), "{chip:?}");
        assert_eq!(outline(&authority.root), outline(&ark), "{chip:?}");
    }
}

fn authority(chip: &ChipSpec) -> Authority {
    let all = with_amd(|amd| {
        amd.require(chip.product, chip.kind)?;
        Ok(amd.authorities())
    });
    all.into_iter().find(|made| made.product == chip.product && made.kind == chip.kind).unwrap()
}

/// Every signature of a sample holds under the authorities of the vendor.
fn assert_genuine(sample: &Sample, authority: &Authority) {
    assert_eq!(sample.chain, [authority.intermediate.clone(), authority.root.clone()]);
    assert!(signs_report(&sample.vek, &sample.report));
    assert!(signs_certificate(&authority.intermediate, &sample.vek));
    assert!(signs_certificate(&authority.root, &authority.intermediate));
    assert!(signs_certificate(&authority.root, &authority.root));
    assert!(signs_crl(&authority.root, &sample.crl));
}

#[test]
fn genuine_samples_hold_of_every_product_kind_and_version() {
    for chip in all_chips() {
        let authority = authority(&chip);
        for version in 2..=5 {
            let spec = ReportSpec { version: Some(version), ..ReportSpec::default() };
            let sample = with_amd(|amd| amd.sample(&chip, &spec, NOW));
            assert_genuine(&sample, &authority);
            assert_eq!(sample.report[..4], version.to_le_bytes());
            assert_eq!(sample.report[0x188..0x18b] != [0; 3], version >= 3);
            assert_eq!(sample.report[0x1f8] != 0, version == 5);
            assert_eq!(sample.report[0x180..0x188], chip.tcb.to_bytes(chip.product));
            assert_eq!(sample.report[0x48], if chip.kind == VekKind::Vlek { 4 } else { 0 });
        }
    }
}

#[test]
fn certificates_live_as_long_as_real_ones() {
    for chip in all_chips() {
        let authority = authority(&chip);
        let made = with_amd(|amd| amd.chip(&chip, NOW));
        let years = if chip.kind == VekKind::Vcek { 7 } else { 1 };
        assert_eq!(years_of(made.vek()), years);
        assert_eq!(years_of(&authority.intermediate), 25);
        assert_eq!(years_of(&authority.root), 25);
    }
}

/// How many years, to the second, a certificate is valid.
fn years_of(der: &[u8]) -> u16 {
    let read = certificate(der);
    let validity = read.tbs_certificate().validity();
    let (from, to) = (validity.not_before.to_date_time(), validity.not_after.to_date_time());
    let time = |date: der::DateTime| (date.month(), date.day(), date.hour(), date.minutes(), date.seconds());
    assert_eq!(time(from), time(to));
    to.year() - from.year()
}

#[test]
fn certificates_of_vleks_follow_the_document() {
    let chip = ChipSpec::new(Product::Genoa, VekKind::Vlek);
    let made = with_amd(|amd| amd.chip(&chip, NOW));
    let read = amd_view::extensions(made.vek());
    let arcs: Vec<String> =
        read.iter().map(|extension| extension.extn_id.to_string()[19..].to_owned()).collect();
    assert_eq!(arcs, ["1", "2", "3.1", "3.2", "3.4", "3.5", "3.6", "3.7", "3.3", "3.8", "5"]);
    let csp_id = read.last().unwrap().extn_value.as_bytes();
    assert_eq!(csp_id[..2], [0x16, chip.csp_id.len() as u8]);
    assert_eq!(&csp_id[2..], chip.csp_id.as_bytes());
}

#[test]
fn chip_ids_have_the_size_of_the_product() {
    let turin = with_amd(|amd| amd.chip(&ChipSpec::new(Product::Turin, VekKind::Vcek), NOW));
    let again = with_amd(|amd| amd.chip(&ChipSpec::new(Product::Turin, VekKind::Vcek), NOW));
    assert_eq!(turin.chip_id()[8..], [0; 56]);
    assert_ne!(turin.chip_id(), again.chip_id());
    let spec = ChipSpec { chip_id: Some([7; 64]), ..ChipSpec::new(Product::Turin, VekKind::Vcek) };
    let error = with_amd(|amd| Ok(amd.chip(&spec, NOW))).unwrap_err();
    assert!(matches!(error, SiliconError::InvalidSpec { field: "the chip id of a Turin", .. }));
}

#[test]
fn a_revoked_intermediate_is_listed() {
    let chip = ChipSpec::default();
    authority(&chip);
    // The change is not stored: the closure fails after it.
    let mut lists = Vec::new();
    let stop = SiliconError::UnknownName { what: "test", name: "stop".to_owned() };
    let error = Amd::update(&folder(), NOW, |amd| {
        lists.push(amd.crl(Product::Milan, NOW)?);
        amd.revoke_intermediate(Product::Milan, VekKind::Vcek);
        lists.push(amd.crl(Product::Milan, NOW)?);
        Err::<(), _>(stop.clone())
    });
    assert_eq!(error.unwrap_err(), stop);
    let entries = |list: &[u8]| amd_view::crl(list).tbs_cert_list.revoked_certificates.unwrap_or_default();
    assert!(entries(&lists[0]).is_empty());
    assert_eq!(entries(&lists[1])[0].serial_number.as_bytes(), [1, 0, 1]);
}

#[test]
fn a_folder_keeps_its_vendor_and_publishes_its_lists() {
    let dir = TempDir::new().unwrap();
    assert!(Amd::load(dir.path()).unwrap().is_none());
    let (made, ()) = Amd::update(dir.path(), NOW, |amd| amd.require(Product::Genoa, VekKind::Vcek)).unwrap();
    let read = Amd::load(dir.path()).unwrap().unwrap();
    assert_eq!(read.authorities(), made.authorities());
    assert_eq!(made.authorities().len(), 1);

    let path = dir.path().join("collateral/amd-genoa.crl");
    let list = || fs::read(&path).unwrap();
    let first = list();
    assert!(signs_crl(&made.authorities()[0].root, &first));
    Amd::publish(dir.path(), NOW + DAY - 1).unwrap();
    assert_eq!(list(), first);
    Amd::publish(dir.path(), NOW + DAY).unwrap();
    let second = list();
    assert_ne!(second, first);
    Amd::update(dir.path(), NOW + DAY, |amd| {
        amd.revoke_intermediate(Product::Genoa, VekKind::Vcek);
        Ok(())
    })
    .unwrap();
    let revoked = amd_view::crl(&list()).tbs_cert_list.revoked_certificates.unwrap();
    assert_eq!(revoked[0].serial_number.as_bytes(), [2, 0, 2]);

    fs::write(dir.path().join("amd/vendor.json"), "{}").unwrap();
    let error = Amd::load(dir.path()).unwrap_err();
    assert_eq!(error.code(), "simulation-folder-corrupt");
}

#[test]
fn certificate_tables_are_read_back() {
    for chip in all_chips() {
        let made = with_amd(|amd| amd.chip(&chip, NOW));
        let table = certificate_table(chip.kind, made.vek(), made.chain());
        let vek = match chip.kind {
            VekKind::Vcek => "63da758de6644564adc5f4b93be8accd",
            VekKind::Vlek => "a8074bc2a25a483eaae639c045a0b8a1",
        };
        let guids = [vek, "4ab7b379bbac4fe4a02f05aef327c782", "c0b406a4a803495297433fb6014cd0ae"];
        let number = |at: usize| u32::from_le_bytes(table[at..at + 4].try_into().unwrap()) as usize;
        let mut end = 4 * 24;
        for (index, guid) in guids.iter().enumerate() {
            let at = index * 24;
            assert_eq!(hex::encode(&table[at..at + 16]), *guid);
            assert_eq!(number(at + 16), end);
            let expected = if index == 0 { made.vek() } else { &made.chain()[index - 1] };
            assert_eq!(&table[end..end + number(at + 20)], expected);
            end += number(at + 20);
        }
        assert_eq!(table[72..96], [0; 24]);
        assert_eq!(table.len(), end);
    }
}

fn decode(value: &Value) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn simulated_evidence_is_bound_to_its_request() {
    for form in Form::ALL {
        let options = SimulateOptions {
            form,
            debug: true,
            vmpl: Some(2),
            measurement: Some([1; 48]),
            host_data: Some([2; 32]),
            guest_svn: Some(9),
            ..SimulateOptions::default()
        };
        let made = simulate(&folder(), &options, NOW).unwrap();
        let inner: Value = serde_json::from_slice(&decode(&made.request["report"])).unwrap();
        let report = decode(&inner["SnpReport"]);
        let chain = pem_blocks(&String::from_utf8(decode(&inner["VcekCertChain"])).unwrap());
        assert_eq!(chain, pem_blocks(&made.chain_pem));
        assert_eq!((chain.len(), &chain[0]), (3, &made.vek));
        assert_eq!(decode(&made.request["runtimeData"]["data"]), made.runtime_data);
        assert_eq!(made.request["runtimeData"]["dataType"], "JSON");
        assert!(signs_report(&made.vek, &report) && signs_crl(&chain[2], &made.crl));
        assert_eq!(report[0x50..0x70], *digest(&SHA256, &made.runtime_data).as_ref());
        assert_eq!(report[0x70..0x90], [0; 32]);
        assert_eq!((report[0xa], report[0x30], report[0x90], report[0xc0], report[4]), (0xb, 2, 1, 2, 9));
        match form {
            Form::Report => assert_eq!(made.evidence, report),
            Form::AzureCvm => {
                assert_eq!(made.evidence[32..32 + 1184], report);
                assert!(made.evidence[1236..].starts_with(&made.runtime_data));
            }
        }
    }
}
