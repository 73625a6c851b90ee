//! Secrets never reach the log, at any level, whatever happens.

use std::{
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use ace_as::{
    Answer, AuthorizationServer, ClientOptions, ClientProfile, Config, DeviceKey, DtlsBundle,
    DtlsCredentials, Limits, OscoreBundle, PeerId, Registry, RsOptions, RsProfile, Site, Store,
};
use ace_coap::{Instant, OutMessage};
use ace_crypto::{Aead, Hkdf, VerifyingKey};
use ace_dtls::{Credentials, Decision};
use ace_oscore::{Parameters, SEQUENCE_LIMIT, SecurityContext};
use ace_wire::{
    ace::{AccessInformation, Confirmation, Scope, TokenRequest},
    coap::{Code, Message, Token, Type, option},
};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The forms in which bytes end up in a log.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex = hex::encode(secret);
    let numbers = format!("{secret:?}");
    let numbers = numbers.trim_matches(['[', ']']).to_owned();
    let hex_numbers = format!("{secret:x?}");
    let hex_numbers = hex_numbers.trim_matches(['[', ']']).to_owned();
    vec![
        secret.to_vec(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        numbers.into_bytes(),
        hex_numbers.into_bytes(),
    ]
}

fn context(bundle: &OscoreBundle) -> SecurityContext {
    let mut context = SecurityContext::derive(&Parameters {
        master_secret: bundle.master_secret.as_bytes(),
        master_salt: bundle.master_salt.as_bytes(),
        sender_id: &bundle.sender_id.0,
        recipient_id: &bundle.recipient_id.0,
        id_context: None,
        aead: Aead::from_cose(bundle.alg).unwrap(),
        hkdf: Hkdf::from_cose(bundle.hkdf).unwrap(),
    })
    .unwrap();
    context.reserve_up_to(SEQUENCE_LIMIT);
    context
}

fn encoded(message: &OutMessage<'_>) -> Vec<u8> {
    let mut out = vec![0; message.encoded_len(8)];
    let length = message
        .encode(&mut out, Type::Confirmable, 1, Token::EMPTY)
        .unwrap();
    out.truncate(length);
    out
}

struct World {
    server: Option<AuthorizationServer>,
    secrets: Vec<Vec<u8>>,
}

impl World {
    async fn restart(&mut self, store: Store, config: &Config) {
        drop(self.server.take());
        self.server = Some(
            AuthorizationServer::new(store, config.clone())
                .await
                .unwrap(),
        );
    }

    async fn send(&self, datagram: &[u8]) -> Option<Answer> {
        let peer = SocketAddr::from(([127, 0, 0, 1], 4711));
        let message = Message::parse(datagram).unwrap();
        self.server
            .as_ref()
            .unwrap()
            .handle(Instant(1), 1_700_000_000, peer, &message, datagram.len())
            .await
    }

    /// Asks for a token under `context` and remembers every secret of the answer.
    async fn ask(
        &mut self,
        context: &mut SecurityContext,
        request: &TokenRequest<'_>,
    ) -> Option<Code> {
        let mut payload = [0; 512];
        let length = request.encode(&mut payload).unwrap();
        let mut message = OutMessage::new(Code::POST).with_payload(&payload[..length]);
        message.options.push_path("/token").unwrap();
        message.options.push(option::CONTENT_FORMAT, 19u16).unwrap();
        let plain = encoded(&message);
        let mut datagram = vec![0; plain.len() + 64];
        let (length, mut binding) = context
            .protect_request(&Message::parse(&plain).unwrap(), false, &mut datagram)
            .unwrap();
        datagram.truncate(length);
        let mut forged = datagram.clone();
        *forged.last_mut().unwrap() ^= 1;
        self.send(&forged).await;
        let answer = self.send(&datagram).await?;
        self.send(&datagram).await;
        let response = encoded(&answer.as_message().unwrap());
        let mut out = vec![0; response.len()];
        let opened = context
            .unprotect_response(&mut binding, &Message::parse(&response).unwrap(), &mut out)
            .ok()?;
        if let Ok(information) = AccessInformation::parse(opened.payload) {
            self.secrets.push(information.access_token.to_vec());
            if let Some(Confirmation::Osc(material)) = information.cnf {
                self.secrets.push(material.ms.unwrap().to_vec());
                self.secrets.push(material.salt.unwrap().to_vec());
            }
        }
        Some(opened.code)
    }
}

/// The number under which the handshakes know whoever has this credential.
async fn decided<T>(
    credentials: &mut DtlsCredentials,
    mut ask: impl FnMut(&mut DtlsCredentials) -> Decision<T>,
) -> T {
    loop {
        match ask(credentials) {
            Decision::Accept(peer) => return peer,
            Decision::Pending => credentials.notify().notified().await,
            _ => panic!("refused"),
        }
    }
}

/// Devices with all kinds of keys for DTLS, their tokens and what is refused to them.
async fn over_dtls(world: &mut World, registry: &Registry) {
    let client = |profile| ClientOptions { profile };
    let psk = client(ClientProfile::CoapDtlsPsk);
    let petra = registry.add_client("petra", &psk).await.unwrap();
    let rosa = ClientProfile::CoapDtlsRpk(DeviceKey::default());
    let rosa = registry.add_client("rosa", &client(rosa)).await.unwrap();
    let server = world.server.as_ref().unwrap();
    let mut credentials = server.credentials().await.unwrap();
    tracing::debug!(?credentials, ?petra, ?rosa, "what Debug shows of DTLS");
    let own = credentials.signing_key().unwrap().to_bytes();
    world.secrets.push(own.as_bytes().to_vec());
    let Some(DtlsBundle::Psk { psk_identity, psk }) = &petra.authorization_server.dtls else {
        panic!()
    };
    world.secrets.push(psk.as_bytes().to_vec());
    let Some(DtlsBundle::Rpk {
        private_key: Some(private),
        public_key,
        ..
    }) = &rosa.authorization_server.dtls
    else {
        panic!()
    };
    world.secrets.push(private.as_bytes().to_vec());
    let rosa = VerifyingKey::from_spki(&public_key.0).unwrap();
    let kid = ace_crypto::key_id(&rosa);
    let petra = decided(&mut credentials, |all| all.find_psk(&psk_identity.0)).await;
    let rosa = decided(&mut credentials, |all| all.accept_key(&rosa)).await;
    let peers = [PeerId::new(petra.peer), PeerId::new(rosa)];
    for (name, token_alg, derive_keys) in [
        ("encrypted", 10, false),
        ("derived", 10, true),
        ("signed", -7, true),
    ] {
        let options = RsOptions {
            token_alg,
            derive_keys,
            profiles: RsProfile::named("coap_dtls").to_vec(),
            ..RsOptions::default()
        };
        let bundle = registry.add_rs(name, name, &options).await.unwrap();
        tracing::debug!(?bundle, "what Debug shows of a resource server");
        let keys = bundle.token_keys.iter().filter_map(|key| key.secret());
        for key in keys.chain(&bundle.key_derivation_key) {
            world.secrets.push(key.as_bytes().to_vec());
        }
        for (client, peer, req_cnf) in [
            ("petra", peers[0], None),
            ("rosa", peers[1], Some(Confirmation::Kid(&kid))),
            ("petra", peers[0], Some(Confirmation::Kid(b"never"))),
        ] {
            registry.grant(client, name, "GET /temp").await.unwrap();
            let request = TokenRequest {
                audience: Some(name),
                req_cnf,
                ..TokenRequest::default()
            };
            let mut payload = [0; 128];
            let length = request.encode(&mut payload).unwrap();
            let mut message = OutMessage::new(Code::POST).with_payload(&payload[..length]);
            message.options.push_path("/token").unwrap();
            let datagram = encoded(&message);
            let message = Message::parse(&datagram).unwrap();
            let server = world.server.as_ref().unwrap();
            let answer = server.handle_in_session(Instant(1), 1_700_000_000, peer, &message);
            let answer = answer.await.unwrap();
            let Ok(information) = AccessInformation::parse(&answer.payload) else {
                assert_eq!(req_cnf, Some(Confirmation::Kid(b"never")));
                continue;
            };
            world.secrets.push(information.access_token.to_vec());
            if let Some(Confirmation::CoseKey(key)) = information.cnf {
                world.secrets.push(key.k.unwrap().to_vec());
            }
        }
    }
}

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let store = Store::create(&path).await.unwrap();
    let site = Site {
        issuer: "coap://as".into(),
        uri: "coap://as/token".into(),
        coaps_uri: Some("coaps://as/token".into()),
    };
    let registry = Registry::new(store.clone(), site.clone());
    let config = Config {
        site: site.clone(),
        token_lifetime: 60,
        limits: Limits {
            contexts: 4,
            bodies: 2,
        },
    };
    let thermo = registry
        .add_rs("thermo", "thermo", &RsOptions::default())
        .await
        .unwrap();
    let alice = registry
        .add_client("alice", &ClientOptions::default())
        .await
        .unwrap();
    registry
        .grant("alice", "thermo", "GET /temp")
        .await
        .unwrap();
    let mut world = World {
        server: Some(
            AuthorizationServer::new(store.clone(), config.clone())
                .await
                .unwrap(),
        ),
        secrets: Vec::new(),
    };
    for oscore in [
        thermo.authorization_server.oscore.as_ref().unwrap(),
        alice.authorization_server.oscore.as_ref().unwrap(),
    ] {
        world.secrets.push(oscore.master_secret.as_bytes().to_vec());
        world.secrets.push(oscore.master_salt.as_bytes().to_vec());
    }
    world
        .secrets
        .push(thermo.token_keys[0].secret().unwrap().as_bytes().to_vec());
    world.secrets.push(b"hunter2 of alice".to_vec());
    tracing::debug!(?alice, ?thermo, ?registry, server = ?world.server, "what Debug shows");

    let mut context = context(alice.authorization_server.oscore.as_ref().unwrap());
    let request = TokenRequest {
        audience: Some("thermo"),
        ..TokenRequest::default()
    };
    assert_eq!(world.ask(&mut context, &request).await, Some(Code::CREATED));
    for refused in [
        TokenRequest {
            audience: Some("elsewhere\nforged line"),
            ..request
        },
        TokenRequest {
            client_id: Some("bob"),
            ..request
        },
        TokenRequest {
            client_secret: Some(b"hunter2 of alice"),
            ..request
        },
        TokenRequest {
            scope: Some(Scope::Text("everything")),
            ..request
        },
        TokenRequest {
            req_cnf: Some(Confirmation::Kid(b"never")),
            ..request
        },
    ] {
        assert!(
            world
                .ask(&mut context, &refused)
                .await
                .is_some_and(|code| !code.is_success())
        );
    }
    over_dtls(&mut world, &registry).await;
    // After a restart, with a store that fails, and without the client.
    world
        .restart(Store::open(&path).await.unwrap(), &config)
        .await;
    assert_eq!(
        world.ask(&mut context, &request).await,
        Some(Code::UNAUTHORIZED)
    );
    let closed = Store::open(&path).await.unwrap();
    world.restart(closed.clone(), &config).await;
    closed.close().await;
    assert_eq!(world.ask(&mut context, &request).await, None);
    world
        .restart(Store::open(&path).await.unwrap(), &config)
        .await;
    registry.remove_client("alice").await.unwrap();
    assert_eq!(world.ask(&mut context, &request).await, None);

    let log = log.0.lock().unwrap();
    let text = String::from_utf8_lossy(&log);
    // The log is there, one event per decision, and what a client wrote stays on its line.
    assert_eq!(text.matches("token issued").count(), 1 + 6);
    assert_eq!(text.matches("token refused").count(), 5 + 3);
    assert!(text.contains(r#"audience=Some("elsewhere\nforged line")"#));
    assert!(text.contains(
        r#"client="alice" rs="thermo" audience=Some("thermo") asked=None granted=Some("GET /temp")"#
    ));
    for expected in [
        "invalid_request",
        "invalid_client",
        "invalid_scope",
        "unsupported_pop_key",
        r#"profile="coap_dtls-rpk""#,
        "what Debug shows",
        "what Debug shows of DTLS",
    ] {
        assert!(text.contains(expected), "{expected}");
    }
    assert!(world.secrets.len() >= 9 + 16);
    for secret in &world.secrets {
        // The first eight bytes would give it away as well.
        for part in [&secret[..], &secret[..8]] {
            for form in forms(part) {
                let found = log.windows(form.len()).position(|window| window == form);
                assert_eq!(found, None, "{}", String::from_utf8_lossy(&form));
            }
        }
    }
}
