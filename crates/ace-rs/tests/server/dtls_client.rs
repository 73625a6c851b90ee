//! A client with a DTLS engine, and tokens for its keys.

use ace_crypto::{Signature, SigningKey, VerifyingKey};
use ace_dtls::{
    CloseReason, Config as Dtls, Connection, Credentials, Decision, Event, Instant, OwnPsk,
};
use ace_rs::{Config, TokenKey, TrustedKey};
use ace_testkit::SeededRandom;
use ace_token::issue::{Claims, Cnf, CoseKey, Issuer, IssuingKey, Y};
use ace_wire::coap::{Code, Token, option};
use ace_wire::cose::curve;

use crate::bench::{AS_KEY, Bench, ISSUER, Owned, claims};

pub const DERIVATION_KEY: [u8; 32] = [0x4b; 32];
/// The clear text of alerts of one description.
pub const ILLEGAL_PARAMETER: u8 = 47;
pub const ACCESS_DENIED: u8 = 49;
pub const INTERNAL_ERROR: u8 = 80;

pub fn server_key() -> SigningKey {
    SigningKey::generate(Signature::Es256, &mut SeededRandom::new(77))
}

pub fn as_key(algorithm: Signature) -> SigningKey {
    SigningKey::generate(algorithm, &mut SeededRandom::new(78))
}

/// Takes encrypted and signed tokens, has a key of its own, and derives keys.
pub fn config() -> Config<'static> {
    let mut config = crate::authz_info::generous();
    config.token_keys = vec![
        TrustedKey {
            kid: Some(b"rs1"),
            issuer: ISSUER,
            key: TokenKey::Aead(ace_crypto::Aead::AesCcm16_64_128, &AS_KEY),
        },
        TrustedKey {
            kid: Some(b"es"),
            issuer: ISSUER,
            key: TokenKey::Verify(as_key(Signature::Es256).verifying_key()),
        },
        TrustedKey {
            kid: Some(b"ed"),
            issuer: ISSUER,
            key: TokenKey::Verify(as_key(Signature::EdDsa).verifying_key()),
        },
        TrustedKey {
            kid: Some(b"other"),
            issuer: "coap://other.example",
            key: TokenKey::Aead(ace_crypto::Aead::AesCcm16_64_128, &[8; 16]),
        },
    ]
    .leak();
    config.own_key = Some(Box::leak(Box::new(server_key())));
    config.key_derivation_key = Some(&DERIVATION_KEY);
    config
}

pub fn bench() -> Bench {
    Bench::with(config())
}

pub fn key_of(name: u8) -> [u8; 16] {
    [name ^ 0x55; 16]
}

pub fn kid_of(name: u8) -> Vec<u8> {
    vec![0xd0, name]
}

/// `cnf` with the symmetric key `name`.
pub fn psk_cnf(name: u8) -> Option<Cnf> {
    Some(Cnf::CoseKey(CoseKey::Symmetric {
        kid: Some(kid_of(name)),
        alg: None,
        k: key_of(name).to_vec().into(),
    }))
}

/// `cnf` with this public key.
pub fn rpk_cnf(key: &SigningKey) -> Option<Cnf> {
    let public = key.verifying_key();
    let kid = Some(ace_crypto::key_id(&public).to_vec());
    let (alg, x) = (None, public.x().to_vec());
    Some(Cnf::CoseKey(match public.y() {
        Some(y) => CoseKey::Ec2 {
            kid,
            alg,
            crv: curve::P_256,
            x,
            y: Y::Bytes(y.to_vec()),
        },
        None => CoseKey::Okp {
            kid,
            alg,
            crv: curve::ED25519,
            x,
        },
    }))
}

/// Claims for the symmetric key `name` and the scope "read".
pub fn psk_claims(name: u8) -> Claims {
    Claims {
        cnf: psk_cnf(name),
        ..claims(name)
    }
}

pub fn rpk_claims(name: u8, key: &SigningKey) -> Claims {
    Claims {
        cnf: rpk_cnf(key),
        ..claims(name)
    }
}

pub fn client_key(algorithm: Signature, name: u8) -> SigningKey {
    SigningKey::generate(algorithm, &mut SeededRandom::new(u64::from(name) + 500))
}

pub fn sign(claims: &Claims, algorithm: Signature) -> Vec<u8> {
    let key = as_key(algorithm);
    let kid: &[u8] = match algorithm {
        Signature::Es256 => b"es",
        _ => b"ed",
    };
    let issuer = Issuer {
        kid: Some(kid),
        key: IssuingKey::Sign(&key),
    };
    issuer.issue(claims, &mut SeededRandom::new(3)).unwrap()
}

/// `psk_identity` that names an uploaded token (RFC 9202, 3.3.2).
pub fn named(kid: &[u8]) -> Vec<u8> {
    let mut identity = vec![0xa1, 8, 0xa1, 1, 0xa2, 1, 4, 2];
    assert!(kid.len() < 24);
    identity.push(0x40 | kid.len() as u8);
    identity.extend_from_slice(kid);
    identity
}

/// POST of a token alone.
pub fn cwt(token: &[u8]) -> Owned {
    Owned::new(Code::POST, "/authz-info")
        .with(option::CONTENT_FORMAT, 61u16)
        .body(token)
}

pub enum Own {
    Psk { identity: Vec<u8>, key: Vec<u8> },
    Key { key: SigningKey },
}

impl Credentials for Own {
    fn own_psk(&self, _: &[u8]) -> Option<OwnPsk<'_>> {
        match self {
            Self::Psk { identity, key } => Some(OwnPsk { identity, key }),
            Self::Key { .. } => None,
        }
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        match self {
            Self::Key { key } => Some(key),
            Self::Psk { .. } => None,
        }
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        if *key == server_key().verifying_key() {
            Decision::Accept(0)
        } else {
            Decision::Refuse
        }
    }
}

/// A client at an address.
pub struct Door {
    pub peer: u16,
    pub own: Own,
    pub connection: Connection,
    pub rng: SeededRandom,
    pub closed: Option<CloseReason>,
    /// Messages that came and were not asked for.
    pub came: Vec<Owned>,
    next: u16,
}

impl Door {
    pub fn new(peer: u16, own: Own) -> Self {
        Self::with(peer, own, &Dtls::DEFAULT)
    }

    pub fn with(peer: u16, own: Own, config: &Dtls) -> Self {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(900);
        let seed = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut rng = SeededRandom::new(seed);
        let connection = Connection::client(config, Instant(0), &own, &mut rng).unwrap();
        Self {
            peer,
            own,
            connection,
            rng,
            closed: None,
            came: Vec::new(),
            next: 0,
        }
    }

    /// Names the key of an uploaded token.
    pub fn by_kid(peer: u16, name: u8) -> Self {
        let own = Own::Psk {
            identity: named(&kid_of(name)),
            key: key_of(name).to_vec(),
        };
        Self::new(peer, own)
    }

    /// Brings its token along.
    pub fn by_token(peer: u16, token: &[u8], name: u8) -> Self {
        let own = Own::Psk {
            identity: token.to_vec(),
            key: key_of(name).to_vec(),
        };
        Self::new(peer, own)
    }

    pub fn by_key(peer: u16, key: SigningKey) -> Self {
        Self::new(peer, Own::Key { key })
    }

    /// Sends what there is to send, takes what comes, until there is nothing.
    pub fn pump(&mut self, bench: &mut Bench) {
        let mut buffer = [0; 2048];
        loop {
            let mut quiet = true;
            while let Some(len) = self.connection.poll_transmit(&mut buffer) {
                quiet = false;
                let sent = bench.exchange(self.peer, &buffer[..len]);
                bench.mail.extend(sent);
            }
            quiet &= !self.fetch(bench);
            if quiet {
                return;
            }
        }
    }

    /// Takes what the server has sent to this client; whether there was something.
    fn fetch(&mut self, bench: &mut Bench) -> bool {
        let sent = bench.sent();
        bench.mail.extend(sent);
        let (mine, others): (Vec<_>, Vec<_>) = core::mem::take(&mut bench.mail)
            .into_iter()
            .partition(|(to, _)| *to == self.peer);
        bench.mail = others;
        mine.iter().for_each(|(_, datagram)| self.take(datagram));
        !mine.is_empty()
    }

    pub fn take(&mut self, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let received =
            self.connection
                .handle(Instant(0), &mut datagram, &mut self.own, &mut self.rng);
        for data in received.data {
            self.came.push(Owned::parse(data));
        }
        while let Some(event) = self.connection.poll_event() {
            if let Event::Closed(reason) = event {
                self.closed = Some(reason);
            }
        }
    }

    /// Whether there is a session now.
    pub fn open(&mut self, bench: &mut Bench) -> bool {
        self.pump(bench);
        self.connection.session().is_established()
    }

    /// The alert that ended the handshake.
    pub fn refused(&mut self, bench: &mut Bench) -> u8 {
        assert!(!self.open(bench), "a session");
        match self.closed {
            Some(CloseReason::Alert(alert)) => alert.0,
            other => panic!("{other:?}"),
        }
    }

    pub fn seal(&mut self, request: &Owned) -> Vec<u8> {
        let mut out = [0; 2048];
        let len = self.connection.send(&request.encode(), &mut out).unwrap();
        out[..len].to_vec()
    }

    /// Acknowledges a confirmable message.
    pub fn acknowledge(&mut self, bench: &mut Bench, message: &Owned) {
        let [high, low] = message.id.to_be_bytes();
        let mut out = [0; 64];
        let empty = [0x60, 0, high, low];
        let len = self.connection.send(&empty, &mut out).unwrap();
        assert_eq!(bench.exchange(self.peer, &out[..len]), []);
    }

    pub fn ask(&mut self, bench: &mut Bench, request: &Owned) -> Option<Owned> {
        self.next += 1;
        let mut request = request.clone();
        request.id = self.next;
        request.token = Token::new(&self.next.to_be_bytes()).unwrap();
        let datagram = self.seal(&request);
        let sent = bench.exchange(self.peer, &datagram);
        bench.mail.extend(sent);
        self.fetch(bench);
        let at = self
            .came
            .iter()
            .position(|answer| answer.token == request.token)?;
        Some(self.came.remove(at))
    }

    pub fn get(&mut self, bench: &mut Bench, path: &str) -> Owned {
        self.ask(bench, &Owned::new(Code::GET, path))
            .expect("an answer")
    }
}

impl Bench {
    /// What the server sends now, as bytes.
    pub fn sent(&mut self) -> Vec<(u16, Vec<u8>)> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.server.poll_transmit(self.now) {
            sent.push((transmit.peer, transmit.datagram.to_vec()));
        }
        self.listen();
        sent
    }

    pub fn exchange(&mut self, peer: u16, datagram: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let mut datagram = datagram.to_vec();
        self.server
            .handle(self.now, self.wall, peer, &mut datagram, &mut self.rng);
        self.sent()
    }

    /// A client whose token was uploaded and whose session is open.
    pub fn session(&mut self, peer: u16, claims: &Claims, name: u8) -> Door {
        let answer = self.ask(peer, &cwt(&crate::bench::issue(claims))).unwrap();
        assert_eq!(answer.code, Code::CREATED, "{:?}", self.refusals());
        let mut door = Door::by_kid(peer, name);
        assert!(door.open(self), "{:?}", door.closed);
        door
    }
}
