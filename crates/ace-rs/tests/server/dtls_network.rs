//! Handshakes, uploads and requests over a network that loses, doubles, delays and changes datagrams.

use std::collections::VecDeque;

use ace_coap::{
    Endpoint, Incoming, Instant, OutMessage, Reliability, RequestId, Slot, Transmission,
};
use ace_crypto::Signature;
use ace_dtls::{Config as Dtls, Connection, Event};
use ace_testkit::{Conditions, Network, Node, SeededRandom};
use ace_token::issue::{Claims, Scope};
use ace_wire::coap::{Code, option};

use crate::bench::{Bench, MTU, Owned, issue};
use crate::dtls_client::*;

const SERVER: u16 = 1;
const CLIENT: u16 = 2;

/// How a client shows its token.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Kid,
    Whole,
    PublicKey,
}

/// Brings its token, opens a session and switches the LED in it; begins anew as often as it must.
struct Switcher {
    way: Way,
    own: Own,
    token: Vec<u8>,
    clear: Endpoint<u16, Vec<Slot<u16, MTU>>>,
    secure: Endpoint<u16, Vec<Slot<u16, MTU>>>,
    connection: Option<Connection>,
    under_way: Option<RequestId>,
    outgoing: VecDeque<Vec<u8>>,
    rng: SeededRandom,
    again_at: Option<u64>,
    asked: usize,
    done: bool,
}

impl Switcher {
    fn new(way: Way, seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed);
        let key = client_key(Signature::Es256, 1);
        let claims = match way {
            Way::PublicKey => rpk_claims(1, &key),
            _ => psk_claims(1),
        };
        let claims = Claims {
            scope: Some(Scope::Text("switch".into())),
            ..claims
        };
        let token = match way {
            Way::PublicKey => sign(&claims, Signature::Es256),
            _ => issue(&claims),
        };
        let symmetric = |identity| Own::Psk {
            identity,
            key: key_of(1).to_vec(),
        };
        let own = match way {
            Way::Kid => symmetric(named(&kid_of(1))),
            Way::Whole => symmetric(token.clone()),
            Way::PublicKey => Own::Key { key },
        };
        let mut endpoint =
            || Endpoint::new(vec![Slot::new(); 8], Transmission::default(), &mut rng);
        Self {
            way,
            own,
            token,
            clear: endpoint(),
            secure: endpoint(),
            connection: None,
            under_way: None,
            outgoing: VecDeque::new(),
            rng,
            again_at: Some(0),
            asked: 0,
            done: false,
        }
    }

    fn send(&mut self, now: u64, request: &Owned, secure: bool) {
        let mut out = OutMessage::new(request.code).with_payload(&request.payload);
        for (number, value) in &request.options {
            out.options.push(*number, value.as_slice()).unwrap();
        }
        let endpoint = if secure {
            &mut self.secure
        } else {
            &mut self.clear
        };
        let con = Reliability::Confirmable;
        let id = endpoint.request(Instant(now), SERVER, con, &out, &mut self.rng);
        self.under_way = id.ok();
    }

    fn begin(&mut self, now: u64, echo: Option<&[u8]>) {
        self.connection = None;
        self.again_at = Some(now + 60_000);
        if self.way == Way::Whole {
            return self.shake_hands(now);
        }
        let mut request = cwt(&self.token);
        if let Some(echo) = echo {
            request = request.with(option::ECHO, echo);
        }
        self.send(now, &request, false);
    }

    fn shake_hands(&mut self, now: u64) {
        let now = ace_dtls::Instant(now);
        let connection = Connection::client(&Dtls::DEFAULT, now, &self.own, &mut self.rng);
        self.connection = connection.ok();
    }

    fn answered(&mut self, now: u64, answer: &Owned, secure: bool) {
        self.under_way = None;
        match (secure, answer.code) {
            (false, Code::CREATED) => self.shake_hands(now),
            (false, _) => match answer.option(option::ECHO) {
                Some(echo) => self.begin(now, Some(echo)),
                None => self.again_at = Some(now + 5_000),
            },
            (true, code) => {
                assert_eq!(code, Code::CHANGED);
                self.done = true;
            }
        }
    }
}

impl Node for Switcher {
    fn handle(&mut self, now: u64, _: u16, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let mut answer = None;
        if !matches!(datagram.first(), Some(20..=25)) {
            if let Incoming::Response { request, message } =
                self.clear.handle(Instant(now), SERVER, &datagram)
                && Some(request) == self.under_way
            {
                answer = Some((Owned::of(&message), false));
            }
        } else if let Some(connection) = &mut self.connection {
            let at = ace_dtls::Instant(now);
            let received = connection.handle(at, &mut datagram, &mut self.own, &mut self.rng);
            for data in received.data {
                if let Incoming::Response { request, message } =
                    self.secure.handle(Instant(now), SERVER, data)
                    && Some(request) == self.under_way
                {
                    answer = Some((Owned::of(&message), true));
                }
            }
            match connection.poll_event() {
                Some(Event::Connected) => {
                    self.asked += 1;
                    let put = Owned::new(Code::PUT, "/led").body(b"on");
                    self.send(now, &put, true);
                }
                Some(_) => self.again_at = Some(now + 5_000),
                None => {}
            }
        }
        if let Some((answer, secure)) = answer
            && !self.done
        {
            self.answered(now, &answer, secure);
        }
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        while let Some(transmit) = self.clear.poll_transmit(Instant(now)) {
            self.outgoing.push_back(transmit.datagram.to_vec());
        }
        let mut out = [0; 2048];
        while let Some(transmit) = self.secure.poll_transmit(Instant(now)) {
            if let Some(connection) = &mut self.connection
                && let Ok(length) = connection.send(transmit.datagram, &mut out)
            {
                self.outgoing.push_back(out[..length].to_vec());
            }
        }
        if let Some(connection) = &mut self.connection {
            while let Some(length) = connection.poll_transmit(&mut out) {
                self.outgoing.push_back(out[..length].to_vec());
            }
        }
        self.outgoing.pop_front().map(|datagram| (SERVER, datagram))
    }

    fn poll_timeout(&self) -> Option<u64> {
        let handshake = self.connection.as_ref().and_then(Connection::poll_timeout);
        let due = [
            self.clear.poll_timeout().map(|at| at.0),
            self.secure.poll_timeout().map(|at| at.0),
            handshake.map(|at| at.0),
            self.again_at.filter(|_| !self.done),
        ];
        due.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: u64) {
        self.clear.handle_timeout(Instant(now));
        self.secure.handle_timeout(Instant(now));
        while self.clear.poll_event().is_some() || self.secure.poll_event().is_some() {
            self.again_at = Some(now + 1_000);
        }
        if let Some(connection) = &mut self.connection {
            connection.handle_timeout(ace_dtls::Instant(now));
            if connection.session().is_closed() {
                self.again_at = Some(now + 1_000);
            }
        }
        if !self.done && self.again_at.is_some_and(|at| at <= now) {
            self.begin(now, None);
        }
    }
}

#[test]
fn rfc9202_clients_get_in_through_loss_duplication_and_reordering() {
    for (way, seeds) in [(Way::Kid, 100), (Way::Whole, 100), (Way::PublicKey, 40)] {
        for seed in 0..seeds {
            let mut settings = config();
            settings.limits = ace_rs::Limits::default();
            let mut bench = Bench::boot(settings, Default::default(), seed);
            let mut switcher = Switcher::new(way, seed + 1000);
            let mut network = Network::new(seed, Conditions::harsh());
            let nodes: &mut [(u16, &mut dyn Node)] =
                &mut [(SERVER, &mut bench), (CLIENT, &mut switcher)];
            let stop = network.run(nodes, 1_800_000, 200_000);
            assert!(switcher.done, "seed {seed}: {stop:?} at {}", network.now);
            // No request ran twice.
            let seen = bench.server.resources().seen.len();
            assert!((1..=switcher.asked).contains(&seen), "seed {seed}");
            assert_eq!(bench.server.resources().led, b"on");
            assert_eq!(bench.server.tokens().count(), 1);
        }
    }
}

#[test]
fn records_changed_on_the_way_change_nothing_on_the_server() {
    for seed in 0..30 {
        let mut bench = Bench::boot(config(), Default::default(), seed);
        let claims = Claims {
            scope: Some(Scope::Text("switch".into())),
            ..psk_claims(1)
        };
        let mut door = bench.session(CLIENT, &claims, 1);
        let before = bench.state();
        let conditions = Conditions {
            corrupt: 1.0,
            ..Conditions::default()
        };
        let mut network = Network::new(seed, conditions);
        network.now = bench.now.0;
        for _ in 0..40 {
            let sealed = door.seal(&Owned::new(Code::PUT, "/led").body(b"on"));
            network.send(CLIENT, SERVER, sealed);
        }
        let deadline = network.now + 1000;
        network.run(&mut [(SERVER, &mut bench)], deadline, 10_000);
        assert!(bench.server.resources().seen.is_empty());
        assert_eq!(bench.state(), before);
        assert_eq!(door.get(&mut bench, "/led").code, Code::CONTENT);
    }
}
