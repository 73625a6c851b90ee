use ace_wire::coap::{Block, Code, Message, OptionValue, Token, option};

use super::BlockError;
use crate::OutMessage;

/// How often a transfer starts again by itself.
const RESTARTS: u8 = 3;

/// One operation of a client: sends the request's body by Block1 if it is long, then gathers the response's body by
/// Block2 into the caller's buffer (RFC 7959, 2.4, 2.5 and 2.7).
///
/// The caller sends [`next_message`](Self::next_message) as a request of its own, hands its response to
/// [`on_response`](Self::on_response), and goes on until that says so. The body may also begin with a notification
/// (RFC 7959, 2.6): a new transfer is then given the notification as its first response.
///
/// It adapts to smaller blocks, to 4.13 with a hint, starts again after 4.08, and, for GET and FETCH, after the
/// representation has changed; three times at most.
#[derive(Debug, Clone)]
pub struct Transfer<'a> {
    request: OutMessage<'a>,
    request_tag: Option<Token>,
    /// Exponent of the blocks sent.
    szx: u8,
    /// Whether the body goes in blocks.
    in_blocks: bool,
    phase: Phase,
    first: Option<First>,
    restarts: u8,
    /// Exponent of the blocks to ask for from the beginning.
    wanted: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Sending { offset: usize },
    Gathering { length: usize, szx: u8 },
    Finished,
}

/// What the first block of the response said, which all others have to agree with.
#[derive(Debug, Clone, Copy)]
struct First {
    code: Code,
    etag: Option<Token>,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Another message is to be sent.
    Again,
    /// The response is complete; its options are those of the last message.
    Complete {
        /// Its code.
        code: Code,
        /// How much of the buffer its body fills.
        length: usize,
    },
}

impl<'a> Transfer<'a> {
    /// A transfer of `request`, which has its whole body as payload and no block options. Bodies above `16 << szx`
    /// bytes go in blocks of that size.
    ///
    /// # Errors
    /// [`BlockError::TooManyOptions`] if there is no room for four more options, [`BlockError::TooLarge`] if the body
    /// needs more blocks than there are numbers.
    pub fn new(request: &OutMessage<'a>, szx: u8) -> Result<Self, BlockError> {
        if request.options.len() + 4 > crate::MAX_OPTIONS {
            return Err(BlockError::TooManyOptions);
        }
        let szx = super::at_most_6(szx);
        if request.payload.len() >> (szx + 4) > Block::MAX_NUMBER as usize {
            return Err(BlockError::TooLarge);
        }
        Ok(Self {
            request: *request,
            request_tag: None,
            szx,
            in_blocks: request.payload.len() > 16 << szx,
            phase: Phase::Sending { offset: 0 },
            first: None,
            restarts: 0,
            wanted: None,
        })
    }

    /// Sets the Request-Tag, 0 to 8 bytes, that every message carries if the body goes in blocks. Within one security
    /// context it must differ from that of every operation whose messages could still be replayed (RFC 9175, 3.5.1).
    ///
    /// # Errors
    /// [`BlockError::TooLarge`] above 8 bytes.
    pub fn with_request_tag(mut self, tag: &[u8]) -> Result<Self, BlockError> {
        self.request_tag = Some(Token::new(tag).map_err(|_| BlockError::TooLarge)?);
        Ok(self)
    }

    /// Asks for response blocks of at most `16 << szx` bytes (`szx` above 6 counts as 6) from the first message on (RFC 7959, 2.4).
    #[must_use]
    pub const fn with_response_blocks(mut self, szx: u8) -> Self {
        self.wanted = Some(super::at_most_6(szx));
        self
    }

    /// The message to send now.
    ///
    /// # Errors
    /// [`BlockError::Finished`].
    pub fn next_message(&self) -> Result<OutMessage<'_>, BlockError> {
        let mut out = OutMessage::new(self.request.code);
        let again = self.restarts > 0 || matches!(self.phase, Phase::Gathering { .. });
        for (number, value) in self.request.options.iter() {
            // RFC 7959, 2.6: later blocks are fetched by plain requests.
            if !(again && number == option::OBSERVE) {
                push(&mut out, number, value)?;
            }
        }
        if !again {
            out.token = self.request.token;
        }
        if self.in_blocks
            && let Some(tag) = &self.request_tag
        {
            // RFC 9175, 3.4: the same in all messages of the operation, also in its Block2 phase.
            push(&mut out, option::REQUEST_TAG, tag.as_bytes())?;
        }
        match self.phase {
            Phase::Finished => return Err(BlockError::Finished),
            Phase::Gathering { length, szx } => {
                let number =
                    u32::try_from(length >> (szx + 4)).map_err(|_| BlockError::TooLarge)?;
                let more = false;
                push(
                    &mut out,
                    option::BLOCK2,
                    Block { number, more, szx }.value(),
                )?;
            }
            Phase::Sending { offset } => {
                let (payload, block) = self.block_at(offset);
                out.payload = payload;
                if self.in_blocks {
                    push(&mut out, option::BLOCK1, checked(block)?)?;
                    if offset == 0 {
                        let size = u32::try_from(self.request.payload.len())
                            .map_err(|_| BlockError::TooLarge)?;
                        push(&mut out, option::SIZE1, size)?;
                    }
                }
                if let Some(szx) = self.wanted
                    && !block.more
                {
                    let (number, more) = (0, false);
                    push(
                        &mut out,
                        option::BLOCK2,
                        Block { number, more, szx }.value(),
                    )?;
                }
            }
        }
        Ok(out)
    }

    /// Takes the response to the last message; what it brings of the body is written to `buffer`, the same at every
    /// call.
    ///
    /// # Errors
    /// [`BlockError::Unexpected`], [`BlockError::EtagChanged`], [`BlockError::TooLarge`] if `buffer` is too small.
    /// The transfer has then ended.
    pub fn on_response(
        &mut self,
        response: &Message<'_>,
        buffer: &mut [u8],
    ) -> Result<Progress, BlockError> {
        let progress = match self.phase {
            Phase::Finished => Err(BlockError::Finished),
            Phase::Sending { offset } => self.on_sending(offset, response, buffer),
            Phase::Gathering { length, .. } => self.gather(length, response, buffer),
        };
        if progress != Ok(Progress::Again) {
            self.phase = Phase::Finished;
        }
        progress
    }

    /// The piece of the request's body at `offset`.
    fn block_at(&self, offset: usize) -> (&'a [u8], Block) {
        let rest = self.request.payload.get(offset..).unwrap_or(&[]);
        let size = if self.in_blocks {
            16 << self.szx
        } else {
            rest.len()
        };
        let block = Block {
            number: (offset >> (self.szx + 4)) as u32,
            more: rest.len() > size,
            szx: self.szx,
        };
        (rest.get(..size).unwrap_or(rest), block)
    }

    fn on_sending(
        &mut self,
        offset: usize,
        response: &Message<'_>,
        buffer: &mut [u8],
    ) -> Result<Progress, BlockError> {
        let (payload, sent) = self.block_at(offset);
        let answered = response
            .options
            .block(option::BLOCK1)
            .map_err(|_| BlockError::Unexpected)?;
        match response.code {
            Code::REQUEST_ENTITY_TOO_LARGE => match self.smaller(answered, response) {
                Some(szx) => {
                    self.in_blocks = true;
                    self.szx = szx;
                    self.restart()
                }
                None => self.gather(0, response, buffer),
            },
            // RFC 7959, 2.9.2
            Code::REQUEST_ENTITY_INCOMPLETE if self.in_blocks && self.restarts < RESTARTS => {
                self.restart()
            }
            Code::CONTINUE if !sent.more => Err(BlockError::Unexpected),
            // RFC 7959, 2.3: also where the server acts on each block by itself.
            code if sent.more && code.is_success() => {
                let block = answered.ok_or(BlockError::Unexpected)?;
                if block.number != sent.number {
                    return Err(BlockError::Unexpected);
                }
                self.szx = self.szx.min(block.szx);
                self.phase = Phase::Sending {
                    offset: offset + payload.len(),
                };
                Ok(Progress::Again)
            }
            _ => self.gather(0, response, buffer),
        }
    }

    /// The exponent to try after 4.13, if there is one (RFC 7959, 2.9.3).
    fn smaller(&self, answered: Option<Block>, response: &Message<'_>) -> Option<u8> {
        let length = self.request.payload.len();
        let limit = match response.options.uint(option::SIZE1) {
            Ok(Some(limit)) => limit as usize,
            _ => usize::MAX,
        };
        if self.restarts >= RESTARTS || length > limit {
            return None;
        }
        let hint = answered.map(|block| block.szx);
        if self.in_blocks {
            return hint.filter(|szx| *szx < self.szx);
        }
        // A hint to try blocks at all.
        let below = (0..=self.szx).rev().find(|szx| 16 << szx < length)?;
        Some(hint.map_or(below, |szx| szx.min(below)))
    }

    fn restart(&mut self) -> Result<Progress, BlockError> {
        self.restarts += 1;
        self.first = None;
        self.phase = Phase::Sending { offset: 0 };
        Ok(Progress::Again)
    }

    /// Takes what a final response or a later block of it brings; `length` is what is there already.
    fn gather(
        &mut self,
        length: usize,
        response: &Message<'_>,
        buffer: &mut [u8],
    ) -> Result<Progress, BlockError> {
        let block = response
            .options
            .block(option::BLOCK2)
            .map_err(|_| BlockError::Unexpected)?;
        let payload = response.payload;
        let code = response.code;
        let safe = matches!(self.request.code, Code::GET | Code::FETCH);
        let may_restart = safe && self.restarts < RESTARTS;
        if length > 0 && !code.is_success() {
            // The server forgot the body, or has an error to tell instead of it.
            if code == Code::REQUEST_ENTITY_INCOMPLETE && may_restart {
                return self.restart();
            }
            return whole(code, payload, buffer);
        }
        let Some(block) = block else {
            return if length == 0 {
                whole(code, payload, buffer)
            } else {
                Err(BlockError::Unexpected)
            };
        };
        // RFC 7959, 2.3
        let short = block.more && payload.len() != block.size();
        if block.offset() != length || short {
            return Err(BlockError::Unexpected);
        }
        let etag = response
            .options
            .find(option::ETAG)
            .map(Token::new)
            .transpose()
            .map_err(|_| BlockError::Unexpected)?;
        let first = *self.first.get_or_insert(First { code, etag });
        // RFC 7959, 2.4: blocks of different representations are not put together.
        if first.etag != etag {
            return if may_restart {
                self.restart()
            } else {
                Err(BlockError::EtagChanged)
            };
        }
        if first.code != code {
            return Err(BlockError::Unexpected);
        }
        let end = length
            .checked_add(payload.len())
            .ok_or(BlockError::TooLarge)?;
        buffer
            .get_mut(length..end)
            .ok_or(BlockError::TooLarge)?
            .copy_from_slice(payload);
        if !block.more {
            return Ok(Progress::Complete { code, length: end });
        }
        if block.number == Block::MAX_NUMBER {
            return Err(BlockError::TooLarge);
        }
        self.phase = Phase::Gathering {
            length: end,
            szx: block.szx,
        };
        Ok(Progress::Again)
    }
}

/// A smaller size may need higher numbers than there are.
fn checked(block: Block) -> Result<OptionValue<'static>, BlockError> {
    if block.number > Block::MAX_NUMBER {
        return Err(BlockError::TooLarge);
    }
    Ok(block.value())
}

fn whole(code: Code, payload: &[u8], buffer: &mut [u8]) -> Result<Progress, BlockError> {
    buffer
        .get_mut(..payload.len())
        .ok_or(BlockError::TooLarge)?
        .copy_from_slice(payload);
    Ok(Progress::Complete {
        code,
        length: payload.len(),
    })
}

fn push<'s>(
    out: &mut OutMessage<'s>,
    number: u16,
    value: impl Into<OptionValue<'s>>,
) -> Result<(), BlockError> {
    out.options
        .push(number, value)
        .map_err(|_| BlockError::TooManyOptions)
}
