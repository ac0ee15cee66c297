//! The folder as an offline mirror.

use super::*;

fn put(scene: &Scene, name: &str, content: &[u8]) {
    let path = scene.folder.path().join("mirror").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

async fn scene() -> (Scene, Chain) {
    let scene = Scene::start().await;
    let chain = scene.chain("[[collateral.upstreams]]\nkind = \"folder\"\npath = \"DIR/mirror\"\n").unwrap();
    (scene, chain)
}

const NO_FILE: UpstreamError = UpstreamError::Unknown { status: 404, detail: None };

#[tokio::test]
async fn files_have_the_names_of_their_subjects() {
    let (scene, chain) = scene().await;
    assert_eq!(ask(&chain, &tcb_info()).await, Err(NO_FILE), "the folder may come later");
    put(&scene, "intel/sgx-tcb/00606a0000ab/standard.json", b"{}");
    assert_eq!(ask(&chain, &tcb_info()).await, Err(NO_FILE), "without its chain it is of no use");
    put(&scene, "intel/sgx-tcb/00606a0000ab/standard.chain.pem", CHAIN.as_bytes());
    assert_eq!(ask(&chain, &tcb_info()).await, document(b"{}", Some(CHAIN)));
    let numbered = Wanted::Document(Subject::Identity(Enclave::TdQe), Selection::Number(17));
    put(&scene, "intel/identity/td-qe/17.json", b"[]");
    put(&scene, "intel/identity/td-qe/17.chain.pem", CHAIN.as_bytes());
    assert_eq!(ask(&chain, &numbered).await, document(b"[]", Some(CHAIN)));
    put(&scene, "intel/pck-crl/platform.der", DER);
    put(&scene, "intel/pck-crl/platform.chain.pem", CHAIN.as_bytes());
    assert_eq!(ask(&chain, &pck_crl()).await, document(DER, Some(CHAIN)));
    put(&scene, "intel/root-crl.der", DER);
    assert_eq!(ask(&chain, &root_crl()).await, document(DER, None));
    put(&scene, "amd/vlek-crl/milan.der", DER);
    assert_eq!(ask(&chain, &amd_crl(SigningKey::Vlek)).await, document(DER, None));
    put(&scene, "intel/families.json", br#"[{"fmspc":"00606A0000AB","platform":"E5"}]"#);
    let families = Fetched::Families(vec![Family { fmspc: FMSPC, platform: "E5".to_owned() }]);
    assert_eq!(ask(&chain, &Wanted::Families).await, Ok(families));
    assert_eq!(ask(&chain, &Wanted::Pcks(platform(1, None))).await, Err(UpstreamError::NotOffered));
}

#[tokio::test]
async fn chips_have_hashed_names() {
    let (scene, chain) = scene().await;
    let Wanted::Vcek(name) = vcek(0xab) else { panic!("a VCEK") };
    let file = vcek_file(&name);
    assert_eq!((file.len(), file.contains("abab")), ("amd/vcek/.der".len() + 64, false));
    put(&scene, &file, DER);
    assert_eq!(ask(&chain, &vcek(0xab)).await, Ok(Fetched::Vcek(Bytes::from_static(DER))));
    assert_eq!(ask(&chain, &vcek(1)).await, Err(NO_FILE));
    let beyond = Wanted::Vcek(VcekName { hwid: b"/../../../../etc".to_vec(), ..name });
    assert_eq!(ask(&chain, &beyond).await, Err(NO_FILE));
}

#[tokio::test]
async fn files_that_cannot_be_used() {
    let (scene, chain) = scene().await;
    put(&scene, "intel/root-crl.der", b"3003010203");
    assert_eq!(ask(&chain, &root_crl()).await, Err(bad("it is not DER")));
    put(&scene, "intel/root-crl.der", &vec![0x30; 256 * 1024 + 1]);
    assert_eq!(ask(&chain, &root_crl()).await, Err(bad("it is larger than 262144 bytes")));
    put(&scene, "intel/sgx-tcb/00606a0000ab/standard.json", b"{");
    assert_eq!(ask(&chain, &tcb_info()).await, Err(bad("it is not JSON: json-syntax")));
    put(&scene, "intel/sgx-tcb/00606a0000ab/standard.json", b"{}");
    for wrong in [&b"certificate"[..], b"\xff", b""] {
        put(&scene, "intel/sgx-tcb/00606a0000ab/standard.chain.pem", wrong);
        assert_eq!(ask(&chain, &tcb_info()).await, Err(bad("its chain is not of certificates")));
    }
    put(&scene, "intel/families.json/inside", b"");
    assert_eq!(ask(&chain, &Wanted::Families).await, Err(bad("it is not a file")));
}

#[test]
fn every_document_has_its_own_file() {
    let mut subjects: Vec<Subject> = assay_collateral::subject::amd_lists().collect();
    subjects.extend(Enclave::ALL.map(Subject::Identity));
    subjects.extend([
        Subject::RootCrl,
        Subject::EvaluationNumbers(Tee::Tdx),
        Subject::PckCrl(PckCa::Processor),
    ]);
    let selections = [Selection::Track(Track::Early), Selection::default(), Selection::Number(7)];
    let mut files = std::collections::BTreeSet::new();
    let mut expected = 0;
    for subject in subjects {
        for selection in selections {
            let (body, chain) = document_files(subject, selection);
            files.insert(body);
            files.extend(chain);
        }
        let versions = if subject.is_numbered() { 3 } else { 1 };
        let has_chain = !matches!(subject, Subject::RootCrl | Subject::AmdCrl(_));
        expected += versions * if has_chain { 2 } else { 1 };
    }
    assert_eq!(files.len(), expected);
}
