//! Quotes without PCK certificate: the service has it, if the platform registered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use assay_evidence::open_enclave;
use assay_evidence::sgx::{CertificationData, Quote};
use assay_service::config::Overrides;
use assay_service::dev::DevFolder;
use assay_silicon::intel::{Defect, Kind, SimulateOptions, Simulated};
use assay_token::base64url;
use common::{Reply, TestService, connect, exchange};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

/// SHA-512 of `user` and of `admin`.
const SETTINGS: &str = "[collateral.administration]\nlisten = \"127.0.0.1:0\"\n\
    user_token_sha512 = \"b14361404c078ffd549c03db443c3fede2f3e534d73f78f77301ed97d4a436a9fd9db05ee8b325c0ad36438b43fec8510c204fc1c1edb21d0941c00e9e2c1ce2\"\n\
    admin_token_sha512 = \"c7ad44cbad762a5da0a452f9e854fdc1e0e7a52a38015f23f3eab1d80b931dd472634dfac71cd34ebc35d16ab7fb8a90c81f975113d6c7538dc69dd8de9077ec\"\n";

async fn service(mode: &str) -> TestService {
    TestService::with(&format!("[collateral]\nmode = \"{mode}\"\n{SETTINGS}"), &Overrides::default()).await
}

/// Evidence whose quote has certification data of type 3.
fn without_certificate(service: &TestService, kind: Kind) -> Simulated {
    let defect = Some(Defect::CertificationPpidRsa3072);
    service.simulate(kind, &SimulateOptions { defect, ..SimulateOptions::default() })
}

/// What a quote of type 3 says of its platform, as the retrieval tool would register it.
fn registration(kind: Kind, evidence: &[u8]) -> Value {
    let quote = match kind {
        Kind::Sgx => evidence,
        Kind::OpenEnclave => open_enclave::Report::parse(evidence).unwrap().quote,
    };
    let quote = Quote::parse(quote).unwrap();
    let CertificationData::PlatformId { kind: 3, data } = quote.certification else { panic!() };
    let part = |range| hex::encode_upper(&data[range]);
    json!({
        "qe_id": hex::encode_upper(&quote.header.user_data[..16]),
        "enc_ppid": part(0..384),
        "cpu_svn": part(384..400),
        "pce_svn": part(400..402),
        "pce_id": part(402..404),
    })
}

async fn register(service: &TestService, platform: &Value) -> u16 {
    let ca = DevFolder::new(&service.data()).ca_certificate();
    let connection = connect(service.administration.unwrap(), &ca, false).await.unwrap();
    let request = Request::post("/sgx/certification/v4/platforms").header("user-token", "user");
    let request = request.body(Full::new(platform.to_string().into())).unwrap();
    Reply::read(exchange(connection, request).await.unwrap()).await.status
}

async fn attest(service: &TestService, kind: Kind, request: &Value) -> Reply {
    let path = format!("{}?api-version=2022-08-01", kind.attest_route());
    service.post(&path, request.to_string()).await
}

async fn judge(service: &TestService, kind: Kind, evidence: &[u8]) -> Value {
    let body = json!({"kind": kind.name(), "evidence": base64url::encode(evidence)});
    service.as_admin("POST", "/v1/appraisals", body.to_string()).await.ok()
}

#[tokio::test]
async fn the_certificate_of_a_registered_platform_is_looked_up() {
    let service = service("lazy").await;
    for kind in Kind::ALL {
        let simulated = without_certificate(&service, kind);
        let refused = attest(&service, kind, &simulated.request).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert!(refused.message().contains("ertification data of type 3"), "{}", refused.message());
        let judged = judge(&service, kind, &simulated.evidence).await;
        assert_eq!(judged["error"]["code"], "certification-data-unsupported");

        let platform = registration(kind, &simulated.evidence);
        assert_eq!(register(&service, &platform).await, 200);
        let attested = attest(&service, kind, &simulated.request).await;
        assert_eq!(attested.status, 200, "{attested:?}");
        let judged = judge(&service, kind, &simulated.evidence).await;
        assert_eq!((&judged["outcome"], &judged["error"]), (&json!("genuine"), &Value::Null));

        // Another platform that says to be this one has another key.
        let other = without_certificate(&service, kind);
        let own = registration(kind, &other.evidence);
        let mut stolen = platform.clone();
        stolen["qe_id"] = own["qe_id"].clone();
        assert_eq!(
            register(&service, &stolen).await,
            200,
            "the certificates of the first, for the ids of the second"
        );
        let refused = attest(&service, kind, &other.request).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let judged = judge(&service, kind, &other.evidence).await;
        assert_eq!(judged["error"]["code"], "qe-report-signature");
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_refusal_stays() {
    let service = service("offline").await;
    let simulated = without_certificate(&service, Kind::Sgx);
    let platform = registration(Kind::Sgx, &simulated.evidence);
    assert_eq!(register(&service, &platform).await, 200, "and waits");
    let refused = attest(&service, Kind::Sgx, &simulated.request).await;
    assert_eq!(refused.status, 400, "nobody can be asked: {refused:?}");
    assert!(refused.message().contains("ertification data of type 3"));
}
