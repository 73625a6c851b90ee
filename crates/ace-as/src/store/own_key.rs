//! The authorization server's own keys, made when first needed.

use ace_crypto::{Signature, SigningKey};
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use zeroize::Zeroizing;

use super::{Store, StoreError, reserve, signed};
use crate::registry::short;

/// What a key of the AS is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Who the AS is in DTLS with raw public keys.
    Dtls,
    /// Signatures of tokens.
    Tokens,
}

/// A key of the AS.
#[derive(Debug)]
pub(crate) struct OwnKey {
    pub kid: Vec<u8>,
    pub key: SigningKey,
}

/// The key for this purpose and algorithm, if it was made.
pub(crate) async fn find(
    transaction: &mut Transaction<'_, Sqlite>,
    purpose: Purpose,
    algorithm: Signature,
) -> Result<Option<OwnKey>, sqlx::Error> {
    sqlx::query(
        "SELECT kid, private_key FROM as_key WHERE purpose = $1 AND alg = $2 AND state = 0 LIMIT 1",
    )
    .bind(purpose as i64)
    .bind(algorithm.cose())
    .try_map(|row: SqliteRow| {
        let key = SigningKey::from_bytes(algorithm, row.try_get(1)?);
        let key = key.map_err(|error| sqlx::Error::ColumnDecode {
            index: "private_key".to_owned(),
            source: error.into(),
        })?;
        Ok(OwnKey {
            kid: row.try_get(0)?,
            key,
        })
    })
    .fetch_optional(&mut **transaction)
    .await
}

impl Store {
    /// The key for this purpose and algorithm, made now if there is none. In a transaction that writes.
    pub(crate) async fn own_key(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        purpose: Purpose,
        algorithm: Signature,
    ) -> Result<OwnKey, StoreError> {
        let found = find(transaction, purpose, algorithm).await;
        if let Some(found) = found.map_err(|error| self.failed(error))? {
            return Ok(found);
        }
        let key = generate(algorithm)?;
        // The kids of all that protects tokens differ.
        let kid = reserve(transaction, "token_key", 1).await;
        let kid = short(signed(kid.map_err(|error| self.failed(error))?), 1);
        sqlx::query(
            "INSERT INTO as_key (kid, purpose, alg, private_key, state) VALUES ($1, $2, $3, $4, 0)",
        )
        .bind(&kid)
        .bind(purpose as i64)
        .bind(algorithm.cose())
        .bind(key.to_bytes().as_bytes())
        .execute(&mut **transaction)
        .await
        .map_err(|error| self.failed(error))?;
        Ok(OwnKey { kid, key })
    }
}

/// A fresh key.
pub(crate) fn generate(algorithm: Signature) -> Result<SigningKey, StoreError> {
    let mut bytes = Zeroizing::new([0; 32]);
    loop {
        getrandom::fill(&mut *bytes).map_err(|_| StoreError::Randomness)?;
        // One number in 2^32 is no scalar of P-256.
        if let Ok(key) = SigningKey::from_bytes(algorithm, &*bytes) {
            return Ok(key);
        }
    }
}
