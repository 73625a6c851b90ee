use core::fmt;

use ace_crypto::sha256;
use ace_wire::coap::{Block, Code, Message, Token, Type, Writer, option};

use super::{BlockError, Keyed, OperationKey, claim, expire, find};
use crate::{Instant, OutMessage};

/// Cuts the bodies of responses into Block2 pieces (RFC 7959, 2.4) and keeps each in a caller's slot of `MAX` bytes
/// for the follow-up requests, so that all pieces are of one representation and the handler runs once.
///
/// When every slot a body could use is taken, the one that was idle longest is forgotten; its next block is then
/// answered with 4.08, or made anew if the request is a GET.
pub struct BlockSender<S, const MAX: usize> {
    pub(super) slots: S,
    szx: u8,
    etag: [u8; ETAG],
}

/// Length of the entity-tags made here: 64 bits of a hash of the body.
const ETAG: usize = 8;
/// Room for the options of a stored response.
const OPTIONS: usize = 64;

/// Room for one response body, `MAX` bytes and about 130 more.
#[derive(Clone)]
pub struct Body<const MAX: usize> {
    key: Option<OperationKey>,
    last: Instant,
    /// Code and options.
    head: [u8; OPTIONS],
    head_length: usize,
    length: usize,
    pub(super) body: [u8; MAX],
    etag: [u8; ETAG],
}

impl<S, const MAX: usize> BlockSender<S, MAX>
where
    S: AsMut<[Body<MAX>]>,
{
    /// `szx`, 0 to 6 (more counts as 6), is the exponent of the largest block this server sends: `16 << szx` bytes.
    pub const fn new(slots: S, szx: u8) -> Self {
        Self {
            slots,
            szx: super::at_most_6(szx),
            etag: [0; ETAG],
        }
    }

    /// The response to a request for a later block of a stored body, or to one whose Block2 option is wrong; `None`
    /// if the request is one for the application.
    pub fn follow_up<'s>(
        &'s mut self,
        now: Instant,
        key: &OperationKey,
        request: &Message<'_>,
    ) -> Option<OutMessage<'s>> {
        let block = match request.options.block(option::BLOCK2) {
            Ok(block) => block?,
            // RFC 7959, 2.2
            Err(_) => return Some(OutMessage::new(Code::BAD_REQUEST)),
        };
        // RFC 7959, 2.7: Block1 goes before Block2.
        if block.number == 0 || request.options.contains(option::BLOCK1) {
            return None;
        }
        let szx = self.szx;
        let slot = find(self.slots.as_mut(), key).filter(|slot| !super::is_over(now, slot.last));
        let Some(slot) = slot else {
            // What has no body in the request can be answered anew, from the wanted block on.
            let again = request.code == Code::GET
                || request.code == Code::FETCH && !request.payload.is_empty();
            return (!again).then(|| OutMessage::new(Code::REQUEST_ENTITY_INCOMPLETE));
        };
        slot.last = now;
        let slot = &*slot;
        let response = slot.response().ok()?;
        Some(
            cut(&response, slot.body.get(..slot.length)?, block, szx)
                .unwrap_or_else(|error| error.reply()),
        )
    }

    /// What to send of the application's `response` to `request`: all of it if it is short, else the block that was
    /// asked for, the rest kept. `block1` is what [`BlockReceiver::receive`](super::BlockReceiver::receive) gave.
    ///
    /// A cut response gets an ETag from its body if it has none (RFC 9175, 3.8), and Size2 if the request asks.
    ///
    /// # Errors
    /// [`BlockError::TooLarge`] for a body above `MAX` whose later blocks could not be made again, and for options
    /// above 64 bytes; [`BlockError::TooManyOptions`].
    pub fn respond<'s>(
        &'s mut self,
        now: Instant,
        key: &OperationKey,
        request: &Message<'_>,
        block1: Option<Block>,
        response: &OutMessage<'s>,
    ) -> Result<OutMessage<'s>, BlockError> {
        let mut response = *response;
        if let Some(block1) = block1 {
            push(&mut response, option::BLOCK1, block1.value())?;
        }
        let wanted = request.options.block(option::BLOCK2).ok().flatten();
        let size = 16usize << wanted.map_or(self.szx, |block| block.szx.min(self.szx));
        let body = response.payload;
        if wanted.is_none() && body.len() <= size {
            return Ok(response);
        }
        let wanted = wanted.unwrap_or(Block {
            number: 0,
            more: false,
            szx: self.szx,
        });
        let fits = body.len() <= size;
        if !fits
            && let Ok(Some(0)) = request.options.uint(option::SIZE2)
            && wanted.number == 0
        {
            // RFC 7959, 4
            let size = u32::try_from(body.len()).map_err(|_| BlockError::TooLarge)?;
            push(&mut response, option::SIZE2, size)?;
        }
        if fits {
            return cut(&response, body, wanted, self.szx).or_else(|error| Ok(error.reply()));
        }
        let etag = etag_of(&response);
        if body.len() <= MAX
            && let Some(slot) = claim(self.slots.as_mut(), key)
        {
            slot.store(now, key, &response, etag)?;
            if !response.options.contains(option::ETAG) {
                push(&mut response, option::ETAG, &slot.etag)?;
            }
        } else if request.code == Code::GET {
            self.etag = etag;
            if !response.options.contains(option::ETAG) {
                push(&mut response, option::ETAG, &self.etag)?;
            }
        } else {
            return Err(BlockError::TooLarge);
        }
        cut(&response, body, wanted, self.szx).or_else(|error| Ok(error.reply()))
    }

    /// Wipes a stored body: to be called when its receiver loses the right to it.
    pub fn release(&mut self, key: &OperationKey) {
        if let Some(slot) = find(self.slots.as_mut(), key) {
            slot.wipe();
        }
    }

    /// Wipes the bodies that were idle for EXCHANGE_LIFETIME; looks at every slot.
    pub fn expire(&mut self, now: Instant) {
        expire(self.slots.as_mut(), now);
    }
}

/// A block beyond the end of the body.
struct BeyondTheEnd;

impl BeyondTheEnd {
    fn reply(self) -> OutMessage<'static> {
        OutMessage::new(Code::BAD_REQUEST)
    }
}

/// The block that was `wanted`, in pieces no larger than `szx` says (RFC 7959, 2.4).
fn cut<'s>(
    response: &OutMessage<'s>,
    body: &'s [u8],
    wanted: Block,
    szx: u8,
) -> Result<OutMessage<'s>, BeyondTheEnd> {
    let szx = wanted.szx.min(szx);
    let offset = wanted.offset();
    let rest = body.get(offset..).ok_or(BeyondTheEnd)?;
    if rest.is_empty() && offset > 0 {
        return Err(BeyondTheEnd);
    }
    let size = 16usize << szx;
    let number = u32::try_from(offset >> (szx + 4)).map_err(|_| BeyondTheEnd)?;
    if number > Block::MAX_NUMBER {
        return Err(BeyondTheEnd);
    }
    let block = Block {
        number,
        more: rest.len() > size,
        szx,
    };
    let mut out = *response;
    out.payload = rest.get(..size).unwrap_or(rest);
    push(&mut out, option::BLOCK2, block.value()).map_err(|_| BeyondTheEnd)?;
    Ok(out)
}

fn push<'s>(
    out: &mut OutMessage<'s>,
    number: u16,
    value: impl Into<ace_wire::coap::OptionValue<'s>>,
) -> Result<(), BlockError> {
    out.options
        .push(number, value)
        .map_err(|_| BlockError::TooManyOptions)
}

/// RFC 9175, 3.8: different representations have different entity-tags.
fn etag_of(response: &OutMessage<'_>) -> [u8; ETAG] {
    let format = response
        .options
        .iter()
        .find(|(number, _)| *number == option::CONTENT_FORMAT);
    let mut scratch = [0; 4];
    let format = format
        .as_ref()
        .map_or(&[][..], |(_, value)| value.bytes(&mut scratch));
    let hash = sha256(&[&[format.len() as u8], format, response.payload]);
    let mut etag = [0; ETAG];
    for (to, from) in etag.iter_mut().zip(hash) {
        *to = from;
    }
    etag
}

impl<const MAX: usize> Body<MAX> {
    /// An empty slot.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            key: None,
            last: Instant(0),
            head: [0; OPTIONS],
            head_length: 0,
            length: 0,
            body: [0; MAX],
            etag: [0; ETAG],
        }
    }

    fn store(
        &mut self,
        now: Instant,
        key: &OperationKey,
        response: &OutMessage<'_>,
        etag: [u8; ETAG],
    ) -> Result<(), BlockError> {
        let mut writer =
            Writer::plaintext(&mut self.head, response.code).map_err(|_| BlockError::TooLarge)?;
        let mut scratch = [0; 4];
        for (number, value) in response.options.iter() {
            // What belongs to the first response alone.
            if !matches!(
                number,
                option::BLOCK1 | option::SIZE2 | option::OBSERVE | option::ECHO
            ) {
                writer
                    .option(number, value.bytes(&mut scratch))
                    .map_err(|_| BlockError::TooLarge)?;
            }
        }
        self.head_length = writer.finish();
        self.body
            .get_mut(..response.payload.len())
            .ok_or(BlockError::TooLarge)?
            .copy_from_slice(response.payload);
        self.length = response.payload.len();
        self.etag = etag;
        self.last = now;
        self.key = Some(*key);
        Ok(())
    }

    fn response(&self) -> Result<OutMessage<'_>, BlockError> {
        let head = self.head.get(..self.head_length).unwrap_or(&[]);
        let head = Message::parse_plaintext(head, Type::Acknowledgement, 0, Token::EMPTY)
            .map_err(|_| BlockError::Unexpected)?;
        let mut out = OutMessage::from_message(&head).map_err(|_| BlockError::TooManyOptions)?;
        if !out.options.contains(option::ETAG) {
            push(&mut out, option::ETAG, &self.etag)?;
        }
        Ok(out)
    }
}

impl<const MAX: usize> Keyed for Body<MAX> {
    fn key(&self) -> Option<&OperationKey> {
        self.key.as_ref()
    }

    fn last_used(&self) -> Instant {
        self.last
    }

    fn wipe(&mut self) {
        self.body.get_mut(..self.length).unwrap_or(&mut []).fill(0);
        self.head.fill(0);
        self.key = None;
        self.length = 0;
        self.head_length = 0;
    }
}

impl<const MAX: usize> Default for Body<MAX> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const MAX: usize> fmt::Debug for Body<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("key", &self.key)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl<S, const MAX: usize> fmt::Debug for BlockSender<S, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockSender")
            .field("szx", &self.szx)
            .finish_non_exhaustive()
    }
}
