//! A server without a socket, and clients that talk to it by hand.

use std::{net::SocketAddr, time::Duration};

use ace_coap::Instant;
use ace_crypto::Secret;
use ace_dtls::{
    CipherSuite, Config, Connection, ConnectionId, Credentials, Decision, Instant as DtlsInstant,
    OwnPsk, Psk,
};
use ace_net::dtls::{Ended, SessionEvent, SessionId, SessionLimits, Sessions};
use ace_testkit::SeededRandom;

pub const KEY: &[u8] = &[7; 16];
pub const CONFIG: Config = Config {
    suites: &[CipherSuite::PskAes128Ccm8],
    connection_id: Some(ConnectionId::EMPTY),
    ..Config::DEFAULT
};
pub const WITHOUT_CID: Config = Config {
    connection_id: None,
    ..CONFIG
};

/// Knows every identity but `unknown`; says nothing until it is `ready`.
pub struct Keys {
    pub ready: bool,
}

impl Credentials for Keys {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        match identity {
            _ if !self.ready => Decision::Pending,
            b"unknown" => Decision::Refuse,
            _ => Decision::Accept(Psk {
                key: Secret::new(KEY).expect("short"),
                peer: 7,
            }),
        }
    }
}

pub struct Server {
    pub sessions: Sessions,
    pub keys: Keys,
    pub rng: SeededRandom,
    pub now: Instant,
    pub data: Vec<(SessionId, Vec<u8>)>,
    pub events: Vec<SessionEvent>,
}

impl Server {
    pub fn new(limits: SessionLimits) -> Self {
        let mut rng = SeededRandom::new(1);
        Self {
            sessions: Sessions::new(CONFIG, limits, Instant(0), &mut rng),
            keys: Keys { ready: true },
            rng,
            now: Instant(0),
            data: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Takes a datagram and returns what is sent then.
    pub fn give(&mut self, from: SocketAddr, datagram: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        let data = &mut self.data;
        self.sessions.handle(
            self.now,
            from,
            &mut datagram.to_vec(),
            &mut self.keys,
            &mut self.rng,
            &mut |peer, bytes| data.push((peer.session, bytes.to_vec())),
        );
        self.drain()
    }

    pub fn drain(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        self.events
            .extend(std::iter::from_fn(|| self.sessions.poll_event()));
        std::iter::from_fn(|| self.sessions.poll_transmit()).collect()
    }

    pub fn wait(&mut self, time: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        self.now += time;
        self.sessions.handle_timeout(self.now);
        self.drain()
    }

    pub fn ended(&self) -> Vec<(SessionId, Ended)> {
        let ended = self.events.iter().filter_map(|event| match event {
            SessionEvent::Closed { peer, reason, .. } => Some((peer.session, *reason)),
            _ => None,
        });
        ended.collect()
    }
}

pub struct Client {
    pub connection: Connection,
    pub address: SocketAddr,
    pub identity: Vec<u8>,
    pub key: Vec<u8>,
    pub rng: SeededRandom,
}

impl Client {
    pub fn new(address: SocketAddr, identity: &str, config: &Config) -> Self {
        let own = OwnPsk {
            identity: identity.as_bytes(),
            key: KEY,
        };
        let mut rng = SeededRandom::new(u64::from(address.port()) + 1000 * identity.len() as u64);
        Self {
            connection: Connection::client(config, DtlsInstant(0), &own, &mut rng).expect("fits"),
            address,
            identity: identity.into(),
            key: KEY.to_vec(),
            rng,
        }
    }

    pub fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut out = [0; 2000];
        std::iter::from_fn(|| {
            let length = self.connection.poll_transmit(&mut out)?;
            Some(out[..length].to_vec())
        })
        .collect()
    }

    pub fn take(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let mut psk = OwnPsk {
            identity: &self.identity,
            key: &self.key,
        };
        let mut datagram = datagram.to_vec();
        let received =
            self.connection
                .handle(DtlsInstant(0), &mut datagram, &mut psk, &mut self.rng);
        received.data.map(<[u8]>::to_vec).collect()
    }

    /// Exchanges datagrams until both have nothing more to say.
    pub fn talk(&mut self, server: &mut Server) {
        loop {
            let sent = self.sent();
            if sent.is_empty() {
                return;
            }
            for datagram in sent {
                for (to, answer) in server.give(self.address, &datagram) {
                    if to == self.address {
                        self.take(&answer);
                    }
                }
            }
        }
    }

    /// Sends the hello, takes the cookie, and sends the hello again: then there is a handshake under way.
    pub fn begin(&mut self, server: &mut Server) {
        for _ in 0..2 {
            for datagram in self.sent() {
                for (to, answer) in server.give(self.address, &datagram) {
                    assert_eq!(to, self.address);
                    self.take(&answer);
                }
            }
        }
    }

    pub fn protect(&mut self, data: &[u8]) -> Vec<u8> {
        let mut out = [0; 200];
        let length = self.connection.send(data, &mut out).expect("established");
        out[..length].to_vec()
    }

    /// Sends data, and gets an answer in the same session.
    pub fn ping(&mut self, server: &mut Server) -> SessionId {
        let datagram = self.protect(b"ping");
        assert_eq!(server.give(self.address, &datagram), []);
        let (id, data) = server.data.pop().expect("delivered");
        assert_eq!(data, b"ping");
        server
            .sessions
            .send(server.now, id, b"pong")
            .expect("established");
        let answers = server.drain();
        let [(to, answer)] = &answers[..] else {
            panic!("{answers:?}")
        };
        assert_eq!(*to, self.address);
        assert_eq!(self.take(answer), [b"pong"]);
        id
    }
}

pub fn at(address: &str) -> SocketAddr {
    address.parse().expect("an address")
}

/// A different address for each number, each from a source of its own.
pub fn stranger(number: u32) -> SocketAddr {
    SocketAddr::from(((0x0a00_0000 + number).to_be_bytes(), 5684))
}

pub fn connected(server: &mut Server, address: &str, identity: &str, config: &Config) -> Client {
    let mut client = Client::new(at(address), identity, config);
    client.talk(server);
    assert!(client.connection.session().is_established());
    client
}
