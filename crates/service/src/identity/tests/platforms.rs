//! Platforms of Intel's: registration, selection, and what is stored of them.

use assay_collateral::pck::{PlatformId, RawTcb};
use assay_collateral::upstream::{PckRequest, RawPcks};
use assay_silicon::intel::{PlatformSpec, TcbStatus};
use bytes::Bytes;
use serde_json::{Value, json};

use super::*;
use crate::identity::platforms::{Registered, Registration};
use crate::identity::refresh::Refreshed;
use crate::identity::reply::Refusal;

pub(super) const QE_ID: [u8; 16] = [0xab; 16];
pub(super) const PPID: [u8; 16] = [7; 16];

fn level(status: TcbStatus) -> ([u8; 16], u16) {
    let spec = PlatformSpec::with_status(status);
    (spec.cpu_svn_components, spec.pce_svn)
}

pub(super) fn raw(status: TcbStatus) -> RawTcb {
    let (cpu_svn, pce_svn) = level(status);
    RawTcb { cpu_svn, pce_svn }
}

fn id() -> PlatformId {
    PlatformId { qe_id: QE_ID, pce_id: [0; 2] }
}

pub(super) fn registration(status: TcbStatus) -> Registration {
    Registration {
        id: id(),
        encrypted_ppid: Some(vec![9; 384]),
        manifest: Some(b"a manifest".to_vec()),
        raw_tcb: Some(raw(status)),
    }
}

/// A platform that Intel finds by its PPID.
pub(super) fn by_ppid() -> Registration {
    Registration { manifest: None, ..registration(TcbStatus::UpToDate) }
}

impl World {
    /// Certificates of one platform for these TCBs, as Intel gives them.
    pub(super) fn pcks(&self, statuses: &[TcbStatus]) -> RawPcks {
        let one = |status: &TcbStatus| {
            let (cpu_svn_components, pce_svn) = level(*status);
            let spec = PlatformSpec {
                cpu_svn_components,
                pce_svn,
                ppid: Some(PPID),
                platform_instance_id: Some([1; 16]),
                ..PlatformSpec::default()
            };
            let pem = self.intel.platform(&spec, self.now).unwrap().pck_certificate_chain_pem();
            let end = pem.find("-----END CERTIFICATE-----").unwrap() + 26;
            (pem[..end].to_owned(), pem[end..].to_owned())
        };
        let pairs: Vec<_> = statuses.iter().map(one).collect();
        let chain = pairs[0].1.clone();
        let certificates: Vec<String> = pairs.into_iter().map(|(leaf, _)| leaf).collect();
        RawPcks { is_list: certificates.len() > 1, certificates, chain, incomplete: false }
    }

    /// Intel has these certificates for a platform, however it is asked.
    pub(super) fn knows(&self, asked: &Registration, pcks: &RawPcks) {
        let Registration { id, encrypted_ppid, manifest, raw_tcb } = asked.clone();
        let wanted = Wanted::Pcks(PckRequest { id, encrypted_ppid, manifest, raw_tcb });
        self.upstream.says(wanted, Ok(Fetched::Pcks(pcks.clone())));
    }
}

const fn refreshed(count: usize) -> Refreshed {
    Refreshed { wanted: count, done: count, gone: 0, older: 0 }
}

/// What a node's client sends.
pub(super) fn url(status: TcbStatus) -> String {
    let raw = raw(status);
    format!(
        "/sgx/certification/v4/pckcert?qeid={}&encrypted_ppid={}&cpusvn={}&pcesvn={}&pceid=0000&clientid=x",
        hex::encode_upper(QE_ID),
        "00".repeat(384),
        hex::encode_upper(raw.cpu_svn),
        hex::encode_upper(raw.pce_svn.to_le_bytes()),
    )
}

#[tokio::test]
async fn a_registered_platform_gets_the_certificate_of_its_tcb() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = registration(TcbStatus::OutOfDate);
    world.knows(&asked, &world.pcks(&[TcbStatus::OutOfDate, TcbStatus::UpToDate]));
    for mode in [Mode::Lazy, Mode::Registration] {
        let world = World { store: Arc::new(MemoryStore::new()), ..world.same() };
        let identity = world.service(LibraryOptions { mode, ..LibraryOptions::default() });
        assert_eq!(get(&identity, &url(TcbStatus::OutOfDate)).await.status.as_u16(), 461, "not registered");
        assert_eq!(identity.platforms.register(asked.clone()).await, Ok(Registered::Ready));
        let reply = get(&identity, &url(TcbStatus::OutOfDate)).await;
        assert_eq!(reply.status, 200, "{mode:?}");
        let (components, pce_svn) = level(TcbStatus::OutOfDate);
        let tcbm = format!("{}{}", hex::encode_upper(components), hex::encode_upper(pce_svn.to_le_bytes()));
        assert_eq!(header(&reply, "sgx-tcbm"), tcbm);
        assert!(reply.body.ends_with(b"-----END CERTIFICATE-----\n"));
        assert!(header(&reply, "sgx-pck-certificate-issuer-chain").starts_with("-----BEGIN%20CERTIFICATE"));
        assert_eq!(header(&reply, "sgx-pck-certificate-ca-type"), "platform");
        // After a firmware update another one fits, and nobody needs to be asked.
        let before = world.upstream.times_asked();
        let reply = get(&identity, &url(TcbStatus::UpToDate)).await;
        assert!(reply.status == 200 && header(&reply, "sgx-tcbm") != tcbm);
        assert_eq!(world.upstream.times_asked(), before);
        // Older than every certificate: known, but without one.
        assert_eq!(get(&identity, &url(TcbStatus::Unsupported)).await.status.as_u16(), 462);
        // Documents for its quotes were fetched along.
        assert_eq!(get(&identity, &path_of(tcb())).await.status, 200);
        let again = world.service(LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() });
        assert_eq!(get(&again, &url(TcbStatus::UpToDate)).await.status, 200, "after a restart, offline");
    }
}

impl World {
    /// The same vendor, upstream and clock.
    fn same(&self) -> Self {
        Self { upstream: Arc::clone(&self.upstream), ..self.again() }
    }
}

#[tokio::test]
async fn what_identifies_a_platform_is_stored_sealed() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = registration(TcbStatus::UpToDate);
    world.knows(&asked, &world.pcks(&[TcbStatus::UpToDate]));
    let identity = world.service(LibraryOptions::default());
    identity.platforms.register(asked.clone()).await.unwrap();
    let secrets: [&[u8]; 4] = [&QE_ID, &PPID, b"a manifest", b"BEGIN CERTIFICATE"];
    let folder = assay_store::HeadName::new("collateral/platform").unwrap();
    let heads = world.store.heads(Some(&folder), None, 100).unwrap().items;
    assert_eq!(heads.len(), 1);
    for head in heads {
        let bytes = world.store.blob(&head.digest).unwrap().unwrap();
        for secret in secrets {
            let plain = bytes.windows(secret.len()).any(|window| window == secret);
            let written = hex::encode(secret);
            let hexadecimal = bytes.windows(written.len()).any(|window| window == written.as_bytes());
            assert!(!plain && !hexadecimal && !head.name.as_str().contains(&written));
        }
    }
    assert!(!format!("{asked:?} {:?}", identity.platforms).contains("abab"));
}

#[tokio::test]
async fn strangers_leave_nothing() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    for number in 0..20_u8 {
        let url = url(TcbStatus::UpToDate).replace(&"00".repeat(384), &hex::encode([number + 1; 384]));
        let reply = get(&identity, &url.replacen("AB", &format!("{number:02X}"), 1)).await;
        assert_eq!(reply.status.as_u16(), 461);
    }
    let folder = assay_store::HeadName::new("collateral/platform").unwrap();
    assert!(world.store.heads(Some(&folder), None, 100).unwrap().items.is_empty());
}

#[tokio::test]
async fn a_platform_that_nobody_registered_is_answered_when_intel_knows_it() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = Registration { manifest: None, ..registration(TcbStatus::UpToDate) };
    world.knows(&asked, &world.pcks(&[TcbStatus::UpToDate]));
    let identity = world.service(LibraryOptions::default());
    let url = url(TcbStatus::UpToDate).replace(&"00".repeat(384), &"09".repeat(384));
    assert_eq!(get(&identity, &url).await.status, 200);
    let before = world.upstream.times_asked();
    assert_eq!(get(&identity, &url).await.status, 200);
    assert_eq!(world.upstream.times_asked(), before, "remembered for a while");
}

#[tokio::test]
async fn certificates_of_others_are_refused() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let strange = World::new();
    let asked = registration(TcbStatus::UpToDate);
    let mut mixed = world.pcks(&[TcbStatus::UpToDate]);
    let spec = PlatformSpec { ppid: Some([8; 16]), ..PlatformSpec::default() };
    let other = world.intel.platform(&spec, world.now).unwrap().pck_certificate_chain_pem();
    mixed.certificates.push(other[..other.find("-----END").unwrap() + 26].to_owned());
    let none = RawPcks { certificates: vec![], chain: String::new(), incomplete: false, is_list: false };
    for (what, pcks) in
        [("another Intel's", strange.pcks(&[TcbStatus::UpToDate])), ("two platforms'", mixed), ("none", none)]
    {
        world.knows(&asked, &pcks);
        let identity = world.service(LibraryOptions::default());
        assert_eq!(identity.platforms.register(asked.clone()).await, Err(Refusal::Passing), "{what}");
        assert_ne!(get(&identity, &url(TcbStatus::UpToDate)).await.status, 200, "{what}");
    }
}

#[tokio::test]
async fn a_revoked_certificate_is_not_given_out() {
    let mut world = World::new();
    let set = world.collateral(18, world.now);
    world.publish(&set, Track::Standard);
    let spec = PlatformSpec { ppid: Some(PPID), ..PlatformSpec::default() };
    let platform = world.intel.platform(&spec, world.now).unwrap();
    let pem = platform.pck_certificate_chain_pem();
    let end = pem.find("-----END CERTIFICATE-----").unwrap() + 26;
    let pcks = RawPcks {
        certificates: vec![pem[..end].to_owned()],
        chain: pem[end..].to_owned(),
        incomplete: false,
        is_list: false,
    };
    let asked = registration(TcbStatus::UpToDate);
    world.knows(&asked, &pcks);
    let identity = world.service(LibraryOptions::default());
    identity.platforms.register(asked).await.unwrap();
    assert_eq!(get(&identity, &url(TcbStatus::UpToDate)).await.status, 200);
    world.intel.revoke_pck(&platform);
    let later = world.collateral(18, world.now + DAY);
    let [.., (subject, list), _] = documents(&later);
    let identity = world.service_at(LibraryOptions::default(), world.at(2));
    identity.library.take(subject, Selection::default(), list, "test").await.unwrap();
    assert_eq!(get(&identity, &url(TcbStatus::UpToDate)).await.status.as_u16(), 462);
}

#[tokio::test]
async fn after_a_recovery_certificates_are_fetched_anew_with_the_manifest() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = registration(TcbStatus::OutOfDate);
    world.knows(&asked, &world.pcks(&[TcbStatus::OutOfDate]));
    let identity = world.service(LibraryOptions::default());
    identity.platforms.register(asked.clone()).await.unwrap();
    identity.library.document(tcb(), Selection::default(), stranger(1)).await.unwrap();
    // The first fetch did not know the evaluation yet; the next pass brings it up to date.
    identity.platforms.refresh().await.unwrap();
    assert_eq!(identity.platforms.refresh().await, Ok(refreshed(0)), "nothing changed");
    world.publish(&world.collateral(19, world.now + DAY), Track::Standard);
    world.knows(&asked, &world.pcks(&[TcbStatus::OutOfDate, TcbStatus::UpToDate]));
    let later = world.service_at(LibraryOptions::default(), world.at(2));
    later.library.refresh().await;
    assert_eq!(
        later.platforms.refresh().await,
        Ok(refreshed(1)),
        "asked for with its manifest: only so upstream answers"
    );
    assert_eq!(get(&later, &url(TcbStatus::UpToDate)).await.status, 200);
    assert_eq!(later.platforms.refresh().await, Ok(refreshed(0)));
}

#[tokio::test]
async fn azures_clients_are_answered_in_json() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = registration(TcbStatus::UpToDate);
    world.knows(&asked, &world.pcks(&[TcbStatus::UpToDate]));
    let identity = world.service(LibraryOptions::default());
    identity.platforms.register(asked).await.unwrap();
    let url = url(TcbStatus::UpToDate);
    let plain = get(&identity, &url).await;
    let reply = get(&identity, &format!("{url}&api-version=2021-07-22-preview")).await;
    assert_eq!(reply.status, 200);
    assert!(header(&reply, "content-type").starts_with("application/json"));
    for name in ["sgx-pck-certificate-issuer-chain", "sgx-tcbm"] {
        assert_eq!(header(&reply, name), header(&plain, name), "Intel's client takes the headers");
    }
    let expected = json!({
        "pckCert": std::str::from_utf8(&plain.body).unwrap(),
        "sgx-Tcbm": plain.headers["sgx-tcbm"].to_str().unwrap(),
        "sgx-Pck-Certificate-Issuer-Chain": plain.headers["sgx-pck-certificate-issuer-chain"].to_str().unwrap(),
        "cacheMaxAge": "86400",
    });
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap(), expected);
    let older = get(&identity, &format!("{url}&api-version=2018-10-01-preview")).await;
    assert_eq!((older.body, older.headers), (plain.body, plain.headers), "older ones read headers");
}

#[tokio::test]
async fn requests_as_pcs_takes_them() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let pcks = world.pcks(&[TcbStatus::OutOfDate, TcbStatus::UpToDate]);
    let nobody = PlatformId { qe_id: [0; 16], pce_id: [0; 2] };
    let by_ppid =
        Registration { id: nobody, encrypted_ppid: Some(vec![3; 384]), manifest: None, raw_tcb: None };
    world.knows(&by_ppid, &pcks);
    let ppid = "03".repeat(384);
    let reply =
        get(&identity, &format!("/sgx/certification/v4/pckcerts?encrypted_ppid={ppid}&pceid=0000")).await;
    let list: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[0]["tcb"]["sgxtcbcomponents"].as_array().unwrap().len(), 16);
    assert!(list[0]["cert"].as_str().unwrap().starts_with("-----BEGIN%20CERTIFICATE"));
    let status = raw(TcbStatus::UpToDate);
    let with_tcb = Registration { raw_tcb: Some(status), ..by_ppid };
    world.knows(&with_tcb, &pcks);
    let (cpu, pce) = (hex::encode(status.cpu_svn), hex::encode(status.pce_svn.to_le_bytes()));
    let query = format!("encrypted_ppid={ppid}&cpusvn={cpu}&pcesvn={pce}&pceid=0000");
    assert_eq!(get(&identity, &format!("/sgx/certification/v4/pckcert?{query}")).await.status, 200);
    let by_manifest = Registration {
        id: nobody,
        encrypted_ppid: None,
        manifest: Some(vec![1, 2, 3]),
        raw_tcb: Some(status),
    };
    world.knows(&by_manifest, &pcks);
    let body = json!({"platformManifest": "010203", "pceid": "0000", "cpusvn": cpu, "pcesvn": pce});
    assert_eq!(post(&identity, "/sgx/certification/v4/pckcert", &body).await.status, 200);
    for body in [
        json!({}),
        json!({"platformManifest": "", "pceid": "0000"}),
        json!({"platformManifest": "0", "pceid": "0000"}),
    ] {
        assert_eq!(
            post(&identity, "/sgx/certification/v4/pckcert", &body).await.status.as_u16(),
            400,
            "{body}"
        );
    }
    for query in ["", "?pceid=0000&cpusvn=00&pcesvn=0000", "?qeid=00"] {
        let reply = get(&identity, &format!("/sgx/certification/v4/pckcert{query}")).await;
        assert_eq!(reply.status.as_u16(), 400, "{query}");
    }
}

async fn post(identity: &HardwareIdentity, path: &str, body: &Value) -> Reply {
    let (headers, body) = (HeaderMap::new(), Some(Bytes::from(body.to_string())));
    let path = find(path).unwrap();
    answer(
        identity,
        Asked { method: &Method::POST, path, query: None, headers: &headers, asker: stranger(1), body },
    )
    .await
}

#[tokio::test]
async fn the_metadata_service_gives_azures_form_with_intels_headers() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = registration(TcbStatus::UpToDate);
    world.knows(&asked, &world.pcks(&[TcbStatus::UpToDate]));
    let identity = world.service(LibraryOptions::default());
    let url = url(TcbStatus::UpToDate).replace("/sgx/certification/", "/metadata/THIM/sgx/certification/");
    let mut headers = HeaderMap::new();
    headers.insert("metadata", "true".parse().unwrap());
    assert_eq!(get_with(&identity, &url, &headers).await.status, 404, "what PCCS calls 461");
    identity.platforms.register(asked).await.unwrap();
    let reply = get_with(&identity, &url, &headers).await;
    assert_eq!(reply.status, 200);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(body["sgx-Tcbm"], header(&reply, "sgx-tcbm"));
    assert_eq!(body["sgx-Pck-Certificate-Issuer-Chain"], header(&reply, "sgx-pck-certificate-issuer-chain"));
    assert!(body["pckCert"].as_str().unwrap().ends_with("-----END CERTIFICATE-----\n"));
    assert_eq!(get(&identity, &url).await.status, 400, "without the header");
}

#[tokio::test]
async fn who_merely_asks_changes_nothing_of_a_platform_that_is_known() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = registration(TcbStatus::UpToDate);
    world.knows(&asked, &world.pcks(&[TcbStatus::UpToDate]));
    let identity = world.service(LibraryOptions::default());
    identity.platforms.register(asked.clone()).await.unwrap();
    let mine = get(&identity, &url(TcbStatus::UpToDate)).await;
    // The QE ID stands in every quote: an attacker asks with it, with his own PPID, and with a TCB of his choice.
    let other = PlatformSpec { ppid: Some([8; 16]), ..PlatformSpec::default() };
    let pem = world.intel.platform(&other, world.now).unwrap().pck_certificate_chain_pem();
    let end = pem.find("-----END CERTIFICATE-----").unwrap() + 26;
    let his = RawPcks {
        certificates: vec![pem[..end].to_owned()],
        chain: pem[end..].to_owned(),
        incomplete: false,
        is_list: false,
    };
    for status in [TcbStatus::OutOfDate, TcbStatus::Unsupported] {
        for manifest in [None, Some(b"a manifest".to_vec())] {
            for ppid in [vec![3; 384], vec![9; 384]] {
                let question = Registration {
                    id: id(),
                    encrypted_ppid: Some(ppid),
                    manifest: manifest.clone(),
                    raw_tcb: Some(raw(status)),
                };
                world.knows(&question, &his);
            }
        }
        let url = url(status).replace(&"00".repeat(384), &"03".repeat(384));
        assert_ne!(get(&identity, &url).await.status, 200);
    }
    for service in [identity, world.service(LibraryOptions::default())] {
        let after = get(&service, &url(TcbStatus::UpToDate)).await;
        assert_eq!((after.status, &after.body), (mine.status, &mine.body));
    }
}

#[tokio::test]
async fn single_certificates_of_another_cache_are_collected() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = registration(TcbStatus::OutOfDate);
    world.knows(&asked, &world.pcks(&[TcbStatus::OutOfDate]));
    let identity = world.service(LibraryOptions::default());
    identity.platforms.register(asked.clone()).await.unwrap();
    let tcbm = async |status| {
        let reply = get(&identity, &url(status)).await;
        (reply.status.as_u16(), header(&reply, "sgx-tcbm").to_owned())
    };
    let old = tcbm(TcbStatus::OutOfDate).await;
    assert_eq!(old.0, 200);
    // The firmware was updated, and the other cache has no better one yet: the old one is better than none.
    assert_eq!(tcbm(TcbStatus::UpToDate).await, old);
    world.knows(
        &Registration { raw_tcb: Some(raw(TcbStatus::UpToDate)), ..asked },
        &world.pcks(&[TcbStatus::UpToDate]),
    );
    let new = tcbm(TcbStatus::UpToDate).await;
    assert!(new.0 == 200 && new.1 != old.1);
    assert_eq!(tcbm(TcbStatus::OutOfDate).await, old, "both are kept");
}

#[test]
fn another_master_key_seals_platforms_anew() {
    let (old, new) = (MasterKey::from_bytes(&[7; 32]).unwrap(), MasterKey::from_bytes(&[8; 32]).unwrap());
    let world = World::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let identity = world.service(LibraryOptions { mode: Mode::Offline, ..LibraryOptions::default() });
    runtime.block_on(identity.platforms.remember(registration(TcbStatus::UpToDate))).unwrap();
    let reseal = |old: &MasterKey, new: &MasterKey| crate::identity::sealed::reseal(&*world.store, old, new);
    assert!(reseal(&new, &MasterKey::from_bytes(&[9; 32]).unwrap()).is_err(), "neither key opens it");
    assert_eq!(reseal(&old, &new), Ok(1));
    assert_eq!(reseal(&old, &new), Ok(1), "again, as after a crash");
    // With the old key the platform cannot be opened, and is not written over.
    let again = registration(TcbStatus::OutOfDate);
    assert_eq!(runtime.block_on(identity.platforms.remember(again)), Err(Refusal::Internal));
    assert_eq!(reseal(&new, &old), Ok(1));
    runtime.block_on(identity.platforms.remember(registration(TcbStatus::OutOfDate))).unwrap();
}

/// The TCBs of a listing.
fn tcbs(reply: &Reply) -> Vec<String> {
    let listed: Vec<Value> = serde_json::from_slice(&reply.body).unwrap();
    listed.iter().map(|entry| entry["tcbm"].as_str().unwrap().to_owned()).collect()
}

fn tcbm(status: TcbStatus) -> String {
    let raw = raw(status);
    hex::encode_upper([&raw.cpu_svn[..], &raw.pce_svn.to_le_bytes()].concat())
}

#[tokio::test]
async fn certificates_of_one_configuration() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let statuses = [TcbStatus::UpToDate, TcbStatus::OutOfDate];
    let whole =
        Registration { id: PlatformId { qe_id: [0; 16], pce_id: [0; 2] }, raw_tcb: None, ..by_ppid() };
    world.knows(&whole, &world.pcks(&statuses));
    let url = format!("/sgx/certification/v4/pckcerts/config?encrypted_ppid={}&pceid=0000", "09".repeat(384));
    let of = |status| format!("{url}&cpusvn={}", hex::encode_upper(raw(status).cpu_svn));
    let all = get(&identity, &url.replace("/config", "")).await;
    assert_eq!(tcbs(&all), statuses.map(tcbm));
    assert_eq!(tcbs(&get(&identity, &of(TcbStatus::UpToDate)).await), statuses.map(tcbm));
    let old = get(&identity, &of(TcbStatus::OutOfDate)).await;
    assert_eq!(tcbs(&old), [tcbm(TcbStatus::OutOfDate)], "no certificate for more than it has");
    assert_eq!(header(&old, "sgx-fmspc"), header(&all, "sgx-fmspc"));
    let none = get(&identity, &format!("{url}&cpusvn={}", "00".repeat(16))).await;
    assert_eq!((none.status.as_u16(), header(&none, "error-code")), (404, "NotFound"));
    assert_eq!(get(&identity, &url).await.status, 400, "`cpusvn` is missing");

    let by_manifest =
        Registration { encrypted_ppid: None, manifest: Some(b"a manifest".to_vec()), ..whole.clone() };
    world.knows(&by_manifest, &world.pcks(&statuses));
    let path = "/sgx/certification/v4/pckcerts/config";
    let mut body = json!({"platformManifest": hex::encode(b"a manifest"), "pceid": "0000"});
    assert_eq!(post(&identity, path, &body).await.status, 400, "`cpusvn` is missing");
    body["cpusvn"] = json!(hex::encode(raw(TcbStatus::OutOfDate).cpu_svn));
    assert_eq!(tcbs(&post(&identity, path, &body).await), [tcbm(TcbStatus::OutOfDate)]);
}

#[tokio::test]
async fn what_is_not_known_is_404_where_pcs_is_asked_and_461_where_pccs_is() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    for mode in [Mode::Lazy, Mode::Registration, Mode::Offline] {
        let identity = world.service(LibraryOptions { mode, ..LibraryOptions::default() });
        let pccs = url(TcbStatus::UpToDate).replace(&"00".repeat(384), &"09".repeat(384));
        assert_eq!(get(&identity, &pccs).await.status.as_u16(), 461, "{mode:?}");
        let (_, query) = pccs.split_once("&encrypted").unwrap();
        for route in ["pckcert", "pckcerts", "pckcerts/config"] {
            let reply = get(&identity, &format!("/sgx/certification/v4/{route}?encrypted{query}")).await;
            assert_eq!((reply.status.as_u16(), header(&reply, "error-code")), (404, "NotFound"), "{route}");
        }
    }
}

#[tokio::test]
async fn what_intel_has_nothing_for_is_listed_as_such() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let listed = || {
        let mut found = Vec::new();
        identity.platforms.for_each(|listed| found.push((listed.waiting, listed.not_available))).unwrap();
        found
    };
    let asked = registration(TcbStatus::UpToDate);
    assert!(matches!(identity.platforms.register(asked.clone()).await, Err(Refusal::NotFound(_))));
    assert_eq!(listed(), [(true, true)], "it waits, and Intel has nothing");
    let whole = world.pcks(&[TcbStatus::UpToDate, TcbStatus::OutOfDate]);
    world.knows(&asked, &RawPcks { incomplete: true, ..whole.clone() });
    identity.platforms.register(asked.clone()).await.unwrap();
    assert_eq!(listed(), [(false, true)], "not for each of its TCBs");
    world.knows(&asked, &whole);
    identity.platforms.register(asked).await.unwrap();
    assert_eq!(listed(), [(false, false)]);
}

#[tokio::test]
async fn a_refresh_can_be_of_some_families() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let asked = registration(TcbStatus::UpToDate);
    world.knows(&asked, &world.pcks(&[TcbStatus::UpToDate]));
    let identity = world.service(LibraryOptions::default());
    identity.platforms.register(asked).await.unwrap();
    let own = PlatformSpec::default().fmspc;
    let family = |fmspc| std::collections::BTreeSet::from([fmspc]);
    for (fmspc, count) in [(own, 1), ([9; 6], 0)] {
        let of = family(fmspc);
        assert_eq!(identity.library.refresh_all(Some(&of)).await, refreshed(count));
        assert_eq!(identity.platforms.refresh_all(Some(of)).await.unwrap(), refreshed(count));
    }
    assert!(identity.library.refresh_all(None).await.wanted > 1);
}

#[tokio::test]
async fn the_list_of_the_root_is_where_intel_has_it() {
    let world = World::new();
    world.publish(&world.collateral(18, world.now), Track::Standard);
    let identity = world.service(LibraryOptions::default());
    let hexadecimal = get(&identity, "/sgx/certification/v4/rootcacrl").await;
    let der = get(&identity, "/IntelSGXRootCA.der").await;
    assert_eq!((der.status.as_u16(), header(&der, "content-type")), (200, "application/pkix-crl"));
    assert_eq!(hex::encode(&der.body), hexadecimal.body);
    let pem = get(&identity, "/intelsgxrootca.crl").await;
    assert_eq!((pem.status.as_u16(), header(&pem, "content-type")), (200, "application/x-pem-file"));
    assert_eq!(assay_evidence::pem::revocation_list(&pem.body).unwrap(), der.body);
}
