use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// What an error means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Another process holds the store: try later, or stop it.
    Busy,
    /// No space: nothing of the change was stored; keep it and commit it again.
    Exhausted,
    /// What is on the disk is not what was written.
    Corrupt,
    /// The store was made by a newer build.
    Newer,
    /// The operating system refused; the outcome of a commit is then unknown, and committing the same change again is safe.
    Io,
    /// The caller's input cannot be accepted (a name that is no hash, a viewing without a reason).
    Invalid,
    /// A mistake in this program.
    Bug,
}

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store {} is in use by another process: stop it, or give this one another [store] dir", dir.display())]
    InUse { dir: PathBuf },
    #[error("{doing}: the database is locked by another program: close that program and try again")]
    Locked { doing: String },
    #[error("{doing}: no space left on the disk: free some; nothing of this was stored, so try it again then")]
    Full { doing: String },
    #[error("{}: made by a newer build (format {found}, this build knows up to {known}): run that build, or give another [store] dir", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("{what} is damaged: {why}")]
    Corrupt { what: String, why: String },
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{doing}: {source}")]
    Sql { doing: String, source: rusqlite::Error },
    #[error("{what}: {why}")]
    Invalid { what: String, why: String },
    #[error("{what} cannot be written as JSON: {source}")]
    Unwritable { what: String, source: serde_json::Error },
    #[error("the outbox has no row {sequence}: it was never given, or was removed after its delivery")]
    UnknownRow { sequence: i64 },
}

impl StoreError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse { .. } | Self::Locked { .. } => ErrorKind::Busy,
            Self::Full { .. } => ErrorKind::Exhausted,
            Self::Newer { .. } => ErrorKind::Newer,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::Io { .. } => ErrorKind::Io,
            Self::Invalid { .. } => ErrorKind::Invalid,
            Self::Unwritable { .. } | Self::UnknownRow { .. } => ErrorKind::Bug,
            Self::Sql { source, .. } => match source.sqlite_error_code() {
                Some(
                    ErrorCode::SystemIoFailure
                    | ErrorCode::CannotOpen
                    | ErrorCode::PermissionDenied
                    | ErrorCode::ReadOnly
                    | ErrorCode::OutOfMemory,
                ) => ErrorKind::Io,
                _ => ErrorKind::Bug,
            },
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into(), why: why.into() }
    }
}

/// Gives a database error the words of what was being done.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &str) -> Result<T, StoreError> {
        self.map_err(|source| {
            let doing = doing.to_owned();
            match source.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => StoreError::Full { doing },
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked { doing },
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt {
                    what: "the database patrol.sqlite".into(),
                    why: format!("{source} ({doing}): restore a copy of it, or give another [store] dir"),
                },
                _ => StoreError::Sql { doing, source },
            }
        })
    }
}
