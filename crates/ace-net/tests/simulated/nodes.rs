//! The engines as nodes of the simulated network.

use std::collections::{BTreeMap, VecDeque};

use ace_as::Answer;
use ace_client::{Client, Event, Phase, Refusal, Request};
use ace_coap::{Code, Endpoint, Exchange, Incoming, Instant, Message, Slot, Transmission, option};
use ace_net::{Outcome, RefusedBy};
use ace_rs::{MethodSet, Resource, ResourceServer, Resources, Response};
use ace_testkit::{Node, SeededRandom};

use crate::site::{Memory, Site, wall};

pub const CLIENT: u16 = 1;
pub const AS: u16 = 2;
pub const RS: u16 = 3;

/// The payload of a message under OSCORE: it names the message whatever happens to header and token on the way.
pub type Ciphertext = Vec<u8>;

fn ciphertext(datagram: &[u8]) -> Option<Ciphertext> {
    let message = Message::parse(datagram).ok()?;
    message
        .options
        .contains(option::OSCORE)
        .then(|| message.payload.to_vec())
}

/// The client, and the application that asks it.
pub struct ClientNode<'c> {
    pub engine: Box<Client<'c, u16, Memory>>,
    random: SeededRandom,
    /// How requests ended.
    pub ends: VecDeque<Outcome>,
    /// What the client went through since the request was made.
    pub phases: Vec<Phase>,
    /// The number of the application's request.
    pub asked: u32,
    /// Messages to the resource server under OSCORE, and the application's request they were sent for.
    pub messages: BTreeMap<Ciphertext, u32>,
}

impl<'c> ClientNode<'c> {
    pub fn new(config: ace_client::Config<'c, u16>, memory: Memory, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        Self {
            engine: Box::new(Client::new(config, memory, &mut random).expect("a client")),
            random,
            ends: VecDeque::new(),
            phases: Vec::new(),
            asked: 0,
            messages: BTreeMap::new(),
        }
    }

    pub fn request(&mut self, now: u64, request: Request<'_>) {
        self.asked += 1;
        self.phases.clear();
        let taken =
            self.engine
                .request(Instant(now), Some(wall(now)), RS, request, &mut self.random);
        taken.expect("the request before has ended");
        self.events();
    }

    fn events(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            self.ends.push_back(match event {
                Event::Phase(phase) => {
                    self.phases.push(phase);
                    continue;
                }
                Event::Response {
                    code,
                    content_format,
                    payload,
                    protected,
                } => Outcome::Response {
                    code,
                    content_format,
                    payload: payload.to_vec(),
                    protected,
                },
                Event::Refused { by } => Outcome::Refused(match by {
                    Refusal::As { error, description } => RefusedBy::As {
                        error,
                        description: description.map(String::from),
                    },
                    Refusal::Rs {
                        step,
                        code,
                        protected,
                    } => RefusedBy::Rs {
                        step,
                        code,
                        protected,
                    },
                    Refusal::NotGranted { code } => RefusedBy::NotGranted { code },
                    Refusal::UntrustedAs { uri } => RefusedBy::UntrustedAs { uri: uri.into() },
                }),
                Event::Failed { step, reason } => Outcome::Failed { step, reason },
                other => panic!("nothing is observed or renewed here: {other:?}"),
            });
        }
    }
}

impl Node for ClientNode<'_> {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        self.engine.handle(
            Instant(now),
            Some(wall(now)),
            from,
            &mut datagram.to_vec(),
            &mut self.random,
        );
        self.events();
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.engine.poll_transmit(Instant(now))?;
        if transmit.peer == RS
            && let Some(ciphertext) = ciphertext(transmit.datagram)
        {
            self.messages.entry(ciphertext).or_insert(self.asked);
        }
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.engine.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.engine
            .handle_timeout(Instant(now), Some(wall(now)), &mut self.random);
        self.events();
    }
}

/// The authorization server behind a CoAP endpoint. One answer in five takes up to three seconds.
pub struct AsNode<'s> {
    site: &'s Site,
    pub endpoint: Endpoint<u16, Vec<Slot<u16>>>,
    random: SeededRandom,
    later: Vec<(u64, Exchange, Option<Answer>)>,
    answered: BTreeMap<Ciphertext, u32>,
}

impl<'s> AsNode<'s> {
    pub fn new(site: &'s Site, seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        Self {
            site,
            endpoint: Endpoint::new(slots(), Transmission::default(), &mut random),
            random,
            later: Vec::new(),
            answered: BTreeMap::new(),
        }
    }

    fn respond(&mut self, now: u64, exchange: Exchange, answer: Option<&Answer>) {
        match answer {
            None => self.endpoint.ignore(exchange),
            Some(answer) => self.endpoint.respond(
                Instant(now),
                exchange,
                &answer.as_message().expect("a message"),
            ),
        }
        .expect("the exchange waits");
    }
}

impl Node for AsNode<'_> {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let Incoming::Request { exchange, message } =
            self.endpoint.handle(Instant(now), from, datagram)
        else {
            return;
        };
        let answer = self.site.answer(now, from, &message, datagram.len());
        let is_protected = |answer: &Answer| {
            answer
                .options
                .iter()
                .any(|(number, _)| *number == option::OSCORE)
        };
        if answer.as_ref().is_some_and(is_protected) {
            let times = self.answered.entry(message.payload.to_vec()).or_default();
            *times += 1;
            assert_eq!(
                *times, 1,
                "the authorization server acted twice on one message"
            );
        }
        if self.random.chance(0.2) {
            let due = now + self.random.below(3_000);
            self.later.push((due, exchange, answer));
        } else {
            self.respond(now, exchange, answer.as_ref());
        }
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.endpoint.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        let own = self.later.iter().map(|(due, ..)| *due);
        own.chain(self.endpoint.poll_timeout().map(|due| due.0))
            .min()
    }

    fn handle_timeout(&mut self, now: u64) {
        self.endpoint.handle_timeout(Instant(now));
        let due: Vec<_> = self.later.extract_if(.., |(due, ..)| *due <= now).collect();
        for (_, exchange, answer) in due {
            self.respond(now, exchange, answer.as_ref());
        }
    }
}

/// A run of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The message that led to it.
    pub message: Ciphertext,
    pub path: &'static str,
    pub code: Code,
    pub payload: Vec<u8>,
}

/// A thermometer with a lamp, a log, and a vault for which nobody has a right.
pub struct Thermo {
    led: Vec<u8>,
    /// Runs of handlers so far, over all lives of the device: no two readings are the same.
    count: u32,
    last: Option<(&'static str, Code, Vec<u8>)>,
}

impl Thermo {
    const RESOURCES: [Resource; 4] = [
        Resource::new("/temp", MethodSet::GET),
        Resource::new("/led", MethodSet(MethodSet::GET.0 | MethodSet::PUT.0)),
        Resource::new("/log", MethodSet::POST),
        Resource::new("/vault", MethodSet::PUT),
    ];

    fn new(count: u32) -> Self {
        Self {
            led: b"dark".to_vec(),
            count,
            last: None,
        }
    }
}

impl Resources for Thermo {
    fn list(&self) -> &[Resource] {
        &Self::RESOURCES
    }

    fn handle(&mut self, request: &ace_rs::Request<'_>, response: &mut Response<'_>) -> Code {
        self.count += 1;
        let (code, payload) = match (request.path, request.method) {
            ("/temp", Code::GET) => (
                Code::CONTENT,
                format!("22.5 C, reading {}", self.count).into_bytes(),
            ),
            ("/led", Code::GET) => (Code::CONTENT, self.led.clone()),
            ("/led", Code::PUT) => {
                self.led = request.payload.to_vec();
                (Code::CHANGED, Vec::new())
            }
            ("/log", Code::POST) => (Code::CREATED, format!("entry {}", self.count).into_bytes()),
            other => panic!("a handler nobody has the right to: {other:?}"),
        };
        response.write(&payload);
        self.last = Some((request.path, code, payload));
        code
    }
}

type Engine<'c> = ResourceServer<'c, u16, Thermo, Memory, Vec<ace_rs::Slot<u16>>>;

/// The resource server.
pub struct RsNode<'c> {
    config: &'c ace_rs::Config<'c>,
    has_clock: bool,
    memory: Memory,
    random: SeededRandom,
    pub engine: Box<Engine<'c>>,
    pub runs: Vec<Run>,
}

impl<'c> RsNode<'c> {
    pub fn new(config: &'c ace_rs::Config<'c>, has_clock: bool, seed: u64) -> Self {
        let (memory, mut random) = (Memory::default(), SeededRandom::new(seed));
        let engine = Self::engine(config, &memory, 0, &mut random);
        Self {
            config,
            has_clock,
            memory,
            random,
            engine,
            runs: Vec::new(),
        }
    }

    fn engine(
        config: &'c ace_rs::Config<'c>,
        memory: &Memory,
        count: u32,
        random: &mut SeededRandom,
    ) -> Box<Engine<'c>> {
        let engine = Engine::new(
            config,
            Thermo::new(count),
            memory.clone(),
            rs_slots(),
            random,
        );
        Box::new(engine.expect("a resource server"))
    }

    /// The device starts anew: tokens, keys, the lamp and every half-done exchange are forgotten.
    pub fn reboot(&mut self) {
        let count = self.engine.resources().count;
        self.engine = Self::engine(self.config, &self.memory, count, &mut self.random);
    }

    fn wall(&self, now: u64) -> Option<u64> {
        self.has_clock.then(|| wall(now))
    }
}

impl Node for RsNode<'_> {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let wall = self.wall(now);
        let mut received = datagram.to_vec();
        self.engine
            .handle(Instant(now), wall, from, &mut received, &mut self.random);
        if let Some((path, code, payload)) = self.engine.resources_mut().last.take() {
            let message = ciphertext(datagram).expect("a handler ran without protection");
            self.runs.push(Run {
                message,
                path,
                code,
                payload,
            });
        }
        while self.engine.poll_event().is_some() {}
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.engine.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.engine.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        self.engine.handle_timeout(Instant(now), Some(wall(now)));
    }
}

fn rs_slots() -> Vec<ace_rs::Slot<u16>> {
    std::iter::repeat_with(Slot::new).take(16).collect()
}

fn slots() -> Vec<Slot<u16>> {
    std::iter::repeat_with(Slot::new).take(16).collect()
}
