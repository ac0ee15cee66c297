//! What AMD vouches for, in folders: what is found, what is refused, and that revocation lists never go back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::fs;
use std::path::Path;

use assay_collateral::{CollateralFolder, Limits};
use assay_evidence::snp::{Product, SigningKey};
use assay_silicon::amd::{Amd, ChipSpec, Defect, Product as Simulated, ReportSpec, VekKind};
use assay_verify::snp::{AmdAuthority, VekKey};
use assay_verify::{AnchorOrigin, TrustAnchors};
use tempfile::TempDir;

const NOW: i64 = 1_780_000_000;
const DAY: i64 = 24 * 60 * 60;

/// The simulated vendor of the tests; its keys take seconds to make.
fn vendor() -> Amd {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("silicon");
    let make =
        |amd: &mut Amd| VekKind::ALL.into_iter().try_for_each(|kind| amd.require(Simulated::Milan, kind));
    Amd::update(&folder, NOW, make).unwrap().0
}

fn anchors(amd: &Amd) -> TrustAnchors {
    amd.authorities().into_iter().fold(TrustAnchors::vendor(), |anchors, authority| {
        let (intermediate, root) = (&authority.intermediate, &authority.root);
        let authority = AmdAuthority::from_certificates(intermediate, root, AnchorOrigin::Simulated);
        anchors.with_amd_authority(authority.unwrap())
    })
}

fn key(chip: &assay_silicon::amd::Chip, spec: &ChipSpec) -> VekKey {
    VekKey {
        product: Some(Product::Milan),
        kind: match spec.kind {
            VekKind::Vcek => SigningKey::Vcek,
            VekKind::Vlek => SigningKey::Vlek,
        },
        chip_id: chip.chip_id(),
        reported_tcb: spec.tcb.to_bytes(spec.product),
    }
}

fn folder(dir: &TempDir, amd: &Amd) -> CollateralFolder {
    CollateralFolder::open(vec![dir.path().to_owned()], anchors(amd))
}

#[test]
fn certificates_are_found_by_chip_and_tcb_whatever_their_form() {
    let mut amd = vendor();
    let pem = |chip: &assay_silicon::amd::Chip| chip.chain_pem().into_bytes();
    let thim = |chip: &assay_silicon::amd::Chip| {
        let chain = assay_evidence::pem::encode(chip.chain().iter().map(Vec::as_slice));
        let vcek = assay_evidence::pem::encode([chip.vek()]);
        format!("{{\"vcekCert\":{vcek:?},\"certificateChain\":{chain:?},\"tcbm\":\"0\"}}").into_bytes()
    };
    type Write<'a> = &'a dyn Fn(&assay_silicon::amd::Chip) -> Vec<u8>;
    let forms: [(&str, Write<'_>); 4] =
        [("a.der", &|chip| chip.vek().to_vec()), ("b.pem", &pem), ("c.json", &thim), ("d.crt", &pem)];
    for (name, form) in forms {
        for kind in VekKind::ALL {
            let spec = ChipSpec::new(Simulated::Milan, kind);
            let (chip, other) = (amd.chip(&spec, NOW).unwrap(), amd.chip(&spec, NOW).unwrap());
            let dir = TempDir::new().unwrap();
            let folder = folder(&dir, &amd);
            assert!(folder.find_veks(&key(&chip, &spec)).is_empty());
            fs::write(dir.path().join(name), form(&chip)).unwrap();
            let reload = folder.reload();
            assert_eq!(reload.problems, [], "{name}");
            let found = folder.find_veks(&key(&chip, &spec)).remove(0);
            assert_eq!((&found.der[..], folder.vek_count()), (chip.vek(), 1));
            // A VCEK is of one chip; a VLEK of none.
            let of_other = folder.find_veks(&key(&other, &spec));
            assert_eq!(of_other.len() == 1, kind == VekKind::Vlek);
            let mut newer = spec.clone();
            newer.tcb.microcode += 1;
            assert!(folder.find_veks(&key(&chip, &newer)).is_empty(), "another TCB has another key");
            fs::remove_file(dir.path().join(name)).unwrap();
            folder.reload();
            assert!(folder.find_veks(&key(&chip, &spec)).is_empty());
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let mut amd = vendor();
    let spec = ChipSpec::default();
    let broken = |amd: &mut Amd, defect| amd.broken(defect, &spec, &ReportSpec::default(), NOW).unwrap();
    let dir = TempDir::new().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("other-root.der", &broken(&mut amd, Defect::SelfMadeChain).vek);
    write("crl.crl", &broken(&mut amd, Defect::CrlSignedByIntermediate).crl);
    write("text.pem", b"hello");
    write("empty.der", b"");
    write("large.der", &vec![0; 300 * 1024]);
    write("ignored.txt", b"hello");
    let folder = folder(&dir, &amd);
    let problems = folder.reload().problems;
    assert_eq!(problems.len(), 5, "{problems:?}");
    assert!(problems.iter().any(|problem| problem.problem.contains("certificate-signature")));
    assert_eq!((folder.vek_count(), folder.amd_crls().len()), (0, 0));
}

#[test]
fn lists_go_forward_only_and_stay() {
    let amd = vendor();
    let dir = TempDir::new().unwrap();
    let folder = folder(&dir, &amd);
    let path = dir.path().join("milan.crl");
    let issued = |folder: &CollateralFolder| folder.amd_crls().first().map(|list| list.window.from.0);
    let write = |at: i64| fs::write(&path, amd.crl(Simulated::Milan, at).unwrap()).unwrap();
    write(NOW);
    folder.reload();
    let first = issued(&folder).unwrap();
    assert_eq!(folder.newest_vendor_date().unwrap().0, first);
    write(NOW - 10 * DAY);
    folder.reload();
    assert_eq!(issued(&folder), Some(first), "an older list rolls nothing back");
    write(NOW + DAY);
    folder.reload();
    assert_eq!(issued(&folder), Some(first + DAY));
    fs::remove_file(&path).unwrap();
    folder.reload();
    assert_eq!(issued(&folder), Some(first + DAY), "nor does a missing file");
}

/// VLEKs of two providers differ in nothing that a report says; one of a chip's two certificates lives longer.
#[test]
fn every_certificate_that_fits_is_offered() {
    let mut amd = vendor();
    let dir = TempDir::new().unwrap();
    let folder = folder(&dir, &amd);
    let spec = ChipSpec::new(Simulated::Milan, VekKind::Vlek);
    let chips: Vec<_> = [NOW, NOW + DAY, NOW - DAY].map(|at| amd.chip(&spec, at).unwrap()).into();
    for (number, chip) in chips.iter().enumerate() {
        fs::write(dir.path().join(format!("{number}.der")), chip.vek()).unwrap();
    }
    folder.reload();
    let found = folder.find_veks(&key(&chips[0], &spec));
    let expected = [1, 0, 2].map(|number: usize| chips[number].vek());
    assert_eq!(found.iter().map(|held| &held.der[..]).collect::<Vec<_>>(), expected);
}

/// AMD publishes a list for VCEKs and one for VLEKs, both signed by the same root.
#[test]
fn a_newer_list_does_not_take_away_what_an_older_one_revoked() {
    let mut amd = vendor();
    let dir = TempDir::new().unwrap();
    let clean = |at| amd.crl(Simulated::Milan, at).unwrap();
    fs::write(dir.path().join("new.crl"), clean(NOW)).unwrap();
    fs::write(dir.path().join("old-and-clean.crl"), clean(NOW - 2 * DAY)).unwrap();
    amd.revoke_intermediate(Simulated::Milan, VekKind::Vcek);
    let revoking = |at| amd.crl(Simulated::Milan, at).unwrap();
    fs::write(dir.path().join("old.crl"), revoking(NOW - DAY)).unwrap();
    let folder = folder(&dir, &amd);
    for name in ["", "old.crl", "new.crl"] {
        if !name.is_empty() {
            fs::remove_file(dir.path().join(name)).unwrap();
        }
        folder.reload();
        assert_eq!(folder.amd_crls().len(), 2, "the newest, and the one that revokes");
    }
    fs::write(dir.path().join("newest.crl"), revoking(NOW + DAY)).unwrap();
    folder.reload();
    let dates: Vec<_> = folder.amd_crls().iter().map(|list| list.window.from.0).collect();
    assert_eq!((folder.amd_crls().len(), folder.newest_vendor_date().unwrap().0), (1, dates[0]));
}

#[test]
fn other_roots_are_believed_without_a_restart() {
    let mut amd = vendor();
    let chip = amd.chip(&ChipSpec::default(), NOW).unwrap();
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("vek.pem"), chip.chain_pem()).unwrap();
    fs::write(dir.path().join("milan.crl"), amd.crl(Simulated::Milan, NOW).unwrap()).unwrap();
    let folder = CollateralFolder::open(vec![dir.path().to_owned()], TrustAnchors::vendor());
    assert_eq!(folder.reload().problems.len(), 2);
    assert_eq!(folder.believe(anchors(&amd)).problems, []);
    assert_eq!((folder.vek_count(), folder.amd_crls().len()), (1, 1));
    folder.believe(TrustAnchors::vendor());
    assert_eq!((folder.vek_count(), folder.amd_crls().len()), (0, 0));
}

#[test]
fn the_number_of_files_is_bounded() {
    let mut amd = vendor();
    let dir = TempDir::new().unwrap();
    for number in 0..4 {
        let chip = amd.chip(&ChipSpec::default(), NOW).unwrap();
        fs::write(dir.path().join(format!("{number}.der")), chip.vek()).unwrap();
    }
    let limits = Limits { amd_files: 3, ..Limits::default() };
    let folder = CollateralFolder::with_limits(vec![dir.path().to_owned()], anchors(&amd), limits);
    assert_eq!(folder.reload().problems.len(), 1);
    assert_eq!(folder.vek_count(), 3);
}
