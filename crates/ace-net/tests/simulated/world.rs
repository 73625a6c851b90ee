//! One seed: the application's requests one after the other, and what must hold after each.

use std::{sync::Mutex, time::Duration};

use ace_client::{Phase, Reason, Request, Step, Watch, Watched};
use ace_coap::Code;
use ace_net::{Outcome, RefusedBy};
use ace_rs::{Freshness, TokenKey, TrustedKey};
use ace_testkit::{Captured, Fate, Network, Node, Stop};
use ace_wire::{
    ace::Scope,
    aif::{Aif, MethodSet},
};

use crate::{
    eavesdropper::Eavesdropper,
    nodes::{AS, AsNode, CLIENT, ClientNode, RS, RsNode, Run},
    report::{Plan, Report},
    site::{Memory, NIGHT, Site, parameters},
};

/// Longest simulated time from a request of the application to its end, in milliseconds.
const BOUND: u64 = 600_000;

/// Longer than anything is kept without a token: an answer that nobody acknowledges is sent for MAX_TRANSMIT_WAIT (93 s)
/// and kept for EXCHANGE_LIFETIME (247 s) more; a posted token waits 120 s for its first request.
const REST: u64 = 400_000;

/// How long a client may take from the hints to the upload where the resource server has no clock.
const NONCE_LIFETIME: Duration = Duration::from_secs(120);

/// How many events a request may take: far more than it does, so that an engine that is never done ends the test.
const EVENTS: usize = 100_000;

/// How often the application asks again after a failure.
const RETRIES: usize = 5;

/// Everybody.
struct World<'s> {
    network: Network,
    client: ClientNode<'s>,
    server: AsNode<'s>,
    rs: RsNode<'s>,
    corrupted: bool,
    report: Report,
}

/// What lasts from one seed to the next: the authorization server, and what the client has stored.
pub struct Setting {
    site: Site,
    memory: Memory,
    now: u64,
    ear: Mutex<Eavesdropper>,
}

impl Setting {
    pub fn new(plan: &Plan) -> Self {
        let site = Site::new(plan.has_clock);
        let ear = Mutex::new(Eavesdropper::new(&parameters(
            site.alice
                .authorization_server
                .oscore
                .as_ref()
                .expect("OSCORE"),
        )));
        Self {
            site,
            memory: Memory::default(),
            now: 0,
            ear,
        }
    }

    /// Runs a seed. The client is rebooted before, and has lost the tokens it had stored: it would ask again for all
    /// that the last of them allowed, and then miss no right.
    pub fn run(&mut self, seed: u64, plan: &Plan) -> Report {
        let Self {
            site,
            memory,
            now,
            ear,
        } = self;
        ear.get_mut().expect("whole").forget();
        memory.forget_tokens();
        let ear = &*ear;
        let listen = |watched: Watched<'_>| ear.lock().expect("whole").watch(&watched);
        let access = &site.alice.authorization_server;
        let mut client = ace_client::Config::new(
            AS,
            &access.uri,
            ace_client::AsSecurity::Oscore(parameters(access.oscore.as_ref().expect("OSCORE"))),
        );
        client.block_size = plan.block_size;
        client.watch = Watch(Some(&listen));
        let audiences = [site.thermo.audience.as_str()];
        let keys: Vec<TrustedKey<'_>> = site
            .thermo
            .token_keys
            .iter()
            .map(|key| TrustedKey {
                kid: Some(&key.kid.0),
                issuer: &site.thermo.issuer,
                key: TokenKey::Aead(
                    ace_crypto::Aead::from_cose(key.alg).expect("built in"),
                    key.secret().expect("shared").as_bytes(),
                ),
            })
            .collect();
        let mut rs = ace_rs::Config::new(&audiences, &site.thermo.authorization_server.uri, &keys);
        rs.limits.block_size = plan.block_size;
        if !plan.has_clock {
            rs.freshness = Freshness::Cnonce(NONCE_LIFETIME);
        }

        let mut network = Network::new(seed, plan.conditions.clone());
        network.now = *now;
        let mut world = World {
            network,
            client: ClientNode::new(client, memory.clone(), seed),
            server: AsNode::new(site, seed ^ 0xa5),
            rs: RsNode::new(&rs, plan.has_clock, seed ^ 0x25),
            corrupted: plan.conditions.corrupt > 0.0,
            report: Report {
                seed,
                ..Report::default()
            },
        };
        world.play(seed, plan, ear);
        *now = world.network.now + NIGHT;
        world.report
    }
}

/// How a request is to end.
#[derive(Clone, Copy)]
enum Want {
    /// With an answer of the handler.
    Answer(Code),
    /// With a right that is not to be had.
    NotGranted,
}

impl World<'_> {
    fn play(&mut self, seed: u64, plan: &Plan, ear: &Mutex<Eavesdropper>) {
        let rests = seed.is_multiple_of(2);
        let began = self.network.now;
        let after = |world: &mut Self| {
            if rests {
                world.rest(ear.lock().expect("whole").materials());
            }
        };

        // Hints, token, upload, access.
        let get = Request::get;
        self.ask("first", get("/temp"), Want::Answer(Code::CONTENT));
        self.report.first = self.network.now - began;
        after(self);

        // The device denies it; all that the application will need is asked for then.
        let mut scope = [0; 64];
        let get_put = MethodSet(MethodSet::GET.0 | MethodSet::PUT.0);
        let rights = [("/led", get_put), ("/log", MethodSet::POST)];
        let length = Aif::encode(rights.into_iter(), &mut scope).expect("room");
        let lamp = vec![b'a' + (seed % 26) as u8; plan.led];
        let put = Request {
            payload: &lamp,
            scope: Some(Scope::Bytes(&scope[..length])),
            ..Request::new(Code::PUT, "/led")
        };
        let written = self.ask("update", put, Want::Answer(Code::CHANGED));
        if written.is_some() && !self.corrupted && self.report.retries.is_empty() {
            let in_place = [Phase::Access, Phase::Update, Phase::Access, Phase::Idle];
            assert_eq!(self.client.phases, in_place);
        }
        after(self);

        let read = self.ask("read back", get("/led"), Want::Answer(Code::CONTENT));
        if written.is_some() && read.is_some() {
            assert_eq!(read.as_deref(), Some(&lamp[..]));
        }
        after(self);

        // Not idempotent: done once, or not known.
        let post = Request {
            payload: b"x",
            ..Request::new(Code::POST, "/log")
        };
        self.ask("post", post, Want::Answer(Code::CREATED));
        let entries = self.rs.runs.iter().filter(|run| run.path == "/log");
        assert!(entries.count() <= 1, "posted twice");
        after(self);

        // A right that nobody grants; the others stay.
        let vault = Request::new(Code::PUT, "/vault");
        self.ask("denied", vault, Want::NotGranted);
        self.ask("still held", get("/temp"), Want::Answer(Code::CONTENT));
        after(self);

        // The first token is uploaded again, which does not have the right that was added later.
        self.rs.reboot();
        self.ask("rebooted", get("/temp"), Want::Answer(Code::CONTENT));
        after(self);
        let dark = self.ask("rebooted, update", get("/led"), Want::Answer(Code::CONTENT));
        assert!(dark.is_none_or(|led| led == b"dark"));
        after(self);

        self.end(ear);
    }

    /// Makes a request, again if it fails, until it ends as it ought to; then its payload.
    fn ask(&mut self, name: &'static str, request: Request<'_>, want: Want) -> Option<Vec<u8>> {
        for attempt in 0..=RETRIES {
            let began = self.network.now;
            self.client.request(began, request);
            let outcome = self.turn(began);
            let took = self.network.now - began;
            self.report.busy += took;
            self.report.longest = self.report.longest.max(took);
            self.report.phases.push((name, self.client.phases.clone()));
            self.runs_once(request.code);
            self.believable(&outcome);
            match outcome {
                Outcome::Response {
                    code,
                    payload,
                    protected: true,
                    ..
                } => {
                    let expected = matches!(want, Want::Answer(wanted) if wanted == code);
                    assert!(expected, "{name}: {code}");
                    self.report.successes += 1;
                    return Some(payload);
                }
                Outcome::Refused(RefusedBy::NotGranted { code }) => {
                    let expected = matches!(want, Want::NotGranted) && code == Code::FORBIDDEN;
                    assert!(expected, "{name}: not granted, {code}");
                    self.report.successes += 1;
                    return None;
                }
                Outcome::Failed {
                    step: Step::Access,
                    reason: Reason::UnknownOutcome,
                } => {
                    assert_eq!(request.code, Code::POST);
                    self.report.unknown = true;
                    return None;
                }
                _ if attempt < RETRIES => self.report.retries.push((name, outcome)),
                _ => self.report.failures += 1,
            }
        }
        None
    }

    /// Lets the world turn until the client's request ends.
    fn turn(&mut self, began: u64) -> Outcome {
        for _ in 0..EVENTS {
            if let Some(end) = self.client.ends.pop_front() {
                assert!(self.client.ends.is_empty(), "a request with two ends");
                assert_eq!(self.client.engine.phase(), Phase::Idle);
                return end;
            }
            let nodes: &mut [(u16, &mut dyn Node)] = &mut [
                (CLIENT, &mut self.client),
                (AS, &mut self.server),
                (RS, &mut self.rs),
            ];
            let now = self.network.step(nodes).expect("a request without end");
            assert!(now - began <= BOUND, "no end within {BOUND} ms");
        }
        panic!("no end within {EVENTS} events");
    }

    /// No handler runs twice for one message, and none for two messages unless the method may be repeated.
    fn runs_once(&mut self, method: Code) {
        let Self { client, rs, .. } = self;
        let mut messages: Vec<_> = rs.runs.iter().map(|run| &run.message).collect();
        messages.sort_unstable();
        let distinct = messages.is_sorted_by(|a, b| a < b);
        assert!(distinct, "a handler ran twice for one message");
        let sent = messages.iter().all(|m| client.messages.contains_key(*m));
        assert!(sent, "a handler ran for a message that nobody sent");
        let own = |run: &&Run| client.messages.get(&run.message) == Some(&client.asked);
        let runs = rs.runs.iter().filter(own).count();
        assert!(
            runs <= 1 || method != Code::POST,
            "{method} ran {runs} times"
        );
        self.report.repeated += usize::from(runs > 1);
    }

    /// What the application believes is what the handler said to this very request.
    fn believable(&self, outcome: &Outcome) {
        let Outcome::Response {
            code,
            payload,
            protected,
            ..
        } = outcome
        else {
            return;
        };
        if !protected {
            assert!(self.corrupted, "without protection: {outcome:?}");
            return;
        }
        let said = self.rs.runs.iter().any(|run| {
            let own = self.client.messages.get(&run.message) == Some(&self.client.asked);
            own && run.code == *code && run.payload == *payload
        });
        assert!(said, "nobody answered {outcome:?}");
    }

    /// Nobody asks for a while; then nothing but tokens is left in any table.
    fn rest(&mut self, materials: usize) {
        let until = self.network.now + REST;
        assert_ne!(self.run(until), Stop::Steps);
        self.network.now = until;
        assert_eq!(self.client.engine.poll_timeout(), None);
        assert_eq!(self.server.endpoint.slots_in_use(), 0);
        let tokens: Vec<_> = self.rs.engine.tokens().collect();
        assert!(tokens.iter().all(|token| token.confirmed), "{tokens:?}");
        assert!(tokens.len() <= materials, "{tokens:?}");
        // No timer but theirs: the slots of the endpoint are free.
        let next_end = tokens.iter().map(|token| token.ends).min();
        assert_eq!(self.rs.engine.poll_timeout(), next_end);
    }

    /// The tokens end, and nothing is left at all.
    fn end(&mut self, ear: &Mutex<Eavesdropper>) {
        assert_eq!(self.run(u64::MAX), Stop::Idle);
        assert!(self.client.ends.is_empty());
        assert_eq!(self.server.endpoint.slots_in_use(), 0);
        assert_eq!(self.rs.engine.tokens().count(), 0);
        let mut ear = ear.lock().expect("whole");
        ear.read(&self.network.capture, self.corrupted);
        let report = &mut self.report;
        report.heard = ear.heard;
        report.datagrams = self.network.capture.len();
        let captured = |fate| {
            let of = |captured: &&Captured| captured.fate == fate;
            self.network.capture.iter().filter(of).count()
        };
        report.lost = captured(Fate::Lost);
        report.too_long = captured(Fate::TooLong);
    }

    fn run(&mut self, deadline: u64) -> Stop {
        let nodes: &mut [(u16, &mut dyn Node)] = &mut [
            (CLIENT, &mut self.client),
            (AS, &mut self.server),
            (RS, &mut self.rs),
        ];
        self.network.run(nodes, deadline, EVENTS)
    }
}
