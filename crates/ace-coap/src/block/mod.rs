//! Block-wise transfers (RFC 7959) with Request-Tag and ETag (RFC 9175, 3).
//!
//! Three parts that know nothing of reliability, so that they serve outside of OSCORE as well as inside, where the
//! messages are what was decrypted (RFC 8613, 4.1.3.4):
//!
//! - [`BlockReceiver`], at the server: puts the body of a request together from its Block1 pieces;
//! - [`BlockSender`], at the server: cuts the body of a response into Block2 pieces and keeps it for the follow-up
//!   requests;
//! - [`Transfer`], at the client: both directions of one operation.
//!
//! A server runs each request through the three steps below; only a whole one reaches its handler.
//!
//! ```
//! use ace_coap::block::{Assembly, BlockReceiver, BlockSender, Body, OperationKey, Received, Transfer, Progress};
//! use ace_coap::{Code, Instant, Message, OutMessage, Token, Type};
//!
//! let mut receiver = BlockReceiver::<_, 4096>::new([const { Assembly::new() }; 4], 2);
//! let mut sender = BlockSender::<_, 4096>::new([const { Body::new() }; 4], 2);
//! let mut serve = |request: &Message<'_>, out: &mut [u8]| {
//!     let now = Instant(0);
//!     let key = OperationKey::new(&[b"the peer's address"], request);
//!     if let Some(response) = sender.follow_up(now, &key, request) {
//!         return response.encode(out, Type::Acknowledgement, request.id, request.token);
//!     }
//!     let (body, block1) = match receiver.receive(now, &key, request) {
//!         Received::Whole { body, block1 } => (body, block1),
//!         other => return other.reply().encode(out, Type::Acknowledgement, request.id, request.token),
//!     };
//!     let answer = [body, body].concat();
//!     let response = OutMessage::new(Code::CHANGED).with_payload(&answer);
//!     let response = sender.respond(now, &key, request, block1, &response).unwrap();
//!     let length = response.encode(out, Type::Acknowledgement, request.id, request.token);
//!     receiver.release(&key);
//!     length
//! };
//!
//! let body = [b'x'; 150];
//! let request = OutMessage::new(Code::POST).with_payload(&body);
//! let mut transfer = Transfer::new(&request, 6)?;
//! let mut gathered = [0; 1024];
//! let (mut out, mut back) = ([0; 1200], [0; 1200]);
//! let length = loop {
//!     let message = transfer.next_message()?;
//!     let len = message.encode(&mut out, Type::Confirmable, 1, Token::EMPTY)?;
//!     let len = serve(&Message::parse(&out[..len]).unwrap(), &mut back)?;
//!     match transfer.on_response(&Message::parse(&back[..len]).unwrap(), &mut gathered)? {
//!         Progress::Again => {}
//!         Progress::Complete { code, length } => {
//!             assert_eq!(code, Code::CHANGED);
//!             break length;
//!         }
//!     }
//! };
//! assert_eq!(gathered[..length], [b'x'; 300]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod key;
mod receiver;
mod sender;
mod transfer;

#[cfg(test)]
mod tests;

pub use key::OperationKey;
pub use receiver::{Assembly, BlockReceiver, Received, Refusal};
pub use sender::{BlockSender, Body};
pub use transfer::{Progress, Transfer};

/// Why a block-wise transfer cannot go on.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockError {
    /// The body does not fit its buffer, or needs more blocks than there are numbers.
    TooLarge,
    /// No room for the block options beside the message's own.
    TooManyOptions,
    /// A response whose block options do not continue the transfer (RFC 7959, 2.3).
    Unexpected,
    /// The blocks belong to different representations (RFC 7959, 2.4; RFC 9175, 3.8).
    EtagChanged,
    /// The transfer is complete or has failed.
    Finished,
}

impl core::fmt::Display for BlockError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "body too large",
            Self::TooManyOptions => "too many options",
            Self::Unexpected => "response does not continue the transfer",
            Self::EtagChanged => "representation changed during the transfer",
            Self::Finished => "transfer has ended",
        })
    }
}

impl core::error::Error for BlockError {}

/// Slots searched for one key. A key belongs to one set, so that the work does not grow with the table.
const WAYS: usize = 16;

/// A slot that belongs to an operation.
trait Keyed {
    fn key(&self) -> Option<&OperationKey>;
    fn last_used(&self) -> crate::Instant;
    fn wipe(&mut self);
}

/// The set of slots a key belongs to.
fn set_of<'s, T>(slots: &'s mut [T], key: &OperationKey) -> &'s mut [T] {
    let sets = (slots.len() / WAYS).max(1);
    let set = key.number() as usize % sets;
    let start = set * WAYS;
    let end = if set + 1 == sets {
        slots.len()
    } else {
        start + WAYS
    };
    slots.get_mut(start..end).unwrap_or(&mut [])
}

fn find<'s, T: Keyed>(slots: &'s mut [T], key: &OperationKey) -> Option<&'s mut T> {
    set_of(slots, key)
        .iter_mut()
        .find(|slot| slot.key() == Some(key))
}

/// The operation's own slot, else a free one, else that of the operation which was idle longest; wiped.
fn claim<'s, T: Keyed>(slots: &'s mut [T], key: &OperationKey) -> Option<&'s mut T> {
    let set = set_of(slots, key);
    let slot = set.iter_mut().min_by_key(|slot| match slot.key() {
        Some(k) if k == key => (0, crate::Instant(0)),
        None => (1, crate::Instant(0)),
        Some(_) => (2, slot.last_used()),
    })?;
    slot.wipe();
    Some(slot)
}

/// RFC 7959, 2.2: blocks have 1024 bytes at most.
const fn at_most_6(szx: u8) -> u8 {
    if szx > 6 { 6 } else { szx }
}

/// Whether state may go: after EXCHANGE_LIFETIME without use.
// RFC 7959, 2.4 and 2.5
const fn is_over(now: crate::Instant, last_used: crate::Instant) -> bool {
    const LIFETIME: u64 = crate::Transmission::DEFAULT.lifetime_millis(true);
    now.0.saturating_sub(last_used.0) > LIFETIME
}

fn expire<T: Keyed>(slots: &mut [T], now: crate::Instant) {
    for slot in slots {
        if slot.key().is_some() && is_over(now, slot.last_used()) {
            slot.wipe();
        }
    }
}
