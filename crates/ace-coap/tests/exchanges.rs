//! Requests and responses: RFC 7252, 5.2 and 5.3.

mod support;

use ace_coap::{Code, Dropped, Error, Event, OutMessage, Reliability, Transmission, Type, option};
use support::*;

const CON: Reliability = Reliability::Confirmable;
const NON: Reliability = Reliability::NonConfirmable;

// Server.

#[test]
fn rfc7252_5_2_1_prompt_answer_is_piggybacked() {
    let mut server = endpoint(4);
    let request = datagram(Type::Confirmable, Code::GET, 0x1234, b"token", b"");
    let exchange = request_of(server.handle(T0, PEER, &request));
    let mut response = content(b"22.5");
    response.options.push(option::CONTENT_FORMAT, 0u16).unwrap();
    let now = after(T0, 999);
    server.handle_timeout(now);
    server.respond(now, exchange, &response).unwrap();
    assert_eq!(
        one(&mut server, now),
        datagram_with(Type::Acknowledgement, 0x1234, b"token", &response)
    );
    assert!(run_timers(&mut server, after(T0, 300_000)).is_empty());
    assert_eq!(server.slots_in_use(), 0);
}

#[test]
fn rfc7252_5_2_2_slow_answer_is_separate() {
    let mut server = endpoint(4);
    let request = datagram(Type::Confirmable, Code::GET, 0x1234, b"token", b"");
    let exchange = request_of(server.handle(T0, PEER, &request));
    let sent = run_timers(&mut server, after(T0, 5_000));
    assert_eq!(
        sent,
        [(after(T0, 1_000), empty(Type::Acknowledgement, 0x1234))]
    );
    // The retransmitted request gets another empty ACK.
    let now = after(T0, 5_000);
    assert_eq!(
        dropped(server.handle(now, PEER, &request)),
        Dropped::Duplicate
    );
    assert_eq!(one(&mut server, now), empty(Type::Acknowledgement, 0x1234));

    let now = after(T0, 8_000);
    server.respond(now, exchange, &content(b"late")).unwrap();
    let response = one(&mut server, now);
    let message = parse(&response);
    assert_eq!(
        (message.kind, message.code),
        (Type::Confirmable, Code::CONTENT)
    );
    assert_eq!(
        (message.token, message.payload),
        (token(b"token"), &b"late"[..])
    );
    assert_ne!(message.id, 0x1234);
    // Also after the answer.
    dropped(server.handle(now, PEER, &request));
    assert_eq!(one(&mut server, now), empty(Type::Acknowledgement, 0x1234));
    // Retransmitted until acknowledged.
    let again = run_timers(&mut server, after(now, 3_000));
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].1, response);
    let now = after(now, 3_000);
    let ack = empty(Type::Acknowledgement, message.id);
    assert_eq!(
        dropped(server.handle(now, PEER, &ack)),
        Dropped::Acknowledgement
    );
    assert!(run_timers(&mut server, after(now, 400_000)).is_empty());
    assert!(events(&mut server).is_empty());
    assert_eq!(server.slots_in_use(), 0);
}

#[test]
fn rfc7252_5_2_2_separate_response_stops_on_reset_and_on_an_ack_with_content() {
    for kind in [Type::Reset, Type::Acknowledgement] {
        let mut server = endpoint(4);
        let request = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
        let exchange = request_of(server.handle(T0, PEER, &request));
        server.defer(exchange).unwrap();
        server.defer(exchange).unwrap();
        assert_eq!(one(&mut server, T0), empty(Type::Acknowledgement, 1));
        server.respond(T0, exchange, &content(b"a")).unwrap();
        let mid = parse(&one(&mut server, T0)).id;
        let end = if kind == Type::Reset {
            empty(kind, mid)
        } else {
            datagram(kind, Code::CONTENT, mid, b"t", b"ignored")
        };
        dropped(server.handle(T0, PEER, &end));
        assert!(run_timers(&mut server, after(T0, 400_000)).is_empty());
        assert!(events(&mut server).is_empty());
    }
}

#[test]
fn rfc7252_5_2_2_unacknowledged_separate_response_ends() {
    let mut server = endpoint(4);
    let request = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
    let exchange = request_of(server.handle(T0, PEER, &request));
    server.defer(exchange).unwrap();
    server.respond(T0, exchange, &content(b"a")).unwrap();
    assert_eq!(drain(&mut server, T0).len(), 2);
    assert_eq!(run_timers(&mut server, after(T0, 400_000)).len(), 4);
    assert!(events(&mut server).is_empty());
    assert_eq!(server.slots_in_use(), 0);
}

#[test]
fn rfc9175_2_4_separate_answer_to_an_unverified_peer_is_not_retransmitted() {
    let mut server = endpoint(4);
    let request = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
    let exchange = request_of(server.handle(T0, PEER, &request));
    server.defer(exchange).unwrap();
    drain(&mut server, T0);
    server
        .respond_as(T0, exchange, NON, &OutMessage::new(Code::UNAUTHORIZED))
        .unwrap();
    assert_eq!(parse(&one(&mut server, T0)).kind, Type::NonConfirmable);
    dropped(server.handle(T0, PEER, &request));
    assert_eq!(one(&mut server, T0), empty(Type::Acknowledgement, 1));
    assert!(run_timers(&mut server, after(T0, 400_000)).is_empty());
    assert_eq!(server.slots_in_use(), 0);
}

#[test]
fn answer_that_waits_to_leave_is_not_lost_to_a_duplicate() {
    let mut server = endpoint(4);
    let request = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
    let exchange = request_of(server.handle(T0, PEER, &request));
    server.defer(exchange).unwrap();
    drain(&mut server, T0);
    server
        .respond_as(T0, exchange, NON, &content(b"a"))
        .unwrap();
    dropped(server.handle(T0, PEER, &request));
    assert_eq!(parse(&one(&mut server, T0)).payload, b"a");
}

#[test]
fn rfc7252_5_2_3_non_is_answered_with_a_non() {
    let mut server = endpoint(4);
    let request = datagram(Type::NonConfirmable, Code::GET, 1, b"t", b"");
    let exchange = request_of(server.handle(T0, PEER, &request));
    server.defer(exchange).unwrap();
    assert!(run_timers(&mut server, after(T0, 10_000)).is_empty());
    let now = after(T0, 10_000);
    server.respond(now, exchange, &content(b"a")).unwrap();
    let answer = one(&mut server, now);
    assert_eq!(parse(&answer).kind, Type::NonConfirmable);
    assert_eq!(parse(&answer).token, token(b"t"));
    assert!(run_timers(&mut server, after(T0, 400_000)).is_empty());
    assert_eq!(server.slots_in_use(), 0);
}

#[test]
fn request_that_is_never_answered_is_given_up() {
    let mut server = endpoint(4);
    let con = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
    let non = datagram(Type::NonConfirmable, Code::GET, 2, b"t", b"");
    let con = request_of(server.handle(T0, PEER, &con));
    let non = request_of(server.handle(T0, PEER, &non));
    assert_eq!(server.exchanges_waiting(), 2);
    run_timers(&mut server, after(T0, 247_000));
    assert_eq!((server.slots_in_use(), server.exchanges_waiting()), (0, 0));
    for exchange in [con, non] {
        let now = after(T0, 247_001);
        assert_eq!(
            server.respond(now, exchange, &content(b"")),
            Err(Error::Gone)
        );
        assert_eq!(server.defer(exchange), Err(Error::Gone));
        assert_eq!(server.ignore(exchange), Err(Error::Gone));
        assert_eq!(server.reject(exchange), Err(Error::Gone));
    }
}

#[test]
fn ignored_request_leaves_nothing_behind() {
    let mut server = endpoint(4);
    let request = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
    let exchange = request_of(server.handle(T0, PEER, &request));
    server.ignore(exchange).unwrap();
    assert!(run_timers(&mut server, after(T0, 300_000)).is_empty());
    assert_eq!(server.slots_in_use(), 0);
    let again = request_of(server.handle(T0, PEER, &request));
    assert_ne!(again, exchange);
    assert_eq!(server.ignore(exchange), Err(Error::Gone));
}

#[test]
fn rfc7252_4_2_rejected_confirmable_is_reset_and_rejected_non_is_not() {
    let mut server = endpoint(4);
    for (kind, reset) in [(Type::Confirmable, true), (Type::NonConfirmable, false)] {
        let request = datagram(kind, Code::GET, 1, b"t", b"");
        let exchange = request_of(server.handle(T0, PEER, &request));
        server.reject(exchange).unwrap();
        let sent = drain(&mut server, T0);
        assert_eq!(sent.len(), usize::from(reset));
        assert!(sent.iter().all(|(_, d)| *d == empty(Type::Reset, 1)));
    }
    // Once acknowledged, it cannot be reset any more.
    let request = datagram(Type::Confirmable, Code::GET, 2, b"t", b"");
    let exchange = request_of(server.handle(T0, PEER, &request));
    server.defer(exchange).unwrap();
    drain(&mut server, T0);
    server.reject(exchange).unwrap();
    assert!(drain(&mut server, T0).is_empty());
    assert_eq!(server.slots_in_use(), 0);
}

// Client.

#[test]
fn rfc7252_5_3_1_tokens_are_eight_random_bytes() {
    let mut client = endpoint(64);
    let mut rng = rng();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let id = client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
        let token = client.token(id).unwrap();
        assert_eq!(parse(&one(&mut client, T0)).token, token);
        assert_eq!(token.as_bytes().len(), 8);
        assert!(seen.insert(token.as_bytes().to_vec()));
    }
}

#[test]
fn rfc7252_5_3_2_piggybacked_response_matches_by_address_id_and_token() {
    let mut client = endpoint(4);
    let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let request = one(&mut client, T0);
    let (mid, t) = (parse(&request).id, parse(&request).token);
    let ack = |mid, token: &[u8]| datagram(Type::Acknowledgement, Code::CONTENT, mid, token, b"a");
    let good = ack(mid, t.as_bytes());
    for (peer, bytes) in [
        (PEER + 1, good.clone()),
        (PEER, ack(mid.wrapping_add(1), t.as_bytes())),
        (PEER, ack(mid, b"12345678")),
        (PEER, ack(mid, b"")),
        (PEER, ack(mid, &t.as_bytes()[..7])),
    ] {
        assert_eq!(
            dropped(client.handle(T0, peer, &bytes)),
            Dropped::Unexpected
        );
    }
    assert_eq!(run_timers(&mut client, after(T0, 3_000)).len(), 1);
    let now = after(T0, 3_000);
    let (request, message) = response_of(client.handle(now, PEER, &good));
    assert_eq!((request, message.payload), (id, &b"a"[..]));
    assert_eq!(dropped(client.handle(now, PEER, &good)), Dropped::Duplicate);
    assert!(run_timers(&mut client, after(now, 400_000)).is_empty());
    assert!(events(&mut client).is_empty());
    assert_eq!(client.slots_in_use(), 0);
}

#[test]
fn rfc7252_5_3_2_separate_response_matches_by_address_and_token() {
    let mut client = endpoint(4);
    let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let request = one(&mut client, T0);
    let (mid, t) = (parse(&request).id, parse(&request).token);
    client.handle(T0, PEER, &empty(Type::Acknowledgement, mid));
    let response = datagram(Type::Confirmable, Code::CONTENT, 0x77, t.as_bytes(), b"a");
    let foreign = datagram(Type::Confirmable, Code::CONTENT, 0x77, b"12345678", b"a");
    for (peer, bytes) in [(PEER + 1, &response), (PEER, &foreign)] {
        assert_eq!(dropped(client.handle(T0, peer, bytes)), Dropped::Unexpected);
        // RFC 7252, 4.2: an unexpected CON is rejected.
        assert_eq!(drain(&mut client, T0), [(peer, empty(Type::Reset, 0x77))]);
    }
    let (request, message) = response_of(client.handle(T0, PEER, &response));
    assert_eq!((request, message.payload), (id, &b"a"[..]));
    assert_eq!(one(&mut client, T0), empty(Type::Acknowledgement, 0x77));
}

#[test]
fn rfc7252_4_5_duplicate_separate_response_is_acknowledged_and_not_handed_out_again() {
    let mut client = endpoint(4);
    client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let t = parse(&one(&mut client, T0)).token;
    let response = datagram(Type::Confirmable, Code::CONTENT, 0x77, t.as_bytes(), b"a");
    // RFC 7252, 5.2.2: it may come before the ACK and ends the retransmission.
    response_of(client.handle(T0, PEER, &response));
    assert_eq!(one(&mut client, T0), empty(Type::Acknowledgement, 0x77));
    for ms in [1, 10_000, 246_000] {
        let now = after(T0, ms);
        client.handle_timeout(now);
        assert_eq!(
            dropped(client.handle(now, PEER, &response)),
            Dropped::Duplicate
        );
        assert_eq!(one(&mut client, now), empty(Type::Acknowledgement, 0x77));
    }
    let now = after(T0, 247_000);
    client.handle_timeout(now);
    assert_eq!(client.slots_in_use(), 0);
    client.handle(now, PEER, &response);
    assert_eq!(one(&mut client, now), empty(Type::Reset, 0x77));
}

#[test]
fn rfc7252_5_2_3_any_type_of_response_is_taken() {
    for reliability in [CON, NON] {
        for kind in [Type::Confirmable, Type::NonConfirmable] {
            for acknowledged in [false, true] {
                let mut client = endpoint(4);
                let id = client
                    .request(T0, PEER, reliability, &get(), &mut rng())
                    .unwrap();
                let request = one(&mut client, T0);
                let (mid, t) = (parse(&request).id, parse(&request).token);
                if acknowledged && reliability == CON {
                    client.handle(T0, PEER, &empty(Type::Acknowledgement, mid));
                }
                let response = datagram(kind, Code::NOT_FOUND, 0x77, t.as_bytes(), b"");
                let (request, message) = response_of(client.handle(T0, PEER, &response));
                assert_eq!((request, message.code), (id, Code::NOT_FOUND));
                let acks = drain(&mut client, T0).len();
                assert_eq!(acks, usize::from(kind == Type::Confirmable));
                assert!(run_timers(&mut client, after(T0, 300_000)).is_empty());
            }
        }
    }
}

#[test]
fn rfc7252_5_2_1_piggybacked_response_to_a_non_is_ignored() {
    let mut client = endpoint(4);
    client.request(T0, PEER, NON, &get(), &mut rng()).unwrap();
    let request = one(&mut client, T0);
    let (mid, t) = (parse(&request).id, parse(&request).token);
    let ack = datagram(Type::Acknowledgement, Code::CONTENT, mid, t.as_bytes(), b"");
    assert_eq!(dropped(client.handle(T0, PEER, &ack)), Dropped::Unexpected);
}

#[test]
fn rfc7252_4_3_unexpected_non_response_gets_silence() {
    let mut client = endpoint(4);
    let response = datagram(Type::NonConfirmable, Code::CONTENT, 0x77, b"t", b"a");
    assert_eq!(
        dropped(client.handle(T0, PEER, &response)),
        Dropped::Unexpected
    );
    assert!(drain(&mut client, T0).is_empty());
}

#[test]
fn response_lost_while_its_slot_was_needed_is_reset_not_taken() {
    let mut client = endpoint(1);
    let mut rng = rng();
    client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
    let t = parse(&one(&mut client, T0)).token;
    let response = datagram(Type::Confirmable, Code::CONTENT, 0x77, t.as_bytes(), b"a");
    response_of(client.handle(T0, PEER, &response));
    one(&mut client, T0);
    client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
    one(&mut client, T0);
    assert_eq!(
        dropped(client.handle(T0, PEER, &response)),
        Dropped::Unexpected
    );
    assert_eq!(one(&mut client, T0), empty(Type::Reset, 0x77));
}

#[test]
fn cancelled_request_is_silent() {
    let mut client = endpoint(4);
    let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let request = one(&mut client, T0);
    let t = parse(&request).token;
    client.cancel(id);
    client.cancel(id);
    assert_eq!(client.poll_timeout(), None);
    assert_eq!(client.token(id), None);
    let response = datagram(Type::Confirmable, Code::CONTENT, 0x77, t.as_bytes(), b"a");
    assert_eq!(
        dropped(client.handle(T0, PEER, &response)),
        Dropped::Unexpected
    );
    assert_eq!(one(&mut client, T0), empty(Type::Reset, 0x77));
    assert!(events(&mut client).is_empty());
}

#[test]
fn cancelled_before_it_left_is_never_sent() {
    let mut client = endpoint(4);
    let mut rng = rng();
    let id = client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
    client.cancel(id);
    assert!(drain(&mut client, T0).is_empty());
    // The slot's place in the queue serves its next use, once.
    client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
    assert_eq!(drain(&mut client, T0).len(), 1);
}

#[test]
fn refused_response_lets_the_request_go_on() {
    // The forged answer knew address, Message ID and token.
    let mut client = endpoint(4);
    let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    assert_eq!(client.resume(id), Err(Error::Gone));
    let request = one(&mut client, T0);
    let (mid, t) = (parse(&request).id, parse(&request).token);
    let forged = datagram(
        Type::Acknowledgement,
        Code::CONTENT,
        mid,
        t.as_bytes(),
        b"no",
    );
    response_of(client.handle(after(T0, 10), PEER, &forged));
    client.resume(id).unwrap();
    let again = run_timers(&mut client, after(T0, 3_000));
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].1, request);
    let good = datagram(
        Type::Acknowledgement,
        Code::CONTENT,
        mid,
        t.as_bytes(),
        b"yes",
    );
    let (request, message) = response_of(client.handle(after(T0, 3_010), PEER, &good));
    assert_eq!((request, message.payload), (id, &b"yes"[..]));

    // One that is never answered still times out, and cannot be resumed then.
    client.resume(id).unwrap();
    run_timers(&mut client, after(T0, 93_000));
    assert_eq!(client.resume(id), Err(Error::Gone));
    assert_eq!(events(&mut client), [Event::TimedOut(id)]);
    assert_eq!(client.resume(id), Err(Error::Gone));
}

#[test]
fn handle_of_an_ended_request_is_not_mistaken_for_another() {
    let mut client = endpoint(1);
    let mut rng = rng();
    let first = client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
    client.cancel(first);
    let second = client.request(T0, PEER, CON, &get(), &mut rng).unwrap();
    client.cancel(first);
    assert_eq!(client.token(first), None);
    assert!(client.token(second).is_some());
    let exchange_like = datagram(Type::Confirmable, Code::GET, 1, b"t", b"");
    client.cancel(second);
    let exchange = request_of(client.handle(T0, PEER, &exchange_like));
    client.cancel(second);
    client.respond(T0, exchange, &content(b"")).unwrap();
}

#[test]
fn acknowledged_request_waits_as_long_as_it_is_told_to() {
    let transmission = Transmission {
        response_timeout: std::time::Duration::from_secs(10),
        ..Transmission::DEFAULT
    };
    let mut client = endpoint_with(4, 1, transmission);
    let id = client.request(T0, PEER, CON, &get(), &mut rng()).unwrap();
    let mid = parse(&one(&mut client, T0)).id;
    client.handle(T0, PEER, &empty(Type::Acknowledgement, mid));
    assert_eq!(client.poll_timeout(), Some(after(T0, 10_000)));
    run_timers(&mut client, after(T0, 10_000));
    assert_eq!(events(&mut client), [Event::TimedOut(id)]);
}
