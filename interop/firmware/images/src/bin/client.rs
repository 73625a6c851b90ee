//! A client: see [`images::asking`]. Ends when all was answered.
#![no_std]
#![no_main]

use board::{Board, exit};
use images::{asking::Asking, meter, records::Records};

board::entry!(run);

fn run() -> ! {
    let Board { mut network, mut random, flash, provision } = Board::start(5683);
    let mut asking = Asking::start(provision, Records::open(flash), &mut random);
    meter::made();
    while asking.go_on(&mut network, &mut random) {
        match network.receive() {
            Some((datagram, from)) => asking.take(from, datagram, &mut random),
            None => network.wait(asking.due()),
        }
    }
    meter::stack();
    exit(0)
}
