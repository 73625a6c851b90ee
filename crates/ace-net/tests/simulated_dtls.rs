//! The whole exchange of RFC 9202, in each mode, over a network that loses, reorders and duplicates in both directions,
//! between the real engines: client, resource server, and authorization server with its store, all over DTLS.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use ace_as::{
    AuthorizationServer, ClientBundle, ClientOptions, ClientProfile, Curve, DeviceKey, DtlsBundle,
    DtlsCredentials, Limits, PeerId, Registry, RsBundle, RsOptions, RsProfile, Store,
    TokenKeyMaterial,
};
use ace_client::{AsSecurity, Client, DtlsCredential, Event, Request};
use ace_coap::{Code, Endpoint, Incoming, Instant, Slot, Transmission};
use ace_crypto::{Aead, SigningKey, VerifyingKey};
use ace_net::dtls::{DtlsPeer, SessionId, SessionLimits, Sessions};
use ace_oscore::storage::{Key, Storage};
use ace_rs::{MethodSet, Resource, ResourceServer, Resources, Response, TokenKey, TrustedKey};
use ace_testkit::{Conditions, Network, Node, SeededRandom};
use tokio::runtime::{Builder, Runtime};

const CLIENT: u16 = 1;
const AS: u16 = 2;
const RS: u16 = 3;

/// Seconds since 1970 when the clock of the network stands at zero.
const EPOCH: u64 = 1_700_000_000;
/// Longest simulated time from a request to its end, in milliseconds.
const BOUND: u64 = 1_200_000;
/// The first byte of a record with data (RFC 5246, 6.2.1).
const APPLICATION_DATA: u8 = 23;
/// How often the application asks again after a failure.
const RETRIES: usize = 3;

const fn wall(now: u64) -> Option<u64> {
    Some(EPOCH + now / 1_000)
}

/// Which mode of the profile.
#[derive(Debug, Clone, Copy, Default)]
struct Mode {
    /// Of the client and of the resource server; pre-shared keys without.
    curve: Option<Curve>,
    token_alg: i64,
    derive_keys: bool,
    token_in_handshake: bool,
    /// The resource server speaks every profile, and names the authorization server's URI for OSCORE in its hints.
    all_profiles: bool,
}

/// Storage that outlives its device.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<u32, Vec<u8>>>>);

impl Storage for Memory {
    type Error = Infallible;

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, Infallible> {
        let records = self.0.lock().expect("whole");
        let Some(record) = records.get(&key.0) else {
            return Ok(None);
        };
        out[..record.len()].copy_from_slice(record);
        Ok(Some(record.len()))
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), Infallible> {
        self.0.lock().expect("whole").insert(key.0, value.to_vec());
        Ok(())
    }
}

/// The authorization server of one run: real engine, real store in a temporary folder.
struct Site {
    runtime: Runtime,
    server: AuthorizationServer,
    alice: ClientBundle,
    thermo: RsBundle,
    _folder: tempfile::TempDir,
}

impl Site {
    fn new(mode: Mode) -> Self {
        let (profile, profiles, key) = match mode.curve {
            None => (
                ClientProfile::CoapDtlsPsk,
                vec![RsProfile::CoapDtlsPsk],
                DeviceKey::default(),
            ),
            Some(curve) => {
                let key = DeviceKey::Generate(curve);
                let profile = ClientProfile::CoapDtlsRpk(key);
                (profile, vec![RsProfile::CoapDtlsRpk], key)
            }
        };
        let profiles = match mode.all_profiles {
            true => RsProfile::ALL.to_vec(),
            false => profiles,
        };
        let options = RsOptions {
            token_alg: mode.token_alg,
            derive_keys: mode.derive_keys,
            clockless: false,
            profiles,
            key,
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let site = ace_as::Site {
            issuer: "coaps://as.example".into(),
            uri: "coap://as.example/token".into(),
            coaps_uri: Some("coaps://as.example/token".into()),
        };
        let (server, alice, thermo) = runtime.block_on(async {
            let store = Store::create(folder.path().join("store.sqlite")).await;
            let store = store.expect("a store");
            let registry = Registry::new(store.clone(), site.clone());
            let thermo = registry.add_rs("thermo", "thermo", &options).await;
            let client = ClientOptions { profile };
            let alice = registry.add_client("alice", &client).await;
            let alice = alice.expect("a client");
            for scope in ["GET /temp", "GET,PUT /led"] {
                let granted = registry.grant("alice", "thermo", scope).await;
                granted.expect("a grant");
            }
            let config = ace_as::Config {
                site,
                token_lifetime: 3_600,
                limits: Limits {
                    contexts: 4,
                    bodies: 4,
                },
            };
            let server = AuthorizationServer::new(store, config).await;
            (
                server.expect("a server"),
                alice,
                thermo.expect("a resource server"),
            )
        });
        Self {
            runtime,
            server,
            alice,
            thermo,
            _folder: folder,
        }
    }
}

/// The key pair of a bundle with raw public keys.
fn pair(bundle: Option<&DtlsBundle>) -> Option<(SigningKey, VerifyingKey)> {
    let Some(DtlsBundle::Rpk {
        private_key: Some(private),
        public_key,
        peer_public_key,
    }) = bundle
    else {
        return None;
    };
    let public = VerifyingKey::from_spki(&public_key.0).expect("a key");
    let own = SigningKey::from_bytes(public.algorithm(), private.as_bytes()).expect("a key");
    let peer = VerifyingKey::from_spki(&peer_public_key.0).expect("a key");
    Some((own, peer))
}

/// The authorization server behind its DTLS sessions.
struct AsNode<'s> {
    site: &'s Site,
    sessions: Sessions,
    credentials: DtlsCredentials,
    endpoint: Endpoint<SessionId, Vec<Slot<SessionId>>>,
    random: SeededRandom,
}

impl<'s> AsNode<'s> {
    fn new(site: &'s Site, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let credentials = site.runtime.block_on(site.server.credentials());
        Self {
            site,
            sessions: Sessions::new(
                ace_dtls::Config::DEFAULT,
                SessionLimits::default(),
                Instant(0),
                &mut random,
            ),
            credentials: credentials.expect("a key"),
            endpoint: Endpoint::new(slots(), Transmission::default(), &mut random),
            random,
        }
    }

    fn take(&mut self, now: u64, peer: &DtlsPeer, data: &[u8]) {
        let Incoming::Request { exchange, message } =
            self.endpoint.handle(Instant(now), peer.session, data)
        else {
            return;
        };
        let answer = self.site.server.handle_in_session(
            Instant(now),
            EPOCH + now / 1_000,
            PeerId::new(peer.number),
            &message,
        );
        let answer = self.site.runtime.block_on(answer).expect("an answer");
        let message = answer.as_message().expect("a message");
        let answered = self.endpoint.respond(Instant(now), exchange, &message);
        answered.expect("the exchange waits");
    }
}

impl Node for AsNode<'_> {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let mut delivered = Vec::new();
        self.sessions.handle(
            Instant(now),
            SocketAddr::from(([192, 0, 2, 1], from)),
            &mut datagram.to_vec(),
            &mut self.credentials,
            &mut self.random,
            &mut |peer, data| delivered.push((peer.clone(), data.to_vec())),
        );
        while self.sessions.is_waiting() {
            let known = self.credentials.notify();
            self.site.runtime.block_on(async move {
                let known = tokio::time::timeout(Duration::from_secs(10), known.notified());
                known.await.expect("an answer of the store");
            });
            self.sessions
                .resume(Instant(now), &mut self.credentials, &mut self.random);
        }
        for (peer, data) in delivered {
            self.take(now, &peer, &data);
        }
        while self.sessions.poll_event().is_some() {}
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        while let Some(transmit) = self.endpoint.poll_transmit(Instant(now)) {
            // A session may be over before all of its answers have left.
            let _ = self
                .sessions
                .send(Instant(now), transmit.peer, transmit.datagram);
        }
        let (to, datagram) = self.sessions.poll_transmit()?;
        Some((to.port(), datagram))
    }

    fn poll_timeout(&self) -> Option<u64> {
        let timers = [self.sessions.poll_timeout(), self.endpoint.poll_timeout()];
        timers.into_iter().flatten().map(|due| due.0).min()
    }

    fn handle_timeout(&mut self, now: u64) {
        self.sessions.handle_timeout(Instant(now));
        self.endpoint.handle_timeout(Instant(now));
        while self.sessions.poll_event().is_some() {}
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    Answer {
        code: Code,
        payload: Vec<u8>,
        protected: bool,
    },
    Failed(String),
}

struct ClientNode<'c> {
    engine: Box<Client<'c, u16, Memory>>,
    random: SeededRandom,
    ends: VecDeque<End>,
}

impl ClientNode<'_> {
    fn events(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            self.ends.push_back(match event {
                Event::Response {
                    code,
                    payload,
                    protected,
                    ..
                } => End::Answer {
                    code,
                    payload: payload.to_vec(),
                    protected,
                },
                event @ (Event::Refused { .. } | Event::Failed { .. }) => {
                    End::Failed(format!("{event:?}"))
                }
                _ => continue,
            });
        }
    }
}

impl Node for ClientNode<'_> {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let random = &mut self.random;
        self.engine
            .handle(Instant(now), wall(now), from, &mut datagram, random);
        self.events();
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.engine.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.engine.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.engine
            .handle_timeout(Instant(now), wall(now), &mut self.random);
        self.events();
    }
}

/// A thermometer with a lamp.
struct Thermo(Vec<u8>);

impl Resources for Thermo {
    fn list(&self) -> &[Resource] {
        const RESOURCES: [Resource; 2] = [
            Resource::new("/temp", MethodSet::GET),
            Resource::new("/led", MethodSet(MethodSet::GET.0 | MethodSet::PUT.0)),
        ];
        &RESOURCES
    }

    fn handle(&mut self, request: &ace_rs::Request<'_>, response: &mut Response<'_>) -> Code {
        match (request.path, request.method) {
            ("/temp", Code::GET) => {
                response.write(b"22.5 C");
                Code::CONTENT
            }
            ("/led", Code::GET) => {
                response.write(&self.0);
                Code::CONTENT
            }
            ("/led", Code::PUT) => {
                self.0 = request.payload.to_vec();
                Code::CHANGED
            }
            other => panic!("a handler nobody has the right to: {other:?}"),
        }
    }
}

type Engine<'c> = ResourceServer<'c, u16, Thermo, Memory, Vec<ace_rs::Slot<u16>>>;

struct RsNode<'c> {
    config: &'c ace_rs::Config<'c>,
    random: SeededRandom,
    engine: Box<Engine<'c>>,
}

impl<'c> RsNode<'c> {
    fn new(config: &'c ace_rs::Config<'c>, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        Self {
            config,
            engine: Self::engine(config, &mut random),
            random,
        }
    }

    fn engine(config: &'c ace_rs::Config<'c>, random: &mut SeededRandom) -> Box<Engine<'c>> {
        let (lamp, memory) = (Thermo(b"dark".to_vec()), Memory::default());
        let slots = std::iter::repeat_with(ace_rs::Slot::new).take(16).collect();
        Box::new(Engine::new(config, lamp, memory, slots, random).expect("a resource server"))
    }

    /// The device starts anew: tokens, sessions and the lamp are forgotten.
    fn reboot(&mut self) {
        self.engine = Self::engine(self.config, &mut self.random);
    }
}

impl Node for RsNode<'_> {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let random = &mut self.random;
        self.engine
            .handle(Instant(now), wall(now), from, &mut datagram, random);
        while self.engine.poll_event().is_some() {}
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.engine.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.engine.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.engine.handle_timeout(Instant(now), wall(now));
        while self.engine.poll_event().is_some() {}
    }
}

fn slots<P: Copy + Eq>() -> Vec<Slot<P>> {
    std::iter::repeat_with(Slot::new).take(16).collect()
}

struct World<'c> {
    network: Network,
    client: ClientNode<'c>,
    server: AsNode<'c>,
    rs: RsNode<'c>,
    retries: usize,
}

impl World<'_> {
    /// Makes a request, again if it fails.
    fn ask(&mut self, request: Request<'_>) -> Option<(Code, Vec<u8>)> {
        for _ in 0..=RETRIES {
            let began = self.network.now;
            let random = &mut self.client.random;
            self.client
                .engine
                .request(Instant(began), wall(began), RS, request, random)
                .expect("the request before has ended");
            self.client.events();
            let end = loop {
                if let Some(end) = self.client.ends.pop_front() {
                    break end;
                }
                let nodes: &mut [(u16, &mut dyn Node)] = &mut [
                    (CLIENT, &mut self.client),
                    (AS, &mut self.server),
                    (RS, &mut self.rs),
                ];
                let now = self.network.step(nodes).expect("a request without end");
                assert!(now - began <= BOUND, "no end within {BOUND} ms");
            };
            match end {
                End::Answer {
                    code,
                    payload,
                    protected,
                } => {
                    assert!(protected, "an answer that nothing protects");
                    return Some((code, payload));
                }
                End::Failed(_) => self.retries += 1,
            }
        }
        None
    }
}

/// Runs one seed: the first request, more rights within the session, and a resource server that starts anew.
/// Returns how often the application had to ask again.
fn run(site: &Site, mode: Mode, conditions: &Conditions, seed: u64, start: u64) -> (usize, u64) {
    let access = &site.alice.authorization_server;
    let own = pair(access.dtls.as_ref());
    let credential = match (&access.dtls, &own) {
        (Some(DtlsBundle::Psk { psk_identity, psk }), _) => DtlsCredential::Psk {
            identity: &psk_identity.0,
            key: psk.as_bytes(),
        },
        (_, Some((key, peer))) => DtlsCredential::Rpk { key, peer },
        other => panic!("{other:?}"),
    };
    let mut client = ace_client::Config::new(AS, &access.uri, AsSecurity::Dtls(credential));
    client.own_key = own.as_ref().map(|(key, _)| key);
    client.token_in_handshake = mode.token_in_handshake;

    let audiences = [site.thermo.audience.as_str()];
    let keys = site.thermo.token_keys.iter().map(|key| TrustedKey {
        kid: Some(&key.kid.0),
        issuer: &site.thermo.issuer,
        key: match &key.key {
            TokenKeyMaterial::Secret(k) => {
                TokenKey::Aead(Aead::from_cose(key.alg).expect("built in"), k.as_bytes())
            }
            TokenKeyMaterial::Public(spki) => {
                TokenKey::Verify(VerifyingKey::from_spki(&spki.0).expect("a key"))
            }
        },
    });
    let keys: Vec<TrustedKey<'_>> = keys.collect();
    let rs_pair = pair(site.thermo.authorization_server.dtls.as_ref());
    let mut rs = ace_rs::Config::new(&audiences, &site.thermo.authorization_server.uri, &keys);
    rs.own_key = rs_pair.as_ref().map(|(key, _)| key);
    let derivation = site.thermo.key_derivation_key.as_ref();
    rs.key_derivation_key = derivation.map(ace_as::SecretHex::as_bytes);

    let mut random = SeededRandom::new(seed);
    let engine = Client::new(client, Memory::default(), &mut random).expect("a client");
    let mut network = Network::new(seed, conditions.clone());
    network.now = start;
    let mut world = World {
        network,
        client: ClientNode {
            engine: Box::new(engine),
            random,
            ends: VecDeque::new(),
        },
        server: AsNode::new(site, seed ^ 0xa5),
        rs: RsNode::new(&rs, seed ^ 0x25),
        retries: 0,
    };
    // Hints, handshake with the AS, token, upload, handshake with the RS, access.
    let first = world.ask(Request::get("/temp"));
    assert_eq!(first, Some((Code::CONTENT, b"22.5 C".to_vec())), "{mode:?}");
    // The device denies it; the rights come within the session.
    let lamp = [b'a' + (seed % 26) as u8; 20];
    let put = Request {
        payload: &lamp,
        ..Request::new(Code::PUT, "/led")
    };
    let before = world.network.capture.len();
    let written = world.ask(put);
    assert_eq!(written.map(|(code, _)| code), Some(Code::CHANGED));
    if conditions.loss == 0.0 {
        // RFC 9202, 4: the session stays, and its keys.
        let since = world.network.capture.iter().skip(before);
        let to_rs = since.filter(|captured| captured.to == RS);
        assert!(
            to_rs
                .clone()
                .all(|captured| captured.datagram.first() == Some(&APPLICATION_DATA)),
            "{mode:?}: something else than records of the session"
        );
        assert!(to_rs.count() >= 2, "an upload and the request");
    }
    world.rs.reboot();
    let again = world.ask(Request::get("/temp"));
    assert_eq!(again, Some((Code::CONTENT, b"22.5 C".to_vec())), "{mode:?}");
    (world.retries, world.network.now)
}

/// Runs seeds of a mode; few of them may need the application to ask again.
fn run_all(mode: Mode, conditions: &Conditions, seeds: u64) -> usize {
    let site = Site::new(mode);
    let (mut asked_again, mut start) = (0, 0);
    for seed in 0..seeds {
        let (retries, end) = run(&site, mode, conditions, seed, start);
        asked_again += retries;
        start = end + 1_000;
    }
    println!("{mode:?}: {seeds} seeds, asked again {asked_again} times");
    asked_again
}

const PSK: Mode = Mode {
    curve: None,
    token_alg: 10,
    derive_keys: false,
    token_in_handshake: false,
    all_profiles: false,
};

fn modes() -> [Mode; 9] {
    let rpk = |curve, token_alg| Mode {
        curve: Some(curve),
        token_alg,
        ..PSK
    };
    [
        PSK,
        Mode {
            token_in_handshake: true,
            ..PSK
        },
        Mode {
            derive_keys: true,
            ..PSK
        },
        Mode {
            token_alg: -7,
            derive_keys: true,
            token_in_handshake: true,
            ..PSK
        },
        rpk(Curve::P256, -7),
        rpk(Curve::Ed25519, -8),
        rpk(Curve::P256, 10),
        Mode {
            all_profiles: true,
            ..PSK
        },
        Mode {
            all_profiles: true,
            ..rpk(Curve::Ed25519, 31)
        },
    ]
}

#[test]
fn rfc9202_the_exchange_completes_in_every_mode() {
    for mode in modes() {
        assert_eq!(run_all(mode, &Conditions::default(), 2), 0, "{mode:?}");
    }
}

#[test]
fn rfc9202_3_3_with_pre_shared_keys_at_30_percent_loss() {
    for mode in &modes()[..4] {
        let asked_again = run_all(*mode, &Conditions::harsh(), 150);
        assert!(asked_again <= 10, "{asked_again}");
    }
}

#[test]
fn rfc9202_3_2_with_raw_public_keys_at_30_percent_loss() {
    for mode in &modes()[4..7] {
        let asked_again = run_all(*mode, &Conditions::harsh(), 140);
        assert!(asked_again <= 10, "{asked_again}");
    }
}
