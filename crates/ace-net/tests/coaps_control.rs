//! Sessions that the server's side ends, and credentials that take their time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ace_coap::{Code, OutMessage};
use ace_crypto::Secret;
use ace_dtls::{CipherSuite, CloseReason, Config, Credentials, Decision, OwnPsk, Psk};
use ace_net::{
    Answer, Request, Service,
    dtls::{CoapsClient, CoapsConfig, CoapsError, SessionControl, serve_coaps},
};
use tokio::{sync::Notify, time::timeout};

const KEY: &[u8] = &[7; 16];
const CONFIG: Config = Config {
    suites: &[CipherSuite::PskAes128Ccm8],
    ..Config::DEFAULT
};

/// Peers by the first byte of their identity; decided when `ready`.
struct Keys {
    ready: Arc<AtomicBool>,
}

impl Credentials for Keys {
    fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
        if !self.ready.load(Ordering::SeqCst) {
            return Decision::Pending;
        }
        Decision::Accept(Psk {
            key: Secret::new(KEY).expect("short"),
            peer: identity[0].into(),
        })
    }
}

/// Hangs up on who asks for `/bye`.
struct Polite;

impl Service for Polite {
    async fn call(&self, request: Request) -> Option<Answer> {
        let message = request.message().ok()?;
        let mut packet = coap_lite::Packet::new();
        packet.header.set_code("2.05");
        if message.options.path_is("/bye") {
            request.hang_up();
            packet.header.set_code("4.01");
        }
        Some(ace_net::answer_of_packet(packet))
    }
}

async fn serving(ready: bool) -> (SocketAddr, SessionControl, Arc<Notify>, Arc<AtomicBool>) {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let socket = ace_net::bind(any).await.expect("a socket");
    let address = socket.local_addr().expect("bound");
    let notify = Arc::new(Notify::new());
    let control = SessionControl::woken_by(Arc::clone(&notify));
    let ready = Arc::new(AtomicBool::new(ready));
    let keys = Keys {
        ready: Arc::clone(&ready),
    };
    let forever = std::future::pending();
    let config = CoapsConfig::default();
    let handle = control.clone();
    tokio::spawn(serve_coaps(
        socket,
        Arc::new(Polite),
        keys,
        config,
        handle,
        forever,
    ));
    (address, control, notify, ready)
}

async fn connect(address: SocketAddr, identity: &[u8]) -> CoapsClient {
    let mut psk = OwnPsk { identity, key: KEY };
    let connected = CoapsClient::connect(address, &CONFIG, &mut psk);
    connected.await.expect("a session")
}

async fn ask(client: &mut CoapsClient, path: &str) -> Result<Code, CoapsError> {
    let mut get = OutMessage::new(Code::GET);
    get.options.push_path(path).expect("room");
    let reply = timeout(Duration::from_secs(10), client.request(&get));
    let reply = reply.await.expect("in time")?;
    Ok(reply.message().expect("CoAP").code)
}

#[tokio::test]
async fn a_handshake_waits_for_the_decision_and_goes_on_at_once() {
    let (address, _, notify, ready) = serving(false).await;
    let connecting = tokio::spawn(async move { connect(address, b"slow").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!connecting.is_finished());
    ready.store(true, Ordering::SeqCst);
    let decided = Instant::now();
    notify.notify_one();
    let mut client = connecting.await.expect("a session");
    // Not when the client's timer repeats its flight.
    assert!(decided.elapsed() < Duration::from_millis(500));
    assert_eq!(
        ask(&mut client, "/hi").await.expect("an answer"),
        Code::CONTENT
    );
}

#[tokio::test]
async fn a_session_ends_with_the_answer_that_hangs_up() {
    let (address, ..) = serving(true).await;
    let mut client = connect(address, b"alice").await;
    let mut other = connect(address, b"bob").await;
    assert_eq!(
        ask(&mut client, "/bye").await.expect("an answer"),
        Code::UNAUTHORIZED
    );
    let over = ask(&mut client, "/hi").await;
    assert!(is_over(&over), "{over:?}");
    assert_eq!(
        ask(&mut other, "/hi").await.expect("an answer"),
        Code::CONTENT
    );
}

#[tokio::test]
async fn the_sessions_of_a_peer_end_and_no_others() {
    let (address, control, ..) = serving(true).await;
    let mut alices = [
        connect(address, b"alice").await,
        connect(address, b"alice 2").await,
    ];
    let mut bob = connect(address, b"bob").await;
    control.end_peer(b'a'.into());
    for alice in &mut alices {
        let over = ask(alice, "/hi").await;
        assert!(is_over(&over), "{over:?}");
    }
    assert_eq!(
        ask(&mut bob, "/hi").await.expect("an answer"),
        Code::CONTENT
    );
    // And may come again.
    let mut alice = connect(address, b"alice").await;
    assert_eq!(
        ask(&mut alice, "/hi").await.expect("an answer"),
        Code::CONTENT
    );
}

fn is_over(answer: &Result<Code, CoapsError>) -> bool {
    matches!(
        answer,
        Err(CoapsError::Closed(CloseReason::Peer) | CoapsError::Dtls(_))
    )
}
