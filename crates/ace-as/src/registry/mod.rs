//! Who there is and who may do what: clients, resource servers and grants, changed by the operator
//! while the server runs, in the same process or another.

mod bundle;
mod error;
mod grant;
mod name;
mod peer;
mod profile;
pub(crate) mod scope;
mod show;

use ace_crypto::{Aead, Signature};
use serde::Serialize;
use sqlx::{Sqlite, Transaction};

pub use bundle::{
    AsAccess, BundleError, ClientBundle, DtlsBundle, Hex, OscoreBundle, RsBundle, SecretHex,
    TokenKeyBundle, TokenKeyMaterial,
};
pub use error::RegistryError;
use name::{check_audience, check_name};
pub(crate) use peer::{DTLS_ALGORITHM, spki};
use peer::{DtlsNeeds, Needs};
pub use profile::{ClientProfile, Curve, DeviceKey, RsProfile, UnknownCurve};
pub(crate) use profile::{bits, profiles};

use crate::store::{Purpose, Store, reserve, signed, unsigned};

/// The AS's own OSCORE Sender ID, the same towards every peer. Peers' ids have two bytes or more,
/// so the two ids of a context always differ (RFC 8613, 3.3).
pub(crate) const AS_SENDER_ID: [u8; 1] = [0x61];

/// OSCORE between the AS and its peers: AES-CCM-16-64-128, HKDF with SHA-256.
const OSCORE_ALG: i64 = 10;
const OSCORE_HKDF: i64 = -10;

/// Bytes of a key derivation key (RFC 9202, 3.3.1).
const KEY_DERIVATION_KEY: usize = 32;

/// What bundles say about the authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The `iss` of every token.
    pub issuer: String,
    /// URI of the token endpoint.
    pub uri: String,
    /// Its URI over DTLS, if it is served: nobody who needs DTLS can be registered without.
    pub coaps_uri: Option<String>,
}

/// How a new client is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClientOptions {
    /// What it speaks.
    pub profile: ClientProfile,
}

/// How a new resource server is to be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RsOptions {
    /// COSE number of what protects its tokens: 10, 30, 31 (AES-CCM), 1, 2, 3 (AES-GCM); -7 (ES256), -8 (EdDSA), which leave
    /// tokens readable and so carry no secret: not for `coap_oscore`, and for pre-shared keys only with `derive_keys`.
    pub token_alg: i64,
    /// The device has no clock: its tokens carry `exi` (RFC 9200, 5.10.3).
    pub clockless: bool,
    /// Profiles it speaks.
    pub profiles: Vec<RsProfile>,
    /// It derives pre-shared keys from the token, which then does not carry them (RFC 9202, 3.3.1).
    pub derive_keys: bool,
    /// Its key, if it speaks `coap_dtls` with raw public keys.
    pub key: DeviceKey,
}

impl Default for RsOptions {
    fn default() -> Self {
        Self {
            token_alg: Aead::AesCcm16_64_128.cose(),
            clockless: false,
            profiles: vec![RsProfile::CoapOscore],
            derive_keys: false,
            key: DeviceKey::default(),
        }
    }
}

impl RsOptions {
    /// What a device with these options shares with the AS; or why there can be none.
    fn needs(&self) -> Result<Needs, RegistryError> {
        let speaks = |profile| self.profiles.contains(&profile);
        let (psk, rpk) = (
            speaks(RsProfile::CoapDtlsPsk),
            speaks(RsProfile::CoapDtlsRpk),
        );
        if self.profiles.is_empty() {
            return Err(RegistryError::NoProfile);
        }
        if self.derive_keys && !psk {
            return Err(RegistryError::NothingToDerive);
        }
        if !rpk && matches!(self.key, DeviceKey::Public(_)) {
            return Err(RegistryError::UnusedKey);
        }
        let dtls = match (psk, rpk) {
            (_, true) => Some(DtlsNeeds::Rpk(self.key)),
            (true, false) => Some(DtlsNeeds::Psk),
            (false, false) => None,
        };
        Ok(Needs {
            oscore: speaks(RsProfile::CoapOscore),
            dtls,
        })
    }

    fn algorithm(&self) -> Result<TokenAlgorithm, RegistryError> {
        let algorithm = token_algorithm(self.token_alg)?;
        let secret = |profile: &&RsProfile| match profile {
            RsProfile::CoapOscore => true,
            RsProfile::CoapDtlsPsk => !self.derive_keys,
            RsProfile::CoapDtlsRpk => false,
        };
        // RFC 8747, 3.2; RFC 9202, 3.3.1; RFC 9203, 3.2
        match (algorithm, self.profiles.iter().find(secret)) {
            (TokenAlgorithm::Sign(_), Some(profile)) => Err(RegistryError::SecretInSignedToken {
                alg: self.token_alg,
                profile: profile.name(),
            }),
            _ => Ok(algorithm),
        }
    }
}

/// What protects tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenAlgorithm {
    Aead(Aead),
    Sign(Signature),
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
    /// Whether it derives pre-shared keys from its tokens.
    pub derives_keys: bool,
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
    /// [`RegistryError::Name`], [`RegistryError::DuplicateClient`], [`RegistryError::DuplicateKey`],
    /// [`RegistryError::NoCoaps`], [`RegistryError::Store`].
    pub async fn add_client(
        &self,
        name: &str,
        options: &ClientOptions,
    ) -> Result<ClientBundle, RegistryError> {
        check_name(name)?;
        let needs = match options.profile {
            ClientProfile::CoapOscore => Needs {
                oscore: true,
                dtls: None,
            },
            ClientProfile::CoapDtlsPsk => Needs {
                oscore: false,
                dtls: Some(DtlsNeeds::Psk),
            },
            ClientProfile::CoapDtlsRpk(key) => Needs {
                oscore: false,
                dtls: Some(DtlsNeeds::Rpk(key)),
            },
        };
        let mut transaction = self.store.begin().await?;
        if self.client_id(&mut transaction, name).await?.is_some() {
            return Err(RegistryError::DuplicateClient {
                name: name.to_owned(),
            });
        }
        let peer = self.add_peer(&mut transaction, needs).await?;
        let id = self.id(&mut transaction, "client").await?;
        let insert =
            sqlx::query("INSERT INTO client (id, name, peer, profiles) VALUES ($1, $2, $3, $4)")
                .bind(id)
                .bind(name)
                .bind(peer)
                .bind(signed(bits(options.profile.profiles())));
        self.done(insert.execute(&mut *transaction).await)?;
        let bundle = self.client_bundle_in(&mut transaction, name).await?;
        self.done(transaction.commit().await)?;
        Ok(bundle)
    }

    /// Registers a resource server; returns what it must be given.
    ///
    /// # Errors
    /// [`RegistryError::Name`], [`RegistryError::Audience`], [`RegistryError::DuplicateRs`],
    /// [`RegistryError::DuplicateAudience`], [`RegistryError::DuplicateKey`], [`RegistryError::NoCoaps`],
    /// [`RegistryError::Store`]; and for options that do not go together [`RegistryError::TokenAlgorithm`],
    /// [`RegistryError::SecretInSignedToken`], [`RegistryError::NoProfile`], [`RegistryError::NothingToDerive`],
    /// [`RegistryError::UnusedKey`].
    pub async fn add_rs(
        &self,
        name: &str,
        audience: &str,
        options: &RsOptions,
    ) -> Result<RsBundle, RegistryError> {
        check_name(name)?;
        check_audience(audience)?;
        let (needs, algorithm) = (options.needs()?, options.algorithm()?);
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
        let peer = self.add_peer(&mut transaction, needs).await?;
        let id = self.id(&mut transaction, "rs").await?;
        let derivation = match options.derive_keys {
            true => Some(random(KEY_DERIVATION_KEY)?),
            false => None,
        };
        let insert = sqlx::query(
            "INSERT INTO rs (id, name, audience, peer, profiles, clockless, token_alg, key_derivation_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id)
        .bind(name)
        .bind(audience)
        .bind(peer)
        .bind(signed(bits(&options.profiles)))
        .bind(options.clockless)
        .bind(options.token_alg)
        .bind(derivation.as_ref().map(SecretHex::as_bytes));
        self.done(insert.execute(&mut *transaction).await)?;
        match algorithm {
            TokenAlgorithm::Aead(alg) => {
                let kid = short(self.id(&mut transaction, "token_key").await?, 1);
                let k = random(alg.key_len())?;
                let insert = sqlx::query(
                    "INSERT INTO token_key (kid, rs, alg, k, state) VALUES ($1, $2, $3, $4, 0)",
                )
                .bind(kid)
                .bind(id)
                .bind(alg.cose())
                .bind(k.as_bytes());
                self.done(insert.execute(&mut *transaction).await)?;
            }
            TokenAlgorithm::Sign(alg) => {
                let own = self.store.own_key(&mut transaction, Purpose::Tokens, alg);
                own.await?;
            }
        }
        let bundle = self.rs_bundle_in(&mut transaction, name).await?;
        self.done(transaction.commit().await)?;
        Ok(bundle)
    }

    /// Removes a client with its grants; its credentials with the AS stop working at once.
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

    fn done<T>(&self, result: Result<T, sqlx::Error>) -> Result<T, RegistryError> {
        result.map_err(|error| self.store.failed(error).into())
    }
}

/// What the token format and the devices have in common.
fn token_algorithm(alg: i64) -> Result<TokenAlgorithm, RegistryError> {
    match alg {
        1..=3 | 10 | 30 | 31 => Aead::from_cose(alg).map(TokenAlgorithm::Aead),
        _ => Signature::from_cose(alg).map(TokenAlgorithm::Sign),
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

/// The names of the profiles in a sum from the store.
fn names(bits: i64) -> Vec<&'static str> {
    let all = profiles(unsigned(bits)).into_iter();
    all.map(RsProfile::name).collect()
}

#[cfg(test)]
mod tests;
