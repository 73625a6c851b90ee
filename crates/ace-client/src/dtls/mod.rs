//! The DTLS side of the flow (RFC 9202): sessions, and the keys that open them. `without_dtls` stands in for it in builds that do
//! not have it.

mod client;
#[cfg(feature = "_rpk")]
mod key;
mod material;

use core::num::NonZeroU16;
use core::time::Duration;

use ace_coap::Instant;
use ace_dtls::{Connection, Session};

pub(crate) use material::{Material, Own, Room, confirmation};

/// Content types of DTLS records (RFC 9146, 4, the last); CoAP's first byte is 0x40 to 0x7f.
const RECORDS: core::ops::RangeInclusive<u8> = 20..=25;

/// Whether a datagram is of DTLS, and not of CoAP in the clear.
pub(crate) fn is_record(datagram: &[u8]) -> bool {
    datagram
        .first()
        .is_some_and(|first| RECORDS.contains(first))
}

/// Names a session among those the client has had lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(NonZeroU16);

/// An established session.
pub(crate) struct Channel<P> {
    pub id: SessionId,
    /// Where it leads.
    pub peer: P,
    /// When a request went into it last.
    pub used: Instant,
    session: Session,
}

/// A session with the authorization server that was not used for so long is not trusted to be there still: to find out takes
/// longer than a handshake.
const IDLE: Duration = Duration::from_secs(300);

/// The session with the authorization server, if there is one.
pub(crate) struct Authority<P>(Option<Channel<P>>);

impl<P> Authority<P> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }
}

/// A handshake under way, where the body being sent or received lies otherwise.
pub(crate) type Handshake<const N: usize> = Connection<N>;

/// What the client needs to send records.
pub(crate) struct Wire<P, const MTU: usize> {
    out: [u8; MTU],
    /// The last words of a session that is gone, in `out`.
    parting: Option<(P, usize)>,
    sessions: u16,
}

impl<P, const MTU: usize> Wire<P, MTU> {
    pub(crate) const fn new() -> Self {
        Self {
            out: [0; MTU],
            parting: None,
            sessions: 0,
        }
    }

    fn fresh_id(&mut self) -> SessionId {
        self.sessions = self.sessions.checked_add(1).unwrap_or(1);
        SessionId(NonZeroU16::new(self.sessions).unwrap_or(NonZeroU16::MIN))
    }
}
