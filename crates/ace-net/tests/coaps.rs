//! CoAP in DTLS over real sockets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use ace_coap::{Code, OutMessage};
use ace_crypto::{Secret, Signature, SigningKey, VerifyingKey};
use ace_dtls::{
    Alert, CipherSuite, CloseReason, Config, ConnectionId, Credentials, Decision, OwnPsk, Psk,
};
use ace_net::{
    Answer, Request, Service,
    dtls::{CoapsClient, CoapsConfig, CoapsError, Credential, SessionControl, serve_coaps},
};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

const IDENTITY: &[u8] = b"\x00\xa1\x08client\xff";
const KEY: &[u8] = &[7; 16];

struct Keys {
    own: SigningKey,
    peer: VerifyingKey,
}

impl Credentials for Keys {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        match identity {
            IDENTITY => Decision::Accept(Psk {
                key: Secret::new(KEY).expect("short"),
                peer: 3,
            }),
            _ => Decision::Refuse,
        }
    }

    fn signing_key(&self) -> Option<&SigningKey> {
        Some(&self.own)
    }

    fn accept_key(&mut self, key: &VerifyingKey) -> Decision<u64> {
        match *key == self.peer {
            true => Decision::Accept(4),
            false => Decision::Refuse,
        }
    }
}

/// Client and server that know each other's key.
fn keys() -> (Keys, Keys) {
    let own = || SigningKey::generate(Signature::Es256, &mut ace_net::randomness());
    let (client, server) = (own(), own());
    let (of_client, of_server) = (client.verifying_key(), server.verifying_key());
    let keys = |own, peer| Keys { own, peer };
    (keys(client, of_server), keys(server, of_client))
}

/// Answers with who asks.
struct WhoAmI;

impl Service for WhoAmI {
    async fn call(&self, request: Request) -> Option<Answer> {
        let peer = request.session.as_ref()?;
        let mut packet = coap_lite::Packet::new();
        packet.header.set_code("2.05");
        packet.payload = format!("{} {}", peer.credential, peer.number).into_bytes();
        assert!(request.message().ok()?.options.path_is("/whoami"));
        Some(ace_net::answer_of_packet(packet))
    }
}

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn serve(keys: Keys) -> Running {
    let socket = ace_net::bind("127.0.0.1:0".parse().expect("an address"))
        .await
        .expect("a socket");
    let address = socket.local_addr().expect("bound");
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve_coaps(
        socket,
        Arc::new(WhoAmI),
        keys,
        CoapsConfig::default(),
        SessionControl::default(),
        async {
            let _ = stopped.await;
        },
    ));
    Running {
        address,
        stop,
        task,
    }
}

async fn ask(client: &mut CoapsClient) -> Result<String, CoapsError> {
    let mut get = OutMessage::new(Code::GET);
    get.options.push_path("/whoami").expect("room");
    let reply = timeout(Duration::from_secs(10), client.request(&get));
    let reply = reply.await.expect("in time")?;
    let message = reply.message().expect("CoAP");
    assert_eq!(message.code, Code::CONTENT);
    Ok(String::from_utf8(message.payload.to_vec()).expect("text"))
}

#[tokio::test]
async fn rfc7252_9_1_a_request_in_a_session_with_a_pre_shared_key() {
    let (_, server) = keys();
    let running = serve(server).await;
    let garbage = ace_net::bind("127.0.0.1:0".parse().expect("an address"))
        .await
        .expect("a socket");
    for datagram in [&[22; 40][..], &[], &[25; 30], &[0x40, 1, 0, 1]] {
        garbage
            .send_to(datagram, running.address)
            .await
            .expect("sent");
    }
    let mut psk = OwnPsk {
        identity: IDENTITY,
        key: KEY,
    };
    let config = Config {
        suites: &[CipherSuite::PskAes128Ccm8],
        connection_id: Some(ConnectionId::EMPTY),
        ..Config::DEFAULT
    };
    let mut client = CoapsClient::connect(running.address, &config, &mut psk)
        .await
        .expect("a session");
    let who = Credential::Psk(IDENTITY.into());
    assert_eq!(
        ask(&mut client).await.expect("answered"),
        format!("{who} 3")
    );
    // RFC 9146: the session goes on from another port
    client.rebind().await.expect("a socket");
    assert_eq!(
        ask(&mut client).await.expect("answered"),
        format!("{who} 3")
    );

    let mut second = CoapsClient::connect(running.address, &config, &mut psk)
        .await
        .expect("a session");
    client.close().await;
    assert_eq!(
        ask(&mut second).await.expect("answered"),
        format!("{who} 3")
    );

    running.stop.send(()).expect("running");
    running.task.await.expect("no panic").expect("no error");
    // The server said good-bye.
    let error = ask(&mut second).await.expect_err("over");
    assert!(
        matches!(
            error,
            CoapsError::Closed(CloseReason::Peer) | CoapsError::Dtls(_)
        ),
        "{error}"
    );
}

#[tokio::test]
async fn rfc7250_a_request_in_a_session_with_raw_public_keys() {
    let (mut client_keys, server) = keys();
    let own = client_keys.own.verifying_key();
    let running = serve(server).await;
    let config = Config {
        suites: &[CipherSuite::EcdheEcdsaAes128Ccm8],
        ..Config::DEFAULT
    };
    let mut client = CoapsClient::connect(running.address, &config, &mut client_keys)
        .await
        .expect("a session");
    let who = Credential::Key(own);
    assert_eq!(
        ask(&mut client).await.expect("answered"),
        format!("{who} 4")
    );
    assert_eq!(client.session().peer(), ace_dtls::Peer::Key(4));

    // A key that the server does not know.
    let (mut stranger, _) = keys();
    stranger.peer = client_keys.peer;
    let error = CoapsClient::connect(running.address, &config, &mut stranger)
        .await
        .expect_err("refused");
    assert!(
        matches!(
            error,
            CoapsError::Closed(CloseReason::Alert(Alert::CERTIFICATE_UNKNOWN))
        ),
        "{error}"
    );
    assert_eq!(
        ask(&mut client).await.expect("answered"),
        format!("{who} 4")
    );
}

#[tokio::test]
async fn rfc4279_2_an_unknown_identity_is_refused() {
    let (_, server) = keys();
    let running = serve(server).await;
    let config = Config {
        suites: &[CipherSuite::PskAes128Ccm8],
        ..Config::DEFAULT
    };
    let mut psk = OwnPsk {
        identity: b"nobody",
        key: KEY,
    };
    let error = CoapsClient::connect(running.address, &config, &mut psk)
        .await
        .expect_err("refused");
    assert!(
        matches!(
            error,
            CoapsError::Closed(CloseReason::Alert(Alert::UNKNOWN_PSK_IDENTITY))
        ),
        "{error}"
    );
}
