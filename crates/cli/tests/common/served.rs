//! A running service and the simulated vendors beside it, for tests of the hardware identity service.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use assay_service::egress::{Client, EgressError, EgressPolicy, Response, Roots};
use assay_token::base64url;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::{Run, command, run_in};

/// `assay serve --dev` in a folder of its own; its data are in `d`.
pub(crate) struct Service {
    folder: TempDir,
    child: Child,
    pub(crate) url: String,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::start_in(TempDir::new().unwrap(), &[])
    }

    pub(crate) fn start_in(folder: TempDir, settings: &[(&str, &str)]) -> Self {
        let (child, url) = serve(folder.path(), settings);
        Self { folder, child, url }
    }

    /// Ends it as a crash does, and starts it again in the same folder.
    pub(crate) fn restart(&mut self, settings: &[(&str, &str)]) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.child, self.url) = serve(self.folder.path(), settings);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, line: &str) -> Run {
        run_in(self.folder.path(), line)
    }

    /// Runs a command that must succeed.
    pub(crate) fn done(&self, line: &str) {
        let done = self.run(line);
        assert_eq!(done.code, 0, "{line}: {done:?}");
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.try_get(path, headers).unwrap()
    }

    pub(crate) fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Response, EgressError> {
        let (client, url) = (self.client(), format!("{}{path}", self.url));
        runtime().block_on(async { client.get(&url, headers).await })
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        let (client, url) = (self.client(), format!("{}{path}", self.url));
        let headers = [("content-type", "application/json")];
        runtime().block_on(async { client.post(&url, &headers, body.to_string().into()).await }).unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        client(&self.path("d/tls/ca.pem"))
    }

    /// What is held: from whom which document came.
    pub(crate) fn sources(&self) -> Vec<(String, String)> {
        let token = std::fs::read_to_string(self.path("d/dev/admin.token")).unwrap();
        let bearer = format!("Bearer {}", token.trim());
        let listed = self.get_with("/v1/collateral", &[("authorization", &bearer)]);
        let listed: Value = serde_json::from_slice(&listed.body).unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let documents = listed["documents"].as_array().unwrap().iter();
        documents.map(|entry| (text(entry, "subject"), text(entry, "source"))).collect()
    }

    /// Attests what is in the folders `sgx` and `snp`; the report is sent without certificates.
    pub(crate) fn attest(&self) {
        let read = |name: &str| std::fs::read(self.path(name)).unwrap();
        let sgx: Value = serde_json::from_slice(&read("sgx/request.json")).unwrap();
        let mut snp: Value = serde_json::from_slice(&read("snp/request.json")).unwrap();
        let report = json!({"SnpReport": base64url::encode(&read("snp/evidence.bin"))});
        snp["report"] = base64url::encode(report.to_string().as_bytes()).into();
        for (route, body) in [("SgxEnclave", sgx), ("SevSnpVm", snp)] {
            let answer = self.post(&format!("/attest/{route}?api-version=2022-08-01"), &body);
            assert_eq!(answer.status, 200, "{route}: {}", String::from_utf8_lossy(&answer.body));
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(answer["token"].as_str().unwrap().split('.').count(), 3, "{route}");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the service and waits until its address is in its folder.
pub(crate) fn serve(folder: &Path, settings: &[(&str, &str)]) -> (Child, String) {
    let url = folder.join("d/dev/url");
    let _ = std::fs::remove_file(&url);
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut serve = command(["serve", "--dev", "--data", "d", "--listen", "127.0.0.1:0"]);
    let serve = serve.envs(settings.iter().copied()).current_dir(folder).stdin(Stdio::null()).stderr(log);
    let mut child = serve.spawn().unwrap();
    let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    for _ in 0..1200 {
        if let Ok(text) = std::fs::read_to_string(&url)
            && text.ends_with('\n')
        {
            return (child, text.trim().to_owned());
        }
        assert!(child.try_wait().unwrap().is_none(), "{}", log());
        std::thread::sleep(Duration::from_millis(25));
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("the service did not start: {}", log());
}

pub(crate) fn client(ca: &Path) -> Client {
    let policy = EgressPolicy { allow_loopback: true, ..EgressPolicy::default() };
    Client::new(policy, Roots::none().with_pem(&std::fs::read(ca).unwrap()).unwrap()).unwrap()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// `assay simulate upstream` over the data of a service.
pub(crate) struct Vendors {
    child: Child,
    url: String,
}

impl Vendors {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// With options of the command.
    pub(crate) fn start_with(folder: &Path, options: &[&str]) -> Self {
        let upstream = command(["simulate", "upstream", "--data", "d"])
            .args(options)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = upstream.unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).expect("one line of JSON");
        Self { child, url: line["url"].as_str().unwrap().to_owned() }
    }

    /// How often they were asked for a path.
    pub(crate) fn asked(&self, service: &Service, route: &str) -> u64 {
        self.counts(service)[route].as_u64().unwrap_or(0)
    }

    /// How often they were asked, by route.
    pub(crate) fn counts(&self, service: &Service) -> Value {
        let (client, url) = (service.client(), format!("{}/requests", self.url));
        let counts = runtime().block_on(async { client.get(&url, &[]).await }).unwrap();
        serde_json::from_slice(&counts.body).unwrap()
    }
}

impl Drop for Vendors {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration in which these vendors are Intel and AMD.
pub(crate) fn write_config(folder: &Path, vendors: &Vendors) -> String {
    let (url, file) = (&vendors.url, folder.join("assay.toml"));
    let ca = folder.join("d/tls/ca.pem");
    let common = format!("ca_file = {ca:?}\nretries = 0\nrequests_per_second = 1000\nburst = 1000\n");
    let text = format!(
        "[egress]\nallow = [{allow:?}]\n\
         [[collateral.upstreams]]\nkind = \"pcs\"\nurl = {url:?}\nroot_crl_url = \"{url}/IntelSGXRootCA.der\"\n{common}\
         [[collateral.upstreams]]\nkind = \"kds\"\nurl = {url:?}\n{common}",
        allow = url.strip_prefix("https://").unwrap(),
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}
