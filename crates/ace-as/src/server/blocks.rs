//! Block-wise transfers at one layer, outside or inside of OSCORE (RFC 7959; RFC 8613, 4.1.3.4).

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError},
};

use ace_coap::{
    Instant,
    block::{Assembly, BlockReceiver, BlockSender, Body, OperationKey, Received},
};
use ace_wire::coap::{Block, Code, Message, option};

use super::Answer;

/// Longest body of a request or response, in bytes.
pub(crate) const MAX_BODY: usize = 8192;

/// Exponent of the largest block: 1,024 bytes.
const SZX: u8 = 6;

/// Bodies under way.
pub(super) struct Blocks {
    receiver: Mutex<BlockReceiver<Vec<Assembly<MAX_BODY>>, MAX_BODY>>,
    sender: Mutex<BlockSender<Vec<Body<MAX_BODY>>, MAX_BODY>>,
}

/// What a request is.
pub(super) enum Taken<'r> {
    /// A piece, or a request for one: to be answered with this.
    Piece(Answer),
    /// A request for the application, with its whole body, and the Block1 option of its response.
    Whole(Cow<'r, [u8]>, Option<Block>),
}

impl Blocks {
    /// Room for `slots` bodies each way.
    pub fn new(slots: usize) -> Self {
        Self {
            receiver: Mutex::new(BlockReceiver::new(vec![Assembly::new(); slots], SZX)),
            sender: Mutex::new(BlockSender::new(vec![Body::new(); slots], SZX)),
        }
    }

    pub fn take<'r>(&self, now: Instant, key: &OperationKey, request: &Message<'r>) -> Taken<'r> {
        if !is_blockwise(request) {
            return Taken::Whole(Cow::Borrowed(request.payload), None);
        }
        {
            let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(piece) = sender.follow_up(now, key, request) {
                return Taken::Piece(Answer::of_message(&piece));
            }
        }
        let mut receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = match receiver.receive(now, key, request) {
            Received::Whole { body, block1 } => Taken::Whole(Cow::Owned(body.to_vec()), block1),
            other => return Taken::Piece(Answer::of_message(&other.reply())),
        };
        receiver.release(key);
        taken
    }

    /// What to send of `answer` now; the rest is kept for the requests that follow.
    pub fn give(
        &self,
        now: Instant,
        key: &OperationKey,
        request: &Message<'_>,
        block1: Option<Block>,
        answer: Answer,
    ) -> Answer {
        if block1.is_none()
            && !request.options.contains(option::BLOCK2)
            && answer.payload.len() <= 16 << SZX
        {
            return answer;
        }
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(message) = answer.as_message() else {
            return Answer::new(Code::INTERNAL_SERVER_ERROR);
        };
        match sender.respond(now, key, request, block1, &message) {
            Ok(piece) => Answer::of_message(&piece),
            Err(error) => {
                tracing::warn!(%error, length = answer.payload.len(), "answer not sent in blocks");
                Answer::new(Code::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// Wipes what was left behind.
    pub fn expire(&self, now: Instant) {
        self.receiver
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .expire(now);
        self.sender
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .expire(now);
    }
}

/// Whether a request is a piece or asks for one.
pub(super) fn is_blockwise(request: &Message<'_>) -> bool {
    request.options.contains(option::BLOCK1) || request.options.contains(option::BLOCK2)
}
