//! What a server is told about its sessions.

use std::{fmt, net::SocketAddr};

use ace_dtls::CloseReason;

use super::peer::{Credential, DtlsPeer};

/// Why a handshake or a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By the protocol, or by this side's wish.
    Closed(CloseReason),
    /// The handshake took longer than [`SessionLimits::handshake`](super::SessionLimits::handshake).
    Expired,
    /// Others took its place, see [`SessionLimits`](super::SessionLimits).
    Evicted,
    /// Nothing came for [`SessionLimits::idle`](super::SessionLimits::idle).
    Idle,
    /// The peer began anew from the same address.
    Superseded,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => reason.fmt(f),
            Self::Expired => f.write_str("handshake took too long"),
            Self::Evicted => f.write_str("gave way to others"),
            Self::Idle => f.write_str("idle"),
            Self::Superseded => f.write_str("peer began anew"),
        }
    }
}

/// What happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// A handshake is complete.
    Connected {
        /// With whom.
        peer: DtlsPeer,
        /// Its address.
        address: SocketAddr,
    },
    /// What should have ended a handshake does not verify: the peer has another key, or somebody else sent it. The
    /// handshake goes on, and fails with [`Error::WrongKey`](ace_dtls::Error::WrongKey) unless the right message comes.
    Doubted {
        /// Where it came from.
        address: SocketAddr,
        /// What the peer claimed to be, without proof.
        claimed: Credential,
    },
    /// A handshake failed; there never was a session.
    Failed {
        /// Where it came from.
        address: SocketAddr,
        /// What the peer claimed to be, without proof.
        claimed: Credential,
        /// Why.
        reason: Ended,
    },
    /// A session is over.
    Closed {
        /// With whom.
        peer: DtlsPeer,
        /// Its last address.
        address: SocketAddr,
        /// Why.
        reason: Ended,
    },
}
