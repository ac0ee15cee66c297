//! Intel's registration service, version 1 (Intel, *PCS API*, "Register Platform" and "Add Package").

use assay_collateral::upstream::{Fetched, Registered, RegistrationRequest, UpstreamError};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::exchange::{Body, Question, bad};
use super::pcs::Pcs;

/// Largest answer. A PPID has 32 digits; of certificates of membership there are a few, and the simulated vendors send 8 KiB.
const ANSWER_MAX: usize = 64 * 1024;
const COUNT_HEADER: &str = "Certificate-Count";

impl Pcs {
    /// Passes on what a platform's firmware made for Intel.
    pub(super) async fn register(&self, request: &RegistrationRequest) -> Result<Fetched, UpstreamError> {
        match request {
            RegistrationRequest::Platform(manifest) => self.register_platform(manifest).await,
            RegistrationRequest::Packages(request) => self.add_packages(request).await,
        }
        .map(Fetched::Registered)
    }

    async fn register_platform(&self, manifest: &Bytes) -> Result<Registered, UpstreamError> {
        let url = format!("{}/sgx/registration/v1/platform", self.registration_url);
        let question =
            Question { url: &url, headers: &[], body: Some(Body::octets(manifest)), limit: ANSWER_MAX };
        let answer = self.exchange.pass_on(question, StatusCode::CREATED).await?;
        let mut ppid = [0; 16];
        hex::decode_to_slice(answer.body.trim_ascii(), &mut ppid)
            .map_err(|_| bad("it is not a PPID of 32 hexadecimal digits"))?;
        Ok(Registered::Platform { ppid })
    }

    /// The key is this service's own: whoever asks has none.
    async fn add_packages(&self, request: &Bytes) -> Result<Registered, UpstreamError> {
        let url = format!("{}/sgx/registration/v1/package", self.registration_url);
        let headers = self.key_header();
        let question =
            Question { url: &url, headers: &headers, body: Some(Body::octets(request)), limit: ANSWER_MAX };
        let answer = self.exchange.pass_on(question, StatusCode::OK).await?;
        Ok(Registered::Packages { count: count(&answer.headers)?, certificates: answer.body })
    }
}

fn count(headers: &HeaderMap) -> Result<u16, UpstreamError> {
    let digits = headers
        .get(COUNT_HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let count = digits.and_then(|text| text.parse().ok()).filter(|count| *count > 0);
    count.ok_or_else(|| bad(format!("it has no header `{COUNT_HEADER}` with a number")))
}
