//! A simulated network, a fake clock and seeded randomness, for tests of engines that do no IO.
//!
//! **What it does.** [`Network`] carries datagrams between [`Node`]s that are addressed by a number. It loses, delays
//! (and so reorders), duplicates, corrupts and cuts out datagrams as [`Conditions`] say, on a clock that jumps from
//! event to event, and keeps a capture of everything. [`SeededRandom`] is randomness that can be repeated: the same
//! seed gives the same run, to the byte.
//!
//! **What it does not.** No sockets, no threads, no real time. Nothing here is for production; [`SeededRandom`] least
//! of all. Time is a plain `u64` in milliseconds, so that this crate depends on no engine.
//!
//! ```
//! use ace_testkit::{Conditions, Network, Node, Stop};
//! use std::collections::VecDeque;
//!
//! /// Sends back what it gets, a second later.
//! #[derive(Default)]
//! struct Echo {
//!     waiting: VecDeque<(u64, u16, Vec<u8>)>,
//!     heard: usize,
//! }
//!
//! impl Node for Echo {
//!     fn handle(&mut self, now: u64, from: u16, datagram: &[u8]) {
//!         self.heard += 1;
//!         self.waiting.push_back((now + 1000, from, datagram.to_vec()));
//!     }
//!     fn poll_transmit(&mut self, now: u64) -> Option<(u16, Vec<u8>)> {
//!         self.waiting.pop_front_if(|(due, ..)| *due <= now).map(|(_, to, datagram)| (to, datagram))
//!     }
//!     fn poll_timeout(&self) -> Option<u64> {
//!         self.waiting.front().map(|(due, ..)| *due)
//!     }
//!     fn handle_timeout(&mut self, _now: u64) {}
//! }
//!
//! let (mut a, mut b) = (Echo::default(), Echo::default());
//! a.waiting.push_back((0, 2, b"ping".to_vec()));
//! let mut network = Network::new(7, Conditions::default());
//! let stop = network.run(&mut [(1, &mut a), (2, &mut b)], 10_000, 1_000);
//! assert_eq!(stop, Stop::Deadline);
//! assert_eq!((a.heard, b.heard), (5, 5));
//! assert_eq!(network.capture.len(), 10);
//! ```
//!
//! **Memory.** The capture grows with every datagram; [`Network::capture`] may be cleared at any time.
//!
//! **Panics.** On a node that was given no place, and on probabilities above one: a test's mistake.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod network;
mod random;

pub use network::{Captured, Conditions, Fate, Network, Node, Stop};
pub use random::SeededRandom;
