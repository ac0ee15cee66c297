//! What can go wrong in a store: one enum, with a sentence for the caller and, apart from it, the cause for the log.

use crate::{ChainName, ChangeId, HeadName, RecordId, Revision};

/// Why a store did not do what it was asked to do.
///
/// The `Display` text is for the caller and holds no internals; [`StoreError::cause`] has those, for the log only.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A name or an identifier is not written as this crate's `catalog` says.
    #[error("`{name}` is not a valid name: {rule}")]
    InvalidName {
        /// What was given, shortened.
        name: String,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A change or a lease contradicts itself; it would fail on every store, whatever it holds.
    #[error("the change is not valid: {rule}")]
    InvalidChange {
        /// The rule it breaks.
        rule: &'static str,
    },
    /// Something is larger than the store accepts.
    #[error("{what} has a size of {actual}, which is more than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The largest size accepted (bytes, or a count).
        limit: usize,
        /// The size given.
        actual: usize,
    },
    /// A head is not at the revision that the change expected.
    #[error("`{head}` was changed by someone else")]
    Conflict {
        /// The head that differs.
        head: HeadName,
        /// Where it stands now; `None` when it does not exist.
        actual: Option<Revision>,
    },
    /// A change identifier was used before, for another change.
    #[error("the change identifier `{change}` was already used for another change")]
    ChangeConflict {
        /// The identifier used twice.
        change: ChangeId,
    },
    /// A record identifier was used before, for another record.
    #[error("the record identifier `{record}` was already used for another record")]
    RecordConflict {
        /// The identifier used twice.
        record: RecordId,
    },
    /// A change names something that the store does not hold.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Too much is waiting to be written, or another process kept the database locked.
    #[error("the store is busy")]
    Busy,
    /// The store was closed before it could answer; the change may or may not have happened.
    #[error("the store was closed")]
    Closed,
    /// The store was opened for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// This kind of store cannot do that.
    #[error("this kind of store has no {verb}")]
    Unsupported {
        /// What was asked for.
        verb: &'static str,
    },
    /// A file that must be new is there already.
    #[error("`{path}` exists already")]
    Exists {
        /// The file in the way.
        path: String,
    },
    /// The disk, or the size the database may have, is full.
    #[error("the store has no space left")]
    Full,
    /// What is stored is not what was once written.
    #[error("the stored {what} `{name}` is damaged")]
    Corrupt {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The database file itself is damaged.
    #[error("the database is damaged")]
    DatabaseCorrupt {
        /// The cause, for the log.
        cause: String,
    },
    /// A chain of records does not hold together from here on.
    #[error("chain `{chain}` is broken at record {sequence}: {fault}")]
    ChainBroken {
        /// The chain.
        chain: ChainName,
        /// The first record that is wrong or missing.
        sequence: u64,
        /// What is wrong with it.
        fault: ChainFault,
    },
    /// The database was written by a newer release.
    #[error("the database has version {found}, this release knows versions up to {known}")]
    NewerDatabase {
        /// The version of the database.
        found: u32,
        /// The newest version this release knows.
        known: u32,
    },
    /// The database is from an older release, and was opened in a way that may not upgrade it.
    #[error("the database has version {found} and must be upgraded to version {known} first")]
    OlderDatabase {
        /// The version of the database.
        found: u32,
        /// The version this release needs.
        known: u32,
    },
    /// The database was set up by other statements than this release has for the same version.
    #[error("version {version} of the database was made by another build")]
    MigrationChanged {
        /// The version that differs.
        version: u32,
    },
    /// The file, or the folder, belongs to something else.
    #[error("`{path}` is not a store of this program")]
    NotAStore {
        /// The file or folder.
        path: String,
    },
    /// The store cannot be read or written.
    #[error("the store cannot be read or written")]
    Io {
        /// The cause, for the log; it may name files and statements.
        cause: String,
    },
}

/// What is wrong with the first bad record of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// The record is not there, though later ones are or the chain's tip says it should be.
    #[error("the record is missing")]
    Missing,
    /// The record's content does not give its hash: it was altered.
    #[error("the content does not match the hash")]
    WrongHash,
    /// The record does not follow the one before it.
    #[error("it does not follow the record before it")]
    WrongPrevious,
    /// The record is not the one that the caller noted earlier.
    #[error("it is not the record that was noted earlier")]
    NotAsNoted,
    /// The last record is not the one the chain's tip names.
    #[error("it is not the record that the tip of the chain names")]
    NotTheTip,
    /// There are records, but the chain's tip is gone.
    #[error("the tip of the chain is missing")]
    NoTip,
}

impl StoreError {
    /// The stable code of this error, in kebab-case.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "invalid-name",
            Self::InvalidChange { .. } => "invalid-change",
            Self::TooLarge { .. } => "too-large",
            Self::Conflict { .. } => "head-conflict",
            Self::ChangeConflict { .. } => "change-conflict",
            Self::RecordConflict { .. } => "record-conflict",
            Self::NotFound { .. } => "not-found",
            Self::Busy => "store-busy",
            Self::Closed => "store-closed",
            Self::ReadOnly => "store-read-only",
            Self::Unsupported { .. } => "store-unsupported",
            Self::Exists { .. } => "file-exists",
            Self::Full => "store-full",
            Self::Corrupt { .. } | Self::DatabaseCorrupt { .. } => "store-corrupt",
            Self::ChainBroken { .. } => "chain-broken",
            Self::NewerDatabase { .. } => "newer-database",
            Self::OlderDatabase { .. } => "older-database",
            Self::MigrationChanged { .. } => "migration-changed",
            Self::NotAStore { .. } => "not-a-store",
            Self::Io { .. } => "store-io",
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "see the rule for names in the message",
            Self::InvalidChange { .. } | Self::TooLarge { .. } => "split or correct the change",
            Self::Conflict { .. } => "read it again, decide again, and send the change with its new revision",
            Self::ChangeConflict { .. } | Self::RecordConflict { .. } => {
                "use a new random identifier for each new change and record"
            }
            Self::NotFound { .. } => "send the document in the same change, or before it",
            Self::Busy => "try again in a moment",
            Self::Closed => "send the same change with the same identifier again: it is done once only",
            Self::ReadOnly => "send changes to the running service",
            Self::Unsupported { .. } => "use the tools of the database",
            Self::Exists { .. } => "choose a new file name",
            Self::Full => "free disk space; the service continues by itself",
            Self::Corrupt { .. } | Self::DatabaseCorrupt { .. } => {
                "check the disk, and restore from a backup"
            }
            Self::ChainBroken { .. } => {
                "keep a copy of the database as evidence, and compare it with a backup or an exported log"
            }
            Self::NewerDatabase { .. } => "use a release at least as new as the one that wrote it",
            Self::OlderDatabase { .. } => "start the service once with this release, which upgrades it",
            Self::MigrationChanged { .. } => "use an official release, or restore from a backup",
            Self::NotAStore { .. } => "give the folder or file of a store, or an empty folder",
            Self::Io { .. } => "the service's log has the cause",
        }
    }

    /// The internal cause, for the log only.
    #[must_use]
    pub const fn cause(&self) -> Option<&str> {
        match self {
            Self::Io { cause } | Self::DatabaseCorrupt { cause } => Some(cause.as_str()),
            _ => None,
        }
    }

    /// Whether the store itself is in trouble, so that nothing else of the same transaction can be trusted to succeed.
    pub(crate) const fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Busy | Self::Full | Self::Io { .. })
    }

    /// Whether something stored is not as it was written.
    pub(crate) const fn is_damage(&self) -> bool {
        matches!(self, Self::Corrupt { .. } | Self::DatabaseCorrupt { .. } | Self::ChainBroken { .. })
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::StorageFull {
            return Self::Full;
        }
        Self::Io { cause: error.to_string() }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
        use rusqlite::ErrorCode;
        let cause = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::DatabaseCorrupt { cause },
            _ => match error {
                // The schema's checks let no such value in: someone wrote past them.
                FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => {
                    Self::DatabaseCorrupt { cause }
                }
                _ => Self::Io { cause },
            },
        }
    }
}
