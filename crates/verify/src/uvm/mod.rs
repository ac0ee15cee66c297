//! Endorsements of utility VMs: who vouches for the image that a confidential container's report measures.
//!
//! A report of AMD's hardware says what was started, not whether that is any good. Microsoft signs the measurement of each
//! image with a security version: a COSE_Sign1 message whose issuer is a `did:x509`, bound to a certificate authority and to
//! what the leaf certificate says.
//!
//! Checks: 1 envelope; 2 certificate chain; 3 issuer's name stands for the chain; 4 signature; 5 content readable; 6 its
//! measurement is the report's; 7 time of signing, by a time-stamp or the signer's own word; 8 chain valid then; 9 issuer
//! trusted for the feed; 10 security version at the issuer's minimum.
//!
//! Checks 1, 3, 5, 6, 9, 10 and what of 2 needs no signature are made always. Signatures cost more than all of these, and the
//! endorsement comes from anybody: they are skipped where the envelope or the content cannot be read, nobody trusts the issuer
//! for the feed, its name is of no authority in the chain, or a key is too large; and so is what follows a signature that is not
//! valid, from the authority down to the time-stamp.
//!
//! Leaf certificates live for a year and images longer, so dates are judged at the time of signing and not now; the minimum
//! of the security version is what keeps old images out. A signer's own word on the time protects only while its key does.
//!
//! Trusted: the list of issuers, the time-stamp authorities, the time. Not trusted: the endorsement and its certificates.

mod chain;
mod cms;
mod content;
mod cose;
mod did;
mod error;
mod hash;
mod issuers;
mod limits;
mod rules;
mod signatures;
mod time_stamp;

pub use cose::MAX_ENDORSEMENT_SIZE;
pub use error::UvmError;
pub use issuers::{Issuer, TrustedIssuers};
pub use rules::RULES;
pub use time_stamp::MICROSOFT_TIME_STAMP_PCA_2010;

use crate::error::VerifyError;
use crate::report::{CheckDef, Outcome, Report};
use crate::time::UnixTime;
use crate::trust::AnchorOrigin;
use content::{Claims, Image};
use cose::Message;
use issuers::Unsuitable;
use rules::rule;
use signatures::{Parts, Proof};
use time_stamp::TimeStamp;

/// Why nothing below a broken chain is verified.
const CHAIN_BROKEN: &str = "a signature of the chain is not valid";

/// When an endorsement was signed, and who says so.
type Time = (UnixTime, TimeSource);

/// What an endorsement is verified against.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The COSE_Sign1 message.
    pub endorsement: &'a [u8],
    /// The launch measurement of the report.
    pub measurement: &'a [u8; 48],
    /// Who may vouch for images.
    pub issuers: &'a TrustedIssuers,
    /// Who is believed on times: SHA-256 of the `SubjectPublicKeyInfo` of authorities' keys.
    pub time_stamp_authorities: &'a [[u8; 32]],
    /// The time of verification.
    pub now: UnixTime,
}

/// Who says when an endorsement was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeSource {
    /// A trusted time-stamp authority.
    TimeStamp,
    /// The signer.
    Signer,
    /// Nobody.
    None,
}

impl TimeSource {
    /// The name used in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimeStamp => "time-stamp",
            Self::Signer => "signer",
            Self::None => "none",
        }
    }
}

/// What a verified endorsement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UvmClaims {
    /// The signer: a did:x509.
    pub issuer: String,
    /// The kind of image.
    pub feed: String,
    /// The image's security version.
    pub svn: u64,
    /// The launch measurement, which is the report's.
    pub measurement: [u8; 48],
    /// The payload's JSON, every member as it was signed; for the form without JSON, an object with the two members
    /// `x-ms-sevsnpvm-guestsvn` and `x-ms-sevsnpvm-launchmeasurement`.
    pub payload: serde_json::Value,
    /// When it was signed.
    pub signed_at: Option<UnixTime>,
    /// Who says so.
    pub signed_at_source: TimeSource,
    /// The value of `x-ms-compliance-status` that goes with the issuer, if any does.
    pub status: Option<String>,
    /// Who says that the issuer is believed.
    pub origin: AnchorOrigin,
}

/// Verifies an endorsement outside of a report's verification: for tests, tools and fuzzing.
#[must_use]
pub fn verify_alone(input: &Input<'_>) -> (Report, Option<UvmClaims>) {
    let mut report = Report::default();
    let claims = verify(input, &mut report);
    (report, claims)
}

/// Reads the envelope of an endorsement, of which nothing is verified: for tools that show one.
///
/// # Errors
/// As the check of the envelope has them.
pub fn open(endorsement: &[u8]) -> Result<coset::CoseSign1, UvmError> {
    Message::open(endorsement).map(Message::into_inner)
}

/// Makes every check and adds it to the report. `None` if and only if one of them failed.
pub(crate) fn verify(input: &Input<'_>, report: &mut Report) -> Option<UvmClaims> {
    // The report may hold failures of other stages, which do not count here.
    let mut own = Report::with_capacity(RULES.len());
    let claims = match Message::open(input.endorsement) {
        Ok(message) => verify_message(&message, input, &mut own),
        Err(error) => {
            fail(&mut own, &rule::COSE, [error]);
            None
        }
    };
    own.skip_missing(&[RULES]);
    let claims = claims.filter(|_| !own.has_failed());
    report.extend(own.checks().iter().cloned());
    claims
}

fn verify_message(message: &Message, input: &Input<'_>, report: &mut Report) -> Option<UvmClaims> {
    let parts = Parts::read(message);
    let proof = parts.prove(input.issuers);
    all(report, &rule::COSE, parts.envelope_problems.iter().cloned());
    check_chain(&parts, &proof, report);
    if let Some(name) = &parts.name {
        all(report, &rule::DID, name.problems.iter().cloned());
    }
    check_signature(&proof, report);
    // Without a payload, which is reported with the envelope, half of the content is missing.
    if message.payload().is_some() || !parts.content.problems.is_empty() {
        all(report, &rule::CONTENT, parts.content.problems.iter().cloned());
    }
    let (claims, image) = (parts.content.claims.as_ref(), parts.content.image.as_ref());
    if let Some(image) = image {
        check_measurement(image, input.measurement, report);
    }
    let own_word = claims.and_then(|claims| claims.signed_at);
    let time = check_time(message, &proof, own_word, input, report);
    let issuer = check_issuer(claims, image, input.issuers, report);
    match proof {
        Proof::Holds(_) => Some(claims_of(claims?, image?, issuer?, time)),
        Proof::Chain(_) | Proof::Message(_) | Proof::NotMade(_) => None,
    }
}

fn claims_of(claims: &Claims, image: &Image, issuer: &Issuer, time: Option<Time>) -> UvmClaims {
    UvmClaims {
        issuer: claims.issuer.clone(),
        feed: claims.feed.clone(),
        svn: image.svn,
        measurement: image.measurement,
        payload: image.payload.clone(),
        signed_at: time.map(|(at, _)| at),
        signed_at_source: time.map_or(TimeSource::None, |(_, source)| source),
        status: Some(issuer.status.clone()).filter(|status| !status.is_empty()),
        origin: issuer.origin,
    }
}

/// Adds a failure for each error, or a pass if there is none.
fn all(report: &mut Report, rule: &'static CheckDef, errors: impl IntoIterator<Item = UvmError>) {
    let mut errors = errors.into_iter().peekable();
    if errors.peek().is_none() {
        report.pass(rule);
    }
    fail(report, rule, errors);
}

fn fail(report: &mut Report, rule: &'static CheckDef, errors: impl IntoIterator<Item = UvmError>) {
    errors.into_iter().for_each(|error| report.fail(rule, VerifyError::Uvm(error)));
}

fn skip(report: &mut Report, rule: &'static CheckDef, reason: &str) {
    report.note(rule, Outcome::Skipped, format!("not made: {reason}"));
}

fn check_chain(parts: &Parts<'_>, proof: &Proof<'_>, report: &mut Report) {
    let broken = match proof {
        Proof::Chain(error) => Some(error),
        Proof::NotMade(reason) if parts.chain_problems.is_empty() => {
            return skip(report, &rule::CHAIN, reason);
        }
        Proof::NotMade(_) | Proof::Message(_) | Proof::Holds(_) => None,
    };
    all(report, &rule::CHAIN, parts.chain_problems.iter().chain(broken).cloned());
}

fn check_signature(proof: &Proof<'_>, report: &mut Report) {
    match proof {
        Proof::Holds(_) => report.pass(&rule::SIGNATURE),
        Proof::Message(error) => fail(report, &rule::SIGNATURE, [error.clone()]),
        Proof::Chain(_) => skip(report, &rule::SIGNATURE, CHAIN_BROKEN),
        Proof::NotMade(reason) => skip(report, &rule::SIGNATURE, reason),
    }
}

fn check_measurement(image: &Image, expected: &[u8; 48], report: &mut Report) {
    let (expected_hex, found_hex) = (hex::encode(expected), hex::encode(image.measurement));
    let error = (image.measurement != *expected)
        .then(|| UvmError::Measurement { found: found_hex.clone(), expected: expected_hex.clone() });
    all(report, &rule::MEASUREMENT, error);
    report.compare(expected_hex, found_hex);
}

/// When it was signed and who says so, and whether the chain was valid then.
fn check_time(
    message: &Message,
    proof: &Proof<'_>,
    own_word: Option<UnixTime>,
    input: &Input<'_>,
    report: &mut Report,
) -> Option<Time> {
    let in_future = own_word.filter(|at| *at > input.now).map(|at| UvmError::SignedInFuture { at });
    let (chain, reason) = match proof {
        Proof::Holds(chain) => (Some(chain), ""),
        Proof::Chain(_) => (None, CHAIN_BROKEN),
        Proof::Message(_) => (None, "the signature is not valid"),
        Proof::NotMade(reason) => (None, *reason),
    };
    let Some(chain) = chain else {
        skip(report, &rule::TIME_STAMP, reason);
        match in_future {
            Some(_) => fail(report, &rule::DATES, in_future),
            None => skip(report, &rule::DATES, reason),
        }
        return None;
    };
    let stamp = time_stamp::verify(message, input.time_stamp_authorities, input.now);
    let time = match (&stamp, own_word) {
        (TimeStamp::At(time), _) => Some((*time, TimeSource::TimeStamp)),
        (_, Some(time)) => Some((time, TimeSource::Signer)),
        (_, None) => None,
    };
    check_time_stamp(&stamp, time, report);
    let at = time.map_or(input.now, |(at, _)| at);
    all(report, &rule::DATES, in_future.into_iter().chain(chain.check_dates(at)));
    time
}

fn check_time_stamp(stamp: &TimeStamp, time: Option<Time>, report: &mut Report) {
    let instead = match time {
        Some(_) => "the time of signing is the signer's own word",
        None => "the time of signing is not known, and dates are judged at the time of verification",
    };
    let detail = match stamp {
        TimeStamp::At(_) => return report.pass(&rule::TIME_STAMP),
        TimeStamp::Absent => format!("there is no time-stamp; {instead}"),
        TimeStamp::Unusable(problem) => format!("the time-stamp does not count, as {problem}; {instead}"),
    };
    report.note(&rule::TIME_STAMP, Outcome::Warn, detail);
}

/// The trusted issuer that vouches for the image.
fn check_issuer<'a>(
    claims: Option<&Claims>,
    image: Option<&Image>,
    issuers: &'a TrustedIssuers,
    report: &mut Report,
) -> Option<&'a Issuer> {
    let claims = claims?;
    // Without a readable image the issuer can still be judged.
    let svn = image.map_or(u64::MAX, |image| image.svn);
    match issuers.find(&claims.issuer, &claims.feed, svn) {
        Ok(issuer) => {
            report.pass(&rule::ISSUER);
            if image.is_some() {
                report.pass(&rule::SVN);
            }
            Some(issuer)
        }
        Err(Unsuitable::Unknown) => {
            fail(report, &rule::ISSUER, [issuers::untrusted(&claims.issuer, &claims.feed)]);
            None
        }
        Err(Unsuitable::Below(minimum)) => {
            report.pass(&rule::ISSUER);
            fail(report, &rule::SVN, [UvmError::SvnTooLow { found: svn, minimum }]);
            report.compare(minimum.to_string(), svn.to_string());
            None
        }
    }
}
