//! Block-wise transfers, part by part: RFC 7959, 2, and RFC 9175, 3.

mod receiver;
mod sender;
#[path = "../support/mod.rs"]
mod support;
mod transfer;

use ace_coap::{
    Block, Code, Instant, MAX_OPTIONS, Message, OutMessage, Type,
    block::{
        Assembly, BlockError, BlockReceiver, BlockSender, Body, OperationKey, Progress, Received,
        Refusal, Transfer,
    },
    option,
};
use support::*;

const MAX: usize = 1_000;

type Receiver = BlockReceiver<Vec<Assembly<MAX>>, MAX>;
type Sender = BlockSender<Vec<Body<MAX>>, MAX>;

fn receiver(slots: usize, szx: u8) -> Receiver {
    BlockReceiver::new(vec![Assembly::new(); slots], szx)
}

fn sender(slots: usize, szx: u8) -> Sender {
    BlockSender::new(vec![Body::new(); slots], szx)
}

fn block(number: u32, more: bool, szx: u8) -> Block {
    Block { number, more, szx }
}

fn with(mut message: OutMessage<'_>, number: u16, block: Block) -> OutMessage<'_> {
    message.options.push(number, block.value()).unwrap();
    message
}

fn encoded(message: &OutMessage<'_>) -> Vec<u8> {
    datagram_with(Type::Confirmable, 1, b"", message)
}

fn post(payload: &[u8]) -> OutMessage<'_> {
    OutMessage::new(Code::POST).with_payload(payload)
}

fn key_of(peer: &[u8], message: &Message<'_>) -> OperationKey {
    OperationKey::new(&[peer], message)
}

/// What the receiver says to a message from `peer`; a whole body is copied.
#[derive(Debug, PartialEq)]
enum Outcome {
    Whole(Vec<u8>, Option<Block>),
    Continue(Block),
    Refused(Code, Option<u32>),
}

fn receive(
    receiver: &mut Receiver,
    now: Instant,
    peer: &[u8],
    message: &OutMessage<'_>,
) -> Outcome {
    let bytes = encoded(message);
    let message = parse(&bytes);
    match receiver.receive(now, &key_of(peer, &message), &message) {
        Received::Whole { body, block1 } => Outcome::Whole(body.to_vec(), block1),
        Received::Continue(block) => Outcome::Continue(block),
        Received::Refused(Refusal { code, size1 }) => Outcome::Refused(code, size1),
    }
}

const INCOMPLETE: Outcome = Outcome::Refused(Code::REQUEST_ENTITY_INCOMPLETE, None);
