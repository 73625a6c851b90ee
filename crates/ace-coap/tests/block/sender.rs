//! Responses cut up: RFC 7959, 2.4.

use super::*;

/// The response to `request` that the sender makes of `response`.
pub fn answer(s: &mut Sender, request: &OutMessage<'_>, response: &OutMessage<'_>) -> Vec<u8> {
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
