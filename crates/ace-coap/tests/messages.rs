//! The message layer: RFC 7252, 4, and multicast, 8.

mod support;

use std::time::Duration;

use ace_coap::{
    CoapError, Code, Dropped, Error, Event, Instant, OutMessage, Reliability, Token, Transmission,
    Type, option,
};
use support::*;

const CON: Reliability = Reliability::Confirmable;
const NON: Reliability = Reliability::NonConfirmable;

// Retransmission.

#[test]
fn rfc7252_4_2_confirmable_is_retransmitted_with_doubling_timeouts() {
    for seed in 0..50 {
        let mut client = endpoint_with(4, seed, Transmission::DEFAULT);
        let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
        let first = one(&mut client, T0);
        let again = run_timers(&mut client, after(T0, 400_000));
        assert_eq!(again.len(), 4);
        assert!(again.iter().all(|(_, datagram)| *datagram == first));
        let times: Vec<u64> = again.iter().map(|(at, _)| at.0 - T0.0).collect();
        let t = times[0];
        assert!((2_000..=3_000).contains(&t));
        assert_eq!(times, [t, 3 * t, 7 * t, 15 * t]);
        assert!(times[3] <= 45_000);
        assert_eq!(events(&mut client), [Event::TimedOut(id)]);
        assert_eq!(client.slots_in_use(), 0);
    }
}

#[test]
fn rfc7252_4_2_sender_gives_up_within_max_transmit_wait() {
    let mut client = endpoint(4);
    let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    run_timers(&mut client, after(T0, 93_000));
    assert_eq!(events(&mut client), [Event::TimedOut(id)]);
    assert!(drain(&mut client, after(T0, 93_000)).is_empty());
}

#[test]
fn rfc7252_4_2_first_timeouts_are_spread() {
    let mut client = endpoint(4);
    let mut timeouts = Vec::new();
    let mut rng = rng();
    for _ in 0..200 {
        let id = client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
        timeouts.push(client.poll_timeout().unwrap().0 - T0.0);
        client.cancel(id);
    }
    assert!(*timeouts.iter().min().unwrap() < 2_100);
    assert!(*timeouts.iter().max().unwrap() > 2_900);
    assert!(timeouts.iter().all(|t| (2_000..=3_000).contains(t)));
}

#[test]
fn rfc7252_4_2_late_timer_keeps_the_minimum_spacing_and_the_envelope() {
    for seed in 0..50 {
        let mut client = endpoint_with(4, seed, Transmission::DEFAULT);
        let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
        drain(&mut client, T0);
        // Asleep for 20 s: one retransmission, the next not before ACK_TIMEOUT.
        client.handle_timeout(after(T0, 20_000));
        assert_eq!(drain(&mut client, after(T0, 20_000)).len(), 1);
        assert_eq!(client.poll_timeout(), Some(after(T0, 22_000)));
        // Asleep beyond MAX_TRANSMIT_SPAN: nothing more is sent.
        client.handle_timeout(after(T0, 45_001));
        assert!(drain(&mut client, after(T0, 45_001)).is_empty());
        assert_eq!(events(&mut client), [Event::TimedOut(id)]);
    }
}

#[test]
fn rfc7252_4_8_1_parameters_are_honoured() {
    let transmission = Transmission {
        ack_timeout: Duration::from_secs(5),
        ack_random_percent: 100,
        max_retransmit: 2,
        ..Transmission::DEFAULT
    };
    let mut client = endpoint_with(4, 1, transmission);
    client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    drain(&mut client, T0);
    let times: Vec<u64> = run_timers(&mut client, after(T0, 100_000))
        .iter()
        .map(|(at, _)| at.0 - T0.0)
        .collect();
    assert_eq!(times, [5_000, 15_000]);
    assert_eq!(events(&mut client).len(), 1);

    // However long the span, MAX_RETRANSMIT is the limit.
    let transmission = Transmission {
        ack_random_percent: 1_000,
        ..Transmission::DEFAULT
    };
    for seed in 0..20 {
        let mut client = endpoint_with(4, seed, transmission);
        client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
        drain(&mut client, T0);
        let sent = run_timers(&mut client, after(T0, 1_000_000));
        assert_eq!(sent.len(), 4);
    }
}

#[test]
fn rfc7252_4_3_non_is_sent_once_and_its_response_awaited() {
    let mut client = endpoint(4);
    let id = client.request(T0, PEER, NON, &get(), &mut rng()).unwrap();
    assert_eq!(parse(&one(&mut client, T0)).kind, Type::NonConfirmable);
    assert!(run_timers(&mut client, after(T0, 400_000)).is_empty());
    assert_eq!(events(&mut client), [Event::TimedOut(id)]);
    assert_eq!(client.slots_in_use(), 0);
}

#[test]
fn rfc7252_4_2_reset_ends_the_request() {
    for reliability in [CON, NON] {
        let mut client = endpoint(4);
        let id = client
            .request(T0, PEER, reliability, &get(), &mut rng())
            .unwrap();
        let mid = parse(&one(&mut client, T0)).id;
        let reset = empty(Type::Reset, mid);
        assert_eq!(dropped(client.handle(T0, PEER, &reset)), Dropped::Reset);
        assert_eq!(events(&mut client), [Event::Reset(id)]);
        assert_eq!(client.poll_timeout(), None);
        assert_eq!(
            dropped(client.handle(T0, PEER, &reset)),
            Dropped::Unexpected
        );
        assert!(events(&mut client).is_empty());
    }
}

// Rejection.

#[test]
fn rfc7252_4_2_malformed_confirmable_is_reset() {
    let bad: [(&[u8], CoapError); 7] = [
        (&[0x49, 1, 0x12, 0x34], CoapError::TokenLength),
        (&[0x42, 1, 0x12, 0x34, 9], CoapError::Truncated),
        (&[0x40, 0, 0x12, 0x34, 0xff], CoapError::EmptyNotEmpty),
        (&[0x40, 0x20, 0x12, 0x34], CoapError::CodeClass),
        (&[0x40, 0xe1, 0x12, 0x34], CoapError::CodeClass),
        (&[0x40, 1, 0x12, 0x34, 0xff], CoapError::EmptyPayload),
        (&[0x40, 1, 0x12, 0x34, 0xf0], CoapError::ReservedNibble),
    ];
    for (bytes, error) in bad {
        let mut server = endpoint(4);
        assert_eq!(
            dropped(server.handle(T0, PEER, bytes)),
            Dropped::Malformed(error)
        );
        assert_eq!(one(&mut server, T0), [0x70, 0, 0x12, 0x34], "{error:?}");
        // RFC 7252, 4.2 and 4.3: NON, ACK and Reset in silence.
        for kind in [0x10, 0x20, 0x30] {
            let mut other = bytes.to_vec();
            other[0] |= kind;
            dropped(server.handle(T0, PEER, &other));
            assert!(drain(&mut server, T0).is_empty());
        }
        assert_eq!(server.slots_in_use(), 0);
    }
}

#[test]
fn rfc7252_3_unknown_version_and_fragments_get_silence() {
    let mut server = endpoint(4);
    for bytes in [
        &[][..],
        &[0x40],
        &[0x40, 1, 0x12],
        &[0x00, 1, 0x12, 0x34],
        &[0x80, 1, 0x12, 0x34],
        &[0xc0, 0, 0x12, 0x34, 1],
    ] {
        assert!(matches!(
            dropped(server.handle(T0, PEER, bytes)),
            Dropped::Malformed(_)
        ));
        assert!(drain(&mut server, T0).is_empty(), "{bytes:02x?}");
    }
}

#[test]
fn rfc7252_4_3_ping_is_answered_with_a_reset() {
    let mut server = endpoint(4);
    let ping = empty(Type::Confirmable, 0xbeef);
    assert_eq!(dropped(server.handle(T0, PEER, &ping)), Dropped::Ping);
    assert_eq!(one(&mut server, T0), empty(Type::Reset, 0xbeef));
    let non = empty(Type::NonConfirmable, 0xbeef);
    assert_eq!(dropped(server.handle(T0, PEER, &non)), Dropped::Unexpected);
    assert!(drain(&mut server, T0).is_empty());
}

#[test]
fn rfc7252_4_2_ack_with_a_request_and_reset_with_content_are_ignored() {
    let mut client = endpoint(4);
    client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let request = one(&mut client, T0);
    let (mid, token) = (parse(&request).id, parse(&request).token);
    for bytes in [
        datagram(Type::Acknowledgement, Code::GET, mid, token.as_bytes(), b""),
        datagram(Type::Reset, Code::CONTENT, mid, token.as_bytes(), b""),
        datagram(Type::Reset, Code::GET, mid, token.as_bytes(), b"x"),
    ] {
        assert_eq!(
            dropped(client.handle(T0, PEER, &bytes)),
            Dropped::Unexpected
        );
    }
    assert_eq!(run_timers(&mut client, after(T0, 3_000)).len(), 1);
}

// Correlation.

#[test]
fn rfc7252_4_4_first_message_id_is_random_and_others_follow() {
    let first: Vec<u16> = (0..20)
        .map(|seed| {
            let mut client = endpoint_with(4, seed, Transmission::DEFAULT);
            client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
            parse(&one(&mut client, T0)).id
        })
        .collect();
    let distinct: std::collections::BTreeSet<_> = first.iter().collect();
    assert!(distinct.len() > 18);

    let mut client = endpoint(64);
    let mut seen = std::collections::BTreeSet::new();
    let mut rng = rng();
    for _ in 0..64 {
        client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
        assert!(seen.insert(parse(&one(&mut client, T0)).id));
    }
}

#[test]
fn rfc7252_4_4_message_id_in_use_with_a_peer_is_passed_over() {
    let mut client = endpoint(4);
    let mut rng = rng();
    client.request(T0, PEER, NON, &get(), &mut rng).unwrap();
    let kept = parse(&one(&mut client, T0)).id;
    // All 65,536 numbers once, to another peer.
    for _ in 0..65_535 {
        let id = client.request(T0, 8, NON, &get(), &mut rng).unwrap();
        drain(&mut client, T0);
        client.cancel(id);
    }
    client.request(T0, PEER, NON, &get(), &mut rng).unwrap();
    assert_eq!(parse(&one(&mut client, T0)).id, kept.wrapping_add(1));
}

#[test]
fn rfc7252_4_4_ack_or_reset_from_another_address_or_with_another_id_changes_nothing() {
    let mut client = endpoint(4);
    client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let mid = parse(&one(&mut client, T0)).id;
    for kind in [Type::Acknowledgement, Type::Reset] {
        let forged = empty(kind, mid);
        assert_eq!(
            dropped(client.handle(T0, PEER + 1, &forged)),
            Dropped::Unexpected
        );
        let wrong = empty(kind, mid.wrapping_add(1));
        assert_eq!(
            dropped(client.handle(T0, PEER, &wrong)),
            Dropped::Unexpected
        );
    }
    assert_eq!(run_timers(&mut client, after(T0, 46_000)).len(), 4);
    assert!(events(&mut client).is_empty());
}

#[test]
fn rfc7252_4_2_ack_ends_retransmission_but_not_the_request() {
    let mut client = endpoint(4);
    let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let mid = parse(&one(&mut client, T0)).id;
    let ack = empty(Type::Acknowledgement, mid);
    let now = after(T0, 500);
    assert_eq!(
        dropped(client.handle(now, PEER, &ack)),
        Dropped::Acknowledgement
    );
    assert_eq!(dropped(client.handle(now, PEER, &ack)), Dropped::Unexpected);
    assert!(run_timers(&mut client, after(now, 92_999)).is_empty());
    assert!(events(&mut client).is_empty());
    run_timers(&mut client, after(now, 93_000));
    assert_eq!(events(&mut client), [Event::TimedOut(id)]);
}

// Duplicates.

#[test]
fn rfc7252_4_5_duplicate_confirmable_gets_the_stored_answer_for_the_exchange_lifetime() {
    let mut server = endpoint(4);
    let request = datagram(Type::Confirmable, Code::POST, 5, b"tok", b"x");
    let exchange = request_of(server.handle(T0, PEER, &request));
    server.respond(T0, exchange, &content(b"answer")).unwrap();
    let answer = one(&mut server, T0);
    assert_eq!(parse(&answer).kind, Type::Acknowledgement);
    for ms in [1, 3_000, 100_000, 246_999] {
        let now = after(T0, ms);
        server.handle_timeout(now);
        assert_eq!(
            dropped(server.handle(now, PEER, &request)),
            Dropped::Duplicate
        );
        assert_eq!(one(&mut server, now), answer);
    }
    let now = after(T0, 247_000);
    server.handle_timeout(now);
    assert_eq!(server.slots_in_use(), 0);
    request_of(server.handle(now, PEER, &request));
}

#[test]
fn rfc7252_4_5_duplicate_non_is_ignored_for_the_non_lifetime() {
    let mut server = endpoint(4);
    let request = datagram(Type::NonConfirmable, Code::POST, 5, b"tok", b"x");
    let exchange = request_of(server.handle(T0, PEER, &request));
    assert_eq!(
        dropped(server.handle(T0, PEER, &request)),
        Dropped::Duplicate
    );
    server.respond(T0, exchange, &content(b"answer")).unwrap();
    assert_eq!(parse(&one(&mut server, T0)).kind, Type::NonConfirmable);
    let now = after(T0, 144_999);
    server.handle_timeout(now);
    assert_eq!(
        dropped(server.handle(now, PEER, &request)),
        Dropped::Duplicate
    );
    assert!(drain(&mut server, now).is_empty());
    let now = after(T0, 145_000);
    server.handle_timeout(now);
    request_of(server.handle(now, PEER, &request));
}

#[test]
fn rfc7252_4_5_duplicate_before_the_answer_is_not_handed_out_again() {
    let mut server = endpoint(4);
    let request = datagram(Type::Confirmable, Code::POST, 5, b"tok", b"x");
    let exchange = request_of(server.handle(T0, PEER, &request));
    for _ in 0..3 {
        assert_eq!(
            dropped(server.handle(T0, PEER, &request)),
            Dropped::Duplicate
        );
    }
    assert!(drain(&mut server, T0).is_empty());
    server.respond(T0, exchange, &content(b"a")).unwrap();
    assert_eq!(drain(&mut server, T0).len(), 1);
}

#[test]
fn rfc7252_4_5_same_id_from_another_peer_or_with_another_token_is_another_message() {
    let mut server = endpoint(8);
    let request = datagram(Type::Confirmable, Code::POST, 5, b"tok", b"x");
    let other = datagram(Type::Confirmable, Code::POST, 5, b"kot", b"x");
    let first = request_of(server.handle(T0, PEER, &request));
    let second = request_of(server.handle(T0, PEER + 1, &request));
    let third = request_of(server.handle(T0, PEER, &other));
    server.respond(T0, first, &content(b"1")).unwrap();
    server.respond(T0, second, &content(b"2")).unwrap();
    server.respond(T0, third, &content(b"3")).unwrap();
    drain(&mut server, T0);
    for (peer, bytes, answer) in [
        (PEER, &request, b"1"),
        (PEER + 1, &request, b"2"),
        (PEER, &other, b"3"),
    ] {
        dropped(server.handle(T0, peer, bytes));
        let all = drain(&mut server, T0);
        assert_eq!(all[0].0, peer);
        assert_eq!(parse(&all[0].1).payload, answer);
    }
}

#[test]
fn rfc7252_4_4_numbers_of_the_two_directions_are_apart() {
    let mut both = endpoint(8);
    both.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let mid = parse(&one(&mut both, T0)).id;
    let request = datagram(Type::Confirmable, Code::GET, mid, b"tok", b"");
    let exchange = request_of(both.handle(T0, PEER, &request));
    both.respond(T0, exchange, &content(b"a")).unwrap();
    one(&mut both, T0);
    assert_eq!(
        dropped(both.handle(T0, PEER, &empty(Type::Acknowledgement, mid))),
        Dropped::Acknowledgement
    );
}

// Room.

#[test]
fn full_table_evicts_the_oldest_answer_and_never_an_exchange_under_way() {
    let mut server = endpoint(4);
    let ask = |server: &mut Ep, n: u16, now| {
        let bytes = datagram(Type::Confirmable, Code::POST, n, &n.to_be_bytes(), b"");
        request_of(server.handle(now, PEER, &bytes))
    };
    let waiting = ask(&mut server, 0, T0);
    for n in 1..=100 {
        let now = after(T0, u64::from(n));
        let exchange = ask(&mut server, n, now);
        server.respond(now, exchange, &content(b"a")).unwrap();
        drain(&mut server, now);
        assert!(server.slots_in_use() <= 4);
    }
    let now = after(T0, 200);
    // The three youngest are still known, an older one is not.
    for n in [98, 99, 100] {
        let bytes = datagram(Type::Confirmable, Code::POST, n, &n.to_be_bytes(), b"");
        assert_eq!(
            dropped(server.handle(now, PEER, &bytes)),
            Dropped::Duplicate
        );
    }
    drain(&mut server, now);
    ask(&mut server, 97, now);
    server.respond(now, waiting, &content(b"kept")).unwrap();
    assert_eq!(parse(&one(&mut server, now)).payload, b"kept");
}

#[test]
fn rfc7252_5_9_3_4_confirmable_without_room_is_told_to_come_again() {
    let mut server = endpoint(8);
    let mut exchanges = Vec::new();
    for n in 0..6 {
        let bytes = datagram(Type::Confirmable, Code::POST, n, b"", b"");
        exchanges.push(request_of(server.handle(T0, PEER, &bytes)));
    }
    // A quarter of the slots is left for what the endpoint itself sends.
    let bytes = datagram(Type::Confirmable, Code::POST, 100, b"12345678", b"");
    assert_eq!(dropped(server.handle(T0, PEER, &bytes)), Dropped::Full);
    let answer = one(&mut server, T0);
    let answer = parse(&answer);
    assert_eq!(
        (answer.kind, answer.code, answer.id),
        (Type::Acknowledgement, Code::SERVICE_UNAVAILABLE, 100)
    );
    assert_eq!(answer.token, token(b"12345678"));
    assert_eq!(answer.options.uint(option::MAX_AGE), Ok(Some(2)));
    let bytes = datagram(Type::NonConfirmable, Code::POST, 101, b"", b"");
    assert_eq!(dropped(server.handle(T0, PEER, &bytes)), Dropped::Full);
    assert!(drain(&mut server, T0).is_empty());
    let mut rng = rng();
    server.request(T0, PEER, CON, &get(), &mut rng).unwrap();
    server.request(T0, PEER, CON, &get(), &mut rng).unwrap();
    assert_eq!(
        server.request(T0, PEER, CON, &get(), &mut rng),
        Err(Error::Full)
    );
    drain(&mut server, T0);
    for exchange in exchanges {
        server.respond(T0, exchange, &content(b"a")).unwrap();
    }
    assert_eq!(drain(&mut server, T0).len(), 6);
}

#[test]
fn short_answers_without_a_slot_are_bounded() {
    let mut server = endpoint(4);
    for n in 0..100 {
        server.handle(T0, PEER, &empty(Type::Confirmable, n));
    }
    let bound = if cfg!(feature = "index") { 8 } else { 2 };
    assert_eq!(drain(&mut server, T0).len(), bound);
}

#[test]
fn endpoint_without_slots_refuses_everything() {
    let mut none = endpoint(0);
    let bytes = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
    assert_eq!(dropped(none.handle(T0, PEER, &bytes)), Dropped::Full);
    assert_eq!(
        none.request(T0, PEER, CON, &get(), &mut rng()),
        Err(Error::Full)
    );
    assert_eq!(
        none.notify(T0, PEER, Token::EMPTY, NON, &content(b"")),
        Err(Error::Full)
    );
    assert_eq!(none.poll_timeout(), None);
    none.handle_timeout(T0);
    assert!(events(&mut none).is_empty());
}

#[test]
fn message_as_long_as_the_slot_fits_and_one_byte_more_does_not() {
    let mut client = endpoint(4);
    let body = vec![7; 2000];
    let fits = 1152 - 4 - 8 - 1;
    let mut rng = rng();
    let post = OutMessage::new(Code::POST);
    let request = post.with_payload(&body[..fits]);
    client.request(T0, PEER, CON, &request, &mut rng).unwrap();
    assert_eq!(one(&mut client, T0).len(), 1152);
    let request = post.with_payload(&body[..=fits]);
    assert_eq!(
        client.request(T0, PEER, CON, &request, &mut rng),
        Err(Error::TooLarge)
    );
    assert_eq!(client.slots_in_use(), 1);

    let bytes = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
    let exchange = request_of(client.handle(T0, PEER, &bytes));
    assert_eq!(
        client.respond(T0, exchange, &content(&body)),
        Err(Error::TooLarge)
    );
    assert_eq!(client.respond(T0, exchange, &get()), Err(Error::Code));
    client.respond(T0, exchange, &content(b"short")).unwrap();
    assert_eq!(
        client.respond(T0, exchange, &content(b"twice")),
        Err(Error::Gone)
    );
    assert_eq!(
        client.notify(T0, PEER, Token::EMPTY, NON, &content(&body)),
        Err(Error::TooLarge)
    );
    assert_eq!(
        client.request(T0, PEER, CON, &content(b""), &mut rng),
        Err(Error::Code)
    );
}

// Multicast.

#[test]
fn rfc7252_8_only_a_safe_non_is_taken_from_a_multicast_address() {
    let mut server = endpoint(4);
    for (kind, code) in [
        (Type::Confirmable, Code::GET),
        (Type::NonConfirmable, Code::POST),
        (Type::NonConfirmable, Code::PUT),
        (Type::NonConfirmable, Code::DELETE),
        (Type::NonConfirmable, Code::CONTENT),
        (Type::Acknowledgement, Code::CONTENT),
        (Type::Reset, Code::GET),
    ] {
        let bytes = datagram(kind, code, 1, b"t", b"");
        assert_eq!(
            dropped(server.handle_multicast(T0, PEER, &bytes)),
            Dropped::Multicast
        );
    }
    for bytes in [
        empty(Type::Confirmable, 1),
        vec![0x40, 1, 0, 1, 0xff],
        vec![],
    ] {
        assert_eq!(
            dropped(server.handle_multicast(T0, PEER, &bytes)),
            Dropped::Multicast
        );
    }
    assert!(drain(&mut server, T0).is_empty());
    assert_eq!(server.slots_in_use(), 0);
}

#[test]
fn rfc7252_8_2_multicast_answer_waits_for_its_leisure_and_errors_are_not_sent() {
    let mut waits = Vec::new();
    for seed in 0..50 {
        let mut server = endpoint_with(4, seed, Transmission::DEFAULT);
        let bytes = datagram(Type::NonConfirmable, Code::GET, 1, b"t", b"");
        let exchange = request_of(server.handle_multicast(T0, PEER, &bytes));
        server.respond(T0, exchange, &content(b"links")).unwrap();
        assert!(drain(&mut server, T0).is_empty());
        let sent = run_timers(&mut server, after(T0, 5_000));
        assert_eq!(sent.len(), 1);
        let message = parse(&sent[0].1);
        assert_eq!(
            (message.kind, message.payload),
            (Type::NonConfirmable, &b"links"[..])
        );
        waits.push(sent[0].0.0 - T0.0);
        assert_eq!(
            dropped(server.handle_multicast(after(T0, 6_000), PEER, &bytes)),
            Dropped::Duplicate
        );
        run_timers(&mut server, after(T0, 145_000));
        assert_eq!(server.slots_in_use(), 0);
    }
    assert!(*waits.iter().min().unwrap() < 1_000 && *waits.iter().max().unwrap() > 4_000);

    let mut server = endpoint(4);
    let bytes = datagram(Type::NonConfirmable, Code::GET, 1, b"t", b"");
    let exchange = request_of(server.handle_multicast(T0, PEER, &bytes));
    server
        .respond(T0, exchange, &OutMessage::new(Code::NOT_FOUND))
        .unwrap();
    assert!(run_timers(&mut server, after(T0, 200_000)).is_empty());
}

#[test]
fn caller_may_lend_a_slice_and_a_clock_near_its_end() {
    let mut slots = [const { ace_coap::Slot::<u16, 64>::new() }; 2];
    let mut rng = rng();
    let mut endpoint = ace_coap::Endpoint::<u16, &mut [ace_coap::Slot<u16, 64>], 64>::new(
        &mut slots,
        Transmission::DEFAULT,
        &mut rng,
    );
    let late = Instant(u64::MAX - 10);
    endpoint.request(late, PEER, CON, &get(), &mut rng).unwrap();
    assert!(endpoint.poll_transmit(late).is_some());
    endpoint.handle_timeout(Instant(u64::MAX));
}
