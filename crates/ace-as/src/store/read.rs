//! What the server reads for a request.

use ace_crypto::{Aead, Secret, Signature, SigningKey, VerifyingKey};
use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError, signed, unsigned};
use crate::registry::RsProfile;

/// OSCORE between the AS and a peer, ids from the AS's side.
#[derive(Debug)]
pub(crate) struct PeerRecord {
    pub id: u64,
    pub recipient_id: Vec<u8>,
    pub sender_id: Vec<u8>,
    pub master_secret: Secret<64>,
    pub master_salt: Secret<64>,
    pub id_context: Option<Vec<u8>>,
    pub alg: i64,
    pub hkdf: i64,
    /// Sender sequence numbers below this may have been used; 0 if the peer was never spoken to.
    pub reserved: u64,
}

/// Who a peer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    Client {
        id: u64,
        name: String,
        /// Bits of [`RsProfile`].
        profiles: u64,
        /// The key that it has registered, and with which it authenticates itself in DTLS.
        key: Option<Box<VerifyingKey>>,
    },
    ResourceServer {
        name: String,
    },
}

impl Principal {
    pub fn name(&self) -> &str {
        match self {
            Self::Client { name, .. } | Self::ResourceServer { name } => name,
        }
    }
}

/// A resource server with the key that protects its new tokens.
#[derive(Debug)]
pub(crate) struct RsRecord {
    pub id: u64,
    pub name: String,
    pub audience: String,
    /// Bits of [`RsProfile`].
    pub profiles: u64,
    pub clockless: bool,
    pub kid: Vec<u8>,
    pub token_key: TokenKey,
    /// Its public key, if it has one.
    pub key: Option<VerifyingKey>,
    pub key_derivation_key: Option<Secret<64>>,
}

/// What protects tokens.
#[derive(Debug)]
pub(crate) enum TokenKey {
    Aead(Aead, Secret<64>),
    Sign(Box<SigningKey>),
}

/// A peer as its credential in DTLS tells it.
#[derive(Debug, Clone)]
pub(crate) struct DtlsRecord {
    pub peer: u64,
    /// None if it has a public key.
    pub psk: Option<Secret<64>>,
}

macro_rules! principal_columns {
    () => {
        "SELECT client.id, client.name, client.profiles, rs.name, peer.public_key FROM peer
         LEFT JOIN client ON client.peer = peer.id LEFT JOIN rs ON rs.peer = peer.id "
    };
}

macro_rules! rs_columns {
    () => {
        "SELECT rs.id, rs.name, rs.audience, rs.profiles, rs.clockless, rs.token_alg, rs.key_derivation_key,
                token_key.kid, token_key.k, as_key.kid, as_key.private_key, peer.public_key "
    };
}

macro_rules! rs_keys {
    () => {
        "JOIN peer ON peer.id = rs.peer
         LEFT JOIN token_key ON token_key.rs = rs.id AND token_key.alg = rs.token_alg AND token_key.state = 0
         LEFT JOIN as_key ON as_key.purpose = 1 AND as_key.alg = rs.token_alg AND as_key.state = 0 "
    };
}

/// A grant's kind, object and method bits, as in the table.
pub(crate) type GrantRow = (i64, String, i64);

impl Store {
    /// The peer that sends under `kid`, which is the AS's Recipient ID.
    pub(crate) async fn peer_by_kid(&self, kid: &[u8]) -> Result<Option<PeerRecord>, StoreError> {
        sqlx::query(
            "SELECT id, recipient_id, sender_id, master_secret, master_salt, id_context, alg, hkdf, reserved
             FROM peer WHERE recipient_id = $1",
        )
        .bind(kid)
        .try_map(|row: SqliteRow| {
            Ok(PeerRecord {
                id: number(&row, 0)?,
                recipient_id: row.try_get(1)?,
                sender_id: row.try_get(2)?,
                master_secret: secret(&row, 3)?,
                master_salt: secret(&row, 4)?,
                id_context: row.try_get(5)?,
                alg: row.try_get(6)?,
                hkdf: row.try_get(7)?,
                reserved: number(&row, 8)?,
            })
        })
        .fetch_optional(&self.inner.read)
        .await
        .map_err(|error| self.failed(error))
    }

    /// Who the peer is; `None` once it is removed from the registry.
    pub(crate) async fn principal(&self, peer: u64) -> Result<Option<Principal>, StoreError> {
        let query =
            sqlx::query(concat!(principal_columns!(), "WHERE peer.id = $1")).bind(signed(peer));
        let found = query
            .try_map(principal)
            .fetch_optional(&self.inner.read)
            .await;
        found.map_err(|error| self.failed(error))
    }

    /// The client of this name, or the resource server.
    pub(crate) async fn principal_named(
        &self,
        name: &str,
    ) -> Result<Option<Principal>, StoreError> {
        let query = concat!(
            principal_columns!(),
            "WHERE client.name = $1 OR rs.name = $1 ORDER BY rs.name LIMIT 1"
        );
        let found = sqlx::query(query)
            .bind(name)
            .try_map(principal)
            .fetch_optional(&self.inner.read)
            .await;
        found.map_err(|error| self.failed(error))
    }

    /// The resource servers where the client has a grant: the one with `audience` if given, else
    /// any two, so that the caller can tell one from many.
    pub(crate) async fn granted(
        &self,
        client: u64,
        audience: Option<&str>,
    ) -> Result<Vec<RsRecord>, StoreError> {
        let query = match audience {
            Some(audience) => sqlx::query(concat!(
                rs_columns!(),
                "FROM rs ",
                rs_keys!(),
                "WHERE rs.audience = $2
                 AND EXISTS (SELECT 1 FROM grant_ WHERE grant_.client = $1 AND grant_.rs = rs.id) LIMIT 1"
            ))
            .bind(signed(client))
            .bind(audience),
            None => sqlx::query(concat!(
                rs_columns!(),
                "FROM (SELECT DISTINCT grant_.rs FROM grant_ WHERE grant_.client = $1 LIMIT 2) AS granted
                 JOIN rs ON rs.id = granted.rs ",
                rs_keys!()
            ))
            .bind(signed(client)),
        };
        query
            .try_map(|row: SqliteRow| resource_server(&row))
            .fetch_all(&self.inner.read)
            .await
            .map_err(|error| self.failed(error))
    }

    /// What the client may do at the resource server, in the order of objects.
    pub(crate) async fn grants(&self, client: u64, rs: u64) -> Result<Vec<GrantRow>, StoreError> {
        sqlx::query_as("SELECT kind, object, methods FROM grant_ WHERE client = $1 AND rs = $2 ORDER BY object")
            .bind(signed(client))
            .bind(signed(rs))
            .fetch_all(&self.inner.read)
            .await
            .map_err(|error| self.failed(error))
    }

    /// Whether this very token was issued and has not been swept since.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn has_token(&self, token: &[u8]) -> Result<bool, StoreError> {
        sqlx::query_scalar::<_, i64>("SELECT 1 FROM token WHERE hash = $1 LIMIT 1")
            .bind(ace_crypto::sha256(&[token]).as_slice())
            .fetch_optional(&self.inner.read)
            .await
            .map(|found| found.is_some())
            .map_err(|error| self.failed(error))
    }

    /// In which profile the key of this name was issued to the client for the resource server, if a token bound to it
    /// still lives.
    pub(crate) async fn pop_key_lives(
        &self,
        kid: &[u8],
        client: u64,
        rs: u64,
        now: u64,
    ) -> Result<Option<RsProfile>, StoreError> {
        sqlx::query_scalar::<_, i64>(
            "SELECT profile FROM pop_key WHERE client = $1 AND rs = $2 AND kid = $3
             AND EXISTS (SELECT 1 FROM token WHERE client = $1 AND rs = $2 AND kid = $3 AND exp > $4)",
        )
        .bind(signed(client))
        .bind(signed(rs))
        .bind(kid)
        .bind(signed(now))
        .fetch_optional(&self.inner.read)
        .await
        .map(|found| found.map(unsigned).and_then(RsProfile::from_bit))
        .map_err(|error| self.failed(error))
    }

    /// The peer with this identity and its pre-shared key.
    pub(crate) async fn dtls_by_identity(
        &self,
        identity: &[u8],
    ) -> Result<Option<DtlsRecord>, StoreError> {
        let found = sqlx::query("SELECT id, psk FROM peer WHERE psk_identity = $1")
            .bind(identity)
            .try_map(|row: SqliteRow| {
                Ok(DtlsRecord {
                    peer: number(&row, 0)?,
                    psk: Some(secret(&row, 1)?),
                })
            });
        let found = found.fetch_optional(&self.inner.read).await;
        found.map_err(|error| self.failed(error))
    }

    /// The peer with this public key: the DER of its SubjectPublicKeyInfo.
    pub(crate) async fn dtls_by_key(&self, spki: &[u8]) -> Result<Option<DtlsRecord>, StoreError> {
        let found = sqlx::query("SELECT id FROM peer WHERE public_key = $1")
            .bind(spki)
            .try_map(|row: SqliteRow| {
                Ok(DtlsRecord {
                    peer: number(&row, 0)?,
                    psk: None,
                })
            });
        let found = found.fetch_optional(&self.inner.read).await;
        found.map_err(|error| self.failed(error))
    }
}

fn principal(row: SqliteRow) -> Result<Principal, sqlx::Error> {
    Ok(match row.try_get::<Option<String>, _>(3)? {
        Some(name) => Principal::ResourceServer { name },
        None => Principal::Client {
            id: number(&row, 0)?,
            name: row.try_get(1)?,
            profiles: number(&row, 2)?,
            key: public_key(&row, 4)?.map(Box::new),
        },
    })
}

fn resource_server(row: &SqliteRow) -> Result<RsRecord, sqlx::Error> {
    let alg = row.try_get(5)?;
    let (kid, token_key) = match (Aead::from_cose(alg), Signature::from_cose(alg)) {
        (Some(aead), _) => (7, TokenKey::Aead(aead, secret(row, 8)?)),
        (None, Some(signature)) => {
            let key: Secret<64> = secret(row, 10)?;
            let key = SigningKey::from_bytes(signature, key.as_bytes());
            (
                9,
                TokenKey::Sign(Box::new(key.map_err(|error| unusable(10, error))?)),
            )
        }
        (None, None) => return Err(unusable(5, ace_crypto::CryptoError::Unsupported)),
    };
    let derivation = row.try_get::<Option<&[u8]>, _>(6)?.is_some();
    Ok(RsRecord {
        id: number(row, 0)?,
        name: row.try_get(1)?,
        audience: row.try_get(2)?,
        profiles: number(row, 3)?,
        clockless: row.try_get(4)?,
        kid: row.try_get(kid)?,
        token_key,
        key: public_key(row, 11)?,
        key_derivation_key: derivation.then(|| secret(row, 6)).transpose()?,
    })
}

fn public_key(row: &SqliteRow, column: usize) -> Result<Option<VerifyingKey>, sqlx::Error> {
    let spki = row.try_get::<Option<&[u8]>, _>(column)?;
    let key = spki.map(VerifyingKey::from_spki).transpose();
    key.map_err(|error| unusable(column, error))
}

fn unusable(column: usize, error: ace_crypto::CryptoError) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: error.into(),
    }
}

fn number(row: &SqliteRow, column: usize) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(column).map(unsigned)
}

fn secret<const MAX: usize>(row: &SqliteRow, column: usize) -> Result<Secret<MAX>, sqlx::Error> {
    let bytes: &[u8] = row.try_get(column)?;
    Secret::new(bytes).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_string(),
        source: "longer than any key of this store".into(),
    })
}
