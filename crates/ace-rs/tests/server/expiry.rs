//! The end of tokens (RFC 9200, 5.3.1 and 5.10.3; RFC 9203, 4.3).

use core::time::Duration;

use ace_coap::Instant;
use ace_rs::{Config, EventKind, Freshness, Refusal};
use ace_token::issue::Claims;
use ace_wire::ace::AsRequestCreationHints;
use ace_wire::coap::{Code, option};

use crate::authz_info::generous;
use crate::bench::{Bench, Client, Exchange, Flash, Owned, WALL, claims, config, issue};

fn assert_expired(bench: &mut Bench, client: &mut Client) {
    let answer = client
        .ask_outer(bench, &Owned::new(Code::GET, "/temp"))
        .unwrap();
    assert_eq!(
        (answer.code, answer.option(option::OSCORE)),
        (Code::UNAUTHORIZED, None)
    );
    assert!(
        AsRequestCreationHints::parse(&answer.payload)
            .unwrap()
            .r#as
            .is_some()
    );
}

fn exi(name: u8, number: u8, seconds: u64) -> Claims {
    let cti = Some([&b"thermo"[..], &[0, number]].concat());
    Claims {
        exp: None,
        iat: None,
        cti,
        exi: Some(seconds),
        ..claims(name)
    }
}

#[test]
fn rfc9203_4_3_requests_under_an_expired_token_get_an_unprotected_401() {
    let mut bench = Bench::new();
    let until = Claims {
        exp: Some(WALL + 60),
        ..claims(1)
    };
    let mut client = bench.confirmed(3, &until, 1);
    assert_eq!(
        bench.server.poll_timeout(),
        Some(Instant(bench.now.0 + 60_000))
    );
    bench.advance(59_999);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    // Even if nobody calls handle_timeout.
    bench.now = Instant(bench.now.0 + 1);
    bench.wall = Some(WALL + 60);
    assert_expired(&mut bench, &mut client);
    assert_eq!(bench.server.tokens().count(), 0);
    assert!(
        bench
            .events()
            .iter()
            .any(|event| event.kind == EventKind::TokenExpired)
    );
    // And the token is not taken again.
    let answer = bench
        .upload(3, &Exchange::new(1).payload(&issue(&until)))
        .unwrap();
    assert_eq!(answer.code, Code::UNAUTHORIZED);
}

#[test]
fn rfc9200_5_10_3_a_token_that_was_never_used_expires_as_well() {
    let mut bench = Bench::new();
    let mut client = bench.join(
        3,
        &issue(&Claims {
            exp: Some(WALL + 60),
            ..claims(1)
        }),
        1,
    );
    bench.advance(60_000);
    assert_expired(&mut bench, &mut client);
}

#[test]
fn rfc9200_5_10_3_a_clock_that_is_corrected_ends_tokens() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    bench.wall = Some(WALL + 3600);
    assert_expired(&mut bench, &mut client);
    // One that is set back gives no more time.
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    bench.wall = Some(WALL - 1_000_000);
    bench.advance(3_600_000);
    assert_expired(&mut bench, &mut client);
}

#[test]
fn rfc9200_5_10_3_a_clock_that_is_lost_leaves_tokens_their_time() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    bench.wall = None;
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    bench.advance(3_600_000);
    assert_expired(&mut bench, &mut client);
}

#[test]
fn rfc9200_5_10_3_exi_without_a_clock() {
    let mut bench = Bench::new();
    bench.wall = None;
    let mut client = bench.confirmed(3, &exi(1, 5, 60), 1);
    bench.advance(59_999);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    // Posted again, the count does not start anew.
    let mut again = bench.confirmed(3, &exi(1, 5, 60), 1);
    assert_eq!(again.get(&mut bench, "/temp").code, Code::CONTENT);
    bench.advance(1);
    assert_expired(&mut bench, &mut again);
    let payload = Exchange::new(1).payload(&issue(&exi(1, 5, 60)));
    assert_eq!(bench.upload(3, &payload).unwrap().code, Code::UNAUTHORIZED);
    assert_eq!(bench.refusals(), [Refusal::Expired]);
    // Lower numbers count as expired, higher ones do not.
    let lower = Exchange::new(2).payload(&issue(&exi(2, 4, 600)));
    assert_eq!(bench.upload(3, &lower).unwrap().code, Code::UNAUTHORIZED);
    bench.confirmed(3, &exi(3, 6, 60), 3);
}

#[test]
fn rfc9200_5_10_3_exi_across_a_reboot() {
    let mut bench = Bench::new();
    bench.wall = None;
    bench.confirmed(3, &exi(1, 5, 60), 1);
    // Another token with a higher number was only posted.
    bench.join(4, &issue(&exi(2, 7, 60)), 2);
    let mut bench = Bench::boot(config(), bench.flash.clone(), 2);
    bench.wall = None;
    for number in [1, 5, 7] {
        let payload = Exchange::new(1).payload(&issue(&exi(1, number, 60)));
        assert_eq!(
            bench.upload(3, &payload).unwrap().code,
            Code::UNAUTHORIZED,
            "{number}"
        );
    }
    bench.confirmed(3, &exi(1, 8, 60), 1);
}

#[test]
fn rfc9200_5_10_3_a_token_whose_number_cannot_be_stored_is_refused() {
    let mut bench = Bench::new();
    *bench.flash.1.borrow_mut() = true;
    let payload = Exchange::new(1).payload(&issue(&exi(1, 5, 60)));
    assert_eq!(
        bench.upload(3, &payload).unwrap().code,
        Code::INTERNAL_SERVER_ERROR
    );
    assert_eq!(
        (bench.refusals(), bench.server.tokens().count()),
        (vec![Refusal::Storage], 0)
    );
    *bench.flash.1.borrow_mut() = false;
    assert_eq!(bench.upload(3, &payload).unwrap().code, Code::CREATED);
    assert_eq!(bench.flash.0.borrow().len(), 1);
}

#[test]
fn rfc9200_5_10_3_a_superseded_token_with_exi_does_not_come_back() {
    let mut bench = Bench::with(generous());
    let mut old = bench.confirmed(3, &exi(1, 5, 60), 1);
    let mut new = bench.confirmed(3, &exi(1, 6, 60), 1);
    assert_expired(&mut bench, &mut old);
    let payload = Exchange::new(1).payload(&issue(&exi(1, 5, 60)));
    assert_eq!(bench.upload(3, &payload).unwrap().code, Code::UNAUTHORIZED);
    assert_eq!(new.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn damaged_storage_is_an_error_at_the_start() {
    let flash = Flash::default();
    flash
        .0
        .borrow_mut()
        .insert(ace_rs::SEQUENCE_KEY.0, vec![1, 2, 3]);
    let mut rng = ace_testkit::SeededRandom::new(1);
    let slots = vec![ace_coap::Slot::new(); 8];
    let app = crate::bench::App::default();
    let server =
        crate::bench::Server::new(Box::leak(Box::new(config())), app, flash, slots, &mut rng);
    assert_eq!(server.err(), Some(ace_rs::Error::Storage));
}

#[test]
fn rfc9200_5_3_1_cnonce_from_hints_to_token() {
    let freshness = Freshness::Cnonce(Duration::from_secs(300));
    let mut bench = Bench::with(Config {
        freshness,
        ..config()
    });
    bench.wall = None;
    let nonce = |bench: &mut Bench| {
        let answer = bench
            .ask_proven(9, &Owned::new(Code::GET, "/temp"))
            .unwrap();
        AsRequestCreationHints::parse(&answer.payload)
            .unwrap()
            .cnonce
            .unwrap()
            .to_vec()
    };
    let with = |cnonce: Option<Vec<u8>>| Claims {
        cnonce,
        iat: Some(500),
        exp: Some(500 + 1000),
        ..claims(1)
    };
    let fresh = nonce(&mut bench);
    let upload = |bench: &mut Bench, claims: &Claims| {
        bench
            .upload(3, &Exchange::new(1).payload(&issue(claims)))
            .unwrap()
            .code
    };
    // Without one, with a made-up one.
    assert_eq!(upload(&mut bench, &with(None)), Code::UNAUTHORIZED);
    assert_eq!(
        upload(&mut bench, &with(Some(vec![0; 12]))),
        Code::UNAUTHORIZED
    );
    assert_eq!(bench.refusals(), [Refusal::Cnonce, Refusal::Cnonce]);
    // The lifetime counts from the nonce, wherever the clock of the AS stands.
    bench.advance(200_000);
    let token = with(Some(fresh.clone()));
    let mut client = bench.confirmed(3, &token, 1);
    bench.advance(799_000);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    bench.advance(1_000);
    assert_eq!(
        client
            .ask_outer(&mut bench, &Owned::new(Code::GET, "/temp"))
            .unwrap()
            .code,
        Code::UNAUTHORIZED
    );
    // By now the nonce is old.
    assert_eq!(upload(&mut bench, &token), Code::UNAUTHORIZED);
    let again = nonce(&mut bench);
    assert_ne!(again, fresh);
    assert_eq!(upload(&mut bench, &with(Some(again))), Code::CREATED);
    // After a reboot none from before is good.
    let before = nonce(&mut bench);
    let flash = bench.flash.clone();
    let mut bench = Bench::boot(
        Config {
            freshness,
            ..config()
        },
        flash,
        77,
    );
    bench.wall = None;
    assert_eq!(upload(&mut bench, &with(Some(before))), Code::UNAUTHORIZED);
}

#[test]
fn rfc9200_5_10_3_without_a_clock_a_token_with_exp_alone_is_refused() {
    let mut bench = Bench::new();
    bench.wall = None;
    let payload = Exchange::new(1).payload(&issue(&claims(1)));
    assert_eq!(bench.upload(3, &payload).unwrap().code, Code::UNAUTHORIZED);
    assert_eq!(bench.refusals(), [Refusal::ClockUnknown]);
}
