//! The client's side of one operation with bodies in blocks (RFC 7959, 2.4, 2.5 and 2.7).
//!
//! `ace_coap::block::Transfer` holds the request it transfers. The client's requests live in buffers
//! of the client itself, so this one holds no more than where it is, and is given the body each time.

use ace_wire::coap::{Block, Code, Message, OptionList, Token, option};

use crate::Reason;

/// Options of the longest request: 12 parts of the target, content formats, Observe, blocks, Echo.
pub(crate) const MAX_OPTIONS: usize = 24;

/// How often a transfer starts again by itself.
const RESTARTS: u8 = 3;

/// Request-Tags one transfer may use.
pub(crate) const TAGS: u16 = RESTARTS as u16 + 1;

pub(crate) struct Transfer {
    /// Exponent of the blocks sent.
    szx: u8,
    in_blocks: bool,
    place: Place,
    /// What the first block of the response said, which all others have to agree with.
    first: Option<(Code, Option<Token>)>,
    restarts: u8,
    /// Exponent of the response blocks to ask for from the beginning.
    wanted: Option<u8>,
    tag: [u8; 2],
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Sending { offset: usize },
    Gathering { length: usize, szx: u8 },
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Another message is to be sent.
    Again,
    /// The response's body fills this much of the buffer.
    Complete { length: usize },
}

impl Transfer {
    /// A transfer of a body of `length` bytes in blocks of at most `16 << szx`, with [`TAGS`] tags
    /// from `tag` on to itself (RFC 9175, 3.5.1: blocks of an earlier one may still be under way).
    pub(crate) fn new(length: usize, szx: u8, tag: u16) -> Self {
        Self {
            szx,
            in_blocks: length > 16 << szx,
            place: Place::Sending { offset: 0 },
            first: None,
            restarts: 0,
            wanted: (szx < 6).then_some(szx),
            tag: tag.to_be_bytes(),
        }
    }

    /// Whether nothing was exchanged yet. RFC 7959, 2.6: Observe goes with the first message only.
    pub(crate) const fn is_at_start(&self) -> bool {
        matches!(self.place, Place::Sending { offset: 0 }) && self.restarts == 0
    }

    /// Adds the block options of the message to send now; returns its payload.
    pub(crate) fn fill<'b>(
        &'b self,
        body: &'b [u8],
        options: &mut OptionList<'b, MAX_OPTIONS>,
    ) -> Result<&'b [u8], Reason> {
        let mut push = |number, value| options.push(number, value).map_err(|_| Reason::Unsendable);
        if self.in_blocks {
            // RFC 9175, 3.4: the same in all messages of the operation, also in its Block2 phase.
            push(option::REQUEST_TAG, self.tag[..].into())?;
        }
        let offset = match self.place {
            Place::Gathering { length, szx } => {
                let number = (length >> (szx + 4)) as u32;
                push(
                    option::BLOCK2,
                    Block {
                        number,
                        more: false,
                        szx,
                    }
                    .value(),
                )?;
                return Ok(&[]);
            }
            Place::Sending { offset } => offset,
        };
        let (payload, block) = self.block_at(body, offset);
        if self.in_blocks {
            push(option::BLOCK1, block.value())?;
            if offset == 0 {
                push(option::SIZE1, (body.len() as u32).into())?;
            }
        }
        if let Some(szx) = self.wanted
            && !block.more
        {
            push(
                option::BLOCK2,
                Block {
                    number: 0,
                    more: false,
                    szx,
                }
                .value(),
            )?;
        }
        Ok(payload)
    }

    /// Takes the response to the last message of a request with method `code` and body length
    /// `sending`; what it brings of the response's body goes to `buffer`.
    ///
    /// Until a final response, `buffer` is not written: it may be where the request's body lies.
    pub(crate) fn on_response(
        &mut self,
        code: Code,
        sending: usize,
        response: &Message<'_>,
        buffer: &mut [u8],
    ) -> Result<Progress, Reason> {
        let offset = match self.place {
            Place::Gathering { length, .. } => return self.gather(code, length, response, buffer),
            Place::Sending { offset } => offset,
        };
        let size = 16usize << self.szx;
        let (number, more) = ((offset >> (self.szx + 4)) as u32, sending > offset + size);
        let more = self.in_blocks && more;
        let answered = response
            .options
            .block(option::BLOCK1)
            .map_err(|_| Reason::Blockwise)?;
        match response.code {
            Code::REQUEST_ENTITY_TOO_LARGE
                if let Some(szx) = self.smaller(sending, answered, response) =>
            {
                self.in_blocks = true;
                self.szx = szx;
                Ok(self.restart())
            }
            // RFC 7959, 2.9.2
            Code::REQUEST_ENTITY_INCOMPLETE if self.in_blocks && self.restarts < RESTARTS => {
                Ok(self.restart())
            }
            Code::CONTINUE if !more => Err(Reason::Blockwise),
            // RFC 7959, 2.3: also where the server acts on each block by itself.
            answer if more && answer.is_success() => {
                let block = answered.filter(|block| block.number == number);
                self.szx = self.szx.min(block.ok_or(Reason::Blockwise)?.szx);
                self.place = Place::Sending {
                    offset: offset + size,
                };
                Ok(Progress::Again)
            }
            _ => self.gather(code, 0, response, buffer),
        }
    }

    fn block_at<'b>(&self, body: &'b [u8], offset: usize) -> (&'b [u8], Block) {
        let rest = body.get(offset..).unwrap_or(&[]);
        let size = if self.in_blocks {
            16 << self.szx
        } else {
            rest.len()
        };
        let number = (offset >> (self.szx + 4)) as u32;
        let block = Block {
            number,
            more: rest.len() > size,
            szx: self.szx,
        };
        (rest.get(..size).unwrap_or(rest), block)
    }

    /// The exponent to try after 4.13, if there is one (RFC 7959, 2.9.3).
    fn smaller(&self, sending: usize, hint: Option<Block>, response: &Message<'_>) -> Option<u8> {
        let limit = response.options.uint(option::SIZE1).ok().flatten();
        let too_long = limit.is_some_and(|limit| sending > limit as usize);
        if self.restarts >= RESTARTS || too_long {
            return None;
        }
        let hint = hint.map(|block| block.szx);
        if self.in_blocks {
            return hint.filter(|szx| *szx < self.szx);
        }
        // A hint to try blocks at all.
        let below = (0..=self.szx).rev().find(|szx| 16 << szx < sending)?;
        Some(hint.map_or(below, |szx| szx.min(below)))
    }

    fn restart(&mut self) -> Progress {
        self.restarts += 1;
        self.first = None;
        self.tag = u16::from_be_bytes(self.tag).wrapping_add(1).to_be_bytes();
        self.place = Place::Sending { offset: 0 };
        Progress::Again
    }

    /// Takes what a final response or a later block of it brings; `length` is what is there already.
    fn gather(
        &mut self,
        method: Code,
        length: usize,
        response: &Message<'_>,
        buffer: &mut [u8],
    ) -> Result<Progress, Reason> {
        let block = response
            .options
            .block(option::BLOCK2)
            .map_err(|_| Reason::Blockwise)?;
        let may_restart = matches!(method, Code::GET | Code::FETCH) && self.restarts < RESTARTS;
        if length > 0 && !response.code.is_success() {
            // The server forgot the body, or has an error to tell instead of it.
            if response.code == Code::REQUEST_ENTITY_INCOMPLETE && may_restart {
                return Ok(self.restart());
            }
            return write(buffer, 0, response.payload);
        }
        let Some(block) = block else {
            return match length {
                0 => write(buffer, 0, response.payload),
                _ => Err(Reason::Blockwise),
            };
        };
        // RFC 7959, 2.3
        let short = block.more && response.payload.len() != block.size();
        if block.offset() != length || short {
            return Err(Reason::Blockwise);
        }
        let etag = response
            .options
            .find(option::ETAG)
            .and_then(|etag| Token::new(etag).ok());
        // RFC 7959, 2.4: blocks of different representations are not put together.
        if *self.first.get_or_insert((response.code, etag)) != (response.code, etag) {
            return if may_restart {
                Ok(self.restart())
            } else {
                Err(Reason::Blockwise)
            };
        }
        let complete = write(buffer, length, response.payload)?;
        if !block.more {
            return Ok(complete);
        }
        if block.number == Block::MAX_NUMBER {
            return Err(Reason::TooLong);
        }
        let length = length + response.payload.len();
        self.place = Place::Gathering {
            length,
            szx: block.szx,
        };
        Ok(Progress::Again)
    }
}

fn write(buffer: &mut [u8], length: usize, payload: &[u8]) -> Result<Progress, Reason> {
    let end = length + payload.len();
    buffer
        .get_mut(length..end)
        .ok_or(Reason::TooLong)?
        .copy_from_slice(payload);
    Ok(Progress::Complete { length: end })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ace_wire::coap::{OptionValue, Type, Writer};
    use std::vec::Vec;

    type Filled = Vec<(u16, Vec<u8>)>;
    type Given<'r> = &'r [(u16, &'r [u8])];

    /// Block options and payload of the message to send now.
    fn fill(transfer: &Transfer, body: &[u8]) -> (Filled, Vec<u8>) {
        let mut options = OptionList::new();
        let payload = transfer.fill(body, &mut options).unwrap().to_vec();
        let value = |value: OptionValue<'_>| value.bytes(&mut [0; 4]).to_vec();
        (
            options.iter().map(|(n, v)| (n, value(v))).collect(),
            payload,
        )
    }

    /// Hands over a response with these options and payload.
    fn respond(
        transfer: &mut Transfer,
        method: Code,
        sending: usize,
        response: (Code, Given<'_>, &[u8]),
        buffer: &mut [u8],
    ) -> Result<Progress, Reason> {
        let (code, options, payload) = response;
        let mut bytes = [0; 256];
        let mut writer =
            Writer::new(&mut bytes, Type::Acknowledgement, code, 0, Token::EMPTY).unwrap();
        for (number, value) in options {
            writer.option(*number, value).unwrap();
        }
        writer.payload(payload).unwrap();
        let length = writer.finish();
        let message = Message::parse(&bytes[..length]).unwrap();
        transfer.on_response(method, sending, &message, buffer)
    }

    const B1: u16 = option::BLOCK1;
    const B2: u16 = option::BLOCK2;

    #[test]
    fn rfc7959_2_5_body_leaves_in_blocks_and_stays_until_the_final_answer() {
        // Body and buffer are one, as with token requests.
        let mut work = [7; 40];
        let body = work;
        let mut transfer = Transfer::new(40, 0, 0x0100);
        let (options, payload) = fill(&transfer, &body);
        let tag = (option::REQUEST_TAG, [1, 0].to_vec());
        let size = (option::SIZE1, [40].to_vec());
        let early = (B2, Vec::new());
        assert_eq!(options, [(B1, [0x08].to_vec()), size, tag.clone()]);
        assert_eq!(payload.len(), 16);
        let go_on = (Code::CONTINUE, &[(B1, &[0x08][..])][..], &b""[..]);
        let progress = respond(&mut transfer, Code::POST, 40, go_on, &mut work);
        assert_eq!((progress, work), (Ok(Progress::Again), body));
        assert!(!transfer.is_at_start());
        let again = (Code::CONTINUE, &[(B1, &[0x18][..])][..], &b""[..]);
        respond(&mut transfer, Code::POST, 40, again, &mut work).unwrap();
        let (options, payload) = fill(&transfer, &body);
        // The last block asks for response blocks of the same size.
        assert_eq!(options, [early, (B1, [0x20].to_vec()), tag]);
        assert_eq!(payload.len(), 8);
        let last = (Code::CHANGED, &[(B1, &[0x20][..])][..], &b"ok"[..]);
        let progress = respond(&mut transfer, Code::POST, 40, last, &mut work);
        assert_eq!(progress, Ok(Progress::Complete { length: 2 }));
        assert_eq!(&work[..2], b"ok");
    }

    #[test]
    fn rfc7959_2_9_answers_that_do_not_fit_the_block_sent_are_refused() {
        let mut work = [0; 40];
        for response in [
            (Code::CONTINUE, &[(B1, &[0x18][..])][..], &b""[..]),
            (Code::CONTINUE, &[], b""),
            (Code::CONTINUE, &[(B1, &[0x0f])], b""),
        ] {
            let mut transfer = Transfer::new(40, 0, 0);
            let progress = respond(&mut transfer, Code::POST, 40, response, &mut work);
            assert_eq!(progress, Err(Reason::Blockwise));
        }
        let mut transfer = Transfer::new(10, 6, 0);
        let progress = respond(
            &mut transfer,
            Code::POST,
            10,
            (Code::CONTINUE, &[], b""),
            &mut work,
        );
        assert_eq!(progress, Err(Reason::Blockwise));
    }

    #[test]
    fn rfc9175_3_5_1_another_start_has_another_request_tag() {
        let mut work = [0; 40];
        let mut transfer = Transfer::new(40, 0, 0xffff);
        let incomplete = (Code::REQUEST_ENTITY_INCOMPLETE, &[][..], &b""[..]);
        let mut tags = Vec::new();
        for _ in 0..TAGS {
            let (options, _) = fill(&transfer, &work);
            tags.push(options.last().unwrap().clone());
            let progress = respond(&mut transfer, Code::POST, 40, incomplete, &mut work);
            let last = tags.len() == usize::from(TAGS);
            assert_eq!(
                progress == Ok(Progress::Complete { length: 0 }),
                last,
                "{progress:?}"
            );
        }
        let tag = |value: [u8; 2]| (option::REQUEST_TAG, value.to_vec());
        assert_eq!(
            tags,
            [tag([0xff, 0xff]), tag([0, 0]), tag([0, 1]), tag([0, 2])]
        );
    }

    #[test]
    fn rfc7959_2_9_3_too_large_body_is_sent_in_smaller_blocks_if_there_is_hope() {
        let mut work = [0; 300];
        let too_large = Code::REQUEST_ENTITY_TOO_LARGE;
        let mut transfer = Transfer::new(300, 6, 0);
        assert_eq!(fill(&transfer, &work).1.len(), 300);
        let hint = (too_large, &[(B1, &[0x02][..])][..], &b""[..]);
        let progress = respond(&mut transfer, Code::PUT, 300, hint, &mut work);
        assert_eq!(progress, Ok(Progress::Again));
        assert_eq!(fill(&transfer, &work).1.len(), 64);
        // No smaller hint, or a limit that the body is above.
        let progress = respond(&mut transfer, Code::PUT, 300, hint, &mut work);
        assert_eq!(progress, Ok(Progress::Complete { length: 0 }));
        let mut transfer = Transfer::new(300, 6, 0);
        let limit = (too_large, &[(option::SIZE1, &[0xc8][..])][..], &b""[..]);
        let progress = respond(&mut transfer, Code::PUT, 300, limit, &mut work);
        assert_eq!(progress, Ok(Progress::Complete { length: 0 }));
    }

    #[test]
    fn rfc7959_2_4_blocks_of_one_representation_are_put_together() {
        let mut work = [0; 40];
        let mut transfer = Transfer::new(0, 6, 0);
        let etag = |tag: &'static [u8]| (option::ETAG, tag);
        let first = [etag(b"a"), (B2, &[0x08][..])];
        let first = (Code::CONTENT, &first[..], &[1; 16][..]);
        let progress = respond(&mut transfer, Code::GET, 0, first, &mut work);
        assert_eq!(progress, Ok(Progress::Again));
        assert_eq!(fill(&transfer, &[]).0, [(B2, [0x10].to_vec())]);
        // Another representation: from the beginning.
        let other = [etag(b"b"), (B2, &[0x10][..])];
        let other = (Code::CONTENT, &other[..], &[2; 4][..]);
        let progress = respond(&mut transfer, Code::GET, 0, other, &mut work);
        assert_eq!(progress, Ok(Progress::Again));
        assert_eq!(fill(&transfer, &[]).0, []);
        respond(&mut transfer, Code::GET, 0, first, &mut work).unwrap();
        let rest = [etag(b"a"), (B2, &[0x10][..])];
        let rest = (Code::CONTENT, &rest[..], &[3; 4][..]);
        let progress = respond(&mut transfer, Code::GET, 0, rest, &mut work);
        assert_eq!(progress, Ok(Progress::Complete { length: 20 }));
        assert_eq!((work[15], work[19]), (1, 3));
        // Not for a method that would be carried out again.
        let mut transfer = Transfer::new(0, 6, 0);
        respond(&mut transfer, Code::POST, 0, first, &mut work).unwrap();
        let progress = respond(&mut transfer, Code::POST, 0, other, &mut work);
        assert_eq!(progress, Err(Reason::Blockwise));
    }

    #[test]
    fn rfc7959_2_3_wrong_places_and_lengths_are_refused() {
        let mut work = [0; 40];
        for (block, payload) in [
            (&[0x18][..], &[1; 16][..]),
            (&[0x08], &[1; 15]),
            (&[7], b"x"),
        ] {
            let mut transfer = Transfer::new(0, 6, 0);
            let options = [(B2, block)];
            let response = (Code::CONTENT, &options[..], payload);
            let progress = respond(&mut transfer, Code::GET, 0, response, &mut work);
            assert_eq!(progress, Err(Reason::Blockwise), "{block:?}");
        }
        let mut transfer = Transfer::new(0, 6, 0);
        let long = (Code::CONTENT, &[][..], &[1; 41][..]);
        let progress = respond(&mut transfer, Code::GET, 0, long, &mut work);
        assert_eq!(progress, Err(Reason::TooLong));
    }
}
