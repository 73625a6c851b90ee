//! A resource server on more than one socket.

use std::{net::SocketAddr, time::Duration};

use ace_crypto::Aead;
use ace_net::{FileStorage, resource_server, serve_resources};
use ace_rs::{Config, MethodSet, Request, Resource, Resources, Response, TokenKey, TrustedKey};
use ace_wire::coap::{Code, Message};
use tokio::{net::UdpSocket, time::timeout};

struct Thermometer([Resource; 1]);

impl Resources for Thermometer {
    fn list(&self) -> &[Resource] {
        &self.0
    }

    fn handle(&mut self, _: &Request<'_>, _: &mut Response<'_>) -> Code {
        Code::CONTENT
    }
}

async fn bind() -> (UdpSocket, SocketAddr) {
    let any = "127.0.0.1:0".parse().expect("an address");
    let socket = ace_net::bind(any).await.expect("a socket");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

/// On a thread with room: the engine is made on the stack.
fn start(sockets: Vec<UdpSocket>, state: std::path::PathBuf) {
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let sockets: Vec<_> = sockets
                .into_iter()
                .map(|socket| {
                    let socket = socket.into_std().expect("whole");
                    UdpSocket::from_std(socket).expect("whole")
                })
                .collect();
            let keys = [TrustedKey {
                kid: None,
                issuer: "as",
                key: TokenKey::Aead(Aead::AesCcm16_64_128, &[7; 16]),
            }];
            let config = Config::new(&["thermo"], "coap://as.example/token", &keys);
            let resources = Thermometer([Resource::new("/temp", MethodSet::GET)]);
            let storage = FileStorage::open(&state).expect("a state");
            let mut server = resource_server(&config, resources, storage).expect("a server");
            let forever = std::future::pending();
            serve_resources(&sockets, &mut server, true, forever).await
        })
    };
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    thread.spawn(serve).expect("a thread");
}

#[tokio::test]
async fn each_request_is_answered_by_the_socket_it_came_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let ((one, first), (other, second)) = (bind().await, bind().await);
    start(vec![one, other], folder.path().join("state"));
    let (client, _) = bind().await;
    // One port, two sockets: what answers to the one is no duplicate at the other.
    for id in 0..20 {
        for to in [first, second] {
            let request = [0x41, 1, 0, id, 9, 0xb4, b't', b'e', b'm', b'p'];
            client.send_to(&request, to).await.expect("sent");
            let mut buffer = [0; 2048];
            let received = timeout(Duration::from_secs(5), client.recv_from(&mut buffer));
            let (length, from) = received.await.expect("in time").expect("received");
            assert_eq!(from, to);
            let message = Message::parse(&buffer[..length]).expect("CoAP");
            assert_eq!((message.code, message.id), (Code::UNAUTHORIZED, id.into()));
        }
    }
    // Both at once: neither waits for the other.
    for id in 100..110 {
        for to in [first, first, first, second] {
            let request = [0x41, 1, 0, id, 9, 0xb4, b't', b'e', b'm', b'p'];
            client.send_to(&request, to).await.expect("sent");
        }
    }
    let mut answers = [0, 0];
    let mut buffer = [0; 2048];
    while let Ok(received) =
        timeout(Duration::from_millis(500), client.recv_from(&mut buffer)).await
    {
        let (_, from) = received.expect("received");
        answers[usize::from(from == second)] += 1;
    }
    // Duplicates are answered from store.
    assert_eq!(answers, [30, 10]);
}
