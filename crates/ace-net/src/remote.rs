//! Peers of a server that has more than one socket.

use std::{fmt, net::SocketAddr};

use ace_rs::Peer;

/// A peer, and by which of the server's sockets it comes: answers leave by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remote {
    /// Its address.
    pub address: SocketAddr,
    /// The place of the socket in the server's list.
    pub socket: usize,
}

impl Peer for Remote {
    fn source(&self) -> u64 {
        self.address.source()
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
