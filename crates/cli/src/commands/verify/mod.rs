//! `assay verify`: appraises evidence offline, with the vendors' built-in roots.

mod explain;
mod roots;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use assay_appraisal::verdict::{
    JudgeCollateral, JudgeInput, JudgeSnp, PolicyVerdict, Verdict, VerdictError, judge,
};
use assay_appraisal::{Beside, EvidenceKind, Refusal, SnpTrust};
use assay_verify::intel::RawCollateral;
use assay_verify::{TrustAnchors, UnixTime};

use super::kind::{AMD, INTEL, KindParser, refuse_foreign};
use crate::failure::{Failure, NOT_GOOD};
use crate::input::{self, Hex};
use crate::output::{Format, Output};

pub(super) use roots::{anchors, snp_trust};

const KINDS: KindParser<EvidenceKind> = KindParser {
    known: &[
        ("sgx", EvidenceKind::Sgx),
        ("open-enclave", EvidenceKind::OpenEnclave),
        ("snp", EvidenceKind::Snp),
        ("azure-cvm", EvidenceKind::AzureCvm),
    ],
    later: &["tdx", "tpm", "vbs"],
};

/// Check evidence offline: exit code 0 when it is genuine (and permitted), 1 when not
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: check a quote as of a day in the past:
  assay verify sgx quote.bin --collateral collateral.json --at 2026-01-31T00:00:00Z

Example: check a confidential VM's report with the certificate of the key that signed it:
  assay verify snp report.bin --vek vcek.pem

Example: the same with AMD's list of what it has revoked:
  assay verify snp report.bin --vek vcek.pem --crl milan.crl

Example: what the paravisor of a confidential VM on Azure keeps in its TPM:
  assay verify azure-cvm hcl-report.bin --vek vcek.pem

Example: check simulated evidence, and try a policy on it:
  assay simulate sgx --out evidence
  assay verify sgx evidence/evidence.bin --collateral evidence/collateral.json \\
      --runtime-data evidence/runtime-data.bin --data assay-dev --policy policy.txt")]
pub(crate) struct Arguments {
    /// What the evidence is
    #[arg(value_parser = KINDS)]
    kind: EvidenceKind,
    /// The evidence; `-` is standard input. SEV-SNP: a report, or what clouds and tools put around it (certificate
    /// table, JSON)
    file: PathBuf,
    /// Collateral: JSON with the fields of Intel's quote collateral version 3; SGX only
    #[arg(long, value_name = "FILE")]
    collateral: Option<PathBuf>,
    /// PCK certificate with the chain above it, PEM, for a quote that carries none; SGX only
    #[arg(long, value_name = "FILE")]
    pck: Option<PathBuf>,
    /// Certificate of the key that signed the report (VCEK or VLEK), DER or PEM; of several, the first. SEV-SNP only
    #[arg(long, value_name = "FILE")]
    vek: Option<PathBuf>,
    /// Certificates above that key, DER or PEM; they are compared with AMD's, which are built in. SEV-SNP only
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// Revocation list of AMD, DER or PEM; without one, revocation is not checked. SEV-SNP only
    #[arg(long, value_name = "FILE")]
    crl: Option<PathBuf>,
    /// Data whose SHA-256 must be the report data
    #[arg(long, value_name = "FILE")]
    runtime_data: Option<PathBuf>,
    /// Data whose SHA-256 must be what the host named at launch (SEV-SNP: the host data, as of a container policy)
    #[arg(long, value_name = "FILE")]
    init_time_data: Option<PathBuf>,
    /// Nonce that the evidence must be bound to
    #[arg(long, value_name = "HEX")]
    nonce: Option<Hex>,
    /// Time to judge at, RFC 3339 or unix seconds; now unless given
    #[arg(long, value_name = "TIME", value_parser = input::time)]
    at: Option<UnixTime>,
    /// Policy to evaluate over the claims
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Another root to believe: an Intel-style root's certificate or public key, PEM or DER; or an AMD-style
    /// intermediate certificate and its root (ARK) in one PEM file
    #[arg(long, value_name = "FILE")]
    trust_root: Option<PathBuf>,
    /// Believe the simulated hardware of this data folder, too
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Form of the output; text on a terminal, else JSON
    #[arg(long)]
    format: Option<Format>,
}

/// What the files hold.
struct Inputs {
    evidence: Vec<u8>,
    collateral: Option<RawCollateral>,
    vek: Option<Vec<u8>>,
    chain: Option<Vec<u8>>,
    crl: Option<Vec<u8>>,
    runtime_data: Option<Vec<u8>>,
    init_time_data: Option<Vec<u8>>,
    policy: Option<String>,
    anchors: TrustAnchors,
    trust: SnpTrust,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let inputs = arguments.read()?;
    let verdict = arguments.judge(&inputs, output)?;
    match output.format(arguments.format) {
        Format::Json => output.json(&verdict)?,
        Format::Text => {
            let text = explain::text(&verdict, output.style);
            output.data(&text);
        }
    }
    Ok(if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::from(NOT_GOOD) })
}

impl Arguments {
    fn read(&self) -> Result<Inputs, Failure> {
        self.refuse_foreign_options()?;
        let files = [
            Some(&self.file),
            self.collateral.as_ref(),
            self.pck.as_ref(),
            self.vek.as_ref(),
            self.chain.as_ref(),
            self.crl.as_ref(),
            self.runtime_data.as_ref(),
            self.init_time_data.as_ref(),
            self.policy.as_ref(),
            self.trust_root.as_ref(),
        ];
        if files.into_iter().flatten().filter(|path| input::is_stdin(path)).count() > 1 {
            return Err(Failure::new("only one input can come from standard input"));
        }
        let read = |path: &Option<PathBuf>| path.as_deref().map(input::read).transpose();
        Ok(Inputs {
            evidence: input::read(&self.file)?,
            collateral: self.collateral.as_deref().map(read_collateral).transpose()?,
            vek: read(&self.vek)?,
            // Evidence of one vendor has one or the other.
            chain: read(if self.pck.is_some() { &self.pck } else { &self.chain })?,
            crl: read(&self.crl)?,
            runtime_data: read(&self.runtime_data)?,
            init_time_data: read(&self.init_time_data)?,
            policy: self.policy.as_deref().map(super::policy::read_policy).transpose()?,
            anchors: anchors(self.trust_root.as_deref(), self.data.as_deref())?,
            trust: snp_trust(self.data.as_deref())?,
        })
    }

    /// Intel's evidence is judged by collateral, AMD's by certificates.
    fn refuse_foreign_options(&self) -> Result<(), Failure> {
        let of_intel = [("--collateral", self.collateral.is_some()), ("--pck", self.pck.is_some())];
        let of_amd =
            [("--vek", self.vek.is_some()), ("--chain", self.chain.is_some()), ("--crl", self.crl.is_some())];
        match self.kind {
            EvidenceKind::Sgx | EvidenceKind::OpenEnclave => refuse_foreign(self.kind.as_str(), AMD, &of_amd),
            EvidenceKind::Snp | EvidenceKind::AzureCvm => {
                refuse_foreign(self.kind.as_str(), INTEL, &of_intel)
            }
        }
    }

    fn judge(&self, inputs: &Inputs, output: &Output) -> Result<Verdict, Failure> {
        let input = JudgeInput {
            kind: self.kind,
            evidence: &inputs.evidence,
            beside: Beside { vek: inputs.vek.as_deref(), chain: inputs.chain.as_deref() },
            runtime_data: inputs.runtime_data.as_deref(),
            runtime_data_type: None,
            init_time_data: inputs.init_time_data.as_deref(),
            nonce: self.nonce.as_ref().map(|nonce| nonce.0.as_slice()),
            challenge: None,
            challenges: None,
            collateral: inputs.collateral.as_ref().map_or(JudgeCollateral::Missing, JudgeCollateral::Raw),
            snp: JudgeSnp::Offline { crl: inputs.crl.as_deref(), trust: &inputs.trust },
            policy: inputs.policy.as_deref(),
            baseline: None,
            now: self.at.unwrap_or_else(super::now),
            anchors: &inputs.anchors,
        };
        judge(&input).or_else(|refusal| self.without_policy(&input, &refusal, output))
    }

    /// A policy that cannot be evaluated permits nothing, so that is a judgement; one that cannot be read is none.
    fn without_policy(
        &self,
        input: &JudgeInput<'_>,
        refusal: &Refusal,
        output: &Output,
    ) -> Result<Verdict, Failure> {
        let unusable = |refusal: &Refusal| Failure::new(refusal.message()).help(refusal.help());
        match refusal {
            Refusal::PolicyEvaluation(_) => {
                let mut verdict =
                    judge(&JudgeInput { policy: None, ..*input }).map_err(|refusal| unusable(&refusal))?;
                let reason = Some(refusal.message());
                let denied =
                    PolicyVerdict { decision: "deny", rule: None, issued: serde_json::Map::new(), reason };
                verdict.policy = Some(denied);
                verdict.error = Some(VerdictError {
                    code: refusal.code(),
                    message: refusal.message(),
                    help: refusal.help(),
                });
                Ok(verdict)
            }
            Refusal::DraftPolicy(diagnostics) => {
                let path = self.policy.clone().unwrap_or_default();
                let text = input.policy.unwrap_or_default();
                output.talk(super::policy::render(text, &path, diagnostics, output.talk_style()));
                Err(Failure::new(format!("`{}` is not a policy that can be evaluated", path.display())))
            }
            other => Err(unusable(other)),
        }
    }
}

fn read_collateral(path: &Path) -> Result<RawCollateral, Failure> {
    RawCollateral::from_json(&input::read(path)?).map_err(|error| {
        Failure::new(format!("`{}` is not collateral: {error}", path.display())).help(
            "collateral is JSON with the fields `tcb_info`, `qe_identity`, `pck_crl` and so on, as strings",
        )
    })
}
