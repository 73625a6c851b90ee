//! Group commit: one task takes what is queued, runs it in one transaction, and answers each after
//! the commit.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{mpsc, oneshot};

use super::{Issuance, PopKey, StoreError};

/// Most jobs that share one transaction.
pub(super) const BATCH: usize = 64;

/// Jobs waiting beyond this make their senders wait.
pub(super) const QUEUE: usize = 1024;

/// What the task writes; each answers one number.
#[derive(Debug)]
pub(super) enum Work {
    /// 1 if stored, 0 if client, resource server or key are gone.
    Issue(Box<Issuance>),
    /// Reserves `count` numbers of a counter; the first of them.
    Numbers { counter: String, count: u64 },
    /// Reserves `count` sender sequence numbers of a peer; the end of the reservation, 0 if the peer is gone.
    Sequence { peer: u64, count: u64 },
    /// Deletes what has expired; how many tokens.
    Expire { now: u64 },
}

#[derive(Debug)]
pub(super) struct Job {
    pub work: Work,
    pub reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// Runs until every sender is gone.
pub(super) async fn run(
    path: PathBuf,
    pool: SqlitePool,
    mut jobs: mpsc::Receiver<Job>,
    transactions: Arc<AtomicU64>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while jobs.recv_many(&mut batch, BATCH).await > 0 {
        let outcome = commit(&pool, &batch).await;
        transactions.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Ok(answers) => {
                for (job, answer) in batch.drain(..).zip(answers) {
                    // A caller that went away wants no answer.
                    let _ = job.reply.send(Ok(answer));
                }
            }
            Err(error) => {
                let error = StoreError::from_sqlx(&path, error);
                tracing::error!(%error, jobs = batch.len(), "commit failed");
                for job in batch.drain(..) {
                    let _ = job.reply.send(Err(error.clone()));
                }
            }
        }
    }
}

async fn commit(pool: &SqlitePool, batch: &[Job]) -> Result<Vec<u64>, sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut answers = Vec::with_capacity(batch.len());
    for job in batch {
        answers.push(perform(&mut transaction, &job.work).await?);
    }
    transaction.commit().await?;
    Ok(answers)
}

async fn perform(
    transaction: &mut Transaction<'_, Sqlite>,
    work: &Work,
) -> Result<u64, sqlx::Error> {
    match work {
        Work::Issue(issuance) => issue(transaction, issuance).await,
        Work::Numbers { counter, count } => reserve(transaction, counter, *count).await,
        Work::Sequence { peer, count } => {
            let reserved = sqlx::query_scalar::<_, i64>(
                "UPDATE peer SET reserved = reserved + $2 WHERE id = $1 RETURNING reserved",
            )
            .bind(signed(*peer))
            .bind(signed(*count))
            .fetch_optional(&mut **transaction)
            .await?;
            Ok(reserved.map_or(0, unsigned))
        }
        Work::Expire { now } => expire(transaction, *now).await,
    }
}

/// Reserves `count` numbers of `counter`; returns the first.
pub(crate) async fn reserve(
    transaction: &mut Transaction<'_, Sqlite>,
    counter: &str,
    count: u64,
) -> Result<u64, sqlx::Error> {
    let end = sqlx::query_scalar::<_, i64>(
        "INSERT INTO counter (name, next) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET next = counter.next + excluded.next RETURNING next",
    )
    .bind(counter)
    .bind(signed(count))
    .fetch_one(&mut **transaction)
    .await?;
    Ok(unsigned(end).saturating_sub(count))
}

/// The registry may have changed since the decision: the rows are written only if it still stands.
async fn issue(
    transaction: &mut Transaction<'_, Sqlite>,
    issuance: &Issuance,
) -> Result<u64, sqlx::Error> {
    let (client, rs) = (signed(issuance.client), signed(issuance.rs));
    if let Some(key) = &issuance.pop_key {
        let (k, salt) = match key {
            PopKey::Oscore { ms, salt } => (Some(ms.as_bytes()), Some(salt.as_slice())),
            PopKey::Psk(k) => (Some(k.as_bytes()), None),
            PopKey::Rpk => (None, None),
        };
        // A public key is there already if an earlier token is bound to it.
        sqlx::query(
            "INSERT INTO pop_key (client, rs, kid, profile, k, salt, created) SELECT $1, $2, $3, $4, $5, $6, $7
             WHERE EXISTS (SELECT 1 FROM client WHERE id = $1) AND EXISTS (SELECT 1 FROM rs WHERE id = $2)
             ON CONFLICT (client, rs, kid) DO NOTHING",
        )
        .bind(client)
        .bind(rs)
        .bind(&issuance.kid)
        .bind(signed(key.profile().bit()))
        .bind(k)
        .bind(salt)
        .bind(signed(issuance.iat))
        .execute(&mut **transaction)
        .await?;
    }
    let stored = sqlx::query(
        "INSERT INTO token (cti, hash, client, rs, scope, iat, exp, kid) SELECT $1, $2, $3, $4, $5, $6, $7, $8
         WHERE EXISTS (SELECT 1 FROM client WHERE id = $3) AND EXISTS (SELECT 1 FROM rs WHERE id = $4)
           AND EXISTS (SELECT 1 FROM pop_key WHERE client = $3 AND rs = $4 AND kid = $8)",
    )
    .bind(&issuance.cti)
    .bind(issuance.hash.as_slice())
    .bind(client)
    .bind(rs)
    .bind(&issuance.scope)
    .bind(signed(issuance.iat))
    .bind(signed(issuance.exp))
    .bind(&issuance.kid)
    .execute(&mut **transaction)
    .await?;
    Ok(stored.rows_affected())
}

/// Rows per sweep, so that a long-neglected store does not hold up the answers behind it.
const SWEEP: i64 = 1000;

async fn expire(transaction: &mut Transaction<'_, Sqlite>, now: u64) -> Result<u64, sqlx::Error> {
    let keys = sqlx::query_as::<_, (i64, i64, Vec<u8>)>(
        "DELETE FROM token WHERE cti IN (SELECT cti FROM token WHERE exp <= $1 ORDER BY exp LIMIT $2)
         RETURNING client, rs, kid",
    )
    .bind(signed(now))
    .bind(SWEEP)
    .fetch_all(&mut **transaction)
    .await?;
    for (client, rs, kid) in &keys {
        sqlx::query(
            "DELETE FROM pop_key WHERE client = $1 AND rs = $2 AND kid = $3
             AND NOT EXISTS (SELECT 1 FROM token WHERE client = $1 AND rs = $2 AND kid = $3)",
        )
        .bind(client)
        .bind(rs)
        .bind(kid)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(keys.len() as u64)
}

/// Ids, counters and times fit: counters grow by one at a time and times are checked at the edge.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
