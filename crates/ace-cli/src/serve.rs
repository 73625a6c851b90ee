//! `ace serve`: the authorization server of a site.

use std::{future::Future, net::SocketAddr, path::Path, sync::Arc};

use ace_as::AuthorizationServer;
use ace_net::dtls::{CoapsConfig, SessionControl, serve_coaps};
use tokio::{net::UdpSocket, sync::watch};

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
    let listen = serve.listen.unwrap_or(config.listen);
    let coap = bind(listen, "--listen or `listen` in ace.toml").await?;
    let coaps = match serve.listen_coaps.or(config.listen_coaps) {
        Some(_) if config.uri_coaps.is_none() => {
            return Err(Failure::setup(
                "--listen-coaps needs uri_coaps in ace.toml, where clients reach the server over DTLS",
            ));
        }
        Some(address) => Some(bind(address, "--listen-coaps or `listen_coaps` in ace.toml").await?),
        None => None,
    };
    let sockets = Sockets { coap, coaps };
    eprintln!(
        "authorization server on {}, token endpoint {}; stop with Ctrl-C",
        sockets.words()?,
        [Some(&config.uri), config.uri_coaps.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" and ")
    );
    run(sockets, server, until_stopped()).await
}

/// Where an authorization server listens.
#[derive(Debug)]
pub struct Sockets {
    pub coap: UdpSocket,
    /// For DTLS.
    pub coaps: Option<UdpSocket>,
}

impl Sockets {
    /// `coap://127.0.0.1:5683 and coaps://127.0.0.1:5684`.
    fn words(&self) -> Result<String, Failure> {
        let address = |socket: &UdpSocket| socket.local_addr().map_err(Failure::setup);
        let mut words = format!("coap://{}", address(&self.coap)?);
        if let Some(coaps) = &self.coaps {
            words += &format!(" and coaps://{}", address(coaps)?);
        }
        Ok(words)
    }
}

/// The authorization server of a site folder.
pub async fn open(site: &Path, config: &Config) -> Result<AuthorizationServer, Failure> {
    let store = site::open_store(site, config).await?;
    let settings = ace_as::Config {
        site: config.names(),
        token_lifetime: config.token_lifetime,
        limits: ace_as::Limits::default(),
    };
    Ok(AuthorizationServer::new(store, settings).await?)
}

/// Serves until `shutdown` is ready, then closes the store.
pub async fn run(
    sockets: Sockets,
    server: AuthorizationServer,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let server = Arc::new(server);
    let credentials = match sockets.coaps {
        Some(_) => Some(server.credentials().await?),
        None => None,
    };
    let (stop, stopped) = watch::channel(());
    let stopped = || {
        let mut stopped = stopped.clone();
        // An error says that the sender is gone.
        async move { drop(stopped.changed().await) }
    };
    let coap = ace_net::serve(
        sockets.coap,
        Arc::clone(&server),
        ace_net::Limits::default(),
        stopped(),
    );
    let coaps = async {
        let (Some(socket), Some(credentials)) = (sockets.coaps, credentials) else {
            return Ok(());
        };
        let control = SessionControl::woken_by(credentials.notify());
        let (server, config) = (Arc::clone(&server), CoapsConfig::default());
        serve_coaps(socket, server, credentials, config, control, stopped()).await
    };
    let until = async {
        shutdown.await;
        drop(stop);
        Ok(())
    };
    let served = tokio::try_join!(coap, coaps, until);
    server.store().clone().close().await;
    served
        .map(drop)
        .map_err(|error| Failure::setup(format!("the socket failed: {error}; start it again")))
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
