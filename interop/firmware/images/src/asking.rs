//! The client at work: it gets a token, takes it to the resource server, reads the thermometer, switches the lamp.

use core::net::SocketAddrV4;

use ace_client::{Client, ClientError, Config, Event, Instant, Phase, Request};
use ace_wire::coap::Code;
use board::{Place, clock, console, give_up, network::Network, provision::Provision, random::Random, wall_clock};

use crate::{field, keys, meter::Meter, records::Records};

/// One resource server's token, bodies, two exchanges, datagrams, and the messages of one handshake.
type Engine = Client<'static, SocketAddrV4, Records, 1, GRANT, BODY, 2, MTU, HANDSHAKE>;

const MTU: usize = 256;
/// With public keys the token holds one, a signature, and names the server's.
const GRANT: usize = if cfg!(feature = "es256") { 448 } else { 256 };
const BODY: usize = if cfg!(feature = "es256") { 512 } else { 320 };
const HANDSHAKE: usize = if cfg!(feature = "es256") { 896 } else { 320 };

static ENGINE: Place<Result<Engine, ClientError>> = Place::new();

/// What is asked.
const REQUESTS: [Request<'static>; 3] = [
    Request::get("/temp"),
    Request { payload: b"1", content_format: Some(0), ..Request::new(Code::PUT, "/led") },
    Request::get("/temp"),
];

/// The engine and how far it has come.
pub struct Asking {
    engine: &'static mut Engine,
    meter: Meter,
    as_address: SocketAddrV4,
    rs_address: SocketAddrV4,
    left: core::slice::Iter<'static, Request<'static>>,
    under_way: bool,
}

impl Asking {
    /// Makes the engine.
    #[inline(never)]
    pub fn start(fields: Provision, records: Records, random: &mut Random) -> Self {
        let addresses = (fields.address(field::AS_ADDRESS), fields.address(field::RS_ADDRESS));
        let (Some(as_address), Some(rs_address)) = addresses else { give_up("no addresses") };
        let Some(security) = keys::as_security(fields) else { give_up("no keys for the authorization server") };
        #[allow(unused_mut, reason = "changed for public keys alone")]
        let mut config = Config::new(as_address, fields.text(field::AS_URI), security);
        #[cfg(feature = "es256")]
        if let ace_client::AsSecurity::Dtls(ace_client::DtlsCredential::Rpk { key, .. }) = security {
            config.own_key = Some(key);
        }
        let mut meter = Meter::new("start");
        let engine = meter.engine(|| ENGINE.fill(|| Client::new(config, records, random)));
        let Ok(engine) = engine else { give_up("the client's engine does not start") };
        meter.next("request");
        Self { engine, meter, as_address, rs_address, left: REQUESTS.iter(), under_way: false }
    }

    /// Whether a datagram from there is the client's.
    pub fn knows(&self, peer: SocketAddrV4) -> bool {
        peer == self.rs_address || peer == self.as_address
    }

    /// Takes a datagram.
    pub fn take(&mut self, from: SocketAddrV4, datagram: &mut [u8], random: &mut Random) {
        let engine = &mut *self.engine;
        self.meter.engine(|| engine.handle(now(), Some(wall_clock()), from, datagram, random));
    }

    /// When there is something to do without a datagram.
    pub fn due(&self) -> Option<u64> {
        self.engine.poll_timeout().map(|at| at.0)
    }

    /// Goes on as far as it can: what is due, what is to be told and sent. `false` when all was asked.
    pub fn go_on(&mut self, network: &mut Network, random: &mut Random) -> bool {
        let engine = &mut *self.engine;
        if engine.poll_timeout().is_some_and(|at| at <= now()) {
            self.meter.engine(|| engine.handle_timeout(now(), Some(wall_clock()), random));
        }
        while let Some(event) = engine.poll_event() {
            match event {
                Event::Phase(phase) => self.meter.next(name(phase)),
                Event::Response { code, payload, .. } => {
                    console::line(&["answer ", code.name().unwrap_or("?"), " ", text(payload)]);
                    self.under_way = false;
                }
                event => failed(&event),
            }
        }
        if !self.under_way {
            self.meter.next("request");
            let Some(request) = self.left.next() else { return false };
            let rs = self.rs_address;
            let asked = self.meter.engine(|| engine.request(now(), Some(wall_clock()), rs, *request, random));
            if asked.is_err() {
                give_up("the request is not taken");
            }
            self.under_way = true;
        }
        while let Some(transmit) = self.meter.engine(|| engine.poll_transmit(now())) {
            network.send(transmit.peer, transmit.datagram);
        }
        true
    }
}

impl core::fmt::Debug for Asking {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Asking").finish_non_exhaustive()
    }
}

fn now() -> Instant {
    Instant(clock::now())
}

fn text(payload: &[u8]) -> &str {
    core::str::from_utf8(payload).unwrap_or("?")
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Hints => "hints",
        Phase::Token => "token",
        Phase::Upload => "upload",
        Phase::Handshake => "handshake",
        Phase::Update => "update",
        Phase::Access => "access",
        Phase::Observing => "observing",
    }
}

#[cfg(not(feature = "words"))]
fn failed(_: &Event<'_>) -> ! {
    give_up("the request failed; the feature `words` tells why")
}

#[cfg(feature = "words")]
fn failed(event: &Event<'_>) -> ! {
    console::debug(event);
    board::exit(1)
}
