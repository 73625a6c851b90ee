//! The board and its network stack, and nothing else. Sends back what comes.
#![no_std]
#![no_main]

use board::Board;
use images::echo;

board::entry!(run);

fn run() -> ! {
    echo::serve(Board::start(5683).network)
}
