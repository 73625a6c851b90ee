//! Bodies in blocks, inside and outside of OSCORE.

use ace_coap::block::{Progress, Transfer};
use ace_wire::{
    ace::Scope,
    aif::{Aif, MethodSet},
};

use super::*;

/// Runs an operation whose blocks are inside of OSCORE; code, body, and the number of messages.
async fn inner(
    client: &mut Client,
    world: &World,
    request: &OutMessage<'_>,
    szx: u8,
) -> (Code, Vec<u8>, usize) {
    let mut transfer = Transfer::new(request, szx)
        .unwrap()
        .with_request_tag(&[7])
        .unwrap();
    let mut body = vec![0; 8192];
    for messages in 1.. {
        let opened = client.ask(world, &transfer.next_message().unwrap()).await;
        let mut message = OutMessage::new(opened.code).with_payload(&opened.payload);
        for (number, value) in &opened.options {
            message.options.push(*number, &value[..]).unwrap();
        }
        let datagram = encoded(&message, 1);
        match transfer
            .on_response(&Message::parse(&datagram).unwrap(), &mut body)
            .unwrap()
        {
            Progress::Again => {}
            Progress::Complete { code, length } => {
                return (code, body[..length].to_vec(), messages);
            }
        }
    }
    unreachable!()
}

/// Grants alice a number of paths; the request for all of them.
async fn large_request(world: &World, paths: usize) -> Vec<u8> {
    let paths: Vec<_> = (0..paths)
        .map(|n| format!("/building/7/floor/{n:04}/temperature"))
        .collect();
    for path in &paths {
        world
            .registry
            .grant("alice", "thermo", &format!("GET {path}"))
            .await
            .unwrap();
    }
    let mut scope = vec![0; 8192];
    let length = Aif::encode(
        paths.iter().map(|path| (&path[..], MethodSet::GET)),
        &mut scope,
    )
    .unwrap();
    let request = TokenRequest {
        audience: Some("thermo"),
        scope: Some(Scope::Bytes(&scope[..length])),
        ..TokenRequest::default()
    };
    let mut payload = vec![0; 8192];
    let length = request.encode(&mut payload).unwrap();
    payload.truncate(length);
    payload
}

#[tokio::test]
async fn rfc8613_4_1_3_4_1_request_and_response_in_inner_blocks() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let payload = large_request(&world, 40).await;
    assert!(payload.len() > 1024);
    for szx in [2, 6] {
        let (code, body, messages) = inner(&mut alice, &world, &post(&payload), szx).await;
        assert_eq!(code, Code::CREATED, "{:?}", ErrorResponse::parse(&body));
        let information = AccessInformation::parse(&body).unwrap();
        assert!(information.access_token.len() > 1024);
        assert!(messages >= payload.len().div_ceil(16 << szx) + body.len().div_ceil(1024) - 1);
    }
    assert_eq!(world.tokens().await, 2);
}

#[tokio::test]
async fn rfc9175_3_3_bodies_of_different_request_tags_do_not_mix() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let payload = large_request(&world, 8).await;
    let piece = |number: u32, tag: u8| {
        let mut message = post(&payload[(number as usize) * 64..][..64]);
        message
            .options
            .push(option::BLOCK1, number << 4 | 8 | 2)
            .unwrap();
        (message, [tag])
    };
    for (number, tag, code) in [
        (0, 1, Code::CONTINUE),
        (1, 1, Code::CONTINUE),
        (2, 2, Code::REQUEST_ENTITY_INCOMPLETE),
        (2, 1, Code::CONTINUE),
    ] {
        let (mut message, tag) = piece(number, tag);
        message.options.push(option::REQUEST_TAG, &tag).unwrap();
        assert_eq!(
            alice.ask(&world, &message).await.code,
            code,
            "{number} {tag:?}"
        );
    }
}

#[tokio::test]
async fn one_clients_blocks_do_not_meet_another_clients() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let mut bob = world.client("bob").await;
    let mut first = post(&[0; 64]);
    first.options.push(option::BLOCK1, 8u32 | 2).unwrap();
    assert_eq!(alice.ask(&world, &first).await.code, Code::CONTINUE);
    let mut second = post(b"\xa0");
    second.options.push(option::BLOCK1, 1u32 << 4 | 2).unwrap();
    assert_eq!(
        bob.ask(&world, &second).await.code,
        Code::REQUEST_ENTITY_INCOMPLETE
    );
}

#[tokio::test]
async fn rfc7959_2_9_3_a_body_beyond_all_bounds_is_4_13() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let mut message = post(&[0; 1024]);
    message.options.push(option::BLOCK1, 8u32 | 6).unwrap();
    message.options.push(option::SIZE1, 8193u32).unwrap();
    let answer = alice.ask(&world, &message).await;
    assert_eq!(answer.code, Code::REQUEST_ENTITY_TOO_LARGE);
    assert_eq!(answer.option(option::SIZE1), Some(&[0x20, 0x00][..]));
}

#[tokio::test]
async fn a_token_that_could_not_be_sent_is_refused_and_not_stored() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    large_request(&world, 200).await;
    // Token and answer would carry more than 200 paths of 36 bytes each.
    let answer = alice.ask(&world, &post(REQUEST)).await;
    assert_eq!(answer.error(), ErrorCode::InvalidScope);
    assert_eq!(world.tokens().await, 0);
}

#[tokio::test]
async fn rfc8613_4_1_3_4_2_an_oscore_message_in_outer_blocks() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let payload = large_request(&world, 8).await;
    let (datagram, binding) = alice.protect(&post(&payload));
    let whole = OutMessage::from_message(&Message::parse(&datagram).unwrap()).unwrap();
    let mut transfer = Transfer::new(&whole, 2).unwrap();
    let mut body = vec![0; 8192];
    let (mut options, mut messages) = (Vec::new(), 0);
    let length = loop {
        messages += 1;
        let answer = world
            .send(HOME, &encoded(&transfer.next_message().unwrap(), messages))
            .await
            .unwrap();
        let response = encoded(&answer.as_message().unwrap(), 1);
        match transfer
            .on_response(&Message::parse(&response).unwrap(), &mut body)
            .unwrap()
        {
            Progress::Again => options.clone_from(&answer.options),
            Progress::Complete { code, length } => {
                assert_eq!(code, Code::CHANGED);
                if options.iter().all(|(n, _)| *n != option::OSCORE) {
                    options = answer.options;
                }
                break length;
            }
        }
    };
    assert!(usize::from(messages) > payload.len() / 64);
    options.retain(|(n, _)| *n == option::OSCORE);
    let answer = Answer {
        options,
        ..Answer::new(Code::CHANGED).with_payload(&body[..length])
    };
    assert!(alice.open(&answer, binding).unwrap().is_token());
    assert_eq!(world.tokens().await, 1);
}
