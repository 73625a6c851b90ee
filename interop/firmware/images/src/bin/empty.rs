//! The board and its network stack, and nothing else: what the other images are measured against. Sends back what comes.
#![no_std]
#![no_main]

use board::{Board, clock, console, stack};

board::entry!(run);

fn run() -> ! {
    let mut board = Board::start(5683);
    console::line(&["ready"]);
    loop {
        while let Some((datagram, from)) = board.network.receive() {
            let mut copy = [0; 64];
            let length = datagram.len().min(copy.len());
            copy[..length].copy_from_slice(&datagram[..length]);
            board.network.send(from, &copy[..length]);
            let busy = console::Number::new(clock::busy());
            let peak = console::Number::new(stack::peak() as u64);
            console::line(&["stack ", peak.as_str(), " busy ", busy.as_str()]);
        }
        board.network.wait(None);
    }
}
