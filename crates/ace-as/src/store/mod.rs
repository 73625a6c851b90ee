//! The store: one SQLite file, shared by the running server and by the commands that change the
//! registry beside it.
//!
//! Reads go to a small pool. Everything the server writes goes through one task that commits many
//! requests at once ([`writer`]). Numbers that must never repeat are reserved in blocks by a
//! committed transaction before the first of a block is used ([`counter`]).

mod counter;
mod error;
mod migrate;
mod own_key;
mod read;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ace_crypto::Secret;
use sqlx::{
    ConnectOptions, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{mpsc, oneshot};

use crate::registry::RsProfile;

use counter::Counters;
pub use error::StoreError;
use migrate::migrate;
pub(crate) use own_key::{Purpose, find as find_own_key, generate};
pub(crate) use read::{DtlsRecord, GrantRow, PeerRecord, Principal, RsRecord, TokenKey};
use writer::{Job, Work};
pub(crate) use writer::{reserve, signed, unsigned};

/// How long a connection waits for the other process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read.
const READERS: u32 = 4;

/// An open store. Clones share it; it closes when the last one is dropped.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    read: SqlitePool,
    write: SqlitePool,
    jobs: mpsc::Sender<Job>,
    transactions: Arc<AtomicU64>,
    counters: Counters,
}

/// A token about to be answered, with what must be in the store before.
#[derive(Debug)]
pub(crate) struct Issuance {
    pub cti: Vec<u8>,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    pub client: u64,
    pub rs: u64,
    /// CBOR.
    pub scope: Vec<u8>,
    pub iat: u64,
    pub exp: u64,
    /// Identifier of the proof-of-possession key the token is bound to.
    pub kid: Vec<u8>,
    /// The key, unless rights are given to one that was stored with an earlier token.
    pub pop_key: Option<PopKey>,
}

/// A proof-of-possession key.
#[derive(Debug)]
pub(crate) enum PopKey {
    /// OSCORE input material (RFC 9203, 3.2.1).
    Oscore { ms: Secret<16>, salt: [u8; 8] },
    /// A pre-shared key (RFC 9202, 3.3.1).
    Psk(Secret<16>),
    /// The client's public key; it is with the client's registration.
    Rpk,
}

impl PopKey {
    pub(crate) fn profile(&self) -> RsProfile {
        match self {
            Self::Oscore { .. } => RsProfile::CoapOscore,
            Self::Psk(_) => RsProfile::CoapDtlsPsk,
            Self::Rpk => RsProfile::CoapDtlsRpk,
        }
    }
}

impl Store {
    /// Makes a new store; file mode 0600, and so its companions `-wal` and `-shm`.
    ///
    /// # Errors
    /// [`StoreError::Exists`], [`StoreError::NotWritable`].
    pub async fn create(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let file = private(std::fs::OpenOptions::new().write(true).create_new(true)).open(path);
        if let Err(error) = file {
            let path = path.to_path_buf();
            return Err(match error.kind() {
                std::io::ErrorKind::AlreadyExists => StoreError::Exists { path },
                _ => StoreError::NotWritable {
                    path,
                    reason: error.to_string(),
                },
            });
        }
        Self::connect(path).await
    }

    /// Opens a store that [`Store::create`] made.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Permissions`], [`StoreError::NotWritable`],
    /// [`StoreError::NotAStore`], [`StoreError::Schema`], [`StoreError::Busy`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let unreadable = |reason: String| StoreError::NotWritable {
            path: path.to_path_buf(),
            reason,
        };
        let metadata = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StoreError::Missing {
                    path: path.to_path_buf(),
                });
            }
            other => other.map_err(|error| unreadable(error.to_string()))?,
        };
        if !metadata.is_file() {
            return Err(unreadable("not a file".to_owned()));
        }
        // SQLite would take it for a database that is to be made.
        if metadata.len() == 0 {
            return Err(StoreError::NotAStore {
                path: path.to_path_buf(),
                reason: "the file is empty".to_owned(),
            });
        }
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777;
            if mode & 0o077 != 0 {
                return Err(StoreError::Permissions {
                    path: path.to_path_buf(),
                    mode,
                });
            }
        }
        Self::connect(path).await
    }

    async fn connect(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit that was answered survives a power cut, not only a crash of the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            // Keys of removed peers are overwritten, not left in free pages.
            .pragma("secure_delete", "ON")
            .disable_statement_logging();
        // Connections to a file do not go stale: no ping before use, no end of life.
        let pool = || {
            SqlitePoolOptions::new()
                .test_before_acquire(false)
                .max_lifetime(None)
                .idle_timeout(None)
                .acquire_timeout(2 * BUSY_TIMEOUT)
        };
        let failed = |error| StoreError::from_sqlx(path, error);
        let write = pool()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        migrate(path, &write).await?;
        let read = pool()
            .max_connections(READERS)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        let (jobs, queue) = mpsc::channel(writer::QUEUE);
        let transactions = Arc::new(AtomicU64::new(0));
        tokio::spawn(writer::run(
            path.to_path_buf(),
            write.clone(),
            queue,
            transactions.clone(),
        ));
        let inner = Inner {
            path: path.to_path_buf(),
            read,
            write,
            jobs,
            transactions,
            counters: Counters::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The store's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Transactions that the server's own writes have taken so far; many requests share one.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.inner.transactions.load(Ordering::Relaxed)
    }

    /// Closes the connections, so that SQLite folds the `-wal` file into the store. What was
    /// answered is safe without it.
    pub async fn close(self) {
        self.inner.read.close().await;
        self.inner.write.close().await;
    }

    /// The right to serve from this store, for as long as the file is open. Waits for the server
    /// before to stop.
    pub(crate) async fn lock_for_server(
        &self,
        wait: Duration,
    ) -> Result<std::fs::File, StoreError> {
        lock_for_server(&self.inner.path, wait).await
    }

    /// Deletes tokens that expired by `now` (seconds since the epoch), at most 1,000 at a time, and
    /// the proof-of-possession keys that no token is bound to any more. Returns how many tokens.
    ///
    /// # Errors
    /// As the database fails.
    pub async fn expire(&self, now: u64) -> Result<u64, StoreError> {
        self.submit(Work::Expire { now }).await
    }

    /// Stores a token. `false`: client, resource server or key are no longer there.
    pub(crate) async fn issue(&self, issuance: Issuance) -> Result<bool, StoreError> {
        self.submit(Work::Issue(Box::new(issuance)))
            .await
            .map(|stored| stored == 1)
    }

    /// Reserves `count` sender sequence numbers of a peer; the end of the reservation, `None` if
    /// the peer is gone.
    pub(crate) async fn reserve_sequence(
        &self,
        peer: u64,
        count: u64,
    ) -> Result<Option<u64>, StoreError> {
        let end = self.submit(Work::Sequence { peer, count }).await?;
        Ok((end > 0).then_some(end))
    }

    /// A number of `counter` that was never handed out before, by this or any other process.
    pub(crate) async fn number(&self, counter: &str) -> Result<u64, StoreError> {
        self.inner.counters.next(self, counter).await
    }

    /// A transaction for a change of the registry.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.inner
            .write
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|error| self.failed(error))
    }

    /// A transaction that only reads.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.inner
            .read
            .begin()
            .await
            .map_err(|error| self.failed(error))
    }

    pub(crate) fn failed(&self, error: sqlx::Error) -> StoreError {
        StoreError::from_sqlx(&self.inner.path, error)
    }

    async fn submit(&self, work: Work) -> Result<u64, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.inner
            .jobs
            .send(Job { work, reply })
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.inner.path)
            .finish_non_exhaustive()
    }
}

/// A file for the owner alone.
fn private(options: &mut std::fs::OpenOptions) -> &mut std::fs::OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

async fn lock_for_server(path: &Path, wait: Duration) -> Result<std::fs::File, StoreError> {
    let not_writable = |error: std::io::Error| StoreError::NotWritable {
        path: path.to_path_buf(),
        reason: error.to_string(),
    };
    let mut lock = path.to_path_buf().into_os_string();
    lock.push("-server");
    let lock = private(
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false),
    )
    .open(lock)
    .map_err(not_writable)?;
    let deadline = tokio::time::Instant::now() + wait;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(std::fs::TryLockError::Error(error)) => return Err(not_writable(error)),
            Err(std::fs::TryLockError::WouldBlock) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(StoreError::Served {
                    path: path.to_path_buf(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
