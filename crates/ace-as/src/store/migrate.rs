//! The tables of a new store, and those of an older program's store brought to this version.

use std::{path::Path, time::Duration};

use sqlx::{Sqlite, SqlitePool, Transaction};

use super::{StoreError, lock_for_server};

/// Newest schema this program knows.
const SCHEMA: u64 = 2;

/// Makes the tables of an empty file, and brings those of an older program up to date, all or nothing; refuses what a
/// newer program wrote.
pub(super) async fn migrate(path: &Path, pool: &SqlitePool) -> Result<(), StoreError> {
    let failed = |error| StoreError::from_sqlx(path, error);
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let tables = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sqlite_master")
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed)?;
    if tables == 0 {
        let made = run(&mut transaction, include_str!("schema.sql")).await;
        made.map_err(failed)?;
        return transaction.commit().await.map_err(failed);
    }
    let not_a_store = |reason: String| StoreError::NotAStore {
        path: path.to_path_buf(),
        reason,
    };
    // Written and rolled back: a store that cannot be written is found out now. (SQLite begins an
    // immediate transaction on a read-only file without a word.)
    let found = sqlx::query_scalar::<_, String>(
        "UPDATE meta SET value = value WHERE name = 'schema' RETURNING value",
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(|error| match failed(error) {
        StoreError::Database { source, .. } => not_a_store(source.to_string()),
        other => other,
    })?
    .and_then(|version| version.parse::<u64>().ok());
    match found {
        Some(SCHEMA) => transaction.rollback().await.map_err(failed),
        Some(1) => {
            // The older program is not to find its tables gone while it serves from them.
            let _none = lock_for_server(path, Duration::ZERO).await?;
            let done = from_1(&mut transaction).await;
            done.map_err(failed)?;
            transaction.commit().await.map_err(failed)
        }
        Some(found) if found > SCHEMA => Err(StoreError::Schema {
            path: path.to_path_buf(),
            found,
            known: SCHEMA,
        }),
        _ => Err(not_a_store("no schema version".to_owned())),
    }
}

async fn from_1(transaction: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
    run(transaction, include_str!("migration/from_1.sql")).await?;
    run(transaction, include_str!("schema.sql")).await?;
    run(transaction, include_str!("migration/to_2.sql")).await
}

async fn run(
    transaction: &mut Transaction<'_, Sqlite>,
    sql: &'static str,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql)
        .execute(&mut **transaction)
        .await
        .map(drop)
}
