//! TCB statuses and how they combine (spec: Intel DCAP Quote Verification Library, `EvaluateTcb`).

/// What Intel says of a TCB level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcbStatus {
    /// Nothing to do.
    UpToDate,
    /// Software in the enclave must mitigate something.
    SwHardeningNeeded,
    /// The platform needs other settings.
    ConfigurationNeeded,
    /// Both of the above.
    ConfigurationAndSwHardeningNeeded,
    /// Microcode or platform software must be updated.
    OutOfDate,
    /// Update and other settings.
    OutOfDateConfigurationNeeded,
    /// Withdrawn: keys of this level must not be trusted.
    Revoked,
}

impl TcbStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::UpToDate,
        Self::SwHardeningNeeded,
        Self::ConfigurationNeeded,
        Self::ConfigurationAndSwHardeningNeeded,
        Self::OutOfDate,
        Self::OutOfDateConfigurationNeeded,
        Self::Revoked,
    ];

    /// Intel's name of the status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::SwHardeningNeeded => "SWHardeningNeeded",
            Self::ConfigurationNeeded => "ConfigurationNeeded",
            Self::ConfigurationAndSwHardeningNeeded => "ConfigurationAndSWHardeningNeeded",
            Self::OutOfDate => "OutOfDate",
            Self::OutOfDateConfigurationNeeded => "OutOfDateConfigurationNeeded",
            Self::Revoked => "Revoked",
        }
    }

    /// Reads Intel's name; `None` for a name that is not known, which must never count as good.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether an update is due.
    #[must_use]
    pub const fn is_out_of_date(self) -> bool {
        matches!(self, Self::OutOfDate | Self::OutOfDateConfigurationNeeded)
    }
}

/// The status of a platform together with one of its components (the quoting enclave).
///
/// A component only ever makes it worse; a platform status that already says "out of date" stands.
#[must_use]
pub const fn converge(platform: TcbStatus, component: TcbStatus) -> TcbStatus {
    use TcbStatus as S;
    match (platform, component) {
        (S::Revoked, _) | (_, S::Revoked) => S::Revoked,
        (S::UpToDate | S::SwHardeningNeeded, S::OutOfDate | S::OutOfDateConfigurationNeeded) => S::OutOfDate,
        (
            S::ConfigurationNeeded | S::ConfigurationAndSwHardeningNeeded,
            S::OutOfDate | S::OutOfDateConfigurationNeeded,
        ) => S::OutOfDateConfigurationNeeded,
        (platform, _) => platform,
    }
}

/// Whether every component of a platform is at least what a level demands.
#[must_use]
pub fn is_at_least(platform: &[u8; 16], level: &[u8; 16]) -> bool {
    platform.iter().zip(level).all(|(have, need)| have >= need)
}

#[cfg(test)]
mod tests {
    use super::TcbStatus as S;
    use super::{converge, is_at_least};

    /// Each row: the platform, then the result for a component that is up to date, out of date, revoked.
    const TABLE: [(S, [S; 3]); 7] = [
        (S::UpToDate, [S::UpToDate, S::OutOfDate, S::Revoked]),
        (S::SwHardeningNeeded, [S::SwHardeningNeeded, S::OutOfDate, S::Revoked]),
        (S::ConfigurationNeeded, [S::ConfigurationNeeded, S::OutOfDateConfigurationNeeded, S::Revoked]),
        (
            S::ConfigurationAndSwHardeningNeeded,
            [S::ConfigurationAndSwHardeningNeeded, S::OutOfDateConfigurationNeeded, S::Revoked],
        ),
        (S::OutOfDate, [S::OutOfDate, S::OutOfDate, S::Revoked]),
        (
            S::OutOfDateConfigurationNeeded,
            [S::OutOfDateConfigurationNeeded, S::OutOfDateConfigurationNeeded, S::Revoked],
        ),
        (S::Revoked, [S::Revoked, S::Revoked, S::Revoked]),
    ];

    #[test]
    fn convergence_table() {
        for (platform, results) in TABLE {
            for (component, expected) in [S::UpToDate, S::OutOfDate, S::Revoked].into_iter().zip(results) {
                assert_eq!(converge(platform, component), expected, "{platform:?} with {component:?}");
            }
        }
    }

    #[test]
    fn names_are_read_back() {
        for status in S::ALL {
            assert_eq!(S::from_name(status.as_str()), Some(status));
        }
        assert_eq!(S::from_name("uptodate"), None);
    }

    #[test]
    fn one_component_below_is_enough() {
        let level = [5; 16];
        assert!(is_at_least(&level, &level));
        for i in 0..16 {
            let mut platform = [9; 16];
            platform[i] = 4;
            assert!(!is_at_least(&platform, &level), "component {i}");
        }
    }
}
