//! DTLS 1.2.
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

#[cfg(test)]
extern crate std;

mod bytes;
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
#[cfg(test)]
mod tests;
mod time;
mod window;

pub use config::{Config, ConnectionId, MAX_CID, MaxFragmentLength};
pub use connection::{Connection, DEFAULT_BUFFER};
pub use credentials::{Credentials, Decision, MAX_IDENTITY, MAX_PSK, OwnPsk, Peer, Psk};
pub use error::{Alert, CloseReason, Dropped, Error, Event};
pub use listener::{Accept, Incoming, Listener, is_client_hello};
pub use record::connection_id;
pub use session::{Data, Received, Session};
pub use suite::CipherSuite;
pub use time::Instant;

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
