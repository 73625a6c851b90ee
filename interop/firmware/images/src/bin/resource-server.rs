//! A resource server: see [`images::serving`]. Ends when the emulator is ended.
#![no_std]
#![no_main]

use board::Board;
use images::{meter, records::Records, serving::Serving};

board::entry!(run);

fn run() -> ! {
    let Board { mut network, mut random, flash, provision } = Board::start(5683);
    let mut serving = Serving::start(provision, Records::open(flash), &mut random);
    meter::made();
    serving.ready();
    loop {
        serving.go_on(&mut network);
        match network.receive() {
            Some((datagram, from)) => serving.take(from, datagram, &mut random),
            None => {
                serving.look_at_stack();
                network.wait(serving.due());
            }
        }
    }
}
