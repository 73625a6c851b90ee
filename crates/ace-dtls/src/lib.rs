//! DTLS 1.2 (RFC 6347) for constrained devices, without IO and without heap: pre-shared keys and raw public keys.
//!
//! **What it does.** The client's and the server's side of a connection as state machines: give them datagrams and the time, take
//! datagrams and events. A [`Listener`] answers strangers without remembering them; [`Connection`] does the handshake;
//! [`Session`] is what is left of it once the handshake's memory is given up; [`Server`] is all of these for a device with a few peers, in
//! memory of a fixed size. One engine for a microcontroller and for a server with many peers.
//!
//! **What it does not.** No sockets, no clock, and beside [`Server`] no table of connections: the caller finds the connection by address or by
//! [`connection_id`], and decides how many there may be. No resumption, no renegotiation, no compression, no DTLS 1.0 or
//! 1.3. The hello of a client must have its cookie in its first fragment; messages that overtake others are discarded and come again
//! with the peer's retransmission (RFC 6347, 4.2.2, allows that).
//!
//! **Covered.** RFC 6347 and, of RFC 5246, what it needs; suites of RFC 6655, 7251 and 8442 ([`CipherSuite`]); RFC 4279 and 5487
//! (PSK), RFC 5489 (ECDHE_PSK); RFC 8422 (secp256r1, x25519, ecdsa_secp256r1_sha256, ed25519); RFC 7250 (raw public keys, both
//! ways); RFC 5280 (X.509, with a feature); RFC 7627 (extended master secret, required by default); RFC 5746 (indication sent, renegotiation refused);
//! RFC 9146 (Connection ID); RFC 6066, 4 and RFC 8449 (sizes of records). RFC 7925 and RFC 9202 name these as their profile.
//!
//! ```
//! use ace_crypto::Secret;
//! use ace_dtls::*;
//! # use ace_testkit::SeededRandom;
//!
//! /// The server's keys.
//! struct Door;
//! impl Credentials for Door {
//!     fn find_psk(&mut self, identity: &[u8]) -> Decision<Psk> {
//!         match identity {
//!             b"lamp" => Decision::Accept(Psk { key: Secret::new(&[7; 16]).unwrap(), peer: 42 }),
//!             _ => Decision::Refuse,
//!         }
//!     }
//! }
//! let mut lamp = OwnPsk { identity: b"lamp", key: &[7; 16] };
//!
//! # let mut rng = SeededRandom::new(1); // never on a device
//! let config = Config { suites: &[CipherSuite::PskAes128Ccm8], ..Config::DEFAULT };
//! let now = Instant(0); // milliseconds of any monotonic clock
//! let mut buffer = [0; 1280];
//!
//! // The client's hello, and the cookie it has to come back with.
//! let mut client: Connection = Connection::client(&config, now, &lamp, &mut rng)?;
//! let mut listener = Listener::new(Listener::DEFAULT_PERIOD, now, &mut rng);
//! let mut server: Connection = loop {
//!     let mut reply = [0; 64];
//!     let len = client.poll_transmit(&mut buffer).unwrap();
//!     match listener.handle(now, b"its address", &buffer[..len], &mut rng, &mut reply) {
//!         Incoming::Reply(len) => drop(client.handle(now, &mut reply[..len], &mut lamp, &mut rng)),
//!         Incoming::Accept(accept) => {
//!             let mut server = Connection::server(&config, accept, now);
//!             server.handle(now, &mut buffer[..len], &mut Door, &mut rng);
//!             break server;
//!         }
//!         Incoming::Drop(reason) => return Err(reason),
//!     }
//! };
//! while !client.session().is_established() {
//!     while let Some(len) = server.poll_transmit(&mut buffer) {
//!         client.handle(now, &mut buffer[..len], &mut lamp, &mut rng);
//!     }
//!     while let Some(len) = client.poll_transmit(&mut buffer) {
//!         server.handle(now, &mut buffer[..len], &mut Door, &mut rng);
//!     }
//! }
//! assert_eq!(server.poll_event(), Some(Event::Connected));
//! assert_eq!(server.session().peer(), Peer::Psk(42));
//!
//! // The handshake's memory is not needed any more.
//! let mut session = server.into_session().unwrap();
//! let len = client.send(b"open", &mut buffer)?;
//! for data in session.handle(&mut buffer[..len]).data {
//!     assert_eq!(data, b"open");
//! }
//! # Ok::<(), Error>(())
//! ```
//!
//! **Use.** After every call: [`poll_event`](Connection::poll_event) and [`poll_transmit`](Connection::poll_transmit) until `None`, and
//! [`poll_timeout`](Connection::poll_timeout). The clock is needed during the handshake alone. A server asks the [`Listener`] about every datagram
//! that belongs to no connection, and about those that look like [a new hello](is_client_hello) from the address of an established one: the old
//! connection is not given up before the new one is established (RFC 6347, 4.2.8).
//!
//! **Features**: `es256` (secp256r1, ECDSA) and `eddsa` (x25519, Ed25519), both on by default; without either there are the plain PSK suites alone. `x509`
//! is for hosts, since it needs `std`: chains of X.509 certificates both ways, verified by `rustls-webpki` against trust anchors, time, use and name, with
//! the application's decision afterwards; see `X509`.
//!
//! A client offers what it has credentials for. It keeps its [`Connection`] where it is, and begins each anew in it
//! ([`begin_client`](Connection::begin_client), [`take_session`](Connection::take_session)), where memory and stack are short.
//!
//! **Memory.** No heap. A [`Session`] takes 192 bytes; a [`Connection`] takes 536 on a 64-bit machine (504 on a 32-bit one, 440 there without ECDHE) and its handshake
//! buffer, which all messages of a handshake have to fit, each with 12 bytes of header, and an eighth of the one being received. With our own hellos and no
//! other extensions a handshake needs in the buffer, for either role:
//!
//! | suite | bytes |
//! |---|---|
//! | PSK, identity of 16 bytes | 256 |
//! | PSK, identity of 512 bytes | 768 |
//! | ECDHE_PSK, identity of 16 bytes | 416 |
//! | ECDHE_PSK, identity of 512 bytes | 928 |
//! | ECDHE_ECDSA, P-256 keys on both sides | 832 |
//! | the same, with Connection IDs of 8 bytes | 848 |
//!
//! The default of 1,536 leaves room for hellos of other libraries with all their extensions. A [`Listener`] takes 96 bytes, whoever asks. A
//! [`Server`] on a 32-bit machine takes 296 bytes, 216 for each session and 536 (472 without ECDHE) and the buffer for each handshake: with two sessions and
//! one handshake by PSK 1,448 bytes in all.
//!
//! **Code.** A program that is a client has nothing of the server in it, and the other way round. With opt-level "z" and LTO for thumbv7m, and all
//! cryptography, a program that is nothing but a client by PSK takes 19.5 KB of flash, a server by PSK with its table 25.6 KB, a client with P-256 raw public
//! keys 45.5 KB.
//!
//! **Panics.** None.
//!
//! **Caveats.** What is not protected yet can be forged by whoever sees the handshake: they can end one, but not one that is done. Until the client's
//! Finished has verified, a server knows nothing about it, though [`Credentials`] has been asked. Secrets are wiped where they
//! were kept; a connection that is moved leaves a copy behind, as everything in Rust does. A wrong PSK shows as `decrypt_error` to the client, and to the server
//! as [`Event::Doubted`] at once, since anyone may have sent that record, and as [`Error::WrongKey`] when the timers have run out. AES-CCM-8 has a tag of 64 bits: [`Session::dropped`] tells how many records failed.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::todo,
        clippy::unreachable
    )
)]

#[cfg(any(test, feature = "x509"))]
extern crate std;

mod bytes;
#[cfg(feature = "_ecc")]
mod certificate;
mod client;
mod config;
mod connection;
mod credentials;
mod error;
mod flight;
mod hello;
mod keys;
mod listener;
mod messages;
mod record;
mod server;
mod session;
#[cfg(feature = "_ecc")]
mod signing;
mod suite;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod window;
#[cfg(feature = "x509")]
mod x509;

pub use config::{Config, ConnectionId, MAX_CID, MaxFragmentLength};
pub use connection::{Connection, DEFAULT_BUFFER};
pub use credentials::{Credentials, Decision, MAX_IDENTITY, MAX_PSK, OwnPsk, Peer, Psk};
pub use error::{Alert, CloseReason, Dropped, Error, Event};
pub use listener::{Accept, Incoming, Listener, client_hello_random, is_client_hello};
pub use record::connection_id;
pub use session::{Data, Received, Session};
pub use suite::CipherSuite;
pub use table::{Server, ServerEvent, SessionId};
pub use time::Instant;
#[cfg(feature = "x509")]
pub use x509::X509;

// What the first page promises.
const IS_32_BIT: bool = size_of::<usize>() == 4;
const HAS_ECDHE: bool = cfg!(feature = "_ecc");
const CONNECTION: usize = match (IS_32_BIT, HAS_ECDHE) {
    (true, false) => 440,
    (true, true) => 504,
    (false, _) => 536,
};
const _: () = assert!(size_of::<Session>() <= 192);
const _: () = assert!(size_of::<Connection<0>>() <= CONNECTION);
const _: () = assert!(size_of::<Listener>() <= 96);
const _: () = assert!(size_of::<Server<u32, 0, 0, 0>>() <= if IS_32_BIT { 296 } else { 320 });
const _: () = assert!(
    size_of::<Server<u32, 2, 1, 256>>()
        <= size_of::<Server<u32, 0, 0, 0>>() + 2 * 216 + CONNECTION + 32 + 256
);

/// The side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends the first message.
    Client,
    /// Waits for it.
    Server,
}

impl Role {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
