//! The log: set up once at the start, and one line for each request that is worth it.

use std::ffi::OsStr;
use std::io::IsTerminal;

use http::StatusCode;
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Colour is for people at a terminal who did not decline it (no-color.org: any value that is not empty).
fn has_colour(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

/// Sends what is logged to standard error in the configured form. Only the first call in a process counts.
///
/// # Errors
/// The level is not one, as text for the operator.
pub fn init(config: &LogConfig) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| format!("the log level `{}` cannot be used: {error}", config.level))?;
    let ansi = has_colour(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi);
    // A second subscriber, as in tests that start several services, is refused; the first one does.
    let _ = match config.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder.try_init(),
    };
    Ok(())
}

/// What the log says of a request: never bodies, tokens or platform identifiers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestLine<'a> {
    pub(crate) method: &'a str,
    pub(crate) route: Option<&'static str>,
    pub(crate) provider: Option<&'a str>,
    /// For attestations: the kind of evidence, and what was decided. The code of a refusal is the `reason`.
    pub(crate) kind: Option<&'static str>,
    pub(crate) outcome: Option<&'static str>,
    pub(crate) status: StatusCode,
    pub(crate) code: Option<&'static str>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) id: &'a str,
    pub(crate) micros: u64,
}

/// One line for each request: failures of the service are errors, everything else is information. Whoever balances load
/// asks `/readyz` every second, so that it is ready is detail.
pub(crate) fn request(line: &RequestLine<'_>) {
    macro_rules! write_line {
        ($level:ident) => {
            tracing::$level!(
                target: "assay::request",
                method = line.method,
                route = line.route,
                provider = line.provider,
                kind = line.kind,
                outcome = line.outcome,
                status = line.status.as_u16(),
                code = line.code,
                reason = line.reason,
                request_id = line.id,
                micros = line.micros,
                "answered"
            )
        };
    }
    if line.status.is_server_error() {
        write_line!(error);
    } else if line.route == Some("/readyz") {
        write_line!(debug);
    } else {
        write_line!(info);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a line becomes at the level `info`.
    fn logged(line: &RequestLine<'_>) -> Option<Value> {
        let written = Written::default();
        let writer = written.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new("info"))
            .with_writer(move || writer.clone())
            .json()
            .flatten_event(true)
            .finish();
        tracing::subscriber::with_default(subscriber, || request(line));
        let text = written.0.lock().unwrap().clone();
        serde_json::from_slice(&text).ok()
    }

    #[test]
    fn every_request_is_one_line() {
        let line = RequestLine {
            method: "POST",
            route: Some("/attest/{type}"),
            provider: Some("default"),
            kind: Some("SgxEnclave"),
            outcome: Some("permitted"),
            status: StatusCode::OK,
            code: None,
            reason: None,
            id: "00-a",
            micros: 7,
        };
        let mut success = logged(&line).unwrap();
        success.as_object_mut().unwrap().remove("timestamp");
        let expected = serde_json::json!({
            "level": "INFO", "target": "assay::request", "message": "answered", "method": "POST",
            "route": "/attest/{type}", "provider": "default", "kind": "SgxEnclave", "outcome": "permitted",
            "status": 200, "request_id": "00-a", "micros": 7,
        });
        assert_eq!(success, expected);
        let failure = RequestLine { status: StatusCode::INTERNAL_SERVER_ERROR, ..line };
        assert_eq!(logged(&failure).unwrap()["level"], "ERROR");
        assert_eq!(logged(&RequestLine { route: Some("/readyz"), ..line }), None);
    }

    #[test]
    fn colour_is_for_terminals() {
        let given = |text| has_colour(true, Some(OsStr::new(text)));
        assert!(has_colour(true, None) && given(""));
        assert!(!given("1") && !has_colour(false, None));
    }
}
