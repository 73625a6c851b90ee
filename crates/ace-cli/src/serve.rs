//! `ace serve`: the authorization server of a site.

use std::{future::Future, net::SocketAddr, path::Path, sync::Arc};

use ace_as::{AuthorizationServer, Site};
use tokio::net::UdpSocket;

use crate::{
    args::Serve,
    config::Config,
    failure::Failure,
    output::{Output, print},
    site,
};

/// Runs `ace serve`.
pub async fn authorization_server(serve: &Serve, output: &Output) -> Result<(), Failure> {
    let config = Config::read(&serve.site.path)?;
    if serve.validate {
        // Without the right to serve: a server may be running on it.
        let store = site::open_store(&serve.site.path, &config).await?;
        store.close().await;
        return print(format!(
            "{}: ace.toml and the store are in order",
            output.good("ok")
        ));
    }
    let server = open(&serve.site.path, &config).await?;
    let socket = bind(
        serve.listen.unwrap_or(config.listen),
        "--listen or `listen` in ace.toml",
    )
    .await?;
    let address = socket.local_addr().map_err(Failure::setup)?;
    eprintln!(
        "authorization server on coap://{address}, token endpoint {}; stop with Ctrl-C",
        config.uri
    );
    run(socket, server, until_stopped()).await
}

/// The authorization server of a site folder.
pub async fn open(site: &Path, config: &Config) -> Result<AuthorizationServer, Failure> {
    let store = site::open_store(site, config).await?;
    let names = Site {
        issuer: config.issuer.clone(),
        uri: config.uri.clone(),
        coaps_uri: None,
    };
    let settings = ace_as::Config {
        site: names,
        token_lifetime: config.token_lifetime,
        limits: ace_as::Limits::default(),
    };
    Ok(AuthorizationServer::new(store, settings).await?)
}

/// Serves until `shutdown` is ready, then closes the store.
pub async fn run(
    socket: UdpSocket,
    server: AuthorizationServer,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let server = Arc::new(server);
    let limits = ace_net::Limits::default();
    let served = ace_net::serve(socket, Arc::clone(&server), limits, shutdown).await;
    server.store().clone().close().await;
    served.map_err(|error| Failure::setup(format!("the socket failed: {error}; start it again")))
}

/// A UDP socket, or a sentence about why not; `key` says where the address came from.
pub async fn bind(address: SocketAddr, key: &str) -> Result<UdpSocket, Failure> {
    use std::io::ErrorKind;
    ace_net::bind(address).await.map_err(|error| {
        Failure::setup(match error.kind() {
            ErrorKind::AddrInUse => {
                format!("{address} (UDP) is in use; stop the program that has it, or choose another port with {key}")
            }
            ErrorKind::AddrNotAvailable => {
                format!("{address} is not an address of this machine; choose another with {key}")
            }
            ErrorKind::PermissionDenied => {
                format!("not allowed to listen on {address}; choose a port above 1023 with {key}")
            }
            _ => format!("cannot listen on {address}: {error}; choose another address with {key}"),
        })
    })
}

/// Ready when the program is asked to stop.
pub async fn until_stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
