//! Block-wise transfers, part by part: RFC 7959, 2, and RFC 9175, 3.

mod support;

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

// Receiver.

#[test]
fn rfc7959_2_5_blocks_in_order_make_a_body() {
    let mut r = receiver(2, 6);
    let body: Vec<u8> = (0..100).collect();
    for n in 0..6u32 {
        let at = n as usize * 16;
        let sent = block(n, true, 0);
        let message = with(post(&body[at..at + 16]), option::BLOCK1, sent);
        assert_eq!(receive(&mut r, T0, b"p", &message), Outcome::Continue(sent));
    }
    let last = block(6, false, 0);
    let message = with(post(&body[96..]), option::BLOCK1, last);
    assert_eq!(
        receive(&mut r, T0, b"p", &message),
        Outcome::Whole(body.clone(), Some(last))
    );
    // The operation is over.
    assert_eq!(receive(&mut r, T0, b"p", &message), INCOMPLETE);
    let first = with(post(&body[..16]), option::BLOCK1, block(0, true, 0));
    receive(&mut r, T0, b"p", &first);
    let last = with(post(&body[16..32]), option::BLOCK1, block(1, false, 0));
    assert!(matches!(
        receive(&mut r, T0, b"p", &last),
        Outcome::Whole(..)
    ));
    let more = with(post(&body[32..48]), option::BLOCK1, block(2, false, 0));
    assert_eq!(receive(&mut r, T0, b"p", &more), INCOMPLETE);
}

#[test]
fn rfc7959_2_9_replies() {
    let reply = Received::Continue(block(3, true, 2)).reply();
    assert_eq!(reply.code, Code::CONTINUE);
    let bytes = encoded(&reply);
    assert_eq!(
        parse(&bytes).options.block(option::BLOCK1),
        Ok(Some(block(3, true, 2)))
    );
    let refusal = Refusal {
        code: Code::REQUEST_ENTITY_TOO_LARGE,
        size1: Some(1_000),
    };
    let reply = Received::Refused(refusal).reply();
    assert_eq!(reply.code, Code::REQUEST_ENTITY_TOO_LARGE);
    let bytes = encoded(&reply);
    assert_eq!(parse(&bytes).options.uint(option::SIZE1), Ok(Some(1_000)));
}

#[test]
fn rfc7959_2_2_absence_and_the_only_block_are_whole() {
    let mut r = receiver(1, 2);
    assert_eq!(
        receive(&mut r, T0, b"p", &post(b"body")),
        Outcome::Whole(b"body".to_vec(), None)
    );
    let only = with(post(b"body"), option::BLOCK1, block(0, false, 6));
    assert_eq!(
        receive(&mut r, T0, b"p", &only),
        Outcome::Whole(b"body".to_vec(), Some(block(0, false, 2)))
    );
    // An empty value is block 0 of 16 bytes.
    let mut empty = post(b"body");
    empty.options.push(option::BLOCK1, b"").unwrap();
    assert_eq!(
        receive(&mut r, T0, b"p", &empty),
        Outcome::Whole(b"body".to_vec(), Some(block(0, false, 0)))
    );
}

#[test]
fn rfc7959_2_2_reserved_size_and_long_values_are_bad_requests() {
    for value in [&[7u8][..], &[0x0f], &[1, 2, 3, 4]] {
        let mut message = post(&[0; 16]);
        message.options.push(option::BLOCK1, value).unwrap();
        let refused = Outcome::Refused(Code::BAD_REQUEST, None);
        assert_eq!(receive(&mut receiver(1, 6), T0, b"p", &message), refused);
        let mut message = get();
        message.options.push(option::BLOCK2, value).unwrap();
        let bytes = encoded(&message);
        let message = parse(&bytes);
        let mut s = sender(1, 6);
        let reply = s.follow_up(T0, &key_of(b"p", &message), &message).unwrap();
        assert_eq!(reply.code, Code::BAD_REQUEST);
    }
}

#[test]
fn rfc7959_2_3_block_that_is_not_as_long_as_it_says_is_a_bad_request() {
    for len in [0, 15, 17, 32] {
        let payload = vec![0; len];
        let message = with(post(&payload), option::BLOCK1, block(0, true, 0));
        assert_eq!(
            receive(&mut receiver(1, 6), T0, b"p", &message),
            Outcome::Refused(Code::BAD_REQUEST, None)
        );
    }
}

#[test]
fn rfc7959_2_9_2_block_out_of_order_is_refused_and_changes_nothing() {
    let mut r = receiver(1, 6);
    let first = with(post(&[1; 16]), option::BLOCK1, block(0, true, 0));
    receive(&mut r, T0, b"p", &first);
    for (number, more) in [(2, true), (2, false), (5, false), (61, true)] {
        let jump = with(post(&[0; 16]), option::BLOCK1, block(number, more, 0));
        assert_eq!(receive(&mut r, T0, b"p", &jump), INCOMPLETE);
    }
    // Nor does one from another peer.
    let second = with(post(&[2; 16]), option::BLOCK1, block(1, false, 0));
    assert_eq!(receive(&mut r, T0, b"q", &second), INCOMPLETE);
    let body = [[1; 16], [2; 16]].concat();
    assert_eq!(
        receive(&mut r, T0, b"p", &second),
        Outcome::Whole(body, Some(block(1, false, 0)))
    );
}

#[test]
fn block_sent_again_is_taken_again_only_if_it_is_the_same() {
    let mut r = receiver(1, 6);
    for n in 0..3u8 {
        let sent = block(n.into(), true, 0);
        let message = with(post(&[0; 16]), option::BLOCK1, sent);
        receive(&mut r, T0, b"p", &message);
    }
    let again = block(2, true, 0);
    let same = with(post(&[0; 16]), option::BLOCK1, again);
    assert_eq!(receive(&mut r, T0, b"p", &same), Outcome::Continue(again));
    let other = with(post(&[1; 16]), option::BLOCK1, again);
    assert_eq!(receive(&mut r, T0, b"p", &other), INCOMPLETE);
    let now_last = with(post(&[0; 16]), option::BLOCK1, block(2, false, 0));
    assert_eq!(receive(&mut r, T0, b"p", &now_last), INCOMPLETE);
    let last = with(post(&[1; 3]), option::BLOCK1, block(3, false, 0));
    let body = [&[0; 48][..], &[1; 3]].concat();
    assert_eq!(
        receive(&mut r, T0, b"p", &last),
        Outcome::Whole(body, Some(block(3, false, 0)))
    );
}

#[test]
fn rfc7959_2_9_3_body_that_does_not_fit_is_refused_with_the_limit() {
    let refused = Outcome::Refused(Code::REQUEST_ENTITY_TOO_LARGE, Some(1_000));
    // Announced.
    let mut r = receiver(1, 6);
    let mut first = with(post(&[0; 512]), option::BLOCK1, block(0, true, 5));
    first.options.push(option::SIZE1, 1_001u32).unwrap();
    assert_eq!(receive(&mut r, T0, b"p", &first), refused);
    // Not announced: noticed where it overflows, and forgotten.
    let first = with(post(&[0; 512]), option::BLOCK1, block(0, true, 5));
    receive(&mut r, T0, b"p", &first);
    let second = with(post(&[0; 489]), option::BLOCK1, block(1, false, 5));
    assert_eq!(receive(&mut r, T0, b"p", &second), refused);
    let fits = with(post(&[0; 488]), option::BLOCK1, block(1, false, 5));
    assert_eq!(receive(&mut r, T0, b"p", &fits), INCOMPLETE);
    // The very edge.
    receive(&mut r, T0, b"p", &first);
    assert!(matches!(
        receive(&mut r, T0, b"p", &fits),
        Outcome::Whole(body, _) if body.len() == 1_000
    ));
    let far = with(
        post(&[0; 16]),
        option::BLOCK1,
        block(Block::MAX_NUMBER, true, 0),
    );
    assert_eq!(receive(&mut r, T0, b"p", &far), refused);
}

#[test]
fn rfc7959_2_3_servers_wish_for_smaller_blocks_goes_with_every_answer() {
    let mut r = receiver(1, 1);
    let first = with(post(&[1; 128]), option::BLOCK1, block(0, true, 3));
    assert_eq!(
        receive(&mut r, T0, b"p", &first),
        Outcome::Continue(block(0, true, 1))
    );
    // 128 bytes are four blocks of 32.
    let next = with(post(&[2; 32]), option::BLOCK1, block(4, true, 1));
    assert_eq!(
        receive(&mut r, T0, b"p", &next),
        Outcome::Continue(block(4, true, 1))
    );
    let last = with(post(&[3; 5]), option::BLOCK1, block(5, false, 1));
    let body = [&[1; 128][..], &[2; 32], &[3; 5]].concat();
    assert_eq!(
        receive(&mut r, T0, b"p", &last),
        Outcome::Whole(body, Some(block(5, false, 1)))
    );
}

#[test]
fn rfc7959_2_3_blocks_of_different_content_formats_do_not_meet() {
    let mut r = receiver(2, 6);
    let format = |mut message: OutMessage<'static>, format: u16| {
        message
            .options
            .push(option::CONTENT_FORMAT, format)
            .unwrap();
        message
    };
    let first = format(with(post(&[1; 16]), option::BLOCK1, block(0, true, 0)), 19);
    receive(&mut r, T0, b"p", &first);
    let second = format(with(post(&[1; 1]), option::BLOCK1, block(1, false, 0)), 60);
    assert_eq!(receive(&mut r, T0, b"p", &second), INCOMPLETE);
}

#[test]
fn rfc9175_3_3_request_tags_keep_operations_apart() {
    let mut r = receiver(4, 6);
    let tagged = |payload: &'static [u8], b: Block, tag: Option<&'static [u8]>| {
        let mut message = with(post(payload), option::BLOCK1, b);
        if let Some(tag) = tag {
            message.options.push(option::REQUEST_TAG, tag).unwrap();
        }
        message
    };
    let tags: [(Option<&[u8]>, &[u8]); 3] = [
        (None, &[0; 17]),
        (Some(b""), &[1; 17]),
        (Some(b"a"), &[2; 17]),
    ];
    for (tag, body) in tags {
        receive(
            &mut r,
            T0,
            b"p",
            &tagged(&body[..16], block(0, true, 0), tag),
        );
    }
    for (tag, body) in tags {
        let last = block(1, false, 0);
        assert_eq!(
            receive(&mut r, T0, b"p", &tagged(&body[16..], last, tag)),
            Outcome::Whole(body.to_vec(), Some(last))
        );
    }
}

#[test]
fn rfc7959_2_5_new_start_overwrites() {
    let mut r = receiver(4, 6);
    for value in [1, 2] {
        let payload = [value; 16];
        let first = with(post(&payload), option::BLOCK1, block(0, true, 0));
        receive(&mut r, T0, b"p", &first);
    }
    let last = with(post(b""), option::BLOCK1, block(1, false, 0));
    assert_eq!(
        receive(&mut r, T0, b"p", &last),
        Outcome::Whole(vec![2; 16], Some(block(1, false, 0)))
    );
    // So does a request without blocks.
    let first = with(post(&[1; 16]), option::BLOCK1, block(0, true, 0));
    receive(&mut r, T0, b"p", &first);
    receive(&mut r, T0, b"p", &post(b"short"));
    assert_eq!(receive(&mut r, T0, b"p", &last), INCOMPLETE);
}

#[test]
fn full_receiver_forgets_the_operation_that_was_idle_longest() {
    let mut r = receiver(3, 6);
    let first = with(post(&[1; 16]), option::BLOCK1, block(0, true, 0));
    for (ms, peer) in [(0, b"a"), (1, b"b"), (2, b"c")] {
        receive(&mut r, after(T0, ms), peer, &first);
    }
    let second = with(post(&[2; 16]), option::BLOCK1, block(1, true, 0));
    receive(&mut r, after(T0, 3), b"a", &second);
    receive(&mut r, after(T0, 4), b"d", &first);
    let now = after(T0, 5);
    assert_eq!(receive(&mut r, now, b"b", &second), INCOMPLETE);
    for peer in [b"c", b"d"] {
        let continued = Outcome::Continue(block(1, true, 0));
        assert_eq!(receive(&mut r, now, peer, &second), continued);
    }
    let third = with(post(&[2; 16]), option::BLOCK1, block(2, true, 0));
    assert_eq!(
        receive(&mut r, now, b"a", &third),
        Outcome::Continue(block(2, true, 0))
    );
}

#[test]
fn receiver_of_a_thousand_slots_finds_its_operations() {
    let mut r = receiver(1_000, 6);
    let first = with(post(&[1; 16]), option::BLOCK1, block(0, true, 0));
    let last = with(post(&[2; 1]), option::BLOCK1, block(1, false, 0));
    for n in 0..100u32 {
        receive(&mut r, T0, &n.to_be_bytes(), &first);
    }
    for n in 0..100u32 {
        assert!(matches!(
            receive(&mut r, T0, &n.to_be_bytes(), &last),
            Outcome::Whole(..)
        ));
    }
    // None has room for nothing.
    let mut none = receiver(0, 6);
    assert_eq!(
        receive(&mut none, T0, b"p", &first),
        Outcome::Refused(Code::REQUEST_ENTITY_TOO_LARGE, None)
    );
    assert_eq!(receive(&mut none, T0, b"p", &last), INCOMPLETE);
}

#[test]
fn rfc7959_2_5_idle_operation_ends_after_the_exchange_lifetime() {
    let first = with(post(&[1; 16]), option::BLOCK1, block(0, true, 0));
    let second = with(post(&[1; 16]), option::BLOCK1, block(1, true, 0));
    for (ms, taken) in [(247_000, true), (247_001, false)] {
        let mut r = receiver(1, 6);
        receive(&mut r, T0, b"p", &first);
        let now = after(T0, ms);
        r.expire(after(T0, 247_000));
        let outcome = receive(&mut r, now, b"p", &second);
        assert_eq!(outcome == Outcome::Continue(block(1, true, 0)), taken);
        r.expire(after(now, 300_000));
        let third = with(post(&[1; 16]), option::BLOCK1, block(2, true, 0));
        assert_eq!(receive(&mut r, now, b"p", &third), INCOMPLETE);
    }
}

// Sender.

/// The response to `request` that the sender makes of `response`.
fn answer(s: &mut Sender, request: &OutMessage<'_>, response: &OutMessage<'_>) -> Vec<u8> {
    let bytes = encoded(request);
    let message = parse(&bytes);
    let key = key_of(b"p", &message);
    let response = s.respond(T0, &key, &message, None, response).unwrap();
    encoded(&response)
}

fn follow(s: &mut Sender, peer: &[u8], now: Instant, request: &OutMessage<'_>) -> Option<Vec<u8>> {
    let bytes = encoded(request);
    let message = parse(&bytes);
    let response = s.follow_up(now, &key_of(peer, &message), &message)?;
    Some(encoded(&response))
}

fn body() -> Vec<u8> {
    (0..100).collect()
}

#[test]
fn rfc7959_2_4_short_response_is_left_alone() {
    let mut s = sender(1, 2);
    let body = vec![1; 64];
    let bytes = answer(&mut s, &get(), &content(&body));
    assert_eq!(bytes, encoded(&content(&body)));
    // Unless the request speaks of blocks.
    let asked = with(get(), option::BLOCK2, block(0, false, 6));
    let bytes = answer(&mut s, &asked, &content(&body));
    assert_eq!(
        parse(&bytes).options.block(option::BLOCK2),
        Ok(Some(block(0, false, 2)))
    );
    assert_eq!(parse(&bytes).payload, body);
    assert!(!parse(&bytes).options.contains(option::ETAG));
}

#[test]
fn rfc7959_2_4_long_response_is_cut_and_its_blocks_are_kept() {
    let body = body();
    for code in [Code::GET, Code::POST, Code::FETCH] {
        let mut s = sender(2, 2);
        let request = OutMessage::new(code);
        let mut response = content(&body);
        response
            .options
            .push(option::CONTENT_FORMAT, 19u16)
            .unwrap();
        response.options.push(option::MAX_AGE, 7u16).unwrap();
        response.options.push(option::OBSERVE, 3u16).unwrap();
        let first = answer(&mut s, &request, &response);
        let first = parse(&first);
        assert_eq!(
            first.options.block(option::BLOCK2),
            Ok(Some(block(0, true, 2)))
        );
        assert_eq!(first.payload, &body[..64]);
        assert!(first.options.contains(option::OBSERVE));
        let etag = first.options.find(option::ETAG).unwrap();
        let wanted = with(request, option::BLOCK2, block(1, false, 2));
        // As often as wanted.
        for _ in 0..2 {
            let second = follow(&mut s, b"p", T0, &wanted).unwrap();
            let second = parse(&second);
            assert_eq!(second.code, Code::CONTENT);
            assert_eq!(
                second.options.block(option::BLOCK2),
                Ok(Some(block(1, false, 2)))
            );
            assert_eq!(second.payload, &body[64..]);
            assert_eq!(second.options.find(option::ETAG), Some(etag));
            assert_eq!(second.options.uint(option::CONTENT_FORMAT), Ok(Some(19)));
            assert_eq!(second.options.uint(option::MAX_AGE), Ok(Some(7)));
            assert!(!second.options.contains(option::OBSERVE));
        }
        // Not by another peer, and not for another resource.
        let mut elsewhere = wanted;
        elsewhere.options.push(option::URI_PATH, "x").unwrap();
        for (peer, request) in [(b"q", &wanted), (b"p", &elsewhere)] {
            let reply = follow(&mut s, peer, T0, request);
            if code == Code::GET {
                assert_eq!(reply, None);
            } else {
                let reply = reply.unwrap();
                assert_eq!(parse(&reply).code, Code::REQUEST_ENTITY_INCOMPLETE);
            }
        }
    }
}

#[test]
fn rfc7959_2_4_block_beyond_the_end_is_a_bad_request() {
    let mut s = sender(1, 2);
    let body = vec![1; 128];
    answer(&mut s, &get(), &content(&body));
    for number in [2, 3, Block::MAX_NUMBER] {
        let wanted = with(get(), option::BLOCK2, block(number, false, 2));
        let reply = follow(&mut s, b"p", T0, &wanted).unwrap();
        assert_eq!(parse(&reply).code, Code::BAD_REQUEST);
        let reply = answer(&mut sender(1, 2), &wanted, &content(&body));
        assert_eq!(parse(&reply).code, Code::BAD_REQUEST);
    }
}

#[test]
fn rfc7959_2_3_client_may_ask_for_smaller_blocks_and_gets_no_larger_ones() {
    let body = body();
    let mut s = sender(1, 2);
    let asked = with(get(), option::BLOCK2, block(0, false, 0));
    let first = answer(&mut s, &asked, &content(&body));
    assert_eq!(
        parse(&first).options.block(option::BLOCK2),
        Ok(Some(block(0, true, 0)))
    );
    assert_eq!(parse(&first).payload, &body[..16]);
    let wanted = with(get(), option::BLOCK2, block(1, false, 1));
    let reply = follow(&mut s, b"p", T0, &wanted).unwrap();
    assert_eq!(
        parse(&reply).options.block(option::BLOCK2),
        Ok(Some(block(1, true, 1)))
    );
    assert_eq!(parse(&reply).payload, &body[32..64]);
    // Larger than this server sends: the same place, in its own numbers.
    let mut s = sender(1, 0);
    answer(&mut s, &get(), &content(&body));
    let wanted = with(get(), option::BLOCK2, block(1, false, 2));
    let reply = follow(&mut s, b"p", T0, &wanted).unwrap();
    assert_eq!(
        parse(&reply).options.block(option::BLOCK2),
        Ok(Some(block(4, true, 0)))
    );
    assert_eq!(parse(&reply).payload, &body[64..80]);
}

#[test]
fn rfc7959_4_size2_is_told_if_asked() {
    let body = body();
    let mut asked = get();
    asked.options.push(option::SIZE2, 0u16).unwrap();
    let reply = answer(&mut sender(1, 2), &asked, &content(&body));
    assert_eq!(parse(&reply).options.uint(option::SIZE2), Ok(Some(100)));
    let reply = answer(&mut sender(1, 2), &get(), &content(&body));
    assert_eq!(parse(&reply).options.uint(option::SIZE2), Ok(None));
}

#[test]
fn rfc9175_3_8_different_bodies_and_formats_have_different_etags() {
    let mut etags = std::collections::BTreeSet::new();
    for last in 0..10 {
        for format in 0..3u16 {
            let mut body = body();
            body[99] = last;
            let mut response = content(&body);
            response
                .options
                .push(option::CONTENT_FORMAT, format)
                .unwrap();
            let reply = answer(&mut sender(1, 2), &get(), &response);
            let etag = parse(&reply).options.find(option::ETAG).unwrap().to_vec();
            assert!(etags.insert(etag));
        }
    }
    // The application's own is kept.
    let body = body();
    let mut response = content(&body);
    response.options.push(option::ETAG, b"own").unwrap();
    let mut s = sender(1, 2);
    let reply = answer(&mut s, &get(), &response);
    assert_eq!(parse(&reply).options.find(option::ETAG), Some(&b"own"[..]));
    let wanted = with(get(), option::BLOCK2, block(1, false, 2));
    let reply = follow(&mut s, b"p", T0, &wanted).unwrap();
    let reply = parse(&reply);
    let etags = reply.options.iter().filter(|o| o.number == option::ETAG);
    assert!(etags.map(|o| o.value).eq([b"own"]));
}

#[test]
fn rfc7959_2_7_last_block_of_a_request_is_answered_with_the_first_of_the_response() {
    let mut s = sender(1, 2);
    let body = body();
    let request = with(post(b"end"), option::BLOCK1, block(4, false, 2));
    let bytes = encoded(&request);
    let message = parse(&bytes);
    let key = key_of(b"p", &message);
    assert!(s.follow_up(T0, &key, &message).is_none());
    let block1 = Some(block(4, false, 1));
    let response = content(&body);
    let reply = s.respond(T0, &key, &message, block1, &response).unwrap();
    let reply = encoded(&reply);
    let reply = parse(&reply);
    assert_eq!(reply.options.block(option::BLOCK1), Ok(block1));
    assert_eq!(
        reply.options.block(option::BLOCK2),
        Ok(Some(block(0, true, 2)))
    );
    let wanted = with(post(b""), option::BLOCK2, block(1, false, 2));
    let reply = follow(&mut s, b"p", T0, &wanted).unwrap();
    assert!(!parse(&reply).options.contains(option::BLOCK1));
}

#[test]
fn body_larger_than_its_slot_is_served_to_a_get_alone() {
    let body = vec![5; 1_001];
    let mut s = sender(1, 6);
    let smaller = with(get(), option::BLOCK2, block(3, false, 4));
    let reply = answer(&mut s, &smaller, &content(&body));
    let reply = parse(&reply);
    assert_eq!(
        reply.options.block(option::BLOCK2),
        Ok(Some(block(3, false, 4)))
    );
    assert_eq!(reply.payload.len(), 1_001 - 768);
    assert!(reply.options.contains(option::ETAG));
    let request = with(post(b""), option::BLOCK2, block(0, false, 4));
    let bytes = encoded(&request);
    let message = parse(&bytes);
    let key = key_of(b"p", &message);
    assert_eq!(
        s.respond(T0, &key, &message, None, &content(&body)).err(),
        Some(BlockError::TooLarge)
    );
    let long = [0; 65];
    let mut response = content(&body[..1_000]);
    response.options.push(option::LOCATION_PATH, &long).unwrap();
    assert_eq!(
        s.respond(T0, &key, &message, None, &response).err(),
        Some(BlockError::TooLarge)
    );
}

#[test]
fn stored_body_goes_by_release_by_age_and_by_need() {
    let body = body();
    let wanted = with(post(b""), option::BLOCK2, block(1, false, 2));
    let code = |reply: Option<Vec<u8>>| parse(&reply.unwrap()).code;
    let mut s = sender(1, 2);
    answer(&mut s, &post(b""), &content(&body));
    assert_eq!(
        code(follow(&mut s, b"p", after(T0, 247_000), &wanted)),
        Code::CONTENT
    );
    s.expire(after(T0, 247_000 + 247_000));
    assert_eq!(
        code(follow(&mut s, b"p", after(T0, 300_000), &wanted)),
        Code::CONTENT
    );
    assert_eq!(
        code(follow(&mut s, b"p", after(T0, 600_000), &wanted)),
        Code::REQUEST_ENTITY_INCOMPLETE
    );
    answer(&mut s, &post(b""), &content(&body));
    s.expire(after(T0, 600_000));
    assert_eq!(
        code(follow(&mut s, b"p", T0, &wanted)),
        Code::REQUEST_ENTITY_INCOMPLETE
    );
    answer(&mut s, &post(b""), &content(&body));
    let bytes = encoded(&wanted);
    s.release(&key_of(b"p", &parse(&bytes)));
    assert_eq!(
        code(follow(&mut s, b"p", T0, &wanted)),
        Code::REQUEST_ENTITY_INCOMPLETE
    );
}

// Transfer.

fn reply_with(code: Code, payload: &[u8], options: &[(u16, Block)]) -> Vec<u8> {
    let mut message = OutMessage::new(code).with_payload(payload);
    for (number, block) in options {
        message.options.push(*number, block.value()).unwrap();
    }
    encoded(&message)
}

fn next_block(transfer: &Transfer<'_>, number: u16) -> Option<Block> {
    let bytes = encoded(&transfer.next_message().unwrap());
    parse(&bytes).options.block(number).unwrap()
}

fn on(transfer: &mut Transfer<'_>, reply: &[u8]) -> Result<Progress, BlockError> {
    transfer.on_response(&parse(reply), &mut [0; 256])
}

const AGAIN: Result<Progress, BlockError> = Ok(Progress::Again);

fn complete(code: Code, length: usize) -> Result<Progress, BlockError> {
    Ok(Progress::Complete { code, length })
}

#[test]
fn rfc7959_2_2_short_exchange_has_no_block_options() {
    let mut transfer = Transfer::new(&post(&[1; 64]), 2)
        .unwrap()
        .with_request_tag(b"tag")
        .unwrap();
    assert_eq!(
        encoded(&transfer.next_message().unwrap()),
        encoded(&post(&[1; 64]))
    );
    let reply = reply_with(Code::CHANGED, b"ok", &[]);
    assert_eq!(on(&mut transfer, &reply), complete(Code::CHANGED, 2));
    assert_eq!(transfer.next_message().err(), Some(BlockError::Finished));
    assert_eq!(on(&mut transfer, &reply), Err(BlockError::Finished));
}

#[test]
fn rfc9175_3_4_request_tag_is_in_every_message_of_the_operation() {
    let body = [1; 40];
    let mut transfer = Transfer::new(&post(&body), 0)
        .unwrap()
        .with_request_tag(b"tag")
        .unwrap();
    for n in 0..3u32 {
        let bytes = encoded(&transfer.next_message().unwrap());
        let message = parse(&bytes);
        let sent = block(n, n < 2, 0);
        assert_eq!(message.options.block(option::BLOCK1), Ok(Some(sent)));
        assert_eq!(message.options.find(option::REQUEST_TAG), Some(&b"tag"[..]));
        // RFC 7959, 4: the size goes with the first.
        let size = message.options.uint(option::SIZE1).unwrap();
        assert_eq!(size, (n == 0).then_some(40));
        let reply = if n < 2 {
            reply_with(Code::CONTINUE, b"", &[(option::BLOCK1, sent)])
        } else {
            let options = [(option::BLOCK1, sent), (option::BLOCK2, block(0, true, 0))];
            reply_with(Code::CHANGED, &[7; 16], &options)
        };
        assert_eq!(on(&mut transfer, &reply), AGAIN);
    }
    let bytes = encoded(&transfer.next_message().unwrap());
    let message = parse(&bytes);
    assert_eq!(message.options.find(option::REQUEST_TAG), Some(&b"tag"[..]));
    assert_eq!(
        message.options.block(option::BLOCK2),
        Ok(Some(block(1, false, 0)))
    );
    assert!(!message.options.contains(option::BLOCK1));
    assert!(message.payload.is_empty());
    assert!(
        Transfer::new(&get(), 0)
            .unwrap()
            .with_request_tag(&[0; 9])
            .is_err()
    );
}

#[test]
fn rfc7959_2_5_client_heeds_the_servers_block_size() {
    let body = [1; 200];
    let mut transfer = Transfer::new(&post(&body), 3).unwrap();
    assert_eq!(
        next_block(&transfer, option::BLOCK1),
        Some(block(0, true, 3))
    );
    let reply = reply_with(Code::CONTINUE, b"", &[(option::BLOCK1, block(0, true, 1))]);
    assert_eq!(on(&mut transfer, &reply), AGAIN);
    assert_eq!(
        next_block(&transfer, option::BLOCK1),
        Some(block(4, true, 1))
    );
    // A larger one is no reason to grow.
    let reply = reply_with(Code::CONTINUE, b"", &[(option::BLOCK1, block(4, true, 6))]);
    assert_eq!(on(&mut transfer, &reply), AGAIN);
    assert_eq!(
        next_block(&transfer, option::BLOCK1),
        Some(block(5, true, 1))
    );
}

#[test]
fn rfc7959_2_9_3_hint_to_use_blocks_and_smaller_ones_is_taken() {
    let body = [1; 200];
    let mut transfer = Transfer::new(&post(&body), 6).unwrap();
    assert_eq!(next_block(&transfer, option::BLOCK1), None);
    let reply = reply_with(Code::REQUEST_ENTITY_TOO_LARGE, b"", &[]);
    assert_eq!(on(&mut transfer, &reply), AGAIN);
    assert_eq!(
        next_block(&transfer, option::BLOCK1),
        Some(block(0, true, 3))
    );
    let hint = [(option::BLOCK1, block(0, true, 1))];
    let reply = reply_with(Code::REQUEST_ENTITY_TOO_LARGE, b"", &hint);
    assert_eq!(on(&mut transfer, &reply), AGAIN);
    assert_eq!(
        next_block(&transfer, option::BLOCK1),
        Some(block(0, true, 1))
    );
    // No smaller one named: that is the answer.
    let reply = reply_with(Code::REQUEST_ENTITY_TOO_LARGE, b"no", &hint);
    assert_eq!(
        on(&mut transfer, &reply),
        complete(Code::REQUEST_ENTITY_TOO_LARGE, 2)
    );
    // The body is larger than the server will ever take.
    let mut transfer = Transfer::new(&post(&body), 6).unwrap();
    let mut message = OutMessage::new(Code::REQUEST_ENTITY_TOO_LARGE);
    message.options.push(option::SIZE1, 199u16).unwrap();
    assert_eq!(
        on(&mut transfer, &encoded(&message)),
        complete(Code::REQUEST_ENTITY_TOO_LARGE, 0)
    );
    // Nothing to cut.
    let mut transfer = Transfer::new(&post(b"short"), 6).unwrap();
    let reply = reply_with(Code::REQUEST_ENTITY_TOO_LARGE, b"", &[]);
    assert_eq!(
        on(&mut transfer, &reply),
        complete(Code::REQUEST_ENTITY_TOO_LARGE, 0)
    );
}

#[test]
fn rfc7959_2_9_2_forgotten_transfer_starts_again_three_times() {
    let body = [1; 40];
    let mut transfer = Transfer::new(&post(&body), 0).unwrap();
    let incomplete = reply_with(Code::REQUEST_ENTITY_INCOMPLETE, b"", &[]);
    for _ in 0..3 {
        let reply = reply_with(Code::CONTINUE, b"", &[(option::BLOCK1, block(0, true, 0))]);
        assert_eq!(on(&mut transfer, &reply), AGAIN);
        assert_eq!(
            next_block(&transfer, option::BLOCK1),
            Some(block(1, true, 0))
        );
        assert_eq!(on(&mut transfer, &incomplete), AGAIN);
        assert_eq!(
            next_block(&transfer, option::BLOCK1),
            Some(block(0, true, 0))
        );
    }
    assert_eq!(
        on(&mut transfer, &incomplete),
        complete(Code::REQUEST_ENTITY_INCOMPLETE, 0)
    );
    // Without blocks it is the application's answer.
    let mut transfer = Transfer::new(&post(b""), 0).unwrap();
    assert_eq!(
        on(&mut transfer, &incomplete),
        complete(Code::REQUEST_ENTITY_INCOMPLETE, 0)
    );
}

#[test]
fn rfc7959_2_3_server_that_acts_on_each_block_is_sent_them_all() {
    let body = [1; 40];
    let mut transfer = Transfer::new(&post(&body), 0).unwrap();
    for n in 0..2 {
        let reply = reply_with(Code::CHANGED, b"", &[(option::BLOCK1, block(n, false, 0))]);
        assert_eq!(on(&mut transfer, &reply), AGAIN);
    }
    let reply = reply_with(Code::CHANGED, b"", &[(option::BLOCK1, block(2, false, 0))]);
    assert_eq!(on(&mut transfer, &reply), complete(Code::CHANGED, 0));
}

#[test]
fn responses_that_do_not_continue_the_transfer_end_it() {
    let body = [1; 40];
    let fresh = || Transfer::new(&post(&body), 0).unwrap();
    let unexpected = Err(BlockError::Unexpected);
    let block1 = |b| [(option::BLOCK1, b)];
    for reply in [
        reply_with(Code::CONTINUE, b"", &[]),
        reply_with(Code::CHANGED, b"", &[]),
        reply_with(Code::CONTINUE, b"", &block1(block(1, true, 0))),
    ] {
        let mut transfer = fresh();
        assert_eq!(on(&mut transfer, &reply), unexpected);
        assert_eq!(on(&mut transfer, &reply), Err(BlockError::Finished));
    }
    let mut reserved = OutMessage::new(Code::CONTINUE);
    reserved.options.push(option::BLOCK1, b"\x07").unwrap();
    assert_eq!(on(&mut fresh(), &encoded(&reserved)), unexpected);
    // 2.31 for the last block.
    let mut transfer = Transfer::new(&post(b"short"), 0).unwrap();
    let reply = reply_with(Code::CONTINUE, b"", &block1(block(0, true, 0)));
    assert_eq!(on(&mut transfer, &reply), unexpected);

    let block2 = |b| [(option::BLOCK2, b)];
    for reply in [
        // Not the first block, not as long as it says.
        reply_with(Code::CONTENT, &[0; 16], &block2(block(1, true, 0))),
        reply_with(Code::CONTENT, &[0; 15], &block2(block(0, true, 0))),
        reply_with(Code::CONTENT, &[0; 17], &block2(block(0, true, 0))),
    ] {
        let mut transfer = Transfer::new(&get(), 0).unwrap();
        assert_eq!(on(&mut transfer, &reply), unexpected);
    }
    for reply in [
        // The second block again the first, a gap, another code, no Block2.
        reply_with(Code::CONTENT, &[0; 16], &block2(block(0, true, 0))),
        reply_with(Code::CONTENT, &[0; 16], &block2(block(2, true, 0))),
        reply_with(Code::VALID, &[0; 16], &block2(block(1, true, 0))),
        reply_with(Code::CONTENT, &[0; 16], &[]),
    ] {
        let mut transfer = Transfer::new(&get(), 0).unwrap();
        let first = reply_with(Code::CONTENT, &[0; 16], &block2(block(0, true, 0)));
        assert_eq!(on(&mut transfer, &first), AGAIN);
        assert_eq!(on(&mut transfer, &reply), unexpected);
    }
}

#[test]
fn rfc7959_2_4_changed_representation_is_fetched_anew_or_refused() {
    let part = |number, etag: Option<&[u8]>| {
        let part = content(&[1; 16]);
        let mut part = with(part, option::BLOCK2, block(number, true, 0));
        if let Some(etag) = etag {
            part.options.push(option::ETAG, etag).unwrap();
        }
        encoded(&part)
    };
    for other in [Some(&b"2"[..]), Some(b""), None] {
        let mut transfer = Transfer::new(&post(b""), 0).unwrap();
        assert_eq!(on(&mut transfer, &part(0, Some(b"1"))), AGAIN);
        let changed = on(&mut transfer, &part(1, other));
        assert_eq!(changed, Err(BlockError::EtagChanged));

        let mut transfer = Transfer::new(&get(), 0).unwrap();
        for _ in 0..3 {
            assert_eq!(on(&mut transfer, &part(0, Some(b"1"))), AGAIN);
            assert_eq!(on(&mut transfer, &part(1, Some(b"1"))), AGAIN);
            assert_eq!(on(&mut transfer, &part(2, other)), AGAIN);
            assert_eq!(next_block(&transfer, option::BLOCK2), None);
        }
        assert_eq!(on(&mut transfer, &part(0, Some(b"1"))), AGAIN);
        let changed = on(&mut transfer, &part(1, other));
        assert_eq!(changed, Err(BlockError::EtagChanged));

        // The second attempt is of the new representation.
        let mut transfer = Transfer::new(&get(), 0).unwrap();
        assert_eq!(on(&mut transfer, &part(0, Some(b"1"))), AGAIN);
        assert_eq!(on(&mut transfer, &part(1, other)), AGAIN);
        for n in 0..3 {
            assert_eq!(on(&mut transfer, &part(n, other)), AGAIN);
            let wanted = next_block(&transfer, option::BLOCK2);
            assert_eq!(wanted, Some(block(n + 1, false, 0)));
        }
    }
}

#[test]
fn rfc7959_2_4_client_follows_the_servers_block_size() {
    let mut transfer = Transfer::new(&get(), 6).unwrap().with_response_blocks(2);
    assert_eq!(
        next_block(&transfer, option::BLOCK2),
        Some(block(0, false, 2))
    );
    let first = reply_with(
        Code::CONTENT,
        &[1; 32],
        &[(option::BLOCK2, block(0, true, 1))],
    );
    assert_eq!(on(&mut transfer, &first), AGAIN);
    assert_eq!(
        next_block(&transfer, option::BLOCK2),
        Some(block(1, false, 1))
    );
    // Smaller still, at the same place.
    let next = reply_with(
        Code::CONTENT,
        &[2; 16],
        &[(option::BLOCK2, block(2, true, 0))],
    );
    assert_eq!(on(&mut transfer, &next), AGAIN);
    assert_eq!(
        next_block(&transfer, option::BLOCK2),
        Some(block(3, false, 0))
    );
    let last = reply_with(
        Code::CONTENT,
        &[3; 1],
        &[(option::BLOCK2, block(3, false, 0))],
    );
    let mut buffer = [0; 64];
    let progress = transfer.on_response(&parse(&last), &mut buffer);
    assert_eq!(progress, complete(Code::CONTENT, 49));
    assert_eq!(buffer[48], 3);
}

#[test]
fn rfc7959_2_6_rest_of_a_notification_is_fetched_by_plain_requests() {
    let mut request = get();
    request.options.push(option::OBSERVE, 0u16).unwrap();
    request.token = Some(token(b"obs"));
    let mut transfer = Transfer::new(&request, 6).unwrap();
    let first = transfer.next_message().unwrap();
    assert!(first.options.contains(option::OBSERVE));
    assert_eq!(first.token, Some(token(b"obs")));
    let mut notification = with(content(&[1; 16]), option::BLOCK2, block(0, true, 0));
    notification.options.push(option::OBSERVE, 12u16).unwrap();
    assert_eq!(on(&mut transfer, &encoded(&notification)), AGAIN);
    let next = transfer.next_message().unwrap();
    assert!(!next.options.contains(option::OBSERVE));
    assert_eq!(next.token, None);
    // The representation changed: still no second registration.
    let mut other = with(content(&[1; 16]), option::BLOCK2, block(1, true, 0));
    other.options.push(option::ETAG, b"2").unwrap();
    assert_eq!(on(&mut transfer, &encoded(&other)), AGAIN);
    assert!(
        !transfer
            .next_message()
            .unwrap()
            .options
            .contains(option::OBSERVE)
    );
}

#[test]
fn error_in_the_middle_is_the_result() {
    let first = reply_with(
        Code::CONTENT,
        &[1; 16],
        &[(option::BLOCK2, block(0, true, 0))],
    );
    let error = reply_with(Code::NOT_FOUND, b"gone", &[]);
    let mut transfer = Transfer::new(&get(), 0).unwrap();
    assert_eq!(on(&mut transfer, &first), AGAIN);
    let mut buffer = [0; 64];
    let progress = transfer.on_response(&parse(&error), &mut buffer);
    assert_eq!(progress, complete(Code::NOT_FOUND, 4));
    assert_eq!(&buffer[..4], b"gone");
    // Forgotten by the server: a GET is made anew, a POST is not.
    let incomplete = reply_with(Code::REQUEST_ENTITY_INCOMPLETE, b"", &[]);
    let mut transfer = Transfer::new(&get(), 0).unwrap();
    assert_eq!(on(&mut transfer, &first), AGAIN);
    assert_eq!(on(&mut transfer, &incomplete), AGAIN);
    let mut transfer = Transfer::new(&post(b""), 0).unwrap();
    assert_eq!(on(&mut transfer, &first), AGAIN);
    assert_eq!(
        on(&mut transfer, &incomplete),
        complete(Code::REQUEST_ENTITY_INCOMPLETE, 0)
    );
}

#[test]
fn buffer_that_is_too_small_ends_the_transfer() {
    let whole = reply_with(Code::CONTENT, &[1; 257], &[]);
    let too_large = Err(BlockError::TooLarge);
    assert_eq!(
        on(&mut Transfer::new(&get(), 0).unwrap(), &whole),
        too_large
    );
    let mut transfer = Transfer::new(&get(), 0).unwrap();
    let first = reply_with(
        Code::CONTENT,
        &[1; 256],
        &[(option::BLOCK2, block(0, true, 4))],
    );
    assert_eq!(on(&mut transfer, &first), AGAIN);
    let second = reply_with(
        Code::CONTENT,
        &[1; 1],
        &[(option::BLOCK2, block(1, false, 4))],
    );
    assert_eq!(on(&mut transfer, &second), too_large);
}

#[test]
fn rfc7959_2_2_more_blocks_than_numbers_are_refused() {
    let body = vec![0; (16 << 20) + 1];
    assert_eq!(
        Transfer::new(&post(&body), 0).err(),
        Some(BlockError::TooLarge)
    );
    // Fits in large blocks, until the server wants small ones.
    let mut transfer = Transfer::new(&post(&body), 6).unwrap();
    let last = (1 << 14) - 1;
    for n in 0..=last {
        let szx = if n == last { 0 } else { 6 };
        let reply = reply_with(
            Code::CONTINUE,
            b"",
            &[(option::BLOCK1, block(n, true, szx))],
        );
        assert_eq!(on(&mut transfer, &reply), AGAIN);
    }
    assert_eq!(transfer.next_message().err(), Some(BlockError::TooLarge));
    let mut request = get();
    for _ in 0..MAX_OPTIONS - 3 {
        request.options.push(option::URI_QUERY, "q").unwrap();
    }
    assert_eq!(
        Transfer::new(&request, 6).err(),
        Some(BlockError::TooManyOptions)
    );
}

#[test]
fn rfc7959_2_2_exponent_above_six_counts_as_six() {
    let body = vec![1; MAX];
    let first = with(post(&body[..16]), option::BLOCK1, block(0, true, 0));
    let outcome = receive(&mut receiver(1, 255), T0, b"p", &first);
    assert_eq!(outcome, Outcome::Continue(block(0, true, 0)));
    let reply = answer(&mut sender(1, 255), &get(), &content(&body));
    assert!(!parse(&reply).options.contains(option::BLOCK2));
    let transfer = Transfer::new(&post(&[1; 1025]), 255).unwrap();
    assert_eq!(
        next_block(&transfer, option::BLOCK1),
        Some(block(0, true, 6))
    );
    let transfer = Transfer::new(&get(), 6).unwrap().with_response_blocks(255);
    assert_eq!(
        next_block(&transfer, option::BLOCK2),
        Some(block(0, false, 6))
    );
}
