//! A server with a small application, tokens for it, and a client made by hand.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ace_coap::{Block, Instant};
use ace_crypto::{Aead, Hkdf};
use ace_oscore::storage::{Key, Storage};
use ace_oscore::{Parameters, RequestBinding, SEQUENCE_LIMIT, SecurityContext};
use ace_rs::{
    Access, Config, Event, EventKind, MethodSet, Refusal, Request, Resource, ResourceServer,
    Resources, Response, ScopeName, Slot, TokenKey, TrustedKey,
};
use ace_testkit::SeededRandom;
use ace_token::issue::{Claims, Cnf, Issuer, IssuingKey, OscoreInputMaterial, Scope};
use ace_wire::ace::{AuthzInfoRequest, AuthzInfoResponse};
use ace_wire::aif::Aif;
use ace_wire::coap::{Code, Message, OptionList, OptionValue, Token, Type, Writer, option};

pub const WALL: u64 = 1_700_000_000;
pub const AS_KEY: [u8; 16] = [7; 16];
pub const ISSUER: &str = "coap://as.example";
pub const MTU: usize = 1152;

pub type Server = ResourceServer<'static, u16, App, Flash, Vec<Slot<u16, MTU>>>;

/// Flash memory that survives the server.
#[derive(Clone, Default)]
pub struct Flash(
    pub Rc<RefCell<BTreeMap<u32, Vec<u8>>>>,
    pub Rc<RefCell<bool>>,
);

impl Storage for Flash {
    type Error = &'static str;

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, Self::Error> {
        let records = self.0.borrow();
        let Some(record) = records.get(&key.0) else {
            return Ok(None);
        };
        out.get_mut(..record.len())
            .ok_or("too long")?
            .copy_from_slice(record);
        Ok(Some(record.len()))
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), Self::Error> {
        if *self.1.borrow() {
            return Err("worn out");
        }
        self.0.borrow_mut().insert(key.0, value.to_vec());
        Ok(())
    }
}

pub const LIST: [Resource; 6] = [
    Resource {
        observable: true,
        resource_type: "temperature",
        ..Resource::new("/temp", MethodSet::GET)
    },
    Resource::new("/led", MethodSet(1 | 1 << 2)),
    Resource::new("/big", MethodSet(1 | 1 << 1)),
    Resource {
        access: Access::Public,
        ..Resource::new("/hello", MethodSet(1 | 1 << 2))
    },
    Resource::new("/fails", MethodSet::GET),
    Resource {
        observable: true,
        ..Resource::new("/bulk", MethodSet::GET)
    },
];

/// What the device does.
#[derive(Default)]
pub struct App {
    pub temp: i32,
    pub led: Vec<u8>,
    /// `/temp` cannot be read.
    pub broken: bool,
    /// Requests that came through: method, path, subject.
    pub seen: Vec<(Code, &'static str, Option<String>)>,
}

impl Resources for App {
    fn list(&self) -> &[Resource] {
        &LIST
    }

    fn handle(&mut self, request: &Request<'_>, response: &mut Response<'_>) -> Code {
        let subject = request.who.and_then(|who| who.subject).map(str::to_owned);
        self.seen.push((request.method, request.path, subject));
        match (request.method, request.path) {
            (Code::GET, "/temp") if self.broken => Code::SERVICE_UNAVAILABLE,
            (Code::GET, "/temp") => {
                response.content_format = Some(0);
                response.write(self.temp.to_string().as_bytes());
                Code::CONTENT
            }
            (Code::GET, "/led") => {
                response.write(&self.led);
                Code::CONTENT
            }
            (Code::PUT, "/led") => {
                self.led = request.payload.to_vec();
                Code::CHANGED
            }
            (Code::GET, "/big" | "/bulk") => {
                (0..300u32).for_each(|n| response.write(&n.to_be_bytes()[2..]));
                Code::CONTENT
            }
            (Code::POST, "/big") => {
                response.location("/big/7");
                response.write(request.payload);
                Code::CREATED
            }
            (Code::GET, "/hello") => {
                response.write(b"hi");
                Code::CONTENT
            }
            (Code::PUT, "/hello") => Code::CHANGED,
            _ => {
                response.write(&[0; 2000]);
                Code::CONTENT
            }
        }
    }
}

pub fn config() -> Config<'static> {
    const KEYS: &[TrustedKey<'static>] = &[TrustedKey {
        kid: Some(b"rs1"),
        issuer: ISSUER,
        key: TokenKey::Aead(Aead::AesCcm16_64_128, &AS_KEY),
    }];
    const SCOPES: &[ScopeName<'static>] = &[
        ScopeName {
            name: "read",
            path: "/temp",
            methods: MethodSet::GET,
        },
        ScopeName {
            name: "switch",
            path: "/led",
            methods: MethodSet(1 | 1 << 2),
        },
        ScopeName {
            name: "big",
            path: "/big",
            methods: MethodSet(1 | 1 << 1),
        },
        ScopeName {
            name: "big",
            path: "/bulk",
            methods: MethodSet::GET,
        },
        ScopeName {
            name: "odd",
            path: "/nothing",
            methods: MethodSet::GET,
        },
        ScopeName {
            name: "odd",
            path: "/temp",
            methods: MethodSet(1 | 1 << 3),
        },
        ScopeName {
            name: "odd",
            path: "/fails",
            methods: MethodSet::GET,
        },
    ];
    let mut config = Config::new(&["thermo", "all"], "coap://as.example/token", KEYS);
    config.scopes = SCOPES;
    config
}

/// Claims that the server takes, for the key `name` and the scope "read".
pub fn claims(name: u8) -> Claims {
    Claims {
        iss: Some(ISSUER.into()),
        aud: vec!["thermo".into()],
        exp: Some(WALL + 3600),
        iat: Some(WALL - 10),
        cti: Some(vec![name]),
        scope: Some(Scope::Text("read".into())),
        cnf: Some(Cnf::Osc(material(name))),
        ..Claims::default()
    }
}

pub fn material(name: u8) -> OscoreInputMaterial {
    OscoreInputMaterial {
        id: vec![0xa0, name],
        version: None,
        ms: vec![name; 16].into(),
        hkdf: None,
        alg: None,
        salt: Some(vec![0x5a; 8]),
        context_id: None,
    }
}

pub fn aif(entries: &[(&str, MethodSet)]) -> Scope {
    let mut out = [0; 512];
    let length = Aif::encode(entries.iter().copied(), &mut out).unwrap();
    Scope::Bytes(out[..length].to_vec())
}

pub fn issue(claims: &Claims) -> Vec<u8> {
    let mut rng = SeededRandom::new(u64::from(claims.cti.as_ref().map_or(0, |cti| cti[0])));
    issuer().issue(claims, &mut rng).unwrap()
}

pub fn issuer() -> Issuer<'static> {
    Issuer {
        kid: Some(b"rs1"),
        key: IssuingKey::Aead(Aead::AesCcm16_64_128, &AS_KEY),
    }
}

/// COSE_Encrypt0 with the server's key around any bytes.
pub fn encrypt(content: &[u8]) -> Vec<u8> {
    use coset::TaggedCborSerializable;
    let protected = coset::HeaderBuilder::new()
        .algorithm(coset::iana::Algorithm::AES_CCM_16_64_128)
        .build();
    let unprotected = coset::HeaderBuilder::new()
        .key_id(b"rs1".to_vec())
        .iv(vec![9; 13])
        .build();
    coset::CoseEncrypt0Builder::new()
        .protected(protected)
        .unprotected(unprotected)
        .create_ciphertext(content, &[], |plaintext, aad| {
            let mut text = plaintext.to_vec();
            text.resize(plaintext.len() + 8, 0);
            Aead::AesCcm16_64_128
                .seal(&AS_KEY, &[9; 13], aad, &mut text, plaintext.len())
                .unwrap();
            text
        })
        .build()
        .to_tagged_vec()
        .unwrap()
}

/// A message that the tests own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    pub kind: Type,
    pub code: Code,
    pub id: u16,
    pub token: Token,
    pub options: Vec<(u16, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl Owned {
    pub fn new(code: Code, path: &str) -> Self {
        let mut options = Vec::new();
        for segment in path.split('/').filter(|segment| !segment.is_empty()) {
            options.push((option::URI_PATH, segment.as_bytes().to_vec()));
        }
        Self {
            kind: Type::Confirmable,
            code,
            id: 0,
            token: Token::new(&[0xc1]).unwrap(),
            options,
            payload: Vec::new(),
        }
    }

    pub fn of(message: &Message<'_>) -> Self {
        Self {
            kind: message.kind,
            code: message.code,
            id: message.id,
            token: message.token,
            options: message
                .options
                .iter()
                .map(|o| (o.number, o.value.to_vec()))
                .collect(),
            payload: message.payload.to_vec(),
        }
    }

    pub fn parse(datagram: &[u8]) -> Self {
        Self::of(&Message::parse(datagram).unwrap())
    }

    pub fn with<'a>(mut self, number: u16, value: impl Into<OptionValue<'a>>) -> Self {
        let value = value.into().bytes(&mut [0; 4]).to_vec();
        self.options.push((number, value));
        self
    }

    pub fn body(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    pub fn non(mut self) -> Self {
        self.kind = Type::NonConfirmable;
        self
    }

    pub fn option(&self, number: u16) -> Option<&[u8]> {
        self.options
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, value)| value.as_slice())
    }

    pub fn block(&self, number: u16) -> Option<Block> {
        self.option(number)
            .map(|value| Block::parse(value).unwrap())
    }

    pub fn uint(&self, number: u16) -> Option<u32> {
        self.option(number)
            .map(|value| value.iter().fold(0, |v, byte| v << 8 | u32::from(*byte)))
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut list = OptionList::<24>::new();
        for (number, value) in &self.options {
            list.push(*number, value.as_slice()).unwrap();
        }
        let mut buffer = vec![0; 2048];
        let mut writer =
            Writer::new(&mut buffer, self.kind, self.code, self.id, self.token).unwrap();
        writer.options(&list).unwrap();
        writer.payload(&self.payload).unwrap();
        let length = writer.finish();
        buffer.truncate(length);
        buffer
    }
}

/// The server, its clock, and the way to it.
pub struct Bench {
    pub server: Server,
    pub now: Instant,
    pub wall: Option<u64>,
    pub rng: SeededRandom,
    pub flash: Flash,
    pub next_id: u16,
    /// Events that nobody has asked for yet.
    pub told: Vec<Event<u16>>,
    /// What was sent to clients that have not fetched it.
    pub mail: Vec<(u16, Vec<u8>)>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: Config<'static>) -> Self {
        Self::boot(config, Flash::default(), 1)
    }

    pub fn boot(config: Config<'static>, flash: Flash, seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed);
        let slots = vec![Slot::new(); 32];
        let config = Box::leak(Box::new(config));
        let server = Server::new(config, App::default(), flash.clone(), slots, &mut rng).unwrap();
        Self {
            server,
            now: Instant(1_000_000),
            wall: Some(WALL),
            rng,
            flash,
            next_id: 1,
            told: Vec::new(),
            mail: Vec::new(),
        }
    }

    pub fn advance(&mut self, milliseconds: u64) {
        self.now = Instant(self.now.0 + milliseconds);
        self.wall = self.wall.map(|wall| wall + milliseconds / 1000);
        self.server.handle_timeout(self.now, self.wall);
    }

    /// What the server sends now.
    pub fn drain(&mut self) -> Vec<(u16, Owned)> {
        let mut sent = Vec::new();
        while let Some(transmit) = self.server.poll_transmit(self.now) {
            sent.push((transmit.peer, Owned::parse(transmit.datagram)));
        }
        self.listen();
        sent
    }

    pub fn raw(&mut self, peer: u16, datagram: &[u8]) -> Vec<(u16, Owned)> {
        let mut datagram = datagram.to_vec();
        self.server
            .handle(self.now, self.wall, peer, &mut datagram, &mut self.rng);
        self.drain()
    }

    /// Sends a request under a new Message ID; the answer to it, if there is one. Every answer goes
    /// to the one who asked, and none is more than three times as long unless it is protected.
    pub fn ask(&mut self, peer: u16, request: &Owned) -> Option<Owned> {
        let mut request = request.clone();
        request.id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let datagram = request.encode();
        let sent = self.raw(peer, &datagram);
        assert!(sent.len() <= 1, "{sent:?}");
        let (to, answer) = sent.into_iter().next()?;
        assert_eq!((to, answer.token), (peer, request.token));
        let proven = request.option(option::ECHO).is_some();
        if !proven && answer.option(option::OSCORE).is_none() {
            assert!(answer.encode().len() <= 3 * datagram.len(), "amplification");
        }
        Some(answer)
    }

    /// Like [`ask`](Self::ask), and follows a challenge by Echo.
    pub fn ask_proven(&mut self, peer: u16, request: &Owned) -> Option<Owned> {
        let answer = self.ask(peer, request)?;
        match answer.option(option::ECHO) {
            Some(echo) if answer.code == Code::UNAUTHORIZED => {
                self.ask(peer, &request.clone().with(option::ECHO, echo))
            }
            _ => Some(answer),
        }
    }

    pub fn upload(&mut self, peer: u16, payload: &[u8]) -> Option<Owned> {
        self.ask(peer, &upload(payload))
    }

    /// Posts a token and gives the client's side of the context.
    pub fn join(&mut self, peer: u16, token: &[u8], name: u8) -> Client {
        let exchange = Exchange::new(name);
        let answer = self
            .upload(peer, &exchange.payload(token))
            .expect("an answer");
        exchange.client(peer, &answer)
    }

    /// A client whose token is confirmed.
    pub fn confirmed(&mut self, peer: u16, claims: &Claims, name: u8) -> Client {
        let mut client = self.join(peer, &issue(claims), name);
        let answer = client.ask(self, &Owned::new(Code::GET, "/.well-known/core"));
        assert_eq!(answer.code, Code::CONTENT);
        client
    }

    /// Fetches events, of which the server keeps a few only.
    pub fn listen(&mut self) {
        self.told
            .extend(std::iter::from_fn(|| self.server.poll_event()));
    }

    pub fn events(&mut self) -> Vec<Event<u16>> {
        self.listen();
        core::mem::take(&mut self.told)
    }

    /// The refusals among the events.
    pub fn refusals(&mut self) -> Vec<Refusal> {
        self.events()
            .into_iter()
            .filter_map(|event| match event.kind {
                EventKind::TokenRefused(refusal) => Some(refusal),
                _ => None,
            })
            .collect()
    }

    /// All that the server keeps of tokens, to see that nothing changed.
    pub fn state(&self) -> String {
        let mut state = String::new();
        for token in self.server.tokens() {
            state += &format!("{token:?}\n");
        }
        state + &format!("{:?} {}", self.flash.0.borrow(), self.server.observations())
    }
}

pub fn upload(payload: &[u8]) -> Owned {
    Owned::new(Code::POST, "/authz-info")
        .with(option::CONTENT_FORMAT, 19u16)
        .body(payload)
}

/// What a client sends beside its token (RFC 9203, 4.1).
#[derive(Debug, Clone)]
pub struct Exchange {
    pub nonce1: Vec<u8>,
    pub id1: Vec<u8>,
    pub material: OscoreInputMaterial,
}

impl Exchange {
    pub fn new(name: u8) -> Self {
        let nonce1 = SeededRandom::new(u64::from(name))
            .below(u64::MAX)
            .to_be_bytes()
            .to_vec();
        Self {
            nonce1,
            id1: vec![0xc0, name],
            material: material(name),
        }
    }

    pub fn payload(&self, token: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 1200];
        let request = AuthzInfoRequest {
            access_token: token,
            nonce1: Some(&self.nonce1),
            client_recipient_id: Some(&self.id1),
        };
        let length = request.encode(&mut out).unwrap();
        out.truncate(length);
        out
    }

    /// Derives the client's side from the server's answer (RFC 9203, 4.3).
    pub fn client(&self, peer: u16, answer: &Owned) -> Client {
        assert_eq!(answer.code, Code::CREATED, "{answer:?}");
        assert_eq!(answer.uint(option::CONTENT_FORMAT), Some(19));
        let response = AuthzInfoResponse::parse(&answer.payload).unwrap();
        assert_eq!(response.nonce2.len(), 8);
        assert_ne!(response.server_recipient_id, self.id1);
        let salt = self.material.salt.clone().unwrap_or_default();
        let mut master_salt = Vec::new();
        for part in [salt.as_slice(), &self.nonce1, response.nonce2] {
            // Short byte strings.
            assert!(part.len() < 24);
            master_salt.push(0x40 | part.len() as u8);
            master_salt.extend_from_slice(part);
        }
        let mut context = SecurityContext::derive(&Parameters {
            master_secret: &self.material.ms,
            master_salt: &master_salt,
            sender_id: response.server_recipient_id,
            recipient_id: &self.id1,
            id_context: self.material.context_id.as_deref(),
            aead: Aead::from_cose(self.material.alg.unwrap_or(10)).unwrap(),
            hkdf: Hkdf::from_cose(self.material.hkdf.unwrap_or(-10)).unwrap(),
        })
        .unwrap();
        context.reserve_up_to(SEQUENCE_LIMIT);
        Client {
            peer,
            context,
            token: 0,
        }
    }
}

/// A client with a security context.
pub struct Client {
    pub peer: u16,
    pub context: SecurityContext,
    token: u16,
}

impl Client {
    /// The protected form of a request, under a CoAP token of its own.
    pub fn protect(&mut self, request: &Owned) -> (Owned, RequestBinding) {
        self.token += 1;
        let mut request = request.clone();
        request.token = Token::new(&self.token.to_be_bytes()).unwrap();
        let plain = request.encode();
        let plain = Message::parse(&plain).unwrap();
        let mut sealed = [0; 2048];
        let (length, binding) = self
            .context
            .protect_request(&plain, false, &mut sealed)
            .unwrap();
        (Owned::parse(&sealed[..length]), binding)
    }

    pub fn open(&self, binding: &mut RequestBinding, answer: &Owned) -> Owned {
        let encoded = answer.encode();
        let message = Message::parse(&encoded).unwrap();
        let mut plain = [0; 2048];
        match self
            .context
            .unprotect_response(binding, &message, &mut plain)
        {
            Ok(message) => Owned::of(&message),
            Err(error) => panic!("{error:?}: {answer:?}"),
        }
    }

    /// Asks under protection; the answer is protected, too.
    pub fn ask(&mut self, bench: &mut Bench, request: &Owned) -> Owned {
        let (sealed, mut binding) = self.protect(request);
        let answer = bench.ask(self.peer, &sealed).expect("an answer");
        assert!(
            answer.option(option::OSCORE).is_some(),
            "unprotected: {answer:?}"
        );
        self.open(&mut binding, &answer)
    }

    pub fn get(&mut self, bench: &mut Bench, path: &str) -> Owned {
        self.ask(bench, &Owned::new(Code::GET, path))
    }

    /// Asks under protection; the answer as it comes, not opened.
    pub fn ask_outer(&mut self, bench: &mut Bench, request: &Owned) -> Option<Owned> {
        let (sealed, _) = self.protect(request);
        bench.ask(self.peer, &sealed)
    }
}
