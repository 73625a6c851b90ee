//! A client and the server over a network that loses, doubles, delays and changes datagrams.

use ace_coap::{
    Endpoint, Event, Incoming, Instant, OutMessage, Reliability, RequestId, Slot, Transmission,
};
use ace_oscore::RequestBinding;
use ace_testkit::{Conditions, Network, Node, SeededRandom, Stop};
use ace_token::issue::{Claims, Scope};
use ace_wire::coap::{Code, Message, option};

use crate::bench::{Bench, Client, Exchange, MTU, Owned, claims, issue, upload};

const SERVER: u16 = 1;
const CLIENT: u16 = 2;

impl Node for Bench {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        self.now = Instant(now);
        let mut datagram = datagram.to_vec();
        self.server
            .handle(self.now, self.wall, from, &mut datagram, &mut self.rng);
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.server.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.server.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.now = Instant(now);
        self.server.handle_timeout(self.now, self.wall);
    }
}

/// Posts its token and switches the LED; begins anew as often as it must.
struct Switcher {
    endpoint: Endpoint<u16, Vec<Slot<u16, MTU>>>,
    rng: SeededRandom,
    token: Vec<u8>,
    exchange: Exchange,
    client: Option<(Client, RequestBinding)>,
    under_way: Option<RequestId>,
    again_at: Option<u64>,
    protected: usize,
    done: bool,
}

impl Switcher {
    fn new(seed: u64) -> Self {
        let mut rng = SeededRandom::new(seed);
        let claims = Claims {
            scope: Some(Scope::Text("switch".into())),
            ..claims(1)
        };
        let slots = vec![Slot::new(); 8];
        Self {
            endpoint: Endpoint::new(slots, Transmission::default(), &mut rng),
            rng,
            token: issue(&claims),
            exchange: Exchange::new(1),
            client: None,
            under_way: None,
            again_at: Some(0),
            protected: 0,
            done: false,
        }
    }

    fn send(&mut self, now: u64, request: &Owned) {
        let mut out = OutMessage::new(request.code).with_payload(&request.payload);
        for (number, value) in &request.options {
            out.options.push(*number, value.as_slice()).unwrap();
        }
        let con = Reliability::Confirmable;
        let id = self
            .endpoint
            .request(Instant(now), SERVER, con, &out, &mut self.rng)
            .unwrap();
        self.under_way = Some(id);
    }

    fn begin(&mut self, now: u64, echo: Option<&[u8]>) {
        self.client = None;
        self.exchange.nonce1 = self.rng.below(u64::MAX).to_be_bytes().to_vec();
        let mut request = upload(&self.exchange.payload(&self.token));
        if let Some(echo) = echo {
            request = request.with(option::ECHO, echo);
        }
        self.send(now, &request);
    }

    fn answered(&mut self, now: u64, answer: &Owned) {
        self.under_way = None;
        match &mut self.client {
            None if answer.code == Code::CREATED => {
                let mut client = self.exchange.client(SERVER, answer);
                let (sealed, binding) = client.protect(&Owned::new(Code::PUT, "/led").body(b"on"));
                self.protected += 1;
                self.client = Some((client, binding));
                self.send(now, &sealed);
            }
            None => match answer.option(option::ECHO) {
                Some(echo) => self.begin(now, Some(echo)),
                None => self.again_at = Some(now + 5_000),
            },
            Some((client, binding)) if answer.option(option::OSCORE).is_some() => {
                assert_eq!(client.open(binding, answer).code, Code::CHANGED);
                self.done = true;
            }
            // The server does not know the context (any more).
            Some(_) => self.begin(now, None),
        }
    }
}

impl Node for Switcher {
    fn handle(&mut self, now: u64, _: u16, datagram: &[u8]) {
        let answer = match self.endpoint.handle(Instant(now), SERVER, datagram) {
            Incoming::Response { request, message } if Some(request) == self.under_way => {
                Owned::of(&message)
            }
            _ => return,
        };
        if !self.done {
            self.answered(now, &answer);
        }
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.endpoint.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.endpoint
            .poll_timeout()
            .map(|due| due.0)
            .into_iter()
            .chain(self.again_at)
            .min()
    }

    fn handle_timeout(&mut self, now: u64) {
        self.endpoint.handle_timeout(Instant(now));
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::TimedOut(_) | Event::Reset(_) = event
                && !self.done
            {
                self.again_at = Some(now + 1_000);
            }
        }
        if self.again_at.is_some_and(|at| at <= now) {
            self.again_at = None;
            self.begin(now, None);
        }
    }
}

#[test]
fn a_client_gets_in_through_loss_duplication_and_reordering() {
    for seed in 0..150 {
        let mut bench = Bench::boot(crate::bench::config(), Default::default(), seed);
        let mut switcher = Switcher::new(seed + 1000);
        let mut network = Network::new(seed, Conditions::harsh());
        let nodes: &mut [(u16, &mut dyn Node)] =
            &mut [(SERVER, &mut bench), (CLIENT, &mut switcher)];
        let stop = network.run(nodes, 1_800_000, 100_000);
        assert!(switcher.done, "seed {seed}: {stop:?} at {}", network.now);
        // No request ran twice.
        let seen = bench.server.resources().seen.len();
        assert!((1..=switcher.protected).contains(&seen), "seed {seed}");
        assert_eq!(bench.server.resources().led, b"on");
    }
}

#[test]
fn datagrams_changed_on_the_way_change_nothing_on_the_server() {
    for seed in 0..50 {
        let mut bench = Bench::boot(crate::bench::config(), Default::default(), seed);
        let claims = Claims {
            scope: Some(Scope::Text("switch".into())),
            ..claims(1)
        };
        let mut client = bench.confirmed(CLIENT, &claims, 1);
        let before = bench.state();
        let conditions = Conditions {
            corrupt: 1.0,
            ..Conditions::default()
        };
        let mut network = Network::new(seed, conditions);
        network.now = bench.now.0;
        for _ in 0..40 {
            let (sealed, _) = client.protect(&Owned::new(Code::PUT, "/led").body(b"on"));
            network.send(CLIENT, SERVER, sealed.encode());
            let token = upload(&Exchange::new(2).payload(&issue(&crate::bench::claims(2))));
            network.send(CLIENT, SERVER, token.encode());
        }
        let deadline = network.now + 1000;
        let stop = network.run(&mut [(SERVER, &mut bench)], deadline, 10_000);
        assert_ne!(stop, Stop::Steps);
        // A change outside of what is protected (type, Message ID, token) may let a message through.
        let through = bench.server.resources().seen.len();
        assert!(through < 40, "{through}");
        let whole = network.capture.iter().filter(|captured| {
            Message::parse(&captured.datagram).is_ok_and(|m| m.options.contains(option::OSCORE))
        });
        assert!(through <= whole.count());
        let confirmed = |state: &str| state.matches("confirmed: true").count();
        assert_eq!(confirmed(&bench.state()), confirmed(&before));
        bench.now = Instant(network.now);
        bench.drain();
        let answer = client.ask(&mut bench, &Owned::new(Code::GET, "/led"));
        assert_eq!(answer.code, Code::CONTENT);
    }
}
