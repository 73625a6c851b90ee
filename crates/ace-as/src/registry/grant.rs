//! Grants: given and taken back.

use super::{GrantSummary, Registry, RegistryError, scope, scope::GrantText};

impl Registry {
    /// Allows `client` what `scope` says at `rs`: methods and path (`GET,PUT /led`), or scope
    /// tokens. Returns all that it may do there now.
    ///
    /// # Errors
    /// [`RegistryError::Method`], [`RegistryError::Path`], [`RegistryError::ScopeToken`],
    /// [`RegistryError::UnknownClient`], [`RegistryError::UnknownRs`], [`RegistryError::MixedScopes`],
    /// [`RegistryError::Store`].
    pub async fn grant(
        &self,
        client: &str,
        rs: &str,
        scope: &str,
    ) -> Result<Vec<GrantSummary>, RegistryError> {
        let grant = GrantText::parse(scope)?;
        let mut transaction = self.store.begin().await?;
        let client_id = self.existing_client(&mut transaction, client).await?;
        let rs_id = self.existing_rs(&mut transaction, rs).await?;
        let other = sqlx::query_scalar::<_, i64>(
            "SELECT kind FROM grant_ WHERE client = $1 AND rs = $2 AND kind <> $3 LIMIT 1",
        )
        .bind(client_id)
        .bind(rs_id)
        .bind(grant.kind());
        if let Some(kind) = self.done(other.fetch_optional(&mut *transaction).await)? {
            let kind = if kind == scope::AIF {
                "methods and paths"
            } else {
                "scope tokens"
            };
            return Err(RegistryError::MixedScopes {
                client: client.to_owned(),
                rs: rs.to_owned(),
                kind,
            });
        }
        for (object, methods) in grant.rows() {
            let upsert = sqlx::query(
                "INSERT INTO grant_ (client, rs, kind, object, methods) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (client, rs, kind, object) DO UPDATE SET methods = grant_.methods | excluded.methods",
            )
            .bind(client_id)
            .bind(rs_id)
            .bind(grant.kind())
            .bind(object)
            .bind(methods);
            self.done(upsert.execute(&mut *transaction).await)?;
        }
        let grants = self
            .grants_of(&mut transaction, client, client_id, Some(rs_id))
            .await?;
        self.done(transaction.commit().await)?;
        Ok(grants)
    }

    /// Takes back what `scope` says; tokens already issued live on until they expire. Returns all
    /// that is left.
    ///
    /// # Errors
    /// [`RegistryError::NotGranted`], and those of [`Registry::grant`].
    pub async fn revoke(
        &self,
        client: &str,
        rs: &str,
        scope: &str,
    ) -> Result<Vec<GrantSummary>, RegistryError> {
        let grant = GrantText::parse(scope)?;
        let mut transaction = self.store.begin().await?;
        let client_id = self.existing_client(&mut transaction, client).await?;
        let rs_id = self.existing_rs(&mut transaction, rs).await?;
        for (object, methods) in grant.rows() {
            let update = sqlx::query(
                "UPDATE grant_ SET methods = methods & ~$5
                 WHERE client = $1 AND rs = $2 AND kind = $3 AND object = $4 AND (kind = 0 OR methods & $5 <> 0)",
            )
            .bind(client_id)
            .bind(rs_id)
            .bind(grant.kind())
            .bind(object)
            .bind(methods);
            if self
                .done(update.execute(&mut *transaction).await)?
                .rows_affected()
                == 0
            {
                let (client, rs, scope) =
                    (client.to_owned(), rs.to_owned(), scope.trim().to_owned());
                return Err(RegistryError::NotGranted { client, rs, scope });
            }
            let delete = sqlx::query(
                "DELETE FROM grant_ WHERE client = $1 AND rs = $2 AND kind = $3 AND object = $4 AND methods = 0",
            )
            .bind(client_id)
            .bind(rs_id)
            .bind(grant.kind())
            .bind(object);
            self.done(delete.execute(&mut *transaction).await)?;
        }
        let grants = self
            .grants_of(&mut transaction, client, client_id, Some(rs_id))
            .await?;
        self.done(transaction.commit().await)?;
        Ok(grants)
    }
}
