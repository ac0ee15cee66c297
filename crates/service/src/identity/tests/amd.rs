//! Certificates and lists of AMD's.

use assay_collateral::subject::AmdCrlKey;
use assay_collateral::upstream::VcekName;
use assay_evidence::snp::{Product, SigningKey, Tcb};
use assay_silicon::amd::{self as simulated, Amd, ChipSpec};
use assay_verify::snp::verify_vek;

use super::*;

/// A chip of the simulated AMD, whose authorities the service of this world believes.
fn chip(world: &World, product: simulated::Product) -> (Amd, simulated::Chip) {
    let silicon = DevFolder::new(world.folder.path()).silicon();
    let spec = ChipSpec { product, ..ChipSpec::default() };
    let (amd, chip) = Amd::update(&silicon, world.now, |amd| amd.chip(&spec, world.now)).unwrap();
    (amd, chip)
}

/// What AMD's service is asked for this chip's certificate.
fn name_of(identity: &HardwareIdentity, chip: &simulated::Chip) -> VcekName {
    name_for(&identity.library.trust().anchors, chip.vek())
}

/// As above, with the roots that are believed.
pub(super) fn name_for(anchors: &assay_verify::TrustAnchors, vek: &[u8]) -> VcekName {
    let vek = verify_vek(vek, anchors).unwrap();
    let product = vek.product();
    let hwid = vek.chip_id().unwrap()[..product.chip_id_size()].to_vec();
    VcekName { product, hwid, tcb: vek.tcb }
}

#[tokio::test]
async fn amds_lists_are_documents_like_any_other() {
    let world = World::new();
    let (amd, _) = chip(&world, simulated::Product::Milan);
    let subject = Subject::AmdCrl(AmdCrlKey { product: Product::Milan, kind: SigningKey::Vcek });
    let list = amd.crl(simulated::Product::Milan, world.now).unwrap();
    let raw = RawDocument { body: list.clone().into(), chain: None };
    world.upstream.says(Wanted::Document(subject, Selection::default()), Ok(Fetched::Document(raw)));
    let identity = world.service(LibraryOptions::default());
    let reply = get(&identity, "/vcek/v1/Milan/crl").await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &list[..]));
    assert_eq!(get(&identity, "/vcek/v1/Genoa/crl").await.status, 404);
    assert_eq!(get(&identity, "/vcek/v1/Rome/crl").await.status, 404);
}

#[tokio::test]
async fn a_chips_certificate_is_fetched_once_and_kept_for_ever() {
    for product in [simulated::Product::Milan, simulated::Product::Turin] {
        let world = World::new();
        let (_, chip) = chip(&world, product);
        let identity = world.service(LibraryOptions::default());
        let name = name_of(&identity, &chip);
        let wanted = Wanted::Vcek(name.clone());
        world.upstream.says(wanted.clone(), Ok(Fetched::Vcek(chip.vek().to_vec().into())));
        let url = name.path();
        for _ in 0..3 {
            let reply = get(&identity, &url).await;
            assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, chip.vek()), "{product:?}");
            assert_eq!(header(&reply, "cache-control"), "max-age=31536000, immutable");
        }
        assert_eq!(world.upstream.times_asked(), 1);
        // After a restart, and without upstream.
        let again = world.service(LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() });
        assert_eq!(get(&again, &url).await.status, 200);
        // As Azure's containers ask: the TCB as a number.
        let tcb = name.tcb.write(name.product.tcb_layout()).unwrap().0;
        let reversed: Vec<u8> = tcb.iter().rev().copied().collect();
        let url =
            format!("/SevSnpVM/certificates/{}/{}", hex::encode(&name.hwid), hex::encode_upper(reversed));
        let reply = get(&again, &url).await;
        assert_eq!(reply.status, 200, "{product:?}");
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert_eq!(text.matches("-----BEGIN CERTIFICATE-----").count(), 3);
        let chain = get(&again, &format!("/vcek/v1/{}/cert_chain", name.product)).await;
        assert!(text.ends_with(std::str::from_utf8(&chain.body).unwrap()));
        assert_eq!(world.upstream.times_asked(), 1);
    }
}

#[tokio::test]
async fn another_certificate_than_the_one_asked_for_is_refused() {
    let world = World::new();
    let (_, mine) = chip(&world, simulated::Product::Milan);
    let (_, other) = chip(&world, simulated::Product::Milan);
    let identity = world.service(LibraryOptions::default());
    let name = name_of(&identity, &mine);
    let raised = VcekName { tcb: Tcb { snp: name.tcb.snp + 1, ..name.tcb }, ..name.clone() };
    let strange = World::new();
    let (_, stranger) = chip(&strange, simulated::Product::Milan);
    let rows = [
        ("another chip's", name.clone(), other.vek()),
        ("of another TCB", raised, mine.vek()),
        ("of another AMD", name.clone(), stranger.vek()),
        ("none", name, b"x"),
    ];
    for (what, name, der) in rows {
        world.upstream.says(Wanted::Vcek(name.clone()), Ok(Fetched::Vcek(der.to_vec().into())));
        let reply = get(&identity, &name.path()).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (503, 0), "{what}");
        assert_eq!(identity.veks.in_memory(), 0, "{what}");
    }
}

#[tokio::test]
async fn names_of_chips_that_are_none_are_refused() {
    let world = World::new();
    let identity = world.service(LibraryOptions::default());
    let spls = "blSPL=03&teeSPL=00&snpSPL=08&ucodeSPL=115";
    let (long, short) = ("ab".repeat(64), "ab".repeat(8));
    let rows = [
        (format!("/vcek/v1/Milan/{long}?{spls}"), 404),
        (format!("/vcek/v1/Milan/{short}?{spls}"), 400),
        (format!("/vcek/v1/Turin/{short}?{spls}"), 400),
        (format!("/vcek/v1/Turin/{short}?fmcSPL=1&{spls}"), 404),
        (format!("/vcek/v1/Milan/{long}?fmcSPL=1&{spls}"), 400),
        (format!("/vcek/v1/Milan/{long}?blSPL=03"), 400),
        (format!("/vcek/v1/Milan/{long}?{}", spls.replace("115", "256")), 400),
        (format!("/vcek/v1/Milan/{}?{spls}", "zz".repeat(64)), 400),
        (format!("/vcek/v1/Rome/{long}?{spls}"), 404),
        (format!("/SevSnpVM/certificates/{long}/7308000000000003"), 404),
        (format!("/SevSnpVM/certificates/{long}/73"), 404),
        (format!("/SevSnpVM/certificates/{long}/"), 404),
        (format!("/SevSnpVM/certificates/{long}/+73"), 400),
        (format!("/SevSnpVM/certificates/{long}/17308000000000003"), 400),
        (format!("/SevSnpVM/certificates/{}/7308000000000003", "ab".repeat(32)), 400),
        ("/vlek/v1/Milan/cert?blSPL=1".to_owned(), 404),
    ];
    for (url, status) in rows {
        assert_eq!(get(&identity, &url).await.status.as_u16(), status, "{url}");
    }
}

#[tokio::test]
async fn the_metadata_service_answers_for_a_chip_that_is_named() {
    let world = World::new();
    let (_, chip) = chip(&world, simulated::Product::Milan);
    let identity = world.service(LibraryOptions::default());
    let name = name_of(&identity, &chip);
    world.upstream.says(Wanted::Vcek(name.clone()), Ok(Fetched::Vcek(chip.vek().to_vec().into())));
    let tcb = name.tcb.write(name.product.tcb_layout()).unwrap().0;
    let url = "/metadata/THIM/amd/certification";
    let named = format!("{url}?chipId={}&tcb={}", hex::encode(&name.hwid), hex::encode(tcb));
    let mut headers = HeaderMap::new();
    let answer = |reply: &Reply| -> serde_json::Value { serde_json::from_slice(&reply.body).unwrap() };
    let reply = get_with(&identity, &named, &headers).await;
    assert_eq!(reply.status, 400);
    assert_eq!(answer(&reply)["error"], "Bad request. Required metadata header not specified");
    headers.insert("metadata", "True".parse().unwrap());
    let reply = get_with(&identity, &named, &headers).await;
    assert_eq!(reply.status, 200);
    let told = answer(&reply);
    let reversed: Vec<u8> = tcb.iter().rev().copied().collect();
    assert_eq!(told["tcbm"], hex::encode_upper(reversed));
    assert_eq!(told["cacheControl"], "86400");
    assert_eq!(told["certificateChain"].as_str().unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    for url in [url.to_owned(), format!("{url}?chipId=00&tcb=0000000000000000")] {
        let reply = get_with(&identity, &url, &headers).await;
        assert!(reply.status == 400 && answer(&reply)["error"].is_string(), "{url}");
    }
    let other = format!("{url}?chipId={}&tcb={}", "ab".repeat(64), hex::encode(tcb));
    assert_eq!(get_with(&identity, &other, &headers).await.status, 404);
    assert_eq!(get_with(&identity, "/metadata/other", &headers).await.status, 404);
}

/// AMD certifies whatever TCB somebody asks for.
#[tokio::test]
async fn one_chip_does_not_fill_the_store() {
    let world = World::new();
    let (_, first) = chip(&world, simulated::Product::Milan);
    let silicon = DevFolder::new(world.folder.path()).silicon();
    let identity = world.service(LibraryOptions::default());
    let (chip_id, tcb) = (Some(first.chip_id()), ChipSpec::default().tcb);
    let mut last = String::new();
    for microcode in 0..70_u8 {
        let spec = ChipSpec { chip_id, tcb: simulated::Tcb { microcode, ..tcb }, ..ChipSpec::default() };
        let (_, chip) = Amd::update(&silicon, world.now, |amd| amd.chip(&spec, world.now)).unwrap();
        let name = name_of(&identity, &chip);
        world.upstream.says(Wanted::Vcek(name.clone()), Ok(Fetched::Vcek(chip.vek().to_vec().into())));
        assert_eq!(get(&identity, &name.path()).await.status, 200, "everybody is answered: {microcode}");
        last = name.path();
    }
    let folder = assay_store::HeadName::new("collateral/vcek").unwrap();
    assert_eq!(world.store.heads(Some(&folder), None, 100).unwrap().items.len(), 64);
    let offline = world.service(LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() });
    assert_eq!(get(&offline, &last).await.status, 404, "the last ones are not kept");
    let other = chip(&world, simulated::Product::Milan).1;
    let name = name_of(&identity, &other);
    world.upstream.says(Wanted::Vcek(name.clone()), Ok(Fetched::Vcek(other.vek().to_vec().into())));
    assert_eq!(get(&identity, &name.path()).await.status, 200);
    assert_eq!(get(&offline, &name.path()).await.status, 200, "other chips' are");
}
