//! A CoAP endpoint without IO.
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
mod table;
#[cfg(test)]
mod tests;
mod time;

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
