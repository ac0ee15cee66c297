//! `az-snp-vtpm` as guests in Azure use it, where 169.254.169.254 is an Assay agent: it fetches the certificates of its processor
//! from that fixed address, and checks that AMD issued them.
//!
//! Usage: assay-az-snp-vtpm. `tests/clients/metadata.py` runs it in a network of its own.

use std::process::ExitCode;

use anyhow::{Context, Result};
use az_snp_vtpm::certs::{Vcek, build_cert_chain};
use az_snp_vtpm::imds::get_certs;

fn main() -> ExitCode {
    match run() {
        Ok(()) => {
            println!("ok   az-snp-vtpm 0.8.2: the certificates came, and lead to AMD's root");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("FAIL az-snp-vtpm 0.8.2: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let certificates = get_certs().context("imds::get_certs")?;
    let chain = build_cert_chain(&certificates.amd_chain).context("certs::build_cert_chain")?;
    chain.validate().context("AmdChain::validate")?;
    let vcek = Vcek::from_pem(&certificates.vcek).context("Vcek::from_pem")?;
    vcek.validate(&chain).context("Vcek::validate")
}
