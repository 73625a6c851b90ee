//! A resource server: a thermometer, /temp, and a lock, /lock, that opens to whoever has a token for it.
#![no_std]
#![no_main]

use core::net::SocketAddrV4;

use ace_rs::{Config, Error, ResourceServer, Slot};
use board::{Board, Place, clock, console, give_up, wall_clock};
use images::{
    field,
    meter::{self, Meter},
    records::Records,
    things::{self, Things},
};

board::entry!(run);

const MTU: usize = 384;

/// Four tokens, two more that wait for their first request, one observer, scopes of 64 bytes, one block-wise transfer
/// of up to 256 bytes, three exchanges.
type Engine =
    ResourceServer<'static, SocketAddrV4, Things, Records, [Slot<SocketAddrV4, MTU>; 3], 4, 2, 1, 64, 1, 256, MTU>;

static ENGINE: Place<Result<Engine, Error>> = Place::new();
static AUDIENCES: Place<[&'static str; 1]> = Place::new();
static KEYS: Place<[ace_rs::TrustedKey<'static>; 1]> = Place::new();
static CONFIG: Place<Config<'static>> = Place::new();

fn run() -> ! {
    let Board { mut network, mut random, flash, provision: fields } = Board::start(5683);
    let audiences = AUDIENCES.fill(|| [fields.text(field::AUDIENCE)]);
    let Some(key) = things::token_key(fields) else { give_up("no key that opens tokens") };
    let keys = KEYS.fill(|| [key]);
    let config = CONFIG.fill(|| Config::new(audiences, fields.text(field::AS_URI), keys));

    let records = Records::open(flash);
    let mut meter = Meter::new("start");
    let make = || ResourceServer::new(config, Things::new(), records, [const { Slot::new() }; 3], &mut random);
    let Ok(engine) = meter.engine(|| ENGINE.fill(make)) else { give_up("the engine does not start") };
    meter.next("datagram");
    console::line(&["ready"]);
    let mut deepest = 0;
    loop {
        if let Some((datagram, from)) = network.receive() {
            meter.engine(|| engine.handle(now(), Some(wall_clock()), from, datagram, &mut random));
        } else {
            let peak = board::stack::peak();
            if peak > deepest {
                deepest = peak;
                meter::stack();
            }
            let due = engine.poll_timeout();
            network.wait(due.map(|at| at.0));
            if due.is_some_and(|at| at <= now()) {
                meter.engine(|| engine.handle_timeout(now(), Some(wall_clock())));
            }
            continue;
        }
        while let Some(transmit) = meter.engine(|| engine.poll_transmit(now())) {
            network.send(transmit.peer, transmit.datagram);
        }
        while let Some(event) = engine.poll_event() {
            things::tell(&event, &mut meter);
        }
    }
}

fn now() -> ace_coap::Instant {
    ace_coap::Instant(clock::now())
}
