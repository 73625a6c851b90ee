//! Bytes of those who have no key.

use proptest::prelude::*;

use super::*;

fn plain_text(answer: &Answer) -> (Code, &str) {
    (answer.code, std::str::from_utf8(&answer.payload).unwrap())
}

#[tokio::test]
async fn rfc8613_8_2_an_unknown_context_is_4_01() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let (mut datagram, _) = alice.protect(&post(REQUEST));
    // The kid ends the option: flags, Partial IV, two bytes of kid.
    let at = datagram
        .windows(4)
        .position(|w| w == [0x09, 0x00, 0x00, 0x01])
        .unwrap();
    datagram[at + 3] = 0x77;
    let answer = world.send(HOME, &datagram).await.unwrap();
    assert_eq!(
        plain_text(&answer),
        (Code::UNAUTHORIZED, "Security context not found")
    );
    assert_eq!(answer.options, [(option::MAX_AGE, vec![])]);
}

#[tokio::test]
async fn rfc8613_8_2_what_is_no_oscore_message_is_4_02() {
    let world = World::new().await;
    let ask = async |value: &[u8], payload: &[u8]| {
        let mut message = OutMessage::new(Code::POST).with_payload(payload);
        message.options.push(option::OSCORE, value).unwrap();
        world.send(HOME, &encoded(&message, 1)).await.unwrap()
    };
    for (value, payload) in [
        // Empty, without kid, without Partial IV, reserved flag, truncated, no payload.
        (&[][..], &b"xxxxxxxxxxxxxxxxxxxxx"[..]),
        (&[0x01, 0x00], b"xxxxxxxxxxxxxxxxxxxxx"),
        (&[0x08, 0x00, 0x01], b"xxxxxxxxxxxxxxxxxxxxx"),
        (&[0x29, 0x00, 0x00, 0x01], b"xxxxxxxxxxxxxxxxxxxxx"),
        (&[0x0d, 0x00], b"xxxxxxxxxxxxxxxxxxxxx"),
        (&[0x09, 0x00, 0x00, 0x01], b""),
    ] {
        let answer = ask(value, payload).await;
        assert_eq!(answer.code, Code::BAD_OPTION, "{value:02x?}");
    }
}

#[tokio::test]
async fn rfc8613_7_4_a_replay_is_met_with_silence_but_told_where_the_peer_is() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let (datagram, binding) = alice.protect(&post(REQUEST));
    let answer = world.send(HOME, &datagram).await.unwrap();
    assert!(alice.open(&answer, binding).unwrap().is_token());
    assert_eq!(world.send(ELSEWHERE, &datagram).await, None);
    let told = world.send(HOME, &datagram).await.unwrap();
    assert_eq!(plain_text(&told), (Code::UNAUTHORIZED, "Replay detected"));
    assert_eq!(world.tokens().await, 1);
}

#[tokio::test]
async fn rfc8613_8_2_a_forgery_is_met_with_silence_and_changes_nothing() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let (datagram, binding) = alice.protect(&post(REQUEST));
    // Header, outer code and token are not protected (RFC 8613, 4.2 and 4.3).
    for at in 6..datagram.len() {
        for bit in 0..8 {
            let mut forged = datagram.clone();
            forged[at] ^= 1 << bit;
            let Ok(message) = Message::parse(&forged) else {
                continue;
            };
            let answer = world
                .server
                .handle(Instant(1), NOW, HOME, &message, forged.len())
                .await;
            if let Some(answer) = answer {
                assert!(
                    matches!(answer.code.class(), 4 | 5),
                    "byte {at}: {answer:?}"
                );
            }
            assert_eq!(world.tokens().await, 0, "byte {at}");
        }
    }
    // The one that was written by alice is still good, and the first.
    let answer = world.send(HOME, &datagram).await.unwrap();
    assert!(alice.open(&answer, binding).unwrap().is_token());
    let (mut forged, _) = alice.protect(&post(REQUEST));
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(world.send(ELSEWHERE, &forged).await, None);
    let told = world.send(HOME, &forged).await.unwrap();
    assert_eq!(plain_text(&told), (Code::BAD_REQUEST, "Decryption failed"));
}

#[tokio::test]
async fn an_unknown_critical_outer_option_is_4_02_to_a_con_and_silence_to_a_non() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    for (kind, code) in [
        (Type::Confirmable, Some(Code::BAD_OPTION)),
        (Type::NonConfirmable, None),
    ] {
        let (datagram, _) = alice.protect(&post(REQUEST));
        let mut message = OutMessage::from_message(&Message::parse(&datagram).unwrap()).unwrap();
        message.options.push(2049, b"x").unwrap();
        let mut out = [0; 256];
        let length = message.encode(&mut out, kind, 1, Token::EMPTY).unwrap();
        assert_eq!(
            world
                .send(HOME, &out[..length])
                .await
                .map(|answer| answer.code),
            code
        );
    }
}

#[tokio::test]
async fn a_second_oscore_layer_is_refused() {
    let world = World::new().await;
    let mut alice = world.client("alice").await;
    let mut request = post(REQUEST);
    request
        .options
        .push(option::OSCORE, &[0x09, 0x00, 0x00, 0x01])
        .unwrap();
    let plain = encoded(&request, 1);
    let mut out = [0; 256];
    assert!(
        alice
            .context
            .protect_request(&Message::parse(&plain).unwrap(), false, &mut out)
            .is_err()
    );
    let answer = world.send(HOME, &plain).await;
    assert_eq!(answer, None);
}

#[test]
fn no_datagram_panics_or_gets_more_than_three_times_its_bytes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let (world, valid) = runtime.block_on(async {
        let world = World::new().await;
        let (datagram, _) = world.client("alice").await.protect(&post(REQUEST));
        (world, datagram)
    });
    let options =
        prop::collection::vec((0..300u16, prop::collection::vec(any::<u8>(), 0..12)), 0..5);
    let built = (1..8u8, options, prop::collection::vec(any::<u8>(), 0..60)).prop_map(
        |(code, options, payload)| {
            let mut message = OutMessage::new(Code(code)).with_payload(&payload);
            for (number, value) in &options {
                message.options.push(*number, &value[..]).unwrap();
            }
            encoded(&message, 1)
        },
    );
    let changed = (0..valid.len(), any::<u8>(), 0..valid.len()).prop_map(move |(at, byte, cut)| {
        let mut changed = valid.clone();
        changed[at] = changed[at].wrapping_add(byte | 1);
        changed.truncate(valid.len() - cut / 4);
        changed
    });
    let datagram = prop_oneof![built, changed, prop::collection::vec(any::<u8>(), 0..80)];
    proptest!(ProptestConfig::with_cases(1024), |(datagram in datagram)| {
        let Ok(message) = Message::parse(&datagram) else { return Ok(()) };
        let answer = runtime.block_on(world.server.handle(Instant(1), NOW, HOME, &message, datagram.len()));
        if let Some(answer) = answer {
            let length = answer.as_message().unwrap().encoded_len(message.token.as_bytes().len());
            prop_assert!(answer.code == Code::CHANGED || length <= 3 * datagram.len());
        }
    });
}
