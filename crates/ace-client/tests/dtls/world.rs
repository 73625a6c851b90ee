//! A client, an authorization server and a resource server that speak DTLS over a simulated network. Tokens are opaque to the
//! client, so here they are names in a book that both servers read.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use ace_client::{AsSecurity, Config, DtlsCredential, Request};
use ace_coap::{
    Endpoint, Event, Incoming, Instant, OutMessage, Reliability, Slot, Token, Transmission,
};
use ace_crypto::{Secret, Signature, SigningKey, VerifyingKey};
use ace_dtls::{
    Alert, ConnectionId, Credentials, Decision, MAX_PSK, Peer, Psk, Server, ServerEvent, SessionId,
};
use ace_testkit::{Conditions, Network, Node, SeededRandom};
use ace_wire::ace::{
    AccessInformation, AsRequestCreationHints, Confirmation, ErrorCode, Scope, TokenRequest,
};
use ace_wire::aif::{Aif, MethodSet, Permission};
use ace_wire::coap::content_format::{ACE_CBOR, CWT, TEXT_PLAIN};
use ace_wire::coap::{Code, Message, option};
use ace_wire::cose::{CoseKey, KeyType, Y, curve};

use crate::common::{Blocks, ClientNode, Memory, Reply, Seen, aif, path, refuse};

pub const CLIENT: u16 = 1;
pub const AS: u16 = 2;
pub const RS: u16 = 3;
/// Where the resource server speaks DTLS.
pub const RS_COAPS: u16 = 1003;
pub const AS_URI: &str = "coaps://as.example.com/token";
pub const AS_IDENTITY: &[u8] = b"\x00alice\xff";
pub const AS_KEY: &[u8] = &[0x61; 16];

/// A key that lives as long as the tests.
pub fn key(algorithm: Signature, seed: u64) -> &'static SigningKey {
    Box::leak(Box::new(SigningKey::generate(
        algorithm,
        &mut SeededRandom::new(seed),
    )))
}

pub fn public(key: &SigningKey) -> &'static VerifyingKey {
    Box::leak(Box::new(key.verifying_key()))
}

pub fn spki(key: &VerifyingKey) -> Vec<u8> {
    let mut out = [0; 91];
    let length = key.to_spki(&mut out).unwrap();
    out[..length].to_vec()
}

pub fn psk_config() -> Config<'static, u16> {
    let credential = DtlsCredential::Psk {
        identity: AS_IDENTITY,
        key: AS_KEY,
    };
    let mut config = Config::new(AS, AS_URI, AsSecurity::Dtls(credential));
    config.coaps = |peer| peer + 1000;
    config
}

pub fn rpk_config(algorithm: Signature) -> Config<'static, u16> {
    let own = key(algorithm, 1);
    let credential = DtlsCredential::Rpk {
        key: own,
        peer: public(key(algorithm, 2)),
    };
    Config {
        own_key: Some(own),
        as_security: AsSecurity::Dtls(credential),
        ..psk_config()
    }
}

/// What a token says.
#[derive(Debug, Clone)]
pub struct Said {
    pub kid: Vec<u8>,
    /// `None`: the key that is known by `kid`.
    pub key: Option<Vec<u8>>,
    pub scope: Vec<u8>,
    pub ends: u64,
}

/// All tokens that were ever made.
pub type Book = Rc<RefCell<BTreeMap<Vec<u8>, Said>>>;

/// Where a request came from: an address, and a session unless it was in the clear.
pub type From = (u16, Option<SessionId>);

/// What both servers have in common.
pub struct Host<K> {
    pub keys: K,
    dtls: Server<u16, 4, 4, 1536>,
    endpoint: Endpoint<From, Vec<Slot<From>>>,
    pub rng: SeededRandom,
    blocks: Blocks,
    pub sessions: BTreeMap<SessionId, u64>,
    pub failed: Vec<ace_dtls::CloseReason>,
    pub handshakes: usize,
    out: VecDeque<(bool, u16, Vec<u8>)>,
}

impl<K: Credentials> Host<K> {
    fn new(keys: K, seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed);
        let slots = (0..16).map(|_| Slot::new()).collect();
        let config = ace_dtls::Config {
            connection_id: Some(ConnectionId::EMPTY),
            ..ace_dtls::Config::DEFAULT
        };
        Self {
            keys,
            dtls: Server::new(config, ace_dtls::Instant(0), &mut rng),
            endpoint: Endpoint::new(slots, Transmission::DEFAULT, &mut rng),
            rng,
            blocks: Blocks::new(6),
            sessions: BTreeMap::new(),
            failed: vec![],
            handshakes: 0,
            out: VecDeque::new(),
        }
    }

    /// All sessions are gone, as in a restart; nobody is told.
    pub fn restart(&mut self) {
        let config = ace_dtls::Config {
            connection_id: Some(ConnectionId::EMPTY),
            ..ace_dtls::Config::DEFAULT
        };
        self.dtls = Server::new(config, ace_dtls::Instant(0), &mut self.rng);
        self.sessions.clear();
        let slots = (0..16).map(|_| Slot::new()).collect();
        self.endpoint = Endpoint::new(slots, Transmission::DEFAULT, &mut self.rng);
    }

    /// Ends all sessions with close_notify.
    pub fn close_all(&mut self) {
        for id in self.sessions.keys() {
            self.dtls.close(*id);
        }
        self.events();
    }

    fn events(&mut self) {
        while let Some(event) = self.dtls.poll_event() {
            match event {
                ServerEvent::Connected { id, peer, .. } => {
                    let (Peer::Psk(number) | Peer::Key(number)) = peer else {
                        panic!("nobody");
                    };
                    self.handshakes += 1;
                    self.sessions.insert(id, number);
                }
                ServerEvent::Closed { id, .. } => drop(self.sessions.remove(&id)),
                ServerEvent::Failed { reason, .. } => self.failed.push(reason),
                _ => {}
            }
        }
    }

    /// The requests of a datagram.
    fn take(
        &mut self,
        now: u64,
        from: u16,
        datagram: &[u8],
    ) -> Vec<(ace_coap::Exchange, From, Vec<u8>)> {
        let mut requests = vec![];
        let mut take = |endpoint: &mut Endpoint<From, _>, link: From, message: &[u8]| {
            if let Incoming::Request { exchange, .. } = endpoint.handle(Instant(now), link, message)
            {
                requests.push((exchange, link, message.to_vec()));
            }
            while endpoint.poll_event().is_some() {}
        };
        if (20..64).contains(datagram.first().unwrap_or(&0)) {
            let mut datagram = datagram.to_vec();
            let (at, address) = (ace_dtls::Instant(now), from.to_be_bytes());
            let data = self.dtls.handle(
                at,
                from,
                &address,
                &mut datagram,
                &mut self.keys,
                &mut self.rng,
            );
            if let Some((id, data)) = data {
                for message in data {
                    take(&mut self.endpoint, (from, Some(id)), message);
                }
            }
        } else {
            take(&mut self.endpoint, (from, None), datagram);
        }
        self.events();
        requests
    }

    fn respond(&mut self, now: u64, exchange: ace_coap::Exchange, answer: &[u8]) {
        let answer = Message::parse(answer).unwrap();
        let answer = OutMessage::from_message(&answer).unwrap();
        self.endpoint
            .respond(Instant(now), exchange, &answer)
            .unwrap();
    }

    fn transmit(&mut self, now: u64, secure: bool) -> Option<(u16, Vec<u8>)> {
        let mut out = [0; 1500];
        while let Some((peer, length)) = self.dtls.poll_transmit(&mut out) {
            self.events();
            self.out.push_back((true, peer, out[..length].to_vec()));
        }
        while let Some(transmit) = self.endpoint.poll_transmit(Instant(now)) {
            match transmit.peer {
                (peer, None) => {
                    self.out
                        .push_back((false, peer, transmit.datagram.to_vec()));
                }
                (_, Some(id)) => {
                    let sealed = self.dtls.send(id, transmit.datagram, &mut out);
                    if let Ok((peer, length)) = sealed {
                        self.out.push_back((true, peer, out[..length].to_vec()));
                    }
                }
            }
        }
        let index = self.out.iter().position(|(by, ..)| *by == secure)?;
        self.out
            .remove(index)
            .map(|(_, peer, datagram)| (peer, datagram))
    }

    fn due(&self) -> Option<u64> {
        let dtls = self.dtls.poll_timeout().map(|due| due.0);
        let coap = self.endpoint.poll_timeout().map(|due| due.0);
        [dtls, coap].into_iter().flatten().min()
    }

    fn timeout(&mut self, now: u64) {
        self.dtls.handle_timeout(ace_dtls::Instant(now));
        self.events();
        self.endpoint.handle_timeout(Instant(now));
        while let Some(event) = self.endpoint.poll_event() {
            let _ = matches!(event, Event::TimedOut(_));
        }
    }
}

/// The keys of the authorization server.
pub struct AsKeys {
    pub psk: Vec<u8>,
    pub own: Option<&'static SigningKey>,
    pub client: Option<&'static VerifyingKey>,
}

impl Credentials for AsKeys {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        match identity {
            AS_IDENTITY => Decision::Accept(Psk {
                key: Secret::<MAX_PSK>::new(&self.psk).unwrap(),
                peer: 7,
            }),
            _ => Decision::Refuse,
        }
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        self.own
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        match self.client {
            Some(client) if client == key => Decision::Accept(7),
            _ => Decision::Refuse,
        }
    }
}

/// A token request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub scope: Option<Vec<u8>>,
    pub kid: Option<Vec<u8>>,
    /// SubjectPublicKeyInfo of a key in `req_cnf`, and its kid.
    pub key: Option<(Vec<u8>, Vec<u8>)>,
    pub session: bool,
}

pub struct AuthorizationServer {
    pub host: Host<AsKeys>,
    pub book: Book,
    pub asked: Vec<Asked>,
    /// The resource server's key: tokens are bound to raw public keys then.
    pub rs_key: Option<VerifyingKey>,
    pub names_profile: bool,
    pub names_rs: bool,
    pub knows_keys: bool,
    /// Seconds.
    pub lifetime: u64,
    /// Length of tokens.
    pub length: usize,
    tokens: u8,
    pub silent: bool,
}

pub fn cose_key(key: &VerifyingKey) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.x().to_vec(), key.y().map(|y| y.to_vec()))
}

impl AuthorizationServer {
    fn grant(&mut self, now: u64, body: &[u8], session: bool) -> Reply {
        let request = TokenRequest::parse(body).unwrap();
        let (mut kid, mut key) = (None, None);
        match request.req_cnf {
            Some(Confirmation::Kid(named)) => kid = Some(named.to_vec()),
            Some(Confirmation::CoseKey(named)) => {
                let public = match named.kty {
                    KeyType::Okp => VerifyingKey::ed25519(named.x.unwrap()),
                    _ => {
                        let Some(Y::Bytes(y)) = named.y else {
                            panic!("y");
                        };
                        VerifyingKey::p256(named.x.unwrap(), ace_crypto::Y::Coordinate(y))
                    }
                };
                key = Some((spki(&public.unwrap()), named.kid.unwrap().to_vec()));
            }
            _ => {}
        }
        let asked = Asked {
            scope: request.scope.map(|scope| match scope {
                Scope::Bytes(bytes) => bytes.to_vec(),
                Scope::Text(_) => panic!("text"),
            }),
            kid: kid.clone(),
            key: key.clone(),
            session,
        };
        self.asked.push(asked.clone());
        if kid.is_some() && !self.knows_keys {
            return refuse(ErrorCode::UnsupportedPopKey, "unknown key");
        }
        self.tokens += 1;
        let scope = asked.scope.unwrap_or(aif(&[("/temp", MethodSet::GET)]));
        let token: Vec<u8> = (0..self.length).map(|i| self.tokens ^ i as u8).collect();
        let psk = [self.tokens ^ 0x33; 16];
        let own_kid = [b'k', b'e', b'y', 0, 0, 0, 0, self.tokens];
        let is_rpk = key.is_some() && self.rs_key.is_some();
        let said = match (&kid, &key) {
            (Some(kid), _) => (kid.clone(), None),
            (None, Some((spki, kid))) if is_rpk => (kid.clone(), Some(spki.clone())),
            _ => (own_kid.to_vec(), Some(psk.to_vec())),
        };
        self.book.borrow_mut().insert(
            token.clone(),
            Said {
                kid: said.0,
                key: said.1,
                scope: scope.clone(),
                ends: now + self.lifetime * 1000,
            },
        );
        let rs = self.rs_key.as_ref().map(cose_key);
        let rs_cnf = rs
            .as_ref()
            .filter(|_| self.names_rs && is_rpk)
            .map(|(x, y)| {
                let (kty, crv) = match y {
                    Some(_) => (KeyType::Ec2, curve::P_256),
                    None => (KeyType::Okp, curve::ED25519),
                };
                Confirmation::CoseKey(CoseKey {
                    crv: Some(crv),
                    x: Some(x),
                    y: y.as_deref().map(Y::Bytes),
                    ..CoseKey::new(kty)
                })
            });
        let cnf = CoseKey {
            kid: Some(&own_kid),
            k: Some(&psk),
            ..CoseKey::new(KeyType::Symmetric)
        };
        let answer = AccessInformation {
            access_token: &token,
            expires_in: Some(self.lifetime),
            cnf: (kid.is_none() && !is_rpk).then_some(Confirmation::CoseKey(cnf)),
            rs_cnf: rs_cnf.filter(|_| kid.is_none()),
            ace_profile: self.names_profile.then_some(1),
            scope: Some(Scope::Bytes(&scope)),
            ..Default::default()
        };
        let mut out = [0; 2048];
        let length = answer.encode(&mut out).unwrap();
        Reply::with(Code::CREATED, ACE_CBOR, &out[..length])
    }
}

impl Node for AuthorizationServer {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        if self.silent {
            return;
        }
        for (exchange, link, message) in self.host.take(now, from, datagram) {
            let message = Message::parse(&message).unwrap();
            assert_eq!(path(&message), "/token");
            let mut blocks = core::mem::replace(&mut self.host.blocks, Blocks::new(6));
            let session = link.1.is_some();
            let answer = blocks.serve(now, b"c", &message, |body| self.grant(now, body, session));
            self.host.blocks = blocks;
            self.host.respond(now, exchange, &answer);
        }
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        self.host.transmit(now, true)
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.host.due()
    }

    fn handle_timeout(&mut self, now: u64) {
        self.host.timeout(now);
    }
}

/// A token at the resource server.
#[derive(Debug, Clone)]
pub struct Held {
    pub kid: Vec<u8>,
    pub key: Vec<u8>,
    pub scope: Vec<u8>,
    pub ends: u64,
}

/// The keys of the resource server.
pub struct RsKeys {
    pub own: Option<&'static SigningKey>,
    pub book: Book,
    pub held: Vec<Held>,
    pub identities: Vec<Vec<u8>>,
    pub now: u64,
    /// What is said to any key.
    pub wrong: bool,
}

impl RsKeys {
    fn take(&mut self, token: &[u8]) -> Option<usize> {
        let said = self.book.borrow().get(token)?.clone();
        if said.ends <= self.now {
            return None;
        }
        let known = self.held.iter().position(|held| held.kid == said.kid);
        match (known, said.key) {
            (Some(index), _) => {
                self.held[index].scope = said.scope;
                self.held[index].ends = said.ends;
                Some(index)
            }
            (None, Some(key)) => {
                self.held.push(Held {
                    kid: said.kid,
                    key,
                    scope: said.scope,
                    ends: said.ends,
                });
                Some(self.held.len() - 1)
            }
            (None, None) => None,
        }
    }
}

impl Credentials for RsKeys {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        self.identities.push(identity.to_vec());
        let named = identity.strip_prefix(&[0xa1, 0x08, 0xa1, 0x01, 0xa2, 0x01, 0x04, 0x02, 0x48]);
        let found = match named {
            Some(kid) => self.held.iter().position(|held| held.kid == kid),
            None => self.take(identity),
        };
        match found.filter(|index| self.held[*index].key.len() == 16) {
            Some(index) => Decision::Accept(Psk {
                key: Secret::new(if self.wrong {
                    &[0xee; 16]
                } else {
                    &self.held[index].key
                })
                .unwrap(),
                peer: index as u64,
            }),
            None => Decision::RefuseWith(Alert::ILLEGAL_PARAMETER),
        }
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        self.own
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        let key = spki(key);
        match self.held.iter().position(|held| held.key == key) {
            Some(index) => Decision::Accept(index as u64),
            None => Decision::RefuseWith(Alert::ACCESS_DENIED),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub code: Code,
    pub path: String,
    pub payload: Vec<u8>,
}

pub struct ResourceServer {
    pub host: Host<RsKeys>,
    pub values: BTreeMap<String, Vec<u8>>,
    pub hits: Vec<Hit>,
    /// Uploads, and whether they came in a session.
    pub uploads: Vec<bool>,
    pub observer: Option<(From, Token)>,
    observe: u32,
    pub silent: bool,
    /// Codes of what came in the clear, in place of the answer it would have had.
    pub refuses_uploads: Option<Code>,
    /// What it says to requests in the clear, in place of hints.
    pub in_clear: Option<Reply>,
}

impl ResourceServer {
    pub fn set(&mut self, now: u64, path: &str, value: &[u8]) {
        self.values.insert(path.into(), value.to_vec());
        let Some((link, token)) = self.observer else {
            return;
        };
        self.observe += 1;
        let number = self.observe.to_be_bytes();
        let reply =
            Reply::with(Code::CONTENT, TEXT_PLAIN, value).option(option::OBSERVE, &number[1..]);
        let message = reply.message();
        let reliability = Reliability::Confirmable;
        self.host
            .endpoint
            .notify(Instant(now), link, token, reliability, &message)
            .unwrap();
    }

    fn serve(&mut self, link: From, message: &Message<'_>, body: &[u8]) -> Reply {
        let path = path(message);
        if path == "/authz-info" {
            // RFC 9200, 5.10.1
            assert_eq!(
                message.options.uint(option::CONTENT_FORMAT),
                Ok(Some(u32::from(CWT)))
            );
            self.uploads.push(link.1.is_some());
            if let Some(code) = self.refuses_uploads {
                return Reply::new(code);
            }
            return Reply::new(match self.host.keys.take(body) {
                Some(_) => Code::CREATED,
                None => Code::UNAUTHORIZED,
            });
        }
        let Some(number) = link.1.and_then(|id| self.host.sessions.get(&id)) else {
            if let Some(reply) = &self.in_clear {
                return reply.clone();
            }
            let hints = AsRequestCreationHints {
                r#as: Some(AS_URI),
                audience: Some("thermo"),
                ..Default::default()
            };
            let mut out = [0; 256];
            let length = hints.encode(&mut out).unwrap();
            return Reply::with(Code::UNAUTHORIZED, ACE_CBOR, &out[..length]);
        };
        let held = &self.host.keys.held[*number as usize];
        if held.ends <= self.host.keys.now {
            return Reply::new(Code::UNAUTHORIZED);
        }
        match Aif::parse(&held.scope)
            .unwrap()
            .permits(&path, None, message.code)
        {
            Permission::Allowed => {}
            Permission::MethodNotAllowed => return Reply::new(Code::METHOD_NOT_ALLOWED),
            Permission::NoSuchObject => return Reply::new(Code::FORBIDDEN),
        }
        self.hits.push(Hit {
            code: message.code,
            path: path.clone(),
            payload: body.to_vec(),
        });
        let value = self.values.entry(path).or_default();
        match message.code {
            Code::GET => {
                let reply = Reply::with(Code::CONTENT, TEXT_PLAIN, value.clone());
                if message.options.uint(option::OBSERVE) != Ok(Some(0)) {
                    return reply;
                }
                self.observer = Some((link, message.token));
                self.observe += 1;
                reply.option(option::OBSERVE, &self.observe.to_be_bytes()[1..])
            }
            _ => {
                *value = body.to_vec();
                Reply::new(Code::CHANGED)
            }
        }
    }
}

/// One of the addresses of the resource server: for messages in the clear, or for records.
struct Port<'w> {
    server: &'w RefCell<ResourceServer>,
    secure: bool,
}

impl Node for Port<'_> {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let server = &mut *self.server.borrow_mut();
        let is_record = (20..64).contains(datagram.first().unwrap_or(&0));
        if server.silent || is_record != self.secure {
            return;
        }
        server.host.keys.now = now;
        for (exchange, link, message) in server.host.take(now, from, datagram) {
            let message = Message::parse(&message).unwrap();
            let mut blocks = core::mem::replace(&mut server.host.blocks, Blocks::new(6));
            let name = format!("{link:?}");
            let answer = blocks.serve(now, name.as_bytes(), &message, |body| {
                server.serve(link, &message, body)
            });
            server.host.blocks = blocks;
            server.host.respond(now, exchange, &answer);
        }
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        self.server.borrow_mut().host.transmit(now, self.secure)
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.server.borrow().host.due()
    }

    fn handle_timeout(&mut self, now: u64) {
        let server = &mut *self.server.borrow_mut();
        server.host.keys.now = now;
        server.host.timeout(now);
    }
}

pub struct World {
    pub network: Network,
    pub client: ClientNode,
    pub a: AuthorizationServer,
    rs: RefCell<ResourceServer>,
    pub memory: Memory,
    pub config: Config<'static, u16>,
    seed: u64,
}

impl World {
    pub fn psk() -> Self {
        Self::with(1, Conditions::default(), psk_config(), None)
    }

    pub fn rpk(algorithm: Signature) -> Self {
        Self::with(
            1,
            Conditions::default(),
            rpk_config(algorithm),
            Some(algorithm),
        )
    }

    pub fn with(
        seed: u64,
        conditions: Conditions,
        config: Config<'static, u16>,
        algorithm: Option<Signature>,
    ) -> Self {
        let (memory, book) = (Memory::default(), Book::default());
        let rs_key = algorithm.map(|algorithm| key(algorithm, 3));
        let as_keys = AsKeys {
            psk: AS_KEY.to_vec(),
            own: algorithm.map(|algorithm| key(algorithm, 2)),
            client: algorithm.map(|algorithm| public(key(algorithm, 1))),
        };
        let rs_keys = RsKeys {
            own: rs_key,
            book: book.clone(),
            held: vec![],
            identities: vec![],
            now: 0,
            wrong: false,
        };
        Self {
            network: Network::new(seed, conditions),
            client: ClientNode::new(config, memory.clone(), seed),
            a: AuthorizationServer {
                host: Host::new(as_keys, seed ^ 0xa5),
                book,
                asked: vec![],
                rs_key: rs_key.map(SigningKey::verifying_key),
                names_profile: true,
                names_rs: true,
                knows_keys: true,
                lifetime: 3600,
                length: 120,
                tokens: 0,
                silent: false,
            },
            rs: RefCell::new(ResourceServer {
                host: Host::new(rs_keys, seed ^ 0x55),
                values: [("/temp".into(), b"21.5".to_vec())].into(),
                hits: vec![],
                uploads: vec![],
                observer: None,
                observe: 0,
                silent: false,
                refuses_uploads: None,
                in_clear: None,
            }),
            memory,
            config,
            seed,
        }
    }

    pub fn rs(&self) -> std::cell::RefMut<'_, ResourceServer> {
        self.rs.borrow_mut()
    }

    /// The client starts again with what its storage holds.
    pub fn reboot(&mut self) {
        self.seed += 1_000_000;
        self.client = ClientNode::new(self.config, self.memory.clone(), self.seed);
    }

    pub fn step(&mut self) -> bool {
        let server = &self.rs;
        let (mut clear, mut secure) = (
            Port {
                server,
                secure: false,
            },
            Port {
                server,
                secure: true,
            },
        );
        let nodes: &mut [(u16, &mut dyn Node)] = &mut [
            (CLIENT, &mut self.client),
            (AS, &mut self.a),
            (RS, &mut clear),
            (RS_COAPS, &mut secure),
        ];
        self.network.step(nodes).is_some()
    }

    pub fn request(&mut self, request: Request<'_>) -> Seen {
        let now = self.network.now;
        self.client.request(now, RS, request).expect("taken");
        self.finish()
    }

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

    /// Lets the world turn until the request of another client ends.
    pub fn finish_with<const MTU: usize>(
        &mut self,
        client: &mut ClientNode<2, 640, 1024, 3, MTU, 1024>,
    ) -> Seen {
        loop {
            let server = &self.rs;
            let (mut clear, mut secure) = (
                Port {
                    server,
                    secure: false,
                },
                Port {
                    server,
                    secure: true,
                },
            );
            let nodes: &mut [(u16, &mut dyn Node)] = &mut [
                (CLIENT, client),
                (AS, &mut self.a),
                (RS, &mut clear),
                (RS_COAPS, &mut secure),
            ];
            assert!(self.network.step(nodes).is_some());
            if let Some(end) = client.take_end() {
                return end;
            }
        }
    }

    /// Lets the world turn for `milliseconds`.
    pub fn rest(&mut self, milliseconds: u64) {
        let deadline = self.network.now + milliseconds;
        let server = &self.rs;
        let (mut clear, mut secure) = (
            Port {
                server,
                secure: false,
            },
            Port {
                server,
                secure: true,
            },
        );
        let nodes: &mut [(u16, &mut dyn Node)] = &mut [
            (CLIENT, &mut self.client),
            (AS, &mut self.a),
            (RS, &mut clear),
            (RS_COAPS, &mut secure),
        ];
        self.network.run(nodes, deadline, 1_000_000);
        self.network.now = self.network.now.max(deadline);
    }
}

pub fn temperature() -> Seen {
    Seen::Response(Code::CONTENT, b"21.5".to_vec(), true)
}
