//! The emulated board: `lm3s6965evb` of `qemu-system-arm`, a Cortex-M3 with 256 KiB of flash and 64 KiB of RAM.
//!
//! **What it does.** Start-up code and linker script (`board.ld`), a clock, the Ethernet controller as a device of
//! smoltcp with one UDP socket, NOR flash on a file, a console, and a meter for the stack and for instructions. An image
//! is a function and a line, [`entry!`]; see the crate `images`.
//!
//! **What it does not.** Nothing here is tied to ACE. The board has no entropy: random numbers come from a seed that is
//! handed in, see [`random`].
//!
//! What an image is told and what it keeps are files in the folder where the emulator is started, reached by
//! semihosting: `seed` (32 bytes, new for each start), `provision` (keys and addresses, see [`provision`]), `flash`
//! (made when missing; keep it from one start to the next).
//!
//! ```text
//! qemu-system-arm -machine lm3s6965evb -display none -serial none -monitor none -icount shift=4
//!     -nic user,hostfwd=udp:127.0.0.1:PORT-10.0.2.15:5683 -chardev stdio,id=console
//!     -semihosting-config enable=on,target=native,chardev=console -kernel IMAGE
//! ```
//!
//! **Unsafe code** of all images is in this crate: registers, memory, the debugger's breakpoint.
#![no_std]
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

pub mod clock;
pub mod console;
pub mod ethernet;
pub mod flash;
pub mod network;
mod place;
pub mod provision;
pub mod random;
mod semihosting;
pub mod stack;
mod start;

pub use embedded_storage;
pub use place::{Place, Taken};
pub use rand_core;
pub use semihosting::{exit, wall_clock};
pub use start::BROKEN;

use rand_core::Rng as _;

/// Everything an image is given.
#[derive(Debug)]
pub struct Board {
    /// Its one socket.
    pub network: network::Network,
    /// Random numbers.
    pub random: random::Random,
    /// What survives a reset.
    pub flash: flash::Flash,
    /// Keys and addresses.
    pub provision: provision::Provision,
}

impl Board {
    /// Starts the clock and the network with a socket on `port`; ends the emulator if a file is missing.
    ///
    /// # Panics
    /// The second time.
    #[inline(never)]
    pub fn start(port: u16) -> Self {
        clock::start();
        let Some(mut random) = random::seeded() else { give_up("no file `seed` of 32 bytes") };
        let Some(provision) = provision::Provision::read() else { give_up("no file `provision`") };
        let Some(flash) = flash::Flash::open() else { give_up("no file `flash`, and none can be made") };
        let network = network::Network::start(port, random.next_u64());
        Self { network, random, flash, provision }
    }
}

/// Says why, and ends the emulator.
pub fn give_up(why: &str) -> ! {
    console::line(&["error ", why]);
    exit(1)
}
