//! The table: what every fault does to every kind of document.
//!
//! Rows and columns are matches and arrays of fixed size: a kind or a fault without its cells does not compile.

use assay_silicon::upstream::Fault;

/// What vendors give, in the order of the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SgxTcbInfo,
    TdxTcbInfo,
    QeIdentity,
    TdQeIdentity,
    QveIdentity,
    QaeIdentity,
    SgxEvaluations,
    TdxEvaluations,
    Families,
    ProcessorCrl,
    PlatformCrl,
    RootCrl,
    PckCertificates,
    Vcek,
    VcekChain,
    VlekChain,
    VcekCrl,
    VlekCrl,
}

pub(super) const KINDS: [Kind; 18] = [
    Kind::SgxTcbInfo,
    Kind::TdxTcbInfo,
    Kind::QeIdentity,
    Kind::TdQeIdentity,
    Kind::QveIdentity,
    Kind::QaeIdentity,
    Kind::SgxEvaluations,
    Kind::TdxEvaluations,
    Kind::Families,
    Kind::ProcessorCrl,
    Kind::PlatformCrl,
    Kind::RootCrl,
    Kind::PckCertificates,
    Kind::Vcek,
    Kind::VcekChain,
    Kind::VlekChain,
    Kind::VcekCrl,
    Kind::VlekCrl,
];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// What a vendor answers.
    Vendor(Fault),
    /// Nobody listens where the vendor was.
    ConnectionRefused,
    /// The store has no room.
    DiskFull,
    /// The process ends while the vendor is asked.
    Killed,
}

/// What is expected of one kind under one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Held: what was held is given out, byte for byte. Not held: 503 without body and data, and nothing is kept.
    Retry,
    /// Held: as above. Not held: what came is genuine and valid, and nothing tells that there is a better one.
    Genuine,
    /// The fault changes nothing of this kind, and the answer is the right one; says why.
    Untouched(&'static str),
}

use Cell::{Genuine as G, Retry as R};

/// AMD's authorities are pinned: nobody is asked for them.
const N: Cell = Cell::Untouched("it is built in");
const NO_CHAIN: Cell = Cell::Untouched("it comes without such a header");
const UNDATED: Cell =
    Cell::Untouched("the directory of families has no date, evaluation, subject or signature");
const NO_NUMBER: Cell = Cell::Untouched("it belongs to no evaluation");
const SPACES: Cell =
    Cell::Untouched("a list that is taken apart may be longer, and white space is no part of it");
const IN_MEMORY: Cell = Cell::Untouched("the directory of families is not stored");

impl Trouble {
    pub(super) fn all() -> Vec<Self> {
        let vendors = Fault::ALL.iter().map(|fault| Self::Vendor(*fault));
        vendors.chain([Self::ConnectionRefused, Self::DiskFull, Self::Killed]).collect()
    }

    /// With which code a question that comes to nothing is counted; nothing where no question fails.
    pub(super) const fn code(self) -> Option<&'static str> {
        match self {
            Self::Vendor(Fault::TooManyRequests | Fault::TooManyRequestsBare) => Some("upstream-throttled"),
            Self::ConnectionRefused
            | Self::Vendor(
                Fault::ServerError
                | Fault::Unavailable
                | Fault::UnavailableWithBody
                | Fault::Closed
                | Fault::Slow,
            ) => Some("upstream-unavailable"),
            Self::Vendor(_) => Some("upstream-bad-answer"),
            Self::DiskFull | Self::Killed => None,
        }
    }

    pub(super) fn cell(self, kind: Kind) -> Cell {
        let column = KINDS.iter().position(|known| *known == kind).unwrap();
        self.row()[column]
    }

    /// The row of a fault. Columns: SGX and TDX TCB info, QE, TD QE, QvE, QAE, SGX and TDX evaluations, families, lists of the
    /// processor and platform authority and of the root, PCK certificates, VCEK, chains of VCEK and VLEK, lists of both.
    #[rustfmt::skip]
    const fn row(self) -> [Cell; KINDS.len()] {
        match self {
            Self::Vendor(fault) => match fault {
                Fault::TooManyRequests     => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::TooManyRequestsBare => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::ServerError         => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::Unavailable         => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::UnavailableWithBody => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::Redirect            => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::Closed              => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::Slow                => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::Truncated           => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::Huge                => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::Large               => [R, R, R, R, R, R, R, R, SPACES, R, R, R, SPACES, R, N, N, R, R],
                Fault::Garbage             => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::Html                => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
                Fault::WithoutChain        => [R, R, R, R, R, R, R, R, NO_CHAIN, R, R, NO_CHAIN, R, NO_CHAIN, N, N, NO_CHAIN, NO_CHAIN],
                Fault::Stale               => [R, R, R, R, R, R, R, R, UNDATED, R, R, R, R, R, N, N, R, R],
                Fault::Future              => [R, R, R, R, R, R, R, R, UNDATED, R, R, R, R, R, N, N, R, R],
                Fault::Older               => [G, G, G, G, G, G, G, G, UNDATED, G, G, G, G, G, N, N, G, G],
                Fault::LowerEvaluation     => [G, G, G, G, G, G, G, G, UNDATED, NO_NUMBER, NO_NUMBER, NO_NUMBER, G, NO_NUMBER, N, N, NO_NUMBER, NO_NUMBER],
                Fault::RolledBack          => [G, G, G, G, G, G, G, G, UNDATED, G, G, G, G, G, N, N, G, G],
                Fault::WrongSignature      => [R, R, R, R, R, R, R, R, UNDATED, R, R, R, R, R, N, N, R, R],
                Fault::WrongChain          => [R, R, R, R, R, R, R, R, UNDATED, R, R, R, R, R, N, N, R, R],
                // Nothing that is sent in the clear says which certificates are those of an encrypted PPID.
                Fault::WrongDocument       => [R, R, R, R, R, R, R, R, UNDATED, R, R, R, G, R, N, N, R, R],
            },
            Self::ConnectionRefused        => [R, R, R, R, R, R, R, R, R, R, R, R, R, R, N, N, R, R],
            Self::DiskFull                 => [R, R, R, R, R, R, R, R, IN_MEMORY, R, R, R, R, R, N, N, R, R],
            Self::Killed                   => [R, R, R, R, R, R, R, R, IN_MEMORY, R, R, R, R, R, N, N, R, R],
        }
    }
}
