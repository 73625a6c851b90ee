//! What a client or resource server authenticates itself with at the authorization server.

use ace_crypto::{Signature, SigningKey, VerifyingKey};
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    AS_SENDER_ID, AsAccess, DeviceKey, DtlsBundle, Hex, OSCORE_ALG, OSCORE_HKDF, OscoreBundle,
    Registry, RegistryError, SecretHex, random, short,
};
use crate::store::{Purpose, find_own_key, generate};

/// The algorithm of the authorization server's key in DTLS: the one that RFC 7252, 9.1.3.2 requires of everyone.
pub(crate) const DTLS_ALGORITHM: Signature = Signature::Es256;

/// Bytes of a pre-shared key.
const PSK: usize = 16;

/// What a new peer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    pub oscore: bool,
    pub dtls: Option<DtlsNeeds>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DtlsNeeds {
    Psk,
    Rpk(DeviceKey),
}

impl Registry {
    /// Makes the credentials of a new peer; its id.
    pub(super) async fn add_peer(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        needs: Needs,
    ) -> Result<i64, RegistryError> {
        let id = self.id(transaction, "peer").await?;
        let insert = sqlx::query("INSERT INTO peer (id, reserved) VALUES ($1, 0)").bind(id);
        self.done(insert.execute(&mut **transaction).await)?;
        if needs.oscore {
            self.add_oscore(transaction, id).await?;
        }
        match needs.dtls {
            None => {}
            Some(_) if self.site.coaps_uri.is_none() => return Err(RegistryError::NoCoaps),
            Some(DtlsNeeds::Psk) => self.add_psk(transaction, id).await?,
            Some(DtlsNeeds::Rpk(key)) => self.add_key(transaction, id, key).await?,
        }
        Ok(id)
    }

    async fn add_oscore(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        id: i64,
    ) -> Result<(), RegistryError> {
        let update = sqlx::query(
            "UPDATE peer SET recipient_id = $2, sender_id = $3, master_secret = $4, master_salt = $5, alg = $6, hkdf = $7
             WHERE id = $1",
        )
        .bind(id)
        .bind(short(id, 2))
        .bind(AS_SENDER_ID.as_slice())
        .bind(random(16)?.as_bytes().to_vec())
        .bind(random(8)?.as_bytes().to_vec())
        .bind(OSCORE_ALG)
        .bind(OSCORE_HKDF);
        self.done(update.execute(&mut **transaction).await)
            .map(drop)
    }

    async fn add_psk(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        id: i64,
    ) -> Result<(), RegistryError> {
        // Printable, as some stacks take an identity for a string.
        let identity = hex::encode(random(8)?.as_bytes());
        let psk = random(PSK)?;
        let update = sqlx::query("UPDATE peer SET psk_identity = $2, psk = $3 WHERE id = $1")
            .bind(id)
            .bind(identity.as_bytes())
            .bind(psk.as_bytes());
        self.done(update.execute(&mut **transaction).await)
            .map(drop)
    }

    async fn add_key(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        id: i64,
        key: DeviceKey,
    ) -> Result<(), RegistryError> {
        let (private, public) = match key {
            DeviceKey::Generate(curve) => {
                let key: SigningKey = generate(curve.algorithm())?;
                (Some(key.to_bytes()), key.verifying_key())
            }
            DeviceKey::Public(key) => (None, key),
        };
        let public = spki(&public);
        let taken =
            sqlx::query_scalar::<_, i64>("SELECT 1 FROM peer WHERE public_key = $1").bind(&public);
        let taken = self.done(taken.fetch_optional(&mut **transaction).await)?;
        // The AS answers to its own key as to anyone's.
        let own = self
            .store
            .own_key(transaction, Purpose::Dtls, DTLS_ALGORITHM);
        let own = spki(&own.await?.key.verifying_key());
        if taken.is_some() || own == public {
            return Err(RegistryError::DuplicateKey);
        }
        let update = sqlx::query("UPDATE peer SET public_key = $2, private_key = $3 WHERE id = $1")
            .bind(id)
            .bind(&public)
            .bind(private.as_ref().map(ace_crypto::Secret::as_bytes));
        self.done(update.execute(&mut **transaction).await)
            .map(drop)
    }

    /// The authorization server from a peer's side.
    pub(super) async fn access(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        peer: i64,
    ) -> Result<AsAccess, RegistryError> {
        let own = find_own_key(transaction, Purpose::Dtls, DTLS_ALGORITHM).await;
        let own = self.done(own)?.map(|own| spki(&own.key.verifying_key()));
        let row = sqlx::query(
            "SELECT recipient_id, sender_id, master_secret, master_salt, id_context, alg, hkdf,
                    psk_identity, psk, public_key, private_key FROM peer WHERE id = $1",
        )
        .bind(peer)
        .try_map(|row: SqliteRow| Ok((oscore(&row)?, dtls(&row, own.clone())?)));
        let (oscore, dtls) = self.done(row.fetch_one(&mut **transaction).await)?;
        let coaps = dtls.as_ref().and(self.site.coaps_uri.clone());
        let (uri, coaps_uri) = match (&oscore, coaps) {
            (None, Some(coaps)) => (coaps, None),
            (_, coaps) => (self.site.uri.clone(), coaps),
        };
        Ok(AsAccess {
            uri,
            coaps_uri,
            oscore,
            dtls,
        })
    }
}

fn oscore(row: &SqliteRow) -> Result<Option<OscoreBundle>, sqlx::Error> {
    let Some(id) = row.try_get::<Option<Vec<u8>>, _>(0)? else {
        return Ok(None);
    };
    Ok(Some(OscoreBundle {
        // The AS receives what the peer sends.
        sender_id: Hex(id),
        recipient_id: Hex(row.try_get(1)?),
        master_secret: SecretHex::new(row.try_get(2)?),
        master_salt: SecretHex::new(row.try_get(3)?),
        id_context: row.try_get::<Option<Vec<u8>>, _>(4)?.map(Hex),
        alg: row.try_get(5)?,
        hkdf: row.try_get(6)?,
    }))
}

fn dtls(row: &SqliteRow, own: Option<Vec<u8>>) -> Result<Option<DtlsBundle>, sqlx::Error> {
    if let Some(identity) = row.try_get::<Option<Vec<u8>>, _>(7)? {
        return Ok(Some(DtlsBundle::Psk {
            psk_identity: Hex(identity),
            psk: SecretHex::new(row.try_get(8)?),
        }));
    }
    let key = row.try_get::<Option<Vec<u8>>, _>(9)?;
    let private = row.try_get::<Option<Vec<u8>>, _>(10)?;
    Ok(key.zip(own).map(|(key, own)| DtlsBundle::Rpk {
        private_key: private.map(SecretHex::new),
        public_key: Hex(key),
        peer_public_key: Hex(own),
    }))
}

/// The DER of the SubjectPublicKeyInfo.
pub(crate) fn spki(key: &VerifyingKey) -> Vec<u8> {
    let mut der = vec![0; VerifyingKey::MAX_SPKI_LEN];
    // Every key fits.
    let length = key.to_spki(&mut der).unwrap_or(0);
    der.truncate(length);
    der
}
