//! What the hardware identity service takes to give out a document that it holds, beside hyper alone.

use std::path::Path;

use bytes::Bytes;
use http::Method;

use crate::Failure;
use crate::bare::Answer;
use crate::load::{Calls, Speed, refused, speed};
use crate::measure::Plan;
use crate::report::{Goal, Row};
use crate::server::Server;

const GET: &str = "collateral-get";
pub(crate) const CASES: [&str; 1] = [GET];

/// TCB information of simulated servers, as Intel's client asks for it.
const PATH: &str = "/sgx/certification/v4/tcb?fmspc=53494D000002&update=standard";
/// An answer takes a tenth of an attestation, and processor time is counted in hundredths of a second.
const MORE_REQUESTS: u32 = 10;

pub(crate) fn rows(plan: Plan, program: &Path) -> Result<Vec<Row>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let [service, bare] = runtime.block_on(measure(plan, program))?;
    service.note(GET)?;
    let row = Row::new(GET, "us", service.cpu_micros);
    let floor = "hyper with TLS alone, in a process of its own, with the same certificate, headers and body";
    Ok(vec![row.above(floor, bare.cpu_micros).promised(&[Goal::FloorTimes(1.5)])])
}

/// The service and hyper alone, in turns.
async fn measure(plan: Plan, program: &Path) -> Result<[Speed; 2], Failure> {
    let folder = tempfile::tempdir()?;
    let service = Server::start(program, folder.path(), None).await?;
    let answer = service.connect().await?.answer(Method::GET, PATH, Bytes::new()).await?;
    let (head, body) = answer.into_parts();
    if head.status != http::StatusCode::OK || !head.headers.contains_key("tcb-info-issuer-chain") {
        return Err(refused(head.status, &body).into());
    }
    Answer { headers: head.headers, body: body.clone() }.write(folder.path())?;
    let bare = Server::bare(folder.path()).await?;
    let calls = |_| Calls {
        method: Method::GET,
        path: PATH.to_owned(),
        bodies: vec![Bytes::new()],
        answer: Some(body.clone()),
    };
    let requests = plan.requests.saturating_mul(MORE_REQUESTS);
    let (servers, mut best) = ([service, bare], [Speed::NONE; 2]);
    for server in &servers {
        speed(server, plan.requests, calls).await?;
    }
    for _ in 0..plan.service_rounds {
        for (server, best) in servers.iter().zip(&mut best) {
            *best = best.best(speed(server, requests, calls).await?);
        }
    }
    Ok(best)
}
