//! Contexts: made, confirmed, replaced, ended (RFC 9203, 4.3 and 6).

use ace_rs::{EventKind, Outcome, Refusal};
use ace_token::issue::{Claims, Cnf, OscoreInputMaterial, Scope};
use ace_wire::coap::{Code, option};

use crate::authz_info::generous;
use crate::bench::{Bench, Client, Exchange, Owned, claims, issue, material, upload};

fn temp() -> Owned {
    Owned::new(Code::GET, "/temp")
}

/// The server does not know the context any more: an unprotected 4.01.
fn assert_unknown(bench: &mut Bench, client: &mut Client) {
    let answer = client.ask_outer(bench, &temp()).expect("an answer");
    assert_eq!(answer.code, Code::UNAUTHORIZED, "{answer:?}");
    assert_eq!(answer.option(option::OSCORE), None);
}

fn confirmed(bench: &Bench) -> usize {
    bench
        .server
        .tokens()
        .filter(|token| token.confirmed)
        .count()
}

#[test]
fn rfc9203_4_3_both_sides_derive_the_same_context_from_any_material() {
    let base = material(1);
    let materials = [
        base.clone(),
        OscoreInputMaterial {
            salt: None,
            ..base.clone()
        },
        OscoreInputMaterial {
            salt: Some(vec![]),
            ..base.clone()
        },
        OscoreInputMaterial {
            version: Some(1),
            context_id: Some(vec![9; 24]),
            ..base.clone()
        },
        OscoreInputMaterial {
            alg: Some(30),
            hkdf: Some(5),
            ..base.clone()
        },
        OscoreInputMaterial {
            alg: Some(10),
            hkdf: Some(-10),
            ..base.clone()
        },
        OscoreInputMaterial {
            alg: Some(31),
            ms: vec![3; 64].into(),
            ..base.clone()
        },
        OscoreInputMaterial {
            alg: Some(1),
            ..base
        },
    ];
    for osc in materials {
        let mut bench = Bench::new();
        let token = issue(&Claims {
            cnf: Some(Cnf::Osc(osc.clone())),
            ..claims(1)
        });
        let exchange = Exchange {
            material: osc,
            ..Exchange::new(1)
        };
        let answer = bench.upload(3, &exchange.payload(&token)).unwrap();
        let mut client = exchange.client(3, &answer);
        assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    }
}

#[test]
fn rfc9203_2_posting_again_ends_the_old_context_only_when_the_new_one_is_used() {
    let mut bench = Bench::new();
    let mut old = bench.confirmed(3, &claims(1), 1);
    let mut new = bench.join(3, &issue(&claims(1)), 1);
    assert_eq!(old.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(bench.server.tokens().count(), 2);
    // A forgery under the new context changes nothing.
    let (mut forged, _) = new.protect(&temp());
    *forged.payload.last_mut().unwrap() ^= 1;
    assert_eq!(bench.ask(3, &forged), None);
    assert_eq!(old.get(&mut bench, "/temp").code, Code::CONTENT);

    assert_eq!(new.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_unknown(&mut bench, &mut old);
    assert_eq!(new.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(bench.server.tokens().count(), 1);
    let replaced = |kind: &EventKind| *kind == EventKind::TokenReplaced;
    assert_eq!(
        bench
            .events()
            .iter()
            .filter(|event| replaced(&event.kind))
            .count(),
        1
    );
}

#[test]
fn rfc9203_2_who_saw_the_token_cannot_disturb_its_owner_by_posting_it() {
    let mut bench = Bench::new();
    let token = issue(&claims(1));
    let mut client = bench.confirmed(3, &claims(1), 1);
    for attacker in 10..14 {
        let exchange = Exchange {
            nonce1: vec![attacker as u8; 8],
            ..Exchange::new(1)
        };
        bench.upload(attacker, &exchange.payload(&token)).unwrap();
        assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    }
    // Nor by sending the very datagram of the owner again.
    let datagram = upload(&Exchange::new(1).payload(&token)).encode();
    bench.raw(3, &datagram);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9200_5_10_1_a_token_for_the_same_key_supersedes() {
    let mut bench = Bench::new();
    let mut old = bench.confirmed(3, &claims(1), 1);
    let other_rights = Claims {
        scope: Some(Scope::Text("switch".into())),
        ..claims(1)
    };
    let mut new = bench.confirmed(3, &other_rights, 1);
    assert_eq!(confirmed(&bench), 1);
    assert_eq!(new.get(&mut bench, "/led").code, Code::CONTENT);
    assert_eq!(new.get(&mut bench, "/temp").code, Code::FORBIDDEN);
    assert_unknown(&mut bench, &mut old);
}

#[test]
fn rfc9203_7_one_token_per_subject_unless_configured_otherwise() {
    let of = |name, subject: &str| Claims {
        sub: Some(subject.into()),
        ..claims(name)
    };
    for (one, left) in [(true, 2), (false, 3)] {
        let mut config = generous();
        config.limits.one_token_per_subject = one;
        let mut bench = Bench::with(config);
        let mut first = bench.confirmed(3, &of(1, "alice"), 1);
        let mut other = bench.confirmed(4, &of(2, "bob"), 2);
        let mut second = bench.confirmed(3, &of(3, "alice"), 3);
        assert_eq!(confirmed(&bench), left);
        assert_eq!(second.get(&mut bench, "/temp").code, Code::CONTENT);
        assert_eq!(other.get(&mut bench, "/temp").code, Code::CONTENT);
        if one {
            assert_unknown(&mut bench, &mut first);
        } else {
            assert_eq!(first.get(&mut bench, "/temp").code, Code::CONTENT);
        }
        let subjects: Vec<_> = bench
            .server
            .resources()
            .seen
            .iter()
            .map(|seen| seen.2.clone().unwrap())
            .collect();
        assert_eq!(subjects[..2], ["alice".to_owned(), "bob".to_owned()]);
    }
}

#[test]
fn rfc9200_5_10_1_several_tokens_without_subject_stand_side_by_side() {
    let mut bench = Bench::with(generous());
    let mut clients: Vec<_> = (1..=4)
        .map(|name| bench.confirmed(name.into(), &claims(name), name))
        .collect();
    for client in &mut clients {
        assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
    }
}

#[test]
fn a_full_table_refuses_with_503_until_a_token_ends() {
    let mut bench = Bench::with(generous());
    let until = |name: u8, seconds| Claims {
        exp: Some(crate::bench::WALL + seconds),
        ..claims(name)
    };
    for name in 1..=4u8 {
        bench.confirmed(name.into(), &until(name, 100 * u64::from(name)), name);
    }
    let payload = Exchange::new(5).payload(&issue(&claims(5)));
    let answer = bench.upload(5, &payload).unwrap();
    assert_eq!(answer.code, Code::SERVICE_UNAVAILABLE);
    assert_eq!(answer.uint(option::MAX_AGE), Some(100));
    assert_eq!(bench.refusals(), [Refusal::TableFull]);
    // A client that has a place may take another token in it.
    bench.confirmed(4, &until(4, 500), 4);
    // The next place is free when its token ends.
    bench.advance(100_000);
    let mut client = bench.confirmed(5, &claims(5), 5);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn a_place_taken_meanwhile_refuses_the_first_request_under_protection() {
    let mut bench = Bench::with(generous());
    for name in 1..=3u8 {
        bench.confirmed(name.into(), &claims(name), name);
    }
    let mut late = bench.join(4, &issue(&claims(4)), 4);
    let mut quick = bench.join(5, &issue(&claims(5)), 5);
    assert_eq!(quick.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(
        late.get(&mut bench, "/temp").code,
        Code::SERVICE_UNAVAILABLE
    );
    assert_eq!(confirmed(&bench), 4);
    // It waits on, and gets the place when one is free.
    let first = bench
        .server
        .tokens()
        .find(|token| token.cti == Some(&[1]))
        .unwrap()
        .hash;
    assert_eq!(
        bench.server.revoke(bench.now, ace_rs::Revoke::Hash(first)),
        1
    );
    assert_eq!(late.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn a_posted_token_waits_for_two_minutes() {
    let mut bench = Bench::new();
    let mut client = bench.join(3, &issue(&claims(1)), 1);
    assert_eq!(
        bench.server.poll_timeout().unwrap().0,
        bench.now.0 + 120_000
    );
    bench.advance(119_999);
    assert_eq!(bench.server.tokens().count(), 1);
    bench.advance(1);
    assert_eq!(bench.server.tokens().count(), 0);
    assert_unknown(&mut bench, &mut client);
    // The same token posted again does.
    let mut client = bench.join(3, &issue(&claims(1)), 1);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn rfc9203_4_1_after_a_reboot_the_client_is_told_and_posts_again() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(3, &claims(1), 1);
    let mut bench = Bench::boot(crate::bench::config(), bench.flash.clone(), 99);
    assert_unknown(&mut bench, &mut client);
    let mut client = bench.join(3, &issue(&claims(1)), 1);
    assert_eq!(client.get(&mut bench, "/temp").code, Code::CONTENT);
}

#[test]
fn revocation_ends_tokens_by_hash_and_by_cti() {
    let mut bench = Bench::with(generous());
    let mut one = bench.confirmed(1, &claims(1), 1);
    let mut two = bench.confirmed(2, &claims(2), 2);
    let mut waiting = bench.join(3, &issue(&claims(1)), 1);
    let hash = ace_rs::TokenHash::of(&issue(&claims(1)), &mut [0; 512]).unwrap();
    // The one in force and the one that waits: both are the same token.
    assert_eq!(
        bench.server.revoke(bench.now, ace_rs::Revoke::Hash(hash)),
        2
    );
    assert_eq!(
        bench.server.revoke(bench.now, ace_rs::Revoke::Hash(hash)),
        0
    );
    assert_unknown(&mut bench, &mut one);
    assert_unknown(&mut bench, &mut waiting);
    assert_eq!(two.get(&mut bench, "/temp").code, Code::CONTENT);
    assert_eq!(bench.server.revoke(bench.now, ace_rs::Revoke::Cti(&[2])), 1);
    assert_unknown(&mut bench, &mut two);
    let events = bench.events();
    assert_eq!(
        events
            .iter()
            .filter(|e| e.kind == EventKind::TokenRevoked)
            .count(),
        3
    );
}

#[test]
fn who_asks_is_told_to_the_application_and_to_the_log() {
    let mut bench = Bench::new();
    let mut client = bench.confirmed(
        3,
        &Claims {
            sub: Some("alice".into()),
            ..claims(1)
        },
        1,
    );
    bench.events();
    client.get(&mut bench, "/temp");
    let token = bench.server.tokens().next().unwrap();
    assert_eq!(
        (token.subject, token.peer, token.cti),
        (Some("alice"), Some(3), Some(&[1][..]))
    );
    let id = token.id;
    assert_eq!(bench.server.resources().seen[0].2.as_deref(), Some("alice"));
    let event = bench.events().pop().unwrap();
    assert_eq!((event.peer, event.token), (Some(3), Some(id)));
    let EventKind::Request {
        method,
        path,
        answer,
        outcome,
    } = event.kind
    else {
        panic!()
    };
    assert_eq!(
        (method, answer, outcome),
        (Code::GET, Code::CONTENT, Outcome::Handled)
    );
    assert_eq!(path.to_string(), "/temp");
}
