//! Update of rights within a context (RFC 9203, 4.2).

use ace_rs::{EventKind, Refusal};
use ace_token::ClaimError;
use ace_token::issue::{Claims, Cnf, Scope};
use ace_wire::ace::AuthzInfoRequest;
use ace_wire::coap::{Code, option};

use crate::bench::{Bench, Client, Exchange, Owned, WALL, claims, issue, material, upload};

/// A token with other rights for the key of [`claims`]`(1)`.
fn update(scope: &str) -> Claims {
    Claims {
        cnf: Some(Cnf::Kid(vec![0xa0, 1])),
        scope: Some(Scope::Text(scope.into())),
        cti: Some(vec![9]),
        ..claims(1)
    }
}

fn payload(token: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 512];
    let request = AuthzInfoRequest {
        access_token: token,
        nonce1: None,
        client_recipient_id: None,
    };
    let length = request.encode(&mut out).unwrap();
    out.truncate(length);
    out
}

fn post(bench: &mut Bench, client: &mut Client, claims: &Claims) -> Owned {
    client.ask(bench, &upload(&payload(&issue(claims))))
}

#[test]
fn rfc9203_4_2_rights_are_replaced_in_place() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    assert_eq!(client.get(&mut bench, "/led").code, Code::FORBIDDEN);
    let answer = post(&mut bench, &mut client, &update("switch"));
    assert_eq!(
        (answer.code, answer.payload.len(), answer.options.len()),
        (Code::CREATED, 0, 0)
    );
    assert_eq!(client.get(&mut bench, "/led").code, Code::CONTENT);
    // Only the latest rights are valid.
    assert_eq!(client.get(&mut bench, "/temp").code, Code::FORBIDDEN);
    let token = bench.server.tokens().next().unwrap();
    assert_eq!((token.cti, token.confirmed), (Some(&[9][..]), true));
    assert_eq!(bench.server.tokens().count(), 1);
    assert!(
        bench
            .events()
            .iter()
            .any(|event| event.kind == EventKind::TokenUpdated)
    );
}

#[test]
fn rfc9203_4_2_nonce_and_identifiers_are_ignored() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let with_nonce = Exchange::new(1).payload(&issue(&update("switch")));
    assert_eq!(
        client.ask(&mut bench, &upload(&with_nonce)).code,
        Code::CREATED
    );
    assert_eq!(client.get(&mut bench, "/led").code, Code::CONTENT);
}

#[test]
fn rfc9203_4_2_update_that_fails_leaves_the_old_rights() {
    let other_kid = Claims {
        cnf: Some(Cnf::Kid(vec![0xa0, 2])),
        ..update("switch")
    };
    let whole_key = Claims {
        cnf: Some(Cnf::Osc(material(1))),
        ..update("switch")
    };
    let cases = [
        (other_kid, Code::UNAUTHORIZED, Refusal::OtherMaterial),
        (whole_key, Code::UNAUTHORIZED, Refusal::OtherMaterial),
        (
            Claims {
                cnf: None,
                ..update("switch")
            },
            Code::BAD_REQUEST,
            Refusal::Confirmation,
        ),
        (
            Claims {
                exp: Some(WALL),
                ..update("switch")
            },
            Code::UNAUTHORIZED,
            Refusal::Claim(ClaimError::Expired),
        ),
        (
            Claims {
                aud: vec!["x".into()],
                ..update("switch")
            },
            Code::FORBIDDEN,
            Refusal::Claim(ClaimError::Audience),
        ),
        (update("nonsense"), Code::BAD_REQUEST, Refusal::Scope),
    ];
    for (claims_of_update, code, refusal) in cases {
        let mut bench = Bench::new();
        let mut client = bench.confirmed(3, &claims(1), 1);
        bench.events();
        let before = bench.state();
        assert_eq!(post(&mut bench, &mut client, &claims_of_update).code, code);
        assert_eq!(bench.refusals(), [refusal]);
        assert_eq!(bench.state(), before);
        assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    }
}

#[test]
fn rfc9203_4_2_malformed_updates_are_refused() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let before = bench.state();
    let good = payload(&issue(&update("switch")));
    for end in [0, 1, 2, 10, good.len() - 1] {
        let answer = client.ask(&mut bench, &upload(&good[..end]));
        assert_eq!(answer.code, Code::BAD_REQUEST, "{end}");
    }
    let get = client.get(&mut bench, "/authz-info");
    assert_eq!(get.code, Code::METHOD_NOT_ALLOWED);
    let plain = Owned::new(Code::POST, "/authz-info")
        .with(option::CONTENT_FORMAT, 61u16)
        .body(&issue(&update("switch")));
    assert_eq!(
        client.ask(&mut bench, &plain).code,
        Code::UNSUPPORTED_CONTENT_FORMAT
    );
    assert_eq!(bench.state(), before);
}

#[test]
fn rfc9203_4_2_an_update_in_the_clear_is_refused() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let before = bench.state();
    for (payload, code) in [
        // A key of a DTLS session that there is not.
        (payload(&issue(&update("switch"))), Code::UNAUTHORIZED),
        (
            Exchange::new(1).payload(&issue(&update("switch"))),
            Code::BAD_REQUEST,
        ),
    ] {
        assert_eq!(bench.upload(3, &payload).unwrap().code, code);
    }
    assert_eq!(bench.state(), before);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9203_4_2_another_clients_update_is_refused() {
    let mut bench = Bench::new();
    let mut one = bench.confirmed(1, &claims(1), 1);
    let mut two = bench.confirmed(2, &claims(2), 2);
    assert_eq!(
        post(&mut bench, &mut two, &update("switch")).code,
        Code::UNAUTHORIZED
    );
    assert_eq!(
        post(&mut bench, &mut one, &update("switch")).code,
        Code::CREATED
    );
}

#[test]
fn rfc9200_5_10_1_2_updates_are_limited_per_context() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    for _ in 0..4 {
        assert_eq!(
            post(&mut bench, &mut client, &update("switch")).code,
            Code::CREATED
        );
    }
    let answer = post(&mut bench, &mut client, &update("switch"));
    assert_eq!(
        (answer.code, answer.uint(option::MAX_AGE)),
        (Code::TOO_MANY_REQUESTS, Some(1))
    );
    bench.advance(1000);
    assert_eq!(
        post(&mut bench, &mut client, &update("switch")).code,
        Code::CREATED
    );
}

#[test]
fn rfc9203_4_2_an_update_may_be_the_first_request() {
    let mut bench = Bench::new();
    let mut client = bench.join(3, &issue(&claims(1)), 1);
    assert_eq!(
        post(&mut bench, &mut client, &update("switch")).code,
        Code::CREATED
    );
    assert_eq!(client.get(&mut bench, "/led").code, Code::CONTENT);
}

#[test]
fn rfc9200_5_10_3_a_token_with_exi_that_was_updated_does_not_come_back() {
    let with_number = |claims: Claims, number| Claims {
        exi: Some(60),
        cti: Some([&b"thermo"[..], &[number]].concat()),
        ..claims
    };
    let mut bench = Bench::new();
    let first = with_number(claims(1), 1);
    let mut client = bench.confirmed(3, &first, 1);
    let next = with_number(update("switch"), 2);
    assert_eq!(post(&mut bench, &mut client, &next).code, Code::CREATED);
    // The same update again changes nothing.
    assert_eq!(post(&mut bench, &mut client, &next).code, Code::CREATED);
    let answer = bench
        .upload(3, &Exchange::new(1).payload(&issue(&first)))
        .unwrap();
    assert_eq!(answer.code, Code::UNAUTHORIZED);
    assert_eq!(bench.refusals(), [Refusal::Expired]);
    // And the end is that of the update's first sight.
    bench.advance(60_000);
    assert_eq!(bench.server.tokens().count(), 0);
}
