//! What is kept of a handshake or a session.

use std::net::SocketAddr;

use ace_coap::Instant;
use ace_crypto::CryptoRng;
use ace_dtls::{Connection, Credentials, Session};

use super::{
    peer::{Credential, DtlsPeer},
    tables::Used,
};

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) entry: Option<Entry>,
}

/// Who may send from an address without a Connection ID.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) open: Option<u32>,
    pub(super) half_open: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Entry {
    /// Where the handshake came from; the key in the places.
    pub(super) home: SocketAddr,
    /// Where to send to.
    pub(super) address: SocketAddr,
    /// Of the ClientHello, which tells a repeated one from a new one.
    pub(super) random: [u8; 32],
    pub(super) claimed: Credential,
    pub(super) link: Link,
}

#[derive(Debug)]
pub(super) enum Link {
    HalfOpen {
        connection: Box<Connection>,
        age: u64,
        expires: Instant,
        due: Instant,
        /// What came while the application had not decided, to be taken then: the rest of the client's flight, which
        /// it would otherwise repeat only after a second.
        held: Vec<Vec<u8>>,
    },
    Open {
        session: Box<Session>,
        used: Used,
        owner: Vec<u8>,
        peer: Box<DtlsPeer>,
    },
}

impl Entry {
    pub(super) fn session(&self) -> &Session {
        match &self.link {
            Link::HalfOpen { connection, .. } => connection.session(),
            Link::Open { session, .. } => session,
        }
    }
}

/// Datagrams that are held back for one handshake.
pub(super) const HELD: usize = 12;

/// What a call to [`Sessions::handle`] brings along.
pub(super) struct Call<'c> {
    pub(super) now: Instant,
    pub(super) from: SocketAddr,
    pub(super) credentials: &'c mut dyn Credentials,
    pub(super) rng: &'c mut dyn CryptoRng,
    pub(super) deliver: &'c mut dyn FnMut(&DtlsPeer, &[u8]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_take_what_the_limits_say() {
        assert!(size_of::<Slot>() + size_of::<Connection>() <= 3 * 1024);
        assert!(size_of::<Slot>() + size_of::<Session>() <= 768);
    }
}
