//! The operator's verbs on a site folder: make it, register, grant.

use std::{net::SocketAddr, path::Path};

use ace_as::{Profile, Registry, RegistryError, RsOptions, Site as SiteNames, Store};
use serde::Serialize;

use crate::{
    args::{Client, Grant, Init, Rs, Site},
    config::{self, Config},
    failure::Failure,
    output::Output,
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
    make(&init.site, init.listen).await?;
    let site = init.site.display();
    println!(
        "{} {site}: {} and the store, readable by you alone",
        output.good("made"),
        config::FILE
    );
    println!("next:  ace rs add NAME --site {site}");
    println!("       ace client add NAME --site {site}");
    println!("       ace serve --site {site}");
    Ok(())
}

/// Makes a site folder with its config and its empty store.
pub async fn make(site: &Path, listen: SocketAddr) -> Result<(), Failure> {
    let mut folder = std::fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder
        .create(site)
        .map_err(|error| Failure::file("make", site, &error))?;
    let path = site.join(config::FILE);
    let text = Config::text(listen);
    let config = Config::parse(&text, &path)?;
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    let written = file
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| Failure::file("make", &path, &error))?;
    Store::create(site.join(&config.store)).await?.close().await;
    Ok(())
}

/// The registry of a site.
pub async fn registry(site: &Site) -> Result<Registry, Failure> {
    let config = Config::read(&site.path)?;
    let store = Store::open(site.path.join(&config.store)).await?;
    Ok(Registry::new(
        store,
        SiteNames {
            issuer: config.issuer,
            uri: config.uri,
        },
    ))
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
            let registry = registry(&site).await?;
            let options = RsOptions {
                token_alg,
                clockless,
                profiles: vec![Profile::CoapOscore],
            };
            print_json(
                &registry
                    .add_rs(&name, audience.as_deref().unwrap_or(&name), &options)
                    .await?,
            )
        }
        Rs::List { json, site } => {
            let rows = registry(&site).await?.resource_servers().await?;
            if json {
                return print_json(&rows);
            }
            table(
                output,
                ["NAME", "AUDIENCE", "TOKENS"],
                rows.iter().map(|rs| {
                    let tokens = format!(
                        "alg {}{}",
                        rs.token_alg,
                        if rs.clockless { ", exi" } else { "" }
                    );
                    [rs.name.clone(), rs.audience.clone(), tokens]
                }),
            );
            Ok(())
        }
        Rs::Remove { name, site } => {
            registry(&site).await?.remove_rs(&name).await?;
            println!("removed {name} and every grant on it");
            Ok(())
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
        Client::Add { name, site } => print_json(
            &registry(&site)
                .await?
                .add_client(&name, &[Profile::CoapOscore])
                .await?,
        ),
        Client::List { json, site } => {
            let rows = registry(&site).await?.clients().await?;
            if json {
                return print_json(&rows);
            }
            table(
                output,
                ["NAME", "GRANTS", "PROFILES"],
                rows.iter().map(|client| {
                    [
                        client.name.clone(),
                        client.grants.to_string(),
                        client.profiles.join(", "),
                    ]
                }),
            );
            Ok(())
        }
        Client::Remove { name, site } => {
            registry(&site).await?.remove_client(&name).await?;
            println!("removed {name} and its grants; its key opens nothing any more");
            Ok(())
        }
    }
}

/// `ace grant`.
pub async fn grant(grant: &Grant, output: &Output) -> Result<(), Failure> {
    let registry = registry(&grant.site).await?;
    let rows = match &grant.scope {
        None => registry.grants(&grant.client, Some(&grant.rs)).await?,
        Some(scope) if grant.remove => registry.revoke(&grant.client, &grant.rs, scope).await?,
        Some(scope) => registry.grant(&grant.client, &grant.rs, scope).await?,
    };
    if grant.json {
        return print_json(&rows);
    }
    let scopes: Vec<_> = rows.iter().map(|row| row.scope.as_str()).collect();
    match scopes.as_slice() {
        [] => println!("{} may do nothing at {}", grant.client, grant.rs),
        scopes => println!(
            "{} may {} at {}",
            grant.client,
            output.good(&scopes.join("; ")),
            grant.rs
        ),
    }
    Ok(())
}

/// Prints one JSON value.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::setup)?;
    println!("{text}");
    Ok(())
}

fn table<const N: usize>(
    output: &Output,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let rows: Vec<_> = rows.collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .chain([heads[column].len()])
            .max()
            .unwrap_or(0)
    });
    let line = |cells: [&str; N]| {
        let cells: Vec<_> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    println!("{}", output.bold(&line(heads)));
    for row in &rows {
        println!(
            "{}",
            line(std::array::from_fn(|column| row[column].as_str()))
        );
    }
}
