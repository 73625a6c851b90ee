//! The engines on flash whose power fails: client, authorization server and resource server over a simulated network.

mod common;

use std::collections::BTreeMap;

use ace_client::{AsSecurity, Client, Config, Event, Phase, Request};
use ace_coap::Instant;
use ace_crypto::Aead;
use ace_embedded::FlashStorage;
use ace_oscore::OscoreOption;
use ace_oscore::storage::{Key, Storage as _};
use ace_rs::{
    MethodSet, Resource, ResourceServer, Resources, Response, SEQUENCE_KEY, Slot, TokenKey,
    TrustedKey,
};
use ace_testkit::{Conditions, Network, Node, SeededRandom};
use ace_wire::coap::{Code, Message};
use common::authorization::{AuthorizationServer, CONTEXT, EPOCH, TOKEN_KEY};
use common::nor::Nor;

const CLIENT: u16 = 1;
const AS: u16 = 2;
const RS: u16 = 3;

type Chip = Nor<4, 1024>;
type Flash = FlashStorage<Chip>;

fn flash(chip: &Chip) -> Option<Flash> {
    let end = chip.0.borrow().bytes.len() as u32;
    FlashStorage::open(chip.clone(), 0..end).ok()
}

/// A device with the client's engine. Without power it is silent.
struct Asker {
    chip: Chip,
    engine: Option<Client<'static, u16, Flash, 2>>,
    rng: SeededRandom,
    phases: Vec<Phase>,
    answered: Option<(Code, Vec<u8>)>,
    ended: bool,
}

impl Asker {
    fn new(chip: Chip) -> Self {
        Self {
            chip,
            engine: None,
            rng: SeededRandom::new(7),
            phases: vec![],
            answered: None,
            ended: false,
        }
    }

    fn boot(&mut self) {
        self.phases.clear();
        (self.answered, self.ended) = (None, false);
        let mut config = Config::new(AS, "coap://as.example/token", AsSecurity::Oscore(CONTEXT));
        config.reservation = 2;
        self.engine =
            flash(&self.chip).and_then(|flash| Client::new(config, flash, &mut self.rng).ok());
    }

    fn ask(&mut self, now: u64, audience: &str) {
        let request = Request {
            audience: Some(audience),
            ..Request::get("/temp")
        };
        (self.answered, self.ended) = (None, false);
        if let Some(engine) = &mut self.engine {
            engine
                .request(Instant(now), wall(now), RS, request, &mut self.rng)
                .unwrap();
        }
        self.after();
    }

    /// What was told is looked at, if there still is power.
    fn after(&mut self) {
        if self.chip.is_dead() {
            self.engine = None;
        }
        while let Some(event) = self.engine.as_mut().and_then(Client::poll_event) {
            match event {
                Event::Phase(phase) => self.phases.push(phase),
                Event::Response { code, payload, .. } => {
                    self.answered = Some((code, payload.to_vec()));
                    self.ended = true;
                }
                _ => self.ended = true,
            }
        }
    }
}

fn wall(now: u64) -> Option<u64> {
    Some(EPOCH + now / 1000)
}

impl Node for Asker {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        if let Some(engine) = &mut self.engine {
            engine.handle(
                Instant(now),
                wall(now),
                from,
                datagram.as_mut_slice(),
                &mut self.rng,
            );
        }
        self.after();
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.engine.as_mut()?.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.engine.as_ref()?.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        if let Some(engine) = &mut self.engine {
            engine.handle_timeout(Instant(now), wall(now), &mut self.rng);
        }
        self.after();
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

const KEYS: &[TrustedKey<'static>] = &[TrustedKey {
    kid: None,
    issuer: "coap://as.example",
    key: TokenKey::Aead(Aead::AesCcm16_64_128, &TOKEN_KEY),
}];

type Engine = ResourceServer<'static, u16, Thermometer, Flash, Vec<Slot<u16>>>;

/// A device with the resource server's engine.
struct Server {
    chip: Chip,
    engine: Option<Box<Engine>>,
    rng: SeededRandom,
    /// Where tokens are kept, if they are.
    persist: Option<u32>,
}

impl Server {
    fn new(chip: Chip) -> Self {
        Self {
            chip,
            engine: None,
            rng: SeededRandom::new(8),
            persist: None,
        }
    }

    fn boot(&mut self) {
        let mut config = ace_rs::Config::new(&["thermo", "lamp"], "coap://as.example/token", KEYS);
        config.persist = self.persist;
        let config = Box::leak(Box::new(config));
        let slots = (0..8).map(|_| Slot::new()).collect();
        self.engine = flash(&self.chip)
            .and_then(|flash| {
                ResourceServer::new(config, Thermometer, flash, slots, &mut self.rng).ok()
            })
            .map(Box::new);
    }

    fn after(&mut self) {
        if self.chip.is_dead() {
            self.engine = None;
        }
        while self
            .engine
            .as_mut()
            .and_then(|engine| engine.poll_event())
            .is_some()
        {}
    }
}

impl Node for Server {
    fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        if let Some(engine) = &mut self.engine {
            engine.handle(
                Instant(now),
                wall(now),
                from,
                datagram.as_mut_slice(),
                &mut self.rng,
            );
        }
        self.after();
    }

    fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
        let transmit = self.engine.as_mut()?.poll_transmit(Instant(now))?;
        Some((transmit.peer, transmit.datagram.to_vec()))
    }

    fn poll_timeout(&self) -> Option<u64> {
        self.engine.as_ref()?.poll_timeout().map(|due| due.0)
    }

    fn handle_timeout(&mut self, now: u64) {
        if let Some(engine) = &mut self.engine {
            engine.handle_timeout(Instant(now), wall(now));
        }
        self.after();
    }
}

struct World {
    network: Network,
    client: Asker,
    a: AuthorizationServer,
    rs: Server,
}

impl World {
    fn new(pages: usize) -> Self {
        let mut world = Self {
            network: Network::new(1, Conditions::default()),
            client: Asker::new(Chip::blank(pages)),
            a: AuthorizationServer::new(1),
            rs: Server::new(Chip::blank(pages)),
        };
        world.client.boot();
        world.rs.boot();
        world
    }

    /// Lets the world turn until the client's request ends or one of the devices has no power.
    fn turn(&mut self) {
        for _ in 0..10_000 {
            if self.client.ended || self.client.chip.is_dead() || self.rs.chip.is_dead() {
                return;
            }
            let nodes: &mut [(u16, &mut dyn Node)] = &mut [
                (CLIENT, &mut self.client),
                (AS, &mut self.a),
                (RS, &mut self.rs),
            ];
            if self.network.step(nodes).is_none() {
                return;
            }
        }
        panic!("the request never ended");
    }

    fn get(&mut self, audience: &str) {
        self.client.ask(self.network.now, audience);
        self.turn();
    }
}

fn temperature() -> Option<(Code, Vec<u8>)> {
    Some((Code::CONTENT, b"21.5".to_vec()))
}

/// Whether no number of the context with the authorization server protected two things (RFC 8613, 3.1).
fn numbers_are_used_once(world: &World) -> usize {
    let mut used = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    for sent in world
        .network
        .capture
        .iter()
        .filter(|sent| sent.from == CLIENT && sent.to == AS)
    {
        let message = Message::parse(&sent.datagram).unwrap();
        let option = OscoreOption::of(&message).unwrap();
        assert_eq!(option.kid, Some(&b"c1"[..]));
        let number = option.partial_iv.unwrap();
        let number = format!("{number:?}").into_bytes();
        let before = used.insert(number.clone(), message.payload.to_vec());
        assert!(
            before.is_none_or(|before| before == message.payload),
            "{number:?} twice"
        );
    }
    used.len()
}

#[test]
fn rfc8613_b_1_1_no_number_is_used_twice_across_power_cuts() {
    let mut world = World::new(3);
    let mut random = SeededRandom::new(5);
    let (mut answered, mut cuts) = (0, 0);
    for life in 0..300 {
        world.client.chip.cut_after(random.below(150), life);
        world.client.boot();
        for audience in ["thermo", "lamp", "thermo"] {
            if world.client.engine.is_none() {
                break;
            }
            // Tokens that are forgotten are asked for anew, with a number each time.
            if random.below(3) == 0 {
                world.network.now += 4_000_000;
            }
            world.get(audience);
            if world.client.engine.is_some() {
                assert_eq!(world.client.answered, temperature(), "life {life}");
                answered += 1;
            }
        }
        cuts += usize::from(world.client.chip.is_dead());
        world.client.chip.power_up();
    }
    let numbers = numbers_are_used_once(&world);
    println!(
        "{cuts} cuts, {answered} requests answered, {numbers} numbers, {} tokens",
        world.a.issued
    );
    assert!(cuts > 50 && answered > 200 && numbers > 200);
}

#[test]
fn tokens_survive_a_reset() {
    let mut world = World::new(4);
    for audience in ["thermo", "lamp"] {
        world.get(audience);
        assert_eq!(world.client.answered, temperature());
    }
    assert_eq!(world.a.issued, 2);
    for _ in 0..20 {
        world.client.boot();
        for audience in ["thermo", "lamp"] {
            world.get(audience);
            assert_eq!(world.client.answered, temperature());
            assert!(world.client.phases.contains(&Phase::Upload));
            assert!(!world.client.phases.contains(&Phase::Token));
        }
    }
    assert_eq!(world.a.issued, 2);
}

#[test]
fn rfc9200_5_10_3_no_token_with_exi_is_taken_again_after_a_power_cut() {
    let mut world = World::new(2);
    world.a.counts = true;
    let mut random = SeededRandom::new(6);
    let (mut cuts, mut taken) = (0, BTreeMap::new());
    for life in 0..120 {
        world.rs.chip.cut_after(random.below(30), life);
        world.rs.boot();
        for audience in ["thermo", "lamp"] {
            if world.rs.engine.is_some() {
                world.get(audience);
            }
            let Some(engine) = &world.rs.engine else {
                continue;
            };
            assert_eq!(world.client.answered, temperature(), "life {life}");
            for token in engine.tokens() {
                let number = token
                    .cti
                    .and_then(|cti| cti.strip_prefix(b"thermo"))
                    .unwrap();
                let number = u64::from_be_bytes(number.try_into().unwrap());
                // Taken in one life of the device, and in no other.
                assert_eq!(*taken.entry(number).or_insert(life), life, "token {number}");
            }
        }
        cuts += usize::from(world.rs.chip.is_dead());
        world.rs.chip.power_up();
        // The number on the flash is that of the last token taken, or of one that was about to be.
        let mut record = [0; 8];
        let stored = flash(&world.rs.chip)
            .unwrap()
            .load(SEQUENCE_KEY, &mut record)
            .unwrap();
        let stored = stored.map_or(0, |_| u64::from_be_bytes(record));
        let last = taken.keys().last().copied().unwrap_or(0);
        assert!(stored >= last && stored <= world.a.issued, "life {life}");
        world.client.boot();
    }
    println!(
        "{cuts} cuts, {} tokens taken of {}",
        taken.len(),
        world.a.issued
    );
    assert!(cuts > 20 && taken.len() > 60);
}

#[test]
fn a_storage_that_fails_refuses_what_must_not_be_lost() {
    let mut world = World::new(3);
    world.get("thermo");
    assert_eq!(world.client.answered, temperature());
    // No page erases any more: soon nothing can be saved.
    for page in 0..3 {
        let mut cells = world.client.chip.0.borrow_mut();
        cells.stuck.insert(page * 1024 + 100, (1, 0));
    }
    let mut refused = 0;
    for life in 0..60 {
        world.client.boot();
        let Some(engine) = &mut world.client.engine else {
            refused += 1;
            continue;
        };
        let _ = engine.storage_mut().load(Key(0), &mut [0; 8]).unwrap();
        world.network.now += 4_000_000;
        world.get("thermo");
        assert!(world.client.ended, "life {life}");
    }
    assert!(refused > 10, "{refused}");
    numbers_are_used_once(&world);
}

#[test]
fn rfc8613_b_1_no_confirmed_peer_is_lost_across_power_cuts_of_the_resource_server() {
    let mut world = World::new(4);
    world.rs.persist = Some(1_000);
    world.rs.boot();
    let mut random = SeededRandom::new(9);
    let (mut cuts, mut answered, mut forgotten) = (0, 0, 0);
    let mut acknowledged = false;
    for life in 0..300 {
        world.rs.chip.cut_after(random.below(170), life);
        world.rs.boot();
        for _ in 0..3 {
            // Now and then the clock takes the token's time away.
            if random.below(20) == 0 {
                world.network.now += 4_000_000;
                acknowledged = false;
            }
            if world.rs.engine.is_none() {
                break;
            }
            world.client.phases.clear();
            world.get("thermo");
            if world.rs.chip.is_dead() {
                // What was under way is given up; its answer may be lost.
                world.client.engine.as_mut().unwrap().cancel();
                world.client.after();
                break;
            }
            assert_eq!(world.client.answered, temperature(), "life {life}");
            answered += 1;
            let uploaded = world.client.phases.contains(&Phase::Upload);
            // A client that was answered is known ever after.
            forgotten += usize::from(acknowledged && uploaded);
            acknowledged = true;
        }
        cuts += usize::from(world.rs.chip.is_dead());
        world.rs.chip.power_up();
    }
    println!(
        "{cuts} cuts, {answered} requests answered, {} tokens, {forgotten} times forgotten",
        world.a.issued
    );
    assert_eq!(forgotten, 0);
    assert!(cuts > 100 && answered > 300);
    own_numbers_are_used_once(&world);
}

/// Whether what the resource server sent under numbers of its own, and under those of requests, was one message each. An
/// upload begins a new context.
fn own_numbers_are_used_once(world: &World) {
    let mut sent = BTreeMap::<(Vec<u8>, Vec<u8>), Vec<u8>>::new();
    let mut requests = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    let (mut own, mut context, mut uploads) = (0, Vec::new(), 0u32);
    for datagram in &world.network.capture {
        let Ok(message) = Message::parse(&datagram.datagram) else {
            continue;
        };
        let Ok(option) = OscoreOption::of(&message) else {
            uploads += u32::from(message.code == Code::POST);
            continue;
        };
        let handle = message.token.as_bytes().to_vec();
        let number = option
            .partial_iv
            .map(|number| number.number().to_be_bytes().to_vec());
        if (datagram.from, datagram.to) == (CLIENT, RS) {
            context = [&uploads.to_be_bytes(), option.kid.unwrap()].concat();
            requests.insert(handle, [&context[..], &number.unwrap()].concat());
        } else if (datagram.from, datagram.to) == (RS, CLIENT) {
            let nonce = match number {
                Some(number) => {
                    own += 1;
                    (b"own".to_vec(), [&context[..], &number].concat())
                }
                None => (b"request".to_vec(), requests[&handle].clone()),
            };
            let payload = message.payload.to_vec();
            let before = sent.insert(nonce.clone(), payload.clone());
            assert!(
                before.is_none_or(|before| before == payload),
                "{nonce:?} twice"
            );
        }
    }
    println!(
        "{} nonces of the resource server, {own} messages under its own",
        sent.len()
    );
    assert!(own > 20);
}
