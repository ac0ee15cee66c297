//! A service kept busy over connections that are kept, and the processor time that it takes.

use std::time::Instant;

use bytes::Bytes;
use http::{Method, StatusCode};

use crate::Failure;
use crate::measure::micros;
use crate::server::Server;

/// Connections at once: enough to keep the service busy, so that it is measured at work and not at waking up.
pub(crate) const CONNECTIONS: usize = 16;

/// How quickly a service answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    /// Processor time of the service for one request, in microseconds.
    pub(crate) cpu_micros: f64,
    /// Answers in a second of the clock.
    per_second: f64,
}

impl Speed {
    pub(crate) const NONE: Self = Self { cpu_micros: f64::INFINITY, per_second: 0.0 };

    pub(crate) const fn best(self, other: Self) -> Self {
        Self {
            cpu_micros: self.cpu_micros.min(other.cpu_micros),
            per_second: self.per_second.max(other.per_second),
        }
    }

    pub(crate) fn note(self, case: &str) -> Result<(), Failure> {
        let Self { cpu_micros, per_second } = self;
        crate::note(&format!(
            "{case}: {cpu_micros:.0} us of processor time; {per_second:.0} answers per second with the client on the same machine"
        ))
    }
}

/// What one connection sends again and again.
pub(crate) struct Calls {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// In turns.
    pub(crate) bodies: Vec<Bytes>,
    /// The body of every answer, where it is known.
    pub(crate) answer: Option<Bytes>,
}

/// Sends so many requests over all connections; `calls` is given the number of a connection.
pub(crate) async fn speed(
    server: &Server,
    requests: u32,
    calls: impl Fn(usize) -> Calls,
) -> Result<Speed, Failure> {
    let each = usize::try_from(requests.div_ceil(u32::try_from(CONNECTIONS)?))?;
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        // Handshakes are done before the clock starts.
        connections.push(server.connect().await?);
    }
    let (before, start) = (server.cpu_time()?, Instant::now());
    let mut clients = tokio::task::JoinSet::new();
    for (number, mut connection) in connections.into_iter().enumerate() {
        let Calls { method, path, bodies, answer: expected } = calls(number);
        clients.spawn(async move {
            let mut answered: u32 = 0;
            for body in bodies.into_iter().cycle().take(each) {
                let sent = connection.send(method.clone(), &path, body).await;
                let (status, answer) = sent.map_err(|error| error.to_string())?;
                if status != StatusCode::OK {
                    return Err(refused(status, &answer));
                }
                if expected.as_ref().is_some_and(|expected| *expected != answer) {
                    return Err("an answer has another body than the first one".to_owned());
                }
                answered = answered.saturating_add(1);
            }
            Ok(answered)
        });
    }
    let mut answered: u32 = 0;
    while let Some(client) = clients.join_next().await {
        answered = answered.saturating_add(client??);
    }
    let taken = server.cpu_time()?.saturating_sub(before);
    let elapsed = Instant::now().saturating_duration_since(start);
    let answered = f64::from(answered);
    Ok(Speed { cpu_micros: micros(taken) / answered, per_second: answered / elapsed.as_secs_f64() })
}

pub(crate) fn refused(status: StatusCode, answer: &[u8]) -> String {
    format!("the service answered {status}: {}", String::from_utf8_lossy(answer))
}
