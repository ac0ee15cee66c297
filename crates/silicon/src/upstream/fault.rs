//! What vendors do on bad days, to order.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};

use super::DAY;
use super::message::{REDIRECTED, VendorAnswer, VendorRequest};
use super::reply::{Content, Reply};
use crate::error::SiliconError;

/// How far back documents are issued by [`Fault::Stale`]: Intel's live 30 days, and PCK certificates ten years; AMD's lists
/// one year, and a VCEK seven.
const INTEL_STALE: i64 = 60 * DAY;
const PCK_STALE: i64 = 11 * 366 * DAY;
const AMD_STALE: i64 = 8 * 366 * DAY;
const ROLLED_BACK: i64 = 7 * DAY;
const AHEAD: i64 = 2 * DAY;
/// More than any client should read.
const HUGE: usize = 32 * 1024 * 1024;
/// More than Intel's client takes: 65,535 bytes.
const LARGE: usize = 72 * 1024;
const GARBAGE: usize = 4096;
const PAGE: &str = "<html><body>Service Unavailable</body></html>";
const DEFAULT_DELAY_MS: u64 = 2000;

/// When and by whom the documents of an answer are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Circumstances {
    pub(super) now: i64,
    /// Seconds.
    intel_age: i64,
    pck_age: i64,
    amd_age: i64,
    /// The evaluation before the one that was asked for.
    older_evaluation: bool,
    /// Signed by vendors whose roots nobody trusts.
    pub(super) strange_root: bool,
    /// Genuine, and about something else than what was asked for.
    pub(super) other_document: bool,
}

impl Circumstances {
    /// As it should be.
    pub(super) const fn at(now: i64) -> Self {
        Self {
            now,
            intel_age: 0,
            pck_age: 0,
            amd_age: 0,
            older_evaluation: false,
            strange_root: false,
            other_document: false,
        }
    }

    /// When Intel issues what it gives out: at midnight.
    pub(super) const fn intel_issue(&self) -> i64 {
        midnight(self.now).saturating_sub(self.intel_age)
    }

    /// When Intel issues PCK certificates.
    pub(super) const fn pck_issue(&self) -> i64 {
        midnight(self.now).saturating_sub(self.pck_age)
    }

    /// When AMD issues.
    pub(super) const fn amd_issue(&self) -> i64 {
        midnight(self.now).saturating_sub(self.amd_age)
    }

    /// Everything is issued so many seconds earlier.
    const fn set_age(&mut self, seconds: i64) {
        (self.intel_age, self.pck_age, self.amd_age) = (seconds, seconds, seconds);
    }

    /// The evaluation that is taken for the one that was asked for.
    pub(super) const fn number(&self, asked: u32) -> u32 {
        if self.older_evaluation { asked.saturating_sub(1) } else { asked }
    }

    /// The circumstances without the time of day, and without the evaluation, which is part of a question's name.
    pub(super) const fn issue(&self) -> Self {
        Self { now: midnight(self.now), older_evaluation: false, ..*self }
    }
}

const fn midnight(now: i64) -> i64 {
    now.saturating_sub(now.rem_euclid(DAY))
}

/// How a fault is done.
#[derive(Clone, Copy)]
enum Strike {
    /// Another answer in the place of the right one.
    Instead(fn(&VendorRequest) -> VendorAnswer),
    /// Documents that are made differently.
    Making(fn(&mut Circumstances)),
    /// The right documents, changed.
    Content(fn(&mut Content)),
    /// The right answer, changed as it is sent.
    Sending(fn(&mut VendorAnswer)),
}

macro_rules! faults {
    ($($variant:ident, $name:literal, $what:literal, $strike:expr;)+) => {
        crate::table::named! {
            /// A way in which a vendor's service goes wrong.
            Fault, "fault";
            $($variant, $name, concat!("What happens: ", $what, ".");)+
        }

        impl Fault {
            /// What happens.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $what,)+ }
            }

            const fn strike(self) -> Strike {
                match self { $(Self::$variant => $strike,)+ }
            }
        }
    };
}

use Strike::{Content as Changed, Instead, Making, Sending};

faults! {
    TooManyRequests, "too-many-requests", "429 with `Retry-After: 1`",
        Instead(|_| refusal(429, &[("Retry-After", "1")], ""));
    TooManyRequestsBare, "too-many-requests-bare", "429 without `Retry-After`", Instead(|_| refusal(429, &[], ""));
    ServerError, "server-error", "500 without a body", Instead(|_| refusal(500, &[], ""));
    Unavailable, "unavailable", "503 without a body", Instead(|_| refusal(503, &[], ""));
    UnavailableWithBody, "unavailable-with-body", "503 with the page of a proxy",
        Instead(|_| refusal(503, &[("Content-Type", "text/html")], PAGE));
    Redirect, "redirect", "302 to the same answer at another path", Instead(redirect);
    Closed, "closed", "the connection is closed without an answer", Sending(|answer| answer.hang_up = true);
    Slow, "slow", "the answer comes late: after 2000 ms, or as many as are given", Sending(|_| ());
    Truncated, "truncated", "the second half of the body is missing",
        Sending(|answer| answer.body.truncate(answer.body.len() / 2));
    Huge, "huge", "the body is followed by 32 MiB of spaces", Sending(|answer| pad(answer, HUGE));
    Large, "large", "the body is followed by 72 KiB of spaces", Sending(|answer| pad(answer, LARGE));
    Garbage, "garbage", "the body is 4096 bytes of noise", Sending(|answer| answer.body = noise());
    Html, "html", "200 with the page of a proxy", Sending(|answer| answer.body = PAGE.as_bytes().to_vec());
    WithoutChain, "without-chain", "headers with issuer chains are missing",
        Sending(|answer| answer.headers.retain(|(name, _)| !name.ends_with("-Issuer-Chain")));
    Stale, "stale", "documents, lists and certificates of machines have expired", Making(|it| {
        (it.intel_age, it.pck_age, it.amd_age) = (INTEL_STALE, PCK_STALE, AMD_STALE);
    });
    Future, "future", "documents and lists are issued the day after tomorrow",
        Making(|it| it.set_age(AHEAD.saturating_neg()));
    Older, "older", "documents, lists and certificates of a week ago, which are still valid",
        Making(|it| it.set_age(ROLLED_BACK));
    LowerEvaluation, "lower-evaluation", "documents of today, of the TCB evaluation before",
        Making(|it| it.older_evaluation = true);
    RolledBack, "rolled-back", "documents and lists of a week ago, of the TCB evaluation before", Making(|it| {
        it.set_age(ROLLED_BACK);
        it.older_evaluation = true;
    });
    WrongSignature, "wrong-signature", "signatures do not hold", Changed(Content::break_signatures);
    WrongChain, "wrong-chain", "everything is signed under another root", Making(|it| it.strange_root = true);
    WrongDocument, "wrong-document",
        "a genuine document of the same kind, for another platform, authority, enclave, TEE, chip or product",
        Making(|it| it.other_document = true);
}

fn refusal(status: u16, headers: &[(&str, &str)], body: &str) -> VendorAnswer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let (headers, body) = (headers.collect(), body.as_bytes().to_vec());
    VendorAnswer { status, headers, body, ..VendorAnswer::default() }
}

fn redirect(request: &VendorRequest) -> VendorAnswer {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    refusal(302, &[("Location", &format!("{REDIRECTED}{}{query}", request.path))], "")
}

fn pad(answer: &mut VendorAnswer, spaces: usize) {
    let size = answer.body.len().saturating_add(spaces);
    answer.body.resize(size, b' ');
}

fn noise() -> Vec<u8> {
    let blocks = (0_u32..).map(|block| digest(&SHA256, &block.to_le_bytes()));
    blocks.flat_map(|block| block.as_ref().to_vec()).take(GARBAGE).collect()
}

/// A fault to do: `NAME[=MILLISECONDS][@PATH_PREFIX][*COUNT]`, such as `unavailable@/sgx/certification/v4/tcb*2`.
#[derive(Debug)]
pub struct FaultOrder {
    fault: Fault,
    delay_ms: u64,
    prefix: String,
    /// How many requests are still to be struck; `None` for all there will be.
    left: Option<AtomicU64>,
}

impl FaultOrder {
    /// Strikes every request.
    #[must_use]
    pub const fn always(fault: Fault) -> Self {
        Self { fault, delay_ms: DEFAULT_DELAY_MS, prefix: String::new(), left: None }
    }

    /// Strikes only requests whose path begins so.
    #[must_use]
    pub fn on(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    /// Strikes only so many requests, the first ones.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { left: Some(AtomicU64::new(count)), ..self }
    }

    /// Whether it strikes this request; if it does, one fewer is left.
    pub(super) fn strikes(&self, request: &VendorRequest) -> bool {
        // What a redirection leads to is there, so that a client that follows it is found out.
        let arrived = self.fault == Fault::Redirect && request.path.starts_with(REDIRECTED);
        if arrived || !request.path.starts_with(&self.prefix) {
            return false;
        }
        let one_fewer = |left: u64| left.checked_sub(1);
        let take =
            |left: &AtomicU64| left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_fewer).is_ok();
        self.left.as_ref().is_none_or(take)
    }

    /// The answer with the fault. `reply` makes the documents.
    pub(super) fn perform(
        &self,
        request: &VendorRequest,
        now: i64,
        reply: impl FnOnce(&Circumstances) -> Reply,
    ) -> VendorAnswer {
        let mut circumstances = Circumstances::at(now);
        match self.fault.strike() {
            Instead(answer) => answer(request),
            Making(change) => {
                change(&mut circumstances);
                reply(&circumstances).into_answer()
            }
            Changed(change) => {
                let mut reply = reply(&circumstances);
                change(&mut reply.content);
                reply.into_answer()
            }
            Sending(change) => {
                let mut answer = reply(&circumstances).into_answer();
                change(&mut answer);
                let delay_ms = if self.fault == Fault::Slow { self.delay_ms } else { 0 };
                VendorAnswer { delay_ms, ..answer }
            }
        }
    }
}

impl FromStr for FaultOrder {
    type Err = SiliconError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |field, value: &str| SiliconError::InvalidSpec { field, value: value.to_owned() };
        let (rest, count) = match text.rsplit_once('*') {
            Some((rest, count)) => (rest, Some(count)),
            None => (text, None),
        };
        let (rest, prefix) = rest.split_once('@').unwrap_or((rest, ""));
        let (name, delay) = match rest.split_once('=') {
            Some((name, delay)) => (name, Some(delay)),
            None => (rest, None),
        };
        let fault: Fault = name.parse()?;
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(invalid("the path prefix of a fault", prefix));
        }
        let mut order = Self::always(fault).on(prefix);
        if let Some(delay) = delay {
            let parsed = delay.parse().ok().filter(|_| fault == Fault::Slow);
            order.delay_ms = parsed.ok_or_else(|| invalid("the delay of a fault", delay))?;
        }
        let Some(count) = count else { return Ok(order) };
        Ok(order.times(count.parse().map_err(|_| invalid("the count of a fault", count))?))
    }
}
