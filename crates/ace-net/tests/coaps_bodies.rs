//! Long bodies and observations inside of a session, against a server that has both.

use std::{net::SocketAddr, time::Duration};

use ace_coap::{
    Block, Code, Endpoint, Incoming, OutMessage, Reliability, Slot, Transmission,
    block::{Assembly, BlockReceiver, BlockSender, Body, OperationKey, Received},
    option,
};
use ace_crypto::Secret;
use ace_dtls::{CipherSuite, Config, Credentials, Decision, OwnPsk, Psk};
use ace_net::{
    Clock,
    dtls::{CoapsClient, CoapsError, SessionLimits, Sessions},
    randomness,
};
use tokio::{net::UdpSocket, time::timeout};

const KEY: &[u8] = &[7; 16];
const BODY: usize = 8192;
const CONFIG: Config = Config {
    suites: &[CipherSuite::PskAes128Ccm8],
    ..Config::DEFAULT
};

struct Keys;

impl Credentials for Keys {
    fn find_psk(&mut self, _: &[u8]) -> Decision<Psk> {
        Decision::Accept(Psk {
            key: Secret::new(KEY).expect("short"),
            peer: 1,
        })
    }
}

/// What `/news` says the `n`th time: every other time more than a block.
fn news(n: u32) -> Vec<u8> {
    let byte = b'a' + u8::try_from(n).expect("few");
    vec![byte; if n % 2 == 1 { 3000 } else { 5 }]
}

/// `/echo` answers with what was posted; `/news` can be observed and changes three times, then is gone.
async fn serve(socket: UdpSocket, szx: u8) {
    let (clock, mut rng) = (Clock::start(), randomness());
    let mut sessions = Sessions::new(CONFIG, SessionLimits::default(), clock.now(), &mut rng);
    let slots: Vec<Slot<_>> = std::iter::repeat_with(Slot::new).take(32).collect();
    let mut endpoint = Endpoint::new(slots, Transmission::default(), &mut rng);
    let mut receiver = BlockReceiver::<_, BODY>::new(vec![Assembly::new(); 4], szx);
    let mut sender = BlockSender::<_, BODY>::new(vec![Body::new(); 4], szx);
    let (mut observer, mut version) = (None, 0);
    let mut buffer = vec![0; 2048];
    loop {
        while let Some(transmit) = endpoint.poll_transmit(clock.now()) {
            let _ = sessions.send(clock.now(), transmit.peer, transmit.datagram);
        }
        while let Some((to, datagram)) = sessions.poll_transmit() {
            socket.send_to(&datagram, to).await.expect("sent");
        }
        let received = timeout(Duration::from_millis(20), socket.recv_from(&mut buffer)).await;
        let Ok(received) = received else {
            // Idle: the resource changes.
            let now = clock.now();
            if let Some((peer, token)) = observer {
                version += 1;
                let body = news(version);
                let mut message = OutMessage::new(if version < 4 {
                    Code::CONTENT
                } else {
                    Code::NOT_FOUND
                });
                if version < 4 {
                    message
                        .options
                        .push(option::OBSERVE, version)
                        .expect("room");
                    message.payload = &body;
                }
                if message.payload.len() > 16 << szx {
                    let block = Block {
                        number: 0,
                        more: true,
                        szx,
                    };
                    message
                        .options
                        .push(option::BLOCK2, block.value())
                        .expect("room");
                    message.payload = &body[..16 << szx];
                }
                let told = endpoint.notify(now, peer, token, Reliability::Confirmable, &message);
                told.expect("room");
                if version == 4 {
                    observer = None;
                }
            }
            continue;
        };
        let (length, from) = received.expect("received");
        let now = clock.now();
        let mut deliver = |peer: &ace_net::dtls::DtlsPeer, data: &[u8]| {
            let Incoming::Request { exchange, message } = endpoint.handle(now, peer.session, data)
            else {
                return;
            };
            let key = OperationKey::new(&[b"one"], &message);
            if let Some(piece) = sender.follow_up(now, &key, &message) {
                endpoint.respond(now, exchange, &piece).expect("room");
                return;
            }
            let (body, block1) = match receiver.receive(now, &key, &message) {
                Received::Whole { body, block1 } => (body.to_vec(), block1),
                other => {
                    endpoint
                        .respond(now, exchange, &other.reply())
                        .expect("room");
                    return;
                }
            };
            receiver.release(&key);
            let mut answer = OutMessage::new(Code::CONTENT);
            let text = if message.options.path_is("/news") {
                news(version)
            } else {
                body
            };
            if message.options.path_is("/news") && message.options.contains(option::OBSERVE) {
                observer = Some((peer.session, message.token));
                answer.options.push(option::OBSERVE, version).expect("room");
            }
            answer.payload = &text;
            let piece = sender.respond(now, &key, &message, block1, &answer);
            endpoint
                .respond(now, exchange, &piece.expect("in blocks"))
                .expect("room");
        };
        let datagram = &mut buffer[..length];
        sessions.handle(now, from, datagram, &mut Keys, &mut rng, &mut deliver);
    }
}

async fn connected(szx: u8, config: &Config) -> CoapsClient {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let socket = ace_net::bind(any).await.expect("a socket");
    let address = socket.local_addr().expect("bound");
    tokio::spawn(serve(socket, szx));
    let mut psk = OwnPsk {
        identity: b"client",
        key: KEY,
    };
    let connected = CoapsClient::connect(address, config, &mut psk);
    connected.await.expect("a session")
}

#[tokio::test]
async fn rfc7959_2_bodies_go_in_blocks_both_ways_inside_a_session() {
    // A client that takes little at once.
    let small = Config {
        record_size_limit: Some(512),
        ..CONFIG
    };
    for (szx, config) in [(6, CONFIG), (2, CONFIG), (6, small)] {
        let mut client = connected(szx, &config).await;
        for length in [0, 1, 64, 1024, 1025, 5000, BODY] {
            let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut post = OutMessage::new(Code::POST).with_payload(&body);
            post.options.push_path("/echo").expect("room");
            let reply = timeout(Duration::from_secs(30), client.request(&post));
            let reply = reply.await.expect("in time").expect("answered");
            let message = reply.message().expect("CoAP");
            assert_eq!(message.code, Code::CONTENT);
            assert!(message.payload == body, "{length} in blocks of {szx}");
        }
        client.close().await;
    }
}

#[tokio::test]
async fn rfc7641_news_come_inside_a_session_with_their_whole_bodies() {
    let mut client = connected(5, &CONFIG).await;
    let mut get = OutMessage::new(Code::GET);
    get.options.push_path("/echo").expect("room");
    let refused = client.observe(&get).await;
    assert!(
        matches!(refused, Err(CoapsError::NotObservable(_))),
        "{refused:?}"
    );

    let mut get = OutMessage::new(Code::GET);
    get.options.push_path("/news").expect("room");
    let (observation, first) = client.observe(&get).await.expect("observed");
    assert_eq!(first.message().expect("CoAP").payload, news(0));
    // Other requests do not lose what comes meanwhile.
    for _ in 0..3 {
        let mut post = OutMessage::new(Code::POST).with_payload(b"x");
        post.options.push_path("/echo").expect("room");
        tokio::time::sleep(Duration::from_millis(30)).await;
        let reply = client.request(&post).await.expect("answered");
        assert_eq!(reply.message().expect("CoAP").payload, b"x");
    }
    let mut codes = Vec::new();
    while codes.last() != Some(&Code::NOT_FOUND) {
        let reply = timeout(Duration::from_secs(10), client.notification(&observation));
        let reply = reply.await.expect("in time").expect("news");
        let message = reply.message().expect("CoAP");
        codes.push(message.code);
        if message.code == Code::CONTENT {
            // What the resource is by now: the rest of a body is fetched later than its beginning came.
            let version = u32::from(message.payload[0] - b'a');
            assert!(message.payload == news(version), "{version}");
        }
    }
    client.cancel(&observation);
    client.close().await;
}
