//! The log: set up once at the start, and one line for each request that is worth it.

use http::StatusCode;
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

/// Sends what is logged to standard error in the configured form. Only the first call in a process counts.
///
/// # Errors
/// The level is not one, as text for the operator.
pub fn init(config: &LogConfig) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| format!("the log level `{}` cannot be used: {error}", config.level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
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
    pub(crate) status: StatusCode,
    pub(crate) code: Option<&'static str>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) id: &'a str,
    pub(crate) micros: u64,
}

/// Failures of the service are errors, refusals information, and successes detail: every attestation has its decision
/// record.
pub(crate) fn request(line: &RequestLine<'_>) {
    macro_rules! write_line {
        ($level:ident) => {
            tracing::$level!(
                target: "assay::request",
                method = line.method,
                route = line.route,
                provider = line.provider,
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
    } else if line.status.is_client_error() {
        write_line!(info);
    } else {
        write_line!(debug);
    }
}
