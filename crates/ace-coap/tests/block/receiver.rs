//! Requests put together: RFC 7959, 2.5 and 2.9.

use super::*;

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
