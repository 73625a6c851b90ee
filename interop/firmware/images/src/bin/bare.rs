//! The board and its network stack, and nothing else. Sends back what comes.
#![no_std]
#![no_main]

use board::Board;
use images::echo;

board::entry!(run);

fn run() -> ! {
    let mut board = Board::start(5683);
    echo::serve(board.network, &mut board.random)
}
