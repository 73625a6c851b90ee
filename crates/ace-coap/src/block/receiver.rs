use core::fmt;

use ace_wire::coap::{Block, Code, Message, option};

use super::{Keyed, OperationKey, claim, expire, find};
use crate::{Instant, OutMessage};

/// Puts the bodies of requests together from their Block1 pieces (RFC 7959, 2.5), each body in a caller's slot of
/// `MAX` bytes, strictly in order.
///
/// When every slot a body could use is taken, the operation that was idle longest is forgotten; its next block is
/// answered with 4.08.
pub struct BlockReceiver<S, const MAX: usize> {
    pub(super) slots: S,
    szx: u8,
}

/// Room for one body under way, `MAX` bytes and about 40 more.
#[derive(Clone)]
pub struct Assembly<const MAX: usize> {
    key: Option<OperationKey>,
    last: Instant,
    complete: bool,
    length: usize,
    pub(super) body: [u8; MAX],
}

/// What a request brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received<'s> {
    /// The whole body. The final response carries `block1`.
    Whole {
        /// From the request itself, or from the slot.
        body: &'s [u8],
        /// To be handed to [`BlockSender::respond`](super::BlockSender::respond).
        block1: Option<Block>,
    },
    /// A piece: to be answered with 2.31 and this Block1 option (RFC 7959, 2.9.1).
    Continue(Block),
    /// To be answered with this error.
    Refused(Refusal),
}

/// An error response to a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// 4.00, 4.08 or 4.13.
    pub code: Code,
    /// The largest body this server takes, with 4.13.
    pub size1: Option<u32>,
}

impl Received<'_> {
    /// The response to send for [`Continue`](Self::Continue) and [`Refused`](Self::Refused); 5.00 for a whole body,
    /// whose response is the application's.
    #[must_use]
    pub fn reply(&self) -> OutMessage<'static> {
        match *self {
            Self::Whole { .. } => OutMessage::new(Code::INTERNAL_SERVER_ERROR),
            Self::Continue(block) => {
                let mut out = OutMessage::new(Code::CONTINUE);
                let _fits = out.options.push(option::BLOCK1, block.value());
                out
            }
            Self::Refused(refusal) => refusal.reply(),
        }
    }
}

impl Refusal {
    const fn new(code: Code) -> Self {
        Self { code, size1: None }
    }

    /// The response to send.
    #[must_use]
    pub fn reply(&self) -> OutMessage<'static> {
        let mut out = OutMessage::new(self.code);
        if let Some(size) = self.size1 {
            let _fits = out.options.push(option::SIZE1, size);
        }
        out
    }
}

impl<S, const MAX: usize> BlockReceiver<S, MAX>
where
    S: AsMut<[Assembly<MAX>]>,
{
    /// `szx`, 0 to 6 (more counts as 6), is the exponent of the largest block this server wants: `16 << szx` bytes.
    pub const fn new(slots: S, szx: u8) -> Self {
        Self {
            slots,
            szx: super::at_most_6(szx),
        }
    }

    /// Takes a request. One without Block1 is whole as it is.
    pub fn receive<'s>(
        &'s mut self,
        now: Instant,
        key: &OperationKey,
        message: &Message<'s>,
    ) -> Received<'s> {
        let payload = message.payload;
        let block = match message.options.block(option::BLOCK1) {
            Ok(block) => block,
            // RFC 7959, 2.2
            Err(_) => return Received::Refused(Refusal::new(Code::BAD_REQUEST)),
        };
        let Some(block) = block else {
            self.release(key);
            return Received::Whole {
                body: payload,
                block1: None,
            };
        };
        // RFC 7959, 2.3: every block but the last is as long as it says.
        if block.more && payload.len() != block.size() {
            return Received::Refused(Refusal::new(Code::BAD_REQUEST));
        }
        // RFC 7959, 2.3: the preference goes with every answer.
        let answer = Block {
            szx: block.szx.min(self.szx),
            ..block
        };
        if block.number == 0 && !block.more {
            self.release(key);
            return Received::Whole {
                body: payload,
                block1: Some(answer),
            };
        }
        let announced = match message.options.uint(option::SIZE1) {
            Ok(Some(size)) if block.number == 0 => size as usize,
            _ => 0,
        };
        // RFC 7959, 2.9.3
        if announced > MAX || block.offset().saturating_add(payload.len()) > MAX {
            self.release(key);
            return Received::Refused(Refusal {
                code: Code::REQUEST_ENTITY_TOO_LARGE,
                size1: u32::try_from(MAX).ok(),
            });
        }
        let slots = self.slots.as_mut();
        let slot = if block.number == 0 {
            // RFC 7959, 2.5: a new start overwrites what was there.
            claim(slots, key)
        } else {
            find(slots, key).filter(|slot| !slot.complete && !super::is_over(now, slot.last))
        };
        let refused = Received::Refused(Refusal::new(Code::REQUEST_ENTITY_INCOMPLETE));
        let Some(slot) = slot else {
            return if block.number == 0 {
                Received::Refused(Refusal::new(Code::REQUEST_ENTITY_TOO_LARGE))
            } else {
                refused
            };
        };
        slot.key = Some(*key);
        let end = block.offset().saturating_add(payload.len());
        if block.offset() != slot.length {
            // A block that is there already, sent again under a new Message ID because its answer was lost.
            let same = block.more && slot.body.get(block.offset()..end) == Some(payload);
            return if same && end <= slot.length {
                slot.last = now;
                Received::Continue(answer)
            } else {
                refused
            };
        }
        if let Some(room) = slot.body.get_mut(block.offset()..end) {
            room.copy_from_slice(payload);
        }
        slot.length = end;
        slot.last = now;
        if block.more {
            return Received::Continue(answer);
        }
        slot.complete = true;
        Received::Whole {
            body: slot.body.get(..end).unwrap_or(&[]),
            block1: Some(answer),
        }
    }

    /// Wipes the body of an operation and frees its slot: to be called when the whole body has been used.
    pub fn release(&mut self, key: &OperationKey) {
        if let Some(slot) = find(self.slots.as_mut(), key) {
            slot.wipe();
        }
    }

    /// Wipes the bodies of operations that were idle for EXCHANGE_LIFETIME; looks at every slot.
    pub fn expire(&mut self, now: Instant) {
        expire(self.slots.as_mut(), now);
    }
}

impl<const MAX: usize> Assembly<MAX> {
    /// An empty slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            key: None,
            last: Instant(0),
            complete: false,
            length: 0,
            body: [0; MAX],
        }
    }
}

impl<const MAX: usize> Keyed for Assembly<MAX> {
    fn key(&self) -> Option<&OperationKey> {
        self.key.as_ref()
    }

    fn last_used(&self) -> Instant {
        self.last
    }

    fn wipe(&mut self) {
        self.body.get_mut(..self.length).unwrap_or(&mut []).fill(0);
        self.key = None;
        self.complete = false;
        self.length = 0;
    }
}

impl<const MAX: usize> Default for Assembly<MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const MAX: usize> fmt::Debug for Assembly<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly")
            .field("key", &self.key)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl<S, const MAX: usize> fmt::Debug for BlockReceiver<S, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockReceiver")
            .field("szx", &self.szx)
            .finish_non_exhaustive()
    }
}
