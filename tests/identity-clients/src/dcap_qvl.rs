//! `dcap-qvl`: fetches collateral as from a PCCS, and verifies a quote with it.

use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::collateral::{CollateralClient, TcbEvaluationDataSet};
use dcap_qvl::verify::QuoteVerifier;

use crate::table::Table;
use crate::{Case, EARLY, OLDEST, SERVERS, STANDARD, member};

const CLIENT: &str = "dcap-qvl 0.7.1";
/// What is asked for, the evaluation that it means, and what that says of a machine with the updates of `standard`.
const SETS: [(&str, TcbEvaluationDataSet, u16, &str); 3] = [
    ("standard", TcbEvaluationDataSet::Standard, STANDARD, "UpToDate"),
    ("early", TcbEvaluationDataSet::Early, EARLY, "OutOfDate"),
    ("by number", TcbEvaluationDataSet::Number(OLDEST as u32), OLDEST, "UpToDate"),
];

pub(crate) async fn run(case: &Case, root: &[u8], table: &mut Table) -> Result<()> {
    for (machine, file) in ["server", "desktop"].into_iter().zip(&case.quotes) {
        let quote = std::fs::read(file)?;
        for set in SETS {
            let outcome = fetch_and_verify(case, root, &quote, set).await;
            table.note(CLIENT, &format!("fetch, verify: SGX {machine}, {}", set.0), outcome);
        }
        table.note(
            CLIENT,
            &format!("verify to Intel's own root: SGX {machine}"),
            refused(case, &quote).await,
        );
    }
    for (name, set, number, _) in SETS {
        table.note(CLIENT, &format!("fetch_for_fmspc: TDX, {name}"), tdx(case, set, number).await);
    }
    Ok(())
}

fn client(case: &Case, set: TcbEvaluationDataSet) -> Result<CollateralClient> {
    Ok(CollateralClient::with_default_http(case.base.as_str())?.with_evaluation_data_set(set))
}

async fn fetch_and_verify(
    case: &Case,
    root: &[u8],
    quote: &[u8],
    (_, set, number, status): (&str, TcbEvaluationDataSet, u16, &str),
) -> Result<String> {
    let collateral = client(case, set)?.fetch(quote).await?;
    is_of_evaluation(&collateral, number)?;
    let report = QuoteVerifier::new(root.to_vec()).verify(quote, &collateral, now()?)?;
    ensure!(report.status == status, "the quote is `{}`, expected `{status}`", report.status);
    Ok(format!("evaluation {number}, {status}"))
}

/// Shows that the checks above do look at the root.
async fn refused(case: &Case, quote: &[u8]) -> Result<String> {
    let collateral = client(case, TcbEvaluationDataSet::Standard)?.fetch(quote).await?;
    match QuoteVerifier::new_prod().verify(quote, &collateral, now()?) {
        Ok(_) => bail!("a simulated quote was taken for one of Intel's"),
        Err(error) => Ok(format!("refused: {error}")),
    }
}

async fn tdx(case: &Case, set: TcbEvaluationDataSet, number: u16) -> Result<String> {
    let client = client(case, set)?;
    let collateral = client.fetch_for_fmspc_without_pck_chain(SERVERS, "platform", false).await?;
    is_of_evaluation(&collateral, number)?;
    let id = member(&collateral.qe_identity, "/id")?;
    ensure!(id == "TD_QE", "the identity is of `{id}`");
    Ok(format!("evaluation {number}"))
}

fn is_of_evaluation(collateral: &QuoteCollateralV3, number: u16) -> Result<()> {
    for document in [&collateral.tcb_info, &collateral.qe_identity] {
        let given = member(document, "/tcbEvaluationDataNumber")?;
        ensure!(given == number, "evaluation {given}, expected {number}");
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a client outside of the service has a clock of its own")]
fn now() -> Result<u64> {
    Ok(SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .context("the clock stands before 1970")?
        .as_secs())
}
