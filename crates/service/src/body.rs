//! Request bodies: bounded in size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::problem::Problem;

/// What is read and thrown away of a body that nobody wants, so that its sender gets to read the answer: a client that
/// writes into a closed connection sees a reset in its place.
const DISCARD_BYTES: usize = 32 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Reads the whole body.
///
/// # Errors
/// 413 as soon as it is clear that the body is larger than `limit` bytes, by its announced length before anything is read;
/// 408 when it is not complete in time; 400 when it is cut off or malformed.
pub(crate) async fn read(body: &mut Incoming, limit: usize, time: Duration) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Problem::too_large(limit));
    }
    match tokio::time::timeout(time, collect(body, announced, limit)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::timed_out(time.as_secs())),
    }
}

async fn collect(body: &mut Incoming, announced: usize, limit: usize) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() else { continue };
        let length = first.len().saturating_add(whole.len()).saturating_add(data.len());
        if length > limit {
            return Err(Problem::too_large(limit));
        }
        // Most bodies come in one piece, which then needs no copy.
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.max(length));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
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
