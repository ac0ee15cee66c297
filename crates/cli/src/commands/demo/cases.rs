//! The devices of the demonstration, and what must become of each.

use assay_silicon::intel::{Kind, SimulateOptions, TcbStatus};

/// Denies enclaves that can be debugged: their memory is not secret.
pub(super) const POLICY: &str = r#"version=1.0;
authorizationrules
{
    [type=="x-ms-sgx-is-debuggable", value==true] => deny();
    => permit();
};
issuancerules
{
    c:[type=="x-ms-sgx-mrenclave"] => issue(type="sgx-mrenclave", value=c.value);
};
"#;

/// A simulated device.
pub(super) struct Case {
    pub(super) kind: Kind,
    /// What is special about it.
    pub(super) device: &'static str,
    pub(super) expected: Expected,
    status: TcbStatus,
    debug: bool,
}

/// What the service must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A token.
    Token,
    /// A refusal with this stable name of its cause.
    Refusal(&'static str),
}

pub(super) const CASES: [Case; 4] = [
    Case {
        kind: Kind::Sgx,
        device: "up to date",
        expected: Expected::Token,
        status: TcbStatus::UpToDate,
        debug: false,
    },
    Case {
        kind: Kind::OpenEnclave,
        device: "up to date",
        expected: Expected::Token,
        status: TcbStatus::UpToDate,
        debug: false,
    },
    Case {
        kind: Kind::Sgx,
        device: "lacks updates",
        expected: Expected::Refusal("below-baseline"),
        status: TcbStatus::OutOfDate,
        debug: false,
    },
    Case {
        kind: Kind::Sgx,
        device: "can be debugged",
        expected: Expected::Refusal("policy-denied"),
        status: TcbStatus::UpToDate,
        debug: true,
    },
];

impl Case {
    pub(super) fn options(&self) -> SimulateOptions {
        SimulateOptions { status: self.status, debug: self.debug, ..SimulateOptions::default() }
    }
}
