//! What the registry holds, for people and programs.

use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    ClientBundle, ClientSummary, GrantSummary, Hex, OscoreBundle, Registry, RegistryError,
    RsBundle, RsSummary, SecretHex, TokenKeyBundle, names, scope,
};

impl Registry {
    /// The client's bundle once more.
    ///
    /// # Errors
    /// [`RegistryError::UnknownClient`], [`RegistryError::Store`].
    pub async fn client_bundle(&self, name: &str) -> Result<ClientBundle, RegistryError> {
        let mut transaction = self.store.snapshot().await?;
        let peer = sqlx::query_scalar("SELECT peer FROM client WHERE name = $1").bind(name);
        let Some(peer) = self.done(peer.fetch_optional(&mut *transaction).await)? else {
            return Err(RegistryError::UnknownClient {
                name: name.to_owned(),
            });
        };
        let oscore = self.oscore(&mut transaction, peer).await?;
        Ok(ClientBundle {
            name: name.to_owned(),
            authorization_server: self.access(oscore),
        })
    }

    /// The resource server's bundle once more.
    ///
    /// # Errors
    /// [`RegistryError::UnknownRs`], [`RegistryError::Store`].
    pub async fn rs_bundle(&self, name: &str) -> Result<RsBundle, RegistryError> {
        let mut transaction = self.store.snapshot().await?;
        let rs = sqlx::query_as("SELECT id, audience, peer FROM rs WHERE name = $1").bind(name);
        let rs: Option<(i64, String, i64)> =
            self.done(rs.fetch_optional(&mut *transaction).await)?;
        let Some((id, audience, peer)) = rs else {
            return Err(RegistryError::UnknownRs {
                name: name.to_owned(),
            });
        };
        let keys =
            sqlx::query("SELECT kid, alg, k FROM token_key WHERE rs = $1 ORDER BY state, kid")
                .bind(id)
                .try_map(|row: SqliteRow| {
                    let (kid, alg, k) = (
                        Hex(row.try_get(0)?),
                        row.try_get(1)?,
                        SecretHex::new(row.try_get(2)?),
                    );
                    Ok(TokenKeyBundle { kid, alg, k })
                });
        let keys = self.done(keys.fetch_all(&mut *transaction).await)?;
        let oscore = self.oscore(&mut transaction, peer).await?;
        Ok(self.rs_bundle_of(name, &audience, oscore, keys))
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
            "SELECT rs.name, rs.audience, rs.profiles, token_key.alg, rs.clockless FROM rs
             JOIN token_key ON token_key.rs = rs.id AND token_key.state = 0 ORDER BY rs.name",
        )
        .try_map(|row: SqliteRow| {
            Ok(RsSummary {
                name: row.try_get(0)?,
                audience: row.try_get(1)?,
                profiles: names(row.try_get(2)?),
                token_alg: row.try_get(3)?,
                clockless: row.try_get(4)?,
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

    /// The peer's side of its security context with the AS.
    async fn oscore(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        peer: i64,
    ) -> Result<OscoreBundle, RegistryError> {
        let row = sqlx::query(
            "SELECT master_secret, master_salt, recipient_id, sender_id, id_context, alg, hkdf FROM peer WHERE id = $1",
        )
        .bind(peer)
        .try_map(|row: SqliteRow| {
            Ok(OscoreBundle {
                master_secret: SecretHex::new(row.try_get(0)?),
                master_salt: SecretHex::new(row.try_get(1)?),
                // The AS receives what the peer sends.
                sender_id: Hex(row.try_get(2)?),
                recipient_id: Hex(row.try_get(3)?),
                id_context: row.try_get::<Option<Vec<u8>>, _>(4)?.map(Hex),
                alg: row.try_get(5)?,
                hkdf: row.try_get(6)?,
            })
        });
        self.done(row.fetch_one(&mut **transaction).await)
    }
}
