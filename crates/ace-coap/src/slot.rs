//! One row of the endpoint's table: a message received or sent, and what is still to happen with it.

use core::fmt;

use ace_wire::coap::Token;

use crate::Instant;

/// The index that stands for none.
#[cfg(feature = "index")]
pub(crate) const NONE: u32 = u32::MAX;

/// Room for one message and its state; the caller provides as many as the endpoint may use.
///
/// `P` is the peer's address, `MTU` the longest message in bytes. 144 to 176 bytes more than `MTU`, by the size of `P`; 40 fewer
/// without the feature `index`.
#[derive(Clone)]
pub struct Slot<P, const MTU: usize = 1152> {
    #[cfg(feature = "index")]
    pub(crate) links: Links,
    /// When it became evictable, as a number that counts up.
    #[cfg(not(feature = "index"))]
    pub(crate) order: u32,
    pub(crate) generation: u32,
    pub(crate) state: State,
    pub(crate) peer: Option<P>,
    pub(crate) space: Space,
    /// What it is that was sent; without meaning for what was received.
    pub(crate) role: Role,
    pub(crate) id: u16,
    pub(crate) token: Token,
    pub(crate) by_token: bool,
    /// Next moment at which something happens by itself.
    pub(crate) due: Instant,
    /// When the message was first received or sent.
    pub(crate) since: Instant,
    pub(crate) confirmable: bool,
    pub(crate) multicast: bool,
    /// A request that registered, or a response that carried Observe (RFC 7641).
    pub(crate) observe: bool,
    /// Notification that waits to take the place of the one under way (RFC 7641, 4.5.2).
    pub(crate) superseding: bool,
    /// Retransmissions so far, and the current timeout in milliseconds.
    pub(crate) attempt: u8,
    pub(crate) timeout: u32,
    /// Observe value and arrival of the freshest notification (RFC 7641, 3.4).
    pub(crate) freshest: Option<(u32, Instant)>,
    /// State and timer before the response came, for `resume`.
    pub(crate) before: Option<(State, Instant)>,
    pub(crate) send: Outgoing,
    pub(crate) event: Option<Outcome>,
    pub(crate) length: usize,
    pub(crate) buffer: [u8; MTU],
}

impl<P, const MTU: usize> Slot<P, MTU> {
    /// An empty slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            #[cfg(feature = "index")]
            links: Links::NONE,
            #[cfg(not(feature = "index"))]
            order: 0,
            generation: 0,
            state: State::Free,
            peer: None,
            space: Space::Received,
            role: Role::Request,
            id: 0,
            token: Token::EMPTY,
            by_token: false,
            due: Instant::NEVER,
            since: Instant(0),
            confirmable: false,
            multicast: false,
            observe: false,
            superseding: false,
            attempt: 0,
            timeout: 0,
            freshest: None,
            before: None,
            send: Outgoing::Nothing,
            event: None,
            length: 0,
            buffer: [0; MTU],
        }
    }

    /// Back to empty, the message wiped; links and generation stay.
    pub(crate) fn clear(&mut self) {
        self.buffer
            .get_mut(..self.length)
            .unwrap_or(&mut [])
            .fill(0);
        self.state = State::Free;
        self.peer = None;
        self.token = Token::EMPTY;
        self.by_token = false;
        self.due = Instant::NEVER;
        self.confirmable = false;
        self.multicast = false;
        self.observe = false;
        self.superseding = false;
        self.attempt = 0;
        self.timeout = 0;
        self.freshest = None;
        self.before = None;
        self.send = Outgoing::Nothing;
        self.event = None;
        self.length = 0;
    }
}

impl<P, const MTU: usize> Default for Slot<P, MTU> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P, const MTU: usize> fmt::Debug for Slot<P, MTU> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot")
            .field("state", &self.state)
            .field("id", &self.id)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// Where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Free,

    // A request that was received.
    /// With the application. CON: the empty ACK leaves when due. NON: given up when due.
    Received,
    /// With the application, the empty ACK sent (RFC 7252, 5.2.2).
    Promised,
    /// Answered in the ACK, which is repeated to duplicates.
    Answered,
    /// Answered by a message of its own; duplicates get the empty ACK.
    Separate,
    /// NON, answered; duplicates get nothing.
    Silent,
    /// Multicast, answered; the answer leaves when due (RFC 7252, 8.2).
    Leisure,

    // A message that was sent.
    /// CON, retransmitted when due.
    Unacknowledged,
    /// Request, acknowledged or NON; times out when due.
    Awaiting,
    /// Request with an observation (RFC 7641).
    Observing,
    /// NON notification; remembered for its Reset.
    Notified,
    /// Nothing more to come; remembered for duplicates of what the peer sent, and for its Message ID.
    Over,
}

impl State {
    /// Whether the slot may be taken for something else when the table is full.
    pub(crate) const fn is_evictable(self) -> bool {
        matches!(
            self,
            Self::Answered | Self::Separate | Self::Silent | Self::Notified | Self::Over
        )
    }

    /// Whether a request waits for the application's answer.
    pub(crate) const fn is_waiting(self) -> bool {
        matches!(self, Self::Received | Self::Promised)
    }
}

/// What a message of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Request,
    Response,
    Notification,
}

/// Whose Message ID it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    Received,
    Sent,
}

/// What `poll_transmit` shall send for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Nothing,
    Stored,
    EmptyAck,
}

/// Why something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    TimedOut,
    Reset,
    ObserverGone,
}

/// Positions of the slot in the table's structures, and parts of those structures that happen to be kept in it.
#[cfg(feature = "index")]
#[derive(Debug, Clone)]
pub(crate) struct Links {
    /// First slot of the hash bucket whose number is this slot's index: by Message ID, by token.
    pub(crate) head: [u32; 2],
    /// Next slot in the same bucket.
    pub(crate) chain: [u32; 2],
    /// The slot that stands at this place of the heap.
    pub(crate) heap: u32,
    /// This slot's place in the heap.
    pub(crate) place: u32,
    /// Neighbours in the order of eviction.
    pub(crate) older: u32,
    pub(crate) younger: u32,
    /// Next in the queues of transmissions and of events, and whether the slot is in them.
    pub(crate) queue: [u32; 2],
    pub(crate) queued: [bool; 2],
}

#[cfg(feature = "index")]
impl Links {
    pub(crate) const NONE: Self = Self {
        head: [NONE; 2],
        chain: [NONE; 2],
        heap: NONE,
        place: NONE,
        older: NONE,
        younger: NONE,
        queue: [NONE; 2],
        queued: [false; 2],
    };
}
