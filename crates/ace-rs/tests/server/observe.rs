//! Observations and their end (RFC 7641; RFC 9200, 5.10.3).

use ace_oscore::RequestBinding;
use ace_rs::{Error, Revoke};
use ace_token::issue::{Claims, Cnf, Scope};
use ace_wire::coap::{Code, Type, option};

use crate::bench::{Bench, Client, Owned, WALL, claims, issue, upload};

/// Registers an observation of `path`; the first answer is checked to be one.
fn register(bench: &mut Bench, client: &mut Client, path: &str) -> (RequestBinding, Owned) {
    let request = Owned::new(Code::GET, path).with(option::OBSERVE, 0u32);
    let (sealed, mut binding) = client.protect(&request);
    let answer = bench.ask(client.peer, &sealed).unwrap();
    assert!(answer.option(option::OBSERVE).is_some(), "{answer:?}");
    let first = client.open(&mut binding, &answer);
    assert_eq!(
        (first.code, first.option(option::OBSERVE).is_some()),
        (Code::CONTENT, true)
    );
    (binding, sealed)
}

fn notified(bench: &mut Bench) -> Owned {
    let mut sent = bench.drain();
    assert_eq!(sent.len(), 1, "{sent:?}");
    let (_, notification) = sent.remove(0);
    // Acknowledged, as a client does.
    let ack = [0x60, 0, (notification.id >> 8) as u8, notification.id as u8];
    assert_eq!(notification.kind, Type::Confirmable);
    assert_eq!(bench.raw(3, &ack), []);
    notification
}

#[test]
fn rfc7641_4_2_notifications_follow_the_state() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (mut binding, sealed) = register(&mut bench, &mut client, "/temp");
    let mut last = 0;
    for temp in [5, 6, 7] {
        bench.server.resources_mut().temp = temp;
        assert_eq!(bench.server.notify(bench.now, bench.wall, "/temp"), Ok(1));
        let outer = notified(&mut bench);
        assert_eq!(outer.token, sealed.token);
        let number = outer.uint(option::OBSERVE).unwrap();
        assert!(number > last);
        last = number;
        let inner = client.open(&mut binding, &outer);
        assert_eq!(
            (inner.code, inner.payload),
            (Code::CONTENT, temp.to_string().into_bytes())
        );
    }
    assert_eq!(
        bench.server.notify(bench.now, bench.wall, "/led"),
        Err(Error::NotObservable)
    );
    assert_eq!(
        bench.server.notify(bench.now, bench.wall, "/nothing"),
        Err(Error::NotObservable)
    );
    assert_eq!(bench.server.notify(bench.now, bench.wall, "/bulk"), Ok(0));
}

#[test]
fn rfc9200_5_10_3_expiry_ends_an_observation_with_a_protected_401() {
    let mut bench = Bench::new();
    let until = Claims {
        exp: Some(WALL + 60),
        ..claims(1)
    };
    let mut client = bench.confirmed(3, &until, 1);
    let (mut binding, _) = register(&mut bench, &mut client, "/temp");
    bench.advance(60_000);
    let inner = client.open(&mut binding, &notified(&mut bench));
    assert_eq!(
        (inner.code, inner.option(option::OBSERVE)),
        (Code::UNAUTHORIZED, None)
    );
    assert_eq!(
        (bench.server.observations(), bench.server.tokens().count()),
        (0, 0)
    );
    bench.advance(1000);
    assert_eq!(bench.server.notify(bench.now, bench.wall, "/temp"), Ok(0));
    assert_eq!(bench.drain(), []);
}

#[test]
fn rfc9203_4_3_no_notification_under_an_expired_token_even_if_nobody_looked_at_the_clock() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (mut binding, _) = register(&mut bench, &mut client, "/temp");
    bench.wall = Some(WALL + 3600);
    assert_eq!(bench.server.notify(bench.now, bench.wall, "/temp"), Ok(0));
    let inner = client.open(&mut binding, &notified(&mut bench));
    assert_eq!(inner.code, Code::UNAUTHORIZED);
}

#[test]
fn revocation_ends_an_observation_with_a_protected_401() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (mut binding, _) = register(&mut bench, &mut client, "/temp");
    assert_eq!(bench.server.revoke(bench.now, Revoke::Cti(&[1])), 1);
    let inner = client.open(&mut binding, &notified(&mut bench));
    assert_eq!(inner.code, Code::UNAUTHORIZED);
}

#[test]
fn rfc9203_4_2_an_update_ends_what_the_new_rights_do_not_cover() {
    for (scope, left) in [("switch", 0), ("switch read", 1)] {
        let mut bench = Bench::new();
        let mut client = bench.confirmed(3, &claims(1), 1);
        let (mut binding, _) = register(&mut bench, &mut client, "/temp");
        let update = Claims {
            cnf: Some(Cnf::Kid(vec![0xa0, 1])),
            scope: Some(Scope::Text(scope.into())),
            ..claims(1)
        };
        let payload = [&[0xa1, 1][..], &cbor_bytes(&issue(&update))].concat();
        let (sealed, mut update_binding) = client.protect(&upload(&payload));
        let sent = bench.raw(3, &Owned { id: 999, ..sealed }.encode());
        assert_eq!(
            client.open(&mut update_binding, &sent[0].1).code,
            Code::CREATED
        );
        assert_eq!(bench.server.observations(), left);
        if left == 0 {
            assert_eq!(
                client.open(&mut binding, &sent[1].1).code,
                Code::UNAUTHORIZED
            );
        } else {
            assert_eq!(sent.len(), 1);
            assert_eq!(bench.server.notify(bench.now, bench.wall, "/temp"), Ok(1));
        }
    }
}

fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    [&[0x58, length][..], bytes].concat()
}

#[test]
fn rfc9203_6_observations_end_with_the_context_that_is_replaced() {
    let mut bench = Bench::new();
    let mut old = bench.confirmed(3, &claims(1), 1);
    register(&mut bench, &mut old, "/temp");
    let mut new = bench.join(3, &issue(&claims(1)), 1);
    assert_eq!(bench.server.observations(), 1);
    new.get(&mut bench, "/temp");
    assert_eq!(bench.server.observations(), 0);
    assert_eq!(bench.drain(), []);
}

#[test]
fn rfc7641_3_6_cancellation_and_rejection() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let (_, sealed) = register(&mut bench, &mut client, "/temp");
    // Observe 1 with the token of the registration.
    let cancel = Owned::new(Code::GET, "/temp").with(option::OBSERVE, 1u32);
    let (cancel, mut binding) = client.protect(&cancel);
    let cancel = Owned {
        token: sealed.token,
        ..cancel
    };
    let answer = bench.ask(3, &cancel).unwrap();
    let inner = client.open(&mut binding, &answer);
    assert_eq!(
        (inner.code, inner.option(option::OBSERVE)),
        (Code::CONTENT, None)
    );
    assert_eq!(bench.server.observations(), 0);
    // A Reset to a notification.
    register(&mut bench, &mut client, "/temp");
    bench.server.notify(bench.now, bench.wall, "/temp").unwrap();
    let (_, notification) = bench.drain().remove(0);
    let reset = [0x70, 0, (notification.id >> 8) as u8, notification.id as u8];
    bench.raw(3, &reset);
    assert_eq!(bench.server.observations(), 0);
}

#[test]
fn rfc7641_4_5_an_observer_who_never_acknowledges_is_dropped() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    register(&mut bench, &mut client, "/temp");
    bench.server.notify(bench.now, bench.wall, "/temp").unwrap();
    for _ in 0..100 {
        bench.advance(1000);
        bench.drain();
    }
    assert_eq!(bench.server.observations(), 0);
}

#[test]
fn rfc7641_4_1_registrations_that_are_not_taken_are_answered_as_plain_get() {
    let mut bench = Bench::new();
    let switch = Claims {
        scope: Some(Scope::Text("switch read".into())),
        ..claims(1)
    };
    let mut client = bench.confirmed(3, &switch, 1);
    // Not observable; with a query; in the clear.
    let led = Owned::new(Code::GET, "/led").with(option::OBSERVE, 0u32);
    let query = Owned::new(Code::GET, "/temp")
        .with(option::OBSERVE, 0u32)
        .with(option::URI_QUERY, "a");
    for request in [led, query] {
        let answer = client.ask(&mut bench, &request);
        assert_eq!(
            (answer.code, answer.option(option::OBSERVE)),
            (Code::CONTENT, None)
        );
    }
    let hello = Owned::new(Code::GET, "/hello").with(option::OBSERVE, 0u32);
    let answer = bench.ask(9, &hello).unwrap();
    assert_eq!(
        (answer.code, answer.option(option::OBSERVE)),
        (Code::CONTENT, None)
    );
    assert_eq!(bench.server.observations(), 0);
    // The same registration again takes the place of the first; formats tell them apart.
    register(&mut bench, &mut client, "/temp");
    register(&mut bench, &mut client, "/temp");
    assert_eq!(bench.server.observations(), 1);
    for format in 0..3u16 {
        let request = Owned::new(Code::GET, "/temp")
            .with(option::OBSERVE, 0u32)
            .with(option::ACCEPT, format);
        assert!(
            client
                .ask(&mut bench, &request)
                .option(option::OBSERVE)
                .is_some()
        );
    }
    let request = Owned::new(Code::GET, "/temp")
        .with(option::OBSERVE, 0u32)
        .with(option::ACCEPT, 9u16);
    assert_eq!(
        client.ask(&mut bench, &request).option(option::OBSERVE),
        None
    );
    assert_eq!(bench.server.observations(), 4);
}

#[test]
fn rfc7959_3_4_a_long_notification_goes_block_by_block() {
    let mut config = crate::bench::config();
    config.limits.block_size = 256;
    let mut bench = Bench::with(config);
    let mut client = bench.confirmed(
        3,
        &Claims {
            scope: Some(Scope::Text("big".into())),
            ..claims(1)
        },
        1,
    );
    let (mut binding, _) = register(&mut bench, &mut client, "/bulk");
    bench.server.notify(bench.now, bench.wall, "/bulk").unwrap();
    let first = client.open(&mut binding, &notified(&mut bench));
    let mut body = first.payload.clone();
    let mut block = first.block(option::BLOCK2).unwrap();
    while block.more {
        let next = ace_coap::Block {
            number: block.number + 1,
            ..block
        };
        let request = Owned::new(Code::GET, "/bulk").with(option::BLOCK2, next.value());
        let answer = client.ask(&mut bench, &request);
        assert_eq!(answer.option(option::ETAG), first.option(option::ETAG));
        body.extend(&answer.payload);
        block = answer.block(option::BLOCK2).unwrap();
    }
    assert_eq!(body.len(), 600);
    // Once for the registration, once for the notification.
    assert_eq!(bench.server.resources().seen.len(), 2);
}

#[test]
fn rfc7641_4_2_an_error_ends_the_observation() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    bench.server.resources_mut().broken = true;
    let request = Owned::new(Code::GET, "/temp").with(option::OBSERVE, 0u32);
    let answer = client.ask(&mut bench, &request);
    assert_eq!(
        (answer.code, answer.option(option::OBSERVE)),
        (Code::SERVICE_UNAVAILABLE, None)
    );
    assert_eq!(bench.server.observations(), 0);

    bench.server.resources_mut().broken = false;
    let (mut binding, _) = register(&mut bench, &mut client, "/temp");
    bench.server.resources_mut().broken = true;
    assert_eq!(bench.server.notify(bench.now, bench.wall, "/temp"), Ok(1));
    let inner = client.open(&mut binding, &notified(&mut bench));
    assert_eq!(
        (inner.code, inner.option(option::OBSERVE)),
        (Code::SERVICE_UNAVAILABLE, None)
    );
    assert_eq!(bench.server.observations(), 0);
}

#[test]
fn rfc7641_1_2_every_observer_is_notified() {
    let mut bench = Bench::new();
    let mut one = bench.confirmed(3, &claims(1), 1);
    let mut two = bench.confirmed(4, &claims(2), 2);
    register(&mut bench, &mut one, "/temp");
    register(&mut bench, &mut two, "/temp");
    assert_eq!(bench.server.notify(bench.now, bench.wall, "/temp"), Ok(2));
    let peers: Vec<_> = bench.drain().into_iter().map(|(peer, _)| peer).collect();
    assert_eq!(peers, [3, 4]);
    // The end of one token leaves the other's observation alone.
    assert_eq!(bench.server.revoke(bench.now, Revoke::Cti(&[1])), 1);
    assert_eq!(bench.server.observations(), 1);
}
