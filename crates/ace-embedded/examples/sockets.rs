//! Client and resource server on `edge-nal` sockets: `cargo run -p ace-embedded --example sockets`.
//!
//! The sockets are the host's (`edge-nal-std`); on a board they are those of `edge-nal-embassy`, the timer is
//! `embassy_time::Delay`, and each of the two runs in a task of its own. The authorization server is a small one for tests.
#![allow(dead_code, reason = "part of a test as well")]

#[path = "../tests/common/authorization.rs"]
mod authorization;

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::time::{Duration, Instant as SystemInstant};

use ace_client::{AsSecurity, Client, Event, Request};
use ace_coap::Instant;
use ace_crypto::Aead;
use ace_embedded::{Board, Clock, EdgeSocket, Socket};
use ace_oscore::storage::{Key, Storage};
use ace_rs::{
    MethodSet, Resource, ResourceServer, Resources, Response, Slot, TokenKey, TrustedKey,
};
use ace_testkit::SeededRandom;
use ace_wire::coap::Code;
use authorization::{AuthorizationServer, CONTEXT, EPOCH, TOKEN_KEY};
use edge_nal::UdpBind;
use embedded_hal_async::delay::DelayNs;
use futures_lite::future;

/// The host's clock; a board has `embassy_time::Instant`, and whatever tells it the date.
#[derive(Debug, Clone, Copy)]
pub struct HostClock(SystemInstant);

impl Clock for HostClock {
    fn now(&self) -> Instant {
        Instant(self.0.elapsed().as_millis() as u64)
    }

    fn wall(&self) -> Option<u64> {
        Some(EPOCH + self.0.elapsed().as_secs())
    }
}

/// The host's timer.
#[derive(Debug)]
pub struct HostDelay;

impl DelayNs for HostDelay {
    async fn delay_ns(&mut self, nanoseconds: u32) {
        async_io::Timer::after(Duration::from_nanos(nanoseconds.into())).await;
    }

    async fn delay_ms(&mut self, milliseconds: u32) {
        async_io::Timer::after(Duration::from_millis(milliseconds.into())).await;
    }
}

/// A board keeps its records in `FlashStorage`.
#[derive(Default)]
struct Ram(Vec<(Key, Vec<u8>)>);

impl Storage for Ram {
    type Error = ();

    fn load(&mut self, key: Key, out: &mut [u8]) -> Result<Option<usize>, ()> {
        let Some((_, value)) = self.0.iter().find(|(held, _)| *held == key) else {
            return Ok(None);
        };
        out.get_mut(..value.len()).ok_or(())?.copy_from_slice(value);
        Ok(Some(value.len()))
    }

    fn save(&mut self, key: Key, value: &[u8]) -> Result<(), ()> {
        self.0.retain(|(held, _)| *held != key);
        self.0.push((key, value.to_vec()));
        Ok(())
    }
}

struct Thermometer;

impl Resources for Thermometer {
    fn list(&self) -> &[Resource] {
        const LIST: [Resource; 1] = [Resource::new("/temp", MethodSet::GET)];
        &LIST
    }

    fn handle(&mut self, _: &ace_rs::Request<'_>, response: &mut Response<'_>) -> Code {
        response.write(b"21.5");
        Code::CONTENT
    }
}

/// What is seen of a run.
#[derive(Debug, Default)]
pub struct Seen {
    /// Answers to the client's requests.
    pub answers: Vec<Vec<u8>>,
    /// Decisions of the resource server.
    pub decisions: usize,
    /// Tokens issued.
    pub issued: u64,
}

async fn socket(port: u16) -> (impl Socket<Error = std::io::Error>, SocketAddr) {
    let stack = edge_nal_std::Stack::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let socket = stack.bind(address).await.expect("a free port");
    let address = socket.as_ref().local_addr().expect("bound");
    (EdgeSocket(socket), address)
}

/// A client asks the thermometer, as often as `times`.
pub async fn exchange(times: usize) -> Seen {
    let clock = HostClock(SystemInstant::now());
    let (mut as_socket, as_address) = socket(0).await;
    let (rs_socket, rs_address) = socket(0).await;
    let (client_socket, _) = socket(0).await;
    let mut seen = Seen::default();

    let mut authorization = AuthorizationServer::new(1);
    let issue = async {
        let mut buffer = [0; 1152];
        loop {
            let (length, peer) = as_socket.receive(&mut buffer).await.expect("received");
            let now = clock.now().0;
            authorization.take(now, peer, &buffer[..length]);
            while let Some((peer, datagram)) = authorization.give(now) {
                as_socket.send(peer, &datagram).await.expect("sent");
            }
        }
    };

    let keys = [TrustedKey {
        kid: None,
        issuer: "coap://as.example",
        key: TokenKey::Aead(Aead::AesCcm16_64_128, &TOKEN_KEY),
    }];
    let config = ace_rs::Config::new(&["thermo"], "coap://as.example/token", &keys);
    let mut board: Board<_, _, _, _> =
        Board::new(rs_socket, clock, HostDelay, SeededRandom::new(2));
    let slots = [const { Slot::<SocketAddr>::new() }; 8];
    let mut server: Box<ResourceServer<'_, _, _, _, _>> = Box::new(
        ResourceServer::new(&config, Thermometer, Ram::default(), slots, board.rng())
            .expect("a server"),
    );
    let serve = async {
        // Every now and then the application has something else to do with the engine.
        loop {
            let pause = async_io::Timer::after(Duration::from_millis(20));
            let count = |_| seen.decisions += 1;
            board
                .serve(&mut *server, count, pause)
                .await
                .expect("served");
        }
    };

    let answers = async {
        let mut board: Board<_, _, _, _> =
            Board::new(client_socket, clock, HostDelay, SeededRandom::new(3));
        let config = ace_client::Config::new(
            as_address,
            "coap://as.example/token",
            AsSecurity::Oscore(CONTEXT),
        );
        let mut client: Client<'_, _, _> =
            Client::new(config, Ram::default(), board.rng()).expect("a client");
        let mut answers = vec![];
        for _ in 0..times {
            let request = Request {
                audience: Some("thermo"),
                ..Request::get("/temp")
            };
            board
                .request(&mut client, rs_address, request)
                .expect("taken");
            let answer = board.run(&mut client, |event| match event {
                Event::Response { payload, .. } => ControlFlow::Break(payload.to_vec()),
                Event::Refused { .. } | Event::Failed { .. } => panic!("{event:?}"),
                _ => ControlFlow::Continue(()),
            });
            answers.push(answer.await.expect("a socket"));
        }
        answers
    };
    let answers = future::or(answers, future::or(issue, serve)).await;
    Seen {
        answers,
        issued: authorization.issued,
        ..seen
    }
}

/// The client's context with the authorization server.
pub const fn context() -> ace_oscore::Parameters<'static> {
    CONTEXT
}

fn main() {
    let seen = future::block_on(exchange(3));
    for answer in &seen.answers {
        println!("/temp is {}", String::from_utf8_lossy(answer));
    }
    println!("with {} token", seen.issued);
}
