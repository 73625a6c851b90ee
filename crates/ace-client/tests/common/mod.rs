//! A client, an authorization server and a resource server over a simulated network. The servers
//! hold to the RFCs unless a test bends them.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part"
)]

mod authorization;
mod client;
mod resource;
mod serve;

pub use authorization::refuse;
pub use authorization::{AuthorizationServer, TokenAsked};
pub use client::{ClientNode, Memory, Seen};
pub use resource::{Hit, ResourceServer};
pub use resource::{hints, hints_of};
pub use serve::{Blocks, Reply, encode, forge, path};

use ace_client::{AsSecurity, Client, Config, Phase, Request};
use ace_crypto::{Aead, Hkdf};
use ace_oscore::Parameters;
use ace_testkit::{Conditions, Network};

pub const CLIENT: u16 = 1;
pub const AS: u16 = 2;
pub const RS: u16 = 3;
pub const RS2: u16 = 4;
pub const AS_URI: &str = "coap://as.example.com/token";
/// The wall clock when the network's clock stands at 0.
pub const EPOCH: u64 = 1_700_000_000;
/// Key of the tokens for the resource server with this number.
pub const TOKEN_KEY: [u8; 16] = [0x4b; 16];

/// The context of client and authorization server, from the client's side.
pub fn as_context() -> Parameters<'static> {
    Parameters {
        master_secret: &[0x11; 16],
        master_salt: &[0x22; 8],
        sender_id: b"c1",
        recipient_id: b"as",
        id_context: None,
        aead: Aead::AesCcm16_64_128,
        hkdf: Hkdf::Sha256,
    }
}

pub fn config() -> Config<'static, u16> {
    Config::new(AS, AS_URI, AsSecurity::Oscore(as_context()))
}

pub type DefaultClient = Client<'static, u16, Memory>;

/// Everybody.
pub struct World {
    pub network: Network,
    pub client: ClientNode,
    pub a: AuthorizationServer,
    pub rs: ResourceServer,
    pub rs2: ResourceServer,
    pub memory: Memory,
    seed: u64,
    pub config: Config<'static, u16>,
}

impl World {
    pub fn new() -> Self {
        Self::with(1, Conditions::default(), config())
    }

    pub fn configured(config: Config<'static, u16>) -> Self {
        Self::with(1, Conditions::default(), config)
    }

    pub fn with(seed: u64, conditions: Conditions, config: Config<'static, u16>) -> Self {
        let memory = Memory::default();
        Self {
            network: Network::new(seed, conditions),
            client: ClientNode::new(config, memory.clone(), seed),
            a: AuthorizationServer::new(seed),
            rs: ResourceServer::new(seed, "thermo"),
            rs2: ResourceServer::new(seed + 1, "lamp"),
            memory,
            seed,
            config,
        }
    }

    /// The client starts again with what its storage holds.
    pub fn reboot(&mut self) {
        self.seed += 1_000_000;
        self.client = ClientNode::new(self.config, self.memory.clone(), self.seed);
    }

    /// One event of the network; false when nothing is left to happen.
    pub fn step(&mut self) -> bool {
        let nodes: &mut [(u16, &mut dyn ace_testkit::Node)] = &mut [
            (CLIENT, &mut self.client),
            (AS, &mut self.a),
            (RS, &mut self.rs),
            (RS2, &mut self.rs2),
        ];
        self.network.step(nodes).is_some()
    }

    /// Hands the request to the client and lets the world turn until it ends; returns its end.
    pub fn request(&mut self, request: Request<'_>) -> Seen {
        self.request_to(RS, request)
    }

    pub fn request_to(&mut self, rs: u16, request: Request<'_>) -> Seen {
        self.client
            .request(self.network.now, rs, request)
            .expect("taken");
        self.finish()
    }

    /// Lets the world turn until the client's request ends.
    pub fn finish(&mut self) -> Seen {
        for _ in 0..100_000 {
            if let Some(end) = self.client.take_end() {
                return end;
            }
            if !self.step() {
                break;
            }
        }
        panic!(
            "the request never ended, phase {:?}",
            self.client.client.phase()
        );
    }

    /// Lets the world turn for `milliseconds`.
    pub fn rest(&mut self, milliseconds: u64) {
        let deadline = self.network.now + milliseconds;
        let nodes: &mut [(u16, &mut dyn ace_testkit::Node)] = &mut [
            (CLIENT, &mut self.client),
            (AS, &mut self.a),
            (RS, &mut self.rs),
            (RS2, &mut self.rs2),
        ];
        self.network.run(nodes, deadline, 1_000_000);
        self.network.now = self.network.now.max(deadline);
    }

    /// The steps gone through since this was last asked.
    pub fn phases(&mut self) -> Vec<Phase> {
        core::mem::take(&mut self.client.phases)
    }
}

/// What `from` sent to `to` so far.
pub fn sent(world: &World, from: u16, to: u16) -> Vec<Vec<u8>> {
    let of = |c: &&ace_testkit::Captured| c.from == from && c.to == to;
    world
        .network
        .capture
        .iter()
        .filter(of)
        .map(|c| c.datagram.clone())
        .collect()
}

/// Whether a datagram is an OSCORE message.
pub fn is_protected(datagram: &[u8]) -> bool {
    let message = ace_wire::coap::Message::parse(datagram).unwrap();
    message.options.contains(ace_wire::coap::option::OSCORE)
}

/// The value of /temp, under protection.
pub fn temperature() -> Seen {
    Seen::Response(ace_wire::coap::Code::CONTENT, b"21.5".to_vec(), true)
}

pub fn aif(entries: &[(&str, ace_wire::aif::MethodSet)]) -> Vec<u8> {
    let mut out = [0; 256];
    let length = ace_wire::aif::Aif::encode(entries.iter().copied(), &mut out).unwrap();
    out[..length].to_vec()
}
