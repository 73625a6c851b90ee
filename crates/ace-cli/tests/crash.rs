//! `kill -9` of the authorization server under load, at 200 random moments: what clients received is stored, and neither
//! a nonce nor an identifier is used twice.
//!
//! Each client is a thread that asks for one token after the other over a socket of its own and records every datagram;
//! what the server may never do is looked for in that capture.

mod support;

use std::{
    collections::{HashMap, HashSet},
    net::{SocketAddr, UdpSocket},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ace_as::{ClientBundle, RsBundle, Store};
use ace_crypto::{Aead, Hkdf};
use ace_oscore::{OscoreOption, Parameters, SecurityContext};
use ace_token::{TokenKey, TrustedKey};
use ace_wire::{
    ace::{AccessInformation, Confirmation, TokenRequest},
    coap::{Code, Message, OptionList, Token, Type, Writer, content_format, option},
};
use support::Site;

const KILLS: usize = 200;
const CLIENTS: usize = 6;

/// What one client saw.
#[derive(Default)]
struct Capture {
    /// Every datagram of the server.
    received: Vec<Vec<u8>>,
    /// Every datagram of the client, in order.
    sent: Vec<Vec<u8>>,
    /// Tokens and the audience they are for.
    tokens: Vec<(&'static str, Vec<u8>)>,
    /// Identifiers of OSCORE input material.
    materials: Vec<Vec<u8>>,
}

/// A client that asks for tokens as fast as it can until `stop`.
fn load(bundle: &ClientBundle, server: SocketAddr, stop: &AtomicBool) -> Capture {
    let oscore = bundle.authorization_server.oscore.as_ref().expect("OSCORE");
    let mut context = SecurityContext::derive(&Parameters {
        master_secret: oscore.master_secret.as_bytes(),
        master_salt: oscore.master_salt.as_bytes(),
        sender_id: &oscore.sender_id.0,
        recipient_id: &oscore.recipient_id.0,
        id_context: None,
        aead: Aead::AesCcm16_64_128,
        hkdf: Hkdf::Sha256,
    })
    .expect("a context");
    context.reserve_up_to(1 << 39);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .expect("set");
    let mut capture = Capture::default();
    let mut echo: Option<Vec<u8>> = None;
    let mut buffer = [0; 2048];
    let mut id = 0u16;
    while !stop.load(Ordering::Relaxed) {
        let audience = ["thermo", "lock"][usize::from(id % 2)];
        id = id.wrapping_add(1);
        let (datagram, mut binding) = request(&mut context, id, audience, echo.as_deref());
        // Sent again like a CON, with the same bytes, until it is answered or the server is given up.
        for _ in 0..4 {
            capture.sent.push(datagram.clone());
            // A server that is down is what this test is about.
            let _ = socket.send_to(&datagram, server);
            let Ok((length, _)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            capture.received.push(buffer[..length].to_vec());
            let message = Message::parse(&buffer[..length]).expect("a message");
            if message.token.as_bytes() != id.to_be_bytes()
                || !message.options.contains(option::OSCORE)
            {
                continue;
            }
            let mut plain = [0; 2048];
            let answer = context
                .unprotect_response(&mut binding, &message, &mut plain)
                .expect("verifies");
            if let Some(value) = answer.options.find(option::ECHO) {
                assert_eq!(answer.code, Code::UNAUTHORIZED);
                echo = Some(value.to_vec());
                break;
            }
            echo = None;
            // 5.03 is an honest answer of a server whose store is busy.
            if answer.code == Code::CREATED {
                let access = AccessInformation::parse(answer.payload).expect("Access Information");
                capture
                    .tokens
                    .push((audience, access.access_token.to_vec()));
                match access.cnf {
                    Some(Confirmation::Osc(osc)) => {
                        capture.materials.push(osc.id.expect("an id").to_vec())
                    }
                    other => panic!("cnf is {other:?}"),
                }
            } else {
                assert_eq!(
                    answer.code,
                    Code::SERVICE_UNAVAILABLE,
                    "{:?}",
                    answer.payload
                );
            }
            break;
        }
    }
    capture
}

fn request(
    context: &mut SecurityContext,
    id: u16,
    audience: &str,
    echo: Option<&[u8]>,
) -> (Vec<u8>, ace_oscore::RequestBinding) {
    let mut payload = [0; 128];
    let length = TokenRequest {
        audience: Some(audience),
        ..Default::default()
    }
    .encode(&mut payload)
    .expect("fits");
    let mut options = OptionList::<4>::new();
    options.push(option::URI_PATH, "token").expect("room");
    options
        .push(option::CONTENT_FORMAT, content_format::ACE_CBOR)
        .expect("room");
    if let Some(echo) = echo {
        options.push(option::ECHO, echo).expect("room");
    }
    let mut plain = [0; 256];
    let token = Token::new(&id.to_be_bytes()).expect("short");
    let mut writer =
        Writer::new(&mut plain, Type::Confirmable, Code::POST, id, token).expect("room");
    writer.options(&options).expect("room");
    writer.payload(&payload[..length]).expect("room");
    let length = writer.finish();
    let message = Message::parse(&plain[..length]).expect("a message");
    let mut out = vec![0; 512];
    let (length, binding) = context
        .protect_request(&message, false, &mut out)
        .expect("protected");
    out.truncate(length);
    (out, binding)
}

#[test]
fn kill_9_loses_no_token_and_repeats_no_nonce_and_no_identifier() {
    let site = Site::new();
    let rs: Vec<_> = [("thermo", &[][..]), ("lock", &["--clockless"])]
        .map(|(name, more)| read::<RsBundle>(&site.add("rs", name, more)))
        .into();
    let clients: Vec<ClientBundle> = (0..CLIENTS)
        .map(|number| {
            let name = format!("client{number}");
            let bundle = read(&site.add("client", &name, &[]));
            site.ok(&["grant", &name, "thermo", "GET /temp"]);
            site.ok(&["grant", &name, "lock", "PUT /bolt"]);
            bundle
        })
        .collect();

    let stop = Arc::new(AtomicBool::new(false));
    let loads: Vec<_> = clients
        .into_iter()
        .map(|bundle| {
            let (stop, server) = (Arc::clone(&stop), site.listen);
            std::thread::spawn(move || load(&bundle, server, &stop))
        })
        .collect();

    for _ in 0..KILLS {
        let mut server = site.serve();
        std::thread::sleep(Duration::from_micros(u64::from(
            getrandom::u32().expect("random") % 60_000,
        )));
        server.kill();
    }
    // Once more without a kill: everybody gets a token in the end.
    let server = site.serve();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(500) {
        std::thread::sleep(Duration::from_millis(50));
    }
    stop.store(true, Ordering::Relaxed);
    let captures: Vec<Capture> = loads
        .into_iter()
        .map(|load| load.join().expect("no panic"))
        .collect();
    drop(server);

    let received: usize = captures.iter().map(|capture| capture.tokens.len()).sum();
    assert!(
        received > KILLS,
        "only {received} tokens came through {KILLS} kills"
    );
    for capture in &captures {
        assert!(!capture.tokens.is_empty(), "a client was starved");
        no_nonce_twice(capture);
    }
    no_identifier_twice(&captures, &rs);
    every_token_is_stored(&site, &captures);
    println!("{KILLS} kills, {received} tokens");
}

/// RFC 8613, 7.2: looks at what the server sent under each client's keys.
fn no_nonce_twice(capture: &Capture) {
    // Which request a response answers: the token is the request's number, and the Partial IV is in the request.
    let mut partial_ivs = HashMap::new();
    for datagram in &capture.sent {
        let message = Message::parse(datagram).expect("a message");
        let option = OscoreOption::of(&message).expect("protected");
        let number = option.partial_iv.expect("in a request").number();
        let before = partial_ivs.insert(message.token.as_bytes().to_vec(), (number, datagram));
        // Sent again only byte by byte the same.
        assert!(before.is_none_or(|(n, d)| (n, d) == (number, datagram)));
    }
    let mut used: HashMap<(bool, u64), Vec<u8>> = HashMap::new();
    for datagram in &capture.received {
        let message = Message::parse(datagram).expect("a message");
        let Ok(option) = OscoreOption::of(&message) else {
            continue;
        };
        let nonce = match option.partial_iv {
            Some(own) => (true, own.number()),
            None => (false, partial_ivs[message.token.as_bytes()].0),
        };
        // The same nonce is allowed for the same message alone: a stored answer repeated.
        let before = used.insert(nonce, message.payload.to_vec());
        assert!(
            before.is_none_or(|before| before == message.payload),
            "nonce {nonce:?} used twice"
        );
    }
}

fn no_identifier_twice(captures: &[Capture], rs: &[RsBundle]) {
    let mut materials = HashSet::new();
    for material in captures.iter().flat_map(|capture| &capture.materials) {
        assert!(
            materials.insert(material),
            "input material {material:02x?} issued twice"
        );
    }
    let (mut ctis, mut nonces, mut distinct) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (audience, token) in captures.iter().flat_map(|capture| &capture.tokens) {
        // A stored answer that was repeated brings the same token again.
        if !distinct.insert(token) {
            continue;
        }
        let bundle = rs
            .iter()
            .find(|bundle| bundle.audience == *audience)
            .expect("registered");
        let key = &bundle.token_keys[0];
        let keys = [TrustedKey {
            kid: Some(&key.kid.0),
            issuer: &bundle.issuer,
            key: TokenKey::Aead(
                Aead::AesCcm16_64_128,
                key.secret().expect("shared").as_bytes(),
            ),
        }];
        let mut plain = [0; 1024];
        let opened = ace_token::open(token, &keys, &mut plain).expect("opens");
        let cti = opened.claims.cti.expect("a cti").to_vec();
        assert!(
            ctis.insert((*audience, cti.clone())),
            "cti {cti:02x?} issued twice"
        );
        let header = ace_wire::cose::Message::parse(token).expect("COSE");
        let iv = header.header().iv.expect("an IV").to_vec();
        assert!(nonces.insert((*audience, iv)), "a token nonce used twice");
        assert_eq!(opened.claims.exi.is_some(), *audience == "lock");
    }
}

fn every_token_is_stored(site: &Site, captures: &[Capture]) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(site.file("store.sqlite"))
            .await
            .expect("the store opens");
        assert!(!store.has_token(b"never issued").await.expect("read"));
        for (_, token) in captures.iter().flat_map(|capture| &capture.tokens) {
            assert!(
                store.has_token(token).await.expect("read"),
                "a token was answered and not stored"
            );
        }
    });
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&std::fs::read_to_string(path).expect("read")).expect("a bundle")
}
