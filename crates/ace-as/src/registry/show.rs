//! What the registry holds, for people and programs.

use ace_crypto::Signature;
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    ClientBundle, ClientSummary, GrantSummary, Hex, Registry, RegistryError, RsBundle, RsSummary,
    SecretHex, TokenKeyBundle, TokenKeyMaterial, names, profiles, scope, spki,
};
use crate::store::{Purpose, find_own_key, unsigned};

impl Registry {
    /// The client's bundle once more.
    ///
    /// # Errors
    /// [`RegistryError::UnknownClient`], [`RegistryError::Store`].
    pub async fn client_bundle(&self, name: &str) -> Result<ClientBundle, RegistryError> {
        let mut transaction = self.store.snapshot().await?;
        self.client_bundle_in(&mut transaction, name).await
    }

    pub(super) async fn client_bundle_in(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        name: &str,
    ) -> Result<ClientBundle, RegistryError> {
        let peer = sqlx::query_scalar("SELECT peer FROM client WHERE name = $1").bind(name);
        let Some(peer) = self.done(peer.fetch_optional(&mut **transaction).await)? else {
            return Err(RegistryError::UnknownClient {
                name: name.to_owned(),
            });
        };
        Ok(ClientBundle {
            name: name.to_owned(),
            authorization_server: self.access(transaction, peer).await?,
        })
    }

    /// The resource server's bundle once more.
    ///
    /// # Errors
    /// [`RegistryError::UnknownRs`], [`RegistryError::Store`].
    pub async fn rs_bundle(&self, name: &str) -> Result<RsBundle, RegistryError> {
        let mut transaction = self.store.snapshot().await?;
        self.rs_bundle_in(&mut transaction, name).await
    }

    pub(super) async fn rs_bundle_in(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        name: &str,
    ) -> Result<RsBundle, RegistryError> {
        let rs = sqlx::query(
            "SELECT id, audience, peer, profiles, token_alg, key_derivation_key FROM rs WHERE name = $1",
        )
        .bind(name)
        .try_map(|row: SqliteRow| {
            let key = row.try_get::<Option<Vec<u8>>, _>(5)?.map(SecretHex::new);
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?, key))
        });
        let rs: Option<(i64, String, i64, i64, i64, Option<SecretHex>)> =
            self.done(rs.fetch_optional(&mut **transaction).await)?;
        let Some((id, audience, peer, bits, token_alg, key_derivation_key)) = rs else {
            return Err(RegistryError::UnknownRs {
                name: name.to_owned(),
            });
        };
        Ok(RsBundle {
            name: name.to_owned(),
            audience,
            issuer: self.site.issuer.clone(),
            profiles: profiles(unsigned(bits)),
            authorization_server: self.access(transaction, peer).await?,
            token_keys: self.token_keys(transaction, id, token_alg).await?,
            key_derivation_key,
        })
    }

    /// What opens the tokens of a resource server, the key of new ones first.
    async fn token_keys(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        rs: i64,
        alg: i64,
    ) -> Result<Vec<TokenKeyBundle>, RegistryError> {
        let mut keys = Vec::new();
        if let Some(algorithm) = Signature::from_cose(alg) {
            let own = find_own_key(transaction, Purpose::Tokens, algorithm).await;
            keys.extend(self.done(own)?.map(|own| TokenKeyBundle {
                kid: Hex(own.kid),
                alg,
                key: TokenKeyMaterial::Public(Hex(spki(&own.key.verifying_key()))),
            }));
        }
        let shared =
            sqlx::query("SELECT kid, alg, k FROM token_key WHERE rs = $1 ORDER BY state, kid")
                .bind(rs)
                .try_map(|row: SqliteRow| {
                    Ok(TokenKeyBundle {
                        kid: Hex(row.try_get(0)?),
                        alg: row.try_get(1)?,
                        key: TokenKeyMaterial::Secret(SecretHex::new(row.try_get(2)?)),
                    })
                });
        keys.extend(self.done(shared.fetch_all(&mut **transaction).await)?);
        Ok(keys)
    }

    /// The clients, by name.
    ///
    /// # Errors
    /// [`RegistryError::Store`].
    pub async fn clients(&self) -> Result<Vec<ClientSummary>, RegistryError> {
        let mut transaction = self.store.snapshot().await?;
        let rows = sqlx::query(
            "SELECT name, profiles, (SELECT count(*) FROM grant_ WHERE grant_.client = client.id)
             FROM client ORDER BY name",
        )
        .try_map(|row: SqliteRow| {
            let (name, profiles, grants) = (
                row.try_get(0)?,
                names(row.try_get(1)?),
                row.try_get::<i64, _>(2)?,
            );
            Ok(ClientSummary {
                name,
                profiles,
                grants: grants.unsigned_abs(),
            })
        });
        self.done(rows.fetch_all(&mut *transaction).await)
    }

    /// The resource servers, by name.
    ///
    /// # Errors
    /// [`RegistryError::Store`].
    pub async fn resource_servers(&self) -> Result<Vec<RsSummary>, RegistryError> {
        let mut transaction = self.store.snapshot().await?;
        let rows = sqlx::query(
            "SELECT name, audience, profiles, token_alg, clockless, key_derivation_key IS NOT NULL FROM rs ORDER BY name",
        )
        .try_map(|row: SqliteRow| {
            Ok(RsSummary {
                name: row.try_get(0)?,
                audience: row.try_get(1)?,
                profiles: names(row.try_get(2)?),
                token_alg: row.try_get(3)?,
                clockless: row.try_get(4)?,
                derives_keys: row.try_get(5)?,
            })
        });
        self.done(rows.fetch_all(&mut *transaction).await)
    }

    /// What `client` may do at `rs`; at every resource server if `None`.
    ///
    /// # Errors
    /// [`RegistryError::UnknownClient`], [`RegistryError::UnknownRs`], [`RegistryError::Store`].
    pub async fn grants(
        &self,
        client: &str,
        rs: Option<&str>,
    ) -> Result<Vec<GrantSummary>, RegistryError> {
        let mut transaction = self.store.snapshot().await?;
        let client_id = self.existing_client(&mut transaction, client).await?;
        let rs_id = match rs {
            Some(rs) => Some(self.existing_rs(&mut transaction, rs).await?),
            None => None,
        };
        self.grants_of(&mut transaction, client, client_id, rs_id)
            .await
    }

    pub(super) async fn grants_of(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        client: &str,
        client_id: i64,
        rs_id: Option<i64>,
    ) -> Result<Vec<GrantSummary>, RegistryError> {
        let rows = sqlx::query(
            "SELECT rs.name, grant_.kind, grant_.object, grant_.methods FROM grant_ JOIN rs ON rs.id = grant_.rs
             WHERE grant_.client = $1 AND ($2 IS NULL OR grant_.rs = $2) ORDER BY rs.name, grant_.object",
        )
        .bind(client_id)
        .bind(rs_id)
        .try_map(|row: SqliteRow| {
            let scope = scope::written(row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
            Ok(GrantSummary { client: client.to_owned(), rs: row.try_get(0)?, scope })
        });
        self.done(rows.fetch_all(&mut **transaction).await)
    }
}
