//! The devices of the demonstration, and what must become of each.

use assay_silicon::amd::{Form, Product};
use assay_silicon::intel::{Kind, TcbStatus};
use assay_silicon::{amd, intel};

/// Denies enclaves that can be debugged: their memory is not secret. For virtual machines the service's own policy does.
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
    /// What is special about it.
    pub(super) device: &'static str,
    pub(super) expected: Expected,
    pub(super) silicon: Silicon,
}

/// What it is made of.
pub(super) enum Silicon {
    Intel {
        kind: Kind,
        status: TcbStatus,
        debug: bool,
    },
    Amd {
        form: Form,
        product: Product,
        debug: bool,
        /// Whether the maker of its image vouches for that.
        endorsed: bool,
    },
}

/// What the service must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// A token.
    Token,
    /// A refusal with this stable name of its cause.
    Refusal(&'static str),
}

/// Every product of AMD's that is shown costs two keys of RSA-4096, so there are two.
pub(super) const AMD_PRODUCTS: [Product; 2] = [Product::Milan, Product::Turin];

const SGX: Silicon = Silicon::Intel { kind: Kind::Sgx, status: TcbStatus::UpToDate, debug: false };
const MILAN: Silicon =
    Silicon::Amd { form: Form::Report, product: Product::Milan, debug: false, endorsed: false };

pub(super) const CASES: [Case; 9] = [
    Case { device: "up to date", expected: Expected::Token, silicon: SGX },
    Case {
        device: "up to date",
        expected: Expected::Token,
        silicon: Silicon::Intel { kind: Kind::OpenEnclave, status: TcbStatus::UpToDate, debug: false },
    },
    Case {
        device: "lacks updates",
        expected: Expected::Refusal("below-baseline"),
        silicon: Silicon::Intel { kind: Kind::Sgx, status: TcbStatus::OutOfDate, debug: false },
    },
    Case {
        device: "can be debugged",
        expected: Expected::Refusal("policy-denied"),
        silicon: Silicon::Intel { kind: Kind::Sgx, status: TcbStatus::UpToDate, debug: true },
    },
    Case { device: "Milan", expected: Expected::Token, silicon: MILAN },
    Case {
        device: "Turin",
        expected: Expected::Token,
        silicon: Silicon::Amd { form: Form::Report, product: Product::Turin, debug: false, endorsed: false },
    },
    Case {
        device: "Milan, endorsed image",
        expected: Expected::Token,
        silicon: Silicon::Amd { form: Form::Report, product: Product::Milan, debug: false, endorsed: true },
    },
    Case {
        device: "Milan, can be debugged",
        expected: Expected::Refusal("policy-denied"),
        silicon: Silicon::Amd { form: Form::Report, product: Product::Milan, debug: true, endorsed: false },
    },
    Case {
        device: "Milan, with paravisor",
        expected: Expected::Token,
        silicon: Silicon::Amd {
            form: Form::AzureCvm,
            product: Product::Milan,
            debug: false,
            endorsed: false,
        },
    },
];

impl Silicon {
    /// The kind of evidence on the command line.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Intel { kind, .. } => kind.name(),
            Self::Amd { form, .. } => form.name(),
        }
    }

    pub(super) const fn attest_route(&self) -> &'static str {
        match self {
            Self::Intel { kind, .. } => kind.attest_route(),
            Self::Amd { .. } => "/attest/SevSnpVm",
        }
    }
}

pub(super) fn intel_options(status: TcbStatus, debug: bool) -> intel::SimulateOptions {
    intel::SimulateOptions { status, debug, ..intel::SimulateOptions::default() }
}

pub(super) fn amd_options(form: Form, product: Product, debug: bool) -> amd::SimulateOptions {
    amd::SimulateOptions { form, product, debug, ..amd::SimulateOptions::default() }
}
