//! The resource server at work: a thermometer, /temp, and a lock, /lock, that opens to whoever has a token for it.

use core::net::SocketAddrV4;

use ace_coap::Instant;
use ace_rs::{Config, Error, ResourceServer, Slot, TokenKey, TrustedKey};
use board::{
    Place, Taken, clock, console, give_up, network::Network, provision::Provision, random::Random, stack, wall_clock,
};

use crate::{field, meter, meter::Meter, records::Records, things, things::Things};

/// Longest datagram.
const MTU: usize = 256;

/// Four tokens, two more that wait for their first request, one observer, scopes of 64 bytes, one block-wise transfer,
/// three exchanges; two DTLS sessions and one handshake.
type Engine = ResourceServer<
    'static,
    SocketAddrV4,
    Things,
    Records,
    &'static mut [Slot<SocketAddrV4, MTU>; 3],
    4,
    2,
    1,
    64,
    1,
    BODY,
    MTU,
    2,
    1,
    HANDSHAKE,
>;

/// Longest body; a token may take three quarters of it. With public keys it holds one, and a signature.
const BODY: usize = if cfg!(feature = "es256") { 512 } else { 256 };
/// Bytes of all messages of a handshake: more with public keys.
const HANDSHAKE: usize = if cfg!(feature = "es256") { 896 } else { 512 };

static ENGINE: Place<Result<Engine, Error>> = Place::new();
static SLOTS: Taken<[Slot<SocketAddrV4, MTU>; 3]> = Taken::new([const { Slot::new() }; 3]);
static AUDIENCES: Place<[&'static str; 1]> = Place::new();
static KEYS: Place<[TrustedKey<'static>; 1]> = Place::new();
static CONFIG: Place<Config<'static>> = Place::new();
#[cfg(feature = "es256")]
static OWN_KEY: Place<ace_crypto::SigningKey> = Place::new();

/// The engine and how far it has come.
pub struct Serving {
    engine: &'static mut Engine,
    meter: Meter,
    deepest: usize,
}

impl Serving {
    /// Makes the engine.
    #[inline(never)]
    pub fn start(fields: Provision, records: Records, random: &mut Random) -> Self {
        let audiences = AUDIENCES.fill(|| [fields.text(field::AUDIENCE)]);
        let Some(key) = token_key(fields) else { give_up("no key that opens tokens") };
        let keys = KEYS.fill(|| [key]);
        let config = CONFIG.fill(|| {
            #[allow(unused_mut, reason = "without DTLS nothing is added")]
            let mut config = Config::new(audiences, fields.text(field::AS_URI), keys);
            #[cfg(feature = "dtls")]
            {
                config.key_derivation_key = fields.all(field::DERIVATION_KEY).next();
            }
            #[cfg(feature = "es256")]
            {
                config.own_key =
                    crate::keys::signing_key(fields, field::RS_PRIVATE_KEY).map(|key| &*OWN_KEY.fill(|| key));
            }
            config
        });
        let mut meter = Meter::new("start");
        let make = || ResourceServer::new(config, Things::new(), records, SLOTS.take(), random);
        let Ok(engine) = meter.engine(|| ENGINE.fill(make)) else { give_up("the server's engine does not start") };
        meter.next("datagram");
        Self { engine, meter, deepest: 0 }
    }

    /// Says that it serves.
    pub fn ready(&self) {
        console::line(&["ready"]);
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

    /// Does what is due, sends and tells what there is.
    pub fn go_on(&mut self, network: &mut Network) {
        let engine = &mut *self.engine;
        if engine.poll_timeout().is_some_and(|at| at <= now()) {
            self.meter.engine(|| engine.handle_timeout(now(), Some(wall_clock())));
        }
        while let Some(transmit) = self.meter.engine(|| engine.poll_transmit(now())) {
            network.send(transmit.peer, transmit.datagram);
        }
        while let Some(event) = engine.poll_event() {
            things::tell(&event, &mut self.meter);
        }
    }

    /// Says how deep the stack has been, when it was deeper than ever; takes a while.
    pub fn look_at_stack(&mut self) {
        let peak = stack::peak();
        if peak > self.deepest {
            self.deepest = peak;
            meter::stack();
        }
    }
}

impl core::fmt::Debug for Serving {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Serving").finish_non_exhaustive()
    }
}

/// The key that opens tokens; `None` if it is of a kind that this image does not know.
fn token_key(fields: Provision) -> Option<TrustedKey<'static>> {
    let algorithm = fields.number(field::ALG)?;
    #[cfg(feature = "es256")]
    let signed = (algorithm == -7).then(|| crate::keys::public_key(fields, field::KEY).map(TokenKey::Verify)).flatten();
    #[cfg(not(feature = "es256"))]
    let signed = None;
    let shared = || Some(TokenKey::Aead(ace_crypto::Aead::from_cose(algorithm)?, fields.bytes(field::KEY)));
    Some(TrustedKey {
        kid: fields.all(field::KID).next(),
        issuer: fields.text(field::ISSUER),
        key: signed.or_else(shared)?,
    })
}

fn now() -> Instant {
    Instant(clock::now())
}
