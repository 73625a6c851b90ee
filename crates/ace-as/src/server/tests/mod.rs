mod dtls;
mod hostile;
mod oscore;
mod plain;
mod transfer;

use std::net::SocketAddr;

use ace_coap::{Instant, OutMessage};
use ace_crypto::{Aead, Hkdf};
use ace_oscore::{Parameters, RequestBinding, SEQUENCE_LIMIT, SecurityContext};
use ace_wire::{
    ace::{AccessInformation, ErrorCode, ErrorResponse, TokenRequest},
    coap::{Code, Message, Token, Type, content_format::ACE_CBOR, option},
};

use crate::{
    Answer, AuthorizationServer, Config, Limits, Registry, Site, Store,
    registry::{ClientOptions, OscoreBundle, RsOptions},
};

const NOW: u64 = 1_700_000_000;
const HOME: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 40_000);
const ELSEWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 40_001);

/// A site with thermo, and the server that runs on it.
struct World {
    _folder: tempfile::TempDir,
    registry: Registry,
    server: AuthorizationServer,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(folder.path().join("store.sqlite"))
            .await
            .unwrap();
        let registry = Registry::new(store.clone(), site());
        registry
            .add_rs("thermo", "thermo", &RsOptions::default())
            .await
            .unwrap();
        Self {
            _folder: folder,
            registry,
            server: server(store).await,
        }
    }

    /// A registered client with a grant at thermo.
    async fn client(&self, name: &str) -> Client {
        let bundle = self
            .registry
            .add_client(name, &ClientOptions::default())
            .await
            .unwrap();
        self.registry
            .grant(name, "thermo", "GET /temp")
            .await
            .unwrap();
        Client::new(bundle.authorization_server.oscore.as_ref().unwrap())
    }

    /// The server again, from what the store holds.
    async fn crash(self) -> Self {
        let Self {
            _folder,
            registry,
            server: killed,
        } = self;
        let path = killed.store().path().to_path_buf();
        drop(killed);
        let server = server(Store::open(path).await.unwrap()).await;
        Self {
            _folder,
            registry,
            server,
        }
    }

    async fn send(&self, from: SocketAddr, datagram: &[u8]) -> Option<Answer> {
        let message = Message::parse(datagram).unwrap();
        self.server
            .handle(Instant(1000), NOW, from, &message, datagram.len())
            .await
    }

    async fn count(&self, query: &'static str) -> i64 {
        let mut transaction = self.server.store().snapshot().await.unwrap();
        sqlx::query_scalar(query)
            .fetch_one(&mut *transaction)
            .await
            .unwrap()
    }

    async fn tokens(&self) -> i64 {
        self.count("SELECT count(*) FROM token").await
    }

    /// Makes every later write of `table` fail, as a full disk does.
    async fn break_table(&self, change: &'static str) {
        let mut transaction = self.server.store().begin().await.unwrap();
        sqlx::query(change)
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
    }
}

fn site() -> Site {
    Site {
        issuer: "coap://as".into(),
        uri: "coap://as/token".into(),
        coaps_uri: Some("coaps://as/token".into()),
    }
}

fn config() -> Config {
    Config {
        site: site(),
        token_lifetime: 3600,
        limits: Limits {
            contexts: 8,
            bodies: 4,
        },
    }
}

async fn server(store: Store) -> AuthorizationServer {
    AuthorizationServer::new(store, config()).await.unwrap()
}

/// What an answer says, after OSCORE.
#[derive(Debug)]
struct Opened {
    code: Code,
    options: Vec<(u16, Vec<u8>)>,
    payload: Vec<u8>,
}

impl Opened {
    fn option(&self, number: u16) -> Option<&[u8]> {
        self.options
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, value)| &value[..])
    }

    fn error(&self) -> ErrorCode {
        ErrorResponse::parse(&self.payload).unwrap().error
    }

    fn is_token(&self) -> bool {
        self.code == Code::CREATED && AccessInformation::parse(&self.payload).is_ok()
    }
}

/// The client's end of a security context.
struct Client {
    context: SecurityContext,
    id: u16,
}

impl Client {
    fn new(bundle: &OscoreBundle) -> Self {
        let mut context = SecurityContext::derive(&Parameters {
            master_secret: bundle.master_secret.as_bytes(),
            master_salt: bundle.master_salt.as_bytes(),
            sender_id: &bundle.sender_id.0,
            recipient_id: &bundle.recipient_id.0,
            id_context: bundle.id_context.as_ref().map(|id| &id.0[..]),
            aead: Aead::from_cose(bundle.alg).unwrap(),
            hkdf: Hkdf::from_cose(bundle.hkdf).unwrap(),
        })
        .unwrap();
        context.reserve_up_to(SEQUENCE_LIMIT);
        Self { context, id: 0 }
    }

    fn protect(&mut self, request: &OutMessage<'_>) -> (Vec<u8>, RequestBinding) {
        self.id += 1;
        let plain = encoded(request, self.id);
        let mut out = vec![0; plain.len() + 64];
        let (length, binding) = self
            .context
            .protect_request(&Message::parse(&plain).unwrap(), false, &mut out)
            .unwrap();
        out.truncate(length);
        (out, binding)
    }

    /// `None` if the answer is not protected for this request.
    fn open(&mut self, answer: &Answer, mut binding: RequestBinding) -> Option<Opened> {
        let datagram = encoded(&answer.as_message().unwrap(), 1);
        let mut out = vec![0; datagram.len()];
        let message = self
            .context
            .unprotect_response(&mut binding, &Message::parse(&datagram).unwrap(), &mut out)
            .ok()?;
        Some(Opened {
            code: message.code,
            options: message
                .options
                .iter()
                .map(|o| (o.number, o.value.to_vec()))
                .collect(),
            payload: message.payload.to_vec(),
        })
    }

    /// One exchange, protected both ways.
    async fn ask(&mut self, world: &World, request: &OutMessage<'_>) -> Opened {
        let (datagram, binding) = self.protect(request);
        let answer = world.send(HOME, &datagram).await.expect("an answer");
        assert_eq!(answer.code, Code::CHANGED, "{answer:?}");
        self.open(&answer, binding).expect("a protected answer")
    }

    /// An exchange that goes through the Echo dance if the server has lost its replay window.
    async fn ask_with_echo(&mut self, world: &World, request: &OutMessage<'_>) -> Opened {
        let first = self.ask(world, request).await;
        let Some(echo) = first.option(option::ECHO).map(<[u8]>::to_vec) else {
            return first;
        };
        assert_eq!((first.code, first.payload.len()), (Code::UNAUTHORIZED, 0));
        let mut again = *request;
        again.options.push(option::ECHO, &echo[..]).unwrap();
        self.ask(world, &again).await
    }
}

fn encoded(message: &OutMessage<'_>, id: u16) -> Vec<u8> {
    let token = if message.code.is_request() {
        Token::new(&[0xaa, 0xbb]).unwrap()
    } else {
        Token::EMPTY
    };
    let mut out = vec![0; message.encoded_len(8)];
    let length = message
        .encode(&mut out, Type::Confirmable, id, token)
        .unwrap();
    out.truncate(length);
    out
}

/// POST /token with this payload.
fn post(payload: &[u8]) -> OutMessage<'_> {
    let mut message = OutMessage::new(Code::POST).with_payload(payload);
    message.options.push_path("/token").unwrap();
    message
        .options
        .push(option::CONTENT_FORMAT, ACE_CBOR)
        .unwrap();
    message
}

fn get(path: &str) -> OutMessage<'_> {
    let mut message = OutMessage::new(Code::GET);
    message.options.push_path(path).unwrap();
    message
}

/// {audience: "thermo"}
const REQUEST: &[u8] = b"\xa1\x05\x66thermo";

#[test]
fn the_request_used_here_is_a_token_request() {
    assert_eq!(
        TokenRequest::parse(REQUEST).unwrap().audience,
        Some("thermo")
    );
}
