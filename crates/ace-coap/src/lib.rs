//! A CoAP endpoint without IO, for devices and hosts.
//!
//! **What it does.** [`Endpoint`] is client and server at once over datagrams that the caller carries: CON and NON,
//! retransmission with back-off, duplicates answered with the stored answer and never handed out twice, piggybacked
//! and separate responses, Observe, Resets, ping. [`block`] transfers bodies that outgrow a datagram, inside of OSCORE
//! or outside. [`echo`] proves that a peer is where it says and that its request is fresh, and limits what an
//! unverified peer is sent.
//!
//! **What it does not.** No sockets, no clock, no randomness of its own, no resources or paths (a request is handed
//! out as it is; unknown critical options are the caller's to refuse, see
//! [`Options::unrecognized_critical`](ace_wire::coap::Options::unrecognized_critical)), no security (OSCORE and DTLS
//! stand above and below), no proxy, no cache, no requests to multicast addresses. It does not limit how many requests
//! are under way to one peer (NSTART), nor does it keep the list of observers: the application knows which resource
//! changed.
//!
//! **Covered.** RFC 7252, sections 4, 5.2, 5.3 and 8; RFC 7641, sections 3 and 4; RFC 7959, section 2; RFC 9175,
//! sections 2 and 3.
//!
//! ```
//! use ace_coap::{Code, Endpoint, Incoming, Instant, OutMessage, Reliability, Slot, Transmission};
//! # use ace_testkit::SeededRandom;
//! # let mut rng = SeededRandom::new(1);
//! // Four slots each, on the stack. Addresses are whatever tells peers apart.
//! type Device = Endpoint<u8, [Slot<u8>; 4]>;
//! let slots = || [const { Slot::new() }; 4];
//! let mut client = Device::new(slots(), Transmission::DEFAULT, &mut rng);
//! let mut server = Device::new(slots(), Transmission::DEFAULT, &mut rng);
//!
//! let mut get = OutMessage::new(Code::GET);
//! get.options.push_path("/temp").unwrap();
//! let now = Instant(0);
//! let asked = client.request(now, 2, Reliability::Confirmable, &get, &mut rng)?;
//!
//! let sent = client.poll_transmit(now).unwrap();
//! let Incoming::Request { exchange, message } = server.handle(now, 1, sent.datagram) else { panic!() };
//! assert!(message.options.path_is("/temp"));
//! server.respond(now, exchange, &OutMessage::new(Code::CONTENT).with_payload(b"22.5"))?;
//!
//! let sent = server.poll_transmit(now).unwrap();
//! let Incoming::Response { request, message } = client.handle(now, 2, sent.datagram) else { panic!() };
//! assert_eq!((request, message.payload), (asked, &b"22.5"[..]));
//! # Ok::<(), ace_coap::Error>(())
//! ```
//!
//! **Features.** `index` (default) makes the work per datagram independent of the number of slots, for hosts and large devices.
//! Without it the endpoint is 3 KB smaller on a Cortex-M3 and each slot by 40 bytes.
//!
//! **Memory.** The caller's, and no heap: per [`Slot`] its `MTU` and 144 to 176 bytes
//! (about 100 on a 32-bit device without `index`), per body under way its size and
//! 40 ([`block::Assembly`]) or 120 bytes ([`block::Body`]); an [`Endpoint`] itself takes about 300 to 600 bytes. Work
//! per datagram does not grow with the number of slots, but for timers, with its logarithm. A full table forgets the
//! oldest of what is only kept for duplicates: stored answers, ended requests. It never forgets an exchange under way:
//! then a CON request is answered with 5.03 and a NON request is dropped, already when three quarters of the slots
//! wait for the application, so that the rest serves what the endpoint itself sends. Memory is wiped when it is freed.
//!
//! **Panics.** None.
//!
//! **Caveats.** An answer is remembered only as long as its slot is not needed: with a table too small for its load, or
//! under a flood, a late duplicate is a new request again. An evicted [`Event`] is lost; fetch them after every call.
//! A message is a duplicate by address, Message ID and token, not by address and Message ID alone (RFC 7252, 4.5):
//! peers that start again with the same numbers get new answers. A server that notifies by NON has to send a CON every
//! 24 hours (RFC 7641, 4.5).
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

pub mod block;
pub mod echo;
mod endpoint;
mod message;
pub mod observe;
mod receive;
mod slot;
#[cfg(feature = "index")]
mod table;
#[cfg(not(feature = "index"))]
#[path = "list.rs"]
mod table;
#[cfg(test)]
mod tests;
mod time;
mod transmit;

pub use ace_crypto::CryptoRng;
pub use ace_wire::coap::{Block, CoapError, Code, Message, OptionList, Token, Type, option};
pub use endpoint::Endpoint;
pub use message::{MAX_OPTIONS, OutMessage, Reliability};
pub use slot::Slot;
pub use time::{Instant, Transmission};

/// What a datagram was.
#[derive(Debug, Clone, Copy)]
pub enum Incoming<'d> {
    /// A request, to be answered under `exchange`.
    Request {
        /// Handle for the answer.
        exchange: Exchange,
        /// The request, as it lies in the datagram.
        message: Message<'d>,
    },
    /// A response to a request of this endpoint, or a notification.
    Response {
        /// The request it answers.
        request: RequestId,
        /// The response, as it lies in the datagram.
        message: Message<'d>,
    },
    /// Nothing for the application.
    Nothing(Dropped),
}

/// Why a datagram has nothing for the application.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Not a CoAP message (RFC 7252, 3); a CON was answered with a Reset if it had a header.
    Malformed(CoapError),
    /// A message that came before (RFC 7252, 4.5).
    Duplicate,
    /// An ACK, Reset or response that matches nothing, or a type and code that do not go together.
    Unexpected,
    /// An empty CON, answered with a Reset (RFC 7252, 4.3).
    Ping,
    /// The acknowledgement of a message that was sent.
    Acknowledgement,
    /// The rejection of a message that was sent; an [`Event`] tells if it matters.
    Reset,
    /// A notification older than the freshest one (RFC 7641, 3.4).
    Stale,
    /// A request for which there is no room; a CON was answered with 5.03.
    Full,
    /// Sent to a multicast address, and not a NON request with a safe method (RFC 7252, 8).
    Multicast,
}

/// Handle of a request received. One that is answered, ignored or given up is not mistaken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exchange {
    index: u32,
    generation: u32,
}

/// Handle of a request sent. One that has ended is not mistaken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId {
    index: u32,
    generation: u32,
}

/// A datagram to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'e, P> {
    /// Where to.
    pub peer: P,
    /// The whole CoAP message.
    pub datagram: &'e [u8],
}

/// What happened without a message for the application.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<P> {
    /// No acknowledgement or no response in time: the request has ended.
    TimedOut(RequestId),
    /// The peer rejected the request (RFC 7252, 4.2): it has ended.
    Reset(RequestId),
    /// A notification was rejected or never acknowledged: the observer is to be removed (RFC 7641, 4.5).
    ObserverGone {
        /// The observer.
        peer: P,
        /// The token of its registration.
        token: Token,
    },
}

/// Why the endpoint refused what the application asked.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A request without a method, or a response without a response code (RFC 7252, 5.1 and 5.2).
    Code,
    /// The message does not fit a slot.
    TooLarge,
    /// Every slot has an exchange under way.
    Full,
    /// The exchange or request has ended.
    Gone,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Code => "code does not fit the message's role",
            Self::TooLarge => "message larger than a slot",
            Self::Full => "every slot has an exchange under way",
            Self::Gone => "exchange has ended",
        })
    }
}

impl core::error::Error for Error {}
