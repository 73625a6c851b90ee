//! Two endpoints, each client and server at once, over a network that loses, reorders and duplicates, with reboots:
//! no (key, nonce) pair is used twice, and no request is executed twice.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::storage::{self, Key, Storage};
use ace_wire::coap::option;

#[derive(Default)]
struct Flash(Option<Vec<u8>>);

impl Storage for Flash {
    type Error = Infallible;

    fn load(&mut self, _: Key, out: &mut [u8]) -> Result<Option<usize>, Infallible> {
        Ok(self.0.as_ref().map(|record| {
            out[..record.len()].copy_from_slice(record);
            record.len()
        }))
    }

    fn save(&mut self, _: Key, value: &[u8]) -> Result<(), Infallible> {
        self.0 = Some(value.to_vec());
        Ok(())
    }
}

struct Endpoint {
    parameters: Parameters<'static>,
    context: SecurityContext,
    flash: Flash,
    /// Requests sent and not forgotten, by the number in their token.
    open: BTreeMap<u64, RequestBinding>,
    /// Observations accepted.
    observers: Vec<(u64, RequestBinding)>,
    /// Echo value to send with the next request.
    echo: Option<Vec<u8>>,
}

/// A datagram, and what its token would tell.
#[derive(Clone)]
struct Packet {
    to: usize,
    request: u64,
    bytes: Vec<u8>,
}

/// What a look at the wire tells of the nonce: whose key, whose number, which number.
type KeyAndNonce = (usize, usize, u64);

struct World {
    endpoints: [Endpoint; 2],
    rng: Rng,
    network: Vec<Packet>,
    requests: u64,
    /// Partial IV and sender of each request, by its number.
    numbers: BTreeMap<u64, (usize, u64)>,
    nonces: BTreeMap<KeyAndNonce, Vec<u8>>,
    executed: BTreeSet<u64>,
    answered: usize,
    reboots: usize,
}

const RESERVED_AT_ONCE: u64 = 5;

impl Endpoint {
    fn new(parameters: Parameters<'static>) -> Self {
        let mut endpoint = Self {
            context: SecurityContext::derive(&parameters).unwrap(),
            parameters,
            flash: Flash::default(),
            open: BTreeMap::new(),
            observers: vec![],
            echo: None,
        };
        endpoint.boot();
        endpoint
    }

    fn boot(&mut self) {
        self.context = SecurityContext::derive(&self.parameters).unwrap();
        storage::restore(&mut self.context, &mut self.flash, Key(0), RESERVED_AT_ONCE).unwrap();
        // RFC 8613, B.1.3
        self.open.clear();
        self.observers.clear();
        self.echo = None;
    }

    fn reserve(&mut self) {
        if self.context.needs_reservation(1) {
            storage::reserve(&mut self.context, &mut self.flash, Key(0), RESERVED_AT_ONCE).unwrap();
        }
    }
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            endpoints: [Endpoint::new(CLIENT), Endpoint::new(mirrored(CLIENT))],
            rng: Rng(seed),
            network: vec![],
            requests: 0,
            numbers: BTreeMap::new(),
            nonces: BTreeMap::new(),
            executed: BTreeSet::new(),
            answered: 0,
            reboots: 0,
        }
    }

    /// Puts a datagram on the wire, after a look at its nonce.
    fn send(&mut self, from: usize, request: u64, bytes: Vec<u8>) {
        let nonce = match partial_iv(&bytes) {
            Some(number) => (from, from, number),
            None => {
                let (client, number) = self.numbers[&request];
                (from, client, number)
            }
        };
        let before = self.nonces.insert(nonce, bytes.clone());
        assert_eq!(before, None, "nonce {nonce:?} used twice");
        let packet = Packet {
            to: 1 - from,
            request,
            bytes,
        };
        if self.rng.percent(30) {
            return;
        }
        if self.rng.percent(20) {
            self.network.push(packet.clone());
        }
        self.network.push(packet);
    }

    fn request(&mut self, from: usize) {
        let observe = self.rng.percent(30);
        let request = self.requests;
        self.requests += 1;
        let endpoint = &mut self.endpoints[from];
        endpoint.reserve();
        let echo = endpoint.echo.take();
        let mut options: Vec<(u16, &[u8])> = vec![];
        options.extend(observe.then_some((option::OBSERVE, &[][..])));
        options.extend(echo.as_deref().map(|echo| (option::ECHO, echo)));
        let body = request.to_be_bytes();
        let (bytes, binding) = protect(
            &mut endpoint.context,
            &datagram(Code::POST, &options, &body),
        )
        .unwrap();
        endpoint.open.insert(request, binding);
        self.numbers.insert(request, (from, binding.partial_iv()));
        self.send(from, request, bytes);
    }

    fn respond(&mut self, from: usize, request: u64, binding: &mut RequestBinding, notify: bool) {
        let endpoint = &mut self.endpoints[from];
        endpoint.reserve();
        let options: OptionsOf<'_> = if notify {
            &[(option::OBSERVE, &[1])]
        } else {
            &[]
        };
        let original = datagram(Code::CHANGED, options, b"done");
        let bytes = respond(&mut endpoint.context, binding, &original).unwrap();
        self.send(from, request, bytes);
    }

    fn deliver(&mut self, packet: Packet) {
        let at = packet.to;
        let is_request = Message::parse(&packet.bytes).is_ok_and(|m| m.code.is_request());
        if !is_request {
            let endpoint = &mut self.endpoints[at];
            let Some(binding) = endpoint.open.get_mut(&packet.request) else {
                return;
            };
            let newest = binding.notification_number();
            if let Ok(plain) = accept(&endpoint.context, binding, &packet.bytes) {
                assert!(
                    newest.is_none()
                        || binding.notification_number() > newest
                        || binding.is_closed()
                );
                self.answered += 1;
                if plain.code == Code::UNAUTHORIZED {
                    endpoint.echo = Some(plain.options[0].1.clone());
                }
            }
            return;
        }
        match receive_with(
            &mut self.endpoints[at].context,
            &packet.bytes,
            &mut self.rng,
        ) {
            Ok(Received::Request(plain, mut binding)) => {
                let request = u64::from_be_bytes(plain.payload.try_into().unwrap());
                assert!(
                    self.executed.insert(request),
                    "request {request} executed twice"
                );
                let observed = binding.is_registration();
                // Sometimes no answer, sometimes one more than is due
                for _ in 0..self.rng.below(3) {
                    self.respond(at, request, &mut binding, observed);
                }
                if observed {
                    self.endpoints[at].observers.push((request, binding));
                }
            }
            Ok(Received::Challenge(mut binding, echo)) => {
                let endpoint = &mut self.endpoints[at];
                endpoint.reserve();
                let original = datagram(Code::UNAUTHORIZED, &[(option::ECHO, &echo)], &[]);
                let bytes = respond(&mut endpoint.context, &mut binding, &original).unwrap();
                self.send(at, packet.request, bytes);
            }
            Err(error) => assert_eq!(error, OscoreError::Replay),
        }
    }

    fn step(&mut self, reboots: bool) {
        let one = self.rng.below(2) as usize;
        match self.rng.below(100) {
            0..30 => self.request(one),
            30..40 => {
                let Some((request, mut binding)) = self.endpoints[one].observers.last().copied()
                else {
                    return;
                };
                self.respond(one, request, &mut binding, true);
            }
            40..42 if reboots => {
                self.reboots += 1;
                self.endpoints[one].boot();
            }
            _ if self.network.is_empty() => {}
            _ => {
                let at = self.rng.below(self.network.len() as u64) as usize;
                let packet = self.network.swap_remove(at);
                // An attacker keeps what has passed and plays it again.
                if self.rng.percent(10) {
                    self.network.push(packet.clone());
                }
                self.deliver(packet);
            }
        }
    }
}

fn run(seeds: core::ops::Range<u64>, reboots: bool) {
    let (mut executed, mut answered, mut rebooted) = (0, 0, 0);
    for seed in seeds {
        let mut world = World::new(seed);
        for _ in 0..200 {
            world.step(reboots);
        }
        executed += world.executed.len();
        answered += world.answered;
        rebooted += world.reboots;
    }
    // The test shows something only if things happen.
    assert!(executed > 10_000, "{executed} executed");
    assert!(answered > 5_000, "{answered} answered");
    assert_eq!(rebooted > 1_000, reboots, "{rebooted} reboots");
}

#[test]
fn rfc8613_d_4_no_nonce_twice_and_no_request_twice() {
    run(0..1000, false);
}

#[test]
fn rfc8613_b_1_no_nonce_twice_and_no_request_twice_over_reboots() {
    run(1000..2000, true);
}
