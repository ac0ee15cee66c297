//! `dcap-artifact-retrieval`: its clients of PCCS, of Azure's cache and of Intel's PCS. What they give is verified by `pcs`, as
//! their users do.
//!
//! The first one takes an address. The other two know only Intel's and Azure's, so they get a [`Fetcher`], their own way to
//! bring a transport, that goes to the service instead; paths, parameters and everything else are theirs.

use std::fmt::{Debug, Display};

use anyhow::{Context, Result, anyhow, bail, ensure};
use dcap_artifact_retrieval::{
    AzureProvisioningClientBuilder, Error, Fetcher, IntelProvisioningClientBuilder,
    PccsProvisioningClientBuilder, PcsVersion, ProvisioningClient, ReqwestClient, StatusCode, reqwest_client,
};
use pcs::{
    DcapArtifactIssuer, EnclaveIdentity, Fmspc, PckCert, PckID, PlatformTypeForTcbInfo,
    RawTcbEvaluationDataNumbers, RootCaCrl, TcbInfo, Unverified,
};

use crate::table::Table;
use crate::{Case, EARLY, GONE, OLDEST, STANDARD};

const PCCS: &str = "dcap-artifact-retrieval 0.5.2 pccs";
const AZURE: &str = "dcap-artifact-retrieval 0.5.2 azure";
const INTEL: &str = "dcap-artifact-retrieval 0.5.2 intel";
const SERVERS: Fmspc = Fmspc::new([0x53, 0x49, 0x4d, 0, 0, 2]);
const AUTHORITIES: [(&str, DcapArtifactIssuer); 2] =
    [("platform", DcapArtifactIssuer::PCKPlatformCA), ("processor", DcapArtifactIssuer::PCKProcessorCA)];
/// Numbers to ask for, and what these clients mean when they ask for none: `update=early`.
const SETS: [(&str, Option<u16>, u16); 3] =
    [("early", None, EARLY), ("by number", Some(STANDARD), STANDARD), ("by number", Some(OLDEST), OLDEST)];

pub(crate) fn run(case: &Case, root: &[u8], table: &mut Table) -> Result<()> {
    let desktops = PckID::parse_file(&case.desktop)?;
    let desktop = desktops.first().context("no platform")?;
    let roots = [root];
    let mut calls = Calls { roots: &roots, table };
    let pccs = PccsProvisioningClientBuilder::new(PcsVersion::V4, case.base.clone()).build(reqwest_client());
    calls.lists(&pccs);
    calls.documents(PCCS, &pccs);
    calls.platform(&pccs, desktop);
    calls.old_version(case);
    let azure = AzureProvisioningClientBuilder::new(PcsVersion::V4).build(Moved::to(&case.base));
    calls.azure(&azure, desktop);
    let intel = IntelProvisioningClientBuilder::new(PcsVersion::V4).build(Moved::to(&case.base));
    calls.documents(INTEL, &intel);
    calls.intel(&intel, desktop);
    Ok(())
}

struct Calls<'a> {
    roots: &'a [&'a [u8]],
    table: &'a mut Table,
}

impl Calls<'_> {
    fn lists(&mut self, client: &dyn ProvisioningClient) {
        for (name, ca) in AUTHORITIES {
            let outcome =
                client.pckcrl(ca).map_err(said).and_then(|list| list.verify(self.roots).map_err(said));
            self.table.note(PCCS, &format!("pckcrl {name}"), outcome.map(|_| "verified".to_owned()));
        }
        let outcome = self.root_list(client).map(|_| "verified".to_owned());
        self.table.note(PCCS, "root_ca_crl", outcome);
    }

    fn root_list(&self, client: &dyn ProvisioningClient) -> Result<RootCaCrl> {
        client.root_ca_crl().map_err(said)?.verify(self.roots).map_err(said)
    }

    /// TCB info of both kinds, the quoting enclave's identity and the lists of evaluations.
    fn documents(&mut self, name: &'static str, client: &dyn ProvisioningClient) {
        for (set, asked, expected) in SETS {
            let sgx = client
                .sgx_tcbinfo(&SERVERS, asked)
                .map_err(said)
                .and_then(|info| self.tcb_info(&info, expected));
            self.table.note(name, &format!("sgx_tcbinfo {set}"), sgx);
            let tdx = client
                .tdx_tcbinfo(&SERVERS, asked)
                .map_err(said)
                .and_then(|info| self.tcb_info(&info, expected));
            self.table.note(name, &format!("tdx_tcbinfo {set}"), tdx);
            self.table.note(name, &format!("qe_identity {set}"), self.identity(client, asked, expected));
        }
        let sgx = client.sgx_tcb_evaluation_data_numbers().map_err(said).and_then(|raw| self.numbers(&raw));
        self.table.note(name, "sgx_tcb_evaluation_data_numbers", sgx);
        let tdx = client.tdx_tcb_evaluation_data_numbers().map_err(said).and_then(|raw| self.numbers(&raw));
        self.table.note(name, "tdx_tcb_evaluation_data_numbers", tdx);
        self.table.note(name, "sgx_tcbinfo withdrawn", gone(client.sgx_tcbinfo(&SERVERS, Some(GONE))));
        self.table.note(name, "qe_identity withdrawn", gone(client.qe_identity(Some(GONE))));
    }

    fn tcb_info<T: PlatformTypeForTcbInfo>(&self, info: &TcbInfo<T>, expected: u16) -> Result<String> {
        // Shows that the check below does look at the root.
        ensure!(info.verify(&[] as &[&[u8]], 3).is_err(), "verified without any root");
        let number = info.verify(self.roots, 3).map_err(said)?.tcb_evaluation_data_number();
        ensure!(number == u64::from(expected), "evaluation {number}, expected {expected}");
        Ok(format!("evaluation {number}, verified"))
    }

    fn identity(&self, client: &dyn ProvisioningClient, asked: Option<u16>, expected: u16) -> Result<String> {
        let signed = client.qe_identity(asked).map_err(said)?;
        let identity = signed.verify(self.roots, EnclaveIdentity::QE).map_err(said)?;
        let number = identity.tcb_evaluation_data_number();
        ensure!(number == u64::from(expected), "evaluation {number}, expected {expected}");
        Ok(format!("evaluation {number}, verified"))
    }

    fn numbers<T: PlatformTypeForTcbInfo>(&self, raw: &RawTcbEvaluationDataNumbers<T>) -> Result<String> {
        let verified = raw.verify(self.roots).map_err(said)?;
        let mut numbers: Vec<u16> = verified.numbers().map(|entry| entry.number()).collect();
        numbers.sort_unstable();
        ensure!(numbers == [OLDEST, STANDARD, EARLY], "the evaluations are {numbers:?}");
        Ok(format!("{numbers:?}, verified"))
    }

    fn platform(&mut self, client: &dyn ProvisioningClient, id: &PckID) {
        let outcome = self.revocable_certificate(client, id);
        self.table.note(PCCS, "pckcert", outcome);
        let certificates = client.pckcerts_with_fallback(id).map_err(said);
        let outcome = certificates.and_then(|all| self.certificates(&all.as_pck_certs()));
        self.table.note(PCCS, "pckcerts_with_fallback", outcome);
    }

    /// A certificate, verified with the list of its authority and that of the root.
    fn revocable_certificate(&self, client: &dyn ProvisioningClient, id: &PckID) -> Result<String> {
        let list = client.pckcrl(DcapArtifactIssuer::PCKProcessorCA).map_err(said)?;
        let root_list = self.root_list(client)?;
        let certificate = certificate(client, id)?;
        let list = Some(list.crl_as_pem().as_str());
        let verified = certificate.verify_with_rootcacrl(self.roots, &[root_list], list).map_err(said)?;
        ensure!(verified.platform_tcb()?.cpusvn == id.cpu_svn, "for another CPUSVN");
        Ok("for the TCB of the machine, verified with both lists".to_owned())
    }

    fn certificates(&self, all: &[PckCert<Unverified>]) -> Result<String> {
        ensure!(!all.is_empty(), "no certificate");
        for certificate in all {
            certificate.clone().verify(self.roots, None).map_err(said)?;
        }
        Ok(format!("{} certificates, verified", all.len()))
    }

    /// Version 3 of the interface has everything but TCB info, which Intel no longer signs in that form.
    fn old_version(&mut self, case: &Case) {
        let client =
            PccsProvisioningClientBuilder::new(PcsVersion::V3, case.base.clone()).build(reqwest_client());
        for (name, ca) in AUTHORITIES {
            let outcome =
                client.pckcrl(ca).map_err(said).and_then(|list| list.verify(self.roots).map_err(said));
            self.table.note(PCCS, &format!("v3: pckcrl {name}"), outcome.map(|_| "verified".to_owned()));
        }
        self.table.note(PCCS, "v3: qe_identity early", self.identity(&client, None, EARLY));
        self.table.note(PCCS, "v3: sgx_tcbinfo", gone(client.sgx_tcbinfo(&SERVERS, None)));
    }

    fn azure(&mut self, client: &dyn ProvisioningClient, id: &PckID) {
        let outcome = certificate(client, id).and_then(|one| self.certificates(&[one]));
        self.table.note(AZURE, "pckcert, without a PPID", outcome);
    }

    fn intel(&mut self, client: &dyn ProvisioningClient, id: &PckID) {
        let outcome = certificate(client, id).and_then(|one| self.certificates(&[one]));
        self.table.note(INTEL, "pckcert", outcome);
        let all = client.pckcerts(&id.enc_ppid, id.pce_id).map_err(said);
        self.table.note(INTEL, "pckcerts", all.and_then(|all| self.certificates(&all.as_pck_certs())));
    }
}

fn certificate(client: &dyn ProvisioningClient, id: &PckID) -> Result<PckCert<Unverified>> {
    client.pckcert(Some(&id.enc_ppid), &id.pce_id, &id.cpu_svn, id.pce_isvsvn, Some(&id.qe_id)).map_err(said)
}

fn gone<T>(got: Result<T, Error>) -> Result<String> {
    match got {
        Err(Error::PCSError(StatusCode::Gone, _)) => Ok("410".to_owned()),
        Err(other) => Err(said(other)),
        Ok(_) => bail!("answered, expected 410"),
    }
}

/// Errors of these crates say little when they are displayed.
fn said(error: impl Display + Debug) -> anyhow::Error {
    anyhow!("{error} ({error:?})")
}

/// Goes to the service, whichever host is asked for.
struct Moved {
    client: ReqwestClient,
    base: String,
}

impl Moved {
    fn to(base: &str) -> Self {
        Self { client: reqwest_client(), base: base.to_owned() }
    }
}

impl<'r> Fetcher<'r> for Moved {
    type Request = <ReqwestClient as Fetcher<'r>>::Request;
    type Response = <ReqwestClient as Fetcher<'r>>::Response;

    fn build_request(&'r self, url: &String, headers: Vec<(String, String)>) -> Result<Self::Request, Error> {
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        self.client.build_request(&format!("{}/{path}", self.base), headers)
    }

    fn send(&'r self, request: Self::Request) -> Result<(StatusCode, Self::Response), Error> {
        self.client.send(request)
    }

    fn parse_response(&'r self, response: Self::Response) -> Result<(String, Vec<(String, String)>), Error> {
        self.client.parse_response(response)
    }
}
