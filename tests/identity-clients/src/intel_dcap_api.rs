//! `intel-dcap-api`: a client of Intel's PCS with another base address. It takes what comes and verifies nothing, so here it is
//! compared with what Intel's interface promises.

use std::fmt::Display;

use anyhow::{Context, Error, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use intel_dcap_api::{ApiClient, CaType, CrlEncoding, IntelApiError, PlatformFilter, UpdateType};

use crate::table::Table;
use crate::{Case, DESKTOPS, EARLY, GONE, LATER, OLDEST, SERVERS, STANDARD, member};

const CLIENT: &str = "intel-dcap-api 0.6.0";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n";

type Selectors = (Option<UpdateType>, Option<u64>);
/// What is asked for, and the evaluation that it means.
const SETS: [(&str, Selectors, u16); 4] = [
    ("", (None, None), STANDARD),
    ("standard", (Some(UpdateType::Standard), None), STANDARD),
    ("early", (Some(UpdateType::Early), None), EARLY),
    ("by number", (None, Some(OLDEST as u64)), OLDEST),
];

pub(crate) async fn run(case: &Case, root: &[u8], table: &mut Table) -> Result<()> {
    let mut client = ApiClient::new_with_base_url(case.base.as_str())?;
    // To be told to come again is a failure here, and not to be waited for.
    client.set_max_retries(0);
    let calls = Calls { client, root: root_pem(root)?, table };
    calls.run(case).await
}

struct Calls<'a> {
    client: ApiClient,
    /// The end of every chain, in base64.
    root: String,
    table: &'a mut Table,
}

impl Calls<'_> {
    async fn run(mut self, case: &Case) -> Result<()> {
        for (name, (update, number), expected) in SETS {
            self.documents(name, update, number, expected).await;
        }
        self.lists().await;
        self.numbers_and_families().await;
        self.what_is_not_there().await;
        self.desktop(&Pckid::read(&case.desktop)?).await;
        self.server(&Pckid::read(&case.server)?).await;
        Ok(())
    }

    fn note<E: Display>(&mut self, call: &str, outcome: std::result::Result<String, E>) {
        self.table.note(CLIENT, call.trim_end(), outcome);
    }

    async fn documents(
        &mut self,
        name: &str,
        update: Option<UpdateType>,
        number: Option<u64>,
        expected: u16,
    ) {
        let got = self.client.get_sgx_tcb_info(SERVERS, update, number).await;
        let outcome = got
            .map_err(Error::from)
            .and_then(|got| self.tcb_info(&got.tcb_info_json, &got.issuer_chain, "SGX", expected));
        self.note(&format!("get_sgx_tcb_info {name}"), outcome);
        let got = self.client.get_tdx_tcb_info(SERVERS, update, number).await;
        let outcome = got
            .map_err(Error::from)
            .and_then(|got| self.tcb_info(&got.tcb_info_json, &got.issuer_chain, "TDX", expected));
        self.note(&format!("get_tdx_tcb_info {name}"), outcome);
        let identities = [
            ("get_sgx_qe_identity", "QE", self.client.get_sgx_qe_identity(update, number).await),
            ("get_tdx_qe_identity", "TD_QE", self.client.get_tdx_qe_identity(update, number).await),
            ("get_sgx_qve_identity", "QVE", self.client.get_sgx_qve_identity(update, number).await),
            ("get_sgx_qae_identity", "QAE", self.client.get_sgx_qae_identity(update, number).await),
        ];
        for (call, id, got) in identities {
            let outcome = got.map_err(Error::from).and_then(|got| {
                self.signed(&got.enclave_identity_json, &got.issuer_chain, "/enclaveIdentity", id, expected)
            });
            self.note(&format!("{call} {name}"), outcome);
        }
    }

    fn tcb_info(&self, text: &str, chain: &str, id: &str, expected: u16) -> Result<String> {
        let fmspc = member(text, "/tcbInfo/fmspc")?;
        ensure!(
            fmspc.as_str().is_some_and(|given| given.eq_ignore_ascii_case(SERVERS)),
            "of the family {fmspc}"
        );
        self.signed(text, chain, "/tcbInfo", id, expected)
    }

    /// A document with its signature, and the chain of its signer.
    fn signed(&self, text: &str, chain: &str, path: &str, id: &str, expected: u16) -> Result<String> {
        let given = member(text, &format!("{path}/id"))?;
        ensure!(given == id, "a document of {given}");
        let number = member(text, &format!("{path}/tcbEvaluationDataNumber"))?;
        ensure!(number == expected, "evaluation {number}, expected {expected}");
        ensure!(
            member(text, "/signature")?.as_str().is_some_and(|it| it.len() == 128),
            "no signature of 64 bytes"
        );
        self.ends_at_root(chain)?;
        Ok(format!("evaluation {number}"))
    }

    /// Two certificates, the second one the root.
    fn ends_at_root(&self, chain: &str) -> Result<()> {
        let (_, last) = chain.rsplit_once(CERTIFICATE).context("the issuer chain is no PEM")?;
        ensure!(chain.matches(CERTIFICATE).count() == 2, "the issuer chain has not two certificates");
        let last: String = last.lines().take_while(|line| !line.starts_with('-')).collect();
        ensure!(last == self.root, "the issuer chain does not end at the root");
        Ok(())
    }

    async fn lists(&mut self) {
        for (name, ca) in [("platform", CaType::Platform), ("processor", CaType::Processor)] {
            let pem = self.list(ca, Some(CrlEncoding::Pem)).await;
            let outcome = pem.and_then(|list| {
                ensure!(list.starts_with(b"-----BEGIN X509 CRL-----\n"), "no list in PEM");
                Ok("PEM".to_owned())
            });
            self.note(&format!("get_pck_crl {name}, PEM"), outcome);
            let der = self.list(ca, Some(CrlEncoding::Der)).await;
            let outcome = der.as_ref().map_err(ToString::to_string).and_then(|list| match list.first() {
                Some(0x30) => Ok(format!("{} bytes", list.len())),
                _ => Err("no list in DER".to_owned()),
            });
            self.note(&format!("get_pck_crl {name}, DER"), outcome);
            // Intel's service gives PEM here, and its PCCS hexadecimal, which node libraries rely on: a cache cannot be both.
            let outcome = self.list(ca, None).await.and_then(|list| {
                ensure!(hex::decode(list)? == der.unwrap_or_default(), "it is not the list in hexadecimal");
                Ok("hexadecimal as of PCCS, where Intel's own service gives PEM".to_owned())
            });
            self.note(&format!("get_pck_crl {name}"), outcome);
        }
    }

    async fn list(&self, ca: CaType, encoding: Option<CrlEncoding>) -> Result<Vec<u8>> {
        let got = self.client.get_pck_crl(ca, encoding).await?;
        self.ends_at_root(&got.issuer_chain)?;
        Ok(got.crl_data)
    }

    async fn numbers_and_families(&mut self) {
        let numbers = [
            ("get_sgx_tcb_evaluation_data_numbers", self.client.get_sgx_tcb_evaluation_data_numbers().await),
            ("get_tdx_tcb_evaluation_data_numbers", self.client.get_tdx_tcb_evaluation_data_numbers().await),
        ];
        for (call, got) in numbers {
            let outcome = got.map_err(Error::from).and_then(|got| {
                self.ends_at_root(&got.issuer_chain)?;
                numbers_of(&got.tcb_evaluation_data_numbers_json)
            });
            self.note(call, outcome);
        }
        for (filter, expected) in [
            (None, &[DESKTOPS, SERVERS][..]),
            (Some(PlatformFilter::All), &[DESKTOPS, SERVERS]),
            (Some(PlatformFilter::E5), &[SERVERS]),
            (Some(PlatformFilter::Client), &[]),
        ] {
            let outcome = self
                .client
                .get_fmspcs(filter)
                .await
                .map_err(Error::from)
                .and_then(|text| families(&text, expected));
            let name = filter.map_or_else(String::new, |filter| filter.to_string());
            self.note(&format!("get_fmspcs {name}"), outcome);
        }
    }

    async fn what_is_not_there(&mut self) {
        for (name, number, status) in [("withdrawn", GONE, 410), ("of the future", LATER, 404)] {
            let got = self.client.get_sgx_tcb_info(SERVERS, None, Some(number.into())).await;
            self.note(&format!("get_sgx_tcb_info {name}"), refused_with(got, status));
            let got = self.client.get_tdx_qe_identity(None, Some(number.into())).await;
            self.note(&format!("get_tdx_qe_identity {name}"), refused_with(got, status));
        }
        let got = self.client.get_sgx_tcb_info("00606A000000", None, None).await;
        self.note("get_sgx_tcb_info of an unknown family", refused_with(got, 404));
        let got = self.client.get_sgx_tcb_info("no digits", None, None).await;
        self.note("get_sgx_tcb_info of no family", refused_with(got, 400));
    }

    async fn desktop(&mut self, id: &Pckid) {
        let [ppid, pce_id, cpu_svn, pce_svn] = id.fields();
        let got = self.client.get_pck_certificate_by_ppid(ppid, cpu_svn, pce_svn, pce_id, None, None).await;
        let outcome = got.map_err(Error::from).and_then(|got| {
            self.one_certificate(&got.pck_cert_pem, &got.issuer_chain, &got.fmspc, DESKTOPS)?;
            ensure!(
                got.tcbm.eq_ignore_ascii_case(&format!("{cpu_svn}{pce_svn}")),
                "for another TCB: {}",
                got.tcbm
            );
            Ok("for the TCB of the machine".to_owned())
        });
        self.note("get_pck_certificate_by_ppid", outcome);
        let got = self.client.get_pck_certificates_by_ppid(ppid, pce_id, None, None).await;
        let outcome = got
            .map_err(Error::from)
            .and_then(|got| self.certificates(&got.pck_certs_json, &got.issuer_chain, &got.fmspc, DESKTOPS));
        self.note("get_pck_certificates_by_ppid", outcome);
        let got = self
            .client
            .get_pck_certificate_by_ppid(&"ab".repeat(384), cpu_svn, pce_svn, pce_id, None, None)
            .await;
        self.note("get_pck_certificate_by_ppid of a stranger", refused_with(got, 404));
    }

    async fn server(&mut self, id: &Pckid) {
        let [_, pce_id, cpu_svn, pce_svn] = id.fields();
        let manifest = id.manifest();
        let got = self.client.get_pck_certificate_by_manifest(manifest, cpu_svn, pce_svn, pce_id, None).await;
        let outcome = got.map_err(Error::from).and_then(|got| {
            self.one_certificate(&got.pck_cert_pem, &got.issuer_chain, &got.fmspc, SERVERS)?;
            Ok("for the TCB of the machine".to_owned())
        });
        self.note("get_pck_certificate_by_manifest", outcome);
        let got = self.client.get_pck_certificates_by_manifest(manifest, pce_id, None).await;
        let outcome = got
            .map_err(Error::from)
            .and_then(|got| self.certificates(&got.pck_certs_json, &got.issuer_chain, &got.fmspc, SERVERS));
        self.note("get_pck_certificates_by_manifest", outcome);
    }

    fn one_certificate(&self, pem: &str, chain: &str, fmspc: &str, family: &str) -> Result<()> {
        ensure!(pem.starts_with(CERTIFICATE) && pem.ends_with("-----\n"), "no certificate in PEM");
        ensure!(fmspc.eq_ignore_ascii_case(family), "of the family {fmspc}");
        self.ends_at_root(chain)
    }

    fn certificates(&self, text: &str, chain: &str, fmspc: &str, family: &str) -> Result<String> {
        ensure!(fmspc.eq_ignore_ascii_case(family), "of the family {fmspc}");
        self.ends_at_root(chain)?;
        let entries: Vec<serde_json::Value> = serde_json::from_str(text)?;
        ensure!(!entries.is_empty(), "no certificate");
        for entry in &entries {
            let tcbm = entry.pointer("/tcbm").and_then(|it| it.as_str()).context("no `tcbm`")?;
            ensure!(tcbm.len() == 36, "`tcbm` is `{tcbm}`");
            let pem = entry.pointer("/cert").and_then(|it| it.as_str()).context("no `cert`")?;
            ensure!(pem.starts_with("-----BEGIN%20CERTIFICATE-----%0A"), "`cert` is not escaped PEM");
            ensure!(entry.pointer("/tcb/sgxtcbcomponents/15/svn").is_some(), "`tcb` is not of version 4");
        }
        Ok(format!("{} certificates", entries.len()))
    }
}

fn numbers_of(text: &str) -> Result<String> {
    let list = member(text, "/tcbEvaluationDataNumbers/tcbEvalNumbers")?;
    let mut numbers: Vec<u64> = list
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|entry| entry.pointer("/tcbEvaluationDataNumber")?.as_u64())
        .collect();
    numbers.sort_unstable();
    ensure!(numbers == [OLDEST, STANDARD, EARLY].map(u64::from), "the evaluations are {numbers:?}");
    Ok(format!("{numbers:?}"))
}

fn families(text: &str, expected: &[&str]) -> Result<String> {
    let list: Vec<serde_json::Value> = serde_json::from_str(text)?;
    let mut named: Vec<&str> = list.iter().filter_map(|entry| entry.pointer("/fmspc")?.as_str()).collect();
    named.sort_unstable();
    ensure!(named == expected, "the families are {named:?}");
    Ok(named.join(" "))
}

/// The client reads the status, and the reason from headers.
fn refused_with<T>(got: Result<T, IntelApiError>, expected: u16) -> std::result::Result<String, String> {
    match got {
        Err(IntelApiError::ApiError { status, error_message, .. }) if status.as_u16() == expected => {
            Ok(format!("{expected}: {}", error_message.unwrap_or_default()))
        }
        Err(other) => Err(other.to_string()),
        Ok(_) => Err(format!("answered, expected {expected}")),
    }
}

/// What stands between the first and the last line of the root's PEM, in one line.
fn root_pem(der: &[u8]) -> Result<String> {
    let body = BASE64.encode(der);
    ensure!(!body.is_empty(), "the root is empty");
    Ok(body)
}

/// The line of Intel's PCK ID retrieval tool.
struct Pckid(Vec<String>);

impl Pckid {
    fn read(file: &std::path::Path) -> Result<Self> {
        let fields: Vec<String> =
            std::fs::read_to_string(file)?.trim().split(',').map(str::to_owned).collect();
        ensure!(fields.len() >= 5, "`{}` has too few fields", file.display());
        Ok(Self(fields))
    }

    /// Encrypted PPID, PCE id, CPUSVN and PCE ISVSVN.
    fn fields(&self) -> [&str; 4] {
        [0, 1, 2, 3].map(|index| self.0[index].as_str())
    }

    fn manifest(&self) -> &str {
        self.0.get(5).map_or("", String::as_str)
    }
}
