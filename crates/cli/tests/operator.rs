//! What operators of the hardware identity service use: the real binary against a running service, over TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "tests"
)]

mod common;
#[path = "common/served.rs"]
mod served;

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{Run, command, run_in};
use serde_json::{Value, json};
use served::{Service, Vendors, write_config};
use tempfile::TempDir;

const SERVERS: &str = "53494D000002";
const TOKEN: &str = "of-administrators";
/// `printf %s of-administrators | sha512sum`
const TOKEN_SHA512: &str = "c1878e38669b8cb6f6cbf40eb2144e87b89e2606a02f2eefd36730f6c3b618ea\
                            18590cfd223f9c3a894c3cd20fface9b7e26a281d1cfb594c90d20b678b42040";
const USER_TOKEN: &str = "of-hosts";
const USER_TOKEN_SHA512: &str = "0e52abb9610012b80833abd178ea2a6c6dee28c6f0049da61748f61ff242fbe2\
                                 43c5075f72fb3d8f07192551007ef224da4e6cd2de2ea81132cb93216c244182";
const TDX_TCB: &str = "/tdx/certification/v4/tcb?fmspc=53494D000002";

/// A service with a listener for administrators, and a key for bundles whose public half it pins.
struct Operated {
    service: Service,
    settings: Vec<(&'static str, String)>,
    administration: String,
}

impl Operated {
    fn start(folder: TempDir, more: &[(&'static str, &str)]) -> Self {
        let dir = folder.path();
        std::fs::write(dir.join("admin.token"), format!("{TOKEN}\n")).unwrap();
        if !dir.join("key.pem").exists() {
            assert_eq!(run_in(dir, "collateral bundle keygen --out key.pem").code, 0);
        }
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let token = TOKEN_SHA512.to_owned();
        let mut settings = vec![
            ("ASSAY_COLLATERAL_ADMINISTRATION_LISTEN", address.clone()),
            ("ASSAY_COLLATERAL_ADMINISTRATION_USER_TOKEN_SHA512", USER_TOKEN_SHA512.to_owned()),
            ("ASSAY_COLLATERAL_ADMINISTRATION_ADMIN_TOKEN_SHA512", token),
            ("ASSAY_COLLATERAL_ADMINISTRATION_BUNDLE_SIGNER", dir.join("key.jwk").display().to_string()),
        ];
        settings.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let service = Service::start_in(folder, &borrowed(&settings));
        let port = address.rsplit_once(':').unwrap().1.to_owned();
        Self { service, settings, administration: format!("https://localhost:{port}") }
    }

    fn restart(&mut self, more: &[(&str, &str)]) {
        let settings = self.settings.clone();
        let all: Vec<(&str, &str)> = borrowed(&settings).into_iter().chain(more.iter().copied()).collect();
        self.service.restart(&all);
    }

    /// A command for the service's own address, with the folder's token.
    fn run(&self, line: &str) -> Run {
        self.service.run(&format!("collateral {line} --data d"))
    }

    /// A command for the administrators' listener.
    fn administer(&self, line: &str) -> Run {
        self.run(&format!("{line} --url {} --token-file admin.token", self.administration))
    }

    fn status(&self, path: &str) -> u16 {
        self.service.get(path).status.as_u16()
    }

    /// Registers a simulated platform; gives the query with which Intel's client asks for its certificate.
    fn register(&self) -> String {
        self.service.done("simulate pckid --data d --out p --registered");
        let line = std::fs::read_to_string(self.service.path("p/pckid.csv")).unwrap();
        let fields: Vec<&str> = line.trim().split(',').collect();
        let [ppid, pce_id, cpu_svn, pce_svn, qe_id] = fields[..5] else { panic!("{fields:?}") };
        let body = json!({"qe_id": qe_id, "pce_id": pce_id, "cpu_svn": cpu_svn, "pce_svn": pce_svn, "enc_ppid": ppid});
        let url = format!("{}/sgx/certification/v4/platforms", self.administration);
        let headers = [("user-token", USER_TOKEN), ("content-type", "application/json")];
        let client = self.service.client();
        let sent =
            served::runtime().block_on(async { client.post(&url, &headers, body.to_string().into()).await });
        assert_eq!(sent.unwrap().status, 200);
        format!("/sgx/certification/v4/pckcert?qeid={qe_id}&cpusvn={cpu_svn}&pcesvn={pce_svn}&pceid={pce_id}")
    }
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn folder() -> TempDir {
    TempDir::new().unwrap()
}

/// Another folder with the same simulated vendors, and nothing of theirs.
fn sibling(of: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to),
                false => {
                    std::fs::copy(entry.path(), to).unwrap();
                }
            }
        }
    }
    let folder = folder();
    copy(&of.join("d/silicon"), &folder.path().join("d/silicon"));
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(folder.path().join("d"), private).unwrap();
    for key in ["key.pem", "key.jwk"] {
        std::fs::copy(of.join(key), folder.path().join(key)).unwrap();
    }
    folder
}

#[test]
fn an_operator_sees_what_is_held_and_why() {
    let operated = Operated::start(folder(), &[]);
    assert_eq!(operated.status(&format!("/sgx/certification/v4/tcb?fmspc={SERVERS}")), 200);
    let status = operated.run("status");
    let (code, answer) = (status.code, status.json());
    assert_eq!((code, &answer["mode"], &answer["missing"]), (0, &json!("lazy"), &json!([])), "{answer}");
    let shown = operated.run("status --format text");
    for words in [
        "none expired or missing",
        "mode lazy; upstreams: simulated (asked",
        "fresh     intel/root-crl  until",
    ] {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    for (line, code, words) in [
        (format!("explain --fmspc {SERVERS}"), 0, "clients get it"),
        (
            format!("explain --fmspc {SERVERS} --tee tdx"),
            1,
            "nothing is held: status 404, unless an upstream has it",
        ),
        (format!("explain --chip-id {} --tcb 7308000000000003", "ab".repeat(64)), 1, "(vcek-missing)"),
        (format!("explain --chip-id {} --tcb 7308000000000003", "00".repeat(64)), 1, "(chip-id-masked)"),
        (format!("explain --qe-id {} --pce-id 0000", "cd".repeat(16)), 1, "(platform-not-registered)"),
        ("explain --fmspc 00".to_owned(), 1, "fmspc"),
    ] {
        let explained = operated.run(&format!("{line} --format text"));
        assert_eq!(explained.code, code, "{line}: {explained:?}");
        assert!(format!("{}{}", explained.stdout, explained.stderr).contains(words), "{line}: {explained:?}");
    }
    operated.register();
    let explained = operated.run("explain --pckid p/pckid.csv");
    let codes: Vec<Value> =
        explained.json()["findings"].as_array().unwrap().iter().map(|one| one["code"].clone()).collect();
    assert_eq!(
        (explained.code, codes),
        (0, vec![json!("platform-known"), json!("document-held"), json!("certificate-selected")])
    );
    // A token of nobody, and none.
    std::fs::write(operated.service.path("wrong"), "wrong").unwrap();
    let refused = operated.run("status --token-file wrong");
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
}

#[test]
fn what_is_expired_is_an_exit_code() {
    let mut operated = Operated::start(folder(), &[]);
    assert_eq!(operated.status(TDX_TCB), 200);
    // In offline mode the simulated vendors are not asked; what they publish as files is there anew.
    operated.restart(&[("ASSAY_COLLATERAL_MODE", "offline"), ("ASSAY_TEST_CLOCK", "2100-01-01T00:00:00Z")]);
    let status = operated.run("status --format text");
    assert_eq!(status.code, 1, "{status:?}");
    assert!(status.stdout.contains("expired   intel/tdx-tcb/53494d000002@18 standard"), "{}", status.stdout);
    assert!(status.stdout.contains("which is over"), "{}", status.stdout);
}

#[test]
fn a_baseline_is_looked_at_before_it_is_pinned() {
    let operated = Operated::start(folder(), &[]);
    operated.register();
    let preview = operated.run("preview --number 19 --against 18");
    let answer = preview.json();
    assert_eq!((preview.code, &answer["worse"]), (1, &json!(1)), "{answer}");
    let shown = operated.run("preview --number 19 --against 18 --format text");
    let words = [
        "1 of 1 platform falls behind",
        "53494D000002: 1 of 1",
        "UpToDate -> OutOfDate",
        "advisories: INTEL-SA",
    ];
    for words in words {
        assert!(shown.stdout.contains(words), "{words}: {}", shown.stdout);
    }
    assert_eq!(operated.run("preview --number 18 --against 18").code, 0);

    let first = operated.run("pins set 18 --from 2026-01-01T00:00:00Z");
    assert_eq!((first.code, &first.json()["fleet"]["counts"]), (0, &json!(18)), "{first:?}");
    let second = operated.run("pins set 17 --from 2026-01-02T00:00:00Z --grace 7d --provider default").json();
    assert_eq!(
        (second["pins"].as_array().unwrap().len(), &second["providers"]["default"]["counts"]),
        (2, &json!(17))
    );
    assert_eq!(second["pins"][1]["graceSeconds"], 7 * 24 * 60 * 60, "{second}");
    // The one of the same time and provider is changed, the other stays.
    let changed = operated.run("pins set 19 --from 2026-01-02T00:00:00Z --provider default").json();
    assert_eq!((changed["pins"].as_array().unwrap().len(), &changed["fleet"]["counts"]), (2, &json!(18)));
    // Pinned and not held: that is missing until a refresh brings it.
    let missing = operated.run("status");
    assert_eq!(missing.code, 1, "{missing:?}");
    assert!(
        missing.json()["missing"].as_array().unwrap().iter().any(|one| one["tcbEvaluationDataNumber"] == 19)
    );
    let refreshed = operated.administer("refresh documents");
    assert_eq!(refreshed.code, 0, "{refreshed:?}");
    assert_eq!(operated.run("status").code, 0);

    // With an evaluation that nobody has, all evidence would be refused.
    let nobodys = operated.run("pins set 999 --from 2026-01-03T00:00:00Z");
    assert_eq!(nobodys.code, 1, "{nobodys:?}");
    assert!(nobodys.stderr.contains("Evaluation 999 is not held"), "{nobodys:?}");
    assert_eq!(operated.run("status").code, 0, "nothing changed");
    assert_eq!(operated.run("pins set 999 --from 2026-01-03T00:00:00Z --force").code, 0);
    assert_eq!(operated.run("pins remove 999").code, 0);

    assert_eq!(operated.run("pins remove 18").json()["pins"].as_array().unwrap().len(), 1);
    let wrong = operated.run("pins remove 18");
    assert_eq!((wrong.code, wrong.stdout.as_str()), (1, ""), "{wrong:?}");
    let text = operated.run("pins remove 19 --provider default --format text");
    assert!(text.stdout.contains("no pins: Intel's standard track counts"), "{text:?}");
}

#[test]
fn a_refresh_counts_what_came() {
    let folder = folder();
    assert_eq!(run_in(folder.path(), "simulate sgx --data d --out sgx").code, 0);
    let vendors = Vendors::start(folder.path());
    let config = write_config(folder.path(), &vendors);
    let operated = Operated::start(folder, &[("ASSAY_CONFIG", &config)]);
    operated.register();
    assert_eq!(operated.status(TDX_TCB), 200);
    let whole = operated.administer("refresh");
    let answer = whole.json();
    assert_eq!(whole.code, 0, "{answer}");
    assert!(answer["documents"]["done"].as_u64().unwrap() >= 1, "{answer}");
    assert_eq!((&answer["certificates"]["wanted"], &answer["certificates"]["done"]), (&json!(1), &json!(1)));
    assert!(vendors.asked(&operated.service, "GET /tdx/certification/v4/tcb") >= 2, "it was asked again");
    let url = format!("--url {} --data d", operated.administration);
    for (line, said) in [
        ("refresh", "the admin-token of the service is missing"),
        ("export --key key.pem --out x", "the admin-token of the service is missing"),
    ] {
        let refused = operated.service.run(&format!("collateral {line} {url}"));
        assert_eq!((refused.code, refused.stderr.contains(said)), (2, true), "{refused:?}");
    }
    let made = operated.administer("export --key key.pem --out good.bundle");
    assert_eq!(made.code, 0, "{made:?}");
    // Those who register platforms administer nothing.
    for wrong in ["wrong", USER_TOKEN] {
        std::fs::write(operated.service.path("wrong"), wrong).unwrap();
        for line in ["refresh", "export --key key.pem --out x", "import good.bundle"] {
            let refused = operated.service.run(&format!("collateral {line} {url} --token-file wrong"));
            assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{line}: {refused:?}");
            assert!(refused.stderr.contains("status 401"), "{line}: {}", refused.stderr);
        }
    }
}

#[test]
fn a_running_service_is_exported_and_another_takes_it() {
    let connected = Operated::start(folder(), &[]);
    let pckcert = connected.register();
    connected.service.done("simulate snp --data d --out snp");
    let report = std::fs::read(connected.service.path("snp/evidence.bin")).unwrap();
    let vcek = vcek_path(&report);
    for path in [TDX_TCB, "/tdx/certification/v4/qe/identity", &pckcert, &vcek, "/vcek/v1/Milan/crl"] {
        assert_eq!(connected.status(path), 200, "{path}");
    }
    let from = connected.service.path("");
    let offline = [("ASSAY_COLLATERAL_MODE", "offline")];
    let mut isolated = Operated::start(sibling(&from), &offline);
    for (path, status) in [(TDX_TCB, 404), (pckcert.as_str(), 461), (vcek.as_str(), 404)] {
        assert_eq!(isolated.status(path), status, "{path}");
    }
    let plain = connected.administer("export --key key.pem --sequence 6 --out plain.bundle");
    assert_eq!((plain.code, plain.stdout.as_str()), (0, ""), "{plain:?}");
    let exported = connected.administer("export --key key.pem --sequence 7 --out a.bundle --platforms");
    assert_eq!(exported.code, 0, "{exported:?}");
    let take = |name: &str| {
        std::fs::copy(connected.service.path(name), isolated.service.path(name)).unwrap();
    };
    take("a.bundle");
    take("plain.bundle");
    let taken = isolated.administer("import a.bundle");
    let report = taken.json();
    assert_eq!(
        (taken.code, &report["outcome"], &report["bundle"]["sequence"]),
        (0, &json!("taken"), &json!(7)),
        "{report}"
    );
    let paths: Vec<&str> =
        report["taken"].as_array().unwrap().iter().map(|entry| entry["path"].as_str().unwrap()).collect();
    for kind in ["intel/tdx-tcb/53494d000002@18", "intel/platform/", "amd/vek/"] {
        assert!(paths.iter().any(|path| path.starts_with(kind)), "{kind}: {paths:?}");
    }
    // What was acknowledged outlives a crash at once, and so does the sequence.
    isolated.restart(&offline);
    for path in [TDX_TCB, &pckcert, &vcek] {
        assert_eq!(isolated.status(path), 200, "{path}");
    }
    for (bundle, code) in [("a.bundle", "bundle-sequence"), ("plain.bundle", "bundle-sequence")] {
        let again = isolated.administer(&format!("import {bundle}"));
        assert_eq!((again.code, &again.json()["error"]["code"]), (1, &json!(code)), "{bundle}");
    }
    let text = std::fs::read_to_string(connected.service.path("plain.bundle")).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(text.split('.').nth(1).unwrap()).unwrap();
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["platforms"], json!([]), "platforms leave only if they are asked for");
}

/// Killed at any moment, an import was acknowledged and is whole, or it is sent again and then whole.
#[test]
fn an_import_that_is_cut_off_is_sent_again() {
    let connected = Operated::start(folder(), &[]);
    for path in [TDX_TCB, "/tdx/certification/v4/qe/identity"] {
        assert_eq!(connected.status(path), 200, "{path}");
    }
    let made = connected.administer("export --key key.pem --out a.bundle");
    assert_eq!(made.code, 0, "{made:?}");
    let offline = [("ASSAY_COLLATERAL_MODE", "offline")];
    for round in 0..6 {
        let mut isolated = Operated::start(sibling(&connected.service.path("")), &offline);
        std::fs::copy(connected.service.path("a.bundle"), isolated.service.path("a.bundle")).unwrap();
        let line = format!(
            "collateral import a.bundle --url {} --token-file admin.token --data d",
            isolated.administration
        );
        let mut sending = command(line.split_whitespace())
            .current_dir(isolated.service.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round * 40));
        isolated.restart(&offline);
        let acknowledged = sending.wait().unwrap().success();
        let held = isolated.status(TDX_TCB) == 200;
        assert!(held || !acknowledged, "round {round}: what was acknowledged is gone");
        let again = isolated.administer("import a.bundle");
        let code = again.json()["error"]["code"].clone();
        assert!(again.code == 0 || code == "bundle-sequence", "round {round}: {again:?}");
        assert!(held || again.code == 0, "round {round}: the sequence counts, and nothing is held");
        for path in [TDX_TCB, "/tdx/certification/v4/qe/identity"] {
            assert_eq!(isolated.status(path), 200, "round {round}: {path}");
        }
    }
}

#[test]
fn a_running_service_takes_bundles_of_its_signer_alone() {
    let operated = Operated::start(folder(), &[]);
    assert_eq!(operated.status(TDX_TCB), 200);
    operated.service.done("collateral bundle keygen --out other.pem");
    for (key, out) in [("other.pem", "other.bundle"), ("key.pem", "good.bundle")] {
        let made = operated.administer(&format!("export --key {key} --out {out}"));
        assert_eq!(made.code, 0, "{made:?}");
    }
    let good = std::fs::read_to_string(operated.service.path("good.bundle")).unwrap();
    let (head, signature) = good.trim().rsplit_once('.').unwrap();
    let mut changed = signature.to_owned();
    changed.replace_range(0..1, if signature.starts_with('A') { "B" } else { "A" });
    std::fs::write(operated.service.path("forged.bundle"), format!("{head}.{changed}")).unwrap();
    std::fs::write(operated.service.path("no.bundle"), "{}").unwrap();
    for (bundle, code) in [
        ("other.bundle", "bundle-other-signer"),
        ("forged.bundle", "token-bad-signature"),
        ("no.bundle", "token-part-count"),
    ] {
        let refused = operated.administer(&format!("import {bundle}"));
        let report = refused.json();
        assert_eq!((refused.code, &report["error"]["code"]), (1, &json!(code)), "{bundle}: {report}");
    }
    let taken = operated.administer("import good.bundle --format text");
    assert_eq!(taken.code, 0, "{taken:?}");
    assert!(taken.stdout.contains("taken, judged at"), "{}", taken.stdout);
}

#[test]
fn without_a_signer_nobodys_bundles_are_taken() {
    let operated = Operated::start(folder(), &[]);
    let made = operated.administer("export --key key.pem --out a.bundle");
    assert_eq!(made.code, 0, "{made:?}");
    let mut without = operated;
    without.settings.retain(|(name, _)| !name.ends_with("BUNDLE_SIGNER"));
    without.restart(&[]);
    let refused = without.administer("import a.bundle");
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.contains("bundle-signer-missing"), "{}", refused.stderr);
}

#[test]
fn a_bundle_is_an_upstream_without_a_network() {
    let connected = Operated::start(folder(), &[]);
    assert_eq!(connected.status(TDX_TCB), 200);
    let export = |sequence: u32, out: &str| {
        let made = connected.administer(&format!("export --key key.pem --sequence {sequence} --out {out}"));
        assert_eq!(made.code, 0, "{made:?}");
    };
    export(5, "five.bundle");
    assert_eq!(connected.status("/tdx/certification/v4/qe/identity"), 200);
    export(6, "six.bundle");
    let folder = sibling(&connected.service.path(""));
    let (bundle, signer) = (folder.path().join("a.bundle"), folder.path().join("key.jwk"));
    let put = |name: &str| {
        std::fs::copy(connected.service.path(name), &bundle).unwrap();
    };
    let config = folder.path().join("assay.toml");
    let text = format!(
        "[collateral]\nmode = \"offline\"\n[[collateral.upstreams]]\nkind = \"bundle\"\nname = \"stick\"\npath = {bundle:?}\nsigner = {signer:?}\n"
    );
    std::fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    put("six.bundle");
    let mut isolated = Operated::start(folder, &[("ASSAY_CONFIG", &config)]);
    assert_eq!(isolated.status(TDX_TCB), 200);
    let sources = isolated.service.sources();
    assert!(sources.contains(&("intel/tdx-tcb/53494d000002".to_owned(), "stick".to_owned())), "{sources:?}");
    // An older one takes nothing back, not after a start either, and the operator sees it.
    put("five.bundle");
    isolated.restart(&[]);
    assert_eq!(isolated.status(TDX_TCB), 200, "what was taken stays");
    assert_ne!(isolated.status("/tdx/certification/v4/qe/identity"), 200);
    let status = isolated.run("status").json();
    let problem = status["upstreams"][0]["problem"].as_str().unwrap_or_default().to_owned();
    assert!(problem.contains("bundle-sequence"), "{status}");
    // The newest one is read without a start.
    put("six.bundle");
    let refreshed = isolated.administer("refresh documents");
    assert_ne!(refreshed.code, 2, "{refreshed:?}");
    assert_eq!(isolated.status("/tdx/certification/v4/qe/identity"), 200);
    assert_eq!(isolated.run("status").json()["upstreams"][0]["problem"], Value::Null);
}

/// How AMD's clients ask for the certificate of a simulated Milan.
fn vcek_path(report: &[u8]) -> String {
    let (id, tcb) = (&report[0x1a0..0x1e0], &report[0x180..0x188]);
    let levels = [("bl", 0), ("tee", 1), ("snp", 6), ("ucode", 7)]
        .map(|(name, at)| format!("{name}SPL={:02}", tcb[at]));
    format!("/vcek/v1/Milan/{}?{}", hex::encode(id), levels.join("&"))
}
