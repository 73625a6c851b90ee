//! What the tests share: endpoints with small integers as addresses, and datagrams made by hand.
#![allow(dead_code, reason = "each test file uses its own part")]

use ace_coap::{
    Code, Endpoint, Event, Exchange, Incoming, Instant, Message, OutMessage, RequestId, Slot,
    Token, Transmission, Type,
};
use ace_testkit::SeededRandom;

pub type Ep = Endpoint<u16, Vec<Slot<u16>>>;

pub const PEER: u16 = 7;
pub const T0: Instant = Instant(1_000_000);

pub fn endpoint(slots: usize) -> Ep {
    endpoint_with(slots, 1, Transmission::DEFAULT)
}

pub fn endpoint_with(slots: usize, seed: u64, transmission: Transmission) -> Ep {
    let mut rng = SeededRandom::new(seed);
    Endpoint::new(vec![Slot::new(); slots], transmission, &mut rng)
}

pub fn rng() -> SeededRandom {
    SeededRandom::new(99)
}

pub fn after(start: Instant, ms: u64) -> Instant {
    Instant(start.0 + ms)
}

/// All datagrams that wait to be sent.
pub fn drain(endpoint: &mut Ep, now: Instant) -> Vec<(u16, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(transmit) = endpoint.poll_transmit(now) {
        all.push((transmit.peer, transmit.datagram.to_vec()));
    }
    all
}

/// The one datagram that waits to be sent, which goes to `PEER`.
pub fn one(endpoint: &mut Ep, now: Instant) -> Vec<u8> {
    let all = drain(endpoint, now);
    assert_eq!(all.len(), 1, "{all:02x?}");
    assert_eq!(all[0].0, PEER);
    all[0].1.clone()
}

pub fn events(endpoint: &mut Ep) -> Vec<Event<u16>> {
    std::iter::from_fn(|| endpoint.poll_event()).collect()
}

/// Lets all timers up to and including `until` fire at their time.
pub fn run_timers(endpoint: &mut Ep, until: Instant) -> Vec<(Instant, Vec<u8>)> {
    let mut sent = Vec::new();
    while let Some(due) = endpoint.poll_timeout().filter(|due| *due <= until) {
        endpoint.handle_timeout(due);
        sent.extend(drain(endpoint, due).into_iter().map(|(_, d)| (due, d)));
    }
    sent
}

pub fn token(bytes: &[u8]) -> Token {
    Token::new(bytes).unwrap()
}

pub fn datagram(kind: Type, code: Code, id: u16, token_bytes: &[u8], payload: &[u8]) -> Vec<u8> {
    datagram_with(
        kind,
        id,
        token_bytes,
        &OutMessage::new(code).with_payload(payload),
    )
}

pub fn datagram_with(kind: Type, id: u16, token_bytes: &[u8], message: &OutMessage<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 2000];
    let length = message
        .encode(&mut buffer, kind, id, token(token_bytes))
        .unwrap();
    buffer.truncate(length);
    buffer
}

pub fn empty(kind: Type, id: u16) -> Vec<u8> {
    datagram(kind, Code::EMPTY, id, &[], &[])
}

pub fn parse(datagram: &[u8]) -> Message<'_> {
    Message::parse(datagram).unwrap()
}

pub fn get() -> OutMessage<'static> {
    OutMessage::new(Code::GET)
}

pub fn content(payload: &[u8]) -> OutMessage<'_> {
    OutMessage::new(Code::CONTENT).with_payload(payload)
}

#[track_caller]
pub fn request_of(incoming: Incoming<'_>) -> Exchange {
    match incoming {
        Incoming::Request { exchange, .. } => exchange,
        other => panic!("no request: {other:?}"),
    }
}

#[track_caller]
pub fn response_of<'d>(incoming: Incoming<'d>) -> (RequestId, Message<'d>) {
    match incoming {
        Incoming::Response { request, message } => (request, message),
        other => panic!("no response: {other:?}"),
    }
}

#[track_caller]
pub fn dropped(incoming: Incoming<'_>) -> ace_coap::Dropped {
    match incoming {
        Incoming::Nothing(why) => why,
        other => panic!("not dropped: {other:?}"),
    }
}
