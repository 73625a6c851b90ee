//! Clients and resource servers over DTLS, from their first flight on (RFC 9202, 3.1 and 6).

use std::time::Duration;

use ace_crypto::{SigningKey, VerifyingKey};
use ace_dtls::{
    CipherSuite, CloseReason, Config as DtlsConfig, Connection, Credentials, Decision, Event,
    Incoming, Listener, OwnPsk, Peer,
};
use getrandom::{SysRng, rand_core::UnwrapErr};

use super::*;
use crate::{
    DtlsCredentials, PeerId,
    registry::{ClientProfile, Curve, DeviceKey, DtlsBundle, RsProfile, SecretHex},
};

/// A device's end, from its bundle.
enum Device {
    Psk(Vec<u8>, Vec<u8>),
    Key(Box<SigningKey>, VerifyingKey),
}

impl Device {
    fn of(access: &crate::AsAccess) -> Self {
        match access.dtls.as_ref().unwrap() {
            DtlsBundle::Psk { psk_identity, psk } => {
                Self::Psk(psk_identity.0.clone(), psk.as_bytes().to_vec())
            }
            DtlsBundle::Rpk {
                private_key,
                public_key,
                peer_public_key,
            } => {
                let algorithm = VerifyingKey::from_spki(&public_key.0).unwrap().algorithm();
                let private = private_key.as_ref().map(SecretHex::as_bytes).unwrap();
                Self::Key(
                    Box::new(SigningKey::from_bytes(algorithm, private).unwrap()),
                    VerifyingKey::from_spki(&peer_public_key.0).unwrap(),
                )
            }
        }
    }

    fn suites(&self) -> &'static [CipherSuite] {
        match self {
            Self::Psk(..) => &[CipherSuite::PskAes128Ccm8],
            Self::Key(..) => &[CipherSuite::EcdheEcdsaAes128Ccm8],
        }
    }
}

impl Credentials for Device {
    fn own_psk(&self, _hint: &[u8]) -> Option<OwnPsk<'_>> {
        match self {
            Self::Psk(identity, key) => Some(OwnPsk { identity, key }),
            Self::Key(..) => None,
        }
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        match self {
            Self::Psk(..) => None,
            Self::Key(key, _) => Some(key),
        }
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        match self {
            Self::Key(_, pinned) if pinned == key => Decision::Accept(0),
            _ => Decision::Refuse,
        }
    }
}

/// Shakes hands with the AS: who it takes the device for, or why it does not.
async fn shake_hands(
    credentials: &mut DtlsCredentials,
    device: &mut Device,
) -> Result<PeerId, CloseReason> {
    let mut now = ace_dtls::Instant(0);
    let mut rng = UnwrapErr(SysRng);
    let config = DtlsConfig {
        suites: device.suites(),
        ..DtlsConfig::DEFAULT
    };
    let mut listener = Listener::new(Listener::DEFAULT_PERIOD, now, &mut rng);
    let mut client: Connection = Connection::client(&config, now, device, &mut rng).unwrap();
    let mut server: Option<Connection> = None;
    let notify = credentials.notify();
    let mut buffer = [0; 2048];
    for _ in 0..50 {
        while let Some(length) = client.poll_transmit(&mut buffer) {
            let mut datagram = buffer[..length].to_vec();
            if server.is_none() {
                let mut reply = [0; 64];
                match listener.handle(now, b"home", &datagram, &mut rng, &mut reply) {
                    Incoming::Reply(length) => {
                        client.handle(now, &mut reply[..length], device, &mut rng);
                    }
                    Incoming::Accept(accept) => {
                        server = Some(Connection::server(&DtlsConfig::DEFAULT, accept, now));
                    }
                    Incoming::Drop(error) => panic!("{error}"),
                }
            }
            if let Some(server) = &mut server {
                server.handle(now, &mut datagram, credentials, &mut rng);
            }
        }
        let Some(server) = &mut server else { continue };
        if server.is_waiting() {
            let known = tokio::time::timeout(Duration::from_secs(5), notify.notified());
            known.await.expect("an answer of the store");
            server.resume(now, credentials, &mut rng);
        }
        while let Some(length) = server.poll_transmit(&mut buffer) {
            client.handle(now, &mut buffer[..length], device, &mut rng);
        }
        for event in std::iter::from_fn(|| server.poll_event()) {
            match event {
                Event::Closed(reason) => return Err(reason),
                Event::Connected => match server.session().peer() {
                    Peer::Psk(number) | Peer::Key(number) => return Ok(PeerId::new(number)),
                    other => panic!("{other:?}"),
                },
                _ => {}
            }
        }
        for event in std::iter::from_fn(|| client.poll_event()) {
            if let Event::Closed(reason) = event {
                // The other side is told, or runs out of patience.
                while let Some(length) = client.poll_transmit(&mut buffer) {
                    server.handle(now, &mut buffer[..length], credentials, &mut rng);
                }
                return Err(reason);
            }
        }
        // What came while the store was asked comes again.
        let timeouts = [client.poll_timeout(), server.poll_timeout()];
        let Some(next) = timeouts.into_iter().flatten().min() else {
            break;
        };
        now = next;
        client.handle_timeout(now);
        server.handle_timeout(now);
    }
    Err(CloseReason::TimedOut)
}

impl World {
    async fn credentials(&self) -> DtlsCredentials {
        self.server.credentials().await.unwrap()
    }

    /// A registered client with a grant at thermo, which speaks DTLS.
    async fn device(&self, name: &str, profile: ClientProfile) -> Device {
        let options = ClientOptions { profile };
        let bundle = self.registry.add_client(name, &options).await.unwrap();
        self.registry
            .grant(name, "thermo", "GET /temp")
            .await
            .unwrap();
        Device::of(&bundle.authorization_server)
    }

    /// With a thermo that speaks every profile.
    async fn all_profiles() -> Self {
        let world = Self::new().await;
        world.registry.remove_rs("thermo").await.unwrap();
        let options = RsOptions {
            profiles: RsProfile::ALL.to_vec(),
            ..RsOptions::default()
        };
        let added = world.registry.add_rs("thermo", "thermo", &options).await;
        added.unwrap();
        world
    }

    async fn in_session(&self, peer: PeerId, request: &OutMessage<'_>) -> Option<Answer> {
        let datagram = encoded(request, 1);
        let message = Message::parse(&datagram).unwrap();
        self.server
            .handle_in_session(Instant(1000), NOW, peer, &message)
            .await
    }
}

fn rpk(curve: Curve) -> ClientProfile {
    ClientProfile::CoapDtlsRpk(DeviceKey::Generate(curve))
}

fn is_token(answer: &Answer) -> bool {
    answer.code == Code::CREATED && AccessInformation::parse(&answer.payload).is_ok()
}

fn option_of(answer: &Answer, number: u16) -> Option<&[u8]> {
    let mut options = answer.options.iter();
    let found = options.find(|(each, _)| *each == number);
    found.map(|(_, value)| &value[..])
}

#[tokio::test]
async fn rfc9202_6_clients_get_tokens_over_dtls_with_either_kind_of_key() {
    let world = World::all_profiles().await;
    let mut credentials = world.credentials().await;
    let mut seen = std::collections::HashSet::new();
    for (name, profile) in [
        ("petra", ClientProfile::CoapDtlsPsk),
        ("rosa", rpk(Curve::P256)),
        ("edda", rpk(Curve::Ed25519)),
    ] {
        let mut device = world.device(name, profile).await;
        let peer = shake_hands(&mut credentials, &mut device).await.unwrap();
        assert!(seen.insert(peer));
        let answer = world.in_session(peer, &post(REQUEST)).await.unwrap();
        assert!(is_token(&answer), "{name}: {answer:?}");
        // RFC 9202, 3.2.1: shorter than the token lives, without saying so.
        assert_eq!(option_of(&answer, option::MAX_AGE), None);
        // The same again, from another session.
        assert_eq!(shake_hands(&mut credentials, &mut device).await, Ok(peer));
    }
    assert_eq!(world.tokens().await, 3);
}

#[tokio::test]
async fn rfc9202_6_a_resource_server_is_known_by_its_key_too() {
    let world = World::all_profiles().await;
    let bundle = world.registry.rs_bundle("thermo").await.unwrap();
    let mut device = Device::of(&bundle.authorization_server);
    let mut credentials = world.credentials().await;
    let peer = shake_hands(&mut credentials, &mut device).await.unwrap();
    let answer = world.in_session(peer, &post(REQUEST)).await.unwrap();
    let error = ErrorResponse::parse(&answer.payload).unwrap().error;
    assert_eq!(error, ErrorCode::UnauthorizedClient);
    let answer = world.in_session(peer, &get("/.well-known/core")).await;
    assert_eq!(answer.unwrap().code, Code::CONTENT);
}

#[tokio::test]
async fn rfc9202_3_1_who_is_not_registered_gets_no_session() {
    let world = World::all_profiles().await;
    let mut credentials = world.credentials().await;
    let petra = world.device("petra", ClientProfile::CoapDtlsPsk).await;
    let paul = world.device("paul", ClientProfile::CoapDtlsPsk).await;
    let rosa = world.device("rosa", rpk(Curve::P256)).await;
    let (Device::Psk(petra_id, petra_key), Device::Psk(_, paul_key), Device::Key(_, pinned)) =
        (&petra, &paul, &rosa)
    else {
        panic!()
    };
    let stranger = crate::store::generate(ace_crypto::Signature::Es256).unwrap();
    let stranger = Box::new(stranger);
    for (what, mut device) in [
        (
            "an unknown identity",
            Device::Psk(b"nobody".to_vec(), petra_key.clone()),
        ),
        ("no identity", Device::Psk(Vec::new(), petra_key.clone())),
        (
            "a longer one",
            Device::Psk([petra_id.as_slice(), b"0"].concat(), petra_key.clone()),
        ),
        (
            "another's identity",
            Device::Psk(petra_id.clone(), paul_key.clone()),
        ),
        ("an unknown key", Device::Key(stranger.clone(), *pinned)),
    ] {
        let refused = shake_hands(&mut credentials, &mut device).await;
        assert!(refused.is_err(), "{what}");
    }
    // And a device does not take another for the AS.
    let Device::Key(own, _) = rosa else { panic!() };
    let mut device = Device::Key(own, stranger.verifying_key());
    shake_hands(&mut credentials, &mut device)
        .await
        .unwrap_err();
    assert_eq!(world.tokens().await, 0);
}

#[tokio::test]
async fn a_removed_client_is_refused_at_its_next_request_and_handshake() {
    let world = World::all_profiles().await;
    for (name, profile) in [
        ("petra", ClientProfile::CoapDtlsPsk),
        ("rosa", rpk(Curve::P256)),
    ] {
        let mut credentials = world.credentials().await;
        let mut device = world.device(name, profile).await;
        let peer = shake_hands(&mut credentials, &mut device).await.unwrap();
        assert!(is_token(
            &world.in_session(peer, &post(REQUEST)).await.unwrap()
        ));
        world.registry.remove_client(name).await.unwrap();
        let answer = world.in_session(peer, &post(REQUEST)).await.unwrap();
        assert_eq!(answer.code, Code::UNAUTHORIZED);
        let error = ErrorResponse::parse(&answer.payload).unwrap().error;
        assert_eq!(error, ErrorCode::InvalidClient);
        for request in [get("/.well-known/core"), get("/nothing")] {
            let answer = world.in_session(peer, &request).await.unwrap();
            assert_eq!(answer.code, Code::UNAUTHORIZED);
        }
        // What the store said a moment ago is forgotten soon.
        tokio::time::sleep(Duration::from_millis(2100)).await;
        shake_hands(&mut credentials, &mut device)
            .await
            .unwrap_err();
        // Another of this name is not taken for it.
        world.device(name, profile).await;
        let answer = world.in_session(peer, &post(REQUEST)).await.unwrap();
        assert_eq!(answer.code, Code::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn an_anonymous_peer_is_nobody() {
    let world = World::all_profiles().await;
    // The number that `ace-net` has for it; somebody in the store has the id 0.
    for number in [0, u64::MAX] {
        let answer = world.in_session(PeerId::new(number), &post(REQUEST)).await;
        assert_eq!(answer.unwrap().code, Code::UNAUTHORIZED);
    }
    assert_eq!(world.tokens().await, 0);
}

#[tokio::test]
async fn rfc9202_3_2_1_an_answer_does_not_outlive_its_token_in_a_cache() {
    let mut world = World::all_profiles().await;
    let path = world.server.store().path().to_path_buf();
    drop(world.server);
    let store = Store::open(path).await.unwrap();
    let config = Config {
        token_lifetime: 20,
        ..config()
    };
    world.server = AuthorizationServer::new(store, config).await.unwrap();
    let mut device = world.device("petra", ClientProfile::CoapDtlsPsk).await;
    let mut credentials = world.credentials().await;
    let peer = shake_hands(&mut credentials, &mut device).await.unwrap();
    let answer = world.in_session(peer, &post(REQUEST)).await.unwrap();
    assert!(is_token(&answer));
    assert_eq!(option_of(&answer, option::MAX_AGE), Some(&[20][..]));
    let refused = world.in_session(peer, &post(b"\xa0\x00")).await.unwrap();
    assert_eq!(option_of(&refused, option::MAX_AGE), None);
}

#[tokio::test]
async fn requests_that_are_none_of_ours_are_refused_in_a_session_as_elsewhere() {
    let world = World::all_profiles().await;
    let mut device = world.device("petra", ClientProfile::CoapDtlsPsk).await;
    let mut credentials = world.credentials().await;
    let peer = shake_hands(&mut credentials, &mut device).await.unwrap();
    let mut proxied = post(REQUEST);
    proxied.options.push(option::PROXY_SCHEME, "coap").unwrap();
    let mut oscore = post(REQUEST);
    oscore.options.push(option::OSCORE, &[][..]).unwrap();
    for (request, code) in [
        (proxied, Code::PROXYING_NOT_SUPPORTED),
        (oscore, Code::BAD_OPTION),
        (get("/token"), Code::METHOD_NOT_ALLOWED),
        (get("/"), Code::NOT_FOUND),
        (post(b""), Code::BAD_REQUEST),
    ] {
        let answer = world.in_session(peer, &request).await.unwrap();
        assert_eq!(answer.code, code);
    }
    let response = OutMessage::new(Code::CONTENT);
    assert!(world.in_session(peer, &response).await.is_none());
}

#[tokio::test]
async fn rfc7959_bodies_come_and_go_in_blocks_and_are_of_one_peer() {
    use ace_wire::coap::Block;
    let world = World::all_profiles().await;
    let mut credentials = world.credentials().await;
    let mut petra = world.device("petra", ClientProfile::CoapDtlsPsk).await;
    let mut paul = world.device("paul", ClientProfile::CoapDtlsPsk).await;
    let petra = shake_hands(&mut credentials, &mut petra).await.unwrap();
    let paul = shake_hands(&mut credentials, &mut paul).await.unwrap();
    let mut body = vec![0; 128];
    let request = TokenRequest {
        audience: Some("thermo"),
        cnonce: Some(&[7; 40]),
        ..TokenRequest::default()
    };
    let length = request.encode(&mut body).unwrap();
    let pieces: Vec<_> = body[..length].chunks(16).collect();
    let mut last = None;
    for (number, piece) in pieces.iter().enumerate() {
        let block = Block {
            number: number as u32,
            more: number + 1 < pieces.len(),
            szx: 0,
        };
        let mut request = post(piece);
        request.options.push(option::BLOCK1, block.value()).unwrap();
        if number > 0 {
            // Another peer has no part in it.
            let answer = world.in_session(paul, &request).await.unwrap();
            assert_eq!(answer.code, Code::REQUEST_ENTITY_INCOMPLETE);
        }
        last = world.in_session(petra, &request).await;
    }
    let answer = last.unwrap();
    assert_eq!(answer.code, Code::CREATED);
    assert_eq!(world.tokens().await, 1);
}

#[tokio::test]
async fn a_flood_of_names_is_bounded_and_keeps_nobody_out_for_long() {
    let world = World::all_profiles().await;
    let mut credentials = world.credentials().await;
    let mut device = world.device("petra", ClientProfile::CoapDtlsPsk).await;
    for number in 0..10_000u32 {
        let decision = credentials.find_psk(&number.to_be_bytes());
        assert!(matches!(decision, Decision::Pending | Decision::Refuse));
        assert!(credentials.waiting() <= 2048);
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while shake_hands(&mut credentials, &mut device).await.is_err() {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn keys_are_forgotten_with_the_next_peer_that_is_looked_up() {
    let world = World::all_profiles().await;
    let mut credentials = world.credentials().await;
    let mut device = world.device("petra", ClientProfile::CoapDtlsPsk).await;
    shake_hands(&mut credentials, &mut device).await.unwrap();
    let mut paul = world.device("paul", ClientProfile::CoapDtlsPsk).await;
    shake_hands(&mut credentials, &mut paul).await.unwrap();
    assert_eq!(credentials.waiting(), 2);
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(credentials.find_psk(b"another"), Decision::Pending);
    assert_eq!(credentials.waiting(), 1);
}

#[tokio::test]
async fn a_store_that_fails_is_not_an_unknown_peer() {
    let world = World::all_profiles().await;
    let mut credentials = world.credentials().await;
    let mut device = world.device("petra", ClientProfile::CoapDtlsPsk).await;
    let peer = shake_hands(&mut credentials, &mut device).await.unwrap();
    world.server.store().clone().close().await;
    let answer = world.in_session(peer, &post(REQUEST)).await.unwrap();
    assert_eq!(answer.code, Code::SERVICE_UNAVAILABLE);
    let mut decision = credentials.find_psk(b"other");
    while decision == Decision::Pending {
        credentials.notify().notified().await;
        decision = credentials.find_psk(b"other");
    }
    let alert = ace_dtls::Alert::INTERNAL_ERROR;
    assert_eq!(decision, Decision::RefuseWith(alert));
}

#[tokio::test]
async fn the_key_of_the_as_is_made_once() {
    let world = World::all_profiles().await;
    let mut credentials = world.credentials().await;
    let own = credentials.public_key();
    assert_eq!(world.credentials().await.public_key(), own);
    let mut device = world.device("rosa", rpk(Curve::P256)).await;
    assert!(matches!(&device, Device::Key(_, pinned) if *pinned == own));
    let world = world.crash().await;
    assert_eq!(world.credentials().await.public_key(), own);
    shake_hands(&mut credentials, &mut device).await.unwrap();
    let shown = format!("{credentials:?} {:?}", world.server);
    let key = credentials.signing_key().unwrap().to_bytes();
    assert!(!shown.contains(&hex::encode(key.as_bytes())));
    assert!(!shown.contains(&format!("{:?}", key.as_bytes())));
}
