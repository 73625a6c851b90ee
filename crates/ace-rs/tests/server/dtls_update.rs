//! Other rights for the key of a session, and the order of tokens (RFC 9202, 3.4 and 4).

use ace_rs::Refusal;
use ace_token::issue::{Claims, Cnf, CoseKey, Issuer, IssuingKey, Scope};
use ace_wire::coap::Code;

use crate::bench::{WALL, claims, issue};
use crate::dtls_client::*;
use crate::dtls_psk::posted;

/// A later token for the key of `name`, with this scope.
pub fn update(name: u8, later: u64, scope: &str) -> Claims {
    Claims {
        cnf: Some(Cnf::Kid(kid_of(name))),
        iat: Some(WALL - 10 + later),
        cti: Some(vec![name, later as u8]),
        scope: Some(Scope::Text(scope.into())),
        ..claims(name)
    }
}

#[test]
fn rfc9202_4_an_update_replaces_the_rights_and_keeps_session_and_key() {
    for within in [true, false] {
        let mut bench = bench();
        let mut door = bench.session(3, &psk_claims(1), 1);
        let id = bench.server.tokens().next().unwrap().id;
        let other_forms = [
            Some(Cnf::Kid(kid_of(1))),
            Some(Cnf::CoseKey(CoseKey::Derived { kid: kid_of(1) })),
            psk_cnf(1),
        ];
        for (cnf, later) in other_forms.into_iter().zip(1..) {
            let scope = if later % 2 == 1 { "switch" } else { "read" };
            let token = issue(&Claims {
                cnf,
                ..update(1, later, scope)
            });
            let answer = if within {
                door.ask(&mut bench, &cwt(&token)).unwrap()
            } else {
                bench.ask_proven(7, &cwt(&token)).unwrap()
            };
            assert_eq!(answer.code, Code::CREATED, "{within} {later}");
            let token = bench.server.tokens().next().unwrap();
            assert_eq!((token.id, token.confirmed), (id, true));
            let (mine, other) = match scope {
                "switch" => ("/led", "/temp"),
                _ => ("/temp", "/led"),
            };
            assert_eq!(door.get(&mut bench, mine).code, Code::CONTENT);
            assert_eq!(door.get(&mut bench, other).code, Code::FORBIDDEN);
        }
        assert_eq!(bench.server.tokens().count(), 1);
        assert_eq!(bench.server.sessions(), 1);
        // The key is as before.
        assert!(Door::by_kid(9, 1).open(&mut bench));
    }
}

#[test]
fn rfc9202_3_4_an_older_token_does_not_bring_old_rights_back() {
    let mut bench = bench();
    let first = psk_claims(1);
    let mut door = bench.session(3, &first, 1);
    let newer = issue(&update(1, 2, "switch"));
    assert_eq!(
        door.ask(&mut bench, &cwt(&newer)).unwrap().code,
        Code::CREATED
    );
    let older = [issue(&first), issue(&update(1, 1, "read"))];
    for old in &older {
        assert_eq!(
            door.ask(&mut bench, &cwt(old)).unwrap().code,
            Code::UNAUTHORIZED
        );
        assert_eq!(posted(&mut bench, 8, old), Code::UNAUTHORIZED);
        assert_eq!(bench.refusals(), [Refusal::Older, Refusal::Older]);
        let mut whole = Door::by_token(8, old, 1);
        assert_eq!(whole.refused(&mut bench), ILLEGAL_PARAMETER);
    }
    assert_eq!(door.get(&mut bench, "/led").code, Code::CONTENT);
    assert_eq!(door.get(&mut bench, "/temp").code, Code::FORBIDDEN);
    // The newest may be posted as often as one likes.
    assert_eq!(posted(&mut bench, 8, &newer), Code::CREATED);
}

#[test]
fn rfc9202_3_4_numbers_in_cti_order_tokens_of_the_same_second() {
    let mut bench = bench();
    let numbered = |number: u8, scope: &str| Claims {
        cti: Some([b"thermo", &[number][..]].concat()),
        scope: Some(Scope::Text(scope.into())),
        ..psk_claims(1)
    };
    let mut door = bench.session(3, &numbered(5, "read"), 1);
    assert_eq!(
        posted(&mut bench, 4, &issue(&numbered(4, "switch"))),
        Code::UNAUTHORIZED
    );
    assert_eq!(
        posted(&mut bench, 4, &issue(&numbered(6, "switch"))),
        Code::CREATED
    );
    assert_eq!(door.get(&mut bench, "/led").code, Code::CONTENT);
}

#[test]
fn rfc9202_3_4_tokens_that_cannot_be_ordered_are_updated_by_their_client_alone() {
    let mut bench = bench();
    let undated = |scope: &str| Claims {
        iat: None,
        scope: Some(Scope::Text(scope.into())),
        ..psk_claims(1)
    };
    let mut door = bench.session(3, &undated("read"), 1);
    let other = issue(&undated("switch"));
    assert_eq!(posted(&mut bench, 4, &other), Code::UNAUTHORIZED);
    assert_eq!(
        door.ask(&mut bench, &cwt(&other)).unwrap().code,
        Code::CREATED
    );
    assert_eq!(door.get(&mut bench, "/led").code, Code::CONTENT);
}

#[test]
fn rfc9200_5_10_3_a_token_with_exi_counts_on_in_other_bytes() {
    let mut bench = bench();
    bench.wall = None;
    let counted = Claims {
        exp: None,
        iat: None,
        exi: Some(1000),
        cti: Some([&b"thermo"[..], &[1]].concat()),
        ..psk_claims(1)
    };
    let mut door = bench.session(3, &counted, 1);
    let ends = bench.server.tokens().next().unwrap().ends;
    bench.advance(900_000);
    // RFC 8392, 6: the tag of a CWT may stand in front.
    let tagged = [&[0xd8, 0x3d], &issue(&counted)[..]].concat();
    let answer = door.ask(&mut bench, &cwt(&tagged)).unwrap();
    assert_eq!(answer.code, Code::CREATED);
    assert_eq!(bench.server.tokens().next().unwrap().ends, ends);
    bench.advance(100_000);
    assert_eq!(bench.server.tokens().count(), 0);
    // The session is closed.
    bench.sent();
    assert_eq!(posted(&mut bench, 4, &tagged), Code::UNAUTHORIZED);
}

#[test]
fn rfc9202_4_a_key_of_the_same_name_by_another_authorization_server_is_another() {
    let mut bench = bench();
    let mut door = bench.session(3, &psk_claims(1), 1);
    let issuer = Issuer {
        kid: Some(b"other"),
        key: IssuingKey::Aead(ace_crypto::Aead::AesCcm16_64_128, &[8; 16]),
    };
    let foreign = Claims {
        iss: Some("coap://other.example".into()),
        ..update(1, 9, "switch")
    };
    let token = issuer
        .issue(&foreign, &mut ace_testkit::SeededRandom::new(1))
        .unwrap();
    assert_eq!(posted(&mut bench, 4, &token), Code::UNAUTHORIZED);
    assert_eq!(bench.refusals(), [Refusal::UnknownKey]);
    assert_eq!(door.get(&mut bench, "/led").code, Code::FORBIDDEN);
}

/// A token of another authorization server.
fn foreign(claims: Claims) -> Vec<u8> {
    let issuer = Issuer {
        kid: Some(b"other"),
        key: IssuingKey::Aead(ace_crypto::Aead::AesCcm16_64_128, &[8; 16]),
    };
    let claims = Claims {
        iss: Some("coap://other.example".into()),
        ..claims
    };
    let mut rng = ace_testkit::SeededRandom::new(1);
    issuer.issue(&claims, &mut rng).unwrap()
}

#[test]
fn another_authorization_server_touches_neither_keys_nor_subjects_of_the_first() {
    let mut bench = bench();
    let alice = |name| Claims {
        sub: Some("alice".into()),
        ..psk_claims(name)
    };
    let mut door = bench.session(3, &alice(1), 1);
    // A later token for the very key.
    let token = foreign(Claims {
        cnf: psk_cnf(1),
        ..update(1, 9, "switch")
    });
    assert_ne!(posted(&mut bench, 4, &token), Code::CREATED);
    assert_eq!(bench.refusals(), [Refusal::OtherMaterial]);
    assert_eq!(door.get(&mut bench, "/led").code, Code::FORBIDDEN);
    // Another key under the same name.
    let token = foreign(Claims {
        cnf: Some(Cnf::CoseKey(CoseKey::Symmetric {
            kid: Some(kid_of(1)),
            alg: None,
            k: key_of(2).to_vec().into(),
        })),
        ..alice(2)
    });
    assert_eq!(posted(&mut bench, 4, &token), Code::CREATED);
    assert!(Door::by_kid(3, 1).open(&mut bench));
    // Someone of the same name.
    assert!(Door::by_token(5, &token, 2).open(&mut bench));
    let confirmed = bench.server.tokens().filter(|token| token.confirmed);
    assert_eq!(confirmed.count(), 2);
}

#[test]
fn rfc9202_4_an_update_for_the_key_of_another_session_does_not_touch_this_one() {
    let mut bench = bench();
    let mut one = bench.session(3, &psk_claims(1), 1);
    let mut two = bench.session(4, &psk_claims(2), 2);
    // Two posts what is meant for one: it is one's key that gets the rights.
    let token = issue(&update(1, 1, "read switch"));
    assert_eq!(
        two.ask(&mut bench, &cwt(&token)).unwrap().code,
        Code::CREATED
    );
    assert_eq!(two.get(&mut bench, "/led").code, Code::FORBIDDEN);
    assert_eq!(one.get(&mut bench, "/led").code, Code::CONTENT);
}
