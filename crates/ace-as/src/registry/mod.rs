//! Who there is and who may do what: clients, resource servers and grants, changed by the operator
//! while the server runs, in the same process or another.

mod bundle;
mod error;
mod grant;
mod name;
pub(crate) mod scope;
mod show;

use ace_crypto::Aead;
use ace_wire::ace::Profile;
use serde::Serialize;
use sqlx::{Sqlite, Transaction};

pub use bundle::{
    AsAccess, BundleError, ClientBundle, Hex, OscoreBundle, RsBundle, SecretHex, TokenKeyBundle,
};
pub use error::RegistryError;
use name::{check_audience, check_name};

use crate::store::{Store, reserve, signed};

/// The AS's own OSCORE Sender ID, the same towards every peer. Peers' ids have two bytes or more,
/// so the two ids of a context always differ (RFC 8613, 3.3).
pub(crate) const AS_SENDER_ID: [u8; 1] = [0x61];

/// OSCORE between the AS and its peers: AES-CCM-16-64-128, HKDF with SHA-256.
const OSCORE_ALG: i64 = 10;
const OSCORE_HKDF: i64 = -10;

/// What bundles say about the authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The `iss` of every token.
    pub issuer: String,
    /// URI of the token endpoint.
    pub uri: String,
}

/// How a new resource server is to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsOptions {
    /// COSE number of the AEAD that protects its tokens: 10, 30, 31 (AES-CCM), 1, 2, 3 (AES-GCM).
    pub token_alg: i64,
    /// The device has no clock: its tokens carry `exi` (RFC 9200, 5.10.3).
    pub clockless: bool,
    /// Profiles it speaks.
    pub profiles: Vec<Profile>,
}

impl Default for RsOptions {
    fn default() -> Self {
        Self {
            token_alg: Aead::AesCcm16_64_128.cose(),
            clockless: false,
            profiles: vec![Profile::CoapOscore],
        }
    }
}

/// A registered client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientSummary {
    /// Its name.
    pub name: String,
    /// Names of the profiles it speaks.
    pub profiles: Vec<&'static str>,
    /// How many grants it has.
    pub grants: u64,
}

/// A registered resource server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RsSummary {
    /// Its name.
    pub name: String,
    /// The `aud` of tokens for it.
    pub audience: String,
    /// Names of the profiles it speaks.
    pub profiles: Vec<&'static str>,
    /// COSE number of the algorithm that protects its tokens.
    pub token_alg: i64,
    /// Whether its tokens carry `exi`.
    pub clockless: bool,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantSummary {
    /// The client's name.
    pub client: String,
    /// The resource server's name.
    pub rs: String,
    /// As the operator writes it: `GET,PUT /led`, or a scope token.
    pub scope: String,
}

/// Changes and shows who there is and who may do what.
#[derive(Debug, Clone)]
pub struct Registry {
    store: Store,
    site: Site,
}

impl Registry {
    /// The registry in `store`.
    #[must_use]
    pub fn new(store: Store, site: Site) -> Self {
        Self { store, site }
    }

    /// Registers a client; returns what it must be given.
    ///
    /// # Errors
    /// [`RegistryError::Name`], [`RegistryError::DuplicateClient`], [`RegistryError::Store`].
    pub async fn add_client(
        &self,
        name: &str,
        profiles: &[Profile],
    ) -> Result<ClientBundle, RegistryError> {
        check_name(name)?;
        let mut transaction = self.store.begin().await?;
        if self.client_id(&mut transaction, name).await?.is_some() {
            return Err(RegistryError::DuplicateClient {
                name: name.to_owned(),
            });
        }
        let (peer, oscore) = self.add_peer(&mut transaction).await?;
        let id = self.id(&mut transaction, "client").await?;
        let insert =
            sqlx::query("INSERT INTO client (id, name, peer, profiles) VALUES ($1, $2, $3, $4)")
                .bind(id)
                .bind(name)
                .bind(peer)
                .bind(bits(profiles));
        self.done(insert.execute(&mut *transaction).await)?;
        self.done(transaction.commit().await)?;
        Ok(ClientBundle {
            name: name.to_owned(),
            authorization_server: self.access(oscore),
        })
    }

    /// Registers a resource server; returns what it must be given.
    ///
    /// # Errors
    /// [`RegistryError::Name`], [`RegistryError::Audience`], [`RegistryError::TokenAlgorithm`],
    /// [`RegistryError::DuplicateRs`], [`RegistryError::DuplicateAudience`], [`RegistryError::Store`].
    pub async fn add_rs(
        &self,
        name: &str,
        audience: &str,
        options: &RsOptions,
    ) -> Result<RsBundle, RegistryError> {
        check_name(name)?;
        check_audience(audience)?;
        let alg = token_algorithm(options.token_alg)?;
        let mut transaction = self.store.begin().await?;
        if self.rs_id(&mut transaction, name).await?.is_some() {
            return Err(RegistryError::DuplicateRs {
                name: name.to_owned(),
            });
        }
        let owner = sqlx::query_scalar::<_, String>("SELECT name FROM rs WHERE audience = $1")
            .bind(audience);
        if let Some(name) = self.done(owner.fetch_optional(&mut *transaction).await)? {
            return Err(RegistryError::DuplicateAudience {
                audience: audience.to_owned(),
                name,
            });
        }
        let (peer, oscore) = self.add_peer(&mut transaction).await?;
        let id = self.id(&mut transaction, "rs").await?;
        let insert = sqlx::query(
            "INSERT INTO rs (id, name, audience, peer, profiles, clockless) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(name)
        .bind(audience)
        .bind(peer)
        .bind(bits(&options.profiles))
        .bind(options.clockless);
        self.done(insert.execute(&mut *transaction).await)?;
        let kid = Hex(short(self.id(&mut transaction, "token_key").await?, 1));
        let k = random(alg.key_len())?;
        let insert = sqlx::query(
            "INSERT INTO token_key (kid, rs, alg, k, state) VALUES ($1, $2, $3, $4, 0)",
        )
        .bind(&kid.0)
        .bind(id)
        .bind(alg.cose())
        .bind(k.as_bytes());
        self.done(insert.execute(&mut *transaction).await)?;
        self.done(transaction.commit().await)?;
        let token_keys = vec![TokenKeyBundle {
            kid,
            alg: alg.cose(),
            k,
        }];
        Ok(self.rs_bundle_of(name, audience, oscore, token_keys))
    }

    /// Removes a client with its grants; its security context with the AS stops working at once.
    ///
    /// # Errors
    /// [`RegistryError::UnknownClient`], [`RegistryError::Store`].
    pub async fn remove_client(&self, name: &str) -> Result<(), RegistryError> {
        let mut transaction = self.store.begin().await?;
        let id = self.existing_client(&mut transaction, name).await?;
        let grants = sqlx::query("DELETE FROM grant_ WHERE client = $1").bind(id);
        self.done(grants.execute(&mut *transaction).await)?;
        self.remove_with_peer(
            &mut transaction,
            "DELETE FROM client WHERE id = $1 RETURNING peer",
            id,
        )
        .await?;
        self.done(transaction.commit().await)
    }

    /// Removes a resource server with its keys and every grant on it.
    ///
    /// # Errors
    /// [`RegistryError::UnknownRs`], [`RegistryError::Store`].
    pub async fn remove_rs(&self, name: &str) -> Result<(), RegistryError> {
        let mut transaction = self.store.begin().await?;
        let id = self.existing_rs(&mut transaction, name).await?;
        for statement in [
            "DELETE FROM grant_ WHERE rs = $1",
            "DELETE FROM token_key WHERE rs = $1",
        ] {
            self.done(
                sqlx::query(statement)
                    .bind(id)
                    .execute(&mut *transaction)
                    .await,
            )?;
        }
        self.remove_with_peer(
            &mut transaction,
            "DELETE FROM rs WHERE id = $1 RETURNING peer",
            id,
        )
        .await?;
        self.done(transaction.commit().await)
    }

    async fn existing_client(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        name: &str,
    ) -> Result<i64, RegistryError> {
        let id = self.client_id(transaction, name).await?;
        id.ok_or_else(|| RegistryError::UnknownClient {
            name: name.to_owned(),
        })
    }

    async fn existing_rs(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        name: &str,
    ) -> Result<i64, RegistryError> {
        let id = self.rs_id(transaction, name).await?;
        id.ok_or_else(|| RegistryError::UnknownRs {
            name: name.to_owned(),
        })
    }

    async fn client_id(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        name: &str,
    ) -> Result<Option<i64>, RegistryError> {
        let id = sqlx::query_scalar("SELECT id FROM client WHERE name = $1").bind(name);
        self.done(id.fetch_optional(&mut **transaction).await)
    }

    async fn rs_id(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        name: &str,
    ) -> Result<Option<i64>, RegistryError> {
        let id = sqlx::query_scalar("SELECT id FROM rs WHERE name = $1").bind(name);
        self.done(id.fetch_optional(&mut **transaction).await)
    }

    /// An id that was never given before, not even to something since removed.
    async fn id(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        counter: &str,
    ) -> Result<i64, RegistryError> {
        self.done(reserve(transaction, counter, 1).await)
            .map(signed)
    }

    /// Makes the security context between the AS and a new peer; its id, and the peer's side of it.
    async fn add_peer(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
    ) -> Result<(i64, OscoreBundle), RegistryError> {
        let id = self.id(transaction, "peer").await?;
        let oscore = OscoreBundle {
            master_secret: random(16)?,
            master_salt: random(8)?,
            sender_id: Hex(short(id, 2)),
            recipient_id: Hex(AS_SENDER_ID.to_vec()),
            id_context: None,
            alg: OSCORE_ALG,
            hkdf: OSCORE_HKDF,
        };
        let insert = sqlx::query(
            "INSERT INTO peer (id, recipient_id, sender_id, master_secret, master_salt, id_context, alg, hkdf, reserved)
             VALUES ($1, $2, $3, $4, $5, NULL, $6, $7, 0)",
        )
        .bind(id)
        .bind(&oscore.sender_id.0)
        .bind(&oscore.recipient_id.0)
        .bind(oscore.master_secret.as_bytes())
        .bind(oscore.master_salt.as_bytes())
        .bind(oscore.alg)
        .bind(oscore.hkdf);
        self.done(insert.execute(&mut **transaction).await)?;
        Ok((id, oscore))
    }

    /// Runs `delete`, which returns the peer of what it deleted, and deletes that peer.
    async fn remove_with_peer(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        delete: &'static str,
        id: i64,
    ) -> Result<(), RegistryError> {
        let peer = sqlx::query_scalar::<_, i64>(delete).bind(id);
        let peer = self.done(peer.fetch_one(&mut **transaction).await)?;
        let delete = sqlx::query("DELETE FROM peer WHERE id = $1").bind(peer);
        self.done(delete.execute(&mut **transaction).await)
            .map(drop)
    }

    fn access(&self, oscore: OscoreBundle) -> AsAccess {
        AsAccess {
            uri: self.site.uri.clone(),
            oscore,
        }
    }

    fn rs_bundle_of(
        &self,
        name: &str,
        audience: &str,
        oscore: OscoreBundle,
        token_keys: Vec<TokenKeyBundle>,
    ) -> RsBundle {
        RsBundle {
            name: name.to_owned(),
            audience: audience.to_owned(),
            issuer: self.site.issuer.clone(),
            authorization_server: self.access(oscore),
            token_keys,
        }
    }

    fn done<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, RegistryError> {
        result.map_err(|error| self.store.failed(error).into())
    }
}

/// The AEADs that the token format and the devices have in common.
fn token_algorithm(alg: i64) -> Result<Aead, RegistryError> {
    match alg {
        1..=3 | 10 | 30 | 31 => Aead::from_cose(alg),
        _ => None,
    }
    .ok_or(RegistryError::TokenAlgorithm { alg })
}

/// A number as its shortest big-endian bytes, at least `min` of them: different numbers never
/// give the same bytes.
pub(crate) fn short(number: i64, min: usize) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes
        .iter()
        .skip(zeros.min(bytes.len().saturating_sub(min)))
        .copied()
        .collect()
}

fn random(len: usize) -> Result<SecretHex, RegistryError> {
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes).map_err(|_| RegistryError::Randomness)?;
    Ok(SecretHex::new(bytes))
}

/// Bit *n* for the profile with CBOR value *n*.
pub(crate) fn bits(profiles: &[Profile]) -> i64 {
    profiles
        .iter()
        .fold(0, |bits, profile| bits | 1 << profile.number())
}

fn names(bits: i64) -> Vec<&'static str> {
    [Profile::CoapDtls, Profile::CoapOscore]
        .into_iter()
        .filter(|profile| bits & 1 << profile.number() != 0)
        .map(Profile::name)
        .collect()
}

#[cfg(test)]
mod tests;
