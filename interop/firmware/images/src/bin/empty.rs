//! The board, its network stack and records in its flash: what the engines' images are measured against. Sends back what
//! comes.
#![no_std]
#![no_main]

use ace_oscore::storage::{Key, Storage as _};
use board::{Board, console, give_up, wall_clock};
use images::{echo, records::Records};

board::entry!(run);

fn run() -> ! {
    let mut board = Board::start(5683);
    let mut records = Records::open(board.flash);
    let (key, mut starts) = (Key(1000), [0; 4]);
    if records.load(key, &mut starts).is_err() {
        give_up("the count of starts cannot be read");
    }
    let count = u32::from_be_bytes(starts) + 1;
    if records.save(key, &count.to_be_bytes()).is_err() {
        give_up("the count of starts cannot be saved");
    }
    let numbers = [u64::from(count), wall_clock()].map(console::Number::new);
    console::line(&["start ", numbers[0].as_str(), " ", numbers[1].as_str()]);
    echo::serve(board.network, &mut board.random)
}
