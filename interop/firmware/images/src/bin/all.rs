//! Client and resource server in one device: it asks what there is to ask, and serves all the while and ever after.
#![no_std]
#![no_main]

use board::{Board, console};
use images::{asking::Asking, meter, records::Records, serving::Serving};

board::entry!(run);

fn run() -> ! {
    let Board { mut network, mut random, flash, provision } = Board::start(5683);
    let records = Records::open(flash);
    let mut asking = Asking::start(provision, records, &mut random);
    let mut serving = Serving::start(provision, records, &mut random);
    meter::made();
    serving.ready();
    let mut asks = true;
    loop {
        if asks {
            asks = asking.go_on(&mut network, &mut random);
            if !asks {
                console::line(&["asked"]);
            }
        }
        serving.go_on(&mut network);
        match network.receive() {
            Some((datagram, from)) if asking.knows(from) => asking.take(from, datagram, &mut random),
            Some((datagram, from)) => serving.take(from, datagram, &mut random),
            None => {
                serving.look_at_stack();
                let asking_due = if asks { asking.due() } else { None };
                network.wait(asking_due.into_iter().chain(serving.due()).min());
            }
        }
    }
}
