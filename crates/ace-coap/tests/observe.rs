//! Observe: RFC 7641.

mod support;

use ace_coap::{Code, Dropped, Event, OutMessage, Reliability, Token, Type, option};
use support::*;

const CON: Reliability = Reliability::Confirmable;
const NON: Reliability = Reliability::NonConfirmable;

fn observing(value: u32) -> OutMessage<'static> {
    let mut out = get();
    out.options.push(option::OBSERVE, value).unwrap();
    out
}

fn notification(number: u32, payload: &[u8]) -> OutMessage<'_> {
    let mut out = content(payload);
    out.options.push(option::OBSERVE, number).unwrap();
    out
}

/// A client that observes, its request and the token.
fn observer() -> (Ep, ace_coap::RequestId, Token) {
    let mut client = endpoint(4);
    let id = client
        .request(T0, PEER, CON, &observing(0), &mut rng())
        .unwrap();
    let request = one(&mut client, T0);
    let (mid, t) = (parse(&request).id, parse(&request).token);
    let first = datagram_with(
        Type::Acknowledgement,
        mid,
        t.as_bytes(),
        &notification(10, b"first"),
    );
    assert_eq!(response_of(client.handle(T0, PEER, &first)).0, id);
    assert_eq!(dropped(client.handle(T0, PEER, &first)), Dropped::Duplicate);
    (client, id, t)
}

#[test]
fn rfc7641_3_2_notifications_are_further_responses_to_one_request() {
    let (mut client, id, t) = observer();
    assert_eq!(client.poll_timeout(), None);
    for n in 11..200u32 {
        let now = after(T0, u64::from(n) * 60_000);
        let kind = [Type::Confirmable, Type::NonConfirmable][n as usize % 2];
        let bytes = datagram_with(kind, n as u16, t.as_bytes(), &notification(n, b"x"));
        assert_eq!(response_of(client.handle(now, PEER, &bytes)).0, id);
        let acks = drain(&mut client, now);
        assert_eq!(acks.len(), usize::from(kind == Type::Confirmable));
    }
    assert_eq!(client.slots_in_use(), 1);
}

#[test]
fn rfc7641_3_4_older_notification_is_acknowledged_and_dropped() {
    let (mut client, _, t) = observer();
    let new = datagram_with(Type::Confirmable, 1, t.as_bytes(), &notification(12, b""));
    let old = datagram_with(Type::Confirmable, 2, t.as_bytes(), &notification(11, b""));
    response_of(client.handle(T0, PEER, &new));
    one(&mut client, T0);
    for bytes in [&old, &new] {
        assert_eq!(dropped(client.handle(T0, PEER, bytes)), Dropped::Stale);
        assert_eq!(parse(&one(&mut client, T0)).kind, Type::Acknowledgement);
    }
    // After 128 s the numbers say nothing any more.
    response_of(client.handle(after(T0, 128_001), PEER, &old));
}

#[test]
fn rfc8613_4_1_3_5_2_protected_notifications_are_not_ordered_here() {
    let (mut client, _, t) = observer();
    for (mid, number) in [(1, 12u32), (2, 11), (3, 12)] {
        let mut protected = notification(number, b"sealed");
        protected.options.push(option::OSCORE, b"\x01\x07").unwrap();
        let bytes = datagram_with(Type::NonConfirmable, mid, t.as_bytes(), &protected);
        response_of(client.handle(T0, PEER, &bytes));
    }
}

#[test]
fn rfc7641_3_2_error_or_missing_observe_ends_the_observation() {
    let mut error = OutMessage::new(Code::NOT_FOUND);
    for with_observe in [false, true] {
        if with_observe {
            error.options.push(option::OBSERVE, 50u32).unwrap();
        }
        for last in [error, content(b"no more")] {
            let (mut client, id, t) = observer();
            let bytes = datagram_with(Type::Confirmable, 1, t.as_bytes(), &last);
            assert_eq!(response_of(client.handle(T0, PEER, &bytes)).0, id);
            one(&mut client, T0);
            let more = datagram_with(Type::Confirmable, 2, t.as_bytes(), &notification(60, b""));
            assert_eq!(dropped(client.handle(T0, PEER, &more)), Dropped::Duplicate);
            drain(&mut client, T0);
            run_timers(&mut client, after(T0, 300_000));
            assert_eq!(client.slots_in_use(), 0);
        }
    }
}

#[test]
fn rfc7641_3_1_without_registration_a_response_is_the_only_one() {
    let mut client = endpoint(4);
    client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let request = one(&mut client, T0);
    let (mid, t) = (parse(&request).id, parse(&request).token);
    let first = datagram_with(
        Type::Acknowledgement,
        mid,
        t.as_bytes(),
        &notification(10, b""),
    );
    response_of(client.handle(T0, PEER, &first));
    let more = datagram_with(
        Type::NonConfirmable,
        1,
        t.as_bytes(),
        &notification(11, b""),
    );
    assert_eq!(dropped(client.handle(T0, PEER, &more)), Dropped::Duplicate);
}

#[test]
fn rfc7641_3_6_forgotten_observation_is_reset() {
    let (mut client, id, t) = observer();
    client.cancel(id);
    let bytes = datagram_with(Type::Confirmable, 5, t.as_bytes(), &notification(11, b""));
    assert_eq!(
        dropped(client.handle(T0, PEER, &bytes)),
        Dropped::Unexpected
    );
    assert_eq!(one(&mut client, T0), empty(Type::Reset, 5));
    assert_eq!(client.slots_in_use(), 0);
}

#[test]
fn rfc7641_3_6_deregistration_takes_the_place_of_the_observation() {
    let (mut client, id, t) = observer();
    let mut end = observing(1);
    end.token = Some(t);
    let last = client.request(T0, PEER, CON, &end, &mut rng()).unwrap();
    assert_eq!(client.token(id), None);
    let request = one(&mut client, T0);
    assert_eq!(parse(&request).token, t);
    assert_eq!(parse(&request).options.uint(option::OBSERVE), Ok(Some(1)));
    assert_eq!(client.slots_in_use(), 1);
    let response = datagram_with(
        Type::Acknowledgement,
        parse(&request).id,
        t.as_bytes(),
        &content(b"bye"),
    );
    assert_eq!(response_of(client.handle(T0, PEER, &response)).0, last);
}

#[test]
fn rfc7641_3_3_1_renewal_keeps_token_and_order() {
    let (mut client, _, t) = observer();
    let mut again = observing(0);
    again.token = Some(t);
    let renewed = client.request(T0, PEER, CON, &again, &mut rng()).unwrap();
    let request = one(&mut client, T0);
    let old = datagram_with(Type::NonConfirmable, 1, t.as_bytes(), &notification(9, b""));
    assert_eq!(dropped(client.handle(T0, PEER, &old)), Dropped::Stale);
    let response = datagram_with(
        Type::Acknowledgement,
        parse(&request).id,
        t.as_bytes(),
        &notification(11, b""),
    );
    assert_eq!(response_of(client.handle(T0, PEER, &response)).0, renewed);
    assert_eq!(client.poll_timeout(), None);
}

// Server.

#[test]
fn rfc7641_4_2_notification_carries_the_observers_token() {
    let mut server = endpoint(8);
    let t = token(b"obs");
    for (reliability, kind) in [(CON, Type::Confirmable), (NON, Type::NonConfirmable)] {
        let number = u32::from(kind == Type::Confirmable);
        server
            .notify(T0, PEER, t, reliability, &notification(number, b"v"))
            .unwrap();
        let sent = one(&mut server, T0);
        let message = parse(&sent);
        assert_eq!((message.kind, message.token), (kind, t));
        if reliability == CON {
            server.handle(T0, PEER, &empty(Type::Acknowledgement, message.id));
        }
    }
    assert!(run_timers(&mut server, after(T0, 300_000)).is_empty());
    assert!(events(&mut server).is_empty());
    assert_eq!(server.slots_in_use(), 0);
}

#[test]
fn rfc7641_4_5_reset_or_silence_ends_the_observation() {
    let gone = [Event::ObserverGone {
        peer: PEER,
        token: token(b"obs"),
    }];
    for reliability in [CON, NON] {
        let mut server = endpoint(8);
        server
            .notify(T0, PEER, token(b"obs"), reliability, &notification(1, b""))
            .unwrap();
        let mid = parse(&one(&mut server, T0)).id;
        let reset = empty(Type::Reset, mid);
        assert_eq!(
            dropped(server.handle(T0, PEER + 1, &reset)),
            Dropped::Unexpected
        );
        assert_eq!(dropped(server.handle(T0, PEER, &reset)), Dropped::Reset);
        assert_eq!(events(&mut server), gone);
        assert_eq!(server.slots_in_use(), 0);
    }
    let mut server = endpoint(8);
    server
        .notify(T0, PEER, token(b"obs"), CON, &notification(1, b""))
        .unwrap();
    drain(&mut server, T0);
    assert_eq!(run_timers(&mut server, after(T0, 93_000)).len(), 4);
    assert_eq!(events(&mut server), gone);
}

#[test]
fn rfc7641_4_5_separate_first_response_that_is_reset_ends_the_observation() {
    let mut server = endpoint(8);
    let request = datagram_with(Type::Confirmable, 1, b"obs", &observing(0));
    let exchange = request_of(server.handle(T0, PEER, &request));
    server.defer(exchange).unwrap();
    drain(&mut server, T0);
    server
        .respond(T0, exchange, &notification(1, b"first"))
        .unwrap();
    let mid = parse(&one(&mut server, T0)).id;
    server.handle(T0, PEER, &empty(Type::Reset, mid));
    assert_eq!(
        events(&mut server),
        [Event::ObserverGone {
            peer: PEER,
            token: token(b"obs")
        }]
    );
}

#[test]
fn rfc7641_4_5_2_newer_notification_supersedes_the_one_under_way() {
    let mut server = endpoint(8);
    let t = token(b"obs");
    let notify = |server: &mut Ep, now, n: u32, payload: &[u8]| {
        server
            .notify(now, PEER, t, CON, &notification(n, payload))
            .unwrap();
    };
    notify(&mut server, T0, 1, b"one, and longer");
    // Not sent yet: replaced.
    notify(&mut server, T0, 2, b"two");
    let sent = one(&mut server, T0);
    assert_eq!(parse(&sent).payload, b"two");
    let old = parse(&sent).id;
    // Sent: the new one waits for the timeout, and takes the counter over.
    notify(&mut server, T0, 3, b"three");
    assert!(drain(&mut server, T0).is_empty());
    let again = run_timers(&mut server, after(T0, 3_000));
    assert_eq!(again.len(), 1);
    let message = parse(&again[0].1);
    assert_eq!(message.payload, b"three");
    assert_ne!(message.id, old);
    assert_eq!(message.options.uint(option::OBSERVE), Ok(Some(3)));
    let new = message.id;
    // The late acknowledgement of the old one ends nothing.
    let now = after(T0, 3_000);
    assert_eq!(
        dropped(server.handle(now, PEER, &empty(Type::Acknowledgement, old))),
        Dropped::Unexpected
    );
    // Acknowledged while a further one waits: that one starts afresh, at once.
    notify(&mut server, now, 4, b"four");
    server.handle(now, PEER, &empty(Type::Acknowledgement, new));
    let sent = one(&mut server, now);
    assert_eq!(parse(&sent).payload, b"four");
    assert_eq!(run_timers(&mut server, after(now, 400_000)).len(), 4);
    assert_eq!(events(&mut server).len(), 1);
    assert_eq!(server.slots_in_use(), 0);
}

#[test]
fn rfc7641_4_5_2_due_retransmission_is_superseded_under_a_new_id() {
    let mut server = endpoint(8);
    let t = token(b"obs");
    server
        .notify(T0, PEER, t, CON, &notification(1, b"one"))
        .unwrap();
    let old = parse(&one(&mut server, T0)).id;
    let due = server.poll_timeout().unwrap();
    server.handle_timeout(due);
    server
        .notify(due, PEER, t, CON, &notification(2, b"two"))
        .unwrap();
    let sent = one(&mut server, due);
    assert_eq!(parse(&sent).payload, b"two");
    assert_ne!(parse(&sent).id, old);
    assert_eq!(
        dropped(server.handle(due, PEER, &empty(Type::Acknowledgement, parse(&sent).id))),
        Dropped::Acknowledgement
    );
}

#[test]
fn notifications_to_different_observers_do_not_meet() {
    let mut server = endpoint(8);
    for (peer, t) in [(PEER, b"a"), (PEER, b"b"), (PEER + 1, b"a")] {
        server
            .notify(T0, peer, token(t), CON, &notification(1, b""))
            .unwrap();
    }
    assert_eq!(drain(&mut server, T0).len(), 3);
    // A request of this endpoint with the same token is a third thing.
    let mut request = get();
    request.token = Some(token(b"a"));
    server.request(T0, PEER, CON, &request, &mut rng()).unwrap();
    assert_eq!(server.slots_in_use(), 4);
    let response = datagram(Type::NonConfirmable, Code::CONTENT, 9, b"a", b"");
    response_of(server.handle(T0, PEER, &response));
    let stray = datagram(Type::NonConfirmable, Code::CONTENT, 9, b"b", b"");
    assert_eq!(
        dropped(server.handle(T0, PEER, &stray)),
        Dropped::Unexpected
    );
}

#[test]
fn rfc7641_4_5_2_notification_replaced_before_it_left_is_sent_once() {
    let mut server = endpoint(8);
    let t = token(b"obs");
    for n in 1..4u32 {
        server
            .notify(T0, PEER, t, CON, &notification(n, b"v"))
            .unwrap();
    }
    let sent = one(&mut server, T0);
    assert_eq!(parse(&sent).options.uint(option::OBSERVE), Ok(Some(3)));
    server.handle(T0, PEER, &empty(Type::Acknowledgement, parse(&sent).id));
    assert!(run_timers(&mut server, after(T0, 400_000)).is_empty());
    assert!(drain(&mut server, T0).is_empty());
}

#[test]
fn rfc7252_4_2_response_stops_a_retransmission_that_is_due() {
    for observe in [false, true] {
        let mut client = endpoint(4);
        let request = if observe { observing(0) } else { get() };
        client.request(T0, PEER, CON, &request, &mut rng()).unwrap();
        let request = one(&mut client, T0);
        let (mid, t) = (parse(&request).id, parse(&request).token);
        let now = client.poll_timeout().unwrap();
        client.handle_timeout(now);
        let first = datagram_with(
            Type::Acknowledgement,
            mid,
            t.as_bytes(),
            &notification(10, b"first"),
        );
        response_of(client.handle(now, PEER, &first));
        assert!(drain(&mut client, now).is_empty());
    }
}
