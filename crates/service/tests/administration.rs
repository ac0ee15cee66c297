//! Registration and administration as Intel's tools do them, on their own listener.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests"
)]

mod common;

use assay_service::config::Overrides;
use assay_service::dev::DevFolder;
use assay_silicon::intel::{Collateral, CollateralSpec, Intel, PlatformSpec};
use common::{Reply, TestService, connect, exchange};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

const FMSPC: [u8; 6] = [1, 2, 3, 4, 5, 6];
const QE_ID: &str = "ABABABABABABABABABABABABABABABAB";
/// SHA-512 of `user` and of `admin`.
const SETTINGS: &str = "[collateral]\nmode = \"offline\"\n[collateral.administration]\nlisten = \"127.0.0.1:0\"\n\
    user_token_sha512 = \"b14361404c078ffd549c03db443c3fede2f3e534d73f78f77301ed97d4a436a9fd9db05ee8b325c0ad36438b43fec8510c204fc1c1edb21d0941c00e9e2c1ce2\"\n\
    admin_token_sha512 = \"c7ad44cbad762a5da0a452f9e854fdc1e0e7a52a38015f23f3eab1d80b931dd472634dfac71cd34ebc35d16ab7fb8a90c81f975113d6c7538dc69dd8de9077ec\"\n";

struct World {
    service: TestService,
    intel: Intel,
    now: i64,
    set: Collateral,
}

impl World {
    async fn new() -> Self {
        let service = TestService::with(SETTINGS, &Overrides::default()).await;
        let now = service.app.clock.now().0;
        let intel = Intel::load_or_generate(&DevFolder::new(&service.data()).silicon(), now).unwrap();
        // Newer than what the simulated vendor published, and of a family that it has nothing of.
        let spec = CollateralSpec { fmspc: FMSPC, issue: Some(now - 60), ..CollateralSpec::default() };
        let set = intel.collateral(&spec, now).unwrap();
        Self { service, intel, now, set }
    }

    async fn ask(&self, method: Method, path: &str, token: (&str, &str), body: &Value) -> Reply {
        let address = self.service.administration.unwrap();
        let ca = DevFolder::new(&self.service.data()).ca_certificate();
        let request = Request::builder().method(method).uri(format!("/sgx/certification/v4/{path}"));
        let mut text = if body.is_null() { String::new() } else { body.to_string() };
        for (place, document) in self.documents() {
            text = text.replace(&format!("\"{place}\""), &document);
        }
        let request = request.header(token.0, token.1).body(Full::new(text.into())).unwrap();
        Reply::read(exchange(connect(address, &ca, false).await.unwrap(), request).await.unwrap()).await
    }

    /// Documents as tools write them, which keep the order of members but not always the white space: an object, and a
    /// text that holds one.
    fn documents(&self) -> [(&'static str, String); 2] {
        let spaced = |text: &str| text.replace("\":", "\" : ").replace(",\"", ",\n  \"");
        let document = |member: &str, text: &str, signature: &str| {
            spaced(&format!("{{\"{member}\":{text},\"signature\":\"{signature}\"}}"))
        };
        let set = &self.set;
        let identity = document("enclaveIdentity", &set.qe_identity, &set.qe_identity_signature);
        let tcb_info = document("tcbInfo", &set.tcb_info, &set.tcb_info_signature);
        [("@tcb-info", tcb_info), ("@identity", json!(identity).to_string())]
    }

    /// What PCCS's tool brings: documents as objects, chains percent-encoded, lists as hexadecimal.
    fn brought(&self) -> Value {
        let set = &self.set;
        let spec = PlatformSpec { ppid: Some([7; 16]), fmspc: FMSPC, ..PlatformSpec::default() };
        let pem = self.intel.platform(&spec, self.now).unwrap().pck_certificate_chain_pem();
        let end = pem.find("-----END CERTIFICATE-----").unwrap() + 26;
        let escaped = |text: &str| text.replace(' ', "%20").replace('\n', "%0A").replace('+', "%2B");
        json!({
            "platforms": [platform()],
            "collaterals": {
                "version": "4",
                "pck_certs": [{"qe_id": QE_ID, "pce_id": "0000", "enc_ppid": "", "certs": [
                    {"tcbm": "", "cert": escaped(&pem[..end])}, {"tcbm": "", "cert": "Not available"}]}],
                "tcbinfos": [{
                    "fmspc": hex::encode_upper(spec.fmspc),
                    "sgx_tcbinfo": "@tcb-info",
                }],
                "pckcacrl": {"platformCrl": set.pck_crl},
                "qeidentity": "@identity",
                "certificates": {
                    "SGX-PCK-Certificate-Issuer-Chain": {"PLATFORM": escaped(&pem[end..])},
                    "TCB-Info-Issuer-Chain": escaped(&set.tcb_info_issuer_chain),
                    "SGX-Enclave-Identity-Issuer-Chain": escaped(&set.qe_identity_issuer_chain),
                },
                "rootcacrl": set.root_ca_crl,
            },
        })
    }

    fn pckcert(&self) -> String {
        let spec = PlatformSpec::default();
        let (cpu, pce) =
            (hex::encode_upper(spec.cpu_svn_components), hex::encode_upper(spec.pce_svn.to_le_bytes()));
        format!("/sgx/certification/v4/pckcert?qeid={QE_ID}&cpusvn={cpu}&pcesvn={pce}&pceid=0000")
    }
}

fn platform() -> Value {
    let spec = PlatformSpec::default();
    json!({
        "qe_id": QE_ID,
        "pce_id": "0000",
        "cpu_svn": hex::encode_upper(spec.cpu_svn_components),
        "pce_svn": hex::encode_upper(spec.pce_svn.to_le_bytes()),
        "enc_ppid": "",
        "platform_manifest": "0102",
    })
}

const USER: (&str, &str) = ("user-token", "user");
const ADMIN: (&str, &str) = ("admin-token", "admin");

#[tokio::test]
async fn from_a_connected_machine_to_an_isolated_one_and_back() {
    let world = World::new().await;
    let service = &world.service;
    assert_eq!(service.get(&world.pckcert()).await.status, 461);
    let registered = world.ask(Method::POST, "platforms", USER, &platform()).await;
    assert_eq!(registered.status, 200, "{registered:?}");
    assert_eq!(service.get(&world.pckcert()).await.status, 462, "registered, and without certificates");
    // What waits is listed until its certificates are brought, in the form in which it registered.
    let waiting = world.ask(Method::GET, "platforms?source=reg", ADMIN, &Value::Null).await;
    assert_eq!((waiting.status, &waiting.headers["platform-count"]), (200, &"1".parse().unwrap()));
    assert_eq!(serde_json::from_slice::<Value>(&waiting.body).unwrap(), json!([platform()]));
    let brought = world.ask(Method::PUT, "platformcollateral", ADMIN, &world.brought()).await;
    assert_eq!(brought.status, 200, "{}", String::from_utf8_lossy(&brought.body));
    let served = service.get(&world.pckcert()).await;
    assert!(served.status == 200 && served.headers.contains_key("sgx-tcbm"), "{served:?}");
    let fmspc = hex::encode_upper(FMSPC);
    for path in [
        format!("tcb?fmspc={fmspc}"),
        "qe/identity".to_owned(),
        "pckcrl?ca=platform".to_owned(),
        "rootcacrl".to_owned(),
    ] {
        let reply = service.get(&format!("/sgx/certification/v4/{path}")).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
    let waiting = world.ask(Method::GET, "platforms?source=reg", ADMIN, &Value::Null).await;
    assert_eq!(&waiting.headers["platform-count"], "0");
    for source in ["[]".to_owned(), format!("[{fmspc}]"), format!("[000000000000,{fmspc}]")] {
        let listed = world.ask(Method::GET, &format!("platforms?source={source}"), ADMIN, &Value::Null).await;
        assert_eq!(&listed.headers["platform-count"], "1", "{source}");
    }
    // Of one TCB the list that was brought says that Intel has no certificate.
    let lacking = world.ask(Method::GET, "platforms?source=reg_na", ADMIN, &Value::Null).await;
    assert_eq!(&lacking.headers["platform-count"], "1");
    let other = world.ask(Method::GET, "platforms?source=[000000000000]", ADMIN, &Value::Null).await;
    assert_eq!(&other.headers["platform-count"], "0");
}

#[tokio::test]
async fn what_is_brought_is_verified_and_the_rest_is_taken() {
    let mut world = World::new().await;
    let signature = &mut world.set.tcb_info_signature;
    signature.replace_range(..1, if signature.starts_with('0') { "1" } else { "0" });
    let brought = world.ask(Method::PUT, "platformcollateral", ADMIN, &world.brought()).await;
    assert_eq!(brought.status, 460);
    let answer: Value = serde_json::from_slice(&brought.body).unwrap();
    assert_eq!(brought.headers["content-type"], "application/json");
    assert!(brought.headers["error-message"].len() < 100, "the body says which");
    assert_eq!(answer["refusedCount"], 1, "{answer}");
    assert_eq!(answer["refused"].as_array().unwrap().len(), 1, "{answer}");
    assert!(answer["refused"][0].as_str().unwrap().contains("collateral-signature"), "{answer}");
    let fmspc = hex::encode_upper(FMSPC);
    let status =
        async |path: String| world.service.get(&format!("/sgx/certification/v4/{path}")).await.status;
    assert_eq!(status(format!("tcb?fmspc={fmspc}")).await, 404);
    assert_eq!(status("qe/identity".to_owned()).await, 200);
}

#[tokio::test]
async fn each_act_needs_its_own_token() {
    let world = World::new().await;
    let rows = [
        (Method::POST, "platforms", USER, ADMIN),
        (Method::GET, "platforms?source=reg", ADMIN, USER),
        (Method::PUT, "platformcollateral", ADMIN, USER),
        (Method::PUT, "appraisalpolicy", ADMIN, USER),
        (Method::POST, "refresh", ADMIN, USER),
        (Method::GET, "refresh", ADMIN, USER),
    ];
    for (method, path, right, wrong) in rows {
        let body = json!({});
        let none = ("accept", "*/*");
        let (role, token) = (right.0, "wrong");
        for refused in [none, wrong, (role, token), (role, "")] {
            let reply = world.ask(method.clone(), path, refused, &body).await;
            assert_eq!(reply.status, 401, "{method} {path} {refused:?}");
        }
        assert_ne!(world.ask(method.clone(), path, right, &body).await.status, 401, "{method} {path}");
    }
    // The nodes' address knows none of it, and this one none of theirs.
    let request = Request::post("/sgx/certification/v4/platforms").header("user-token", "user");
    let reply = world.service.send(request.body(Full::new(platform().to_string().into())).unwrap()).await;
    assert_eq!(reply.status, 404);
    assert_eq!(world.ask(Method::GET, "rootcacrl", ADMIN, &Value::Null).await.status, 404);
    assert_eq!(world.ask(Method::DELETE, "platforms", ADMIN, &Value::Null).await.status, 405);
}

#[tokio::test]
async fn malformed_bodies_are_refused() {
    let world = World::new().await;
    let mut short = platform();
    short["qe_id"] = json!("AB");
    let mut large = platform();
    large["platform_manifest"] = json!("00".repeat(53_001));
    // As long as those that nodes ask with: another could never be asked for.
    let mut cut = platform();
    cut["enc_ppid"] = json!("09".repeat(383));
    for body in [json!([]), json!({}), short, large, cut] {
        assert_eq!(world.ask(Method::POST, "platforms", USER, &body).await.status, 400);
    }
    for body in [json!([]), json!({}), json!({"collaterals": 1})] {
        assert_eq!(world.ask(Method::PUT, "platformcollateral", ADMIN, &body).await.status, 400, "{body}");
    }
    for path in ["refresh?type=x", "refresh?fmspc=00", "refresh?type=certs&fmspc=00606A0000AB,x"] {
        assert_eq!(world.ask(Method::GET, path, ADMIN, &Value::Null).await.status, 400, "{path}");
    }
    for source in ["x", "[", "[00]"] {
        let path = format!("platforms?source={source}");
        assert_eq!(world.ask(Method::GET, &path, ADMIN, &Value::Null).await.status, 400, "{source}");
    }
}

#[tokio::test]
async fn explanations_say_what_is_missing() {
    let world = World::new().await;
    let explain = async |question: Value| -> Value {
        let request = Request::post("/v1/collateral/explain")
            .header("authorization", format!("Bearer {}", world.service.admin))
            .header("content-type", "application/json");
        let reply = world.service.send(request.body(Full::new(question.to_string().into())).unwrap()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_slice(&reply.body).unwrap()
    };
    let codes = |answer: &Value| -> Vec<String> {
        answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["code"].as_str().unwrap().to_owned())
            .collect()
    };
    let question = platform();
    let question =
        json!({"qeId": QE_ID, "pceId": "0000", "cpuSvn": question["cpu_svn"], "pceSvn": question["pce_svn"]});
    let answer = explain(question.clone()).await;
    assert_eq!(
        (answer["status"].as_u64(), codes(&answer)[0].as_str()),
        (Some(461), "platform-not-registered")
    );
    world.ask(Method::POST, "platforms", USER, &platform()).await;
    let answer = explain(question.clone()).await;
    assert_eq!((answer["status"].as_u64(), codes(&answer)[0].as_str()), (Some(462), "platform-waiting"));
    world.ask(Method::PUT, "platformcollateral", ADMIN, &world.brought()).await;
    let answer = explain(question.clone()).await;
    assert_eq!(answer["status"], 200, "{answer}");
    assert_eq!(codes(&answer), ["platform-known", "document-held", "certificate-selected"]);
    let mut old = question;
    old["cpuSvn"] = json!("00000000000000000000000000000000");
    let answer = explain(old).await;
    assert_eq!(answer["status"], 462);
    let last = &answer["findings"][2];
    assert_eq!(last["code"], "no-certificate-for-tcb");
    assert!(last["message"].as_str().unwrap().contains("component 1 is 0, and 12 is needed"), "{answer}");
    let answer = explain(json!({"fmspc": "000000000000"})).await;
    assert_eq!((answer["status"].as_u64(), codes(&answer)[0].as_str()), (Some(404), "document-missing"));
    let chip = json!({"chipId": "00".repeat(64), "tcb": "00".repeat(8)});
    assert_eq!(codes(&explain(chip).await)[0], "chip-id-masked");
    // Identifiers are for those who may read everything.
    let anonymous = world.service.post("/v1/collateral/explain", r#"{"fmspc":"000000000000"}"#).await;
    assert_eq!(anonymous.status, 401);
    let inventory = world.service.get_as_admin("/v1/collateral").await;
    let inventory: Value = serde_json::from_slice(&inventory.body).unwrap();
    let documents = inventory["documents"].as_array().unwrap();
    let brought = documents.iter().find(|one| one["subject"] == "intel/sgx-tcb/010203040506").unwrap();
    assert_eq!((&brought["state"], &brought["source"]), (&json!("fresh"), &json!("administrator")));
}

/// A policy as its owner signs it.
fn policy(name: &str) -> String {
    let part = |text: &str| assay_token::base64url::encode(text.as_bytes());
    let class = "3123EC35-8d38-4ea5-87a5-d6c48b567570";
    let payload = json!({"policy_array": [{"environment": {"class_id": class, "description": name}}]});
    let claims = json!({"policy_payload": payload.to_string()}).to_string();
    format!("{}.{}.{}", part(r#"{"alg":"ES384"}"#), part(&claims), part("signature"))
}

#[tokio::test]
async fn an_appraisal_policy_is_given_to_the_nodes_of_its_family() {
    let world = World::new().await;
    let path = "/sgx/certification/v4/appraisalpolicy?fmspc=00606a0000AB";
    assert_eq!(world.service.get(path).await.status, 404, "which Intel's client takes for none");
    let body = |name: &str, is_default: bool| json!({"policy": policy(name), "is_default": is_default, "fmspc": "00606A0000ab"});
    let put = world.ask(Method::PUT, "appraisalpolicy", ADMIN, &body("one", true)).await;
    assert_eq!((put.status, put.body.len()), (200, 96), "SHA-384 of the policy");
    assert_eq!(world.ask(Method::PUT, "appraisalpolicy", ADMIN, &body("two", false)).await.status, 200);
    for version in ["v3", "v4"] {
        let got = world.service.get(&path.replace("v4", version)).await;
        assert_eq!((got.status, got.body), (200, policy("one").into()), "{version}");
    }
    assert_eq!(world.service.get(&path.replace("AB", "AC")).await.status, 404, "another family");
    for malformed in ["?fmspc=00606A", "?fmspc=", ""] {
        let path = format!("/sgx/certification/v4/appraisalpolicy{malformed}");
        assert_eq!(world.service.get(&path).await.status, 400, "{malformed}");
    }
    for refused in [json!({}), json!({"policy": "x.y.z", "is_default": true, "fmspc": "00606A0000AB"})] {
        assert_eq!(world.ask(Method::PUT, "appraisalpolicy", ADMIN, &refused).await.status, 400, "{refused}");
    }
    let mut large = body("one", true);
    large["policy"] = json!("A".repeat(80_000));
    assert_eq!(world.ask(Method::PUT, "appraisalpolicy", ADMIN, &large).await.status, 413);
    assert_eq!(world.ask(Method::GET, "appraisalpolicy", ADMIN, &Value::Null).await.status, 405);
    // Nodes ask and do not put.
    let request = Request::put("/sgx/certification/v4/appraisalpolicy").header("admin-token", "admin");
    let request = request.body(Full::new(body("one", true).to_string().into())).unwrap();
    assert_eq!(world.service.send(request).await.status, 405);
}
