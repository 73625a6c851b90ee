//! Whatever arrives: no panic, an end, and nothing left behind.

use std::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::{Block, Code, Instant, Message, OutMessage, Token, Type, option};

const MAX: usize = 200;

fn parts() -> (
    BlockReceiver<Vec<Assembly<MAX>>, MAX>,
    BlockSender<Vec<Body<MAX>>, MAX>,
) {
    (
        BlockReceiver::new(vec![Assembly::new(); 3], 1),
        BlockSender::new(vec![Body::new(); 3], 1),
    )
}

fn encoded(message: &OutMessage<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let length = message
        .encode(&mut buffer, Type::Confirmable, 1, Token::EMPTY)
        .unwrap();
    buffer.truncate(length);
    buffer
}

#[test]
fn bodies_are_wiped_on_release_overwriting_and_expiry() {
    let (mut receiver, mut sender) = parts();
    let mut first = OutMessage::new(Code::POST).with_payload(&[0xee; 16]);
    let block = Block {
        number: 0,
        more: true,
        szx: 0,
    };
    first.options.push(option::BLOCK1, block.value()).unwrap();
    let bytes = encoded(&first);
    let message = Message::parse(&bytes).unwrap();
    let key = OperationKey::new(&[], &message);
    let body = [0xee; 150];
    let response = OutMessage::new(Code::CONTENT).with_payload(&body);
    let now = Instant(0);
    for round in 0..3 {
        receiver.receive(now, &key, &message);
        sender
            .respond(now, &key, &message, None, &response)
            .unwrap();
        let held = |(r, s): (
            &BlockReceiver<Vec<Assembly<MAX>>, MAX>,
            &BlockSender<Vec<Body<MAX>>, MAX>,
        )| {
            let received = r.slots.iter().any(|slot| slot.body.contains(&0xee));
            let sent = s.slots.iter().any(|slot| slot.body.contains(&0xee));
            (received, sent)
        };
        assert_eq!(held((&receiver, &sender)), (true, true));
        match round {
            0 => {
                receiver.release(&key);
                sender.release(&key);
            }
            1 => {
                receiver.expire(Instant(247_001));
                sender.expire(Instant(247_001));
            }
            _ => {
                let clean = [0x11; 16];
                let mut other = OutMessage::new(Code::POST).with_payload(&clean);
                other.options.push(option::BLOCK1, block.value()).unwrap();
                let bytes = encoded(&other);
                receiver.receive(now, &key, &Message::parse(&bytes).unwrap());
                let body = [0x11; 33];
                let response = OutMessage::new(Code::CONTENT).with_payload(&body);
                sender
                    .respond(now, &key, &message, None, &response)
                    .unwrap();
            }
        }
        assert_eq!(held((&receiver, &sender)), (false, false), "{round}");
    }
}

fn block_value() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        2 => Just(None),
        1 => prop::collection::vec(any::<u8>(), 0..5).prop_map(Some),
        8 => (0..14u32, any::<bool>(), 0..8u32).prop_map(|(number, more, szx)| {
            let value = number << 4 | u32::from(more) << 3 | szx;
            Some(value.to_be_bytes()[1..].to_vec())
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn server_parts_take_anything(
        requests in prop::collection::vec(
            (0..8u8, block_value(), block_value(), 0..5u8, 0..70usize, 0..400usize, 0..300_000u64),
            1..40,
        ),
    ) {
        let (mut receiver, mut sender) = parts();
        let mut now = Instant(0);
        for (code, block1, block2, tag, length, answer, wait) in &requests {
            now.0 += wait / 10;
            let payload = vec![*tag; *length];
            let mut request = OutMessage::new(Code(code % 7 + 1)).with_payload(&payload);
            for (number, value) in [(option::BLOCK1, block1), (option::BLOCK2, block2)] {
                if let Some(value) = value {
                    request.options.push(number, &value[..]).unwrap();
                }
            }
            let tag = [*tag];
            request.options.push(option::REQUEST_TAG, &tag).unwrap();
            let bytes = encoded(&request);
            let message = Message::parse(&bytes).unwrap();
            let key = OperationKey::new(&[b"peer"], &message);
            if let Some(reply) = sender.follow_up(now, &key, &message) {
                prop_assert!(reply.payload.len() <= 32);
                encoded(&reply);
                continue;
            }
            match receiver.receive(now, &key, &message) {
                Received::Whole { body, block1 } => {
                    prop_assert!(body.len() <= MAX);
                    // All of it came from this operation.
                    prop_assert!(body.iter().all(|b| *b == tag[0]));
                    let answer = vec![7; *answer];
                    let response = OutMessage::new(Code::CONTENT).with_payload(&answer);
                    if let Ok(reply) = sender.respond(now, &key, &message, block1, &response) {
                        prop_assert!(reply.payload.len() <= 32);
                        encoded(&reply);
                    }
                }
                other => {
                    encoded(&other.reply());
                }
            }
        }
    }

    #[test]
    fn client_part_takes_anything_and_ends(
        body in 0..200usize,
        szx in 0..7u8,
        code in 1..8u8,
        replies in prop::collection::vec(
            (0..6u8, block_value(), block_value(), 0..40usize, 0..3u8, any::<bool>()),
            1..20,
        ),
    ) {
        let payload = vec![1; body];
        let request = OutMessage::new(Code(code)).with_payload(&payload);
        let mut transfer = Transfer::new(&request, szx).unwrap();
        let mut buffer = [0; 256];
        let codes = [
            Code::CONTINUE,
            Code::CONTENT,
            Code::CHANGED,
            Code::REQUEST_ENTITY_INCOMPLETE,
            Code::REQUEST_ENTITY_TOO_LARGE,
            Code::NOT_FOUND,
        ];
        let mut steps = 0;
        for (code, block1, block2, length, etag, apt) in replies.iter().cycle() {
            let Ok(next) = transfer.next_message() else { break };
            let bytes = encoded(&next);
            let sent = Message::parse(&bytes).unwrap();
            prop_assert!(sent.payload.len() <= body);
            let mut reply = OutMessage::new(codes[usize::from(*code)]);
            // Every other time the blocks are those that were asked for.
            let fitting = |number| {
                let block = sent.options.block(number).unwrap();
                block.map(|b: Block| Block { more: true, ..b })
            };
            let block1 = block1.as_deref().filter(|_| !apt);
            let block2 = block2.as_deref().filter(|_| !apt);
            if let Some(block) = fitting(option::BLOCK1).filter(|_| *apt) {
                reply.options.push(option::BLOCK1, block.value()).unwrap();
            }
            let mut size = *length;
            if let Some(block) = fitting(option::BLOCK2).filter(|_| *apt) {
                reply.options.push(option::BLOCK2, block.value()).unwrap();
                size = block.size();
            }
            for (number, value) in [(option::BLOCK1, block1), (option::BLOCK2, block2)] {
                if let Some(value) = value {
                    reply.options.push(number, value).unwrap();
                }
            }
            let etag = [*etag];
            reply.options.push(option::ETAG, &etag).unwrap();
            let payload = vec![2; size];
            let bytes = encoded(&reply.with_payload(&payload));
            match transfer.on_response(&Message::parse(&bytes).unwrap(), &mut buffer) {
                Ok(Progress::Again) => {}
                Ok(Progress::Complete { length, .. }) => {
                    prop_assert!(length <= buffer.len());
                    prop_assert!(transfer.next_message().is_err());
                }
                Err(_) => prop_assert!(transfer.next_message().is_err()),
            }
            steps += 1;
            // Four runs through all blocks of both bodies.
            prop_assert!(steps <= 4 * (200 / 16 + 256 / 16 + 3));
        }
    }
}
