//! The sample resource server: a thermometer and a lamp.

use std::{fmt::Write as _, future::Future, net::SocketAddr, path::Path, time::Duration};

use ace_as::{RsBundle, RsProfile, SecretHex};
use ace_rs::{Config, Freshness, MethodSet, Request, Resource, Resources, Response};
use ace_wire::coap::{Code, content_format::TEXT_PLAIN};
use tokio::net::UdpSocket;

use crate::{address::with_dtls, bundle, failure::Failure, output::Output, serve, state};

/// /temp (GET, observable) and /led (GET, PUT); /.well-known/core comes from the engine.
#[derive(Debug)]
pub struct Sample {
    resources: [Resource; 2],
    lit: bool,
}

impl Sample {
    /// The lamp is off.
    pub fn new() -> Self {
        let get_put = MethodSet(MethodSet::GET.0 | MethodSet::PUT.0);
        Self {
            resources: [
                Resource {
                    observable: true,
                    resource_type: "temperature",
                    interface: "sensor",
                    ..Resource::new("/temp", MethodSet::GET)
                },
                Resource {
                    resource_type: "light",
                    interface: "actuator",
                    ..Resource::new("/led", get_put)
                },
            ],
            lit: false,
        }
    }
}

impl Resources for Sample {
    fn list(&self) -> &[Resource] {
        &self.resources
    }

    fn handle(&mut self, request: &Request<'_>, response: &mut Response<'_>) -> Code {
        if request.accept.is_some_and(|format| format != TEXT_PLAIN) {
            return Code::NOT_ACCEPTABLE;
        }
        match (request.path, request.method) {
            ("/temp", Code::GET) => {
                response.content_format = Some(TEXT_PLAIN);
                // Room for it is checked by the engine: what does not fit is answered 5.00.
                let _ = write!(response, "22.5 C");
                Code::CONTENT
            }
            ("/led", Code::GET) => {
                response.content_format = Some(TEXT_PLAIN);
                response.write(if self.lit { b"1" } else { b"0" });
                Code::CONTENT
            }
            ("/led", Code::PUT) => match (request.content_format, request.payload) {
                (Some(format), _) if format != TEXT_PLAIN => Code::UNSUPPORTED_CONTENT_FORMAT,
                (_, b"0" | b"1") => {
                    self.lit = request.payload == b"1";
                    Code::CHANGED
                }
                _ => {
                    response.content_format = Some(TEXT_PLAIN);
                    response.write(b"send 0 or 1");
                    Code::BAD_REQUEST
                }
            },
            _ => Code::NOT_FOUND,
        }
    }
}

/// How long a client may take from the hints to the upload when the clock is not trusted.
const CNONCE_LIFETIME: Duration = Duration::from_secs(120);

/// Where a resource server listens.
#[derive(Debug, Clone, Copy)]
pub struct Listen {
    pub coap: SocketAddr,
    /// One port further than CoAP if not given.
    pub coaps: Option<SocketAddr>,
}

/// `ace rs serve`.
pub async fn serve(
    path: &Path,
    listen: &Listen,
    no_clock: bool,
    shutdown: impl Future<Output = ()>,
    output: &Output,
) -> Result<(), Failure> {
    let bundle = bundle::read_rs(path)?;
    let sockets = bind(&bundle, listen).await?;
    let addresses = addresses(&bundle, &sockets)?;
    let name = output.on_stderr().bold(&bundle.name);
    let announce = || {
        eprintln!(
            "resource server {name} on {addresses}: /temp (GET), /led (GET, PUT), /.well-known/core; stop with Ctrl-C"
        );
    };
    let state = state::beside(path);
    serve_on(&bundle, &sockets, &state, no_clock, announce, shutdown).await
}

fn speaks_dtls(bundle: &RsBundle) -> bool {
    let mut profiles = bundle.profiles.iter();
    profiles.any(|profile| *profile != RsProfile::CoapOscore)
}

/// The socket for CoAP and, if the profiles need it, the one for DTLS; one for both at the same address.
pub async fn bind(bundle: &RsBundle, listen: &Listen) -> Result<Vec<UdpSocket>, Failure> {
    let coap = serve::bind(listen.coap, "--listen").await?;
    if !speaks_dtls(bundle) || listen.coaps == Some(listen.coap) {
        return Ok(vec![coap]);
    }
    let address = match listen.coaps {
        Some(address) => address,
        None => with_dtls(coap.local_addr().map_err(Failure::setup)?),
    };
    Ok(vec![coap, serve::bind(address, "--listen-coaps").await?])
}

/// `coap://127.0.0.1:5700 and coaps://127.0.0.1:5701`.
fn addresses(bundle: &RsBundle, sockets: &[UdpSocket]) -> Result<String, Failure> {
    let mut places = Vec::new();
    for socket in sockets {
        places.push(socket.local_addr().map_err(Failure::setup)?);
    }
    Ok(match places[..] {
        [coap] if speaks_dtls(bundle) => format!("coap://{coap} and coaps://{coap}"),
        [coap, coaps] => format!("coap://{coap} and coaps://{coaps}"),
        _ => places.iter().map(|coap| format!("coap://{coap}")).collect(),
    })
}

/// Serves the sample resources of a bundle on its sockets; calls `announce` when nothing stands in the way any more.
pub async fn serve_on(
    bundle: &RsBundle,
    sockets: &[UdpSocket],
    state: &Path,
    no_clock: bool,
    announce: impl FnOnce(),
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let keys = bundle::trusted_keys(bundle)?;
    let own = bundle::rs_keys(bundle)?;
    let speaks = |profile| bundle.profiles.contains(&profile);
    if speaks(RsProfile::CoapDtlsRpk) && own.is_none() {
        return Err(Failure::setup(format!(
            "the bundle of {}: coap_dtls-rpk needs public_key and private_key in `dtls`; make another with `ace rs add`",
            bundle.name
        )));
    }
    let storage = state::open_rs(state)?;
    let audiences = [bundle.audience.as_str()];
    let mut config = Config::new(&audiences, &bundle.authorization_server.uri, &keys);
    config.own_key = own
        .as_ref()
        .filter(|_| speaks(RsProfile::CoapDtlsRpk))
        .map(|pair| &pair.own);
    config.key_derivation_key = bundle.key_derivation_key.as_ref().map(SecretHex::as_bytes);
    if no_clock {
        config.freshness = Freshness::Cnonce(CNONCE_LIFETIME);
    }
    let server = ace_net::resource_server(&config, Sample::new(), storage);
    let mut server = server.map_err(|error| {
        Failure::setup(match error {
            ace_rs::Error::Storage => state::damaged_rs(state),
            error => format!(
                "the bundle of {}: {error}; make another with `ace rs add`",
                bundle.name
            ),
        })
    })?;
    announce();
    ace_net::serve_resources(sockets, &mut server, !no_clock, shutdown)
        .await
        .map_err(|error| Failure::setup(format!("the socket failed: {error}; start it again")))
}
