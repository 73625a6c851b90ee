//! A client: gets a token, takes it to the resource server, reads the thermometer, switches the lamp.
#![no_std]
#![no_main]

use core::net::SocketAddrV4;

use ace_client::{AsSecurity, Client, ClientError, Config, Event, Instant, Phase, Request};
use ace_wire::coap::Code;
use board::{Board, Place, clock, console, exit, give_up, wall_clock};
use images::{field, meter, meter::Meter, records::Records};

board::entry!(run);

/// One resource server's token of up to 256 bytes, bodies of up to 320, datagrams of up to 384.
type Engine = Client<'static, SocketAddrV4, Records, 1, 256, 320, 2, 384>;

static ENGINE: Place<Result<Engine, ClientError>> = Place::new();

/// What is asked, one after the other.
const REQUESTS: [Request<'static>; 3] = [
    Request::get("/temp"),
    Request { payload: b"1", content_format: Some(0), ..Request::new(Code::PUT, "/led") },
    Request::get("/temp"),
];

fn run() -> ! {
    let Board { mut network, mut random, flash, provision: fields } = Board::start(5683);
    let (Some(as_address), Some(rs_address)) = (fields.address(field::AS_ADDRESS), fields.address(field::RS_ADDRESS))
    else {
        give_up("no addresses");
    };
    let Some(context) = field::oscore(fields) else { give_up("no OSCORE context") };
    let config = Config::new(as_address, fields.text(field::AS_URI), AsSecurity::Oscore(context));

    let records = Records::open(flash);
    let mut meter = Meter::new("start");
    let engine = meter.engine(|| ENGINE.fill(|| Client::new(config, records, &mut random)));
    let Ok(engine) = engine else { give_up("the engine does not start") };
    meter.next("request");
    for request in REQUESTS {
        let asked = meter.engine(|| engine.request(now(), Some(wall_clock()), rs_address, request, &mut random));
        if asked.is_err() {
            give_up("the request is not taken");
        }
        'under_way: loop {
            while let Some(event) = engine.poll_event() {
                match event {
                    Event::Phase(phase) => meter.next(name(phase)),
                    Event::Response { code, payload, .. } => {
                        console::line(&["answer ", code.name().unwrap_or("?"), " ", text(payload)]);
                        break 'under_way;
                    }
                    event => failed(&event),
                }
            }
            while let Some(transmit) = meter.engine(|| engine.poll_transmit(now())) {
                network.send(transmit.peer, transmit.datagram);
            }
            if let Some((datagram, from)) = network.receive() {
                meter.engine(|| engine.handle(now(), Some(wall_clock()), from, datagram, &mut random));
                continue;
            }
            let due = engine.poll_timeout();
            network.wait(due.map(|at| at.0));
            if due.is_some_and(|at| at <= now()) {
                meter.engine(|| engine.handle_timeout(now(), Some(wall_clock()), &mut random));
            }
        }
        meter.next("request");
    }
    meter::stack();
    exit(0)
}

fn now() -> Instant {
    Instant(clock::now())
}

fn text(payload: &[u8]) -> &str {
    core::str::from_utf8(payload).unwrap_or("?")
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Idle => "idle",
        Phase::Hints => "hints",
        Phase::Token => "token",
        Phase::Upload => "upload",
        Phase::Update => "update",
        Phase::Access => "access",
        Phase::Observing => "observing",
    }
}

#[cfg(not(feature = "words"))]
fn failed(_: &Event<'_>) -> ! {
    give_up("the request failed; the feature `words` tells why")
}

#[cfg(feature = "words")]
fn failed(event: &Event<'_>) -> ! {
    console::debug(event);
    exit(1)
}
