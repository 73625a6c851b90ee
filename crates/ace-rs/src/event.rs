use core::fmt;

use ace_wire::coap::{Code, Options, option};
use heapless::Deque;

use crate::Refusal;
use crate::token::TokenId;

/// Events kept until [`poll_event`](crate::ResourceServer::poll_event) takes them; the oldest goes
/// first when there are more.
pub const MAX_EVENTS: usize = 6;

/// Bytes of a path that an event keeps; the rest is cut off.
pub const MAX_EVENT_PATH: usize = 24;

/// Something worth a line in a log. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<P> {
    /// Where the message that led to it came from; `None` when time did.
    pub peer: Option<P>,
    /// The token it is about, if one is known.
    pub token: Option<TokenId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// A valid token was posted or came in a handshake; its presenter has not proven possession of the key yet.
    TokenAccepted,
    /// The first request under the new context verified, or a handshake was completed: the token is in force.
    TokenConfirmed,
    /// The rights of a live context or session were replaced (RFC 9203, 4.2; RFC 9202, 4).
    TokenUpdated,
    /// A token was refused.
    TokenRefused(Refusal),
    /// A token ended by time (RFC 9200, 5.10.3).
    TokenExpired,
    /// A token ended because its client got another one (RFC 9203, 6).
    TokenReplaced,
    /// A token ended by [`revoke`](crate::ResourceServer::revoke).
    TokenRevoked,
    /// A DTLS session with the holder of the token's key.
    #[cfg(feature = "dtls")]
    SessionOpened,
    /// A DTLS session is over.
    #[cfg(feature = "dtls")]
    SessionEnded(ace_dtls::CloseReason),
    /// A handshake was refused for the identity or key that the client presented (RFC 9202, 3.3.2).
    #[cfg(feature = "dtls")]
    HandshakeRefused(Refusal),
    /// What should have ended a handshake does not verify: the client has another key than the token says, or somebody
    /// else sent it. The handshake goes on, and fails as one with the wrong key unless the right message comes.
    #[cfg(feature = "dtls")]
    HandshakeDoubted,
    /// A handshake came to nothing.
    #[cfg(feature = "dtls")]
    HandshakeFailed(ace_dtls::CloseReason),
    /// A token of the life before is in force again (see [`Config::persist`](crate::Config::persist)).
    TokenRestored,
    /// The storage did not take a token, which will be lost with a reset, or did not give one up, which may come back.
    TokenNotKept,
    /// A request was decided.
    Request {
        /// The method.
        method: Code,
        /// The path, `/a/b`, cut at [`MAX_EVENT_PATH`] bytes; empty where it is hidden in a message
        /// that could not be opened.
        path: EventPath,
        /// What was answered.
        answer: Code,
        /// Why.
        outcome: Outcome,
    },
    /// A message under OSCORE was not let in, and not answered unless the outcome of a
    /// [`EventKind::Request`] says so.
    Dropped(Outcome),
}

/// Why a request was answered the way it was.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A handler ran.
    Handled,
    /// Protected resource, unprotected request: 4.01 with hints (RFC 9200, 5.2).
    Unauthorized,
    /// OSCORE under a context this server does not have: 4.01 with hints (RFC 9200, 5.10.2).
    UnknownContext,
    /// The session has no token any more: 4.01 with hints (RFC 9202, 3.4).
    NoToken,
    /// The token does not cover the resource: 4.03 (RFC 9200, 5.10.2).
    ResourceNotCovered,
    /// The token covers the resource, not the method: 4.05 (RFC 9200, 5.10.2).
    MethodNotCovered,
    /// No such resource, or it does not have this method: 4.04, 4.05.
    NoSuchResource,
    /// The peer had to show first that it receives at its address (RFC 9175, 2.4).
    Challenged,
    /// An option that is not understood, or a proxy was asked for: 4.02, 5.05.
    BadOption,
    /// Part of a block-wise transfer.
    Block,
    /// Partial IV seen before (RFC 8613, 7.4).
    Replay,
    /// The tag did not verify (RFC 8613, 8.2).
    Forgery,
    /// The OSCORE message is malformed (RFC 8613, 8.2).
    MalformedOscore,
    /// No room: answered 5.03, or not at all.
    NoRoom,
}

/// A path, `/a/b`, cut at [`MAX_EVENT_PATH`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct EventPath {
    bytes: [u8; MAX_EVENT_PATH],
    len: u8,
}

impl EventPath {
    #[inline(never)]
    pub(crate) fn of(options: Options<'_>) -> Self {
        let mut path = Self::default();
        for segment in options.iter().filter(|o| o.number == option::URI_PATH) {
            path.extend(b"/");
            path.extend(segment.value);
        }
        path
    }

    fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(room) = self.bytes.get_mut(usize::from(self.len)) {
                *room = *byte;
                self.len += 1;
            }
        }
    }

    /// The bytes, not necessarily UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl fmt::Display for EventPath {
    /// Printable ASCII as it is, every other byte as `%XX`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| match byte {
            b'!'..=b'~' => write!(f, "{}", char::from(*byte)),
            _ => write!(f, "%{byte:02X}"),
        })
    }
}

impl fmt::Debug for EventPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug)]
pub(crate) struct Events<P>(Deque<Event<P>, MAX_EVENTS>);

impl<P> Events<P> {
    pub(crate) const fn new() -> Self {
        Self(Deque::new())
    }

    #[inline(never)]
    pub(crate) fn push(&mut self, peer: Option<P>, token: Option<TokenId>, kind: EventKind) {
        if self.0.is_full() {
            self.0.pop_front();
        }
        // There is room: nothing is lost here.
        let _ = self.0.push_back(Event { peer, token, kind });
    }

    pub(crate) fn pop(&mut self) -> Option<Event<P>> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ace_wire::coap::OptionList;

    fn encoded(path: &str) -> Vec<u8> {
        let mut options = OptionList::<8>::new();
        options.push_path(path).unwrap();
        let mut buffer = [0; 128];
        let mut writer = ace_wire::coap::Writer::plaintext(&mut buffer, Code::GET).unwrap();
        writer.options(&options).unwrap();
        let length = writer.finish();
        buffer[1..length].to_vec()
    }

    #[test]
    fn paths_are_cut_and_escaped() {
        let short = encoded("/a/b c");
        let (options, _) = Options::parse_with_payload(&short).unwrap();
        assert_eq!(EventPath::of(options).to_string(), "/a/b%20c");
        let long = encoded("/0123456789/0123456789/0123456789/0123456789");
        let (options, _) = Options::parse_with_payload(&long).unwrap();
        assert_eq!(EventPath::of(options).as_bytes().len(), MAX_EVENT_PATH);
    }

    #[test]
    fn the_oldest_event_goes_first() {
        let mut events = Events::<u8>::new();
        for peer in 0..10 {
            events.push(Some(peer), None, EventKind::TokenExpired);
        }
        let left: Vec<_> = core::iter::from_fn(|| events.pop())
            .map(|e| e.peer.unwrap())
            .collect();
        assert_eq!(left, (4..10).collect::<Vec<_>>());
    }
}
