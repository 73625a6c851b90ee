//! The operator's verbs on a site folder: make it, register, grant.

use std::{io::Write as _, path::Path};

use ace_as::{
    ClientOptions, ClientProfile, Curve, DeviceKey, Registry, RegistryError, RsOptions, RsProfile,
    Store,
};
use serde::Serialize;

use crate::{
    args::{self, Client, Grant, Init, Rs, Site},
    bundle,
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
        &config::text_for(&config::Addresses {
            listen: init.listen,
            uri: init.uri.as_deref(),
            listen_coaps: init.listen_coaps,
            uri_coaps: init.uri_coaps.as_deref(),
        })?,
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
    let done = work(&Registry::new(store.clone(), config.names())).await;
    store.close().await;
    Ok(done?)
}

/// `ace rs …`.
pub async fn resource_server(command: Rs, output: &Output) -> Result<(), Failure> {
    match command {
        Rs::Add {
            name,
            audience,
            profiles,
            key,
            token_alg,
            derive_keys,
            clockless,
            site,
        } => {
            let profiles: Vec<_> = profiles
                .into_iter()
                .flat_map(rs_profiles)
                .copied()
                .collect();
            let speaks_rpk = profiles.contains(&RsProfile::CoapDtlsRpk);
            let options = RsOptions {
                token_alg,
                clockless,
                profiles,
                derive_keys,
                key: device_key(&key, speaks_rpk)?,
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
                let derived = if rs.derives_keys {
                    ", derived keys"
                } else {
                    ""
                };
                let tokens = format!("alg {}{exi}{derived}", rs.token_alg);
                let profiles = rs.profiles.join(", ");
                [rs.name.clone(), rs.audience.clone(), tokens, profiles]
            });
            print_table(output, ["NAME", "AUDIENCE", "TOKENS", "PROFILES"], cells)
        }
        Rs::Remove { name, site } => {
            with_registry(&site, async |all| all.remove_rs(&name).await).await?;
            print(format!("removed {name} and every grant on it"))
        }
        Rs::Serve {
            bundle,
            listen,
            listen_coaps,
            no_clock,
        } => {
            let listen = sample::Listen {
                coap: listen,
                coaps: listen_coaps,
            };
            sample::serve(&bundle, &listen, no_clock, serve::until_stopped(), output).await
        }
    }
}

/// `ace client …`.
pub async fn client(command: Client, output: &Output) -> Result<(), Failure> {
    match command {
        Client::Add {
            name,
            profile,
            key,
            site,
        } => {
            let is_rpk = profile == args::ClientProfile::DtlsRpk;
            let key = device_key(&key, is_rpk)?;
            let options = ClientOptions {
                profile: match profile {
                    args::ClientProfile::Oscore => ClientProfile::CoapOscore,
                    args::ClientProfile::DtlsPsk => ClientProfile::CoapDtlsPsk,
                    args::ClientProfile::DtlsRpk => ClientProfile::CoapDtlsRpk(key),
                },
            };
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

fn rs_profiles(profile: args::RsProfile) -> &'static [RsProfile] {
    RsProfile::named(match profile {
        args::RsProfile::Oscore => "coap_oscore",
        args::RsProfile::Dtls => "coap_dtls",
        args::RsProfile::DtlsPsk => "coap_dtls-psk",
        args::RsProfile::DtlsRpk => "coap_dtls-rpk",
    })
}

/// Where the device's key comes from; an option that would change nothing is refused.
fn device_key(key: &args::Key, is_rpk: bool) -> Result<DeviceKey, Failure> {
    if !is_rpk && (key.curve.is_some() || key.public_key.is_some()) {
        return Err(Failure::setup(
            "--curve and --public-key are for raw public keys; add --profile coap_dtls-rpk, or leave them out",
        ));
    }
    match &key.public_key {
        Some(path) => bundle::read_public_key(path).map(DeviceKey::Public),
        None => Ok(DeviceKey::Generate(match key.curve {
            None | Some(args::Curve::P256) => Curve::P256,
            Some(args::Curve::Ed25519) => Curve::Ed25519,
        })),
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
