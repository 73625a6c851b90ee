//! `ace demo`: an authorization server, a resource server and a client on UDP sockets of this machine.
//!
//! Each step is one thing of the exchange. Its code is what the application saw (inside OSCORE or DTLS, where there is
//! any), its bytes are UDP payload as counted at the client's socket, DTLS handshakes included.

mod meter;
mod picture;

use std::{net::SocketAddr, time::Duration};

use ace_as::{ClientOptions, DeviceKey, Registry, RsOptions, RsProfile, Store};
use ace_client::{AsSecurity, OnDenied, Phase, Request, Watch, Watched};
use ace_net::{FileStorage, Outcome, RefusedBy, Requester};
use ace_wire::coap::{Code, Message, OptionList, Type, Writer, content_format};
use serde::Serialize;

use crate::{
    args::{ClientProfile, Demo},
    bundle::{as_security, client_keys},
    client::dotted,
    config::{self, Config},
    failure::Failure,
    output::{Output, print, print_json},
    sample, serve, site,
    trace::Trace,
};
use meter::{Meter, Taken};

/// How long the demo's tokens live: long enough for the steps before `expired`, short enough to wait for.
const TOKEN_LIFETIME: u64 = 3;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Serialize)]
struct Step {
    name: &'static str,
    code: String,
    request_bytes: usize,
    response_bytes: usize,
    ms: f64,
    #[serde(skip)]
    expected: Code,
    #[serde(skip)]
    says: String,
}

impl Step {
    fn new(name: &'static str, expected: Code, taken: Taken, says: impl Into<String>) -> Self {
        Self {
            name,
            code: taken.code.map_or_else(|| "none".into(), dotted),
            request_bytes: taken.request_bytes,
            response_bytes: taken.response_bytes,
            ms: (taken.time.as_secs_f64() * 1e5).round() / 1e2,
            expected,
            says: says.into(),
        }
    }

    fn is_as_expected(&self) -> bool {
        self.code == dotted(self.expected)
    }
}

/// Runs the demo.
pub async fn run(demo: Demo, output: &Output) -> Result<(), Failure> {
    let folder = tempfile::tempdir()
        .map_err(|error| Failure::setup(format!("no temporary folder: {error}; see TMPDIR")))?;
    let path = folder.path().join("site");
    // The ports are the system's choice, so that a demo never meets another program.
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let sockets = serve::Sockets {
        coap: serve::bind(local, "the system").await?,
        coaps: Some(serve::bind(local, "the system").await?),
    };
    let as_coap = sockets.coap.local_addr().map_err(Failure::setup)?;
    let as_coaps = match &sockets.coaps {
        Some(socket) => Some(socket.local_addr().map_err(Failure::setup)?),
        None => None,
    };
    let addresses = config::Addresses {
        listen: as_coap,
        uri: None,
        listen_coaps: as_coaps,
        uri_coaps: None,
    };
    site::make(&path, &config::text_for(&addresses)?).await?;
    let mut config = Config::read(&path)?;
    config.token_lifetime = TOKEN_LIFETIME;

    let store = Store::open(path.join(&config.store)).await?;
    let registry = Registry::new(store, config.names());
    let cast = Cast::of(demo.profile);
    let rs_bundle = registry.add_rs("thermo", "thermo", &cast.rs).await?;
    let bundle = registry.add_client("alice", &cast.client).await?;
    registry.grant("alice", "thermo", "GET /temp").await?;
    drop(registry);

    let server = serve::open(&path, &config).await?;
    tokio::spawn(serve::run(sockets, server, std::future::pending()));
    // CoAP and DTLS on one port.
    let rs_sockets = vec![serve::bind(local, "the system").await?];
    let rs = rs_sockets[0].local_addr().map_err(Failure::setup)?;
    let rs_state = folder.path().join("thermo.state");
    tokio::spawn(async move {
        let forever = std::future::pending();
        sample::serve_on(&rs_bundle, &rs_sockets, &rs_state, false, || {}, forever).await
    });

    // Just registered: its sequence numbers begin at 0.
    let state = FileStorage::open(&folder.path().join("alice.state"))
        .map_err(|error| Failure::file("open", folder.path(), &error))?;
    let keys = client_keys(&bundle)?;
    let (security, as_uri) = as_security(&bundle, keys.as_ref())?;
    let as_address = match security {
        AsSecurity::Oscore(_) => as_coap,
        AsSecurity::Dtls(_) => as_coaps.unwrap_or(as_coap),
    };
    let meter = Meter::new(rs, Trace::new(*output, as_address, rs));
    let watch = |watched: Watched<'_>| meter.message(&watched);
    let mut client = ace_client::Config::new(as_address, as_uri, security);
    client.own_key = keys.as_ref().map(|pair| &pair.own);
    client.on_denied = OnDenied::Report;
    client.renew_before = Duration::ZERO;
    client.watch = Watch(Some(&watch));
    let requester = Requester::new(client, state).await;
    let mut requester = requester.map_err(Failure::setup)?;

    if !demo.json {
        print(picture::head(output, as_address, rs))?;
    }
    let mut steps = Vec::new();
    let played = exchange(&mut requester, &meter, rs, &cast, |step| {
        if !demo.json {
            print(picture::step(output, &step, cast.lock))?;
        }
        steps.push(step);
        Ok(())
    })
    .await;
    let ok = played.is_ok() && steps.iter().all(Step::is_as_expected);
    let wrong = steps.iter().find(|step| !step.is_as_expected());
    let wrong = wrong.map(|step| (step.name, step.code.clone(), dotted(step.expected)));
    if demo.json {
        print_json(&Report { ok, steps })?;
    } else if ok {
        let moral = "the device decided alone: by the token it was given, offline from the AS";
        print(format!("\n{}", output.good(moral)))?;
    }
    played?;
    match wrong {
        None => Ok(()),
        Some((name, code, expected)) => Err(Failure::refused(format!(
            "step {name} answered {code} instead of {expected}; -v shows the exchange"
        ))),
    }
}

/// Who is registered how, and what there is to say about it.
struct Cast {
    client: ClientOptions,
    rs: RsOptions,
    /// What protects requests.
    lock: &'static str,
    uploaded: &'static str,
    accessed: &'static str,
}

impl Cast {
    fn of(profile: ClientProfile) -> Self {
        let rs = |profile, token_alg| RsOptions {
            profiles: vec![profile],
            token_alg,
            ..RsOptions::default()
        };
        match profile {
            ClientProfile::Oscore => Self {
                client: ClientOptions::default(),
                rs: RsOptions::default(),
                lock: "OSCORE",
                uploaded: "opened and checked on the device; both sides derive fresh keys",
                accessed: "end to end under OSCORE; the AS is not asked",
            },
            ClientProfile::DtlsPsk => Self {
                client: ClientOptions {
                    profile: ace_as::ClientProfile::CoapDtlsPsk,
                },
                rs: rs(RsProfile::CoapDtlsPsk, AES_CCM),
                lock: "DTLS",
                uploaded: "opened and checked on the device, which finds the client's key in it",
                accessed: "in a DTLS session under the token's key; the AS is not asked",
            },
            ClientProfile::DtlsRpk => Self {
                client: ClientOptions {
                    profile: ace_as::ClientProfile::CoapDtlsRpk(DeviceKey::default()),
                },
                rs: rs(RsProfile::CoapDtlsRpk, ES256),
                lock: "DTLS",
                uploaded: "the AS's signature verified on the device; it names the client's public key",
                accessed: "in a DTLS session between the two public keys; the AS is not asked",
            },
        }
    }

    fn is_dtls(&self) -> bool {
        self.lock == "DTLS"
    }
}

/// COSE numbers of what protects the demo's tokens.
const AES_CCM: i64 = 10;
const ES256: i64 = -7;

/// The seven steps; `done` takes each as soon as it is over.
async fn exchange(
    requester: &mut Requester<'_, FileStorage>,
    meter: &Meter,
    rs: SocketAddr,
    cast: &Cast,
    mut done: impl FnMut(Step) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // hints, token, upload, access: one request of the application.
    let outcome = meter.request(requester, Request::get("/temp")).await?;
    for (name, phase, expected, says) in [
        ("hints", Phase::Hints, Code::UNAUTHORIZED, meter.hints()),
        (
            "token",
            Phase::Token,
            Code::CREATED,
            "a token for this client and this device alone, and the key in it".into(),
        ),
        ("upload", Phase::Upload, Code::CREATED, cast.uploaded.into()),
        ("access", Phase::Access, Code::CONTENT, said(&outcome, cast)),
    ] {
        let mut taken = meter.taken(phase).ok_or_else(|| {
            Failure::refused(format!("step {name} did not take place: {outcome:?}"))
        })?;
        if phase == Phase::Access {
            taken = taken.after(meter.taken(Phase::Handshake));
        }
        done(Step::new(name, expected, taken, says))?;
    }
    let accessed = meter.sent_to_rs();

    let put = Request {
        payload: b"1",
        ..Request::new(Code::PUT, "/led")
    };
    let outcome = meter.request(requester, put).await?;
    if !matches!(
        outcome,
        Outcome::Refused(RefusedBy::Rs {
            protected: true,
            ..
        })
    ) {
        return Err(Failure::refused(format!(
            "PUT /led was not refused under protection: {outcome:?}"
        )));
    }
    let taken = meter.taken(Phase::Access).unwrap_or_default();
    let says = "PUT /led: the token covers GET /temp alone";
    done(Step::new("denied", Code::FORBIDDEN, taken, says))?;

    let (replayed, says) = if cast.is_dtls() {
        // RFC 6347, 4.1.2.6: a record that came before is dropped in silence.
        let says = "the same record again: dropped in silence; the same request outside of the session: refused";
        (vec![accessed, in_the_clear()], says)
    } else {
        let again = again(&accessed).ok_or_else(|| Failure::refused("nothing to replay"))?;
        let says = "the same protected request again: refused by its sequence number";
        (vec![again], says)
    };
    let taken = meter.by_hand(requester, &replayed).await?;
    done(Step::new("replay", Code::UNAUTHORIZED, taken, says))?;

    // Protected while the token is good, sent when it is no longer.
    let held = requester
        .draft(rs, Request::get("/temp"))
        .map_err(Failure::setup)?;
    let held = held.ok_or_else(|| Failure::refused("no request to hold back"))?;
    tokio::time::sleep(Duration::from_secs(TOKEN_LIFETIME)).await;
    let (late, says) = if cast.is_dtls() {
        let says = "the token is over, and the device has closed the session with it";
        (vec![held, in_the_clear()], says)
    } else {
        (vec![held], "the token is over, and its keys with it")
    };
    let taken = meter.by_hand(requester, &late).await?;
    let says = format!("a fresh request, {TOKEN_LIFETIME} s later: {says}");
    done(Step::new("expired", Code::UNAUTHORIZED, taken, says))
}

/// `GET /temp` from anyone.
fn in_the_clear() -> Vec<u8> {
    let mut request = vec![0x41, Code::GET.0, 0x5a, 0x5a, 0x5a];
    request.extend(b"\xb4temp");
    request
}

/// The same protected request under another Message ID, as an attacker would send it: the old one would only bring the
/// stored answer back (RFC 7252, 4.5).
fn again(datagram: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse(datagram).ok()?;
    let mut options = OptionList::<16>::new();
    options.extend(message.options, |_| true).ok()?;
    let mut copy = vec![0; datagram.len()];
    let (kind, id) = (Type::Confirmable, message.id ^ 0x5a5a);
    let mut writer = Writer::new(&mut copy, kind, message.code, id, message.token).ok()?;
    writer.options(&options).ok()?;
    writer.payload(message.payload).ok()?;
    let length = writer.finish();
    copy.truncate(length);
    Some(copy)
}

fn said(outcome: &Outcome, cast: &Cast) -> String {
    match outcome {
        Outcome::Response {
            payload,
            content_format: Some(content_format::TEXT_PLAIN),
            protected: true,
            ..
        } => format!(
            "\"{}\", {}",
            String::from_utf8_lossy(payload),
            cast.accessed
        ),
        other => format!("{other:?}"),
    }
}
