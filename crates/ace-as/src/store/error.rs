use std::{path::PathBuf, sync::Arc};

/// Why the store could not be opened, read or written. Every message names the file and what to do.
#[non_exhaustive]
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// There is no such file.
    #[error("the store {} is not there; make a site with `ace init DIR`", path.display())]
    Missing {
        /// The store's file.
        path: PathBuf,
    },
    /// A file that would be overwritten.
    #[error("the store {} is there already; choose another folder or move it away", path.display())]
    Exists {
        /// The store's file.
        path: PathBuf,
    },
    /// The file can be read by others though it holds keys.
    #[error("the store {} holds keys and others may read it (mode {mode:04o}); run `chmod 600 {}`", path.display(), path.display())]
    Permissions {
        /// The store's file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file or its folder cannot be opened or written.
    #[error("the store {} cannot be written ({reason}); check owner, mode and free space of the file and of its folder", path.display())]
    NotWritable {
        /// The store's file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Another process held the file for longer than the wait allows.
    #[error("the store {} is in use by another process; try again, or stop the one that holds it", path.display())]
    Busy {
        /// The store's file.
        path: PathBuf,
    },
    /// A server runs on this store already.
    #[error("another server runs on the store {}; stop it first, or serve another site", path.display())]
    Served {
        /// The store's file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes; try again")]
    Randomness,
    /// Not a store of this program.
    #[error("{} is not a store of ace or is damaged ({reason}); restore it from a backup", path.display())]
    NotAStore {
        /// The store's file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Written by a newer program.
    #[error("the store {} has schema {found}, this program knows up to {known}; install the newer program", path.display())]
    Schema {
        /// The store's file.
        path: PathBuf,
        /// Schema version found.
        found: u64,
        /// Newest schema version this program knows.
        known: u64,
    },
    /// The task that commits has ended: the runtime is shutting down.
    #[error("the store is closing")]
    Closed,
    /// Anything else the database says.
    #[error("the store {} failed: {source}", path.display())]
    Database {
        /// The store's file.
        path: PathBuf,
        /// The database's error.
        source: Arc<sqlx::Error>,
    },
}

impl StoreError {
    /// Sorts a database error by what a person can do about it (SQLite result codes).
    pub(crate) fn from_sqlx(path: &std::path::Path, error: sqlx::Error) -> Self {
        let path = path.to_path_buf();
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code)
            .and_then(|code| code.parse::<u32>().ok())
            // Extended codes carry the primary one in the low byte.
            .map(|code| code & 0xff);
        let reason = error
            .as_database_error()
            .map_or_else(|| error.to_string(), |e| e.message().to_owned());
        match code {
            Some(5 | 6) => Self::Busy { path },
            Some(3 | 8 | 10 | 13 | 14) => Self::NotWritable { path, reason },
            Some(11 | 26) => Self::NotAStore { path, reason },
            _ => Self::Database {
                path,
                source: Arc::new(error),
            },
        }
    }
}
