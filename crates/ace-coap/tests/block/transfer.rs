//! The client: both directions of one operation.

use super::*;

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
    let reply = crate::sender::answer(&mut sender(1, 255), &get(), &content(&body));
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
