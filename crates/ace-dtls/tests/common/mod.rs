//! A client and a server that keep their keys in memory, and their places in the simulated network.
#![allow(dead_code, reason = "each test uses a part")]

pub mod pair;

use std::collections::{BTreeMap, VecDeque};

use ace_crypto::{Secret, Signature, SigningKey, VerifyingKey};
use ace_dtls::{
    CipherSuite, CloseReason, Config, Connection, Credentials, Decision, Event, Incoming, Instant,
    Listener, OwnPsk, Psk,
};
use ace_testkit::{Node, SeededRandom};

pub const IDENTITY: &[u8] = b"\x00\xa1\x08client\xff";
pub const KEY: &[u8] = &[7; 16];

pub struct Keys {
    /// Server: identities it knows. Client: its own is the first.
    pub psks: Vec<(Vec<u8>, Vec<u8>)>,
    pub own: Option<SigningKey>,
    /// `x` of the keys that are accepted; the number is the place in here.
    pub accepted: Vec<[u8; 32]>,
    /// Answer `Pending` so many times before any decision.
    pub pending: usize,
    pub asked: usize,
    #[cfg(feature = "x509")]
    pub x509: Option<ace_dtls::X509>,
    /// How many certificates the chain of the peer had.
    pub chain: usize,
}

impl Keys {
    fn undecided(&mut self) -> bool {
        self.asked += 1;
        let pending = self.pending > 0;
        self.pending = self.pending.saturating_sub(1);
        pending
    }
}

impl Credentials for Keys {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        if self.undecided() {
            return Decision::Pending;
        }
        match self.psks.iter().position(|(known, _)| known == identity) {
            Some(at) => Decision::Accept(Psk {
                key: Secret::new(&self.psks[at].1).unwrap(),
                peer: at as u64,
            }),
            None => Decision::Refuse,
        }
    }

    fn own_psk(&self, _hint: &[u8]) -> Option<OwnPsk<'_>> {
        let (identity, key) = self.psks.first()?;
        Some(OwnPsk { identity, key })
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        self.own.as_ref()
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        if self.undecided() {
            return Decision::Pending;
        }
        match self.accepted.iter().position(|x| *x == key.x()) {
            Some(at) => Decision::Accept(at as u64),
            None => Decision::Refuse,
        }
    }

    #[cfg(feature = "x509")]
    fn x509(&self) -> Option<&ace_dtls::X509> {
        self.x509.as_ref()
    }

    #[cfg(feature = "x509")]
    fn accept_chain(
        &mut self,
        chain: &[rustls_pki_types::CertificateDer<'_>],
        key: &VerifyingKey,
    ) -> Decision<u64> {
        self.chain = chain.len();
        self.accept_key(key)
    }
}

/// Client and server that know each other: by PSK, and by keys of the two algorithms.
pub fn pair_of_keys(client: Signature, server: Signature) -> (Keys, Keys) {
    let mut rng = SeededRandom::new(99);
    let client = SigningKey::generate(client, &mut rng);
    let server = SigningKey::generate(server, &mut rng);
    let keys = |own: &SigningKey, other: &SigningKey| Keys {
        psks: vec![(IDENTITY.to_vec(), KEY.to_vec())],
        own: Some(own.clone()),
        accepted: vec![other.verifying_key().x()],
        pending: 0,
        asked: 0,
        #[cfg(feature = "x509")]
        x509: None,
        chain: 0,
    };
    (keys(&client, &server), keys(&server, &client))
}

pub fn config(suite: CipherSuite) -> Config {
    Config {
        suites: vec![suite].leak(),
        ..Config::DEFAULT
    }
}

/// A client that sends `question` each second once it is connected, until three echoes have come; then it closes.
pub struct ClientNode {
    pub connection: Connection,
    pub keys: Keys,
    pub rng: SeededRandom,
    pub server: u16,
    pub events: Vec<Event>,
    pub echoes: usize,
    pub keep_open: bool,
    next_question: Option<u64>,
    queue: VecDeque<Vec<u8>>,
}

impl ClientNode {
    pub fn new(config: &Config, keys: Keys, seed: u64, server: u16) -> Self {
        let mut rng = SeededRandom::new(seed);
        Self {
            connection: Connection::client(config, Instant(0), &keys, &mut rng).unwrap(),
            keys,
            rng,
            server,
            events: Vec::new(),
            echoes: 0,
            keep_open: false,
            next_question: None,
            queue: VecDeque::new(),
        }
    }

    pub fn closed(&self) -> Option<CloseReason> {
        closed(&self.events)
    }

    fn collect(&mut self, now: u64) {
        while let Some(event) = self.connection.poll_event() {
            self.events.push(event);
            if event == Event::Connected {
                self.next_question = Some(now);
            } else {
                self.next_question = None;
            }
        }
    }
}

pub fn closed(events: &[Event]) -> Option<CloseReason> {
    events.iter().find_map(|event| match event {
        Event::Closed(reason) => Some(*reason),
        _ => None,
    })
}

impl Node for ClientNode {
    fn handle(&mut self, now: u64, _from: u16, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let received =
            self.connection
                .handle(Instant(now), &mut datagram, &mut self.keys, &mut self.rng);
        for data in received.data {
            assert_eq!(data, b"question");
            self.echoes += 1;
        }
        if self.connection.is_waiting() {
            self.connection
                .resume(Instant(now), &mut self.keys, &mut self.rng);
        }
        if self.echoes >= 3 && !self.keep_open {
            self.connection.close();
        }
        self.collect(now);
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        self.collect(now);
        if self.next_question.is_some_and(|at| at <= now) && self.echoes < 3 {
            self.next_question = Some(now + 1_000);
            let mut out = vec![0; 200];
            let len = self.connection.send(b"question", &mut out).unwrap();
            out.truncate(len);
            self.queue.push_back(out);
        }
        let mut out = vec![0; 2_000];
        if let Some(len) = self.connection.poll_transmit(&mut out) {
            out.truncate(len);
            return Some((self.server, out));
        }
        self.queue
            .pop_front()
            .map(|datagram| (self.server, datagram))
    }

    fn poll_timeout(&self) -> Option<u64> {
        let question = self.next_question.filter(|_| self.echoes < 3);
        let timer = self.connection.poll_timeout().map(|at| at.0);
        question.into_iter().chain(timer).min()
    }

    fn handle_timeout(&mut self, now: u64) {
        self.connection.handle_timeout(Instant(now));
        self.collect(now);
    }
}

/// A server that sends back what it gets.
pub struct ServerNode {
    pub config: Config,
    pub listener: Listener,
    pub connections: BTreeMap<u16, Connection>,
    pub keys: Keys,
    pub rng: SeededRandom,
    pub events: Vec<Event>,
    queue: VecDeque<(u16, Vec<u8>)>,
}

impl ServerNode {
    pub fn new(config: &Config, keys: Keys, seed: u64) -> Self {
        let mut rng = SeededRandom::new(!seed);
        Self {
            config: *config,
            listener: Listener::new(Listener::DEFAULT_PERIOD, Instant(0), &mut rng),
            connections: BTreeMap::new(),
            keys,
            rng,
            events: Vec::new(),
            queue: VecDeque::new(),
        }
    }
}

impl Node for ServerNode {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let now = Instant(now);
        if !self.connections.contains_key(&from) {
            let mut out = vec![0; 100];
            let name = from.to_be_bytes();
            match self
                .listener
                .handle(now, &name, datagram, &mut self.rng, &mut out)
            {
                Incoming::Reply(len) => {
                    assert!(len < datagram.len());
                    self.queue.push_back((from, out[..len].to_vec()));
                }
                Incoming::Accept(accept) => {
                    let connection = Connection::server(&self.config, accept, now);
                    self.connections.insert(from, connection);
                }
                Incoming::Drop(_) => {}
            }
        }
        let Some(connection) = self.connections.get_mut(&from) else {
            return;
        };
        let mut datagram = datagram.to_vec();
        let received = connection.handle(now, &mut datagram, &mut self.keys, &mut self.rng);
        let questions: Vec<Vec<u8>> = received.data.map(<[u8]>::to_vec).collect();
        if connection.is_waiting() {
            connection.resume(now, &mut self.keys, &mut self.rng);
        }
        for question in questions {
            let mut out = vec![0; 200];
            let len = connection.send(&question, &mut out).unwrap();
            self.queue.push_back((from, out[..len].to_vec()));
        }
    }

    fn poll_transmit(&mut self, _now: u64) -> Option<(u16, Vec<u8>)> {
        for (to, connection) in &mut self.connections {
            while let Some(event) = connection.poll_event() {
                self.events.push(event);
            }
            let mut out = vec![0; 2_000];
            if let Some(len) = connection.poll_transmit(&mut out) {
                out.truncate(len);
                return Some((*to, out));
            }
        }
        self.queue.pop_front()
    }

    fn poll_timeout(&self) -> Option<u64> {
        let due = |connection: &Connection| connection.poll_timeout().map(|at| at.0);
        self.connections.values().filter_map(due).min()
    }

    fn handle_timeout(&mut self, now: u64) {
        for connection in self.connections.values_mut() {
            connection.handle_timeout(Instant(now));
        }
    }
}
