//! How the library of documents behaves.

use assay_collateral::state::Schedule;

use crate::upstream::Chain;

/// When upstreams are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// When somebody asks for what is not held.
    #[default]
    Lazy,
    /// When a platform is registered, and to refresh what is held.
    Registration,
    /// Never over a network.
    Offline,
}

impl Mode {
    /// What the mode comes to with these upstreams: where nobody may be asked over a network, files are asked for all.
    pub(super) fn with(self, upstream: &Chain) -> Self {
        if self == Self::Offline && upstream.is_local() { Self::Lazy } else { self }
    }

    /// The name in the configuration.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Lazy => "lazy",
            Self::Registration => "registration",
            Self::Offline => "offline",
        }
    }
}

/// How the library behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LibraryOptions {
    /// When upstreams are asked.
    pub mode: Mode,
    /// When documents are looked for anew.
    pub schedule: Schedule,
    /// Whether what has expired is given out after all, marked as such.
    pub serve_expired: bool,
    /// How many evaluations before that of the standard track are given out when they have expired, to who asks for them by
    /// their number, marked as such. Nothing else comes to use them.
    pub archive_evaluations: u32,
}
