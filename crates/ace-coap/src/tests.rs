//! What only the inside shows: the table's structure after any sequence of calls, and that messages are wiped.

use std::{vec, vec::Vec};

use ace_testkit::SeededRandom;
use proptest::prelude::*;

use crate::{
    Code, Endpoint, Event, Exchange, Incoming, Instant, OutMessage, Reliability, RequestId, Slot,
    Token, Transmission, Type, option,
};

type Small = Endpoint<u8, Vec<Slot<u8, 64>>, 64>;

fn endpoint(slots: usize) -> Small {
    let mut rng = SeededRandom::new(5);
    Endpoint::new(vec![Slot::new(); slots], Transmission::DEFAULT, &mut rng)
}

/// One call. Few peers, tokens and Message IDs, so that they meet.
#[derive(Debug, Clone)]
enum Call {
    Bytes(u8, Vec<u8>),
    Message(u8, u8, u8, u8, u8, Option<u8>),
    /// A reaction to something that was sent: which one, type, code, whether from the right peer.
    React(usize, u8, u8, bool),
    Multicast(u8, u8),
    Request(u8, bool, bool, u8),
    Respond(usize, bool, u8, usize),
    Defer(usize),
    Ignore(usize),
    Reject(usize),
    Cancel(usize),
    Resume(usize),
    Notify(u8, u8, bool),
    Transmit,
    Tell,
    Wait(u32),
}

fn call() -> impl Strategy<Value = Call> {
    let wait = prop_oneof![0..3_000u32, 0..300_000u32];
    prop_oneof![
        2 => (0..3u8, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(p, b)| Call::Bytes(p, b)),
        8 => (0..3u8, 0..4u8, any::<u8>(), 0..4u8, 0..3u8, prop::option::of(any::<u8>()))
            .prop_map(|(p, t, c, m, k, o)| Call::Message(p, t, c, m, k, o)),
        8 => (any::<usize>(), 0..4u8, any::<u8>(), any::<bool>())
            .prop_map(|(i, t, c, p)| Call::React(i, t, c, p)),
        1 => (0..3u8, 0..4u8).prop_map(|(p, m)| Call::Multicast(p, m)),
        4 => (0..3u8, any::<bool>(), any::<bool>(), 0..6u8)
            .prop_map(|(p, r, o, t)| Call::Request(p, r, o, t)),
        5 => (any::<usize>(), any::<bool>(), any::<u8>(), 0..80usize)
            .prop_map(|(i, r, c, l)| Call::Respond(i, r, c, l)),
        1 => any::<usize>().prop_map(Call::Defer),
        1 => any::<usize>().prop_map(Call::Ignore),
        1 => any::<usize>().prop_map(Call::Reject),
        1 => any::<usize>().prop_map(Call::Cancel),
        1 => any::<usize>().prop_map(Call::Resume),
        3 => (0..3u8, 0..3u8, any::<bool>()).prop_map(|(p, t, r)| Call::Notify(p, t, r)),
        8 => Just(Call::Transmit),
        2 => Just(Call::Tell),
        4 => wait.prop_map(Call::Wait),
    ]
}

const TYPES: [Type; 4] = [
    Type::Confirmable,
    Type::NonConfirmable,
    Type::Acknowledgement,
    Type::Reset,
];
const CODES: [Code; 8] = [
    Code::EMPTY,
    Code::GET,
    Code::POST,
    Code::CONTENT,
    Code::CONTENT,
    Code::CHANGED,
    Code::NOT_FOUND,
    Code::GET,
];

fn code(n: u8) -> Code {
    CODES[usize::from(n) % CODES.len()]
}

/// The world around one endpoint: what it handed out and what it sent.
struct World {
    endpoint: Small,
    rng: SeededRandom,
    now: Instant,
    exchanges: Vec<Exchange>,
    requests: Vec<RequestId>,
    sent: Vec<(u8, Vec<u8>)>,
}

impl World {
    fn new(slots: usize) -> Self {
        Self {
            endpoint: endpoint(slots),
            rng: SeededRandom::new(9),
            now: Instant(77),
            exchanges: Vec::new(),
            requests: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn handle(&mut self, peer: u8, bytes: &[u8]) {
        match self.endpoint.handle(self.now, peer, bytes) {
            Incoming::Request { exchange, .. } => self.exchanges.push(exchange),
            Incoming::Response { request, .. } => assert!(self.requests.contains(&request)),
            Incoming::Nothing(_) => {}
        }
    }

    fn message(&mut self, peer: u8, kind: u8, c: u8, id: u16, token: Token, observe: Option<u8>) {
        let mut message = OutMessage::new(code(c));
        if message.code != Code::EMPTY
            && let Some(observe) = observe
        {
            message
                .options
                .push(option::OBSERVE, u32::from(observe))
                .unwrap();
        }
        let token = if message.code == Code::EMPTY {
            Token::EMPTY
        } else {
            token
        };
        let mut bytes = [0; 64];
        let length = message
            .encode(&mut bytes, TYPES[usize::from(kind)], id, token)
            .unwrap();
        self.handle(peer, &bytes[..length]);
    }

    fn exchange(&self, n: usize) -> Option<Exchange> {
        self.exchanges.get(n % self.exchanges.len().max(1)).copied()
    }

    fn request(&self, n: usize) -> Option<RequestId> {
        self.requests.get(n % self.requests.len().max(1)).copied()
    }

    fn call(&mut self, call: &Call) {
        let now = self.now;
        match *call {
            Call::Bytes(peer, ref bytes) => self.handle(peer, bytes),
            Call::Message(peer, kind, c, id, token, observe) => {
                let token = Token::new(&[token; 2][..usize::from(token)]).unwrap();
                self.message(peer, kind, c, u16::from(id), token, observe);
            }
            Call::React(n, kind, c, right) => {
                let Some((peer, bytes)) = self.sent.get(n % self.sent.len().max(1)).cloned() else {
                    return;
                };
                let to = crate::Message::parse(&bytes).unwrap();
                let peer = if right { peer } else { peer + 1 };
                self.message(peer, kind, c, to.id, to.token, (c > 100).then_some(c));
            }
            Call::Multicast(peer, id) => {
                let bytes = [0x50, 1, 0, id];
                if let Incoming::Request { exchange, .. } =
                    self.endpoint.handle_multicast(now, peer, &bytes)
                {
                    self.exchanges.push(exchange);
                }
            }
            Call::Request(peer, reliable, observe, token) => {
                let mut request = OutMessage::new(Code::GET);
                if observe {
                    request.options.push(option::OBSERVE, 0u32).unwrap();
                }
                if token < 3 {
                    request.token = Some(Token::new(&[token; 3]).unwrap());
                }
                let reliability = reliability(reliable);
                let sent = self
                    .endpoint
                    .request(now, peer, reliability, &request, &mut self.rng);
                self.requests.extend(sent);
            }
            Call::Respond(n, reliable, c, length) => {
                if let Some(exchange) = self.exchange(n) {
                    let payload = [0xee; 80];
                    let response = OutMessage::new(code(c)).with_payload(&payload[..length]);
                    let _either_way =
                        self.endpoint
                            .respond_as(now, exchange, reliability(reliable), &response);
                }
            }
            Call::Defer(n) => {
                self.exchange(n).map(|e| self.endpoint.defer(e));
            }
            Call::Ignore(n) => {
                self.exchange(n).map(|e| self.endpoint.ignore(e));
            }
            Call::Reject(n) => {
                self.exchange(n).map(|e| self.endpoint.reject(e));
            }
            Call::Cancel(n) => {
                if let Some(request) = self.request(n) {
                    self.endpoint.cancel(request);
                }
            }
            Call::Resume(n) => {
                self.request(n).map(|r| self.endpoint.resume(r));
            }
            Call::Notify(peer, token, reliable) => {
                let mut message = OutMessage::new(Code::CONTENT);
                message.options.push(option::OBSERVE, 5u32).unwrap();
                let token = Token::new(&[token; 3]).unwrap();
                let _either_way =
                    self.endpoint
                        .notify(now, peer, token, reliability(reliable), &message);
            }
            Call::Transmit => {
                while let Some(transmit) = self.endpoint.poll_transmit(now) {
                    crate::Message::parse(transmit.datagram).unwrap();
                    self.sent.push((transmit.peer, transmit.datagram.to_vec()));
                }
            }
            Call::Tell => while let Some(_event) = self.endpoint.poll_event() {},
            Call::Wait(ms) => {
                self.now.0 += u64::from(ms);
                self.endpoint.handle_timeout(self.now);
                assert!(
                    self.endpoint
                        .poll_timeout()
                        .is_none_or(|due| due > self.now)
                );
            }
        }
    }
}

fn reliability(confirmable: bool) -> Reliability {
    if confirmable {
        Reliability::Confirmable
    } else {
        Reliability::NonConfirmable
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn table_stays_sound_whatever_is_called(
        slots in 0..9usize,
        calls in prop::collection::vec(call(), 1..150),
    ) {
        let mut world = World::new(slots);
        for call in &calls {
            world.call(call);
            world.endpoint.table.check();
        }
        // Everything ends by itself but observations, and events that were not fetched.
        for request in world.requests.clone() {
            world.endpoint.cancel(request);
        }
        for _ in 0..20 {
            world.call(&Call::Wait(100_000));
            world.call(&Call::Transmit);
            world.call(&Call::Tell);
        }
        world.endpoint.table.check();
        prop_assert_eq!(world.endpoint.slots_in_use(), 0);
        prop_assert_eq!(world.endpoint.poll_timeout(), None);
        // Freed slots hold nothing of what passed through them.
        for index in 0..slots as u32 {
            let slot = world.endpoint.table.get(index).unwrap();
            prop_assert!(slot.buffer.iter().all(|b| *b == 0));
        }
    }

    #[test]
    fn random_datagrams_never_panic_and_take_no_slot_unless_a_request(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..50),
    ) {
        let mut endpoint = endpoint(8);
        let mut requests = 0;
        for bytes in &datagrams {
            let incoming = endpoint.handle(Instant(0), 1, bytes);
            requests += usize::from(matches!(incoming, Incoming::Request { .. }));
            let multicast = endpoint.handle_multicast(Instant(0), 2, bytes);
            requests += usize::from(matches!(multicast, Incoming::Request { .. }));
            while endpoint.poll_transmit(Instant(0)).is_some() {}
        }
        prop_assert_eq!(endpoint.slots_in_use(), requests);
    }
}

#[test]
fn message_is_wiped_when_its_slot_is_freed_or_a_shorter_one_follows() {
    let mut rng = SeededRandom::new(1);
    let mut endpoint = endpoint(1);
    let secret = OutMessage::new(Code::POST).with_payload(&[0xee; 40]);
    let held = |endpoint: &Small| endpoint.table.get(0).unwrap().buffer.contains(&0xee);
    let now = Instant(0);
    let id = endpoint
        .request(now, 1, Reliability::Confirmable, &secret, &mut rng)
        .unwrap();
    assert!(held(&endpoint));
    endpoint.cancel(id);
    assert!(!held(&endpoint));

    let token = Token::new(b"t").unwrap();
    let long = OutMessage::new(Code::CONTENT).with_payload(&[0xee; 40]);
    let short = OutMessage::new(Code::CONTENT).with_payload(&[0xdd; 4]);
    endpoint
        .notify(now, 1, token, Reliability::Confirmable, &long)
        .unwrap();
    endpoint
        .notify(now, 1, token, Reliability::Confirmable, &short)
        .unwrap();
    assert!(!held(&endpoint));
}

#[test]
fn events_wait_until_they_are_fetched() {
    let mut rng = SeededRandom::new(1);
    let mut endpoint = endpoint(2);
    let get = OutMessage::new(Code::GET);
    let id = endpoint
        .request(Instant(0), 1, Reliability::NonConfirmable, &get, &mut rng)
        .unwrap();
    endpoint.handle_timeout(Instant(93_000));
    endpoint.handle_timeout(Instant(10_000_000));
    assert_eq!(endpoint.poll_timeout(), None);
    assert_eq!(endpoint.poll_event(), Some(Event::TimedOut(id)));
    assert_eq!(endpoint.poll_event(), None);
    assert_eq!(endpoint.slots_in_use(), 0);
}

#[test]
fn slot_is_little_more_than_its_message() {
    assert!(size_of::<Slot<core::net::SocketAddr, 1152>>() <= 1152 + 176);
}
