//! The operator's verbs on a site folder: make it, register, grant.

use std::{io::Write as _, path::Path};

use ace_as::{ClientOptions, Registry, RegistryError, RsOptions, Site as SiteNames, Store};
use serde::Serialize;

use crate::{
    args::{Client, Grant, Init, Rs, Site},
    config::{self, Config},
    failure::Failure,
    output::{Output, keep_private, print, print_json, print_table},
    sample, serve,
};

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::setup(error)
    }
}

impl From<ace_as::StoreError> for Failure {
    fn from(error: ace_as::StoreError) -> Self {
        Self::setup(error)
    }
}

/// `ace init`.
pub async fn init(init: &Init, output: &Output) -> Result<(), Failure> {
    make(
        &init.site,
        &config::text_for(init.listen, init.uri.as_deref())?,
    )
    .await?;
    let (site, file) = (init.site.display(), config::FILE);
    let made = output.good("made");
    print(format!(
        "{made} {site}: {file} and the store, readable by you alone"
    ))?;
    print(format!("next:  ace rs add NAME --site {site} > NAME.json"))?;
    print(format!(
        "       ace client add NAME --site {site} > NAME.json"
    ))?;
    print(format!(
        "       ace grant CLIENT RS 'GET /path' --site {site}"
    ))?;
    print(format!("       ace serve --site {site}"))
}

/// Makes a site folder with its `ace.toml` and its empty store.
pub async fn make(site: &Path, text: &str) -> Result<(), Failure> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    let made = folder.create(site);
    made.map_err(|error| Failure::file("make", site, &error))?;
    let path = site.join(config::FILE);
    let config = Config::parse(text, &path)?;
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    let written = file
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::setup(format!(
            "{} is there already; use it with --site {}, or choose another folder",
            path.display(),
            site.display()
        )),
        _ => Failure::file("make", &path, &error),
    })?;
    Store::create(site.join(&config.store)).await?.close().await;
    Ok(())
}

/// Opens the store of a site.
pub async fn open_store(site: &Path, config: &Config) -> Result<Store, Failure> {
    Ok(Store::open(site.join(&config.store)).await?)
}

/// Does something with the registry of a site, and closes its store: the file is then whole without its log.
async fn with_registry<T>(
    site: &Site,
    work: impl AsyncFnOnce(&Registry) -> Result<T, RegistryError>,
) -> Result<T, Failure> {
    let config = Config::read(&site.path)?;
    let store = open_store(&site.path, &config).await?;
    let names = SiteNames {
        issuer: config.issuer,
        uri: config.uri,
        coaps_uri: None,
    };
    let done = work(&Registry::new(store.clone(), names)).await;
    store.close().await;
    Ok(done?)
}

/// `ace rs …`.
pub async fn resource_server(command: Rs, output: &Output) -> Result<(), Failure> {
    match command {
        Rs::Add {
            name,
            audience,
            token_alg,
            clockless,
            site,
        } => {
            let options = RsOptions {
                token_alg,
                clockless,
                ..RsOptions::default()
            };
            let audience = audience.as_deref().unwrap_or(&name);
            let add = async |registry: &Registry| registry.add_rs(&name, audience, &options).await;
            let bundle = with_registry(&site, add).await?;
            print_new_bundle(&bundle, "rs", &name)
        }
        Rs::Show { name, site } => {
            print_bundle(&with_registry(&site, async |all| all.rs_bundle(&name).await).await?)
        }
        Rs::List { json, site } => {
            let rows = with_registry(&site, async |all| all.resource_servers().await).await?;
            if json {
                return print_json(&rows);
            }
            let cells = rows.iter().map(|rs| {
                let exi = if rs.clockless { ", exi" } else { "" };
                let tokens = format!("alg {}{exi}", rs.token_alg);
                [rs.name.clone(), rs.audience.clone(), tokens]
            });
            print_table(output, ["NAME", "AUDIENCE", "TOKENS"], cells)
        }
        Rs::Remove { name, site } => {
            with_registry(&site, async |all| all.remove_rs(&name).await).await?;
            print(format!("removed {name} and every grant on it"))
        }
        Rs::Serve {
            bundle,
            listen,
            no_clock,
        } => sample::serve(&bundle, listen, no_clock, serve::until_stopped(), output).await,
    }
}

/// `ace client …`.
pub async fn client(command: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Client::Add { name, site } => {
            let options = ClientOptions::default();
            let add = async |registry: &Registry| registry.add_client(&name, &options).await;
            let bundle = with_registry(&site, add).await?;
            print_new_bundle(&bundle, "client", &name)
        }
        Client::Show { name, site } => {
            print_bundle(&with_registry(&site, async |all| all.client_bundle(&name).await).await?)
        }
        Client::List { json, site } => {
            let rows = with_registry(&site, async |all| all.clients().await).await?;
            if json {
                return print_json(&rows);
            }
            let cells = rows.iter().map(|client| {
                let (grants, profiles) = (client.grants.to_string(), client.profiles.join(", "));
                [client.name.clone(), grants, profiles]
            });
            print_table(output, ["NAME", "GRANTS", "PROFILES"], cells)
        }
        Client::Remove { name, site } => {
            with_registry(&site, async |all| all.remove_client(&name).await).await?;
            print(format!(
                "removed {name} and its grants; its key opens nothing any more"
            ))
        }
    }
}

/// Bundles hold keys.
fn print_bundle(bundle: &impl Serialize) -> Result<(), Failure> {
    keep_private()?;
    print_json(bundle)
}

/// Registered is registered: if the bundle cannot be printed now it can be later.
fn print_new_bundle(bundle: &impl Serialize, kind: &str, name: &str) -> Result<(), Failure> {
    print_bundle(bundle).map_err(|failure| {
        failure.reworded(|why| {
            format!("{why}; {name} is registered: `ace {kind} show {name}` prints its bundle")
        })
    })
}

/// `ace grant`.
pub async fn grant(grant: &Grant, output: &Output) -> Result<(), Failure> {
    let client = &grant.client;
    let change = async |registry: &Registry| match (&grant.rs, &grant.scope) {
        (Some(rs), Some(scope)) if grant.remove => registry.revoke(client, rs, scope).await,
        (Some(rs), Some(scope)) => registry.grant(client, rs, scope).await,
        (rs, _) => registry.grants(client, rs.as_deref()).await,
    };
    let rows = with_registry(&grant.site, change).await?;
    if grant.json {
        return print_json(&rows);
    }
    if rows.is_empty() {
        let at = grant.rs.as_deref().unwrap_or("any resource server");
        return print(format!("{client} may do nothing at {at}"));
    }
    // Sorted by resource server.
    for at_one in rows.chunk_by(|a, b| a.rs == b.rs) {
        let scopes: Vec<_> = at_one.iter().map(|row| row.scope.as_str()).collect();
        let rs = at_one.first().map_or("", |row| row.rs.as_str());
        print(format!(
            "{client} may {} at {rs}",
            output.good(&scopes.join("; "))
        ))?;
    }
    Ok(())
}
