//! A running service, administered and audited with the other commands.
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

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use assay_service::egress::{Client, EgressError, EgressPolicy, Response, Roots};
use assay_token::base64url;
use base64::Engine;
use common::{Run, command, run_in};
use serde_json::{Value, json};
use tempfile::TempDir;

/// `assay serve --dev` in a folder of its own; its data are in `d`.
struct Service {
    folder: TempDir,
    child: Child,
    url: String,
}

impl Service {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let (child, url) = serve(folder.path());
        Self { folder, child, url }
    }

    /// Starts it again in the same folder, once it has ended.
    fn restart(&mut self) {
        (self.child, self.url) = serve(self.folder.path());
    }

    fn run(&self, line: &str) -> Run {
        run_in(self.folder.path(), line)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command that must succeed, and gives its JSON.
    fn json(&self, line: &str) -> Value {
        let done = self.run(line);
        assert_eq!(done.code, 0, "{line}: {done:?}");
        done.json()
    }

    /// Sends a simulated request as a client does.
    fn attest(&self, route: &str) -> Value {
        let body = std::fs::read(self.path("e/request.json")).unwrap();
        let url = format!("{}{route}?api-version=2022-08-01", self.url);
        let headers = [("content-type", "application/json")];
        let response = self.wait(|client| async move { client.post(&url, &headers, body.into()).await });
        serde_json::from_slice(&response.body).unwrap()
    }

    /// Saves the published keys to a file.
    fn save_keys(&self, name: &str) {
        let url = format!("{}/certs", self.url);
        let response = self.wait(|client| async move { client.get(&url, &[]).await });
        std::fs::write(self.path(name), response.body).unwrap();
    }

    fn wait<F: Future<Output = Result<Response, EgressError>>>(
        &self,
        send: impl FnOnce(Client) -> F,
    ) -> Response {
        let ca = std::fs::read(self.path("d/tls/ca.pem")).unwrap();
        let policy = EgressPolicy { allow_loopback: true, ..EgressPolicy::default() };
        let client = Client::new(policy, Roots::none().with_pem(&ca).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(send(client)).unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the service and waits until its address is in its folder.
fn serve(folder: &Path) -> (Child, String) {
    let mut serve = command(["serve", "--dev", "--data", "d", "--listen", "127.0.0.1:0"]);
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut child = serve.current_dir(folder).stdin(Stdio::null()).stderr(log).spawn().unwrap();
    for _ in 0..600 {
        if let Ok(text) = std::fs::read_to_string(folder.join("d/dev/url"))
            && text.ends_with('\n')
        {
            return (child, text.trim().to_owned());
        }
        assert!(child.try_wait().unwrap().is_none(), "{}", read(&folder.join("log")));
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("the service did not start: {}", read(&folder.join("log")));
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[test]
fn providers_are_administered_with_the_token_of_the_folder() {
    let service = Service::start();
    let made = service
        .json("provider create Payments --algorithm ES256 --accept-status UpToDate,OutOfDate --data d");
    assert_eq!(made["name"], "Payments");
    assert_eq!(made["issuer"], format!("{}/providers/payments", service.url));
    assert_eq!((&made["trustModel"], &made["signingAlgorithm"]), (&json!("AAD"), &json!("ES256")));
    assert_eq!(made["acceptedTcbStatuses"], json!(["UpToDate", "OutOfDate"]));
    assert_eq!(service.json("provider show payments --data d"), made);
    let listed = service.json("provider list --data d");
    let names: Vec<&str> =
        listed["providers"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"Payments") && names.contains(&"default"), "{names:?}");

    let twice = service.run("provider create payments --data d");
    assert_eq!((twice.code, twice.stdout.as_str()), (1, ""), "{twice:?}");
    assert!(twice.stderr.contains("the service refused with status 409"), "{}", twice.stderr);

    let before = service.json("provider keys payments --data d");
    let rotated = service.json("provider rotate-key payments --emergency --data d");
    let after = service.json("provider keys payments --data d");
    assert_ne!(before, after);
    assert!(after.to_string().contains(rotated["signing"].as_str().unwrap()));

    let signing = rotated["signing"].as_str().unwrap();
    let revoked = service.json(&format!("provider revoke-key payments {signing} --data d"));
    assert_ne!(revoked["signing"], signing);
    let keys = service.json("provider keys payments --data d");
    let state = |kid: &Value| keys["keys"].as_array().unwrap().iter().find(|key| &key["kid"] == kid).unwrap();
    assert_eq!(state(&rotated["signing"])["state"], "revoked");
    assert_eq!(state(&revoked["signing"])["state"], "active");
    let unknown = service.run("provider revoke-key payments a/../b --data d");
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""), "{unknown:?}");
    assert!(unknown.stderr.contains("the service refused with status 404"), "{}", unknown.stderr);

    let deleted = service.run("provider delete payments --data d");
    assert_eq!((deleted.code, deleted.stdout.as_str()), (0, ""), "{deleted:?}");
    assert_eq!(service.run("provider show payments --data d").code, 1);

    // Without the token, and without the authority.
    let anonymous = service.run(&format!("provider list --url {} --ca d/tls/ca.pem", service.url));
    assert_eq!(anonymous.code, 1);
    assert!(anonymous.stderr.contains("give the bearer token"), "{}", anonymous.stderr);
    let stranger = service.run(&format!("provider list --url {}", service.url));
    assert_eq!(stranger.code, 2);
    assert!(stranger.stderr.contains("`--ca`"), "{}", stranger.stderr);
    assert_eq!(service.run("provider list").code, 2);
}

#[test]
fn an_isolated_provider_is_made_from_a_certificate() {
    let service = Service::start();
    let made = service.json("provider create isolated --isolated d/tls/ca.pem --data d");
    assert_eq!(made["trustModel"], "Isolated");
    assert_eq!(made["policySigningCertificates"].as_array().unwrap().len(), 1);
    // Its policies must be signed.
    std::fs::write(service.path("p"), "version=1.0; authorizationrules { => deny(); };").unwrap();
    let refused = service.run("policy set SgxEnclave p --provider isolated --data d");
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
}

#[test]
fn policies_are_set_got_and_reset() {
    let service = Service::start();
    let text =
        "version=1.0; authorizationrules { => permit(); }; issuancerules { => issue(type=\"a\", value=1); };";
    std::fs::write(service.path("p"), text).unwrap();
    let default = service.run("policy get SgxEnclave --data d").stdout;
    let set = service.json("policy set SgxEnclave p --data d");
    assert_eq!(set["x-ms-policy-result"], "Updated");
    let hashed = service.json("policy hash p --format json");
    assert_eq!(set["x-ms-policy-token-hash"], hashed["x-ms-policy-token-hash"]);
    assert_eq!(service.run("policy get SgxEnclave --data d").stdout, text);
    assert_eq!(service.run("policy get sgxenclave --provider default --data d").stdout, text);
    let document = service.run("policy get SgxEnclave --document --data d").stdout;
    assert_eq!(document.trim(), hashed["document"].as_str().unwrap());

    std::fs::write(service.path("bad"), "version=1.0; authorizationrules { => allow(); };").unwrap();
    let refused = service.run("policy set SgxEnclave bad --data d");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("the service refused with status 400"), "{}", refused.stderr);

    assert_eq!(service.json("policy reset SgxEnclave --data d")["x-ms-policy-result"], "Removed");
    assert_eq!(service.run("policy get SgxEnclave --data d").stdout, default);
}

#[test]
fn tokens_are_verified_with_the_keys_of_the_named_issuer() {
    let service = Service::start();
    assert_eq!(service.run("simulate sgx --out e --data d").code, 0);
    let token = service.attest("/attest/SgxEnclave")["token"].as_str().unwrap().to_owned();
    let url = &service.url;
    let valid = service.run(&format!("token verify {token} --issuer {url} --ca d/tls/ca.pem"));
    let claims = valid.json();
    assert_eq!((valid.code, &claims["iss"]), (0, &json!(url)));
    assert_eq!((&claims["x-assay-dev"], &claims["x-assay-simulated"]), (&json!(true), &json!(true)));
    assert!(valid.stderr.contains("service under --dev"), "{}", valid.stderr);
    let slash = service.run(&format!("token verify {token} --issuer {url}/ --ca d/tls/ca.pem"));
    assert_eq!(slash.code, 0, "{slash:?}");

    // Without a network, with the same keys: who issued it counts, not whose keys verify.
    service.save_keys("keys.json");
    assert_eq!(service.run(&format!("token verify {token} --issuer {url} --jwks keys.json")).code, 0);
    let foreign =
        service.run(&format!("token verify {token} --issuer https://other.example --jwks keys.json"));
    assert_eq!((foreign.code, foreign.stdout.as_str()), (1, ""));
    assert!(foreign.stderr.contains("error[token-issuer]"), "{}", foreign.stderr);

    // One bit of the signature, another time, an audience that it is not for: all reasons at once.
    let (head, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{head}.{first}{}", &signature[1..]);
    let options = format!("--issuer {url} --ca d/tls/ca.pem --audience me --at 2099-01-01T00:00:00Z");
    let invalid = service.run(&format!("token verify {forged} {options}"));
    assert_eq!((invalid.code, invalid.stdout.as_str()), (1, ""));
    for code in ["token-bad-signature", "token-expired", "token-claim-missing"] {
        assert!(invalid.stderr.contains(&format!("error[{code}]")), "{code}: {}", invalid.stderr);
    }
    // A provider of the same service is another issuer, with keys of its own.
    assert_eq!(service.run("provider create other --data d").code, 0);
    let other =
        service.run(&format!("token verify {token} --issuer {url}/providers/other --ca d/tls/ca.pem"));
    assert_eq!((other.code, other.stdout.as_str()), (1, ""));
    assert!(other.stderr.contains("error[token-kid-unknown]"), "{}", other.stderr);

    for (line, problem) in [
        (format!("token verify {token} --issuer {url}"), "no secure connection"),
        (format!("token verify {token} --issuer https://localhost:1 --ca d/tls/ca.pem"), "no connection"),
        (
            format!("token verify {token} --issuer http://localhost --ca d/tls/ca.pem"),
            "is not an https address",
        ),
        (format!("token verify {token} --issuer {url} --jwks missing"), "could not read `missing`"),
        (format!("token verify {token}"), "--issuer"),
    ] {
        let failed = service.run(&line);
        assert_eq!((failed.code, failed.stdout.as_str()), (2, ""), "{line}: {failed:?}");
        assert!(failed.stderr.contains(problem), "{line}: {}", failed.stderr);
    }
}

#[test]
fn decisions_are_checked_exported_and_made_again() {
    let service = Service::start();
    assert_eq!(service.run("simulate sgx --out e --data d").code, 0);
    let token = service.attest("/attest/SgxEnclave")["token"].as_str().unwrap().to_owned();
    std::fs::write(service.path("t"), token).unwrap();
    let id = service.json("inspect token t")["claims"]["jti"].as_str().unwrap().to_owned();

    let log = service.json("audit verify --data d");
    assert_eq!(log["sound"], true, "{log}");
    let chains = log["chains"].as_array().unwrap();
    assert!(
        chains.iter().any(|chain| chain["chain"] == "decisions/default" && chain["records"] == 1),
        "{log}"
    );
    let listed = service.json("audit list --data d");
    assert_eq!(listed["decisions"][0]["tokenId"], id);

    let exported = service.run(&format!("audit export {id} --out x --data d"));
    assert_eq!(exported.code, 0, "{exported:?}");
    assert_eq!(exported.stdout, "x/record.json\nx/chain.json\nx/collateral.json\nx/policy.txt\n");
    let replay = "audit replay x --request e/request.json --trust-data d";
    let same = service.json(replay);
    assert_eq!(
        (&same["same"], &same["sealed"], &same["differences"]),
        (&json!(true), &json!(true), &json!([]))
    );

    // Nobody believes the simulated hardware elsewhere, so the decision comes out differently.
    let stranger = service.run("audit replay x --request e/request.json");
    assert_eq!((stranger.code, &stranger.json()["same"]), (1, &json!(false)));
    // Another policy beside the record is not the one that the record names.
    std::fs::write(service.path("x/policy.txt"), "version=1.0; authorizationrules { => deny(); };").unwrap();
    let altered = service.run(replay);
    let answer = altered.json();
    assert_eq!((altered.code, &answer["same"], &answer["sealed"]), (1, &json!(false), &json!(false)));

    assert_eq!(service.run("audit export 0011 --out y --data d").code, 2);
    assert_eq!(service.run("audit verify --data nowhere").code, 2);
}

#[test]
fn decisions_on_virtual_machines_are_made_again_with_amds_documents() {
    let service = Service::start();
    let made = service.run("simulate snp --endorsed --out e --data d");
    assert_eq!(made.code, 0, "{made:?}");
    let answer = service.attest("/attest/SevSnpVm");
    std::fs::write(service.path("t"), answer["token"].as_str().unwrap()).unwrap();
    let claims = service.json("inspect token t")["claims"].clone();
    assert_eq!(claims["x-assay-uvm-feed"], "ContainerPlat-AMD-UVM");
    let exported = service.run(&format!("audit export {} --out x --data d", claims["jti"].as_str().unwrap()));
    assert_eq!(exported.code, 0, "{exported:?}");
    // The certificate came with the request; the revocation list is the service's.
    let documents: Value = serde_json::from_str(&read(&service.path("x/collateral.json"))).unwrap();
    assert_eq!(documents["crls"].as_array().unwrap().len(), 1, "{documents}");
    let replay = "audit replay x --request e/request.json --trust-data d";
    let same = service.json(replay);
    assert_eq!((&same["same"], &same["sealed"], &same["assumed"]), (&json!(true), &json!(true), &json!([])));

    std::fs::write(service.path("x/collateral.json"), r#"{"crls":[]}"#).unwrap();
    let altered = service.run(replay);
    let answer = altered.json();
    assert_eq!((altered.code, &answer["same"], &answer["sealed"]), (1, &json!(false), &json!(false)));
}

/// A policy document signed with a new key, whose certificate it writes to `name.pem`.
fn signed_policy(folder: &Path, name: &str, text: &str) {
    let key = assay_token::SoftwareKey::generate(assay_token::Algorithm::Rs256).unwrap();
    let der = assay_token::self_signed_certificate(&key, name, 1_500_000_000, 4_000_000_000).unwrap();
    let certificate = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{certificate}\n-----END CERTIFICATE-----\n");
    std::fs::write(folder.join(format!("{name}.pem")), pem).unwrap();
    let part = |value: Value| base64url::encode(value.to_string().as_bytes());
    let header = part(json!({"alg": "RS256", "x5c": [certificate]}));
    let input =
        format!("{header}.{}", part(json!({"AttestationPolicy": base64url::encode(text.as_bytes())})));
    let signature = base64url::encode(&assay_token::Signer::sign(&key, input.as_bytes()).unwrap());
    std::fs::write(folder.join(name), format!("{input}.{signature}")).unwrap();
}

#[test]
fn decisions_under_a_signed_policy_are_made_again_with_its_signer() {
    let service = Service::start();
    assert_eq!(service.run("simulate sgx --out e --data d").code, 0);
    let text = "version=1.0; authorizationrules { => permit(); }; issuancerules {};";
    for name in ["one", "two"] {
        signed_policy(service.folder.path(), name, text);
    }
    service.json("provider create signed --isolated one.pem --isolated two.pem --data d");
    let mut signers = Vec::new();
    // The same text, signed by one and by another: each decision has its own signer.
    for name in ["one", "two"] {
        let set = service.json(&format!("policy set SgxEnclave {name} --provider signed --data d"));
        assert_eq!(set["x-ms-policy-result"], "Updated");
        let answer = service.attest("/providers/signed/attest/SgxEnclave");
        std::fs::write(service.path("t"), answer["token"].as_str().unwrap()).unwrap();
        let claims = service.json("inspect token t")["claims"].clone();
        let id = claims["jti"].as_str().unwrap();
        let exported = service.run(&format!("audit export {id} --out x-{name} --data d"));
        assert!(exported.stdout.ends_with(&format!("x-{name}/policy-signer.json\n")), "{exported:?}");
        let signer: Value =
            serde_json::from_str(&read(&service.path(&format!("x-{name}/policy-signer.json")))).unwrap();
        assert_eq!(signer, claims["x-ms-policy-signer"]);
        signers.push(signer);
        let replayed =
            service.json(&format!("audit replay x-{name} --request e/request.json --trust-data d"));
        assert_eq!(
            (&replayed["same"], &replayed["sealed"], &replayed["differences"]),
            (&json!(true), &json!(true), &json!([]))
        );
    }
    assert_ne!(signers[0], signers[1]);
    // The signer of the other decision is neither what the record names nor what the token says.
    std::fs::copy(service.path("x-two/policy-signer.json"), service.path("x-one/policy-signer.json"))
        .unwrap();
    let foreign = service.run("audit replay x-one --request e/request.json --trust-data d");
    let answer = foreign.json();
    assert_eq!((foreign.code, &answer["same"], &answer["sealed"]), (1, &json!(false), &json!(false)));
}

#[test]
fn a_backup_is_made_while_the_service_runs_and_restored_elsewhere() {
    let service = Service::start();
    assert_eq!(service.run("provider create payments --data d").code, 0);
    let backup = service.run("backup --data d copy.db");
    assert_eq!((backup.code, backup.stdout.as_str()), (0, ""), "{backup:?}");
    assert!(backup.stderr.contains("keep the master key"), "{}", backup.stderr);
    assert_eq!(service.run("backup --data d copy.db").code, 2, "a backup is never overwritten");
    assert_eq!(service.json("audit verify --store copy.db")["sound"], true);

    let restored = service.run("restore copy.db --data new");
    assert_eq!(restored.code, 0, "{restored:?}");
    assert_eq!(service.run("restore copy.db --data new").code, 2, "a store is never overwritten");
    std::fs::copy(service.path("d/dev/master.key"), service.path("new/dev/master.key")).unwrap();
    let mut serve = command(["serve", "--dev", "--data", "new", "--listen", "127.0.0.1:0"]);
    let mut child = serve.current_dir(service.folder.path()).stderr(Stdio::null()).spawn().unwrap();
    let found = (0..600).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        let listed = service.run("provider list --data new");
        (listed.code == 0).then_some(listed.stdout)
    });
    let _ = child.kill();
    let _ = child.wait();
    assert!(found.unwrap().contains("\"payments\""));

    std::fs::write(service.path("broken.db"), b"not a database").unwrap();
    let broken = service.run("restore broken.db --data other");
    assert_ne!(broken.code, 0);
    assert!(!service.path("other/store/assay.db").exists());
}

#[test]
fn the_master_key_is_rotated_between_two_runs() {
    let mut service = Service::start();
    let new = "8899aabbccddeeff00112233445566778899aabbccddeeff0011223344556677";
    std::fs::write(service.path("new.key"), new).unwrap();
    let before = service.json("provider keys default --data d");
    service.signal("-TERM");
    service.child.wait().unwrap();

    let rotate = "config rotate-master-key --data d --old d/dev/master.key --new new.key";
    let open = service.run(rotate);
    assert_eq!(open.code, 2, "{open:?}");
    assert!(open.stderr.contains("has the mode 0644"), "{}", open.stderr);
    assert!(
        std::process::Command::new("chmod")
            .arg("600")
            .arg(service.path("new.key"))
            .status()
            .unwrap()
            .success()
    );
    let done = service.run(rotate);
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{done:?}");
    assert!(done.stderr.contains("wrapped 4 keys of 2 owners"), "{}", done.stderr);
    let nowhere = service.run("config rotate-master-key --data nowhere --old d/dev/master.key --new new.key");
    assert_eq!((nowhere.code, service.path("nowhere").exists()), (2, false), "{nowhere:?}");

    // The old key is another one now, and both commands say so.
    for line in ["serve --dev --data d --listen 127.0.0.1:0", "config check --dev --data d"] {
        let refused = service.run(line);
        assert_eq!((refused.code, refused.stdout.as_str()), (78, ""), "{line}: {refused:?}");
        assert!(refused.stderr.contains("this is another master key"), "{line}: {}", refused.stderr);
    }
    std::fs::rename(service.path("new.key"), service.path("d/dev/master.key")).unwrap();
    std::fs::remove_file(service.path("d/dev/url")).unwrap();
    service.restart();
    assert_eq!(service.json("provider keys default --data d"), before);
}

#[test]
fn the_service_ends_in_order_and_its_folder_is_for_development_only() {
    let mut service = Service::start();
    service.signal("-TERM");
    let status = service.child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{}", read(&service.path("log")));
    let log = read(&service.path("log"));
    assert!(log.contains("  authority to trust   d/tls/ca.pem") && log.contains(&service.url), "{log}");

    let example = service.run("config example").stdout;
    let config = example.replace("/var/lib/assay\"", "d\"").replace("0.0.0.0:443", "127.0.0.1:0");
    std::fs::write(service.path("assay.toml"), config).unwrap();
    let refused = service.run("serve --config assay.toml");
    assert_eq!(refused.code, 78, "{refused:?}");
    assert!(refused.stderr.contains("was made by `--dev` and is not used without it"), "{}", refused.stderr);
}
