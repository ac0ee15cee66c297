#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assay_appraisal::{AttachedData, AttestationType, DataType, Refusal, Request};
use assay_silicon::intel::{Kind, SimulateOptions, simulate};
use assay_token::{Expectations, Jwks, base64url, verify};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::attest::attest;
use crate::audit;
use crate::auth::Caller;
use crate::config::Overrides;
use crate::registry::{Actor, TrustModel};

fn config(data: &Path, text: &str) -> Config {
    let overrides = Overrides { dev: true, data_dir: Some(data.to_owned()), ..Overrides::default() };
    Config::from_text(None, text, [], &overrides).unwrap()
}

async fn start(data: &Path) -> Arc<App> {
    App::start(config(data, "")).await.unwrap()
}

fn request(app: &App) -> Request {
    let silicon = DevFolder::new(&app.config.data_dir).silicon();
    let device = simulate(&silicon, Kind::Sgx, &SimulateOptions::default(), app.clock.now().0).unwrap();
    Request {
        kind: AttestationType::SgxEnclave,
        evidence: device.evidence,
        runtime_data: Some(AttachedData { data: device.runtime_data, data_type: DataType::Json }),
        init_time_data: None,
        nonce: None,
        challenge: None,
        draft_policy: None,
    }
}

fn unsigned(text: &str) -> String {
    let payload = json!({ "AttestationPolicy": base64url::encode(text.as_bytes()) }).to_string();
    format!("eyJhbGciOiJub25lIn0.{}.", base64url::encode(payload.as_bytes()))
}

fn claims(app: &App, token: &str) -> serde_json::Map<String, Value> {
    let provider = app.registry.default_provider().unwrap();
    let keys = Jwks::from_json(&provider.jwks).unwrap();
    let now = app.clock.now_seconds();
    let expectations = Expectations { issuer: Some(&provider.issuer), ..Expectations::at(now) };
    verify(token, &keys, &expectations).unwrap().claims().clone()
}

const DENY: &str = "version= 1.0;authorizationrules{=> deny();};issuancerules{};";

#[tokio::test]
async fn a_development_service_attests_and_remembers() {
    let folder = TempDir::new().unwrap();
    let app = start(folder.path()).await;
    assert!(app.is_ready());
    let provider = app.registry.default_provider().unwrap();
    assert_eq!(provider.issuer, "https://localhost:8443");
    assert_eq!(
        (provider.jku.as_str(), provider.trust_model),
        ("https://localhost:8443/certs", TrustModel::Aad)
    );
    let attested = attest(&app, &provider, &request(&app), &Caller::Anonymous).await.unwrap();
    let token = claims(&app, &attested.token.unwrap());
    assert_eq!(token["x-assay-dev"], true);
    assert_eq!(token["x-assay-simulated"], true);
    assert_eq!(token["iss"], "https://localhost:8443");
    let id = attested.record_id.unwrap();
    let (_, envelope) = audit::find(app.store.as_ref(), &id).unwrap();
    assert_eq!(envelope.record.token_id, token["jti"]);
    assert_eq!(envelope.record.signed_with.as_ref().unwrap().algorithm, "RS256");

    let actor = Actor::bearer("dev", "administrator");
    let change = app
        .registry
        .set_policy(&actor, "default", AttestationType::SgxEnclave, &unsigned(DENY))
        .await
        .unwrap();
    assert_eq!((change.signer, change.warnings.len()), (None, 0));
    // The snapshot that a request holds does not change; the next one sees the new policy.
    let provider = app.registry.default_provider().unwrap();
    assert_eq!(provider.policy(AttestationType::SgxEnclave).unwrap().jws(), unsigned(DENY));
    let attested = attest(&app, &provider, &request(&app), &Caller::Anonymous).await.unwrap();
    assert_eq!(attested.token, Err(Refusal::Denied));
    assert!(attested.record_id.is_some());
    assert_eq!(app.counters.records.get(), 2);

    let keys = provider.jwks.clone();
    drop((app, provider));
    let again = start(folder.path()).await;
    let provider = again.registry.default_provider().unwrap();
    assert_eq!(provider.jwks, keys);
    assert_eq!(provider.policy(AttestationType::SgxEnclave).unwrap().active.text(), DENY);
    assert_eq!(audit::latest(again.store.as_ref(), "default", 10).unwrap().len(), 2);
    assert!(audit::find(again.store.as_ref(), &id).is_ok());
}

#[tokio::test]
async fn what_leaves_a_row() {
    let folder = TempDir::new().unwrap();
    let app = start(folder.path()).await;
    let provider = app.registry.default_provider().unwrap();
    let rows = || audit::latest(app.store.as_ref(), "default", 100).unwrap().len();
    let reader = Caller::Bearer(crate::auth::tests::principal_for_tests());
    let broken = Request { evidence: vec![3; 5000], ..request(&app) };
    let unbound = Request { runtime_data: None, ..request(&app) };
    let draft = Request { draft_policy: Some(DENY.replace("deny", "permit")), ..request(&app) };
    let wrong_draft = Request { draft_policy: Some("x".to_owned()), ..request(&app) };
    let denied_draft = Request { draft_policy: Some(DENY.to_owned()), ..request(&app) };
    let tpm = Request { kind: AttestationType::Tpm, ..request(&app) };
    // Request, caller, whether a token comes, rows it leaves.
    let cases = [
        ("broken evidence", broken.clone(), &Caller::Anonymous, false, 0),
        ("broken evidence of a reader", broken, &reader, false, 1),
        ("no runtime data", unbound, &Caller::Anonymous, true, 1),
        ("draft", draft.clone(), &Caller::Anonymous, true, 0),
        ("draft of a reader", draft, &reader, true, 1),
        ("broken draft", wrong_draft, &reader, false, 0),
        ("denying draft", denied_draft.clone(), &Caller::Anonymous, false, 0),
        ("denying draft of a reader", denied_draft, &reader, false, 1),
        ("not supported", tpm, &Caller::Anonymous, false, 0),
    ];
    for (name, request, caller, permitted, expected) in cases {
        let before = rows();
        let attested = attest(&app, &provider, &request, caller).await.unwrap();
        assert_eq!(attested.token.is_ok(), permitted, "{name}: {:?}", attested.token);
        assert_eq!(rows() - before, expected, "{name}");
        assert_eq!(attested.record_id.is_some(), expected == 1, "{name}");
    }
    assert_eq!((app.counters.drafts.get(), app.counters.records.get()), (5, 4));
}

#[tokio::test]
async fn an_answer_that_cannot_be_recorded_is_not_given() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path(), "default_provider.signing_algorithm = \"ES256\"");
    dev::check_folder(&config).unwrap();
    let clock = Clock::system();
    dev::prepare(&config, &clock).unwrap();
    let store = Arc::new(assay_store::MemoryStore::new());
    let master = Arc::new(MasterKey::generate().unwrap());
    let app = App::with_store(config, clock, master, store.clone(), None).unwrap();
    let provider = app.registry.default_provider().unwrap();
    store.refuse_writes(Some(StoreError::Full));
    let error = attest(&app, &provider, &request(&app), &Caller::Anonymous).await.unwrap_err();
    assert_eq!(error, crate::attest::AttestError::Recording(StoreError::Full));
    assert_eq!(app.counters.record_failures.get(), 1);
    store.refuse_writes(None);
    assert!(attest(&app, &provider, &request(&app), &Caller::Anonymous).await.unwrap().token.is_ok());
}

#[tokio::test]
async fn a_decision_is_exported_whole_and_the_log_holds_together() {
    let folder = TempDir::new().unwrap();
    let app = start(folder.path()).await;
    let provider = app.registry.default_provider().unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let attested = attest(&app, &provider, &request(&app), &Caller::Anonymous).await.unwrap();
        ids.push(attested.record_id.unwrap());
    }
    let out = folder.path().join("out");
    let files = audit::export(app.store.as_ref(), &ids[1], &out).unwrap();
    let names: Vec<_> = files.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["record.json", "chain.json", "collateral.json", "policy.txt"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&out), 0o700);
    assert!(files.iter().all(|path| mode(path) == 0o600));
    let policy = provider.policy(AttestationType::SgxEnclave).unwrap();
    assert_eq!(fs::read_to_string(out.join("policy.txt")).unwrap(), policy.active.text());
    let record: assay_appraisal::DecisionRecord =
        serde_json::from_slice(&fs::read(out.join("record.json")).unwrap()).unwrap();
    let raw = assay_verify::intel::RawCollateral::from_json(&fs::read(out.join("collateral.json")).unwrap())
        .unwrap();
    assert_eq!((record.id, record.collateral), (ids[1].clone(), Some(hex::encode(raw.digest()))));
    let chain: Value = serde_json::from_slice(&fs::read(out.join("chain.json")).unwrap()).unwrap();
    assert_eq!((&chain["chain"], &chain["sequence"]), (&json!("decisions/default"), &json!(2)));
    let checked = audit::verify(app.store.as_ref()).unwrap();
    let names: Vec<_> =
        checked.iter().map(|(name, result)| (name.as_str(), result.as_ref().unwrap().checked())).collect();
    assert_eq!(
        names,
        [("administration/default", 1), ("administration/deployment", 1), ("decisions/default", 3)]
    );
    let unknown = "0".repeat(32);
    let error = audit::find(app.store.as_ref(), &unknown).unwrap_err();
    assert_eq!(error, audit::AuditError::Unknown { id: unknown });
    let error = audit::find(app.store.as_ref(), "x").unwrap_err();
    assert_eq!(error, audit::AuditError::Id { id: "x".to_owned() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_are_written_together() {
    let folder = TempDir::new().unwrap();
    let app = start(folder.path()).await;
    let provider = app.registry.default_provider().unwrap();
    let asked = request(&app);
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (app, provider, asked) = (Arc::clone(&app), Arc::clone(&provider), asked.clone());
            tokio::spawn(async move { attest(&app, &provider, &asked, &Caller::Anonymous).await.unwrap() })
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for task in tasks {
        ids.insert(task.await.unwrap().record_id.unwrap());
    }
    assert_eq!((ids.len(), app.counters.records.get()), (40, 40));
    assert_eq!(audit::latest(app.store.as_ref(), "default", 1000).unwrap().len(), 40);
}

#[tokio::test]
async fn a_change_of_another_process_counts_within_a_poll() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (start(folder.path()).await, start(folder.path()).await);
    let actor = Actor::service();
    one.registry.set_policy(&actor, "default", AttestationType::SgxEnclave, &unsigned(DENY)).await.unwrap();
    let changed = || {
        let provider = other.registry.default_provider().unwrap();
        !provider.policy(AttestationType::SgxEnclave).unwrap().is_default
    };
    while !changed() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_challenge_makes_evidence_fresh() {
    let folder = TempDir::new().unwrap();
    let app = start(folder.path()).await;
    let provider = app.registry.default_provider().unwrap();
    let challenge = app.challenges.issue().unwrap();
    let runtime_data = json!({ "challenge": challenge.text }).to_string().into_bytes();
    let options = SimulateOptions { runtime_data: Some(runtime_data.clone()), ..SimulateOptions::default() };
    let silicon = DevFolder::new(folder.path()).silicon();
    let device = simulate(&silicon, Kind::Sgx, &options, app.clock.now().0).unwrap();
    let asked = Request {
        evidence: device.evidence,
        runtime_data: Some(AttachedData { data: runtime_data, data_type: DataType::Json }),
        challenge: Some(challenge.text.clone()),
        ..request(&app)
    };
    let attested = attest(&app, &provider, &asked, &Caller::Anonymous).await.unwrap();
    assert_eq!(claims(&app, &attested.token.unwrap())["x-assay-freshness"], "challenge");
    use assay_appraisal::ChallengeCheck;
    let at = |seconds: i64| app.challenges.is_ours(&challenge.text, UnixTime(app.clock.now().0 + seconds));
    assert!(at(0) && at(290) && !at(301) && !at(-60));
    // A token of the same service is not a challenge, and a challenge is not a token.
    let token = provider.sign_result(serde_json::Map::new(), app.clock.now()).unwrap();
    assert!(!app.challenges.is_ours(&token, app.clock.now()));
    let keys = Jwks::from_json(&provider.jwks).unwrap();
    assert!(verify(&challenge.text, &keys, &Expectations::at(app.clock.now_seconds())).is_err());
}

#[tokio::test]
async fn folders_of_both_kinds_are_kept_apart() {
    let folder = TempDir::new().unwrap();
    drop(start(folder.path()).await);
    let text = format!(
        "listen = \"127.0.0.1:0\"\npublic_url = \"https://a.example.org\"\ndata_dir = \"{}\"\n[tls]\ncert = \"c\"\nkey = \"k\"",
        folder.path().display()
    );
    let master = [("ASSAY_MASTER_KEY".to_owned(), "07".repeat(32))];
    let production =
        |text: &str| Config::from_text(None, text, master.clone(), &Overrides::default()).unwrap();
    let refused = App::start(production(&text)).await.map(|_| ()).unwrap_err();
    assert_eq!(refused, StartError::Folder(FolderError::Development(folder.path().to_owned())));
    let other = TempDir::new().unwrap();
    let text = text.replace(&folder.path().display().to_string(), &other.path().display().to_string());
    let app = App::start(production(&text)).await.unwrap();
    let provider = app.registry.default_provider().unwrap();
    assert_eq!((provider.trust_model, provider.development), (TrustModel::Shared, false));
    drop((app, provider));
    let refused = App::start(config(other.path(), "")).await.map(|_| ()).unwrap_err();
    assert_eq!(refused, StartError::Folder(FolderError::Production(other.path().to_owned())));
}

#[tokio::test]
async fn what_is_made_is_for_its_owner_alone() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    drop(start(&data).await);
    let mode = |path: &str| fs::metadata(data.join(path)).unwrap().permissions().mode() & 0o777;
    for path in ["", "dev", "tls", "store", "silicon"] {
        assert_eq!(mode(path), 0o700, "{path}");
    }
    for path in ["dev/marker", "dev/admin.token", "dev/master.key", "tls/server.key", "tls/ca.key"] {
        assert_eq!(mode(path), 0o600, "{path}");
    }
    let token = fs::read_to_string(data.join("dev/admin.token")).unwrap();
    fs::set_permissions(data.join("dev/admin.token"), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = App::start(config(&data, "")).await.map(|_| ()).unwrap_err();
    let StartError::Folder(FolderError::File(error)) = &refused else { panic!("{refused:?}") };
    assert_eq!(error.path, data.join("dev/admin.token"));
    fs::set_permissions(data.join("dev/admin.token"), fs::Permissions::from_mode(0o600)).unwrap();
    let certificate = fs::read(data.join("tls/server.pem")).unwrap();
    drop(start(&data).await);
    assert_eq!(fs::read_to_string(data.join("dev/admin.token")).unwrap(), token);
    assert_eq!(fs::read(data.join("tls/server.pem")).unwrap(), certificate);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = App::start(config(&data, "")).await.map(|_| ()).unwrap_err();
    let StartError::Folder(FolderError::File(error)) = &refused else { panic!("{refused:?}") };
    assert_eq!(error.path, data);
}

#[tokio::test]
async fn a_clock_behind_vendor_dates_is_reported_or_refused() {
    let folder = TempDir::new().unwrap();
    drop(start(folder.path()).await);
    let behind = |refuse: bool| {
        let text = format!("clock.refuse_behind = {refuse}");
        let overrides = Overrides {
            dev: true,
            data_dir: Some(folder.path().to_owned()),
            test_clock: Some("2020-01-01T00:00:00Z".to_owned()),
            ..Overrides::default()
        };
        // The collateral of today, beside what the simulated vendor publishes for the test clock.
        let dir = folder.path().join("kept");
        Config::from_text(None, &format!("{text}\ncollateral.dir = \"{}\"", dir.display()), [], &overrides)
            .unwrap()
    };
    let kept = folder.path().join("kept");
    fs::create_dir(&kept).unwrap();
    for file in fs::read_dir(folder.path().join("silicon/collateral")).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, kept.join(path.file_name().unwrap())).unwrap();
    }
    let app = App::start(behind(false)).await.unwrap();
    assert!(app.counters.clock_behind_seconds.get() > 6 * 365 * 24 * 3600);
    drop(app);
    // Also when nothing of that time is left: the date is kept.
    fs::remove_dir_all(&kept).unwrap();
    fs::create_dir(&kept).unwrap();
    let refused = App::start(behind(true)).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, StartError::ClockBehind { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_backup_restores_everything_but_the_master_key() {
    let folder = TempDir::new().unwrap();
    let (data, copy, file) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("backup"));
    let app = start(&data).await;
    let provider = app.registry.default_provider().unwrap();
    let attested = attest(&app, &provider, &request(&app), &Caller::Anonymous).await.unwrap();
    let made = crate::backup::backup(&app.config, &file).unwrap();
    assert!(made.keep.contains("dev/master.key"), "{}", made.keep);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let report = crate::backup::restore(&file, &config(&copy, "")).unwrap();
    assert_eq!(report.records, 3);
    let again = crate::backup::restore(&file, &config(&copy, "")).map(|_| ()).unwrap_err();
    assert!(matches!(again, crate::backup::BackupError::Store(StoreError::Exists { .. })), "{again:?}");
    let without = App::start(config(&copy, "")).await.map(|_| ()).unwrap_err();
    let StartError::Registry(RegistryError::Corrupt { head, .. }) = &without else { panic!("{without:?}") };
    assert_eq!(head, "deployment/keys");
    fs::copy(data.join("dev/master.key"), copy.join("dev/master.key")).unwrap();
    let restored = start(&copy).await;
    assert_eq!(restored.registry.default_provider().unwrap().jwks, provider.jwks);
    assert!(audit::find(restored.store.as_ref(), &attested.record_id.unwrap()).is_ok());
}
