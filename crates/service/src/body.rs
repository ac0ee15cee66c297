//! Request bodies: bounded in size, time, and the memory of all together.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::limits::{Share, Shares};
use crate::problem::Problem;

/// Memory for all bodies that are read and worked on: 32 of the default size limit, or thousands of real evidence.
const MEMORY: usize = 128 * 1024 * 1024;
/// What one source may have of it; more if one body may be larger.
const MEMORY_PER_SOURCE: usize = MEMORY / 4;

/// What is read and thrown away of a body that nobody wants, so that its sender gets to read the answer: a client that
/// writes into a closed connection sees a reset in its place.
const DISCARD_BYTES: usize = 32 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// The memory of which bodies take shares; one of them has at most `limit` bytes. A proxy is the source of everything.
pub(crate) fn memory(limit: usize, behind_proxy: bool) -> Arc<Shares> {
    let each = if behind_proxy { MEMORY } else { MEMORY_PER_SOURCE.max(limit) };
    Shares::new(MEMORY, each, MEMORY)
}

/// The length that the head announces, if it does.
pub(crate) fn announced(body: &Incoming) -> Option<usize> {
    body.size_hint().exact().map(|length| usize::try_from(length).unwrap_or(usize::MAX))
}

/// Reads the whole body into memory of this share.
///
/// # Errors
/// 413 as soon as it is clear that the body is larger than `limit` bytes, by its announced length before anything is read;
/// 408 when it is not complete in time; 400 when it is cut off or malformed; 503 when there is no memory for it now.
pub(crate) async fn read(
    body: &mut Incoming,
    limit: usize,
    time: Duration,
    share: &mut Share,
) -> Result<Bytes, Problem> {
    // Of a body without a length it is known that it is not longer than it may be.
    let largest = announced(body).unwrap_or(limit);
    if largest > limit {
        return Err(Problem::too_large(limit));
    }
    match tokio::time::timeout(time, collect(body, largest, limit, share)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::timed_out(time.as_secs())),
    }
}

async fn collect(
    body: &mut Incoming,
    largest: usize,
    limit: usize,
    share: &mut Share,
) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        let length = first.len().saturating_add(whole.len()).saturating_add(data.len());
        if length > limit {
            return Err(Problem::too_large(limit));
        }
        // Most bodies come in one piece, which then needs no copy.
        if first.is_empty() && whole.is_empty() {
            grow(share, length)?;
            first = data;
            continue;
        }
        if length > whole.capacity() {
            // An announcement alone takes no memory: there is never more than twice of what has come.
            let capacity = length.saturating_mul(2).min(largest).max(length);
            grow(share, capacity)?;
            whole.reserve_exact(capacity.saturating_sub(whole.len()));
        }
        if whole.is_empty() {
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

fn grow(share: &mut Share, bytes: usize) -> Result<(), Problem> {
    if share.grow_to(bytes) {
        return Ok(());
    }
    let message = "The service has no memory for more request bodies at this moment. Try again in a moment.";
    Err(Problem::unavailable("bodies-busy", message))
}

fn broken(error: &hyper::Error) -> Problem {
    tracing::debug!(%error, "a request body broke off");
    let message = "The request body broke off or is not framed correctly. Send as many bytes as announced.";
    Problem::invalid_parameter("body-broken", message)
}

/// Throws the rest of a body away in the background.
pub(crate) fn discard(mut body: Incoming) {
    tokio::spawn(async move {
        let rest = async {
            let mut left = DISCARD_BYTES;
            while let Some(Ok(frame)) = body.frame().await {
                left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD_TIME, rest).await;
    });
}
